"""The change source: its arguments, and its life as a Buildbot service."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from buildbot.changes.base import ChangeSource
from buildbot.config.master import MasterConfig
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, required
from buildbot_koji.arguments.places import Place
from buildbot_koji.arguments.plugins import DeclaredService
from buildbot_koji.changes.change_filter import no_event
from buildbot_koji.changes.context import SourceContext
from buildbot_koji.changes.listener import Listener
from buildbot_koji.changes.options import SourceLimits, SourceOptions
from buildbot_koji.changes.status import SourceStatus
from buildbot_koji.changes.storage import CLAIM_KEY, SourceStorage
from buildbot_koji.durable.background import DATABASE_RETRY
from buildbot_koji.durable.claims import Claim, has_change_source
from buildbot_koji.durable.database import until_stored
from buildbot_koji.hubs.brokers import check_receiving_broker
from buildbot_koji.hubs.koji_hub import check_hub, profile_name
from txkoji import BUS_ONLY_EVENTS, EVENT_NAMES, TAG_EVENTS


def _events(value: Any) -> str | None:
    complaint = checks.texts(value)
    if complaint is not None:
        return complaint
    unknown = sorted(set(value) - set(EVENT_NAMES))
    if unknown:
        return no_event(unknown[0])
    return None if value else "must name at least one event"


def _since(value: Any) -> str | None:
    is_aware = isinstance(value, datetime.datetime) and value.tzinfo is not None
    good = is_aware or isinstance(value, datetime.timedelta)
    return None if good else "must be a timedelta or an aware datetime"


class KojiChangeSource(DeclaredService, ChangeSource):
    """Turns what happens on a Koji hub into changes, each exactly once.

    It polls the hub, with a cursor that misses nothing; a bus makes it fast. In a cluster of
    masters, one of them runs it.
    """

    profile = required(
        check_hub, "the name of the hub's profile, or a ``util.KojiHub``", positional=True
    )
    name = argument(
        checks.stored_name,
        "the name of the source; by default ``KojiChangeSource-`` and the profile's name. Its"
        " records are stored under it: a renamed source starts from now. In a cluster it must be"
        " the same on all masters",
    )
    events = argument(
        _events, "what becomes a change, see the table of events", default=("tagged",)
    )
    tags = argument(
        checks.globs,
        "names of tags, or globs (``*``, ``?``), for tagging, packages and repos. A tag that does"
        " not exist is reported in the log, and found within ten minutes after it is made, together"
        " with what happened in it before",
        default=(),
    )
    inherited = flag(
        "also report what happens in the tags that those inherit from. The change's branch is the"
        " tag in which it happened; the property ``koji_tag_heirs`` lists the tags of yours that"
        " have it"
    )
    packages = argument(
        checks.globs,
        "names of packages, or globs. Names that the hub does not know are reported in the log at"
        " every start, as are those of targets and owners",
        default=(),
    )
    targets = argument(
        checks.globs, "names of build targets, or globs, of builds made by a task", default=()
    )
    owners = argument(checks.globs, "names of the owners of builds and tasks, or globs", default=())
    build_types = argument(
        checks.texts,
        '``["rpm"]``, ``["maven"]``, ``["image"]``, ...; costs a lookup for each build',
        default=(),
    )
    methods = argument(
        checks.texts,
        "the methods of tasks. Required for events of tasks: a hub has many",
        default=(),
    )
    scratch = argument(checks.flag, "only tasks that are (True) or are not (False) scratch builds")
    ignore_marker = flag(
        "leave out what this package's steps submitted, by the marker that they leave in Koji: a"
        " master does not react to its own builds"
    )
    filter = argument(
        checks.function,
        "a function that is called with each ``txkoji.Event`` that matches all other arguments, and"
        " returns whether it becomes a change. If it raises, the event becomes a change, and the"
        " log has a traceback",
    )
    rpms = argument(
        checks.flag,
        "whether a change has the property ``koji_rpms``, which costs a lookup for each build",
        default=True,
    )
    project = argument(
        checks.text, "the project of all changes; by default the name of the package"
    )
    codebase = argument(
        checks.text, "the codebase of all changes; by default what the ``codebaseGenerator`` says"
    )
    poll_interval = argument(checks.seconds, "seconds between two polls", default=300.0)
    overlap = argument(
        checks.seconds,
        "seconds that a transaction of the hub may take. Koji assigns event ids and times at the"
        " start of a transaction and shows them at its end, so each poll looks this far back",
        default=300.0,
    )
    since = argument(
        _since,
        "where the very first run starts: a ``datetime.timedelta`` back, or an aware"
        " ``datetime.datetime``; by default, with what happens from then on",
    )
    bus = argument(
        check_receiving_broker,
        "a ``util.KojiAMQP`` or ``util.KojiAMQP1``; by default, the source only polls",
        renderable="parts",
    )
    quiet_time = argument(
        checks.pause,
        "make changes once nothing has happened for so many seconds (after ten times as many at the"
        " latest): a mass tagging becomes one batch of changes",
        default=0,
    )
    max_changes_per_hour = argument(
        checks.positive,
        "hold back what exceeds this, in order, in the master's database, until there is room",
    )
    stale_after = argument(
        checks.seconds,
        "seconds without an answer of the hub after which it is reported as unreachable",
        default=3600.0,
    )

    _log = Logger()

    compare_attrs: ClassVar[Sequence[str]] = ()
    secrets: ClassVar[Sequence[str]] = ("bus",)
    limits: ClassVar[SourceLimits] = SourceLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._running: Listener | None = None
        self._announced = 0
        self._standing_by: Deferred[None] | None = None
        self._waiting: set[Deferred[Any]] = set()
        super().__init__(*args, **kwargs)

    def default_name(self, values: Mapping[str, Any]) -> str:
        """Return the default name of a source."""
        return f"KojiChangeSource-{profile_name(values['profile'])}"

    def complaints_at_load(self, values: Mapping[str, Any], place: Place) -> Iterator[str]:
        """Also find a second source of the same name, which Buildbot would silently drop."""
        yield from super().complaints_at_load(values, place)
        again = place.complaint_about_name("change source", self.declared_values["name"])
        if again is not None:
            yield again

    def complaints_in(self, config: MasterConfig) -> Iterator[str]:
        """Return that it is in the wrong list: of change sources Buildbot asks no name there."""
        del config
        yield "list it in c['change_source'], not in c['services']"

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what the events require, and what is wrong with the times."""
        events = set(values["events"])
        if events & TAG_EVENTS and not values["tags"]:
            yield (
                f"tags is missing: {', '.join(sorted(events & TAG_EVENTS))} happen in tags; name"
                " them, or write ['*'] for all"
            )
        if any(name.startswith("task-") for name in events) and not values["methods"]:
            yield "methods is missing: name the methods of the tasks, such as ['build']"
        if events & BUS_ONLY_EVENTS and values["bus"] is None:
            yield (
                "bus is missing: Koji keeps no time of"
                f" {', '.join(sorted(events & BUS_ONLY_EVENTS))}, only a message reports it"
            )
        if values["stale_after"] <= values["poll_interval"]:
            yield (
                f"stale_after={values['stale_after']!r} must be more than poll_interval, which is"
                f" {values['poll_interval']!r}"
            )

    @async_to_deferred
    async def reconfigService(  # type: ignore[override]  # Buildbot's own take what they need, too
        self, **options: Any
    ) -> None:
        """Apply the arguments; an active source continues with them."""
        await super().reconfigService()
        self._options = options
        if self._running is not None:
            await self.deactivate()
            await self.activate()

    @async_to_deferred
    async def reconfigServiceWithSibling(self, sibling: Any) -> None:
        """Apply a new configuration; the profile of the same hub may have changed, too."""
        await super().reconfigServiceWithSibling(sibling)
        if self._running is not None and self._running.is_outdated:
            await self.deactivate()
            await self.activate()

    @async_to_deferred
    async def activate(self) -> None:
        """Start listening, in the background."""
        master: Any = self.master
        storage = SourceStorage(master, str(self.name))
        context = SourceContext(
            master,
            str(self.name),
            SourceOptions(hub_name=profile_name(self._options["profile"]), **self._options),
            self.limits,
            storage,
            Claim(
                storage,
                CLAIM_KEY,
                lost=lambda: self._claim_lost(listener),
                clock=master.reactor,
                is_ours=self._has_claim,
            ),
        )
        listener = self._running = Listener(context, self._announced)
        listener.start()

    @async_to_deferred
    async def deactivate(self) -> None:
        """Stop listening; fires when the last change is stored."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()
            self._announced = running.announced

    # The claim

    @async_to_deferred
    async def _getServiceId(self) -> Any:
        """Return the source's id; wait for the database: Buildbot would for five minutes."""
        return await self._until_stored(super()._getServiceId)

    @async_to_deferred
    async def _claimService(self) -> Any:
        """Claim the source, as soon as the database answers."""
        return await self._until_stored(super()._claimService)

    async def _until_stored(self, write: Callable[[], Any]) -> Any:
        master: Any = self.master
        storing = until_stored(write, master.reactor, DATABASE_RETRY, str(self.name))
        waiting = Deferred.fromCoroutine(storing)
        self._waiting.add(waiting)
        try:
            return await waiting
        except CancelledError:
            # The source is stopped: it has no claim.
            return None
        finally:
            self._waiting.discard(waiting)

    async def _has_claim(self) -> bool:
        assert self.serviceid is not None
        return await has_change_source(self.master, self.serviceid)

    @async_to_deferred
    async def _unclaimService(self) -> None:  # type: ignore[override]  # nobody uses the result
        """Release the claim, unless another master has taken it."""
        if await self._has_claim():
            await super()._unclaimService()

    def _claim_lost(self, listener: Listener) -> None:
        if self._running is listener:
            self._log.warn(
                "{name}: another master took over while this one was frozen or without its"
                " database; standing by again",
                name=self.name,
            )
            standing_by = self._standing_by = Deferred.fromCoroutine(self._stand_by())
            standing_by.addErrback(
                lambda failure: self._log.failure("{name}: can't stand by", failure, name=self.name)
            )
            standing_by.addBoth(self._stood_by)

    def _stood_by(self, _: object) -> None:
        self._standing_by = None

    async def _stand_by(self) -> None:
        """Stop, and wait for the claim again, like a master that never had it."""
        self.active = False
        await self.deactivate()
        self._startActivityPolling()

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop listening, and release the claim."""
        for waiting in list(self._waiting):
            waiting.cancel()
        if self._standing_by is not None:
            await self._standing_by
        await super().stopService()

    def describe(self) -> str:
        """Describe the source in one line."""
        return str(self.name)

    def status(self) -> SourceStatus:
        """Return what it is doing on this master."""
        running = self._running
        return SourceStatus(
            name=str(self.name),
            hub=profile_name(self._options["profile"]),
            listener=None if running is None else running.status(),
        )

    def wake(self) -> None:
        """Poll now, where it is active on this master."""
        if self._running is not None:
            self._running.wake()
