"""What one attempt of a step tells the next attempt of the same build request.

Buildbot keeps a build request over a restart of the master and the loss of a worker, and runs a
new build for it. What a step stored as build data of the earlier build is still there then; its
properties are not.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from buildbot.util.twisted import async_to_deferred

__all__ = ["Submission", "find_submission", "store_submission"]

SOURCE = "buildbot_koji"


@dataclass(frozen=True)
class Submission:
    """What is known of a step's submission.

    Attributes:
        marker: what the task carries on the hub.
        submitted: when the first attempt began to submit, in seconds since the epoch.
        task_id: the task, None as long as the hub has not told it.
    """

    marker: str
    submitted: float
    task_id: int | None = None


def data_name(step_name: str) -> str:
    """Return the name of the build data of a step; it may hold only letters, digits, _ and -."""
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", step_name)
    return f"koji_{readable}_{zlib.crc32(step_name.encode()):08x}"


@async_to_deferred
async def store_submission(step: Any, submission: Submission) -> None:
    """Store, at once, what the next attempt must know."""
    value = json.dumps(asdict(submission)).encode()
    await step.setBuildData(data_name(step.name), value, SOURCE)


@async_to_deferred
async def find_submission(step: Any) -> Submission | None:
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
            return Submission(**json.loads(found["raw"]))
    return None
