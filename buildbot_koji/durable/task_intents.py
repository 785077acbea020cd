"""What is stored about a task, before it is submitted, to find it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.durable.database import select
from buildbot_koji.durable.store import DATA_SOURCE
from buildbot_koji.durable.unreadable import UnreadableRow, check_fields, reading, saying
from txkoji import Call, Submission


@dataclass(frozen=True)
class TaskIntent:
    """A submission, and its task as soon as that is known.

    Attributes:
        call: the call; a later attempt can't make it again if it names an upload.
        submission: finds the task on the hub.
        began: when the step began, in seconds since the epoch.
        task_id: the task, None until the hub has returned it.
        adopted: whether someone else started the task, or may have: it is never canceled. The
            submission of a task that was adopted on purpose names it as the newest task.
        earlier: this step's earlier tasks, which the build system caused to fail.
        cancel_on: the identity of the hub on which it is canceled, unless it is adopted, if its
            build request completes without another attempt of the step; None if it is left alone.
    """

    call: Call
    submission: Submission
    began: float
    task_id: int | None = None
    adopted: bool = False
    earlier: tuple[int, ...] = ()
    cancel_on: str | None = None

    def to_struct(self) -> dict[str, Any]:
        """Return the form that JSON can hold."""
        return {**asdict(self), "call": self.call.to_json()}

    @classmethod
    def from_struct(cls, stored: Mapping[str, Any]) -> TaskIntent:
        """Return the intent of a struct; raise UnreadableRow if it is no intent."""
        with reading("a task that was to be submitted"):
            task = f"task {stored.get('task_id') or 'of ' + str(stored['call'])}"
            check_fields(cls, stored, task)
            check_fields(Submission, stored["submission"], task)
            values = {
                **stored,
                "call": Call.from_json(stored["call"]),
                "submission": Submission(**stored["submission"]),
                "earlier": tuple(stored["earlier"]),
            }
            return cls(**values)


NO_TASK = 0
"""Stored in place of a task's id if no task was needed, as for a build that was tagged already."""


def intent_in_note(note: Any) -> TaskIntent | None:
    """Return the intent in a note of a step that has several tasks, with the id of its task.

    It is None if the note has none, or no task was needed.

    Raises:
        UnreadableRow: the intent can't be read.
    """
    if not isinstance(note, dict) or "intent" not in note or note.get("result") == NO_TASK:
        return None
    return replace(TaskIntent.from_struct(note["intent"]), task_id=note.get("result"))


def intents_in(
    stored: Mapping[str, Any], say: Callable[[UnreadableRow], object]
) -> Iterator[TaskIntent]:
    """Yield the intents in a value that a step stored: one intent, or notes of several tasks.

    Args:
        stored: the value.
        say: called with the error of each one that can't be read.
    """
    is_one = "cancel_on" in stored
    for each in [stored] if is_one else stored.values():
        with saying(say):
            intent = TaskIntent.from_struct(each) if is_one else intent_in_note(each)
            if intent is not None:
                yield intent


@async_to_deferred
async def recorded_tasks(master: Any, task_ids: Collection[int], since: float) -> set[int]:
    """Return which of some tasks a build has recorded as its own, on any master of the database."""
    model = master.db.model
    data, builds = model.build_data.c, model.builds.c
    query = (
        sqlalchemy.select(data.value)
        .join_from(model.build_data, model.builds, data.buildid == builds.id)
        .where(data.source == DATA_SOURCE)
        .where(builds.complete_at.is_(None) | (builds.complete_at >= int(since)))
    )
    recorded = [_tasks_in(bytes(row.value)) for row in await select(master, query)]
    return set(task_ids) & set[int]().union(*recorded)


def _tasks_in(stored: bytes) -> set[int]:
    """Return the tasks that a step stored with its build: see TaskIntent and KojiWriteStep."""
    try:
        value = json.loads(stored)
    except (ValueError, RecursionError):
        return set()
    notes = [value, *value.values()] if isinstance(value, dict) else []
    found = []
    for note in notes:
        if isinstance(note, dict):
            earlier = note.get("earlier")
            found += [note.get("task_id"), note.get("result")]
            found += earlier if isinstance(earlier, list) else []
    return {each for each in found if type(each) is int}
