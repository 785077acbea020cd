"""Ways to log in to a hub.

Each way is a call and a path below the endpoint. The transport presents the client certificate; the
client sends the call.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from txkoji._values import redacted, shown
from txkoji.exceptions import KojiLoginException
from txkoji.hub.call import Call
from txkoji.hub.kerberos import Kerberos
from txkoji.hub.tls import PEMFile
from txkoji.profiles import Profile

SSL_PATH = "/ssllogin"
"""The only path at which the front end asks for a certificate or a ticket."""


@dataclass(frozen=True)
class Login:
    """One way to log in.

    Attributes:
        description: the way in words, for messages.
        call: the call. Left out of the repr: it may hold a password.
        path: what is appended to the endpoint's path.
        certificate: the file of the client certificate to present, if the way needs one.
        kerberos: gets the token that the request carries, if the way needs one.
    """

    description: str
    call: Call = field(repr=False)
    path: str = ""
    certificate: PEMFile | None = None
    kerberos: Kerberos | None = None

    def renewal(self) -> Login:
        """Return the same way, renewing an expired session (hubs since 1.32)."""
        return replace(self, call=replace(self.call, kwargs={**self.call.kwargs, "renew": True}))


def way_to_log_in(profile: Profile) -> Login:
    """Choose the way to log in that a profile asks for, as Koji's own client does.

    Raises:
        KojiLoginException: the profile asks for none, or for one that can't work; the text says
            what to do.
    """
    # Not Path.is_file: a directory that another user closed has no certificate for us.
    certificate = profile.cert if profile.cert and os.path.isfile(profile.cert) else None  # noqa: PTH113
    if profile.authtype == "noauth":
        raise KojiLoginException(f"{profile.title} says authtype = noauth: set authtype to log in")
    if profile.authtype == "ssl" or (profile.authtype is None and certificate is not None):
        return _by_certificate(profile, certificate)
    if profile.authtype == "password" or (profile.authtype is None and profile.user):
        return _by_password(profile)
    if profile.authtype in (None, "kerberos"):
        return _by_kerberos(profile)
    raise KojiLoginException(
        f"authtype of {profile.title} is {redacted(profile.authtype)!r}: it may be noauth, ssl,"
        " password or kerberos"
    )


def _by_certificate(profile: Profile, certificate: str | None) -> Login:
    if certificate is None:
        raise KojiLoginException(
            f"no client certificate at {shown(profile.cert or '~/.koji/client.crt')}: put one"
            f" there, or set cert in {profile.title}"
        )
    _want_https(profile, "a client certificate")
    file = PEMFile(certificate, "cert", profile.owner, profile.cert_name)
    call = Call.of("sslLogin", proxyuser=profile.proxyuser)
    return Login(f"client certificate {file}", call, SSL_PATH, certificate=file)


def _by_password(profile: Profile) -> Login:
    if not profile.user or not profile.password:
        missing = "password" if profile.user else "user"
        raise KojiLoginException(f"a login by password needs {missing} in {profile.title}")
    call = Call.of("login", profile.user, profile.password)
    return Login(f"the password of {shown(profile.user)}", call)


def _by_kerberos(profile: Profile) -> Login:
    _want_https(profile, "a Kerberos ticket")
    owner = profile.credentials_of or "the profile"
    kerberos = Kerberos(profile.principal, profile.keytab, profile.ccache, owner)
    call = Call.of("sslLogin", proxyuser=profile.proxyuser)
    return Login(str(kerberos), call, SSL_PATH, kerberos=kerberos)


def _want_https(profile: Profile, what: str) -> None:
    if not profile.server.startswith("https://"):
        raise KojiLoginException(
            f"{what} needs https, but the server of {profile.title} is {profile.server}"
        )
