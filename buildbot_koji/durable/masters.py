"""The masters that share a database: which of them are dead, and which one acts for those."""

from __future__ import annotations

from typing import Any

from buildbot.data import masters
from buildbot.util import datetime2epoch
from buildbot.util.twisted import async_to_deferred


@async_to_deferred
async def gone_masters(master: Any) -> set[int]:
    """Return the ids of the masters that Buildbot has declared dead.

    A master that was stopped, or was killed and started again, is not dead: it resumes its work.
    """
    # After so long without a heartbeat Buildbot closes the builds of a master.
    long_ago = master.reactor.seconds() - 60 * masters.EXPIRE_MINUTES
    return {
        each["masterid"]
        for each in await master.data.get(("masters",))
        if not each["active"]
        and each["masterid"] != master.masterid
        and (each["last_active"] is None or datetime2epoch(each["last_active"]) < long_ago)
    }


@async_to_deferred
async def acts_for_gone_masters(master: Any) -> bool:
    """Return whether this master acts for the dead ones: the live one with the lowest id does."""
    living = [each["masterid"] for each in await master.data.get(("masters",)) if each["active"]]
    return bool(master.masterid == min([master.masterid, *living]))
