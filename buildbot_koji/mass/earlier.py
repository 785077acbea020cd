"""What earlier mass builds made: to build only the rest, and to tell regressions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import attrs
from buildbot.data import resultspec
from buildbot.process.results import RETRY

from buildbot_koji.database_values import number
from buildbot_koji.durable.store import RowsPlace
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.durable.unreadable import UnreadableRow
from buildbot_koji.mass.abandoned import unended
from buildbot_koji.mass.context import begun_of
from buildbot_koji.mass.packages import BadPlan, answers_by_key
from buildbot_koji.mass.plan import FINAL, MassPackage, PackageState
from buildbot_koji.mass.stored import MassStore, MassStores
from txkoji import Call, Connection, one_line, task_states

SEARCHED = 20
"""How many builds of a builder are searched for a mass build to compare with."""


def rest_of(states: Mapping[str, PackageState], kinds: Collection[str]) -> set[str]:
    """Return the packages that failed, were skipped, or are missing."""
    found = states.items()
    return {name for name, e in found if (e.value if e in FINAL else "missing") in kinds}


Found = tuple[dict[str, Any], list[MassPackage]]
"""The header and the packages of a stored mass build."""


@attrs.define(eq=False, repr=False, slots=False)
class EarlierMassBuilds:
    """The mass builds that are in the master's database.

    Args:
        master: the Buildbot master.
        name: the name of the step whose mass builds they are.
        until_stored: reads the database, and retries while it is unreachable.

    Attributes:
        notes: which mass builds can't be compared with, for the log.
        unended: the intents of the tasks that they left, by the packages' names.
    """

    _master: Any
    _name: str
    _until_stored: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]

    def __attrs_post_init__(self) -> None:
        self.notes: list[str] = []
        self.unended: dict[str, TaskIntent] = {}

    async def _store_of(self, build_id: int) -> MassStore:
        """Return the store of a mass build by any build of its request."""
        place = await self._until_stored(partial(RowsPlace.find, self._master, build_id))
        store: MassStore = await self._until_stored(partial(MassStores(place).find, self._name))
        return store

    async def find(self, mass_id: int) -> Found:
        """Return a mass build; raise BadPlan if there is none of that id."""
        found = await self._until_stored((await self._store_of(mass_id)).load)
        if found is None:
            raise BadPlan(f"there is no mass build {mass_id}: give its property koji_mass_id")
        return found

    async def states(
        self, mass_id: int | None, build_id: int, root: int, *, stopped: bool
    ) -> tuple[int | None, dict[str, PackageState]]:
        """Return the id of a mass build, None if there is none, and how its packages ended.

        Args:
            mass_id: that mass build; None for the builder's previous one.
            build_id: the build that asks.
            root: the first build of its build request.
            stopped: whether that may be one that was stopped or timed out.

        Raises:
            BadPlan: there is no such mass build.
        """
        if mass_id:
            return mass_id, await self._states_in(mass_id, await self.find(mass_id))
        for each in await self._before(build_id, root):
            try:
                store = await self._store_of(each)
                if stopped or (await self._until_stored(store.control)).get("ended"):
                    states = await self._states_in(each, await self._until_stored(store.load))
                    if states:
                        return each, states
            except UnreadableRow as error:
                self.notes.append(f"mass build {each} is no comparison: {one_line(error)}")
        return None, {}

    async def _states_in(self, mass_id: int, found: Found | None) -> dict[str, PackageState]:
        """Return how packages ended; in one that built the rest of another, also the others."""
        states: dict[str, PackageState] = {}
        for _ in range(SEARCHED):
            header, packages = found or ({}, [])
            left = unended(header, packages) if found else []
            # A mass build that runs keeps its tasks; what one cancels may run on for a while.
            is_kept = bool(left) and (
                header.get("cancel_on") is not None
                or not await self._until_stored(partial(self._is_over, mass_id))
            )
            for package, intent in left:
                if package.name not in states:
                    adopted = intent.adopted or is_kept
                    self.unended[package.name] = replace(intent, adopted=adopted)
            states = {**{each.name: each.state for each in packages}, **states}
            if not isinstance(whole := header.get("rest_of"), int):
                break
            mass_id, found = whole, await self._until_stored((await self._store_of(whole)).load)
        return states

    async def _is_over(self, mass_id: int) -> bool:
        """Return whether no attempt of a mass build runs or follows."""
        place = await RowsPlace.find(self._master, mass_id)
        build = await self._master.data.get(("builds", place.build_id))
        return bool(build["complete"] and build["results"] != RETRY)

    async def follow_unended(
        self,
        connection: Connection,
        packages: Iterable[MassPackage],
        call_of: Callable[[str], Call],
    ) -> None:
        """Plan to follow the tasks that were left, which would build the same a second time.

        They are this mass build's own, unless the other one runs, cancels or adopted them. Those
        that failed, or were canceled, count as missing.

        Args:
            connection: the hub.
            packages: the packages of a plan.
            call_of: returns the call that builds a source.
        """
        same = [
            (each, intent)
            for each in packages
            if not each.is_final
            and (intent := self.unended.get(each.name)) is not None
            and intent.task_id is not None
            and _as_stored(intent.call) == _as_stored(call_of(each.source))
        ]
        tasks = await answers_by_key(
            connection,
            {each.index: Call.of("getTaskInfo", e.task_id, request=True) for each, e in same},
        )
        good = (*task_states.ACTIVE_GROUP, task_states.CLOSED)
        is_task_of = connection.submissions.is_task_of
        for package, intent in same:
            task, left = tasks.get(package.index), intent.submission
            if task is None or task["state"] not in good:
                continue
            if await is_task_of(task, intent.call, left):
                created = number(task.get("create_ts"))
                adopted = replace(left, newest_task=task["id"], newest_created=created)
                package.state, package.begun = PackageState.RUNNING, begun_of(adopted)
                package.task_id, package.is_foreign = task["id"], intent.adopted
                package.since = left.submitted

    async def _before(self, build_id: int, root: int) -> list[int]:
        """Return the builder's latest builds before a build, the newest first."""
        build = await self._master.data.get(("builds", build_id))
        found = await self._master.data.get(
            ("builders", build["builderid"], "builds"),
            filters=[resultspec.Filter("complete", "eq", [True])],
            order=["-number"],
            limit=SEARCHED,
        )
        # One that is retried goes on in a later build.
        ids = (int(each["buildid"]) for each in found if each["results"] != RETRY)
        return [each for each in ids if each < root]


def _as_stored(call: Call) -> str:
    return json.dumps(call.to_json(), sort_keys=True)
