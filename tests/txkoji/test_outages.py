"""A hub that is offline for ten minutes, on a clock that the tests advance."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.support import HubInMemory
from txkoji.exceptions import ServerOffline

OUTAGE = 600
SOURCE = "git+https://git.example.test/rpms/hello.git#1"


def ends(deferred: Deferred[Any]) -> list[Any]:
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found


@pytest.mark.parametrize("method", ["getTag", "listTagged", "build"])
def test_long_outage(method: str) -> None:
    """Reads and writes that may wait for it succeed when the hub is back, each done once."""
    site = HubInMemory(deadline=2 * OUTAGE)
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
    site = HubInMemory(deadline=60)
    site.hub.offline("moving to another rack")
    arguments = [SOURCE, "demo"] if method == "build" else ["demo-candidate"]
    found = ends(site.koji.call(method, *arguments))
    site.pass_time(61)
    [failure] = found
    failure.trap(ServerOffline)
    assert "moving to another rack" in str(failure.value)
    assert site.hub.calls[method] == 0
    assert site.clock.getDelayedCalls() == []


@pytest.mark.parametrize("reason", ["moving to another rack", "{url} moves"])
def test_an_outage_is_logged_once(reason: str, logged: list[str]) -> None:
    """The log says once that the hub does not answer, and why, and once that it does again."""
    site = HubInMemory(deadline=2 * OUTAGE)
    words = reason.format(url=site.koji.url)
    site.hub.offline(words)
    found = [ends(site.koji.call("getTag", "demo-candidate")) for _ in range(3)]
    site.pass_time(OUTAGE)
    assert site.koji.trouble_since is not None
    site.hub.online()
    site.pass_time(61)
    assert all(found)
    assert site.koji.trouble_since is None
    began, ended = [line for line in logged if site.koji.url in line]
    assert "does not answer: " in began
    assert words in began
    assert began.count(site.koji.url) == 1
    assert re.search(r"answers again, after 6\d\d s$", ended)
