"""What one attempt of a step tells the next attempt of the same build request.

Buildbot keeps a build request over a restart of the master and the loss of a worker, and runs a
new build for it. What a step stored as build data of the earlier build is still there then; its
properties are not.
"""

from __future__ import annotations

from typing import Any

from buildbot.util.twisted import async_to_deferred

from buildbot_koji.durable.store import BuildData, data_name
from buildbot_koji.durable.submissions import Attempt

__all__ = ["find", "find_attempt", "store", "store_attempt"]


@async_to_deferred
async def store(step: Any, value: bytes) -> None:
    """Store, at once, what the next attempt must know."""
    await _data(step).put(step.build.buildid, data_name(step.name), value)


@async_to_deferred
async def find(step: Any) -> bytes | None:
    """Return what the last earlier attempt of this step's build request stored, or None."""
    return await _data(step).find_earlier(step.build.buildid, data_name(step.name))


def _data(step: Any) -> BuildData:
    return BuildData(step.master, "buildbot_koji")


@async_to_deferred
async def store_attempt(step: Any, attempt: Attempt) -> None:
    """Store what is known of a step's one submission."""
    await store(step, attempt.to_json())


@async_to_deferred
async def find_attempt(step: Any) -> Attempt | None:
    """Return what an earlier attempt knew of its submission, or None."""
    stored = await find(step)
    return None if stored is None else Attempt.from_json(stored)
