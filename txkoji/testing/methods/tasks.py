"""Tasks: creating, reading and canceling them. The builder runs them."""

from __future__ import annotations

from typing import Any

from txkoji import task_states
from txkoji.exceptions import ActionNotAllowed, GenericError, fault_from
from txkoji.testing.announcements import messages
from txkoji.testing.formats import marshal
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import HubMethod, declare_all, hub_method
from txkoji.testing.tables.filters import Filter, Test, after, before, select
from txkoji.testing.tables.lookups.structs import task_struct
from txkoji.testing.tables.lookups.values import (
    database_integer,
    hub_error,
    integer,
    must,
    no_attribute,
    row_by_id,
    row_by_info,
)
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row, pick

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)
FINISHED = (CLOSED, CANCELED, FAILED)
DEFAULT_PRIORITY = 20


def make_task(
    call: MethodCall,
    method: str,
    request: list[Any],
    *,
    owner: int | None = None,
    parent: Row | None = None,
    label: str | None = None,
    channel: str | int | None = None,
    arch: str = "noarch",
    priority: int | None = None,
) -> int:
    """Create a task, which the builder picks up at the commit; returns its id.

    Args:
        call: who asks.
        method: the task's method.
        request: its parameters.
        owner: the owner's id; by default the caller, or the parent's owner.
        parent: the row of the parent task.
        label: the child's label: a parent's existing child with the label is returned.
        channel: the channel's name or id; by default the parent's, or ``default``.
        arch: the architecture that the task needs.
        priority: the absolute priority; by default 20, or one less than the parent's.

    Raises:
        GenericError: the channel is unknown or disabled, the parent not OPEN, or nobody the owner.
    """
    for twin in call.hub.task_children(parent["id"]) if parent and label is not None else ():
        if twin["label"] == label:
            return int(twin["id"])
    new = {"create_ts": call.hub.now(), "method": method, "request": request}
    place = _place(call, parent, owner=owner, channel_id=channel, priority=priority)
    row = call.state.insert("task", {**new, "arch": arch, "label": label, **place})
    options = {} if channel is None else {"channel": channel}
    call.state.announce(lambda: messages.task_created(row, options))
    call.state.on_commit(lambda: call.hub.runner.wake(row["id"]))
    return int(row["id"])


def _place(call: MethodCall, parent: Row | None, **given: Any) -> dict[str, Any]:
    """Return parent, channel, owner and priority of a task; refuse a parent that is done."""
    place: Row = {
        "channel_id": "default",
        "owner": None,
        "priority": DEFAULT_PRIORITY,
        "parent": None,
    }
    if parent is not None:
        if parent["state"] != OPEN:
            raise GenericError(f"Parent task (id {parent['id']}) is not open")
        place = {**pick(parent, "channel_id owner"), "parent": parent["id"]}
        place["priority"] = parent["priority"] - 1
    elif call.user:
        place["owner"] = call.user["id"]
    place |= {name: value for name, value in given.items() if value is not None}
    if place["owner"] is None:
        raise GenericError("task must have an owner")
    return {**place, "channel_id": _open_channel(call.state, place["channel_id"])}


def _open_channel(state: HubState, channel: str | int) -> int:
    """Return the id of a channel, or refuse it."""
    row = row_by_info(state, "channels", channel)
    if row is None:
        raise GenericError(f"No such channel: {channel}")
    if not row["enabled"]:
        raise GenericError(f"Channel {row['name']} is disabled.")
    return int(row["id"])


def change_task_state(state: HubState, row: Row, new: int, **columns: Any) -> None:
    """Change the state of a task, and other columns with it."""
    old = row["state"]
    state.update("task", row["id"], state=new, **columns)
    if new != old:
        state.announce(lambda: messages.task_changed(row, old))


def absolute_priority(call: MethodCall, relative: Any) -> int | None:
    """Return the absolute priority for a relative one, or refuse."""
    if not relative:
        return None
    if relative < 0 and not call.has_permission("admin"):
        raise ActionNotAllowed("only admins may create high-priority tasks")
    return DEFAULT_PRIORITY + int(relative)


@hub_method("makeTask")
def make_task_method(call: MethodCall, method: str, arglist: Any, **opts: Any) -> int:
    """Make a task of any kind; return its id. Needs admin."""
    if "owner" in opts:
        raise ActionNotAllowed("The owner option is not allowed here")
    parent, host = opts.get("parent"), opts.get("assign")
    parent_row = row_by_id(call.state, "task", parent) if parent else None
    if parent and parent_row is None:
        raise GenericError(f"Invalid parent task: {parent}")
    host_row = must(row_by_id(call.state, "host", host), "no such host") if host else None
    more = {name: opts.get(name) for name in ("label", "channel", "priority")}
    arch = opts.get("arch") or "noarch"
    task_id = make_task(call, method, list(arglist), parent=parent_row, arch=arch, **more)
    if host_row is not None:
        call.hub.runner.assign(task_id, host_row)
    return task_id


@hub_method("resubmitTask")
def resubmit_task(call: MethodCall, taskID: int) -> int:
    """Start a failed or canceled top-level task again; return the new task's id."""
    user = call.require_login()
    row = _task(call, taskID)
    if row["state"] not in (CANCELED, FAILED):
        raise GenericError("only canceled or failed tasks may be resubmitted")
    if row["parent"] is not None:
        raise GenericError("only top-level tasks may be resubmitted")
    if row["owner"] != user["id"] and not call.has_permission("admin"):
        raise GenericError("only the task owner or an admin may resubmit a task")
    same = {"channel": row["channel_id"], **pick(row, "arch priority")}
    return make_task(call, row["method"], row["request"], **same)


# Cancel and steer


def _task(call: MethodCall, task_id: Any, missing: str = "query returned no rows") -> Row:
    number = integer(task_id)
    return must(call.state.get("task", number), missing.format(number))


def _own_task(call: MethodCall, task_id: Any) -> Row:
    row = _task(call, task_id, "No such task: {}")
    owns = call.user is not None and row["owner"] == call.user["id"]
    if not owns and not call.has_permission("admin"):
        raise ActionNotAllowed("Cannot cancel task, not owner")
    return row


@hub_method("cancelTask")
def cancel_task(call: MethodCall, task_id: Any, recurse: bool = True) -> None:
    """Cancel a task, and those below it."""
    call.hub.runner.cancel(_own_task(call, task_id)["id"], recurse=recurse)


@hub_method("cancelTaskFull")
def cancel_task_full(call: MethodCall, task_id: Any, strict: bool = True) -> None:
    """Cancel a top-level task and all below it. Needs admin."""
    row = _task(call, task_id)
    if strict and row["parent"] is not None:
        raise GenericError(f"Task {task_id} is not top-level (parent={row['parent']})")
    call.hub.runner.cancel(row["id"])


@hub_method("cancelTaskChildren")
def cancel_task_children(call: MethodCall, task_id: Any) -> None:
    """Cancel what is below a task."""
    for child in call.hub.task_children(_own_task(call, task_id)["id"]):
        call.hub.runner.cancel(child["id"])


@hub_method("setTaskPriority")
def set_task_priority(call: MethodCall, task_id: Any, priority: Any, recurse: bool = True) -> None:
    """Set a task's priority, absolute: lower is sooner. Needs admin."""
    row = _task(call, task_id, "No such task: {}")
    if row["state"] in FINISHED:
        raise GenericError("Finished task's priority can't be updated")
    call.state.update("task", row["id"], priority=priority)
    if recurse:
        for child in call.hub.task_children(row["id"]):
            if child["state"] not in FINISHED:
                call.state.update("task", child["id"], priority=priority)


@hub_method("assignTask(task_id, host, force=False, override=False)")
def assign_task(call: MethodCall, task_id: Any, host: Any, force: Any, **_: Any) -> bool:
    """Assign a FREE task to a builder, with ``force`` an unfinished one. Needs admin."""
    row = _task(call, task_id)
    host_row = call.require("hostInfo", host)
    if row["state"] in FINISHED or not (force or row["state"] == FREE):
        return False
    call.hub.runner.assign(row["id"], host_row)
    return True


@hub_method("freeTask")
def free_task(call: MethodCall, task_id: Any) -> None:
    """Free an assigned or open task: it returns to the queue. Needs admin."""
    row = _task(call, task_id)
    if row["state"] in FINISHED:
        state = task_states.to_str(row["state"])
        raise GenericError(f"Cannot free task {task_id}, state is {state}")
    call.hub.runner.free(row["id"])


# Read


@hub_method("getTaskInfo")
def get_task_info(
    call: MethodCall, task_id: Any, request: bool = False, strict: bool = False
) -> Any:
    """Return a task, its request included."""
    if isinstance(task_id, list):
        return [_info(call, each, request, strict) for each in task_id]
    return _info(call, task_id, request, strict)


def _info(call: MethodCall, task_id: Any, request: bool, strict: bool) -> Any:
    row = call.find("task", task_id, strict)
    return row and task_struct(row, request)


@hub_method("getTaskChildren")
def get_task_children(
    call: MethodCall, task_id: Any, request: bool = False, strict: bool = False
) -> Any:
    """Return the tasks right below one."""
    number = integer(task_id)
    if strict:
        _task(call, number)
    return [task_struct(row, request) for row in call.hub.task_children(number)]


@hub_method("getTaskDescendents")
def get_task_descendents(call: MethodCall, task_id: Any, request: bool = False) -> dict[str, Any]:
    """Return all tasks below one, the older first."""
    tree: dict[str, Any] = {}
    waiting = [integer(task_id)]
    while waiting:
        parent = waiting.pop(0)
        rows = call.hub.task_children(parent)
        tree[str(parent)] = [task_struct(row, request) for row in rows]
        waiting += [row["id"] for row in rows]
    return tree


_METHODS: dict[str, HubMethod] = {
    "getTaskRequest(taskId) -> the arguments of a task": (
        lambda call, number: _task(call, number)["request"]
    ),
    "taskFinished(taskId) -> whether a task is closed, failed or canceled": (
        lambda call, number: _task(call, number)["state"] in FINISHED
    ),
}
declare_all(_METHODS)


@hub_method("getTaskResult")
def get_task_result(call: MethodCall, taskId: Any, raise_fault: bool = True) -> Any:
    """Return a closed task's result; fail with a failed task's own fault."""
    row = _task(call, taskId, "No such task")
    if row["state"] == CANCELED:
        raise GenericError(f"Task {taskId} is canceled")
    if row["state"] not in FINISHED:
        raise GenericError(f"Task {taskId} is not finished")
    if row["fault"] is not None:
        if raise_fault:
            raise fault_from(*row["fault"])
        return _fault_struct(row)
    return row["result"]


def _fault_struct(row: Row) -> dict[str, Any]:
    code, text = row["fault"]
    return {"faultCode": code, "faultString": text}


def _stored_result(row: Row) -> str | None:
    if row["fault"] is not None:
        return marshal.fault(*row["fault"]).decode()
    if row["state"] == CLOSED:
        return marshal.response(row["result"]).decode()
    return None


def _decoded_result(row: Row) -> Any:
    if row["fault"] is not None:
        return _fault_struct(row)
    return [row["result"]] if row["state"] == CLOSED else None


_IDS = ("owner", "host_id", "channel_id", "parent")
_LISTS = ("arch", "state")


def _among(column: str, wanted: bool = True) -> Filter:
    """Ask for tasks with one of some values in a column, or with none of them."""

    def make(_: HubState, value: Any) -> Test:
        if column not in _IDS and isinstance(value, list) != (column in _LISTS):
            raise hub_error(f'syntax error at or near "{value}"')
        values = value if isinstance(value, list) else [value]
        if column == "state" or column in _IDS:
            values = [database_integer(each) for each in values]
        elif not all(isinstance(each, str) for each in values):
            raise hub_error("operator does not exist: text = integer")
        # A list of no states asks for nothing, one of no ids finds nothing.
        return lambda row: (row[column] in values) == wanted or (column in _LISTS and not values)

    return make


_MOMENTS = {
    "created": "create_ts",
    "started": "start_ts",
    "complete": "completion_ts",
    "completed": "completion_ts",
}
_FILTERS: dict[str, Filter] = {
    **{name: _among(name) for name in ("method", *_LISTS, *_IDS)},
    **{f"not_{name}": _among(name, wanted=False) for name in (*_LISTS, *_IDS)},
    **{f"{verb}Before": before(column) for verb, column in _MOMENTS.items()},
    **{f"{verb}After": after(column) for verb, column in _MOMENTS.items()},
}


def _candidates(call: MethodCall, opts: dict[str, Any]) -> list[Row]:
    """Return the tasks to check: indexes spare a full scan where parents or a method are given."""
    parents = opts.get("parent")
    if parents is None:
        equal = {"method": opts["method"]} if isinstance(opts.get("method"), str) else {}
        return call.state.rows("task", **equal)
    wanted = parents if isinstance(parents, list) else [parents]
    return [row for parent in wanted for row in call.hub.task_children(parent)]


@hub_method("listTasks")
def list_tasks(call: MethodCall, opts: Any = None, queryOpts: Any = None) -> Any:
    """Return tasks, their requests and results decoded."""
    opts = opts or {}
    # None is a value of an id.
    nulls = {name: [None] for name in opts if name.endswith(_IDS) and opts[name] is None}
    rows: Any = select(call.state, "task", _FILTERS, {**opts, **nulls}, _candidates(call, opts))
    if queryOpts and not isinstance(queryOpts, dict):
        raise no_attribute(queryOpts, "get")
    options = {**(queryOpts or {}), "asList": False}
    # Callers ask for one page of many tasks: structs are made for that page only, unless the order
    # needs them all.
    if str(options.get("order") or "id").lstrip("-") == "id":
        rows = apply_query_options(rows, options)
        options = {}
        if isinstance(rows, int):
            return rows
    listed = [_listed(call.state, row) for row in rows]
    page = apply_query_options(listed, options, "listTasks")
    if isinstance(page, int):
        return page
    for struct in page:
        _add_request(call.state, struct, bool(opts.get("decode")))
    if (queryOpts or {}).get("asList"):
        return [[struct[key] for key in sorted(struct)] for struct in page]
    return page


def _listed(state: HubState, row: Row) -> dict[str, Any]:
    owner = state.get("users", row["owner"]) or {}
    names = {"owner_name": owner.get("name"), "owner_type": owner.get("usertype")}
    return {**task_struct(row), **names}


def _add_request(state: HubState, struct: dict[str, Any], decode: bool) -> None:
    row = state.row("task", struct["id"])
    if decode:
        struct["request"] = row["request"]
        struct["result"] = _decoded_result(row)
    else:
        struct["request"] = marshal.stored_request(row["method"], row["request"])
        struct["result"] = _stored_result(row)
