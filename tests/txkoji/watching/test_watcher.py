"""The watcher, on a clock that the tests advance."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from munch import Munch
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure

from txkoji import TaskTree, TaskWatcher, UnknownTask, task_states
from txkoji.exceptions import HubFault, UnusableAnswer
from txkoji.outcomes import guilty_task
from txkoji.watching import tree_reader
from txkoji.watching.records import record_of

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)


def without_request(row: Any) -> Any:
    return row and Munch({**row, "request": "<methodCall>"})


class Tasks:
    """Answers the two questions of the watcher from a table, and fails any other."""

    def __init__(self) -> None:
        self.rows: dict[int, Munch] = {}
        self.asked: list[tuple[str, list[int]]] = []
        self.error: Exception | None = None
        self.held: Deferred[None] | None = None

    def set(self, task_id: int, state: int, parent: int | None = None, **more: Any) -> None:
        self.rows[task_id] = Munch(
            id=task_id, state=state, parent=parent, host_id=None, waiting=None, **more
        )

    @property
    def client(self) -> Tasks:
        return self

    def send_all(self, calls: list[Any]) -> Deferred[list[Any]]:
        assert {call.method for call in calls} == {"getAverageBuildDuration"}
        return succeed([None] * len(calls))

    def call(self, method: str, argument: Any, **named: Any) -> Deferred[Any]:
        if self.error is not None:
            return fail(self.error)
        if method == "getTaskInfo":
            assert isinstance(argument, list)
            assert named.keys() == {"request"}
            self.asked.append((method, argument))
            rows = [self.rows.get(task_id) for task_id in argument]
            answer: Any = rows if named["request"] else [without_request(row) for row in rows]
        else:
            assert method == "listTasks"
            assert {"parent"} <= set(argument) <= {"parent", "decode", "state"}
            assert named == {}
            self.asked.append((method, argument["parent"]))
            parents = set(argument["parent"])
            answer = [
                row
                for row in self.rows.values()
                if row.parent in parents
                and ("state" not in argument or row.state in argument["state"])
            ]
            if not argument.get("decode"):
                answer = [without_request(row) for row in answer]
        if self.held is None:
            return succeed(answer)
        return self.held.addCallback(lambda _: answer)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def watcher(tasks: Tasks, clock: Clock) -> TaskWatcher:
    return TaskWatcher(tasks, clock, interval=10)


@pytest.fixture
def messages() -> Any:
    """Collect what is logged."""
    found: list[LogEvent] = []
    globalLogPublisher.addObserver(found.append)
    yield found
    globalLogPublisher.removeObserver(found.append)


def seen(watcher: TaskWatcher, task_id: int) -> tuple[list[TaskTree], list[Any]]:
    """Watch a task; returns the trees of its changes, and how it ended."""
    trees: list[TaskTree] = []
    ends: list[Any] = []
    watch = watcher.watch(task_id)
    watch.on_change(trees.append)
    watch.done.addBoth(ends.append)
    return trees, ends


def test_one_request_for_all(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """Many trees cost one lookup of the roots and one list for each level of children."""
    for root in range(1, 101):
        tasks.set(root, OPEN)
        tasks.set(root + 1000, OPEN, parent=root)
        seen(watcher, root)
    clock.advance(0)
    assert tasks.asked == [
        ("getTaskInfo", list(range(1, 101))),
        ("listTasks", list(range(1, 101))),
        ("listTasks", list(range(1001, 1101))),
    ]
    watcher.stop()


def test_many_trees_are_asked_for_in_parts(
    tasks: Tasks, watcher: TaskWatcher, clock: Clock
) -> None:
    """A request names at most 500 tasks; 200, where the answer holds all of their children."""
    for root in range(1, 1202):
        tasks.set(root, FREE)
        watcher.watch(root)
    clock.advance(0)
    assert [(method, len(ids)) for method, ids in tasks.asked] == [
        ("getTaskInfo", 500),
        ("getTaskInfo", 500),
        ("getTaskInfo", 201),
        *[("listTasks", 200)] * 6,
        ("listTasks", 1),
    ]
    watcher.stop()


@pytest.mark.parametrize("state", sorted(task_states.DONE_GROUP))
def test_task_that_is_over(tasks: Tasks, watcher: TaskWatcher, clock: Clock, state: int) -> None:
    """A task that is over already ends its watch at the first look."""
    tasks.set(1, state)
    _, ends = seen(watcher, 1)
    clock.advance(0)
    assert [end.root.state for end in ends] == [state]


def test_unknown_task(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """A task that the hub does not have fails its own watch, and no other."""
    tasks.set(1, CLOSED)
    _, others = seen(watcher, 1)
    _, ends = seen(watcher, 99)
    clock.advance(0)
    assert isinstance(ends[0].value, UnknownTask)
    assert str(ends[0].value) == "the hub has no task 99"
    assert len(others) == 1


def test_outage(tasks: Tasks, watcher: TaskWatcher, clock: Clock, messages: list[LogEvent]) -> None:
    """What keeps from looking is logged once, so is its end; the watch is late, not failed."""
    tasks.set(1, OPEN)
    trees, ends = seen(watcher, 1)
    tasks.error = HubFault("policy")
    for _ in range(5):
        clock.advance(10)
    tasks.error = None
    tasks.set(1, CLOSED)
    clock.advance(10)
    assert [tree.root.state for tree in trees] == [CLOSED]
    assert len(ends) == 1
    assert [event["log_format"].format(**event) for event in messages] == [
        "watching 1 Koji task: policy; watching resumes when it answers",
        "watching Koji tasks: the hub answers again",
    ]


def test_callback_that_fails(
    tasks: Tasks, watcher: TaskWatcher, clock: Clock, logged_failures: list[LogEvent]
) -> None:
    """A callback that raises is logged, and blinds no other watch."""
    tasks.set(1, OPEN)
    tasks.set(2, OPEN)
    watcher.watch(1).on_change(lambda tree: tree.no_such_thing)
    trees, _ = seen(watcher, 2)
    clock.advance(0)
    assert len(trees) == 1
    [event] = logged_failures
    assert event["log_failure"].check(AttributeError)
    logged_failures.clear()
    watcher.stop()


def test_two_watches_of_one_task(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """Two watches of a task are asked for once, and both hear of its end."""
    tasks.set(1, CANCELED)
    _, first = seen(watcher, 1)
    _, second = seen(watcher, 1)
    clock.advance(0)
    assert tasks.asked == [("getTaskInfo", [1]), ("listTasks", [1])]
    assert len(first) == len(second) == 1


@pytest.mark.parametrize("odd", [{"state": "OPEN"}, {"state": 99}, {"state": []}, {"id": "2"}])
def test_unusable_row(tasks: Tasks, watcher: TaskWatcher, clock: Clock, odd: Any) -> None:
    """A task whose row can't be used does not hide the others, and is seen once it is usable."""
    for task_id in (1, 2, 3):
        tasks.set(task_id, CANCELED)
    usable = Munch(tasks.rows[2])
    tasks.rows[2].update(odd)
    ends = {task_id: seen(watcher, task_id)[1] for task_id in (1, 2, 3)}
    clock.advance(0)
    assert [len(end) for end in ends.values()] == [1, 0, 1]
    tasks.rows[2] = usable
    clock.pump([1] * 60)
    assert [len(end) for end in ends.values()] == [1, 1, 1]


def test_row_that_stays_unusable(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """A watch whose task's row stays unusable fails within minutes, and says what came."""
    tasks.set(1, OPEN)
    usable = Munch(tasks.rows[1])
    tasks.rows[1]["state"] = "OPEN"
    first = watcher.watch(1)
    clock.pump([1] * 30)
    tasks.rows[1] = usable
    clock.pump([1] * 30)
    tasks.rows[1] = Munch(usable, state="OPEN")
    failures: list[Failure] = []
    first.done.addErrback(failures.append)
    clock.pump([1] * 600)
    [failure] = failures
    assert failure.check(UnusableAnswer)
    assert "the hub answered getTaskInfo with" in str(failure.value)
    assert clock.getDelayedCalls() == []


def test_stopping_one_watch(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """A stopped watch hears nothing more; the last one ends all asking."""
    tasks.set(1, OPEN)
    tasks.set(2, OPEN)
    first, second = watcher.watch(1), watcher.watch(2)
    trees: list[TaskTree] = []
    first.on_change(trees.append)
    clock.advance(0)
    first.stop()
    tasks.set(1, CLOSED)
    clock.advance(10)
    assert len(trees) == 1
    assert tasks.asked[-1] == ("listTasks", [2])
    second.stop()
    assert clock.getDelayedCalls() == []


def test_stop_while_asking(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """Stopping the watcher gives up the request that is under way."""
    cancelled: list[Any] = []
    tasks.held = Deferred(cancelled.append)
    tasks.set(1, OPEN)
    watcher.watch(1)
    clock.advance(0)
    watcher.stop()
    assert len(cancelled) == 1
    assert clock.getDelayedCalls() == []


def test_slow_hub_is_not_asked_twice(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """While one look is under way no other begins, whatever happens; after it there is a pause."""
    tasks.held = Deferred()
    tasks.set(1, OPEN)
    tasks.set(2, OPEN)
    watcher.watch(1)
    clock.advance(0)
    clock.advance(100)
    watcher.watch(2)
    watcher.hint(1)
    clock.advance(100)
    assert len(tasks.asked) == 1
    held, tasks.held = tasks.held, None
    held.callback(None)
    assert [ids for method, ids in tasks.asked if method == "getTaskInfo"] == [[1]]
    clock.advance(10)
    assert [ids for method, ids in tasks.asked if method == "getTaskInfo"] == [[1], [1, 2]]
    watcher.stop()


def test_tree_of_trees(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """A watched child of a watched task has its own tree; parents come before their children."""
    tasks.set(1, OPEN)
    tasks.set(2, OPEN, parent=1)
    tasks.set(4, OPEN, parent=2)
    tasks.set(3, OPEN, parent=1)
    outer, inner = watcher.watch(1), watcher.watch(2)
    clock.advance(0)
    assert outer.tree is not None
    assert inner.tree is not None
    assert [task.id for task in outer.tree.descendents()] == [2, 3, 4]
    assert [task.id for task in inner.tree.descendents()] == [4]
    assert isinstance(outer.tree.root, Munch)
    watcher.stop()


def test_tasks_that_are_each_others_parents(
    tasks: Tasks, watcher: TaskWatcher, clock: Clock
) -> None:
    """A hub whose tasks go in a circle is not followed in circles."""
    tasks.set(1, OPEN, parent=3)
    tasks.set(2, OPEN, parent=1)
    tasks.set(3, OPEN, parent=2)
    trees, ends = seen(watcher, 1)
    clock.advance(0)
    [tree] = trees
    assert [task.id for task in tree.tasks()] == [1, 2, 3]
    assert {parent: len(below) for parent, below in tree.children.items()} == {1: 1, 2: 1}
    for task_id, parent in ((1, 3), (2, 1), (3, 2)):
        tasks.set(task_id, FAILED, parent=parent)
    clock.advance(10)
    [end] = ends
    assert [task.state for task in end.tasks()] == [FAILED] * 3
    found = guilty_task(end)
    assert found is not None
    assert found.id == 3


def test_thousand_trees(tasks: Tasks, clock: Clock) -> None:
    """A thousand trees of 7 cost less than half a request a second; a change is told in 20 s."""
    watcher = TaskWatcher(tasks, clock, interval=6)
    late: list[float] = []
    changed: dict[int, float] = {}
    for root in range(1, 1001):
        tasks.set(root, OPEN)
        for child in range(root * 10 + 10_000, root * 10 + 10_006):
            tasks.set(child, OPEN, parent=root, method="buildArch")
        watcher.watch(root).on_task_change(
            lambda change: late.append(clock.seconds() - changed.get(change.task.id, 0.0))
        )
    clock.advance(0)
    late.clear()
    tasks.asked.clear()
    for second in range(100):
        task_id = (second * 37 % 1000 + 1) * 10 + 10_000 + second % 6
        tasks.set(task_id, CLOSED, parent=task_id // 10 - 1000, method="buildArch")
        changed[task_id] = clock.seconds()
        clock.advance(1)
    assert len(tasks.asked) <= 50
    clock.pump([1] * 20)
    assert len(late) == 100
    assert max(late) < 20
    watcher.stop()


class CountingClock(Clock):
    """A clock that numbers its iterations, one for each delayed call."""

    def __init__(self) -> None:
        super().__init__()
        self.iteration = 0

    def callLater(  # noqa: N802 - Twisted's name
        self, when: float, what: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        def begin() -> None:
            self.iteration += 1
            what(*args, **named)

        return super().callLater(when, begin)


def builds(tasks: Tasks, count: int) -> list[int]:
    """Make so many builds of 7 tasks; returns the ids of their roots."""
    source = "git+https://git.example.test/rpms/hello.git#1"
    for root in range(1, count + 1):
        request = [source, "demo", {"custom_user_metadata": {"marker": f"m{root}"}}]
        columns = {"owner": 1, "channel_id": 1, "priority": 20, "weight": 1.5, "label": None}
        times = {"create_ts": root + 0.25, "start_ts": root + 0.5, "completion_ts": None}
        tasks.set(root, OPEN, method="build", arch="noarch", request=request, **columns, **times)
        for child in range(root * 10 + 100_000, root * 10 + 100_006):
            request = ["a.src.rpm", 7, "x86_64", False, {"repo_id": child}]
            tasks.set(
                child, OPEN, root, method="buildArch", arch="x86_64", request=request, **times
            )
    return list(range(1, count + 1))


def tracked() -> int:
    """Count what Python's garbage collector visits in a full collection."""
    # What a first collection stops tracking lets the second stop tracking what holds it.
    gc.collect()
    gc.collect()
    return len(gc.get_objects())


def test_slim(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """A watched tree costs the garbage collector no more than its handle, whatever its tasks."""
    roots = builds(tasks, 400)
    before = tracked()
    watches = [watcher.watch(root) for root in roots]
    clock.advance(0)
    assert all(watch.tree is not None for watch in watches)
    assert (tracked() - before) / len(roots) < 7
    # A second look at trees that did not change keeps what is there.
    trees = [watch.records for watch in watches]
    clock.advance(15)
    assert [id(watch.records) for watch in watches] == [id(tree) for tree in trees]
    assert (tracked() - before) / len(roots) < 7
    watcher.stop()


def test_tree_shows_what_the_hub_answered(tasks: Tasks, watcher: TaskWatcher, clock: Clock) -> None:
    """Tasks are built from the slim records on demand, with all columns and the request."""
    [root] = builds(tasks, 1)
    watch = watcher.watch(root)
    clock.advance(0)
    assert watch.tree is not None
    for task in watch.tree.tasks():
        row = tasks.rows[task.id]
        assert {key: task[key] for key in row} == row
    assert watch.tree.root.params.opts.custom_user_metadata.marker == "m1"
    assert watch.tree.root.package == "hello"
    assert [task.arch for task in watch.tree.children[root]] == ["x86_64"] * 6
    watcher.stop()


def test_slices(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many trees a poll reads, no reactor iteration handles many of them."""
    clock = CountingClock()
    watcher = TaskWatcher(tasks, clock, interval=10)
    records: Counter[int] = Counter()
    callbacks: Counter[int] = Counter()

    def counted(*args: Any) -> Any:
        records[clock.iteration] += 1
        return record_of(*args)

    monkeypatch.setattr(tree_reader, "record_of", counted)
    roots = builds(tasks, 1400)
    for root in roots:
        watcher.watch(root).on_change(lambda _: callbacks.update([clock.iteration]))
    clock.advance(0)
    for root in roots:
        tasks.set(root * 10 + 100_000, CLOSED, root, method="buildArch")
    clock.pump([1] * 60)
    assert callbacks.total() == 2 * len(roots)
    assert max(callbacks.values()) <= 50
    assert records.total() >= 3 * 7 * len(roots)
    # 100 trees of 7 tasks.
    assert max(records.values()) <= 700
    watcher.stop()
