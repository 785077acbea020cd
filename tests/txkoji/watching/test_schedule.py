"""When a watched task is looked at again."""

from __future__ import annotations

import pytest

from txkoji.watching.schedule import CALM_LIMIT, DueTasks, Situation, WatchSchedule

SCHEDULE = WatchSchedule(6.0)
HOUR = 3600.0


def wait(now: float, situation: Situation, count: int = 1, chance: float = 0.0) -> float:
    return SCHEDULE.next_poll(now, situation, count, chance) - now


@pytest.mark.parametrize(
    ("situation", "seconds"),
    [
        # Just submitted; long in the queue; just changed; nothing for long.
        (Situation(HOUR - 59, HOUR - 59), 6.0),
        (Situation(HOUR - 60, HOUR - 60), 18.0),
        (Situation(0, 0), 18.0),
        (Situation(0, HOUR - 17), 6.0),
        (Situation(0, HOUR - 18, started=10), 18.0),
        # A minute before and after the estimated end; long before it; long after it.
        (Situation(0, 0, started=HOUR - 59, estimated=118), 6.0),
        (Situation(0, 0, started=HOUR - 59, estimated=119), 18.0),
        (Situation(0, 0, started=0, estimated=HOUR - 30), 6.0),
        (Situation(0, 0, started=0, estimated=2 * HOUR), 18.0),
        (Situation(0, 0, started=0, estimated=HOUR / 2), 18.0),
        # A build of many hours ends less exactly.
        (Situation(0, 0, started=-20 * HOUR, estimated=22 * HOUR), 6.0),
        # Nothing ends that has not begun.
        (Situation(0, 0, started=None, estimated=HOUR), 18.0),
    ],
)
def test_eager_or_calm(situation: Situation, seconds: float) -> None:
    """Looks are eager after a submission or a change and near the estimated end, else calm."""
    assert wait(HOUR, situation) == pytest.approx(seconds)


def test_earlier_by_chance() -> None:
    """A look may come up to a fifth earlier than its interval, never later."""
    quiet = Situation(0, 0)
    assert wait(HOUR, quiet, chance=1.0) == pytest.approx(0.8 * 18)
    assert wait(HOUR, quiet, chance=0.5) == pytest.approx(0.9 * 18)


@pytest.mark.parametrize(("count", "eager", "calm"), [(1, 6, 18), (400, 6, 18), (1000, 14, 18)])
def test_interval_of_many(count: int, eager: float, calm: float) -> None:
    """Up to a thousand tasks a change is seen within 20 s."""
    assert wait(HOUR, Situation(HOUR, HOUR), count) == pytest.approx(eager)
    assert wait(HOUR, Situation(0, 0), count) == pytest.approx(calm)
    assert calm < 20


def test_interval_of_very_many() -> None:
    """Beyond that, what the hub can take counts more than how soon a change is seen."""
    for moment in (0, HOUR):
        assert wait(HOUR, Situation(moment, moment), 10_000) == pytest.approx(140)


def test_slow_profile() -> None:
    """A profile that wants few looks gets no more of them than that."""
    slow = WatchSchedule(60.0)
    assert slow.calm(1) == slow.eager(1) == 60 > CALM_LIMIT
    assert WatchSchedule(2.0).calm(1) == 6


def test_gap() -> None:
    """Hints wait a moment, not long even among many tasks; after a large look there is a rest."""
    assert SCHEDULE.gap(1, 1) == pytest.approx(1.5)
    assert SCHEDULE.gap(10_000, 1) == pytest.approx(3)
    assert SCHEDULE.gap(10_000, 1500) == pytest.approx(5.25)
    assert WatchSchedule(0.1).gap(1, 1) == pytest.approx(0.025)
    # Where a bus reports the changes, they wait half a second, longer among many tasks.
    assert [SCHEDULE.gap(n, 1, hinted=True) for n in (1, 400, 10_000)] == [0.5, 1.0, 3.0]


def test_early() -> None:
    """What is due within half an interval is read along with others."""
    assert [SCHEDULE.early(n) for n in (1, 1000)] == [3.0, 7.0]


def test_due_tasks() -> None:
    """A look reads hinted tasks, then due ones, and along with them those that are due soon."""
    due = DueTasks()
    for task_id, when in ((1, 10.0), (2, 20.0), (3, 30.0), (4, 40.0)):
        due.plan(task_id, when)
    assert due.take(5, 25, 9) == []
    assert due.take(10, 25, 9) == [1, 2]
    assert (due.earliest, due.first()) == (10.0, 30.0)
    due.plan(1, 50.0)
    due.plan(2, 60.0)
    due.hint([2])
    assert due.is_hinted
    assert due.take(11, 35, 2) == [2, 3]
    assert not due.is_hinted
    # A task that is stopped, and one that is rescheduled, leave nothing behind.
    due.plan(3, 70.0)
    due.discard(4)
    assert due.first() == 50.0
    due.make_due(45.0)
    assert due.take(45, 45, 2) == [1, 2]
    for task_id in (1, 2, 3):
        due.discard(task_id)
    assert due.earliest is None
