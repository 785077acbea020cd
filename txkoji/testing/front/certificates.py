"""TLS of the embedded hub: a private certificate authority, and the server's TLS context."""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL
from twisted.internet.ssl import DefaultOpenSSLContextFactory

MAX_COMMON_NAME = 64
"""Characters of the name of whom a certificate is for."""


class ServerContextFactory(DefaultOpenSSLContextFactory):
    """Asks for a client certificate, does without one, and refuses another authority's.

    Args:
        server_pem: the server's certificate and key.
        authority: the certificate of the authority that issues client certificates.
    """

    def __init__(self, server_pem: Path, authority: Path) -> None:
        self._authority = authority
        super().__init__(str(server_pem), str(server_pem), sslmethod=SSL.TLS_METHOD)

    def cacheContext(self) -> None:
        """Make the context."""
        super().cacheContext()
        context = self._context
        assert context is not None
        context.load_verify_locations(str(self._authority))
        context.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
        context.set_session_id(b"embedded-koji-hub")


class CertificateAuthority:
    """Makes certificates as PEM files in a directory.

    Attributes:
        pem: the authority's certificate and key.
        certificate_path: the file with its certificate.
        days_valid: the validity of the next certificates, in days; negative for expired ones.

    Args:
        directory: where the files go; it must exist.
        pem: the :attr:`pem` of an earlier authority; by default a new one is made.
    """

    def __init__(self, directory: Path, pem: bytes | None = None) -> None:
        self.directory = directory
        self.days_valid = 30.0
        self._clients: dict[str, Path] = {}
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Embedded Koji hub CA")])
        if pem is None:
            self._key = ec.generate_private_key(ec.SECP256R1())
            certificate = self._own_certificate()
        else:
            key = serialization.load_pem_private_key(pem, None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
            certificate = x509.load_pem_x509_certificate(pem)
        public = certificate.public_bytes(serialization.Encoding.PEM)
        self.pem = public + _private(self._key)
        self.certificate_path = directory / "serverca.crt"
        self.certificate_path.write_bytes(public)

    def _own_certificate(self) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        critical = (x509.BasicConstraints(ca=True, path_length=0), usage)
        return self._sign(self._name, self._key, critical, (identifier,))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        critical: Iterable[x509.ExtensionType],
        others: Iterable[x509.ExtensionType],
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        end = now + datetime.timedelta(days=self.days_valid)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - datetime.timedelta(hours=1))
            .not_valid_after(end)
        )
        for is_critical, extensions in ((True, critical), (False, others)):
            for extension in extensions:
                builder = builder.add_extension(extension, is_critical)
        return builder.sign(self._key, hashes.SHA256())

    def server(self, host: str) -> Path:
        """Make a server's certificate and key in one PEM file, for a host and the loopback names.

        Returns:
            The path of the file.
        """
        names: list[x509.GeneralName] = [x509.DNSName("localhost")]
        addresses = {"127.0.0.1"}
        try:
            addresses.add(str(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(addresses)]
        alternatives = x509.SubjectAlternativeName(names)
        # No name of a user is quoted so.
        return self._make("server+key", host, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def client(self, user: str) -> Path:
        """Make a client certificate and key in one PEM file; its common name is the user.

        Returns:
            The path of the file, the same one for the same user.
        """
        # Files in the directory may be from an earlier authority.
        if user not in self._clients:
            stem = quote(user, safe="@")
            self._clients[user] = self._make(stem, user, ExtendedKeyUsageOID.CLIENT_AUTH)
        return self._clients[user]

    def _make(
        self, stem: str, name: str, purpose: x509.ObjectIdentifier, *more: x509.ExtensionType
    ) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        others = (x509.ExtendedKeyUsage([purpose]), issuer, *more)
        critical = (x509.BasicConstraints(ca=False, path_length=None),)
        certificate = self._sign(subject, key, critical, others)
        path = self.directory / f"{stem}.pem"
        # A new file: an earlier one may be readable by others, or a link.
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM) + _private(key))
        return path


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
