"""Following a hub without a master: each event once, over restarts and outages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.txkoji.history.test_poller import MaintenancePage, Site
from txkoji import Interest
from txkoji.exceptions import GenericError

TAGGED = Interest(frozenset({"tagged", "untagged"}), tags=("demo-candidate",))


class Program:
    """A program that follows a hub, and stores how far it has come after each event."""

    def __init__(self, site: Site, stored: str = "null", stop_after: int | None = None) -> None:
        self.stored = stored
        self.seen: list[str] = []
        state = json.loads(stored)
        self.follower = site.koji.follow(TAGGED, state=state, interval=30)
        self.running = Deferred.fromCoroutine(self._run(stop_after))

    async def _run(self, stop_after: int | None) -> None:
        async for event in self.follower:
            assert event.build is not None
            self.seen.append(f"{event.name} {event.build.nvr}")
            self.stored = json.dumps(self.follower.state)
            if stop_after is not None and len(self.seen) >= stop_after:
                return


def test_each_event_once_over_restarts() -> None:
    """A program that is ended after any event resumes with the next one."""
    site = Site()
    first = Program(site, stop_after=1)
    site.pass_time(2)
    builds = [site.build(str(number)) for number in range(3)]
    for build in builds:
        site.pass_time(1)
        site.tag(build)
    site.pass_time(60)
    assert first.seen == ["tagged hello-1.0-0"]
    second = Program(site, first.stored)
    site.pass_time(40)
    site.hub.call("untagBuildBypass", "demo-candidate", builds[1])
    site.pass_time(1500)
    assert second.seen == ["tagged hello-1.0-1", "tagged hello-1.0-2", "untagged hello-1.0-1"]
    # What is settled is forgotten: the state stays small.
    for number in (3, 4):
        site.tag(site.build(str(number)))
        site.pass_time(700)
    assert second.follower.state is not None
    assert len(second.follower.state["known"]) == 2


def test_an_outage_makes_it_late() -> None:
    """While the front end answers for the hub, nothing ends; afterwards nothing is missing."""
    site = Site()
    program = Program(site)
    site.pass_time(2)
    served = site.agent._serverFactory
    served.resource, hub = MaintenancePage(), served.resource
    site.tag(site.build("1"))
    site.pass_time(120)
    assert program.seen == []
    served.resource = hub
    site.pass_time(400)
    assert program.seen == ["tagged hello-1.0-1"]


def collected(site: Site, start: Callable[[], Any]) -> list[Any]:
    """Return all that an asynchronous iterator gives."""

    async def collect() -> list[Any]:
        return [each async for each in start()]

    return list(site.wait(Deferred.fromCoroutine(collect())))


def test_tagged_since() -> None:
    """What was tagged and untagged after an event, oldest first; not the event itself."""
    site = Site()
    builds = [site.build(str(number)) for number in range(3)]
    site.tag(builds[0])
    site.pass_time(1)
    event = site.hub.call("getLastEvent")["id"]
    site.tag(builds[1])
    site.pass_time(1)
    site.hub.call("untagBuildBypass", "demo-candidate", builds[0])
    found = collected(site, lambda: site.koji.tagged_since("demo-candidate", event))
    assert [(each.action, each.build.nvr) for each in found] == [
        ("tag", "hello-1.0-1"),
        ("untag", "hello-1.0-0"),
    ]


def test_no_such_tag() -> None:
    """A tag that is not there is the hub's fault, not an empty list."""
    site = Site()
    with pytest.raises(GenericError, match="nope"):
        collected(site, lambda: site.koji.tagged_since("nope", 1))
