"""Cancels the tasks that no step cancels any more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from buildbot.process.results import CANCELLED
from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.logger import Logger

from buildbot_koji.durable.abandoned import AbandonedTask, abandoned_tasks
from buildbot_koji.durable.background import DATABASE_RETRY, Background, stop_consuming
from buildbot_koji.durable.cancellations import CLASS, PENDING, object_of
from buildbot_koji.durable.claims import gone_masters
from buildbot_koji.durable.database import until_stored
from buildbot_koji.durable.store import SOURCE, BuildData, object_name, objects_with
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
from txkoji.exceptions import ConfigurationError

_log = Logger()


class CanceledRequests(service.SharedService):
    """Cancels the tasks of build requests that are canceled between two attempts.

    Each master has one, which Buildbot stops after everything else.
    """

    def __init__(self) -> None:
        super().__init__()
        self._background = Background()
        self._consumers: list[Any] = []

    @async_to_deferred
    async def startService(self) -> None:
        """Start to listen."""
        await super().startService()
        event = ("buildrequests", None, "complete")
        self._consumers = [await self.master.mq.startConsuming(self._completed, event)]

    def _completed(self, _: Any, message: Mapping[str, Any]) -> None:
        if message["results"] == CANCELLED:
            cancel = partial(cancel_abandoned, self.master, message["buildrequestid"])
            trouble = "can't cancel the tasks of a canceled build request"
            canceling = until_stored(cancel, self.master.reactor, DATABASE_RETRY, trouble)
            self._background.run(canceling, trouble)

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop listening; the next start finds what is left."""
        self._background.stop()
        await stop_consuming(self._consumers)
        await super().stopService()


async def resume_cancellations(master: Any) -> None:
    """Resume, at the start, the cancellations of earlier runs of this master and of dead masters.

    It logs the names of the hubs that can't be used, or that no plugin names any more.
    """
    await CanceledRequests.getService(master)
    left = await cancel_abandoned(master)
    waiting = {*await objects_with(master, CLASS, PENDING)}
    used = await _cancel_on_hubs(master, waiting, [master.name, *await _dead(master)])
    mine = object_of(master.name, PREFIX)
    left |= {each.removeprefix(mine) for each in waiting - used if each.startswith(mine)}
    for name in sorted(left):
        _log.warn(
            "{hub}: tasks of stopped builds wait to be canceled on this hub, which no plugin can"
            " use: name it again in the configuration, or cancel them yourself",
            hub=name,
        )


async def cancel_abandoned(master: Any, request_id: int | None = None) -> set[str]:
    """Cancel the tasks of build requests that were canceled between two attempts.

    Args:
        master: the Buildbot master.
        request_id: the build request; None for all.

    Returns:
        The hubs, without the prefix of their identities, that this master can't use.
    """
    left: dict[str, list[AbandonedTask]] = {}
    for each in await abandoned_tasks(master, request_id):
        left.setdefault(str(each.intent.cancel_on), []).append(each)
    data, configured = BuildData(master, SOURCE), await _configured(master) if left else {}
    for identity in list(left):
        hub = await _use(master, identity, configured)
        if hub is None:
            continue
        for each in left.pop(identity):
            # A crash between the two only cancels the task twice.
            await hub.cancellations.retry_later(each.intent, None)
            await each.settle(data)
    return {each.removeprefix(PREFIX) for each in left}


async def take_over_cancellations(master: Any) -> None:
    """Resume the cancellations of dead masters of the same database."""
    dead = await _dead(master)
    if dead:
        await _cancel_on_hubs(master, {*await objects_with(master, CLASS, PENDING)}, dead)


async def _dead(master: Any) -> list[str]:
    """Return the names of the masters that are dead."""
    gone = await gone_masters(master)
    masters = await master.data.get(("masters",)) if gone else ()
    return [each["name"] for each in masters if each["masterid"] in gone]


async def _cancel_on_hubs(master: Any, waiting: set[str], names: list[str]) -> set[str]:
    """Resume the masters' cancellations on each hub; returns the names of the objects resumed."""
    configured = await _configured(master) if waiting else {}
    done = set[str]()
    for identity in {*configured, *(each.identity for each in hubs_of(master))}:
        objects = {object_name(object_of(name, identity)): name for name in names}
        left = {each: objects[each] for each in objects.keys() & waiting}
        hub = await _use(master, identity, configured) if left else None
        if hub is not None:
            done.update(left)
            for name in left.values():
                if name != master.name:
                    await hub.cancellations.take_over(name)
    return done


async def _configured(master: Any) -> dict[str, str | RenderedHub]:
    """Return the hubs that the configuration names, by their identities."""
    found = {}
    for profile in configured_hubs(master.config):
        # Its own plugins say why it can't be used.
        with suppress(ConfigurationError, KeyError):
            rendered = await rendered_hub(master, profile)
            if isinstance(rendered, (str, RenderedHub)):
                found[identity_of(rendered)] = rendered
    return found


async def _use(master: Any, identity: str, configured: dict[str, str | RenderedHub]) -> Hub | None:
    """Return a hub, None if it can't be used."""
    for each in hubs_of(master):
        if each.identity == identity and each.is_current:
            return each
    with suppress(ConfigurationError):
        return await get_hub(master, configured[identity]) if identity in configured else None
    return None
