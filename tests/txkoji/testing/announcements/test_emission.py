"""The embedded hub's messages on a real bus."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support import brokers, free_port, until
from tests.support.brokers import PASSWORD, USER, RabbitMQ
from tests.support.cables import Cable
from tests.support.ends import AtEnd
from txkoji import Connection, Profile, messages
from txkoji.bus import AMQP, AMQP1, Broker, BusMessage, Receiver, ReceiverState
from txkoji.history import events
from txkoji.testing import FakeHub
from txkoji.testing.announcements.messages import Announcement

pytestmark = brokers.marks

LOGIN: dict[str, Any] = {"user": USER, "password": PASSWORD, "allow_insecure_login": True}
Listen = Callable[[str], Any]


@pytest.fixture
def listen(broker: RabbitMQ, at_end: AtEnd) -> Listen:
    """Receive the messages below a topic prefix."""

    async def listen(prefix: str) -> list[BusMessage]:
        got: list[BusMessage] = []
        settings = AMQP(broker.url, queue=prefix, routing_keys=[f"{prefix}.#"], **LOGIN)
        receiver = Receiver(settings, got.append, reactor=reactor)
        at_end(receiver.stop)
        receiver.start()
        await until(lambda: receiver.state is ReceiverState.READY)
        return got

    return listen


@pytest.fixture
def prefix() -> str:
    """A topic prefix of this test only."""
    return f"site-{uuid.uuid4()}"


async def build_something(hub: FakeHub) -> None:
    """Make the hub announce tasks, a build, a tagging and a scratch build."""
    source = "git+https://git.example.test/rpms/hello.git#main"
    tasks = [
        hub.call("build", source, "demo"),
        hub.call("build", source, "demo", {"scratch": True}),
    ]
    for task_id in tasks:
        await until(lambda: hub.call("getTaskInfo", task_id)["state"] == 2)  # noqa: B023


def settings_for(protocol: str, broker: RabbitMQ, prefix: str) -> Broker:
    if protocol == "amqp":
        return AMQP(broker.url, topic_prefix=prefix, **LOGIN)
    return AMQP1(broker.url, topic_prefix=f"/topic/{prefix}", **LOGIN)


@pytest.mark.parametrize("protocol", ["amqp", "amqp1"])
@pytest_twisted.ensureDeferred
async def test_protonmsg(
    broker: RabbitMQ, listen: Listen, prefix: str, protocol: str, at_end: AtEnd
) -> None:
    """Each message of the hub goes to the broker, in order, as Koji's own plugin sends it."""
    got = await listen(prefix)
    hub = FakeHub(reactor, build_seconds=0.1, bus=settings_for(protocol, broker, prefix))
    at_end(hub.stop)
    hub.add_demo_content()
    sent: list[Announcement] = []
    await hub.start()
    hub.on_message(sent.append)
    await build_something(hub)
    await until(lambda: len(got) == len(sent))
    assert {"task.free", "task.closed", "build.complete", "build.tag"} <= {
        message.topic for message in got
    }
    assert [(each.topic, each.headers, each.body) for each in got] == [
        (each.address, each.properties, each.body) for each in sent
    ]


@pytest_twisted.ensureDeferred
async def test_fedora(broker: RabbitMQ, listen: Listen, prefix: str, at_end: AtEnd) -> None:
    """Like Fedora's hub it sends flat bodies, and only the tasks of scratch builds."""
    got = await listen(prefix)
    settings = AMQP(broker.url, topic_prefix=prefix, **LOGIN)
    hub = FakeHub(reactor, build_seconds=0.1, bus=settings, bus_dialect="fedora")
    at_end(hub.stop)
    hub.add_demo_content()
    await hub.start()
    await build_something(hub)
    hub.call("newRepo", "demo-build")
    await until(lambda: "repo.init" in [message.topic for message in got])
    by_topic = {message.topic: json.loads(message.body) for message in got}
    assert {message.dialect for message in got} == {"fedora"}
    assert set(by_topic) >= {"build.state.change", "tag", "task.state.change", "repo.init"}
    task = by_topic["task.state.change"]
    assert (task["srpm"], task["owner"], task["new"]) == ("hello.git#main", "kojiadmin", "CLOSED")
    assert [child["method"] for child in task["info"]["children"]]
    tag = by_topic["tag"]
    assert (tag["name"], tag["owner"], tag["instance"]) == ("hello", "kojiadmin", "primary")
    assert "start_ts" not in str(by_topic)
    # Our decoder reads them like Fedora's.
    connection = Connection(Profile("fake", server=hub.url), reactor=reactor)
    at_end(connection.close)
    read = [messages.read(message, connection) for message in got]
    assert {type(event) for event in read} >= {
        events.BuildStateChange,
        events.TagUntag,
        events.TaskStateChange,
    }


@pytest_twisted.ensureDeferred
async def test_broker_that_comes_later(
    broker: RabbitMQ, listen: Listen, prefix: str, at_end: AtEnd
) -> None:
    """Messages of an outage of the broker arrive once it is reachable again."""
    got = await listen(prefix)
    cable = Cable(broker.port)
    at_end(cable.stop)
    port = free_port()
    settings = AMQP(f"amqp://127.0.0.1:{port}", topic_prefix=prefix, **LOGIN)
    hub = FakeHub(reactor, bus=settings)
    at_end(hub.stop)
    hub.add_demo_content()
    await hub.start()
    for name in ("one", "two", "three"):
        hub.call("packageListAdd", "demo-build", name, "kojiadmin")
    cable.start(port)
    await until(lambda: len(got) == 3)
    assert [message.headers["package"] for message in got] == ["one", "two", "three"]


@pytest_twisted.ensureDeferred
async def test_stop_without_a_broker(silent_bus: AMQP) -> None:
    """A hub whose broker is unreachable stops all the same."""
    hub = FakeHub(reactor, bus=silent_bus)
    hub.add_demo_content()
    await hub.start()
    hub.call("packageListAdd", "demo-build", "one", "kojiadmin")
    await hub.stop()


@pytest.fixture
def silent_bus() -> AMQP:
    """A broker that is not running."""
    return AMQP("amqp://127.0.0.1:1", **LOGIN)


def start_alone(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "txkoji.testing", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest_twisted.ensureDeferred
async def test_command(broker: RabbitMQ, listen: Listen, at_end: AtEnd) -> None:
    """``python -m txkoji.testing --bus`` puts the hub's messages on a bus."""
    got = await listen("koji")
    address = broker.url.replace("amqp://", f"amqp://{USER}:{PASSWORD}@")
    hub = start_alone("--bus", address, "--anonymous-user", "kojiadmin")
    try:
        assert hub.stdout is not None
        url = hub.stdout.readline().split()[1]
        connection = Connection(Profile("fake", server=url), reactor=reactor)
        at_end(connection.close)
        await connection.packageListAdd("demo-build", "one", "kojiadmin")
        await until(lambda: got)
    finally:
        hub.terminate()
        hub.communicate()
    assert [message.topic for message in got] == ["package.add"]


def test_command_with_a_wrong_address() -> None:
    """A URL without a user is reported in one line."""
    command = [sys.executable, "-m", "txkoji.testing", "--bus", "amqp://127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"the address of the bus must be .*\n", done.stderr)
