"""Show a watched task on the page of its build: summary, links, logs."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from buildbot_koji.durable.background import Background
from buildbot_koji.hubs.builders import lacking
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.steps.view.live_logs import LiveLogs
from buildbot_koji.steps.view.progress import describe, link_name
from txkoji import TaskTree, Watch, paths, task_states
from txkoji.elapsed import ElapsedTime, ElapsedTimer


class TaskDisplay:
    """Shows a watched task until it ends."""

    def __init__(
        self,
        step: Any,
        watch: Watch,
        activity: str,
        logs: LiveLogs,
        *,
        attempt: str = "",
    ) -> None:
        self._step = step
        self._hub: Hub = step.hub
        self._watch = watch
        self._activity = activity
        self._linked: set[int] = set()
        self._linking = False
        self._background = Background()
        self._links: Deferred[None] | None = None
        self._prefix = f"{attempt}: " if attempt else ""
        self._attempt = attempt.partition(" of ")[0]
        self._refreshing: ElapsedTimer | None = None
        self._asking: Deferred[None] | None = None
        watch.on_task_change(logs.changed)
        watch.on_change(self._changed)
        watch.on_estimate(lambda _: self._say())

    def begin(self) -> None:
        """Start updating the estimate."""
        self._refresh_in(self._step.timing.last_refresh)

    async def end(self) -> None:
        """Stop updating; wait for the links in flight."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None
        if self._asking is not None:
            self._asking.cancel()
        if self._links is not None:
            await self._links

    def _changed(self, tree: TaskTree) -> None:
        # The place in the queue costs a request: only ask while the task waits.
        self._watch.wants_queue_place = any(task.state == task_states.FREE for task in tree.tasks())
        self._say()
        if not self._linking:
            self._linking = True
            # An interrupted step cancels what it awaits.
            self._links = self._background.run(
                self._link_children(), "can't link the tasks of a build"
            )

    def _say(self) -> None:
        tree, end = self._watch.tree, self._watch.estimated_end
        if tree is None or tree.is_final or self._hub.trouble is not None:
            # The state of the tasks is unknown; the step says so.
            return
        words = describe(
            tree,
            self._activity,
            places=self._watch.queue_places,
            missing=self._missing_builders(tree),
            seconds_left=None if end is None else end.timestamp() - self._hub.now(),
            usual=self._watch.usual_seconds,
        )
        self._step.say(f"{self._prefix}{words}")

    def _missing_builders(self, tree: TaskTree) -> dict[int, str]:
        found = {task.id: lacking(task, self._hub.builders.arches) for task in _waiting(tree)}
        return {task_id: arch for task_id, arch in found.items() if arch is not None}

    def _refresh(self) -> None:
        """Update times in the summary, and check again which builders could take waiting tasks."""
        self._say()
        tree, end = self._watch.tree, self._watch.estimated_end
        if tree is not None and self._asking is None and (waiting := _waiting(tree)):
            self._asking = self._background.run(
                self._hub.builders.read(waiting), "can't read the builders of a channel"
            )
            self._asking.addCallback(self._asked)
        timing = self._step.timing
        left = None if end is None else end.timestamp() - self._hub.now()
        is_near = left is not None and -timing.refresh < left < 2 * timing.refresh
        self._refresh_in(timing.last_refresh if is_near else timing.refresh)

    def _refresh_in(self, seconds: float) -> None:
        elapsed = ElapsedTime(self._hub.connection.reactor)
        self._refreshing = elapsed.callLater(seconds, self._refresh)

    def _asked(self, _: None) -> None:
        self._asking = None
        self._say()

    async def _link_children(self) -> None:
        try:
            while new := self._not_linked():
                for task in new:
                    self._linked.add(task.id)
                    url = paths.task_url(self._hub.connection.weburl, task.id)
                    name = link_name(task, self._attempt)
                    await self._step.addURL(name, url)
        finally:
            self._linking = False

    def _not_linked(self) -> list[Any]:
        assert self._watch.tree is not None
        return [task for task in self._watch.tree.descendents() if task.id not in self._linked]


def _waiting(tree: TaskTree) -> list[Any]:
    return [task for task in tree.tasks() if task.state == task_states.FREE]
