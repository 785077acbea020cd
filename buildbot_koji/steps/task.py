"""A step that submits a task of any method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option, required, wrong_value
from buildbot_koji.steps.framework.task_step import KojiTaskStep
from txkoji import TASK_METHODS, Call


class KojiTask(KojiTaskStep):
    """Starts a task of any method, and follows it.

    With ``hub_method`` it calls the hub's method of that name, as any user may: for tasks that have
    no step of their own, such as ``saveFailedTree``. Otherwise it makes the task as ``koji
    make-task`` does, which requires the permission ``admin``.
    """

    name = "koji make-task"

    method = required(checks.text, "the method, such as ``newRepo``")
    args = argument(checks.json_list, "the positional arguments of the task", default=())
    kwargs = argument(checks.json_struct, "the named arguments of the task", default={})
    hub_method = flag(
        "call the hub's method of that name, which makes the task. A channel, priority or"
        " architecture then belongs to its own arguments",
        excludes=("channel", "priority", "arch"),
    )
    channel = option(checks.name, "the channel of the task")
    priority = option(checks.integer, "the priority of the task; usual is 20")
    arch = option(checks.text, "the architecture of the task")

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong with the method."""
        method = values["method"]
        if values["hub_method"] is True and isinstance(method, str) and method not in TASK_METHODS:
            known = ", ".join(sorted(TASK_METHODS))
            complaint = f"is none of the hub's methods that make a task: {known}"
            yield wrong_value("method", method, complaint)

    def hub_call(self) -> Call:
        """Return the call that makes the task."""
        if self.hub_method:
            return Call(self.method, tuple(self.args), dict(self.kwargs))
        arguments: list[Any] = list(self.args)
        if self.kwargs:
            # Koji's encoding of named arguments.
            arguments.append({**self.kwargs, "__starstar": True})
        return Call("makeTask", (self.method, arguments), self.hub_options())
