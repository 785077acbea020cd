"""Tagging: ``tagBuild``, and ``dependantTask``, which puts several in order."""

from __future__ import annotations

from txkoji.exceptions import GenericError
from txkoji.testing.farm.handlers.job import Job
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.tagging import check_access, listing_of, tag_build_row, untag_build_row
from txkoji.testing.methods.tasks import CLOSED

TAG_SHARE = 0.05


@handler("tagBuild")
async def tag_build(job: Job) -> None:
    """Run ``tagBuild``: untag from the source tag and tag, at one event."""
    tag_id, build_id, force, from_tag, *_ = job.request
    await job.sleep(TAG_SHARE)
    state, owner = job.state, job.task["owner"]
    build_row = state.get("build", build_id)
    if build_row is None:
        raise GenericError(f"No such build: {build_id!r}")
    if _tagged_since(job, tag_id, build_id):
        return
    with state.transaction():
        # A target's tag may need a permission that the task's owner lacks, or be locked by now.
        check_access(job, job.require("tagInfo", tag_id), bool(force))
        if from_tag is not None:
            check_access(job, job.require("tagInfo", from_tag), bool(force))
            untag_build_row(state, from_tag, build_row, owner)
        tag_build_row(state, tag_id, build_row, owner, force=bool(force))


@handler("dependantTask")
async def dependant_task(job: Job) -> None:
    """Run ``dependantTask``: after other tasks have closed, tasks of its own."""
    waited_for, tasks = job.request
    for number in waited_for:
        ended = await job.builder.ended(number)
        if ended["state"] != CLOSED:
            raise GenericError(f"Dependency {number} failed to complete.")
    children = [
        job.child(method, request, f"{method} {number}")
        for number, (method, request, *_) in enumerate(tasks)
    ]
    await job.wait(children)


def _tagged_since(job: Job, tag_id: int, build_id: int) -> bool:
    """Return whether the task had tagged the build before the hub was killed."""
    task, listing = job.task, listing_of(job.state, tag_id, build_id)
    if not job.is_resumed or listing is None or listing["creator_id"] != task["owner"]:
        return False
    event = job.state.get("events", listing["create_event"])
    return event is not None and event["ts"] >= task["create_ts"]
