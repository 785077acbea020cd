"""Steps that build packages."""

from __future__ import annotations

from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option, required
from buildbot_koji.hubs.builds import waitable_names
from buildbot_koji.hubs.existing import find_existing_build
from buildbot_koji.steps.framework.priority import (
    REPO_ID,
    SCRATCH,
    SKIP_TAG,
    PrioritizedStep,
    PrioritizedTaskStep,
)
from txkoji import Call, Outcome, is_refusal, one_line, task_states
from txkoji.exceptions import GenericError


class PackageBuildStep(PrioritizedStep):
    """Builds packages, with the options that ``koji build`` of Koji's client has."""

    target: Any

    scratch = SCRATCH
    draft = flag("make a draft build, to be promoted later", excludes=("scratch",), option=True)
    skip_tag = SKIP_TAG
    arch_override = option(
        checks.listed_words,
        "the architectures of a scratch build, a list or one string",
        requires=("scratch",),
    )
    repo_id = REPO_ID
    wait_repo = flag("wait for a repo newer than the submission", option=True)
    wait_builds = option(checks.texts, "wait for a repo that contains these builds (NVRs)")
    fail_fast = flag("cancel the other architectures as soon as one fails", option=True)
    rebuild_srpm = option(
        checks.flag, "rebuild an uploaded source RPM before a scratch build", requires=("scratch",)
    )
    custom_user_metadata = option(
        checks.json_struct, "a dictionary that Koji stores with the build"
    )
    channel = argument(checks.name, "the channel of the task; by default the hub's policy chooses")

    async def name_builds(self) -> str:
        """Look up the builds to wait for; returns a complaint if no repo will ever contain one."""
        given = self.wait_builds or ()
        try:
            self.wait_builds = await waitable_names(self.connection, given) or self.wait_builds
        except GenericError as fault:
            if not is_refusal(fault):
                raise
            return f"wait_builds: {one_line(fault)}"
        return ""

    def hub_options(self) -> dict[str, Any]:
        """Return the options in the form that the hub takes."""
        options = super().hub_options()
        if isinstance(self.arch_override, (list, tuple)):
            options["arch_override"] = " ".join(self.arch_override)
        return options

    def build_call(self, source: str) -> Call:
        """Return the call that submits a build of a source."""
        return Call(
            "build", (source, self.target, self.hub_options(), self.hub_priority, self.channel)
        )


class KojiBuild(PackageBuildStep, PrioritizedTaskStep):
    """Builds a package in Koji.

    Sets the properties ``koji_task_id``, ``koji_task_url`` and ``koji_nvr``, and ``koji_build_id``
    and ``koji_build_url`` except for a scratch build.
    """

    name = "koji build"

    target = argument(
        checks.name, "the name of the build target", required_unless=("repo_id",), positional=True
    )
    source = required(
        checks.source,
        "an SCM URL with a revision (``git+https://host/path.git#ref``), or the hub's path of an"
        " uploaded source RPM",
        positional=True,
    )
    existing = argument(
        checks.one_of("adopt", "fail"),
        "what to do if the hub already has a build of this NVR, complete or in progress:"
        ' ``"adopt"`` it if it is of the same commit (with a warning if it is not in the'
        ' target\'s tag), or ``"fail"``. An adopted task that someone else started is never'
        " canceled",
        default="adopt",
    )

    async def prepare(self) -> int | None:
        """Name the builds to wait for; fail if there are none of those names."""
        complaint = await self.name_builds()
        return self.fail(complaint) if complaint else await super().prepare()

    def hub_call(self) -> Call:
        """Return the call that submits the build."""
        return self.build_call(self.source)

    async def find_existing(self, outcome: Outcome) -> int | Outcome | None:
        """Find the build of the same source that already has the NVR, or its task."""
        is_closed = outcome.tree.root.state == task_states.CLOSED
        is_adopted = self.intent is not None and self.intent.adopted
        if self.existing == "fail" or (is_closed and not is_adopted):
            return None
        target = None if self.skip_tag else self.target
        found = await find_existing_build(self.connection, outcome, self.source, target)
        is_fine = is_closed and not (isinstance(found, Outcome) and found.reason)
        return None if is_fine else found
