"""Repos: ``newRepo`` and its parts, ``waitrepo``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.common import arches_of, call_of
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.repos import (
    EXPIRED,
    INIT,
    ON_REQUEST,
    READY,
    REPO_OPTIONS,
    default_min_event,
    insert_repo,
    latest_repo,
    repo_request,
)
from txkoji.testing.tables.lookups.builds import find_build_row
from txkoji.testing.tables.lookups.repos import repo_struct
from txkoji.testing.tables.lookups.tags import require_tag, tag_name, tag_order
from txkoji.testing.tables.state import Row

REPO_SHARE = 0.1
REPO_LIMIT = 7200.0
"""How long a task waits for a repo, in seconds."""


@handler("newRepo")
async def new_repo(builder: Builder, task: Row) -> list[Any]:
    """Run ``newRepo``: a createrepo for each architecture, then the repo is READY."""
    call = call_of(builder, task)
    state = builder.hub.state
    tag = require_tag(state, task["request"][0])
    # A restarted task finds its own.
    repo = state.one("repo", task_id=task["id"], state=INIT)
    if repo is None:
        with state.transaction():
            named = task["request"][-1] if isinstance(task["request"][-1], dict) else {}
            opts = {key: named[key] for key in REPO_OPTIONS if key in named}
            repo = insert_repo(
                call, tag["id"], task_id=task["id"], opts=opts, event=named.get("event")
            )
            begun = repo
            state.announce(lambda: messages.repo_begun(state, begun))
    arches = arches_of(builder, tag["id"], "", {})
    children = [
        builder.subtask(task, "createrepo", [repo["id"], arch, None], arch) for arch in arches
    ]
    results = await builder.wait(task, children)
    del results
    with state.transaction():
        before = repo_struct(state, repo)
        state.announce(lambda: messages.repo_done(before, expire=False))
        for old in state.rows("repo", tag_id=tag["id"], state=READY, opts=repo["opts"]):
            if old["create_event"] <= repo["create_event"]:
                state.update("repo", old["id"], state=EXPIRED, state_ts=call.hub.now())
        state.update("repo", repo["id"], state=READY, state_ts=call.hub.now())
        for request in state.rows("repo_queue", task_id=task["id"], active=True):
            state.update(
                "repo_queue",
                request["id"],
                repo_id=repo["id"],
                active=False,
                update_ts=call.hub.now(),
            )
    return [repo["id"], repo["create_event"]]


@handler("createrepo")
async def createrepo(builder: Builder, task: Row) -> list[Any]:
    """Run ``createrepo``."""
    await builder.sleep(REPO_SHARE)
    repo = builder.hub.state.row("repo", task["request"][0])
    failures.make_repo(tag_name(builder.hub.state, repo["tag_id"]))
    return [task_directory(task["id"]).removeprefix("work/"), ["repomd.xml"]]


@handler("waitrepo")
async def wait_repo(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``waitrepo``: until the tag has a repo that is new enough and holds the builds."""
    tag_info, _newer_than, nvrs, min_event = (*task["request"], None, None, None)[:4]
    call = call_of(builder, task)
    state = builder.hub.state
    tag = require_tag(state, tag_info)
    asked: int | None = None
    while True:
        wanted = (True, min_event) if min_event else _wanted_event(call, tag["id"], nvrs or [])
        is_tagged, low = wanted
        if asked is not None:
            request = state.row("repo_queue", asked)
            if request["repo_id"] is not None:
                return repo_struct(state, state.row("repo", request["repo_id"]))
            if not request["active"]:
                raise GenericError(f"no repo of {tag['name']}: request {asked} did not end well")
        elif is_tagged:
            repo = latest_repo(call, tag["id"], min_event=low)
            if repo is not None:
                return repo_struct(state, repo)
            if builder.hub.release >= ON_REQUEST:
                # All who wait for the same repo share a request.
                with state.transaction():
                    asked = repo_request(call, tag["id"], low or None)["request"]["id"]
        if builder.hub.now() > task["start_ts"] + REPO_LIMIT:
            raise GenericError(f"Unsuccessfully waited 2 hours, 0 minutes for {_what(tag, nvrs)}")
        await builder.sleep(0.05)


def _what(tag: Row, nvrs: list[str] | None) -> str:
    """Return what a builder waited for without success, in its words."""
    if nvrs:
        return f"{', '.join(nvrs)} to appear in the {tag['name']} repo"
    return f"a new {tag['name']} repo"


def _wanted_event(call: MethodCall, tag_id: int, nvrs: list[str]) -> tuple[bool, int | None]:
    """Return whether the builds are in the tag, and the first event of a repo with them."""
    low = default_min_event(call, tag_id)
    for nvr in nvrs:
        row = find_build_row(call.state, nvr)
        if row is None:
            # It may come yet.
            return False, None
        events = [
            listing["create_event"]
            for parent, _ in tag_order(call.state, tag_id)
            for listing in call.state.active("tag_listing", tag_id=parent, build_id=row["id"])
        ]
        if not events:
            return False, None
        low = max(low or 0, min(events))
    return True, low
