"""A hub that is offline for ten minutes, on a clock that the tests advance."""

from __future__ import annotations

from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from txkoji import Connection, Profile
from txkoji.exceptions import ServerOffline
from txkoji.testing import FakeHub

OUTAGE = 600
SOURCE = "git+https://git.example.test/rpms/hello.git#1"


class Site:
    """A hub in memory, and a connection to it, on one clock."""

    def __init__(self, deadline: float) -> None:
        self.clock = Clock()
        self.clock.advance(1_795_454_160)
        self.hub = FakeHub(self.clock, anonymous_user="kojiadmin")
        self.hub.add_demo_content()
        self.agent = RequestTraversalAgent(self.hub.resource())
        self.koji = Connection(
            Profile(name="t", server="http://hub.test/kojihub"),
            reactor=self.clock,
            agent=self.agent,
            deadline=deadline,
        )

    def pass_time(self, seconds: int) -> None:
        """Let time go by, second by second."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.agent.flush()


def ends(deferred: Deferred[Any]) -> list[Any]:
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found


@pytest.mark.parametrize("method", ["getTag", "listTagged", "build"])
def test_long_outage(method: str) -> None:
    """Reads and writes that may wait for it succeed when the hub is back, each done once."""
    site = Site(deadline=2 * OUTAGE)
    site.hub.offline("moving to another rack")
    argument = SOURCE if method == "build" else "demo-candidate"
    arguments = [argument, "demo"] if method == "build" else [argument]
    found = ends(site.koji.call(method, *arguments))
    site.pass_time(OUTAGE)
    assert found == []
    requests = site.hub.requests
    site.hub.online()
    site.pass_time(61)
    assert len(found) == 1
    assert not isinstance(getattr(found[0], "value", None), Exception), found
    assert site.hub.calls[method] == 1
    # Each wait is longer than the last, up to a minute: an outage costs a hub next to nothing.
    assert 10 <= requests <= 25


@pytest.mark.parametrize("method", ["getTag", "build"])
def test_outage_longer_than_the_deadline(method: str) -> None:
    """What may not wait as long fails in time, with the hub's own words."""
    site = Site(deadline=60)
    site.hub.offline("moving to another rack")
    arguments = [SOURCE, "demo"] if method == "build" else ["demo-candidate"]
    found = ends(site.koji.call(method, *arguments))
    site.pass_time(61)
    [failure] = found
    failure.trap(ServerOffline)
    assert "moving to another rack" in str(failure.value)
    assert site.hub.calls[method] == 0
    assert site.clock.getDelayedCalls() == []
