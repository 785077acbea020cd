"""Repos: ``newRepo`` and its parts, ``waitrepo``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import Job, output_of
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.repos import (
    EXPIRED,
    ON_REQUEST,
    READY,
    REPO_OPTIONS,
    default_min_event,
    insert_repo,
    latest_repo,
    repo_request,
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
    tag = job.require("tagInfo", job.request[0])
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
    state = job.state
    tag = job.require("tagInfo", tag_info)
    asked: int | None = None
    while True:
        wanted = (True, min_event) if min_event else _wanted_event(job, tag["id"], nvrs or [])
        is_tagged, low = wanted
        if asked is not None:
            request = state.row("repo_queue", asked)
            if request["repo_id"] is not None:
                return repo_struct(state, state.row("repo", request["repo_id"]))
            if not request["active"]:
                raise GenericError(f"no repo of {tag['name']}: request {asked} did not end well")
        elif is_tagged:
            repo = latest_repo(job, tag["id"], min_event=low)
            if repo is not None:
                return repo_struct(state, repo)
            if job.hub.release >= ON_REQUEST:
                # All who wait for the same repo share a request.
                with state.transaction():
                    made = repo_request(job, tag["id"], low or None, None, None, None, False)
                    asked = made["request"]["id"]
        if job.hub.now() > job.task["start_ts"] + REPO_LIMIT:
            raise GenericError(f"Unsuccessfully waited 2 hours, 0 minutes for {_what(tag, nvrs)}")
        await job.sleep(0.05)


def _what(tag: Row, nvrs: list[str] | None) -> str:
    """Return what a builder waited for without success, in its words."""
    if nvrs:
        return f"{', '.join(nvrs)} to appear in the {tag['name']} repo"
    return f"a new {tag['name']} repo"


def _wanted_event(job: Job, tag_id: int, nvrs: list[str]) -> tuple[bool, int | None]:
    """Return whether the builds are in the tag, and the first event of a repo with them."""
    low = default_min_event(job, tag_id)
    for nvr in nvrs:
        row = job.find("build", nvr)
        if row is None:
            # It may come yet.
            return False, None
        events = [
            listing["create_event"]
            for parent, _ in tag_order(job.state, tag_id)
            for listing in job.state.active("tag_listing", tag_id=parent, build_id=row["id"])
        ]
        if not events:
            return False, None
        low = max(low or 0, min(events))
    return True, low
