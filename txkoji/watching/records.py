"""A watched task as a slim record: an exact tuple of atoms. Pure.

A watcher keeps 70,000 tasks for hours. Python's garbage collector visits every container that it
tracks in each full collection, and the program stands still meanwhile; it stops tracking a tuple
that holds only atoms, and a tuple of such tuples. So a record is such a tuple, no object of a class
of our own, and holds the one column that is no atom, the request, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from munch import Munch

from txkoji import task_states
from txkoji._times import moment
from txkoji._values import seconds
from txkoji.task_info import TaskInfo

TaskRecord = tuple[Any, ...]
"""The values of :data:`COLUMNS`."""

TreeRecords = tuple[TaskRecord, ...]
"""The records of a task and all below it, parents before their children."""

_KINDS: dict[str, tuple[type, ...]] = {
    "id": (int,),
    "parent": (int,),
    "state": (int,),
    "method": (str,),
    "host_id": (int,),
    "channel_id": (int,),
    "waiting": (bool,),
    "start_ts": (float, int),
    "arch": (str,),
    "label": (str,),
    "owner": (int,),
    "priority": (int,),
    "weight": (float, int),
    "awaited": (bool,),
    "create_ts": (float, int),
    "completion_ts": (float, int),
}
"""The columns that are atoms, and what each may be; a record has None for anything else."""

COLUMNS = (*_KINDS, "request")
"""The columns of ``getTaskInfo``, without the texts of the times."""

ID, PARENT, STATE, METHOD, HOST, CHANNEL, WAITING, START = range(8)
"""Where a record has the columns that the watcher itself reads."""

_REQUEST = COLUMNS.index("request")

_TIMES = tuple(
    (COLUMNS.index(f"{name}_ts"), f"{name}_time") for name in ("create", "start", "completion")
)
"""Where a record has each time, and the column that has it as text: some structs have only that."""

_STATES = frozenset(map(int, task_states.TaskStates))

_DONE = frozenset(int(state) for state in task_states.DONE_GROUP)

STARTED = frozenset(map(int, (task_states.OPEN, task_states.CLOSED, task_states.FAILED)))


def is_task(row: Any) -> bool:
    """Return whether a hub's row has the columns that a watcher requires."""
    if not isinstance(row, Mapping) or type(row.get("id")) is not int:
        return False
    state, parent, method = row.get("state"), row.get("parent"), row.get("method")
    return (
        isinstance(state, int)
        and not isinstance(state, bool)
        and state in _STATES
        and (method is None or isinstance(method, str))
        and (parent is None or type(parent) is int)
    )


def record_of(struct: Mapping[str, Any], old: TaskRecord | None = None) -> TaskRecord:
    """Return the record of a task.

    Args:
        struct: what ``getTaskInfo`` or ``listTasks`` (decoded) returned; see :func:`is_task`.
        old: the task's record so far, None for a new task. The request of a task never changes: it
            is taken over.

    Returns:
        The record; ``old`` itself if nothing changed.
    """
    values = [_shared(struct.get(column), kinds) for column, kinds in _KINDS.items()]
    for position, text in _TIMES:
        values[position] = seconds(values[position])
        if values[position] is None and (read := moment(None, struct.get(text))) is not None:
            values[position] = read.timestamp()
    values.append(_packed(struct.get("request")) if old is None else old[_REQUEST])
    record = tuple(values)
    return old if old is not None and record == old else record


def info_of(record: TaskRecord) -> TaskInfo:
    """Return a task as ``getTaskInfo`` returns it."""
    info = TaskInfo(zip(COLUMNS, record, strict=True))
    info["request"] = _unpacked(record[_REQUEST])
    return info


def is_final(record: TaskRecord) -> bool:
    """Return whether the task is CLOSED, FAILED or CANCELED."""
    return record[STATE] in _DONE


def _shared(value: Any, kinds: tuple[type, ...]) -> Any:
    """Return one shared object for a text that thousands of tasks have in common, such as a method.

    None for a value of another type.
    """
    if not isinstance(value, kinds) or isinstance(value, bool) is not (bool in kinds):
        return None
    return sys.intern(value) if type(value) is str else value


def _packed(request: Any) -> Any:
    """Return a request as JSON, or unchanged if JSON can't hold it."""
    try:
        return json.dumps(request, ensure_ascii=False, separators=(",", ":"))
    except TypeError:
        return [request]


def _unpacked(packed: Any) -> Any:
    return json.loads(packed, object_hook=Munch) if isinstance(packed, str) else packed[0]
