"""Do something on a hub exactly once, over lost replies and crashes.

::

    NEW ----> STORED ----> IN_DOUBT
                |             |
                +-------------+----> DONE

The intent is stored before anything is sent. After a lost reply, and in an attempt that finds the
intent of an earlier one stored without a result, it is unknown whether the hub carried it out: the
hub is searched for the effect before the call is made again.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from txkoji import RetryPolicy
from txkoji.exceptions import KojiException, UnknownOutcome
from txkoji.retry import is_passing, until_answered, was_not_carried_out

T = TypeVar("T")

CheckClaim = Callable[[], Awaitable[None]]
"""Raises ``ClaimLost`` if another master does the work by now."""


class Unsearchable(KojiException):
    """Nothing on the hub shows the effect of an action, so searching again would not help."""


class IntentState(enum.Enum):
    """How far an action has come."""

    NEW = "nothing is stored"
    STORED = "the intent is stored; the hub does not have the call"
    IN_DOUBT = "the hub may have the call: also after a search that found nothing"
    DONE = "the hub answered, or its data show the effect; the result is stored"


async def _nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class OnceAction(Generic[T]):
    """Something to do on a hub exactly once.

    Attributes:
        do: does it; returns a result that JSON can hold and that is not None. It must await its
            argument, the check of the claim, right before it sends the call: the master may have
            been frozen until then. See ``Hub.write``.
        search: searches the hub for the effect of an earlier ``do``; returns its result, or None;
            fails with :class:`Unsearchable` if the hub can't tell.
    """

    do: Callable[[CheckClaim], Awaitable[T]]
    search: Callable[[], Awaitable[T | None]]


@dataclass(frozen=True)
class Intent:
    """What is known of an action when an attempt begins, and how to store its progress.

    Attributes:
        save: stores the result, or the intent if called with None.
        state: NEW, or for an action that an earlier attempt stored IN_DOUBT or DONE.
        result: the result of an action that is DONE.
    """

    save: Callable[[Any], Awaitable[None]]
    state: IntentState = IntentState.NEW
    result: Any = None


class Once(Generic[T]):
    """One action, from its intent to its result.

    Args:
        action: what to do.
        intent: what is known of it.
        check_claim: checks that no other master does it.
        log_in: logs in to the hub; called before each attempt.
        critical: entered around the call and the storing of its result: an interruption there would
            leave something on the hub that no attempt knows.

    Attributes:
        state: how far it has come.
        refusal: why the hub can't be searched for the effect of a call that it may have: its answer
            to the search, or to the login. None if it can, or need not be.
    """

    def __init__(
        self,
        action: OnceAction[T],
        intent: Intent,
        check_claim: CheckClaim,
        log_in: Callable[[], Awaitable[None]],
        critical: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._action = action
        self._save = intent.save
        self._check_claim = check_claim
        self._log_in = log_in
        self._critical = critical
        self.state = intent.state
        self._is_sent = False
        self.refusal: KojiException | None = None
        self._result: Any = intent.result

    async def run(
        self,
        clock: Any,
        policy: RetryPolicy,
        say: Callable[[KojiException], object],
        *,
        gives_up: Callable[[], bool] = lambda: True,
    ) -> T:
        """Do it; wait while the hub is unreachable, without limit while the outcome is unknown.

        Args:
            clock: an IReactorTime.
            policy: how long to pause between two attempts.
            say: called before each pause with the error that says why the hub is unreachable.
            gives_up: returns whether to stop waiting for a hub that did not get the call, or that
                refuses the search for its effect.

        Raises:
            HubFault: the hub refused.
            UnknownOutcome: the hub may have the call, and refuses the search for its effect.
            TransportError, ProtocolError: the hub is unreachable, and did not get the call.
        """

        def ends(error: KojiException) -> bool:
            """Return whether to stop trying."""
            is_known = self.state is IntentState.STORED or self.refusal is not None
            return not is_passing(error) or (is_known and gives_up())

        return await until_answered(self.attempt, clock, policy, say, ends=ends)

    async def attempt(self) -> T:
        """Try once; raises like :meth:`run`, and also if the outcome is unknown."""
        if self.state is IntentState.DONE:
            done: T = self._result
            return done
        if self.state is IntentState.NEW:
            await self._save(None)
            self.state = IntentState.STORED
        # If this fails, the hub did not get the call now.
        if self.state is IntentState.IN_DOUBT:
            found = await self._look(self._log_in)
        else:
            found = None
            await self._log_in()
        self._is_sent = False
        try:
            with self._critical():
                result = await self._do() if found is None else found
                await self._save(result)
        except Exception as error:
            is_answered = isinstance(error, KojiException) and (
                not is_passing(error) or was_not_carried_out(error)
            )
            # A database that can't store the result says nothing about the call.
            if self._is_sent and not is_answered:
                self.state = IntentState.IN_DOUBT
            raise
        self.state, self._result = IntentState.DONE, result
        return result

    async def _look(self, prepare: Callable[[], Awaitable[None]]) -> T | None:
        """Prepare, and search for the effect of a call that the hub may have."""
        self.refusal = None
        try:
            await prepare()
            return await self._action.search()
        except KojiException as error:
            if is_passing(error) or isinstance(error, Unsearchable):
                raise
            # Not even a fault tells whether the call was carried out.
            self.refusal = error
            raise UnknownOutcome(
                f"the hub may have carried out an earlier call and can't be asked for it: {error}"
            ) from error

    async def _begin_to_send(self) -> None:
        await self._check_claim()
        self._is_sent = True

    async def _do(self) -> T:
        try:
            return await self._action.do(self._begin_to_send)
        except KojiException as error:
            if is_passing(error) or was_not_carried_out(error):
                raise
            # The hub, or what stands before it, answered: the hub's data may say what was done.
            found = await self._look(_nothing)
            if found is None:
                raise
            return found
