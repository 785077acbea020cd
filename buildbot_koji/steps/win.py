"""A step that builds on Windows."""

from __future__ import annotations

from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.steps.framework.priority import PrioritizedTaskStep
from txkoji import Call

__all__ = ["KojiWinBuild"]


class KojiWinBuild(PrioritizedTaskStep):
    """Builds in a Windows virtual machine. Requires a hub with Windows support."""

    name = "koji win-build"

    target = argument(checks.text, "the build target", required_unless=("repo_id",))
    source = argument(checks.source, "an SCM URL with a revision", required=True)
    vm = argument(checks.text, "the virtual machine to build in", required=True)
    winspec = argument(
        checks.source,
        "the SCM URL of the build's description, unless the source contains it",
        option="winspec",
    )
    patches = argument(checks.source, "the SCM URL of a directory with patches", option="patches")
    cpus = argument(
        checks.integer,
        "the number of processors of the virtual machine; requires the permission ``admin``",
        option="cpus",
    )
    mem = argument(
        checks.integer,
        "the memory of the virtual machine in megabytes; requires the permission ``admin``",
        option="mem",
    )
    static_mac = argument(
        checks.flag,
        "keep the MAC address of the virtual machine",
        default=False,
        option="static_mac",
    )
    specfile = argument(
        checks.source, "the SCM URL of a spec file for RPMs that wrap the result", option="specfile"
    )
    scratch = argument(
        checks.flag, "build without importing the result", default=False, option="scratch"
    )
    repo_id = argument(
        checks.integer, "build with this repo instead of the target's newest", option="repo_id"
    )
    skip_tag = argument(checks.flag, "don't tag the build", default=False, option="skip_tag")
    channel = argument(checks.text, "the channel of the task; by default ``vm``")

    def hub_call(self) -> Call:
        """Return the call that submits the build."""
        options = self.hub_options()
        if self.target is None:
            options["skip_tag"] = True
        named: dict[str, Any] = {"priority": self.hub_priority}
        if self.channel is not None:
            named["channel"] = self.channel
        return Call("winBuild", (self.vm, self.source, self.target, options), named)
