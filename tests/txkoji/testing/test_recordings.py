"""The recordings of a real hub, replayed against the embedded one.

The embedded hub first gets the past of the recorded one: the same users, tags, targets,
packages, tasks and builds. Then each recorded request is sent as it is, in order, and the two
replies are compared value by value. Ids differ between the hubs: the first reply with an id pairs
it with ours, and from then on the pair must hold.
Times, sizes and digests are compared by their types. Nothing else may differ, except EXCEPTIONS and
a few oddities of the recorded builder that comments name.
"""

from __future__ import annotations

import json
import re
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from treq.testing import StubTreq
from twisted.internet.task import Clock

from tests.support import DATA
from txkoji.testing import FakeHub
from txkoji.testing.formats import marshal

RECORDINGS = DATA / "calls.jsonl"
START = 1795454160.25
BUILD_SECONDS = 10.0
STEP = 0.05
OPEN, CLOSED, CANCELED = 1, 2, 3
GIT = "git+https://git.example.test/rpms/{}.git#{}"


@dataclass
class Recorded:
    """One line of the recordings."""

    number: int
    user: str
    method: str
    headers: dict[str, str]
    request: bytes
    response: bytes

    def __str__(self) -> str:
        return f"{self.number}-{self.method}"

    @property
    def params(self) -> tuple[Any, ...]:
        return xmlrpc.client.loads(self.request)[0]


def recordings() -> list[Recorded]:
    lines = RECORDINGS.read_text(encoding="utf-8").splitlines()
    return [
        Recorded(
            number,
            line["user"],
            line["method"],
            line["request_headers"],
            line["request"].encode("utf-8"),
            line["response"].encode("latin-1"),
        )
        for number, line in enumerate(map(json.loads, lines))
    ]


def decoded(response: bytes) -> Any:
    """Decode a reply: its value, or the Fault."""
    try:
        return xmlrpc.client.loads(response)[0][0]
    except xmlrpc.client.Fault as fault:
        return fault


EXCEPTIONS: dict[str, str] = {
    "sslLogin.session-id": "the recorded hub had had sessions before",
    "sslLogin.session-key": "secret",
    "system.listMethods": "the embedded hub has not every method; it may have none of its own",
    "system.multicall.1.traceback": "the lines of another program",
    "getRPMHeaders.SIZE": "our RPMs hold no files",
    "getRPMDeps": "our RPMs need nothing",
    "rawUpload.hexdigest": "the recordings leave the uploaded bytes out",
}
"""Replies that may differ in more than ids, times, sizes and digests, and why."""

OUR_TASK = "createrepo"
"""A real newRepo has such a child for each architecture; the recorded builder's did without."""

FILE_LISTS = {"listTaskOutput", "getTaskResult.logs", "getBuildLogs"}
MOCK_LOG = re.compile(r"(root|state|mock_output|mock_config|hw_info|installed_pkgs)\.log")
"""Mock leaves these logs, and failures refer to them; the recorded builder had no mock."""


def without_mock(value: Any) -> Any:
    """Return a value without what a build root leaves: its id, its logs, the source RPM."""
    if isinstance(value, dict):
        empty = {"brootid": None, "buildroot_id": None, "srpms": []}
        kept = [key for key in value if not MOCK_LOG.fullmatch(key)]
        if any(key.endswith(".noarch.rpm") for key in kept):
            kept = [key for key in kept if not key.endswith(".src.rpm")]
        return {key: empty[key] if key in empty else without_mock(value[key]) for key in kept}
    if isinstance(value, list):
        if all(isinstance(each, str) for each in value):
            by_name = {each.rpartition("/")[2]: each for each in value}
            return [by_name[name] for name in without_mock(dict.fromkeys(by_name))]
        logs = [each.get("name") if isinstance(each, dict) else None for each in value]
        pairs = zip(logs, value, strict=True)
        return [without_mock(each) for name, each in pairs if not MOCK_LOG.fullmatch(str(name))]
    if isinstance(value, str) and value.startswith("<?xml") and "brootid" in value:
        return xmlrpc.client.dumps(
            tuple(map(without_mock, xmlrpc.client.loads(value)[0])),
            methodresponse=True,
            allow_none=True,
        )
    return value


def without_commit(text: str) -> str:
    """Return a text of a build without its commit: the recorded builder checked nothing out."""
    return re.sub(r"('source': '[^'#]+)#[^']+", r"\1", text)


# The value by value comparison


class Mismatch(AssertionError):
    """The two replies differ."""


TASK_KEYS = {"task_id", "parent"}
EVENT_KEYS = {"create_event", "creation_event_id", "revoke_event", "begin_event", "end_event"}
TYPE_ONLY = re.compile(
    r".*_time|.*_ts|ts|[acm]time|mtime|buildtime|.*size|payloadhash|sighash|hexdigest|sumlength"
)
MAKES_TASK = {"build", "chainBuild", "makeTask", "newRepo", "resubmitTask", "tagBuild"}
TASK_FIRST = {
    "cancelTask",
    "cancelTaskFull",
    "downloadTaskOutput",
    "getTaskChildren",
    "getTaskDescendents",
    "getTaskInfo",
    "getTaskRequest",
    "getTaskResult",
    "listTaskOutput",
    "resubmitTask",
    "setTaskPriority",
    "taskFinished",
}
BUILD_FIRST = {
    "getBuild",
    "getBuildLogs",
    "getBuildType",
    "listBuildRPMs",
    "listTags",
    "promoteBuild",
}
RPM_FIRST = {"getRPM", "getRPMDeps", "getRPMHeaders"}
NAMED_IDS = {"taskID": "task", "parent": "task", "buildID": "build", "rpm_id": "rpm"}
IDS_IN_TEXT = (
    (re.compile(r"tasks/(\d+)/(?=\d+/)"), "task"),
    (re.compile(r"tasks/\d+/(\d+)/"), "task"),
    (re.compile(r"[Tt]ask (\d+)"), "task"),
    (re.compile(r"'task_id': (\d+)"), "task"),
    (re.compile(r"\(id=(\d+), state="), "build"),
    (re.compile(r",draft_(\d+)"), "build"),
)


@dataclass
class Pairs:
    """Which id of ours stands for which recorded one, by kind."""

    ours: dict[tuple[str, int], int] = field(default_factory=dict)
    recorded: dict[tuple[str, int], int] = field(default_factory=dict)

    def copy(self) -> Pairs:
        return Pairs(dict(self.ours), dict(self.recorded))

    def check(self, kind: str, recorded: int, ours: int, path: str) -> None:
        """Pair two ids, or check an existing pair."""
        before = self.ours.setdefault((kind, recorded), ours)
        back = self.recorded.setdefault((kind, ours), recorded)
        if (before, back) != (ours, recorded):
            raise Mismatch(f"{path}: {kind} {recorded} was our {before}, now it is {ours}")

    def translate(self, kind: str, recorded: int) -> int:
        """Return our id for a recorded one, or the id itself if no reply has shown it."""
        return self.ours.get((kind, recorded), recorded)

    def text(self, text: str) -> str:
        """Replace the ids of a recorded text by ours."""
        for pattern, kind in IDS_IN_TEXT:
            text = pattern.sub(
                lambda match, kind=kind: match.group().replace(
                    match.group(1), str(self.translate(kind, int(match.group(1))))
                ),
                text,
            )
        return text


def kind_of_id(struct: dict[str, Any]) -> str | None:
    """Return the kind of a struct's ``id``, None if both hubs number it alike."""
    for key, kind in (
        ("waiting", "task"),
        ("payloadhash", "rpm"),
        ("nvr", "build"),
        ("custom_opts", "repo"),
    ):
        if key in struct:
            return kind
    return "event" if struct.keys() == {"id", "ts"} else None


def task_key(task: dict[str, Any]) -> str:
    """Return a description of a task without ids, to find the same one among ours."""
    request = task.get("request")
    if isinstance(request, str):
        request = xmlrpc.client.loads(request)[0]
    words = [task["method"], task["label"], task["owner"], task["arch"]]
    if task["method"] != "tagBuild":
        words.append(re.sub(r"tasks/\d+/\d+|'repo_id': \d+", "", str(request)))
    return json.dumps(words, default=str)


@dataclass
class Comparison:
    """Compares one recorded reply with ours."""

    method: str
    pairs: Pairs
    excused: set[str] = field(default_factory=set)

    def compare(self, recorded: Any, ours: Any, path: str, key: str = "") -> None:
        if path in EXCEPTIONS:
            self.excused.add(path)
            return
        if type(recorded) is not type(ours):
            raise Mismatch(f"{path}: recorded {recorded!r}, ours {ours!r}")
        if isinstance(recorded, dict):
            self._structs(recorded, ours, path)
        elif isinstance(recorded, list):
            self._lists(recorded, ours, path)
        elif key and TYPE_ONLY.fullmatch(key):
            return
        elif isinstance(recorded, str):
            self._texts(recorded, ours, path)
        elif isinstance(recorded, bool) or not isinstance(recorded, int):
            if recorded != ours and not isinstance(recorded, float):
                raise Mismatch(f"{path}: recorded {recorded!r}, ours {ours!r}")
        else:
            self._numbers(recorded, ours, path, key)

    def _structs(self, recorded: dict[str, Any], ours: dict[str, Any], path: str) -> None:
        if self.method == "getTaskDescendents" and path == self.method:
            # The keys are ids: a parent's entry pairs its children before theirs are compared.
            if len(recorded) != len(ours):
                raise Mismatch(f"{path}: {len(recorded)} nodes recorded, ours has {len(ours)}")
            for task in sorted(recorded, key=int):
                mine = str(self.pairs.translate("task", int(task)))
                if mine not in ours:
                    raise Mismatch(
                        f"{path}: recorded task {task} is our {mine}: not in {list(ours)}"
                    )
                self.compare(recorded[task], ours[mine], f"{path}.{task}")
            return
        if recorded.keys() != ours.keys():
            missing, more = (
                sorted(recorded.keys() - ours.keys()),
                sorted(ours.keys() - recorded.keys()),
            )
            raise Mismatch(f"{path}: our struct lacks {missing} and has {more} too")
        for key in sorted(recorded, key=lambda key: (key != "id", key)):
            where = f"{path}.{key}"
            if key == "id" and (kind := kind_of_id(recorded)) is not None:
                self.pairs.check(kind, recorded[key], ours[key], where)
            elif key == "waiting" and recorded.get("state") == CANCELED:
                # A canceled parent's builder clears this, or is stopped before it can.
                continue
            elif key == "waiting" and recorded.get("method") == "newRepo":
                # For lack of children, see OUR_TASK.
                continue
            elif key == "request" and "waiting" in recorded:
                self._requests(recorded, ours, where)
            elif key == "result" and isinstance(recorded[key], str):
                self._xml(recorded[key], ours[key], where)
            else:
                self.compare(recorded[key], ours[key], where, key)

    def _requests(self, recorded: dict[str, Any], ours: dict[str, Any], path: str) -> None:
        """Compare the requests of two tasks, in which ids stand at certain places."""
        theirs, mine = recorded["request"], ours["request"]
        if type(theirs) is not type(mine):
            raise Mismatch(f"{path}: recorded {theirs!r}, ours {mine!r}")
        if isinstance(theirs, str):
            theirs, mine = (list(xmlrpc.client.loads(text)[0]) for text in (theirs, mine))
        theirs, mine = list(theirs), list(mine)
        if recorded["method"] == "tagBuild":
            self.pairs.check("build", theirs.pop(1), mine.pop(1), path)
        for request in (theirs, mine):
            if request and isinstance(request[-1], dict):
                # The recorded builder always named repo 1.
                request[-1] = (
                    {**request[-1], "repo_id": 1} if "repo_id" in request[-1] else request[-1]
                )
        self.compare(theirs, mine, path)

    def _xml(self, recorded: str, ours: Any, path: str) -> None:
        """Compare two results that are kept as XML documents."""
        if not isinstance(ours, str):
            raise Mismatch(f"{path}: recorded XML, ours {ours!r}")
        theirs, mine = decoded(recorded.encode()), decoded(ours.encode())
        if isinstance(theirs, xmlrpc.client.Fault) and isinstance(mine, xmlrpc.client.Fault):
            theirs, mine = vars(theirs), vars(mine)
            if theirs["faultCode"] == 1:
                # The traceback of a builder that was broken at first.
                return
        if (
            isinstance(theirs, list)
            and "REPO" not in path
            and all(isinstance(n, int) for n in theirs)
        ):
            # The result of newRepo: the repo and its event.
            for kind, number, own in zip(("repo", "event"), theirs, mine, strict=True):
                self.pairs.check(kind, number, own, path)
            return
        self.compare(theirs, mine, path)

    def _lists(self, recorded: list[Any], ours: list[Any], path: str) -> None:
        if path == "listTasks":
            ours = [task for task in ours if task["method"] != OUR_TASK]
        if path in FILE_LISTS or path.endswith(".result.logs"):
            recorded = sorted(recorded, key=str)
            ours = sorted(ours, key=str)
        if len(recorded) != len(ours):
            raise Mismatch(
                f"{path}: {len(recorded)} recorded, ours has {len(ours)}: {ours!r}"[:600]
            )
        if all(isinstance(each, dict) and "waiting" in each for each in recorded):
            recorded, ours = self._aligned(recorded, ours)
            # Before the rest: a request names the files of a sibling.
            for theirs, mine in zip(recorded, ours, strict=True):
                self.pairs.check("task", theirs["id"], mine["id"], path)
        for number, (theirs, mine) in enumerate(zip(recorded, ours, strict=True)):
            self.compare(theirs, mine, f"{path}.{number}")

    def _aligned(self, recorded: list[Any], ours: list[Any]) -> tuple[list[Any], list[Any]]:
        """Bring tasks into one order: a hub promises none without ``order``."""
        left = {task["id"]: task for task in ours}
        known, unknown = [], []
        for task in recorded:
            mine = left.pop(self.pairs.ours.get(("task", task["id"]), 0), None)
            if mine is None:
                unknown.append(task)
            else:
                known.append((task, mine))
        by_look = [
            sorted(tasks, key=lambda task: (task_key(task), task["id"]))
            for tasks in (unknown, left.values())
        ]
        pairs = [*known, *zip(*by_look, strict=True)]
        return [theirs for theirs, _ in pairs], [mine for _, mine in pairs]

    def _texts(self, recorded: str, ours: str, path: str) -> None:
        if path.endswith(".source"):
            recorded, ours = (text.partition("#")[0] for text in (recorded, ours))
        if without_commit(self.pairs.text(recorded)) != without_commit(ours):
            raise Mismatch(f"{path}: recorded {recorded!r}, ours {ours!r}")

    def _numbers(self, recorded: int, ours: int, path: str, key: str) -> None:
        kind = None
        if key in TASK_KEYS or (path in MAKES_TASK):
            kind = "task"
        elif key == "build_id":
            kind = "build"
        elif key in EVENT_KEYS:
            kind = "event"
        elif key == "rpm_id":
            kind = "rpm"
        if kind is not None:
            self.pairs.check(kind, recorded, ours, path)
        elif recorded != ours:
            raise Mismatch(f"{path}: recorded {recorded!r}, ours {ours!r}")


# The embedded hub and its past


@dataclass
class Replay:
    """Sends recorded requests to an embedded hub, in memory."""

    hub: FakeHub
    clock: Clock
    stub: StubTreq
    pairs: Pairs = field(default_factory=Pairs)
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)

    def post(self, body: bytes, headers: dict[str, str], query: str = "") -> bytes:
        results: list[Any] = []
        url = f"http://127.0.0.1/kojihub{query}"
        self.stub.post(url, data=body, headers=headers).addCallback(results.append)
        self.stub.flush()
        [response] = results
        assert response.code == 200
        content: list[bytes] = []
        self.stub.content(response).addCallback(content.append)
        self.stub.flush()
        return content[0]

    def translated(self, call: Recorded) -> bytes:
        """Replace the ids of a recorded request by ours."""
        params = list(call.params)
        for named in params:
            for key, kind in NAMED_IDS.items():
                if isinstance(named, dict) and isinstance(named.get(key), int):
                    named[key] = self.pairs.translate(kind, named[key])
        if params:
            first = params[0]
            for methods, kind in ((TASK_FIRST, "task"), (BUILD_FIRST, "build"), (RPM_FIRST, "rpm")):
                if call.method not in methods:
                    continue
                if isinstance(first, int):
                    params[0] = self.pairs.translate(kind, first)
                elif isinstance(first, list):
                    params[0] = [self.pairs.translate(kind, each) for each in first]
            if call.method == "repoInfo":
                params[0] = self.pairs.translate("repo", first)
        return (
            xmlrpc.client.dumps(tuple(params), call.method, allow_none=True).encode()
            if (params != list(call.params))
            else call.request
        )

    def log_in(self, user: str) -> bytes:
        """Start a session as a client certificate would: there is none in memory."""
        params = (user, user)
        reply = self.post(
            xmlrpc.client.dumps(params, "login").encode(), {"Content-Type": "text/xml"}
        )
        session = decoded(reply)
        self.sessions[user] = (str(session["session-id"]), session["session-key"])
        for each in self.hub.sessions:
            self.hub.sessions.update(each, authtype=2)
        return reply

    def send(self, call: Recorded) -> bytes:
        headers = {"Content-Type": call.headers["Content-Type"]}
        if "Koji-Session-Id" in call.headers:
            number, key = self.sessions[call.user]
            headers["Koji-Session-Id"], headers["Koji-Session-Key"] = number, key
            headers["Koji-Session-Callnum"] = call.headers["Koji-Session-Callnum"]
        if call.method == "rawUpload":
            query = (
                "?filename=hello-9-1.src.rpm&filepath=cli-build/rec.r3&fileverify=adler32&offset=0"
            )
            return self.post(b"x" * 3000, headers, query)
        if call.method == "sslLogin":
            return self.log_in(call.user)
        return self.post(self.translated(call), headers)

    def replay(self, call: Recorded) -> None:
        """Send one request and compare the replies.

        The recorder polled while its tasks ran: a reply about tasks may show a moment that our hub
        has not reached yet, so there the clock may advance.
        """
        recorded = decoded(call.response)
        if call.number == CANCEL_CALL:
            self.run_arch_to_its_end(call)
        patience = 400 if call.method in POLLS else 1
        first: Mismatch | None = None
        for _ in range(patience):
            reply = self.send(call)
            pairs = self.pairs.copy()
            try:
                self._check(call, recorded, decoded(reply), pairs)
            except Mismatch as mismatch:
                first = first or mismatch
                if patience > 1:
                    self.clock.advance(STEP)
            else:
                self.pairs = pairs
                return
        assert first is not None
        raise first

    def run_arch_to_its_end(self, call: Recorded) -> None:
        parent = self.pairs.translate("task", call.params[0])
        while not any(
            (task["method"], task["state"]) == ("buildArch", CLOSED)
            for task in self.hub.task_children(parent)
        ):
            self.clock.advance(STEP)

    def _check(self, call: Recorded, recorded: Any, ours: Any, pairs: Pairs) -> None:
        faults = [isinstance(value, xmlrpc.client.Fault) for value in (recorded, ours)]
        if faults == [True, True]:
            theirs = (recorded.faultCode, without_commit(pairs.text(recorded.faultString)))
            mine = (ours.faultCode, without_commit(ours.faultString))
            if theirs != mine:
                raise Mismatch(f"recorded fault {theirs}, ours {mine}")
        elif any(faults):
            raise Mismatch(f"recorded {recorded!r}, ours {ours!r}"[:600])
        else:
            comparison = Comparison(call.method, pairs, self.excused)
            comparison.compare(without_mock(recorded), without_mock(ours), call.method)


POLLS = {"getTaskInfo", "getTaskChildren", "getRepo", "taskFinished", "listBuilds"}
"""The methods that the recorder polled with."""

CANCEL_CALL = 222
"""Before this call the recorder waited until its buildArch was done."""


def give_past(hub: FakeHub, clock: Clock) -> None:
    """Give the hub the past of the recorded one."""

    def call(method: str, *args: Any, user: str = "kojiadmin", **kwargs: Any) -> Any:
        return hub.call(method, *args, user=user, **kwargs)

    def finish() -> None:
        for _ in range(400):
            clock.advance(STEP)

    hub.add_user("kojira")
    hub.noarch_packages |= {"hello", "world", "foo", "failarch", "notinlist"}
    hub.add_tag("test-build", arches="x86_64")
    hub.add_host("builder1", "x86_64 noarch")
    hub.add_user("alice", password="alice")
    for tag in ("test", "test-candidate", "test-released"):
        hub.add_tag(tag)
    hub.add_target("test-target", "test-build", "test-candidate")
    for package in ("hello", "world", "foo", "failarch"):
        hub.add_package("test-candidate", package)
        hub.add_package("test-released", package)
    hub.add_repo("test-build")
    empty = {"wait_builds": [], "custom_user_metadata": {}}
    # The recorded builder was broken at first: its first task failed in the source RPM.
    broken = call("build", GIT.format("hello", "failsrpm"), "test-target", empty)
    finish()
    for row in (hub.state.get("task", broken), hub.task_children(broken)[0]):
        assert row is not None
        row["request"][0] = GIT.format("hello", "abc123")
        row["fault"] = (1, "Traceback")
    call("build", GIT.format("hello", "abc123"), "test-target", empty)
    finish()
    metadata = {"buildbot": {"url": "http://bb.example.test/#/builders/1/builds/2"}}
    options = {"custom_user_metadata": metadata}
    call("build", GIT.format("hello", "r1"), "test-target", options)
    finish()
    call("tagBuild", "test-released", "hello-1.0-r1")
    finish()
    call("tagBuild", "test-released", "hello-1.0-r1")
    call("tagBuild", "test-released", "hello-1.0-r1", user="alice")
    call("untagBuild", "test-released", "hello-1.0-r1")
    call("tagBuildBypass", "test-released", "hello-1.0-r1")
    call("untagBuildBypass", "test-released", "hello-1.0-r1")
    for package, revision, target, opts in (
        ("failarch", "r1", "test-target", {}),
        ("hello", "failsrpmr1", "test-target", {}),
        ("notinlist", "r1", "test-target", {}),
        ("hello", "r1", "test-target", {}),
        ("hello", "xr1", "no-such-target", {}),
        ("world", "r1", "test-target", {"scratch": True}),
    ):
        call("build", GIT.format(package, revision), target, opts)
    finish()
    canceled = call("build", GIT.format("world", "cr1"), "test-target", {})
    while not any(
        (task["method"], task["state"]) == ("buildArch", OPEN)
        for task in hub.task_children(canceled)
    ):
        clock.advance(STEP)
    call("cancelTask", canceled)
    call("resubmitTask", canceled)
    call("makeTask", "sleep", [1])
    call("newRepo", "test-build")
    finish()
    for _ in range(3):
        call("removeSideTag", call("createSideTag", "test-build")["name"])
    call("build", GIT.format("foo", "r1"), "test-target", {"draft": True})
    finish()


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    """An embedded hub with the recorded one's past, on a clock that we advance."""
    clock = Clock()
    clock.advance(START)
    hub = FakeHub(clock, build_seconds=BUILD_SECONDS, version="1.35.3")
    # The recorded hub was a development version of 1.36.
    hub.reads_callnum_header = True
    give_past(hub, clock)
    yield Replay(hub, clock, StubTreq(hub.resource()))
    hub.builder.stop()


def test_replies_are_the_recorded_ones(replay: Replay) -> None:
    """The embedded hub answers every recorded request as the real hub did."""
    problems = []
    for call in recordings():
        try:
            replay.replay(call)
        except Mismatch as mismatch:
            problems.append(f"{call}: {mismatch}")
    assert not problems, "\n".join(problems)
    assert replay.excused == set(EXCEPTIONS), "an exception that nothing needs"


def test_layout_of_the_bytes() -> None:
    """The embedded hub's marshaller writes recorded replies to the byte."""
    problems = []
    for call in recordings():
        value = decoded(call.response)
        if isinstance(value, xmlrpc.client.Fault):
            written = marshal.fault(value.faultCode, value.faultString)
        else:
            written = marshal.response(value)
        if written != call.response:
            problems.append(f"{call}: recorded {call.response!r}, ours {written!r}")
    assert not problems, "\n".join(problems)
