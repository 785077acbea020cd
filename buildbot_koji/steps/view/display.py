"""Show a watched task on the page of its build: summary, links, logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.error_messages import was_cancelled
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.hubs.survey import lacking, no_builder
from buildbot_koji.steps.view.live_logs import LiveLogs
from buildbot_koji.words import counted, duration
from txkoji import QUEUE_LIMIT, TaskTree, Watch, paths, task_states


class TaskDisplay:
    """Shows a watched task until it ends."""

    _log = Logger()

    def __init__(
        self,
        step: Any,
        hub: Hub,
        watch: Watch,
        activity: str,
        logs: LiveLogs,
        *,
        attempt: str = "",
    ) -> None:
        self._step = step
        self._hub = hub
        self._watch = watch
        self._activity = activity
        self._linked: set[int] = set()
        self._linking = False
        self._links: Deferred[None] | None = None
        self._prefix = f"{attempt}: " if attempt else ""
        self._attempt = attempt.partition(" of ")[0]
        self._refreshing: IDelayedCall | None = None
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
            self._links = Deferred.fromCoroutine(self._link_children())
            self._links.addErrback(self._unless_cancelled, "can't link the tasks of a build")

    def _unless_cancelled(self, failure: Failure, words: str) -> None:
        # An interrupted step cancels what it awaits.
        if not was_cancelled(failure.value):
            self._log.failure("{words}", failure, words=words)

    def _say(self) -> None:
        tree, end = self._watch.tree, self._watch.estimated_end
        if tree is None or tree.is_final or self._hub.connection.trouble is not None:
            # The state of the tasks is unknown; the step says so.
            return
        words = describe(
            tree,
            self._activity,
            places=self._watch.queue_places,
            missing={
                task.id: arch
                for task in _waiting(tree)
                if (arch := lacking(task, self._hub.builders.arches)) is not None
            },
            seconds_left=None if end is None else end.timestamp() - self._hub.now(),
            usual=self._watch.usual_seconds,
        )
        self._step.say(f"{self._prefix}{words}")

    def _refresh(self) -> None:
        """Update times in the summary, and check again which builders could take waiting tasks."""
        self._say()
        tree, end = self._watch.tree, self._watch.estimated_end
        if tree is not None and self._asking is None and (waiting := _waiting(tree)):
            self._asking = Deferred.fromCoroutine(self._hub.builders.read(waiting))
            self._asking.addErrback(self._unless_cancelled, "can't read the builders of a channel")
            self._asking.addCallback(self._asked)
        timing = self._step.timing
        left = None if end is None else end.timestamp() - self._hub.now()
        is_near = left is not None and -timing.refresh < left < 2 * timing.refresh
        self._refresh_in(timing.last_refresh if is_near else timing.refresh)

    def _refresh_in(self, seconds: float) -> None:
        self._refreshing = self._hub.connection.reactor.callLater(seconds, self._refresh)

    def _asked(self, _: None) -> None:
        self._asking = None
        self._say()

    async def _link_children(self) -> None:
        try:
            assert self._watch.tree is not None
            while new := [
                task for task in self._watch.tree.descendents() if task.id not in self._linked
            ]:
                for task in new:
                    self._linked.add(task.id)
                    url = paths.task_url(self._hub.connection.weburl, task.id)
                    name = link_name(task, self._attempt)
                    await self._step.addURL(name, url)
        finally:
            self._linking = False


def _waiting(tree: TaskTree) -> list[Any]:
    return [task for task in tree.tasks() if task.state == task_states.FREE]


_ACTIVITIES = {
    "waitrepo": "waiting for the repo",
    "buildSRPMFromSCM": "making the source RPM",
    "rebuildSRPM": "making the source RPM",
    "tagBuild": "tagging",
}
"""What a build does while a child of this method is active."""

_WORDS = {
    task_states.FREE: "waiting",
    task_states.ASSIGNED: "waiting",
    task_states.OPEN: "building",
    task_states.CLOSED: "done",
    task_states.FAILED: "failed",
    task_states.CANCELED: "canceled",
}
"""What the task of an architecture is doing, by its state."""


def describe(
    tree: TaskTree,
    activity: str = "building",
    *,
    places: Mapping[int, int] | None = None,
    missing: Mapping[int, str] | None = None,
    seconds_left: float | None = None,
    usual: float | None = None,
) -> str:
    """Describe what a task is doing: ``building: x86_64 done, aarch64 building, about 5 min left``.

    Args:
        tree: the task and its descendants.
        activity: what the task does unless one of its children says more.
        places: how many tasks are ahead of a FREE one in its queue, by its id.
        missing: the architecture that a FREE task waits for and no builder has, by its id.
        seconds_left: the seconds until the estimated end, None without an estimate.
        usual: the seconds that such a task takes on average.
    """
    waits = {id_: _place(place) for id_, place in (places or {}).items()}
    waits.update((id_, no_builder(arch)) for id_, arch in (missing or {}).items())
    if tree.is_queued:
        return f"waiting for a builder{_after(waits.get(tree.root.id), ': ')}"
    left = "" if seconds_left is None else about(seconds_left, usual)
    children = tree.children.get(tree.root.id, ())
    active = [child for child in children if child.state in task_states.ACTIVE_GROUP]
    arches = tree.arches
    works_for_arches = not active or any(
        task.state in task_states.ACTIVE_GROUP for task in arches.values()
    )
    if arches and works_for_arches:
        words = ", ".join(f"{arch} {_arch_words(task, waits)}" for arch, task in arches.items())
        return f"{activity}: {words}{left}"
    for child in active:
        if child.method in _ACTIVITIES:
            return f"{_ACTIVITIES[child.method]}{_after(waits.get(child.id), ': ')}{left}"
    return f"{activity}{left}"


def _arch_words(task: Any, waits: Mapping[int, str]) -> str:
    wait = waits.get(task.id) if task.state == task_states.FREE else None
    return f"{_WORDS[task.state]}{_after(wait, ' (', ')')}"


def _after(words: str | None, before: str, end: str = "") -> str:
    return f"{before}{words}{end}" if words else ""


def _place(place: int) -> str:
    if place == 0:
        return "next in the queue"
    more = " or more" if place >= QUEUE_LIMIT else ""
    return f"{counted(place, 'task').replace(' ', f'{more} ', 1)} before it"


def about(seconds: float, usual: float | None = None) -> str:
    """Return the time left in words, rounded so that it changes rarely.

    Args:
        seconds: the time until the usual end; negative after it.
        usual: how long such a task takes on average, in seconds.
    """
    if seconds >= 5:
        return f", about {duration(seconds)} left"
    # An average is exceeded half of the time: a tenth more is not worth a word.
    if seconds < -max((usual or 0) / 10, 5):
        return ", longer than usual" + (f", which is {duration(usual)}" if usual else "")
    return ", about to end"


def link_name(task: Any, attempt: str = "") -> str:
    """Return the title of the link to a task; the attempt it belongs to stands first."""
    method, task_id = task.method, task.id
    # A chain builds several packages.
    what = {"buildArch": task.get("arch"), "build": task.package}.get(method)
    words = f"{method} {what}" if what else method
    return f"{_after(attempt, '', ': ')}{words} (task {task_id})"
