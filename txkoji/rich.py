"""Which hub methods return rich objects: one table for calls and multicalls."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from txkoji._rich_base import HubConnection, RichObject, make
from txkoji._values import identity, seconds, structs
from txkoji.build import Build
from txkoji.exceptions import GenericError, HubFault
from txkoji.hub.call import Call
from txkoji.package import Package
from txkoji.task import Channel, Task


def _one(kind: type[RichObject]) -> Callable[[Any, HubConnection], Any]:
    def convert_one(result: Any, connection: HubConnection) -> Any:
        if isinstance(result, dict):
            return make(kind, result, connection)
        if isinstance(result, list):
            return [convert_one(each, connection) for each in result]
        return result

    return convert_one


def _below(result: Any, connection: HubConnection) -> Any:
    """Return the tasks of a tree, which the hub lists by the ids of their parents, each once."""
    if not isinstance(result, dict):
        return result
    found = {
        task_id: task
        for tasks in result.values()
        for task in structs(tasks)
        if (task_id := identity(task.get("id"))) is not None
    }
    # A parent makes its children, so their ids are higher than its own.
    return [make(Task, found[task_id], connection) for task_id in sorted(found)]


def _seconds(result: Any, _connection: HubConnection) -> Any:
    number = seconds(result)
    return result if number is None else datetime.timedelta(seconds=number)


CONVERSIONS: dict[str, Callable[[Any, HubConnection], Any]] = {
    "getBuild": _one(Build),
    "listBuilds": _one(Build),
    "listTagged": _one(Build),
    "getLatestBuilds": _one(Build),
    "getTaskInfo": _one(Task),
    "listTasks": _one(Task),
    "getTaskDescendents": _below,
    "getTaskChildren": _one(Task),
    "getPackage": _one(Package),
    "getPackageConfig": _one(Package),
    "listPackages": _one(Package),
    "listPackagesSimple": _one(Package),
    "getChannel": _one(Channel),
    "listChannels": _one(Channel),
    "getAverageBuildDuration": _seconds,
}
"""What makes a method's result rich. None stays None; a list is converted item by item."""

_FIRST_ARGUMENTS = {
    "getBuild": "build_id",
    "getChannel": "channel_id",
    "getPackage": "name",
    "listBuilds": "package",
}
"""Keywords that programs use for the first argument of a method, besides the hub's own."""

_ASK_FOR_REQUEST = frozenset({"getTaskInfo", "getTaskChildren", "getTaskDescendents"})


def prepare(call: Call) -> Call:
    """Return a call as it is sent: tasks are always asked for with their requests."""
    args, kwargs = tuple(call.args), dict(call.kwargs)
    alias = _FIRST_ARGUMENTS.get(call.method)
    if alias in kwargs and not args:
        return Call(call.method, (kwargs.pop(alias),), kwargs)
    if call.method in _ASK_FOR_REQUEST:
        if len(args) > 1:
            args = (args[0], True, *args[2:])
        else:
            kwargs["request"] = True
    elif call.method == "listTasks":
        if "opts" in kwargs:
            kwargs["opts"] = {**(kwargs["opts"] or {}), "decode": True}
        else:
            options = args[0] if args else None
            args = ({**(options or {}), "decode": True}, *args[1:])
    else:
        return call
    return Call(call.method, args, kwargs)


def convert(method: str, result: Any, connection: HubConnection) -> Any:
    """Return a method's result, rich if the table has the method."""
    conversion = CONVERSIONS.get(method)
    if conversion is None:
        return result
    if method == "listTasks" and not isinstance(result, list):
        return result
    return conversion(result, connection)


def is_empty_result(method: str, fault: HubFault) -> bool:
    """Return whether a fault means "no results": ``listBuilds`` of an unknown package.

    Hubs before 1.27 took only ids and refused a name with such a text.
    """
    return (
        method == "listBuilds"
        and type(fault) is GenericError
        and fault.text.startswith(("No such package", "No such entry in table package"))
    )
