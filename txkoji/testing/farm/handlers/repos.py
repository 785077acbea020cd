"""Repos: ``newRepo`` and its parts, ``waitrepo``."""

from __future__ import annotations

from typing import Any

from txkoji import task_states
from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import Job, output_of
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.history import last_change
from txkoji.testing.methods.repos import (
    EXPIRED,
    READY,
    REPO_OPTIONS,
    insert_repo,
)
from txkoji.testing.tables.lookups.structs import repo_struct
from txkoji.testing.tables.lookups.tags import tag_name, tag_order
from txkoji.testing.tables.state import Row

REPO_SHARE = 0.1
REPO_LIMIT = 7200.0
"""How long a task waits for a repo, in seconds."""


@handler("newRepo")
async def new_repo(job: Job) -> list[Any]:
    """Run ``newRepo``: a createrepo for each architecture, then the repo is READY."""
    state = job.state
    tag = job.require("tagInfo", job.request[0], job.options.get("event"))
    repo = state.one("repo", task_id=job.id) if job.is_resumed else None
    if repo is None:
        with state.transaction():
            opts = {key: job.options[key] for key in REPO_OPTIONS if key in job.options}
            event = job.options.get("event")
            repo = insert_repo(job, tag["id"], task_id=job.id, opts=opts, event=event)
            begun = repo
            state.announce(lambda: messages.repo_begun(state, begun))
    arches = job.arches(tag["id"], "")
    await job.wait([job.child("createrepo", [repo["id"], arch, None], arch) for arch in arches])
    with state.transaction():
        before = repo_struct(state, repo)
        state.announce(lambda: messages.repo_done(before, expire=False))
        for old in state.rows("repo", tag_id=tag["id"], state=READY, opts=repo["opts"]):
            if old["create_event"] <= repo["create_event"]:
                state.update("repo", old["id"], state=EXPIRED, state_ts=job.hub.now())
        state.update("repo", repo["id"], state=READY, state_ts=job.hub.now())
        for request in state.rows("repo_queue", task_id=job.id, active=True):
            state.update(
                "repo_queue",
                request["id"],
                repo_id=repo["id"],
                active=False,
                update_ts=job.hub.now(),
            )
    return [repo["id"], repo["create_event"]]


@handler("createrepo")
async def createrepo(job: Job) -> list[Any]:
    """Run ``createrepo``."""
    await job.sleep(REPO_SHARE)
    repo = job.state.row("repo", job.request[0])
    failures.make_repo(tag_name(job.state, repo["tag_id"]))
    return [output_of(job.id), ["repomd.xml"]]


@handler("waitrepo")
async def wait_repo(job: Job) -> dict[str, Any]:
    """Run ``waitrepo``: until the tag has a repo that is new enough and holds the builds."""
    tag_info, _newer_than, nvrs, min_event = (*job.request, None, None, None)[:4]
    tag = job.require("tagInfo", tag_info)
    nvrs = nvrs or []
    while not job.holds(tag["id"], nvrs):
        await _wait(job, f"{', '.join(nvrs)} to appear in the {tag['name']} repo")
    if nvrs:
        min_event = last_change(job, [each for each, _ in tag_order(job.state, tag["id"])])
    asked: Row = {"active": True}
    while True:
        if not asked["active"] and asked["repo_id"] is None:
            state = task_states.to_str(job.state.row("task", asked["task_id"])["state"])
            text = f"Repo request inactive: task {asked['task_id']} state is {state}"
            raise GenericError(text)
        answer = job.ask_for_repo(tag["id"], min_event)
        if answer["repo"]:
            return dict(answer["repo"])
        if answer["request"]:
            asked = job.state.row("repo_queue", answer["request"]["id"])
            min_event = asked["min_event"]
        await _wait(job, f"a new {tag['name']} repo")


async def _wait(job: Job, what: str) -> None:
    """Wait a moment, or fail as a builder that has waited too long for something."""
    if job.hub.now() > job.task["start_ts"] + REPO_LIMIT:
        raise GenericError(f"Unsuccessfully waited 120:00 for {what}")
    await job.sleep(0.05)
