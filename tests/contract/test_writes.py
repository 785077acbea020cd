"""What a hub does for a user who is logged in: builds, cancels, tags."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.contract.conftest import FinishedBuild, Subject, some
from txkoji import Connection, task_states
from txkoji.build import Build
from txkoji.exceptions import ActionNotAllowed, AuthError, GenericError, HubFault, TagError
from txkoji.hub.requests import Request
from txkoji.hub.xmlrpc import encode_call

pytestmark = pytest.mark.writes

MISSING_ID = 2**31 - 7


@pytest_twisted.ensureDeferred
async def test_login(writer: Subject) -> None:
    """After the login the hub knows who calls, also in the session's own description."""
    user = await writer.koji.getLoggedInUser()
    assert user.name
    session = await writer.koji.showSession()
    assert str(writer.koji.session_id) in session


@pytest_twisted.ensureDeferred
async def test_permissions(writer: Subject) -> None:
    """A user's permissions are names, the same for the session and for the user."""
    perms = await writer.koji.getPerms()
    assert all(isinstance(perm, str) for perm in perms)
    user = await writer.koji.getLoggedInUser()
    assert set(perms) == set(await writer.koji.getUserPerms(user.id))
    for perm in perms:
        assert await writer.koji.hasPerm(perm) is True


@pytest_twisted.ensureDeferred
async def test_scratch_build(finished: FinishedBuild, koji: Connection) -> None:
    """A scratch build closes, made its source RPM and one RPM task an arch, and has no build."""
    assert finished.tree.root.state == task_states.CLOSED
    [source] = finished.tasks("buildSRPMFromSCM")
    arches = finished.tasks("buildArch")
    assert arches
    assert len({task.arch for task in arches}) == len(arches)
    assert {task.parent for task in [source, *arches]} == {finished.tree.root.id}
    assert not finished.tasks("tagBuild")
    assert await koji.listBuilds(taskID=finished.tree.root.id) == []


@pytest_twisted.ensureDeferred
async def test_states_of_a_build(finished: FinishedBuild) -> None:
    """A task is FREE, ASSIGNED or OPEN until it is CLOSED, and then stays that."""
    *before, last = finished.states
    assert before
    assert set(before) <= set(task_states.ACTIVE_GROUP)
    assert last == task_states.CLOSED
    for task in [finished.tree.root, *finished.tree.descendents()]:
        assert task.state == task_states.CLOSED
        assert task.create_ts <= task.start_ts <= task.completion_ts
        assert task.host_id is not None


@pytest_twisted.ensureDeferred
async def test_files_of_a_build(finished: FinishedBuild, koji: Connection) -> None:
    """Every task of an arch leaves RPMs and logs; its result names them."""
    for arch in some(finished.tasks("buildArch")):
        names = await koji.listTaskOutput(arch.id)
        assert any(name.endswith(".rpm") for name in names)
        assert "build.log" in names
        result = await koji.getTaskResult(arch.id)
        assert {path.rpartition("/")[2] for path in result.rpms} <= set(names)


@pytest_twisted.ensureDeferred
async def test_log_in_parts(finished: FinishedBuild, koji: Connection) -> None:
    """A log can be read from an offset, from its end, and past it, where there is nothing."""

    async def read(offset: int, size: int = -1) -> bytes:
        text = await koji.downloadTaskOutput(arch.id, "build.log", offset=offset, size=size)
        return base64.b64decode(text)

    arch = finished.tasks("buildArch")[0]
    table = await koji.listTaskOutput(arch.id, stat=True)
    length = int(table["build.log"].st_size)
    start = await read(0, 2000)
    assert len(start) == min(length, 2000)
    assert await read(10, 20) == start[10:30]
    assert await read(-20) == await read(length - 20)
    assert await read(length) == b""


@pytest_twisted.ensureDeferred
async def test_marker(writer: Subject) -> None:
    """What a user puts into a submission comes back with the task, and the task is found by it."""
    call = ("build", writer.source, writer.target, {"scratch": True})
    submission = await writer.koji.new_submission(*call)
    task_id = await writer.koji.submit(*call, submission=submission)
    task = await writer.koji.getTaskInfo(task_id, request=True)
    assert task.params.opts.custom_user_metadata.submission_marker == submission.marker
    assert task_id > submission.newest_task
    again = writer.again().koji
    assert await again.find_submitted(submission, *call) == task_id
    await writer.koji.cancelTask(task_id)


@pytest_twisted.ensureDeferred
async def test_cancel(writer: Subject) -> None:
    """Canceling a task cancels all that is below it; it may be done again."""
    task_id = await writer.build()
    await writer.until_open(task_id)
    assert await writer.koji.cancelTask(task_id) is None
    tree = await writer.ended(task_id)
    assert tree.root.state == task_states.CANCELED
    assert tree.children
    assert not [task.id for task in tree.descendents() if task.state in task_states.ACTIVE_GROUP]
    assert await writer.koji.cancelTask(task_id) is None
    with pytest.raises(GenericError, match=f"Task {task_id} is canceled"):
        await writer.koji.getTaskResult(task_id)


@pytest_twisted.ensureDeferred
async def test_cancel_of_a_finished_task(finished: FinishedBuild, writer: Subject) -> None:
    """Canceling a task that has ended is no fault, and changes nothing."""
    root = finished.tree.root
    assert await writer.koji.cancelTask(root.id) is None
    task = await writer.koji.getTaskInfo(root.id)
    assert (task.state, task.completion_ts) == (task_states.CLOSED, root.completion_ts)


@pytest_twisted.ensureDeferred
async def test_cancel_of_a_missing_task(writer: Subject) -> None:
    """A task that is not there can't be canceled: a fault that names it."""
    with pytest.raises(GenericError, match=str(MISSING_ID)):
        await writer.koji.cancelTask(MISSING_ID)


@pytest_twisted.ensureDeferred
async def test_unknown_target(writer: Subject) -> None:
    """A hub takes a build for a target that is not there: the task fails, by name."""
    task_id = await writer.koji.build(writer.source, "no-such-target", {"scratch": True})
    tree = await writer.ended(task_id)
    assert tree.root.state == task_states.FAILED
    with pytest.raises(GenericError, match="unknown build target: no-such-target"):
        await writer.koji.getTaskResult(task_id)


@pytest_twisted.ensureDeferred
async def test_result_of_an_unfinished_task(writer: Subject) -> None:
    """A running task has no result yet: a fault says so."""
    task_id = await writer.build()
    with pytest.raises(GenericError, match=f"Task {task_id} is not finished"):
        await writer.koji.getTaskResult(task_id)
    assert await writer.koji.taskFinished(task_id) is False
    await writer.koji.cancelTask(task_id)


@pytest_twisted.ensureDeferred
async def test_write_carries_its_number(writer: Subject) -> None:
    """Calls of a session are numbered; those that follow each other are all taken."""
    numbers = []
    for _ in range(3):
        numbers.append(writer.koji.callnum)
        await writer.koji.cancelTask(MISSING_ID).addErrback(lambda f: f.trap(HubFault))
    assert numbers == sorted(set(numbers))


async def tagged_build(writer: Subject) -> Build:
    """Return the latest build of the package that has the tag of the target."""
    target = await writer.koji.getBuildTarget(writer.target, strict=True)
    options = {"package": writer.package, "latest": True}
    return some(await writer.koji.listTagged(target.dest_tag, **options))[0]


async def refused(tagging: Awaitable[Any], words: str) -> None:
    """Check that a hub refuses in these words; who may not tag there at all is told that."""
    with pytest.raises((TagError, ActionNotAllowed)) as caught:
        await tagging
    assert isinstance(caught.value, ActionNotAllowed) or words in caught.value.text


async def tag_to_the_end(writer: Subject, tag: int, build: int) -> None:
    """Tag a build; raises what the hub says at once, or with the task that does it."""
    task_id = await writer.koji.tagBuild(tag, build)
    await writer.ended(task_id)
    await writer.koji.getTaskResult(task_id)


@pytest_twisted.ensureDeferred
async def test_tagging_what_is_tagged(writer: Subject) -> None:
    """A build that has a tag does not get it again, and keeps it as it was."""
    build = await tagged_build(writer)
    words = f"build {build.nvr} already tagged ({build.tag_name})"
    await refused(tag_to_the_end(writer, build.tag_id, build.id), words)
    [after] = await writer.koji.listTagged(build.tag_id, package=build.name, latest=True)
    assert (after.id, after.create_event) == (build.id, build.create_event)


@pytest_twisted.ensureDeferred
async def test_untagging_what_is_not_tagged(writer: Subject) -> None:
    """A build can't be taken out of a tag that it does not have."""
    target = await writer.koji.getBuildTarget(writer.target, strict=True)
    build = await tagged_build(writer)
    tags = [tag.id for tag in await writer.koji.listTags(build=build.id)]
    [tag] = some([each for each in [target.build_tag] if each not in tags])
    words = f"build {build.nvr} not in tag {target.build_tag_name}"
    await refused(writer.koji.untagBuild(tag, build.id), words)


@pytest_twisted.ensureDeferred
async def test_tagging_an_unlisted_package(writer: Subject) -> None:
    """A tag takes no build of a package that it does not list; no task is made."""
    build = await tagged_build(writer)
    tags = await writer.koji.listTags(queryOpts={"limit": 50, "order": "-id"})
    multicall = writer.koji.MultiCall()
    for tag in tags:
        multicall.checkTagPackage(tag.id, build.name)
    allowed = list(await multicall())
    unlisted = some([tag for tag, yes in zip(tags, allowed, strict=True) if not yes])
    await refused(writer.koji.tagBuild(unlisted[0].id, build.id), f"Package {build.name} ")


@pytest_twisted.ensureDeferred
async def test_tagging_with_a_missing_tag(writer: Subject) -> None:
    """A tag that is not there can't be given: a fault that names it."""
    build = await tagged_build(writer)
    with pytest.raises(GenericError, match=r"No such.*no-such-tag-anywhere"):
        await writer.koji.tagBuild("no-such-tag-anywhere", build.id)


@pytest_twisted.ensureDeferred
async def test_upload(writer: Subject, tmp_path: Path) -> None:
    """What is uploaded is there, whole; nothing is where nothing was uploaded."""
    path = tmp_path / "contract.txt"
    path.write_bytes(b"contract\n" * 200_000)
    place = await writer.koji.upload(path)
    directory, _, name = place.rpartition("/")
    there = await writer.koji.checkUpload(directory, name, verify="adler32")
    assert there["size"] == path.stat().st_size
    assert there["hexdigest"] == f"{zlib.adler32(path.read_bytes()):08x}"
    assert await writer.koji.checkUpload(directory, "absent") is None


@pytest_twisted.ensureDeferred
async def test_upload_out_of_place(writer: Subject, tmp_path: Path) -> None:
    """A file can't be uploaded to a place outside of the hub's work directory."""
    path = tmp_path / "contract.txt"
    path.write_text("x")
    with pytest.raises(HubFault):
        await writer.koji.upload(path, directory="../contract")


@pytest_twisted.ensureDeferred
async def test_download(finished: FinishedBuild, koji: Connection, tmp_path: Path) -> None:
    """The files of a task are at the addresses that Koji's layout says, with the sizes it tells."""
    arch = finished.tasks("buildArch")[0]
    paths = await koji.download_task(arch.id, tmp_path)
    table = await koji.listTaskOutput(arch.id, stat=True)
    assert {path.name: path.stat().st_size for path in paths} == {
        name: int(stat["st_size"]) for name, stat in table.items()
    }


@pytest_twisted.ensureDeferred
async def test_logout(writer: Subject) -> None:
    """After a logout the hub does not know the session any more, and says it by fault 1002."""
    session = writer.koji.client.session
    assert session is not None
    await writer.koji.logout()
    assert await writer.koji.getLoggedInUser() is None
    request = Request("getLoggedInUser", encode_call("getLoggedInUser"), repeatable=True)
    with pytest.raises(AuthError) as caught:
        await writer.koji.client._in_session(session, request)
    assert caught.value.code == 1002
