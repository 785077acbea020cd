"""The settings of a broker: what is refused, and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock

from tests.support import SilentResolver
from txkoji.bus import AMQP, AMQP1, Broker, topic_of
from txkoji.bus.connecting import connect
from txkoji.exceptions import ConfigurationError

URL = "amqps://broker.example.test"
LOGIN: dict[str, Any] = {"user": "koji", "password": "the-password"}


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        (AMQP, {"url": "https://host"}, r"url='https://host' must be amqps://host:port"),
        (AMQP, {"url": "amqps://host:none"}, "must be amqps://host:port"),
        (AMQP, {"url": "amqps://"}, "must be amqps://host:port"),
        (AMQP, {"url": 5}, "url must be a string"),
        (AMQP, {"url": f"{URL}/?heartbeat=5"}, "must end after the host, port and path"),
        (AMQP, {"url": f"{URL}/?password=the-password"}, r"/\?\*\*\*' must end after the host"),
        (AMQP, {"url": "a:the-password@host"}, r"url='\*\*\*@host' must be amqps://host:port"),
        (AMQP, {"url": "amqps://a:the-password@host"}, "give user and password by themselves"),
        (AMQP, {"url": "amqp://host"}, r"in clear text over the network.*allow_insecure_login"),
        (AMQP, {"user": None}, "password is given without user"),
        (AMQP, {"password": None}, "needs user and password"),
        (AMQP, {"user": None, "password": None}, "give user and password, or certificate$"),
        (AMQP1, {"user": None, "password": None}, "or write mechanism='ANONYMOUS'$"),
        (AMQP, {"mechanism": "ANONYMOUS"}, "must be one of: PLAIN, EXTERNAL$"),
        (AMQP1, {"mechanism": "GSSAPI"}, "must be one of: PLAIN, EXTERNAL, ANONYMOUS$"),
        (AMQP, {"mechanism": "EXTERNAL"}, "needs certificate"),
        (AMQP, {"key": "/key.pem"}, "key is given without certificate"),
        (AMQP, {"url": "amqp://host", "ca": "/ca.pem"}, "the url must start with amqps"),
        (AMQP, {"heartbeat": 1}, "must be 2 seconds or more"),
        (AMQP, {"heartbeat": "60"}, "heartbeat must be a whole number"),
        (AMQP, {"heartbeat": True}, "heartbeat must be a whole number"),
        (AMQP, {"passive": "yes"}, "passive must be True or False"),
        (AMQP, {"routing_keys": "koji.#"}, "routing_keys must be a list of strings"),
        (AMQP, {"routing_keys": [5]}, "routing_keys must be a list of strings"),
        (AMQP, {"arguments": []}, "arguments must be a dictionary"),
        (AMQP, {"queue_type": "stream"}, "must be 'quorum' or 'classic'"),
        (AMQP, {"queue_type": "quorum", "exclusive": True}, "write queue_type='classic'"),
        (AMQP, {"passive": True, "routing_keys": ["#"]}, "a passive queue is not bound"),
        (
            AMQP,
            {"routing_keys": ["*.koji.#", "koji.build*"]},
            r"key 'koji.build\*' matches nothing",
        ),
        (AMQP1, {"url": f"{URL}/queue"}, "give the rest as address"),
        (AMQP1, {"subscription": "koji"}, "subscription needs client_id"),
    ],
)
def test_mistakes(kind: type[Broker], arguments: dict[str, Any], words: str) -> None:
    """Each mistake is one line that says what to write instead, and shows no password."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        kind(**{"url": URL, **LOGIN, **arguments})
    assert "\n" not in str(caught.value)
    assert "the-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (AMQP(URL, **LOGIN), "queue is missing"),
        (AMQP(URL, queue="koji", **LOGIN), r"routing_keys is missing.*\['koji.#'\]"),
        (AMQP1(URL, **LOGIN), "address is missing"),
    ],
)
def test_nothing_to_receive(settings: Broker, words: str) -> None:
    """Settings that are good for publishing may not say what to receive."""
    with pytest.raises(ConfigurationError, match=words):
        settings.check_receiving()


def test_good() -> None:
    """What is not said has a good default; nothing secret is shown."""
    settings = AMQP(f"{URL}/%2Fkoji", queue="koji", routing_keys=["koji.#"], **LOGIN)
    settings.check_receiving()
    assert (settings.host, settings.port) == ("broker.example.test", 5671)
    assert (settings.virtual_host, settings.login_mechanism) == ("/koji", "PLAIN")
    assert settings.declared_arguments == {"x-queue-type": "quorum"}
    assert "the-password" not in repr(settings) + str(settings)
    assert AMQP(URL, **LOGIN).virtual_host == "/"
    assert AMQP("amqp://host", allow_insecure_login=True, **LOGIN).port == 5672
    assert AMQP(URL, exclusive=True, **LOGIN).declared_arguments == {}


def test_fedora() -> None:
    """Fedora's public broker wants a queue that goes with the connection, and a certificate."""
    settings = AMQP.fedora("a-uuid", certificate="/cert.pem", key="/key.pem", ca="/ca.pem")
    settings.check_receiving()
    assert settings.virtual_host == "/public_pubsub"
    assert settings.login_mechanism == "EXTERNAL"
    assert (settings.durable, settings.exclusive, settings.auto_delete) == (False, True, True)
    assert settings.declared_arguments == {}


@pytest.mark.parametrize(
    ("address", "headers", "topic"),
    [
        (None, {"type": "TaskStateChange", "new": "CLOSED"}, "task.closed"),
        ("VirtualTopic.eng.brew.build.tag", {"type": "Tag"}, "build.tag"),
        (None, {"type": "PackageListChange"}, None),
        (None, {"type": "SomethingNew"}, None),
        ("koji.build.tag", {}, None),
        ("org.fedoraproject.stg.buildsys.rpm.sign", {}, "rpm.sign"),
        ("org.fedoraproject.prod.bodhi.update", {"fedora_messaging_schema": "bodhi"}, None),
    ],
)
def test_topic(address: str | None, headers: dict[str, Any], topic: str | None) -> None:
    """The topic comes from the headers of Koji's own plugin, and from the address of Fedora's."""
    assert topic_of(address, headers) == topic


@pytest.mark.parametrize("url", ["amqps://broker.test", "amqp://broker.test"])
def test_a_lookup_that_is_canceled(url: str) -> None:
    """A stop while the broker's name is looked up is a cancellation, not an unknown host."""
    clock = MemoryReactorClock()
    clock.installNameResolver(SilentResolver())
    settings = AMQP(url=url, allow_insecure_login=True, **LOGIN)
    connecting = Deferred.fromCoroutine(connect(settings, clock, Protocol()))
    connecting.cancel()
    connecting.addErrback(lambda failure: failure.trap(CancelledError))
    assert connecting.result is CancelledError


@pytest.mark.parametrize(
    "plant", ["https://me:Xk29staple@h/x.pem", "https://h/x?token=Xk29staple", "me:Xk29staple@h"]
)
@pytest.mark.parametrize("name", ["url", "user", "certificate", "key", "ca"])
def test_planted_secret(name: str, plant: str) -> None:
    """A password or token of an address that stands where none belongs is not shown."""
    given = {"url": "amqps://h", "certificate": "/c.pem", "ca": "/ca.pem", name: plant}
    if name == "user":
        given["password"] = "the-password"
    try:
        settings = AMQP1(**given)
        said = f"{settings!r} {settings.credential!r}"
    except ConfigurationError as error:
        said = f"{error} {error!r}"
    assert "Xk29staple" not in said
