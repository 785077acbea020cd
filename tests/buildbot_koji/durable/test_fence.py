"""The claims of sources and schedulers, checked within Buildbot's own transactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import sqlalchemy
from buildbot.db.changesources import ChangeSourceAlreadyClaimedError
from buildbot.db.schedulers import SchedulerAlreadyClaimedError

from buildbot_koji.durable.fence import fence_scheduler, fence_source
from buildbot_koji.properties import CHANGE_SOURCE
from tests.buildbot_koji.inprocess import Master
from tests.support import PROCESS_LIMIT, postgres
from tests.support.ends import AtEnd


@pytest_twisted.async_fixture
async def master(tmp_path: Path, at_end: AtEnd) -> Any:
    """Yield a Buildbot master."""
    running = Master(tmp_path)
    at_end(running.stop)
    await running.start()
    return running.master


async def make_fence(master: Any, token: str) -> int:
    """Fence the source "koji" by a token, and return the object that the token is stored with."""
    object_id = int(await master.db.state.getObjectId("koji", "Test"))
    await master.db.state.setState(object_id, "claim", token)
    fence_source(master, "koji", object_id=object_id, key="claim", token=token)
    return object_id


async def add_change(master: Any, **properties: Any) -> None:
    """Store a change with properties."""
    given = {name: (value, "Change") for name, value in properties.items()}
    await master.db.changes.addChange(author="user", comments="", properties=given)


async def changes(master: Any) -> int:
    """Count the changes in the database."""
    return len(await master.db.changes.getChanges())


@pytest_twisted.ensureDeferred
async def test_change_of_a_lost_source(master: Any) -> None:
    """It is rolled back; what others store is not looked at."""
    object_id = await make_fence(master, "mine")
    await add_change(master, **{CHANGE_SOURCE: "koji"})
    await master.db.state.setState(object_id, "claim", "another's")
    with pytest.raises(ChangeSourceAlreadyClaimedError):
        await add_change(master, **{CHANGE_SOURCE: "koji"})
    # The next transaction on the same connection commits nothing of it.
    await master.db.state.setState(object_id, "another", 1)
    assert await changes(master) == 1
    for other in ("another", ["koji"], None):
        await add_change(master, **{CHANGE_SOURCE: other})
    await add_change(master, reason="koji")
    assert await changes(master) == 5
    # A source that is reconfigured takes the claim again.
    await make_fence(master, "mine again")
    await add_change(master, **{CHANGE_SOURCE: "koji"})
    assert await changes(master) == 6


@pytest_twisted.ensureDeferred
async def test_buildset_of_a_lost_scheduler(master: Any) -> None:
    """It is rolled back, with its build requests."""
    schedulers = master.db.schedulers
    scheduler = await schedulers.findSchedulerId("all")
    await schedulers.setSchedulerMaster(scheduler, master.masterid)
    fence_scheduler(master, "all", scheduler)
    builder = await master.data.get(("builders", "test"))
    buildset = {
        "sourcestamps": [{"codebase": "", "repository": "", "project": ""}],
        "builderids": [builder["builderid"]],
        "properties": {"scheduler": ("all", "Scheduler")},
        "waited_for": False,
    }
    await master.data.updates.addBuildset(**buildset)
    await schedulers.setSchedulerMaster(scheduler, None)
    for _ in range(3):
        with pytest.raises(SchedulerAlreadyClaimedError):
            await master.data.updates.addBuildset(**buildset)
        # The next transaction on the same connection commits nothing of it.
        await make_fence(master, "mine")
    assert len(await master.db.buildrequests.getBuildRequests()) == 1
    assert len(await master.db.buildsets.getBuildsets()) == 1


@pytest.mark.limit(PROCESS_LIMIT)
@pytest.mark.parametrize("server", [pytest.param(postgres.PostgreSQL, marks=postgres.marks)])
@pytest_twisted.ensureDeferred
async def test_claim_taken_within_a_commit(
    tmp_path: Path, server: type[postgres.PostgreSQL], request: Any, logged_failures: list[Any]
) -> None:
    """A checked claim holds until the commit, or until the database disconnects a frozen master.

    PostgreSQL does that with the setting that the how-to of several masters advises.
    """
    database = server()
    request.addfinalizer(database.stop)
    database.start()
    running = Master(tmp_path, database=database.url)
    await running.start()
    try:
        master = running.master
        await make_fence(master, "mine")
        engine, refusals = master.db.pool.engine, []
        state = master.db.model.object_state
        take = state.update().where(state.c.name == "claim").values(value_json='"another\'s"')

        def take_it(_: Any) -> None:
            with engine.connect() as other:
                other.exec_driver_sql("SET lock_timeout = 100")
                try:
                    other.execute(take)
                except sqlalchemy.exc.OperationalError as error:
                    refusals.append(error)

        await add_change(master, **{CHANGE_SOURCE: "koji"})
        sqlalchemy.event.listen(engine, "commit", take_it)
        await add_change(master, **{CHANGE_SOURCE: "koji"})
        sqlalchemy.event.remove(engine, "commit", take_it)
        assert refusals

        def freeze(mine: Any) -> None:
            """Stay in the transaction while a peer waits for the claim, and takes it."""
            mine.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 300")
            with engine.connect() as other:
                other.exec_driver_sql("SET lock_timeout = '15s'")
                other.execute(take)
                other.commit()

        sqlalchemy.event.listen(engine, "commit", freeze, once=True)
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="connection"):
            await add_change(master, **{CHANGE_SOURCE: "koji"})
        logged_failures.clear()
        # It wakes up, connects again, and learns that it has lost the source.
        with pytest.raises(ChangeSourceAlreadyClaimedError):
            await add_change(master, **{CHANGE_SOURCE: "koji"})
        assert await changes(master) == 2
    finally:
        await running.stop()
