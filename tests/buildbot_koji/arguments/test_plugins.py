"""What is derived from a declaration, for each kind of plugin; and what all of ours refuse."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import reduce
from importlib.metadata import entry_points
from typing import Any, ClassVar

import attrs
import pytest
from buildbot.changes.filter import ChangeFilter
from buildbot.plugins import changes, reporters, steps, util, worker
from buildbot.util import service

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredObject, DeclaredService, DeclaredStep
from tests.support.checkconfig import mistakes
from txkoji.bus import AMQP, AMQP1

RENDERABLE = "can't be a renderable: it is evaluated without a build"
NUL = "holds the character U+0000, which XML can't hold"
GIT = "git+https://host/hello.git#main"
DEEP: list[Any] = reduce(lambda inner, _: [inner], range(5000), [])
CONTACT = {"name": "ci", "team": "qa", "docs": "https://ci.test/docs", "email": "ci@ci.test"}


class Step(DeclaredStep):
    """Works."""

    renderables = ("left",)

    first = argument(checks.text, "the first", required=True, positional=True)
    left = argument(checks.text, "the left one", excludes=("right", "middle"))
    right = argument(checks.text, "the right one")
    middle = argument(checks.flag, "the middle one", default=False, excludes=("right",))
    either = argument(checks.integer, "one of two", required_unless=("other",), option="hub_either")
    other = argument(checks.ids, "the other of two")
    fixed = argument(checks.flag, "not rendered", default=False, renderable=False)
    added = argument(checks.text, "with the left or the right one", requires=("left", "right"))


class Service(DeclaredService, service.BuildbotService):
    """Serves."""

    name = argument(checks.text, "the name of the service")
    tags = argument(checks.texts, "names of tags", default=("all",))
    action = argument(checks.strings, "what to do", renderable="parts")


class Filter(DeclaredObject, ChangeFilter):
    """Filters."""

    passed_on: ClassVar[Mapping[str, checks.Check]] = {"project": checks.text}

    word = argument(checks.text, "a word", secret=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"either": 1}, []),
        ({"other": 1, "middle": True, "fixed": True}, []),
        ({"either": util.Property("e"), "middle": util.Property("m"), "left": "a"}, []),
        ({}, ["either is missing: required unless other is given"]),
        ({"other": []}, ["either is missing: required unless other is given"]),
        ({"either": 1, "first": None}, ["first is missing"]),
        ({"either": 1, "left": "a", "right": "b"}, ["left and right exclude each other"]),
        (
            {"either": 1, "left": "a", "right": util.Property("b"), "middle": True},
            ["left, right and middle exclude each other"],
        ),
        ({"either": 1, "added": "a"}, ["added can't be used without left or right"]),
        ({"either": 1, "added": "a", "right": util.Property("b")}, []),
        ({"either": "x" * 300}, [f"either='{'x' * 196}... must be a whole number"]),
        ({"either": 1, "fixed": util.Property("f")}, [f"fixed=Property(f) {RENDERABLE}"]),
        (
            {"either": 1, "midddle": True},
            ["midddle is not an argument of Step: did you mean middle?"],
        ),
        ({"either": 1, "NAME": "x"}, ["NAME is not an argument of Step: did you mean name?"]),
        ({"either": 1, "namee": "x"}, ["namee is not an argument of Step: did you mean name?"]),
        ({"either": 1, "zzz": "x"}, ["zzz is not an argument of Step"]),
    ],
)
def test_step(arguments: dict[str, Any], expected: list[str]) -> None:
    """Each mistake in a step's arguments is one line."""
    found = mistakes(Step, **{"first": "a", **arguments})
    assert found == [f"Step: {each}" for each in expected]


def test_step_has_its_arguments() -> None:
    """A step has its arguments as attributes, Buildbot renders them, and calls get the options."""
    step = Step("a", either=7, name="mine")
    assert (step.first, step.either, step.right, step.name) == ("a", 7, None, "mine")
    assert step.hub_options() == {"hub_either": 7}
    assert Step.renderables == (
        "left",
        "first",
        "left",
        *("right", "middle", "either", "other"),
        "added",
    )
    assert list(inspect.signature(Step).parameters)[:2] == ["first", "left"]
    assert Step.__doc__ is not None
    assert "    either: one of two. Required unless ``other`` is given.\n" in Step.__doc__
    assert "    right: the right one. Excludes ``left`` and ``middle``.\n" in Step.__doc__


def test_names_that_clash() -> None:
    """An argument can't have the name of a Buildbot attribute, nor refer to an undeclared one."""
    with pytest.raises(TypeError, match="its parents have another 'run'"):
        type("Bad", (DeclaredStep,), {"run": argument(checks.text, "x")})
    with pytest.raises(TypeError, match=r"Bad\.a names b, which is not declared"):
        type("Bad", (DeclaredStep,), {"a": argument(checks.text, "x", requires=("b",))})


def test_service() -> None:
    """A service gets the values of all arguments, by their names, the defaults included."""
    made = Service(tags=None)
    assert made.name == "Service"
    config = made.getConfigDict()
    assert (config["args"], config["kwargs"]) == ((), {"tags": ("all",), "action": None})
    assert Service(name="mine").name == "mine"
    assert mistakes(Service, action={"a": "b"}) == []
    tags = [util.Interpolate("x")]
    assert mistakes(Service, tags=tags) == [f"Service: tags={tags!r} {RENDERABLE}"]
    assert mistakes(Service, action=util.Property("p")) == [
        "Service: action=Property(p) must be a dictionary of strings"
    ]
    assert mistakes(Service, name=5) == ["Service: name=5 must be a non-empty string"]
    assert mistakes(Service, name=util.Property("n")) == [f"Service: name=Property(n) {RENDERABLE}"]
    assert mistakes(Service, "x", tag=["x"]) == [
        "Service: give all arguments by their names",
        "Service: tag is not an argument of Service: did you mean tags?",
    ]


def test_object() -> None:
    """An object keeps its values, passes its base class's arguments on, and hides secrets."""
    assert mistakes(Filter, word="a", project="b") == []
    assert mistakes(Filter, word=b"secret") == ["Filter: word must be a non-empty string"]
    assert mistakes(Filter, projects="b") == [
        "Filter: projects is not an argument of Filter: did you mean project?"
    ]


PLUGINS = {
    entry.name: entry.load()
    for group in ("steps", "changes", "reporters", "util")
    for entry in entry_points(group=f"buildbot.{group}")
    if entry.value.startswith("buildbot_koji.")
}


def test_one_line_for_a_misspelled_argument() -> None:
    """An argument that is required and misspelled is not reported as missing, too."""
    assert mistakes(steps.KojiBuild, "koji", targett="f44", source=GIT) == [
        "KojiBuild: targett is not an argument of KojiBuild: did you mean target?"
    ]


@pytest.mark.parametrize("name", PLUGINS)
def test_misspelled_arguments(name: str) -> None:
    """A misspelled argument of any plugin is a line that says what was meant, never a traceback."""
    arguments = list(PLUGINS[name].arguments)
    assert arguments
    for each in arguments:
        found = mistakes(PLUGINS[name], **{f"{each}_": "x"})
        words = f"{name}: {each}_ is not an argument of {name}: did you mean "
        assert [line for line in found if line.startswith(words)], each


@pytest.mark.parametrize(
    ("plugin", "given", "said"),
    [
        (util.KojiChangeFilter, {"filter_fn": 3}, "filter_fn=3 must be a function"),
        (util.KojiChangeFilter, {"branch_fn": "main"}, "branch_fn='main' must be a function"),
        (
            util.KojiChangeFilter,
            {"branch": 3},
            "Values of filter branch_eq must be list of strings, a string or None",
        ),
        (util.KojiChangeFilter, {"branch_re": "("}, "missing ), unterminated subpattern at "),
        (util.KojiChangeFilter, {"property_eq": "x"}, "Value of filter property_eq must be dict"),
        (util.KojiChangeFilter, {"tags": []}, "tags=[] must be a list of strings, not empty"),
        (util.KojiChangeFilter, {"events": ()}, "events=() must be a list of strings, not empty"),
        (util.KojiChangeFilter, {"tags": ["a "]}, "tags=['a '] must have no white space around"),
        (worker.KojiPlace, {"name": 3}, "name=3 must be a non-empty string"),
        (worker.KojiPlace, {"name": "\U0001f4e6"}, "name='\U0001f4e6' must be at most 200"),
        (worker.KojiPlace, {"max_builds": "two"}, "max_builds='two' must be a whole number "),
        (worker.KojiPlace, {"properties": 3}, "properties=3 must be a dictionary"),
        (worker.KojiPlace, {"defaultProperties": []}, "defaultProperties=[] must be a dictionary"),
        (worker.KojiPlace, {"notify_on_missing": 3}, "notify_on_missing=3 must be a list of"),
        (worker.KojiPlace, {"machine_name": b"x"}, "machine_name=b'x' must be a non-empty string"),
        (worker.KojiPlace, {"missing_timeout": "1h"}, "missing_timeout='1h' must be a number of"),
        (worker.KojiPlace, {"locks": "x"}, "locks='x' must be a list of locks"),
        (worker.KojiPlace, {"name": "x" * 51}, f"name='{'x' * 51}' must be at most 50 characters"),
        (steps.KojiTag, {"name": "x" * 51}, f"name='{'x' * 51}' must be at most 50 characters"),
        (worker.KojiPlace, {"password": "x"}, "password is not an argument of KojiPlace"),
        (steps.KojiTag, {"doStepIf": "no"}, "doStepIf='no' must be True, False or a function"),
        (steps.KojiTag, {"hideStepIf": 1}, "hideStepIf=1 must be True, False or a function"),
        (steps.KojiTag, {"description": 3}, "description=3 must be a list of strings"),
        (steps.KojiTag, {"locks": [3]}, "locks=[3] must be a list of locks"),
        (steps.KojiTag, {"logEncoding": 3}, "logEncoding=3 must be a non-empty string"),
        (steps.KojiTag, {"useProgress": "no"}, "useProgress='no' must be True or False"),
        (steps.KojiTag, {"name": "a\0"}, f"name='a\\x00' {NUL}"),
        (steps.KojiTag, {"name": "\U0001f4e6"}, "name='\U0001f4e6' must be at most 200"),
    ],
)
def test_arguments_of_buildbot(plugin: Any, given: dict[str, Any], said: str) -> None:
    """What Buildbot's own class takes is checked too: one line, no traceback, nothing accepted."""
    needed = {"profile": "koji", "tag": "f44", "builds": "a-1-1"} if plugin is steps.KojiTag else {}
    [line] = mistakes(plugin, **needed, **given)
    assert line.startswith(f"{plugin.__name__}: {said}")


@pytest.mark.parametrize(
    ("plugin", "given"),
    [
        (steps.KojiBuild, {"target": "f44", "source": "https://me:s3cret@h/x#main"}),
        (steps.KojiBuild, {"target": "f44", "source": f"git+https://s3cret:{'s3cret' * 50}@h/x"}),
        (steps.KojiBuild, {"target": "f44", "source": "git+https://h/x?private_token=s3cret"}),
        (steps.KojiDownloadTask, {"task_id": 7, "topurl": "https://me:s3cret@h/"}),
        (steps.KojiDownloadTask, {"task_id": 10**5000}),
        (steps.KojiBuild, {"target": "f44", "source": GIT, "infra_faults": [DEEP]}),
        (steps.KojiChainBuild, {"target": "f44", "sources": [[GIT, DEEP], [f"{GIT}2"]]}),
    ],
)
def test_values_that_are_not_shown(plugin: Any, given: dict[str, Any]) -> None:
    """A line about a value shows no user, password or token of an address, and no huge number."""
    [line] = mistakes(plugin, "koji", **given)
    assert "s3cret" not in line
    assert len(line) < 600


def test_step_that_is_logged() -> None:
    """What Buildbot logs of each step shows no secret of an address, and no long list."""
    source = "git+https://me:s3cret@h/{package}#main"
    many = [f"package-{number}" for number in range(10_000)]
    step = steps.KojiMassBuild("koji", target="f44", source=source, packages=many)
    words = f"{step} {step!r}"
    assert "KojiMassBuild(profile='koji', target='f44', " in words
    assert "source='git+https://***@h/{package}#main'" in words
    assert len(words) < 1000


def test_good_arguments_of_buildbot() -> None:
    """What Buildbot's own class takes arrives there."""
    lock = util.WorkerLock("w").access("counting")
    later = {"doStepIf": util.Property("x"), "description": util.Interpolate("x")}
    given = {"locks": [lock], "hideStepIf": lambda *_: False, **later}
    assert mistakes(steps.KojiTag, "koji", tag="f44", builds="a-1-1", **given) == []
    kept = util.KojiChangeFilter(branch_fn=lambda branch: branch == "main", project=["a"])
    assert "<lambda>(branch)" in repr(kept)
    assert worker.KojiPlace("p", locks=[lock], max_builds=2).max_builds == 2
    assert worker.KojiPlace(name=None).name == worker.KojiPlace().name


@pytest.mark.parametrize("name", PLUGINS)
def test_ids_and_sizes(name: str) -> None:
    """No plugin accepts an id, event, size or count below 1; only a priority may be negative."""
    plugin = PLUGINS[name]
    numbers = [
        each for each, one in plugin.arguments.items() if one.check(1) is None is not one.check("x")
    ]
    for each in numbers:
        if each not in ("priority", "infra_retries"):
            found = mistakes(plugin, **{each: -1})
            assert [line for line in found if f"{each}=-1 must be " in line], each


@pytest.mark.parametrize("name", ["profile", "user", "password", "keytab"])
def test_no_value_of_a_secret_is_shown(name: str) -> None:
    """No message shows what may be secret, wherever it is given."""
    shown = "=b'hunter2'" if name == "profile" else ""
    assert mistakes(util.KojiHub, **{"profile": "koji", name: b"hunter2"}) == [
        f"KojiHub: {name}{shown} must be a non-empty string"
    ]


GOOD: dict[Any, dict[str, Any]] = {
    changes.KojiChangeSource: {"profile": "koji", "tags": ["f44"]},
    reporters.KojiTagReporter: {"profile": "koji", "on_success": {"tag": "f44"}},
    reporters.KojiCIMessages: {
        "profile": "koji",
        "bus": util.KojiAMQP("amqps://broker.test", user="a", password="b"),
        "contact": CONTACT,
        "test": {"namespace": "a.b"},
    },
    util.KojiChangeFilter: {},
    util.KojiOrphanReleaser: {},
}


@pytest.mark.parametrize("plugin", GOOD, ids=lambda plugin: plugin.__name__)
def test_renderables_that_nobody_renders(plugin: Any) -> None:
    """An argument that is evaluated without a build can't be or hold a renderable."""
    assert mistakes(plugin, **GOOD[plugin]) == []
    for name, one in plugin.arguments.items():
        for value in (util.Property("p"), util.Secret("s"), [util.Interpolate("x")]):
            [line] = mistakes(plugin, **{**GOOD[plugin], name: value})
            assert line.startswith(f"{plugin.__name__}: {name}={value!r} ")
            assert (RENDERABLE in line) == (one.renderable is False)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            lambda **more: steps.KojiBuild("koji", "f44", GIT, **more),
            [
                ({"custom_user_metadata": {"a": {1}}}, "holds a value of type set"),
                ({"custom_user_metadata": {"a": b"x"}}, "holds a value of type bytes"),
                ({"custom_user_metadata": {"a": 10**30}}, "beyond the 64 bits that a hub takes"),
                ({"custom_user_metadata": {"a": float("nan")}}, "a number that is not finite"),
                ({"custom_user_metadata": {"a": {1: "x"}}}, "strings for the keys"),
                ({"custom_user_metadata": {"a": ["x\0y"]}}, NUL),
                ({"custom_user_metadata": {"x\ud800": 1}}, "the character U+D800"),
                ({"channel": "a\0"}, NUL),
                ({"priority": 10**20}, "beyond the 64 bits"),
                ({"wait_builds": ["a-1-1\0"]}, NUL),
                ({"repo_id": 2**63}, "beyond the 64 bits"),
            ],
        ),
        (
            lambda **more: steps.KojiCall("koji", method="getTag", **more),
            [
                ({"args": [10**20]}, "beyond the 64 bits"),
                ({"args": ["\x1b"]}, "the character U+001B"),
                ({"kwargs": {"a": object()}}, "holds a value of type object"),
            ],
        ),
    ],
    ids=["build", "call"],
)
def test_values_that_cannot_be_sent(step: Any, words: list[tuple[dict[str, Any], str]]) -> None:
    """A value that can't be sent to a hub is refused, with the name of its argument."""
    for given, expected in words:
        [name] = given
        [line] = mistakes(step, **given)
        assert f": {name}=" in line
        assert expected in line


def test_values_that_nest_too_deep() -> None:
    """A value that contains itself is refused too, and one that Python can't even show."""
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for args, shown in ((loop, "[[...]]"), (deep, "a list")):
        assert mistakes(steps.KojiCall, "koji", method="getTag", args=args) == [
            f"KojiCall: args={shown} nests deeper than 100 levels"
        ]


@pytest.mark.parametrize(("plugin", "settings"), [(util.KojiAMQP, AMQP), (util.KojiAMQP1, AMQP1)])
def test_brokers_declare_their_settings(plugin: Any, settings: Any) -> None:
    """A broker of ``master.cfg`` takes what the settings of ``txkoji.bus`` take."""
    fields = attrs.fields_dict(settings)
    assert plugin.arguments.keys() == fields.keys() >= {"url"}
    for name, one in plugin.arguments.items():
        default = fields[name].default
        if one.required:
            assert default is attrs.NOTHING
        elif isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            assert default.factory() == one.default
        else:
            assert default == one.default
