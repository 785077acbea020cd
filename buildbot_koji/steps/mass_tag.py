"""Steps that compare tags, and that tag any number of builds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from buildbot.process import results

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, of_nothing, required
from buildbot_koji.durable.store import BuildRows
from buildbot_koji.error_messages import explain
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.mass.comparison import (
    KINDS,
    TagContents,
    TaggedBuild,
    compare_tags,
    line_of,
    names_of,
    plan_tagging,
    row_of,
)
from buildbot_koji.mass.context import REFUSALS
from buildbot_koji.mass.earlier import EarlierMassBuilds
from buildbot_koji.mass.packages import BadPlan, listed_packages, tag_refusal, unlisted
from buildbot_koji.mass.plan import MADE
from buildbot_koji.mass.report import json_report
from buildbot_koji.mass.tagging import PART, TAGGED, UNKNOWN, MassTagger, outcomes_of, read_builds
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.early_end import Ending
from buildbot_koji.steps.framework.write_step import KojiWriteStep
from buildbot_koji.steps.mass import KojiMassBuild
from buildbot_koji.words import counted
from txkoji.gathering import gather
from txkoji.retry import is_passing

NAMES = 100
"""Names of packages of each kind that the property has."""

WOULD_BE_TAGGED = "would be tagged"
"""The word of a build that a run without ``dry_run`` tags."""


async def _read_tags(hub: Hub, *tags: str | int) -> tuple[list[Any], str]:
    """Return tags, and a complaint of those that the hub does not have, all in one line."""
    found = await gather(hub.connection.checked("getTag", each) for each in tags)
    unknown = [str(tag) for tag, each in zip(tags, found, strict=True) if each is None]
    return found, f"the hub has no tag {' and no tag '.join(unknown)}" if unknown else ""


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

    tag = required(checks.name_or_id, "the name or id of the tag")
    other = required(checks.name_or_id, "the name or id of the tag to compare it with")
    inherit = argument(
        checks.flag, "compare the builds of the tags they inherit, too", default=True
    )
    warn_if_different = flag("the result is WARNINGS if the tags differ")

    async def work(self) -> int:
        """Compare the tags."""
        self.say(f"comparing {self.tag} with {self.other}")
        _, complaint = await _read_tags(self.hub, self.tag, self.other)
        if complaint:
            return self.fail(complaint)
        options = {"inherit": bool(self.inherit), "latest": True}
        builds = await read_builds(self.hub, self.tag, self.in_thread, **options)
        others = await read_builds(self.hub, self.other, self.in_thread, **options)
        found = await self.in_thread(lambda: list(compare_tags(builds, others)))
        counts = Counter("same" if each is None else each.kind for each in found)
        differences = [each for each in found if each is not None]
        numbers = {kind: counts[kind] for kind in (*KINDS, "same")}
        packages = await self.in_thread(partial(names_of, differences, NAMES))
        self.setProperty("koji_tag_comparison", {**numbers, "packages": packages}, SOURCE)
        words = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind])
        self.say(f"{self.tag} against {self.other}: {words or 'no difference'}")
        await self.write_report("differences", "t", map(line_of, differences))
        head = {"tag": self.tag, "other": self.other, **numbers}
        parts = json_report(head, "differences", map(row_of, differences))
        await self.write_report("differences.json", "t", parts)
        is_bad = self.warn_if_different and bool(differences)
        return results.WARNINGS if is_bad else results.SUCCESS


class KojiMassTag(KojiWriteStep):
    """Tags the latest builds in a tag, or what a mass build made, with another tag.

    A build is skipped if it is tagged already, or if the other tag has a newer one of its package.
    It resumes after a restart or a kill of the master, and sends nothing twice: it first searches
    for what may have been sent. The log ``builds`` says the outcome of each build. Sets the
    properties ``koji_mass_tagged`` and ``koji_mass_untagged``: the number of builds that were
    tagged, and that could not be or may not have been; with ``dry_run`` the numbers of a run that
    tags them.
    """

    name = "koji mass tag"

    part: ClassVar[int] = PART
    """How many builds one request carries."""

    from_tag = required(checks.name_or_id, "the name or id of the tag that contains the builds")
    to_tag = required(checks.name_or_id, "the name or id of the tag to add")
    mass = argument(
        checks.positive,
        "tag only what this mass build made, by its property ``koji_mass_id``; by default the"
        " latest builds in ``from_tag``",
    )
    mass_name = argument(
        checks.text,
        "the name of the mass build's step, if its build had several",
        default=str(KojiMassBuild.name),
    )
    bypass = flag("tag at once, without tasks or the hub's policy; requires the permission ``tag``")
    dry_run = flag("only say what would be tagged")

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Complain of tags that are the same."""
        yield from super().check_together(values)
        tags = [values["from_tag"], values["to_tag"]]
        # Renderables compare as true, whatever they are compared with.
        if not any(map(checks.is_renderable, tags)) and tags[0] == tags[1]:
            yield f"from_tag and to_tag are both {tags[1]}"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The word of each build before it is sent, by its NVR.
        self._planned: dict[str, str] = {}
        self._tagger: MassTagger | None = None

    async def change(self) -> int:
        """Tag the builds that are not tagged yet."""
        if self.mass is None and (given := self.declared_values["mass"]) is not None:
            # Without it all of the tag would be tagged.
            return self.fail(f"mass is missing: {of_nothing(given)}")
        self.say(f"comparing {self.from_tag} with {self.to_tag}")
        tags, complaint = await _read_tags(self.hub, self.from_tag, self.to_tag)
        tagger = await self._load_tagger(tags[1])
        if complaint and not tagger.parts:
            return self.fail(complaint)
        try:
            made = None if self.mass is None else await self._made()
        except BadPlan as error:
            return self.fail(str(error))
        if made is not None and not made:
            return self.fail(f"mass build {self.mass} made nothing")
        lock = self.hub.locks[f"tag {tags[1] and tags[1]['id']}"]
        if lock.locked:
            self.say(f"waiting for another step that tags with {self.to_tag}")
        async with lock:
            # Of two steps at once, the second one sees what the first one has tagged.
            return await self._tag(tagger, tags, complaint, made)

    async def _tag(
        self,
        tagger: MassTagger,
        tags: Sequence[Any],
        complaint: str,
        made: Mapping[int, str] | None,
    ) -> int:
        """Tag what is not tagged yet of the latest builds, or of those of a mass build."""
        source, tag = tags
        refusal = complaint or await self._refusal(tag)
        if refusal and not (self.dry_run or tagger.parts):
            return self.fail(refusal)
        # A tag that was deleted since an earlier attempt hides nothing of what that has sent, nor
        # of what was still to be sent.
        at = {} if source else await self._at_begin()
        builds = [] if at is None else await self._builds(made, at)
        begun = TagContents(each for part in tagger.parts for each in part.builds.items())
        there, latest = await self._contents(tagger) if tag else ([], [])
        rest = (each for each in builds if not begun.has(each.id, str(each.nvr)))
        plan = await self.in_thread(lambda: list(plan_tagging(rest, there, latest)))
        todo = [build for build, reason in plan if not reason]
        here = {each.id for each in builds}
        gone = (nvr for build, nvr in (made or {}).items() if build not in here)
        self._planned = {
            **dict.fromkeys(gone, f"skipped: not in {self.from_tag}"),
            **{str(each.nvr): f"skipped: {why}" if why else "not sent" for each, why in plan},
        }
        if self.dry_run:
            return await self._would_tag(todo, refusal)
        self._tagger = tagger
        if todo or tagger.parts:
            self.patience.begun()
            await self.hub.log_in()
        broken = ""
        try:
            await tagger.tag([] if complaint else todo)
            now = await tagger.contents() if tagger.parts else TagContents(())
        except REFUSALS as fault:
            if is_passing(fault):
                raise
            # The tag may be deleted by now; what was done before is in the log.
            broken, now = explain(fault, self.changed_tag), tagger.succeeded()
        outcomes = await self.in_thread(lambda: outcomes_of(tagger.parts, now, broken))
        return await self._ended(outcomes, "tagged", complaint or broken or tagger.refusal)

    async def _refusal(self, tag: Any) -> str:
        """Return why the hub refuses to tag anything with the tag; empty if it does not."""
        if tag["perm"] or self.bypass:
            await self.hub.log_in()
        if self.bypass and not {"tag", "admin"} & {*await self.connection.checked("getPerms")}:
            return "bypass=True requires the permission tag: `koji grant-permission tag USER`"
        return await tag_refusal(self.connection, tag)

    async def _contents(self, tagger: MassTagger) -> tuple[list[TaggedBuild], list[TaggedBuild]]:
        """Return the builds in the tag itself, and the latest ones with those it inherits."""
        options = {"inherit": True, "latest": True}
        latest = await read_builds(self.hub, self.to_tag, self.in_thread, **options)
        return await tagger.tagged(), latest

    async def end_early(self, ending: Ending) -> None:
        """Leave the log of a step that no attempt resumes; the hub finishes what it was sent."""
        await super().end_early(ending)
        if (tagger := self._tagger) is not None and ending.result != results.RETRY:
            why, outcomes = self._text, outcomes_of(tagger.parts, tagger.succeeded())
            words, failed = await self._leave_log(outcomes, "tagged")
            self.say(f"{why}; {words}, did not tag {failed:,}")

    async def _at_begin(self) -> dict[str, int] | None:
        """Return the option for the tag of when the first attempt began; None if there was none."""
        before = self.began + self.connection.statistics.clock_ahead
        event = await self.connection.checked("getLastEvent", before=before, strict=True)
        at = {"event": event["id"]}
        return at if await self.connection.checked("getTag", self.from_tag, **at) else None

    async def _builds(
        self, made: Mapping[int, str] | None, at: Mapping[str, int]
    ) -> list[TaggedBuild]:
        """Return the latest builds in the tag, or those of a mass build, the oldest first."""
        options = {"latest": made is None, **at}
        builds = await read_builds(self.hub, self.from_tag, self.in_thread, **options)
        builds.reverse()
        if made is None:
            return builds
        # A hub that was restored may have given the id of one to another build.
        wanted = TagContents(made.items())
        return await self.in_thread(
            lambda: [each for each in builds if wanted.has(each.id, str(each.nvr))]
        )

    async def _load_tagger(self, tag: Any) -> MassTagger:
        """Return what tags the builds, with what earlier attempts began."""
        # Of another tag's parts, which a step of this name sent in an earlier attempt, it has none.
        name = self.noted("parts").get("rows", f"{self.name} {self.build.buildid}")
        await self.note("parts", rows=name)
        stored = BuildRows(await self.own_rows(), name)
        bypass = bool(self.bypass)
        tag_id = None if tag is None else tag.id
        tagger = MassTagger(
            self.hub, self.to_tag, tag_id, stored, self, bypass=bypass, part=self.part
        )
        await tagger.load()
        return tagger

    async def _would_tag(self, todo: Sequence[TaggedBuild], refusal: str) -> int:
        """End a dry run."""
        names = [each.nvr.name for each in todo]
        listed = await listed_packages(self.connection, self.to_tag, names)
        outcomes = {}
        for build in todo:
            why = refusal or unlisted(listed.get(build.nvr.name), str(self.to_tag))
            outcomes[str(build.nvr)] = f"would fail: {why}" if why else WOULD_BE_TAGGED
        return await self._ended(outcomes, "would tag")

    async def _ended(self, outcomes: Mapping[str, str], verb: str, why: str = "") -> int:
        words, failed = await self._leave_log(outcomes, verb)
        if failed or why:
            why = why or "the log builds says why"
            return self.fail(f"{words}, could not tag {failed:,}: {why}")
        self.say(words)
        return results.SUCCESS

    async def _leave_log(self, outcomes: Mapping[str, str], verb: str) -> tuple[str, int]:
        """Say the outcome of each build; returns the counts in words, and how many failed."""
        said = {**self._planned, **outcomes}
        tagged = sum(each in (TAGGED, WOULD_BE_TAGGED) for each in said.values())
        skipped = sum(each.startswith("skipped") for each in said.values())
        unknown = sum(each.startswith(UNKNOWN) for each in said.values())
        failed = len(said) - tagged - skipped - unknown
        self.setProperty("koji_mass_tagged", tagged, SOURCE)
        self.setProperty("koji_mass_untagged", failed + unknown, SOURCE)
        await self.write_report("builds", "t", (f"{nvr}: {word}\n" for nvr, word in said.items()))
        words = f"{verb} {counted(tagged, 'build')} with {self.to_tag}"
        words += f", skipped {skipped:,}" if skipped else ""
        words += f", {UNKNOWN} {unknown:,}" if unknown else ""
        return words, failed

    async def _made(self) -> dict[int, str]:
        """Return the NVRs of the builds that the mass build made or adopted, by their ids."""
        earlier = EarlierMassBuilds(self.master, self.mass_name, self.until_stored)
        _, packages = await earlier.find(self.mass)
        made = (each for each in packages if each.state in MADE)
        return {each.build_id: each.nvr or each.name for each in made if each.build_id}
