"""KojiCIMessages in a real master: what it publishes on a real broker."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import reporters, util
from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, SKIPPED, SUCCESS, WARNINGS
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThread

from buildbot_koji.durable.outbox import Postponed, Refused, mapped_errors
from buildbot_koji.reporters import ci_schema
from buildbot_koji.reporters.ci_messages import CIMessageSender
from tests.buildbot_koji.masters import MasterProcess
from tests.buildbot_koji.reporters.support import config, records, run, settled
from tests.support import brokers, poll, until
from tests.support.brokers import RabbitMQ
from tests.support.checkconfig import mistakes
from tests.support.ends import AtEnd
from txkoji import Call
from txkoji.bus import AMQP, BusMessage, Receiver, ReceiverState
from txkoji.bus.publisher import TIMEOUT
from txkoji.exceptions import ActionNotAllowed, AuthError, GenericError, HubFault, UnknownFault
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(build_seconds=1)

CONTACT = {"name": "CI", "team": "t", "docs": "https://host/docs", "email": "ci@host.test"}
BUS = """\
util.KojiAMQP("BROKER", user="koji", password=util.Secret("broker"), allow_insecure_login=True,
              topic_prefix="org.test.ci")"""
BUS1 = """\
util.KojiAMQP1("BROKER", user="koji", password=util.Secret("broker"), allow_insecure_login=True,
               topic_prefix="/topic/org.test.ci")"""
MESSAGES = """\
        ci_messages("messages", bus=BUS,
                    contact={"name": "CI", "team": "t", "docs": "https://host/docs",
                              "email": "ci@host.test"},
                    test={"namespace": "host.koji-build"},
                    system=[{"os": "f44", "provider": "here", "architecture": "x86_64"}]),
"""
PATIENCE = """
from buildbot.plugins import secrets
from txkoji import RetryPolicy
reporters.KojiCIMessages.retry = RetryPolicy(first=0.5, ceiling=1.0)
BuildmasterConfig["secretsProviders"] = [secrets.SecretInAFile(dirname="SECRETS")]
"""

# The fields of Fedora CI's schemas: whether they must be there, and what they hold.
TEXT, NUMBER, FLAG, LIST = str, int, bool, list
CONTACT_SCHEMA = dict.fromkeys(("name", "team", "docs", "email"), TEXT)
RUN_SCHEMA = {"url": TEXT, "log": TEXT}
ARTIFACT_SCHEMA = {
    "type": TEXT,
    "id": NUMBER,
    "component": TEXT,
    "issuer": TEXT,
    "scratch": FLAG,
    "nvr": TEXT,
}
PIPELINE_SCHEMA = {"id": TEXT, "name": TEXT}
TEST_SCHEMA = {"category": TEXT, "namespace": TEXT, "type": TEXT}
COMMON = {
    "contact": CONTACT_SCHEMA,
    "run": RUN_SCHEMA,
    "artifact": ARTIFACT_SCHEMA,
    "pipeline": PIPELINE_SCHEMA,
    "test": TEST_SCHEMA,
    "generated_at": TEXT,
    "version": TEXT,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "running": COMMON,
    "error": {**COMMON, "error": {"reason": TEXT}},
    "complete": {
        **COMMON,
        "test": {**TEST_SCHEMA, "result": TEXT, "runtime": NUMBER},
        "system": LIST,
    },
}


def differences(value: Any, schema: Any, path: str = "") -> list[str]:
    """Say how a message differs from its schema, which allows no other fields."""
    if not isinstance(schema, dict):
        return [] if type(value) is schema and value != "" else [f"{path}: {value!r}"]
    found = [f"{path}.{name}" for name in set(value) ^ set(schema)]
    for name in set(value) & set(schema):
        found += differences(value[name], schema[name], f"{path}.{name}")
    return found


class Listener:
    """What a consumer on the bus gets, which wants some topics."""

    def __init__(self, broker: RabbitMQ, queue: str, topics: str = "#") -> None:
        self.messages: list[BusMessage] = []
        settings = AMQP(
            broker.url,
            user=brokers.USER,
            password=brokers.PASSWORD,
            allow_insecure_login=True,
            queue=queue,
            routing_keys=(f"org.test.ci.{topics}",),
        )
        self._receiver = Receiver(settings, self.messages.append, reactor=reactor)

    async def start(self) -> None:
        self._receiver.start()
        await until(lambda: self._receiver.state is ReceiverState.READY)

    async def stop(self) -> None:
        await self._receiver.stop()

    @property
    def ids(self) -> Counter[str | None]:
        """How often each message came."""
        return Counter(message.message_id for message in self.messages)

    def about(self, build: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return state and body of the messages about a build."""
        found = []
        for message in self.messages:
            body = message.json()
            number, builder = build["number"], build["builderid"]
            if body["run"]["url"].endswith(f"#/builders/{builder}/builds/{number}"):
                over = "complete" if "result" in body["test"] else "running"
                found.append(("error" if "error" in body else over, body))
        return found


@pytest_twisted.async_fixture
async def listener(broker: RabbitMQ, tmp_path: Path, at_end: AtEnd) -> Listener:
    listener = Listener(broker, tmp_path.name)
    at_end(listener.stop)
    await listener.start()
    return listener


async def built(hub: FakeHub, release: str) -> Any:
    """Let the hub build something; returns the Koji build."""
    source = f"git+https://git.example.test/rpms/hello.git#{release}"
    task_id = hub.call("build", source, "demo", user="alice")
    [build] = await until(lambda: hub.call("listBuilds", taskID=task_id, state=1))
    return build


@pytest_twisted.async_yield_fixture
async def master(
    hub: FakeHub, broker: RabbitMQ, tmp_path: Path, request: Any, at_end: AtEnd
) -> AsyncIterator[MasterProcess]:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "broker").write_text(brokers.PASSWORD)
    (secrets / "broker").chmod(0o600)
    bus = getattr(request, "param", BUS).replace("BROKER", broker.url)
    text = config(MESSAGES.replace("BUS", bus)) + PATIENCE.replace("SECRETS", str(secrets))
    master = MasterProcess(tmp_path, hub.profile_text(), text)
    at_end(master.end, signal.SIGKILL)
    await master.start()
    yield master
    await master.end(signal.SIGKILL)
    assert master.errors == []
    assert brokers.PASSWORD not in master.log


def with_broker(test: Any) -> Any:
    """Mark a test that needs the broker."""
    for mark in brokers.marks:
        test = mark(test)
    return test


@pytest_twisted.ensureDeferred
async def test_shown_broker() -> None:
    """The pages and warnings of the hub include the broker's certificates while it is used.

    A new one is used at once, however long the connection to the earlier one takes to close.
    """
    shown: list[Any] = []
    hub: Any = SimpleNamespace(buses=SimpleNamespace(use=lambda *told: shown.append(told)))
    # Whether a build is a Koji build is asked only when there is one.
    sender = CIMessageSender(lambda: succeed(hub), fail)
    settings = AMQP("amqps://b.example", user="me", password="secret")
    await sender.use(settings, reactor, "ci")
    await sender.show_broker()
    closing: Deferred[None] = Deferred()
    publisher: Any = SimpleNamespace(stop=lambda: closing)
    sender._publisher = publisher
    other = AMQP("amqps://other.example", user="me", password="secret")
    using = Deferred.fromCoroutine(sender.use(other, reactor, "ci"))
    await sender.show_broker()
    closing.callback(None)
    await using
    await sender.disconnect()
    await sender.show_broker()
    assert shown == [("ci", settings, None), ("ci", None), ("ci", other, None), ("ci", None)]


@with_broker
@pytest.mark.parametrize("master", [BUS1], indirect=True, ids=["amqp1"])
@pytest_twisted.ensureDeferred
async def test_amqp1(hub: FakeHub, master: MasterProcess, listener: Listener) -> None:
    """Over AMQP 1.0 it is the same."""
    koji_build = await built(hub, "1")
    build = await run(master, "plain", koji_build["build_id"])
    await until(lambda: len(listener.messages) == 2)
    (_, begun), (_, ended) = listener.about(build)
    assert differences(begun, SCHEMAS["running"]) == []
    assert differences(ended, SCHEMAS["complete"]) == []


@with_broker
@pytest_twisted.ensureDeferred
async def test_messages(
    hub: FakeHub, master: MasterProcess, broker: RabbitMQ, listener: Listener, at_end: AtEnd
) -> None:
    """Each build sends a message at its start and at its end, in Fedora CI's form."""
    ends = Listener(broker, f"{master.directory.name}-ends", "koji-build.test.complete")
    errors = Listener(broker, f"{master.directory.name}-errors", "koji-build.test.error")
    for each in (ends, errors):
        at_end(each.stop)
        await each.start()
    koji_build = await built(hub, "1")
    states = {
        SUCCESS: ("complete", "passed"),
        WARNINGS: ("complete", "needs_inspection"),
        FAILURE: ("complete", "failed"),
        EXCEPTION: ("error", None),
    }
    for result, (state, outcome) in states.items():
        build = await run(master, "plain", koji_build["build_id"], result)
        await settled(master, build, state)
        await until(lambda build=build: len(listener.about(build)) == 2)
        (first, begun), (second, ended) = listener.about(build)
        assert (first, second) == ("running", state)
        assert differences(begun, SCHEMAS["running"]) == []
        assert differences(ended, SCHEMAS[state]) == []
        assert ended["test"].get("result") == outcome
        assert ended["pipeline"] == begun["pipeline"]
        assert ended["artifact"] == {
            "type": "koji-build",
            "id": koji_build["task_id"],
            "nvr": "hello-1.0-1",
            "component": "hello",
            "issuer": "alice",
            "scratch": False,
        }
    assert set(listener.ids.values()) == {1}
    assert (len(ends.messages), len(errors.messages)) == (3, 1)
    # What a scratch build is shows at its end.
    build = await master.ended(await master.force("scratch"))
    [(state, message)] = await until(lambda: listener.about(build))
    assert (state, differences(message, SCHEMAS["complete"])) == ("complete", [])
    assert message["artifact"] == {
        "type": "koji-build",
        "id": (await master.properties(build))["koji_task_id"],
        "nvr": "hello-1.0-main",
        "component": "hello",
        "issuer": "kojiadmin",
        "scratch": True,
    }
    unknown = 2**31 - 1
    build = await run(master, "plain", unknown)
    assert (await settled(master, build, "complete")) == f"dead: the hub has no build {unknown}"


@with_broker
@pytest_twisted.ensureDeferred
async def test_broker_is_away(
    hub: FakeHub, master: MasterProcess, listener: Listener, broker: RabbitMQ
) -> None:
    """Each message arrives, despite a broker outage, a kill, a stop and a reconfiguration."""
    koji_build = await built(hub, "1")
    builds = [await run(master, "plain", koji_build["build_id"])]
    await deferToThread(broker.kill)
    try:
        builds.append(await run(master, "plain", koji_build["build_id"], FAILURE))
        await poll(lambda: both(master, builds[-1]))
        await master.end(signal.SIGKILL)
        await master.start()
        builds.append(await run(master, "plain", koji_build["build_id"]))
        await poll(lambda: both(master, builds[-1]))
        text = (master.directory / "master.cfg").read_text()
        await master.reconfigure(text)
        started = reactor.seconds()
        assert await master.end() == 0
        # No stop waits for the broker.
        assert reactor.seconds() - started < TIMEOUT
        await master.start()
        builds.append(await run(master, "plain", koji_build["build_id"], EXCEPTION))
    finally:
        await deferToThread(broker.start)
    await until(lambda: all(len(listener.about(build)) >= 2 for build in builds))
    for build, end in zip(builds, ("complete", "complete", "complete", "error"), strict=True):
        assert (await settled(master, build, "running")).startswith("delivered: published")
        assert (await settled(master, build, end)).startswith("delivered: published")
        assert [state for state, _ in listener.about(build)][:2] == ["running", end]
    print(f"{len(builds)} builds, {len(listener.ids)} messages, {listener.ids.total()} copies")
    assert len(listener.ids) == 2 * len(builds)


@with_broker
@pytest_twisted.ensureDeferred
async def test_request_that_waits(hub: FakeHub, master: MasterProcess, listener: Listener) -> None:
    """A waiting build request is reported once, over a kill and a stop, and is the same test."""
    koji_build = await built(hub, "1")
    hold = master.directory / "hold"
    hold.touch()
    about = {"koji_build_id": str(koji_build["build_id"]), "result": "0"}
    requests = [await master.force("plain", **about)]
    # Killed any earlier, it would publish the message once more, with the same id.
    await until(lambda: f"build request {requests[0]}: published" in master.log)
    await master.end(signal.SIGKILL)
    await master.start()
    requests.append(await master.force("plain", **about))
    await master.end()
    await master.start()
    await until(lambda: len(listener.messages) == 2)
    for message, request in zip(listener.messages, requests, strict=True):
        body = message.json()
        assert differences(body, SCHEMAS["running"]) == []
        assert body["run"]["url"].endswith(f"#/buildrequests/{request}")
    hold.unlink()
    # Buildbot looks again when it starts.
    await master.end()
    await master.start()
    await until(lambda: len(listener.messages) == 6)
    pipelines = Counter(message.json()["pipeline"]["id"] for message in listener.messages)
    assert sorted(pipelines.values()) == [3, 3]
    assert set(listener.ids.values()) == {1}


async def both(master: MasterProcess, build: dict[str, Any]) -> bool:
    """Tell whether both messages of a build are stored."""
    return len(await records(master, build)) == 2


GOOD: dict[str, Any] = {
    "profile": "koji",
    "bus": util.KojiAMQP("amqps://host", user="me", password=util.Secret("broker")),
    "contact": CONTACT,
    "test": {"namespace": "host.koji-build"},
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"system": [{"os": "f44", "provider": "x", "architecture": "x86_64"}], "version": "1.0"},
        {"states": ["complete"], "artifact_type": "brew-build", "builders": ["one"]},
        {"test": {"namespace": "n", "category": "validation", "type": "tier1"}},
        {"contact": {**CONTACT, "irc": "#fedora-ci", "email": "ci+koji_1@ci-2.host.test"}},
        {"contact": {**CONTACT, "url": "http://[::1]:8010/~ci/a;b?c=%20&d=(e)'f'*,$!+@#/x"}},
    ],
)
def test_good_arguments(options: dict[str, Any]) -> None:
    """The examples of the reporter's documentation are accepted."""
    assert mistakes(reporters.KojiCIMessages, **{**GOOD, **options}) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": None}, "profile is missing"),
        ({"bus": None}, "bus is missing"),
        ({"bus": "amqps://host"}, "must be a util.KojiAMQP or util.KojiAMQP1"),
        ({"bus": util.Property("bus")}, "must be a util.KojiAMQP or util.KojiAMQP1"),
        ({"contact": {"name": "CI"}}, "must be a dictionary with name, team, docs, email"),
        (
            {"contact": {**CONTACT, "email": ""}},
            "is wrong: email must be an e-mail address (name@host)",
        ),
        (
            {"test": {"namespace": "n", "category": "smoke"}},
            "is wrong: category must be 'functional' or 'integration' or",
        ),
        ({"test": {}}, "must be a dictionary with namespace"),
        ({"contact": {**CONTACT, "email": "CI <ci@host>"}}, "email must be an e-mail address"),
        ({"contact": {**CONTACT, "docs": "host/docs"}}, "docs must be a URL (https://host/path)"),
        ({"contact": {**CONTACT, "url": "https://"}}, "url must be a URL"),
        ({"contact": {**CONTACT, "url": "https://[host"}}, "url must be a URL"),
        ({"contact": {**CONTACT, "url": "https://host:port/"}}, "url must be a URL"),
        ({"contact": {**CONTACT, "url": "https://host/\u00fc"}}, "url must be a URL"),
        ({"contact": {**CONTACT, "url": 'https://host/"a"'}}, "url must be a URL"),
        ({"contact": {**CONTACT, "email": "ci@host..test"}}, "email must be an e-mail address"),
        ({"contact": {**CONTACT, "email": "mailto:ci@host"}}, "email must be an e-mail address"),
        ({"contact": {**CONTACT, "irc": ["#ci"]}}, "irc must be a non-empty string"),
        ({"test": {"namespace": "n", "category": None}}, "category must be 'functional' or"),
        ({"test": {"namespace": "n", "type": 1}}, "type must be a non-empty string"),
        ({"test": {"namespace": "n", "docs": "docs.html"}}, "docs must be a URL"),
        ({"test": {"namespace": "n", "label": "slow"}}, "label must be a list of strings"),
        ({"test": {"namespace": "n", "lifetime": "1 day"}}, "lifetime must be a whole number"),
        ({"test": {"namespace": "n", "scenario": 1}}, "scenario must be a non-empty string"),
        ({"system": []}, "must be a list of dictionaries, not empty"),
        (
            {"system": [{"os": "f44", "provider": "lab", "architecture": 64}]},
            "architecture must be a non-empty string",
        ),
        ({"system": {"os": "f44"}}, "must be a list of dictionaries"),
        ({"system": [{"os": "f44"}]}, "must be a dictionary with os, provider, architecture"),
        ({"states": ["done"]}, "must be a list of some of queued, running, complete, error"),
        ({"artifact_type": "rpm"}, "must be 'koji-build' or 'brew-build'"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    """A bad argument is one line that names it and says what to write instead."""
    [complaint] = mistakes(reporters.KojiCIMessages, **{**GOOD, **options})
    assert complaint.startswith("KojiCIMessages: ")
    assert words in complaint


def test_property_that_no_hub_takes() -> None:
    """An id that can't be sent makes a dead letter whose words say so, not a traceback."""
    with (
        pytest.raises(Refused, match="not tagged: an integer is beyond the 64 bits"),
        mapped_errors("not tagged: "),
    ):
        Call("getBuild", [10**30], {}).encode()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ActionNotAllowed("tag permission required"), Refused),
        (GenericError("[Errno 28] No space left on device"), Postponed),
        (UnknownFault("exceptions.KeyError: 'id'", code=1), Postponed),
        (AuthError("no such session"), Postponed),
    ],
)
def test_faults_of_a_hub(fault: HubFault, kind: type[Exception]) -> None:
    """A hub that is broken itself is asked again; one that refuses what was asked is not."""
    with pytest.raises(kind, match="not tagged: "), mapped_errors("not tagged: "):
        raise fault


@pytest.mark.parametrize(
    ("complete", "result", "state"),
    [
        (False, None, "running"),
        (True, SUCCESS, "complete"),
        (True, SKIPPED, "complete"),
        (True, CANCELLED, "error"),
        (True, EXCEPTION, "error"),
    ],
)
def test_states(complete: bool, result: int | None, state: str) -> None:
    """A build without a result is an error of the test system, not of the package."""
    assert ci_schema.state_of({"complete": complete, "results": result}) == state
