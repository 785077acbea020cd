"""How a step's work ends early, on a clock of the test."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from buildbot.process import results
from buildbot.process.log import PlainLog
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock, deferLater

from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.early_end import EarlyEnd, Ending, StepTiming
from buildbot_koji.steps.framework.patience import Patience

TIMING = StepTiming(cancel_limit=30.0, grace=60.0, wake_interval=2.0)


class Work:
    """Work of a step, in a critical section where that is wanted."""

    def __init__(self, *, critical: bool = False, cancellations: int = 1) -> None:
        self.clock = Clock()
        self.early_end = EarlyEnd(TIMING)
        self.call: Deferred[None] = Deferred()
        self.cancelled: list[float] = []
        self._critical = critical
        self._needed = cancellations

    def run(self) -> Deferred[int]:
        return self.early_end.run(self._work(), self.clock)

    async def _work(self) -> int:
        try:
            if self._critical:
                with self.early_end.critical():
                    await self.call
            else:
                await self._stubborn()
        except CancelledError:
            self.cancelled.append(self.clock.seconds())
            assert self.early_end.reason is not None
            return self.early_end.reason.result
        return int(results.SUCCESS)

    async def _stubborn(self) -> None:
        while True:
            try:
                return await self.call
            except CancelledError:
                self._needed -= 1
                self.call = Deferred()
                if not self._needed:
                    raise


def result(work: Deferred[Any]) -> Any:
    """Return the result of work that has ended."""
    found: list[Any] = []
    work.addCallback(found.append)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("ending", Ending)
def test_endings(ending: Ending) -> None:
    """Each ending cancels the work and has its result; the first one counts."""
    work = Work()
    running = work.run()
    work.early_end.end(ending)
    work.early_end.end(Ending.STOPPED)
    assert result(running) == ending.result
    assert work.clock.getDelayedCalls() == []


def test_results() -> None:
    """A stop is CANCELLED, a detachment RETRY; nothing ends as a success."""
    assert Ending.STOPPED.result == results.CANCELLED
    assert Ending.DETACHED.result == results.RETRY
    assert results.SUCCESS not in {each.result for each in Ending}


def test_before_the_work() -> None:
    """Work that is ended before it begins is cancelled at once."""
    work = Work()
    work.early_end.end(Ending.STOPPED)
    assert result(work.run()) == results.CANCELLED


def test_critical_section() -> None:
    """A stop waits for the end of a critical section, and ends the work there."""
    work = Work(critical=True)
    running = work.run()
    work.early_end.end(Ending.STOPPED)
    work.clock.advance(29)
    assert not running.called
    work.call.callback(None)
    assert result(running) == results.CANCELLED
    assert work.clock.getDelayedCalls() == []


def test_critical_section_without_end() -> None:
    """A critical section that does not end is cancelled after the limit."""
    work = Work(critical=True)
    running = work.run()
    work.early_end.end(Ending.TIMED_OUT)
    work.clock.advance(30)
    assert (result(running), work.cancelled) == (results.FAILURE, [30.0])


def test_detached_critical_section() -> None:
    """A detachment does not wait: the next attempt finds what the section began."""
    work = Work(critical=True)
    running = work.run()
    work.early_end.end(Ending.DETACHED)
    assert result(running) == results.RETRY


def test_swallowed_cancellation() -> None:
    """Work that swallows cancellations is cancelled until it ends."""
    work = Work(cancellations=3)
    running = work.run()
    work.early_end.end(Ending.STOPPED)
    work.clock.pump([2, 2])
    assert (result(running), work.cancelled) == (results.CANCELLED, [4.0])
    assert work.clock.getDelayedCalls() == []


def test_limits() -> None:
    """A limit ends the work; a later one for the same ending replaces it, and it can be lifted."""
    work = Work()
    running = work.run()
    work.early_end.limit(Ending.TIMED_OUT, 10)
    work.early_end.limit(Ending.TIMED_OUT, 100)
    work.early_end.limit(Ending.QUEUED_TOO_LONG, 50)
    work.early_end.lift_limit(Ending.QUEUED_TOO_LONG)
    work.clock.advance(99)
    assert not running.called
    work.clock.advance(1)
    assert result(running) == results.FAILURE


def test_grace() -> None:
    """Work that is past its limit when an attempt begins has some time to find its outcome."""
    work = Work()
    work.clock.advance(1000)
    running = work.run()
    work.early_end.limit(Ending.TIMED_OUT, 100, since=0)
    work.clock.advance(59)
    assert not running.called
    work.clock.advance(1)
    assert result(running) == results.FAILURE


@pytest_twisted.ensureDeferred
async def test_limit_while_the_clock_is_set_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is begun again after an outage keeps its limit, whatever the clock says by then."""
    early_end, call, began = EarlyEnd(StepTiming(grace=0.0)), Deferred[int](), reactor.seconds()

    async def work() -> int:
        return await call

    running = early_end.run(work(), reactor)
    early_end.limit(Ending.TIMED_OUT, 600.0, began)
    monkeypatch.setattr(reactor, "seconds", lambda: time.time() + 11 * 3600)
    early_end.limit(Ending.TIMED_OUT, 600.0, began)
    await deferLater(reactor, 0)
    assert early_end.reason is None
    call.callback(results.SUCCESS)
    assert await running == results.SUCCESS


def test_limit_that_passes_while_the_master_is_frozen() -> None:
    """Work whose limit passed while nothing ran has the same time; so after a clock jumped."""
    work = Work()
    running = work.run()
    work.early_end.limit(Ending.TIMED_OUT, 100)
    work.clock.advance(3600)
    work.clock.advance(59)
    assert not running.called
    work.clock.advance(1)
    assert result(running) == results.FAILURE
    assert work.clock.getDelayedCalls() == []


def test_patience() -> None:
    """A hub is given up after what the master saw of an outage."""
    hour, patience = 3600.0, Patience()
    seen = [hour * each / 100 for each in range(100)]
    assert not any(patience.is_over(hour, silence, 0.0) for silence in seen)
    assert patience.is_over(hour, hour, 0.0)
    # Another outage: frozen for ten hours, within a request and between two looks.
    assert not patience.is_over(hour, 60.0, 0.0)
    assert not patience.is_over(hour, 10 * hour, 0.0)
    assert not patience.is_over(hour, 20 * hour, 0.0)
    seen = [20 * hour + each * 60 for each in range(1, 54)]
    assert not any(patience.is_over(hour, silence, 0.0) for silence in seen)
    assert patience.is_over(hour, 21 * hour, 0.0)


def test_limit_of_work_that_is_over() -> None:
    """The end of the work lifts all limits."""
    work = Work()
    running = work.run()
    work.early_end.limit(Ending.TIMED_OUT, 10)
    work.call.callback(None)
    assert result(running) == results.SUCCESS
    assert work.clock.getDelayedCalls() == []


def test_finish_of_a_log_that_was_cancelled() -> None:
    """A log whose finish was cut off by an early end is finished with the step."""
    finished: list[int] = []
    updates = SimpleNamespace(finishLog=lambda log_id: succeed(finished.append(log_id)))
    step: Any = SimpleNamespace(master=SimpleNamespace(data=SimpleNamespace(updates=updates)))
    log = PlainLog(step.master, "build.log", "t", 7, str)
    log.lock.acquire()
    finish = log.finish()
    finish.addErrback(lambda failure: failure.trap(CancelledError))
    finish.cancel()
    log.lock.release()
    assert Deferred.fromCoroutine(KojiStep.finish_log(step, log)).called
    assert finished == [7]
