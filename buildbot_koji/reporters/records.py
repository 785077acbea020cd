"""What a reporter stores: its deliveries, as data of their builds, and how far it has come.

Buildbot shows the data of a build with the build, and deletes them with it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from buildbot.data.resultspec import Filter
from twisted.logger import Logger

from buildbot_koji.durable.claims import CLAIM_AGE, Claim
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.store import (
    BuildData,
    MasterState,
    data_name,
    object_name,
    objects_with,
)
from buildbot_koji.durable.unreadable import UnreadableRow, check_fields, reading

CLASS = "buildbot_koji.reporters"
"""The class by which Buildbot's table of states knows the reporters' states."""

MOST_DEAD = 1000
"""Dead letters that are listed; older ones stay in the data of their builds."""

_log = Logger()


class DeliveryRecords:
    """The deliveries of one reporter, stored as build data.

    Args:
        master: the Buildbot master.
        reporter: the reporter's name.
        claim: the claim to the deliveries; None for a reader.
    """

    def __init__(self, master: Any, reporter: str, claim: Claim | None = None) -> None:
        self._claim = claim
        self._data = BuildData(master, reporter)
        self._reporter = reporter
        self._unreadable: set[tuple[int, str]] = set()

    def name_of(self, delivery: str) -> str:
        """Return the name of the build data of a delivery."""
        return data_name(self._reporter, delivery)

    async def save(self, delivery: Delivery) -> None:
        """Store a delivery, replacing its earlier form; raise ClaimLost if another master does."""
        if self._claim is not None:
            await self._claim.check(max_age=CLAIM_AGE)
        name = self.name_of(delivery.name)
        await self._data.put(delivery.build_id, name, delivery.to_json())

    async def check(self, delivery: Delivery) -> None:
        """Raise ClaimLost if another master sends the deliveries by now."""
        del delivery
        if self._claim is not None:
            await self._claim.check()

    async def of_build(self, build_id: int) -> list[Delivery]:
        """Return the stored deliveries about a build, oldest first, without unreadable ones."""
        rows = await self._data.rows(build_id)
        found = [self._read(build_id, name, stored) for name, stored in rows.items()]
        return sorted((each for each in found if each is not None), key=lambda each: each.since)

    async def find(self, build_id: int, name: str) -> Delivery | None:
        """Return a stored delivery; None if there is none, or it is unreadable."""
        row = self.name_of(name)
        found = await self._data.get(build_id, row)
        return None if found is None else self._read(build_id, row, found)

    def _read(self, build_id: int, row: str, stored: bytes) -> Delivery | None:
        try:
            return Delivery.from_json(stored)
        except UnreadableRow as error:
            # Whoever only shows the deliveries does not log it.
            if self._claim is not None and (build_id, row) not in self._unreadable:
                _log.error(
                    "{name}: {row} of build {id}: {error}",
                    name=self._reporter,
                    row=row,
                    id=build_id,
                    error=error,
                )
            self._unreadable.add((build_id, row))
            return None

    def has_unreadable(self, build_id: int, delivery: str | None = None) -> bool:
        """Return whether a stored delivery of a build could not be read: the named one, or any."""
        if delivery is None:
            return any(each == build_id for each, _ in self._unreadable)
        return (build_id, self.name_of(delivery)) in self._unreadable


@dataclass(frozen=True)
class Position:
    """How far a reporter has come with the builds of a master, as it is stored.

    Attributes:
        mark: the builds below are settled, except those that are open.
        open: the ids of those.
        done: those of settled builds above.
        dead: the dead letters: builds and names of deliveries.
        revived: those that someone has revived.
        first: the first build that is reported.
    """

    mark: int
    open: list[int]
    done: list[int]
    dead: list[tuple[int, str]]
    revived: list[tuple[int, str]]
    first: int = 0

    @classmethod
    async def read(cls, state: MasterState, reporter: str, master_id: int) -> Position | None:
        """Read that of a master's builds; None if none is stored; raise UnreadableRow."""
        stored = await state.get(position_key(master_id))
        what = f"the position of the reporter {reporter}"
        if stored is None:
            return None
        with reading(what):
            check_fields(cls, stored, what)
            pairs = {
                name: [(build_id, letter) for build_id, letter in stored[name]]
                for name in ("dead", "revived")
            }
            return cls(**{**stored, **pairs})


async def dead_letters(master: Any, reporter: str, newest: int = MOST_DEAD) -> list[Delivery]:
    """Return the dead letters of a reporter, on all masters."""
    records = DeliveryRecords(master, reporter)
    found = []
    for stored in (await _positions(master, reporter)).values():
        for build_id, name in stored.dead[-newest:]:
            delivery = await records.find(build_id, name)
            if delivery is not None:
                found.append(delivery)
    return found


async def dead_count(master: Any, reporter: str) -> int:
    """Return how many dead letters a reporter has, on all masters."""
    return sum(len(stored.dead) for stored in (await _positions(master, reporter)).values())


async def pending_elsewhere(
    master: Any, reporter: str, here: Collection[int], most: int
) -> list[Delivery]:
    """Return deliveries that other masters have not settled, as the database has them."""
    records = DeliveryRecords(master, reporter)
    found: list[Delivery] = []
    for master_id, stored in (await _positions(master, reporter)).items():
        if master_id in here:
            continue
        newer = await master.data.get(
            ("builds",),
            filters=[
                Filter("masterid", "eq", [master_id]),
                Filter("buildid", "ge", [stored.mark]),
            ],
            order=["buildid"],
            limit=most,
        )
        for build_id in [*stored.open, *(build["buildid"] for build in newer)][:most]:
            deliveries = await records.of_build(build_id)
            found += [delivery for delivery in deliveries if not delivery.is_final]
    return found


async def left_behind(
    master: Any, configured: Collection[str], most: int = MOST_DEAD
) -> dict[str, list[Delivery]]:
    """Return what reporters that this master has no longer have not delivered, by their names."""
    mine = master.masterid
    known = await objects_with(master, CLASS, position_key(mine))
    others = {each["masterid"] for each in await master.data.get(("masters",))} - {mine}
    found = {}
    for name in sorted({*known} - {*map(object_name, configured)}):
        # Another master may have one of that name.
        if await _readable_position(MasterState(master, name, CLASS), name, mine) is not None:
            pending = await pending_elsewhere(master, name, others, most)
            found[name] = [*pending, *await dead_letters(master, name, most)]
    return {name: deliveries for name, deliveries in found.items() if deliveries}


async def _positions(master: Any, reporter: str) -> dict[int, Position]:
    """Return the positions of a reporter in the builds of all masters, by their ids."""
    state = MasterState(master, reporter, CLASS)
    ids = [each["masterid"] for each in await master.data.get(("masters",))]
    found = {each: await _readable_position(state, reporter, each) for each in ids}
    return {each: stored for each, stored in found.items() if stored is not None}


async def _readable_position(state: MasterState, reporter: str, master_id: int) -> Position | None:
    # The master whose it is logs that it is unreadable.
    with suppress(UnreadableRow):
        return await Position.read(state, reporter, master_id)
    return None


def position_key(master_id: int) -> str:
    """Return the key of the position in the builds of a master."""
    return f"master-{master_id}"
