"""The base class of the reporters, which take up builds and hold outboxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from buildbot.config.master import MasterConfig
from buildbot.process.results import RETRY
from buildbot.reporters import utils
from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredService
from buildbot_koji.durable.background import Background
from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import DeliveryStore, Outbox, Sender
from buildbot_koji.error_messages import cause_of
from buildbot_koji.hubs.hub import Hub, get_hub
from buildbot_koji.hubs.koji_hub import profile_name
from buildbot_koji.reporters.backlogs import Backlogs
from buildbot_koji.reporters.build_results import counting_properties, counting_result
from buildbot_koji.reporters.status import OpenGate, ReporterStatus
from txkoji import RetryPolicy

RETRY_FOR = 3 * 24 * 3600.0
"""Seconds for which a delivery is retried: an outage over a weekend loses nothing."""

REDELIVER = ("koji_outbox", "redelivery", "requested")
"""The event that revives dead letters, on any master."""


class KojiReporter(DeclaredService, service.BuildbotService):
    """Reports builds to a hub or a broker, through an outbox in the master's database.

    Every finished build of this master is taken up once. Its deliveries are stored as data of the
    build before anything is sent, and retried until they have arrived, over outages, crashes and
    reconfigurations. Neither builds nor the master's shutdown wait for them.

    Each master reports the builds that it ran. The first living master reports what a master that
    was declared dead left unfinished.
    """

    name = argument(
        checks.stored_name,
        "the name of the reporter, by default that of its class; its records are stored under it:"
        " give each reporter its own, and keep it",
    )
    builders = argument(checks.names, "the names of the builders to report; by default all")
    retry_for = argument(
        checks.seconds,
        "seconds for which a delivery is retried before it is given up; by default 3 days",
    )

    events: ClassVar[Sequence[str]] = ("finished",)
    """The events of a build that are reported."""

    retry: ClassVar[RetryPolicy] = RetryPolicy(first=5.0, ceiling=600.0)
    """The pauses while the hub or broker is unreachable."""

    sender: Sender
    """The sender of the deliveries. A subclass makes it."""

    logs_in = True

    master: Any

    _log = Logger()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._options: dict[str, Any] = {}
        self._backlogs = Backlogs(self._wanted, self.make_outbox, self.scan)
        self.background = Background(ClaimLost)

    # Configuration

    @async_to_deferred
    async def reconfigService(self, name: Any = None, *args: Any, **options: Any) -> None:
        """Apply new arguments, also to deliveries in flight."""
        del name, args
        self._options = options
        known = {builder.name for builder in self.master.config.builders}
        for builder in self.named_builders(options):
            if builder not in known:
                self._log.warn(
                    "{name}: this master has no builder {builder}; only another master can report"
                    " its builds",
                    name=self.name,
                    builder=builder,
                )

    def named_builders(self, options: Mapping[str, Any]) -> Sequence[str]:
        """Return the builders that the arguments name."""
        return options.get("builders") or ()

    def complaints_in(self, config: MasterConfig) -> Iterator[str]:
        """Return which builders don't exist; with several masters, another one may have them."""
        known = {builder.name for builder in config.builders if builder is not None}
        for name in () if config.multiMaster else self.named_builders(self.declared_values):
            if name not in known:
                yield f"there is no builder {name!r}{checks.did_you_mean(name, known)}"

    async def hub(self) -> Hub:
        """Return the hub that the arguments name."""
        return await get_hub(self.master, self._options["profile"])

    # What a subclass implements

    async def deliveries(self, build: Mapping[str, Any]) -> Sequence[Delivery] | None:
        """Return what to deliver about a build, None if unknown yet."""
        raise NotImplementedError

    async def scan(self) -> None:
        """Look for anything else to report."""

    def gates(self) -> Sequence[OpenGate]:
        """Return the Koji builds that wait for test results."""
        return ()

    def does(self) -> str:
        """Return what it does for each result, in words; empty if its kind says that."""
        return ""

    def status(self) -> ReporterStatus:
        """Return what this master has not finished with."""
        profile = self._options.get("profile")
        return ReporterStatus(
            name=str(self.name),
            kind=type(self).__name__,
            hub=None if profile is None else profile_name(profile),
            masters=self._backlogs.masters,
            pending=tuple(sorted(self._backlogs.pending(), key=lambda each: each.since)),
            dead=self._backlogs.dead,
            gates=tuple(self.gates()),
            does=self.does(),
        )

    # The service

    @async_to_deferred
    async def startService(self) -> None:
        """Start consuming events, and resume in the background what an earlier run left."""
        await super().startService()
        self.background = Background(ClaimLost)
        events = [("builds", None, event) for event in self.events]
        await self.background.consume(self.master, self._build, *events)
        await self.background.consume(self.master, self._redeliver, REDELIVER)
        # Its first scan finds the builds that ended meanwhile.
        resume = partial(self._backlogs.start, self.master, str(self.name), self.background)
        await self.background.run_once_stored(
            resume, self.master.reactor, f"{self.name}: can't resume"
        )

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop consuming and sending; the next start resumes."""
        await self.background.end()
        self._backlogs.stop()
        await super().stopService()

    def make_outbox(self, store: DeliveryStore, settled: Callable[[Delivery], None]) -> Outbox:
        """Return an outbox that sends by :attr:`sender`."""
        return Outbox(
            self.name,
            store,
            self.sender,
            self.master.reactor,
            retry=self.retry,
            retry_for=lambda: float(self._options.get("retry_for") or RETRY_FOR),
            settled=settled,
        )

    # Events

    def _build(self, _: Any, message: Mapping[str, Any]) -> Deferred[None]:
        return self.background.run(self._notice(message), f"{self.name}: can't take up a build")

    async def _notice(self, message: Mapping[str, Any]) -> None:
        try:
            # A message bus between masters loses the types of the build's values.
            build = await self.master.data.get(("builds", message["buildid"]))
            if build is not None:
                await self.noticed(build)
        except Exception as error:
            if not isinstance(cause_of(error), (CancelledError, ClaimLost)):
                self.missed()
            raise

    def missed(self) -> None:
        """Scan again soon: the event of a build could not be read."""
        self._backlogs.scan_again()

    async def noticed(self, build: Mapping[str, Any]) -> None:
        """Take up a build that started or ended, on any master."""
        await self._backlogs.take(build)

    async def _wanted(self, build: Mapping[str, Any]) -> Sequence[Delivery] | None:
        """Return what to deliver about a build, None if unknown yet."""
        counting = await counting_result(self.master, build)
        if counting is None:
            self._backlogs.scan_again()
            return None
        # The next attempt at the same build request will have the result.
        if counting["results"] == RETRY:
            return []
        builder = await self.master.data.get(("builders", counting["builderid"]))
        if not self.reports(builder):
            return []
        detailed = dict(counting)
        await utils.getDetailsForBuild(self.master, detailed)
        detailed["properties"] = await counting_properties(self.master, build, counting)
        return await self.deliveries(detailed)

    def reports(self, builder: Mapping[str, Any]) -> bool:
        """Return whether the arguments include a builder."""
        chosen = self._options.get("builders")
        return chosen is None or builder["name"] in chosen

    def _redeliver(self, _: Any, message: Mapping[str, Any]) -> Deferred[None]:
        return self.background.run(self._retry(message), f"{self.name}: can't redeliver")

    async def _retry(self, message: Mapping[str, Any]) -> None:
        if message["reporter"] == self.name:
            chosen = message.get("letters")
            letters = None if chosen is None else {(build, name) for build, name in chosen}
            await self._backlogs.retry(letters)


def reporters_of(master: Any) -> list[KojiReporter]:
    """Return the Koji reporters of a master."""
    found = master.service_manager.namedServices.values()
    return [each for each in found if isinstance(each, KojiReporter)]
