"""The way to a hub, step by step: proxy, name, connection, certificate."""

from __future__ import annotations

import queue
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from twisted.internet.endpoints import serverFromString
from twisted.internet.threads import deferToThreadPool

from buildbot_koji.cli.doctor.findings import Finding, error, expiry, ok
from txkoji import proxy_for
from txkoji.exceptions import BrokenConfiguration

T = TypeVar("T")

LIMIT = 10.0
"""Seconds for each step."""

PORTS = {"http": 80, "https": 443, "amqp": 5672, "amqps": 5671}
TLS_SCHEMES = ("https", "amqps")


def _within(limit: float, step: Callable[[], T]) -> T:
    """Return what a step returns: a socket's own limit starts again with each byte.

    The thread of a step that is too slow is left behind: it does not keep the process alive.

    Raises:
        OSError: the step takes longer, or failed so.
    """
    done: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(1)

    def run() -> None:
        try:
            done.put((step(), None))
        except Exception as problem:  # noqa: BLE001 - raised in the thread that waits
            done.put((None, problem))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, problem = done.get(timeout=limit)
    except queue.Empty:
        raise OSError(f"no complete answer within {limit:g} s") from None
    if problem is not None:
        raise problem
    return result  # type: ignore[return-value]


async def walked(reactor: Any, url: str) -> AsyncIterator[Finding]:
    """Yield what :func:`way_to` finds, each as soon as it is found."""
    steps = way_to(url)
    while (
        found := await deferToThreadPool(reactor, reactor.getThreadPool(), next, steps, None)
    ) is not None:
        yield found


def way_to(url: str, limit: float = LIMIT) -> Iterator[Finding]:
    """Check the way to a hub or a broker; ends with the first thing that does not work.

    The server's certificate is not verified here: the client does that.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    port = port or PORTS[parts.scheme]
    what = host
    try:
        proxy = None if parts.scheme.startswith("amqp") else proxy_for(url)
    except BrokenConfiguration:
        # The client says which variable is wrong.
        return
    if proxy is not None:
        host, port, what = proxy.host, proxy.port, str(proxy)
        yield ok("proxy", f"requests to {parts.hostname} go through {what}")
    try:
        found = _within(limit, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as problem:
        yield error(
            "DNS",
            f"{host} has no address: {problem}",
            "check the name in the address (or that of the proxy), and this machine's DNS",
        )
        return
    yield ok("DNS", f"{host} is {', '.join(sorted({str(each[4][0]) for each in found})[:4])}")
    try:
        connection = socket.create_connection((host, port), timeout=limit)
    except OSError as problem:
        yield error(
            "TCP",
            f"{what} takes no connection at port {port}: {problem}",
            "is the server up, the port right, and open in the firewalls between?",
        )
        return
    with connection:
        yield ok("TCP", f"{what} listens at port {port}")
        if parts.scheme in TLS_SCHEMES and what == host:
            yield from _certificate(connection, host, parts.scheme, limit)


def _certificate(
    connection: socket.socket, host: str, scheme: str, limit: float
) -> Iterator[Finding]:
    try:
        wrap = partial(_unverified().wrap_socket, connection, server_hostname=host)
        with _within(limit, wrap) as secured:
            encoded = secured.getpeercert(binary_form=True) or b""
            version = secured.version()
        certificate = x509.load_der_x509_certificate(encoded)
    except (OSError, ValueError) as problem:
        yield error(
            "TLS",
            f"no TLS with {host}: {problem}",
            f"is it an {scheme} server at all? A proxy or load balancer may end the handshake",
        )
        return
    ends = certificate.not_valid_after_utc
    until, now, what = ends.timestamp(), time.time(), f"the certificate of {host}"
    renew = "tell the server's administrators"
    if until < now:
        renew = "the server's administrators have to renew it"
    yield expiry("TLS", what, until, now, renew) or ok(
        "TLS", f"{version}; {what} is valid until {ends:%Y-%m-%d}"
    )


def answer_to(
    url: str, limit: float = LIMIT, tls: ssl.SSLContext | None = None, **headers: str
) -> tuple[int, dict[str, str]]:
    """Return the status and the headers (lower case) of a GET, through a proxy where one is set.

    Nothing secret is sent. Without ``tls`` the answer is not trusted, and no certificate verified.

    Raises:
        OSError: there is no answer within the limit.
    """
    return _within(limit, partial(_answer_to, url, limit, tls or _unverified(), headers))


def check_port(port: object, reactor: Any) -> Finding | None:
    """Return why a master can't listen at the port of its pages, None if nothing is known.

    Args:
        port: ``c["www"]["port"]``: a number, or Twisted's description of an endpoint.
        reactor: Twisted's reactor.
    """
    where = f"tcp:{port}" if isinstance(port, int) else str(port)
    try:
        serverFromString(reactor, where)
    except OSError:
        # The path of a certificate begins in the master's directory, not in this one.
        return None
    except Exception as problem:  # noqa: BLE001 - whatever the parser of an endpoint raises
        return _unusable(port, problem)
    parts = re.match(r"tcp:(?:port=)?(-?[0-9]+)(?::|$)", where)
    if parts is None:
        return None
    if not 0 <= int(parts[1]) < 2**16:
        return _unusable(port, "it must be from 0 to 65535")
    interface = re.search(r":interface=([0-9.]+|localhost)", where)
    host = "127.0.0.1" if interface is None or interface[1] == "0.0.0.0" else interface[1]  # noqa: S104
    try:
        socket.create_connection((host, int(parts[1])), timeout=LIMIT).close()
    except OSError:
        return None
    with suppress(OSError):
        status, headers = answer_to(f"http://{host}:{parts[1]}/api/v2/")
        if status != 404 and "json" in headers.get("content-type", ""):
            return None
    words = f"another program listens at {host}, port {parts[1]}: the pages can't"
    return error("www", words, "end that program, or give c['www'] another port")


def _unusable(port: object, problem: object) -> Finding:
    words = f"no master can listen at c['www']['port'], {port!r:.200}: {problem}"
    return error("www", words, "write a number, or 'tcp:8010:interface=127.0.0.1'")


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _answer_to(
    url: str, limit: float, context: ssl.SSLContext, headers: dict[str, str]
) -> tuple[int, dict[str, str]]:
    proxy = proxy_for(url)
    proxies = {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - a checked http(s) URL
    if proxy is not None:
        proxies[urlsplit(url).scheme] = proxy.url
        if proxy.credentials is not None:
            request.add_unredirected_header("Proxy-Authorization", proxy.credentials)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler(proxies)
    )
    try:
        with opener.open(request, timeout=limit) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as status:
        with status:
            return status.code, {name.lower(): value for name, value in status.headers.items()}
    except urllib.error.URLError as problem:
        reason = problem.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise OSError(f"its certificate is not trusted: {reason.verify_message}") from problem
        raise OSError(str(reason)) from problem
    except (HTTPException, ValueError) as problem:
        raise OSError(f"no answer in HTTP: {problem}") from problem
