"""The poller against an embedded hub in memory, on a clock that the tests advance."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.web.resource import Resource

from tests.support.hubs import WrongClock
from txkoji import Connection, Cursor, Interest, Poller, Profile
from txkoji.exceptions import NotXMLRPC, ReplyTooLarge, ServerOffline, UnusableAnswer
from txkoji.history import events
from txkoji.history.cursor import Checkpoint
from txkoji.history.paging import PAGE
from txkoji.testing import FakeHub

SOURCE = "git+https://git.example.test/rpms/hello.git#"
OVERLAP = 300


class Site:
    """A hub in memory, and a poller of it, on one clock."""

    def __init__(
        self, *names: str, version: str = "1.36.0", page: int = PAGE, **interest: Any
    ) -> None:
        self.page = page
        self.clock = Clock()
        self.clock.advance(1_795_454_160)
        self.hub = FakeHub(self.clock, version=version)
        self.hub.add_demo_content()
        self.interest = Interest(frozenset(names), **interest)
        self.given: set[str] = set()
        self.connect(self.hub.resource())
        self.cursor = self.wait(self.poller.baseline())
        self.pass_time(1)

    def connect(self, resource: Any) -> None:
        """Make a new connection to something that may be the hub, and a new poller."""
        self.agent = RequestTraversalAgent(resource)
        self.koji = Connection(
            Profile(name="t", server="http://hub.test/kojihub"),
            reactor=self.clock,
            agent=self.agent,
            deadline=5,
            max_reply_bytes=200_000,
        )
        self.restart()

    def restart(self) -> None:
        """Make a new poller, as a restarted program does."""
        self.poller = Poller(self.koji, self.interest, overlap=OVERLAP, page=self.page)

    def outcome(self, deferred: Deferred[Any], *, turns: int = 400) -> Any:
        """Answer up to ``turns`` requests; return the result, or the Failure."""
        found: list[Any] = []
        deferred.addBoth(found.append)
        for _ in range(turns):
            if found:
                break
            self.clock.advance(0)
            self.agent.flush()
        assert found, "it is not done"
        return found[0]

    def wait(self, deferred: Deferred[Any]) -> Any:
        found = self.outcome(deferred)
        if hasattr(found, "raiseException"):
            found.raiseException()
        return found

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.agent.flush()

    def round(self) -> list[str]:
        """Run a round; returns the keys of its events. The cursor goes through JSON."""
        found = self.wait(self.poller.round(self.cursor, known=self.given.__contains__))
        self.cursor = Cursor.from_json(json.loads(json.dumps(found.cursor.to_json())))
        keys = [event.key for event in found.events]
        assert self.given.isdisjoint(keys)
        self.given.update(keys)
        self.last = found.events
        return keys

    def confirm(self, event: events.Event) -> list[str]:
        found = self.wait(self.poller.confirm(event, self.cursor))
        return [event.key for event in found]

    def build(self, release: str, package: str = "hello") -> int:
        """Make a build at once."""
        call = self.hub.call
        return int(call("createEmptyBuild", package, "1.0", release, None))

    def tag(self, build: int, tag: str = "demo-candidate", *, force: bool = False) -> None:
        self.hub.call("tagBuildBypass", tag, build, force)


class MaintenancePage(Resource):
    """What a front end answers with status 200 while the hub is down."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def render_POST(self, request: Any) -> bytes:  # noqa: N802, ARG002 - as Twisted has it
        return b"<html><body>Down for maintenance</body></html>"


def tag_event(site: Site, build: int, tag: str = "demo-candidate") -> events.TagUntag:
    """Return what a message of a tagging says."""
    struct = site.hub.call("getBuild", build)
    whole = events.make(events.Build, struct, site.koji)
    return events.TagUntag(connection=site.koji, build=whole, tag_name=tag, event="Tag")


def tag_id(site: Site, name: str) -> int:
    return int(site.hub.call("getTag", name)["id"])


def test_nothing_before_the_first_run() -> None:
    """The first run begins now; with a moment in the past, then."""
    site = Site("tagged", tags=("demo-candidate",))
    early = site.clock.seconds()
    site.clock.advance(10)
    first = site.build("1")
    site.tag(first)
    site.cursor = site.wait(site.poller.baseline())
    assert site.round() == []
    second = site.build("2")
    site.tag(second)
    [key] = site.round()
    assert key.startswith(f"tag:{tag_id(site, 'demo-candidate')}:{second}:")
    site.cursor = site.wait(site.poller.baseline(early + 1))
    [key] = site.round()
    assert key.split(":")[2] == str(first)


def test_tag_untag_and_tag_again() -> None:
    """Each tagging and untagging is an event of its own, in the hub's order, by whom and when."""
    site = Site("tagged", "untagged", tags=("demo-candidate",))
    build = site.build("1")
    for _ in range(2):
        site.pass_time(1)
        site.tag(build)
        site.pass_time(1)
        site.hub.call("untagBuildBypass", "demo-candidate", build)
    keys = site.round()
    assert [key.split(":")[0] for key in keys] == ["tag", "untag"] * 2
    assert len(set(keys)) == 4
    assert [event.name for event in site.last] == ["tagged", "untagged"] * 2
    assert {event.user_name for event in site.last} == {"kojiadmin"}
    start = site.clock.seconds()
    assert [start - event.when for event in site.last] == [3, 2, 1, 0]
    assert site.round() == []


def test_forced_tag_is_no_untag() -> None:
    """A build that is tagged by force where it is tagged does not leave the tag."""
    site = Site("tagged", "untagged", tags=("demo-candidate",))
    build = site.build("1")
    site.tag(build)
    site.round()
    site.tag(build, force=True)
    [key] = site.round()
    assert key.startswith("tag:")


def test_late_commits_are_found() -> None:
    """What a long transaction of the hub shows late is found, and nothing comes twice."""
    site = Site("tagged", tags=("demo-candidate",))
    tag = tag_id(site, "demo-candidate")
    late = site.build("late")
    # A transaction draws its event now, and is committed only after the others.
    with site.hub.state.transaction():
        drawn = site.hub.state.event()
        began = site.clock.seconds()
    for number in range(3):
        site.pass_time(60)
        site.tag(site.build(str(number)))
        assert len(site.round()) == 1
    row = site.hub.state.insert_version("tag_listing", {"tag_id": tag, "build_id": late}, 1)
    site.hub.state.update("tag_listing", row["id"], create_event=drawn)
    assert site.clock.seconds() - began < OVERLAP
    assert site.round() == [f"tag:{tag}:{late}:{drawn}"]


def test_cost_of_a_quiet_hub() -> None:
    """A round in which nothing happened is one request; what is settled is not read again."""
    names = [name for name in events.NAMES if name != "rpm-signed"]
    site = Site(*names, tags=("demo-*",), methods=("build",))
    site.round()
    for number in range(20):
        site.tag(site.build(str(number)))
    assert len(site.round()) == 40
    # A later event shows that time has gone by.
    site.pass_time(OVERLAP + 1)
    site.hub.add_package("demo-build", "hello")
    site.round()
    before = site.hub.requests
    calls = site.hub.calls.copy()
    site.round()
    assert site.hub.requests - before == 1
    asked = site.hub.calls - calls
    assert sum(asked.values()) < 20
    history = site.hub.call(
        "queryHistory", tables=["tag_listing"], afterEvent=site.cursor.begin.event
    )
    assert history == {"tag_listing": []}


def test_nothing_is_lost_beyond_a_page() -> None:
    """However much happened since the last round, at whatever moment, it is all given."""
    site = Site("tagged", "build-complete", tags=("demo-candidate",))
    count = 2 * PAGE + 7
    builds = [site.build(str(number)) for number in range(count)]
    with site.hub.state.transaction():
        site.hub.call("massTag", "demo-candidate", builds)
    keys = site.round()
    assert sorted(int(key.split(":")[2]) for key in keys if key[0] == "t") == builds
    assert sorted(int(key.split(":")[1]) for key in keys if key[0] == "b") == builds


def test_hub_that_is_away() -> None:
    """A round that fails loses nothing."""
    site = Site("tagged", tags=("demo-candidate",))
    site.tag(site.build("1"))
    site.hub.offline()
    failed = site.poller.round(site.cursor, known=site.given.__contains__)
    caught: list[Any] = []
    failed.addErrback(caught.append)
    for _ in range(60):
        site.clock.advance(1)
        site.agent.flush()
    assert caught[0].check(ServerOffline)
    site.hub.online()
    assert len(site.round()) == 1


def test_tag_that_is_made_later() -> None:
    """A tag that did not exist is looked at from its first event on, also across a restart."""
    site = Site("tagged", tags=("made-later", "demo-side-*"))
    assert site.round() == []
    assert site.poller.tags.missing == ("made-later",)
    build = site.build("1")
    for name in ("made-later", "demo-side-1"):
        site.hub.add_tag(name)
        site.hub.add_package(name, "hello")
        site.tag(build, name)
    # Other things happen until the tags are looked up again.
    for number in range(10):
        site.pass_time(50)
        site.tag(site.build(f"x{number}"))
        assert site.round() == []
    if_restarted = site.cursor
    site.pass_time(150)
    found = {event.tag_name for event in site.last} if site.round() else set()
    assert found == {"made-later", "demo-side-1"}
    assert site.poller.tags.missing == ()
    site.cursor = if_restarted
    site.given.clear()
    site.restart()
    assert len(site.round()) == 2


def test_inheritance() -> None:
    """Builds of a parent tag count for the tag that was asked for; the event names both."""
    site = Site("tagged", tags=("demo-build",), inherited=True)
    build = site.build("1")
    site.tag(build)
    site.tag(build, "demo-released")
    assert len(site.round()) == 1
    [event] = site.last
    assert (event.tag_name, event.watched_tags) == ("demo-candidate", ("demo-build",))


def test_builds_and_tasks() -> None:
    """Builds and tasks are found as they end, each end once, whatever it was."""
    site = Site(
        "build-complete",
        "build-failed",
        "build-canceled",
        "task-open",
        "task-closed",
        "task-failed",
        "task-canceled",
        methods=("build",),
    )
    good = site.hub.call("build", f"{SOURCE}1", "demo")
    bad = site.hub.call("build", SOURCE.replace("hello", "failarch") + "1", "demo")
    site.pass_time(1)
    found = site.round()
    site.pass_time(6)
    late = site.hub.call("build", f"{SOURCE}2", "demo")
    site.pass_time(7)
    site.hub.call("cancelTask", late)
    found += site.round()
    site.pass_time(60)
    found += site.round()
    tasks = {key for key in found if key.startswith("task:")}
    assert tasks == {
        f"task:{good}:OPEN",
        f"task:{bad}:OPEN",
        f"task:{late}:OPEN",
        f"task:{good}:CLOSED",
        f"task:{bad}:FAILED",
        f"task:{late}:CANCELED",
    }
    ends = {tuple(key.split(":")[2:]) for key in found if key.startswith("build:")}
    assert ends == {
        ("COMPLETE", str(good)),
        ("FAILED", str(bad)),
        ("CANCELED", str(late)),
    }


def test_task_that_is_taken_again() -> None:
    """A task that is freed and taken again opens once: its key has no start time."""
    site = Site("task-open", methods=("build",))
    task = site.hub.call("build", f"{SOURCE}1", "demo")
    site.pass_time(7)
    assert site.round() == [f"task:{task}:OPEN"]
    started = site.last[0].task.start_ts
    site.hub.call("freeTask", task)
    site.pass_time(7)
    again = site.hub.call("getTaskInfo", task)
    assert (again["state"], again["start_ts"] > started) == (1, True)
    assert site.round() == []


def test_rest_of_a_build() -> None:
    """An event is completed with its build, its task's target and its RPMs."""
    site = Site("tagged", tags=("demo-candidate",), targets=True, rpms=True)
    site.hub.call("build", f"{SOURCE}1", "demo", user="alice")
    site.pass_time(60)
    [key] = site.round()
    [event] = site.wait(site.poller.complete(site.last))
    assert event.key == key
    assert event.build.owner_name == "alice"
    assert event.build.extra.source.original_url == f"{SOURCE}1"
    assert event.target == "demo"
    assert "hello-1.0-1.src" in event.rpms
    assert "hello-1.0-1.x86_64" in event.rpms


def test_repos() -> None:
    """A repo is found when it is ready, also one that has expired meanwhile; an old one is not."""
    site = Site("repo-done", tags=("demo-build",))
    first = site.hub.add_repo("demo-build")
    assert site.round() == [f"repo:{first}:READY"]
    second = site.hub.add_repo("demo-build")
    site.hub.call("repoExpire", second)
    assert site.round() == [f"repo:{second}:READY"]
    site.pass_time(2 * 86400)
    site.given.remove(f"repo:{first}:READY")
    site.hub.call("repoExpire", first)
    assert site.round() == []


def test_repos_of_an_old_hub() -> None:
    """On a hub before 1.35, which can't list repos, the tasks that make them are looked at."""
    site = Site("repo-done", tags=("demo-build",), version="1.34.0")
    site.hub.call("newRepo", "demo-build")
    site.hub.call("newRepo", "demo-candidate")
    site.pass_time(60)
    [key] = site.round()
    [event] = site.last
    assert (event.tag_name, event.when is not None) == ("demo-build", True)
    assert key == f"repo:{event.repo_id}:READY"
    assert site.round() == []


def test_packages() -> None:
    """A package is listed once, whatever is changed about it afterwards; blocking it is no news."""
    site = Site("package-listed", tags=("demo-released",))
    site.hub.call("packageListAdd", "demo-released", "new", owner="alice")
    [key] = site.round()
    assert key.startswith(f"package:{tag_id(site, 'demo-released')}:new:")
    site.hub.call("packageListAdd", "demo-released", "new", extra_arches="s390x", update=True)
    site.hub.call("packageListBlock", "demo-released", "new")
    assert site.round() == []


def test_promotion() -> None:
    """A promoted draft is found, unless the hub is too old to list it."""
    for version, count in (("1.36.0", 1), ("1.35.3", 0)):
        site = Site("build-promoted", version=version)
        site.hub.call("build", f"{SOURCE}1", "demo", {"draft": True})
        site.pass_time(60)
        assert site.round() == []
        [build] = site.hub.call("listBuilds")
        site.hub.call("promoteBuild", build["build_id"])
        assert len(site.round()) == count
        assert site.round() == []


def test_look() -> None:
    """A message makes the poller look at what it names, and at nothing else."""
    site = Site("tagged", tags=("demo-candidate",))
    site.round()
    builds = [site.build(str(number)) for number in range(5)]
    for build in builds:
        site.tag(build)
    before = site.hub.requests
    [key] = site.confirm(tag_event(site, builds[3]))
    assert site.hub.requests - before == 1
    assert key.split(":")[2] == str(builds[3])
    assert key in site.round()
    assert site.confirm(tag_event(site, builds[3], "demo-released")) == []
    unknown = tag_event(site, builds[3])
    unknown.build["build_id"] = 999
    assert site.confirm(unknown) == []


def test_message_that_is_old_or_wrong() -> None:
    """A message of what was settled long ago, or never was so, gives nothing."""
    site = Site("tagged", tags=("demo-candidate",))
    build = site.build("1")
    site.tag(build)
    assert len(site.round()) == 1
    other = site.build("2")
    for _ in range(3):
        site.pass_time(700)
        site.hub.add_package("demo-build", f"x{site.clock.seconds()}")
        assert site.round() == []
    assert site.confirm(tag_event(site, build)) == []
    assert site.confirm(tag_event(site, other)) == []


@pytest.mark.parametrize("wanted", [True, False])
def test_only_what_is_wanted(wanted: bool) -> None:
    """What is not wanted is neither given nor asked about."""
    site = Site("tagged", tags=("demo-candidate",), wanted=lambda _: wanted)
    build = site.build("1")
    site.tag(build)
    before = site.hub.requests
    assert len(site.confirm(tag_event(site, build))) == wanted
    assert (site.hub.requests > before) == wanted
    assert len(site.round()) == wanted


def test_signature() -> None:
    """A message of a signature counts only when the hub has the signature."""
    site = Site("rpm-signed")
    site.hub.call("build", f"{SOURCE}1", "demo")
    site.pass_time(60)
    [build] = site.hub.call("listBuilds")
    rpm, *_ = site.hub.call("listBuildRPMs", build["build_id"])
    whole = events.make(events.Build, {**build, "id": build["build_id"]}, site.koji)
    # Of every RPM the hub has a row without a key, for what is unsigned.
    for sigkey, keys in (("", [f"sign:{rpm['id']}:"]), ("a1b2c3d4", [])):
        told = events.RPMSign(connection=site.koji, build=whole, rpm=rpm, sigkey=sigkey)
        assert site.confirm(told) == keys


def test_forged_signature() -> None:
    """Of a message of a signature only the ids count: everything else is the hub's."""
    site = Site("rpm-signed")
    site.hub.call("build", f"{SOURCE}1", "demo")
    site.pass_time(60)
    [build] = site.hub.call("listBuilds")
    rpm, *_ = site.hub.call("listBuildRPMs", build["build_id"])
    invented = events.make(
        events.Build,
        {
            "id": 4711,
            "build_id": 4711,
            "name": "glibc",
            "version": "6",
            "release": "6",
            "package_name": "glibc",
            "owner_name": "root",
            "source": "git+https://evil.test/glibc#1",
        },
        site.koji,
    )
    told = events.RPMSign(
        connection=site.koji,
        build=invented,
        rpm={**rpm, "name": "glibc", "arch": "s390x"},
        sigkey="",
        user_name="root",
        when=1.0,
    )
    assert site.confirm(told) == [f"sign:{rpm['id']}:"]
    [event] = site.wait(site.poller.confirm(told, site.cursor))
    assert (event.build.nvr, event.package_name) == (build["nvr"], "hello")
    assert (event.rpm["name"], event.rpm["arch"]) == (rpm["name"], rpm["arch"])
    assert (event.user_name, event.when) == (None, None)
    missing = events.RPMSign(connection=site.koji, build=invented, rpm={"id": 999}, sigkey="")
    assert site.confirm(missing) == []


def test_forged_messages() -> None:
    """Of a message of any kind only the identity counts: what it says else is the hub's word."""
    names = ("build-complete", "build-failed", "build-promoted", "tagged", "untagged")
    site = Site(
        *names,
        *("task-open", "task-closed", "task-failed", "repo-done", "package-listed", "rpm-signed"),
        tags=("demo*",),
        rpms=True,
        types=True,
        targets=True,
    )
    announced: list[Any] = []
    site.hub.on_message(announced.append)
    site.hub.call("build", f"{SOURCE}1", "demo", {"draft": True})
    site.hub.call("build", SOURCE.replace("hello", "failarch"), "demo")
    site.pass_time(60)
    [draft] = site.hub.call("listBuilds", "hello")
    site.hub.call("untagBuild", "demo-candidate", draft["build_id"])
    site.hub.call("promoteBuild", draft["build_id"])
    site.hub.call("packageListAdd", "demo-released", "new", "kojiadmin")
    site.hub.call("newRepo", "demo-build")
    site.pass_time(60)
    evil = {"name": "glibc", "version": "6", "release": "6", "nvr": "glibc-6-6"}
    evil |= {"package_name": "glibc", "owner_name": "root", "source": "git+https://evil.test#1"}
    kinds = set()
    for message in announced:
        kind = message.properties["type"]
        told = events.decode("protonmsg", kind, message.body, site.koji)
        if told is None or told.name not in site.interest.names:
            continue
        lies: dict[str, Any] = {
            "user_name": "root", "when": 1.0, "target": "evil", "rpms": ("evil",),
            "types": ("evil",), "watched_tags": ("evil",),
        }  # fmt: skip
        if told.tag_name is not None:
            lies["tag_id"] = 4711
        if told.build is not None and not isinstance(told, events.RPMSign):
            struct = {**told.build, **evil, "task_id": 4711}
            lies["build"] = events.make(events.Build, struct, site.koji)
        if told.task is not None:
            struct = {**told.task, "owner_name": "root", "method": "evil", "request": ["evil"]}
            lies["task"] = events.make(events.Task, struct, site.koji)
        true = site.wait(site.poller.confirm(told, site.cursor))
        forged = site.wait(site.poller.confirm(replace(told, **lies), site.cursor))
        assert [vars(each) for each in forged] == [vars(each) for each in true]
        assert "evil" not in repr(forged)
        assert "root" not in repr(forged)
        if true:
            kinds.add(told.name)
    assert kinds == set(site.interest.names) - {"rpm-signed"}


BAD_BUILDS: dict[str, dict[str, Any]] = {
    "too large": {"extra": {"note": "x" * 300_000}},
    "control character": {"extra": {"demo": {"note": "\x1b[1mbold"}}},
    "extra is a list": {"extra": ["x"]},
    "source is text": {"extra": {"source": "git+https://src.test/x#1"}},
    "task id is text": {"extra": {"container_koji_task_id": "soon"}},
    "year 3000": {"completion_ts": 32503680000.0},
    "before the epoch": {"completion_ts": -86400.0},
    "owner with a control character": {"source": "git+https://src.test/\x07#1"},
}


@pytest.mark.parametrize("changes", BAD_BUILDS.values(), ids=list(BAD_BUILDS))
@pytest.mark.parametrize("event", ["tagged", "build-complete"])
def test_unusable_build(event: str, changes: dict[str, Any]) -> None:
    """One build that can't be used hides none of the others, and is logged once."""
    site = Site(event, tags=("demo-candidate",), targets=True, rpms=True)
    builds = [site.build(str(number)) for number in range(9)]
    for build in builds:
        site.tag(build)
        site.pass_time(1)
    with site.hub.state.transaction():
        site.hub.state.update("build", builds[4], **changes)
    good = {*builds} - {builds[4]}
    keys = site.round()
    position = 2 if event == "tagged" else 1
    assert good <= {int(key.split(":")[position]) for key in keys}
    detailed = site.wait(site.poller.complete(site.last))
    assert [each.key for each in detailed] == keys
    assert good <= {each.build.build_id for each in detailed if "source" in each.build}
    if "x" * 300_000 in str(changes):
        assert (site.poller.unusable.count, len(site.poller.unusable.reasons)) == (1, 1)
    # Later ones are found, too; nothing is logged again.
    count = site.poller.unusable.count
    site.pass_time(OVERLAP)
    later = site.build("later")
    site.tag(later)
    assert str(later) in " ".join(site.round()).replace(":", " ").split()
    assert site.poller.unusable.count == count


def test_unusable_build_is_repaired() -> None:
    """A build that could not be read is found as soon as it can, and counts no longer."""
    site = Site("build-complete")
    builds = [site.build(str(number)) for number in range(3)]
    with site.hub.state.transaction():
        site.hub.state.update("build", builds[1], extra={"note": "x" * 300_000})
    site.round()
    assert list(site.poller.unusable.reasons) == [f"the build after build {builds[0]}"]
    with site.hub.state.transaction():
        site.hub.state.update("build", builds[1], extra={})
    assert f"build:{builds[1]}:" in " ".join(site.round())
    assert site.poller.unusable.reasons == {}


def test_many_unreadable_builds() -> None:
    """However many builds can't be read, beyond a page too, the others are found."""
    site = Site("build-complete", page=16)
    builds = [site.build(str(number)) for number in range(50)]
    bad = {*builds[0:3], *builds[20:40], builds[-1]}
    with site.hub.state.transaction():
        for build in bad:
            site.hub.state.update("build", build, extra={"note": "x" * 300_000})
    assert {int(key.split(":")[1]) for key in site.round()} == {*builds} - bad


@pytest.mark.parametrize("has_limit", [True, False], ids=["no offset", "no limit"])
def test_hub_that_does_not_page(has_limit: bool) -> None:
    """A hub that ignores offsets fails the round; one that ignores limits too gives all at once."""
    site = Site("tagged", tags=("demo-candidate",), page=4)
    for number in range(40):
        site.tag(site.build(str(number)))
    rows = site.hub.call("queryHistory", tables=["tag_listing"], tag="demo-candidate")

    def answer(name: str, params: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if name != "queryHistory":
            return run()
        limit = params[-1]["queryOpts"]["limit"] if has_limit else None
        return {"tag_listing": rows["tag_listing"][:limit]}

    site.hub.answer = answer
    found = site.outcome(site.poller.round(site.cursor, known=set().__contains__), turns=10_000)
    if has_limit:
        assert isinstance(found.value, UnusableAnswer)
        assert "instead of the rows of another page" in str(found.value)
    else:
        assert len({event.key for event in found.events}) == len(found.events) == 40


@pytest.mark.parametrize("seconds", [0, 1], ids=["of one moment", "one a second"])
@pytest.mark.parametrize("kind", ["tagged", "build-complete"])
def test_hub_that_allows_fewer_rows(kind: str, seconds: int) -> None:
    """A hub's own limit below ours costs requests, and no event."""
    site = Site(kind, tags=("demo-candidate",))
    builds = [site.build("0")]
    for number in range(1, 200):
        site.pass_time(seconds)
        builds.append(site.build(str(number)))
    for build in builds:
        site.tag(build)

    def answer(name: str, params: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if name in {"queryHistory", "listBuilds"}:
            options = params[-1]["queryOpts"]
            options["limit"] = min(options["limit"], 60)
        return run()

    site.hub.answer = answer
    position = 2 if kind == "tagged" else 1
    assert [int(key.split(":")[position]) for key in site.round()] == builds


def test_hub_whose_every_answer_is_too_large() -> None:
    """If no row can be read at any offset, the round fails, and does not ask forever."""
    site = Site("build-complete")
    site.build("1")
    answer = [{"build_id": 1, "note": "x" * 300_000}]
    site.hub.answer = lambda name, _, run: answer if name == "listBuilds" else run()
    found = site.outcome(site.poller.round(site.cursor, known=set().__contains__), turns=10_000)
    assert isinstance(found.value, ReplyTooLarge)
    assert site.hub.calls["listBuilds"] < 1000


def test_front_end_that_answers_for_the_hub() -> None:
    """A web page instead of the hub's answers makes the round fail: no build is left out."""
    site = Site("build-complete", "tagged", tags=("demo-candidate",))
    build = site.build("1")
    site.tag(build)
    [_, found] = [site.round(), site.last]
    site.connect(MaintenancePage())
    for ask in (
        lambda: site.poller.round(site.cursor, known=site.given.__contains__),
        lambda: site.poller.confirm(tag_event(site, build), site.cursor),
        lambda: site.poller.complete(found),
    ):
        waiting = ask()
        site.pass_time(10)
        with pytest.raises(NotXMLRPC, match="answered with a web page instead"):
            site.wait(waiting)
    assert site.poller.unusable.count == 0


def test_build_of_the_future() -> None:
    """A build that claims to end in the year 3000 is found, and moves no cursor there."""
    site = Site("build-complete")
    first = site.build("1")
    site.hub.state.update("build", first, completion_ts=32503680000.0, task_id=1)
    assert len(site.round()) == 1
    [event] = site.last
    assert event.when == event.build.creation_ts
    now = site.clock.seconds()
    assert all(each.time <= now for each in site.cursor.checkpoints)
    site.pass_time(10)
    second = site.build("2")
    assert site.round() == [f"build:{second}:COMPLETE:"]


def test_cursor_of_the_future() -> None:
    """A stored cursor that stands in the year 3000 comes back to the present."""
    site = Site("build-complete", "task-closed", methods=("build",))
    future = Checkpoint(site.cursor.begin.event, 32503680000.0)
    site.cursor = Cursor(future.time, (future,), future)
    site.pass_time(10)
    site.round()
    site.pass_time(2 * 86400)
    build = site.build("1")
    assert site.round() == [f"build:{build}:COMPLETE:"]


def test_restored_hub() -> None:
    """On a hub that was restored from a backup, event ids start again: nothing is lost by that."""
    site = Site("tagged", tags=("demo-candidate",))
    ahead = Checkpoint(site.cursor.begin.event + 1000, site.cursor.begin.time)
    site.cursor = replace(site.cursor, checkpoints=(ahead,), names=ahead)
    build = site.build("1")
    site.tag(build)
    assert len(site.round()) == 1
    assert site.cursor.checkpoints[-1].event < ahead.event
    site.tag(site.build("2"))
    assert len(site.round()) == 1


@pytest.mark.parametrize("rounds", [1, 4])
def test_restored_hub_gives_ids_again(rounds: int) -> None:
    """An event with the id of a lost one is reported, even if the hub is past that id by then.

    What the hub still has is reported once. A second restore is no different.
    """
    site = Site("tagged", "build-complete", tags=("demo-candidate",))
    site.tag(site.build("kept"))
    assert len(site.round()) == 2
    for _ in range(2):
        sequences = dict(site.hub.state._sequences)
        for number in range(rounds):
            site.pass_time(1 if rounds == 1 else 2 * OVERLAP)
            site.tag(site.build(f"lost-{number}"))
            assert len(site.round()) == 2
        for sequence, last in sequences.items():
            site.hub.state.rewind(sequence, last)
        site.restart()
        for number in range(rounds + 2):
            site.pass_time(1)
            site.tag(site.build(f"new-{number}-{site.clock.seconds()}"))
        assert len(site.round()) == 2 * (rounds + 2)
        assert len({event.build.build_id for event in site.last}) == rounds + 2
        assert site.round() == []


def test_message_of_restored_hub() -> None:
    """Also before the next round, a message of an event with lost ids is not taken for a lost one.

    A message from before, of what the hub still has, counts once.
    """
    site = Site("build-complete")
    site.build("kept")
    assert len(site.round()) == 1
    sequences = dict(site.hub.state._sequences)
    site.pass_time(1)
    lost = site.build("lost")
    assert site.round() == [f"build:{lost}:COMPLETE:"]
    for sequence, last in sequences.items():
        site.hub.state.rewind(sequence, last)
    for number in range(2):
        site.pass_time(1)
        build = site.build(f"new-{number}")
        whole = events.make(events.Build, site.hub.call("getBuild", build), site.koji)
        told = events.BuildStateChange(connection=site.koji, build=whole, event="COMPLETE")
        assert site.confirm(told) == [f"build:{build}:COMPLETE::1"]
        site.given.add(f"build:{build}:COMPLETE::1")
        assert number or build == lost
    assert site.round() == []
    assert site.cursor.generation(site.clock.seconds()) == 1


def test_generated_build_that_ended_long_ago() -> None:
    """A content generator's build is found when it is imported, whenever it says it has ended."""
    site = Site("build-complete")
    with site.hub.state.transaction():
        generator = site.hub.state.insert("content_generator", {"name": "osbuild"})
    reserved, done = site.build("reserved"), site.build("done")
    for build, state in ((reserved, 0), (done, 1)):
        site.hub.state.update(
            "build",
            build,
            cg_id=generator["id"],
            state=state,
            completion_ts=site.clock.seconds() - 86400 if state else None,
        )
    found = site.round()
    assert found == [f"build:{done}:COMPLETE:"]
    site.pass_time(2 * OVERLAP)
    site.hub.add_package("demo-build", "hello")
    assert site.round() == []
    ended = site.clock.seconds() - 3 * 86400
    site.hub.state.update("build", reserved, state=1, completion_ts=ended)
    assert site.round() == [f"build:{reserved}:COMPLETE:"]
    assert site.cursor.reserved == {}
    assert site.round() == []


def test_old_hub() -> None:
    """A hub that can't list the builds of content generators lists all that it has."""
    site = Site("build-complete", version="1.26.0")
    with site.hub.state.transaction():
        site.hub.state.insert("content_generator", {"name": "osbuild"})
    build = site.build("1")
    assert site.round() == [f"build:{build}:COMPLETE:"]
    assert site.round() == []


def test_hub_whose_clock_is_set_back() -> None:
    """What ends after the hub's clock was set back by an hour is found, once, with one warning."""
    site = Site("build-complete", "tagged", tags=("demo-candidate",))
    clock = site.hub.clock = WrongClock(site.clock)
    site.pass_time(2 * OVERLAP)
    site.tag(site.build("before"))
    assert len(site.round()) == 2
    for _ in range(3):
        site.pass_time(OVERLAP)
        assert site.round() == []
    clock.ahead = -3600
    with capturedLogs() as logged:
        found = []
        for number in range(4):
            site.pass_time(60)
            build = site.build(f"after{number}")
            if number:
                site.tag(build)
            found += site.round()
    assert sorted(each.split(":")[0] for each in found) == ["build"] * 4 + ["tag"] * 3
    warned = [each for each in logged if "set back" in str(each)]
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("back", "unseen", "is_restarted"),
    [
        # Soon after the first start.
        (5, 10, False),
        # Seen only once the clock has caught up.
        (3600, 2 * 3600, False),
        (86400, 86400 + 600, True),
    ],
)
def test_clock_that_was_set_back_and_caught_up(
    back: float, unseen: int, is_restarted: bool
) -> None:
    """What ended is found, even if the clock was past the last round by the next one."""
    site = Site("build-complete", "tagged", tags=("demo-candidate",))
    site.hub.clock = WrongClock(site.clock)
    site.round()
    site.hub.clock.ahead = -back
    first = site.build("first")
    for number in range(1, 4):
        site.clock.advance(unseen / 3)
        site.tag(site.build(f"{number}"))
    if is_restarted:
        site.restart()
    found = site.round()
    assert sorted(each.split(":")[0] for each in found) == ["build"] * 4 + ["tag"] * 3
    assert found[0] == f"build:{first}:COMPLETE:"
    assert site.round() == []


def test_event_of_a_long_transaction() -> None:
    """An event that is committed after the end of a later task is no clock that was set back."""
    site = Site("task-closed")
    horizons = []
    for _ in range(4):
        drawn = site.clock.seconds()
        site.pass_time(OVERLAP / 2)
        task = site.hub.call("makeTask", "sleep", [1])
        site.hub.state.update("task", task, state=2, completion_ts=site.clock.seconds())
        assert site.round() == [f"task:{task}:CLOSED"]
        # What was known before the horizon may be forgotten: it must not come again.
        horizons.append(site.cursor.horizon)
        with site.hub.state.transaction():
            site.hub.state.insert("events", {"ts": drawn})
    assert horizons == sorted(horizons)
    assert horizons[0] < horizons[-1]


@pytest.mark.parametrize(
    "method",
    ["getLastEvent", "listTags", "listCGs", "queryHistory", "listBuilds", "listTasks"],
)
def test_answer_of_another_kind(method: str) -> None:
    """A round whose hub answers nonsense fails as the hub's, and the next one has it all."""
    site = Site("tagged", "build-complete", "task-closed", tags=["demo-*"])
    site.tag(site.build("1"))
    for answer in (None, [], {}, 7, "x", [None], [{}], [{"id": "x", "name": []}], {"id": []}):
        site.restart()
        site.hub.answer = lambda name, _, run, odd=answer: odd if name == method else run()
        with suppress(UnusableAnswer):
            site.wait(site.poller.round(site.cursor, known=lambda _: False))
    site.hub.answer = lambda _name, _params, run: run()
    site.restart()
    assert len(site.round()) == 2


@pytest.mark.parametrize("tags", [["demo-*"], ["demo-candidate", "demo-build"]])
def test_odd_tags(tags: list[str]) -> None:
    """A tag that can't be used is left out; events of its neighbors come."""
    site = Site("tagged", tags=tags, inherited=True)
    site.tag(site.build("1"))

    def answer(name: str, params: list[Any], run: Callable[[], Any]) -> Any:
        if name == "getTag" and params[0] == "demo-build":
            return {"id": "x", "name": None}
        odd = [7, None, {}, {"id": 3}, {"name": "demo-x"}, {"id": [], "name": "demo-y"}]
        return [*odd, *run(), *odd] if name in ("listTags", "getFullInheritance") else run()

    site.hub.answer = answer
    site.restart()
    assert len(site.round()) == 1
