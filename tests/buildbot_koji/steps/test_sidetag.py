"""Steps that create and remove side tags."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred, gatherResults

from buildbot_koji.durable.store import MasterState
from buildbot_koji.steps.framework.early_end import StepTiming
from buildbot_koji.steps.sidetag import KojiCreateSideTag, SideTagClaims
from tests.buildbot_koji.steps.lost_replies import without_reply
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import until
from tests.support.hubs import hold
from txkoji import RetryPolicy


class QuickCreateSideTag(KojiCreateSideTag):
    """Asks an unreachable hub often."""

    timing = StepTiming(retry=RetryPolicy(first=0.1, factor=1.0))


@pytest_twisted.ensureDeferred
async def test_create_and_remove(bench: Workbench) -> None:
    """A side tag is created, named by properties, and removed by them."""
    ended = await bench.build(steps.KojiCreateSideTag(bench.profile, basetag="demo-build"))
    assert ended.result == "success"
    name = ended.properties["koji_sidetag"]
    assert ended.text == f"created side tag {name}"
    assert bench.hub.call("getTag", name)["id"] == ended.properties["koji_sidetag_id"]
    assert bench.hub.call("getBuildTarget", name)["dest_tag_name"] == name
    assert f"taginfo?tagID={ended.properties['koji_sidetag_id']}" in ended.urls[name]
    remove = steps.KojiRemoveSideTag(bench.profile, sidetags=util.Property("koji_sidetag"))
    ended = await bench.build(remove, koji_sidetag=name)
    assert (ended.result, ended.text) == ("success", f"removed side tag {name}")
    assert bench.hub.call("getTag", name) is None
    ended = await bench.build(remove, koji_sidetag=name)
    assert (ended.result, name in ended.text) == ("failure", True)
    ended = await bench.build(remove)
    nothing = "no side tag to remove: Property(koji_sidetag) renders to nothing: unset, empty or 0"
    assert (ended.result, ended.text) == ("success", nothing)


@pytest_twisted.ensureDeferred
async def test_reply_of_the_creation_is_lost(bench: Workbench) -> None:
    """The next attempt finds the side tag of the first, not one that another step created."""
    others = [await bench.build(steps.KojiCreateSideTag(bench.profile, basetag="demo-build"))]
    step = steps.KojiCreateSideTag(bench.profile, basetag="demo-build")
    ended = await without_reply(bench, "createSideTag", step)
    others.append(await bench.build(steps.KojiCreateSideTag(bench.profile, basetag="demo-build")))
    assert ended.result == "success"
    tags = {each["name"] for each in bench.hub.call("listSideTags")}
    assert tags == {each.properties["koji_sidetag"] for each in [ended, *others]}
    assert len(tags) == bench.hub.calls["createSideTag"] == 3


@pytest.mark.parametrize("moment", ["before the claim", "a lost reply", "the claim is stored"])
@pytest_twisted.ensureDeferred
async def test_database_goes_away_while_it_is_claimed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """No second side tag is created if the database does not confirm the claim to the first."""
    if moment == "a lost reply":
        bench.cut_replies.add("createSideTag")
    put, refused = MasterState.put, []

    async def lose_answer(state: MasterState, key: str, value: Any) -> None:
        await put(state, key, value)
        if value.startswith("request") and not refused:
            refused.append(key)
            raise OperationalError("COMMIT", {}, Exception("the server closed the connection"))

    if moment == "the claim is stored":
        monkeypatch.setattr(MasterState, "put", lose_answer)
    times = 0 if moment == "the claim is stored" else 1
    with bench.full_disk("INSERT INTO object_state", times) as full:
        step = QuickCreateSideTag(bench.profile, basetag="demo-build")
        ended = await bench.build(step)
    [tag] = bench.hub.call("listSideTags")
    assert (ended.result, ended.properties["koji_sidetag"]) == ("success", tag["name"])
    assert len([*refused, *full]) == bench.hub.calls["createSideTag"] == 1


@pytest_twisted.ensureDeferred
async def test_side_tag_that_is_gone(bench: Workbench) -> None:
    """The next attempt creates another side tag if that of the first is someone else's by now."""
    release = hold(bench.hub, "buildArch")
    source = SOURCE.format("hello", "main")
    request = await bench.begin(
        steps.KojiCreateSideTag(bench.logging_in, basetag="demo-build"),
        steps.KojiBuild(bench.profile, target="demo", source=source, scratch=True),
    )
    await until(lambda: bench.hub.calls["build"] == 1)
    [first] = bench.hub.call("listSideTags")
    bench.hub.call("removeSideTag", first["name"])
    bench.hub.state.rewind("tag", first["id"] - 1)
    theirs = bench.hub.call("createSideTag", "demo-build", user="alice")
    assert (theirs["id"], theirs["name"]) == (first["id"], first["name"])
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("success", 2)
    assert ended.properties["koji_sidetag"] != theirs["name"]
    assert len(bench.hub.call("listSideTags")) == 2


@pytest_twisted.ensureDeferred
async def test_side_tags_of_a_restored_hub(bench: Workbench) -> None:
    """No build gets the side tag that a restored hub has lost, and another build has."""
    create = steps.KojiCreateSideTag(bench.logging_in, basetag="demo-build")
    lost = [(await bench.build(create)).properties["koji_sidetag"] for _ in "ab"]
    for name in lost:
        bench.hub.call("removeSideTag", name)
    bench.hub.state.rewind("tag", bench.hub.call("getTag", "demo-build")["id"])
    name = (await bench.build(create)).properties["koji_sidetag"]
    assert name not in lost
    for each in lost:
        await bench.build(steps.KojiRemoveSideTag(bench.logging_in, sidetags=each))
    assert [each["name"] for each in bench.hub.call("listSideTags")] == [name]


@pytest_twisted.ensureDeferred
async def test_claims_at_the_same_time(bench: Workbench) -> None:
    """Two masters that claim a side tag at the same time both keep their claims."""
    masters = [SideTagClaims(bench.master, "f44_build", "https://koji.example.test") for _ in "ab"]
    claiming = [claims.add(number, f"request {number}") for number, claims in enumerate(masters, 1)]
    await gatherResults(map(Deferred.fromCoroutine, claiming))
    assert await masters[0].owners() == {1: "request 1", 2: "request 2"}
    await masters[0].forget({1})
    assert await masters[1].owners() == {2: "request 2"}


@pytest_twisted.ensureDeferred
async def test_creation_that_does_not_arrive(bench: Workbench) -> None:
    """A call that the hub may have got is looked for, then made again."""
    other = bench.hub.call("createSideTag", "demo-build")["name"]
    bench.lost_requests.add("createSideTag")
    ended = await bench.build(QuickCreateSideTag(bench.profile, basetag="demo-build"))
    assert (ended.result, ended.attempts) == ("success", 1)
    assert ended.properties["koji_sidetag"] != other
    assert len(bench.hub.call("listSideTags")) == 2


@pytest_twisted.ensureDeferred
async def test_reply_of_the_removal_is_lost(bench: Workbench) -> None:
    """What an earlier attempt removed, without learning of it, is done."""
    name = bench.hub.call("createSideTag", "demo-build")["name"]
    step = steps.KojiRemoveSideTag(bench.profile, sidetags=[name])
    assert (await without_reply(bench, "removeSideTag", step)).result == "success"
    assert bench.hub.calls["removeSideTag"] == 1


@pytest_twisted.ensureDeferred
async def test_what_the_hub_lacks_or_forbids(bench: Workbench) -> None:
    """A missing plugin, a policy and a base tag that is not there are each said in one line."""
    step = steps.KojiCreateSideTag(bench.profile, basetag="demo-build")
    bench.hub.deny("sidetag")
    ended = await bench.build(step)
    assert (ended.result, "policy violation (sidetag)" in ended.text) == ("failure", True)
    bench.hub.without_plugins("sidetag")
    ended = await bench.build(step)
    assert (ended.result, ended.text) == (
        "failure",
        "failed: the hub has no listSideTags: its plugin sidetag_hub is not installed",
    )
