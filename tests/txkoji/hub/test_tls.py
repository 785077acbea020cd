"""TLS and the login by certificate, against an embedded hub with its own authority."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet import reactor

from tests.support.ends import AtEnd
from tests.support.hubs import Connect
from tests.support.peers import Peer
from txkoji import Connection, Profile, profiles
from txkoji.exceptions import BrokenConfiguration, ConnectionFailed, KojiLoginException, TLSError
from txkoji.hub.tls import PEMFile, read_client_certificate
from txkoji.testing import FakeHub
from txkoji.testing.front.certificates import CertificateAuthority

pytestmark = pytest.mark.hub(tls=True, anonymous_user=None)

P256, SM2 = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a811ccf5501822d")
"""Identifiers of two curves: OpenSSL has both, the cryptography library only the first."""


@pytest.fixture
def profile(hub: FakeHub, tmp_path: Path) -> Profile:
    """Give the hub's own profile, as it is read from its file."""
    path = tmp_path / "koji.conf"
    path.write_text(hub.profile_text(user="alice"), encoding="utf-8")
    return profiles.load("fake", config=path)


@pytest_twisted.ensureDeferred
async def test_login(connect: Connect) -> None:
    """The certificate's name is the user; the session is there for the calls that follow."""
    koji = connect()
    assert koji.session_id is None
    assert await koji.login() is True
    assert koji.session_id is not None
    assert (await koji.getLoggedInUser()).name == "alice"
    assert koji.session_key is not None
    assert koji.session_key not in repr(koji) + repr(koji.client.session)


@pytest_twisted.ensureDeferred
async def test_wrong_authority(connect: Connect, tmp_path: Path) -> None:
    """A hub whose certificate another authority signed is refused, before anything is sent."""
    other = tmp_path / "other"
    other.mkdir()
    koji = connect(serverca=str(CertificateAuthority(other).certificate_path), cert=None)
    with pytest.raises(TLSError, match="neither serverca nor the system trusts") as caught:
        await koji.getKojiVersion()
    assert "\n" not in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_system_authorities(connect: Connect) -> None:
    """Without a ``serverca`` the system's authorities count: they don't know the hub's."""
    koji = connect(serverca=None)
    with pytest.raises(TLSError):
        await koji.getKojiVersion()


@pytest_twisted.ensureDeferred
async def test_no_check(connect: Connect) -> None:
    """A profile may say that the hub's certificate is not checked; ``serverca`` checks it still."""
    koji = connect(serverca=None, no_ssl_verify=True)
    assert await koji.getKojiVersion()
    assert await koji.login()


@pytest_twisted.ensureDeferred
async def test_wrong_host_name(connect: Connect, hub: FakeHub) -> None:
    """A certificate for another name is refused, and the error blames the name."""
    hub_port = hub.url.split(":")[2].split("/")[0]
    koji = connect(server=f"https://localhost.localdomain:{hub_port}/kojihub")
    koji.client.transport._agent = _agent_to(koji, int(hub_port))
    with pytest.raises(TLSError, match="another host name"):
        await koji.getKojiVersion()


@pytest_twisted.ensureDeferred
async def test_expired_certificate(tmp_path: Path, at_end: AtEnd) -> None:
    """A hub with an expired certificate is refused, and the error says why."""
    hub = FakeHub(reactor, tls=True)
    at_end(hub.stop)
    hub.authority.days_valid = -1
    await hub.start()
    profile = Profile(
        name="t", server=hub.url, serverca=str(hub.authority.certificate_path), cert=None
    )
    koji = Connection(profile, reactor=reactor)
    at_end(koji.close)
    with pytest.raises(
        TLSError, match=r"signed by.*: it has expired, or this machine's clock is wrong$"
    ) as caught:
        await koji.getKojiVersion()
    assert not caught.value.may_have_arrived


@pytest_twisted.ensureDeferred
async def test_expired_client_certificate(connect: Connect, hub: FakeHub) -> None:
    """A client certificate that has expired is refused by the hub, in one line."""
    hub.authority.days_valid = -1
    koji = connect(cert=str(hub.certificate("bob")))
    with pytest.raises(TLSError, match=r"expired") as caught:
        await koji.login()
    assert "\n" not in str(caught.value)


def _agent_to(koji: Connection, port: int) -> Any:
    """Return the connection's own agent, with every name at the loopback address."""
    from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
    from twisted.web.client import Agent
    from twisted.web.iweb import IAgentEndpointFactory
    from zope.interface import implementer

    from txkoji.hub.tls import TLSPolicy

    @implementer(IAgentEndpointFactory)
    class Loopback:
        def endpointForURI(self, uri: Any) -> Any:  # noqa: N802
            creator = TLSPolicy(koji.settings, None).creatorForNetloc(uri.host, uri.port)
            return wrapClientTLS(creator, TCP4ClientEndpoint(reactor, "127.0.0.1", port))

    return Agent.usingEndpointFactory(reactor, Loopback())


@pytest_twisted.ensureDeferred
async def test_no_certificate(connect: Connect) -> None:
    """A login by certificate without one says what is missing and what to do."""
    koji = connect(cert=None)
    with pytest.raises(KojiLoginException) as caught:
        await koji.login()
    assert "cert" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_certificate_of_another_authority(connect: Connect, tmp_path: Path) -> None:
    """A client certificate that the hub does not trust is refused in one line."""
    other = tmp_path / "other"
    other.mkdir()
    koji = connect(cert=str(CertificateAuthority(other).client("alice")))
    with pytest.raises(TLSError) as caught:
        await koji.login()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["cert", "serverca"])
@pytest_twisted.ensureDeferred
async def test_file_that_is_no_pem(connect: Connect, tmp_path: Path, key: str) -> None:
    """A file that is not what the profile says it is: its path and its key in one line."""
    path = tmp_path / "broken.pem"
    path.write_text("hello")
    koji = connect(**{key: str(path)})
    with pytest.raises(BrokenConfiguration, match=rf"can't read {path}, {key} of the Koji profile"):
        await koji.login()


@pytest_twisted.ensureDeferred
async def test_authority_that_is_not_there(connect: Connect, tmp_path: Path) -> None:
    """A missing ``serverca`` is an error, and not replaced by the system's CAs."""
    koji = connect(serverca=str(tmp_path / "absent.crt"))
    with pytest.raises(BrokenConfiguration, match="No such file or directory"):
        await koji.getKojiVersion()


@pytest_twisted.ensureDeferred
async def test_key_with_a_pass_phrase(connect: Connect, hub: FakeHub, tmp_path: Path) -> None:
    """No one can type a pass phrase: the error says that the key must have none."""
    pem = hub.certificate("alice").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path = tmp_path / "locked.pem"
    path.write_bytes(pem.partition(b"-----BEGIN PRIVATE")[0] + secret)
    koji = connect(cert=str(path))
    with pytest.raises(BrokenConfiguration, match="its private key has a pass phrase"):
        await koji.login()


def test_order_in_a_file(hub: FakeHub, tmp_path: Path) -> None:
    """The certificate of the key is ours, wherever it stands in the file."""
    path = tmp_path / "chain.pem"
    authority = hub.authority.certificate_path.read_bytes()
    path.write_bytes(authority + hub.certificate("alice").read_bytes())
    found = read_client_certificate(PEMFile(str(path), "cert", "the test"))
    assert found.subject == "CN=alice"
    assert len(found.options["extraCertChain"]) == 1


def test_unknown_kind_of_key(hub: FakeHub, tmp_path: Path) -> None:
    """A key of an algorithm that we don't have is refused in one line."""
    path = tmp_path / "odd.pem"
    pem = hub.certificate("alice").read_bytes()
    key = serialization.load_pem_private_key(pem, None).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    odd = ssl.DER_cert_to_PEM_cert(key.replace(P256, SM2)).replace("CERTIFICATE", "PRIVATE KEY")
    path.write_bytes(pem.partition(b"-----BEGIN PRIVATE")[0] + odd.encode())
    with pytest.raises(BrokenConfiguration, match=r"cert of the test: a key in it is of an unusab"):
        read_client_certificate(PEMFile(str(path), "cert", "the test"))


def test_key_that_is_too_short(tmp_path: Path) -> None:
    """A key that OpenSSL refuses to use is refused before there is a connection."""
    path = tmp_path / "short.pem"
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now)
    path.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    # Whether 1,024 bits are enough is up to the build of OpenSSL.
    try:
        SSL.Context(SSL.TLS_METHOD).use_certificate_file(str(path))
    except SSL.Error:
        words = "cert of the test: SSL routines ee key too small"
        with pytest.raises(BrokenConfiguration, match=words):
            read_client_certificate(PEMFile(str(path), "cert", "the test"))
    else:
        assert read_client_certificate(PEMFile(str(path), "cert", "the test")).subject == "CN=alice"


@pytest_twisted.ensureDeferred
async def test_many_writes_at_once(connect: Connect, hub: FakeHub) -> None:
    """Writes that are made at once go one after the other: the hub sees their numbers in order."""
    hub.add_user("bob")
    koji = connect()
    await koji.login()
    source = "git+https://git.example.test/rpms/hello.git#{}"
    submitted = [koji.build(source.format(n), "demo", {"scratch": True}) for n in range(20)]
    reads = [koji.getTag("demo-build") for _ in range(20)]
    ids = [await each for each in submitted]
    assert len(set(ids)) == 20
    assert all([(await each).name == "demo-build" for each in reads])


@pytest_twisted.ensureDeferred
async def test_authority_that_is_replaced(connect: Connect, hub: FakeHub, tmp_path: Path) -> None:
    """A ``serverca`` that was put right counts from the next request; a broken one does not."""
    other = tmp_path / "other"
    other.mkdir()
    path = tmp_path / "ca.pem"
    path.write_bytes(CertificateAuthority(other).certificate_path.read_bytes())
    koji = connect(serverca=str(path), cert=None)
    with pytest.raises(TLSError):
        await koji.getKojiVersion()
    path.write_bytes(hub.authority.certificate_path.read_bytes() + b"# renewed\n")
    assert await koji.getKojiVersion()
    path.unlink()
    assert await koji.getKojiVersion()
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nhalf written")
    assert await koji.getKojiVersion()


@pytest_twisted.ensureDeferred
async def test_client_certificate_that_is_replaced(
    connect: Connect, hub: FakeHub, tmp_path: Path
) -> None:
    """While a certificate is missing or half written, new logins use the one that was read."""
    good = hub.certificate("alice").read_bytes()
    path = tmp_path / "client.pem"
    path.write_bytes(good)
    koji = connect(cert=str(path), authtype=None)
    await koji.login()
    for content in (good[: len(good) // 2], b"", good[:40], None):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        assert await koji.login()
        assert (await koji.getLoggedInUser()).name == "alice"
    path.write_bytes(hub.certificate("bob").read_bytes())
    await koji.login()
    assert (await koji.getLoggedInUser()).name == "bob"


@pytest_twisted.ensureDeferred
async def test_trusted_certificate(connect: Connect, hub: FakeHub, tmp_path: Path) -> None:
    """A client certificate of OpenSSL's own kind is what it is for Koji's own client."""
    pem = hub.certificate("alice").read_text(encoding="ascii")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    place = pem.index(begin), pem.index(end) + len(end)
    # What follows the certificate proper says whom it is trusted for: nobody in particular.
    data = ssl.PEM_cert_to_DER_cert(pem[place[0] : place[1]]) + b"\x30\x00"
    trusted = ssl.DER_cert_to_PEM_cert(data).replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    path = tmp_path / "trusted.pem"
    path.write_text(trusted + pem[: place[0]] + pem[place[1] :], encoding="ascii")
    assert await connect(cert=str(path)).login()
    for content, words in (
        (trusted, "no private key"),
        (trusted.replace("MII", "M!I") + pem[place[1] :], "is broken"),
        ("\ufeff", "no certificate in PEM format"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(BrokenConfiguration, match=words):
            await connect(cert=str(path)).login()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 400 Bad\r\n\r\n", TLSError, "does not speak TLS"),
        (bytes([21, 3, 3, 0, 2, 2, 80]), ConnectionFailed, "in trouble itself"),
        (bytes([21, 3, 3, 0, 2, 2, 40]), TLSError, "handshake failure"),
        (bytes([21, 3, 3, 0, 2, 1, 0]), ConnectionFailed, "broke before the hub answered"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_broken_handshake(
    answer: bytes, kind: type[Exception], words: str, at_end: AtEnd
) -> None:
    """A refusal of TLS is final; an end or an internal error of the other side passes."""
    koji = Peer(then=answer).connect(at_end, scheme="https")
    with pytest.raises(kind, match=words):
        await koji.getKojiVersion()
