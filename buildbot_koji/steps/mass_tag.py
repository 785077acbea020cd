"""Steps that compare tags, and that tag any number of builds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from buildbot.process import results
from twisted.internet.task import deferLater

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.durable.store import BuildData
from buildbot_koji.error_messages import explain, one_line
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.mass.comparison import (
    KINDS,
    TaggedBuild,
    compare_tags,
    latest_builds,
    line_of,
    names_of,
    plan_tagging,
    read_build,
    row_of,
    summary_of,
)
from buildbot_koji.mass.plan import PackageState
from buildbot_koji.mass.stored import MassStore, packages_of
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.reports import write_report
from buildbot_koji.steps.framework.write_step import KojiWriteStep
from buildbot_koji.steps.mass import KojiMassBuild
from txkoji import task_states
from txkoji.exceptions import GenericError, HubFault

__all__ = ["KojiCompareTags", "KojiMassTag"]

ROWS_AT_ONCE = 500
"""Packages that are compared before the reactor's next iteration."""

TAGGED_AT_ONCE = 200
"""Builds that are tagged before the next ones."""

NAMES = 100
"""Names of packages of each kind that the property has."""


class KojiCompareTags(KojiStep):
    """Compares the latest builds in a tag with those in another one, by epoch, version and release.

    A package is ``missing`` or ``extra`` in the tag, or its latest build there is ``older`` or
    ``newer``. The logs ``differences`` and ``differences.json`` have all that differ. Sets the
    property ``koji_tag_comparison``: a dictionary with the counts ``missing``, ``older``,
    ``newer``, ``extra`` and ``same``, and ``packages``: the names of up to 100 packages of each
    kind that differs.
    """

    name = "koji compare tags"

    warnOnWarnings = True

    tag = argument(checks.name_or_id, "the name or id of the tag", required=True)
    other = argument(
        checks.name_or_id, "the name or id of the tag to compare it with", required=True
    )
    inherit = argument(
        checks.flag, "compare the builds of the tags they inherit, too", default=True
    )
    warn_if_different = argument(
        checks.flag, "the result is WARNINGS if the tags differ", default=False
    )

    async def work(self, hub: Hub) -> int:
        """Compare the tags."""
        self.say(f"comparing {self.tag} with {self.other}")
        try:
            builds = await self._latest(hub, self.tag)
            others = await self._latest(hub, self.other)
        except GenericError as fault:
            self.say(f"failed: {explain(fault)}")
            return results.FAILURE
        counts: Counter[str] = Counter()
        differences = []
        for number, each in enumerate(compare_tags(builds, others)):
            counts["same" if each is None else each.kind] += 1
            if each is not None:
                differences.append(each)
            if not number % ROWS_AT_ONCE:
                await deferLater(self.master.reactor, 0, lambda: None)
        numbers = {kind: counts[kind] for kind in (*KINDS, "same")}
        packages = names_of(differences, NAMES)
        self.setProperty("koji_tag_comparison", {**numbers, "packages": packages}, SOURCE)
        self.say(f"{self.tag} against {self.other}: {summary_of(counts)}")
        await write_report(self, "differences", "t", map(line_of, differences))
        head = json.dumps({"tag": self.tag, "other": self.other, **numbers})
        rows = (
            ("," if place else "") + "\n" + json.dumps(row_of(each))
            for place, each in enumerate(differences)
        )
        parts = [head[:-1], ', "differences": [', *rows, "]}\n"]
        await write_report(self, "differences.json", "t", parts)
        is_bad = self.warn_if_different and bool(differences)
        return results.WARNINGS if is_bad else results.SUCCESS

    async def _latest(self, hub: Hub, tag: Any) -> dict[str, TaggedBuild]:
        return latest_builds(
            await hub.connection.call("listTagged", tag, inherit=bool(self.inherit), latest=True)
        )


class KojiMassTag(KojiWriteStep):
    """Tags the latest builds in a tag, or what a mass build made, with another tag.

    A build is skipped if it is tagged already, or if the other tag has a newer one of its package.
    It resumes after a restart or a kill of the master: every attempt looks at the tag and at the
    tasks in progress first. The log ``builds`` says the outcome of each build. Sets the properties
    ``koji_mass_tagged`` and ``koji_mass_untagged``: the number of builds that were tagged, and that
    could not be; with ``dry_run`` the number that would be tagged, and 0.
    """

    name = "koji mass tag"

    from_tag = argument(
        checks.name_or_id, "the name or id of the tag that contains the builds", required=True
    )
    to_tag = argument(checks.name_or_id, "the name or id of the tag to add", required=True)
    mass = argument(
        checks.positive,
        "tag only what this mass build made, by its property ``koji_mass_id``; by default the"
        " latest builds in ``from_tag``",
    )
    mass_name = argument(
        checks.text, "the name of the mass build's step", default=str(KojiMassBuild.name)
    )
    bypass = argument(
        checks.flag,
        "tag at once, without tasks; requires the permission ``tag``",
        default=False,
    )
    dry_run = argument(checks.flag, "only say what would be tagged", default=False)

    async def change(self, hub: Hub) -> int:
        """Tag the builds that are not tagged yet."""
        self.say(f"comparing {self.from_tag} with {self.to_tag}")
        only = None if self.mass is None else await self._made()
        if only is not None and not only:
            return self.fail(f"mass build {self.mass} made nothing, or there is none of that id")
        options = {} if only is not None else {"latest": True}
        rows = await hub.connection.call("listTagged", self.from_tag, **options)
        builds = [each for each in map(read_build, rows) if each is not None]
        if only is not None:
            builds = [each for each in builds if each.id in only]
        builds.reverse()
        plan = list(plan_tagging(builds, await self._tagged(hub)))
        todo = [build for build, reason in plan if not reason]
        lines = [f"{build.nvr}: skipped: {reason}\n" for build, reason in plan if reason]
        if only is not None and (gone := len(only - {each.id for each in builds})):
            lines.append(f"{gone:,} builds of the mass build are not in {self.from_tag}\n")
        if self.dry_run:
            lines += [f"{each.nvr}: would be tagged\n" for each in todo]
            return await self._ended(lines, len(todo), 0, "would tag", len(plan) - len(todo))
        failed: dict[int, str] = {}
        if todo:
            self.began_before()
            await hub.log_in()
        for start in range(0, len(todo), TAGGED_AT_ONCE):
            self.say(f"tagging: {start:,} of {len(todo):,} done")
            part = todo[start : start + TAGGED_AT_ONCE]
            tag = partial(self._tag, hub, part)
            failed.update(await self.ask(tag, "waiting to look at the tag again"))
        there = {each.id for each in await self._tagged(hub)} if todo else set()
        missing = [each for each in todo if each.id not in there]
        lines += [f"{each.nvr}: tagged\n" for each in todo if each.id in there]
        lines += [
            f"{each.nvr}: failed: {failed.get(each.id, 'untagged meanwhile')}\n" for each in missing
        ]
        tagged = len(todo) - len(missing)
        return await self._ended(lines, tagged, len(missing), "tagged", len(plan) - len(todo))

    async def _ended(
        self, lines: Iterable[str], tagged: int, failed: int, verb: str, skipped: int
    ) -> int:
        self.setProperty("koji_mass_tagged", tagged, SOURCE)
        self.setProperty("koji_mass_untagged", failed, SOURCE)
        await write_report(self, "builds", "t", lines)
        words = f"{verb} {tagged:,} builds with {self.to_tag}, skipped {skipped:,}"
        if failed:
            return self.fail(f"{words}, could not tag {failed:,}: the log builds says why")
        self.say(words)
        return results.SUCCESS

    async def _made(self) -> set[int]:
        """Return the ids of the builds that the mass build made or adopted."""
        data = BuildData(self.master, "buildbot_koji")
        pause = partial(deferLater, self.master.reactor, 0, lambda: None)
        store = MassStore(data, self.mass, self.mass_name, pause)
        packages = packages_of(await self.until_stored(store.load))
        states = (PackageState.BUILT, PackageState.ADOPTED)
        return {each.build_id for each in packages if each.state in states and each.build_id}

    async def _tagged(self, hub: Hub) -> list[TaggedBuild]:
        """Return all builds in the tag itself."""
        rows = await hub.connection.call("listTagged", self.to_tag)
        return [each for each in map(read_build, rows) if each is not None]

    async def _tag(self, hub: Hub, builds: list[TaggedBuild]) -> dict[int, str]:
        """Tag builds unless they are tagged meanwhile; returns why some could not be, by ids.

        It may be repeated: a request whose reply was lost is not sent again for what it did.
        """
        # The tasks first: one that ends between the two reads has tagged its build by the second.
        tasks = {} if self.bypass else await self._tasks(hub)
        there = {each.id for each in await self._tagged(hub)}
        wanted = [each.id for each in builds if each.id not in there]
        todo = [each for each in wanted if each not in tasks]
        tasks = {each: tasks[each] for each in wanted if each in tasks}
        failed: dict[int, str] = {}
        await self.check_claim()
        multicall = hub.connection.MultiCall()
        for build in todo:
            multicall.call("tagBuildBypass" if self.bypass else "tagBuild", self.to_tag, build)
        with self.early_end.critical():
            answers: Iterator[Any] = iter(await multicall() if todo else ())
        for build in todo:
            try:
                answer = next(answers)
            except HubFault as fault:
                failed[build] = one_line(fault)
                continue
            if type(answer) is int:
                tasks[build] = answer
        watches = {build: hub.watch(task, self.build) for build, task in tasks.items()}
        try:
            for build, watch in watches.items():
                tree = await watch.done
                if tree.root.state != task_states.CLOSED:
                    failed[build] = f"task {tasks[build]} did not succeed"
        finally:
            for watch in watches.values():
                watch.stop()
        return failed

    async def _tasks(self, hub: Hub) -> dict[int, int]:
        """Return the tasks in progress that tag builds with the tag, by the builds' ids."""
        tag = await hub.connection.getTag(self.to_tag, strict=True)
        states = [task_states.FREE, task_states.OPEN, task_states.ASSIGNED]
        found = {}
        rows = await hub.connection.call(
            "listTasks", {"method": "tagBuild", "state": states, "decode": True}
        )
        for row in rows:
            request = row.get("request")
            if isinstance(request, list) and len(request) > 1 and request[0] in (tag.id, tag.name):
                found[request[1]] = row["id"]
        return found
