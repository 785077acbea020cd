"""The events of one hub: from its records (complete), and for each bus message (fast)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from buildbot_koji.changes.context import SourceContext
from buildbot_koji.changes.interruption import Interrupted
from buildbot_koji.changes.options import SourceOptions
from buildbot_koji.changes.set_aside import is_passing
from txkoji import Connection, Cursor, Event, Interest, Poller, is_glob
from txkoji.exceptions import TransportError
from txkoji.gathering import gather

_LOOKUPS = {"packages": "getPackage", "targets": "getBuildTarget", "owners": "getUser"}
"""The hub method that knows the names of each option."""


class HubFeed:
    """Reads the events of a hub that a change source asks for.

    Args:
        context: the change source.
        connection: the hub.
        wanted: returns whether an event, whose details may still be missing, can become a change.
        cursor: where the source continues; None for a first run.

    Attributes:
        cursor: everything before it was returned; None until :meth:`start_now`.
    """

    _log = Logger()

    def __init__(
        self,
        context: SourceContext,
        connection: Connection,
        wanted: Callable[[Event], bool],
        cursor: Cursor | None,
    ) -> None:
        self._context = context
        self._connection = connection
        self._wait = context.interruption.wait
        options = context.options
        self._poller = Poller(
            connection, _interest(options, wanted), overlap=options.overlap, name=context.name
        )
        self._are_names_checked = False
        self.cursor = cursor

    @property
    def left_out(self) -> Mapping[str, str]:
        """Why each record of the hub that can't be used is left out, by what it is."""
        return self._poller.unusable.reasons

    async def start_now(self, since: float | None) -> None:
        """Set the cursor of a first run to a time, or to now.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        self.cursor = await self._wait(self._poller.baseline, since)

    async def poll(self, known: Callable[[str], bool]) -> list[Event]:
        """Return what happened since the cursor, and advance it.

        Args:
            known: returns whether the event with a key need not be returned again.

        Raises:
            KojiException: the hub is unreachable, or refused; the cursor stays where it is.
        """
        assert self.cursor is not None
        if not self._are_names_checked:
            await self._check_names()
        found = await self._wait(partial(self._poller.round, self.cursor, known=known))
        self.cursor = found.cursor
        return list(found.events)

    async def confirm(self, reported: Event) -> list[Event]:
        """Return the events of the hub that a bus message reports.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        return list(await self._wait(self._poller.confirm, reported, self.cursor))

    async def read_again(self, event: Event) -> Event | None:
        """Return the current state of an event on the hub; None if it is gone.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        if event.task is None and (event.build is None or "source" not in event.build):
            # Its details are still to be read.
            return event
        found = await self.confirm(event)
        return next((each for each in found if each.key == event.key), None)

    async def complete(
        self, events: Sequence[Event], unusable: Callable[[Event, Exception], None]
    ) -> list[Event]:
        """Return events with all the details that changes need.

        Args:
            events: the events.
            unusable: called with each event whose details can't be read, and the error.

        Raises:
            KojiException: the hub is unreachable, or refuses everything.
        """
        try:
            return list(await self._wait(self._poller.complete, events))
        except Interrupted:
            raise
        except Exception as error:
            if _concerns_all(error):
                raise
        # One event broke the request of all.
        found: list[Event] = []
        for event in events:
            try:
                found += await self._wait(self._poller.complete, [event])
            except Interrupted:
                raise
            except Exception as error:
                if _concerns_all(error):
                    raise
                unusable(event, error)
        return found

    async def _check_names(self) -> None:
        """Log the names that the hub does not know: they may be misspelt."""
        names = [
            (option, name)
            for option in _LOOKUPS
            for name in getattr(self._context.options, option)
            if not is_glob(name)
        ]
        found = await self._wait(
            lambda: Deferred.fromCoroutine(
                gather([self._connection.call(_LOOKUPS[option], name) for option, name in names])
            )
        )
        for (option, name), struct in zip(names, found, strict=True):
            if struct is None:
                self._log.warn(
                    "{name}: {option}: the hub has no {value}: check the spelling",
                    name=self._context.name,
                    option=option,
                    value=name,
                )
        self._are_names_checked = True


def _concerns_all(error: Exception) -> bool:
    """Return whether an error says nothing about the event that was asked about."""
    return is_passing(error) or isinstance(error, TransportError)


def _interest(options: SourceOptions, wanted: Callable[[Event], bool]) -> Interest:
    return Interest(
        names=frozenset(options.events),
        tags=tuple(options.tags),
        inherited=options.inherited,
        methods=tuple(options.methods),
        targets=bool(options.targets),
        rpms=options.rpms,
        types=bool(options.build_types),
        wanted=wanted,
    )
