"""TLS: which options a profile asks for, certificates from files, and failures in plain words.

Files are read whenever a connection is made, so that a renewed certificate is used from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from txkoji.exceptions import BrokenConfiguration
from txkoji.profiles import Profile

__all__ = ["TLSPolicy", "read_authority", "read_client_certificate", "reasons", "tls_words"]

_CERTIFICATE_MARK = b"-----BEGIN CERTIFICATE-----"

T = TypeVar("T")


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """TLS without verification of the hub's certificate, for a profile that asks for it."""

    def __init__(self, options: CertificateOptions, host: bytes) -> None:
        self._context = options.getContext()
        self._host = host

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: N802
        connection = SSL.Connection(self._context, None)
        connection.set_tlsext_host_name(self._host)
        return connection


@implementer(IPolicyForHTTPS)
class TLSPolicy:
    """TLS as a profile asks for it: its CA or the system's, and its client certificate."""

    def __init__(self, profile: Profile) -> None:
        owner = f"the Koji profile {profile.name!r}"
        self._client: dict[str, Any] = {}
        if profile.cert is not None and Path(profile.cert).exists():
            self._client = read_client_certificate(profile.cert, "cert", owner)
        self._verify = profile.serverca is not None or not profile.no_ssl_verify
        self._trust = platformTrust()
        if profile.serverca is not None:
            self._trust = read_authority(profile.serverca, "serverca", owner)

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:  # noqa: N802 - Twisted's name
        """Return what makes the TLS side of a connection to a host."""
        if not self._verify:
            return _Unverified(CertificateOptions(**self._client), hostname)
        return optionsForClientTLS(
            hostname.decode("ascii"),
            trustRoot=self._trust,
            extraCertificateOptions=dict(self._client),
        )


def read_client_certificate(
    path: str, setting: str, owner: str, *, key: str | None = None
) -> dict[str, Any]:
    """Read a client certificate and its key.

    Args:
        path: a PEM file with the certificate, further ones of its chain, and the key.
        setting: the setting that names the file, for messages.
        owner: whose setting that is: "the Koji profile 'koji'".
        key: a PEM file with the key, where ``path`` does not hold it.

    Returns:
        Arguments for Twisted's CertificateOptions.

    Raises:
        BrokenConfiguration: a file can't be used; the text says which and why.
    """

    def key_of(data: bytes) -> Any:
        return load_pem_private_key(data, None)

    # Not Twisted's PrivateCertificate: pyOpenSSL deprecates the objects that it hands on.
    certificate, *chain = _read(path, setting, owner, load_pem_x509_certificates)
    if key is None:
        private = _read(path, setting, owner, key_of)
    else:
        private = _read(key, "key", owner, key_of)
    return {"privateKey": private, "certificate": certificate, "extraCertChain": chain}


def read_authority(path: str, setting: str, owner: str) -> Any:
    """Read the certificates of an authority.

    Args:
        path: a PEM file.
        setting: the setting that names the file, for messages.
        owner: whose setting that is.

    Returns:
        A trust root for Twisted.

    Raises:
        BrokenConfiguration: the file can't be used; the text says why.
    """

    def trust_root(data: bytes) -> Any:
        parts = data.split(_CERTIFICATE_MARK)[1:]
        if not parts:
            raise ValueError("it holds no certificate")
        return trustRootFromCertificates(
            [Certificate.loadPEM(_CERTIFICATE_MARK + part) for part in parts]
        )

    return _read(path, setting, owner, trust_root)


def _read(path: str, setting: str, owner: str, load: Callable[[bytes], T]) -> T:
    try:
        return load(Path(path).read_bytes())
    except OSError as problem:
        words = problem.strerror
    except TypeError:
        words = "its private key has a pass phrase; give it one without (openssl pkey)"
    except (crypto.Error, ValueError) as problem:
        words = f"it is not a PEM file that fits ({type(problem).__name__})"
    raise BrokenConfiguration(f"can't read {path}, {setting} of {owner}: {words}")


def reasons(problem: BaseException) -> list[BaseException]:
    """Return an error and the ones that Twisted wrapped in it."""
    found = [problem]
    for failure in getattr(problem, "reasons", None) or []:
        found += reasons(failure.value)
    return found


def tls_words(problem: BaseException, *, authority: str) -> str:
    """Say what went wrong with TLS.

    Args:
        problem: an error of pyOpenSSL or service_identity.
        authority: the setting that names the file of the other side's authority.
    """
    if isinstance(problem, VerificationError):
        return "its certificate is for another host name"
    words = " ".join(str(part) for item in problem.args for part in _flatten(item) if part)
    if "certificate verify failed" in words or "CERTIFICATE_VERIFY_FAILED" in words:
        # OpenSSL tells which of the two only to a callback that is Twisted's.
        return (
            f"its certificate is signed by a CA that neither {authority} nor the system trusts,"
            " or has expired"
        )
    if "expired" in words:
        return "a certificate has expired"
    return words or "the TLS handshake failed"


def _flatten(item: Any) -> list[str]:
    if isinstance(item, (list, tuple)):
        return [text for each in item for text in _flatten(each)]
    return [str(item)]
