"""A step that builds packages that depend on each other."""

from __future__ import annotations

from typing import Any, ClassVar

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.steps.framework.priority import PrioritizedTaskStep
from txkoji import Call
from txkoji.exceptions import GenericError

__all__ = ["KojiChainBuild"]


def levels(value: Any) -> str | None:
    """Check levels of sources: lists of SCM URLs, or of NVRs to wait for."""
    wanted = "must be a list of levels, each a list of SCM URLs (or NVRs, which are waited for)"
    if not isinstance(value, (list, tuple)) or len(value) == 0:
        return wanted
    for level in value:
        if not isinstance(level, (list, tuple)) or not level:
            return wanted
        for source in level:
            complaint = checks.source(source)
            if complaint is not None and checks.build(source) is not None:
                return f"has {source!r}, which {complaint}"
    return None if len(value) > 1 else "has one level only: use a KojiBuild for each source"


class KojiChainBuild(PrioritizedTaskStep):
    """Builds packages level by level, each level in a repo that contains the levels before it."""

    name = "koji chain-build"
    activity: ClassVar[str] = "building the chain"

    target = argument(
        checks.text,
        "the build target; its build tag must inherit its destination tag",
        required=True,
    )
    sources = argument(
        levels,
        "the levels: a list of lists of SCM URLs, or of NVRs to wait for",
        required=True,
    )
    channel = argument(checks.text, "the channel of the task; by default the hub's policy chooses")

    async def prepare(self, hub: Hub) -> None:
        """Check that later levels can use the builds of earlier ones."""
        target = await hub.connection.getBuildTarget(self.target, strict=True)
        parents = await hub.connection.getFullInheritance(target.build_tag)
        if target.dest_tag not in [target.build_tag, *(each.parent_id for each in parents)]:
            raise GenericError(
                f"the target {self.target} can't build a chain: its build tag"
                f" {target.build_tag_name} does not inherit its destination {target.dest_tag_name}"
            )

    def hub_call(self) -> Call:
        """Return the call that submits the chain."""
        sources = [list(level) for level in self.sources]
        return Call("chainBuild", (sources, self.target, None, self.hub_priority, self.channel))
