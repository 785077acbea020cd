"""A step that starts a task of any method."""

from __future__ import annotations

from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.steps.framework.task_step import KojiTaskStep
from txkoji import TASK_METHODS, Call

__all__ = ["KojiTask"]


class KojiTask(KojiTaskStep):
    """Starts a task of any method, by its name, and follows it.

    With ``hub_method`` the hub's own method of that name starts it, which any user may: for what
    has no step, such as ``saveFailedTree``. Without, an admin makes the task, as ``koji make-task``
    does.
    """

    name = "koji make-task"

    method = argument(checks.text, "the method, such as ``newRepo``", required=True)
    args = argument(checks.listed, "its positional arguments", default=())
    kwargs = argument(checks.struct, "its named arguments", default={})
    hub_method = argument(
        checks.flag, "call the hub's method of that name, which makes the task", default=False
    )
    channel = argument(checks.text, "the channel of the task", option="channel")
    priority = argument(checks.integer, "the priority of the task, 20 is usual", option="priority")
    arch = argument(checks.text, "the architecture of the task", option="arch")

    def complaints(self) -> list[str]:
        """Return one line for each mistake, in a single argument or in how they go together."""
        found = super().complaints()
        if self.hub_method is True:
            found += [
                f"{name} goes among the method's own arguments, where it takes one"
                for name in self.hub_options()
            ]
            if isinstance(self.method, str) and self.method not in TASK_METHODS:
                found.append(
                    f"method={self.method!r} is none of the hub's methods that make a task:"
                    f" {', '.join(sorted(TASK_METHODS))}"
                )
        return found

    def hub_call(self) -> Call:
        """Return the call that makes the task."""
        if self.hub_method:
            return Call(self.method, tuple(self.args), dict(self.kwargs))
        arguments: list[Any] = list(self.args)
        if self.kwargs:
            # How Koji writes named arguments among positional ones.
            arguments.append({**self.kwargs, "__starstar": True})
        return Call("makeTask", (self.method, arguments), self.hub_options())
