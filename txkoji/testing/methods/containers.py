"""Tasks that build containers: the methods of the hub plugin ``containerbuild``."""

from __future__ import annotations

from typing import Any

from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tasks import absolute_priority, make_task
from txkoji.testing.tables.lookups.values import require_type


@hub_method("buildContainer", plugin="containerbuild")
def build_container(
    call: MethodCall,
    src: Any,
    target: Any,
    opts: Any = None,
    priority: Any = None,
    channel: Any = "container-binary",
) -> int:
    """Start a container build (plugin of OSBS); return the task's id."""
    require_type(src, str)
    return make_task(
        call,
        "buildContainer",
        [src, target, opts or {}],
        channel=channel,
        priority=absolute_priority(call, priority),
    )


@hub_method("buildSourceContainer", plugin="containerbuild")
def build_source_container(
    call: MethodCall,
    target: Any,
    opts: Any = None,
    priority: Any = None,
    channel: Any = "container-source",
) -> int:
    """Start the build of a source container (plugin of OSBS); return the task's id."""
    return make_task(
        call,
        "buildSourceContainer",
        [target, opts or {}],
        channel=channel,
        priority=absolute_priority(call, priority),
    )
