"""What a master needs besides hubs: its database, its router to the other masters."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from buildbot_koji.error_messages import cause_of
from buildbot_koji.www.router_loss import ROUTER_LOST
from txkoji.elapsed import ElapsedTime

DATABASE_PATIENCE = 5.0
"""Seconds after which a database that does not answer counts as unreachable."""


def router_trouble(master: Any) -> str | None:
    """Return what is wrong with the connection to the other masters, None if nothing is."""
    if master.config.mq.get("type") != "wamp":
        return None
    session = master.wamp.service
    if session is None:
        return "the master has not joined its message router: restart it once that answers"
    if not session.is_attached():
        return ROUTER_LOST
    return None


async def database_trouble(master: Any) -> str | None:
    """Return what is wrong with the master's database, None if it answers."""
    asking: Deferred[Any] = master.data.get(("masters",))
    try:
        await ElapsedTime(master.reactor).limit(asking, DATABASE_PATIENCE)
    except CancelledError:
        raise
    except DeferredTimeout:
        return f"the master's database has not answered for {DATABASE_PATIENCE:.0f} s"
    except Exception as error:  # noqa: BLE001 - of whatever driver
        return database_words(error)
    return None


def database_words(error: BaseException | None) -> str:
    """Return that the master's database is unreachable.

    Args:
        error: its error, whose text is left out: it may name the database with its password.
    """
    return f"the master's database is unreachable: {type(cause_of(error)).__name__}"
