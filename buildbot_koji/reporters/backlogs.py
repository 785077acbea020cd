"""Whose builds a reporter reports: its own master's, and those of dead masters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from twisted.logger import Logger

from buildbot_koji.durable.background import Background
from buildbot_koji.durable.claims import ClaimLost, acts_for_gone_masters, gone_masters
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import DeliveryStore, Outbox
from buildbot_koji.durable.unreadable import UnreadableRow
from buildbot_koji.error_messages import was_cancelled
from buildbot_koji.reporters.backlog import Backlog, WantedDeliveries
from txkoji import RetryPolicy
from txkoji.elapsed import Alarm

SCAN_INTERVAL = 300.0
"""Seconds between two scans for builds whose events were missed."""

RESCAN = RetryPolicy(first=2.0, ceiling=SCAN_INTERVAL)
"""The pauses until the next scan while something is known to be left."""


class Backlogs:
    """The backlogs of one reporter, one for each master whose builds it reports.

    It scans for missed builds every five minutes, and sooner after a failure.
    """

    _log = Logger()

    def __init__(
        self,
        wanted: WantedDeliveries,
        outbox: Callable[[DeliveryStore, Callable[[Delivery], None]], Outbox],
        scan: Callable[[], Awaitable[None]],
    ) -> None:
        self._wanted = wanted
        self._outbox = outbox
        self._scan_for_more = scan
        self._master: Any = None
        self._name = ""
        self._backlogs: dict[int, Backlog] = {}
        self._alarm: Alarm | None = None
        self._late_scans = 0
        self._is_late = False
        self._unreadable: set[int] = set()

    @property
    def masters(self) -> frozenset[int]:
        """The ids of the masters whose builds are reported."""
        return frozenset(self._backlogs)

    @property
    def dead(self) -> int:
        """How many dead letters are listed."""
        return sum(backlog.dead for backlog in self._backlogs.values())

    def pending(self) -> list[Delivery]:
        """Return the deliveries that are not settled."""
        return [each for backlog in self._backlogs.values() for each in backlog.pending()]

    async def start(self, master: Any, name: str, background: Background) -> None:
        """Resume what an earlier run left of this master's builds, and look for missed ones."""
        self._master, self._name = master, name
        self._backlogs = {}
        await self._load(master.masterid)
        await background.consume(master, self._master_stopped, ("masters", None, "stopped"))
        await background.consume(master, self._master_started, ("masters", None, "started"))
        self._is_late = False
        trouble = f"{name}: looking for missed builds failed"
        self._alarm = background.repeat(self._round, trouble, master.reactor, self._pause)

    def stop(self) -> None:
        """Stop sending; the next start resumes. The background has ended."""
        for backlog in self._backlogs.values():
            backlog.stop()
        self._backlogs = {}

    async def take(self, build: Mapping[str, Any]) -> None:
        """Take up a build that started or ended, if its master's builds are reported here."""
        if build["masterid"] in self._backlogs:
            await self._backlogs[build["masterid"]].take(build)

    async def retry(self, letters: Collection[tuple[int, str]] | None) -> None:
        """Revive dead letters: builds and names of deliveries; None for all."""
        for backlog in list(self._backlogs.values()):
            await backlog.retry(letters)

    def scan_again(self) -> None:
        """Scan in a few seconds, later if that has not helped."""
        if not self._is_late:
            self._scan_now()

    def _scan_now(self) -> None:
        """Scan now if a scan is due in a few seconds, else in a few seconds."""
        self._is_late = True
        if self._alarm is not None:
            self._alarm.ring()

    def _pause(self) -> float:
        """Return the seconds until the next round."""
        return 0.0 if self._is_late else SCAN_INTERVAL

    async def _load(self, master_id: int) -> None:
        """Resume what is left of the builds of a master, unless its position is unreadable."""
        backlog = Backlog(
            self._master,
            self._name,
            master_id,
            self._wanted,
            self._outbox,
            lost=lambda: self._lost(master_id, backlog),
            late=self.scan_again,
        )
        try:
            await backlog.load()
        except UnreadableRow as error:
            backlog.stop()
            if master_id not in self._unreadable:
                self._unreadable.add(master_id)
                self._log.error(
                    "{name}: no build of master {id} is reported: {error}",
                    name=self._name,
                    id=master_id,
                    error=error,
                )
        except BaseException:
            backlog.stop()
            raise
        else:
            self._backlogs[master_id] = backlog
            self._unreadable.discard(master_id)

    def _lost(self, master_id: int, backlog: Backlog) -> None:
        """Stop reporting builds that another master has taken over."""
        backlog.stop()
        if self._backlogs.get(master_id) is backlog:
            del self._backlogs[master_id]
            self._log.warn(
                "{name}: another master took over the reports of master {id}; standing by again",
                name=self._name,
                id=master_id,
            )
        if master_id == self._master.masterid:
            # It is alive: it has noticed.
            self.scan_again()

    async def _round(self) -> None:
        """Scan; if something is known to be left, not at once."""
        if self._is_late and self._alarm is not None:
            self._late_scans += 1
            await self._alarm.sleep(RESCAN.pause(self._late_scans))
        await self._scan()
        if not self._is_late:
            self._late_scans = 0

    async def _scan(self) -> None:
        self._is_late = False
        try:
            await self._adopt()
            for backlog in list(self._backlogs.values()):
                # A backlog that another master took over must not stop the others.
                with suppress(ClaimLost):
                    await backlog.scan()
            await self._scan_for_more()
        except Exception as error:
            if not was_cancelled(error):
                self.scan_again()
            raise

    async def _adopt(self) -> None:
        """Report for dead masters, and stop reporting for those that are back."""
        mine = self._master.masterid
        acts = await acts_for_gone_masters(self._master)
        orphaned = set(await gone_masters(self._master) if acts else ())
        for master_id in set(self._backlogs) - orphaned - {mine}:
            self._backlogs.pop(master_id).stop()
        if mine not in self._backlogs:
            await self._load(mine)
        for master_id in orphaned - set(self._backlogs):
            if await Backlog.exists(self._master, self._name, master_id):
                self._log.info(
                    "{name}: reporting for the dead master {id}", name=self._name, id=master_id
                )
                await self._load(master_id)

    def _master_stopped(self, _: Any, message: Mapping[str, Any]) -> None:
        if message["masterid"] != self._master.masterid:
            self._scan_now()

    def _master_started(self, _: Any, message: Mapping[str, Any]) -> None:
        if message["masterid"] == self._master.masterid:
            # It was declared dead while it was frozen, and reported for until now.
            if message["masterid"] not in self._backlogs:
                self._scan_now()
        elif message["masterid"] in self._backlogs:
            self._backlogs.pop(message["masterid"]).stop()
