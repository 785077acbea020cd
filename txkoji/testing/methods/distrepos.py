"""Dist repos of tags."""

from __future__ import annotations

from typing import Any

from txkoji.testing.announcements import messages
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.repos import REPO_PRIORITY, insert_repo
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tasks import FINISHED, make_task
from txkoji.testing.tables.lookups.tags import require_tag, tag_extra
from txkoji.testing.tables.lookups.values import hub_error, require_type


@hub_method("distRepo")
def dist_repo(call: MethodCall, tag: Any, keys: Any, **task_opts: Any) -> int:
    """Start a distRepo task, which makes a signed repo; return its id."""
    if "arch" not in task_opts:
        raise hub_error("<class 'KeyError'>: 'arch'")
    call.require_login()
    state = call.state
    found = require_tag(state, tag)
    if any(denial.policy == "dist_repo" for denial in call.hub.denials):
        call.require_policy("dist_repo", force=True)
    else:
        call.require_permission("dist-repo")
    require_type(task_opts["arch"], list)
    require_type(keys, list)
    if tag_extra(state, found["id"]).get("distrepo.cancel_others"):
        for other in state.rows("task", method="distRepo"):
            if other["state"] not in FINISHED and other["request"][0] == found["name"]:
                call.hub.runner.cancel(other["id"])
    repo = insert_repo(call, found["id"], dist=True)
    request = [found["name"], repo["id"], keys, task_opts]
    task_id = make_task(call, "distRepo", request, channel="createrepo", priority=REPO_PRIORITY)
    state.update("repo", repo["id"], task_id=task_id)
    more = {
        "dist": True,
        "keys": keys,
        "arches": task_opts["arch"],
        "task_opts": task_opts,
        "repodir": f"{messages.TOP_DIRECTORY}/repos-dist/{found['name']}/{repo['id']}",
        "with_src": "src" in task_opts["arch"],
    }
    state.announce(lambda: messages.repo_begun(state, repo, **more))
    return task_id
