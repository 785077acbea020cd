"""The plan of a mass build."""

from __future__ import annotations

import csv
import json
import random
import time
import zlib
from typing import Any

import pytest
from buildbot.process.results import FAILURE
from twisted.internet.defer import Deferred, succeed

from buildbot_koji.durable.attempts import StepIdentity
from buildbot_koji.durable.store import BuildRows, RowsPlace
from buildbot_koji.durable.unreadable import DamagedRow, StoredByNewerVersion, UnreadableRow
from buildbot_koji.mass.packages import PackageQuery
from buildbot_koji.mass.plan import (
    FINAL,
    TRANSITIONS,
    MassPackage,
    MassPlan,
    PackageEvent,
    PackageState,
    find_cycle,
)
from buildbot_koji.mass.progress import MassProgress
from buildbot_koji.mass.report import (
    FailureCounts,
    csv_report,
    html_report,
    json_report,
    package_row,
    result_and_summary,
)
from buildbot_koji.mass.stored import MassStore, MassStores, MixedPlans
from buildbot_koji.mass.tagging import MassTagger, TagPart
from buildbot_koji.mass.values import check_moment, number_of, seconds_of
from buildbot_koji.words import duration


def packages(*requires: tuple[int, ...], levels: tuple[int, ...] = ()) -> list[MassPackage]:
    """Return packages with what each requires."""
    return [
        MassPackage(index, f"p{index}", "source", "me", needed, levels[index] if levels else 0)
        for index, needed in enumerate(requires)
    ]


def begin(plan: MassPlan, count: int = 100, now: float = 0.0) -> list[str]:
    """Submit what may start; returns the names."""
    chosen = plan.choose(count, now)
    for package in chosen:
        plan.happened(package, PackageEvent.STORED, begun=(1, now, None, None))
        plan.happened(package, PackageEvent.ACCEPTED, task_id=package.index + 100)
    return [each.name for each in chosen]


def end(plan: MassPlan, index: int, event: PackageEvent = PackageEvent.CLOSED) -> None:
    """End the task of a package."""
    plan.happened(plan.packages[index], event)


def states(plan: MassPlan) -> list[str]:
    """Return the states of the packages."""
    return [each.state.value for each in plan.packages]


def test_final_states_are_final() -> None:
    """Nothing happens to a package that has ended, and every other state is left somehow."""
    left = {state for state, _ in TRANSITIONS}
    assert not left & FINAL
    assert left | FINAL == set(PackageState)


def test_order_by_requirements() -> None:
    """A package starts when everything that it requires is built; long chains come first."""
    plan = MassPlan(packages((), (), (0,), (2, 1), ()))
    assert begin(plan, 2) == ["p0", "p1"]
    assert begin(plan, 2) == ["p4"]
    end(plan, 0)
    assert begin(plan) == ["p2"]
    end(plan, 2)
    assert begin(plan) == []
    end(plan, 1)
    assert begin(plan) == ["p3"]
    end(plan, 3)
    end(plan, 4)
    assert plan.is_over
    assert plan.summary(None) == "5 of 5 done"


def test_packages_are_held_until_the_repo_has_what_they_require() -> None:
    """A package whose requirements are built waits for the repo; others don't."""
    plan = MassPlan(packages((), (0,)), holds=True)
    assert begin(plan) == ["p0"]
    end(plan, 0)
    assert (begin(plan), list(plan.held)) == ([], [1])
    plan.happened(plan.packages[1], PackageEvent.IN_REPO)
    assert (begin(plan), list(plan.held)) == (["p1"], [])


def test_failure_skips_dependants() -> None:
    """What requires a failed package is skipped, also by way of others, and says why."""
    plan = MassPlan(packages((), (0,), (1,), ()))
    begin(plan)
    end(plan, 0, PackageEvent.BROKE)
    assert states(plan) == ["failed", "skipped", "skipped", "running"]
    assert plan.packages[2].reason == "requires p0, which failed"
    assert not plan.is_over
    end(plan, 3)
    assert plan.is_over
    assert plan.summary(None) == "4 of 4 done, 1 failed, 2 skipped"


def test_levels() -> None:
    """A level starts when the one below it is built, and is skipped if something of that fails."""
    plan = MassPlan(packages((), (), (), (), levels=(0, 0, 1, 2)))
    assert begin(plan) == ["p0", "p1"]
    end(plan, 0)
    assert begin(plan) == []
    end(plan, 1)
    assert begin(plan) == ["p2"]
    end(plan, 2, PackageEvent.BROKE)
    assert states(plan) == ["built", "built", "failed", "skipped"]
    assert plan.is_over


@pytest.mark.parametrize(
    ("event", "begun", "last"),
    [(PackageEvent.CLOSED, ["p3"], "running"), (PackageEvent.BROKE, [], "skipped")],
)
def test_level_without_anything_to_build(event: PackageEvent, begun: list[str], last: str) -> None:
    """What is above a level that needs no build starts when all below that is built."""
    made = packages((), (), (), (), levels=(0, 1, 1, 2))
    made[1].state = PackageState.ADOPTED
    made[2].state, made[2].is_excluded = PackageState.SKIPPED, True
    plan = MassPlan(made)
    assert begin(plan) == ["p0"]
    end(plan, 0, event)
    assert (begin(plan), states(plan)[3]) == (begun, last)


def test_what_need_not_be_built_meets_requirements() -> None:
    """A package that the configuration excludes does not skip what requires it."""
    made = packages((), (0,), ())
    made[0].state, made[0].is_excluded = PackageState.SKIPPED, True
    made[2].state = PackageState.ADOPTED
    plan = MassPlan(made)
    assert begin(plan) == ["p1"]


def test_cycle() -> None:
    """Packages that require each other are named, each before what it requires."""
    circles = ("p0 -> p2 -> p1 -> p0", "p2 -> p1 -> p0 -> p2", "p1 -> p0 -> p2 -> p1")
    assert find_cycle({"p0": ["p2"], "p1": ["p0"], "p2": ["p1"]}) in circles
    assert find_cycle({"a": ["b"], "b": ["a"]}) in ("a -> b -> a", "b -> a -> b")
    assert find_cycle({"a": ["b"]}) is None


def test_stop_after_failures() -> None:
    """After so many failures nothing starts, and the plan is over when what runs has ended."""
    plan = MassPlan(packages(*[()] * 5), stop_after=2)
    begin(plan, 3)
    end(plan, 0, PackageEvent.BROKE)
    assert not plan.stopped
    end(plan, 1, PackageEvent.BROKE)
    assert (bool(plan.stopped), begin(plan), plan.is_over) == (True, [], False)
    end(plan, 2)
    assert plan.is_over


def test_shares() -> None:
    """A share is exact on its boundary; one of few packages is not within a small share."""
    assert [number_of(share, 375) for share in ("8.8%", "8.9%", "100%")] == [33, 34, 375]
    assert [number_of("5%", total, rounded_down=True) for total in (1, 19, 20, 39)] == [0, 0, 1, 1]
    assert (number_of("5%", 1), number_of(7, 3, rounded_down=True)) == (1, 7)


def test_moments() -> None:
    """A date is a time, the first of all too."""
    assert [check_moment(each) for each in (1, "1970-01-01", "2026-11-01 10:00")] == [None] * 3
    assert [seconds_of(each) for each in ("1970-01-01", "1970-01-01T01:00+01:00")] == [0.0] * 2
    assert all(check_moment(each) for each in ("", "yesterday", "2026-13-01", True, []))


def test_stop_without_target() -> None:
    """What was about to be submitted when nothing more may start is left, not failed."""
    plan = MassPlan(packages((), (), ()))
    begin(plan, 1)
    [second] = plan.choose(1, 0.0)
    plan.happened(second, PackageEvent.STORED, begun=(1, 0.0, None, None))
    plan.stop("the target is gone")
    plan.happened(second, PackageEvent.WITHDRAWN)
    assert (begin(plan), plan.is_over, second.attempt) == ([], False, 0)
    end(plan, 0)
    assert plan.is_over
    words = "stopped: the target is gone: 1 of 3 done; 2 not started"
    assert result_and_summary(plan, 0) == (FAILURE, words)


def test_infrastructure_failure_is_retried_later() -> None:
    """A package that the build system failed is ready again, but not at once."""
    plan = MassPlan(packages(()))
    begin(plan)
    plan.happened(plan.packages[0], PackageEvent.INFRASTRUCTURE, not_before=60.0)
    assert (begin(plan, now=59.0), plan.due()) == ([], 60.0)
    assert begin(plan, now=60.0) == ["p0"]
    assert (plan.packages[0].attempt, plan.packages[0].task_id) == (1, 100)
    plan.happened(plan.packages[0], PackageEvent.INFRASTRUCTURE, not_before=86_400.0)
    # The clock was set back by a day.
    assert begin(plan, now=60.0) == ["p0"]


def test_put_back() -> None:
    """Packages that were chosen and not submitted are chosen again."""
    plan = MassPlan(packages((), ()))
    plan.put_back(plan.choose(1, 0.0))
    assert sorted(begin(plan)) == ["p0", "p1"]


def test_large_plan() -> None:
    """17,000 packages in two levels, with a failure in the first, take well under a second.

    The first choice of all costs as little as a later one.
    """
    made = packages(*[()] * 17_000, levels=(0,) * 9_000 + (1,) * 8_000)
    began = time.thread_time()
    plan = MassPlan(made)
    planned = time.thread_time()
    plan.put_back(plan.choose(25, 0.0))
    assert time.thread_time() - planned < (planned - began) / 20
    while names := begin(plan, 500):
        for name in names:
            index = int(name[1:])
            end(plan, index, PackageEvent.BROKE if index == 8_999 else PackageEvent.CLOSED)
    assert plan.summary(None) == "17,000 of 17,000 done, 1 failed, 8,000 skipped"


class Data:
    """Build data in memory, which a crash may cut short."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], bytes] = {}
        self.sizes: list[int] = []
        self.pauses = 0

    def pause(self) -> Deferred[None]:
        self.pauses += 1
        return succeed(None)

    async def get(self, build_id: int, name: str) -> bytes | None:
        return self.rows.get((build_id, name))

    async def get_several(self, build_id: int, names: list[str]) -> dict[str, bytes]:
        found = {name: self.rows.get((build_id, name)) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    async def put(self, build_id: int, name: str, value: bytes) -> None:
        self.rows[build_id, name] = value
        self.sizes.append(len(value))


def place(data: Any, build: int = 7) -> RowsPlace:
    """Return the place of the rows of a build request with one build."""
    return RowsPlace(data, build, build)


def drive(coroutine: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def test_stored_plan_resumes() -> None:
    """The stored plan can be resumed at any moment, and only changes are written."""
    chance = random.Random(1)
    made = [
        MassPackage(
            index,
            f"p{index}",
            f"git+https://git.example.test/p{index}.git#main",
            None if index % 3 else "me",
            (index // 2,) if index % 5 == 4 else (),
            was_built=index % 2 == 0,
        )
        for index in range(700)
    ]
    data = Data()
    rows = BuildRows(place(data), "mass")
    store = MassStore(rows, "mass")
    assert drive(store.load()) is None
    drive(store.save_plan({"run": "abc"}, made))
    plan = MassPlan(made)
    for number in range(600):
        begin(plan, 5, float(number))
        running = [each for each in plan.packages if each.state is PackageState.RUNNING]
        for package in chance.sample(running, min(len(running), 4)):
            event = chance.choice(
                [PackageEvent.CLOSED] * 8 + [PackageEvent.BROKE, PackageEvent.INFRASTRUCTURE]
            )
            facts = {"not_before": 1.0} if event is PackageEvent.INFRASTRUCTURE else {}
            plan.happened(package, event, reason="x" * 400, nvr="p-1-1", **facts)
        if not number % 7:
            drive(store.save_packages(plan.packages, plan.changed))
            header, found = drive(store.load())
            assert (header["run"], header["total"]) == ("abc", 700)
            again = MassPlan(found)
            assert states(again) == states(plan)
            assert again.packages == plan.packages
            assert again.counts == plan.counts
    assert plan.is_over
    assert max(data.sizes) < 20_000


def test_large_plan_is_read_in_parts() -> None:
    """The reactor goes on between a thousand packages and the next ones."""
    made = packages(*[()] * 4000)
    for package in made:
        package.state, package.task_id = PackageState.RUNNING, package.index + 1
        package.begun = (1, 1.0, None, None)
    data = Data()
    rows = BuildRows(place(data), "mass")
    store = MassStore(rows, "mass")
    drive(store.save_plan({}, made))
    drive(store.save_packages(made, set(range(4000))))
    data.pauses = 0
    _, found = drive(store.load())
    assert found == made
    # Its plan, and its states.
    assert data.pauses >= 4 + 4


def test_plan_that_was_never_whole() -> None:
    """Nothing of a plan that a crash kept from being stored is taken for the next one's."""
    data = Data()
    rows = BuildRows(place(data), "mass")
    store = MassStore(rows, "mass")
    first = packages((), ())
    first[0].state, first[0].reason = PackageState.SKIPPED, "need not be built"
    drive(store.save_plan({}, first))
    del data.rows[next(key for key in data.rows if "header" in key[1])]
    drive(store.save_plan({}, packages((), ())))
    _, found = drive(MassStore(rows, "mass").load())
    assert found == packages((), ())


def test_mass_build_of_a_newer_version() -> None:
    """One whose identity has another form is left alone, and said to be a newer version's."""
    data = Data()
    index = {"mass": ["kind", "configured", "rendered", "more"]}
    drive(BuildRows(place(data), "koji mass builds").put("steps", index))
    stores = MassStores(place(data))
    with pytest.raises(StoredByNewerVersion, match=r"a newer version .* the mass build mass"):
        drive(stores.resume("mass", ["mass"], StepIdentity.of("Mass", {}, {})))


RUNNING = ["running", 0, 7, False, False, [6, 1.0, 1, None]]


@pytest.mark.parametrize(
    ("row", "value", "error"),
    [
        ("plan 0", [["a", "source", None, [], 0, False, "urgent"]], StoredByNewerVersion),
        ("state 0", [["paused"]], StoredByNewerVersion),
        ("state 0", [["running", *[None] * 15]], StoredByNewerVersion),
        ("plan 0", [["a"]], DamagedRow),
        ("plan 0", [["a", "source", None, [5], 0, False]], DamagedRow),
        # Its row is lost, or has lost some packages: none of it may be forgotten.
        ("plan 0", [], DamagedRow),
        ("plan 0", "lost", DamagedRow),
        ("state 0", [], DamagedRow),
        ("state 0", "lost", DamagedRow),
        ("header", "lost", DamagedRow),
        ("header", {"run": "old"}, DamagedRow),
        ("state 0", "cut", DamagedRow),
        ("header", "deep", DamagedRow),
        # Of another place: it would be taken for what became of other packages.
        ("state 0", "swapped", DamagedRow),
        ("plan 0", "swapped", DamagedRow),
        ("control", "swapped", DamagedRow),
        # A paused mass build would go on.
        ("control", "lost", DamagedRow),
        ("control", None, DamagedRow),
        # A submission that can't be looked for.
        ("state 0", [["submitting"]], DamagedRow),
        ("state 0", [["running", 0, 7]], DamagedRow),
        ("state 0", [[*RUNNING[:2], "7", *RUNNING[3:]]], DamagedRow),
        ("state 0", [[*RUNNING[:5], [6]]], DamagedRow),
    ],
)
def test_unreadable_mass_build(row: str, value: Any, error: type[UnreadableRow]) -> None:
    """One that this version can't read, or that has lost a part, is not taken for another one."""
    rows = BuildRows(place(data := Data()), "mass")
    stores = MassStores(place(data))
    identity = StepIdentity.of("Mass", {}, {})
    store = drive(stores.resume("mass", ["mass"], identity))
    drive(store.save_plan({"run": "old"}, packages(())))
    drive(stores.add(store, identity))
    kind, _, start = row.partition(" ")
    [name] = [each for each in data.rows if f"mass_{kind}" in each[1]]
    plan = drive(store.load())[0]["plan"]
    if value == "lost":
        del data.rows[name]
    elif value == "cut":
        data.rows[name] = data.rows[name][:-5]
    elif value == "deep":
        data.rows[name] = zlib.compress(b"[" * 100_000)
    elif value == "swapped":
        other = BuildRows(place(data, 8), "mass")
        key = f"{kind} {plan}{start}" if start else kind
        drive(other.put(key, drive(rows.get(key))))
        data.rows[name] = data.rows[8, name[1]]
    else:
        drive(rows.put(f"{kind} {plan}{start}" if start else kind, value))

    async def read() -> None:
        found = await stores.resume("mass", ["mass"], identity)
        await found.load()
        await found.control()

    with pytest.raises(error):
        drive(read())


class Host:
    """A step whose database answers."""

    async def until_stored(self, write: Any) -> Any:
        return await write()


def tagger(data: Data) -> MassTagger:
    """Return what tags builds, with the rows of build 7."""
    rows = BuildRows(place(data), "tag")
    return MassTagger(None, "stable", 1, rows, Host(), bypass=True)  # type: ignore[arg-type]


def test_stored_parts() -> None:
    """All parts of what is to be tagged are read, in few queries."""
    rows = BuildRows(place(data := Data()), "tag")
    parts = [TagPart(each, {each: f"p{each}-1-1"}, None, {each: 0}, {}) for each in range(230)]
    for part in parts:
        drive(rows.put(f"part {part.number}", part.to_row()))
    drive(rows.put("sent", len(parts)))
    drive((found := tagger(data)).load())
    assert found.parts == parts
    # A damaged number costs no more than the parts that are there.
    drive(rows.put("sent", 10**12))
    with pytest.raises(DamagedRow):
        drive(found.load())


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        (None, DamagedRow),
        ("last", DamagedRow),
        ({"builds": [["1", "p-1-1"]]}, DamagedRow),
        ({"builds": [[1, None]]}, DamagedRow),
        ({"answers": [[1, None]]}, DamagedRow),
        ({"failed": [[1, 2]]}, DamagedRow),
        ({"submission": {"marker": "m"}}, DamagedRow),
        ({"submission": {"more": 1}}, StoredByNewerVersion),
        ({"more": 1}, StoredByNewerVersion),
    ],
)
def test_unreadable_part(changed: Any, error: type[UnreadableRow]) -> None:
    """Nothing is tagged in the place of a part that is lost, or that this version can't read."""
    rows = BuildRows(place(data := Data()), "tag")
    row = TagPart(0, {1: "p-1-1"}, None, {1: 0}, {}).to_row()
    if changed is not None:
        drive(rows.put("part 0", {**row, **(changed if isinstance(changed, dict) else {})}))
    if changed != "last":
        drive(rows.put("part 1", row))
    drive(rows.put("sent", 2))
    with pytest.raises(error):
        drive(tagger(data).load())


@pytest.mark.parametrize("row", ["steps", "renamed"])
def test_damaged_index(row: str) -> None:
    """Which mass builds a build request has is not guessed."""
    rows = BuildRows(place(data := Data()), "koji mass builds")
    drive(rows.put(row, [5]))
    stores = MassStores(place(data))
    with pytest.raises(DamagedRow):
        drive(stores.resume("mass", ["mass"], StepIdentity.of("Mass", {}, {})))
    with pytest.raises(DamagedRow):
        drive(stores.find("mass"))


def test_mass_builds_of_one_build() -> None:
    """A step resumes only the plan that is certain to be its own, whatever was edited meanwhile."""
    data = Data()
    stores = MassStores(place(data))

    def identity_of(names: list[str], tag: str, target: str = "demo") -> StepIdentity:
        place = {"target": target, "steps": names}
        return StepIdentity.of(
            "Mass", place, {"target": target, "packages": PackageQuery({"tag": tag}, [])}
        )

    def begin_build(name: str, size: int, names: list[str], tag: str) -> None:
        identity = identity_of(names, tag)
        made = [MassPackage(index, f"p{index}", "source", None, ()) for index in range(size)]
        store = drive(stores.resume(name, names, identity))
        drive(stores.add(store, identity))
        drive(store.save_plan({}, made))

    def resumed(name: str, names: list[str], tag: str, target: str = "demo") -> int | None:
        identity = identity_of(names, tag, target)
        found = drive(drive(stores.resume(name, names, identity)).load())
        return None if found is None else len(found[1])

    begin_build("gcc", 1, ["gcc", "llvm"], "g")
    assert resumed("gcc", ["gcc", "llvm"], "edited") == 1
    assert resumed("gcc", ["glibc", "gcc"], "g") == 1
    assert resumed("renamed", ["llvm", "renamed"], "g") == 1
    assert resumed("llvm", ["gcc", "llvm"], "l") is None
    assert resumed("new", ["new", "gcc"], "n") is None
    for changed in (
        ("renamed", ["renamed"], "edited"),
        ("new", ["new", "renamed"], "n"),
        ("gcc", ["gcc"], "l"),
        ("gcc", ["gcc", "llvm"], "edited", "another"),
    ):
        with pytest.raises(MixedPlans, match="began the mass build gcc, and the steps have"):
            resumed(*changed)
    begin_build("llvm", 2, ["gcc", "llvm"], "l")
    assert [resumed(each, ["a", "b"], each) for each in "gl"] == [1, 2]
    assert len(drive(drive(stores.find("llvm")).load())[1]) == 2
    assert drive(drive(stores.find("renamed")).load()) is None


def test_time_left() -> None:
    """The time that is left follows the later half of the progress, without pauses and outages."""
    progress = MassProgress()
    progress.note(0.0, 0, 0)
    assert progress.time_left(1000, 0) is None
    progress.note(60.0, 10, 0)
    # Of fifty that were submitted at once, the fastest have ended.
    assert progress.time_left(1000, 50) is None
    progress.note(120.0, 100, 1)
    assert progress.time_left(1000, 50) == 900 * 120 / 100
    for minute in range(3, 600):
        progress.note(minute * 60.0, 100, 1, paused=True)
    assert len(progress.steps) == 4
    progress.note(36_000.0, 200, 1)
    progress.note(50_000.0, 300, 1)
    assert progress.time_left(1000, 50) == pytest.approx(700 * 60 / 200)
    assert MassProgress(progress.rows()).steps == progress.steps
    assert MassProgress([[0, 0, 0], [60, 10, 0]]).time_left(20, 0) is None
    assert [duration(each) for each in (0.2, 80, 600, 18_000, 400_000)] == [
        "1 s",
        "1 min",
        "10 min",
        "5 h",
        "5 days",
    ]


def test_reports_hold_anything() -> None:
    """Names and reasons from outside are never markup or formulas."""
    [package] = packages(())
    plan = MassPlan([package])
    begin(plan)
    reason = '\t=cmd() <script> "x"\x1b[2J\n\u202eü'
    facts = {"reason": reason, "log_url": "javascript:alert(1)", "arch": "\r@sum()"}
    plan.happened(package, PackageEvent.BROKE, **facts)
    package.was_built, package.owner = True, " +owner"
    row = package_row(package, "https://koji.example.com/koji")
    page = "".join(html_report("T & t", "<b>", [package], [row]))
    assert "<script>" not in page
    assert "javascript" not in page
    assert "Regressions (1)" in page
    assert row["reason"] == '=cmd() <script> "x"\ufffd[2J \ufffdü'
    [_, cells] = csv.reader("".join(csv_report([row])).splitlines())
    assert [cell[:3] for cell in cells[:5]] == ["p0", "' +", "fai", "'=c", "'@s"]
    for formula in ("\uff1dcmd()", "\uff0b1", "\u3000\uff0d1", "\uff20sum()"):
        [_, cells] = csv.reader("".join(csv_report([{**row, "reason": formula}])).splitlines())
        assert cells[3] == f"'{formula}"
    text = "".join(json_report({"summary": "s", "failed": 2}, "packages", [row, row]))
    assert json.loads(text) == {"summary": "s", "failed": 2, "packages": [row, row]}
    assert json.loads("".join(json_report({}, "packages", []))) == {"packages": []}
    package.skip("\x1b[2J" + "x" * 100_000)
    assert package.reason.startswith("\ufffd[2Jx")
    assert len(package.reason) == 300


def test_same_reasons_are_counted_together() -> None:
    """A reason with the name of its package is that of others, too; a part of a word is no name."""
    made = packages(*[()] * 4)
    for package, name in zip(made, ("at", "us", "gcc-c++", "R"), strict=True):
        package.name, package.state = name, PackageState.FAILED
        package.reason = "mock exited with status 1"
    made[2].reason, made[3].reason = "gcc-c++-9-1 is blocked", "R-9-1 is blocked"
    found = [("mock exited with status 1", 2), ("PACKAGE-9-1 is blocked", 2)]
    assert FailureCounts(made).by_reason() == found


def test_reasons_cost_the_same_whatever_the_names() -> None:
    """To count the reasons of 10,000 failures does not stop the reactor: pages do it often."""

    def failed(name: str) -> MassPackage:
        return MassPackage(0, name, state=PackageState.FAILED, reason=f"{name}-9-1 is blocked")

    def seconds(made: list[MassPackage]) -> float:
        began = time.thread_time()
        assert FailureCounts(made).by_reason() == [("PACKAGE-9-1 is blocked", len(made))]
        return time.thread_time() - began

    usual = seconds([failed("p")] * 10_000)
    assert seconds([failed(f"p{number}") for number in range(10_000)]) < 10 * usual


def test_progress_keeps_its_shape() -> None:
    """The moments that are kept are bounded, the first and the newest stay."""
    progress = MassProgress()
    for number in range(1, 1000):
        progress.note(number * 60.0, number, number // 10)
    assert len(progress.steps) <= 300
    assert (progress.steps[0].time, progress.steps[-1].time) == (60.0, 999 * 60.0)
    assert MassProgress(progress.rows()).steps == progress.steps
    assert progress.time_left(1998, 500) == pytest.approx(999 * 60.0, rel=0.01)
    assert progress.still_since == progress.steps[-1].time
    progress.note(progress.steps[-1].time + 60.0, 999, 99)
    assert progress.still_since == 999 * 60.0


def test_damaged_progress() -> None:
    """What is no moment is refused when it is read, not when it is counted with."""
    assert MassProgress([[1, 2, 3], [4, 5, 6, 7]]).rows() == [[1, 2, 3, 0], [4, 5, 6, 7]]
    for row in (["soon", 1, 0], [1, 2], [1, 2, 3, None], 5):
        with pytest.raises((TypeError, ValueError)):
            MassProgress([row])  # type: ignore[list-item]


def test_reason_of_an_earlier_attempt() -> None:
    """A package that the build system failed says so while it waits and runs again."""
    package = MassPackage(0, "p", "source", attempt=1, reason="no space left")
    for state, reason in (
        (PackageState.READY, "to be retried: no space left"),
        (PackageState.RUNNING, "retried: no space left"),
        (PackageState.BUILT, "retried: no space left"),
        (PackageState.ADOPTED, "no space left"),
        (PackageState.FAILED, "no space left"),
    ):
        package.state = state
        assert package_row(package, "https://koji.example.com/koji")["reason"] == reason
        # What is left when all ends is not retried.
        row = package_row(package, "https://koji.example.com/koji", has_ended=True)
        assert row["reason"] == ("retried: " if row["state"] == "built" else "") + "no space left"
