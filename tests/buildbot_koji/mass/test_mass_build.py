"""The step that builds any number of packages."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mock
import pytest
import pytest_twisted
from buildbot.config.errors import ConfigErrors, capture_config_errors
from buildbot.config.master import FileLoader
from buildbot.plugins import steps, util
from buildbot.process.buildstep import create_step_from_step_or_factory
from buildbot.process.results import CANCELLED, RETRY
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread

from buildbot_koji.arguments import checks
from buildbot_koji.durable.store import ROWS, BuildData, RowsPlace
from buildbot_koji.error_messages import was_cancelled
from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.mass import status as mass_status
from buildbot_koji.mass.ended import EndedMassBuilds
from buildbot_koji.mass.options import MassTiming
from buildbot_koji.mass.packages import check_package_template
from buildbot_koji.mass.plan import PackageState
from buildbot_koji.mass.status import running
from buildbot_koji.mass.stored import MassStore, MassStores
from buildbot_koji.steps.build import KojiBuild
from buildbot_koji.steps.framework.base import SUPERSEDED
from buildbot_koji.steps.framework.early_end import Ending, StepTiming
from buildbot_koji.steps.mass import KojiMassBuild
from tests.buildbot_koji.workbench import Workbench
from tests.support import until
from tests.support.checkconfig import mistakes
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate
from tests.support.hubs import WrongClock, hold
from txkoji import RetryPolicy, task_states
from txkoji.exceptions import ServerOffline
from txkoji.submission.submitter import Submitter
from txkoji.testing import FakeHub

SOURCE = "git+https://git.example.test/rpms/{package}.git#main"

BINARY = "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"

FAST = MassTiming(
    tick=0.2,
    store_interval=0.1,
    idle_interval=0.1,
    progress_interval=0.2,
    infra_retry=RetryPolicy(first=0.1, factor=1.0),
    repo_polling=RetryPolicy(first=0.2, factor=1.0),
)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses."""
    monkeypatch.setattr(KojiMassBuild, "mass_timing", FAST)


def add_packages(hub: FakeHub, *names: str) -> list[str]:
    """List packages in the tag of the target."""
    for name in names:
        hub.add_package("demo-candidate", name)
    return list(names)


def mass(bench: Workbench, **options: Any) -> Any:
    """Return the step."""
    return steps.KojiMassBuild(bench.profile, "demo", **{"source": SOURCE, **options})


async def begin_held(
    bench: Workbench, count: int, *, method: str = "buildArch", at_once: int = 50, **options: Any
) -> tuple[list[str], int, Callable[[], None]]:
    """Begin a mass build whose tasks run until they are released.

    Returns:
        The packages, p0 and so on, the build request, and what releases the tasks.
    """
    names = add_packages(bench.hub, *(f"p{number}" for number in range(count)))
    release = hold(bench.hub, method)
    request = await bench.begin(mass(bench, packages=names, at_once=at_once, **options))
    await until(lambda: f"{min(count, at_once)} running" in bench.text())
    return names, request, release


def sources(hub: FakeHub) -> list[str]:
    """Return the names of the packages that were submitted, oldest first."""
    tasks = hub.call("listTasks", {"method": "build", "decode": True}, {"order": "id"})
    return [task["request"][0].rpartition("/")[2].partition(".git")[0] for task in tasks]


@pytest_twisted.ensureDeferred
async def test_packages_are_built(bench: Workbench) -> None:
    """Each package is built once; what failed is in the summary, the reports and the properties."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(30)))
    ended = await bench.build(mass(bench, packages=[*names, "failarch"], at_once=20))
    assert (ended.result, ended.text) == ("failure", "31 of 31 done, 1 failed")
    assert sorted(sources(bench.hub)) == sorted([*names, "failarch"])
    facts = {
        name.removeprefix("koji_mass_"): value
        for name, value in ended.properties.items()
        if name.startswith("koji_mass_")
    }
    assert facts.pop("id") > 0
    assert facts == {
        "total": 31,
        "built": 30,
        "failed": 1,
        "skipped": 0,
        "left": 0,
        "failed_packages": ["failarch"],
        "regressions": [],
    }
    report = json.loads(ended.logs["report.json"])
    assert report["summary"] == ended.text
    rows = {row["package"]: row for row in report["packages"]}
    assert rows["p1"]["nvr"] == "p1-1.0-main"
    assert rows["p1"]["owner"] == "kojiadmin"
    assert rows["failarch"]["arch"] == "x86_64"
    assert "mock exited with status 1" in rows["failarch"]["reason"]
    assert "build.log" in rows["failarch"]["log_url"]
    lines = list(csv.DictReader(io.StringIO(ended.logs["report.csv"])))
    assert [line["package"] for line in lines if line["state"] == "failed"] == ["failarch"]
    assert "failarch" in ended.logs["report.html"]
    # No line begins with the letter of a stream.
    said = [line.partition(":")[0] for line in ended.logs["packages"].splitlines()]
    assert sorted(said) == sorted(rows)
    status = running(bench.master)[-1]
    assert (status.status()["state"], status.status()["done"]) == ("ended", 31)
    assert status.status()["summary"] == ended.text
    counts = (await get_hub(bench.master, bench.profile)).counts
    assert (counts.total, counts.failed) == (31, 1)


@pytest_twisted.ensureDeferred
async def test_everything_by_default(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mass builds without an option, at the same time, with the pauses that users get."""
    monkeypatch.setattr(KojiMassBuild, "mass_timing", MassTiming())
    add_packages(bench.hub, *(f"p{number}" for number in range(6)))
    bench.hub.builder.seconds = 0.5
    packages = [
        ["p0", "p1"],
        util.KojiPackages("demo-candidate", globs=["p2", "p3"]),
        # The packages of the first one: their tasks, or builds, are adopted.
        "p0 p1 p4",
    ]
    found = await bench.build_all(
        *(steps.KojiMassBuild(bench.profile, "demo", each, source=SOURCE) for each in packages),
        steps.KojiMassBuild(bench.profile, "demo", requires={"p5": ["p4"]}, source=SOURCE),
    )
    texts = [(each.result, each.text) for each in found]
    assert texts == [("success", f"{count} of {count} done") for count in (2, 2, 3, 2)]
    built = bench.hub.call("listTagged", "demo-candidate")
    assert sorted(each["name"] for each in built) == [f"p{number}" for number in range(6)]


@pytest_twisted.ensureDeferred
async def test_usual_durations(bench: Workbench) -> None:
    """The pages show from the first minute how long the builds of each package usually take."""
    names = add_packages(bench.hub, "p0", "p1")
    averages = {"p0": 480.0, "p1": 60.0}
    bench.hub.answer = lambda name, params, run: (
        averages[params[0]] if name == "getAverageBuildDuration" else run()
    )
    release = hold(bench.hub, "buildArch")
    ending = Deferred.fromCoroutine(bench.build(mass(bench, packages=names)))
    hub = await get_hub(bench.master, bench.profile)
    await until(lambda: {task.usual for task, _ in hub.watched()} == set(averages.values()))
    release()
    assert (await ending).result == "success"


@pytest_twisted.ensureDeferred
async def test_bad_input(bench: Workbench) -> None:
    """Everything that is wrong is named in one line, and nothing is submitted."""
    add_packages(bench.hub, "good", "stopped", "walled")
    bench.hub.call("packageListBlock", "demo-candidate", "stopped")
    bench.hub.call("packageListBlock", "demo-build", "walled")
    bench.worker_directory.mkdir(parents=True, exist_ok=True)
    (bench.worker_directory / "binary").write_bytes(b"\xff")
    (bench.worker_directory / "odd").write_bytes(b"good\0\nrare\n<b>\n")
    (bench.worker_directory / "empty").write_bytes(b"# good\n")
    (bench.worker_directory / "large").write_bytes(b"good\n" * 1_000_000)
    mistakes = (
        ({"packages": ["good", "stopped", "rare", "rare"]},
         "given twice: rare; blocked in demo-candidate: stopped; not in demo-candidate: rare"),
        ({"requires": {"good": ["hello"], "hello": ["world"], "world": ["good"]}},
         "packages require each other: good -> hello -> world -> good"),
        ({"packages": ["good", "hello"], "max_packages": 1},
         "2 packages are more than max_packages, 1"),
        ({"packages_file": "odd"},
         "no package names: 'good\\x00', '<b>'; not in demo-candidate: rare"),
        ({"packages": util.KojiPackages("nowhere")},
         ("can't read tag nowhere: listPackages: No such entry in table tag: nowhere:"
          " `koji list-tags` lists them")),
        ({"packages": util.KojiPackages("demo-candidate", globs=["x*"])},
         "no package of tag demo-candidate matches owners, globs and except_"),
        ({"packages": ["hello"], "source": None, "source_tag": "demo-candidate"},
         "no source: hello"),
        ({"packages": ["hello"], "source": None, "source_tag": "lost",
          "at_once": util.Transform(lambda: {}["number"])},
         ("at_once can't be evaluated: KeyError: 'number'; the hub has no tag lost:"
          " `koji list-tags` lists them")),
        ({"packages": ["stopped"], "channel": "none", "at_once": util.Transform(lambda: "many")},
         ("at_once can't be evaluated: 'many' must be a whole number, 0 or more; the hub has"
          " no channel none: `koji list-channels` lists them; blocked in demo-candidate:"
          " stopped")),
        ({"packages": ["good"], "only": ["failed"]}, "this builder has no earlier mass build"),
        ({"packages": ["good"], "earlier": 4711},
         "there is no mass build 4711: give its property koji_mass_id"),
        ({"packages": ["good"], "source": lambda name: f"{name}.git"},
         f"source {checks.source('good.git')}: good"),
        ({"packages": ["good"], "source": lambda name: name[99]},
         "source('good') failed: IndexError: string index out of range"),
        ({"packages": ["good"], "source": lambda _: b"git+https://git.example.test/good.git#x"},
         "source('good') returned bytes, not str"),
        ({"packages": ["good"], "source": lambda _: f"git+https://{'x' * 70_000}#main"},
         "source has 70,017 characters: a source has at most 4,096: good"),
        ({"packages": ["good"], "source": lambda _: "git+https://git.example.test/a\n#main"},
         "source holds the control character U+000A: good"),
        ({"packages": ["good", "hello", "rare"], "source": lambda _: SOURCE.format(package="x")},
         "built from the same source: good, hello; not in demo-candidate: rare"),
        ({"packages": ["good"], "source": lambda _: sys.exit("no")},
         "source('good') failed: SystemExit: no"),
        ({"packages": ["good"], "source": lambda _: fail(ValueError("late"))},
         "source('good') returned Deferred, not str"),
        ({"packages": ["stopped"], "wait_builds": ["rare-1-1", "other-1-1"]},
         ("wait_builds: the hub has no such build, or it failed: rare-1-1, other-1-1;"
          " blocked in demo-candidate: stopped")),
        ({"requires": {"good": ["walled"]}}, "required, but blocked in demo-build: walled"),
        ({"levels": [["walled", "stopped"], ["good"]]},
         "blocked in demo-candidate: stopped; required, but blocked in demo-build: walled"),
        ({"packages": (several := [f"rare{number:02}" for number in range(25)])},
         f"not in demo-candidate: {', '.join(several[:20])} and 5 more"),
        ({"packages_file": "empty"}, "empty on the worker names no packages"),
        ({"packages_file": "large"}, "large on the worker has more than 4,194,304 bytes"),
        ({"packages_file": "binary"}, f"can't read binary on the worker: {BINARY}"),
        ({"packages_file": "nosuch", "files_on": "master"},
         "can't read nosuch on the master: No such file or directory"),
    )  # fmt: skip
    found = await bench.build_all(*(mass(bench, **options) for options, _ in mistakes))
    for (_, text), ended in zip(mistakes, found, strict=True):
        assert (ended.result, ended.text) == ("failure", text)
    logs = [ended.logs["mistakes"] for ended in found if " and 5 more" in ended.text]
    odd = next(ended for ended in found if ended.text.startswith("no package names"))
    # A file that is no list of packages is not copied.
    assert odd.logs["mistakes"] == "rare: not in demo-candidate\n"
    assert logs == ["".join(f"{name}: not in demo-candidate\n" for name in several)]
    lost = steps.KojiMassBuild(bench.profile, "lost", ["hello"], source=SOURCE, channel="none")
    ended = await bench.build(lost)
    assert ended.text == (
        "the hub has no build target lost: `koji list-targets` lists them; the hub has no channel"
        " none: `koji list-channels` lists them"
    )
    assert sources(bench.hub) == []
    ended = await bench.build(mass(bench, packages=["good", "stopped", "rare"], skip_unknown=True))
    assert (ended.result, ended.text) == ("warnings", "3 of 3 done, 2 skipped")
    assert sources(bench.hub) == ["good"]


def test_options_of_one_build() -> None:
    """A mass build takes each option of a build, except what the page gives a reason for."""
    lacking = {*KojiBuild.arguments} - {*KojiMassBuild.arguments}
    assert lacking == {"live_logs", "live_log_bytes"}


def test_bad_configuration(empty_home: Path) -> None:
    """Each mistake that is one on any hub is a line of checkconfig."""
    (empty_home / ".koji").mkdir()
    (empty_home / ".koji" / "config").write_text("[koji]\nserver = https://k.example.test/hub\n")
    mistakes = {
        "packages=['a', 'b', 'a']": "given twice: a",
        "packages=['a', 'b'], max_packages=1": "2 packages are more than max_packages, 1",
        "packages=5": "packages=5 must be a list of package names or a util.KojiPackages",
        "packages=[]": "packages is empty: there is nothing to build",
        "packages=['a'], only=[], earlier=1": "only is empty: there is nothing to build",
        "levels=[['a'], ['b', 'b']]": "given twice: b",
        "requires={'a': ['b'], 'b': ['a']}": "packages require each other: a -> b -> a",
        "requires={'a': ['b c']}": "no package names: 'b c'",
        "requires={'a': 'b'}": "requires={'a': 'b'} must be a dictionary: package: [packages that"
        " it requires]",
        "packages=['a'], since=True": "since=True must be a time: seconds since the epoch, or"
        ' "2026-11-01" (UTC)',
        "packages=['a'], at_once=0": "at_once=0 must be a whole number greater than 0",
        "packages=['a'], max_failures='x'": "max_failures='x' must be a number of packages, or"
        ' "5%"',
        "packages=['a'], stop_after_failures=0": "stop_after_failures=0 must be a number of"
        ' packages greater than 0, or "5%"',
    }
    path = empty_home / "master.cfg"
    lines = [f"steps.KojiMassBuild('koji', 't', source={SOURCE!r}, {each})" for each in mistakes]
    odd = ["{ref}", "{package.__class__}", "{package!r}", "{{package}}", "{}"]
    others = [SOURCE.replace("main", each) for each in odd]
    lines += [f"steps.KojiMassBuild('koji', 't', ['a'], source={each!r})" for each in others]
    lines.append("steps.KojiMassTag('koji', from_tag='a', to_tag='a')")
    lines.append("steps.KojiMassTag('koji', from_tag='a', to_tag=util.Property('x'))")
    path.write_text("\n".join(["from buildbot.plugins import steps, util", *lines]))
    with pytest.raises(ConfigErrors) as caught:
        FileLoader(str(empty_home), path.name).loadConfig()
    wanted = [f"KojiMassBuild: {each}" for each in mistakes.values()]
    wanted += [
        f"KojiMassBuild: source={source!r} contains {each}: only {{package}} is replaced"
        for source, each in zip(others, odd, strict=True)
    ]
    wanted.append("KojiMassTag: from_tag and to_tag are both a")
    found = [each for each in caught.value.errors if f"{path}:" in each]
    assert found == [f"{path}:{number}: {each}" for number, each in enumerate(wanted, 2)]


@pytest_twisted.ensureDeferred
async def test_good_values(bench: Workbench) -> None:
    """Each option takes a good value; what is not set has its default, what is odd is noted."""
    add_packages(bench.hub, "one", "two")
    fine = {
        "packages": ["one", "two"],
        "skip": {"two": "done by hand", "typo": "a reason"},
        "requires": {"one": ["elsewhere"]},
        "at_once": util.Property("none"),
        "infra_retries": util.Property("none"),
        "only_when_idle": True,
        "stop_after_failures": "50%",
        "max_failures": "10%",
        "max_packages": 2,
        "existing": "fail",
        "max_queue_time": 600,
        "on_stop": "leave",
        "infra_faults": [1015, "no space left"],
        "background": True,
        "channel": "default",
        "timeout": 600,
        "hub_patience": 60,
    }
    ended = await bench.build(mass(bench, **fine))
    assert (ended.result, ended.text) == ("success", "2 of 2 done, 1 skipped")
    lines = ended.logs["packages"]
    assert "requires names packages that are not built here: elsewhere" in lines
    assert "skip names packages that would not be built anyway: typo" in lines
    [task] = bench.hub.call("listTasks", {"method": "build", "decode": True})
    assert task["priority"] > 20
    query = util.KojiPackages(
        "demo-candidate",
        inherited=False,
        owners=["kojiadmin"],
        globs=["one", "tw*"],
        except_=["two"],
        blocked=True,
    )
    ended = await bench.build(mass(bench, packages=query, scratch=True, skip_unknown=True))
    assert (ended.result, ended.text) == ("success", "1 of 1 done")


@pytest_twisted.ensureDeferred
async def test_task_of_someone_else(bench: Workbench) -> None:
    """A task that builds the same is followed; if it is canceled, the package is built.

    What one for another target made counts, too, and is reported as not in the tag. What requires
    it waits until someone has tagged it.
    """
    names = add_packages(bench.hub, "p0", "p1", "p2", "p3", "p4")
    bench.hub.add_package("demo-released", "p2")
    bench.hub.call("createBuildTarget", "brief", "demo-build", "demo-released")
    brief = bench.hub.call("build", SOURCE.replace("{package}", "p2"), "brief", user="alice")
    release = hold(bench.hub, "buildArch")
    other = bench.hub.call("build", SOURCE.replace("{package}", "p0"), "demo", user="alice")
    await until(lambda: all(bench.hub.call("getTaskChildren", each)[1:] for each in (other, brief)))
    requires = {"p3": ["p2"], "p4": ["p1"]}
    request = await bench.begin(mass(bench, packages=names, requires=requires))

    def followed() -> list[int | None]:
        found = [each for each in running(bench.master) if not each.has_ended]
        return [row["task_id"] for each in found for row in each.package_rows("p0")]

    await until(lambda: other in followed() and "3 running" in bench.text())
    bench.hub.call("cancelTask", other)
    release()
    words = "; 1 waits for a repo of demo-build with p2-1.0-main, which must be tagged"
    await until(lambda: bench.text() == f"4 of 5 done{words}")
    bench.hub.call("tagBuildBypass", "demo-candidate", "p2-1.0-main")
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "5 of 5 done")
    assert f": retried: the adopted task {other} was canceled" in ended.logs["packages"]
    assert "p2: adopted p2-1.0-main (task " in ended.logs["packages"]
    assert "): it is not in demo-candidate: add steps.KojiTag" in ended.logs["packages"]


@pytest_twisted.ensureDeferred
async def test_order(bench: Workbench) -> None:
    """A package starts when what it requires is in the repo; a failure skips what depends on it."""
    add_packages(bench.hub, "base", "middle", "top", "alone", "after", "later")
    requires = {"top": ["middle"], "middle": ["base"], "after": ["failarch"], "later": ["after"]}
    ended = await bench.build(
        mass(
            bench,
            packages=["top", "middle", "base", "alone", "after", "later", "failarch"],
            requires=requires,
        )
    )
    assert (ended.result, ended.text) == ("failure", "7 of 7 done, 1 failed, 2 skipped")
    order = [each for each in sources(bench.hub) if each in ("top", "middle", "base")]
    assert order == ["base", "middle", "top"]
    rows = {row["package"]: row for row in json.loads(ended.logs["report.json"])["packages"]}
    assert rows["after"]["reason"] == "requires failarch, which failed"
    assert rows["later"]["reason"] == "requires failarch, which failed"
    [task] = [
        each
        for each in bench.hub.call("listTasks", {"method": "build", "decode": True})
        if "/top." in each["request"][0]
    ]
    [child] = [
        each
        for each in bench.hub.call("getTaskChildren", task["id"])
        if each["method"] == "buildSRPMFromSCM"
    ]
    info = bench.hub.call("getTaskInfo", child["id"], request=True)
    repo = bench.hub.call("repoInfo", info["request"][2]["repo_id"])
    found = bench.hub.call("listTagged", "demo-build", event=repo["create_event"], inherit=True)
    assert {"base", "middle"} <= {each["name"] for each in found}
    ended = await bench.build(
        mass(
            bench,
            source=SOURCE.replace("main", "next"),
            levels=[["base"], ["middle", "alone"], ["top"]],
        )
    )
    assert (ended.result, ended.text) == ("success", "4 of 4 done")
    assert sources(bench.hub)[-1] == "top"


@pytest_twisted.ensureDeferred
async def test_next_attempt_resumes(bench: Workbench) -> None:
    """The next attempts resume after a lost reply, a new name, and a visit of the janitor."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(40)))
    hub = await get_hub(bench.master, bench.profile)
    hub.connection.submissions = Submitter(hub.connection.client, pauses=(0.0, 0.05))
    request = await bench.begin(mass(bench, packages=names, at_once=10))
    await until(lambda: len(sources(bench.hub)) >= 12)
    bench.lost_replies.add("build")
    await until(lambda: not bench.lost_replies)
    bench.lost_requests.add("build")
    bench.use_steps(mass(bench, packages=names, at_once=10, name="renamed"))
    release = hold(bench.hub, "buildArch")
    bench.lose_worker()
    await until(lambda: bench.running() is None)
    await until(lambda: "10 running" in bench.text())
    # The first attempt ended long ago, as Buildbot's janitor sees it.
    await bench.master.db.build_data.deleteOldBuildData(4_000_000_000)
    bench.lose_worker()
    await until(lambda: bench.running() is None)
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text, ended.attempts) == ("success", "40 of 40 done", 3)
    assert sorted(sources(bench.hub)) == sorted(names)


@pytest_twisted.ensureDeferred
async def test_steps_are_mixed_up(bench: Workbench) -> None:
    """A step that can't tell which step of the earlier attempt it was submits nothing."""
    names, others = add_packages(bench.hub, "p0", "p1", "p2"), add_packages(bench.hub, "q0")
    hold(bench.hub, "buildArch")
    request = await bench.begin(mass(bench, packages=names, at_once=2, name="old"))
    await until(lambda: "2 running" in bench.text())
    added = mass(bench, packages=others, name="added")
    bench.use_steps(added, mass(bench, packages=names, name="renamed"))
    bench.lose_worker()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("failure", 2)
    assert ended.text == (
        "an earlier attempt began the mass build old, and the steps have changed since: give them"
        " their earlier names, targets and packages, or start another build"
    )
    assert sources(bench.hub) == ["p0", "p1"]


@pytest_twisted.ensureDeferred
async def test_restored_hub(bench: Workbench) -> None:
    """Of a hub restored from a backup no task with an id of ours is believed, or canceled."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(4)))
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(mass(bench, packages=names, at_once=2))

    def lose_tasks() -> list[int]:
        """Give the ids of the newest tasks to those of someone else."""
        newest = bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})[-2:]
        bench.hub.state.rewind("task", newest[0]["id"] - 1)
        return [
            bench.hub.call(
                "build", SOURCE.replace("{package}", f"other{n}"), "demo", {"scratch": True}
            )
            for n in range(20)
        ]

    await until(lambda: "2 running" in bench.text())
    lose_tasks()
    bench.lose_worker()
    await until(lambda: bench.running() is None)
    release()
    await until(lambda: "4 of 4 done" in bench.text())
    ended = await bench.ended(request)
    assert (ended.result, ended.text, ended.attempts) == ("success", "4 of 4 done", 2)
    assert {name: sources(bench.hub).count(name) for name in names} == dict.fromkeys(names, 1)
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(mass(bench, packages=names, scratch=True, at_once=2))
    await until(lambda: "2 running" in bench.text())
    others = lose_tasks()
    await bench.stop_build()
    await bench.ended(request)
    states = {bench.hub.call("getTaskInfo", each)["state"] for each in others}
    assert task_states.CANCELED not in states
    release()


@pytest_twisted.ensureDeferred
async def test_stop(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop cancels running tasks and says what is left; a later build builds the rest.

    Until then the summary says that the hub is unreachable, although nothing is asked of it, and
    for how long nothing has ended.
    """
    monkeypatch.setattr(KojiMassBuild, "mass_timing", replace(FAST, long=2.0))
    names, request, release = await begin_held(bench, 20, at_once=5)
    task_id = bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})[0]["id"]
    words = f", longest in Koji: p0 (task {task_id})"
    await until(lambda: bench.text().endswith(words))
    assert bench.text().startswith("0 of 20 done, 5 running; nothing has ended for ")
    with monkeypatch.context() as patch:
        patch.setattr(KojiMassBuild, "trouble", "the hub has not answered since 12:00: gone")
        words = "; the hub has not answered since 12:00: gone"
        await until(lambda: bench.text().endswith(words))
    await bench.stop_build()
    ended = await bench.ended(request)
    assert ended.result == "cancelled"
    assert ended.text == "stopped: 0 of 20 done, 20 left; canceled 5 tasks"
    rows = json.loads(ended.logs["report.json"])["packages"]
    assert {each["state"] for each in rows} == {"left"}
    said = [each["reason"] for each in rows]
    assert said == ["stopped: its task is canceled"] * 5 + ["stopped"] * 15
    shown = running(bench.master)[-1].status()
    assert (shown["state"], shown["running"], shown["waiting"]) == ("ended", 0, 20)
    assert shown["summary"] == "stopped: 0 of 20 done"
    tasks = bench.hub.call("listTasks", {"method": "build"})
    assert {task["state"] for task in tasks} == {3}
    release()
    earlier = util.Property("koji_mass_id")
    only = util.Property("only")
    again = mass(bench, packages=names, only=only, earlier=earlier, name="the rest")
    number = ended.properties["koji_mass_id"]
    # It would build all of them.
    ended = await bench.build(again, koji_mass_id=number, only=[])
    said = "only is missing: Property(only) renders to nothing: unset, empty or 0"
    assert (ended.result, ended.text) == ("failure", said)
    # The latest, as no other one is named.
    ended = await bench.build(again, koji_mass_id=0, only=["missing"])
    assert (ended.result, ended.text) == ("success", "20 of 20 done")


@pytest.mark.parametrize("scratch", [False, True])
@pytest_twisted.ensureDeferred
async def test_rest_of_a_stop_that_left_tasks(bench: Workbench, scratch: bool) -> None:
    """What a stop left is followed by a build of what is missing, and not submitted again."""
    options = {"scratch": scratch, "on_stop": "leave"}
    names, request, release = await begin_held(bench, 5, at_once=3, **options)
    await bench.stop_build()
    ended = await bench.ended(request)
    assert ended.text == "stopped: 0 of 5 done, 5 left"
    tasks = bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})
    bench.hub.call("cancelTask", tasks[0]["id"])
    again = mass(bench, packages=names, at_once=5, only=["missing"], **options)
    request = await bench.begin(again)
    await until(lambda: "5 running" in bench.text())
    # The next one follows what this one has followed.
    await bench.stop_build()
    await bench.ended(request)
    request = await bench.begin(again)
    await until(lambda: "5 running" in bench.text())
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "5 of 5 done")
    assert sorted(sources(bench.hub)) == sorted([*names, names[0]])
    rows = json.loads(ended.logs["report.json"])["packages"]
    kept = {each["package"]: each["task_id"] for each in rows}
    assert [kept[name] for name in names[1:3]] == [each["id"] for each in tasks[1:]]
    assert all(each["since"] and each["nvr"] for each in rows)


@pytest.mark.parametrize("runs", [False, True])
@pytest_twisted.ensureDeferred
async def test_stop_of_the_rest(
    tmp_path: Path, empty_home: Path, at_end: AtEnd, runs: bool
) -> None:
    """A stop cancels what an earlier mass build left, not what one that runs still follows."""
    bench = Workbench(tmp_path, workers=("one", "two"))
    await bench.open(empty_home)
    at_end(bench.close)
    names, request, release = await begin_held(bench, 3, on_stop="leave")
    first = bench.running()
    if not runs:
        await bench.stop_build()
        await bench.ended(request)
    again = await bench.begin(
        mass(bench, packages=names, only=["missing"], earlier=first.buildid, existing="adopt")
    )
    building = bench.master.botmaster.builders["any"].building
    await until(lambda: building and building[-1] is not first)
    second = building[-1]
    await until(lambda: second.currentStep and "3 running" in second.currentStep._text)
    second.stopBuild("enough")
    assert (await bench.ended(again)).result == "cancelled"
    tasks = bench.hub.call("listTasks", {"method": "build"})
    assert len(tasks) == 3
    state = task_states.OPEN if runs else task_states.CANCELED
    assert {each["state"] for each in tasks} == {state}
    release()
    if runs:
        assert (await bench.ended(request)).text == "3 of 3 done"


@pytest_twisted.ensureDeferred
async def test_rest_of_a_stop_that_cancels_tasks(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks that an earlier stop cancels only now are submitted again: they have not failed."""
    names, request, release = await begin_held(bench, 3, scratch=True)
    is_busy = True

    def answer(name: str, _params: list[Any], run: Callable[[], Any]) -> Any:
        if name == "cancelTask" and is_busy:
            raise ServerOffline("moving to another rack")
        return run()

    monkeypatch.setattr(bench.hub, "answer", answer)
    await bench.stop_build()
    await bench.ended(request)
    again = mass(bench, packages=names, only=["missing"], scratch=True)
    request = await bench.begin(again)
    await until(lambda: "3 running" in bench.text())
    is_busy = False
    await until(lambda: len(bench.hub.call("listTasks", {"state": [3], "method": "build"})) == 3)
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "3 of 3 done")


@pytest_twisted.ensureDeferred
async def test_end_while_the_plan_is_read(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that comes before the plan is read cancels what runs; a restart keeps the pause."""
    load = MassStore.load
    gates: list[Deferred[None]] = []
    reading: list[MassStore] = []

    async def slow(self: MassStore) -> Any:
        found = await load(self)
        if gates:
            reading.append(self)
            await gates[0]
        return found

    monkeypatch.setattr(MassStore, "load", slow)
    _, request, _ = await begin_held(bench, 6, at_once=2)
    status = running(bench.master)[-1]
    build = bench.running().buildid
    # A later build may name this one even if no attempt ends.
    stored = await bench.master.data.get(("builds", build, "properties"))
    assert stored["koji_mass_id"][0] == build
    status.runner.set_paused(True)
    # What it stores beside the packages it forgets to have changed only once that is stored.
    await until(lambda: not status.runner._control_changed)

    async def end_next(end: Callable[[], Any]) -> None:
        """Begin the next attempt, and end it while it reads the plan."""
        gates.append(Deferred())
        reading.clear()
        bench.lose_worker()
        await until(lambda: bool(reading))
        ending = bench.running().currentStep.early_end
        end()
        await until(lambda: ending.reason is not None)
        gates.pop().callback(None)

    await end_next(bench.lose_worker)
    await until(lambda: bench.text() == "paused: 0 of 6 done, 2 running")
    await end_next(lambda: bench.running().stopBuild("enough"))
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("cancelled", 4)
    assert ended.properties["koji_mass_id"] == build
    assert ended.text == "stopped: 0 of 6 done, 6 left; canceled 2 tasks"


@pytest.mark.parametrize(
    ("fate", "when"),
    [
        (Fate.RESET_BEFORE, "canceled as soon as the hub answers"),
        (Fate.STALL, "still being canceled"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_stop_in_an_outage(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, fate: Fate, when: str
) -> None:
    """A stop ends while the hub is unreachable or slow, and says that tasks are canceled later."""
    monkeypatch.setattr(KojiMassBuild, "timing", StepTiming(cancel_limit=0.5))
    names = add_packages(bench.hub, *(f"p{number}" for number in range(150)), "top")
    bench.hub.builder.seconds = 300
    step = mass(bench, packages=names, requires={"top": ["p0"]}, at_once=150)
    request = await bench.begin(step)
    await until(lambda: "150 running" in bench.text())
    bench.proxy.decide = lambda _: fate
    await bench.stop_build()
    ended = await bench.ended(request)
    words = f"canceled no tasks, 150 are {when}"
    assert (ended.result, ended.text) == ("cancelled", f"stopped: 0 of 151 done, 151 left; {words}")


@pytest_twisted.ensureDeferred
async def test_repo_that_never_comes(bench: Workbench) -> None:
    """A mass build that waits for a repo says for which task, and why it asks again."""
    names = add_packages(bench.hub, "low", "top")
    await bench.built("low")
    bench.hub.call("disableHost", "builder1")
    step = mass(bench, packages=names, requires={"top": ["low"]}, since=1)
    request = await bench.begin(step)

    def repos() -> list[int]:
        """Return the tasks that make repos."""
        return [each["id"] for each in bench.hub.call("listTasks", {"method": "newRepo"})]

    def gave_up() -> bool:
        """Cancel the newest task: the hub makes another one, some times."""
        bench.hub.call("cancelTask", repos()[-1])
        return "gave up" in bench.text()

    words = "1 of 2 done; 1 waits for a repo of demo-build"
    await until(lambda: bool(repos()) and bench.text() == f"{words} (task {repos()[-1]})")
    [row] = running(bench.master)[-1].package_rows("top")
    assert (row["state"], row["reason"]) == ("held", "waits for a repo")
    await until(gave_up)
    words = r"; 1 waits for a repo of demo-build, which the hub gave up making: task (\d+): "
    again = re.compile(words + r"it was canceled \(task \d+\)")
    await until(lambda: bool(again.search(bench.text())))
    await bench.stop_build()
    ended = await bench.ended(request)
    assert (ended.result, ended.text[:30]) == ("cancelled", "stopped: 1 of 2 done, 1 left; ")
    assert re.search(words, ended.text)


@pytest.mark.parametrize("how", ["blocked", "not tagged"])
@pytest_twisted.ensureDeferred
async def test_requirement_that_never_is_in_the_repo(bench: Workbench, how: str) -> None:
    """A package is skipped if what it requires can't be in the repo, or is not there in time."""
    add_packages(bench.hub, "low", "middle", "top", "other")
    if how == "blocked":
        bench.hub.call("packageListBlock", "demo-build", "low")
        reason = "requires low, which is blocked in demo-build"
    else:
        await bench.built("low")
        bench.hub.call("untagBuildBypass", "demo-candidate", "low-1.0-main")
        reason = "waited 1 s for a repo of demo-build with low-1.0-main, which must be tagged"
    step = mass(
        bench,
        packages=["low", "middle", "top", "other"],
        requires={"middle": ["low"], "top": ["middle"]},
        repo_patience=1,
        skip_unknown=True,
    )
    ended = await bench.build(step)
    assert (ended.result, ended.text) == ("warnings", "4 of 4 done, 2 skipped")
    rows = {row["package"]: row for row in json.loads(ended.logs["report.json"])["packages"]}
    assert rows["middle"]["reason"] == reason
    assert rows["top"]["reason"] == "requires middle, which was skipped"
    assert f"middle: skipped: {reason}" in ended.logs["packages"]


@pytest_twisted.ensureDeferred
async def test_suspended_while_it_waits_for_a_repo(bench: Workbench) -> None:
    """However long a machine sleeps between two polls, an hour of it counts as waited."""
    names = add_packages(bench.hub, "low", "top")
    await bench.built("low")
    bench.hub.call("disableHost", "builder1")
    options = {"requires": {"top": ["low"]}, "since": 1, "repo_patience": 5000}
    request = await bench.begin(mass(bench, packages=names, **options))
    await until(lambda: "1 waits for a repo of demo-build" in bench.text())
    waiter = running(bench.master)[-1].runner._repos
    assert waiter is not None
    clock = WrongClock(reactor)
    waiter._context = replace(waiter._context, clock=clock)
    await until(lambda: ", for 60 min now" in bench.text())
    clock.ahead += 4 * 60 * 60
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("warnings", "2 of 2 done, 1 skipped")
    assert "top: skipped: waited 85 min for a repo of demo-build" in ended.logs["packages"]


@pytest_twisted.ensureDeferred
async def test_target_is_edited(bench: Workbench) -> None:
    """What is held waits for a repo of the build tag that the target has by then."""
    names = add_packages(bench.hub, "low", "top")
    await bench.built("low")
    bench.hub.call("createTag", "other-build", parent="demo-build", arches="x86_64")
    bench.hub.call("disableHost", "builder1")
    request = await bench.begin(mass(bench, packages=names, requires={"top": ["low"]}, since=1))
    await until(lambda: "1 waits for a repo of demo-build" in bench.text())
    bench.hub.call("editBuildTarget", "demo", "demo", "other-build", "demo-candidate")
    bench.hub.call("enableHost", "builder1")
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "2 of 2 done")
    repos = bench.hub.call("listTasks", {"method": "newRepo", "decode": True})
    made = [each["id"] for each in repos if each["request"][0] == "other-build"]
    [top] = [each for each in bench.hub.call("listTasks", {"method": "build"}) if each["id"] > 1]
    assert made
    assert made[0] < top["id"]


def test_source_of_braces() -> None:
    """A template is looked through in linear time: braces without an end are only too long."""
    complaint = check_package_template("{package}" + "{" * 100_000)
    assert str(complaint).startswith("has 100,004 characters")


@pytest_twisted.ensureDeferred
async def test_what_need_not_be_built(bench: Workbench) -> None:
    """Existing and new enough builds are adopted, and excluded packages are skipped."""
    names = add_packages(bench.hub, "new", "other", "unwanted")
    await bench.built("new", ref="earlier")
    await bench.built("other")
    submitted = len(sources(bench.hub))
    ended = await bench.build(
        mass(bench, packages=names, since=1_000_000_000, skip={"unwanted": "retired"})
    )
    rows = {row["package"]: row for row in json.loads(ended.logs["report.json"])["packages"]}
    assert (ended.result, ended.text) == ("success", "3 of 3 done, 1 skipped")
    assert rows["new"]["nvr"] == "new-1.0-earlier"
    assert rows["unwanted"]["reason"] == "retired"
    assert len(sources(bench.hub)) == submitted
    ended = await bench.build(mass(bench, packages=names))
    rows = {row["package"]: row for row in json.loads(ended.logs["report.json"])["packages"]}
    assert (rows["other"]["state"], rows["other"]["nvr"]) == ("adopted", "other-1.0-main")
    assert (rows["new"]["state"], rows["new"]["nvr"]) == ("built", "new-1.0-main")


@pytest_twisted.ensureDeferred
async def test_sources_of_the_latest_builds(bench: Workbench) -> None:
    """Packages are built from the sources of their latest builds in a tag."""
    names = add_packages(bench.hub, "one", "two")
    for name in names:
        await bench.built(name, ref=f"v.{name}")
    before = len(sources(bench.hub))
    query = util.KojiPackages("demo-candidate", globs=["one", "two", "foo"], except_=["f*"])
    ended = await bench.build(
        mass(bench, packages=query, source=None, source_tag="demo-candidate", scratch=True)
    )
    assert (ended.result, ended.text) == ("success", "2 of 2 done")
    assert sorted(sources(bench.hub)[before:]) == ["one", "two"]
    rows = json.loads(ended.logs["report.json"])["packages"]
    assert [row["nvr"] for row in rows] == ["one-1.0-v.one", "two-1.0-v.two"]


@pytest_twisted.ensureDeferred
async def test_failures(bench: Workbench) -> None:
    """Failures of the build system are retried; too many stop the build; regressions come first."""
    names = add_packages(bench.hub, "failbuilder-1", "failarch-1", "good")
    bench.hub.builders_mended = False
    ended = await bench.build(mass(bench, packages=names, infra_retries=1, max_failures="70%"))
    assert (ended.result, ended.text) == ("warnings", "3 of 3 done, 2 failed")
    assert sorted(sources(bench.hub)) == ["failarch-1", "failbuilder-1", "failbuilder-1", "good"]
    rows = {row["package"]: row for row in json.loads(ended.logs["report.json"])["packages"]}
    assert rows["failbuilder-1"]["reason"].startswith("the build system failed: AttributeError")
    other = SOURCE.replace("main", "failsrpm")
    ended = await bench.build(
        mass(bench, packages=names, source=other, at_once=1, stop_after_failures=1)
    )
    assert ended.result == "failure"
    assert ended.text == ("stopped after too many failures: 1 of 3 done, 1 failed; 2 not started")
    ended = await bench.build(mass(bench, packages=["good"], source=other))
    assert ended.properties["koji_mass_regressions"] == []
    previous = await bench.build(mass(bench, packages=names[1:], scratch=True))
    earlier = previous.properties["koji_mass_id"]
    # One that builds only the rest hides nothing of what it was the rest of.
    rest = mass(bench, packages=names[1:], scratch=True, only=["failed"], earlier=earlier)
    assert (await bench.build(rest)).text == "1 of 1 done, 1 failed"
    ended = await bench.build(mass(bench, packages=["good"], source=other))
    assert ended.properties["koji_mass_regressions"] == ["good"]
    assert ended.text == "1 of 1 done, 1 failed; 1 regression: good"
    # What a rest left out is still to be built.
    part = mass(bench, packages=names, source=other, at_once=1, stop_after_failures=1)
    part = (await bench.build(part)).properties["koji_mass_id"]
    rest = mass(bench, packages=names, source=other, only=["failed"], earlier=part)
    part = (await bench.build(rest)).properties["koji_mass_id"]
    rest = mass(bench, packages=names, source=other, only=["missing"], earlier=part)
    assert (await bench.build(rest)).text == "2 of 2 done, 2 failed"
    ended = await bench.build(mass(bench, packages=names, only=["skipped"], earlier=earlier))
    text = f"no package skipped in mass build {earlier}: there is nothing to build"
    assert ended.text == text


@pytest_twisted.ensureDeferred
async def test_what_takes_long_is_made_in_threads(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan and the report of 17,000 packages, a second of work, do not keep the reactor."""
    seen: list[tuple[str, bool]] = []

    def watch(module: str, name: str) -> None:
        """Note where something is made."""
        make = getattr(sys.modules[module], name)

        def noting(*args: Any, **options: Any) -> Any:
            """Note the thread, and call what was there."""
            seen.append((name, isInIOThread()))
            return make(*args, **options)

        monkeypatch.setattr(f"{module}.{name}", noting)

    watch("buildbot_koji.mass.planning", "plan_mistakes")
    watch("buildbot_koji.mass.report", "FailureCounts")
    watch("buildbot_koji.steps.mass", "package_row")
    names = add_packages(bench.hub, "failarch")
    query = util.KojiPackages("demo-candidate", globs=names)
    ended = await bench.build(mass(bench, packages=query))
    assert "Failures by reason" in ended.logs["report.html"]
    assert seen == [("plan_mistakes", False), ("package_row", False), ("FailureCounts", False)]


@pytest_twisted.ensureDeferred
async def test_previous_mass_build_is_damaged(bench: Workbench) -> None:
    """What can't be read of it stops no later one, which is compared with the one before."""
    names = add_packages(bench.hub, "good")
    first = await bench.build(mass(bench, packages=names, scratch=True))
    previous = await bench.build(mass(bench, packages=names, scratch=True))
    number, store = previous.properties["koji_mass_id"], BuildData(bench.master, ROWS)
    # An earlier version stored no call.
    place = await RowsPlace.find(bench.master, first.properties["koji_mass_id"])
    old = await MassStores(place).find("koji mass build")
    header, _ = await old.load()
    del header["call"]
    await old._rows.put("header", header)
    [row] = [name for name in await store.rows(number) if "mass_build_control" in name]
    await store.put(number, row, b"")
    other = SOURCE.replace("main", "failsrpm")
    ended = await bench.build(mass(bench, packages=names, source=other))
    assert ended.text == "1 of 1 done, 1 failed; 1 regression: good"
    said = f"mass build {number} is no comparison: the master's database holds"
    assert ended.logs["packages"].startswith(said)
    # The pages of a master that starts later show the others, and log one line.
    assert len(await EndedMassBuilds(bench.master).get()) == 2


@pytest_twisted.ensureDeferred
async def test_changed_while_it_runs(bench: Workbench) -> None:
    """A paused build submits nothing, also in the next attempt; ``at_once`` is evaluated again.

    A mistake in it ends no mass build that runs: the last number stays in force, over a restart,
    too.
    """
    names = add_packages(bench.hub, *(f"p{number}" for number in range(12)))
    bench.hub.build_seconds = 0.6
    numbers = [2]
    at_once = util.Transform(lambda: numbers[0])
    request = await bench.begin(mass(bench, packages=names, at_once=at_once))

    def status() -> Any:
        return next((each for each in running(bench.master) if not each.has_ended), None)

    await until(lambda: status() and status().status()["running"] == 2)
    status().runner.set_paused(True)
    await until(lambda: status().status()["running"] == 0)
    done = len(sources(bench.hub))
    assert done < 12
    await until(lambda: bench.text().startswith(f"paused: {done} of 12 done"))
    runner = status().runner
    await until(lambda: not runner.plan.changed and not runner._control_changed)
    first = status()
    numbers.clear()
    bench.lose_worker()
    await until(lambda: status() not in (None, first))
    await until(lambda: bench.text().startswith("paused"))
    assert status().status()["at_once"] == 2
    numbers.append(0)
    status().runner.set_paused(False)
    await until(lambda: bench.text() == f"{done} of 12 done; at_once is 0")
    status().runner.set_paused(True)
    numbers[0] = 12
    assert len(sources(bench.hub)) == done
    # None of them ends before the last is submitted.
    release = hold(bench.hub, "buildArch")
    status().runner.set_paused(False)
    await until(lambda: len(sources(bench.hub)) > done)
    # What was to be submitted with that one waits, too.
    status().runner.set_paused(True)
    packages = status().runner.plan.packages
    await until(lambda: not any(each.state is PackageState.SUBMITTING for each in packages))
    assert len(sources(bench.hub)) < 12
    status().runner.set_paused(False)
    await until(lambda: status().status()["running"] == 12 - done)
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text, ended.attempts) == ("success", "12 of 12 done", 2)


def test_interrupted_while_at_once_is_evaluated() -> None:
    """What interrupts the step then is no mistake in ``at_once``."""
    with capture_config_errors():
        template = KojiMassBuild("koji", "demo", ["p"], source=SOURCE)
    step = create_step_from_step_or_factory(template)
    # Buildbot renders the parts of a value together.
    step.build = mock.Mock(spec=["render"])
    step.build.render.return_value = gatherResults([Deferred()], consumeErrors=True)
    asking = Deferred.fromCoroutine(step.most_at_once.now(None))
    ended: list[Failure] = []
    asking.addErrback(ended.append)
    asking.cancel()
    assert was_cancelled(ended[0].value)
    step.build.render.assert_called_once_with(template.at_once)


@pytest.mark.parametrize("ends", ["a task", "by a stop of the master"])
@pytest_twisted.ensureDeferred
async def test_another_master_took_it_over(bench: Workbench, ends: str) -> None:
    """A mass build on a master that was frozen and replaced submits and stores nothing."""
    _, request, _ = await begin_held(bench, 6, at_once=2)
    db = bench.master.db
    await db.buildrequests._unclaim_buildrequests_for_master([request], bench.master.masterid)
    heir = await db.masters.findMasterId("heir")
    await db.buildrequests._claim_buildrequests_for_master([request], 1, heir)
    build = bench.running()
    step, stored = build.currentStep, BuildData(bench.master, ROWS)
    before = await stored.rows(build.buildid)
    if ends == "a task":
        task_id = bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})[0]["id"]
        bench.hub.call("cancelTask", task_id)
    else:
        step.early_end.end(Ending.DETACHED)
    await until(lambda: step.results is not None)
    assert step.results == RETRY
    assert await stored.rows(build.buildid) == before
    assert len(sources(bench.hub)) == 2
    if ends == "a task":
        assert step.getResultSummary()["step"].startswith(f"{SUPERSEDED}; left to it: ")


def lose_claim(bench: Workbench, request: int, heir: int | None = None) -> Deferred[None]:
    """Take a request from its master, as an expiry does; give it to an heir, if there is one."""

    async def lose() -> None:
        requests = bench.master.db.buildrequests
        await requests._unclaim_buildrequests_for_master([request], bench.master.masterid)
        if heir is not None:
            await requests._claim_buildrequests_for_master([request], 1, heir)

    return Deferred.fromCoroutine(lose())


@pytest_twisted.ensureDeferred
async def test_stop_of_a_build_that_was_released(bench: Workbench) -> None:
    """A stop of a build whose master was declared dead ends its next attempt, and the tasks."""
    _, request, _ = await begin_held(bench, 6, at_once=2)
    losing = lose_claim(bench, request)
    # Before the step notices by itself that it has lost the request.
    await bench.stop_build()
    await losing
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("cancelled", 2)
    assert ended.text == "stopped: 0 of 6 done, 6 left; canceled 2 tasks"
    assert ended.properties["koji_reason"].endswith("(enough)")
    assert len(sources(bench.hub)) == 2
    tasks = bench.hub.call("listTasks", {"method": "build"})
    assert {task["state"] for task in tasks} == {task_states.CANCELED}


@pytest_twisted.ensureDeferred
async def test_stop_of_a_build_that_another_master_runs(bench: Workbench) -> None:
    """A stop on a master that was replaced reaches the build that its successor runs."""
    _, request, _ = await begin_held(bench, 6, at_once=2)
    db, build = bench.master.db, bench.running()
    heir = await db.masters.findMasterId("heir")
    found = await bench.master.data.get(("builds", build.buildid))
    successor, _ = await db.builds.addBuild(
        found["builderid"], request, found["workerid"], heir, "building"
    )
    told: list[Any] = []
    await bench.master.mq.startConsuming(
        lambda *message: told.append(message), ("control", "builds", None, None)
    )
    losing = lose_claim(bench, request, heir)
    await bench.stop_build()
    await losing
    await until(lambda: bench.running() is None)
    assert told == [(("control", "builds", str(successor), "stop"), {"reason": "enough"})]
    tasks = bench.hub.call("listTasks", {"method": "build"})
    assert task_states.CANCELED not in {task["state"] for task in tasks}
    assert not (await bench.master.data.get(("buildrequests", request)))["complete"]
    await db.builds.finishBuild(successor, CANCELLED)
    await db.buildrequests.completeBuildRequests([request], CANCELLED)


@pytest.mark.parametrize("ahead", [4 * 86400.0, -3600.0])
@pytest_twisted.ensureDeferred
async def test_hub_with_another_time(bench: Workbench, ahead: float) -> None:
    """The tasks of a hub whose clock is wrong are ours, and do not take longer."""
    names = add_packages(bench.hub, "p0", "p1")
    bench.hub.clock = WrongClock(bench.hub.clock, ahead)
    ended = await bench.build(mass(bench, packages=names, package_timeout=600, max_queue_time=600))
    assert (ended.result, ended.text) == ("success", "2 of 2 done")
    assert sorted(sources(bench.hub)) == names


@pytest_twisted.ensureDeferred
async def test_only_when_idle(bench: Workbench) -> None:
    """Nothing is submitted while a task of someone else waits in the channel."""
    names = add_packages(bench.hub, "p1")
    bench.hub.call("disableHost", "builder1")
    task_id = bench.hub.call("build", SOURCE.replace("{package}", "hello"), "demo", user="alice")
    request = await bench.begin(mass(bench, packages=names, only_when_idle=True))
    await until(lambda: "waiting until others' tasks have builders" in bench.text())
    assert sources(bench.hub) == ["hello"]
    bench.hub.call("cancelTask", task_id)
    bench.hub.call("enableHost", "builder1")
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "1 of 1 done")


@pytest_twisted.ensureDeferred
async def test_no_builder(bench: Workbench) -> None:
    """A task that no builder takes in time is canceled, and its package failed."""
    names = add_packages(bench.hub, "late-1", "late-2")
    bench.hub.call("disableHost", "builder1")
    ended = await bench.build(mass(bench, packages=names, max_queue_time=0.2))
    assert (ended.result, ended.text) == ("failure", "2 of 2 done, 2 failed")
    assert "late-1: failed (task " in ended.logs["packages"]
    assert ended.logs["packages"].count(": no builder took it in ") == 2
    tasks = bench.hub.call("listTasks", {"method": "build"})
    assert {task["state"] for task in tasks} == {task_states.CANCELED}


@pytest_twisted.ensureDeferred
async def test_architecture_without_a_builder(bench: Workbench) -> None:
    """The summary names an architecture that no builder has: its tasks would wait forever."""
    names = add_packages(bench.hub, "p1", "p2")
    with bench.hub.state.transaction():
        for host in bench.hub.state.rows("host"):
            bench.hub.state.update("host", host["id"], arches="x86_64")
    bench.hub.call("editTag2", "demo-build", arches="x86_64 sparc64")
    request = await bench.begin(mass(bench, packages=names))
    await until(lambda: bench.text() == "0 of 2 done, 2 running; no builder for sparc64")
    await bench.stop_build()
    assert (await bench.ended(request)).text.endswith("canceled 2 tasks")


@pytest_twisted.ensureDeferred
async def test_package_that_hangs(bench: Workbench) -> None:
    """A task that takes too long is canceled, and its package failed."""
    names = add_packages(bench.hub, "hangs")
    bench.hub.builder.seconds = 60
    ended = await bench.build(mass(bench, packages=names, package_timeout=0.5))
    assert (ended.result, ended.text) == ("failure", "1 of 1 done, 1 failed")
    [row] = json.loads(ended.logs["report.json"])["packages"]
    assert row["reason"] == "canceled: it took longer than 1 s"
    [task] = bench.hub.call("listTasks", {"method": "build"})
    assert task["state"] == task_states.CANCELED


@pytest.mark.parametrize(
    ("options", "remove", "why"),
    [
        ({}, ("deleteBuildTarget", "brief"), "the hub has no build target brief any more"),
        ({"channel": "slow"}, ("disableChannel", "slow"), "channel slow is disabled"),
        (
            {"channel": "slow", "only_when_idle": True},
            ("renameChannel", "slow", "slower"),
            "the hub has no channel slow any more",
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_target_is_removed(
    bench: Workbench, options: dict[str, Any], remove: tuple[str, ...], why: str
) -> None:
    """Without its target or channel nothing more starts; what is left can be built later."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(8)))
    bench.hub.call("createBuildTarget", "brief", "demo-build", "demo-candidate")
    bench.hub.call("addHostToChannel", "builder1", "slow", create=True)
    given = {"source": SOURCE, "at_once": 2, **options}
    step = steps.KojiMassBuild(bench.profile, "brief", names, **given)
    request = await bench.begin(step)
    await until(lambda: len(sources(bench.hub)) == 2)
    bench.hub.call(*remove)
    ended = await bench.ended(request)
    found = ended.properties
    done, number = found["koji_mass_built"], found["koji_mass_id"]
    assert (ended.result, found["koji_mass_failed"]) == ("failure", 0)
    words = f"{done} of 8 done; {8 - done} not started"
    assert ended.text == f"stopped: {why}: {words}"
    ended = await bench.build(mass(bench, packages=names, only=["missing"], earlier=number))
    assert (ended.result, ended.text) == ("success", f"{8 - done} of {8 - done} done")


LOCKED = "tag demo-candidate is locked"
NEEDS = "tag demo-candidate takes builds only from users with the permission livecd"
NO_ARCHES = "build tag demo-build has no architectures"


@pytest_twisted.ensureDeferred
async def test_no_build_is_taken(bench: Workbench) -> None:
    """Nothing is built while the hub refuses every build, whether it did before or does meanwhile.

    Scratch builds need no destination tag.
    """
    call = bench.hub.call
    call("createTag", "other-candidate")

    async def begin(ref: str, **options: Any) -> tuple[list[str], int, Callable[[], None]]:
        source = SOURCE.replace("main", ref)
        return await begin_held(bench, 4, at_once=2, source=source, **options)

    for edit, undo, why in (
        ({"locked": True}, {"locked": False}, f"{LOCKED}: koji edit-tag --unlock demo-candidate"),
        ({"perm": "livecd"}, {"perm": None}, NEEDS),
    ):
        names, request, release = await begin("-".join(edit), method="buildSRPMFromSCM")
        before = len(sources(bench.hub))
        call("editTag2", "demo-candidate", **edit)
        release()
        ended = await bench.ended(request)
        text = f"stopped: {why.partition(': koji')[0]}: 0 of 4 done; 4 not started"
        assert (ended.result, ended.text) == ("failure", text)
        ended = await bench.build(mass(bench, packages=names))
        assert (ended.result, ended.text) == ("failure", why)
        assert len(sources(bench.hub)) == before
        ended = await bench.build(mass(bench, packages=["p0"], scratch=True))
        assert (ended.result, ended.text) == ("success", "1 of 1 done")
        call("editTag2", "demo-candidate", **undo)
    _, request, release = await begin("arches", method="buildSRPMFromSCM")
    call("editTag2", "demo-build", arches="")
    release()
    ended = await bench.ended(request)
    assert ended.text == f"stopped: {NO_ARCHES}: 0 of 4 done; 4 not started"
    ended = await bench.build(mass(bench, packages=["p0"], scratch=True))
    assert (ended.result, ended.text) == ("failure", NO_ARCHES)
    call("editTag2", "demo-build", arches="x86_64")
    _, request, release = await begin("moved")
    call("editBuildTarget", "demo", "demo", "demo-build", "other-candidate")
    release()
    ended = await bench.ended(request)
    why = "target demo has another destination tag by now: other-candidate"
    # Whether those that run have read the target by now is chance.
    assert ended.text.startswith(f"stopped: {why}: ")
    assert ended.properties["koji_mass_failed"] == 0


@pytest_twisted.ensureDeferred
async def test_full_disk(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, logged_failures: list[Any]
) -> None:
    """Nothing is submitted whose intent the database has no room for; then it resumes."""
    timing = StepTiming(database_retry=RetryPolicy(first=0.1))
    monkeypatch.setattr(KojiMassBuild, "timing", timing)
    names, request, release = await begin_held(bench, 6, at_once=2)
    with bench.full_disk("INSERT INTO build_data") as refused:
        release()
        await until(lambda: len(refused) > 2)
        assert len(sources(bench.hub)) == 2
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "6 of 6 done")
    assert sorted(sources(bench.hub)) == names
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_files(bench: Workbench) -> None:
    """The packages may be in a file of the master or of the worker."""
    add_packages(bench.hub, "p1", "p2")
    # As an editor on Windows writes it.
    text = "p1  # first\r\n\r\n# none\r\np2\r\n"
    (bench.directory / "list").write_text(text, encoding="utf-8-sig", newline="")
    bench.worker_directory.mkdir(parents=True, exist_ok=True)
    (bench.worker_directory / "list").write_text("p2\n", encoding="utf-8-sig")
    ended = await bench.build(mass(bench, packages_file="list", files_on="master"))
    assert (ended.result, ended.text) == ("success", "2 of 2 done")
    ended = await bench.build(mass(bench, packages_file="list", scratch=True))
    assert (ended.result, ended.text) == ("success", "1 of 1 done")
    ended = await bench.build(mass(bench, packages_file="lost"))
    assert ended.text == "the worker has no file lost, or can't read it"


@pytest_twisted.ensureDeferred
async def test_pause_step(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that pauses mass builds says so if there is none."""
    ended = await bench.build(steps.KojiPauseMassBuild("any", paused=util.Property("paused")))
    assert (ended.result, ended.text) == (
        "failure",
        "failed: no mass build of any runs on this master",
    )
    missing = mistakes(steps.KojiPauseMassBuild, "any")
    assert missing == ["KojiPauseMassBuild: paused is missing"]
    paused: list[bool] = []
    fake = SimpleNamespace(
        id="fake",
        has_ended=False,
        builder="any",
        runner=SimpleNamespace(set_paused=paused.append),
    )
    monkeypatch.setattr(mass_status, "_builds", {bench.master: {"fake": fake}})
    for wanted, text in ((True, "any is paused"), (False, "any resumes")):
        ended = await bench.build(steps.KojiPauseMassBuild("any", paused=wanted))
        assert (ended.result, ended.text) == ("success", text)
    assert paused == [True, False]
