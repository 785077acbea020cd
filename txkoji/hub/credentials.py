"""The credentials of a profile, and when they expire."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from txkoji._deferreds import in_thread
from txkoji._values import shown
from txkoji.exceptions import BrokenConfiguration, KojiLoginException
from txkoji.hub.kerberos import Kerberos
from txkoji.hub.login import way_to_log_in
from txkoji.hub.tls import PEMFile, read_client_certificate
from txkoji.profiles import Profile, read_configured

_VERSION = b"\x05\x02"


def principals(data: bytes) -> set[str] | None:
    """Return the principals whose keys a keytab holds, ``name@REALM`` each.

    Returns:
        The principals; None if it is broken, or not a keytab of the version in use since 1995.
    """
    if not data.startswith(_VERSION):
        return None
    try:
        return set(_read(data))
    except (struct.error, UnicodeDecodeError):
        return None


def keytab_problem(data: bytes, principal: str | None) -> str | None:
    """Return why a keytab can't be used, as the rest of a sentence that names it; None if it can.

    Args:
        data: the content of the file.
        principal: the principal that logs in, with or without a realm; None for any in it.
    """
    found = principals(data)
    if found is None:
        return "is no keytab that Kerberos can read: check it with klist -k"
    if principal is None:
        return None if found else "has no key"
    without = {each.partition("@")[0] for each in found}
    if principal in found or ("@" not in principal and principal in without):
        return None
    known = ", ".join(sorted(found)) or "nobody"
    return f"has no key of the principal {shown(principal)}; it has keys of {known}"


def _read(data: bytes) -> Iterator[str]:
    at = len(_VERSION)
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size == 0:
            return
        # A negative size marks the hole that a removed key left.
        if size > 0:
            yield _principal(data[at : at + size])
        at += abs(size)


def _principal(entry: bytes) -> str:
    (count,) = struct.unpack_from(">H", entry)
    at, parts = 2, []
    for _ in range(count + 1):
        (size,) = struct.unpack_from(">H", entry, at)
        part = struct.unpack_from(f"{size}s", entry, at + 2)[0]
        parts.append(part.decode())
        at += 2 + size
    realm, *names = parts
    return f"{'/'.join(names)}@{realm}"


@dataclass(frozen=True)
class Credential:
    """Something to log in with.

    Attributes:
        kind: ``certificate``, ``keytab`` or ``ticket``, or ``login`` of settings that suit none of
            these; of a broker, ``broker certificate`` (ours) or ``broker server certificate`` (its
            own).
        name: its owner, or its file; nothing secret.
        expires: when it expires, in seconds since the epoch; None if it does not, or that is
            unknown.
        problem: why it can't be used now, in one line; None if it can.
    """

    kind: str
    name: str
    expires: float | None = None
    problem: str | None = None


def certificate_credential(file: PEMFile, key: PEMFile | None = None) -> Credential:
    """Return the credential for a client certificate.

    Args:
        file: the certificate, perhaps with its key.
        key: the key, if ``file`` does not hold it.
    """
    try:
        read = read_client_certificate(file, key)
    except BrokenConfiguration as error:
        return Credential("certificate", str(file), problem=str(error))
    return Credential("certificate", read.subject, expires=read.not_after.timestamp())


async def credentials_of(profile: Profile, reactor: Any) -> list[Credential]:
    """Return what a profile logs in with; nothing for a password, which does not expire.

    A keytab is tried at the KDC, in a thread of the reactor's.
    """
    if profile.authtype == "noauth":
        return []
    try:
        way = way_to_log_in(profile)
    except KojiLoginException as error:
        kind = {"ssl": "certificate", "kerberos": "ticket"}.get(profile.authtype or "", "login")
        # A profile that only reads needs no credentials.
        return [] if profile.authtype is None else [Credential(kind, "", problem=str(error))]
    if way.certificate is not None:
        return [certificate_credential(way.certificate)]
    if way.kerberos is None:
        return []
    lifetime, problem = await in_thread(reactor, _ticket, way.kerberos)
    if problem is not None and profile.authtype is None:
        return []
    kind = "keytab" if way.kerberos.keytab else "ticket"
    # A keytab gets new tickets for as long as its key is valid.
    expires = None if lifetime is None or kind == "keytab" else reactor.seconds() + lifetime
    return [Credential(kind, shown(way.kerberos.principal or ""), expires, problem)]


def login_problem(profile: Profile) -> str | None:
    """Return why a login with a profile can't work, as far as its settings and files tell, or None.

    Neither the hub nor a KDC is asked. A certificate that expired is no problem of the settings:
    its ``Credential`` has the date.

    Args:
        profile: the profile. One that leaves the way to log in open has no problem.
    """
    if profile.authtype in (None, "noauth"):
        return None
    try:
        way = way_to_log_in(profile)
    except KojiLoginException as error:
        return str(error)
    if way.certificate is not None:
        return certificate_credential(way.certificate).problem
    if way.kerberos is not None and way.kerberos.keytab is not None:
        return _keytab_problem(way.kerberos.keytab, profile)
    return None


def _keytab_problem(path: str, profile: Profile) -> str | None:
    # Not its path: it may be that of a secret.
    what = f"the keytab of {profile.owner}"
    try:
        data = read_configured(path)
    except OSError as error:
        return f"can't read {what}: {error.strerror}"
    problem = keytab_problem(data, profile.principal)
    return None if problem is None else f"{what} {problem}"


def _ticket(kerberos: Kerberos) -> tuple[float | None, str | None]:
    try:
        return kerberos.lifetime(), None
    except KojiLoginException as error:
        return None, str(error)
