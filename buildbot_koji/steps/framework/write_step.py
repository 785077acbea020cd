"""Steps that change something on the hub by calls, each made exactly once, also over a restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from buildbot.process import results

from buildbot_koji.durable.once import CheckClaim, Intent, IntentState, OnceAction
from buildbot_koji.durable.task_intents import NO_TASK, TaskIntent, intent_in_note
from buildbot_koji.error_messages import explain, with_remedy
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.early_end import Ending
from buildbot_koji.steps.view.result import result_of
from buildbot_koji.words import counted
from txkoji import (
    Call,
    Submission,
    TaskTree,
    Watch,
    is_refusal,
    paths,
    read_outcome,
    task_states,
)
from txkoji.exceptions import KojiException

T = TypeVar("T")

STEP = "the step itself"
"""The note with the start of the first attempt."""

_WORDS: dict[int, str] = {
    results.FAILURE: "failed: ",
    results.EXCEPTION: "the build system failed: ",
    results.CANCELLED: "",
}
"""How the summary begins, by the result; of several tasks the first result here counts."""


class KojiWriteStep(KojiStep):
    """Changes something on the hub by calls. The base class of the steps that do.

    A subclass implements :meth:`change`, and makes its calls by :meth:`once`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._notes: dict[str, dict[str, Any]] = {}
        self._found: frozenset[str] = frozenset()

    async def change(self) -> int:
        """Make the change; returns Buildbot's result. A subclass implements it."""
        raise NotImplementedError

    async def work(self) -> int:
        """Make the change, or the rest of it if an earlier attempt began it."""
        if not self._notes:
            await self.resume()
        self.early_end.limit(Ending.TIMED_OUT, self.timeout, self.began)
        return await self.change()

    async def find_begun(self) -> None:
        """Read what an earlier attempt stored: a stop needs it, too."""
        self._notes = await self.find_earlier_attempt() or {}
        self._found = frozenset(self._notes)
        if self._found:
            self.patience.begun()
        self.began = self.noted(STEP).get("began", self.began)

    def noted(self, name: str) -> dict[str, Any]:
        """Return what this attempt or an earlier one stored about a call."""
        return self._notes.get(name, {})

    async def note(self, name: str, **facts: Any) -> None:
        """Store more facts about a call for a later attempt."""
        self._notes[STEP] = {"began": self.began}
        self._notes[name] = {**self.noted(name), **facts}
        await self.store_attempt(self._notes)

    def forget(self, name: str) -> None:
        """Take what is stored about a call for lost: its effect is gone from the hub."""
        del self._notes[name]
        self._found -= {name}

    def _intent(self, name: str) -> Intent:
        """Return what is known of a call."""

        async def save(result: Any) -> None:
            facts = {"begun": self.now()} if result is None else self.facts_of(name, result)
            await self.note(name, **facts)

        if "result" in self.noted(name):
            return Intent(save, IntentState.DONE, self.noted(name)["result"])
        return Intent(save, IntentState.IN_DOUBT if name in self._found else IntentState.NEW)

    def facts_of(self, name: str, result: Any) -> dict[str, Any]:
        """Return what to store of the result of a call. A subclass may store more."""
        return {"result": result}

    async def once(self, name: str, action: OnceAction[T]) -> T:
        """Do something on the hub exactly once; returns its result.

        Args:
            name: distinguishes the action from the others of the step.
            action: what to do; its result must be something that JSON can hold.

        Raises:
            HubFault: the hub refused.
            UnknownOutcome, TransportError, ProtocolError: as :meth:`run_once`.
        """
        words = "checking whether it is done as soon as the hub answers"
        return await self.run_once(action, self._intent(name), words)

    async def call_once(
        self, name: str, call: Call, is_done: Callable[[], Awaitable[bool]]
    ) -> None:
        """Make a call exactly once whose effect the hub's data show.

        Raises:
            HubFault, UnknownOutcome, TransportError, ProtocolError: as :meth:`once`.
        """

        async def do(check_claim: CheckClaim) -> bool:
            """Make the call."""
            await self.hub.write(call, check_claim)
            return True

        async def search() -> bool | None:
            """Return True if the hub's data show the effect, else None."""
            return await is_done() or None

        await self.once(name, OnceAction(do, search))


class KojiTasksStep(KojiWriteStep):
    """Submits small tasks, all at once, and waits until all have ended.

    The base class of the steps whose Koji command takes several builds.
    """

    activity: ClassVar[str] = "working"
    """What the tasks are doing, in one word."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tasks: dict[str, int] = {}
        self._watches: list[Watch] = []

    @property
    def follows_task(self) -> bool:
        """Whether the hub has accepted all tasks that are needed."""
        return bool(self._watches)

    @property
    def task_ids(self) -> list[int]:
        """The tasks that this attempt or an earlier one submitted."""
        return list(self._tasks.values())

    async def run_tasks(
        self, calls: Mapping[str, Call], is_done: Callable[[str], Awaitable[bool]]
    ) -> int:
        """Submit tasks and follow them to their ends.

        Args:
            calls: the call that submits each task, by a label: the NVR that it is about.
            is_done: returns, by the label, whether a task is no longer needed.

        Returns:
            SUCCESS, else FAILURE, EXCEPTION if it was all the build system, or CANCELLED if someone
            canceled what is not done, with the reasons in the summary.
        """
        refused: dict[str, str] = {}
        for number, (label, call) in enumerate(calls.items(), 1):
            self.say(f"{self.activity}: submitting {number}/{len(calls)}")
            try:
                task_id = await self._start(label, call, is_done)
            except KojiException as error:
                # What is begun is followed to its end first.
                if not (self._tasks and is_refusal(error)):
                    raise
                refused[label] = explain(error, self.changed_tag)
                continue
            if task_id is not None:
                self._tasks[label] = task_id
                url = paths.task_url(self.connection.weburl, task_id)
                await self.addURL(f"{label} (task {task_id})", url)
        self.setProperty("koji_task_ids", self.task_ids, SOURCE)
        if not self._tasks:
            return results.SUCCESS
        self._watches = [self.hub.watch(task_id, self.build) for task_id in self.task_ids]
        try:
            for watch in self._watches:
                watch.on_change(self._changed)
            trees = [
                await self.hub.ended(watch, calls[label], self._submission_of(label))
                for label, watch in zip(self._tasks, self._watches, strict=True)
            ]
        finally:
            for watch in self._watches:
                watch.stop()
        return await self._outcome(trees, refused)

    async def _start(
        self, label: str, call: Call, is_done: Callable[[str], Awaitable[bool]]
    ) -> int | None:
        """Submit a task, or find that of an earlier attempt; returns its id, None if not needed."""
        if not self.noted(label):
            if await is_done(label):
                return None
            submission = await self.hub.begin(call)
            intent = TaskIntent(call, submission, self.began, cancel_on=self.hub.identity)
            await self.note(label, intent=intent.to_struct())
        action = self.hub.submit_once(call, self._submission_of(label))

        async def search() -> int | None:
            found = await action.search()
            return NO_TASK if found is None and await is_done(label) else found

        task_id = await self.once(label, replace(action, search=search))
        return None if task_id == NO_TASK else task_id

    def facts_of(self, name: str, result: Any) -> dict[str, Any]:
        """Return the id of a task, and whether it may be someone else's."""
        facts = super().facts_of(name, result)
        if result == NO_TASK or "intent" not in self.noted(name):
            return facts
        intent = replace(self.hub.submitted(self._intent_of(name), result), task_id=None)
        return {**facts, "intent": intent.to_struct()}

    def _intent_of(self, label: str) -> TaskIntent:
        return TaskIntent.from_struct(self.noted(label)["intent"])

    def _submission_of(self, label: str) -> Submission:
        return self._intent_of(label).submission

    def _changed(self, _tree: TaskTree) -> None:
        done = sum(watch.tree is not None and watch.tree.is_final for watch in self._watches)
        self.say(f"{self.activity}: {done}/{len(self._watches)} done")

    async def _outcome(self, trees: list[TaskTree], refused: Mapping[str, str]) -> int:
        reasons = [
            f"{label}: {with_remedy(why, self.changed_tag)}" for label, why in refused.items()
        ]
        ends = {int(results.FAILURE)} if refused else set()
        for label, tree in zip(self._tasks, trees, strict=True):
            if tree.root.state != task_states.CLOSED:
                outcome = await read_outcome(self.connection, tree)
                reasons.append(f"{label}: {with_remedy(outcome.reason, self.changed_tag)}")
                ends.add(result_of(outcome, infrastructure=outcome.is_infrastructure))
        for result, words in _WORDS.items():
            if result in ends:
                self.say(f"{words}{'; '.join(reasons)}")
                return result
        return results.SUCCESS

    async def end_early(self, ending: Ending) -> None:
        """Cancel the tasks on a stop or an expired limit; else leave them to the next attempt."""
        intents = list(self._intents())
        if not intents or ending is Ending.SUPERSEDED:
            await super().end_early(ending)
        elif ending is Ending.DETACHED:
            self.say(f"left {counted(len(intents), 'task')} to the next attempt")
        else:
            why = f"{self.unreachable}; " if ending is Ending.UNREACHABLE else ""
            done = await self.hub.cancellations.cancel_all(intents, self.timing.cancel_limit)
            self.say(f"{why}{done}")

    def _intents(self) -> Iterator[TaskIntent]:
        """Yield what was submitted, and what may have been, by this attempt or an earlier one."""
        for intent in filter(None, map(intent_in_note, self._notes.values())):
            if not intent.adopted:
                yield intent
