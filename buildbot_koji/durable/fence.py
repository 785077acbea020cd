"""Refuses a change or a buildset whose source or scheduler another master has taken over.

Checking a claim before the write isn't enough: a master that is frozen within the write commits it
when it wakes up. This check is the last statement of the transaction, and it locks what it reads:
nobody can take the claim before the commit.

Nothing in Buildbot runs just before a commit, so this listens to the engine's events. That costs
each statement a look at its table; only a transaction that stores a change or a buildset pays more.
``tests/buildbot_koji/durable/test_fence.py`` fails when Buildbot stores them in another way.
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

Check = Callable[[sqlalchemy.Connection], None]
"""Raises if the claim is lost; called in a thread of the database pool."""

OWNERS = {"change_properties": CHANGE_SOURCE, "buildset_properties": "scheduler"}
"""The property that names a change's source and a buildset's scheduler, by the table it is in."""

_checks: WeakKeyDictionary[sqlalchemy.Engine, dict[tuple[str, str], Check]] = WeakKeyDictionary()
"""For each engine, the check of each source and scheduler, by the property and the name."""


def fence_source(master: Any, name: str, *, object_id: int, key: str, token: str) -> None:
    """Refuse a change of a source unless its claim's token is the stored one.

    Its transaction fails with ``ChangeSourceAlreadyClaimedError``.

    Args:
        master: the Buildbot master.
        name: the source's name.
        object_id: the object in Buildbot's table of states that the token is stored with.
        key: the token's key there.
        token: the token of this master.
    """
    state = master.db.model.object_state.c
    stored = sqlalchemy.select(state.value_json).with_for_update(read=True)
    stored = stored.where(state.objectid == object_id, state.name == key)

    def check(connection: sqlalchemy.Connection) -> None:
        if connection.scalar(stored) != json.dumps(token):
            raise ChangeSourceAlreadyClaimedError

    _checks_of(master)[CHANGE_SOURCE, name] = check


def fence_scheduler(master: Any, name: str, scheduler_id: int) -> None:
    """Refuse a buildset of a scheduler unless this master has the scheduler.

    Its transaction fails with ``SchedulerAlreadyClaimedError``.
    """
    claims, mine = master.db.model.scheduler_masters.c, master.masterid
    owner = sqlalchemy.select(claims.masterid).with_for_update(read=True)
    owner = owner.where(claims.schedulerid == scheduler_id)

    def check(connection: sqlalchemy.Connection) -> None:
        if connection.scalar(owner) != mine:
            raise SchedulerAlreadyClaimedError

    _checks_of(master)["scheduler", name] = check


def _checks_of(master: Any) -> dict[tuple[str, str], Check]:
    engine = master.db.pool.engine
    if engine not in _checks:
        _checks[engine] = {}
        _listen(engine, _checks[engine])
    return _checks[engine]


class _Transaction(threading.local):
    """The check of the transaction that a thread is in."""

    check: Check | None = None


def _listen(engine: sqlalchemy.Engine, checks: dict[tuple[str, str], Check]) -> None:
    transaction = _Transaction()

    def begins(_: Any) -> None:
        transaction.check = None

    def executes(_: Any, *arguments: Any) -> None:
        _cursor, _text, _parameters, context, _many = arguments
        if context is None or not context.isinsert:
            return
        owner = OWNERS.get(context.compiled.statement.table.name)
        if owner is None:
            return
        for row in context.compiled_parameters:
            if row.get("property_name") == owner:
                name = json.loads(row["property_value"])[0]
                transaction.check = checks.get((owner, str(name)))

    def commits(connection: sqlalchemy.Connection) -> None:
        if transaction.check is None:
            return
        try:
            transaction.check(connection)
        except BaseException:
            # To SQLAlchemy a commit that fails is over: the connection's next user would commit
            # what is refused here.
            if not connection.invalidated:
                connection.connection.rollback()
            raise

    sqlalchemy.event.listen(engine, "begin", begins)
    sqlalchemy.event.listen(engine, "before_cursor_execute", executes)
    sqlalchemy.event.listen(engine, "commit", commits)
