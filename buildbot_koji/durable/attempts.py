"""What one attempt of a step tells the next attempt of the same build request.

Buildbot keeps a build request over a restart of the master and the loss of a worker, and runs a
new build for it. What a step stored as build data of the earlier build is still there then; its
properties are not.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from buildbot.util.twisted import async_to_deferred

from buildbot_koji.durable.submissions import Attempt

__all__ = ["find", "find_attempt", "store", "store_attempt"]


def data_name(step_name: str) -> str:
    """Return the name of the build data of a step; it may hold only letters, digits, _ and -."""
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", step_name)
    return f"koji_{readable}_{zlib.crc32(step_name.encode()):08x}"


@async_to_deferred
async def store(step: Any, value: bytes) -> None:
    """Store, at once, what the next attempt must know."""
    await step.setBuildData(data_name(step.name), value, "buildbot_koji")


@async_to_deferred
async def find(step: Any) -> bytes | None:
    """Return what the last earlier attempt of this step's build request stored, or None."""
    data = step.master.data
    build = await data.get(("builds", step.build.buildid))
    builds = await data.get(("buildrequests", build["buildrequestid"], "builds"))
    earlier = sorted(
        (each["buildid"] for each in builds if each["buildid"] != step.build.buildid), reverse=True
    )
    for build_id in earlier:
        found = await data.get(("builds", build_id, "data", data_name(step.name), "value"))
        if found is not None:
            return bytes(found["raw"])
    return None


@async_to_deferred
async def store_attempt(step: Any, attempt: Attempt) -> None:
    """Store what is known of a step's one submission."""
    await store(step, attempt.to_json())


@async_to_deferred
async def find_attempt(step: Any) -> Attempt | None:
    """Return what an earlier attempt knew of its submission, or None."""
    stored = await find(step)
    return None if stored is None else Attempt.from_json(stored)
