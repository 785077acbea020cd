"""Lets no change or buildset into the database that another master stores by now.

A check of the claim before a write can't see that the master is frozen within the write: a process
that wakes up commits what it had begun. This check is the last statement of the transaction.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy
from buildbot.db.changesources import ChangeSourceAlreadyClaimedError
from buildbot.db.schedulers import SchedulerAlreadyClaimedError

from buildbot_koji.properties import CHANGE_SOURCE

__all__ = ["fence_scheduler", "fence_source"]

Check = Callable[[sqlalchemy.Connection], None]

INSERTS = {
    "INSERT INTO change_properties": CHANGE_SOURCE,
    "INSERT INTO buildset_properties": "scheduler",
}
"""The property that says, in a statement, who stores a change or a buildset."""

_fences: WeakKeyDictionary[Any, dict[tuple[str, str], Check]] = WeakKeyDictionary()


def fence_source(master: Any, name: str, object_id: int, token: str) -> None:
    """Refuse a change of a source unless its claim's token is the stored one.

    Its transaction fails with ``ChangeSourceAlreadyClaimedError``.

    Args:
        master: the Buildbot master.
        name: the source's name.
        object_id: the object in Buildbot's table of states under which the token is stored.
        token: the token.
    """
    state = master.db.model.object_state.c

    def check(connection: sqlalchemy.Connection) -> None:
        """Compare the tokens, in a thread."""
        query = sqlalchemy.select(state.value_json)
        query = query.where(state.objectid == object_id, state.name == "claim")
        if connection.scalar(query) != json.dumps(token):
            raise ChangeSourceAlreadyClaimedError

    _install(master)[CHANGE_SOURCE, name] = check


def fence_scheduler(master: Any, name: str, scheduler_id: int) -> None:
    """Refuse a buildset of a scheduler unless this master has the scheduler.

    Its transaction fails with ``SchedulerAlreadyClaimedError``.

    Args:
        master: the Buildbot master.
        name: the scheduler's name.
        scheduler_id: its id.
    """
    claims, mine = master.db.model.scheduler_masters.c, master.masterid

    def check(connection: sqlalchemy.Connection) -> None:
        """Look who has it, in a thread."""
        query = sqlalchemy.select(claims.masterid).where(claims.schedulerid == scheduler_id)
        if connection.scalar(query) != mine:
            raise SchedulerAlreadyClaimedError

    _install(master)["scheduler", name] = check


def _install(master: Any) -> dict[tuple[str, str], Check]:
    engine = master.db.pool.engine
    if engine not in _fences:
        fences: dict[tuple[str, str], Check] = {}
        _fences[engine] = fences
        _listen(engine, fences)
    return _fences[engine]


def _listen(engine: Any, fences: dict[tuple[str, str], Check]) -> None:
    # A transaction runs in one thread.
    pending = threading.local()

    def executes(_: Any, *statement: Any) -> None:
        _cursor, text, _parameters, context, _many = statement
        if context is None or not context.isinsert:
            return
        told = next((key for start, key in INSERTS.items() if text.startswith(start)), None)
        if told is None:
            return
        for row in context.compiled_parameters:
            if row.get("property_name") == told:
                [who, _] = json.loads(row["property_value"])
                if (told, who) in fences:
                    pending.check = fences[told, who]

    def commits(connection: Any) -> None:
        check, pending.check = getattr(pending, "check", None), None
        if check is not None:
            check(connection)

    def rolls_back(_: Any) -> None:
        pending.check = None

    sqlalchemy.event.listen(engine, "before_cursor_execute", executes)
    sqlalchemy.event.listen(engine, "commit", commits)
    sqlalchemy.event.listen(engine, "rollback", rolls_back)
