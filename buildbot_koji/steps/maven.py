"""A step that builds Maven projects."""

from __future__ import annotations

from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.steps.framework.priority import SCRATCH, SKIP_TAG, PrioritizedTaskStep
from txkoji import Call


def properties(value: Any) -> str | None:
    """Check properties: a dictionary of strings, or None for a property without a value."""
    good = checks.json_struct(value) is None and all(
        each is None or isinstance(each, str) for each in value.values()
    )
    return None if good else "must be a dictionary of strings, or None for no value"


class KojiMavenBuild(PrioritizedTaskStep):
    """Builds a Maven project. Requires a hub with Maven support."""

    name = "koji maven-build"

    target = argument(checks.name, "the build target", required=True)
    source = argument(checks.scm_url, "an SCM URL with a revision", required=True)
    patches = argument(checks.scm_url, "the SCM URL of a directory with patches", option=True)
    specfile = argument(
        checks.scm_url, "the SCM URL of a spec file for RPMs that wrap the result", option=True
    )
    goals = argument(checks.texts, "goals to run besides ``deploy``", option=True)
    profiles = argument(checks.texts, "profiles to enable", option=True)
    packages = argument(checks.texts, "packages to install in the build root", option=True)
    jvm_options = argument(checks.texts, "options of the JVM", option=True)
    maven_options = argument(checks.texts, "options of Maven", option=True)
    maven_properties = argument(
        properties, "system properties by their names; None for no value", option="properties"
    )
    envs = argument(checks.strings, "environment variables by their names", option=True)
    debug = argument(checks.flag, "run Maven with ``--debug``", default=False)
    scratch = SCRATCH
    skip_tag = SKIP_TAG
    channel = argument(checks.name, "the channel of the task; by default ``maven``")

    def hub_call(self) -> Call:
        """Return the call that submits the build."""
        options = self.hub_options()
        if self.debug:
            options["maven_options"] = [*(self.maven_options or []), "--debug"]
        return Call("mavenBuild", (self.source, self.target, options), self.task_options)
