"""TLS: the options of a profile, certificates from files, and failures in plain words.

Files are read for each new connection, so that a renewed certificate is used at once.
"""

from __future__ import annotations

import base64
import datetime
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IStreamClientEndpoint,
)
from twisted.internet.ssl import CertificateOptions, optionsForClientTLS, platformTrust
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from txkoji._interfaces import Endpoint
from txkoji._values import shown
from txkoji.exceptions import BrokenConfiguration
from txkoji.profiles import Profile, open_regular, read_configured

T = TypeVar("T")


@dataclass(frozen=True)
class PEMFile:
    """A file of certificates or of a key, which a setting names.

    Attributes:
        path: where it is.
        setting: the setting that names it, for messages.
        owner: whose setting that is: "the Koji profile 'koji'".
        name: what messages call the file, None for its path.
    """

    path: str = field(repr=False)
    setting: str
    owner: str
    name: str | None = None

    def __str__(self) -> str:
        return self.name or shown(self.path)

    def unusable(self, words: str, verb: str = "read") -> BrokenConfiguration:
        """Return the error that says why the file can't be used."""
        return BrokenConfiguration(f"can't {verb} {self}, {self.setting} of {self.owner}: {words}")

    def read(self, load: Callable[[bytes], T]) -> T:
        """Return what a function makes of the content.

        Raises:
            BrokenConfiguration: the file can't be read, or the function raised what the libraries
                for certificates raise.
        """
        try:
            return load(read_configured(self.path))
        except OSError as problem:
            words = str(problem.strerror)
        except TypeError:
            words = "its private key has a pass phrase; give it one without (openssl pkey)"
        except _UnusableFile as problem:
            words = str(problem)
        except UnsupportedAlgorithm as problem:
            words = f"a key in it is of an unusable kind: {problem}"
        except (ValueError, IndexError):
            words = "a certificate or key in it is broken"
        raise self.unusable(words)


class _UnusableFile(ValueError):
    """Why a file is unusable, in a few words."""


@dataclass(frozen=True)
class ClientCertificate:
    """A client certificate that was read from its file.

    Attributes:
        path: the file, as messages call it.
        subject: its subject (RFC 4514).
        not_before: when it becomes valid, an aware UTC datetime.
        not_after: when it expires, an aware UTC datetime.
        options: arguments for Twisted's CertificateOptions, the private key among them.
    """

    path: str
    subject: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    options: dict[str, Any] = field(repr=False, compare=False)

    def words(self, now: float) -> str:
        """Name the certificate in a message, with the dates that may explain a refusal."""
        moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
        if moment > self.not_after:
            dates = f"which expired on {self.not_after:%Y-%m-%d %H:%M} UTC"
        elif moment < self.not_before:
            dates = f"which is not valid before {self.not_before:%Y-%m-%d %H:%M} UTC"
        else:
            dates = f"valid until {self.not_after:%Y-%m-%d}"
        return f"the client certificate {self.path} ({self.subject}), {dates}"


def read_client_certificate(file: PEMFile, key: PEMFile | None = None) -> ClientCertificate:
    """Read a client certificate and its key.

    Args:
        file: the certificate, its chain, and the key.
        key: the key, if ``file`` does not hold it.

    Raises:
        BrokenConfiguration: a file can't be used; the text says which and why.
    """

    def certificates(data: bytes) -> list[x509.Certificate]:
        if b"CERTIFICATE-----" not in data:
            raise _UnusableFile("it holds no certificate in PEM format")
        return x509.load_pem_x509_certificates(_TRUSTED.sub(_plain_certificate, data))

    def key_of(data: bytes) -> Any:
        if b"PRIVATE KEY-----" not in data:
            raise _UnusableFile("it holds no private key in PEM format")
        return load_pem_private_key(data, None)

    # Not Twisted's PrivateCertificate: it uses objects that pyOpenSSL deprecates.
    found = file.read(certificates)
    private = (key or file).read(key_of)
    # In any order: the authority's may come first.
    own = [each for each in found if _public_key(each) == private.public_key()]
    if not own:
        raise file.unusable("its private key is of another certificate", "use")
    certificate = own[0]
    chain = [each for each in found if each not in own]
    options = {"privateKey": private, "certificate": certificate, "extraCertChain": chain}
    try:
        # Twisted would do it only once a connection is there, and lose the error.
        CertificateOptions(**options).getContext()
    except SSL.Error as problem:
        raise file.unusable(tls_words(problem, authority=""), "use") from None
    return ClientCertificate(
        str(file),
        certificate.subject.rfc4514_string(),
        _utc(certificate, "not_valid_before"),
        _utc(certificate, "not_valid_after"),
        options,
    )


def _public_key(certificate: x509.Certificate) -> Any:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


_TRUSTED = re.compile(
    rb"-----BEGIN TRUSTED CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END TRUSTED CERTIFICATE-----"
)

_CERTIFICATE = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END "
)


def _plain_certificate(found: re.Match[bytes]) -> bytes:
    """Return a certificate without the trust settings that follow it in OpenSSL's TRUSTED form.

    Neither the cryptography library nor Python's ssl knows that form.
    """
    data = base64.b64decode(b"".join(found[1].split()))
    # The length of its outermost ASN.1 sequence.
    more = data[1] & 0x7F if data[1] & 0x80 else 0
    length = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
    der = data[: 2 + more + length]
    return ssl.DER_cert_to_PEM_cert(der).encode("ascii")


def _utc(certificate: x509.Certificate, name: str) -> datetime.datetime:
    # cryptography before 42 has naive dates only.
    aware = getattr(certificate, f"{name}_utc", None)
    if aware is None:
        aware = getattr(certificate, name).replace(tzinfo=datetime.timezone.utc)
    assert isinstance(aware, datetime.datetime)
    return aware


@implementer(IOpenSSLTrustRoot)
class TrustRoot:
    """The CAs that a hub's certificate is checked with, as OpenSSL itself reads them.

    Args:
        paths: files of PEM certificates, of any of OpenSSL's three kinds, or hashed directories;
            None for the system's CAs.
        ask_after_handshake: let the hub ask for a client certificate after the handshake, too.
    """

    def __init__(self, *paths: str | None, ask_after_handshake: bool = False) -> None:
        self._paths = paths
        self._ask_after_handshake = ask_after_handshake

    def _addCACertsToContext(self, context: SSL.Context) -> None:  # noqa: N802 - Twisted's name
        if self._ask_after_handshake:
            _ask_after_handshake(context)
        for path in self._paths:
            if path is None:
                platformTrust()._addCACertsToContext(context)  # noqa: SLF001 - the interface's
            elif _is_directory(path):
                context.load_verify_locations(None, path)
            else:
                try:
                    # OpenSSL would wait for a pipe that has taken the file's place.
                    open_regular(path).close()
                except OSError as problem:
                    words = f"can't read {shown(path)}: {problem.strerror}"
                    raise SSL.Error([("", "", words)]) from None
                context.load_verify_locations(path)


def _ask_after_handshake(context: SSL.Context) -> None:
    """Offer post-handshake client authentication (RFC 8446, 4.2.6).

    With TLS 1.3, Koji's documented Apache configuration asks for the client certificate only when
    it sees that the request is a login. A client that did not offer this gets 403.
    """
    # pyOpenSSL has the function, but no method for it.
    library: Any = SSL
    library._lib.SSL_CTX_set_post_handshake_auth(context._context, 1)  # noqa: SLF001


def _is_directory(path: str) -> bool:
    # Path's method raises if another user closed a directory above, or if the name is too long.
    return os.path.isdir(path)  # noqa: PTH112


def read_authority(
    path: str | None, setting: str, owner: str, *, ask_after_handshake: bool = False
) -> TrustRoot:
    """Return the CAs in a file or directory; see :class:`TrustRoot` and :class:`PEMFile`.

    Raises:
        BrokenConfiguration: the file can't be used; the text says why.
    """
    trust = TrustRoot(path, ask_after_handshake=ask_after_handshake)
    if path is None:
        return trust
    file = PEMFile(path, setting, owner)

    def check(data: bytes) -> TrustRoot:
        if b"CERTIFICATE-----" not in data:
            raise _UnusableFile("it holds no certificate in PEM format")
        try:
            trust._addCACertsToContext(SSL.Context(SSL.TLS_METHOD))  # noqa: SLF001 - interface
        except SSL.Error:
            raise _UnusableFile("OpenSSL can't read a certificate in it") from None
        return trust

    if not _is_directory(path):
        return file.read(check)
    hashed = list(Path(path).glob("*.[0-9]*"))
    for each in hashed:
        # OpenSSL opens it in the middle of a handshake.
        if os.path.exists(each) and not os.path.isfile(each):  # noqa: PTH110, PTH113
            raise PEMFile(str(each), setting, owner).unusable("it is no regular file")
    if hashed:
        return trust
    raise file.unusable("a directory needs hashed names (openssl rehash)", "use")


def plain_authorities(profile: Profile) -> str | None:
    """Return the CAs of a profile as plain PEM, in ASCII, None for the system's.

    Raises:
        BrokenConfiguration: ``serverca`` can't be read.
    """
    if profile.serverca is None:
        return None
    trust_root(profile)
    place = Path(profile.serverca)
    files = sorted(place.glob("*.[0-9]*")) if _is_directory(profile.serverca) else [place]
    found = [each for path in files for each in _CERTIFICATE.finditer(read_configured(path))]
    return b"".join(map(_plain_certificate, found)).decode("ascii")


def trust_root(profile: Profile, *, ask_after_handshake: bool = False) -> TrustRoot:
    """Return the CAs of a profile, or the system's if it names none.

    Raises:
        BrokenConfiguration: ``serverca`` can't be read.
    """
    return read_authority(
        profile.serverca, "serverca", profile.title, ask_after_handshake=ask_after_handshake
    )


def verifying(host: str, trust: Any, certificate: ClientCertificate | None = None) -> Any:
    """Return the factory of TLS connections to a host, whose certificate is verified.

    Args:
        host: its name or address, which its certificate must be for.
        trust: the CAs.
        certificate: the client certificate to present, or None.
    """
    client = {} if certificate is None else dict(certificate.options)
    return optionsForClientTLS(host, trustRoot=trust, extraCertificateOptions=client)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """TLS without verification of the hub's certificate, for a profile that asks for it."""

    def __init__(self, host: bytes, certificate: ClientCertificate | None = None) -> None:
        client = {} if certificate is None else certificate.options
        self._context = CertificateOptions(**client).getContext()
        if certificate is not None:
            _ask_after_handshake(self._context)
        self._host = host

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802
        connection = SSL.Connection(self._context, None)
        connection.set_tlsext_host_name(self._host)
        return connection


@implementer(IPolicyForHTTPS)
class TLSPolicy:
    """The TLS settings of a profile: its CA or the system's, and perhaps a client certificate."""

    def __init__(self, profile: Profile, certificate: ClientCertificate | None) -> None:
        self._certificate = certificate
        self._verify = profile.serverca is not None or not profile.no_ssl_verify
        self._trust = trust_root(profile, ask_after_handshake=certificate is not None)
        # A proxy may have its certificate from the hub's CA, as Koji's own client wants it, or from
        # one that the system trusts.
        self._trust_in_proxy = TrustRoot(*dict.fromkeys([profile.serverca, None]))

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:  # noqa: N802
        """Return the factory of the TLS connections to a host."""
        if not self._verify:
            return _Unverified(hostname, self._certificate)
        return verifying(hostname.decode("ascii"), self._trust, self._certificate)

    def creator_for_proxy(self, host: str) -> Any:
        """Return the factory of TLS connections to a proxy, which sees no client certificate."""
        if not self._verify:
            return _Unverified(host.encode("ascii"))
        return verifying(host, self._trust_in_proxy)


def reasons(problem: BaseException) -> list[BaseException]:
    """Return an error and those that Twisted wrapped in it."""
    found = [problem]
    for failure in getattr(problem, "reasons", None) or []:
        found += reasons(failure.value)
    return found


class _TLSProtocol(BufferingTLSTransport):
    """Takes a peer that closes TLS in the middle of the handshake for a lost connection."""

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:  # noqa: N802 - Twisted's name
        # Twisted reads the arguments of an error that has none here.
        if reason is not None and reason.check(SSL.ZeroReturnError):
            reason = Failure(SSL.SysCallError(-1, "Unexpected EOF"))
        super()._tlsShutdownFinished(reason)


@implementer(IStreamClientEndpoint)
class OverTLS:
    """An endpoint that speaks TLS over another one, on the reactor of the connection.

    Twisted's ``wrapClientTLS`` sends small writes by the global reactor, which may never run.
    """

    def __init__(self, creator: Any, endpoint: Endpoint, reactor: Any) -> None:
        self._creator = creator
        self._endpoint = endpoint
        self._reactor = reactor

    def connect(self, protocolFactory: Any) -> Deferred[IProtocol]:  # noqa: N803
        """Connect a protocol, and give it the decrypted bytes."""
        factory = TLSMemoryBIOFactory(self._creator, True, protocolFactory, clock=self._reactor)
        factory.protocol = _TLSProtocol
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(lambda protocol: protocol.wrappedProtocol)


NOT_TLS = "it does not speak TLS there: is the address http:// or the port another?"
"""The words for a peer that answers a handshake with something else."""

_REFUSALS = ("certificate", "unknown ca", "access denied")
"""Words in the TLS alerts with which a server refuses a client certificate (RFC 8446, 6.2)."""


def tls_words(problem: BaseException, *, authority: str, client: str | None = None) -> str:
    """Return what went wrong with TLS, in words.

    Args:
        problem: an error of pyOpenSSL or service_identity.
        authority: the setting that names the file of the other side's CA.
        client: the client certificate that was presented, in words, or None.
    """
    if isinstance(problem, VerificationError):
        return "its certificate is for another host name"
    words = " ".join(str(part) for item in problem.args for part in _flatten(item) if part)
    if "certificate verify failed" in words or "CERTIFICATE_VERIFY_FAILED" in words:
        # OpenSSL says which it is only to a callback, and that is Twisted's.
        return (
            f"its certificate is signed by a CA that neither {authority} nor the system trusts,"
            " or is not valid now: it has expired, or this machine's clock is wrong"
        )
    if "alert" in words and any(each in words for each in _REFUSALS):
        if client is None:
            return f"it wants a client certificate ({words})"
        return f"it refuses {client}"
    if "wrong version number" in words or "record layer failure" in words:
        return NOT_TLS
    if "expired" in words:
        return "a certificate has expired"
    return words or "the TLS handshake failed"


def _flatten(item: Any) -> list[str]:
    if isinstance(item, (list, tuple)):
        return [text for each in item for text in _flatten(each)]
    return [str(item)]
