"""HTTP, sessions and call numbers are as on a real hub.

The recorded exchanges are sent again, in order, over TLS and with Python's own HTTP client. A
session and its key are the embedded hub's where the recording had the real hub's.
"""

from __future__ import annotations

import ast
import configparser
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import xmlrpc.client
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_twisted
from koji import xmlrpcplus
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from tests.support import DATA, PROCESS_LIMIT, until
from tests.support.ends import AtEnd
from txkoji.testing import FakeHub
from txkoji.testing.__main__ import command_line
from txkoji.testing.methods.sessions import SSL

pytestmark = pytest.mark.hub(tls=True, build_seconds=20, anonymous_user=None)

USER = "kojiadmin"
EXPIRED_BEFORE = ("expired session: AuthExpired",)
WITH_THE_OLD_KEY = ("after renew",)
WITH_A_WRONG_KEY = ("wrong session key",)


@cache
def exchanges() -> list[dict[str, Any]]:
    text = (DATA / "transport.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest_twisted.async_fixture
async def hub(hub: FakeHub) -> FakeHub:
    """Return a hub whose task 7 was canceled while it built, like the recorded one."""
    for _ in range(6):
        hub.state.next_id("task")
    assert hub.call("build", "git+https://git.example.test/rpms/hello.git#1", "demo") == 7
    await until(lambda: hub.call("getTaskInfo", 7)["start_ts"])
    hub.call("cancelTask", 7)
    return hub


@dataclass
class Replay:
    """Sends recorded requests to the embedded hub.

    Attributes:
        keys: our session's id and key, and the key before it, by the recorded session's id.
    """

    hub: FakeHub
    keys: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def session_of(self, recorded: str, note: str) -> tuple[str, str]:
        number, key, old = self.keys.get(recorded, (recorded, "none", "none"))
        if note in WITH_A_WRONG_KEY:
            return number, "wrong"
        return number, old if note in WITH_THE_OLD_KEY else key

    def learn(self, recorded: Any, ours: Any) -> None:
        """Remember the session of a login."""
        if isinstance(recorded, dict) and "session-key" in recorded:
            name = str(recorded["session-id"])
            _, before, _ = self.keys.get(name, ("", "none", ""))
            self.keys[name] = (str(ours["session-id"]), ours["session-key"], before)

    def send(self, exchange: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        note = exchange["note"]
        headers = dict(exchange["request_headers"])
        if "Koji-Session-Id" in headers:
            number, key = self.session_of(headers["Koji-Session-Id"], note)
            headers |= {"Koji-Session-Id": number, "Koji-Session-Key": key}
        path = exchange["path"]
        named = re.search(r"session-id=(\d+)&session-key=[^&]*", path)
        if named:
            number, key = self.session_of(named[1], note)
            path = path.replace(named[0], f"session-id={number}&session-key={key}")
        body: Any = exchange["request"]
        body = ast.literal_eval(body) if body.startswith("b'") else body
        body = None if body == "None" else body
        context = ssl.create_default_context(cafile=str(self.hub.authority.certificate_path))
        if "without a certificate" not in note:
            context.load_cert_chain(self.hub.certificate(USER))
        address = urlsplit(self.hub.url)
        connection = http.client.HTTPSConnection(
            address.netloc, context=context, timeout=PROCESS_LIMIT
        )
        connection.request(exchange["method"], path, body, headers)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        return reply.status, dict(reply.getheaders()), data


def value_of(data: bytes) -> Any:
    """Decode a reply: its value, or its fault as a tuple."""
    try:
        [value] = xmlrpcplus.loads(data)[0]
    except xmlrpc.client.Fault as fault:
        return ("fault", fault.faultCode, fault.faultString)
    return value


def shape(value: Any) -> Any:
    """Return what two hubs must agree on: the keys and types of a value, or a whole fault."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, dict):
        if "traceback" in value:
            return {"faultCode": value["faultCode"], "traceback": list}
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value)


@pytest_twisted.ensureDeferred
async def test_recorded_exchanges(hub: FakeHub) -> None:
    """Statuses, headers, faults, sessions and call numbers are those of the recordings."""
    replay = Replay(hub)
    differences = []
    for number, exchange in enumerate(exchanges()):
        if exchange["note"] in EXPIRED_BEFORE:
            hub.sessions.expire_all()
        status, headers, data = await deferToThread(replay.send, exchange)
        expected: Any = (exchange["status"], exchange["response_headers"].get("Content-Type"))
        found: Any = (status, headers.get("Content-Type"))
        if exchange["response_headers"].get("Content-Type") == "text/xml":
            recorded = value_of(exchange["response"].encode("utf-8"))
            ours = value_of(data)
            replay.learn(recorded, ours)
            texts = {f'"{theirs}"': f'"{own}"' for theirs, (own, _, _) in replay.keys.items()}
            texts |= {f"session {a}": f"session {own}" for a, (own, _, _) in replay.keys.items()}
            if isinstance(recorded, tuple):
                text = recorded[2]
                for theirs, own in texts.items():
                    text = text.replace(theirs, own)
                recorded = (*recorded[:2], text)
            expected += (shape(recorded),)
            found += (shape(ours),)
        else:
            expected += (exchange["response"],)
            found += (data.decode(),)
        if "Allow" in exchange["response_headers"]:
            expected += (exchange["response_headers"]["Allow"],)
            found += (headers.get("Allow"),)
        assert "Koji-Version" in headers
        if expected != found:
            differences.append((number, exchange["note"], expected, found))
    assert differences == []


@pytest_twisted.ensureDeferred
async def test_odd_documents(hub: FakeHub) -> None:
    """What can't be parsed, for whatever reason, is a 400; any other name is a method's."""
    call = "<methodCall><methodName>{}</methodName><params><param>{}</param></params></methodCall>"
    fault = "<fault><value><struct></struct></value></fault>"
    member = "<value><struct><member>{}</member></struct></value>"
    documents: list[tuple[str, Any]] = [
        (call.format("echo", member.format("<name>a</name>")), 400),
        (call.format("echo", member.format("<value>1</value>")), 400),
        (f"<methodResponse>{fault}</methodResponse>", 400),
        ("<?xml version='1.0' encoding='nosuch'?>" + call.format("echo", ""), 400),
        ("<!DOCTYPE m [<!ENTITY x 'y'>]>" + call.format("echo", "<value>&x;</value>"), 400),
        (call.format("echo", "<value><biginteger>x</biginteger></value>"), 400),
        *(
            (call.format(name, ""), f"Invalid method: {name}")
            for name in ("rawUpload", "", " echo")
        ),
        ("<methodCall><params></params></methodCall>", "Invalid method: None"),
    ]
    exchange = {"note": "", "request_headers": {}, "path": "/kojihub", "method": "POST"}
    for document, expected in documents:
        status, _, data = await deferToThread(Replay(hub).send, exchange | {"request": document})
        wanted = (200, ("fault", 1000, expected)) if isinstance(expected, str) else (expected, None)
        assert (status, value_of(data) if status == 200 else None) == wanted, document


async def answer(hub: FakeHub, session: dict[str, Any] | None, method: str, *params: Any) -> Any:
    """Call a method in a session, as a client does."""
    replay = Replay(hub, {"1": (str(session["id"]), session["key"], "")} if session else {})
    text = xmlrpc.client.dumps(params, method)
    headers = dict.fromkeys(("Koji-Session-Id", "Koji-Session-Key"), "1") if session else {}
    if params and session:
        headers["Koji-Session-Callnum"] = "1"
    exchange = {"note": "", "method": "POST", "path": "/kojihub", "request": text}
    _, _, data = await deferToThread(replay.send, {**exchange, "request_headers": headers})
    return value_of(data)


@pytest_twisted.ensureDeferred
async def test_exclusive_session(hub: FakeHub) -> None:
    """An exclusive session locks the user's others, except its own subsessions."""
    user_id = hub.add_user("mallory", password="secret")["id"]
    own, other = (hub.sessions.create(user_id, SSL, "127.0.0.1", hub.now()) for _ in range(2))
    child = hub.sessions.create(user_id, SSL, "127.0.0.1", hub.now(), master=own["id"])
    assert await answer(hub, own, "exclusiveSession") is None
    locked = ("fault", 1006, "User locked by another session")
    assert await answer(hub, other, "hello") == locked
    refused = (*locked[:2], "Cannot get exclusive session")
    assert await answer(hub, other, "exclusiveSession") == refused
    login: tuple[Any, ...] = ("login", "mallory", "secret", {}, False, True)
    assert await answer(hub, None, *login) == refused
    below = ("fault", 1000, "subsessions cannot become exclusive")
    assert await answer(hub, child, "exclusiveSession") == below
    assert [await answer(hub, each, "hello") for each in (own, child)] == ["Hello World"] * 2
    assert await answer(hub, own, "sharedSession") is None
    # It has no call number any more.
    assert await answer(hub, own, "multiCall", [{"methodName": "logout", "params": []}]) == [[None]]
    gone = await answer(hub, own, "hello")
    assert gone[:2] == ("fault", 1002)
    assert await answer(hub, other, "hello") == "Hello World"
    await answer(hub, None, *login)
    assert await answer(hub, other, "hello") == locked


@pytest_twisted.ensureDeferred
async def test_session_of_a_disabled_user(hub: FakeHub) -> None:
    """A user who is disabled can't go on with a session from before."""
    user_id = hub.add_user("mallory")["id"]
    session = hub.sessions.create(user_id, SSL, "127.0.0.1", hub.now())
    assert (await answer(hub, session, "getLoggedInUser"))["name"] == "mallory"
    hub.call("disableUser", "mallory")
    refused = ("fault", 1002, "logins by mallory are not allowed")
    assert await answer(hub, session, "getLoggedInUser") == refused


def run_hub(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "txkoji.testing", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_alone(tmp_path: Path) -> None:
    """``python -m txkoji.testing`` prints its URL, writes a profile, and ends at SIGTERM."""
    path = tmp_path / "koji.conf"
    with run_hub("--port", "0", "--profile-out", str(path)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(r"ready https://127\.0\.0\.1:\d+/kojihub\n", line)
        text = path.read_text()
        assert f"server = {line.split()[1]}\n" in text
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PROCESS_LIMIT)
    assert (process.returncode, errors) == (0, "")


def test_two_profiles_in_a_directory(tmp_path: Path, at_end: AtEnd) -> None:
    """Embedded hub row 3: hubs of one directory keep their authorities apart, and keys private."""
    state = tmp_path / "hub.sqlite"
    stale = tmp_path / "a.conf.certificates"
    stale.mkdir()
    (stale / "alice.pem").write_text("readable by all")
    options = ["--user", "alice", "--user", "bob", "--tag", "mine", "--package", "own"]
    options += ["--profile-name", "site", "--state", str(state), "--capacity", "1.5"]
    with (
        run_hub("--profile-out", str(tmp_path / "a.conf"), *options) as first,
        run_hub("--profile-out", str(tmp_path / "b.conf")) as second,
    ):
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready https://")
        written = configparser.RawConfigParser()
        written.read([tmp_path / "a.conf", tmp_path / "b.conf"])
        assert written.sections() == ["site", "site-bob", "fake"]
        authorities = {Path(written[name]["serverca"]).read_bytes() for name in ("site", "fake")}
        assert len(authorities) == 2
        keys = [Path(written[name]["cert"]) for name in written.sections()]
        assert [key.stem for key in keys] == ["alice", "bob", "kojiadmin"]
        assert {key.stat().st_mode & 0o777 for key in [*keys, state]} == {0o600}
        for process in (first, second):
            process.kill()
    with run_hub(*options, "--capacity", "3") as again:
        assert again.stdout is not None
        assert again.stdout.readline().startswith("ready ")
        again.send_signal(signal.SIGTERM)
        _, errors = again.communicate(timeout=PROCESS_LIMIT)
        assert errors == ""
    hub = FakeHub(Clock(), state_file=state)
    at_end(hub.saved.close)
    assert hub.call("getHost", "builder1")["capacity"] == 3.0
    assert hub.call("getPackageConfig", "mine", "own")["owner_name"] == "kojiadmin"
    assert hub.call("getUserPerms", "alice") == []


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--port", "65536", "a port from 0 to 65535"),
        ("--port", "-1", "a port from 0 to 65535"),
        ("--build-seconds", "-1", "a number of seconds from 0 to 1000000"),
        ("--build-seconds", "nan", "a number of seconds from 0 to 1000000"),
        ("--capacity", "0", "a capacity from 0.1 to 1000000"),
        ("--capacity", "inf", "a capacity from 0.1 to 1000000"),
        ("--capacity", "much", "a capacity from 0.1 to 1000000"),
        ("--profile-name", " ", "a name of a profile"),
        ("--profile-name", "DEFAULT", "a name of a profile"),
        ("--profile-name", "a\rb", "a name of a profile"),
        ("--profile-name", "a]b", "a name of a profile"),
        ("--profile-out", "", "a file"),
        ("--profile-out", "/tmp", "a file"),
        ("--state", "", "a file"),
        ("--state", "/tmp", "a file"),
        ("--user", "x" * 65, "a user name of at most 64 characters"),
    ],
)
def test_options_out_of_range(
    option: str,
    value: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An option with a value that it can't have is refused in one line."""
    monkeypatch.setattr(sys, "argv", ["hub", f"{option}={value}"])
    with pytest.raises(SystemExit) as ended:
        command_line().parse_args()
    assert ended.value.code == 2
    expected = f"python -m txkoji.testing: argument {option}: {value!r} is not {what}\n"
    assert capsys.readouterr().err == expected


def test_users_of_like_names(tmp_path: Path) -> None:
    """Each user has a certificate of their own, in whatever directory, and so has the server."""
    path = tmp_path / "a%b" / "koji.conf"
    path.parent.mkdir()
    users = ["server", "a/b", "a_b", "kojiadmin"]
    options = [option for user in users for option in ("--user", user)]
    options += ["--profile-out", str(path), "--anonymous-user", "guest"]
    with run_hub(*options) as process:
        assert process.stdout is not None
        server = process.stdout.readline().split()[1]
        # As Koji's client reads it.
        written = configparser.ConfigParser()
        written.read(path)
        certificates = {written[name]["cert"] for name in written.sections()}
        assert len(certificates) == len(users)
        for name, user in zip(written.sections(), users, strict=True):
            context = ssl.create_default_context(cafile=written[name]["serverca"])
            context.load_cert_chain(written[name]["cert"])
            with xmlrpc.client.ServerProxy(f"{server}/ssllogin", context=context) as logging_in:
                session: Any = logging_in.sslLogin()
            query = f"session-id={session['session-id']}&session-key={session['session-key']}"
            with xmlrpc.client.ServerProxy(f"{server}?{query}", context=context) as mine:
                found: Any = mine.getLoggedInUser()
            assert found["name"] == user
        with xmlrpc.client.ServerProxy(server, context=context) as guest:
            found = guest.getLoggedInUser()
        assert found["name"] == "guest"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PROCESS_LIMIT)


def test_port_is_taken(tmp_path: Path) -> None:
    """A port in use or a file that can't be written is reported in one line, with exit status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with run_hub("--port", port) as process:
            _, errors = process.communicate(timeout=PROCESS_LIMIT)
    assert process.returncode == 1
    assert errors.startswith(f"can't listen on port {port}: ")
    assert errors.count("\n") == 1
    path = tmp_path / "nosuch" / "koji.conf"
    with run_hub("--profile-out", str(path)) as process:
        _, errors = process.communicate(timeout=PROCESS_LIMIT)
    expected = f"can't write {path}.certificates: No such file or directory\n"
    assert (process.returncode, errors) == (1, expected)
