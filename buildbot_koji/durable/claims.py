"""Whether this master still holds what it claimed, and which master acts for the dead ones.

A master that was frozen (a suspended virtual machine, a database that was unreachable) for longer
than Buildbot's expiry is declared dead, and a peer takes over. Buildbot never tells the frozen one,
and never looks at a claim again: check the claim before you store or send something.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

import attrs
from buildbot.data import masters
from buildbot.util import datetime2epoch

from buildbot_koji.durable.store import MasterState

CLAIM_AGE = 1.0
"""Seconds for which a check of a claim counts within a batch: the master may freeze in it, too."""


class ClaimLost(Exception):
    """Another master has taken over."""


@runtime_checkable
class Supersedable(Protocol):
    """Work for a build request that can end because another master does it."""

    def supersede(self) -> None:
        """End the work, and leave to the other master what it has begun."""


class ClaimCheck:
    """Checks that this master holds a claim; a recent check may count.

    Args:
        now: returns the time, in seconds.
        is_held: returns whether this master holds the claim.
    """

    def __init__(self, now: Callable[[], float], is_held: Callable[[], Awaitable[bool]]) -> None:
        self._now = now
        self._is_held = is_held
        self._checked_at = float("-inf")

    async def __call__(self, *, max_age: float = 0.0) -> None:
        """Return if the claim is held; a check counts for ``max_age`` seconds.

        Raises:
            ClaimLost: another master has it, or is about to.
        """
        now = self._now()
        if 0 <= now - self._checked_at < max_age:
            return
        if not await self._is_held():
            raise ClaimLost
        self._checked_at = now


async def _always() -> bool:
    return True


@attrs.define(eq=False, repr=False, slots=False)
class Claim:
    """The claim to some work that several masters could do.

    It is a token in the database: a new holder replaces it, and the previous holder sees that
    before its next step.

    Args:
        state: where the token is stored.
        key: its key.
        lost: called once, in the next iteration of the reactor, when the claim turns out lost.
        clock: an IReactorTime.
        is_ours: returns whether Buildbot's own claim to the work is ours, if it has one.

    Attributes:
        token: the token of this holder.
        check: checks that the claim is held.
    """

    _state: MasterState
    _key: str
    _lost: Callable[[], object] = attrs.field(kw_only=True)
    _clock: Any = attrs.field(kw_only=True)
    _is_ours: Callable[[], Awaitable[bool]] = attrs.field(default=_always, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self.token = uuid.uuid4().hex
        self._is_lost = False
        self.check = ClaimCheck(self._clock.seconds, self._check)

    async def take(self) -> None:
        """Take the claim, even from another holder."""
        await self._state.put(self._key, self.token)

    async def _check(self) -> bool:
        if self._is_lost:
            return False
        is_held = await self._is_ours() and await self._state.get(self._key) == self.token
        if not (is_held or self._is_lost):
            self._is_lost = True
            self._clock.callLater(0, self._lost)
        return is_held


async def has_change_source(master: Any, service_id: int) -> bool:
    """Return whether a change source is claimed by this master."""
    owner = await master.db.changesources.get_change_source_master(service_id)
    return bool(owner == master.masterid)


async def has_scheduler(master: Any, service_id: int) -> bool:
    """Return whether a scheduler is claimed by this master."""
    found = await master.db.schedulers.getScheduler(service_id)
    return bool(found is not None and found.masterid == master.masterid)


async def schedulers_are_claimed(master: Any) -> bool:
    """Return whether each scheduler of this master's configuration is active on some master."""
    for scheduler in master.scheduler_manager:
        if scheduler.serviceid is None:
            return False
        found = await master.db.schedulers.getScheduler(scheduler.serviceid)
        if found is not None and found.masterid is None:
            return False
    return True


async def has_request(master: Any, request_id: int) -> bool:
    """Return whether a build request that this master runs is still claimed by it.

    The master that declares another one dead releases its requests, and they run again elsewhere.
    """
    request = await master.data.get(("buildrequests", request_id))
    return request is None or request["claimed_by_masterid"] == master.masterid


async def gone_masters(master: Any) -> dict[int, str]:
    """Return the names of the masters that Buildbot has declared dead, by their ids.

    A master that was stopped, or was killed and started again, is not dead: it resumes its work.
    """
    # After so long without a heartbeat Buildbot closes the builds of a master.
    long_ago = master.reactor.seconds() - 60 * masters.EXPIRE_MINUTES
    return {
        each["masterid"]: each["name"]
        for each in await master.data.get(("masters",))
        if not each["active"]
        and each["masterid"] != master.masterid
        and (each["last_active"] is None or datetime2epoch(each["last_active"]) < long_ago)
    }


async def acts_for_gone_masters(master: Any) -> bool:
    """Return whether this master acts for the dead ones: the live one with the lowest id does."""
    living = [each["masterid"] for each in await master.data.get(("masters",)) if each["active"]]
    return bool(master.masterid == min([master.masterid, *living]))
