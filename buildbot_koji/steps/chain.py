"""A step that builds packages that depend on each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Any, ClassVar

from buildbot.process import results

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, required, words_for
from buildbot_koji.database_values import member
from buildbot_koji.hubs.builds import waitable_names
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.priority import PrioritizedTaskStep
from txkoji import Call, Outcome, build_states, task_states
from txkoji.exceptions import GenericError

_GLOB = re.compile(r"[*?\[]")
"""What the hub takes as a pattern."""


def _is_source(text: str) -> bool:
    """Return whether a source is an SCM URL, not an NVR."""
    return "://" in text


def levels(value: Any) -> str | None:
    """Check levels of sources: lists of SCM URLs, or of NVRs to wait for."""
    wanted = "must be a list of levels, each a list of SCM URLs (or NVRs, which are waited for)"
    if not isinstance(value, (list, tuple)) or len(value) == 0:
        return wanted
    for level in value:
        if not isinstance(level, (list, tuple)) or not level:
            return wanted
        for source in level:
            complaint = checks.scm_url(source)
            if complaint is not None and checks.build(source) is not None:
                return f"has {words_for(source)}, which {complaint}"
    counts = Counter(filter(_is_source, chain.from_iterable(value)))
    twice = next((source for source, count in counts.items() if count > 1), None)
    if twice is not None:
        return f"has {words_for(twice)} twice: the second build would have the NVR of the first"
    return None if len(value) > 1 else "has one level only: use a KojiBuild for each source"


class KojiChainBuild(PrioritizedTaskStep):
    """Builds packages level by level, each level in a repo that contains the levels before it.

    A source that names a commit whose build the chain can already use is not built again. Sets
    the property ``koji_nvrs`` to all complete builds of the sources, new or not.
    """

    name = "koji chain-build"
    activity: ClassVar[str] = "building the chain"

    target = required(
        checks.name, "the build target; its build tag must inherit its destination tag"
    )
    sources = required(levels, "the levels: a list of lists of SCM URLs, or of NVRs to wait for")
    channel = argument(checks.name, "the channel of the task; by default the hub's policy chooses")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._levels: list[list[str]] = []

    async def prepare(self) -> int | None:
        """Check that later levels can use earlier ones' builds, and find what is already built."""
        target = await self.connection.checked("getBuildTarget", self.target, strict=True)
        parents = await self.connection.checked("getFullInheritance", target.build_tag)
        if target.dest_tag not in [target.build_tag, *(each.parent_id for each in parents)]:
            raise GenericError(
                f"the target {self.target} can't build a chain: its build tag"
                f" {target.build_tag_name} does not inherit its destination {target.dest_tag_name}"
            )

        given = [each for each in chain.from_iterable(self.sources) if not _is_source(each)]
        names = dict(zip(given, await waitable_names(self.connection, given), strict=True))
        self._levels = [[names.get(source, source) for source in level] for level in self.sources]
        for level in self._levels:
            for number, source in enumerate(level):
                level[number] = await self._built(source, target.build_tag) or source
        if any(map(_is_source, chain.from_iterable(self._levels))):
            return None
        self._set_builds(self._levels, ())
        self.say(f"built already: {', '.join(chain.from_iterable(self._levels))}")
        return int(results.SUCCESS)

    async def _built(self, source: str, tag: int) -> str | None:
        """Return the newest complete build of exactly this commit in a tag or its parents."""
        if not _is_source(source):
            return None
        koji = self.connection
        found = await koji.checked(
            "listBuilds", source=_GLOB.sub(r"[\g<0>]", source), state=build_states.COMPLETE
        )
        for build in sorted(found, key=lambda build: -int(build.build_id)):
            if build.source != source:
                continue
            tagged = await koji.checked("listTagged", tag, inherit=True, package=build.package_name)
            if build.nvr in [each.nvr for each in tagged]:
                await self.addURL(f"build {build.nvr}", build.url)
                return str(build.nvr)
        return None

    def hub_call(self) -> Call:
        """Return the call that submits the chain."""
        levels = self._levels
        return Call("chainBuild", (levels, self.target, None, self.hub_priority, self.channel))

    async def call_again(self, call: Call, outcome: Outcome) -> Call | None:
        """Return the call that submits the rest of the chain: with the NVRs of what it built.

        There is no rest if a build is complete and only its tag failed: it can't be built again.
        """
        sources: dict[int | None, str] = {
            task.id: str(member(task.params, "src"))
            for task in outcome.tree.descendents()
            if task.method == "build" and task.state == task_states.CLOSED
        }
        complete = [build for build in outcome.builds if build.state == build_states.COMPLETE]
        if any(build.task_id not in sources for build in complete):
            return None
        built = {sources[build.task_id]: build.nvr for build in complete}
        levels = [[built.get(source, source) for source in level] for level in call.args[0]]
        return replace(call, args=(levels, *call.args[1:]))

    async def finished(self, outcome: Outcome) -> None:
        """Set the property with all builds."""
        await super().finished(outcome)
        assert self.intent is not None
        complete = [build for build in outcome.builds if build.state == build_states.COMPLETE]
        self._set_builds(self.intent.call.args[0], [build.nvr for build in complete])

    def _set_builds(self, levels: Any, new: Sequence[str]) -> None:
        # An NVR among the arguments is waited for; this chain does not build it.
        # The sources of a later attempt may be fewer or more than those of the chain.
        places = zip_longest(chain.from_iterable(self.sources), chain.from_iterable(levels))
        known = [
            nvr
            for given, nvr in places
            if nvr and not _is_source(nvr) and (given is None or _is_source(given))
        ]
        self.setProperty("koji_nvrs", [*known, *new], SOURCE)
