"""Brokers in ``master.cfg``: their checks, and how they are rendered."""

from __future__ import annotations

import pytest
import pytest_twisted
from buildbot.plugins import util
from buildbot.process.properties import Properties

from tests.support.checkconfig import mistakes
from txkoji.bus import AMQP, AMQP1

URL = "amqps://broker.example.test"
pytest.importorskip("pika", reason="pip install 'buildbot-koji[amqp]'")
pytest.importorskip("proton", reason="pip install 'buildbot-koji[amqp1]'")


def test_mistakes() -> None:
    """Mistakes are found when the configuration is read, and say what to write instead."""
    (words,) = mistakes(util.KojiAMQP, URL)
    assert words == ("KojiAMQP: no credentials: give user and password, or certificate")
    login = {"user": "koji", "password": util.Secret("broker")}
    (words,) = mistakes(util.KojiAMQP, URL, quue="koji", **login)
    assert words == "KojiAMQP: quue is not an argument of KojiAMQP: did you mean queue?"
    (words,) = mistakes(util.KojiAMQP1, URL, address=5, **login)
    assert words == "KojiAMQP1: address=5 must be a non-empty string"
    (words,) = mistakes(util.KojiAMQP, URL, queue=util.Interpolate("x"), **login)
    assert words.startswith("KojiAMQP: queue=")
    assert words.endswith("can't be a renderable: it is evaluated without a build")


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra that is not installed is a mistake of the configuration, with its remedy."""
    monkeypatch.setitem(__import__("sys").modules, "pika", None)
    (words,) = mistakes(util.KojiAMQP, URL, user="koji", password="secret")
    assert words == (
        "KojiAMQP: AMQP needs a library that is not installed: pip install 'buildbot-koji[amqp]'"
    )


def test_receiving() -> None:
    """A receiver checks that the settings say what to receive."""
    login = {"user": "koji", "password": "secret"}
    assert util.KojiAMQP(URL, **login).receiving_complaint() is not None
    assert util.KojiAMQP1(URL, address="koji", **login).receiving_complaint() is None


def test_reconfiguration() -> None:
    """Equal settings compare equal, so a reconfiguration keeps the connection."""
    login = {"user": "koji", "password": "secret"}
    assert util.KojiAMQP(URL, **login) == util.KojiAMQP(URL, **login)
    assert util.KojiAMQP(URL, **login) != util.KojiAMQP(URL, queue="koji", **login)
    assert "secret" not in repr(util.KojiAMQP(URL, **login))


@pytest_twisted.ensureDeferred
async def test_rendered() -> None:
    """It renders to the settings, with the secrets."""
    properties = Properties()
    user, password = (util.Transform(str, word) for word in ("koji", "secret"))
    broker = util.KojiAMQP(URL, user=user, password=password, queue="koji")
    assert await properties.render(broker) == AMQP(
        URL, user="koji", password="secret", queue="koji"
    )
    files = {"certificate": "/cert.pem", "key": "/key.pem", "ca": "/ca.pem"}
    fedora = await properties.render(util.KojiAMQP.fedora("a-uuid", **files))
    assert fedora == AMQP.fedora("a-uuid", **files)
    nobody = util.KojiAMQP1(URL, mechanism="ANONYMOUS")
    assert await properties.render(nobody) == AMQP1(URL, mechanism="ANONYMOUS")
