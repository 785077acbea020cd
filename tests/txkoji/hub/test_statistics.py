"""What a connection counts of its requests, and that it is quiet about them."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import Clock

from tests.support.ends import AtEnd
from txkoji import Connection, Profile, RetryPolicy
from txkoji.exceptions import GenericError, TransportError
from txkoji.testing import FakeHub


@pytest.mark.parametrize("tls", [False, True])
@pytest_twisted.ensureDeferred
async def test_counts_and_quiet(
    tls: bool, tmp_path: Path, logged: list[str], at_end: AtEnd
) -> None:
    """Answers, faults and retries are counted; no line says that a connection comes or goes."""
    hub = FakeHub(reactor, tls=tls, anonymous_user=None)
    at_end(hub.stop)
    # They outlive the hub, as a real one's do.
    hub.use_certificates_in(tmp_path)
    await hub.start()
    serverca = str(hub.authority.certificate_path) if tls else None
    retry = RetryPolicy(first=0.01, ceiling=0.01)
    koji = Connection(Profile("t", hub.url, serverca=serverca), reactor=reactor, retry=retry)
    at_end(koji.close)
    counted = koji.statistics
    assert (counted.requests, counted.last_answer, counted.changed_at) == (0, None, None)
    assert await koji.call("hello")
    with pytest.raises(GenericError):
        await koji.call("getTag", "none", strict=True)
    assert (counted.requests, counted.answered, counted.retries) == (2, 2, 0)
    assert counted.latency is not None
    assert sum(counted.latencies) == 2
    assert counted.clock_ahead == 0
    hub.clock = Clock()
    hub.clock.advance(reactor.seconds() - 3600)
    assert await koji.call("hello")
    assert -3610 < counted.clock_ahead <= -3600
    reachable_at = counted.changed_at
    await hub.stop()
    koji.deadline = 1.0
    with pytest.raises(TransportError):
        await koji.call("hello")
    assert counted.answered == 3
    assert counted.requests == 3 + 1 + counted.retries
    assert counted.changed_at is not None
    assert reachable_at is not None
    assert counted.changed_at > reachable_at
    await koji.close()
    assert [line for line in logged if "factory" in line] == []
