"""Read the master's database, and wait while it is unreachable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import exc
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from buildbot_koji.error_messages import cause_of, was_cancelled
from txkoji import RetryPolicy, one_line
from txkoji.retry import until_answered

T = TypeVar("T")

LONGEST_ERROR = 300
"""Characters of a database's error that are logged: it may quote the statement."""

_log = Logger()

REFUSALS = (exc.DataError, exc.IntegrityError, exc.NotSupportedError, exc.ProgrammingError)
"""The errors of a database that refuses a value permanently."""

INSUFFICIENT_PRIVILEGE = "42501"
"""PostgreSQL's code of a refusal that is about the user: a host revokes INSERT over a quota."""


def is_database_unreachable(error: BaseException | None) -> bool:
    """Return whether an error of the database is transient."""
    error = cause_of(error)
    if isinstance(error, REFUSALS):
        return getattr(error.orig, "pgcode", None) == INSUFFICIENT_PRIVILEGE
    return isinstance(error, (exc.DBAPIError, exc.TimeoutError))


async def transact(master: Any, query: Callable[[sqlalchemy.Connection], T]) -> T:
    """Run a query of the master's database, in a thread and in a transaction.

    Args:
        master: the Buildbot master.
        query: called with a connection; returns anything but a result of SQLAlchemy's.

    Raises:
        Exception: what the query raises. Buildbot logs a traceback of what fails in its threads,
            also in an outage, which those who wait report in a line: it does not see this.
    """

    def run(connection: sqlalchemy.Connection) -> tuple[T, None] | tuple[None, Exception]:
        """Run it, in a thread; return its result, or why there is none."""
        try:
            with connection.begin():
                return query(connection), None
        except Exception as error:
            is_lost = isinstance(error, exc.OperationalError)
            if is_lost and master.db.pool.engine.should_retry(error):
                # MySQL closed an idle connection: Buildbot retries.
                raise
            return None, error

    result, error = await master.db.pool.do(run)
    if error is not None:
        raise error
    found: T = result
    return found


async def select(master: Any, query: sqlalchemy.Select[Any]) -> list[Any]:
    """Return the rows of a query of the master's database."""
    return await transact(master, lambda connection: list(connection.execute(query)))


async def replace_rows(
    master: Any, table: sqlalchemy.Table, *rows: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> None:
    """Write rows of the master's database, in place of those with their keys, in a transaction.

    Buildbot's own writes of states and of build data report success if the database refuses the
    row, for instance because PostgreSQL permits no INSERT: they take it for another master's row.

    Args:
        master: the Buildbot master.
        table: the table.
        rows: for each the values of the columns that are its unique key, and those of the others.
    """

    def write(connection: sqlalchemy.Connection) -> None:
        """Write them, in a thread."""
        for key, values in rows:
            where = [(table.c[column], value) for column, value in key.items()]
            update = [(table.c[column], value) for column, value in values.items()]
            master.db.upsert(connection, table, where_values=where, update_values=update)

    await transact(master, write)


def is_recent(model: Any, build_id: Any, most: int) -> Any:
    """Return the condition that a column has the id of one of the newest builds."""
    newest = sqlalchemy.func.max(model.builds.c.id)
    return build_id > sqlalchemy.select(newest - most).scalar_subquery()


class DatabaseOutage:
    """Logs, once until it answers, that the master's database is unreachable.

    Attributes:
        is_logged: whether it has, since the last answer.
    """

    def __init__(self) -> None:
        self.is_logged = False

    def failed(self, who: str, error: BaseException | None) -> None:
        """Log an outage."""
        if not self.is_logged:
            self.is_logged = True
            _log.warn(
                "{who}: the master's database is unreachable: {error}; retrying",
                who=who,
                error=one_line(cause_of(error), LONGEST_ERROR),
            )

    def answered(self) -> None:
        """Note that the database answers."""
        self.is_logged = False


async def until_stored(
    write: Callable[[], Awaitable[T]], clock: Any, policy: RetryPolicy, name: str
) -> T:
    """Write to the master's database, and retry while it is unreachable.

    Args:
        write: the write, which may happen twice.
        clock: an IReactorTime.
        policy: how long to pause after each failure.
        name: who writes, for the log.
    """
    outage = DatabaseOutage()

    def ends(error: Exception) -> bool:
        """Return whether to raise an error."""
        if was_cancelled(error):
            raise CancelledError from None
        return not is_database_unreachable(error)

    result = await until_answered(write, clock, policy, partial(outage.failed, name), ends=ends)
    if outage.is_logged:
        _log.info("{name}: the master's database answers again", name=name)
    return result
