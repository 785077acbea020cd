"""A step that builds Maven projects."""

from __future__ import annotations

from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option, required
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

    target = required(checks.name, "the build target")
    source = required(checks.scm_url, "an SCM URL with a revision")
    patches = option(checks.scm_url, "the SCM URL of a directory with patches")
    specfile = option(checks.scm_url, "the SCM URL of a spec file for RPMs that wrap the result")
    goals = option(checks.texts, "goals to run besides ``deploy``")
    profiles = option(checks.texts, "profiles to enable")
    packages = option(checks.texts, "packages to install in the build root")
    jvm_options = option(checks.texts, "options of the JVM")
    maven_options = option(checks.texts, "options of Maven")
    maven_properties = argument(
        properties, "system properties by their names; None for no value", option="properties"
    )
    envs = option(checks.strings, "environment variables by their names")
    debug = flag("run Maven with ``--debug``")
    scratch = SCRATCH
    skip_tag = SKIP_TAG
    channel = argument(checks.name, "the channel of the task; by default ``maven``")

    def hub_call(self) -> Call:
        """Return the call that submits the build."""
        options = self.hub_options()
        if self.debug:
            options["maven_options"] = [*(self.maven_options or []), "--debug"]
        return Call("mavenBuild", (self.source, self.target, options), self.task_options)
