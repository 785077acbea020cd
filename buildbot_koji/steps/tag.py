"""Steps that tag, move and untag builds, and promote drafts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from buildbot.process import results

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import flag, required, wrong_value
from buildbot_koji.hubs.builds import lasting_key, named_build
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.write_step import KojiTasksStep, KojiWriteStep
from txkoji import Call


async def _is_in_tag(hub: Hub, tag: Any, build: int | str) -> bool:
    """Return whether a build is tagged directly, not by inheritance."""
    tags = await hub.connection.checked("listTags", build=build)
    return any(tag in (each.name, each.id) for each in tags)


async def _keys(hub: Hub, builds: Iterable[Any]) -> dict[str, int | str]:
    """Return the name of each build in calls, by what the user gave; one given twice counts once.

    Raises:
        GenericError: the hub has no such build.
    """
    labels: dict[int | str, str] = {}
    for build in builds:
        row = await named_build(hub.connection, build)
        labels.setdefault(lasting_key(row), str(build))
    return {label: key for key, label in labels.items()}


def _no_builds(values: Mapping[str, Any], *flags: str) -> Iterator[str]:
    """Return what is wrong with builds, unless a flag says that they are packages."""
    builds = values["builds"]
    if all(values[name] is False for name in flags) and not checks.is_renderable(builds):
        # An id may be text that a person typed.
        complaint = checks.builds(checks.rendered(checks.builds, builds))
        if complaint is not None:
            yield wrong_value("builds", builds, complaint)


class _Untags(KojiWriteStep):
    """Untags builds. The base class of the steps that do."""

    async def untag(self, name: str, tag: Any, build: int | str, *, force: bool) -> None:
        """Untag a build once; ``name`` distinguishes it from the other actions of the step."""

        async def is_done() -> bool:
            """Return whether the build is not in the tag."""
            return not await _is_in_tag(self.hub, tag, build)

        call = Call.of("untagBuild", tag, build, force=force)
        await self.call_once(name, call, is_done)

    async def builds_of_packages(
        self, tag: Any, packages: Iterable[str], which: slice
    ) -> list[str]:
        """Return the NVRs of packages' builds in a tag, as the first attempt found them."""
        found = self.noted("packages").get("builds")
        if found is None:
            found = []
            for package in packages:
                tagged = await self.connection.checked("listTagged", tag, package=package)
                found += [build.nvr for build in tagged[which]]
            await self.note("packages", builds=found)
        return list(found)


class KojiTag(KojiTasksStep):
    """Tags builds, and waits for the tasks. A build that is in the tag already is skipped.

    Sets the property ``koji_task_ids`` to the ids of the tasks.
    """

    name = "koji tag-build"
    activity: ClassVar[str] = "tagging"

    tag = required(checks.name_or_id, "the name or id of the tag")
    builds = required(checks.builds, "the builds: NVRs or ids, a list or one string")
    force = flag(
        "override the tag's rules, and tag again what is tagged; requires the permission ``admin``"
    )

    async def change(self) -> int:
        """Tag the builds that are not in the tag."""
        builds = await _keys(self.hub, checks.words(self.builds))
        calls = {
            label: Call("tagBuild", (self.tag, build, self.force))
            for label, build in builds.items()
        }

        async def is_done(label: str) -> bool:
            """Return whether a build need not be tagged."""
            return not self.force and await _is_in_tag(self.hub, self.tag, builds[label])

        result = await self.run_tasks(calls, is_done)
        if result == results.SUCCESS:
            self.say(f"tagged {', '.join(calls)} with {self.tag}")
        return result


class KojiMove(_Untags, KojiTasksStep):
    """Moves builds from one tag to another, each at one event of the hub, and waits for the tasks.

    A build that is moved already is skipped; one that is in both tags is untagged from the first.
    Sets the property ``koji_task_ids`` to the ids of the tasks.
    """

    name = "koji move-build"
    activity: ClassVar[str] = "moving"

    from_tag = required(checks.name_or_id, "the name or id of the tag that contains the builds")
    to_tag = required(checks.name_or_id, "the name or id of the tag to move them to")
    builds = required(
        checks.names_or_ids,
        "the builds: NVRs or ids, a list or one string; with ``all`` names of packages",
    )
    all = flag("move all builds of the packages in ``from_tag``")
    force = flag("override the tags' rules; requires the permission ``admin``")

    @property
    def changed_tag(self) -> str:
        """The tags, of which the hub's refusal may be about either."""
        return f"{self.from_tag} or {self.to_tag}"

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong with the builds and the tags."""
        yield from _no_builds(values, "all")
        origin = values["from_tag"]
        # A renderable compares as another renderable.
        if not checks.is_renderable(origin) and origin == values["to_tag"]:
            yield f"from_tag and to_tag are both {origin!r}"

    async def change(self) -> int:
        """Move the builds that are not moved yet."""
        found = [
            await self.connection.checked("getTag", tag, strict=True)
            for tag in (self.from_tag, self.to_tag)
        ]
        if found[0].id == found[1].id:
            # A build in both tags would be untagged from the first.
            return self.fail(f"from_tag and to_tag are both {found[0].name}")
        builds = await _keys(self.hub, await self._builds())
        calls = {
            label: Call("moveBuild", (self.from_tag, self.to_tag, build, self.force))
            for label, build in builds.items()
        }
        if not calls:
            return self.fail(
                f"{self.from_tag} has no build of {', '.join(checks.words(self.builds))}"
            )

        async def is_done(label: str) -> bool:
            """Return whether a build is where it should be."""
            build = builds[label]
            in_target = await _is_in_tag(self.hub, self.to_tag, build)
            if not await _is_in_tag(self.hub, self.from_tag, build):
                return in_target
            if in_target and not self.force:
                # A task of moveBuild would fail and leave it in both tags.
                await self.untag(f"untag {label}", self.from_tag, build, force=False)
                return True
            return False

        result = await self.run_tasks(calls, is_done)
        if result == results.SUCCESS:
            self.say(f"moved {', '.join(calls)} from {self.from_tag} to {self.to_tag}")
        return result

    async def _builds(self) -> list[Any]:
        named = checks.words(self.builds)
        if not self.all:
            return named
        # Oldest first, like the hub's moveAllBuilds: the newest must become the latest.
        return await self.builds_of_packages(self.from_tag, named, slice(None, None, -1))


class KojiUntag(_Untags):
    """Untags builds."""

    name = "koji untag-build"

    tag = required(checks.name_or_id, "the name or id of the tag")
    builds = required(
        checks.names_or_ids,
        "the builds: NVRs or ids, a list or one string; with ``all`` or ``non_latest`` names of"
        " packages",
    )
    all = flag("untag all builds of the packages", excludes=("non_latest",))
    non_latest = flag("untag all builds of the packages except the latest")
    force = flag("override the tag's rules; requires the permission ``admin``")

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong with the builds."""
        return _no_builds(values, "all", "non_latest")

    async def change(self) -> int:
        """Untag the builds that are still in the tag."""
        builds = await self._builds()
        for label, build in (await _keys(self.hub, builds)).items():
            self.say(f"untagging {label}")
            await self.untag(label, self.tag, build, force=self.force)
        gone = ", ".join(str(build) for build in builds)
        self.say(f"untagged {gone} from {self.tag}" if gone else "nothing to untag")
        return results.SUCCESS

    async def _builds(self) -> list[Any]:
        named = checks.words(self.builds)
        if not (self.all or self.non_latest):
            return named
        which = slice(1 if self.non_latest else 0, None)
        return await self.builds_of_packages(self.tag, named, which)


class KojiPromote(KojiWriteStep):
    """Promotes a draft build to a regular one, unless it is promoted already.

    Sets the properties ``koji_nvr``, ``koji_build_id`` and ``koji_build_url`` to those of the
    regular build.
    """

    name = "koji promote-build"

    draft = required(checks.build, "the NVR or id of the draft build")
    force = flag("override the hub's policy; requires the permission ``admin``")

    async def change(self) -> int:
        """Promote the build."""
        build = await named_build(self.connection, self.draft)
        if not build.get("draft") and build.get("promotion_ts") is None:
            return self.fail(f"{build.nvr} is not a draft build")

        async def is_done() -> bool:
            """Return whether the build is no longer a draft."""
            return not (await self.connection.checked("getBuild", build.id, strict=True)).draft

        if build.get("draft"):
            call = Call.of("promoteBuild", build.id, force=self.force)
            await self.call_once("promotion", call, is_done)
            build = await self.connection.checked("getBuild", build.id, strict=True)
        self.setProperty("koji_nvr", build.nvr, SOURCE)
        self.setProperty("koji_build_id", build.id, SOURCE)
        self.setProperty("koji_build_url", build.url, SOURCE)
        await self.addURL(f"build {build.nvr}", build.url)
        self.say(f"promoted {self.draft} to {build.nvr}")
        return results.SUCCESS
