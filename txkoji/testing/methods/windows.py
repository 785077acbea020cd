"""Tasks that build on Windows machines."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import ActionNotAllowed, GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tasks import absolute_priority, make_task
from txkoji.testing.tables.lookups.targets import require_target


@hub_method("winEnabled")
def win_enabled(call: MethodCall) -> bool:
    """Return whether the hub takes Windows builds."""
    return call.hub.win_enabled


@hub_method("winBuild")
def win_build(
    call: MethodCall,
    vm: Any,
    url: Any,
    target: Any,
    opts: Any = None,
    priority: Any = None,
    channel: Any = "vm",
) -> int:
    """Start a build on Windows; return the task's id."""
    call.require_login()
    if not call.hub.win_enabled:
        raise GenericError("Windows support not enabled")
    require_target(call.state, target)
    if not call.has_permission("win-admin"):
        raise ActionNotAllowed("policy violation (vm)")
    call.require_policy("vm")
    return make_task(
        call,
        "winbuild",
        [vm, url, target, opts or {}],
        channel=channel,
        priority=absolute_priority(call, priority),
    )
