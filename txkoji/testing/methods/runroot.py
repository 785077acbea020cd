"""Commands in a build root: the methods of the hub plugin ``runroot``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tasks import make_task
from txkoji.testing.tables.lookups.hosts import require_channel
from txkoji.testing.tables.lookups.tags import require_tag

RUNROOT_PRIORITY = 15


@hub_method("runroot", plugin="runroot")
def runroot(
    call: MethodCall, tagInfo: Any, arch: Any, command: Any, channel: Any = None, **opts: Any
) -> int:
    """Run a command in a build root (plugin runroot); return the task's id."""
    tag = require_tag(call.state, tagInfo)
    # The channel is the site's own: a hub is not seeded with it.
    if channel is None:
        channel = require_channel(call.state, "runroot")["id"]
    if arch == "noarch" and not tag["arches"]:
        raise GenericError(f"no arches defined for tag {tag['name']}")
    request = [tag["name"], arch, command, {**opts, "__starstar": True}]
    return make_task(
        call, "runroot", request, channel=channel, arch=arch, priority=RUNROOT_PRIORITY
    )
