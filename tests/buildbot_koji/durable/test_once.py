"""Actions that are done once, and the wait for an unreachable hub, on the test's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, FirstError, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from buildbot_koji.durable.database import until_stored
from buildbot_koji.durable.once import (
    CheckClaim,
    Intent,
    IntentState,
    Once,
    OnceAction,
)
from txkoji import RetryPolicy
from txkoji.exceptions import (
    ConnectionFailed,
    GenericError,
    HTTPStatusError,
    KojiException,
    NotXMLRPC,
    ReplyTooLarge,
    RequestTimeout,
    ServerOffline,
    TLSError,
    TruncatedReply,
    UnknownOutcome,
    UnusableAnswer,
)
from txkoji.retry import is_passing, until_answered

POLICY = RetryPolicy(first=10.0, ceiling=40.0, jitter=0.0)


class Hub:
    """A hub and a master's database: their content, and their answers."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.done: list[int] = []
        self.stored: list[Any] = []
        self.critical = 0
        self.said: list[str] = []
        self.known: tuple[IntentState, Any] = (IntentState.NEW, None)
        self.replies: list[Callable[[], Any]] = []
        self.search_replies: list[Callable[[], Any]] = []

    async def save(self, result: Any) -> None:
        self.stored.append(result)

    async def check_claim(self) -> None:
        assert self.critical

    async def do(self, check_claim: CheckClaim) -> int:
        await check_claim()
        if self.replies:
            self.replies.pop(0)()
        self.done.append(len(self.done) + 1)
        return self.done[-1]

    async def search(self) -> int | None:
        if self.search_replies:
            self.search_replies.pop(0)()
        return self.done[-1] if self.done else None

    @contextmanager
    def section(self) -> Iterator[None]:
        self.critical += 1
        yield
        self.critical -= 1

    def once(self) -> Once[int]:
        action, intent = OnceAction(self.do, self.search), Intent(self.save, *self.known)
        return Once(action, intent, self.check_claim, lambda: succeed(None), self.section)

    def run(self) -> Deferred[int]:
        say = self.said.append
        running = self.once().run(self.clock, POLICY, lambda error: say(str(error)))
        return Deferred.fromCoroutine(running)


def lost(hub: Hub, *, carried_out: bool) -> Callable[[], None]:
    """Make a reply that is lost."""

    def lose() -> None:
        if carried_out:
            hub.done.append(7)
        raise RequestTimeout("no reply")

    return lose


def failing(error: BaseException) -> Callable[[], None]:
    """Make a reply that is an error."""

    def fail() -> None:
        raise error

    return fail


def result(deferred: Deferred[Any]) -> Any:
    """Return the result of a Deferred that has one."""
    assert deferred.called
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found[0]


def failure(deferred: Deferred[Any]) -> BaseException:
    """Return what a Deferred failed with."""
    error: BaseException = result(deferred).value
    return error


def test_intent_is_stored_before_the_call() -> None:
    """The intent is stored first, the result afterwards."""
    hub = Hub()
    hub.replies = [lambda: hub.stored.append("called")]
    assert result(hub.run()) == 1
    assert hub.stored == [None, "called", 1]


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        ReplyTooLarge("more than 100 bytes"),
        UnusableAnswer("tagBuild", "x", "a number"),
        HTTPStatusError("moved permanently", status=301, may_have_arrived=True),
    ],
)
def test_answer_that_says_nothing(error: KojiException, carried_out: bool) -> None:
    """After an answer that would be the same again, the hub's data say what was done."""
    hub = Hub()

    def answer() -> None:
        if carried_out:
            hub.done.append(7)
        raise error

    hub.replies = [answer]
    found = hub.run()
    if carried_out:
        assert (result(found), hub.stored) == (7, [None, 7])
    else:
        assert failure(found) is error


def test_stored_result() -> None:
    """A result that an earlier attempt stored is returned without any call."""
    hub = Hub()
    hub.known = (IntentState.DONE, 5)
    assert result(hub.run()) == 5
    assert (hub.done, hub.stored) == ([], [])


@pytest.mark.parametrize("carried_out", [True, False])
def test_earlier_attempt(*, carried_out: bool) -> None:
    """The effect of an intent without a result is searched for before the call is made."""
    hub = Hub()
    hub.known = (IntentState.IN_DOUBT, None)
    hub.done = [7] if carried_out else []
    assert result(hub.run()) == (7 if carried_out else 1)
    assert len(hub.done) == 1


@pytest.mark.parametrize("carried_out", [True, False])
def test_lost_reply(*, carried_out: bool) -> None:
    """After a lost reply the effect is searched for, as soon as the hub answers."""
    hub = Hub()
    hub.replies = [lost(hub, carried_out=carried_out)]
    hub.search_replies = [failing(ServerOffline("offline"))]
    running = hub.run()
    assert (running.called, hub.said) == (False, ["no reply"])
    hub.clock.advance(10)
    assert not running.called
    hub.clock.advance(20)
    assert result(running) == (7 if carried_out else 1)
    assert len(hub.done) == 1


def test_doubt_remains() -> None:
    """Once in doubt, a hub that did not get the repeated call is waited for."""
    hub = Hub()
    hub.replies = [
        lost(hub, carried_out=False),
        failing(ConnectionFailed("refused", may_have_arrived=False)),
    ]
    running = hub.run()
    hub.clock.pump([10, 20])
    assert result(running) == 1


@pytest.mark.parametrize(
    "error", [ConnectionFailed("refused", may_have_arrived=False), GenericError("no")]
)
def test_no_doubt(error: KojiException) -> None:
    """A refusal, and a call that certainly did not arrive, are raised at once."""
    hub = Hub()
    hub.replies = [failing(error)]
    assert failure(hub.run()) is error
    assert hub.clock.getDelayedCalls() == []


def test_page_instead_of_a_reply() -> None:
    """A web page leaves the outcome unknown, and so does one in answer to the search for it."""
    hub = Hub()
    hub.replies = [failing(NotXMLRPC("a web page"))]
    hub.search_replies = [failing(NotXMLRPC("a web page")), failing(TruncatedReply("half"))]
    running = hub.run()
    hub.clock.pump([10, 20, 40])
    assert result(running) == 1
    assert hub.said == ["a web page", "a web page", "half"]


def test_patience() -> None:
    """A hub that did not get the call is waited for until the caller gives up."""
    hub = Hub()
    refused = ConnectionFailed("refused", may_have_arrived=False)
    hub.replies = [failing(refused)] * 3
    say = hub.said.append
    running = Deferred.fromCoroutine(
        hub.once().run(
            hub.clock,
            POLICY,
            lambda error: say(str(error)),
            gives_up=lambda: hub.clock.seconds() > 20,
        )
    )
    hub.clock.advance(10)
    assert not running.called
    hub.clock.advance(20)
    assert failure(running) is refused
    assert (hub.said, hub.done) == (["refused", "refused"], [])


def test_refused_search() -> None:
    """A hub that refuses to be searched for the effect is asked again until the caller gives up."""
    hub = Hub()
    hub.known = (IntentState.IN_DOUBT, None)
    hub.done = [7]
    refusal = HTTPStatusError("forbidden", status=403)
    hub.search_replies = [failing(refusal), failing(GenericError("no"))]
    error = failure(hub.run())
    assert isinstance(error, UnknownOutcome)
    assert error.__cause__ is refusal
    hub.search_replies = [failing(refusal), failing(GenericError("no")), failing(TLSError("bad"))]
    once = hub.once()
    running = Deferred.fromCoroutine(
        once.run(hub.clock, POLICY, lambda _: None, gives_up=lambda: hub.clock.seconds() > 200)
    )
    hub.clock.pump([10, 20, 40])
    assert (result(running), once.refusal) == (7, None)


def test_refused_search_after_an_odd_reply() -> None:
    """A call whose reply can't be used is in doubt while the search for its effect is refused."""
    hub = Hub()
    hub.replies = [failing(UnusableAnswer("tagBuild", "x", "a number"))]
    hub.search_replies = [failing(GenericError("no"))]
    once = hub.once()
    running = Deferred.fromCoroutine(
        once.run(hub.clock, POLICY, lambda _: None, gives_up=lambda: False)
    )
    assert not running.called
    assert (once.state, str(once.refusal)) == (IntentState.IN_DOUBT, "no")
    hub.clock.advance(10)
    assert (result(running), hub.done) == (1, [1])


def test_cancelled_call() -> None:
    """A call that is cancelled may have been carried out."""
    hub = Hub()
    hub.replies = [failing(CancelledError())]
    once = hub.once()
    running = Deferred.fromCoroutine(once.run(hub.clock, POLICY, lambda _: None))
    assert isinstance(failure(running), CancelledError)
    assert once.state is IntentState.IN_DOUBT


def test_until_answered() -> None:
    """The pauses are the policy's; an answer is returned, and an error of the hub is raised."""
    clock = Clock()
    errors: list[KojiException] = [
        RequestTimeout("1"),
        ServerOffline("2"),
        ConnectionFailed("3"),
        GenericError("4"),
    ]
    asked: list[float] = []
    said: list[KojiException] = []

    async def ask() -> int:
        asked.append(clock.seconds())
        raise errors[len(asked) - 1]

    asking = Deferred.fromCoroutine(until_answered(ask, clock, POLICY, said.append))
    clock.pump([10, 20, 40])
    assert failure(asking) is errors[3]
    assert asked == [0, 10, 30, 70]
    assert said == errors[:3]
    assert [is_passing(error) for error in errors] == [True, True, True, False]


def test_cancelled_wait() -> None:
    """Cancelling ends the wait, whether it asks or pauses."""
    clock = Clock()

    async def never() -> None:
        await Deferred()

    async def fail() -> None:
        raise RequestTimeout("away")

    for ask in (never, fail):
        waiting = Deferred.fromCoroutine(until_answered(ask, clock, POLICY, lambda _: None))
        waiting.cancel()
        assert isinstance(failure(waiting), CancelledError)
        assert clock.getDelayedCalls() == []


def test_cancelled_write() -> None:
    """A cancellation ends the retries of a write, also behind Buildbot's error of several reads."""

    async def read_several() -> None:
        raise FirstError(Failure(CancelledError()), 0)

    writing = Deferred.fromCoroutine(until_stored(read_several, Clock(), POLICY, "a step"))
    assert isinstance(failure(writing), CancelledError)
