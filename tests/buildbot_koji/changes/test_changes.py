"""KojiChangeSource in a real master, against an embedded hub."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import mock
import pytest
import pytest_twisted
from buildbot.interfaces import IRenderable
from buildbot.plugins import schedulers, util
from sqlalchemy.exc import DataError, OperationalError
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from buildbot_koji.changes.options import SourceLimits
from buildbot_koji.changes.storage import SourceStorage
from buildbot_koji.hubs.hub import get_hub
from tests.buildbot_koji.inprocess import ForwardReactor, Master, Site, koji
from tests.support import do_not_retry, until
from txkoji import RetryPolicy, task_states

# Buildbot is older than the Twisted and alembic that it runs on.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SOURCE = "git+https://git.example.test/rpms/hello.git#"

SOON = SourceLimits(retry=RetryPolicy(first=0.1))

NO_LIMIT = SourceLimits(stop=1e6)
"""A stop that waits for something does not end before the test's own limit."""


@pytest_twisted.ensureDeferred
async def test_tagged_build(site: Site) -> None:
    """A tagged build becomes one change with all its properties, and is scheduled."""
    master = await site.listen(koji())
    task = site.hub.call("build", f"{SOURCE}a1b2c3", "demo", user="alice")
    await until(lambda: site.hub.call("listTagged", "demo-candidate"))
    await site.polled()
    [change] = await master.changes()
    [build] = site.hub.call("listBuilds")
    tag = site.hub.call("getTag", "demo-candidate")
    history = site.hub.call("queryHistory", tables=["tag_listing"], tag="demo-candidate")
    [row] = history["tag_listing"]
    properties = change.pop("properties")
    assert {name: change[name] for name in change if name not in ("changeid", "sourcestamp")} == {
        "author": "alice",
        "branch": "demo-candidate",
        "category": "koji-tagged",
        "codebase": "",
        "comments": "hello-1.0-a1b2c3 was tagged into demo-candidate by alice",
        "committer": None,
        "files": [],
        "parent_changeids": [],
        "project": "hello",
        "repository": "https://git.example.test/rpms/hello.git",
        "revision": build["source"].partition("#")[2],
        "revlink": f"{site.hub.weburl}/buildinfo?buildID={build['build_id']}",
        "when_timestamp": int(row["create_ts"]),
    }
    rpms = properties.pop("koji_rpms")
    assert "hello-1.0-a1b2c3.src" in rpms
    assert properties == {
        "koji_build_id": build["build_id"],
        "koji_build_state": "COMPLETE",
        "koji_build_url": change["revlink"],
        "koji_change_source": "KojiChangeSource-fake",
        "koji_draft": False,
        "koji_event": "tagged",
        "koji_event_key": f"tag:{tag['id']}:{build['build_id']}:{row['create_event']}",
        "koji_hub": "fake",
        "koji_nvr": "hello-1.0-a1b2c3",
        "koji_owner": "alice",
        "koji_package": "hello",
        "koji_release": "a1b2c3",
        "koji_source": build["source"],
        "koji_tag": "demo-candidate",
        "koji_tag_heirs": ["demo-candidate"],
        "koji_tag_id": tag["id"],
        "koji_task_id": task,
        "koji_user": "alice",
        "koji_version": "1.0",
    }
    await master.until_scheduled([change["changeid"]])
    await site.polled()
    assert len(await master.changes()) == 1


@pytest_twisted.ensureDeferred
async def test_all_kinds_of_events(site: Site) -> None:
    """Builds, tasks, repos, packages and promotions become changes of their own categories."""
    master = await site.listen(
        koji(
            events=[
                *("build-complete", "build-failed", "build-promoted", "tagged", "untagged"),
                *("task-closed", "repo-done", "package-listed"),
            ],
            tags=["demo-*"],
            methods=["build"],
            scratch=True,
        )
    )
    call = site.hub.call
    asked = {"hello": {"scratch": True}, "failarch": {}, "world": {"draft": True}}
    for package, opts in asked.items():
        call("build", SOURCE.replace("hello", package) + "1", "demo", opts)
    over = {"method": "build", "state": [*task_states.DONE_GROUP]}
    await until(lambda: len(call("listTasks", over)) == 3)
    [draft] = call("listBuilds", draft=True)
    call("promoteBuild", draft["build_id"])
    nvr = site.build("foo")
    call("untagBuildBypass", "demo-candidate", nvr)
    site.hub.add_repo("demo-build")
    site.hub.add_package("demo-build", "new")
    await site.polled()
    changes = await master.changes()
    assert {(each["category"], each["project"], each["branch"]) for each in changes} == {
        ("koji-task-closed", "hello", "demo"),
        ("koji-build-failed", "failarch", "demo"),
        ("koji-build-complete", "world", "demo"),
        ("koji-build-complete", "foo", None),
        ("koji-build-promoted", "world", None),
        ("koji-tagged", "world", "demo-candidate"),
        ("koji-tagged", "foo", "demo-candidate"),
        ("koji-untagged", "foo", "demo-candidate"),
        ("koji-repo-done", "", "demo-build"),
        ("koji-package-listed", "new", "demo-build"),
    }


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"packages": ["hel*"]}, {"hello"}),
    ({"packages": ["world", "nothing"]}, {"world"}),
    ({"owners": ["alice"]}, {"hello"}),
    ({"targets": ["demo"]}, {"hello"}),
    ({"targets": ["other"]}, set()),
    ({"build_types": ["rpm"]}, {"hello"}),
    ({"build_types": ["image"]}, set()),
    ({"ignore_marker": True}, {"world", "foo"}),
    ({"filter": lambda event: event.build.nvr.startswith("foo")}, {"foo"}),
]


@pytest_twisted.ensureDeferred
async def test_filters(site: Site) -> None:
    """Only events that match all the filters of a source become changes."""
    ours = {"custom_user_metadata": {"submission_marker": "x"}}
    site.hub.call("build", f"{SOURCE}1", "demo", ours, user="alice")
    await until(lambda: site.hub.call("listTagged", "demo-candidate"))
    site.build("world")
    site.build("foo")
    hour = datetime.timedelta(hours=1)
    master = await site.listen(
        *[koji(name=str(n), since=hour, **options) for n, (options, _) in enumerate(FILTERS)]
    )
    for source in master.sources:
        await site.polled(source.name)
    found: list[set[str]] = [set() for _ in FILTERS]
    for change in await master.changes():
        found[int(change["properties"]["koji_change_source"])].add(change["project"])
    assert found == [expected for _, expected in FILTERS]


@pytest_twisted.ensureDeferred
async def test_filter_that_fails(site: Site, logged_failures: list[Any]) -> None:
    """A filter function that raises loses no event: there is a change, and a line in the log."""
    await site.listen(koji(filter=lambda event: event.no_such_thing))
    await site.change()
    assert len(logged_failures) == 1
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_restart(site: Site) -> None:
    """Events while the master was down are found at its start, none twice."""
    master = await site.listen(koji())
    first = site.build()
    await site.polled()
    await master.until_changes(1)
    await master.stop()
    second = site.build()
    master = await site.listen(koji())
    found = await master.until_changes(2)
    assert [change["revision"] for change in found] == [first, second]
    assert len(set(await master.keys())) == 2
    await master.until_scheduled([1, 2])


@pytest_twisted.ensureDeferred
async def test_cursor_of_before(site: Site) -> None:
    """A master that dies between a change and its cursor stores the change once."""
    master = await site.listen(koji())
    state = SourceStorage(master.master, "KojiChangeSource-fake")
    before = await state.get("standing")
    for _ in range(8):
        site.build()
    await site.polled()
    await master.until_changes(8)
    await state.put("standing", before)
    await master.stop()
    site.build()
    master = await site.listen(koji())
    await master.until_changes(9)
    assert len(set(await master.keys())) == 9


@pytest_twisted.ensureDeferred
async def test_announced_again(site: Site) -> None:
    """A change that was stored before the master died is announced to the schedulers at its start.

    It does not matter how much the source has written since: schedulers may be late.
    """
    deaf = schedulers.AnyBranchScheduler(
        name="all", builderNames=["test"], change_filter=util.ChangeFilter(project="nothing")
    )
    master = await site.listen(koji(), schedulers=[deaf])
    for count in (1, 2, 3, 4):
        site.build()
        await site.polled()
        await master.until_changes(count)
    assert await master.scheduled() == []
    master = await site.listen(koji())
    await master.until_scheduled([1, 2, 3, 4])
    site.build()
    await site.polled()
    master = await site.listen(koji())
    await site.polled()
    await master.until_scheduled([1, 2, 3, 4, 5])


@pytest_twisted.ensureDeferred
async def test_announcement_is_lost(site: Site) -> None:
    """What a scheduler had not taken when its master ended is announced again, once."""
    source = koji(limits=SourceLimits(announce_again=(0.1, 0.3)))
    master = await site.listen(source)
    updates = master.master.data.updates
    other = await master.master.db.masters.findMasterId("another")
    [scheduler] = master.master.scheduler_manager
    await scheduler.deactivate()
    site.build()
    await site.polled()
    await master.until_changes(1)
    site.hub.add_tag("another")
    await site.polled()
    await scheduler.activate()
    # The other one is the master that had the scheduler.
    await updates.masterActive(name="another", masterid=other)
    await master.until_scheduled([1])
    await updates.masterStopped(name="another", masterid=other)
    await until(lambda: not source._running._missed.times)
    assert await master.scheduled() == [1]
    # The database is unreachable while the scheduler has one.
    guard, unreachable = scheduler.gotChange, OperationalError("INSERT", {}, OSError("closed"))
    schedule = guard._schedule
    guard._schedule = lambda *_: setattr(guard, "_schedule", schedule) or fail(unreachable)
    site.build()
    await site.polled()
    await master.until_scheduled([1, 2])
    await until(lambda: not source._running._missed.times)
    # It is unreachable while the guard looks whether this master has the scheduler.
    database = master.master.db.schedulers
    read, failed = database.getScheduler, list[Any]()

    def end(number: int) -> Any:
        if failed or number != scheduler.serviceid:
            return read(number)
        failed.append(number)
        return fail(unreachable)

    with mock.patch.object(database, "getScheduler", end):
        nvr = site.build()
        await site.polled()
        await master.until_scheduled([1, 2, 3])
    assert (nvr in str(await master.changes()), failed) == (True, [scheduler.serviceid])
    # One that the scheduler has, and whose build it has not asked for yet, is not built twice.
    await scheduler.gotChange(SimpleNamespace(number=2), True)
    assert await master.scheduled() == [1, 2, 3]


@pytest_twisted.ensureDeferred
async def test_since(site: Site) -> None:
    """The first run starts now, or as long ago as is configured; a later one resumes."""
    first = site.build()
    master = await site.listen(koji())
    assert await master.changes() == []
    master = await site.listen(koji(name="other", since=datetime.timedelta(hours=1)))
    assert [change["revision"] for change in await master.until_changes(1)] == [first]
    master = await site.listen(koji(since=datetime.timedelta(hours=1)))
    assert len(await master.changes()) == 1


@pytest_twisted.ensureDeferred
async def test_tag_created_later(site: Site, logged: list[str]) -> None:
    """A tag that does not exist is logged at the start, and watched once it exists."""
    master = await site.listen(koji(tags=["not-yet"], packages=["hello", "helo"]))
    [line] = [line for line in logged if "has no tag" in line]
    assert line.endswith("has no tag not-yet: check the name; it is watched once it exists")
    assert any("packages: the hub has no helo: check the spelling" in line for line in logged)
    site.hub.add_tag("not-yet")
    site.hub.add_package("not-yet", "hello")
    nvr = site.build(tag="not-yet")
    master.reactor.ahead += 601
    await site.polled()
    [change] = await master.until_changes(1)
    assert (change["revision"], change["branch"]) == (nvr, "not-yet")


@pytest_twisted.ensureDeferred
async def test_unreachable_hub(site: Site, logged: list[str]) -> None:
    """An unreachable hub is logged once; a long silence becomes a change, and so does its end."""
    master = await site.listen(koji(stale_after=601))
    # As if the master had been suspended: the hub was not asked.
    master.reactor.ahead += 3600
    await master.source._running._health.report()
    # Or while a request was in flight, which fails then.
    hub = await get_hub(master.master, "fake")
    do_not_retry(hub.connection)
    site.hub.offline("a poll in flight")
    master.reactor.ahead += 3600
    await site.polled()
    site.hub.online()
    await site.polled()
    assert await master.changes() == []
    site.hub.offline("moving to another rack")
    for _ in range(3):
        master.reactor.ahead += 300
        await site.polled()
    [stale] = await master.until_changes(1)
    assert (stale["category"], stale["properties"]["koji_health"]) == ("koji-health", "stale")
    assert stale["comments"].startswith("no answer from fake for ")
    assert "moving to another rack" in stale["comments"]
    # The link to the hub has logged it.
    assert sum("does not answer: moving to another rack" in line for line in logged) == 1
    assert not [line for line in logged if "Source" in line and "retrying" in line]
    for _ in range(5):
        await site.polled()
    # However long it lasts, its end is noticed within a minute.
    next_poll = master.source.status().listener.next_poll
    assert 5 < next_poll - master.reactor.seconds() <= 60
    site.hub.online()
    site.build()
    await site.polled()
    found = await master.until_changes(3)
    assert [change["category"] for change in found] == ["koji-health", "koji-tagged", "koji-health"]
    assert found[2]["properties"]["koji_health"] == "well"


@pytest_twisted.ensureDeferred
async def test_quiet_time(site: Site) -> None:
    """The changes of a mass tagging are made together, after the quiet time."""
    master = await site.listen(koji(quiet_time=60))
    for _ in range(3):
        site.build()
        await site.polled()
        master.reactor.ahead += 40
    assert await master.changes() == []
    status = master.source.status().listener
    assert 79 < status.polled_at - status.complete_until < 100
    master.reactor.ahead += 21
    await site.polled()
    await master.until_changes(3)
    status = master.source.status().listener
    assert status.complete_until == status.polled_at


@pytest_twisted.ensureDeferred
async def test_flood(site: Site, logged: list[str]) -> None:
    """Changes beyond the hourly limit wait in the database, in order, across restarts."""
    options = {"max_changes_per_hour": 5, "limits": SourceLimits(chunk=4000)}
    master = await site.listen(koji(**options))
    expected = [site.build() for _ in range(14)]
    await site.polled()
    assert len(await master.changes()) == 5
    assert any("5 changes in an hour, the most allowed: holding back" in line for line in logged)
    status = master.source.status().listener
    assert status.complete_until <= min(site.hub.now(), status.polled_at)
    assert (status.held_back, status.waiting_since) == (9, status.complete_until)
    expected.append(site.build())
    ahead = 0.0
    for count in (10, 15):
        master = await site.listen(koji(**options))
        ahead += 3601
        master.reactor.ahead = ahead
        await site.polled()
        await master.until_changes(count)
    assert [change["revision"] for change in await master.changes()] == expected
    assert len(set(await master.keys())) == 15


@pytest_twisted.ensureDeferred
async def test_limit_after_a_crash(site: Site) -> None:
    """A master that dies in a flood remembers how many changes came in the hour."""
    master = await site.listen(koji(max_changes_per_hour=5))
    state = SourceStorage(master.master, "KojiChangeSource-fake")
    for _ in range(4):
        site.build()
    before = await state.get("standing")
    await site.polled()
    await master.until_changes(4)
    saved = await state.get("standing")
    assert saved["count"] == 4
    for lost in (before, {**saved, "cursor": before["cursor"]}):
        # Neither the cursor nor, in the first case, the batch's count was saved.
        await state.put("standing", lost)
        await master.stop()
        site.build()
        site.build()
        master = await site.listen(koji(max_changes_per_hour=5))
        state = SourceStorage(master.master, "KojiChangeSource-fake")
        await site.polled()
        assert len(await master.changes()) == 5


@pytest_twisted.ensureDeferred
async def test_pause(site: Site) -> None:
    """A paused source makes no changes, also after a restart, and loses none."""
    master = await site.listen(koji())
    await SourceStorage(master.master, "KojiChangeSource-fake").set_paused(True)
    site.build()
    asked = site.hub.requests
    for _ in range(2):
        await site.polled()
        assert await master.changes() == []
        assert site.hub.requests == asked
        await master.stop()
        await master.start()
    await SourceStorage(master.master, "KojiChangeSource-fake").set_paused(False)
    await site.polled()
    await master.until_changes(1)


@pytest_twisted.ensureDeferred
async def test_reconfiguration(site: Site) -> None:
    """A reconfiguration takes effect without a gap, as does the return to the first one."""
    master = await site.listen(koji())
    for tag in ("demo-released", "demo-candidate", "demo-released"):
        await master.reconfigure(koji(tags=[tag]))
        nvr = site.build(tag=tag)
        await site.polled()
        last = (await master.changes())[-1]
        assert (last["revision"], last["branch"]) == (nvr, tag)
    await master.reconfigure()
    assert "KojiChangeSource-fake" not in master.master.change_svc.namedServices
    assert len(await master.changes()) == 3


@pytest_twisted.ensureDeferred
async def test_values_fit_the_columns(site: Site) -> None:
    """Values are cut to the sizes of the database's columns."""
    long = "x" * 250
    site.hub.add_tag(long)
    site.hub.add_package(long, "hello")
    master = await site.listen(koji(tags=["*"]))
    site.hub.call("build", f"svn+https://svn.example.test/hello#{'r' * 300}", "demo")
    await until(lambda: site.hub.call("listTagged", "demo-candidate"))
    [build] = site.hub.call("listTagged", "demo-candidate")
    site.hub.call("tagBuildBypass", long, build["id"])
    await site.polled()
    changes = await master.until_changes(2)
    sizes = [(len(change["revision"]), len(change["branch"])) for change in changes]
    assert sizes == [(255, len("demo-candidate")), (255, len(long))]


@pytest.mark.parametrize("event", ["tagged", "build-complete"])
@pytest_twisted.ensureDeferred
async def test_odd_builds(site: Site, event: str) -> None:
    """Builds with anything in ``extra`` become changes, and hide no other build."""
    master = await site.listen(koji(events=[event], ignore_marker=True, packages=["hello"]))
    odd = [
        {"extra": []},
        {"extra": "text"},
        {"extra": {"source": "git+https://git.example.test/x#1"}},
        {"extra": {"custom_user_metadata": ["x"]}},
        {"completion_ts": 32503680000.0},
    ]
    expected = []
    for values in odd:
        expected.append(site.build())
        site.damage(**values)
        expected.append(site.build())
    await site.polled()
    found = await master.until_changes(10)
    assert sorted(change["revision"] for change in found) == sorted(expected)
    assert all(change["when_timestamp"] < 2**31 for change in found)


@contextmanager
def refusing(master: Master, bad: str) -> Iterator[list[str]]:
    """Let the database refuse the change of a build; yields the list of what was refused."""
    updates = master.master.data.updates
    refused, add_change = list[str](), updates.addChange

    def refuse(**change: Any) -> Any:
        if change["revision"] != bad:
            return add_change(**change)
        refused.append(bad)
        raise DataError("INSERT", {}, Exception("Data too long for column"))

    with mock.patch.object(updates, "addChange", refuse):
        yield refused


@pytest_twisted.ensureDeferred
async def test_refused_by_the_database(site: Site, logged: list[str]) -> None:
    """A change that the database refuses is set aside and retried; the others are stored."""
    master = await site.listen(koji())
    first, bad, last = (site.build() for _ in range(3))
    with refusing(master, bad) as refused:
        for _ in range(2):
            master.reactor.ahead += 61
            await site.polled()
            found = await master.until_changes(3)
        assert master.source.status().listener.unusable == 1
    assert [change["revision"] for change in found][:2] == [first, last]
    health = found[2]["properties"]
    assert found[2]["category"] == "koji-health"
    assert (health["koji_health"], health["koji_unusable"]) == ("unusable", 1)
    assert "Data too long" in found[2]["comments"]
    assert refused == [bad, bad]
    assert len([line for line in logged if "can't become a change: DataError" in line]) == 1
    master.reactor.ahead += 121
    await site.polled()
    found = await master.until_changes(5)
    assert [change["revision"] for change in found][3] == bad
    assert found[4]["properties"]["koji_health"] == "well"
    assert master.source.status().listener.unusable == 0


@pytest_twisted.ensureDeferred
async def test_record_that_is_left_out(site: Site) -> None:
    """An unreadable record is reported as health, and becomes a change once it is readable."""
    master = await site.listen(koji(events=["build-complete"]))
    requester = (await get_hub(master.master, "fake")).connection.client.requester
    requester.limits = replace(requester.limits, max_reply_bytes=100_000)
    first, bad = site.build(), site.build()
    site.damage(extra={"note": "x" * 300_000})
    [*_, row] = sorted(site.hub.state.rows("build"), key=lambda row: row["id"])
    last = site.build()
    await site.polled()
    await site.polled()
    found = await master.until_changes(3)
    health = found[2]["properties"]
    assert [change["revision"] for change in found][:2] == [first, last]
    assert (health["koji_health"], health["koji_unusable"]) == ("unusable", 1)
    assert found[2]["comments"].startswith("events of ")
    with site.hub.state.transaction():
        site.hub.state.update("build", row["id"], extra=None)
    await site.polled()
    await site.polled()
    found = await master.until_changes(5)
    assert [change["revision"] for change in found][3] == bad
    assert found[4]["properties"]["koji_health"] == "well"


@pytest_twisted.ensureDeferred
async def test_set_aside_before_a_restart(site: Site) -> None:
    """An event that could not become a change becomes one after a restart, however late."""
    master = await site.listen(koji(overlap=1))
    site.hub.clock = hub_clock = ForwardReactor()
    bad = site.build()
    expected = {bad}
    with refusing(master, bad):
        for _ in range(3):
            expected.add(site.build())
            # Tags are looked up again, and their older history is read no more.
            master.reactor.ahead += 601
            await site.polled()
            hub_clock.ahead += 2
    master = await site.listen(koji(overlap=1))
    await site.polled()
    found = [each for each in await master.changes() if each["category"] == "koji-tagged"]
    assert sorted(change["revision"] for change in found) == sorted(expected)


@pytest_twisted.ensureDeferred
async def test_details_that_are_unusable(site: Site) -> None:
    """A build whose task's id is no id does not stop the others."""
    master = await site.listen(koji(events=["build-complete"]))
    odd = site.build()
    site.damage(extra={"container_koji_task_id": "soon"})
    expected = [site.build(), site.build()]
    await site.polled()
    found = await master.changes()
    complete = [each["revision"] for each in found if each["category"] == "koji-build-complete"]
    assert [each for each in complete if each != odd] == expected


@pytest_twisted.ensureDeferred
async def test_database_that_is_unreachable(site: Site, logged: list[str]) -> None:
    """A change that can't be stored because the database is unreachable is not set aside.

    That is one line of the log, however often it is tried.
    """
    master = await site.listen(koji(limits=SOON))
    updates = master.master.data.updates
    down = mock.Mock(side_effect=OperationalError("INSERT", {}, Exception("server closed")))
    nvr = site.build()
    with mock.patch.object(updates, "addChange", down):
        master.source.wake()
        await until(lambda: down.call_count > 1)
        assert master.source.status().listener.unusable == 0
    [change] = await master.until_changes(1)
    assert change["revision"] == nvr
    assert sum("the master's database is unreachable: " in line for line in logged) == 1


@contextmanager
def ending(master: Master) -> Iterator[list[Any]]:
    """Let the database end when Buildbot first reads a change that it has stored."""
    data = master.master.data
    get, ended = data.get, list[Any]()

    def end(path: tuple[Any, ...], *args: Any, **kwargs: Any) -> Any:
        if path[0] == "changes" and len(path) == 2 and not ended:
            ended.append(path)
            return fail(OperationalError("SELECT", {}, Exception("server closed")))
        return get(path, *args, **kwargs)

    with mock.patch.object(data, "get", end):
        yield ended


@pytest_twisted.ensureDeferred
async def test_database_that_ends_once_a_change_is_stored(site: Site) -> None:
    """Buildbot reads what it has stored: if that fails, a change is announced, not added again."""
    master = await site.listen(koji(limits=SOON))
    with ending(master) as ended:
        await site.change()
        await master.until_scheduled([1])
    assert len(ended) == 1
    site.build()
    await site.polled()
    await master.until_scheduled([1, 2])


@pytest_twisted.ensureDeferred
async def test_database_that_ends_once_a_report_is_stored(site: Site) -> None:
    """A report of the source's health is made once, too."""
    source = koji(limits=SOON)
    master = await site.listen(source)
    with ending(master) as ended, refusing(master, site.build()):
        await site.polled()
        await until(lambda: source._running._intake.recorder.state.unusable)
    assert len(ended) == 1
    [report] = await master.changes()
    assert report["properties"]["koji_health"] == "unusable"


@pytest_twisted.ensureDeferred
async def test_stop_while_the_hub_hangs(site: Site) -> None:
    """A stop does not wait for a hub that does not answer."""
    master = await site.listen(koji(limits=NO_LIMIT))
    site.hub.offline()
    master.source.wake()
    await until(lambda: site.hub.requests)
    await master.stop()


@pytest_twisted.ensureDeferred
async def test_stop_while_the_database_hangs(site: Site, logged: list[str]) -> None:
    """A stop waits for a change that is being stored, not forever, and says that it did."""
    source = koji(limits=SourceLimits(stop=0.1))
    master = await site.listen(source)
    hanging = mock.Mock(side_effect=lambda **_: Deferred())
    nvr = site.build()
    with mock.patch.object(master.master.data.updates, "addChange", hanging):
        source.wake()
        await until(lambda: hanging.called)
        await source.deactivate()
    assert sum("stopped while the database did not answer" in line for line in logged) == 1
    await source.activate()
    [change] = await master.until_changes(1)
    assert change["revision"] == nvr


async def take_over(master: Any) -> int:
    """Let another master take the change source, as after our master was declared dead."""
    other = int(await master.master.db.masters.findMasterId("another"))
    sources = master.master.db.changesources
    await sources.setChangeSourceMaster(master.source.serviceid, None)
    await sources.setChangeSourceMaster(master.source.serviceid, other)
    return other


@pytest_twisted.ensureDeferred
async def test_claim_lost(site: Site, logged: list[str]) -> None:
    """A source that was frozen while another master took over stores nothing, and stands by."""
    master = await site.listen(koji())
    source = master.source
    source.POLL_INTERVAL_SEC = 0.1
    first = site.build()
    await site.polled()
    await master.until_changes(1)
    other = await take_over(master)
    second = site.build()
    source.wake()
    await until(lambda: source._running is None)
    assert not source.active
    assert len(await master.changes()) == 1
    assert sum("another master took over" in line for line in logged) == 1
    sources = master.master.db.changesources
    assert await sources.get_change_source_master(source.serviceid) == other
    # The other one ends, and ours resumes where the state in the database says.
    await sources.setChangeSourceMaster(source.serviceid, None)
    found = await master.until_changes(2)
    assert [change["revision"] for change in found] == [first, second]
    assert len(set(await master.keys())) == 2


@pytest_twisted.ensureDeferred
async def test_schedulers_come_later(site: Site) -> None:
    """A source that takes over before the schedulers do makes no change that none of them sees."""
    master = await site.listen(koji(limits=SourceLimits(look_for_schedulers=0.01)))
    schedulers, mine = master.master.db.schedulers, master.master.masterid
    [scheduler] = master.master.scheduler_manager
    await schedulers.setSchedulerMaster(scheduler.serviceid, None)
    await master.source.deactivate()
    site.build()
    before = site.hub.calls["getLastEvent"]
    with mock.patch.object(schedulers, "getScheduler", wraps=schedulers.getScheduler) as looked:
        await master.source.activate()
        # It looks again and again, and does nothing else.
        await until(lambda: looked.call_count > 3 or site.hub.calls["getLastEvent"] > before)
    assert site.hub.calls["getLastEvent"] == before
    await schedulers.setSchedulerMaster(scheduler.serviceid, mine)
    await master.until_changes(1)


@pytest_twisted.ensureDeferred
async def test_claim_of_the_same_master(site: Site) -> None:
    """A second process under the same master's name fences off the first."""
    master = await site.listen(koji())
    source = master.source
    await SourceStorage(master.master, source.name).put("claim", "another process")
    site.build()
    source.wake()
    await until(lambda: source._running is None)
    assert await master.changes() == []


@pytest_twisted.ensureDeferred
async def test_claim_lost_within_a_write(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is not stored whose source another master takes after the last check."""
    master = await site.listen(koji())
    source, updates = master.source, master.master.data.updates
    add = updates.addChange

    async def add_late(**change: Any) -> Any:
        await SourceStorage(master.master, source.name).put("claim", "another process")
        return await add(**change)

    monkeypatch.setattr(
        updates, "addChange", lambda **change: Deferred.fromCoroutine(add_late(**change))
    )
    site.build()
    source.wake()
    await until(lambda: source._running is None)
    assert await master.changes() == []


@pytest_twisted.ensureDeferred
async def test_stop_leaves_the_claim_of_others(site: Site) -> None:
    """A master that stops before it has noticed releases no claim but its own."""
    master = await site.listen(koji())
    other = await take_over(master)
    running, service_id = master.master, master.source.serviceid
    await master.source.disownServiceParent()
    assert await running.db.changesources.get_change_source_master(service_id) == other


@implementer(IRenderable)
class NeverKnown:
    """A secret that no provider ever gives."""

    def getRenderingFor(self, _: Any) -> Deferred[Any]:  # noqa: N802 - Buildbot's name
        return Deferred()


@pytest_twisted.ensureDeferred
async def test_reconfigured_while_it_starts(site: Site) -> None:
    """A source that waits for its hub's credentials is replaced at once."""
    never = util.KojiHub("fake", user="ci", password=NeverKnown())
    master = await site.listen(koji(limits=NO_LIMIT))
    for changed in ({"profile": never}, {"quiet_time": 1}):
        await master.reconfigure(koji(limits=NO_LIMIT, **changed))
    await site.polled()


@pytest_twisted.ensureDeferred
async def test_short_outage(site: Site, logged: list[str]) -> None:
    """A silence is reported while the first request still waits; one outage is few lines."""
    # More than a busy machine takes for a poll.
    master = await site.listen(koji(poll_interval=0.5, stale_after=5))
    hub = await get_hub(master.master, "fake")
    # A request that is given up first would come later than this test may take.
    hub.connection.deadline = 1e6
    hub.connection.client.requester._retry = RetryPolicy(first=0.05, ceiling=0.1)
    site.hub.offline("rack 7 moves")
    [stale] = await master.until_changes(1)
    assert stale["comments"].endswith("rack 7 moves")
    # Others ask, too, more than once each.
    asked = site.hub.requests
    asking = [hub.connection.getTag("demo-candidate") for _ in range(5)]
    await until(lambda: site.hub.requests > asked + 10)
    site.hub.online()
    found = await master.until_changes(2)
    assert [change["properties"]["koji_health"] for change in found] == ["stale", "well"]
    for each in asking:
        await each
    outage = [line for line in logged if "rack 7" in line or "answers again" in line]
    assert sum("does not answer: " in line for line in outage) == 1
    assert len([line for line in outage if "Source" not in line]) == 2, outage
