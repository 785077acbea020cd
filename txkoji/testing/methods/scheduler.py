"""What the scheduler of a hub says about its runs."""

from __future__ import annotations

from typing import Any

from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.hosts import host_struct
from txkoji.testing.methods.table import declare_all, hub_method
from txkoji.testing.tables.lookups.values import hub_error
from txkoji.testing.tables.queries import View
from txkoji.testing.tables.state import pick

_RUNS = View(
    "id task_id host_id active create_ts",
    "method host_name state start_ts completion_ts",
    "id task_id method host_id host_name state active create_ts start_ts completion_ts",
)
_LOGS = View(
    "id task_id host_id msg_ts msg", "host_name", "id task_id host_id host_name msg_ts msg"
)
_REFUSALS = View(
    "id task_id host_id by_host soft msg ts",
    "host_name",
    "id task_id host_id host_name by_host soft msg ts",
)


def _runs(call: MethodCall) -> list[dict[str, Any]]:
    """Return the runs of tasks; this hub knows only the last one of each."""
    runs = []
    for task in call.state.rows("task"):
        host = call.state.get("host", task["host_id"])
        if host is not None:
            run = pick(task, "id method host_id state create_ts start_ts completion_ts")
            more = {"host_name": host["name"], "active": task["completion_ts"] is None}
            runs.append({**run, **more, "task_id": task["id"]})
    return runs


def _log(call: MethodCall) -> list[dict[str, Any]]:
    return [{**run, "msg_ts": run["create_ts"], "msg": "Assigning task"} for run in _runs(call)]


_BY = "(clauses=None, fields=None"
_METHODS = {
    f"scheduler.getTaskRuns{_BY}, opts=None) -> which builders had which tasks": _RUNS.of(_runs),
    f"scheduler.getLogMessages{_BY}, opts=None) -> the scheduler's log": _LOGS.of(_log),
    f"scheduler.getTaskRefusals{_BY}) -> who refused tasks, and why": _REFUSALS.of(lambda _: []),
}
declare_all(_METHODS)


@hub_method("scheduler.getHostData")
def get_host_data(call: MethodCall, hostID: Any = None) -> list[dict[str, Any]]:
    """Return the data that builders reported to the scheduler."""
    if hostID is not None and type(hostID) is not int:
        raise hub_error("invalid input syntax for type integer")
    rows = call.state.rows("host") if hostID is None else call.state.rows("host", id=hostID)
    return [{"host_id": host_struct(call, row)["id"], "data": {}} for row in rows]
