"""The embedded hub's endpoint: HTTP in, a hub method called, a reply or a fault out.

The order of the checks is the real hub's: method 405, offline, parse 400, method lookup, session,
lock-out, arguments. It does not know what the methods do.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from twisted.internet.interfaces import ISSLTransport
from twisted.logger import Logger
from twisted.web.http import Request, datetimeToString
from twisted.web.resource import Resource

from txkoji import exceptions
from txkoji.testing.core import HubCore
from txkoji.testing.formats import marshal
from txkoji.testing.front import negotiate
from txkoji.testing.methods import uploads
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.dispatch import find_method, run_method
from txkoji.testing.methods.sessions import check_user
from txkoji.testing.tables.state import Row

MAX_REQUEST_BYTES = 4194304
ALWAYS_ALLOWED = ("login", "sslLogin", "logout")


class HubResource(Resource):
    """``/kojihub`` and everything below it."""

    isLeaf = True
    _log = Logger()

    def __init__(self, hub: HubCore) -> None:
        super().__init__()
        self.hub = hub

    def render(self, request: Request) -> bytes:
        """Answer one request."""
        hub = self.hub
        request.setHeader(b"Date", datetimeToString(hub.now()))
        if hub.version_header:
            request.setHeader(b"Koji-Version", hub.version.encode())
        if request.method != b"POST":
            request.setHeader(b"Allow", b"POST")
            text = (
                "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n"
            )
            return self._plain(request, 405, text)
        hub.requests += 1
        principal = self._principal(request)
        if principal is None and self._wants_ticket(request):
            request.setHeader(b"WWW-Authenticate", b"Negotiate")
            request.setHeader(b"Content-Type", b"text/html")
            request.setResponseCode(401)
            return b"<html><title>401 Unauthorized</title></html>"
        if hub.offline_text is not None:
            return self._xml(request, marshal.fault(1014, hub.offline_text))
        assert request.content is not None
        body = request.content.read()
        if _is_upload(request):
            return self._answer(request, "rawUpload", [body])
        if len(body) > MAX_REQUEST_BYTES:
            return self._plain(request, 400, "Invalid request: Request too long\n")
        try:
            method, params = marshal.request(body)
        except marshal.BadRequest as error:
            # The real one closes the connection then, keep-alive or not.
            request.setHeader(b"Connection", b"close")
            return self._plain(request, 400, f"Invalid request: {error}\n")
        return self._answer(request, method, params, principal)

    def _wants_ticket(self, request: Request) -> bool:
        login = request.path.endswith(b"/ssllogin")
        wanted = self.hub.keytab is not None and not self.hub.trusts_front_end
        return login and wanted and self._certificate_name(request) is None

    def _certificate_name(self, request: Request) -> str | None:
        if self.hub.trusts_front_end:
            return _variable(request, "X-Koji-Client")
        return certificate_name(request)

    def _principal(self, request: Request) -> str | None:
        if self.hub.trusts_front_end:
            return _variable(request, "X-Koji-Principal")
        if self.hub.keytab is None or not self._wants_ticket(request):
            return None
        accepted = negotiate.accept(request.getHeader("authorization"), self.hub.keytab)
        if accepted is None:
            return None
        principal, answer = accepted
        answer = self.hub.ticket_answer(answer)
        if answer:
            words = base64.b64encode(answer).decode("ascii")
            request.setHeader(b"WWW-Authenticate", f"Negotiate {words}".encode("ascii"))
        return principal

    def _answer(
        self, request: Request, method: str, params: list[Any], principal: str | None = None
    ) -> bytes:
        try:
            return self._xml(request, self._run(request, method, params, principal))
        except exceptions.HubFault as fault:
            return self._xml(request, marshal.fault(fault.code, fault.text))
        except Exception as error:  # noqa: BLE001 - any error of a method is a fault 1, as on a hub
            self._log.warn("hub method {method} failed", method=method)
            return self._xml(request, marshal.fault(1, f"{type(error)}: {error}"))

    def _run(
        self, request: Request, method: str, params: list[Any], principal: str | None
    ) -> bytes:
        hub = self.hub
        call = MethodCall(hub, address=_address(request), principal=principal)
        if not _is_upload(request):
            find_method(call, method)
        call.session, callnum = self._session(request)
        if call.session is not None:
            hub.sessions.check(call.session, method, callnum)
        call.user = self._user(call.session)
        if method == "sslLogin":
            call.certificate_name = self._certificate_name(request)
        if hub.locked_out and method not in ALWAYS_ALLOWED and not call.has_permission("admin"):
            raise exceptions.ServerOffline("Server disabled for maintenance")
        hub.calls[method] += 1
        with hub.state.transaction():
            reply = marshal.response(self._value(request, call, method, params))
            # A hub stores the number only with a change that it commits.
            stored = hub.state.changed and callnum is not None and method not in ALWAYS_ALLOWED
            session = call.session
            # A logout within a multicall has ended it.
            if stored and session is not None and hub.state.get("sessions", session["id"]):
                hub.sessions.update(session, callnum=callnum)
        if call.session is not None:
            # It is not worth a write of a state file.
            call.session["updated"] = hub.now()
        return reply

    def _value(self, request: Request, call: MethodCall, method: str, params: list[Any]) -> Any:
        if _is_upload(request):
            return uploads.raw_upload(call, _query(request), params[0])
        return run_method(call, method, params)

    def _user(self, session: Row | None) -> Row | None:
        if session is not None:
            user = self.hub.state.row("users", session["user_id"])
            check_user(user)
            return user
        if self.hub.anonymous_user is not None:
            return self.hub.state.one("users", name=self.hub.anonymous_user)
        return None

    def _session(self, request: Request) -> tuple[Row | None, int | None]:
        sessions = self.hub.sessions
        host = _address(request)
        id_text = request.getHeader("koji-session-id")
        if id_text is not None and sessions.header_auth:
            key = request.getHeader("koji-session-key") or ""
            callnum = request.getHeader("koji-session-callnum")
            if not self.hub.reads_callnum_header:
                callnum = None
            return sessions.find(id_text, key, host), _number(callnum)
        query = _query(request)
        if not query:
            return None, None
        for name in ("session-id", "session-key"):
            if name not in query:
                raise exceptions.AuthError(f"{name!r} not specified in session args")
        session = sessions.find(query["session-id"], query["session-key"], host)
        return session, _number(query.get("callnum"))

    def _xml(self, request: Request, body: bytes) -> bytes:
        request.setHeader(b"Content-Type", b"text/xml")
        return body

    def _plain(self, request: Request, status: int, text: str) -> bytes:
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", b"text/plain")
        return text.encode()


def _is_upload(request: Request) -> bool:
    return request.getHeader(b"content-type") == b"application/octet-stream"


def _address(request: Request) -> str:
    return str(getattr(request.getClientAddress(), "host", ""))


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise exceptions.AuthError(f"invalid callnum: {text}") from error


def _query(request: Request) -> dict[str, str]:
    _, _, query = request.uri.partition(b"?")
    if not query:
        return {}
    pairs = parse_qs(query.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in pairs.items()}


def _variable(request: Request, header: str) -> str | None:
    value = request.getHeader(header)
    # Apache writes "(null)" for a variable that is not set.
    return str(value) if value and value != "(null)" else None


def certificate_name(request: Request) -> str | None:
    """Return the common name of the client certificate that came with a request, or None."""
    transport = getattr(request.channel, "transport", None)
    if transport is None or not ISSLTransport.providedBy(transport):
        return None
    certificate = transport.getPeerCertificate()
    if not isinstance(certificate, crypto.X509):
        return None
    names = certificate.to_cryptography().subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else None
