"""A step that builds on Windows."""

from __future__ import annotations

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option, required
from buildbot_koji.steps.framework.priority import REPO_ID, SCRATCH, SKIP_TAG, PrioritizedTaskStep
from txkoji import Call


class KojiWinBuild(PrioritizedTaskStep):
    """Builds in a Windows virtual machine. Requires a hub with Windows support."""

    name = "koji win-build"

    target = argument(checks.name, "the build target", required_unless=("repo_id",))
    source = required(checks.scm_url, "an SCM URL with a revision")
    vm = required(checks.name, "the virtual machine to build in")
    winspec = option(
        checks.scm_url, "the SCM URL of the build's description, unless the source contains it"
    )
    patches = option(checks.scm_url, "the SCM URL of a directory with patches")
    cpus = option(
        checks.positive,
        "the number of processors of the virtual machine; requires the permission ``admin``",
    )
    mem = option(
        checks.positive,
        "the memory of the virtual machine in megabytes; requires the permission ``admin``",
    )
    static_mac = flag("keep the MAC address of the virtual machine", option=True)
    specfile = option(checks.scm_url, "the SCM URL of a spec file for RPMs that wrap the result")
    scratch = SCRATCH
    repo_id = REPO_ID
    skip_tag = SKIP_TAG
    channel = argument(checks.name, "the channel of the task; by default ``vm``")

    def hub_call(self) -> Call:
        """Return the call that submits the build."""
        options = self.hub_options()
        if self.target is None:
            options["skip_tag"] = True
        return Call("winBuild", (self.vm, self.source, self.target, options), self.task_options)
