"""The embedded hub's builder: assigns tasks to hosts, runs and ends them, on the hub's clock.

A task goes from FREE through ASSIGNED to OPEN, then to CLOSED, FAILED or CANCELED. What it does
while
OPEN is in :mod:`txkoji.testing.farm.handlers`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from txkoji._interfaces import Timer
from txkoji.exceptions import GenericError, HubFault, fault_from
from txkoji.testing.core import HubCore
from txkoji.testing.farm.scheduler import Scheduler
from txkoji.testing.methods.builds import change_build_state
from txkoji.testing.methods.tasks import (
    ASSIGNED,
    CANCELED,
    CLOSED,
    FAILED,
    FINISHED,
    FREE,
    OPEN,
    change_task_state,
)
from txkoji.testing.tables.lookups.builds import BUILD_STATES
from txkoji.testing.tables.state import Row

Handler = Callable[["Builder", Row], Coroutine[Deferred[Any], Any, Any]]

ASSIGN_LIMIT = 300.0
"""How long a host may take to open a task that it is assigned, in seconds."""

_BUILDS_END = {FAILED: BUILD_STATES["FAILED"], CANCELED: BUILD_STATES["CANCELED"]}
"""For a final state of a task: the state that its builds in progress get."""


class Builder:
    """Runs the tasks of an embedded hub.

    Args:
        hub: the hub.
        handlers: what to run for each task method.
        seconds: how long one ``build`` takes, in seconds; its subtasks take shares of it.

    Attributes:
        pace: how many times longer than others a package compiles on an architecture; called with
            both names, and the id of the task.
        resumed: the ids of the tasks that were OPEN already when the hub was killed.
    """

    _log = Logger()

    def __init__(self, hub: HubCore, handlers: dict[str, Handler], seconds: float) -> None:
        self.hub = hub
        self.seconds = seconds
        self.pace: Callable[[str, str, int], float] = lambda _package, _arch, _task_id: 1.0
        self._handlers = handlers
        self._delayed: set[Timer] = set()
        self._running: dict[int, Deferred[Any]] = {}
        self.resumed: set[int] = set()
        self._waiting: dict[int, list[Deferred[Any]]] = {}
        self._stopped = False
        self._reschedule_planned = False
        self.on_end: Callable[[Row], None] = lambda _: None
        self._scheduler = Scheduler(hub.state)

    def load(self, host_id: int) -> float:
        """Return the total weight of a host's tasks."""
        return self._scheduler.load(host_id)

    # Life of a task

    def wake(self, task_id: int) -> None:
        """Schedule a FREE task, with the delay of a hub's scheduler."""

        def notice() -> None:
            self._scheduler.offer(task_id)
            self._schedule()

        self._later(self.seconds * 0.01, notice)

    def later(self, share: float, function: Callable[[], None]) -> None:
        """Call a function after a share (0 to 1) of the time of a build, unless stopped."""
        self._later(self.seconds * share, function)

    def _later(self, delay: float, function: Callable[[], None]) -> None:
        if self._stopped:
            return

        def run() -> None:
            self._delayed.discard(call)
            function()

        call = self.hub.clock.callLater(delay, run)
        self._delayed.add(call)

    def _schedule(self) -> None:
        for task, host in self._scheduler.matches():
            self.assign(task["id"], host)
        if self._scheduler.waits and not self._reschedule_planned:
            # Hosts are added, enabled, and moved to other channels.
            self._reschedule_planned = True
            self._later(1.0, self._reschedule)

    def _reschedule(self) -> None:
        self._reschedule_planned = False
        self._schedule()

    def assign(self, task_id: int, host: Row) -> None:
        """Assign an unfinished task to a host, which opens it a moment later."""
        if self.hub.state.row("task", task_id)["state"] != FREE:
            self.hub.state.on_commit(partial(self._leave, task_id))
        task = self._change(task_id, state=ASSIGNED, host_id=host["id"])
        self.hub.state.on_commit(lambda: self._take(task))

    def _take(self, task: Row) -> None:
        self._scheduler.place(task["id"], task["method"], task["host_id"])
        until = self.hub.now() + ASSIGN_LIMIT
        self._later(self.seconds * 0.02, partial(self._open, task["id"], task["host_id"], until))

    def _open(self, task_id: int, host_id: int, until: float) -> None:
        task = self.hub.state.get("task", task_id)
        if task is None or (task["state"], task["host_id"]) != (ASSIGNED, host_id):
            return
        if not self.hub.state.row("host", task["host_id"])["enabled"]:
            # It takes no more tasks. The hub waits for it, then for another one.
            if self.hub.now() < until:
                self._later(1.0, partial(self._open, task_id, host_id, until))
            else:
                self.free(task_id)
            return
        times = task["times_opened"] + 1
        self._change(task_id, state=OPEN, start_ts=self.hub.now(), times_opened=times)
        self._run(task)

    def _run(self, task: Row) -> None:
        task_id = task["id"]
        handler = self._handlers.get(task["method"])
        if handler is None:
            text = f"Unknown method: {task['method']}"
            self._end(task_id, FAILED, fault=(1000, text))
            return
        running = Deferred.fromCoroutine(handler(self, task))
        self._running[task_id] = running
        running.addCallbacks(self._closed, self._failed, (task_id,), {}, (task_id,), {})
        running.addErrback(self._broken, task_id)

    def _closed(self, result: Any, task_id: int) -> None:
        self._end(task_id, CLOSED, result=result)

    def _failed(self, failure: Failure, task_id: int) -> None:
        if failure.check(CancelledError):
            # `cancel` or `free` has changed its state already.
            return
        error = failure.value
        if isinstance(error, HubFault):
            fault = (error.code, error.text)
        else:
            fault = (1, "".join(traceback.format_exception(error)))
            self._log.info(
                "the simulated builder failed in task {id}: {error!r}", id=task_id, error=error
            )
        self._end(task_id, FAILED, fault=fault)

    def _broken(self, failure: Failure, task_id: int) -> None:
        self._log.failure("the simulated builder could not end task {id}", failure, id=task_id)

    def _change(self, task_id: int, *, state: int | None = None, **changes: Any) -> Row:
        tables = self.hub.state
        with tables.transaction():
            row = tables.row("task", task_id)
            change_task_state(tables, row, row["state"] if state is None else state, **changes)
        return row

    def _end(
        self, task_id: int, state: int, *, result: Any = None, fault: tuple[int, str] | None = None
    ) -> None:
        """End an unfinished task and its builds, stop its handler, and wake what waits for it."""
        tables, now = self.hub.state, self.hub.now()
        task = tables.row("task", task_id)
        if task["state"] in FINISHED:
            return
        with tables.transaction():
            self._change(task_id, state=state, result=result, fault=fault, completion_ts=now)
            for build in tables.rows("build", task_id=task_id, state=BUILD_STATES["BUILDING"]):
                if state in _BUILDS_END:
                    change_build_state(tables, build, _BUILDS_END[state], completion_ts=now)
            self.on_end(task)
            tables.on_commit(partial(self._leave, task_id))

    def _leave(self, task_id: int) -> None:
        """Take a task off its host: it has ended, or starts over."""
        self.resumed.discard(task_id)
        running = self._running.pop(task_id, None)
        self._scheduler.release(task_id)
        if self._scheduler.waits:
            self._later(self.seconds * 0.01, self._schedule)
        if running is not None:
            running.cancel()
        if self.hub.state.row("task", task_id)["state"] in FINISHED:
            for waiter in self._waiting.pop(task_id, []):
                # The waiter may have seen another task end, or been canceled.
                if not waiter.called:
                    waiter.callback(None)

    def cancel(self, task_id: int, *, recurse: bool = True) -> None:
        """Cancel a task that is not finished, and its children, in one transaction."""
        with self.hub.state.transaction():
            was_active = self.hub.state.row("task", task_id)["state"] not in FINISHED
            self._end(task_id, CANCELED)
            for child in self.hub.task_children(task_id):
                if recurse and child["state"] not in FINISHED:
                    self.cancel(child["id"])
                if was_active and child["awaited"]:
                    self._change(child["id"], awaited=False)

    def free(self, task_id: int) -> None:
        """Send a task back to FREE, as when its host dies; it starts over."""
        self._change(task_id, state=FREE, host_id=None)
        self.hub.state.on_commit(partial(self._leave, task_id))
        self.hub.state.on_commit(partial(self.wake, task_id))

    def resume(self) -> None:
        """Resume the tasks of a restored hub.

        Builders outlive their hub: tasks that were OPEN still are, on the same host.
        """
        for task in self.hub.state.rows("task"):
            if task["state"] == FREE:
                self.wake(task["id"])
            elif task["state"] in (ASSIGNED, OPEN):
                self._take(task)
                if task["state"] == OPEN:
                    self.resumed.add(task["id"])
                    self._later(0.0, partial(self._go_on, task))

    def _go_on(self, task: Row) -> None:
        # It may have been canceled or freed in the meantime.
        if task["id"] in self.resumed:
            self._run(task)

    def stop(self) -> None:
        """Stop running tasks, whose states stay as they are; nothing stays scheduled."""
        self._stopped = True
        for call in list(self._delayed):
            call.cancel()
        self._delayed.clear()
        for running in list(self._running.values()):
            running.cancel()
        self._running.clear()

    # For handlers

    def sleep(self, share: float) -> Deferred[None]:
        """Return a Deferred that fires after a share (0 to 1) of the time of a build."""
        return deferLater(self.hub.clock, self.seconds * share)

    def lose_host(self, task: Row) -> Deferred[None]:
        """Let the host of a task go silent: after a while the task is FREE and starts over.

        The returned Deferred never fires.
        """

        def notice() -> None:
            if task["state"] == OPEN:
                self.free(task["id"])

        self._later(self.seconds * 0.1, notice)
        return Deferred()

    async def ended(self, task_id: int) -> Row:
        """Wait for the end of any user's task; returns its row."""
        while True:
            task = self.hub.state.row("task", task_id)
            if task["state"] in FINISHED:
                return task
            await self._any_end([task_id])

    async def wait(
        self, parent: Row, task_ids: list[int], *, can_fail: Collection[int] = ()
    ) -> list[Any]:
        """Wait for children of a task; the first that does not close fails the parent.

        Args:
            parent: the task.
            task_ids: the children.
            can_fail: the children that may fail.

        Returns:
            Their results, in the same order; None for one of ``can_fail`` that failed.

        Raises:
            HubFault: the fault of a child that failed, or 1000 where one was canceled; the other
                children are canceled then.
        """
        self._change(parent["id"], waiting=True)
        tasks = [self.hub.state.row("task", task_id) for task_id in task_ids]
        for task_id in task_ids:
            self._change(task_id, awaited=True)
        while True:
            ended = [task for task in tasks if task["state"] in FINISHED]
            for task in ended:
                fault = None if task["id"] in can_fail else _fault_of(task)
                for other in task_ids if fault else ():
                    self.cancel(other)
                self._change(task["id"], awaited=False)
                if fault:
                    raise fault
            if len(ended) == len(tasks):
                break
            await self._any_end([task["id"] for task in tasks if task["state"] not in FINISHED])
            # A builder polls: the parent of ended tasks stays OPEN for a moment.
            await self.sleep(0.01)
        self._change(parent["id"], waiting=False)
        return [task["result"] for task in tasks]

    def _any_end(self, task_ids: list[int]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        for task_id in task_ids:
            self._waiting.setdefault(task_id, []).append(done)
        return done


def _fault_of(task: Row) -> HubFault | None:
    """Return what a parent fails with whose child ended so; None if the child closed."""
    if task["state"] == CANCELED:
        return GenericError(f"Task {task['id']} is canceled")
    return None if task["fault"] is None else fault_from(*task["fault"])
