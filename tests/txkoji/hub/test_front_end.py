"""A real Apache httpd in front of the hub, configured as Koji documents it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support import apache, until
from tests.support import kdc as kdcs
from tests.support.apache import BY_TICKET, Apache
from tests.support.cables import Cable
from tests.support.ends import AtEnd
from tests.support.kdc import KDC, REALM
from txkoji import Connection, Profile
from txkoji.exceptions import (
    ConnectionFailed,
    KojiLoginException,
    NotXMLRPC,
    RequestTimeout,
    TLSError,
)
from txkoji.testing import FakeHub

pytestmark = [
    pytest.mark.hub(build_seconds=60, anonymous_user=None),
    pytest.mark.skipif(
        not apache.is_there(),
        reason=apache.HOW_TO_INSTALL,
    ),
]

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"

Start = Callable[..., Apache]


@pytest_twisted.async_yield_fixture
async def start(hub: FakeHub, tmp_path: Path) -> AsyncIterator[Start]:
    """Start Apache httpd before the hub."""
    started: list[Apache] = []

    def make(**settings: Any) -> Apache:
        front = Apache.before(hub, tmp_path / f"apache-{len(started)}", **settings)
        started.append(front)
        return front

    yield make
    for front in started:
        front.stop()


def profile(hub: FakeHub, front: Apache, **settings: Any) -> Profile:
    values: dict[str, Any] = {
        "name": "t",
        "server": f"{front.url}/kojihub",
        "topurl": f"{front.url}/kojifiles",
        "serverca": str(hub.authority.certificate_path),
        "authtype": "ssl",
        "cert": str(hub.certificate("alice")),
    }
    return Profile(**{**values, **settings})


@pytest.mark.parametrize(
    ("protocol", "path"), [("-all +TLSv1.2", "/kojihub"), ("-all +TLSv1.3", "/kojihub/")]
)
@pytest_twisted.ensureDeferred
async def test_login_by_certificate(
    hub: FakeHub, start: Start, protocol: str, path: str, at_end: AtEnd
) -> None:
    """Apache asks for the certificate after the handshake, with either version of TLS."""
    front = start(protocol=protocol)
    koji = Connection(profile(hub, front, server=front.url + path), reactor=reactor)
    at_end(koji.close)
    assert await koji.getKojiVersion()
    await koji.login()
    assert (await koji.getLoggedInUser()).name == "alice"
    task_id = await koji.build(SOURCE.format(1), "demo", {"scratch": True})
    hub.sessions.expire_all()
    assert await koji.cancelTask(task_id) is None
    await koji.logout()
    await koji.login()
    assert (await koji.getLoggedInUser()).name == "alice"


@pytest_twisted.ensureDeferred
async def test_refused_certificate(hub: FakeHub, start: Start, at_end: AtEnd) -> None:
    """A certificate that the front end refuses is named, with the date of its end."""
    front = start()
    hub.authority.days_valid = -1
    path = hub.certificate("bob")
    koji = Connection(profile(hub, front, cert=str(path)), reactor=reactor)
    at_end(koji.close)
    with pytest.raises((TLSError, KojiLoginException)) as caught:
        await koji.login()
    assert f"the client certificate {path} (CN=bob), which expired on 20" in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_page_instead_of_the_hub(hub: FakeHub, start: Start, at_end: AtEnd) -> None:
    """A page of HTML with status 200 is an outage: a read waits until the hub is back."""
    front = start()
    koji = Connection(profile(hub, front, authtype="noauth", cert=None), reactor=reactor)
    at_end(koji.close)
    assert await koji.getKojiVersion()
    front.begin_maintenance(apache.PAGE_WITH_200)
    waiting = koji.getKojiVersion()
    trouble = await until(lambda: koji.trouble)
    assert isinstance(trouble, NotXMLRPC)
    assert "answered with a web page instead of a hub's reply" in str(trouble)
    front.end_maintenance()
    assert await waiting == hub.version


@pytest_twisted.ensureDeferred
async def test_few_requests_on_a_connection(hub: FakeHub, start: Start, at_end: AtEnd) -> None:
    """A front end that closes a connection after some requests loses none and doubles none."""
    front = start(max_requests=3)
    koji = Connection(profile(hub, front), reactor=reactor)
    at_end(koji.close)
    await koji.login()
    ids = [await koji.submit("build", SOURCE.format(n), "demo") for n in range(10)]
    assert len(set(ids)) == 10
    assert len(hub.call("listTasks", {"method": "build"})) == 10


async def login_that_drips(settings: Profile, front: Apache, at_end: AtEnd) -> None:
    """The deadline of a login holds wherever its answer begins to drip."""
    cable = Cable(front.port)
    at_end(cable.stop)
    server = f"https://127.0.0.1:{cable.start()}/kojihub"
    for count in (0, 1000, 2000):
        cable.drips_after = count
        koji = Connection(replace(settings, server=server), reactor=reactor, deadline=1)
        at_end(koji.close)
        began = time.monotonic()
        with pytest.raises((RequestTimeout, ConnectionFailed)):
            await koji.login()
        assert 0.9 < time.monotonic() - began < 5, count


@kdcs.needs_kdc
@pytest_twisted.ensureDeferred
async def test_login_by_ticket(
    hub: FakeHub, start: Start, monkeypatch: pytest.MonkeyPatch, at_end: AtEnd
) -> None:
    """mod_auth_gssapi lets a keytab in; its session is renewed and submits a task."""
    # Beside other runs of pytest, which close their directories to the user that Apache runs as.
    directory = tempfile.TemporaryDirectory()
    Path(directory.name).chmod(0o755)
    kdc = KDC(Path(directory.name))
    kdc.start()
    try:
        monkeypatch.setenv("KRB5_CONFIG", str(kdc.configuration))
        service = kdc.keytab("HTTP/127.0.0.1", "service.keytab")
        # The workers of Apache run as another user.
        service.chmod(0o644)
        robot = f"robot@{REALM}"
        keytab = kdc.keytab(robot, "robot.keytab")
        hub.add_user("robot", principals=[robot], permissions=["admin"])
        front = start(login=BY_TICKET.format(keytab=service))
        koji = Connection(
            profile(
                hub, front, authtype="kerberos", cert=None, principal=robot, keytab=str(keytab)
            ),
            reactor=reactor,
        )
        await koji.login()
        assert (await koji.getLoggedInUser()).name == "robot"
        hub.sessions.expire_all()
        task_id = await koji.submit("build", SOURCE.format(1), "demo", {"scratch": True})
        assert hub.call("getTaskInfo", task_id)["state"] is not None
        await koji.close()
        await login_that_drips(koji.settings, front, at_end)
        small = start(login=BY_TICKET.format(keytab=service), max_header=400)
        server = f"{small.url}/kojihub"
        koji = Connection(replace(koji.settings, server=server), reactor=reactor)
        with pytest.raises(KojiLoginException, match=r"status 400: the ticket takes .* bytes"):
            await koji.login()
        await koji.close()
    finally:
        kdc.stop()
        directory.cleanup()
