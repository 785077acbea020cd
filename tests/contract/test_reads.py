"""What a hub answers to questions. Nothing here changes anything, or needs a login."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from tests.support import limited
from txkoji import Connection, build_states, task_states
from txkoji.build import Build
from txkoji.exceptions import GenericError, HubFault, ParameterError

MISSING_ID = 2**31 - 7
MISSING = "no-such-thing-anywhere"


async def some_tag(koji: Connection) -> Any:
    """Return a tag that is there."""
    tags = await limited(koji.listTags(queryOpts={"limit": 1, "order": "id"}))
    return tags[0]


async def some_build(koji: Connection) -> Build:
    """Return a build that is complete."""
    options = {"limit": 1, "order": "-build_id"}
    [build] = await limited(koji.listBuilds(state=build_states.COMPLETE, queryOpts=options))
    return build


async def some_task(koji: Connection, state: int = task_states.CLOSED) -> Any:
    """Return the newest build task of a state."""
    wanted = {"method": "build", "state": [state]}
    [task] = await limited(koji.listTasks(wanted, {"limit": 1, "order": "-id"}))
    return task


@pytest_twisted.ensureDeferred
async def test_versions(koji: Connection) -> None:
    """The protocol's version is 1; the hub's own has at least two numbers."""
    assert await limited(koji.getAPIVersion()) == 1
    numbers = (await limited(koji.getKojiVersion())).split(".")
    assert [int(number) for number in numbers[:2]] >= [1, 16]


@pytest_twisted.ensureDeferred
async def test_echo(koji: Connection) -> None:
    """What travels to the hub and back is the same: wide integers, None, unicode, nested values."""
    values = [2**40, -(2**31), None, "é <&>", {"a": [1.5, {"b": None}]}, True, [], {}]
    assert await limited(koji.echo(*values)) == values


@pytest_twisted.ensureDeferred
async def test_unknown_method(koji: Connection) -> None:
    """A method that is not there is fault 1000 with its name."""
    with pytest.raises(GenericError, match="Invalid method: noSuchMethod") as caught:
        await limited(koji.noSuchMethod())
    assert caught.value.code == 1000


@pytest_twisted.ensureDeferred
async def test_bad_arguments(koji: Connection) -> None:
    """Arguments that a method does not have are a ParameterError."""
    with pytest.raises(ParameterError):
        await limited(koji.getTag(1, 2, 3, 4, 5, 6))
    with pytest.raises(ParameterError):
        await limited(koji.getTag(tagInfoo=1))


@pytest_twisted.ensureDeferred
async def test_tag_by_name_and_id(koji: Connection) -> None:
    """A tag is the same by its name and by its id; it has the fields that programs read."""
    name = (await some_tag(koji)).name
    tag = await limited(koji.getTag(name))
    assert tag == await limited(koji.getTag(tag.id))
    fields = {"id", "name", "arches", "locked", "maven_support", "perm", "perm_id", "extra"}
    assert fields <= set(tag)


@pytest_twisted.ensureDeferred
async def test_missing_tag(koji: Connection) -> None:
    """A tag that is not there is None; asked strictly, a fault that names it."""
    assert await limited(koji.getTag(MISSING)) is None
    with pytest.raises(GenericError, match=MISSING):
        await limited(koji.getTag(MISSING, strict=True))


@pytest_twisted.ensureDeferred
async def test_tags_in_pages(koji: Connection) -> None:
    """Pages follow each other without gap or repetition, and ``countOnly`` counts."""
    first = await limited(koji.listTags(queryOpts={"limit": 2, "order": "id"}))
    second = await limited(koji.listTags(queryOpts={"limit": 2, "offset": 1, "order": "id"}))
    assert [tag.id for tag in first][1:] == [tag.id for tag in second][:1]
    count = await limited(koji.listTags(queryOpts={"countOnly": True}))
    assert count >= len(first)


@pytest_twisted.ensureDeferred
async def test_targets(koji: Connection) -> None:
    """A target names its tags, which are there; it is the same by name and by id."""
    target = (await limited(koji.getBuildTargets(queryOpts={"limit": 1, "order": "id"})))[0]
    found = await limited(koji.getBuildTarget(target.name))
    assert found.id == target.id
    for kind in ("build_tag", "dest_tag"):
        tag = await limited(koji.getTag(found[kind]))
        assert tag.name == found[f"{kind}_name"]
    assert await limited(koji.getBuildTarget(MISSING)) is None


@pytest_twisted.ensureDeferred
async def test_inheritance(koji: Connection) -> None:
    """The inheritance of a target's build tag is a list of links with priorities and depths."""
    target = (await limited(koji.getBuildTargets(queryOpts={"limit": 1, "order": "id"})))[0]
    for link in await limited(koji.getFullInheritance(target.build_tag)):
        assert {"parent_id", "name", "priority", "currdepth", "maxdepth", "intransitive"} <= set(
            link
        )
    direct = await limited(koji.getInheritanceData(target.build_tag))
    assert all(link.child_id == target.build_tag for link in direct)


@pytest_twisted.ensureDeferred
async def test_build_by_nvr_and_id(koji: Connection) -> None:
    """A build is the same by its name and by its id, and is made of its parts."""
    listed = await some_build(koji)
    build = await limited(koji.getBuild(listed.nvr))
    assert build == await limited(koji.getBuild(listed.build_id))
    assert build.nvr == f"{build.name}-{build.version}-{build.release}"
    assert build.id == build.build_id
    assert build.state == build_states.COMPLETE
    assert build.completion_ts >= build.creation_ts


@pytest_twisted.ensureDeferred
async def test_missing_build(koji: Connection) -> None:
    """A build that is not there is None; asked strictly, a fault that names it."""
    assert await limited(koji.getBuild(MISSING_ID)) is None
    with pytest.raises(GenericError, match=str(MISSING_ID)):
        await limited(koji.getBuild(MISSING_ID, strict=True))


@pytest_twisted.ensureDeferred
async def test_builds_of_an_unknown_package(koji: Connection) -> None:
    """An unknown package has no builds: the connection makes of the hub's answer an empty list."""
    assert await limited(koji.listBuilds(MISSING)) == []


@pytest_twisted.ensureDeferred
async def test_newest_builds(koji: Connection) -> None:
    """Builds come in the order that was asked for."""
    options = {"limit": 5, "order": "-build_id"}
    builds = await limited(koji.listBuilds(state=build_states.COMPLETE, queryOpts=options))
    ids = [build.build_id for build in builds]
    assert ids == sorted(ids, reverse=True)


@pytest_twisted.ensureDeferred
async def test_tagged_build(koji: Connection) -> None:
    """A build that has a tag is among the tag's builds."""
    build = await some_build(koji)
    for tag in (await limited(koji.listTags(build=build.build_id)))[:1]:
        tagged = await limited(koji.listTagged(tag.id, package=build.name))
        assert build.build_id in [each.build_id for each in tagged]
        latest = await limited(koji.getLatestBuilds(tag.id, package=build.name))
        assert [each.name for each in latest] == [build.name]


@pytest_twisted.ensureDeferred
async def test_rpms_of_a_build(koji: Connection) -> None:
    """Each RPM of a build names the build; one of them is the source."""
    build = await some_build(koji)
    rpms = await limited(koji.listRPMs(buildID=build.build_id))
    assert {rpm.build_id for rpm in rpms} <= {build.build_id}
    for rpm in rpms[:1]:
        assert {"id", "name", "version", "release", "arch", "nvr", "payloadhash", "size"} <= set(
            rpm
        )


@pytest_twisted.ensureDeferred
async def test_task(koji: Connection) -> None:
    """A task is the same alone and in a list of ids, where a missing one is None."""
    task = await some_task(koji)
    alone = await limited(koji.getTaskInfo(task.id))
    listed = await limited(koji.getTaskInfo([task.id, MISSING_ID]))
    assert listed[1] is None
    assert listed[0].id == alone.id == task.id
    assert alone.completion_ts >= alone.start_ts >= alone.create_ts
    assert await limited(koji.getTaskInfo(MISSING_ID)) is None


@pytest_twisted.ensureDeferred
async def test_task_request(koji: Connection) -> None:
    """The request of a build task is its arguments; asked for with the task, they are in it."""
    task = await some_task(koji)
    arguments = await limited(koji.getTaskRequest(task.id))
    whole = await limited(koji.getTaskInfo(task.id, request=True))
    assert list(whole.request) == list(arguments)
    assert whole.params.src == arguments[0]


@pytest_twisted.ensureDeferred
async def test_children(koji: Connection) -> None:
    """Children name their parent; the table of descendents has text for keys."""
    task = await some_task(koji)
    children = await limited(koji.getTaskChildren(task.id))
    assert {child.parent for child in children} <= {task.id}
    table = await limited(koji.getTaskDescendents(task.id))
    assert str(task.id) in table
    assert sorted(child.id for child in table[str(task.id)]) == sorted(
        child.id for child in children
    )
    listed = await limited(koji.listTasks({"parent": [task.id]}, {"order": "id"}))
    assert [child.id for child in listed] == sorted(child.id for child in children)


@pytest_twisted.ensureDeferred
async def test_tasks_of_a_state(koji: Connection) -> None:
    """Only tasks of the state that was asked for are listed."""
    for state in (task_states.CLOSED, task_states.FAILED):
        tasks = await limited(koji.listTasks({"state": [state]}, {"limit": 5, "order": "-id"}))
        assert {task.state for task in tasks} <= {state}


@pytest_twisted.ensureDeferred
async def test_result_of_a_failed_task(koji: Connection) -> None:
    """The result of a failed task is the fault that it failed with; its state is not asked for."""
    task = await some_task(koji, task_states.FAILED)
    with pytest.raises(HubFault) as caught:
        await limited(koji.getTaskResult(task.id))
    assert caught.value.text
    quiet = await limited(koji.getTaskResult(task.id, raise_fault=False))
    assert quiet["faultCode"] == caught.value.code


@pytest_twisted.ensureDeferred
async def test_result_of_a_missing_task(koji: Connection) -> None:
    """A task that is not there has no result: a fault that names it."""
    with pytest.raises(GenericError, match=str(MISSING_ID)):
        await limited(koji.getTaskResult(MISSING_ID))


@pytest_twisted.ensureDeferred
async def test_output_of_a_task(koji: Connection) -> None:
    """The files of a task are names; with sizes, a table of them."""
    task = await some_task(koji)
    names = await limited(koji.listTaskOutput(task.id))
    assert all(isinstance(name, str) for name in names)
    table = await limited(koji.listTaskOutput(task.id, stat=True))
    assert sorted(table) == sorted(names)


@pytest_twisted.ensureDeferred
async def test_channels(koji: Connection) -> None:
    """Every hub has the channel ``default``, with hosts in a list."""
    channel = await limited(koji.getChannel("default"))
    assert channel.name == "default"
    hosts = await limited(koji.listHosts(channelID="default", queryOpts={"limit": 3}))
    assert all({"id", "name", "arches", "capacity", "enabled"} <= set(host) for host in hosts)


@pytest_twisted.ensureDeferred
async def test_nobody_is_logged_in(koji: Connection) -> None:
    """Without a session there is no user."""
    assert await limited(koji.getLoggedInUser()) is None


@pytest_twisted.ensureDeferred
async def test_writing_without_a_login(koji: Connection) -> None:
    """A write without a session is refused by fault, whatever it would do."""
    tag = await some_tag(koji)
    with pytest.raises(HubFault):
        await limited(koji.createTag(f"{tag.name}-{MISSING}"))
    with pytest.raises(HubFault):
        await limited(koji.cancelTask(MISSING_ID))


@pytest_twisted.ensureDeferred
async def test_multicall(koji: Connection) -> None:
    """A multicall answers in order, and a call that fails does not hold up the others."""
    multicall = koji.MultiCall()
    multicall.echo(1)
    multicall.getTag(MISSING, strict=True)
    multicall.noSuchMethod()
    multicall.echo(2)
    results = await limited(multicall())
    assert next(results) == [1]
    with pytest.raises(GenericError, match=MISSING):
        next(results)
    with pytest.raises(GenericError, match="Invalid method"):
        next(results)
    assert next(results) == [2]


@pytest_twisted.ensureDeferred
async def test_multicall_in_a_multicall(koji: Connection) -> None:
    """A multicall inside a multicall is refused as one of its calls."""
    multicall = koji.MultiCall()
    multicall.multiCall([])
    multicall.echo(1)
    results = await limited(multicall())
    with pytest.raises(HubFault):
        next(results)
    assert next(results) == [1]


@pytest_twisted.ensureDeferred
async def test_events(koji: Connection) -> None:
    """The last event has a number and a time; a query at it is accepted."""
    event = await limited(koji.getLastEvent())
    assert event.ts > 0
    tag = await some_tag(koji)
    assert (await limited(koji.getTag(tag.id, event=event.id))).name == tag.name


@pytest_twisted.ensureDeferred
async def test_build_types(koji: Connection) -> None:
    """Every hub knows RPM builds."""
    assert "rpm" in [kind.name for kind in await limited(koji.listBTypes())]


@pytest_twisted.ensureDeferred
async def test_owner_of_a_build(koji: Connection) -> None:
    """The owner of a build is a user, by name and by id."""
    build = await some_build(koji)
    user = await limited(koji.getUser(build.owner_name))
    assert user.id == build.owner_id
    assert user == await limited(koji.getUser(build.owner_id))
    assert await limited(koji.getUser(MISSING)) is None
