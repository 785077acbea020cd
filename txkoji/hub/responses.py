"""Answers that are not a hub's reply: other statuses, web pages, broken connections."""

from __future__ import annotations

from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.protocol import Protocol
from twisted.web._newclient import BadHeaders, ParseError, RequestNotSent
from twisted.web.client import ResponseFailed

from txkoji._interfaces import Response
from txkoji._values import without_secrets
from txkoji.exceptions import (
    ConnectionFailed,
    HTTPStatusError,
    NotXMLRPC,
    TLSError,
    TransportError,
)
from txkoji.front_ends import PAGES, REFUSALS, asked_pause, part_of
from txkoji.hub.endpoints import CONNECT_TIMEOUT
from txkoji.hub.proxies import proxy_for
from txkoji.hub.tls import NOT_TLS, reasons, tls_words
from txkoji.profiles import usable_url


def without_query(url: str) -> str:
    """Return an address to show: without its query, which may hold a session, and without user."""
    return without_secrets(url.partition("?")[0])


def received_part(response: Response) -> tuple[int | None, bool]:
    """Return the offset of the part that a 206 response holds, and whether more follows it."""
    return part_of(_header(response, b"Content-Range"))


_STATUS_REMEDIES = {
    401: "the front end asks for a login",
    403: "the front end forbids it",
    404: "there is nothing at that address: check '{setting}' of the profile",
    405: "that address takes no calls: check '{setting}' of the profile",
    407: "the proxy asks for a login: put user and password into the environment's proxy variable",
    408: "the request took too long to arrive",
    413: "the request is too large: send less at a time",
    421: "that server of the front end does not serve this host name",
    425: "the front end refuses requests in early data of TLS",
    429: "too many requests",
    431: "the headers of the request are too large for the front end",
}

_REDIRECTS = (301, 302, 303, 307, 308)

_MOVED = (301, 308)
"""Permanent redirects: the address is the same for everyone, so it holds no session."""

_REJECTED = REFUSALS | {421, 425, 429}
"""The statuses that say for certain that the request did not reach the hub's code."""


def _remedy(status: int) -> str:
    if status >= 500:
        return "the hub or what stands before it is in trouble"
    if status in REFUSALS:
        return "it was refused"
    if status >= 400:
        return "the front end answered that, not the hub"
    return "neither a result nor a refusal; is that a proxy, or a wrong '{setting}' of the profile?"


def refuse_status(response: Response, url: str, setting: str = "server") -> None:
    """Refuse any status but 200; the body, a web page, is not read."""
    status = response.code
    if status == 200:
        return
    moved = False
    if status in _REDIRECTS:
        moved, remedy = redirection(status, url, _location(response, url))
    else:
        remedy = _STATUS_REMEDIES.get(status) or _remedy(status)
    response.deliverBody(Discard())
    retry_after = asked_pause(_header(response, b"Retry-After"), _header(response, b"Date"))
    asks = f"; it asks for a pause of {retry_after:.0f} s" if retry_after else ""
    raise HTTPStatusError(
        f"{url} answered with HTTP status {status}: {remedy.replace('{setting}', setting)}{asks}",
        status=status,
        url=url,
        # A front end may have forwarded the request before it answered anything else, such as 5xx
        # or a redirect to the page about that error.
        may_have_arrived=status not in _REJECTED,
        moved=moved,
        retry_after=retry_after,
    )


def redirection(status: int, url: str, target: str | None) -> tuple[bool, str]:
    """Return whether a redirect of a call says that the hub has moved, and the words for it.

    No call follows one. Koji's own client, like all that use requests, makes a GET of it after 301,
    302 and 303, which no hub takes, and hands its session to any other host after 307 and 308.

    Args:
        status: the status.
        url: what was called, without its query.
        target: where it leads, None for nowhere.
    """
    if target is None or without_query(target) == url:
        return False, "it redirects to itself, or to no address: the front end is in trouble"
    here, there = urlsplit(url), urlsplit(target)
    is_here = (here.hostname, here.path.rstrip("/")) == (there.hostname, there.path.rstrip("/"))
    if is_here or status in _MOVED:
        return True, f"it redirects: set '{{setting}}' of the profile to {without_query(target)}"
    # The path of a portal may hold a session.
    return (
        False,
        f"it redirects to {there.scheme}://{there.netloc}: a login portal, maintenance?",
    )


def _location(response: Response, url: str) -> str | None:
    """Return where a response redirects to, None for nowhere that can be requested."""
    values = response.headers.getRawHeaders(b"Location") or [b""]
    try:
        target = urldefrag(urljoin(url, values[0].decode("utf-8"))).url
        return usable_url(target, query=True)
    except ValueError:
        return None


def redirected(response: Response, url: str) -> str | None:
    """Return where the response to a GET leads; never from https to http."""
    target = _location(response, url) if response.code in _REDIRECTS else None
    if target is None or (url.startswith("https:") and not target.startswith("https:")):
        return None
    return target


def _header(response: Response, name: bytes) -> str:
    """Return the first value of a header, empty if it has none."""
    values = response.headers.getRawHeaders(name) or [b""]
    return values[0].decode("latin-1").strip()


def refuse_encoding(response: Response, url: str) -> None:
    """Refuse a compressed reply: no request asks for one."""
    encoding = _header(response, b"Content-Encoding")
    if encoding.lower() not in ("", "identity"):
        response.deliverBody(Discard())
        raise NotXMLRPC(
            f"{url} answered with the encoding {encoding[:40]!r}, which nobody asked for: a proxy"
            " or the front end must not compress what does not accept it"
        )


def refuse_page(response: Response, url: str, wanted: str = "a hub's reply") -> None:
    """Refuse a web page with status 200: only a front end sends one."""
    kind = _header(response, b"Content-Type").partition(";")[0].strip().lower()
    if kind in PAGES:
        response.deliverBody(Discard())
        raise NotXMLRPC(
            f"{url} answered with a web page instead of {wanted}: a maintenance page, a login"
            " portal or a proxy?"
        )


class Discard(Protocol):
    """Closes a connection whose reply is not read."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Close it."""
        if self.transport is not None:
            abort(self.transport)


def abort(transport: Any) -> None:
    """Close the connection of an unwanted reply, whose rest must not be read to its end.

    A reply's protocol gets a stand-in for the transport, which can't abort. Over TLS
    ``loseConnection`` waits for the peer's part, and reads on for as long as it sends.
    """
    real = getattr(transport, "_producer", None) or transport
    abort = getattr(real, "abortConnection", None) or transport.loseConnection
    abort()


def in_plain_words(
    problem: Exception, url: str, certificate: str | None, setting: str = "server"
) -> BaseException:
    """Return our exception for a failed request, or the problem itself if there is none.

    Args:
        problem: what Twisted failed with.
        url: what was requested.
        certificate: words for the client certificate that was shown, None for none.
        setting: the key of the profile that has the address.
    """
    proxy = proxy_for(url)
    host = (urlsplit(url).hostname or url) if proxy is None else str(proxy)
    is_https = url.startswith("https:")
    for reason in reasons(problem):
        words = _why_not_connected(reason, url, host, setting, is_proxy=proxy is not None)
        if words is not None:
            return ConnectionFailed(words, url=url, may_have_arrived=False)
        if isinstance(reason, (SSL.Error, VerificationError)):
            words = tls_words(reason, authority="serverca", client=certificate)
            peer = urlsplit(url).hostname if is_https else host
            if words == NOT_TLS and proxy is not None and is_https:
                # A portal says 200 to CONNECT, and sends its page.
                return ConnectionFailed(
                    f"what {host} connects to {peer} does not speak TLS: a login portal, the"
                    " proxy's own page, or another port?",
                    url=url,
                    may_have_arrived=False,
                )
            return TLSError(
                f"no secure connection to {peer}: {words}",
                url=url,
                may_have_arrived=False,
            )
    if any(isinstance(reason, (ParseError, BadHeaders)) for reason in reasons(problem)):
        return ConnectionFailed(
            f"{host} answered with something that is not HTTP: check '{setting}' of the profile",
            url=url,
        )
    if any(isinstance(reason, (ValueError, LookupError)) for reason in reasons(problem)):
        return ConnectionFailed(
            f"{host} answered with broken HTTP headers: the front end or a proxy is in trouble",
            url=url,
        )
    if isinstance(problem, (ResponseFailed, error.ConnectionLost, error.ConnectionDone)):
        return ConnectionFailed(f"the connection to {host} broke before the hub answered", url=url)
    if isinstance(problem, (error.ConnectionClosed, OSError)):
        return TransportError(f"the connection to {host} failed: {problem}", url=url)
    return problem


def _why_not_connected(
    reason: BaseException, url: str, host: str, setting: str, *, is_proxy: bool
) -> str | None:
    """Return why there is no connection; None if there was one, or if TLS failed."""
    if isinstance(reason, SSL.Error) and "internal error" in str(reason):
        return f"{host} broke the TLS handshake off: it is in trouble itself (internal error)"
    if isinstance(reason, error.DNSLookupError):
        if is_proxy:
            return f"the host name of {host} is unknown: check the environment's proxy variables"
        return f"the host name {host} is unknown: check '{setting}' of the profile"
    if isinstance(reason, error.ConnectionRefusedError):
        if is_proxy:
            proxy = f"{host} (for {url})"
            return f"nothing listens at {proxy}: check the environment's proxy variables"
        return f"nothing listens at {url}: is the hub up, and '{setting}' of the profile right?"
    if isinstance(reason, error.TimeoutError):
        return f"{host} did not take a connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(reason, (error.ConnectError, RequestNotSent)):
        return f"can't connect to {host}: {reason}"
    return None
