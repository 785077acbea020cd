"""What a hub answers to questions. Nothing here changes anything, or needs a login.

A real hub may be new: a test of what it does not have yet is skipped (``some``).
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import pytest_twisted

from tests.contract.conftest import some
from txkoji import Connection, build_states, task_states
from txkoji.build import Build
from txkoji.exceptions import ActionNotAllowed, GenericError, HubFault, ParameterError

MISSING_ID = 2**31 - 7
MISSING = "no-such-thing-anywhere"
MISSING_NVR = f"{MISSING}-1.0-1"


async def a_tag(koji: Connection, **wanted: Any) -> Any:
    """Return the first tag."""
    return some(await koji.listTags(**wanted, queryOpts={"limit": 1, "order": "id"}))[0]


async def a_target(koji: Connection) -> Any:
    """Return the first build target."""
    return some(await koji.getBuildTargets(queryOpts={"limit": 1, "order": "id"}))[0]


async def a_build(koji: Connection) -> Build:
    """Return a build that is complete: not the newest, which may be on its way."""
    options = {"limit": 50, "order": "-build_id"}
    return some(await koji.listBuilds(state=build_states.COMPLETE, queryOpts=options))[-1]


async def a_task(koji: Connection, state: int = task_states.CLOSED) -> Any:
    """Return a build task of a state, out of the newest."""
    wanted = {"method": "build", "state": [state]}
    return some(await koji.listTasks(wanted, {"limit": 20, "order": "-id"}))[-1]


async def made_rpms(koji: Connection) -> list[Any]:
    """Return the tasks of a build that is over which made its RPMs."""
    task = await a_task(koji)
    return some(await koji.listTasks({"parent": task.id, "method": "buildArch"}))


# Calls, values and faults


@pytest_twisted.ensureDeferred
async def test_versions(koji: Connection) -> None:
    """The protocol's version is 1; the hub's own has at least two numbers."""
    assert await koji.getAPIVersion() == 1
    numbers = (await koji.getKojiVersion()).split(".")
    assert [int(number) for number in numbers[:2]] >= [1, 16]


@pytest_twisted.ensureDeferred
async def test_echo_of_numbers(koji: Connection) -> None:
    """Numbers come back as they went, up to the ends of 64 bits; a bool stays a bool."""
    values = [0, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, -(2**63), 0.1, -2.5e-7]
    assert await koji.echo(*values) == values
    [yes, one] = await koji.echo(True, 1)
    assert (type(yes), type(one)) == (bool, int)


@pytest_twisted.ensureDeferred
async def test_echo_of_text(koji: Connection) -> None:
    """Text comes back as it went: markup, blanks at its ends, and letters of any script."""
    values = ["", " a\n b ", "<&>'\"]]>", "é ü ß", "日本語", "\N{PACKAGE}"]
    assert await koji.echo(*values) == values


@pytest_twisted.ensureDeferred
async def test_echo_of_structures(koji: Connection) -> None:
    """Nested values come back as they went, None and empty ones among them."""
    values = [None, [], {}, [[None, [1.5]]], {"a": [1, {"b": None}], "é <&>": {}}]
    assert await koji.echo(*values) == values


@pytest_twisted.ensureDeferred
async def test_named_arguments(koji: Connection) -> None:
    """An argument may be passed by its name; a struct that comes last is no named argument."""
    tag = await a_tag(koji)
    by_position = await koji.getTag(tag.id)
    assert await koji.getTag(tagInfo=tag.id, strict=True) == by_position
    assert await koji.echo(1, {"strict": True}) == [1, {"strict": True}]


@pytest_twisted.ensureDeferred
async def test_unknown_method(koji: Connection) -> None:
    """A method that is not there is fault 1000 with its name."""
    with pytest.raises(GenericError, match="Invalid method: noSuchMethod") as caught:
        await koji.noSuchMethod()
    assert (type(caught.value), caught.value.code) == (GenericError, 1000)


@pytest_twisted.ensureDeferred
async def test_bad_arguments(koji: Connection) -> None:
    """Too few arguments, too many, and those of an unknown name are fault 1019."""
    with pytest.raises(ParameterError) as caught:
        await koji.getTag()
    assert caught.value.code == 1019
    with pytest.raises(ParameterError):
        await koji.getTag(1, 2, 3, 4, 5, 6)
    with pytest.raises(ParameterError, match="unexpected keyword argument"):
        await koji.getTag(1, bogus=1)


@pytest_twisted.ensureDeferred
async def test_multicall(koji: Connection) -> None:
    """A multicall answers in order, and a call that fails does not hold up the others."""
    multicall = koji.MultiCall()
    multicall.echo(1)
    multicall.getTag(MISSING, strict=True)
    multicall.noSuchMethod()
    multicall.getTag()
    multicall.echo(2)
    results = await multicall()
    assert next(results) == [1]
    with pytest.raises(GenericError, match=f"No such.*{MISSING}"):
        next(results)
    with pytest.raises(GenericError, match="Invalid method: noSuchMethod"):
        next(results)
    with pytest.raises(ParameterError):
        next(results)
    assert next(results) == [2]


@pytest_twisted.ensureDeferred
async def test_long_multicall(koji: Connection) -> None:
    """A multicall of hundreds gives every call its own result, in the order of the calls."""
    multicall = koji.MultiCall()
    for number in range(250):
        multicall.echo(number)
    assert list(await multicall()) == [[number] for number in range(250)]


@pytest_twisted.ensureDeferred
async def test_multicall_in_a_multicall(koji: Connection) -> None:
    """A multicall inside a multicall is one call: even if refused, the others are carried out."""
    multicall = koji.MultiCall()
    multicall.multiCall([{"methodName": "echo", "params": [0]}])
    multicall.echo(1)
    results = await multicall()
    with contextlib.suppress(GenericError):
        assert next(results) == [[[0]]]
    assert next(results) == [1]


# Without a login


@pytest_twisted.ensureDeferred
async def test_nobody_is_logged_in(koji: Connection) -> None:
    """Without a session there is no user, who has no permissions; the hub says so in words too."""
    assert await koji.getLoggedInUser() is None
    assert await koji.getPerms() == []
    assert "not logged in" in await koji.showSession()


@pytest_twisted.ensureDeferred
async def test_writing_without_a_login(koji: Connection) -> None:
    """Without a session nobody may change anything: fault 1004."""
    with pytest.raises(ActionNotAllowed) as caught:
        await koji.createTag(MISSING)
    assert caught.value.code == 1004
    with pytest.raises(ActionNotAllowed):
        await koji.build(MISSING, MISSING)


@pytest_twisted.ensureDeferred
async def test_canceling_without_a_login(koji: Connection) -> None:
    """Without a session no task can be canceled, one that has ended neither."""
    task = await a_task(koji)
    with pytest.raises(ActionNotAllowed):
        await koji.cancelTask(task.id)
    with pytest.raises(GenericError):
        await koji.cancelTask(MISSING_ID)


# Tags, targets and packages


@pytest_twisted.ensureDeferred
async def test_tag_by_name_and_id(koji: Connection) -> None:
    """A tag is the same by its name and by its id; it has the fields that programs read."""
    listed = await a_tag(koji)
    tag = await koji.getTag(listed.name)
    assert tag == await koji.getTag(listed.id)
    assert (tag.id, tag.name) == (listed.id, listed.name)
    fields = {"id", "name", "arches", "locked", "maven_support", "perm", "perm_id", "extra"}
    assert fields <= set(tag)


@pytest.mark.parametrize(
    ("method", "missing", "words"),
    [
        ("getTag", MISSING, f"No such.*{MISSING}"),
        ("getTag", MISSING_ID, f"No such.*{MISSING_ID}"),
        ("getBuildTarget", MISSING, f"No such build target: {MISSING}"),
        ("getBuild", MISSING_ID, f"No such build.*{MISSING_ID}"),
        ("getBuild", MISSING_NVR, f"No such build.*{MISSING_NVR}"),
        ("getChannel", MISSING, "."),
    ],
)
@pytest_twisted.ensureDeferred
async def test_missing(koji: Connection, method: str, missing: Any, words: str) -> None:
    """What is not there is None; asked strictly, fault 1000, which mostly names it."""
    assert await koji.call(method, missing) is None
    with pytest.raises(GenericError, match=words) as caught:
        await koji.call(method, missing, strict=True)
    assert (caught.value.code, caught.value.method) == (1000, method)


@pytest_twisted.ensureDeferred
async def test_list_of_tags(koji: Connection) -> None:
    """Each tag in a list has its name, its id and its settings, but not its extra ones."""
    for tag in some(await koji.listTags(queryOpts={"limit": 3, "order": "name"})):
        assert isinstance(tag.id, int)
        assert isinstance(tag.name, str)
        assert isinstance(tag.locked, bool)
        assert {"arches", "maven_support", "maven_include_all", "perm", "perm_id"} <= set(tag)
        assert "extra" not in tag


@pytest_twisted.ensureDeferred
async def test_tags_in_pages(koji: Connection) -> None:
    """Pages follow each other without gap or repetition, and ``countOnly`` counts."""
    first = await koji.listTags(queryOpts={"limit": 2, "order": "id"})
    second = await koji.listTags(queryOpts={"limit": 2, "offset": 1, "order": "id"})
    assert [tag.id for tag in first][1:] == [tag.id for tag in second][:1]
    count = await koji.listTags(queryOpts={"countOnly": True})
    assert count >= len(first)


@pytest_twisted.ensureDeferred
async def test_order_by_an_unknown_column(koji: Connection) -> None:
    """An order by what the rows do not have is refused, not ignored."""
    await a_tag(koji)
    with pytest.raises(HubFault):
        await koji.listTags(queryOpts={"limit": 1, "order": "nosuchcolumn"})


@pytest_twisted.ensureDeferred
async def test_target_by_name_and_id(koji: Connection) -> None:
    """A target is the same by name and by id; it names its tags, which are there."""
    listed = await a_target(koji)
    target = await koji.getBuildTarget(listed.name)
    assert target == await koji.getBuildTarget(listed.id)
    assert (target.id, target.name) == (listed.id, listed.name)
    for kind in ("build_tag", "dest_tag"):
        tag = await koji.getTag(target[kind], strict=True)
        assert tag.name == target[f"{kind}_name"]


@pytest_twisted.ensureDeferred
async def test_targets_of_a_tag(koji: Connection) -> None:
    """The targets that build in a tag are those whose build tag it is."""
    target = await a_target(koji)
    found = await koji.getBuildTargets(buildTagID=target.build_tag)
    assert target.name in [each.name for each in found]
    assert {each.build_tag for each in found} == {target.build_tag}


@pytest_twisted.ensureDeferred
async def test_inheritance(koji: Connection) -> None:
    """A tag's own parents come by priority, each a link with its limits."""
    target = await a_target(koji)
    links = some(await koji.getInheritanceData(target.build_tag))
    assert [link.child_id for link in links] == [target.build_tag] * len(links)
    assert [link.priority for link in links] == sorted(link.priority for link in links)
    for link in links:
        assert isinstance(link.intransitive, bool)
        assert isinstance(link.noconfig, bool)
        assert {"parent_id", "name", "maxdepth", "pkg_filter"} <= set(link)


@pytest_twisted.ensureDeferred
async def test_full_inheritance(koji: Connection) -> None:
    """The whole inheritance has the tag's own parents at depth 1, and depths at every link."""
    target = await a_target(koji)
    links = some(await koji.getFullInheritance(target.build_tag))
    assert all({"parent_id", "child_id", "name", "priority", "filter"} <= set(x) for x in links)
    direct = await koji.getInheritanceData(target.build_tag)
    nearest = {link.parent_id for link in links if link.currdepth == 1}
    assert nearest <= {link.parent_id for link in direct}
    assert all(link.currdepth >= 1 for link in links)


@pytest_twisted.ensureDeferred
async def test_list_of_packages(koji: Connection) -> None:
    """All packages are names and ids; those of a tag say too whose they are, and if blocked."""
    options = {"limit": 3, "order": "package_name"}
    for package in some(await koji.listPackages(queryOpts=options)):
        assert set(package) == {"package_id", "package_name"}
    target = await a_target(koji)
    packages = await koji.listPackages(tagID=target.dest_tag, inherited=True, queryOpts=options)
    for package in some(packages):
        assert {"package_id", "package_name", "tag_id", "tag_name"} <= set(package)
        assert {"owner_id", "owner_name", "extra_arches", "blocked"} <= set(package)
        allowed = await koji.checkTagPackage(target.dest_tag, package.package_name)
        assert allowed is not package.blocked


@pytest_twisted.ensureDeferred
async def test_package_by_name_and_id(koji: Connection) -> None:
    """A package is the same by name and by id; one that is not there is None."""
    build = await a_build(koji)
    package = await koji.getPackage(build.package_name)
    assert (package.id, package.name) == (build.package_id, build.package_name)
    assert package == await koji.getPackage(build.package_id)
    assert await koji.getPackage(MISSING) is None


# Builds


@pytest_twisted.ensureDeferred
async def test_build_by_nvr_and_id(koji: Connection) -> None:
    """A build is the same by its name and by its id, and its NVR joins its parts."""
    listed = await a_build(koji)
    build = await koji.getBuild(listed.nvr)
    assert build == await koji.getBuild(listed.build_id)
    assert build.nvr == f"{build.name}-{build.version}-{build.release}"
    assert build.id == build.build_id
    assert build.state == build_states.COMPLETE
    assert build.completion_ts >= build.creation_ts


@pytest_twisted.ensureDeferred
async def test_malformed_build_name(koji: Connection) -> None:
    """What is no name-version-release is a fault even where it is not asked for strictly."""
    with pytest.raises(GenericError, match="invalid format: malformed"):
        await koji.getBuild("malformed")


@pytest_twisted.ensureDeferred
async def test_builds_of_an_unknown_package(koji: Connection) -> None:
    """An unknown package has no builds: the connection makes of the hub's answer an empty list."""
    assert await koji.listBuilds(MISSING) == []


@pytest_twisted.ensureDeferred
async def test_newest_builds(koji: Connection) -> None:
    """Builds come in the order that was asked for, and no more of them."""
    options = {"limit": 5, "order": "-build_id"}
    builds = await koji.listBuilds(state=build_states.COMPLETE, queryOpts=options)
    ids = [build.build_id for build in builds]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) <= 5
    assert {build.state for build in builds} <= {build_states.COMPLETE}


@pytest_twisted.ensureDeferred
async def test_builds_in_pages(koji: Connection) -> None:
    """The builds of a package can be paged and counted."""
    build = await a_build(koji)
    wanted = {"packageID": build.package_id}
    order = {"limit": 2, "order": "build_id"}
    first = await koji.listBuilds(**wanted, queryOpts=order)
    second = await koji.listBuilds(**wanted, queryOpts={**order, "offset": 1})
    assert [each.build_id for each in first][1:] == [each.build_id for each in second][:1]
    assert {each.package_name for each in first} == {build.package_name}
    count = await koji.listBuilds(**wanted, queryOpts={"countOnly": True})
    assert count >= len(first)


@pytest_twisted.ensureDeferred
async def test_tags_of_a_build(koji: Connection) -> None:
    """A build that has a tag is among the tag's builds, and there is one latest of its package."""
    build = await a_build(koji)
    tag = await a_tag(koji, build=build.build_id)
    tagged = await koji.listTagged(tag.id, package=build.name)
    assert build.build_id in [each.build_id for each in tagged]
    latest = await koji.getLatestBuilds(tag.id, package=build.name)
    assert [each.name for each in latest] == [build.name]


@pytest_twisted.ensureDeferred
async def test_tagged_builds(koji: Connection) -> None:
    """A tagged build says which tag has it since which event; the latest comes first."""
    build = await a_build(koji)
    tag = await a_tag(koji, build=build.build_id)
    tagged = await koji.listTagged(tag.id, package=build.name)
    assert {(each.tag_id, each.tag_name) for each in tagged} == {(tag.id, tag.name)}
    events = [each.create_event for each in tagged]
    assert events == sorted(events, reverse=True)
    for each in tagged:
        assert each.id == each.build_id
        assert {"nvr", "epoch", "owner_name", "completion_time", "task_id"} <= set(each)
    latest = await koji.listTagged(tag.id, package=build.name, latest=True)
    assert [each.id for each in latest] == [tagged[0].id]


@pytest_twisted.ensureDeferred
async def test_builds_of_a_missing_tag(koji: Connection) -> None:
    """The builds of a tag that is not there are a fault, also when it is not asked strictly."""
    with pytest.raises(GenericError, match=MISSING):
        await koji.listTagged(MISSING)
    with pytest.raises(GenericError, match=MISSING):
        await koji.getLatestBuilds(MISSING)


@pytest_twisted.ensureDeferred
async def test_rpms_of_a_build(koji: Connection) -> None:
    """Each RPM of a build names the build, and can be asked for by its id."""
    build = await a_build(koji)
    rpms = await koji.listRPMs(buildID=build.build_id)
    assert {rpm.build_id for rpm in some(rpms)} == {build.build_id}
    assert {"nvr", "arch", "epoch", "payloadhash", "size", "buildtime"} <= set(rpms[0])
    alone = await koji.getRPM(rpms[0].id)
    assert f"{alone.name}-{alone.version}-{alone.release}" == rpms[0].nvr


@pytest_twisted.ensureDeferred
async def test_owner_of_a_build(koji: Connection) -> None:
    """The owner of a build is a user, by name and by id."""
    build = await a_build(koji)
    user = await koji.getUser(build.owner_name)
    assert user.id == build.owner_id
    assert user == await koji.getUser(build.owner_id)
    assert await koji.getUser(MISSING) is None


# Tasks


@pytest_twisted.ensureDeferred
async def test_task(koji: Connection) -> None:
    """A task is the same alone and in a list of ids, where a missing one is None."""
    task = await a_task(koji)
    alone = await koji.getTaskInfo(task.id)
    listed = await koji.getTaskInfo([MISSING_ID, task.id])
    assert listed == [None, alone]
    assert alone.completion_ts >= alone.start_ts >= alone.create_ts
    assert alone.host_id is not None
    assert isinstance(alone.owner, int)
    assert await koji.taskFinished(task.id) is True


@pytest_twisted.ensureDeferred
async def test_missing_task(koji: Connection) -> None:
    """A task that is not there is None, has no children and no files; asked strictly, a fault."""
    assert await koji.getTaskInfo(MISSING_ID) is None
    assert await koji.getTaskInfo([MISSING_ID]) == [None]
    assert await koji.getTaskChildren(MISSING_ID) == []
    table = await koji.client.call("getTaskDescendents", MISSING_ID)
    assert table == {str(MISSING_ID): []}
    assert await koji.getTaskDescendents(MISSING_ID) == []
    assert await koji.listTaskOutput(MISSING_ID) == []
    with pytest.raises(GenericError) as caught:
        await koji.getTaskInfo(MISSING_ID, strict=True)
    assert caught.value.code == 1000


@pytest_twisted.ensureDeferred
async def test_task_request(koji: Connection) -> None:
    """The request of a build task is its arguments; asked for with the task, they are in it."""
    task = await a_task(koji)
    arguments = await koji.getTaskRequest(task.id)
    whole = await koji.getTaskInfo(task.id, request=True)
    assert list(whole.request) == list(arguments) == list(task.request)
    assert whole.params.src == arguments[0]


@pytest_twisted.ensureDeferred
async def test_children(koji: Connection) -> None:
    """Children name their parent, and are the same however they are asked for."""
    task = await a_task(koji)
    children = await koji.getTaskChildren(task.id)
    assert {child.parent for child in some(children)} == {task.id}
    ids = sorted(child.id for child in children)
    listed = await koji.listTasks({"parent": [task.id]}, {"order": "id"})
    assert [child.id for child in listed] == ids


@pytest_twisted.ensureDeferred
async def test_descendents(koji: Connection) -> None:
    """The table of descendents has text for keys, and an entry for every task, childless or not."""
    task = await a_task(koji)
    table = await koji.client.call("getTaskDescendents", task.id)
    assert all(isinstance(key, str) for key in table)
    below = some([child for children in table.values() for child in children])
    assert set(table) == {str(task.id)} | {str(child.id) for child in below}
    assert all(child.id in [x.id for x in table[str(child.parent)]] for child in below)
    flat = await koji.getTaskDescendents(task.id)
    assert [child.id for child in flat] == sorted(child.id for child in below)


@pytest_twisted.ensureDeferred
async def test_tasks_of_a_state(koji: Connection) -> None:
    """Only tasks of the states that were asked for are listed."""
    for states in ([task_states.CLOSED], [task_states.FAILED], list(task_states.DONE_GROUP)):
        tasks = await koji.listTasks({"state": states}, {"limit": 5, "order": "-id"})
        assert {task.state for task in tasks} <= set(states)
        assert all(isinstance(task.owner_name, str) for task in tasks)


@pytest_twisted.ensureDeferred
async def test_tasks_in_pages(koji: Connection) -> None:
    """Tasks can be filtered, ordered, paged and counted."""
    task = await a_task(koji)
    wanted = {"parent": task.id}
    first = await koji.listTasks(wanted, {"limit": 2, "order": "id"})
    second = await koji.listTasks(wanted, {"limit": 2, "offset": 1, "order": "id"})
    assert [each.id for each in first][1:] == [each.id for each in second][:1]
    count = await koji.listTasks(wanted, {"countOnly": True})
    assert count == len(await koji.getTaskChildren(task.id))


@pytest_twisted.ensureDeferred
async def test_result_of_a_closed_task(koji: Connection) -> None:
    """The result of a build task is nothing; that of a task that made RPMs says where they are."""
    task = await a_task(koji)
    assert await koji.getTaskResult(task.id) is None
    for task in await made_rpms(koji):
        result = await koji.getTaskResult(task.id)
        assert {"rpms", "srpms", "logs"} <= set(result)


@pytest_twisted.ensureDeferred
async def test_result_of_a_failed_task(koji: Connection) -> None:
    """The result of a failed task is the fault that it failed with; on request it is a value."""
    task = await a_task(koji, task_states.FAILED)
    with pytest.raises(HubFault) as caught:
        await koji.getTaskResult(task.id)
    assert caught.value.text
    quiet = await koji.getTaskResult(task.id, raise_fault=False)
    assert (quiet.faultCode, quiet.faultString) == (caught.value.code, caught.value.text)


@pytest_twisted.ensureDeferred
async def test_result_of_a_canceled_task(koji: Connection) -> None:
    """A canceled task has no result: a fault that says why."""
    task = await a_task(koji, task_states.CANCELED)
    with pytest.raises(GenericError, match=f"Task {task.id} is canceled"):
        await koji.getTaskResult(task.id)


@pytest_twisted.ensureDeferred
async def test_result_of_a_missing_task(koji: Connection) -> None:
    """A missing task has no result: the hub's fault says so."""
    with pytest.raises(GenericError, match="No such task"):
        await koji.getTaskResult(MISSING_ID)


@pytest_twisted.ensureDeferred
async def test_output_of_a_task(koji: Connection) -> None:
    """The files of a task are names; with sizes, a table of them, the sizes in text."""
    for task in await made_rpms(koji):
        names = some(await koji.listTaskOutput(task.id))
        assert all(isinstance(name, str) for name in names)
        table = await koji.listTaskOutput(task.id, stat=True)
        assert sorted(table) == sorted(names)
        assert all(stat.st_size == str(int(stat.st_size)) for stat in table.values())


@pytest_twisted.ensureDeferred
async def test_file_that_no_task_made(koji: Connection) -> None:
    """A file that a task did not leave can't be read: a fault that names it."""
    task = await a_task(koji)
    with pytest.raises(GenericError, match=MISSING):
        await koji.downloadTaskOutput(task.id, MISSING)


# Channels, hosts, events


@pytest_twisted.ensureDeferred
async def test_channel(koji: Connection) -> None:
    """Every hub has the channel ``default``, the same by its name and its id."""
    channel = await koji.getChannel("default")
    assert channel.name == "default"
    assert channel == await koji.getChannel(channel.id)


@pytest_twisted.ensureDeferred
async def test_list_of_channels(koji: Connection) -> None:
    """Channels have names and ids, and each name is there once."""
    channels = await koji.listChannels()
    names = [channel.name for channel in channels]
    assert "default" in names
    assert len(set(names)) == len(names)
    assert all(isinstance(channel.id, int) for channel in channels)


@pytest_twisted.ensureDeferred
async def test_hosts_of_a_channel(koji: Connection) -> None:
    """The hosts of a channel come in a list, with what they can build."""
    hosts = some(await koji.listHosts(channelID="default"))
    assert all({"id", "name", "arches", "capacity", "enabled"} <= set(host) for host in hosts)


@pytest_twisted.ensureDeferred
async def test_events(koji: Connection) -> None:
    """The last event has a number and a time; what was in force at an event can be asked for."""
    event = await koji.getLastEvent()
    assert event.ts > 0
    assert (await koji.getEvent(event.id)).ts == event.ts
    tag = await a_tag(koji)
    assert (await koji.getTag(tag.id, event=event.id)).name == tag.name


@pytest_twisted.ensureDeferred
async def test_build_types(koji: Connection) -> None:
    """Every hub knows RPM builds."""
    assert "rpm" in [kind.name for kind in await koji.listBTypes()]


@pytest_twisted.ensureDeferred
async def test_history_of_a_tag(koji: Connection) -> None:
    """Each tagging has the event and the user that made it, and that ended it; one page a call."""
    build = await a_build(koji)
    tag = await a_tag(koji, build=build.build_id)
    options = {"order": "-create_event,build_id", "limit": 5}
    history = await koji.queryHistory(tables=["tag_listing"], tag=tag.id, queryOpts=options)
    rows = history.tag_listing
    assert 0 < len(rows) <= 5
    for row in rows:
        assert (row.tag_id, row["tag.name"]) == (tag.id, tag.name)
        assert (row.active is None) == (row.revoke_event is not None)
    last = rows[0].create_event
    after = await koji.queryHistory(tables=["tag_listing"], tag=tag.id, afterEvent=last - 1)
    found = [row for row in after.tag_listing if row.create_event == last]
    assert found
    assert all(row._created_after_event is True for row in found)


@pytest_twisted.ensureDeferred
async def test_history_without_a_tag(koji: Connection) -> None:
    """The history of a tag that never was is a fault, not an empty list."""
    with pytest.raises(GenericError):
        await koji.queryHistory(tables=["tag_listing"], tag=MISSING)


@pytest_twisted.ensureDeferred
async def test_repo_of_a_tag(koji: Connection) -> None:
    """The repo of a build tag is READY, and is the same by its id."""
    targets = await koji.getBuildTargets(queryOpts={"limit": 20, "order": "id"})
    repos = [(await koji.getRepo(target.build_tag), target) for target in targets]
    for repo, target in some([each for each in repos if each[0] is not None]):
        assert repo.state == 1
        same = await koji.repoInfo(repo.id)
        assert (same.id, same.tag_name) == (repo.id, target.build_tag_name)


@pytest_twisted.ensureDeferred
async def test_last_change_of_a_tag(koji: Connection) -> None:
    """A tag has changed at some event, and has not since that one."""
    tag = (await a_target(koji)).dest_tag
    last = await koji.tagLastChangeEvent(tag, inherit=False)
    assert await koji.tagChangedSinceEvent(last - 1, [tag]) is True
    assert await koji.tagChangedSinceEvent(last, [tag]) is False


@pytest_twisted.ensureDeferred
async def test_archives_of_an_rpm_build(koji: Connection) -> None:
    """A build of RPMs alone has no archives, and is no image, Maven or Windows build."""
    options = {"limit": 3, "order": "-build_id"}
    builds = await koji.listBuilds(type="rpm", state=1, queryOpts=options)
    types = [set(await koji.getBuildType(build.build_id)) for build in builds]
    assert all("rpm" in each for each in types)
    of_rpms = [build for build, each in zip(builds, types, strict=True) if each == {"rpm"}]
    for build in some(of_rpms):
        assert await koji.listArchives(buildID=build.build_id) == []
        assert await koji.getImageBuild(build.build_id) is None
        with pytest.raises(GenericError):
            await koji.getMavenBuild(build.build_id, strict=True)


@pytest_twisted.ensureDeferred
async def test_types_of_archives(koji: Connection) -> None:
    """A hub knows types of archives by their extensions."""
    types = {each.name: each.extensions for each in await koji.getArchiveTypes()}
    assert {"jar", "pom", "zip"} <= set(types)
    assert "pom" in types["pom"].split()


@pytest_twisted.ensureDeferred
async def test_signatures_of_rpms(koji: Connection) -> None:
    """Each signature of an RPM names the RPM and a key, or none."""
    rpms = await koji.listBuildRPMs((await a_build(koji)).build_id)
    for rpm in some(rpms)[:3]:
        signatures = some(await koji.queryRPMSigs(rpm_id=rpm.id))
        assert {(row.rpm_id, type(row.sigkey)) for row in signatures} == {(rpm.id, str)}


@pytest_twisted.ensureDeferred
async def test_repo_request_that_is_not_there(koji: Connection) -> None:
    """A repo request that was never made is a fault, where the hub knows such requests."""
    with pytest.raises(GenericError, match=r"No such request|Invalid method"):
        await koji.call("repo.checkRequest", 0)
