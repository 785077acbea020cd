"""The credentials of a profile, and when they expire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from txkoji._deferreds import in_thread
from txkoji._values import shown
from txkoji.exceptions import BrokenConfiguration, KojiLoginException
from txkoji.hub.auth import way_to_log_in
from txkoji.hub.kerberos import Kerberos
from txkoji.hub.keytabs import keytab_problem
from txkoji.hub.tls import PEMFile, read_client_certificate
from txkoji.profiles import Profile, read_configured


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
        file: the path of a certificate, for messages; None for any other kind.
    """

    kind: str
    name: str
    expires: float | None = None
    problem: str | None = None
    file: str | None = None


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
    expires = read.not_after.timestamp()
    return Credential("certificate", read.subject, expires, file=str(file))


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
