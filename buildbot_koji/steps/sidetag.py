"""Steps that create and remove side tags."""

from __future__ import annotations

from typing import Any

from buildbot.process import results

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, of_nothing, required
from buildbot_koji.durable.once import CheckClaim, OnceAction
from buildbot_koji.durable.store import MasterState
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.write_step import KojiWriteStep
from txkoji import Call, paths
from txkoji.exceptions import ParameterError


class SideTagClaims:
    """The build requests that side tags belong to, in the master's database.

    A side tag carries no marker of the build that created it. After an interrupted creation, the
    new side tag that belongs to no other build request is its own.
    """

    def __init__(self, master: Any, basetag: Any, url: str) -> None:
        self._state = MasterState(master, "koji side tags", "buildbot_koji.sidetag")
        self._prefix = f"{basetag} {url}"[:220] + " "

    async def owners(self) -> dict[int, Any]:
        """Return the owner of each side tag that has one, by their ids."""
        rows = await self._state.values(self._prefix)
        owners = {key.removeprefix(self._prefix): owner for key, owner in rows.items()}
        return {int(key): owner for key, owner in owners.items() if key.isdecimal()}

    async def add(self, tag_id: int, owner: str) -> None:
        """Claim a side tag, in a row of its own: another master may claim one at the same time."""
        await self._state.put(f"{self._prefix}{tag_id}", owner)

    async def forget(self, tag_ids: set[int]) -> None:
        """Give up the claims to side tags that no longer exist."""
        for tag_id in tag_ids:
            await self._state.remove(f"{self._prefix}{tag_id}")


class KojiCreateSideTag(KojiWriteStep):
    """Creates a side tag, with a build target of the same name.

    Sets the properties ``koji_sidetag`` and ``koji_sidetag_id``. A later attempt of the build
    request finds the side tag of the earlier one, or creates another if that is gone.
    ``KojiWaitRepo`` waits for its repo.
    """

    name = "koji add-sidetag"

    basetag = required(checks.name_or_id, "the tag that the side tag inherits from")
    debuginfo = flag("include debuginfo packages in the repos of the side tag")
    suffix = argument(checks.text, "the suffix of the side tag's name, one that the hub allows")
    property = argument(
        checks.stored_name,
        "the property to store the name of the side tag in; its id goes to the property of that"
        " name with ``_id`` appended",
        default="koji_sidetag",
    )

    async def change(self) -> int:
        """Create the side tag, or find that of an earlier attempt."""
        self.say("waiting for other side tags to be created")
        try:
            # Otherwise a new side tag can't be attributed to a step.
            async with self.hub.locks["side tags"]:
                tag = await self._create()
        except ParameterError:
            if self.suffix is None:
                raise
            return self.fail("the hub is too old for suffixes of side tags: leave suffix out")
        self.setProperty(self.property, tag["name"], SOURCE)
        self.setProperty(f"{self.property}_id", tag["id"], SOURCE)
        await self.addURL(tag["name"], paths.tag_url(self.connection.weburl, tag["id"]))
        self.say(f"created side tag {tag['name']}")
        return results.SUCCESS

    async def _create(self) -> dict[str, Any]:
        self.say(f"creating a side tag of {self.basetag}")
        claims = SideTagClaims(self.master, self.basetag, self.connection.url)
        options: dict[str, Any] = {"debuginfo": self.debuginfo}
        if self.suffix is not None:
            options["suffix"] = self.suffix
        # Not the number alone: earlier versions stored the id of the side tag.
        request = f"request {self.build.requests[0].id}"
        claimed = {*await claims.owners()}
        existing = {each.id: each.name for each in await self._mine()}
        # The ids above are kept: a hub that is restored from a backup gives them again.
        newest = max(existing, default=0)
        await claims.forget({each for each in claimed - existing.keys() if each < newest})
        earlier = self.noted("side tag").get("result")
        if earlier is not None and existing.get(earlier["id"]) != earlier["name"]:
            # It was removed, or the hub was restored from a backup.
            self.forget("side tag")
        if not self.noted("side tag"):
            await self.note("side tag", before=sorted(existing))

        async def do(check_claim: CheckClaim) -> dict[str, Any]:
            call = Call.of("createSideTag", self.basetag, **options)
            lost = await claims.owners()
            while True:
                answer = await self.hub.write(call, check_claim)
                made = self.connection.client.read_answer(call, answer)
                if made.id not in lost:
                    break
                # Another build would take it for its own, and remove it.
                await self.hub.write(Call.of("removeSideTag", made.id), check_claim)
            await claims.add(made.id, request)
            return {"id": made.id, "name": made.name}

        async def search() -> dict[str, Any] | None:
            mine = await self._mine()
            owners = await claims.owners()
            before = self.noted("side tag")["before"]
            new = sorted(
                (each.id, each.name)
                for each in mine
                if each.id not in before and owners.get(each.id, request) == request
            )
            if not new:
                return None
            tag_id, name = new[0]
            await claims.add(tag_id, request)
            return {"id": tag_id, "name": name}

        found: dict[str, Any] = await self.once("side tag", OnceAction(do, search))
        return found

    async def _mine(self) -> list[Any]:
        await self.hub.log_in()
        user = None
        if self.connection.session_id is not None:
            me = await self.connection.checked("getLoggedInUser")
            user = None if me is None else me.id
        return list(await self.connection.checked("listSideTags", basetag=self.basetag, user=user))


class KojiRemoveSideTag(KojiWriteStep):
    """Removes side tags, with their build targets.

    A property that no step has set names none: the step is skipped.
    """

    name = "koji remove-sidetag"

    sidetags = required(
        checks.names_or_ids, "the names or ids of the side tags, a list or one string"
    )

    def complaints(self) -> list[str]:
        """Return the mistakes in the arguments; with ``alwaysRun`` none may have been created."""
        return [] if self.sidetags is None else super().complaints()

    async def change(self) -> int:
        """Remove the side tags that still exist."""
        if self.sidetags is None:
            given = of_nothing(self.declared_values["sidetags"])
            self.say(f"no side tag to remove: {given}")
            return results.SKIPPED
        sidetags = [str(each) for each in checks.words(self.sidetags)]
        named = f"side tag{'s' * (len(sidetags) > 1)} {', '.join(sidetags)}"
        self.say(f"removing {named}")
        for sidetag in checks.words(self.sidetags):
            await self._remove(sidetag)
        self.say(f"removed {named}")
        return results.SUCCESS

    async def _remove(self, sidetag: Any) -> None:
        async def is_done() -> bool:
            return await self.connection.getTag(sidetag) is None

        await self.call_once(str(sidetag), Call.of("removeSideTag", sidetag), is_done)
