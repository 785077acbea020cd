"""Reads what the pages show: from the live services of a master, and from its database."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import product
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import Logger

from buildbot_koji.changes.source import KojiChangeSource
from buildbot_koji.changes.status import SourceStatus
from buildbot_koji.changes.storage import held_by_none
from buildbot_koji.changes.switch import owners, paused_sources
from buildbot_koji.durable.background import Background
from buildbot_koji.durable.database import transact
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.hubs.hub import Hub, hubs_of
from buildbot_koji.hubs.survey import INTERVAL
from buildbot_koji.mass.ended import EndedMassBuilds
from buildbot_koji.mass.status import EndedMassBuild, MassStatus, running
from buildbot_koji.reporters.base import reporters_of
from buildbot_koji.reporters.records import (
    dead_count,
    dead_letters,
    left_behind,
    pending_elsewhere,
)
from buildbot_koji.reporters.status import ReporterStatus
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.words import counted
from buildbot_koji.www import attention, deliveries, health, overview, sources
from buildbot_koji.www.masters import database_trouble, router_trouble
from buildbot_koji.www.metrics import Snapshot
from buildbot_koji.www.packages import (
    DAY,
    MOST_FAILURES,
    builds_named,
    builds_of_package,
    last_failures,
    mass_build_json,
    package_names,
)
from buildbot_koji.www.plain import LONG, bounded, encoded, text
from buildbot_koji.www.tasks import Trees
from txkoji.elapsed import ElapsedTime

CHANGES_READ = 100
"""How many of the newest changes to search for the last ones of each source."""

LETTERS = 50
"""Dead letters, and builds with pending deliveries, that are read of each master."""

FIRST_WAIT = 2.0
"""Seconds that the first request of a page waits for what a hub says of itself."""

MOST_STEPS = 100
"""Steps without a task that are listed of each hub."""

PORTION = 1000
"""Task trees that are read per reactor iteration."""

PACKAGE_PORTION = 200
"""Packages of a mass build that are rendered per reactor iteration."""

COSTLY_PORTION = 20
"""Changed task trees that are rendered per reactor iteration: each takes 0.7 ms."""


def change_sources(master: Any) -> list[KojiChangeSource]:
    """Return the Koji change sources of a master."""
    found = master.change_svc.namedServices.values()
    return [each for each in found if isinstance(each, KojiChangeSource)]


class Collector:
    """Makes the JSON of the pages from the status of each service."""

    _log = Logger()

    def __init__(self, master: Any) -> None:
        self._master = master
        self._background = Background()
        self._ended = EndedMassBuilds(master)
        self._builder_ids: dict[str, int] = {}
        self._made: weakref.WeakKeyDictionary[Hub, Trees] = weakref.WeakKeyDictionary()

    def _now(self) -> float:
        return float(self._master.reactor.seconds())

    async def _query(self, read: Callable[..., Any], *args: Any) -> Any:
        model = self._master.db.model
        return await transact(self._master, lambda connection: read(connection, model, *args))

    def _sources(self) -> list[SourceStatus]:
        return [each.status() for each in change_sources(self._master)]

    def _hub_named(self, name: str | None) -> Hub | None:
        return next((hub for hub in self.hubs() if hub.connection.profile == name), None)

    def _ahead(self, name: str) -> float:
        hub = self._hub_named(name)
        return 0.0 if hub is None else hub.connection.statistics.clock_ahead

    def hubs(self) -> list[Hub]:
        """Return the hubs that the master has used, by their names."""
        current = (hub for hub in hubs_of(self._master) if hub.is_current)
        return sorted(current, key=lambda hub: hub.connection.profile)

    # The pages

    async def overview(self) -> dict[str, Any]:
        """Return what *Overview* shows."""
        now = self._now()
        masters = await self._master.data.get(("masters",))
        first: list[Deferred[Any]] = []
        for hub in self.hubs():
            # Shown the next time that the page asks.
            asked = self._background.run(hub.refresh(), f"asking {hub.connection.profile} failed")
            if hub.survey.result.plugins is None and hub.connection.trouble is None:
                first.append(asked)
        if first:
            # Otherwise the first page would be empty.
            await _at_most(FIRST_WAIT, DeferredList(first), self._master.reactor)
        hubs = [hub.status() for hub in self.hubs()]
        return {
            "master": text(self._master.name),
            "masters": [
                {"name": text(each["name"]), "active": bool(each["active"])} for each in masters
            ],
            "hubs": [overview.hub_json(hub, now) for hub in hubs],
            "health": await self.health(),
            "attention": await self._attention(masters),
        }

    async def _attention(self, masters: Sequence[Mapping[str, Any]]) -> list[Any]:
        trees = [key for hub in hubs_of(self._master) for key, _ in await self._trees(hub)]
        return attention.attention(
            sum(1 for level, *_ in trees if level < 0),
            self._sources(),
            [*await self._reporters(), *(await self._left_behind())],
            sum(len(hub.cancellations.status()) for hub in self.hubs()),
            self._now(),
            [hub.status() for hub in self.hubs()],
            {
                each.id: f"{each.builder} #{each.build_number}"
                for each in running(self._master)
                if each.state == "paused"
            },
            [step.began for hub in hubs_of(self._master) for step in _idle(hub)],
            masters,
        )

    async def tasks(self, name: str | None) -> bytes:
        """Return what *In Koji now* shows, as JSON."""
        found: list[tuple[tuple[Any, ...], bytes]] = []
        # A replaced link still follows the tasks that it began with.
        steps: list[dict[str, Any]] = []
        for hub in hubs_of(self._master):
            if name is None or hub.connection.profile == name:
                found += await self._trees(hub)
                steps += [await self._step_json(hub, each) for each in _idle(hub)[:MOST_STEPS]]
        found.sort()
        trees = b",".join(body for _, body in found)
        down = encoded(self._down())
        return b'{"down":%b,"steps":%b,"trees":[%b]}' % (down, encoded(steps), trees)

    async def _step_json(self, hub: Hub, step: KojiStep) -> dict[str, Any]:
        builder = step.build.builder.name
        return {
            "hub": text(hub.connection.profile),
            "name": text(step.name),
            "builder": text(builder),
            "builder_id": await self._builder_id(builder),
            "build_number": step.build.number,
            "text": text(step.getCurrentSummary()["step"], LONG),
            "since": step.began,
        }

    def _down(self) -> list[dict[str, Any]]:
        """Return the hubs that do not answer: the pages show their last answers."""
        hubs = (overview.hub_json(hub.status(), self._now()) for hub in self.hubs())
        names = ("name", "state", "since", "reason")
        # Once, however many users log in there.
        return list(
            {
                hub["name"]: {name: hub[name] for name in names}
                for hub in hubs
                if hub["state"] == "unreachable"
            }.values()
        )

    async def _trees(self, hub: Hub) -> list[tuple[tuple[Any, ...], bytes]]:
        status, rendered = hub.status(), 0
        now = overview.heard(status, self._now())
        trees = self._made.get(hub)
        if trees is None:
            trees = Trees(status.profile, status.weburl, hub.connection.topurl)
            self._made[hub] = trees
        trees.hosts, trees.builders = status.survey.hosts, hub.builders.arches
        trees.ahead = status.requests.clock_ahead
        found: dict[int, tuple[tuple[Any, ...], bytes]] = {}
        for count, (task, build) in enumerate(hub.watched(), 1):
            builder_id = None if build is None else await self._builder_id(build.builder)
            try:
                key, body, is_new = trees.get(task, build, builder_id, now)
            except Exception:  # noqa: BLE001 - one odd task must not hide the others
                self._log.failure("can't show task {task_id}", task_id=task.task_id)
                continue
            found[task.task_id] = (key, body)
            rendered += is_new
            if (is_new and rendered % COSTLY_PORTION == 0) or count % PORTION == 0:
                await deferLater(self._master.reactor, 0)
        trees.keep(found.keys())
        return list(found.values())

    async def _builder_id(self, name: str) -> int | None:
        if name not in self._builder_ids:
            found = await self._master.data.get(("builders",), fields=["name", "builderid"])
            self._builder_ids = {each["name"]: each["builderid"] for each in found}
        return self._builder_ids.get(name)

    async def sources(self) -> dict[str, Any]:
        """Return what *Sources* shows."""
        found = self._sources()
        paused = await paused_sources(self._master, [each.name for each in found])
        newest = await self._master.data.get(("changes",), order=["-changeid"], limit=CHANGES_READ)
        ahead = {each.name: self._ahead(each.hub) for each in found}
        changes = sources.last_changes(newest, ahead)
        running_on = await owners(self._master)
        shown = [
            sources.source_json(
                each,
                each.name in paused,
                changes.get(each.name, ()),
                self._now(),
                running_on.get(each.name),
            )
            for each in sorted(found, key=lambda each: each.name)
        ]
        # There may be hundreds: those that a person should look at come first.
        shown.sort(key=lambda each: each["state"] in ("listening", "waiting"))
        down = self._down()
        for each, hub in product(shown, down):
            if each["state"] == "unreachable" and each["hub"] == hub["name"]:
                # Its own polls saw the outage begin later, and perhaps for another reason.
                each.update(since=hub["since"], reason=hub["reason"])
        return {"down": down, "sources": shown}

    async def deliveries(self) -> dict[str, Any]:
        """Return what *Gates and deliveries* shows."""
        found = []
        for status in await self._reporters():
            hub = self._hub_named(status.hub)
            elsewhere = await pending_elsewhere(self._master, status.name, status.masters, LETTERS)
            dead = await dead_letters(self._master, status.name, LETTERS)
            weburl = None if hub is None else hub.connection.weburl
            # A person may have to start the build that votes.
            missing = {name for gate in status.gates for name in gate.missing}
            ids = {name: await self._builder_id(name) for name in missing}
            shown = deliveries.reporter_json(status, elsewhere, dead, weburl, ids)
            await self._name_builds([*shown["pending"], *shown["dead"]])
            found.append(shown)
        for status, left in (await self._left_behind()).items():
            shown = deliveries.reporter_json(status, (), left, None, {})
            await self._name_builds(shown["dead"])
            found.append(shown)
        found.sort(key=lambda each: not each["dead_count"])
        return {
            "down": self._down(),
            "reporters": found,
            "cancellations": [
                deliveries.cancellation_json(each, hub.connection.profile, hub.connection.weburl)
                for hub in self.hubs()
                for each in (*hub.cancellations.status(), *await hub.cancellations.elsewhere())
            ],
        }

    async def _reporters(self) -> list[ReporterStatus]:
        """Return those of this master, each with its dead letters on all masters."""
        found = [each.status() for each in reporters_of(self._master)]
        return [
            attrs.evolve(each, dead=await dead_count(self._master, each.name))
            for each in sorted(found, key=lambda each: each.name)
        ]

    async def _left_behind(self) -> dict[ReporterStatus, list[Delivery]]:
        """Return the reporters that are configured no longer, and what they have not delivered."""
        configured = [str(each.name) for each in reporters_of(self._master)]
        found = await left_behind(self._master, configured, LETTERS)
        return {
            ReporterStatus(name, "not configured", None, frozenset(), (), len(left)): left
            for name, left in found.items()
        }

    def say_left_behind(self) -> Deferred[None]:
        """Log what reporters, sources and hubs left that the configuration names no longer."""

        async def say() -> None:
            """Log it once the master has started."""
            await self._master.initLock.run(lambda: None)
            elsewhere = [name for name, owner in (await owners(self._master)).items() if owner]
            here = [each.name for each in self._sources()]
            for name in await held_by_none(self._master, [*here, *elsewhere]):
                self._log.warn(
                    "{name}: no change source of that name is configured, and it holds changes"
                    " back: configure it again to get them",
                    name=name,
                )
            for status, left in (await self._left_behind()).items():
                self._log.warn(
                    "{name}: no reporter of that name is configured, and {count} of it {has} not"
                    " arrived: configure it again to send what waits; `buildbot-koji dead-letters"
                    " {name} --url {url}` lists it",
                    name=status.name,
                    count=counted(len(left), "delivery"),
                    has="has" if len(left) == 1 else "have",
                    url=self._master.config.buildbotURL,
                )

        return self._background.run(say(), "can't look for what removed reporters left")

    async def _name_builds(self, shown: list[dict[str, Any]]) -> None:
        """Add the Buildbot builds that deliveries are about, unless they were deleted."""
        if shown:
            ids = sorted({each["build_id"] for each in shown})
            builds = await self._query(builds_named, ids)
            for each in shown:
                each.update(builds.get(each["build_id"], {}))

    async def history(self, name: str | None) -> dict[str, Any]:
        """Return the queue of a hub, and the throughput of a link to it, over the last day."""
        hub = next((each for each in self.hubs() if each.link == name), None)
        return {
            "hub": text(name),
            "step": INTERVAL,
            "points": [] if hub is None else hub.history(),
        }

    async def packages(self, wanted: str) -> dict[str, Any]:
        """Return the names of the packages that were built lately."""
        others = {name async for each in self._mass_builds() for name in each.submitted()}
        found = await self._query(package_names, wanted, others)
        return {"packages": found}

    async def failures(self) -> dict[str, Any]:
        """Return the last builds that failed in Koji, and the last packages of mass builds."""
        now = self._now()
        found = await self._query(last_failures, now)
        masses = []
        async for each in self._mass_builds():
            status = each.status()
            rows = [mass_build_json(status, row) for row in each.last_failures(MOST_FAILURES)]
            found += [row for row in rows if (row["started"] or 0.0) > now - DAY]
            if status["failed"] > MOST_FAILURES:
                names = ("id", "builder", "build_number", "failed")
                masses.append(bounded({name: status[name] for name in names}))
        found.sort(key=lambda build: build["started"] or 0.0, reverse=True)
        return {"builds": found, "mass_builds": masses}

    async def package(self, name: str) -> dict[str, Any]:
        """Return the last builds of a package."""
        found = await self._query(builds_of_package, name)
        async for each in self._mass_builds():
            status = each.status()
            rows = each.package_rows(name)
            found += [mass_build_json(status, row) for row in rows if row["task_id"] is not None]
        found.sort(key=lambda build: build["started"] or 0.0, reverse=True)
        return {"name": text(name), "builds": found}

    async def _mass_builds(self) -> AsyncIterator[EndedMassBuild | MassStatus]:
        """Yield the mass builds that run, or have ended lately; the newest last.

        Each in an iteration of the reactor of its own: they may have 17,000 packages.
        """
        here = running(self._master)
        ended = await self._ended.get({each.id for each in here})
        both: list[EndedMassBuild | MassStatus] = [*ended, *here]
        for each in both:
            yield each
            await deferLater(self._master.reactor, 0)

    async def mass(self) -> dict[str, Any]:
        """Return what *Mass builds* shows."""
        found = [bounded(each.status()) async for each in self._mass_builds()]
        return {"down": self._down(), "mass_builds": found[::-1]}

    async def mass_packages(self, name: str) -> bytes | None:
        """Return the packages of a mass build as JSON; None if it is unknown."""
        wanted = [each async for each in self._mass_builds() if each.id == name]
        if not wanted:
            return None
        [found] = wanted
        packages: list[bytes] = []
        for row in found.package_rows():
            packages.append(encoded(bounded(row)))
            if len(packages) % PACKAGE_PORTION == 0:
                await deferLater(self._master.reactor, 0)
        return b'{"packages":[%b]}' % b",".join(packages)

    async def health(self) -> dict[str, Any]:
        """Return whether the master is healthy, why not, and what may become a reason."""
        hubs, now = [hub.status() for hub in self.hubs()], self._now()
        found = health.reasons(
            hubs,
            self._sources(),
            now,
            master=(await database_trouble(self._master), router_trouble(self._master)),
        )
        return {"ok": not found, "reasons": found, "warnings": health.warnings(hubs, now)}

    async def snapshot(self) -> Snapshot:
        """Return what the metrics are computed from."""
        hubs = self.hubs()
        return Snapshot(
            now=self._now(),
            healthy=(await self.health())["ok"],
            hubs=[hub.status() for hub in hubs],
            cancellations=[len(hub.cancellations.status()) for hub in hubs],
            sources=self._sources(),
            reporters=[each.status() for each in reporters_of(self._master)],
        )


def _idle(hub: Hub) -> list[KojiStep]:
    """Return the running steps that follow no task, those that wait longest first."""
    builds = {build.build_id for _, build in hub.watched() if build is not None}
    steps = [each for each in hub.users if isinstance(each, KojiStep)]
    found = [each for each in steps if each.build.buildid not in builds]
    return sorted(found, key=lambda each: each.began)


async def _at_most(seconds: float, done: Deferred[Any], reactor: Any) -> None:
    """Wait until something is done, for a time at most; it continues after that."""
    limit: Deferred[Any] = ElapsedTime(reactor).pause(seconds)
    await DeferredList([done, limit], fireOnOneCallback=True)
    limit.addErrback(lambda failure: failure.trap(CancelledError))
    limit.cancel()
