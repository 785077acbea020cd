"""What a hub does for a user who is logged in: builds, cancels, tags."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import pytest
import pytest_twisted

from tests.contract.conftest import Subject
from tests.support import limited
from txkoji import task_states
from txkoji.connection import _Request
from txkoji.exceptions import AuthError, GenericError, HubFault
from txkoji.submission import find_build_task, marker_of, new_marker, submit_build
from txkoji.xmlrpc import encode_call

pytestmark = pytest.mark.writes


@pytest_twisted.ensureDeferred
async def test_login(writer: Subject) -> None:
    """After the login the hub knows who calls, also in the session's own description."""
    user = await limited(writer.koji.getLoggedInUser())
    assert user.name
    session = await limited(writer.koji.showSession())
    assert str(writer.koji.session_id) in session


@pytest_twisted.ensureDeferred
async def test_scratch_build(writer: Subject) -> None:
    """A scratch build closes, made its source RPM and one RPM task an arch, and has no build."""
    task_id = await writer.build()
    tree = await writer.ended(task_id)
    assert tree.root.state == task_states.CLOSED
    methods = [task.method for task in tree.descendents()]
    assert methods.count("buildSRPMFromSCM") == 1
    assert "buildArch" in methods
    assert "tagBuild" not in methods
    assert await limited(writer.koji.listBuilds(taskID=task_id)) == []


@pytest_twisted.ensureDeferred
async def test_files_of_a_build(writer: Subject) -> None:
    """A task of an arch leaves RPMs and logs, and a log can be read in parts."""
    tree = await writer.ended(await writer.build())
    arch = next(task for task in tree.descendents() if task.method == "buildArch")
    names = await limited(writer.koji.listTaskOutput(arch.id))
    assert any(name.endswith(".rpm") for name in names)
    assert "build.log" in names
    download = writer.koji.downloadTaskOutput
    whole = base64.b64decode(await limited(download(arch.id, "build.log", offset=0, size=2000)))
    part = base64.b64decode(await limited(download(arch.id, "build.log", offset=10, size=20)))
    assert whole[10:30] == part


@pytest_twisted.ensureDeferred
async def test_marker(writer: Subject) -> None:
    """What a user puts into a submission comes back with the task, and the task is found by it."""
    marker = new_marker()
    started = writer.koji.reactor.seconds()
    options = {"scratch": True}
    task_id = await submit_build(writer.koji, writer.source, writer.target, options, marker=marker)
    task = await limited(writer.koji.getTaskInfo(task_id, request=True))
    assert marker_of(task) == marker
    found = await limited(find_build_task(writer.koji, marker, submitted=started))
    assert found.id == task_id
    await limited(writer.koji.cancelTask(task_id))


@pytest_twisted.ensureDeferred
async def test_cancel(writer: Subject) -> None:
    """Canceling a task cancels all that is below it; it may be done again."""
    task_id = await writer.build()
    await writer.until_open(task_id)
    await limited(writer.koji.cancelTask(task_id))
    tree = await writer.ended(task_id)
    assert tree.root.state == task_states.CANCELED
    assert not [task.id for task in tree.descendents() if task.state in task_states.ACTIVE_GROUP]
    await limited(writer.koji.cancelTask(task_id))
    with pytest.raises(GenericError, match=f"Task {task_id} is canceled"):
        await limited(writer.koji.getTaskResult(task_id))


@pytest_twisted.ensureDeferred
async def test_unknown_target(writer: Subject) -> None:
    """A hub takes a build for a target that is not there: the task fails, by name."""
    task_id = await limited(writer.koji.build(writer.source, "no-such-target", {"scratch": True}))
    tree = await writer.ended(task_id)
    assert tree.root.state == task_states.FAILED
    with pytest.raises(GenericError, match="unknown build target: no-such-target"):
        await limited(writer.koji.getTaskResult(task_id))


@pytest_twisted.ensureDeferred
async def test_result_of_an_unfinished_task(writer: Subject) -> None:
    """A task that goes on has no result yet: a fault that says so."""
    task_id = await writer.build()
    with pytest.raises(GenericError):
        await limited(writer.koji.getTaskResult(task_id))
    await limited(writer.koji.cancelTask(task_id))


@pytest_twisted.ensureDeferred
async def test_write_carries_its_number(writer: Subject) -> None:
    """Calls of a session are numbered; those that follow each other are all taken."""
    numbers = []
    for _ in range(3):
        numbers.append(writer.koji.callnum)
        await limited(writer.koji.cancelTask(2**31 - 7)).addErrback(lambda f: f.trap(HubFault))
    assert numbers == sorted(set(numbers))


@pytest_twisted.ensureDeferred
async def test_tagging_what_is_tagged(writer: Subject) -> None:
    """A build gets a tag once: the second time is refused, and so is taking off what is not on."""
    options = {"limit": 1, "order": "-build_id"}
    builds = await limited(writer.koji.listBuilds(state=1, queryOpts=options))
    build = builds[0]
    tags = await limited(writer.koji.listTags(build=build.build_id))
    for tag in tags[:1]:
        with pytest.raises(HubFault, match="already tagged"):
            await limited(writer.koji.tagBuildBypass(tag.id, build.build_id))
    target = await limited(writer.koji.getBuildTarget(writer.target))
    if target.build_tag not in [tag.id for tag in tags]:
        with pytest.raises(HubFault):
            await limited(writer.koji.untagBuild(target.build_tag, build.build_id, strict=True))


@pytest_twisted.ensureDeferred
async def test_upload(writer: Subject, tmp_path: Path) -> None:
    """What is uploaded is there, whole; nothing is where nothing was uploaded."""
    path = tmp_path / "contract.txt"
    path.write_bytes(b"contract\n" * 200_000)
    place = await limited(writer.koji.upload(path))
    directory, _, name = place.rpartition("/")
    there = await limited(writer.koji.checkUpload(directory, name, verify="adler32"))
    assert there["size"] == path.stat().st_size
    assert there["hexdigest"] == f"{zlib.adler32(path.read_bytes()):08x}"
    assert await limited(writer.koji.checkUpload(directory, "absent")) is None


@pytest_twisted.ensureDeferred
async def test_upload_out_of_place(writer: Subject, tmp_path: Path) -> None:
    """A file can't be uploaded to a place outside of the hub's work directory."""
    path = tmp_path / "contract.txt"
    path.write_text("x")
    with pytest.raises(HubFault):
        await limited(writer.koji.upload(path, directory="../contract"))


@pytest_twisted.ensureDeferred
async def test_download(writer: Subject, tmp_path: Path) -> None:
    """The files of a task are at the addresses that Koji's layout says, with the sizes it tells."""
    tree = await writer.ended(await writer.build())
    arch = next(task for task in tree.descendents() if task.method == "buildArch")
    paths = await limited(writer.koji.download_task(arch.id, tmp_path))
    table = await limited(writer.koji.listTaskOutput(arch.id, stat=True))
    assert {path.name: path.stat().st_size for path in paths} == {
        name: int(stat["st_size"]) for name, stat in table.items()
    }


@pytest_twisted.ensureDeferred
async def test_logout(writer: Subject) -> None:
    """After a logout the hub does not know the session any more, and says it by fault 1002."""
    session = writer.koji._session
    assert session is not None
    await limited(writer.koji.logout())
    assert await limited(writer.koji.getLoggedInUser()) is None
    request = _Request("getLoggedInUser", encode_call("getLoggedInUser"))
    with pytest.raises(AuthError) as caught:
        await writer.koji._in_session(session, request, write=False)
    assert caught.value.code == 1002
