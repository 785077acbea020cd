"""Whatever a hub answers to the calls of a step, the step ends soon, in one line.

``KOJI_TEST_SOAK=1`` gives each call of each step each odd value; otherwise each call gets some.
"""

from __future__ import annotations

import copy
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps
from buildbot.process import results

from buildbot_koji.steps.framework.early_end import StepTiming
from tests.buildbot_koji.workbench import SOURCE, Workbench
from txkoji import RetryPolicy
from txkoji.exceptions import HubFault

SEED = int(os.environ.get("KOJI_TEST_SEED", "20261126"))

STRIDE = int(os.environ.get("KOJI_TEST_STRIDE", "97"))
"""One of so many attacks is run, which ones says the seed."""

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))

pytestmark = [
    # Buildbot is older than the Twisted that it runs on.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.limit(3000 if SOAK else 300),
]

ANSWERS: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    True,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"id": "x"},
    {"id": None},
    2**62,
    # No reply may hold it.
    functools.reduce(lambda value, _: [value], range(210), None),
    b"\xff\0",
    "\x1b[31m\x07\r\n\u202e",
    [{"id": None, "nvr": []}, 7, "x"],
)
"""What no hub answers, or only to other calls."""

VALUES: tuple[Any, ...] = (
    None,
    "",
    -1,
    True,
    2**62,
    0.5,
    "x",
    "\x1b[31m\x07\u202e",
    b"\xff",
    [],
    {},
    [None],
    {"id": []},
)
"""What no hub puts into a member."""

QUICK = StepTiming(
    cancel_limit=1.0, retry=RetryPolicy(first=0.05, factor=1.0, ceiling=0.05, jitter=0.0)
)

AT_ONCE = 50
"""Steps of one build."""

ELSEWHERE = ("login", "logout", "multiCall", "getAPIVersion", "getTaskInfo")
"""What other tests attack: the session, and the watcher, which gives up after twenty looks."""

WAITS = ("KojiMassBuild", "KojiWaitRepo")
"""These wait, and say why: what they wait for may be mended meanwhile."""

PATIENCE = 3
"""Seconds that they wait for their hub."""

FOR_EVER = 60
"""The same for all others: one that waits so long takes an odd answer for an outage."""

NVR = "hello-1.0-main"

GIT = SOURCE.format("hello", "main")


@dataclass(frozen=True)
class Case:
    """A step, and what its hub is like before it begins.

    Attributes:
        kind: the name of its class.
        arguments: its arguments; text is formatted with what :func:`prepare` made.
        before: calls to make first, faults ignored.
    """

    kind: str
    arguments: Mapping[str, Any]
    before: tuple[tuple[Any, ...], ...] = ()


CASES = (
    Case("KojiTag", {"tag": "demo-released", "builds": NVR},
     (("untagBuild", "demo-released", NVR),)),
    Case("KojiUntag", {"tag": "demo-released", "builds": "hello", "all": True},
     (("tagBuildBypass", "demo-released", NVR),)),
    Case("KojiMove",
     {"from_tag": "demo-candidate", "to_tag": "demo-released", "builds": "hello", "all": True},
     (("untagBuild", "demo-released", NVR),)),
    Case("KojiPromote", {"draft": "{draft}"}),
    Case("KojiCancel", {"tasks": "{task}", "builds": NVR}),
    Case("KojiDownloadBuild", {"build_name": NVR, "to": "master", "directory": "rpms"}),
    Case("KojiDownloadBuild",
     {"build_name": "hello", "latestfrom": "demo-candidate", "to": "master", "directory": "rpms",
      "key": "aa", "fallback_unsigned": True}),
    Case("KojiDownloadBuild",
     {"build_name": "{task}", "task_id": True, "to": "master", "directory": "rpms"}),
    Case("KojiDownloadBuild",
     {"build_name": f"{NVR}.x86_64", "rpm": True, "to": "master", "directory": "rpms"}),
    Case("KojiDownloadBuild",
     {"build_name": NVR, "type": "maven", "to": "master", "directory": "rpms"}),
    Case("KojiDownloadTask",
     {"task_id": "{task}", "to": "master", "directory": "rpms", "all": True, "dirpertask": True}),
    Case("KojiDistRepo",
     {"tag": "demo-build", "keys": "aa", "allow_missing_signatures": True, "delta_rpms": "{dist}"}),
    Case("KojiDistRepo",
     {"tag": "demo-build", "keys": "aa", "allow_missing_signatures": True,
      "delta_rpms": "demo-build"}),
    Case("KojiCreateSideTag", {"basetag": "demo-build"}),
    Case("KojiRemoveSideTag", {"sidetags": "{sidetag}"}),
    Case("KojiChainBuild",
     {"target": "demo", "sources": [[GIT], [SOURCE.format("foo", "{number}")]]}),
    Case("KojiWaitRepo", {"target": "demo", "builds": NVR}),
    Case("KojiWaitRepo", {"tag": "demo-build", "current": True}),
    Case("KojiRegenRepo", {"tag": "demo-build"}),
    Case("KojiRegenRepo", {"tag": "demo-build", "make_task": True}),
    Case("KojiMassTag", {"from_tag": "demo-candidate", "to_tag": "demo-released"},
     (("untagBuild", "demo-released", NVR),)),
    Case("KojiCompareTags", {"tag": "demo-candidate", "other": "demo-released"}),
    Case("KojiMassBuild",
     {"target": "demo", "packages": ["foo"], "source": SOURCE.format("{{package}}", "m{number}")}),
    Case("KojiBuild", {"target": "demo", "source": SOURCE.format("hello", "b{number}")}),
    Case("KojiBuild", {"target": "demo", "source": GIT}),
    Case("KojiBuild", {"target": "demo", "source": SOURCE.format("failarch", "b{number}")}),
    Case("KojiBuild", {"target": "demo", "source": GIT, "scratch": True}),
    Case("KojiCall", {"method": "getBuildTarget", "args": ["demo"]}),
    Case("KojiCall", {"method": "packageListBlock", "args": ["demo-released", "foo"]}),
    Case("KojiRunroot", {"tag": "demo-build", "arch": "x86_64", "command": ["ls"]}),
    Case("KojiTask", {"method": "sleep", "args": [0]}),
    Case("KojiContainerBuild",
     {"target": "demo", "source": SOURCE.format("hello-container", "c{number}"),
      "git_branch": "main"}),
)  # fmt: skip


class Attack:
    """One step whose hub answers one of its calls oddly.

    Args:
        case: the step.
        method: the method; empty for none.
        value: the odd value.
        member: the member to put it into, of the answer or its first row; empty for the answer.

    Attributes:
        results: what each method answered first.
        words: what was done, and what the step said.
    """

    def __init__(self, case: Case, method: str = "", value: Any = None, member: str = "") -> None:
        self.case = case
        self._method = method
        self._value = value
        self._member = member
        self.results: dict[str, Any] = {}
        self.words = f"{case.kind}: {method} {member} {value!r}"

    def answer(self, name: str, run: Callable[[], Any]) -> Any:
        """Return the result of a method."""
        result = run()
        self.results.setdefault(name, copy.deepcopy(result))
        if name != self._method:
            return result
        if not self._member:
            return self._value
        result = copy.deepcopy(result)
        row = _first(result)
        if isinstance(row, dict):
            row[self._member] = self._value
        return result


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, list) and result else result


class Range:
    """Runs attacks, many in one build.

    Args:
        bench: the master and its hub.
        names: what the arguments of steps are formatted with.

    Attributes:
        troubles: what went wrong.
    """

    def __init__(self, bench: Workbench, names: dict[str, Any]) -> None:
        self._bench = bench
        self._names = names
        self._attacks: dict[str, Attack] = {}
        self._running: Attack | None = None
        self._preparing = False
        self.troubles: list[str] = []
        bench.hub.answer = self._answer

    def _answer(self, name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        build = self._bench.running()
        step = None if build is None else build.currentStep
        attack = None if step is None else self._attacks.get(str(step.name))
        if attack is None or self._preparing:
            return run()
        if attack is not self._running:
            self._running = attack
            self._preparing = True
            for call in (*attack.case.before, ("tagBuildBypass", "demo-candidate", NVR)):
                with suppress(HubFault):
                    self._bench.hub.call(*call)
            self._preparing = False
            shutil.rmtree(self._bench.directory / "rpms", ignore_errors=True)
        return attack.answer(name, run)

    def _formatted(self, value: Any) -> Any:
        if isinstance(value, str):
            text = value.format(number=len(self._attacks), **self._names)
            return int(text) if text.isdecimal() else text
        return [self._formatted(each) for each in value] if isinstance(value, list) else value

    def _step(self, attack: Attack) -> Any:
        name = f"attack {len(self._attacks)}"
        self._attacks[name] = attack
        kind = getattr(steps, attack.case.kind)
        quick = type(kind.__name__, (kind,), {"timing": QUICK})
        arguments = {key: self._formatted(each) for key, each in attack.case.arguments.items()}
        patience = PATIENCE if attack.case.kind in WAITS else FOR_EVER
        return quick(
            self._bench.logging_in, name=name, alwaysRun=True, timeout=2 * patience,
            hub_patience=patience, **arguments,
        )  # fmt: skip

    async def run(self, attacks: Sequence[Attack]) -> None:
        """Run attacks."""
        data = self._bench.master.data
        for start in range(0, len(attacks), AT_ONCE):
            await self._bench.build(*map(self._step, attacks[start : start + AT_ONCE]))
            build = max(each["buildid"] for each in await data.get(("builds",)))
            for step in await data.get(("builds", build, "steps")):
                if step["name"] in self._attacks:
                    await self._check(self._attacks[step["name"]], step)

    async def _check(self, attack: Attack, step: Mapping[str, Any]) -> None:
        text = step["state_string"]
        attack.words += f" -> {results.Results[step['results']]}: {text}"
        data = self._bench.master.data
        for log in await data.get(("steps", step["stepid"], "logs")):
            if log["name"].startswith("err."):
                chunk = await data.get(("logs", log["logid"], "contents"))
                self.troubles.append(f"traceback: {attack.words}\n{chunk['content']}")
        waited = "has not answered" in text or "timed out" in text or text.startswith("canceled ")
        if waited and attack.case.kind not in WAITS and step["results"] != results.SUCCESS:
            self.troubles.append(f"waited: {attack.words}")
        if not text or not text.isprintable():
            self.troubles.append(f"words: {attack.words!r}")


async def prepare(bench: Workbench) -> Range:
    """Return a range, with builds and tasks on its hub."""
    hub = bench.hub
    hub.builder.seconds = 0.02
    await bench.built()
    names: dict[str, Any] = {"task": hub.call("getBuild", NVR)["task_id"]}
    names["draft"] = await bench.built("foo", draft=True)
    names["sidetag"] = hub.call("createSideTag", "demo-build")["name"]
    step = steps.KojiDistRepo(
        bench.logging_in, tag="demo-build", keys="aa", allow_missing_signatures=True
    )
    names["dist"] = (await bench.build(step)).properties["koji_repo_id"]
    for package in ("hello-container", "hello", "foo", "failarch"):
        for tag in ("demo-candidate", "demo-released"):
            hub.add_package(tag, package)
    return Range(bench, names)


def attacks_of(plain: Attack) -> Iterator[Attack]:
    """Yield each odd answer to each call that a step makes, and each odd member of its rows."""
    values = cycle(VALUES)
    for method, result in plain.results.items():
        if method in ELSEWHERE:
            continue
        for value in ANSWERS:
            yield Attack(plain.case, method, value)
        row = _first(result)
        for member in row if isinstance(row, dict) else ():
            yield Attack(plain.case, method, next(values), member)


@pytest_twisted.ensureDeferred
async def test_odd_answers(bench: Workbench) -> None:
    """No answer to any call of a step ends it in a traceback or keeps it waiting."""
    attacked = await prepare(bench)
    plain = [Attack(case) for case in CASES]
    await attacked.run(plain)
    assert attacked.troubles == []
    attacks = [each for attack in plain for each in attacks_of(attack)]
    assert len(attacks) > 10 * STRIDE
    await attacked.run(attacks if SOAK else attacks[SEED % STRIDE :: STRIDE])
    if SOAK:
        print(*(each.words for each in attacks), sep="\n")
    assert attacked.troubles == []
