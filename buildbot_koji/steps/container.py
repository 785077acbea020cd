"""A step that builds containers."""

from __future__ import annotations

from typing import ClassVar

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option, required
from buildbot_koji.database_values import member
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.priority import SCRATCH, PrioritizedTaskStep
from txkoji import Call, Outcome, task_states


class KojiContainerBuild(PrioritizedTaskStep):
    """Builds a container, a flatpak, or the source container of a build.

    Requires the plugin koji-containerbuild on the hub. Sets the property ``koji_repositories`` to
    the places to pull the container from.
    """

    name = "koji container-build"
    activity: ClassVar[str] = "building the container"

    target = required(checks.name, "the build target")
    source = argument(
        checks.scm_url,
        "an SCM URL with a revision",
        required_unless=("sources_of",),
        requires=("git_branch",),
    )
    sources_of = argument(
        checks.build,
        "build a source container of this build: its NVR or id",
        excludes=(
            *("source", "isolated", "flatpak", "arch_override", "git_branch", "yum_repourls"),
            *("compose_ids", "skip_build", "release", "koji_parent_build"),
            *("dependency_replacements", "operator_csv_modifications_url", "userdata"),
        ),
    )
    scratch = SCRATCH
    isolated = flag(
        "make an isolated build, which does not replace regular ones",
        excludes=("scratch",),
        option=True,
    )
    flatpak = flag(
        "build a flatpak", excludes=("isolated", "release", "koji_parent_build"), option=True
    )
    arch_override = argument(
        checks.listed_words,
        "the architectures of a scratch or isolated build, a list or one string",
        requires=("scratch", "isolated"),
    )
    git_branch = option(checks.text, "the branch of the source")
    yum_repourls = option(checks.texts, "URLs of repo files")
    signing_intent = option(checks.text, "the signing intent of the composes")
    compose_ids = argument(
        checks.ids, "the ids of composes to use, a list or one", excludes=("signing_intent",)
    )
    skip_build = flag("only update the settings for automatic rebuilds", option=True)
    release = option(checks.text, "the release")
    koji_parent_build = option(checks.text, "the NVR of the parent image's build")
    dependency_replacements = option(
        checks.texts, "dependencies to replace: ``manager:name:version[:new name]``"
    )
    operator_csv_modifications_url = option(
        checks.text, "the URL of a JSON file with modifications of an operator's CSV"
    )
    userdata = option(checks.json_struct, "a dictionary that Koji stores with the build")
    channel = argument(checks.name, "the channel of the task; by default that of the plugin")

    def hub_call(self) -> Call:
        """Return the call that submits the container."""
        options = self.hub_options()
        if self.arch_override is not None:
            options["arch_override"] = " ".join(checks.words(self.arch_override))
        if self.compose_ids is not None:
            options["compose_ids"] = checks.words(self.compose_ids)
        if self.sources_of is None:
            return Call("buildContainer", (self.source, self.target, options), self.task_options)
        kind = "id" if isinstance(self.sources_of, int) else "nvr"
        options[f"koji_build_{kind}"] = self.sources_of
        return Call("buildSourceContainer", (self.target, options), self.task_options)

    async def finished(self, outcome: Outcome) -> None:
        """Set ``koji_repositories``."""
        if outcome.tree.root.state == task_states.CLOSED:
            found = member(outcome.result, "repositories")
            names = (
                [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
            )
            self.setProperty("koji_repositories", names, SOURCE)
