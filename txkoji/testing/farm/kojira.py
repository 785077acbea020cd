"""The embedded hub's kojira: regenerates repos on request, or when they are out of date."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.core import HubCore
from txkoji.testing.farm.builder import Builder
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.history import TAG_TABLES, last_change
from txkoji.testing.methods.repos import ON_REQUEST, READY, REPO_PRIORITY
from txkoji.testing.methods.tasks import CLOSED, FINISHED, make_task
from txkoji.testing.methods.users import insert_user
from txkoji.testing.tables.lookups.tags import tag_name, tag_order
from txkoji.testing.tables.state import Row

MAX_TRIES = 4
NAME = "kojira"


class Kojira:
    """Makes ``newRepo`` tasks: for requests, and for tags that are regenerated automatically.

    Args:
        hub: the hub.
        builder: runs the tasks; it reports those that end.
    """

    def __init__(self, hub: HubCore, builder: Builder) -> None:
        self._hub = hub
        self._builder = builder
        self._check_planned = False
        builder.on_end = self._ended
        hub.state.on_change("repo_queue", self._serve)
        for table in (*TAG_TABLES, "build_target_config"):
            hub.state.on_change(table, self._notice)

    def resume(self) -> None:
        """Resume what a killed hub left unfinished."""
        self._serve()
        self._notice()

    def _serve(self) -> None:
        """Start a task for each request that has none."""
        for request in self._hub.state.rows("repo_queue", active=True, task_id=None):
            try:
                self._start(request)
            except GenericError:
                # The channel is disabled. The other requests need the same one.
                self._builder.later(0.1, self._serve)
                break

    def _start(self, request: Row) -> None:
        state = self._hub.state
        with state.transaction():
            task_id = self._new_repo(request["tag_id"], _named(request))
            tries = request["tries"] + 1
            state.update("repo_queue", request["id"], task_id=task_id, tries=tries)

    def _ended(self, task: Row) -> None:
        """Retry the requests of a ``newRepo`` task that did not close, up to a limit."""
        if task["method"] != "newRepo":
            return
        if task["state"] == CLOSED:
            # The tag may have changed while it ran.
            self._notice()
            return
        state = self._hub.state
        for request in state.rows("repo_queue", task_id=task["id"], active=True):
            more = request["tries"] < MAX_TRIES
            changes = {"task_id": None} if more else {"active": False, "update_ts": self._hub.now()}
            state.update("repo_queue", request["id"], **changes)

    def _new_repo(self, tag_id: int, *options: dict[str, Any]) -> int:
        state = self._hub.state
        user = state.one("users", name=NAME) or insert_user(state, NAME)
        return make_task(
            MethodCall(self._hub, user),
            "newRepo",
            [tag_name(state, tag_id), *filter(None, options)],
            channel="createrepo",
            priority=REPO_PRIORITY,
        )

    def _notice(self) -> None:
        if not self._check_planned and self._automatic():
            self._check_planned = True
            self._builder.later(0.02, self._check)

    def _automatic(self) -> set[int]:
        """Return the tags that are regenerated automatically."""
        state = self._hub.state
        if self._hub.release < ON_REQUEST:
            return {row["build_tag"] for row in state.active("build_target_config")}
        extras = state.active("tag_extra", key="repo.auto")
        return {row["tag_id"] for row in extras if row["value"]}

    def _check(self) -> None:
        self._check_planned = False
        state = self._hub.state
        call = MethodCall(self._hub)
        being_made = {
            task["request"][0]
            for task in state.rows("task", method="newRepo")
            if task["state"] not in FINISHED
        }
        for tag_id in sorted(self._automatic()):
            order = {tag for tag, _ in tag_order(state, tag_id)}
            changed = last_change(call, order) or 0
            repos = state.rows("repo", tag_id=tag_id, dist=False)
            newest = max((row["create_event"] for row in repos if row["state"] == READY), default=0)
            if newest < changed and tag_name(state, tag_id) not in being_made:
                with state.transaction():
                    self._new_repo(tag_id)


def _named(request: Row) -> dict[str, Any]:
    """Return the named arguments of a request's task, none for a repo of the defaults."""
    event = {} if request["at_event"] is None else {"event": request["at_event"]}
    named = {**event, **request["opts"]}
    return {**named, "__starstar": True} if named else {}
