"""The watcher and the embedded hub, in memory, on one clock."""

from __future__ import annotations

import datetime
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.logger import LogEvent, globalLogPublisher

from tests.support import HubInMemory
from tests.support.hubs import DeadlockDetected
from tests.support.odd import Mutator
from txkoji import TaskChange, TaskWatcher, Watch, task_states
from txkoji.exceptions import KojiException
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import METHODS
from txkoji.testing.methods.tasks import make_task
from txkoji.watching.queues import QUEUE_LIMIT

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)
SOURCE = "git+https://git.example.test/rpms/{}.git#1"
INTERVAL = 6


class Site(HubInMemory):
    """A hub, a connection and a watcher, and what the watcher logs. Builds take ten minutes."""

    def __init__(self) -> None:
        super().__init__(build_seconds=600)
        self.watcher = TaskWatcher(self.koji, self.clock, interval=INTERVAL, chance=lambda: 0.5)
        self.messages: list[LogEvent] = []

    def watch(self, task_id: int, **options: Any) -> tuple[Watch, list[TaskChange]]:
        """Watch a task; returns the changes of tasks, too."""
        watch = self.watcher.watch(task_id, **options)
        changes: list[TaskChange] = []
        watch.on_task_change(changes.append)
        return watch, changes

    def build(self, package: str = "hello") -> int:
        """Submit a scratch build."""
        return int(self.hub.call("build", SOURCE.format(package), "demo", {"scratch": True}))

    def task(self, method: str = "build", state: int = FREE, **options: Any) -> int:
        """Make a task that no builder takes, in a state."""
        self.hub.builder.stop()
        with self.hub.state.transaction():
            task_id = make_task(MethodCall(self.hub, self.hub.admin), method, [], **options)
        if state != FREE:
            self.set(task_id, state)
        return task_id

    def set(self, task_id: int, state: int, **columns: Any) -> None:
        """Let a task be in a state."""
        if state == OPEN:
            columns.setdefault("start_ts", self.clock.seconds())
        if state in task_states.DONE_GROUP:
            columns.setdefault("completion_ts", self.clock.seconds())
        with self.hub.state.transaction():
            self.hub.state.update("task", task_id, state=state, **columns)

    def child(self, parent: int, state: int, method: str = "build") -> int:
        """Make a child of an OPEN task, in a state."""
        return self.task(method, state, parent=self.hub.state.get("task", parent))

    def requests_in(self, seconds: float) -> int:
        """Return how many requests come in some seconds."""
        before = self.hub.requests
        self.pass_time(seconds)
        return self.hub.requests - before


@pytest.fixture
def site() -> Any:
    site = Site()

    def observe(event: LogEvent) -> None:
        if event["log_namespace"].startswith("txkoji.watching.watcher."):
            site.messages.append(event)

    globalLogPublisher.addObserver(observe)
    yield site
    globalLogPublisher.removeObserver(observe)
    site.watcher.stop()
    site.hub.builder.stop()
    assert site.clock.getDelayedCalls() == []


def told(changes: list[TaskChange]) -> list[tuple[int, int | None, int]]:
    return [(change.task.id, change.old_state, change.new_state) for change in changes]


def test_build_from_begin_to_end(site: Site) -> None:
    """Every task of a build is reported once as new and once as ended, in a sensible order."""
    watch, changes = site.watch(site.build())
    ends: list[Any] = []
    watch.done.addBoth(ends.append)
    site.pass_time(700)
    [tree] = ends
    new = [change.task.id for change in changes if change.old_state is None]
    ended = [change.task.id for change in changes if change.is_final]
    assert sorted(new) == sorted(ended) == sorted(task.id for task in tree.tasks())
    assert new[0] == ended[-1] == watch.task_id
    arches = ["x86_64", "aarch64", "ppc64le"]
    assert {arch: each.state for arch, each in tree.arches.items()} == dict.fromkeys(arches, CLOSED)
    # What a task was told to be last is what the hub has.
    for task in tree.tasks():
        assert task.state == site.hub.call("getTaskInfo", task.id)["state"]
        assert "result" not in task
    assert site.requests_in(60) == 0


def test_chain(site: Site) -> None:
    """Trees of several levels come whole: a chain of two builds."""
    levels = [[SOURCE.format("hello")], [SOURCE.format("world")]]
    watch, changes = site.watch(site.hub.call("chainBuild", levels, "demo"))
    site.pass_time(1800)
    assert watch.tree is not None
    assert watch.tree.is_final
    methods = [task.method for task in watch.tree.descendents()]
    assert methods.count("build") == 2
    assert methods.count("buildArch") == 6
    assert sum(change.is_final for change in changes) == len(methods) + 1


def test_restart(site: Site) -> None:
    """A task that lost its builder goes back to FREE, and is told as restarted when it runs."""
    task_id = site.build()
    watch, changes = site.watch(task_id)
    site.pass_time(60)
    assert watch.tree is not None
    assert watch.tree.root.state == OPEN
    site.hub.call("freeTask", task_id)
    changes.clear()
    site.pass_time(60)
    mine = [change for change in changes if change.task.id == task_id]
    assert [change.new_state for change in mine][-1] == OPEN
    assert [change.restarted for change in mine][-1]
    assert not any(change.restarted for change in mine[:-1])


def test_restart_between_two_looks(site: Site) -> None:
    """A task that was OPEN at both looks, but started again between, is reported as restarted."""
    task_id = site.task(state=OPEN)
    watch, changes = site.watch(task_id)
    trees: list[Any] = []
    watch.on_change(trees.append)
    site.pass_time(1)
    site.set(task_id, OPEN, host_id=2, start_ts=site.clock.seconds())
    site.pass_time(INTERVAL)
    assert told(changes) == [(task_id, None, OPEN), (task_id, OPEN, OPEN)]
    assert changes[1].restarted
    assert len(trees) == 2


def test_between_two_looks(site: Site) -> None:
    """A FREE task keeps its children, still watched; a child that came and went is reported."""
    parent, other = site.task(state=OPEN), site.task(state=OPEN)
    child, first = site.child(parent, OPEN), site.child(other, OPEN)
    (_, changes), (_, others) = site.watch(parent), site.watch(other)
    site.pass_time(1)
    site.set(parent, FREE)
    site.set(child, CLOSED)
    short = site.child(other, CLOSED)
    site.set(first, CLOSED)
    changes.clear()
    others.clear()
    site.pass_time(INTERVAL)
    assert told(changes) == [(parent, OPEN, FREE), (child, OPEN, CLOSED)]
    assert sorted(told(others)) == [(first, OPEN, CLOSED), (short, None, CLOSED)]


def test_all_ends_at_once(site: Site) -> None:
    """What ended since the last look is told bottom up, each with its last state."""
    root = site.task(state=OPEN)
    middle = site.child(root, OPEN)
    leaf = site.child(middle, OPEN)
    free = site.child(middle, FREE)
    watch, changes = site.watch(root)
    site.pass_time(1)
    unseen = site.child(middle, CLOSED)
    for task_id, state in ((leaf, FAILED), (free, CANCELED), (middle, FAILED), (root, FAILED)):
        site.set(task_id, state)
    changes.clear()
    ends: list[Any] = []
    watch.done.addBoth(ends.append)
    site.pass_time(INTERVAL)
    assert told(changes) == [
        (unseen, None, CLOSED),
        (free, FREE, CANCELED),
        (leaf, OPEN, FAILED),
        (middle, OPEN, FAILED),
        (root, OPEN, FAILED),
    ]
    assert len(ends) == 1


def test_orphan(site: Site) -> None:
    """A child that goes on after its parent was canceled alone is watched on, within the tree."""
    root = site.task(state=OPEN)
    middle = site.child(root, OPEN)
    leaf = site.child(middle, OPEN)
    _, changes = site.watch(root)
    site.pass_time(1)
    site.set(middle, CANCELED)
    site.pass_time(INTERVAL)
    changes.clear()
    site.set(leaf, CLOSED)
    site.pass_time(INTERVAL)
    assert told(changes) == [(leaf, OPEN, CLOSED)]


NEXT = {
    FREE: (ASSIGNED, CANCELED),
    ASSIGNED: (OPEN, FREE, CANCELED),
    OPEN: (OPEN, FREE, CLOSED, FAILED, CANCELED),
}
"""The states that may follow a task's; from OPEN to OPEN it was restarted."""


@pytest.mark.parametrize("seed", range(200 if os.environ.get("KOJI_TEST_SOAK") else 12))
def test_any_life(site: Site, seed: int) -> None:
    """Whatever becomes of a tree and whenever it is looked at: what is told adds up to it."""
    chance = random.Random(seed)
    root = site.task(state=OPEN)
    tasks = {root: OPEN}
    parents = {root}
    watch, changes = site.watch(root)
    ends: list[Any] = []
    watch.done.addBoth(ends.append)
    for _ in range(60):
        for _ in range(chance.choice((0, 1, 1, 5))):
            task_id = chance.choice(list(tasks))
            if task_id in parents and tasks[task_id] == OPEN and chance.random() < 0.5:
                method = chance.choice(("build", "chainbuild", "buildArch"))
                child = site.child(task_id, FREE, method)
                tasks[child] = FREE
                if method != "buildArch":
                    parents.add(child)
            elif task_id != root and tasks[task_id] in NEXT:
                tasks[task_id] = chance.choice(NEXT[tasks[task_id]])
                site.set(task_id, tasks[task_id])
        if chance.random() < 0.1:
            site.watcher.hint(chance.choice(list(tasks)))
        site.pass_time(chance.choice((1, 3, 20)))
    for task_id in sorted(tasks, reverse=True):
        if tasks[task_id] in NEXT:
            tasks[task_id] = CLOSED
            site.set(task_id, CLOSED)
    site.pass_time(30)
    known: dict[int, int] = {}
    late = {change.task.id for change in changes if change.old_state is None and change.is_final}
    for change in changes:
        assert change.old_state == known.get(change.task.id)
        assert change.old_state not in task_states.DONE_GROUP
        # Parents come first, except tasks that had ended already when first seen.
        parents_known = change.task.parent in {None, *known, *late}
        assert parents_known or change.is_final
        known[change.task.id] = change.new_state
    assert known == tasks
    [tree] = ends
    assert {task.id: task.state for task in tree.tasks()} == tasks


def test_hint(site: Site) -> None:
    """A hint makes the watcher look within a moment, of many hints it makes one look."""
    ids = [site.task(state=OPEN) for _ in range(20)]
    for task_id in ids:
        site.child(task_id, OPEN, "buildArch")
    watches = [site.watch(task_id) for task_id in ids]
    site.pass_time(600)
    for task_id in ids:
        site.set(task_id, CLOSED)
    requests = site.hub.requests
    for task_id in ids:
        assert site.watcher.hint(task_id)
    site.pass_time(2)
    assert all(watch.tree is not None and watch.tree.is_final for watch, _ in watches)
    # The roots, and their children for the last time.
    assert site.hub.requests - requests == 2


def test_hint_about_a_child(site: Site) -> None:
    """A hint may name a task of a tree, or the parent of one that is new; others are no news."""
    root = site.task(state=OPEN)
    child = site.child(root, OPEN)
    _, changes = site.watch(root)
    site.pass_time(600)
    changes.clear()
    site.set(child, CLOSED)
    assert site.watcher.hint(child)
    site.pass_time(2)
    assert told(changes) == [(child, OPEN, CLOSED)]
    new = site.child(root, FREE)
    assert not site.watcher.hint(new)
    assert site.watcher.hint(new, parent=root)
    site.pass_time(2)
    assert told(changes)[1:] == [(new, None, FREE)]
    assert not site.watcher.hint(12345)


def test_hint_during_a_look(site: Site) -> None:
    """A hint that comes while the tree is being read makes the watcher read it once more."""
    root = site.task(state=OPEN)
    watch, _ = site.watch(root)
    site.pass_time(600)
    requests = site.hub.requests
    site.watcher.hint(root)
    site.clock.advance(0)
    site.watcher.hint(root)
    site.pass_time(3)
    assert watch.tree is not None
    assert site.hub.requests - requests == 4


def test_one_more_watch_of_the_same_task(site: Site) -> None:
    """Another watch of a task gets its tree soon, and costs the hub nothing."""
    task_id = site.task(state=OPEN)
    site.watch(task_id)
    site.pass_time(600)
    before = site.hub.requests
    watch, changes = site.watch(task_id)
    site.clock.advance(2)
    assert watch.tree is not None
    assert told(changes) == [(task_id, None, OPEN)]
    assert site.hub.requests == before


@pytest.mark.parametrize("end", ["watch", "watcher", "done"])
def test_end_inside_a_callback(site: Site, end: str) -> None:
    """Whoever ends a watch in the middle of a tree's changes hears nothing more of it."""
    root = site.task(state=OPEN)
    site.child(root, OPEN)
    watch, changes = site.watch(root)
    trees: list[Any] = []
    watch.on_change(trees.append)
    watch.done.addErrback(lambda failure: failure.trap(CancelledError))
    ways = {"watch": watch.stop, "watcher": site.watcher.stop, "done": watch.done.cancel}
    watch.on_task_change(lambda _: ways[end]())
    site.pass_time(30)
    assert told(changes) == [(root, None, OPEN)]
    assert trees == []
    assert site.requests_in(60) == 0


def test_calm(site: Site) -> None:
    """A task that nothing happens to is looked at eagerly at first, then calmly."""
    task_id = site.task(state=OPEN)
    site.watch(task_id)
    # Two requests a poll: the task itself, and its active children.
    assert 2 * 60 / INTERVAL <= site.requests_in(60) <= 2 * 60 / INTERVAL / 0.8 + 2
    site.pass_time(60)
    assert 2 * 180 / 18 <= site.requests_in(180) <= 2 * 180 / 18 / 0.8


def test_estimated_end(site: Site) -> None:
    """The end is estimated from the average of the package's builds, which is asked for once."""
    site.hub.call("build", SOURCE.format("hello"), "demo")
    site.pass_time(700)
    average = site.hub.call("getAverageBuildDuration", "hello")
    assert average > 300
    asked = site.hub.calls["getAverageBuildDuration"]
    first, second = (site.watch(site.build())[0] for _ in range(2))
    heard: list[Watch] = []
    first.on_estimate(heard.append)
    assert first.estimated_end is None
    site.pass_time(60)
    assert first.tree is not None
    assert first.tree.root.state == OPEN
    assert first.estimated_end is None
    while not (first.tree.arches and second.tree is not None and second.tree.arches):
        site.pass_time(60)
    site.pass_time(60)
    starts = [task.started for task in first.tree.arches.values() if task.started is not None]
    assert max(starts) > first.tree.root.started
    expected = max(starts) + datetime.timedelta(seconds=average)
    assert first.estimated_end == expected
    assert expected.utcoffset() == datetime.timedelta(0)
    assert heard == [first]
    assert second.estimated_end is not None
    assert site.hub.calls["getAverageBuildDuration"] == asked + 1
    site.pass_time(700)
    assert first.tree.is_final
    assert first.estimated_end is None


def test_no_estimate(site: Site) -> None:
    """A package without builds, and a task that makes none, have no estimated end."""
    hello, _ = site.watch(site.build())
    other, _ = site.watch(site.hub.call("newRepo", "demo-build"))
    site.pass_time(10)
    assert hello.estimated_end is other.estimated_end is None
    assert site.hub.calls["getAverageBuildDuration"] == 1


def test_odd_rows(site: Site) -> None:
    """Whatever a hub says of some tasks, the others are watched to their end."""
    site.hub.builder.seconds = 100
    odd, good = ([site.build() for _ in range(5)] for _ in range(2))
    mutate = Mutator(20261127)

    def answer(name: str, _params: Any, run: Callable[[], Any]) -> Any:
        rows = run()
        if name not in ("getTaskInfo", "listTasks"):
            return rows
        return [row if {row["id"], row["parent"]}.isdisjoint(odd) else mutate(row) for row in rows]

    site.hub.answer = answer
    ends: list[Any] = []
    for task_id in odd:
        watch, _ = site.watch(task_id, queue_place=True)
        watch.done.addErrback(lambda failure: failure.trap(KojiException) and None)
    for task_id in good:
        watch, _ = site.watch(task_id, queue_place=True)
        watch.done.addBoth(ends.append)
    site.pass_time(300)
    assert [end.root.state for end in ends] == [CLOSED] * len(good)
    assert not [event for event in site.messages if "log_failure" in event]
    assert mutate.count > 300


def test_queue_place(site: Site) -> None:
    """Before a FREE task stand those of a smaller priority, or of the same and a smaller id."""
    first = site.task(priority=20)
    late = site.task(priority=25)
    mine = site.task(priority=20)
    site.task("sleep", channel="createrepo", priority=1)
    watch, _ = site.watch(mine, queue_place=True)
    heard: list[int | None] = []
    watch.on_estimate(lambda watch: heard.append(watch.queue_place))
    other, _ = site.watch(late, queue_place=True)
    site.pass_time(1)
    assert (watch.queue_place, other.queue_place) == (1, 2)
    site.task(priority=5)
    site.set(first, OPEN)
    site.set(mine, ASSIGNED)
    site.pass_time(90)
    assert watch.queue_place is None
    assert other.queue_place == 1
    assert heard == [1, None]


def test_queue_is_asked_for_seldom(site: Site) -> None:
    """One list of a channel serves all who wait in it, once a minute, while somebody wants it."""
    watches = [site.watch(site.task(), queue_place=True)[0] for _ in range(50)]
    before = site.hub.calls["listTasks"]
    site.pass_time(1)
    # Their children are asked for once: a task that has not begun has none.
    assert site.hub.calls["listTasks"] - before == 2
    assert [watch.queue_place for watch in watches] == list(range(50))
    before = site.hub.calls["listTasks"]
    site.pass_time(300)
    assert 3 <= site.hub.calls["listTasks"] - before <= 5
    for watch in watches:
        watch.wants_queue_place = False
    before = site.hub.calls["listTasks"]
    site.pass_time(300)
    assert site.hub.calls["listTasks"] == before
    assert watches[0].queue_place is None


def test_far_back_in_a_long_queue(site: Site) -> None:
    """Of a very long queue only the head is read: the place says that so many stand before."""
    for _ in range(QUEUE_LIMIT + 5):
        last = site.task()
    watch, _ = site.watch(last, queue_place=True)
    site.pass_time(1)
    assert watch.queue_place == QUEUE_LIMIT


def test_offline_hub(site: Site) -> None:
    """A hub that is offline for an hour makes a watch late, and the watcher adds no log line."""
    watch, _ = site.watch(site.build())
    ends: list[Any] = []
    watch.done.addBoth(ends.append)
    site.pass_time(60)
    site.hub.offline()
    site.pass_time(3600)
    assert ends == []
    site.hub.online()
    site.pass_time(120)
    [tree] = ends
    assert tree.root.state == CLOSED
    assert warnings(site) == []


def warnings(site: Site) -> list[str]:
    return [event["log_format"].format(**event) for event in site.messages]


@pytest.mark.parametrize("others", [0, 3, 700])
def test_result_that_breaks_the_answer(site: Site, others: int) -> None:
    """A child whose result the hub can't tell hides neither other trees nor its own state."""
    bad = site.task(state=OPEN)
    child = site.child(bad, OPEN)
    good = [site.task() for _ in range(others)]
    watches = [site.watch(task_id)[0] for task_id in good]
    watch, changes = site.watch(bad)
    site.pass_time(15)
    site.set(child, CLOSED)
    row = site.hub.state.get("task", child)
    assert row is not None
    # No XML can say what it is.
    row["result"] = object()
    for task_id in good:
        site.set(task_id, CLOSED)
    site.pass_time(30)
    assert told(changes)[-1] == (child, OPEN, CLOSED)
    assert all(each.tree is not None and each.tree.is_final for each in watches)
    assert len(warnings(site)) == 1
    assert f"can't answer for Koji task {bad}, its children" in warnings(site)[0]
    late = site.child(bad, OPEN)
    # It is known now, and asked for alone: nothing more is cut.
    assert site.requests_in(20) <= 16
    assert told(changes)[-1] == (late, None, OPEN)
    site.set(late, FAILED)
    site.set(bad, FAILED)
    site.pass_time(20)
    assert told(changes)[-2:] == [(late, OPEN, FAILED), (bad, OPEN, FAILED)]
    assert watch.tree is not None
    assert watch.tree.is_final


def test_task_that_breaks_the_answer(site: Site) -> None:
    """A task that the hub can't tell of is late; the others are not, and it is taken up again."""
    tasks = [site.task() for _ in range(600)]
    bad = tasks[77]
    row = site.hub.state.get("task", bad)
    assert row is not None
    request, row["request"] = row["request"], [object()]
    watches = {task_id: site.watch(task_id)[0] for task_id in tasks}
    site.pass_time(20)
    assert [task_id for task_id, watch in watches.items() if watch.tree is None] == [bad]
    assert len(warnings(site)) == 1
    row["request"] = request
    site.pass_time(20)
    assert watches[bad].tree is not None


def test_hub_that_refuses_everything(site: Site) -> None:
    """Where nothing is answered, that is an outage: it is not asked more than otherwise."""
    for _ in range(600):
        task_id = site.task()
        row = site.hub.state.get("task", task_id)
        assert row is not None
        row["request"] = [object()]
        site.watch(task_id)
    site.pass_time(10)
    assert site.requests_in(120) <= 120 / INTERVAL
    assert len(warnings(site)) == 1
    assert warnings(site)[0].startswith("watching 600 Koji tasks: ")


@pytest.mark.parametrize("number", [0, -1, 2**31])
def test_impossible_id(site: Site, number: int) -> None:
    """An id that would make the hub fail, for all tasks of the same request, is refused."""
    with pytest.raises(ValueError, match=f"no task can have the id {number}"):
        site.watcher.watch(number)


@pytest.mark.parametrize("method", ["getAverageBuildDuration", "listTasks"])
def test_estimates_that_the_hub_cannot_tell(
    site: Site, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A hub that loses its database over an estimate delays no change of a task."""
    answer = METHODS[method]

    def lose(call: Any, *args: Any, **options: Any) -> Any:
        if method == "getAverageBuildDuration" or "channel_id" in args[0]:
            raise DeadlockDetected("deadlock detected")
        return answer(call, *args, **options)

    monkeypatch.setitem(METHODS, method, lose)
    site.hub.builder.stop()
    watch, changes = site.watch(site.build(), queue_place=True)
    site.pass_time(2 * INTERVAL)
    site.set(watch.task_id, CANCELED)
    site.pass_time(2 * INTERVAL)
    assert told(changes) == [(watch.task_id, None, FREE), (watch.task_id, FREE, CANCELED)]
