"""The way to a hub, step by step, and whether Koji's pages and files can be read."""

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
from twisted.internet.threads import deferToThread, deferToThreadPool

from buildbot_koji.cli.doctor.findings import Finding, error, expiry, ok, warning
from buildbot_koji.cli.doctor.wanted import Examined
from txkoji import Connection, build_states, paths, proxy_for
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


def taken_port(port: object) -> Finding | None:
    """Return that another program than a Buildbot master listens at the port of the pages.

    Args:
        port: ``c["www"]["port"]``.
    """
    parts = re.match(r"(?:tcp:)?(?:port=)?([0-9]{1,5})(?::|$)", str(port))
    if parts is None:
        return None
    interface = re.search(r":interface=([0-9.]+|localhost)", str(port))
    host = "127.0.0.1" if interface is None or interface[1] == "0.0.0.0" else interface[1]  # noqa: S104
    try:
        socket.create_connection((host, int(parts[1])), timeout=LIMIT).close()
    except (OSError, OverflowError):
        return None
    with suppress(OSError):
        status, headers = answer_to(f"http://{host}:{parts[1]}/api/v2/")
        if status != 404 and "json" in headers.get("content-type", ""):
            return None
    words = f"another program listens at {host}, port {parts[1]}: the pages can't"
    return error("www", words, "end that program, or give c['www'] another port")


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


async def pages(examined: Examined) -> AsyncIterator[Finding]:
    """Check that Koji's pages are where links lead."""
    koji = examined.connection
    tasks = await koji.checked("listTasks", queryOpts={"order": "-id", "limit": 1})
    # A new hub has none: its web server must do.
    url = paths.task_url(koji.weburl, tasks[0].id) if tasks else koji.weburl
    remedy = "is 'weburl' of the profile right?"
    try:
        status, _ = await deferToThread(answer_to, url)
    except OSError as problem:
        yield warning("weburl", f"{url}: {problem}; links to Koji's pages lead there", remedy)
        return
    if status == 404 and tasks:
        yield warning("weburl", f"there is no page {url}; links to Koji's pages lead there", remedy)
    elif status >= 500:
        wait = "wait, or ask the hub's administrators"
        yield warning("weburl", f"{url} answers with status {status}", wait)
    else:
        yield ok("weburl", koji.weburl)


async def files(examined: Examined) -> AsyncIterator[Finding]:
    """Check that files can be read, as downloads and logs do."""
    koji = examined.connection
    if koji.topurl is None:
        level = error if examined.wanted.downloads else warning
        yield level(
            "kojifiles",
            "the profile names no 'topurl': logs and RPMs can't be downloaded from there",
            "topurl = https://.../kojifiles in the profile",
        )
        return
    path = await _path_of_an_rpm(koji)
    # A new hub has none: the server must do, whatever it says of its top directory.
    url = koji.topurl if path is None else paths.url_of(koji.topurl, path)
    try:
        # Verify the server as a download on a worker does.
        tls = await deferToThread(_verifying, koji)
        status, headers = await deferToThread(answer_to, url, tls=tls, Range="bytes=0-0")
    except OSError as problem:
        remedy = "is 'topurl' of the profile right?"
        if "not trusted" in str(problem):
            remedy = "'serverca' of the profile must hold the CA of this server, too"
        yield error("kojifiles", f"{url}: {problem}", remedy)
        return
    if path is None:
        yield ok("kojifiles", "the server answers; there is no RPM yet to read")
    elif "text/html" in headers.get("content-type", "") and status < 300:
        yield error(
            "kojifiles",
            f"{url} is a web page and no RPM: a login portal, or a proxy?",
            "'topurl' of the profile must be an address that gives files without a login",
        )
    elif status == 206 and headers.get("content-range", "").startswith("bytes 0-0/"):
        yield ok("kojifiles", "readable, byte ranges too")
    elif status == 200:
        yield warning(
            "kojifiles",
            "serves no byte ranges: interrupted downloads start over, and logs come from the hub",
            "let the server, or the cache in front of it, answer Range requests",
        )
    else:
        yield error(
            "kojifiles",
            f"{url} answers with status {status}",
            "the server must let this machine read it"
            if status in (401, 403)
            else "wait, or ask its administrators"
            if status >= 500
            else "is 'topurl' of the profile right? /kojifiles may need another name",
        )


def _verifying(koji: Connection) -> ssl.SSLContext | None:
    """Return what verifies the server of the files as a worker does, None if none does."""
    if koji.settings.no_ssl_verify and koji.settings.serverca is None:
        return None
    return ssl.create_default_context(cadata=koji.authorities())


async def _path_of_an_rpm(koji: Connection) -> str | None:
    """Return the path of an RPM below the top directory, None if no late build has one."""
    for build in await koji.checked(
        "listBuilds",
        state=build_states.COMPLETE,
        type="rpm",
        queryOpts={"order": "-build_id", "limit": 20},
    ):
        for rpm in await koji.checked("listRPMs", build.build_id, queryOpts={"limit": 1}):
            return paths.rpm_path(
                build.package_name,
                build.version,
                build.release,
                f"{rpm.name}-{rpm.version}-{rpm.release}.{rpm.arch}.rpm",
                rpm.arch,
                volume=build.volume_name,
            )
    return None
