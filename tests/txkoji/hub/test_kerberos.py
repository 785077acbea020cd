"""The login by Kerberos ticket, against a real KDC and an embedded hub that asks for Negotiate."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import mock
import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support import kdc as kdcs
from tests.support import poll
from tests.support.hubs import Connect
from tests.support.kdc import KDC, REALM
from txkoji import Connection, Profile
from txkoji.exceptions import KDCUnreachable, KojiLoginException
from txkoji.retry import is_passing, was_not_carried_out
from txkoji.testing import FakeHub

pytestmark = kdcs.marks

ALICE = f"alice@{REALM}"


@pytest.fixture(scope="module")
def service(kdc: KDC) -> Path:
    """The keytab of the hub's service."""
    return kdc.keytab("HTTP/127.0.0.1", "service.keytab")


@pytest.fixture(scope="module")
def alice(kdc: KDC) -> Path:
    """Alice's keytab, whose name must be seen nowhere."""
    return kdc.keytab(ALICE, "unseen-alice.keytab")


@pytest.fixture
def hub_options(service: Path) -> dict[str, Any]:
    return {"tls": True, "keytab": service, "content": False}


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    """Give a hub that asks for a ticket, and knows who has one."""
    hub.add_user("alice", principals=[ALICE])
    return hub


@pytest.fixture
def profile(profile: Profile, hub: FakeHub) -> Profile:
    """Give a profile that logs in by ticket."""
    return replace(profile, authtype="kerberos", serverca=str(hub.authority.certificate_path))


@pytest_twisted.ensureDeferred
async def test_keytab(connect: Connect, alice: Path) -> None:
    """A keytab logs its principal in; nothing is put into the process's environment."""
    before = dict(os.environ)
    koji = connect(principal=ALICE, keytab=str(alice))
    assert await koji.login()
    user = await koji.getLoggedInUser()
    assert (user.name, user.krb_principals) == ("alice", [ALICE])
    assert dict(os.environ) == before
    assert "unseen" not in repr(koji) + repr(koji.settings)


@pytest_twisted.ensureDeferred
async def test_keytab_without_authtype(connect: Connect, alice: Path) -> None:
    """A profile that says nothing else means Kerberos, as in Koji's own client."""
    koji = connect(authtype=None, principal=ALICE, keytab=str(alice))
    assert await koji.login()


@pytest_twisted.ensureDeferred
async def test_credential_cache(connect: Connect, kdc: KDC, alice: Path) -> None:
    """A ticket in a credential cache logs in whom it belongs to."""
    cache = kdc.ticket(ALICE, alice, "cache")
    koji = connect(ccache=f"FILE:{cache}")
    assert await koji.login()
    assert (await koji.getLoggedInUser()).name == "alice"


@pytest_twisted.ensureDeferred
async def test_session_runs_out(connect: Connect, hub: FakeHub, alice: Path) -> None:
    """A session that ran out is renewed with a ticket."""
    koji = connect(principal=ALICE, keytab=str(alice))
    await koji.login()
    before = koji.session_id
    hub.sessions.expire_all()
    assert (await koji.getLoggedInUser()).name == "alice"
    assert koji.session_id == before


async def refused(koji: Connection) -> str:
    """Return what a login that fails says: one line, and no secret in it."""
    with pytest.raises(KojiLoginException) as caught:
        await koji.login()
    text = str(caught.value)
    assert "\n" not in text
    assert "unseen" not in text + repr(caught.value)
    return text


@pytest_twisted.ensureDeferred
async def test_no_ticket(connect: Connect, tmp_path: Path) -> None:
    """Without a ticket the login says at once what to do."""
    text = await refused(connect(ccache=f"FILE:{tmp_path}/absent"))
    assert text.startswith("no ticket for HTTP/127.0.0.1 with the Kerberos ticket: ")
    assert text.endswith("; run kinit, or set principal and keytab in the profile")


@pytest.mark.parametrize(
    ("cache", "words"),
    [
        ("DIR:{path}/nothing", "must name the directory"),
        ("DIR:{path}", "is no regular file"),
        ("DIR::{path}/tkt-pipe", "is no regular file"),
        ("FILE:{path}/tkt-pipe", "is no regular file"),
        ("{path}/tkt-pipe", "is no regular file"),
        ("{path}/absent", "run kinit"),
        ("KCM:{path}", "needs the service sssd-kcm"),
        ("KEYRING:session:absent", "a keyring of another session or user has no ticket"),
        ("MEMORY:absent", "kinit can't fill it"),
        ("ABSENT:{path}", "none of the kinds FILE:, DIR:, KEYRING: and KCM:"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_kinds_of_caches(connect: Connect, tmp_path: Path, cache: str, words: str) -> None:
    """A cache of any kind without a ticket has its own remedy; a pipe is never waited for."""
    (tmp_path / "nothing").mkdir()
    os.mkfifo(tmp_path / "tkt-pipe")
    koji = connect(ccache=cache.format(path=tmp_path))
    text = await refused(koji)
    assert words in text
    assert str(tmp_path) not in text
    [found] = await koji.credentials()
    assert words in str(found.problem)


@pytest.mark.parametrize("kind", ["", "FILE:", "DIR::"])
@pytest_twisted.ensureDeferred
async def test_pipe_of_the_environment(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A pipe that the environment names is not waited for either."""
    os.mkfifo(tmp_path / "tkt")
    monkeypatch.setenv("KRB5CCNAME", f"{kind}{tmp_path}/tkt")
    text = await refused(connect())
    assert text == "KRB5CCNAME of the environment is no regular file"


@pytest_twisted.ensureDeferred
async def test_ticket_in_a_directory(
    connect: Connect, kdc: KDC, alice: Path, tmp_path: Path
) -> None:
    """The ticket of a DIR: cache logs in, and its end is known."""
    (tmp_path / "tkt").write_bytes(kdc.ticket(ALICE, alice, "in-directory").read_bytes())
    (tmp_path / "primary").write_text("tkt\n")
    koji = connect(ccache=f"DIR:{tmp_path}")
    await koji.login()
    [found] = await koji.credentials()
    assert found.expires is not None
    assert reactor.seconds() < found.expires < reactor.seconds() + 24 * 3600


@pytest_twisted.ensureDeferred
async def test_ticket_over_its_time(connect: Connect, kdc: KDC, alice: Path) -> None:
    """An expired ticket is reported as expired."""
    cache = kdc.old_ticket(ALICE, alice, "short")
    connection = connect(ccache=f"FILE:{cache}")
    text = await refused(connection)
    assert "expired" in text
    [found] = await connection.credentials()
    assert "expired" in str(found.problem)


@pytest_twisted.ensureDeferred
async def test_wrong_keytab(connect: Connect, kdc: KDC, tmp_path: Path) -> None:
    """A keytab that is not there, or has another's key, is not named but said to be wrong."""
    text = await refused(connect(principal=ALICE, keytab=str(tmp_path / "unseen")))
    assert "the Kerberos keytab of alice@KOJI.TEST" in text
    assert text.endswith("check principal and keytab of the profile, and /etc/krb5.conf")
    bob = kdc.keytab(f"bob@{REALM}", "unseen-bob.keytab")
    await refused(connect(principal=ALICE, keytab=str(bob)))


@pytest_twisted.ensureDeferred
async def test_kdc_is_unreachable(connect: Connect, kdc: KDC, alice: Path) -> None:
    """A KDC that is down passes, with a keytab or a ticket; a wrong keytab does not."""
    cache = kdc.ticket(ALICE, alice, "lasting")
    kdc.stop()
    try:
        for settings in (
            {"principal": ALICE, "keytab": str(alice), "ccache": "MEMORY:empty"},
            {"ccache": f"FILE:{cache}"},
        ):
            with pytest.raises(KDCUnreachable, match="Cannot contact any KDC for realm") as caught:
                await connect(**settings).login()
            assert is_passing(caught.value)
            assert was_not_carried_out(caught.value)
    finally:
        kdc.resume()
    with pytest.raises(KojiLoginException) as refused:
        await connect(principal=f"nobody@{REALM}", keytab=str(alice)).login()
    assert not is_passing(refused.value)


@pytest_twisted.ensureDeferred
async def test_unknown_service(connect: Connect, hub: FakeHub, alice: Path) -> None:
    """A hub that the realm does not know as a service: its name is in the message."""
    url = hub.url.replace("127.0.0.1", "localhost")
    text = await refused(connect(server=url, principal=ALICE, keytab=str(alice)))
    assert text.startswith("no ticket for HTTP/localhost with the Kerberos keytab of alice@")


@pytest_twisted.ensureDeferred
async def test_hub_with_another_key(connect: Connect, hub: FakeHub, kdc: KDC, alice: Path) -> None:
    """A ticket that the hub can't read is refused with 401: said at once, and not retried."""
    hub.keytab = kdc.keytab("HTTP/elsewhere", "elsewhere.keytab")
    text = await refused(connect(principal=ALICE, keytab=str(alice)))
    assert "refuses the login with the Kerberos keytab of alice@KOJI.TEST" in text
    assert "HTTP status 401" in text
    assert hub.requests == 1


@pytest_twisted.ensureDeferred
async def test_answer_of_the_hub(connect: Connect, hub: FakeHub, alice: Path) -> None:
    """The hub proves that it is the service: a wrong or an earlier answer is refused.

    None at all is taken: the certificate has proved it.
    """
    answers: list[bytes] = []

    def remember(answer: bytes) -> bytes:
        answers.append(answer)
        return answer

    hub.ticket_answer = remember
    koji = connect(principal=ALICE, keytab=str(alice))
    assert await koji.login()
    assert len(answers[0]) > 50
    for wrong in (answers[0], b"nonsense", answers[0][:-1]):
        hub.ticket_answer = lambda _, wrong=wrong: wrong  # type: ignore[misc]
        koji = connect(principal=ALICE, keytab=str(alice))
        text = await refused(koji)
        assert text.startswith("what answered the login is not HTTP/127.0.0.1: ")
        assert koji.session_id is None
    hub.ticket_answer = lambda _: b""
    assert await connect(principal=ALICE, keytab=str(alice)).login()


@pytest_twisted.ensureDeferred
async def test_proxy_user(connect: Connect, hub: FakeHub, alice: Path) -> None:
    """A user who may act as others does; another gets an error."""
    koji = connect(principal=ALICE, keytab=str(alice), proxyuser="carol")
    assert "alice is not authorized to login other users" in await refused(koji)
    hub.proxy_users.add("alice")
    assert await koji.login()
    assert (await koji.getLoggedInUser()).name == "carol"


@pytest_twisted.ensureDeferred
async def test_plain_http(connect: Connect) -> None:
    """A ticket is not sent over a connection that anyone can read."""
    text = await refused(connect(server="http://127.0.0.1:1/kojihub"))
    assert text.startswith("a Kerberos ticket needs https, but the server of the Koji profile 't'")


@pytest_twisted.ensureDeferred
async def test_kdc_is_slow(connect: Connect, alice: Path) -> None:
    """A KDC that does not answer blocks nothing, and is reported after the time limit."""
    import gssapi

    released = threading.Event()
    koji = connect(principal=ALICE, keytab=str(alice), timeout=0.2)
    iterations: list[int] = []
    reactor.callLater(0.1, iterations.append, 1)
    with mock.patch.object(gssapi.SecurityContext, "step", autospec=True) as step:
        step.side_effect = lambda *_: released.wait(20) and b""
        text = await refused(koji)
        # The thread that calls it may start late.
        await poll(lambda: step.called)
        released.set()
    assert "the KDC did not answer within 0.2 s" in text
    assert iterations == [1]
