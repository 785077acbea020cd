"""Submit the task of a step, or find the one that an earlier attempt submitted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from buildbot_koji.durable.once import Intent, IntentState
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.steps.framework.base import KojiStep
from txkoji import Call


async def begin(hub: Hub, call: Call, began: float, **known: Any) -> TaskIntent:
    """Return the intent to submit a task; see :class:`TaskIntent` for the arguments."""
    return TaskIntent(call, await hub.begin(call), began, **known)


async def submit(
    step: KojiStep,
    intent: TaskIntent,
    state: IntentState,
    save: Callable[[TaskIntent], Awaitable[None]],
) -> TaskIntent:
    """Submit a task, or find it, if its id is unknown; returns the intent with the id.

    Args:
        step: the step.
        intent: what to submit, or what was submitted.
        state: IN_DOUBT if an earlier attempt may have submitted it.
        save: stores the intent.
    """
    if intent.task_id is not None:
        if not intent.adopted:
            step.connection.submissions.claim(intent.task_id, intent.submission)
        with step.early_end.critical():
            await save(intent)
        return intent
    action = step.hub.submit_once(intent.call, intent.submission)
    known = Intent(lambda task_id: save(step.hub.submitted(intent, task_id)), state)
    words = "looking for the task as soon as the hub answers"
    task_id = await step.run_once(action, known, words)
    return step.hub.submitted(intent, task_id)


async def unless_lost(step: KojiStep, intent: TaskIntent) -> TaskIntent:
    """Return what an earlier attempt submitted or adopted, without a task that is lost."""
    if intent.task_id is None:
        return intent
    is_lost = partial(
        step.connection.submissions.is_lost, intent.task_id, intent.call, intent.submission
    )
    words = f"looking for task {intent.task_id} as soon as the hub answers"
    lost = await step.ask(is_lost, words)
    return replace(intent, task_id=None, adopted=False) if lost else intent
