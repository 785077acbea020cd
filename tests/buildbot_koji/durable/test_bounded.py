"""What a master stores does not grow with its age."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from buildbot.data.resultspec import ResultSpec
from twisted.internet.defer import succeed

from buildbot_koji.changes.storage import HeldChanges
from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.deliveries import Delivery, DeliveryState
from buildbot_koji.properties import EVENT_KEY
from buildbot_koji.reporters.queued import QueuedRequests
from tests.buildbot_koji.durable.states import States


class Rows:
    """A table of states."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    async def get(self, key: str, default: Any = None) -> Any:
        return self.rows.get(key, default)

    async def put(self, key: str, value: Any) -> None:
        self.rows[key] = value

    async def remove(self, key: str) -> None:
        self.rows.pop(key, None)


@pytest_twisted.ensureDeferred
async def test_held_changes_leave_no_rows() -> None:
    """A queue that never becomes empty has as many rows as it needs."""
    storage: Any = Rows()
    held = HeldChanges(storage, 1)
    await held.load()
    for number in range(50):
        await held.append([{"properties": {EVENT_KEY: str(number)}}])
        if number > 2:
            await held.drop_first()
    assert len(held) == 3
    assert len(storage.rows) == 1 + 3
    again = HeldChanges(storage, 1)
    await again.load()
    assert again.keys == {"47", "48", "49"}


@pytest_twisted.ensureDeferred
async def test_requests_that_nobody_reports_are_forgotten() -> None:
    """Only pending requests that still wait are remembered, and none is lost with the claim."""
    waiting: list[dict[str, Any]] = []

    def get(path: tuple[str], **wanted: Any) -> Any:
        rows = {"masters": [], "buildrequests": list(waiting)}[path[0]]
        return succeed(list(ResultSpec(**wanted).apply(rows)))

    data = SimpleNamespace(get=get)
    master = SimpleNamespace(masterid=1, data=data, db=States())

    asked: list[int] = []

    async def wanted(request: Mapping[str, Any]) -> None:
        asked.append(request["buildrequestid"])

    outbox: Any = SimpleNamespace(pending=list)
    queued = QueuedRequests(master, "reporter", wanted, lambda *_: outbox)
    await queued.scan()
    for number in range(1, 20):
        waiting[:] = [{"buildrequestid": number, "complete": False, "claimed": False}]
        await queued.scan()
    assert queued._taken == {19}
    waiting.append({"buildrequestid": 20, "complete": False, "claimed": False})
    await queued.scan()
    reported = Delivery(19, "queued", "queued", {}, 0.0, state=DeliveryState.DELIVERED)
    # Another master reports it; its successor is this master again.
    await queued.save(reported)
    with pytest.raises(ClaimLost):
        await queued.check(reported)
    await queued.scan()
    assert asked[-2:] == [20, 20]
