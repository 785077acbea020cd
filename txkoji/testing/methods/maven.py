"""Tasks that build Maven projects and the RPMs that wrap their artifacts."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError, PreBuildError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tasks import absolute_priority, make_task
from txkoji.testing.tables.lookups.builds import build_struct, require_build_row
from txkoji.testing.tables.lookups.targets import find_target


def require_maven(call: MethodCall) -> None:
    """Refuse an anonymous caller, and every caller if Maven is disabled."""
    call.require_login()
    if not call.hub.maven_enabled:
        raise GenericError("Maven support not enabled")


@hub_method("mavenEnabled")
def maven_enabled(call: MethodCall) -> bool:
    """Return whether the hub takes Maven builds."""
    return call.hub.maven_enabled


@hub_method("wrapperRPM")
def wrapper_rpm(
    call: MethodCall,
    build: Any,
    url: Any,
    target: Any,
    priority: Any = None,
    channel: Any = "maven",
    opts: Any = None,
) -> int:
    """Start the build of RPMs around a Maven build; return the task's id."""
    require_maven(call)
    options = opts or {}
    struct = build_struct(call.state, require_build_row(call.state, build))
    if call.state.rows("rpminfo", build_id=struct["id"]) and not (
        options.get("scratch") or options.get("create_build")
    ):
        raise PreBuildError(f"wrapper rpms for {struct['nvr']} have already been built")
    found = find_target(call.state, target)
    if found is None:
        raise PreBuildError(f"no such build target: {target}")
    return make_task(
        call,
        "wrapperRPM",
        [url, found, struct, None, options],
        channel=channel,
        priority=absolute_priority(call, priority),
    )
