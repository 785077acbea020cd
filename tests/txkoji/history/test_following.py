"""Following a hub without a master: each event once, over restarts and outages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail

from tests.txkoji.history.test_poller import MaintenancePage, Site
from txkoji import Interest
from txkoji.exceptions import GenericError, UnusableAnswer
from txkoji.history.following import PORTION
from txkoji.history.paging import Listing
from txkoji.hub.paging import LongestPage

TAGGED = Interest(frozenset({"tagged", "untagged"}), tags=("demo-candidate",))


class Program:
    """A program that follows a hub, and stores how far it has come after each event."""

    def __init__(
        self,
        site: Site,
        stored: str = "null",
        stop_after: int | None = None,
        at_stop: Callable[[], None] = lambda: None,
        *,
        ends: bool = True,
    ) -> None:
        self.stored = stored
        self.seen: list[str] = []
        state = json.loads(stored)
        self.follower = site.koji.follow(TAGGED, state=state, interval=30)
        self.running = Deferred.fromCoroutine(self._run(stop_after, at_stop, ends))

    async def _run(self, stop_after: int | None, at_stop: Callable[[], None], ends: bool) -> None:
        async for event in self.follower:
            assert event.build is not None
            self.seen.append(f"{event.name} {event.build.nvr}")
            self.stored = json.dumps(self.follower.state)
            if len(self.seen) == stop_after:
                at_stop()
                if ends:
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


def test_a_canceled_program_ends() -> None:
    """It is canceled while a request waits for its answer."""
    site = Site()
    program = Program(site)
    failed: list[Any] = []
    program.running.addErrback(failed.append)
    program.running.cancel()
    site.tag(site.build("1"))
    site.pass_time(120)
    assert [failure.type for failure in failed] == [CancelledError]
    assert program.seen == []


def tag_many(site: Site, count: int) -> None:
    """Tag builds, without the hub's checks, which slow down with each build."""
    state = site.hub.state
    build = site.hub.call("createEmptyBuild", "hello", "2", "0", None)
    like = {name: each for name, each in state.row("build", build).items() if name != "id"}
    tag_id = site.hub.call("getTag", "demo-candidate")["id"]
    for number in range(count):
        with state.transaction():
            row = state.insert("build", {**like, "version": "3", "release": str(number)})
            state.insert_version("tag_listing", {"tag_id": tag_id, "build_id": row["id"]}, 1)


@pytest.mark.parametrize("meanwhile", ["outage", "end"])
def test_many_events(meanwhile: str) -> None:
    """Of many events in a round, a portion has its details at a time; each is given once.

    The hub becomes unreachable, or the program ends, in the middle of them.
    """
    site = Site()
    served = site.agent._serverFactory
    hub = served.resource
    asked: list[int] = []

    def look() -> None:
        asked.append(site.hub.calls["getBuild"])
        if meanwhile == "outage":
            served.resource = MaintenancePage()

    program = Program(site, stop_after=PORTION, at_stop=look, ends=meanwhile == "end")
    site.pass_time(2)
    tag_many(site, 3 * PORTION)
    site.pass_time(60)
    assert len(program.seen) == PORTION
    served.resource = hub
    later = program if meanwhile == "outage" else Program(site, program.stored)
    site.pass_time(150)
    seen = program.seen if later is program else program.seen + later.seen
    assert seen == [f"tagged hello-3-{number}" for number in range(3 * PORTION)]
    assert site.hub.calls["getBuild"] == 3 * asked[0]


def collected(site: Site, start: Callable[[], Any]) -> list[Any]:
    """Return all that an asynchronous iterator gives."""

    async def collect() -> list[Any]:
        return [each async for each in start()]

    return list(site.wait(Deferred.fromCoroutine(collect())))


async def anext_of(iterator: Any) -> Any:
    """Return what an asynchronous iterator gives next."""
    return await anext(iterator)


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
    for odd in (None, [], {"id": "x"}):
        site.hub.answer = lambda name, _, run, odd=odd: odd if name == "getLastEvent" else run()
        with pytest.raises(UnusableAnswer, match="the hub answered getLastEvent with"):
            collected(site, lambda: site.koji.tagged_since("demo-candidate", event))


def test_a_long_past_is_read_as_it_is_needed() -> None:
    """Of a year of changes in two tags, a few pages are held at a time; the order is the hub's."""
    site = Site("tagged", "untagged", tags=("demo-candidate", "demo-build"))
    start = site.hub.call("getLastEvent")["id"]
    builds = [site.build(str(number)) for number in range(60)]
    for number, build in enumerate(builds):
        site.tag(build)
        site.tag(build, "demo-build")
        # By force: this is no untagging.
        site.tag(builds[number // 2], force=True)
        if number % 3 == 0:
            site.hub.call("untagBuildBypass", "demo-build", build)
        site.pass_time(1)
    last = site.hub.call("getLastEvent")["id"]
    site.tag(site.build("later"))
    site.wait(site.poller.tags.refresh())
    changes = site.poller.tag_changes(start, last, held=100)
    first = site.wait(Deferred.fromCoroutine(anext_of(changes)))
    assert site.hub.calls["queryHistory"] == 4
    found = [first, *collected(site, lambda: changes)]
    assert site.hub.calls["queryHistory"] > 10
    ids = [each.event_id for each in found]
    assert ids == sorted(ids)
    assert last == ids[-1]
    assert sorted(each.key for each in found) == sorted(site.round()[:-1])


async def test_a_long_listing_takes_few_requests() -> None:
    """A hub sorts the whole listing for each page: pages get larger."""
    asked = []

    async def read(offset: int, limit: int) -> list[int]:
        asked.append((offset, limit))
        return list(range(offset, min(offset + limit, 2000)))

    listing = Listing("queryHistory", 100, LongestPage(), fail)
    found = await listing.by_offset(read)
    assert found == list(range(2000))
    assert asked == [(0, 100), (100, 200), (300, 400), (700, 800), (1500, 800)]


@pytest.mark.parametrize("since", [None, 0.0])
def test_no_such_tag(since: float | None) -> None:
    """A tag that the hub lacks ends the iteration at once; a glob may match none yet."""
    site = Site()
    with pytest.raises(GenericError, match="nope"):
        collected(site, lambda: site.koji.tagged_since("nope", 1))
    tags = ("demo-candidate", "later-*", "nope")
    interest = Interest(frozenset({"tagged"}), tags=tags)
    with pytest.raises(GenericError, match="No such tagInfo: 'nope'"):
        collected(site, lambda: site.koji.follow(interest, since=since))
    running = Deferred.fromCoroutine(
        anext_of(aiter(site.koji.follow(replace(interest, tags=tags[:2]), since=since)))
    )
    site.pass_time(2)
    site.hub.add_tag("later-1")
    site.hub.call("packageListAdd", "later-1", "hello", "kojiadmin")
    site.tag(site.build("1"), "later-1")
    site.pass_time(800)
    assert site.wait(running).tag_name == "later-1"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "the interest names no event"),
        (("tagged", "rpm-signed"), "no poll finds rpm-signed"),
        (("repo-done", "build-complete"), "repo-done happen in tags"),
    ],
)
def test_what_would_never_come(names: tuple[str, ...], message: str) -> None:
    """An interest that no poll can meet is refused, rather than followed without a word."""
    with pytest.raises(ValueError, match=message):
        Site().koji.follow(Interest(frozenset(names)))
