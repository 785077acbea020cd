"""Show a watched task on the page of its build: summary, links, logs."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.hubs.hub import Hub
from buildbot_koji.steps.view.live_logs import LiveLogs
from buildbot_koji.steps.view.progress import describe, link_name
from txkoji import TaskTree, Watch, paths, task_states

__all__ = ["TaskDisplay"]

REFRESH = 60.0
"""Seconds between two updates of an estimate."""


class TaskDisplay:
    """Shows a watched task until it ends.

    Args:
        step: the step that watches it.
        hub: the hub.
        watch: the watch.
        activity: what the task does unless one of its children says more.
        logs: follows the tasks' logs.
    """

    _log = Logger()

    def __init__(self, step: Any, hub: Hub, watch: Watch, activity: str, logs: LiveLogs) -> None:
        self._step = step
        self._hub = hub
        self._watch = watch
        self._activity = activity
        self._linked: set[int] = set()
        self._linking = False
        self._links: Deferred[None] | None = None
        self._refreshing = LoopingCall(self._say)
        self._refreshing.clock = hub.connection.reactor
        watch.on_task_change(logs.changed)
        watch.on_change(self._changed)
        watch.on_estimate(lambda _: self._say())

    def begin(self) -> None:
        """Start updating the estimate."""
        self._refreshing.start(REFRESH, now=False)

    async def end(self) -> None:
        """Stop updating; wait for the links in flight."""
        if self._refreshing.running:
            self._refreshing.stop()
        if self._links is not None:
            await self._links

    def _changed(self, tree: TaskTree) -> None:
        # The place in the queue costs the hub a request: ask only for a task that waits.
        self._watch.wants_queue_place = any(task.state == task_states.FREE for task in tree.tasks())
        self._say()
        if not self._linking:
            self._linking = True
            self._links = Deferred.fromCoroutine(self._link_children())
            self._links.addErrback(self._not_all_linked)

    def _not_all_linked(self, failure: Failure) -> None:
        # An interrupted step cancels the links that it waits for.
        if not failure.check(CancelledError):
            self._log.failure("can't link the tasks of a build", failure)

    def _say(self) -> None:
        tree, end = self._watch.tree, self._watch.estimated_end
        if tree is None or tree.is_final:
            return
        left = None if end is None else end.timestamp() - self._step.now()
        self._step.say(
            describe(tree, self._activity, places=self._watch.queue_places, seconds_left=left)
        )

    async def _link_children(self) -> None:
        try:
            while new := self._not_linked():
                for task in new:
                    self._linked.add(task.id)
                    url = paths.task_url(self._hub.connection.weburl, task.id)
                    await self._step.addURL(link_name(task.method, task.get("arch"), task.id), url)
        finally:
            self._linking = False

    def _not_linked(self) -> list[Any]:
        assert self._watch.tree is not None
        return [task for task in self._watch.tree.descendents() if task.id not in self._linked]
