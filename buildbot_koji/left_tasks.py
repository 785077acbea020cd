"""Cancels the tasks that no step cancels any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.logger import Logger

from buildbot_koji.durable.abandoned import (
    is_settled,
    left_by_attempts,
    settle,
    unsettled_requests,
)
from buildbot_koji.durable.background import DATABASE_RETRY, Background
from buildbot_koji.durable.cancellations import CLASS, PENDING, object_of
from buildbot_koji.durable.claims import gone_masters
from buildbot_koji.durable.database import until_stored
from buildbot_koji.durable.store import object_name, objects_with
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.durable.unreadable import UnreadableRow
from buildbot_koji.hubs.hub import (
    PREFIX,
    Hub,
    configured_hubs,
    get_hub,
    hubs_of,
    identity_of,
    rendered_hub,
)
from buildbot_koji.hubs.koji_hub import RenderedHub
from buildbot_koji.mass.abandoned import left_by_mass_builds
from txkoji import RetryPolicy, one_line
from txkoji.exceptions import ConfigurationError
from txkoji.locks import Lock

TROUBLE = "can't cancel the tasks of stopped builds"

RECENT = 5000
"""How many of the newest builds a look searches. Only the first searches all: that takes longer."""

FINDERS = (left_by_attempts, left_by_mass_builds)
"""Functions that find the tasks that a completed build request left, one for each stored form."""


class LeftTasks(service.SharedService):
    """Cancels the tasks that no step follows any more, and logs which hubs it can't use for that.

    Those are the tasks of completed build requests, whichever step submitted them, and those whose
    cancellation an earlier run of this master, or a dead master, left pending. Buildbot reports
    each request that completes. Once a minute a look at the database finds the others: those that
    completed while no master listened, and those that wait for a hub that could not be used.

    The releaser of orphans brings it. Buildbot stops it after everything else.
    """

    interval: ClassVar[float] = 60.0
    """Seconds between two looks at the database."""

    retry: ClassVar[RetryPolicy] = DATABASE_RETRY
    """The pauses while the database is unreachable."""

    _log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self._background = Background()
        # For each request that is not settled, the tasks that are being canceled, by the markers.
        self._handled: dict[int, dict[str, TaskIntent]] = {}
        self._unusable: set[str] = set()
        self._said: set[str] = set()
        self._looking = Lock()
        self._has_looked = False

    @async_to_deferred
    async def startService(self) -> None:
        """Start to look and to listen."""
        await super().startService()
        event = ("buildrequests", None, "complete")
        await self._background.consume(self.master, self._completed, event)
        self._background.run(self._look_on(), TROUBLE)

    def _completed(self, _: Any, message: Mapping[str, Any]) -> None:
        self._background.run(self._cancel_left_by(message["buildrequestid"]), TROUBLE)

    async def _cancel_left_by(self, request_id: int, hub: Hub | None = None) -> None:
        """Cancel what a request has left, or settle it, once nothing is pending on a hub."""
        if hub is not None:
            await hub.cancellations.idle()

        async def cancel() -> None:
            async with self._looking:
                await self._cancel_left(await unsettled_requests(self.master, request_id))

        await until_stored(cancel, self.master.reactor, self.retry, TROUBLE)

    async def _look_on(self) -> None:
        # The configuration names the hubs: wait until it is loaded.
        await self.master.initLock.run(lambda: None)
        clock = self.master.reactor
        look = partial(until_stored, self.look, clock, self.retry, TROUBLE)
        self._background.repeat(look, TROUBLE, clock, lambda: self.interval)

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop; the next start finds what is left."""
        await self._background.end()
        await super().stopService()

    async def look(self) -> None:
        """Cancel what is left, and log the names of hubs that can't be used, each once."""
        async with self._looking:
            found = await unsettled_requests(
                self.master, None, RECENT if self._has_looked else None
            )
            for request_id in self._handled.keys() - found.keys():
                waiting = await unsettled_requests(self.master, request_id)
                handled = {} if waiting else self._handled.pop(request_id)
                if handled and await is_settled(self.master, request_id):
                    # Another master has done it; otherwise Buildbot's janitor has been there.
                    for identity, intents in _by_hub(handled.values()).items():
                        if (hub := await self._use(identity)) is not None:
                            await hub.cancellations.withdraw(intents)
                found.update(waiting)
            unusable = await self._cancel_left(found)
        unusable |= await self._resume_pending()
        self._has_looked = True
        for name in sorted(unusable - self._unusable):
            self._log.warn(
                "{hub}: tasks of stopped builds wait to be canceled on this hub, which no plugin"
                " can use: name it again in the configuration, or cancel them yourself",
                hub=name.removeprefix(PREFIX),
            )
        self._unusable = unusable

    async def _cancel_left(self, found: Mapping[int, int]) -> set[str]:
        """Cancel what completed build requests left; returns the hubs that can't be used.

        A request is settled only when all its tasks were read and are canceled: until then, another
        master may have the hub, the credentials or the version that this one lacks.
        """
        unusable = set[str]()
        for each, build_id in found.items():
            intents, is_done = await self._left_by(build_id)
            handled = self._handled.setdefault(each, {})
            for identity, several in _by_hub(intents).items():
                hub = await self._use(identity)
                if hub is None:
                    unusable.add(identity)
                    is_done = False
                    continue
                by_marker = {intent.submission.marker: intent for intent in several}
                if new := by_marker.keys() - handled.keys():
                    # A crash before this is noted only cancels the tasks twice.
                    await hub.cancellations.retry_later(None, *map(by_marker.__getitem__, new))
                    handled.update(by_marker)
                    self._background.run(self._cancel_left_by(each, hub), TROUBLE)
                is_done = is_done and not hub.cancellations.has(several)
            if is_done:
                await settle(self.master, build_id)
                del self._handled[each]
        return unusable

    async def _left_by(self, build_id: int) -> tuple[list[TaskIntent], bool]:
        """Return the tasks that a request left, and whether all that is stored could be read."""
        errors: list[UnreadableRow] = []
        found = [
            each for find in FINDERS for each in await find(self.master, build_id, errors.append)
        ]
        for words in {one_line(each) for each in errors} - self._said:
            self._said.add(words)
            self._log.error("the task of a stopped build may run on: {error}", error=words)
        return found, not errors

    async def _resume_pending(self) -> set[str]:
        """Resume what this master and dead ones left pending; returns this one's unusable hubs."""
        waiting = {*await objects_with(self.master, CLASS, PENDING)}
        configured = await self._configured() if waiting else {}
        dead = (await gone_masters(self.master)).values() if waiting else ()
        for identity in {*configured, *(each.identity for each in hubs_of(self.master))}:
            objects = {object_name(object_of(name, identity)): name for name in dead}
            own = object_name(object_of(self.master.name, identity))
            left = waiting & {own, *objects}
            hub = await self._use(identity) if left else None
            if hub is not None:
                waiting -= left
                await hub.cancellations.resume([objects[each] for each in left - {own}])
        mine = object_of(self.master.name, "")
        return {each.removeprefix(mine) for each in waiting if each.startswith(f"{mine}{PREFIX}")}

    async def _use(self, identity: str) -> Hub | None:
        """Return a hub, None if it can't be used."""
        for each in hubs_of(self.master):
            if each.identity == identity and each.is_current:
                return each
        configured = await self._configured()
        with suppress(ConfigurationError):
            return (
                await get_hub(self.master, configured[identity]) if identity in configured else None
            )
        return None

    async def _configured(self) -> dict[str, str | RenderedHub]:
        """Return the hubs that the configuration names, by their identities."""
        found = {}
        for profile in configured_hubs(self.master.config):
            # Its own plugins say why it can't be used.
            with suppress(ConfigurationError, KeyError):
                rendered = await rendered_hub(self.master, profile)
                if isinstance(rendered, (str, RenderedHub)):
                    found[identity_of(rendered)] = rendered
        return found


def _by_hub(intents: Iterable[TaskIntent]) -> dict[str, list[TaskIntent]]:
    """Return tasks by the identities of the hubs on which they are to be canceled."""
    found: dict[str, list[TaskIntent]] = {}
    for each in intents:
        found.setdefault(str(each.cancel_on), []).append(each)
    return found
