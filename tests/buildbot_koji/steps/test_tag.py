"""Steps that tag, untag, move and promote builds."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util

from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import Attempt, Refused
from buildbot_koji.hubs.builds import BuildName
from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.reporters.ci_messages import CIMessageSender
from buildbot_koji.reporters.tag_delivery import TagSender, tag_delivery
from tests.buildbot_koji.steps.lost_replies import without_reply
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import until
from tests.support.hubs import hold
from txkoji import Call
from txkoji.exceptions import GenericError


def tagged(bench: Workbench, tag: str) -> list[str]:
    """Return the NVRs in a tag itself, latest first."""
    return [build["nvr"] for build in bench.hub.call("listTagged", tag)]


@pytest_twisted.ensureDeferred
async def test_tag(bench: Workbench) -> None:
    """Builds are tagged, each by a task that is linked; what is tagged already is done."""
    nvrs = [await bench.built("hello"), await bench.built("world")]
    twice = [*nvrs, bench.hub.call("getBuild", nvrs[0])["id"]]
    step = steps.KojiTag(bench.profile, tag="demo-released", builds=twice)
    ended = await bench.build(step)
    assert (ended.result, ended.text) == (
        "success",
        "tagged hello-1.0-main, world-1.0-main with demo-released",
    )
    assert sorted(tagged(bench, "demo-released")) == nvrs
    assert [text.partition(" (task ")[0] for text in ended.urls] == nvrs
    assert len(ended.properties["koji_task_ids"]) == 2
    again = await bench.build(step)
    assert (again.result, again.properties["koji_task_ids"]) == ("success", [])


@pytest_twisted.ensureDeferred
async def test_tag_that_the_hub_refuses(bench: Workbench) -> None:
    """A refusal of the hub is a failure, in its own words; the other builds are tagged."""
    nvr = await bench.built()
    others = [await bench.built("world", ref=ref) for ref in ("1", "2")]
    bench.hub.add_tag("elsewhere")
    ended = await bench.build(steps.KojiTag(bench.profile, tag="elsewhere", builds=nvr))
    assert ended.result == "failure"
    words = (
        "tagBuild: Package hello not in list for elsewhere:"
        " koji add-pkg --owner OWNER elsewhere hello"
    )
    assert ended.text == f"failed: {words}"
    bench.hub.add_package("elsewhere", "world")
    builds = [others[0], nvr, others[1]]
    step = steps.KojiTag(bench.profile, tag="elsewhere", builds=builds)
    ended = await bench.build(step)
    assert (ended.result, ended.text) == ("failure", f"failed: {nvr}: {words}")
    assert len(ended.properties["koji_task_ids"]) == 2
    assert sorted(tagged(bench, "elsewhere")) == others
    ended = await bench.build(steps.KojiTag(bench.profile, tag="elsewhere", builds="no-such-1"))
    assert (ended.result, ended.text) == ("failure", "failed: the hub has no build no-such-1")


@pytest_twisted.ensureDeferred
async def test_id_that_a_restored_hub_uses_again(bench: Workbench) -> None:
    """Another program's task that has the id of a tagging now does not stand for it."""
    nvr = await bench.built()
    hub = await get_hub(bench.master, bench.profile)
    call = Call("tagBuild", ("demo-released", 1))
    begun = await hub.connection.submissions.begin(call)
    release = hold(bench.hub, "tagBuild")
    step = steps.KojiTag(bench.profile, tag="demo-released", builds=nvr)
    request = await bench.begin(step)
    await until(lambda: bench.text().startswith("tagging: 0/1"))
    [lost] = bench.hub.call("listTasks", {"method": "tagBuild"}, {"order": "-id", "limit": 1})
    bench.hub.state.rewind("task", lost["id"] - 1)
    source = SOURCE.format("world", "main")
    other = bench.hub.call("build", source, "demo", {"scratch": True}, user="alice")
    assert other == lost["id"]
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("exception", f"task {other} is another program's by now")
    # Nor for that of a reporter.
    notes = {"submission": asdict(begun), "call": call.to_json(), "task_id": other, "said": "done"}
    delivery = Delivery(1, "tag", "lane", {}, 0.0, notes=notes)
    sender = TagSender(lambda: get_hub(bench.master, bench.profile))
    with pytest.raises(Refused, match="another program's by now: was it restored"):
        await sender.follow(delivery)

    async def never(_: Any) -> None:
        pytest.fail("another build was sent")

    build = bench.hub.call("getBuild", nvr)["build_id"]
    subject = BuildName(build, "world-1.0-1")
    delivery = tag_delivery(1, 0.0, subject, {"tag": "demo-released"})
    words = f"the hub has {nvr} as build {build}, not world-1.0-1: was it restored from a backup?"
    with pytest.raises(Refused, match=re.escape(words)):
        await sender.send(delivery, Attempt(delivery, never, never))
    # Nor is it reported as tested.
    publisher = CIMessageSender(lambda: get_hub(bench.master, bench.profile), never)
    with pytest.raises(GenericError, match=re.escape(words)):
        await publisher._describe({"build": build, "nvr": "world-1.0-1"})
    # The NVR of a draft has its id.
    draft = f"world-1.0-1,draft_{build}"
    ended = await bench.build(steps.KojiUntag(bench.profile, tag="demo-candidate", builds=draft))
    assert ended.text == f"failed: {words.replace('world-1.0-1', draft)}"


@pytest_twisted.ensureDeferred
async def test_tag_goes_on_in_the_next_attempt(bench: Workbench) -> None:
    """An attempt after a lost worker finds the task of the first, and starts none."""
    nvr = await bench.built()
    before = bench.hub.calls["tagBuild"]
    release = hold(bench.hub, "tagBuild")
    request = await bench.begin(
        steps.KojiTag(bench.profile, tag="demo-released", builds=util.Property("nvr")), nvr=nvr
    )
    await until(lambda: bench.text().startswith("tagging: 0/1"))
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("success", 2)
    assert bench.hub.calls["tagBuild"] == before + 1
    assert tagged(bench, "demo-released") == [nvr]


@pytest_twisted.ensureDeferred
async def test_tag_of_which_the_reply_is_lost(bench: Workbench) -> None:
    """In a session, too, the next attempt finds the task that the first one started."""
    nvr = await bench.built()
    await bench.look_at_once(bench.logging_in)
    before = bench.hub.calls["tagBuild"]
    step = steps.KojiTag(bench.logging_in, tag="demo-released", builds=nvr)
    ended = await without_reply(bench, "tagBuild", step)
    assert ended.result == "success", ended.text
    assert bench.hub.calls["tagBuild"] == before + 1
    assert tagged(bench, "demo-released") == [nvr]


@pytest_twisted.ensureDeferred
async def test_stopped_tag(bench: Workbench) -> None:
    """A stop cancels the tasks, also while a later attempt has not looked at the builds yet."""
    nvrs = [await bench.built("hello"), await bench.built("world")]
    bench.hub.builder.seconds = 1000.0
    request = await bench.begin(steps.KojiTag(bench.profile, tag="demo-released", builds=nvrs))
    await until(lambda: bench.text().startswith("tagging: 0/2"))
    tasks = bench.hub.call("listTasks", {"method": "tagBuild"}, {"order": "-id", "limit": 2})
    bench.lost_replies.add("getBuild")
    bench.lose_worker()
    await until(lambda: not bench.lost_replies)
    await bench.stop_build()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", "canceled 2 tasks")
    assert [bench.hub.call("getTaskInfo", task["id"])["state"] for task in tasks] == [3, 3]


@pytest_twisted.ensureDeferred
async def test_tasks_that_someone_cancels(bench: Workbench) -> None:
    """The step is canceled as its tasks are; it is a failure if the hub refused one of them."""
    nvrs = [await bench.built("hello"), await bench.built("world")]
    hold(bench.hub, "tagBuild")
    for locked in (False, True):
        if locked:
            bench.hub.call("packageListBlock", "demo-released", "world", user="kojiadmin")
        request = await bench.begin(steps.KojiTag(bench.profile, tag="demo-released", builds=nvrs))
        await until(lambda: bench.text().startswith("tagging: 0/"))
        tasks = bench.hub.call("listTasks", {"method": "tagBuild", "state": [0, 1, 4]})
        assert len(tasks) == 2 - locked
        for task in tasks:
            bench.hub.call("cancelTask", task["id"], user="kojiadmin")
        ended = await bench.ended(request)
        assert ended.result == ("failure" if locked else "cancelled"), ended.text
        assert (
            f"hello-1.0-main: task {min(task['id'] for task in tasks)} was canceled" in ended.text
        )
        assert ended.text.startswith("failed: world-1.0-main: " if locked else "hello-1.0-main: ")


@pytest_twisted.ensureDeferred
async def test_move(bench: Workbench) -> None:
    """Builds are moved; with ``all`` each build of a package, the latest last."""
    nvrs = [await bench.built(ref="1"), await bench.built(ref="2")]
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    ended = await bench.build(steps.KojiMove(bench.profile, builds="hello", all=True, **tags))
    assert (ended.result, ended.text) == (
        "success",
        "moved hello-1.0-1, hello-1.0-2 from demo-candidate to demo-released",
    )
    assert (tagged(bench, "demo-candidate"), tagged(bench, "demo-released")) == ([], nvrs[::-1])
    again = await bench.build(steps.KojiMove(bench.profile, builds=nvrs, **tags))
    assert (again.result, again.properties["koji_task_ids"]) == ("success", [])
    nothing = await bench.build(steps.KojiMove(bench.profile, builds="hello", all=True, **tags))
    assert (nothing.result, nothing.text) == (
        "failure",
        "failed: demo-candidate has no build of hello",
    )


@pytest_twisted.ensureDeferred
async def test_move_of_what_is_in_both_tags(bench: Workbench) -> None:
    """A build that is in the target already leaves the tag that it is moved from."""
    nvr = await bench.built()
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    bench.hub.call("tagBuildBypass", "demo-released", nvr)
    ended = await bench.build(steps.KojiMove(bench.profile, builds=nvr, **tags))
    assert (ended.result, ended.text) == (
        "success",
        f"moved {nvr} from demo-candidate to demo-released",
    )
    assert (tagged(bench, "demo-candidate"), tagged(bench, "demo-released")) == ([], [nvr])
    number = bench.hub.call("getTag", "demo-released")["id"]
    same = {"from_tag": "demo-released", "to_tag": number}
    ended = await bench.build(steps.KojiMove(bench.profile, builds=nvr, **same))
    assert ended.text == "failed: from_tag and to_tag are both demo-released"
    assert tagged(bench, "demo-released") == [nvr]


@pytest_twisted.ensureDeferred
async def test_draft_that_was_promoted_since(bench: Workbench) -> None:
    """The NVR of a draft names the same build after its promotion, in all steps that take one."""
    draft = await bench.built(draft=True)
    bench.hub.call("promoteBuild", draft)
    step = steps.KojiTag(bench.profile, tag="demo-released", builds=util.Property("koji_nvr"))
    ended = await bench.build(step, koji_nvr=draft)
    assert ended.result == "success", ended.text
    assert tagged(bench, "demo-released") == ["hello-1.0-main"]
    tags = {"from_tag": "demo-released", "to_tag": "demo-candidate"}
    for step in (
        steps.KojiMove(bench.profile, builds=draft, **tags),
        steps.KojiUntag(bench.profile, tag="demo-candidate", builds=draft),
        steps.KojiDownloadBuild(bench.profile, build_name=draft, to="master", directory="rpms"),
    ):
        ended = await bench.build(step)
        assert ended.result == "success", ended.text
    assert tagged(bench, "demo-released") == []
    source = "git+https://git.example.test/rpms/world.git#main"
    waiting = steps.KojiBuild(bench.profile, "demo", source, wait_builds=[draft, "rare-1-1"])
    ended = await bench.build(waiting)
    words = "the hub has no such build, or it failed: rare-1-1"
    assert (ended.result, ended.text) == ("failure", f"failed: wait_builds: {words}")
    levels = [["rare-1-1"], [source]]
    ended = await bench.build(steps.KojiChainBuild(bench.profile, target="demo", sources=levels))
    assert (ended.result, ended.text) == ("failure", f"failed: {words}")
    levels = [[draft], [source]]
    request = await bench.begin(steps.KojiChainBuild(bench.profile, target="demo", sources=levels))
    await until(lambda: bench.hub.call("listTasks", {"method": "chainbuild"}))
    await bench.stop_build()
    await bench.ended(request)
    [chain] = bench.hub.call("listTasks", {"method": "chainbuild"})
    waited = bench.hub.call("getTaskRequest", chain["id"])[0][0]
    assert waited == [draft.partition(",")[0]]


@pytest_twisted.ensureDeferred
async def test_locked_tag_is_named(bench: Workbench) -> None:
    """What unlocks a tag names it, though a real hub's refusal does not."""
    nvr = await bench.built()
    bench.hub.call("editTag2", "demo-released", locked=True, user="kojiadmin")
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    for step, names in (
        (steps.KojiTag(bench.profile, tag="demo-released", builds=nvr), "demo-released"),
        (steps.KojiMove(bench.profile, builds=nvr, **tags), "demo-candidate or demo-released"),
    ):
        ended = await bench.build(step)
        assert ended.text.endswith(f"tag is locked: koji edit-tag --unlock {names}")


@pytest_twisted.ensureDeferred
async def test_id_as_text(bench: Workbench) -> None:
    """The id of a build, and a flag, may be text, as a form gives it."""
    nvr = await bench.built()
    number = str(bench.hub.call("getBuild", nvr)["id"])
    for builds in (util.Property("build"), [util.Property("build")]):
        step = steps.KojiTag(
            bench.profile, tag="demo-released", builds=builds, force=util.Property("force")
        )
        ended = await bench.build(step, build=number, force=" No\n")
        assert ended.result == "success", ended.text
    assert tagged(bench, "demo-released") == [nvr]


@pytest_twisted.ensureDeferred
async def test_draft_whose_builder_restarted(bench: Workbench) -> None:
    """Of the two builds of a task the COMPLETE one counts, and can be promoted."""
    release = hold(bench.hub, "buildArch")
    source = SOURCE.format("hello", "main")
    build = steps.KojiBuild(bench.profile, target="demo", source=source, draft=True)
    promote = steps.KojiPromote(bench.profile, draft=util.Property("koji_nvr"))
    download = steps.KojiDownloadBuild(
        bench.profile,
        build_name=util.Property("koji_task_id"),
        task_id=True,
        to="master",
        directory="rpms",
    )
    request = await bench.begin(build, download, promote)
    orphan = (await until(lambda: bench.hub.call("listBuilds", "hello")))[0]
    bench.hub.builder.free(orphan["task_id"])
    release()
    await until(lambda: len(bench.hub.call("listBuilds", "hello")) == 2)
    ended = await bench.ended(request)
    assert ended.result == "success", ended.text
    states = {each["nvr"]: each["state"] for each in bench.hub.call("listBuilds", "hello")}
    assert states == {"hello-1.0-main": 1, orphan["nvr"]: 0}
    assert ended.properties["koji_nvr"] == "hello-1.0-main"


@pytest_twisted.ensureDeferred
async def test_untag(bench: Workbench) -> None:
    """Builds are untagged: those that are named, or all of a package but the latest."""
    nvrs = [await bench.built(ref=ref) for ref in ("1", "2", "3")]
    # A person types an id.
    typed = util.Transform(lambda: str(bench.hub.call("getBuild", nvrs[1])["id"]))
    step = steps.KojiUntag(bench.profile, tag="demo-candidate", builds=typed)
    ended = await bench.build(step)
    assert (ended.result, ended.text) == ("success", "untagged 2 from demo-candidate")
    assert tagged(bench, "demo-candidate") == [nvrs[2], nvrs[0]]
    again = await bench.build(step)
    assert (again.result, again.text) == (
        "failure",
        "failed: untagBuild: build hello-1.0-2 not in tag demo-candidate",
    )
    step = steps.KojiUntag(bench.profile, tag="demo-candidate", builds="hello", non_latest=True)
    ended = await bench.build(step)
    assert (ended.result, ended.text) == ("success", "untagged hello-1.0-1 from demo-candidate")
    assert tagged(bench, "demo-candidate") == [nvrs[2]]


@pytest_twisted.ensureDeferred
async def test_untag_of_which_the_reply_is_lost(bench: Workbench) -> None:
    """What an earlier attempt untagged, without learning of it, is done."""
    nvr = await bench.built()
    step = steps.KojiUntag(bench.profile, tag="demo-candidate", builds=nvr)
    assert (await without_reply(bench, "untagBuild", step)).result == "success"
    assert bench.hub.calls["untagBuild"] == 1


@pytest_twisted.ensureDeferred
async def test_promote(bench: Workbench) -> None:
    """A draft is promoted, and its new NVR is set; a promoted one is skipped."""
    draft = await bench.built(draft=True)
    assert ",draft_" in draft
    for _ in range(2):
        ended = await bench.build(steps.KojiPromote(bench.profile, draft=draft))
        assert (ended.result, ended.text) == ("success", f"promoted {draft} to hello-1.0-main")
        assert ended.properties["koji_nvr"] == "hello-1.0-main"
    assert bench.hub.calls["promoteBuild"] == 1
    assert ended.properties["koji_build_url"] in ended.urls.values()


@pytest_twisted.ensureDeferred
async def test_promote_no_draft(bench: Workbench) -> None:
    """What never was a draft, or is not there, is a failure."""
    nvr = await bench.built()
    ended = await bench.build(steps.KojiPromote(bench.profile, draft=nvr))
    assert (ended.result, ended.text) == ("failure", f"failed: {nvr} is not a draft build")
    ended = await bench.build(steps.KojiPromote(bench.profile, draft="a-b-c"))
    assert (ended.result, ended.text) == ("failure", "failed: the hub has no build a-b-c")


@pytest_twisted.ensureDeferred
async def test_promotion_of_which_the_reply_is_lost(bench: Workbench) -> None:
    """What an earlier attempt promoted, without learning of it, is done."""
    draft = await bench.built(draft=True)
    step = steps.KojiPromote(bench.profile, draft=draft)
    ended = await without_reply(bench, "promoteBuild", step)
    assert ended.result == "success"
    assert ended.properties["koji_nvr"] == "hello-1.0-main"
    assert bench.hub.calls["promoteBuild"] == 1


@pytest_twisted.ensureDeferred
async def test_move_of_which_the_reply_is_lost(bench: Workbench) -> None:
    """The next attempt finds the task that the first one started, and starts none."""
    nvr = await bench.built()
    await bench.look_at_once()
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    step = steps.KojiMove(bench.profile, builds=nvr, **tags)
    assert (await without_reply(bench, "moveBuild", step)).result == "success"
    assert bench.hub.calls["moveBuild"] == 1
    assert tagged(bench, "demo-released") == [nvr]


@pytest_twisted.ensureDeferred
async def test_hub_without_drafts(bench: Workbench) -> None:
    """A hub that is older than drafts has none."""
    nvr = await bench.built()
    bench.hub.version = "1.33.0"
    ended = await bench.build(steps.KojiPromote(bench.profile, draft=nvr))
    assert (ended.result, ended.text) == ("failure", f"failed: {nvr} is not a draft build")
