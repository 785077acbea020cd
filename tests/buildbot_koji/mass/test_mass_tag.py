"""The steps that compare tags, and that tag what a mass build made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util
from munch import munchify
from twisted.internet.threads import deferToThread
from twisted.python.threadable import isInIOThread

from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.mass import tagging
from buildbot_koji.mass.comparison import (
    TaggedBuild,
    builds_of,
    compare_tags,
    line_of,
    plan_tagging,
    row_of,
)
from buildbot_koji.mass.tagging import MassTagger
from buildbot_koji.steps import mass_tag
from buildbot_koji.steps.framework.early_end import StepTiming
from buildbot_koji.words import counted
from tests.buildbot_koji.workbench import Workbench
from tests.official_client.conftest import CLIENT, CLIENT_IMPORTS
from tests.support import forks, until
from tests.support.fault_proxy import Fate
from tests.support.hubs import DeadlockDetected, hold
from txkoji import Call, RetryPolicy, task_states
from txkoji.hub.answers import read_answer
from txkoji.nvr import compare_evr, parse
from txkoji.submission.submitter import Submitter
from txkoji.testing import FakeHub
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import METHODS


def row(build_id: int, name: str, version: str, epoch: int | None = None) -> dict[str, Any]:
    """Return a build as ``listTagged`` answers it."""
    facts = {"build_id": build_id, "nvr": f"{name}-{version}-1", "package_name": name}
    return {**facts, "version": version, "release": "1", "epoch": epoch}


def builds(rows: list[Any]) -> list[TaggedBuild]:
    """Return the builds in what a hub answers."""
    return builds_of(read_answer(Call("listTagged"), munchify(rows), lambda row: row))


def test_comparison() -> None:
    """Each kind of difference is found, and a row that is no build stops nothing."""
    here = [row(1, "a", "1.9"), row(2, "b", "2"), row(3, "c", "1", 1), row(4, "d", "1"), None]
    there = [
        row(5, "a", "1.10"),
        row(6, "a", "1.8"),
        row(7, "c", "9"),
        row(4, "d", "1"),
        row(8, "e", "1"),
        {"build_id": "x"},
    ]
    found = list(compare_tags(builds(here), builds(there)))
    assert [None if each is None else (each.package, each.kind) for each in found] == [
        ("a", "older"),
        ("b", "extra"),
        ("c", "newer"),
        None,
        ("e", "missing"),
    ]
    [newer] = [each for each in found if each is not None and each.kind == "newer"]
    assert line_of(newer) == "newer   c-1:1-1, the other has c-9-1\n"
    row_of_newer = {"package": "c", "kind": "newer", "build": "c-1-1", "other": "c-9-1"}
    assert row_of(newer) == {**row_of_newer, "build_epoch": 1}


@pytest_twisted.ensureDeferred
async def test_tags_are_compared(bench: Workbench) -> None:
    """The counts, the lines and the JSON agree; a difference is a warning only if asked."""
    nvr = await bench.built("hello")
    step = {"tag": "demo-released", "other": "demo-candidate"}
    ended = await bench.build(steps.KojiCompareTags(bench.profile, **step))
    assert (ended.result, ended.text) == (
        "success",
        "demo-released against demo-candidate: 1 missing",
    )
    assert ended.logs["differences"] == f"missing {nvr}\n"
    found = json.loads(ended.logs["differences.json"])
    rows = [{"package": "hello", "kind": "missing", "build": None, "other": nvr}]
    assert (found["missing"], found["differences"]) == (1, rows)
    counts = ended.properties["koji_tag_comparison"]
    assert (counts["missing"], counts["packages"]["missing"]) == (1, ["hello"])
    ended = await bench.build(steps.KojiCompareTags(bench.profile, **step, warn_if_different=True))
    assert ended.result == "warnings"
    same = {"tag": "demo-candidate", "other": "demo-candidate"}
    ended = await bench.build(steps.KojiCompareTags(bench.profile, **same, warn_if_different=True))
    assert ended.text == "demo-candidate against demo-candidate: no difference"
    bench.hub.call("createTag", "heir", parent="demo-candidate")
    heir = {"tag": "heir", "other": "demo-candidate"}
    bench.hub.call("packageListAdd", "heir", "world", "kojiadmin", block=True)
    for inherit, text in ((True, "no difference"), (False, "1 missing")):
        ended = await bench.build(steps.KojiCompareTags(bench.profile, **heir, inherit=inherit))
        assert ended.text == f"heir against demo-candidate: {text}"
    # A package that is blocked in the tag is missing there, whatever its parents have.
    bench.hub.call("packageListAdd", "heir", "hello", "kojiadmin", block=True)
    ended = await bench.build(steps.KojiCompareTags(bench.profile, **heir))
    assert ended.text == "heir against demo-candidate: 1 missing"
    for ended in (
        await bench.build(steps.KojiCompareTags(bench.profile, tag="nowhere", other=4711)),
        await bench.build(steps.KojiMassTag(bench.profile, from_tag="nowhere", to_tag=4711)),
    ):
        text = "failed: the hub has no tag nowhere and no tag 4711: `koji list-tags` lists them"
        assert (ended.result, ended.text) == ("failure", text)


LINK = {"priority": 5, "maxdepth": None, "intransitive": False, "noconfig": False, "pkg_filter": ""}


@pytest.mark.parametrize(
    ("near", "far", "text"),
    [
        pytest.param({}, {}, "no difference", id="priority"),
        pytest.param({"priority": 15}, {}, "2 older", id="lower priority"),
        pytest.param({"pkg_filter": "hel"}, {}, "1 older", id="filter"),
        pytest.param({"maxdepth": 0}, {}, "2 older", id="depth"),
        pytest.param({"maxdepth": 1}, {}, "no difference", id="enough depth"),
        pytest.param({}, {"intransitive": True}, "2 older", id="intransitive"),
        pytest.param({"noconfig": True}, {"noconfig": True}, "no difference", id="noconfig"),
        pytest.param({"blocked": "hello"}, {}, "1 missing", id="blocked"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_inherited_builds_are_compared(
    bench: Workbench, near: dict[str, Any], far: dict[str, Any], text: str
) -> None:
    """Of builds that a tag inherits on several ways, those that the hub takes are compared."""
    hub = bench.hub
    for tag, version in (("top", "2"), ("other", "1")):
        hub.call("createTag", tag)
        for name in ("hello", "world"):
            hub.call("packageListAdd", tag, name, "kojiadmin")
            hub.call("createEmptyBuild", name, version, "1", None)
            hub.call("tagBuildBypass", tag, f"{name}-{version}-1")
    near = {**near}
    blocked = near.pop("blocked", None)
    for tag, links in (
        ("middle", {"top": far}),
        ("bottom", {"middle": near, "other": {"priority": 10}}),
    ):
        hub.call("createTag", tag)
        rows = [
            {**LINK, "parent_id": hub.call("getTagID", parent), **more}
            for parent, more in links.items()
        ]
        hub.call("setInheritanceData", tag, rows)
    if blocked:
        hub.call("packageListAdd", "middle", blocked, "kojiadmin", block=True)
    ended = await bench.build(steps.KojiCompareTags(bench.profile, tag="bottom", other="top"))
    assert ended.text == f"bottom against top: {text}"


def make_tree(hub: FakeHub, random: Random) -> list[str]:
    """Make tags that inherit each other in every way, with odd versions, drafts and blocks."""
    versions = ("1", "1.0", "1.0~rc1", "1.0^git1", "1.0~", "1.10", "1.9", "010", "1a", "0")
    tags, made = [f"t{number}" for number in range(6)], {}
    for tag in tags:
        hub.call("createTag", tag)
    for name in (*(f"pkg{number}" for number in range(9)), "a+b", "libX.y-1-2"):
        evrs = {(random.choice(versions), random.choice(versions)) for _ in range(4)}
        made[name] = [
            hub.call(
                "createEmptyBuild",
                *(name, *evr, random.choice([None, None, 0, 1])),
                draft=random.random() < 0.2,
            )
            for evr in sorted(evrs)
        ]
    for tag, (name, ids) in product(tags, made.items()):
        if random.random() < 0.7:
            hub.call("packageListAdd", tag, name, "kojiadmin")
            for build_id in random.sample(ids, random.randint(0, len(ids))):
                hub.call("tagBuildBypass", tag, build_id)
        if random.random() < 0.1:
            hub.call("packageListAdd", tag, name, "kojiadmin", block=True)
    for place, tag in enumerate(tags):
        rows = [
            {
                "parent_id": hub.call("getTagID", parent),
                "priority": random.randint(0, 3) * 10 + number,
                "maxdepth": random.choice([None, None, 0, 1]),
                "intransitive": random.random() < 0.2,
                "noconfig": random.random() < 0.2,
                "pkg_filter": random.choice(["", "", "^pkg[0-5]$", "p"]),
            }
            for number, parent in enumerate(random.sample(tags[:place], min(place, 3)))
        ]
        hub.call("setInheritanceData", tag, rows)
    return tags


@pytest.mark.parametrize("seed", range(3))
@pytest_twisted.ensureDeferred
async def test_what_the_official_client_lists(
    bench: Workbench, empty_home: Path, seed: int
) -> None:
    """What is compared of two tags is what Koji's own client lists of them."""
    random, kinds = Random(seed), Counter[str]()
    tags = make_tree(bench.hub, random)

    def listed(tag: str) -> dict[str, str]:
        options = ("--config", str(empty_home / ".koji" / "config"), "--profile", bench.profile)
        words = ("list-tagged", "--latest", "--inherit", "--quiet", tag)
        done = forks.run(CLIENT, *options, *words, imports=CLIENT_IMPORTS)
        assert done.returncode == 0, done.stderr
        nvrs = [line.split()[0] for line in done.stdout.splitlines()]
        return {nvr.rsplit("-", 2)[0]: nvr for nvr in nvrs}

    for _ in range(2):
        tag, other = random.sample(tags[2:], 2)
        here, there = [await deferToThread(listed, each) for each in (tag, other)]
        ended = await bench.build(steps.KojiCompareTags(bench.profile, tag=tag, other=other))
        found = json.loads(ended.logs["differences.json"])
        wanted, same = [], 0
        for name in sorted({*here, *there}):
            pair = [each.get(name) for each in (here, there)]
            one, two = (each and replace(parse(each), epoch=epoch_of(bench, each)) for each in pair)
            order = compare_evr(one, two) if one and two else 0
            kind = "missing" if not one else "extra" if not two else ("", "newer", "older")[order]
            same += not kind
            if kind:
                wanted.append((name, kind, *pair))
        names = ("package", "kind", "build", "other")
        assert [tuple(row[each] for each in names) for row in found["differences"]] == wanted
        assert found["same"] == same
        kinds.update(kind for _, kind, *_ in wanted)
    assert kinds


def epoch_of(bench: Workbench, nvr: str) -> int | None:
    """Return the epoch of a build."""
    epoch: int | None = bench.hub.call("getBuild", nvr)["epoch"]
    return epoch


def tagged(bench: Workbench) -> set[str]:
    """Return the NVRs in the tag that builds go to."""
    return {build["nvr"] for build in bench.hub.call("listTagged", "demo-released")}


@pytest_twisted.ensureDeferred
async def test_builds_are_tagged(bench: Workbench) -> None:
    """What is new is tagged, by tasks or without; a second run finds all tagged already."""
    nvrs = {await bench.built("hello"), await bench.built("world")}
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    dry = await bench.build(steps.KojiMassTag(bench.profile, **tags, dry_run=True))
    assert dry.text == "would tag 2 builds with demo-released"
    assert tagged(bench) == set()
    ended = await bench.build(steps.KojiMassTag(bench.profile, **tags))
    assert (ended.result, ended.text) == (
        "success",
        "tagged 2 builds with demo-released",
    )
    assert (tagged(bench), ended.properties["koji_mass_tagged"]) == (nvrs, 2)
    for nvr in nvrs:
        bench.hub.call("untagBuildBypass", "demo-released", nvr)
    ended = await bench.build(steps.KojiMassTag(bench.profile, **tags, bypass=True))
    assert (ended.text, tagged(bench)) == (
        "tagged 2 builds with demo-released",
        nvrs,
    )
    again = await bench.build(steps.KojiMassTag(bench.profile, **tags))
    assert again.text == "tagged no builds with demo-released, skipped 2"
    assert "hello-1.0-main: skipped: already tagged" in again.logs["builds"]
    # A build in the tag hides an inherited one, so none is tagged over a newer one.
    bench.hub.call("createTag", "heir", parent="demo-released")
    newer = await bench.built("hello", ref="next")
    bench.hub.call("tagBuildBypass", "demo-released", newer)
    bench.hub.call("untagBuildBypass", "demo-candidate", newer)
    heir = {**tags, "to_tag": "heir"}
    ended = await bench.build(steps.KojiMassTag(bench.profile, **heir, bypass=True))
    assert ended.text == "tagged 1 build with heir, skipped 1"
    assert f"hello-1.0-main: skipped: {newer} is newer" in ended.logs["builds"]


def test_what_is_newer_stays() -> None:
    """A build is not tagged over a newer one of its package, wherever that stands in the tag."""
    there = builds([row(1, "a", "1"), row(2, "b", "3"), row(5, "d", "1")])
    drafts = [{**row(6 + n, name, "1"), "release": "1,draft_6"} for n, name in enumerate("de")]
    # A hub that was restored from a backup has given the id of a build in the tag again.
    built = [row(1, "a", "1"), row(3, "b", "2"), row(5, "c", "1"), *drafts]
    assert [reason for _, reason in plan_tagging(builds(built), there)] == [
        "already tagged",
        "b-3-1 is newer",
        "",
        "a draft of d-1-1, which is tagged already",
        "",
    ]


@pytest_twisted.ensureDeferred
async def test_tagging_resumes(bench: Workbench) -> None:
    """An attempt after a lost worker finds the tasks of the first, also if the step was renamed."""
    for name in ("hello", "world"):
        await bench.built(name)
    release = hold(bench.hub, "tagBuild")
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    step = steps.KojiMassTag(bench.profile, **tags)
    before = bench.hub.calls["tagBuild"]
    request = await bench.begin(step)
    await until(lambda: bench.hub.calls["tagBuild"] == before + 2)
    [lost, _] = bench.hub.call("listTasks", {"method": "tagBuild", "owner": 1, "parent": None})
    bench.hub.call("cancelTask", lost["id"])
    bench.use_steps(steps.KojiMassTag(bench.profile, name="renamed", **tags))
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts, len(tagged(bench))) == ("failure", 2, 1)
    assert f": failed: task {lost['id']}: " in ended.logs["builds"]
    assert ended.text.startswith("failed: tagged 1 build with demo-released, could not")
    assert bench.hub.calls["tagBuild"] == before + 2


@pytest.mark.parametrize("whose", ["own", "someone else's"])
@pytest_twisted.ensureDeferred
async def test_task_that_a_restored_hub_has_lost(bench: Workbench, whose: str) -> None:
    """A task that has the id of a lost one now, and tags another build, does not stand for it."""
    hub = await get_hub(bench.master, bench.profile)
    hub.connection.submissions = Submitter(hub.connection.client, pauses=(0.0,))
    nvr, other = [await bench.built(name) for name in ("hello", "world")]
    bench.hub.call("untagBuild", "demo-candidate", other)
    release = hold(bench.hub, "tagBuild")
    if whose != "own":
        bench.hub.call("tagBuild", "demo-released", nvr)
    step = steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    request = await bench.begin(step)
    await until(lambda: bench.text() == "tagging: 0 of 1 done")
    newest = ({"method": "tagBuild", "parent": None}, {"order": "-id", "limit": 1})
    active = {"method": "tagBuild", "state": list(task_states.ACTIVE_GROUP)}
    await until(lambda: bool(bench.hub.call("listTasks", active)))
    await until(lambda: bool(hub.watcher.status().watched))
    [lost] = bench.hub.call("listTasks", *newest)
    bench.lose_worker()
    bench.hub.call("cancelTask", lost["id"])
    bench.hub.state.rewind("task", lost["id"] - 1)
    assert bench.hub.call("tagBuild", "demo-released", other) == lost["id"]
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("success", 2)
    assert ended.logs["builds"] == f"{nvr}: tagged\n"
    assert tagged(bench) == {nvr, other}


@pytest_twisted.ensureDeferred
async def test_another_tag_in_the_next_attempt(bench: Workbench) -> None:
    """What was sent to one tag does not count for another, even if the step has the same name."""
    nvr = await bench.built("hello")
    bench.hub.call("createTag", "other")
    bench.hub.call("packageListAdd", "other", "hello", "kojiadmin")
    release = hold(bench.hub, "tagBuild")
    before = bench.hub.calls["tagBuild"]
    step = steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    request = await bench.begin(step)
    await until(lambda: bench.hub.calls["tagBuild"] == before + 1)
    bench.use_steps(steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="other"))
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("success", 2)
    assert [each["nvr"] for each in bench.hub.call("listTagged", "other")] == [nvr]


@pytest_twisted.ensureDeferred
async def test_lost_request(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that the hub never got is sent again, a reply that was lost is not asked again."""
    timing = StepTiming(retry=RetryPolicy(first=0.1))
    monkeypatch.setattr(steps.KojiMassTag, "timing", timing)
    nvrs = {await bench.built("hello"), await bench.built("world")}
    hub = await get_hub(bench.master, bench.profile)
    hub.connection.submissions = Submitter(hub.connection.client, pauses=(0.0, 0.05))
    fates = [Fate.RESET_BEFORE, Fate.RESET_AFTER]

    def decide(data: bytes) -> Fate:
        return fates.pop(0) if fates and b"<string>tagBuild</string>" in data else Fate.PASS

    bench.proxy.decide = decide
    before = bench.hub.calls["tagBuild"]
    ended = await bench.build(
        steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    )
    assert (ended.result, tagged(bench), fates) == ("success", nvrs, [])
    assert bench.hub.calls["tagBuild"] == before + 2


@pytest.mark.parametrize("step", [steps.KojiMassTag, steps.KojiTag])
@pytest_twisted.ensureDeferred
async def test_hub_restored_during_an_outage(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, step: Any
) -> None:
    """A build that got the id of one to tag, on a restored hub, is not tagged instead of it."""
    monkeypatch.setattr(step, "timing", StepTiming(retry=RetryPolicy(first=0.1)))
    nvr = await bench.built("hello")
    build = bench.hub.call("getBuild", nvr)["build_id"]
    cut = list[bytes]()

    def decide(data: bytes) -> Fate:
        if cut or b">tagBuild</" not in data or b"listTasks" in data:
            return Fate.PASS
        cut.append(data)
        bench.hub.state.update("build", build, version="2.0")
        bench.hub.call("createEmptyBuild", "hello", "1.0", "main", None)
        return Fate.RESET_BEFORE

    bench.proxy.decide = decide
    options = {
        steps.KojiMassTag: {"from_tag": "demo-candidate", "to_tag": "demo-released"},
        steps.KojiTag: {"tag": "demo-released", "builds": [nvr]},
    }
    await bench.build(step(bench.profile, **options[step]))
    assert (len(cut), tagged(bench)) == (1, {nvr})


@pytest_twisted.ensureDeferred
async def test_refused_builds(bench: Workbench) -> None:
    """A build that the hub refuses doesn't stop the others, and the log says why."""
    nvrs = [await bench.built("hello"), await bench.built("world")]
    bench.hub.call("packageListBlock", "demo-released", "hello")
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    ended = await bench.build(steps.KojiMassTag(bench.profile, **tags, dry_run=True))
    assert (ended.result, tagged(bench)) == ("failure", set())
    assert sorted(ended.logs["builds"].splitlines()) == [
        f"{nvrs[0]}: would fail: blocked in demo-released",
        f"{nvrs[1]}: would be tagged",
    ]
    bench.hub.call("editTag2", "demo-released", locked=True)
    ended = await bench.build(steps.KojiMassTag(bench.profile, **tags, dry_run=True))
    assert (ended.result, ended.properties["koji_mass_untagged"]) == ("failure", 2)
    assert sorted(ended.logs["builds"].splitlines()) == [
        f"{nvr}: would fail: tag demo-released is locked" for nvr in nvrs
    ]
    ended = await bench.build(steps.KojiMassTag(bench.profile, **tags))
    assert (ended.result, ended.text) == (
        "failure",
        "failed: tag demo-released is locked: koji edit-tag --unlock demo-released",
    )
    bench.hub.call("editTag2", "demo-released", locked=False)
    for bypass in (False, True):
        ended = await bench.build(
            steps.KojiMassTag(
                bench.profile, from_tag="demo-candidate", to_tag="demo-released", bypass=bypass
            )
        )
        assert (ended.result, ended.properties["koji_mass_untagged"]) == ("failure", 1)
        assert f"{nvrs[0]}: failed: " in ended.logs["builds"]
        assert "blocked" in ended.logs["builds"]
        assert tagged(bench) == {nvrs[1]}


@pytest_twisted.ensureDeferred
async def test_user_who_may_not_tag(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the hub refuses for all builds alike is reported once, and no more builds are sent."""
    monkeypatch.setattr(steps.KojiMassTag, "part", 2)
    for name in ("hello", "world", "foo"):
        bench.hub.add_package("demo-candidate", name)
        await bench.built(name)
    alice = util.KojiHub(bench.profile, user="alice", password="alice")
    step = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    before = bench.hub.calls["tagBuild"]
    bench.hub.deny("tag", "frozen", tag="demo-released")
    ended = await bench.build(steps.KojiMassTag(alice, **step))
    assert (ended.result, ended.properties["koji_mass_untagged"]) == ("failure", 3)
    assert ended.text.startswith("failed: tagged no builds with demo-released, could not tag 3: ")
    assert "policy violation (tag): frozen" in ended.text
    assert bench.hub.calls["tagBuild"] == before + 2
    bench.hub.call("createTag", "closed", perm="admin")
    why = "bypass=True requires the permission tag: `koji grant-permission tag USER`"
    ended = await bench.build(steps.KojiMassTag(alice, **step, bypass=True))
    assert (ended.result, ended.text) == ("failure", f"failed: {why}")
    ended = await bench.build(steps.KojiMassTag(alice, **step, bypass=True, dry_run=True))
    assert (ended.result, ended.logs["builds"].count(f": would fail: {why}\n")) == ("failure", 3)
    assert bench.hub.calls["tagBuildBypass"] == 0
    # What the tag requires is known before anything is sent.
    step = {"from_tag": "demo-candidate", "to_tag": "closed"}
    ended = await bench.build(steps.KojiMassTag(alice, **step))
    why = "tag closed takes builds only from users with the permission admin"
    assert (ended.result, ended.text) == ("failure", f"failed: {why}")
    ended = await bench.build(steps.KojiMassTag(alice, **step, dry_run=True))
    assert (ended.result, ended.logs["builds"].count(f": would fail: {why}\n")) == ("failure", 3)


@pytest_twisted.ensureDeferred
async def test_two_steps_at_once(tmp_path: Path, empty_home: Path) -> None:
    """Of two steps that tag the same builds at once, the second one finds them tagged."""
    bench = Workbench(tmp_path, workers=("one", "two"))
    await bench.open(empty_home)
    await bench.built("hello")
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    release, before = hold(bench.hub, "tagBuild"), bench.hub.calls["tagBuild"]
    both = [await bench.begin(steps.KojiMassTag(bench.profile, **tags)) for _ in range(2)]
    await until(lambda: bench.hub.calls["tagBuild"] == before + 1)
    builds = bench.master.botmaster.builders["any"].building
    waits = "waiting for another step that tags with demo-released"
    await until(lambda: waits in [each.currentStep and each.currentStep._text for each in builds])
    release()
    ended = [await bench.ended(each) for each in both]
    assert sorted(each.text for each in ended) == [
        "tagged 1 build with demo-released",
        "tagged no builds with demo-released, skipped 1",
    ]
    assert bench.hub.calls["tagBuild"] == before + 1
    await bench.close()


@pytest.mark.parametrize(
    ("fate", "counts", "said"),
    [
        (Fate.PASS, "did not tag 2", "sent: the hub finishes it"),
        (Fate.STALL, "unknown 1, did not tag 1", "unknown: the hub may have it"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_stop_in_the_middle(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, fate: Fate, counts: str, said: str
) -> None:
    """A stopped step says of each build what became of it; the hub finishes what it was sent."""
    monkeypatch.setattr(steps.KojiMassTag, "part", 1)
    nvrs = [await bench.built(name) for name in ("hello", "world")]
    tags = {"from_tag": "demo-candidate", "to_tag": "demo-released"}
    bench.hub.call("tagBuildBypass", "demo-released", nvrs[0])
    bench.hub.add_package("demo-candidate", "foo")
    nvrs.append(await bench.built("foo"))
    release = hold(bench.hub, "tagBuild")
    sent = b"<name>methodName</name><value><string>tagBuild</string>"
    bench.proxy.decide = lambda data: fate if sent in b"".join(data.split()) else Fate.PASS
    request = await bench.begin(steps.KojiMassTag(bench.profile, **tags))
    await until(lambda: bench.text() == "tagging: 0 of 2 done")
    active = {"method": "tagBuild", "state": list(task_states.ACTIVE_GROUP)}
    await until(lambda: bool(bench.hub.call("listTasks", active)))
    await bench.stop_build()
    release()
    ended = await bench.ended(request)
    words = f"tagged no builds with demo-released, skipped 1, {counts}"
    text = f"stopped: the hub finishes what it has begun; {words}"
    assert (ended.result, ended.text) == ("cancelled", text)
    assert ended.logs["builds"].splitlines() == [
        f"{nvrs[0]}: skipped: already tagged",
        f"{nvrs[1]}: {said}",
        f"{nvrs[2]}: not sent",
    ]


async def begin_with_one(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, Callable[[], None]]:
    """Begin to tag; returns the request, and what ends the first task, as soon as that is sent."""
    monkeypatch.setattr(steps.KojiMassTag, "part", 1)
    release = hold(bench.hub, "tagBuild")
    before = bench.hub.calls["tagBuild"]
    request = await bench.begin(
        steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    )
    await until(lambda: bench.hub.calls["tagBuild"] == before + 1)
    return request, release


@pytest_twisted.ensureDeferred
async def test_locked_between_attempts(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag that is locked later hides nothing of what an earlier attempt has sent."""
    nvrs = [await bench.built(name) for name in ("hello", "world")]
    request, release = await begin_with_one(bench, monkeypatch)
    bench.hub.call("editTag2", "demo-released", locked=True)
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("failure", 2)
    unsent, sent = ended.logs["builds"].splitlines()
    assert sent.startswith(f"{nvrs[0]}: failed: task ")
    assert unsent.startswith(f"{nvrs[1]}: failed: the hub does not allow it: tagBuild: tag is")
    assert unsent.endswith(": koji edit-tag --unlock demo-released")


@pytest.mark.parametrize(
    ("gone", "is_restored", "words"),
    [
        ("demo-candidate", False, "tagged"),
        ("demo-released", False, "failed: task "),
        ("demo-released", True, "unknown: "),
    ],
)
@pytest_twisted.ensureDeferred
async def test_deleted_between_attempts(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, gone: str, is_restored: bool, words: str
) -> None:
    """A tag that is deleted later hides nothing of what an earlier attempt has sent.

    If the hub was restored, too, and lost the task, it may have tagged the build.
    """
    nvrs = [await bench.built(name) for name in ("hello", "world")]
    request, release = await begin_with_one(bench, monkeypatch)
    bench.hub.call("deleteTag", gone)
    bench.lose_worker()
    if is_restored:
        await until(lambda: bench.running() is None)
        [sent] = bench.hub.call("listTasks", {"method": "tagBuild", "owner": 1, "parent": None})
        bench.hub.call("cancelTask", sent["id"])
        bench.hub.state.rewind("task", sent["id"] - 1)
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("failure", 2)
    assert ended.text.endswith(f": the hub has no tag {gone}: `koji list-tags` lists them")
    said = dict(line.split(": ", 1) for line in ended.logs["builds"].splitlines())
    assert said.pop(nvrs[1]) == "not sent"
    assert [*said] == nvrs[:1]
    assert said[nvrs[0]].startswith(words)
    assert ended.properties["koji_mass_untagged"] == (1 if words == "tagged" else 2)


@pytest_twisted.ensureDeferred
async def test_blocked_in_the_middle(bench: Workbench) -> None:
    """Of a build that was tagged, and is not there any more, the log says what may be why."""
    nvr = await bench.built("hello")
    active = {"method": "tagBuild", "state": list(task_states.ACTIVE_GROUP)}
    release = hold(bench.hub, "tagBuild")
    step = steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    request = await bench.begin(step)
    await until(lambda: bool(bench.hub.call("listTasks", active)))
    bench.hub.call("packageListBlock", "demo-released", "hello")
    release()
    ended = await bench.ended(request)
    said = f"{nvr}: failed: untagged, deleted or blocked meanwhile\n"
    assert (ended.result, ended.logs["builds"]) == ("failure", said)


@pytest.mark.parametrize("ends", ["well", "badly"])
@pytest_twisted.ensureDeferred
async def test_tag_is_deleted_in_the_middle(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """The log says of each build what became of it, also of those that were not sent."""
    monkeypatch.setattr(steps.KojiMassTag, "part", 1)
    nvrs = [await bench.built("hello"), await bench.built("world")]
    begin, finish = MassTagger._begin, MassTagger._finish

    async def delete_after(do: Any, self: MassTagger, given: Any) -> Any:
        """Delete the tag once the first build was sent, or its task has ended."""
        found = await do(self, given)
        if given and bench.hub.call("getTag", "demo-released") is not None:
            bench.hub.call("deleteTag", "demo-released")
        return found

    name, do = ("_finish", finish) if ends == "well" else ("_begin", begin)
    monkeypatch.setattr(MassTagger, name, lambda self, given: delete_after(do, self, given))
    step = steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    release = hold(bench.hub, "tagBuild") if ends == "badly" else None
    request = await bench.begin(step)
    if release is not None:
        await until(lambda: bench.hub.call("getTag", "demo-released") is None)
        release()
    ended = await bench.ended(request)
    tagged = 1 if ends == "well" else 0
    assert (ended.result, ended.properties["koji_mass_untagged"]) == ("failure", 2 - tagged)
    assert ended.text.startswith(f"failed: tagged {counted(tagged, 'build')} with demo-released")
    assert "No such tagInfo: 'demo-released'" in ended.text
    sent, unsent = sorted(ended.logs["builds"].splitlines(), key=lambda line: "not sent" in line)
    assert {sent.partition(": ")[0], unsent.partition(": ")[0]} == set(nvrs)
    assert (": tagged" if tagged else ": failed: task ") in sent
    assert unsent.endswith(": not sent")


@pytest_twisted.ensureDeferred
async def test_comparisons_are_made_in_threads(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes a tenth of a second with 17,000 packages does not keep the reactor."""
    await bench.built("hello")
    seen: list[tuple[str, bool]] = []

    def watch(module: Any, name: str) -> None:
        """Note where a function is called."""
        function = getattr(module, name)

        def noting(*args: Any) -> Any:
            """Note it, and call the function."""
            seen.append((name, isInIOThread()))
            return function(*args)

        monkeypatch.setattr(module, name, noting)

    names = ["compare_tags", "names_of", "plan_tagging", "outcomes_of", "builds_of"]
    for name in names:
        watch(tagging if name == "builds_of" else mass_tag, name)
    tags = {"tag": "demo-candidate", "other": "demo-released"}
    await bench.build(steps.KojiCompareTags(bench.profile, **tags))
    step = steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    await bench.build(step)
    assert set(seen) == {(name, False) for name in names}


@pytest.mark.parametrize(
    ("method", "odd", "words"),
    [
        ("tagBuild", str, "the hub answered tagBuild with '"),
        ("multiCall", lambda answer: answer[:1], "the hub answered multiCall with [["),
        ("multiCall", lambda answer: [7] * len(answer), "the hub answered tagBuild with 7"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_odd_answers(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, method: str, odd: Any, words: str
) -> None:
    """A build whose answer is odd is looked for: it is tagged once, or the log says why not."""
    nvrs = {await bench.built("hello"), await bench.built("world")}
    hub = await get_hub(bench.master, bench.profile)
    hub.connection.submissions = Submitter(hub.connection.client, pauses=(0.0,))
    asked, is_done = list[str](), False

    def answer(name: str, params: list[Any], run: Callable[[], Any]) -> Any:
        if name == method == "multiCall" and params[0][0]["methodName"] == "tagBuild":
            return odd(run())
        if name != "tagBuild":
            return run()
        asked.append(name)
        found = run() if is_done else 1
        return odd(found) if method == name else found

    monkeypatch.setattr(bench.hub, "answer", answer)
    step = steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    ended = await bench.build(step)
    assert (ended.result, tagged(bench), len(asked)) == ("failure", set(), 2)
    assert ended.logs["builds"].count(words) == 2
    is_done = True
    ended = await bench.build(step)
    assert (ended.result, tagged(bench), len(asked)) == ("success", nvrs, 4)


@pytest_twisted.ensureDeferred
async def test_database_that_refuses_one_of_many(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the hub's database could not do in a moment is asked again, and only that."""
    timing = StepTiming(retry=RetryPolicy(first=0.1))
    monkeypatch.setattr(steps.KojiMassTag, "timing", timing)
    nvrs = {await bench.built("hello"), await bench.built("world")}
    tag_build, asked = METHODS["tagBuild"], list[Any]()

    def tag(call: MethodCall, tag: Any, build: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(build)
        if len(asked) == 1:
            raise DeadlockDetected("deadlock detected")
        return tag_build(call, tag, build, *args, **kwargs)

    monkeypatch.setitem(METHODS, "tagBuild", tag)
    ended = await bench.build(
        steps.KojiMassTag(bench.profile, from_tag="demo-candidate", to_tag="demo-released")
    )
    assert (ended.result, tagged(bench)) == ("success", nvrs), ended.text
    assert (len(asked), asked[0]) == (3, asked[2])


@pytest_twisted.ensureDeferred
async def test_unknown_mass_build(bench: Workbench) -> None:
    """An unknown mass build tags nothing."""
    ended = await bench.build(
        steps.KojiMassTag(
            bench.profile, from_tag="demo-candidate", to_tag="demo-released", mass=4711
        )
    )
    assert (ended.result, ended.text) == (
        "failure",
        "failed: there is no mass build 4711: give its property koji_mass_id",
    )
    # Without one it would tag all that the tag has.
    ended = await bench.build(
        steps.KojiMassTag(
            bench.profile,
            from_tag="demo-candidate",
            to_tag="demo-released",
            mass=util.Property("koji_mass_id"),
        )
    )
    said = "failed: mass is missing: Property(koji_mass_id) renders to nothing: unset, empty or 0"
    assert (ended.result, ended.text) == ("failure", said)


@pytest_twisted.ensureDeferred
async def test_what_a_mass_build_made(bench: Workbench) -> None:
    """Only what the mass build made is tagged; what is not in the tag any more is named."""
    await bench.built("world")
    for package in ("foo", "bar"):
        bench.hub.add_package("demo-candidate", package)
    source = "git+https://git.example.test/rpms/{package}.git#main"
    ended = await bench.build(
        steps.KojiMassBuild(
            bench.profile, "demo", ["hello", "foo", "bar"], source=source, name="all of it"
        )
    )
    bench.hub.call("untagBuildBypass", "demo-candidate", "foo-1.0-main")
    # A hub that was restored from a backup gave this id to another build.
    build = bench.hub.call("getBuild", "bar-1.0-main")["build_id"]
    bench.hub.state.update("build", build, version="2.0")
    number = ended.properties["koji_mass_id"]
    ended = await bench.build(
        steps.KojiMassTag(
            bench.profile, from_tag="demo-candidate", to_tag="demo-released", mass=number
        )
    )
    assert (ended.result, tagged(bench)) == ("success", {"hello-1.0-main"})
    assert ended.text == "tagged 1 build with demo-released, skipped 2"
    for name in ("foo", "bar"):
        assert f"{name}-1.0-main: skipped: not in demo-candidate" in ended.logs["builds"]
