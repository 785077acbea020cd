"""Steps that change something on the hub by calls: each is done once, also over a restart."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from buildbot.process import results
from twisted.internet.defer import DeferredList
from twisted.internet.task import deferLater

from buildbot_koji.durable.attempts import find, store
from buildbot_koji.durable.cancellations import AWAY
from buildbot_koji.durable.submissions import (
    Attempt,
    HubCall,
    begin_submission,
    find_task,
    submit_task,
)
from buildbot_koji.explanations import explain, one_line
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import CANCEL_LIMIT, Ending, KojiStep
from txkoji import paths, task_states
from txkoji.exceptions import AuthError, HubFault, ServerOffline
from txkoji.submission.submitter import Submission
from txkoji.watching.outcomes import read_outcome
from txkoji.watching.watcher import TaskTree, Watch

__all__ = ["KojiTasksStep", "KojiWriteStep"]

LOOK_INTERVAL = 15.0
"""Seconds between two looks at a hub of which it is not known whether it did what we asked."""


STEP = "the step itself"
"""Where it is noted when the first attempt began."""

NO_TASK = 0
"""Noted where what a task is for was done already."""


class KojiWriteStep(KojiStep):
    """Changes something on the hub by calls. The parent of the steps that do.

    A subclass says in :meth:`change` what it does, and does it by :meth:`once`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._notes: dict[str, dict[str, Any]] = {}
        self._doubts: set[str] = set()
        self._began = 0.0

    async def change(self, hub: Hub) -> int:
        """Do what the step is for; returns Buildbot's result. A subclass says what."""
        raise NotImplementedError

    async def work(self, hub: Hub) -> int:
        """Do what the step is for. What the hub refuses is a failure, said in one line."""
        stored = await find(self)
        self._notes = {} if stored is None else json.loads(stored)
        self._doubts = set(self._notes)
        self._began = self.noted(STEP).get("began", self.now())
        self.limit(Ending.TIMED_OUT, self.timeout, self._began)
        try:
            return await self.change(hub)
        except HubFault as fault:
            if isinstance(fault, (ServerOffline, AuthError)):
                raise
            return self.fail(explain(fault))

    def fail(self, reason: str) -> int:
        """Say why the step fails; returns FAILURE."""
        self.say(f"failed: {reason}")
        return results.FAILURE

    def noted(self, name: str) -> dict[str, Any]:
        """Return what is known of a call of this step, by this attempt or an earlier one."""
        return self._notes.get(name, {})

    async def note(self, name: str, **facts: Any) -> None:
        """Store, at once, what a later attempt must know of a call."""
        self._notes[STEP] = {"began": self._began}
        self._notes[name] = {**self.noted(name), **facts}
        await store(self, json.dumps(self._notes).encode())

    def is_in_doubt(self, name: str) -> bool:
        """Tell whether an earlier attempt, or try, may have made a call."""
        return name in self._doubts

    async def once(
        self,
        hub: Hub,
        name: str,
        do: Callable[[], Awaitable[Any]],
        look: Callable[[], Awaitable[Any]],
    ) -> Any:
        """Do something on the hub, and that once; returns what came of it.

        Args:
            hub: the hub.
            name: what tells this call from the others of the step.
            do: does it; what it gives must be JSON's and not None.
            look: finds out whether an earlier try did it: gives what came of it, or None.

        Raises:
            HubFault: the hub refused.
            TransportError: the hub can't be reached, and did not get the call.
        """
        if "result" in self.noted(name):
            return self.noted(name)["result"]
        if not self.is_in_doubt(name):
            await self.note(name, begun=self.now())
        while True:
            try:
                await hub.log_in()
                found = await look() if self.is_in_doubt(name) else None
                # A stop waits for the answer, or there would be something that nobody knows.
                with self.shielded():
                    found = await do() if found is None else found
                    await self.note(name, result=found)
            except AWAY as error:
                if getattr(error, "may_have_arrived", False):
                    self._doubts.add(name)
                if not self.is_in_doubt(name):
                    raise
                self.say(f"looking whether it is done, once the hub answers: {one_line(error)}")
            else:
                return found
            await deferLater(self.master.reactor, LOOK_INTERVAL, lambda: None)


class KojiTasksStep(KojiWriteStep):
    """Starts small tasks, all at once, and waits until all have ended.

    The parent of the steps whose Koji command takes several builds.
    """

    activity: ClassVar[str] = "working"
    """What the tasks are doing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calls: Mapping[str, HubCall] = {}
        self._tasks: dict[str, int] = {}
        self._watches: list[Watch] = []

    @property
    def task_ids(self) -> list[int]:
        """The tasks that were started, by this attempt or an earlier one."""
        return list(self._tasks.values())

    async def run_tasks(
        self,
        hub: Hub,
        calls: Mapping[str, HubCall],
        is_done: Callable[[str], Awaitable[bool]],
    ) -> int:
        """Start tasks and follow them to their ends.

        Args:
            hub: the hub.
            calls: what starts each task, by a word for what it is about: an NVR.
            is_done: tells whether what a task is for is done already.

        Returns:
            SUCCESS, or FAILURE with the reasons in the summary.
        """
        self._calls = calls
        for number, (label, call) in enumerate(calls.items(), 1):
            self.say(f"{self.activity}: submitting {number}/{len(calls)}")
            task_id = await self._start(hub, label, call, is_done)
            if task_id is not None:
                self._tasks[label] = task_id
                url = paths.task_url(hub.connection.weburl, task_id)
                await self.addURL(f"{label} (task {task_id})", url)
        self.setProperty("koji_task_ids", self.task_ids, SOURCE)
        if not self._tasks:
            return results.SUCCESS
        self._watches = [hub.watcher.watch(task_id) for task_id in self.task_ids]
        try:
            for watch in self._watches:
                watch.on_change(self._changed)
            trees = [await watch.done for watch in self._watches]
        finally:
            for watch in self._watches:
                watch.stop()
        return await self._outcome(hub, trees)

    async def _start(
        self,
        hub: Hub,
        label: str,
        call: HubCall,
        is_done: Callable[[str], Awaitable[bool]],
    ) -> int | None:
        """Start a task, or find that of an earlier attempt; returns its id, None without one."""
        if not self.noted(label):
            if await is_done(label):
                return None
            await hub.log_in()
            begun = await begin_submission(hub.connection, call)
            await self.note(label, submission=asdict(begun))
        submission = Submission(**self.noted(label)["submission"])

        async def look() -> int | None:
            found: int | None = await find_task(hub.connection, call, submission)
            return NO_TASK if found is None and await is_done(label) else found

        async def do() -> int:
            return int(await submit_task(hub.connection, call, submission))

        task_id = int(await self.once(hub, label, do, look))
        return None if task_id == NO_TASK else task_id

    def _changed(self, _tree: TaskTree) -> None:
        done = sum(watch.tree is not None and watch.tree.is_final for watch in self._watches)
        self.say(f"{self.activity}: {done}/{len(self._watches)} done")

    async def _outcome(self, hub: Hub, trees: list[TaskTree]) -> int:
        reasons = []
        for label, tree in zip(self._tasks, trees, strict=True):
            if tree.root.state != task_states.CLOSED:
                outcome = await read_outcome(hub.connection, tree)
                reasons.append(f"{label}: {outcome.reason}")
        if reasons:
            self.say(f"failed: {'; '.join(reasons)}")
            return results.FAILURE
        return results.SUCCESS

    async def end_early(self, hub: Hub | None, ending: Ending) -> None:
        """Cancel the tasks for a user and for a time that is over; leave them to a next attempt."""
        attempts = list(self._attempts())
        if not attempts or hub is None:
            await super().end_early(hub, ending)
        elif ending is Ending.DETACHED:
            self.say("left the tasks to the next attempt")
        else:
            canceling = [hub.cancellations.cancel(each, CANCEL_LIMIT) for each in attempts]
            outcomes = await DeferredList(canceling, consumeErrors=True)
            self.say(f"canceled the tasks{self._trouble(outcomes)}")

    def _attempts(self) -> Iterator[Attempt]:
        """Yield what was submitted, also what nobody knows to have arrived."""
        for label, call in self._calls.items():
            noted = self.noted(label)
            if noted and noted.get("result") != NO_TASK:
                submission = Submission(**noted["submission"])
                yield Attempt(call, submission, self._began, noted.get("result"))

    def _trouble(self, outcomes: Sequence[tuple[bool, Any]]) -> str:
        refused = [one_line(failure.value) for done, failure in outcomes if not done]
        if refused:
            return f", but for some: {'; '.join(refused)}"
        late = any(done and not canceled for done, canceled in outcomes)
        return ", as soon as the hub answers" if late else ""
