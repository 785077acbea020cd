"""How often an event that could not become a change is retried, and how many are remembered."""

from __future__ import annotations

from typing import Any

from buildbot_koji.changes.set_aside import MOST_REMEMBERED, MOST_RETRIED, SetAside
from txkoji import RepoDone


def repo(number: int) -> RepoDone:
    connection: Any = None
    return RepoDone(connection=connection, repo_id=number, tag_name="f44", tag_id=1)


def test_a_lasting_trouble_costs_less_and_less() -> None:
    """One that stays unusable for a week is tried some forty times, not at each poll."""
    events = SetAside()
    assert events.add("1", repo(1), "bad", 0.0)
    tries = []
    for now in range(60, 7 * 86_400, 60):
        for event in events.due(20, now):
            tries.append(now)
            assert not events.add("1", event, "bad", now)
    assert tries[0] == 60
    assert 30 < len(tries) < 50
    [last] = events.last(1)
    assert last.tries == len(tries) + 1
    assert (events.discard("1"), events.discard("1"), events.last(1)) == (True, False, [])


def test_more_than_can_be_remembered() -> None:
    """A hub whose every event is unusable fills no memory, and costs no more and more tries."""
    events = SetAside()
    for number in range(MOST_REMEMBERED + 5):
        events.add(str(number), repo(number), "bad", 0.0)
    assert len(events) == MOST_REMEMBERED
    assert "4" not in events
    assert "5" in events
    assert events.due(MOST_REMEMBERED, 1_000_000.0)[-1] == repo(MOST_RETRIED - 1)
    assert [each.key for each in events.last(2)] == [str(MOST_REMEMBERED + n) for n in (4, 3)]
