"""The net that looks for secrets catches them wherever they may be seen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.logger import Logger

from tests.support.ends import AtEnd
from tests.support.secret_net import SecretNet
from txkoji import Connection, Profile
from txkoji.exceptions import GenericError, TransportError
from txkoji.testing import FakeHub

PASSWORD = "staple-battery-7"
KEYTAB = "/etc/unseen/robot.keytab"


@pytest_twisted.async_fixture
async def koji(at_end: AtEnd) -> Connection:
    hub = FakeHub(reactor)
    at_end(hub.stop)
    hub.add_user("robot", password=PASSWORD)
    await hub.start()
    profile = Profile(
        name="t",
        server=hub.url,
        authtype="password",
        user="robot",
        password=PASSWORD,
        keytab=KEYTAB,
    )
    koji = Connection(profile, reactor=reactor)
    at_end(koji.close)
    await koji.login()
    return koji


@dataclass
class Leaky:
    """Shows what it holds."""

    key: str | None


@pytest_twisted.ensureDeferred
async def test_nothing_is_seen(secret_net: SecretNet, koji: Connection) -> None:
    """What a login says, and how a connection shows itself, is not secret."""
    assert koji.session_key in secret_net.keys
    secret_net.look_at_reprs()
    assert secret_net.leaks() == []


@pytest.mark.parametrize("way", ["text", "field", "error", "url", "python", "repr", "file"])
@pytest.mark.parametrize("what", ["key", "password", "keytab"])
@pytest_twisted.ensureDeferred
async def test_planted_secret(
    secret_net: SecretNet,
    koji: Connection,
    tmp_path: Path,
    way: str,
    what: str,
) -> None:
    """A secret in a log, formatted or not, an error, a URL, a repr or a master's file is found."""
    secret = {"key": koji.session_key or "", "password": PASSWORD, "keytab": KEYTAB}[what]
    if way == "text":
        Logger().info("the secret is {secret}!", secret=secret)
    elif way == "field":
        Logger().debug("nothing to see", headers={"a": [secret]})
    elif way == "error":
        GenericError(f"no {secret}", code=1000)
    elif way == "url":
        TransportError("it broke", url=f"http://host/kojihub?session-key={secret}&callnum=3")
    elif way == "python":
        logging.getLogger("any").warning("look: %s", secret)
    elif way == "repr":
        submissions, koji.submissions = koji.submissions, Leaky(secret)
        secret_net.look_at_reprs()
        koji.submissions = submissions
    else:
        (tmp_path / "twistd.log").write_text(f"2026-11-24 12-{secret}\n", encoding="utf-8")
        secret_net.look_into(tmp_path)
        (tmp_path / "twistd.log").unlink()
    leaks = secret_net.leaks()
    secret_net.forget()
    assert leaks
    assert all(leak.endswith(f" shows {secret}") for leak in leaks)
