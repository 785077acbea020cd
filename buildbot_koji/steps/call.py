"""Steps that call any hub method, and that cancel tasks and builds."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from buildbot.process import results

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, required
from buildbot_koji.database_values import MAX_VALUE
from buildbot_koji.durable.once import CheckClaim, OnceAction, Unsearchable
from buildbot_koji.error_messages import explain
from buildbot_koji.hubs.builds import named_build
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.write_step import KojiWriteStep
from txkoji import Call, Kind, build_states, is_refusal, task_states
from txkoji.exceptions import GenericError, HubFault

LOG_LIMIT = 1_000_000
"""Characters of a result that are shown."""


OF_SESSIONS = frozenset(
    [
        "exclusiveSession",
        "login",
        "logout",
        "logoutChild",
        "sharedSession",
        "sslLogin",
        "subsession",
    ]
)
"""Methods that would change the session that all plugins share."""

TYPES_OF_CALLS = (bytes, datetime)
"""What a call takes besides JSON values: it is not stored."""


def _method(value: Any) -> str | None:
    return checks.text(value) or (
        "changes the session, which all plugins share" if value in OF_SESSIONS else None
    )


def _positional(value: Any) -> str | None:
    good = isinstance(value, (list, tuple))
    return checks.unsendable(value, *TYPES_OF_CALLS) if good else "must be a list"


def _named(value: Any) -> str | None:
    good = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    words = "must be a dictionary whose keys are strings"
    return checks.unsendable(value, *TYPES_OF_CALLS) if good else words


class KojiCall(KojiWriteStep):
    """Calls a method of the hub, and stores its result in a property and a log.

    A later attempt of the build request repeats a call that only reads. If it can't determine
    whether a call that changes something arrived, it fails and says so, unless ``repeatable`` is
    set.
    """

    name = "koji call"

    @property
    def logs_in(self) -> bool:
        """Whether the method may be one that changes something."""
        return bool(self.login or Call(str(self.method)).kind is not Kind.READ)

    method = required(_method, "the method, such as ``getBuildTarget``")
    args = argument(_positional, "the positional arguments of the method", default=())
    kwargs = argument(_named, "the named arguments of the method", default={})
    property = argument(
        checks.stored_name, "the property to store the result in", default="koji_call_result"
    )
    login = argument(
        checks.flag, "log in first; by default for all methods except those known to only read"
    )
    repeatable = flag("the call may be made twice, though it changes something")

    async def change(self) -> int:
        """Make the call."""
        self.say(f"calling {self.method}")
        kind = Call(self.method).kind
        if self.login or (self.login is None and kind is not Kind.READ):
            await self.hub.log_in()
        if kind is Kind.WRITE:
            if not self.repeatable:
                # It can't be searched for, so no front end's error page may leave it in doubt.
                await self.connection.getAPIVersion()
            action = OnceAction(self._write, self._search)
            result = (await self.once("call", action))[0]
        else:
            result = await self._call(
                lambda call: self.connection.call(call.method, *call.args, **call.kwargs)
            )
        text = json.dumps(result, indent=2, sort_keys=True, default=str)
        await self.addCompleteLog("result", text[:LOG_LIMIT] + "\n")
        if len(text) > MAX_VALUE:
            return self.fail(
                f"the result has {len(text):,} characters, too many for a property: it is in the"
                " log; ask for less"
            )
        self.setProperty(self.property, json.loads(text), SOURCE)
        self.say(f"called {self.method}")
        return results.SUCCESS

    async def _call(self, call: Callable[[Call], Awaitable[Any]]) -> Any:
        try:
            return await call(Call(self.method, self.args, self.kwargs))
        except HubFault as fault:
            if fault.unknown_method is None:
                raise
            known = await self.connection.checked("system.listMethods")
            meant = checks.did_you_mean_any(self.method, known)
            if not meant:
                raise
            raise GenericError(f"the hub has no {self.method}{meant}") from fault

    async def _write(self, check_claim: CheckClaim) -> list[Any]:
        result = await self._call(lambda call: self.hub.write(call, check_claim))
        # The result may be None, but a stored result may not.
        return [json.loads(json.dumps(result, default=str))]

    async def _search(self) -> None:
        if not self.repeatable:
            raise Unsearchable(
                f"it is unknown whether an earlier {self.method} arrived at the hub: check the hub,"
                " then rebuild, or set repeatable"
            )


class KojiCancel(KojiWriteStep):
    """Cancels tasks and builds. Those that have ended already are ignored."""

    name = "koji cancel"

    tasks = argument(checks.ids, "the ids of tasks, a list or one", required_unless=("builds",))
    builds = argument(checks.builds, "the NVRs of builds, a list or one string")
    justone = flag("don't cancel the descendants of a task", excludes=("full",))
    full = flag("cancel in full; requires the permission ``admin``")
    force = flag("also cancel tasks that have a parent", requires=("full",))

    async def change(self) -> int:
        """Cancel all of them, also after the hub refused one."""
        await self.hub.log_in()
        canceled: list[str] = []
        ended: list[str] = []
        refused = []
        canceling = [
            *(partial(self._cancel_task, each) for each in checks.words(self.tasks)),
            *(partial(self._cancel_build, each) for each in checks.words(self.builds)),
        ]
        for cancel in canceling:
            try:
                what, state = await cancel()
            except HubFault as fault:
                if not is_refusal(fault):
                    raise
                refused.append(explain(fault))
            else:
                (ended if state else canceled).append(f"{what}{state}")
        if refused:
            return self.fail("; ".join(refused))
        words = f"canceled {', '.join(canceled)}" if canceled else ""
        self.say("; ".join(filter(None, [words, *ended])))
        return results.SUCCESS

    async def _cancel_task(self, task_id: int) -> tuple[str, str]:
        """Cancel a task; returns its name, and its state if it had ended already."""
        # cancelTask itself would fail with "query returned no rows".
        if await self.connection.checked("getTaskInfo", task_id) is None:
            raise GenericError(f"the hub has no task {task_id}")
        await self.hub.write(self._task_call(task_id), self.check_claim)
        # The hub does not say whether there was anything to cancel.
        state = (await self.connection.checked("getTaskInfo", task_id, strict=True)).state
        had_ended = state in (task_states.CLOSED, task_states.FAILED)
        words = f" is {task_states.to_str(state)} already" if had_ended else ""
        return f"task {task_id}", words

    async def _cancel_build(self, name: int | str) -> tuple[str, str]:
        """Cancel a build; returns its name, and its state if it had ended already."""
        build = await named_build(self.connection, name)
        if await self.hub.write(Call.of("cancelBuild", build.id), self.check_claim):
            return str(name), ""
        build = await named_build(self.connection, build.id)
        return str(name), f" is {build_states.to_str(build.state)} already"

    def _task_call(self, task_id: int) -> Call:
        if self.full:
            return Call.of("cancelTaskFull", task_id, not self.force)
        return Call.of("cancelTask", task_id, not self.justone)
