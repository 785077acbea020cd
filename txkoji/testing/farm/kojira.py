"""The embedded hub's kojira: it has repos made that are asked for, or that are out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txkoji.testing.methods.history import TAG_TABLES, changes_of
from txkoji.testing.methods.repos import INIT, READY, REPO_PRIORITY
from txkoji.testing.methods.table import MethodCall
from txkoji.testing.methods.tasks import CLOSED, FINISHED, make_task
from txkoji.testing.tables import lookups
from txkoji.testing.tables.state import Row

if TYPE_CHECKING:
    from txkoji.testing.hub import FakeHub

MAX_TRIES = 4
NAME = "kojira"
ON_REQUEST = (1, 35)
"""The release since which tags are not regenerated of themselves, but for ``repo.auto``."""


class Kojira:
    """Makes ``newRepo`` tasks.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: FakeHub) -> None:
        self._hub = hub
        self._will_look = False
        for table in (*TAG_TABLES, "build_target_config"):
            hub.state.on_change(table, self._notice)

    def requested(self, request_id: int) -> None:
        """Have a repo made that is asked for."""
        state = self._hub.state
        request = state.get("repo_queue", request_id)
        assert request is not None
        with state.transaction():
            task_id = self._new_repo(request["tag_id"])
            state.update("repo_queue", request_id, task_id=task_id, tries=request["tries"] + 1)

    def ended(self, task: Row) -> None:
        """Try again for those who asked for a repo whose task did not go well, up to a limit."""
        if task["method"] != "newRepo" or task["state"] == CLOSED:
            return
        state = self._hub.state
        for request in state.rows("repo_queue", task_id=task["id"], active=True):
            if request["tries"] < MAX_TRIES:
                self.requested(request["id"])
                continue
            with state.transaction():
                now = self._hub.now()
                state.update("repo_queue", request["id"], active=False, update_ts=now)

    def _new_repo(self, tag_id: int) -> int:
        state = self._hub.state
        user = state.one("users", name=NAME) or self._hub.add_user(NAME)
        return make_task(
            MethodCall(self._hub, user),
            "newRepo",
            [lookups.tag_name(state, tag_id)],
            channel="createrepo",
            priority=REPO_PRIORITY,
        )

    def _notice(self) -> None:
        if not self._will_look and self._automatic():
            self._will_look = True
            self._hub.builder.later(0.02, self._look)

    def _automatic(self) -> set[int]:
        """Return the tags whose repos follow them."""
        state = self._hub.state
        if self._hub.release < ON_REQUEST:
            return {row["build_tag"] for row in state.active("build_target_config")}
        extras = state.active("tag_extra", None, key="repo.auto")
        return {row["tag_id"] for row in extras if row["value"]}

    def _look(self) -> None:
        self._will_look = False
        state = self._hub.state
        call = MethodCall(self._hub)
        being_made = {
            task["request"][0]
            for task in state.rows("task", method="newRepo")
            if task["state"] not in FINISHED
        }
        for tag_id in sorted(self._automatic()):
            order = {tag for tag, _ in lookups.tag_order(state, tag_id)}
            changed = max(changes_of(call, order), default=0)
            repos = state.rows("repo", tag_id=tag_id, dist=False)
            newest = max(
                (row["create_event"] for row in repos if row["state"] in (INIT, READY)), default=0
            )
            if newest < changed and lookups.tag_name(state, tag_id) not in being_made:
                with state.transaction():
                    self._new_repo(tag_id)
