"""Calls in which no type checker may find a mistake."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.web.client import Agent

from txkoji import Connection, Interest, Submission, aio, estimates, read_outcome
from txkoji.aio import AioConnection
from txkoji.build import Build
from txkoji.channel import Channel
from txkoji.options import BuildOptions, QueryOptions, TaskOptions
from txkoji.package import Package
from txkoji.results import RPM, Event, Repo, Tag, TaggedBuild, User
from txkoji.task import Task


async def rich_results(koji: Connection) -> None:
    """Objects with classes of their own."""
    deferred: Deferred[Build | None] = koji.getBuild("x-1-1")
    build: Build | None = await deferred
    build = await koji.getBuild(build_id=7)
    there: Build = await koji.getBuild({"name": "x", "version": "1", "release": "1"}, strict=True)
    builds: list[Build] = await koji.listBuilds("bash", state=1, queryOpts={"limit": 3})
    builds = await koji.listBuilds(package="bash")
    builds = await koji.listTagged("f44", latest=True, inherit=True)
    task: Task | None = await koji.getTaskInfo(1)
    tasks: list[Task | None] = await koji.getTaskInfo([1, 2], request=True)
    below: list[Task] = await koji.getTaskDescendents(7)
    package: Package = await koji.getPackage("bash", strict=True)
    channels: list[Channel] = await koji.listChannels()
    name: str = there.nvr
    average: datetime.timedelta | None = await koji.getAverageBuildDuration("bash")
    average = await estimates.average_build_duration(koji, "bash")
    listed: Sequence[Package] = await koji.listPackages("f44")
    names: list[str] = [each.url for each in await koji.listPackagesSimple("b")]
    in_channel: list[Task] = await channels[0].tasks(state=[0], queryOpts={"limit": 9})
    capacity: float = sum(host.capacity for host in await channels[0].hosts(enabled=True))
    shown = await koji.from_web("https://koji.example.com/koji/buildinfo?buildID=7")
    if isinstance(shown, Build):
        print(shown.nvr, in_channel, capacity)
    print(build, builds, task, tasks, below, package.name, channels, name, average, listed, names)


def without_await(koji: Connection) -> Deferred[list[Tag]]:
    """A function that passes a Deferred on, and several of them at once."""
    both: Deferred[list[list[Tag]]] = gatherResults([koji.listTags(), koji.listTags()])
    both.addCallback(print)
    return koji.listTags()


async def structs(koji: Connection) -> None:
    """Members as attributes and as items."""
    tag: Tag | None = await koji.getTag("f44")
    assert tag is not None
    arches: str | None = tag.arches
    name: str = tag["name"]
    event: Event = await koji.getLastEvent()
    user: User = await koji.getUser("alice", strict=True)
    rpms: list[RPM]
    their_builds: list[TaggedBuild]
    rpms, their_builds = await koji.listTaggedRPMS("f44")
    print(arches, name, event.ts, user["id"], rpms[0].size, their_builds)


async def lists_and_numbers(koji: Connection) -> None:
    """What the options of a query change."""
    number: int = await koji.listBuilds("bash", queryOpts={"countOnly": True})
    number = await koji.listTasks({"state": [0, 1, 4]}, queryOpts={"countOnly": True})
    tasks: list[Task] = await koji.listTasks({"method": "build"}, {"order": "-id", "limit": 9})
    print(number, tasks)


async def options(koji: Connection) -> None:
    """Options in variables that say what they are."""
    newest: QueryOptions = {"limit": 3, "order": "-build_id"}
    newest["offset"] = 3
    builds: list[Build] = await koji.listBuilds("bash", queryOpts=newest)
    failed: TaskOptions = {"method": "build", "state": [5]}
    tasks: list[Task] = await koji.listTasks(failed, newest)
    scratch: BuildOptions = {"scratch": True}
    task_id: int = await koji.build("git+https://x/y#z", "f44", scratch)
    names: list[str] = await koji.listTaskOutput(task_id)
    details: dict[str, Any] = await koji.listTaskOutput(task_id, stat=True)
    by_volume = await koji.listTaskOutput(task_id, True, True)
    sizes = [int(stat.st_size) for stats in by_volume.values() for stat in stats.values()]
    heard: float | None = await koji.getLastHostUpdate(1, ts=True)
    allowed, with_force, reason = await koji.checkTagAccess("f44")
    print(builds, tasks, names, details, sizes, heard, allowed, with_force, reason.upper())


async def dotted(koji: Connection) -> None:
    """Methods with a dot in their names."""
    repo: Repo | None = await koji.repo.get("f44-build", min_event=3)
    answer = await koji.repo.request("f44-build", min_event="last")
    names: list[str] = await koji.system.listMethods()
    print(repo, answer.repo, names)


async def multicall(koji: Connection) -> None:
    """Collected calls."""
    calls = koji.MultiCall()
    calls.getTag("f44")
    calls.repo.get("f44-build")
    calls.getBuild(build_id=1)
    first: Any = (await calls())[0]
    print(first)


async def lists(koji: Connection, other: AioConnection) -> None:
    """Lists of any length, each row of its class."""
    builds: list[Build] = [row async for row in koji.pages("listBuilds", package="bash")]
    builds = [row async for row in other.pages("listTagged", "f44", page_size=100)]
    tasks: list[Task] = [row async for row in koji.pages("listTasks", {"state": [0]})]
    tags: list[str] = [row.name async for row in koji.pages("listTags", pattern="f*")]
    rows: list[Any] = [row async for row in koji.pages("ourPlugin", 1, key="id")]
    changes: list[int | None] = [each.event_id async for each in koji.tagged_since("f44", 7)]
    interest = Interest(frozenset({"tagged"}), tags=("f44",))
    async for event in koji.follow(interest, since=1.0, interval=5):
        print(event.when, builds, tasks, tags, rows, changes, builds[0]["of_a_plugin"])


async def keywords(koji: Connection) -> None:
    """Keywords of methods that take any, as the hub declares them."""
    await koji.editTag2("f44", locked=True, remove_extra=["mock.new_chroot"], extra={"a": 1})
    await koji.queryHistory(["tag_listing"], tag="f44", afterEvent=3, queryOpts={"limit": 9})
    await koji.makeTask("build", ["git+https://x/y#z", "f44", {}], priority=5, channel="default")
    await koji.submit(
        "distRepo", "f44", ["abcd1234"], arch=["x86_64"], allow_missing_signatures=True
    )
    async with aio.connect("koji", deadline=3) as other:
        print(await other.getAPIVersion())


def parts_of_twisted() -> Connection:
    """An agent and a clock of Twisted's, without a plugin of the type checker."""
    return Connection("koji", agent=Agent(Clock()), reactor=Clock())


async def anything_else(koji: Connection) -> None:
    """A method that a hub's own plugin adds; helpers that take a connection."""
    result: Any = await koji.call("ourPlugin", 1, more=True)
    await koji.build("git+https://x/y#z", "f44", {"scratch": True}, priority=5)
    task_id: int = await koji.submit("build", "git+https://x/y#z", "f44", {"scratch": True})
    stored: Submission = await koji.new_submission("build", "git+https://x/y#z", "f44")
    found: int | None = await koji.find_submitted(stored, "build", "git+https://x/y#z", "f44")
    task_id = await koji.submit("runroot", "f44-build", "x86_64", "true", packages=["make"])
    call: Callable[..., Awaitable[Any]] = koji.call
    print(result, task_id, call, read_outcome, found)
