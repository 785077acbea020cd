"""What ``buildbot checkconfig`` says of the arguments of a step, and of the example."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from buildbot.config.errors import ConfigErrors
from buildbot.config.master import FileLoader
from buildbot.plugins import reporters, steps, util

from buildbot_koji.arguments import checks
from tests.buildbot_koji.masters import BUILDBOT
from tests.support import REPOSITORY, forks
from tests.support.checkconfig import mistakes
from txkoji.testing.front.certificates import CertificateAuthority

EXAMPLE = REPOSITORY / "example_master.cfg"
GOOD: dict[str, Any] = {
    "profile": "koji",
    "target": "f44",
    "source": "git+https://host/hello.git#main",
}


def _part(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


_ENTRY = struct.pack(">H", 1) + _part("EXAMPLE.TEST") + _part("robot") + bytes(20)
KEYTAB = b"\x05\x02" + struct.pack(">i", len(_ENTRY)) + _ENTRY


@pytest.fixture
def at_home(empty_home: Path) -> Path:
    """Give a machine with the profile ``koji``."""
    (empty_home / ".koji").mkdir()
    server = "server = https://koji.example.test/kojihub\n"
    authority = CertificateAuthority(empty_home)
    authority.days_valid = -2
    (empty_home / "robot.keytab").write_bytes(KEYTAB)
    keytab = f"{server}authtype = kerberos\nkeytab = {empty_home}/"
    text = (
        f"[koji]\n{server}[demo]\n{server}"
        f"[gone]\n{server}authtype = ssl\ncert = /nowhere/me.pem\n"
        f"[old]\n{server}authtype = ssl\ncert = {authority.client('robot')}\n"
        f"[lost]\n{keytab}lost.keytab\n"
        f"[you]\n{keytab}robot.keytab\nprincipal = you@EXAMPLE.TEST\n"
        f"[robot]\n{keytab}robot.keytab\nprincipal = robot@EXAMPLE.TEST\n"
        f"[half]\n{server}authtype = password\nuser = me\n"
    )
    (empty_home / ".koji" / "config").write_text(text, encoding="utf-8")
    return empty_home


def checkconfig(path: Path) -> subprocess.CompletedProcess[str]:
    return forks.run(BUILDBOT, "checkconfig", str(path), cwd=path.parent)


def test_example_is_good(at_home: Path) -> None:
    """Buildbot accepts the example configuration."""
    done = checkconfig(EXAMPLE)
    assert (done.returncode, done.stdout) == (0, "Config file is good!\n"), done.stderr


def test_checkconfig_names_the_mistakes(at_home: Path, tmp_path: Path) -> None:
    """A mistake in a step's arguments is one line of checkconfig, without a traceback."""
    path = tmp_path / "master.cfg"
    path.write_text(EXAMPLE.read_text().replace('"timeout": 6 * 60 * 60', '"timeout": "six hours"'))
    done = checkconfig(path)
    assert done.returncode != 0
    words = "KojiBuild: timeout='six hours' must be a number of seconds greater than 0"
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


BUILDERS = """from buildbot.plugins import reporters, schedulers, util, worker
c = BuildmasterConfig = {"protocols": {"null": {}}, "workers": [worker.LocalWorker("w")]}
c["buildbotNetUsageData"] = None
c["services"] = [
    reporters.KojiTagReporter(profile="koji", name="a", on_success={"tag": "good"},
                              requires=["check", "bild"]),
    reporters.KojiTagReporter(profile="koji", on_success={"tag": "good"}, builders=["other"]),
    reporters.KojiTagReporter(profile="koji", name="c", on_success={"tag": "good"}, builders=5),
]
c["builders"] = [util.BuilderConfig(name, workernames=["w"], factory=util.BuildFactory())
                 for name in ("build", "check")]
c["schedulers"] = [schedulers.AnyBranchScheduler("all", builderNames=["build", "check"])]
"""


def test_source_among_services(at_home: Path) -> None:
    """A change source in the wrong list is one line: the pages and buttons would not find it."""
    path = at_home / "master.cfg"
    source = 'changes.KojiChangeSource("koji", name="s", tags=["a"])'
    good = f"from buildbot.plugins import changes\n{WWW}c['change_source'] = [{source}]\n"
    path.write_text(good)
    FileLoader(str(at_home), path.name).loadConfig()
    path.write_text(good.replace("c['change_source'] =", "c['services'] +="))
    with pytest.raises(ConfigErrors) as caught:
        FileLoader(str(at_home), path.name).loadConfig()
    said = f"{path}:13: KojiChangeSource: list it in c['change_source'], not in c['services']"
    assert caught.value.errors == [said]


def test_unknown_builders(at_home: Path) -> None:
    """Builders that a reporter names must exist, unless another master may have them."""
    path = at_home / "master.cfg"
    path.write_text(BUILDERS)
    with pytest.raises(ConfigErrors) as caught:
        FileLoader(str(at_home), path.name).loadConfig()
    assert sorted(caught.value.errors) == [
        f"{path}:5: KojiTagReporter: there is no builder 'bild': did you mean build?",
        f"{path}:7: KojiTagReporter: there is no builder 'other'",
        f"{path}:8: KojiTagReporter: builders=5 must be a list of strings",
    ]
    path.write_text(f'{BUILDERS.replace("5)", "None)")}c["multiMaster"] = True\n')
    FileLoader(str(at_home), path.name).loadConfig()


@pytest.mark.parametrize(
    ("plugins", "said"),
    [
        ({"koji": {}, "grid_view": {"anything": 1}}, None),
        ({"elsewhere": {}}, None),
        (
            {"koji": {"titel": 1, "refresh": 2}},
            "www plugin 'koji' takes no options, not refresh, titel: did you mean 'koji': {}?",
        ),
        (
            {"koji": "yes"},
            "www plugin 'koji' takes no options, not 'yes': did you mean 'koji': {}?",
        ),
        (["koji"], "c['www']: plugins=['koji'] must be a dictionary, such as {'koji': {}}"),
        ({"koij": {}}, "www plugin 'koij' is not installed: did you mean koji?"),
    ],
)
def test_www_plugins(at_home: Path, plugins: Any, said: str | None) -> None:
    """One line of checkconfig for our www plugin, which Buildbot asks nothing then."""
    path = at_home / "master.cfg"
    text = f"{WWW}c['www'] = {{\n    'plugins': {plugins!r}}}\n"
    path.write_text(text, encoding="utf-8")
    line = text.count("\n")
    errors = []
    try:
        FileLoader(str(at_home), path.name).loadConfig()
    except ConfigErrors as caught:
        errors = caught.errors
    assert errors == ([f"{path}:{line}: {said}"] if said else [])


WWW = """from buildbot.plugins import reporters, steps, util, worker
from buildbot.schedulers.forcesched import ForceScheduler
c = BuildmasterConfig = {"protocols": {"null": {}}, "workers": [worker.LocalWorker("w")]}
c["buildbotNetUsageData"] = None
factory = util.BuildFactory([steps.KojiTag("koji", tag="x", builds="a-1-1")])
c["builders"] = [util.BuilderConfig("b", workernames=["w"], factory=factory)]
c["schedulers"] = [ForceScheduler("force", ["b"])]
c["services"] = [
    reporters.KojiTagReporter(name=name, profile="koji", on_success={"tag": "good"})
    for name in ("one", "two")
]
"""

MISTAKES = """from buildbot.plugins import changes, reporters, steps, util, worker
import shared
nowhere = util.KojiHub("koij")
typed = util.KojiHub("koji", pasword="x", user="u")
keytab = util.KojiHub("koji", keytab="/nowhere/me.keytab", principal="me@EXAMPLE.TEST")
other = util.KojiHub("koji", keytab=shared.KEYTAB, principal="you@EXAMPLE.TEST")
c = BuildmasterConfig = {"protocols": {"null": {}}, "workers": [worker.LocalWorker("w")]}
c["change_source"] = [
    changes.KojiChangeSource("koji", tags=["a"]),
    changes.KojiChangeSource("koji", tags=["b"]),
]
f = util.KojiChangeFilter(event=["tagged"])
g = util.KojiChangeFilter(events=["taged"])
steps.KojiTag("koij", tag="x", builds="a-1-1")
steps.KojiTag("koij", tag="x", builds="a-1-1")
steps.KojiTag("koji", tag="%(prop:branch)s", builds="a-1-1")
reporters.KojiTagReporter(profile="koji", on_succes={"tag": "good"})
for profile in ("gone", "gone", "old", "lost", "you", "half", "robot", "koji"):
    steps.KojiTag(profile, tag="x", builds="a-1-1")
    steps.KojiCall(profile, method="getBuild")
    steps.KojiDownloadBuild(profile, build_name="a-1-1")
f = changes.KojiChangeSource("koji", tags=["c"], name="c", bus=util.KojiAMQP("host", queue="q"))
util.KojiHub("koji", cert=shared.__file__)
util.KojiAMQP("amqps://host", certificate="/nowhere/b.pem")
util.KojiAMQP("amqps://host", user="me", password="secret", ca="/nowhere/ca.pem")
reporters.KojiTagReporter("koji", on_success={"tag": "good"})
c["builders"] = [util.BuilderConfig("b", workernames=["w"], factory=shared.factory())]
gate = {"profile": "koji", "builders": ["b"], "on_success": {"tag": "good"}}
c["services"] = [reporters.KojiTagReporter(name="gate", **gate) for _ in range(2)]
c["workers"] = [worker.KojiPlace("w"), worker.KojiPlace("w")]
reporters.KojiTagReporter("gate", "nowhere", on_success={"tag": "good"})
steps.KojiTag("koji", tag="x", builds="a-1-1", flunkOnFailure="no")
"""

SHARED = """import base64, struct
from buildbot.plugins import steps, util
def part(text):
    return struct.pack(">H", len(text)) + text.encode()
entry = struct.pack(">H", 1) + part("EXAMPLE.TEST") + part("me") + bytes(20)
KEYTAB = base64.b64encode(b"\\x05\\x02" + struct.pack(">i", len(entry)) + entry).decode()
def factory():
    return util.BuildFactory([steps.KojiBuild("koji", target="t", source="hello.src.rpm")])
"""


def test_checkconfig_names_file_and_line(at_home: Path) -> None:
    """Each mistake is reported once, in one line with its place and a suggestion; no traceback."""
    path = at_home / "master.cfg"
    path.write_text(MISTAKES, encoding="utf-8")
    (at_home / "shared.py").write_text(SHARED, encoding="utf-8")
    done = checkconfig(path)
    said = [line.strip() for line in done.stderr.splitlines()]
    expected = [
        ("master.cfg:3: KojiHub: no Koji profile 'koij' in ", "did you mean koji?"),
        ("master.cfg:4: KojiHub: pasword is not an argument", "did you mean password?"),
        ("master.cfg:5: KojiHub: keytab: can't read /nowhere/me.keytab: No such file", ""),
        (
            "master.cfg:6: KojiHub: keytab: its text has no key of the principal you@EXAMPLE.TEST",
            "it has keys of me@EXAMPLE.TEST",
        ),
        (
            "master.cfg:10: KojiChangeSource: name='KojiChangeSource-koji' is that of",
            ":9: give each",
        ),
        ("master.cfg:12: KojiChangeFilter: event is not an argument", "did you mean events?"),
        ("master.cfg:13: KojiChangeFilter: events=['taged']", "did you mean tagged?"),
        ("master.cfg:16: KojiTag: tag='%(prop:branch)s' holds", "use util.Interpolate"),
        ("master.cfg:17: KojiTagReporter: on_succes is not an arg", "did you mean on_success?"),
        ("master.cfg:19: KojiTag: no client certificate at /nowhere/me.pem", "profile 'gone'"),
        ("master.cfg:19: KojiTag: can't read the keytab of the Koji profile 'lost'", "No such"),
        ("master.cfg:19: KojiTag: the keytab of the Koji profile 'you'", "robot@EXAMPLE.TEST"),
        ("master.cfg:19: KojiTag: a login by password needs password", "profile 'half'"),
        ("master.cfg:22: KojiAMQP: url='host' must be amqps://host:port", ""),
        ("master.cfg:23: KojiHub: cert: ", "shared.py"),
        ("master.cfg:24: KojiAMQP: can't read /nowhere/b.pem", "No such file"),
        ("master.cfg:25: KojiAMQP: can't read ca='/nowhere/ca.pem'", "No such file"),
        ("master.cfg:26: KojiTagReporter: give all arguments by their names", ""),
        ("master.cfg:29: KojiTagReporter: name='gate' is that of the one in", ":29: give each"),
        ("master.cfg:30: KojiPlace: name='w' is that of the one in", ":30: give each"),
        ("master.cfg:31: KojiTagReporter: give all arguments by their names", ""),
        ("master.cfg:32: KojiTag: flunkOnFailure='no' must be True or False", ""),
        ("shared.py:8: KojiBuild: source='hello.src.rpm'", "use KojiBuildSRPM"),
    ]
    for start, end in expected:
        matching = [line for line in said if start in line and end in line]
        assert len(matching) == 1, (start, said)
    assert sum("Koji" in line and "Error" not in line for line in said) == len(expected), said
    assert "Traceback" not in done.stderr
    assert "Duplicate" not in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scratch": True, "arch_override": ["x86_64", "aarch64"], "rebuild_srpm": False},
        {"scratch": True, "arch_override": "x86_64 aarch64"},
        {"target": None, "repo_id": 7},
        {"draft": True, "skip_tag": True, "fail_fast": True, "custom_user_metadata": {"a": 1}},
        {"wait_repo": True, "wait_builds": ["bash-5-1"], "priority": 3, "channel": "big"},
        {"background": True, "timeout": 60, "max_queue_time": 0.5},
        {"source": "cli-build/1.2/hello-1-1.src.rpm", "scratch": True},
        {"source": util.Interpolate("%(prop:url)s"), "scratch": util.Property("scratch")},
        {"arch_override": "x86_64", "scratch": util.Property("scratch")},
        {"name": "my build", "haltOnFailure": False, "doStepIf": lambda _: True},
    ],
)
def test_good_arguments(options: dict[str, Any]) -> None:
    """Every option of Koji's build is accepted, plain or as a renderable."""
    assert mistakes(steps.KojiBuild, **{**GOOD, **options}) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": None}, "profile is missing"),
        ({"profile": 5}, "profile=5 must be the name of a profile or a util.KojiHub"),
        ({"source": None}, "source is missing"),
        ({"target": None}, "target is missing: required unless repo_id is given"),
        ({"target": ""}, "target='' must be a non-empty string"),
        ({"source": "https://host/a.git#x"}, "is not an SCM URL for Koji: write git+https://host"),
        ({"source": "git+https://host/a.git"}, "names no revision: append #ref"),
        ({"source": "git+https://host/a.git#"}, "names no revision: append #ref"),
        ({"source": "git+https:///a.git#x"}, "names no host"),
        ({"source": "git+https://#x"}, "names no host"),
        ({"source": "git+https://host/a.git# x"}, "holds white space, which no URL has"),
        ({"source": " git+https://host/a.git#x"}, "holds white space, which no URL has"),
        ({"source": "git+https://host/a.git\n#x"}, "holds the control character U+000A"),
        ({"source": f"https://{'a' * 5000}"}, "has 5,008 characters: a source has at most 4,096"),
        ({"source": "hg+https://host/a#x"}, "has the scheme hg+https, which Koji does not build"),
        ({"source": "/tmp/a.src.rpm"}, "is a file of this machine: use KojiBuildSRPM"),
        ({"source": "hello-1-1.src.rpm"}, "is a file of this machine: use KojiBuildSRPM"),
        ({"on_stop": "cancle"}, "must be 'cancel' or 'leave': did you mean cancel?"),
        ({"target": "f%(prop:release)s"}, "holds %(prop:release)s, which a plain string keeps"),
        ({"arch_override": ["%(prop:a)s"], "scratch": True}, "use util.Interpolate"),
        ({"profile": "%(prop:hub)s"}, "as it is: "),
        ({"source": "hello"}, "must be an SCM URL such as git+https://"),
        ({"scratch": "no"}, "scratch='no' must be True or False"),
        ({"scratch": True, "draft": True}, "scratch and draft exclude each other"),
        ({"arch_override": "x86_64"}, "arch_override can't be used without scratch"),
        (
            {"scratch": True, "arch_override": "x86_64, aarch64"},
            "holds 'x86_64,': write a list of strings, or one string with only spaces between",
        ),
        ({"scratch": True, "arch_override": ["x86_64 aarch64"]}, "holds 'x86_64 aarch64': write"),
        ({"rebuild_srpm": False}, "rebuild_srpm can't be used without scratch"),
        ({"repo_id": "7"}, "repo_id='7' must be a whole number"),
        ({"repo_id": True}, "repo_id=True must be a whole number"),
        ({"wait_builds": "bash-5-1"}, "wait_builds='bash-5-1' must be a list of strings"),
        ({"custom_user_metadata": [1]}, "must be a dictionary whose keys are strings"),
        ({"priority": 1.5}, "priority=1.5 must be a whole number"),
        ({"background": True, "priority": 5}, "priority and background exclude each other"),
        ({"on_stop": "kill"}, "on_stop='kill' must be 'cancel' or 'leave'"),
        ({"timeout": 0}, "timeout=0 must be a number of seconds greater than 0"),
        ({"max_queue_time": "1h"}, "max_queue_time='1h' must be a number of seconds"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    """A bad argument is one line that names it and says what to write instead."""
    [complaint] = mistakes(steps.KojiBuild, **{**GOOD, **options})
    assert complaint.startswith("KojiBuild: ")
    assert words in complaint


def test_move_to_the_same_tag() -> None:
    """Tags that are the same are found before a build runs, unless only a build knows them."""
    found = mistakes(steps.KojiMove, "koji", from_tag="a", to_tag="a", builds="x-1-1")
    assert found == ["KojiMove: from_tag and to_tag are both 'a'"]
    tag = util.Property("tag")
    assert mistakes(steps.KojiMove, "koji", from_tag=tag, to_tag=tag, builds="x-1-1") == []
    [found] = mistakes(steps.KojiMove, "koji", from_tag="a", to_tag="b", builds="x-1-1,y-1-1")
    assert "holds 'x-1-1,y-1-1': write a list of strings" in found


@pytest.mark.parametrize(
    ("step", "given"),
    [
        (steps.KojiMove, {"from_tag": "a", "to_tag": "b", "builds": "x," * 500}),
        (steps.KojiTask, {"hub_method": True, "method": "x" * 1000}),
    ],
)
def test_long_value(step: Any, given: dict[str, Any]) -> None:
    """What is wrong with a long value can be read behind its beginning."""
    [found] = mistakes(step, "koji", **given)
    assert "... " in found
    assert len(found) < 700


def test_unknown_argument() -> None:
    """An argument that the step does not have is named."""
    complaints = mistakes(steps.KojiBuild, **GOOD, srcatch=True)
    assert len(complaints) == 1
    assert "srcatch" in complaints[0]
    assert "KojiBuild" in complaints[0]


def test_renderables_inside_of_values() -> None:
    """A renderable is recognized anywhere in a value."""
    assert checks.is_renderable(["a", {"b": (util.Property("c"),)}])
    assert not checks.is_renderable(["a", {"b": ("c",)}])


GOOD_REPORTER: dict[str, Any] = {"profile": "koji", "on_success": {"tag": "f44"}}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"name": "gate", "requires": ["one", "two"], "gate_within": 60, "retry_for": 3600.0},
        {"profile": util.KojiHub("koji", user="me", password=util.Secret("koji"))},
        {"builders": ["one"], "force": True, "on_failure": {"untag": util.Property("tag")}},
        {"on_warnings": {"tag": util.Interpolate("%(prop:tag)s"), "untag": "a"}},
    ],
)
def test_good_reporters(options: dict[str, Any]) -> None:
    """The examples of the reporter's documentation are accepted."""
    assert mistakes(reporters.KojiTagReporter, **{**GOOD_REPORTER, **options}) == []


def test_reporter_without_names() -> None:
    """A positional argument is a mistake in one line."""
    found = mistakes(reporters.KojiTagReporter, "koji", **GOOD_REPORTER)
    assert found == ["KojiTagReporter: give all arguments by their names"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": None}, "profile is missing"),
        ({"on_success": None}, "on_success is missing: required unless on_warnings, "),
        ({"on_success": "f44"}, 'must be {"tag": NAME}, {"untag": NAME}, or with both to move'),
        ({"on_success": {"tags": "f44"}}, 'must be {"tag": NAME}'),
        ({"on_failure": {"tag": ""}}, 'must be {"tag": NAME}'),
        ({"on_failure": {"tag": util.Property("a"), "to": "b"}}, 'must be {"tag": NAME}'),
        ({"on_failure": {"tag": "a", "untag": "a"}}, "moves a build to where it is"),
        ({"requires": "one"}, "requires='one' must be a list of strings"),
        ({"requires": ["one"], "builders": ["two"]}, "builders and requires exclude each other"),
        ({"gate_within": 5}, "gate_within can't be used without requires"),
        ({"retry_for": 0}, "retry_for=0 must be a number of seconds greater than 0"),
        ({"generators": []}, "generators is not an argument of KojiTagReporter"),
        ({"profile": util.Property("profile")}, "can't be a renderable: it is evaluated"),
        ({"builders": [util.Property("builder")]}, "can't be a renderable: it is evaluated"),
    ],
)
def test_bad_reporters(options: dict[str, Any], words: str) -> None:
    """A bad argument of a reporter is one line that names it and says what to write instead."""
    [complaint] = mistakes(reporters.KojiTagReporter, **{**GOOD_REPORTER, **options})
    assert complaint.startswith("KojiTagReporter: ")
    assert words in complaint
