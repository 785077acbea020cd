"""Log in to a hub in the way that the profile asks for, and renew an expired session.

Each way is a call and a path below the endpoint. The transport presents the client certificate; the
client sends the call.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.logger import Logger
from twisted.web.http_headers import Headers

from txkoji._deferreds import in_thread
from txkoji._values import one_line, redacted, shown
from txkoji.exceptions import (
    AuthExpired,
    BrokenConfiguration,
    HTTPStatusError,
    HubFault,
    KDCUnreachable,
    KojiLoginException,
    TransportError,
)
from txkoji.hub.call import Call
from txkoji.hub.kerberos import Exchange, Kerberos
from txkoji.hub.requests import Request
from txkoji.hub.session import Session
from txkoji.hub.tls import ClientCertificate, PEMFile, read_client_certificate
from txkoji.profiles import Profile
from txkoji.retry import is_passing

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


Send = Callable[[Request], Awaitable[Any]]
"""Sends a request, outside of a session or inside the one that it renews."""


@attrs.define(eq=False, repr=False, slots=False)
class Authenticator:
    """Makes and renews the sessions of one hub.

    Args:
        profile: says how to log in.
        reactor: runs what may block in a thread.
        timeout: seconds that a Kerberos KDC may take.
        show_certificate: makes later requests present a client certificate, or none.
    """

    _log = Logger()

    _profile: Profile
    _reactor: Any
    _timeout: float
    _show_certificate: Callable[[ClientCertificate | None], Awaitable[None]]

    def __attrs_post_init__(self) -> None:
        self._by_certificate: tuple[Login, ClientCertificate] | None = None

    async def log_in(self, send: Send) -> Session:
        """Return a new session.

        Raises:
            KojiLoginException: it did not work; the text says what was tried and what to do.
            TransportError: the hub, or the Kerberos KDC, could not be reached.
            HubFault: the hub is offline, or has lost its database.
        """
        return Session(*await self._log_in(await self._way(), send))

    async def renew(self, session: Session, fault: HubFault, send: Send, send_inside: Send) -> None:
        """Renew an expired session, under the same id if the hub supports that.

        Args:
            session: the session, which is updated.
            fault: the hub's fault about it.
            send: sends a request outside of the session.
            send_inside: sends one inside.

        Raises:
            KojiLoginException: as for :meth:`log_in`.
            TransportError: the hub could not be reached; the call that waits for this was not sent.
            HubFault: the hub is offline, or has lost its database.
        """
        try:
            way = await self._way()
            if isinstance(fault, AuthExpired):
                try:
                    reply = await self._log_in(way.renewal(), send_inside)
                except KojiLoginException:
                    # Hubs before 1.32 can't renew, and none can renew a closed session.
                    reply = await self._log_in(way, send)
            else:
                reply = await self._log_in(way, send)
        except TransportError as error:
            # The login failed: the call that waits for it did not reach the hub.
            error.may_have_arrived = False
            raise
        session.renewed(*reply)

    async def _way(self) -> Login:
        """Choose how to log in, and present the client certificate if that needs it.

        While the file of the certificate is missing or half written, what was read before counts.
        """
        try:
            way, certificate = self._read_way()
        except (BrokenConfiguration, KojiLoginException) as error:
            if self._by_certificate is None:
                raise
            self._log.warn("{error}; what was read before still counts", error=error)
            way, certificate = self._by_certificate
        if certificate is not None:
            self._by_certificate = way, certificate
            way = replace(way, description=certificate.words(self._reactor.seconds()))
        await self._show_certificate(certificate)
        return way

    def _read_way(self) -> tuple[Login, ClientCertificate | None]:
        profile = self._profile
        if self._by_certificate is not None:
            # Without its file the profile would mean another way, as another user perhaps.
            profile = replace(profile, authtype="ssl")
        way = way_to_log_in(profile)
        return way, None if way.certificate is None else read_client_certificate(way.certificate)

    async def _log_in(self, way: Login, send: Send) -> tuple[int, str, bool]:
        """Send a login; returns the session's id, its key, and whether headers carry it."""
        answered: list[Headers] = []
        request = Request(
            way.call.method,
            way.call.encode(),
            repeatable=True,
            path=way.path,
            on_headers=answered.append,
        )
        exchange = None if way.kerberos is None else await self._negotiate(way.kerberos)
        token = ""
        if exchange is not None:
            token = base64.b64encode(exchange.token).decode("ascii")
            request = replace(request, headers={"Authorization": f"Negotiate {token}"})
        try:
            reply = await send(request)
        except (HubFault, HTTPStatusError) as error:
            refusal = self._refusal(error, way, len(token))
            if refusal is None:
                raise
            raise KojiLoginException(refusal) from error
        given = reply if isinstance(reply, dict) else {}
        number, key = given.get("session-id"), given.get("session-key")
        if type(number) is not int or not isinstance(key, str):
            raise KojiLoginException(
                f"{self._profile.server} gave no session for {way.description}"
            )
        if exchange is not None and (answer := _answer_in(answered[-1])) is not None:
            exchange.check(answer)
        return number, key, bool(given.get("header-auth"))

    def _refusal(
        self, error: HubFault | HTTPStatusError, way: Login, ticket_bytes: int
    ) -> str | None:
        """Return why a login was refused; None for trouble of the hub or its front end."""
        url = self._profile.server.rstrip("/")
        refused = f"refuses the login with {way.description}"
        if isinstance(error, HubFault):
            return None if is_passing(error) else f"{url} {refused}: {one_line(error.text)}"
        if error.status in (400, 431) and ticket_bytes:
            return (
                f"{url}{way.path} answered the login with {way.description} with HTTP status"
                f" {error.status}: the ticket takes {ticket_bytes:,} bytes of a header, perhaps"
                " more than the front end allows (Apache: LimitRequestFieldSize)"
            )
        if error.status in (401, 403):
            return (
                f"{url}{way.path} {refused}: it answered with HTTP status {error.status}; it wants"
                " another way to log in, or another user"
            )
        return None

    async def _negotiate(self, kerberos: Kerberos) -> Exchange:
        """Begin a login with a ticket (RFC 4559); a slow KDC blocks only a thread."""
        host = urlsplit(self._profile.server).hostname or ""
        getting = in_thread(self._reactor, kerberos.begin, host)
        try:
            return await getting.addTimeout(self._timeout, self._reactor)
        except DeferredTimeout as error:
            raise KDCUnreachable(
                f"no ticket for HTTP/{host} with {kerberos}: the KDC did not answer within"
                f" {self._timeout:g} s",
                may_have_arrived=False,
            ) from error


def _answer_in(headers: Headers) -> bytes | None:
    """Return a hub's answer to a login with a ticket (RFC 4559), None if it gave none."""
    token = None
    # A header may hold any bytes.
    for value in headers.getRawHeaders(b"WWW-Authenticate") or []:
        scheme, _, encoded = value.partition(b" ")
        if scheme.lower() == b"negotiate" and encoded.strip():
            try:
                token = base64.b64decode(encoded)
            except binascii.Error:
                # Checking the empty answer then says that it is not from the service.
                token = b""
    return token
