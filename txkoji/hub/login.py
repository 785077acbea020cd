"""Log in to a hub, and renew an expired session."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.logger import Logger
from twisted.web.http_headers import Headers

from txkoji._deferreds import in_thread
from txkoji._values import one_line
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import (
    AuthExpired,
    BrokenConfiguration,
    HTTPStatusError,
    HubFault,
    KDCUnreachable,
    KojiLoginException,
    TransportError,
)
from txkoji.hub.auth import Login, way_to_log_in
from txkoji.hub.kerberos import Exchange, Kerberos
from txkoji.hub.requests import Request
from txkoji.hub.session import Session
from txkoji.hub.tls import ClientCertificate, read_client_certificate
from txkoji.profiles import Profile
from txkoji.retry import is_passing

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
            return await ElapsedTime(self._reactor).limit(getting, self._timeout)
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
