"""Fetches files over HTTP, on a worker: with Python's own library only.

Like :mod:`txkoji.files.downloads`, it resumes a download that broke, and gives a file its name only
once it is complete and verified. It runs on Python 3.9.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from txkoji.files.part import PartFile, TooMuch, is_plain, shared_path
from txkoji.front_ends import (
    COMPRESSED,
    LASTING,
    OPEN_END,
    PACE_BYTES,
    PAGE_SUFFIXES,
    PAGES,
    asked_pause,
    part_of,
)
from txkoji.proxy_rules import named_proxy

TIMEOUT = 60
PIECE = 1 << 20

WANTS_CERTIFICATE = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "SSLV3_ALERT_BAD_CERTIFICATE",
)
"""What OpenSSL calls the refusal of a client without a certificate."""


def main(request: dict[str, Any]) -> int:
    """Fetch files, and print which were fetched or why not.

    Args:
        request: ``directory``, where they go; ``files``, the fields of each
            :class:`txkoji.RemoteFile`; ``certificates``, the PEM text of CAs to trust instead of
            the system's, or None; ``verify``, whether certificates are verified; ``at_once``, how
            many files are in flight at the same time; ``attempts``, how often a file is asked for;
            ``pace``, the seconds within which :data:`PACE_BYTES` of it must arrive; ``report``, the
            seconds between two lines about a file that arrives: Buildbot ends a silent command.

    Returns:
        The exit status.
    """
    context = ssl.create_default_context(cadata=request["certificates"])
    if not request["verify"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    directory = Path(request["directory"])
    paths = [directory.joinpath(*each["name"].split("/")) for each in request["files"]]
    doubled = shared_path(paths)
    if doubled is not None:
        print(f"several files would go to {doubled}: refused")
        return 1
    limits = _Limits(request["attempts"], request["pace"], request["report"])
    fetch = partial(_fetch, context, limits, frozenset(paths))
    with ThreadPoolExecutor(request["at_once"]) as pool:
        failed = [trouble for trouble in pool.map(fetch, paths, request["files"]) if trouble]
    print("\n".join(failed) or f"files fetched: {len(request['files'])}", flush=True)
    return 1 if failed else 0


class _Limits(NamedTuple):
    """The limits of a file that arrives; times are in seconds."""

    attempts: int
    pace: float
    report: float


class _Watchdog:
    """Breaks the connections of an attempt that receives too little within a time.

    A socket's own timeout is for each read: a peer that drips a byte a second never exceeds it, in
    a TLS handshake, a proxy's reply, a head or the length of a chunk.

    Attributes:
        barked: whether it did.
    """

    def __init__(self, seconds: float) -> None:
        self.barked = False
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for each in self._sockets:
            each.close()

    def renew(self) -> None:
        """Give it the whole time again: enough has arrived."""
        self._until = time.monotonic() + self._seconds

    def watch(self, connection: socket.socket) -> None:
        """Break a connection, too, when the time is over."""
        # TLS takes the socket over; what a duplicate shuts down is shut down for both.
        own = connection.dup()
        with self._lock:
            self._sockets.append(own)
            if self.barked:
                _shut_down(own)

    def _run(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        with self._lock:
            self.barked = True
            for each in self._sockets:
                _shut_down(each)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Response(http.client.HTTPResponse):
    """A reply after interim ones of any kind: ``http.client`` skips those with status 100 alone."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        is_interim = http.client.SWITCHING_PROTOCOLS < status < http.client.OK
        return version, http.client.CONTINUE if is_interim else status, reason


class _WatchedConnection:
    """A connection of ``http.client`` that a watchdog knows from its first byte on."""

    response_class: Any = _Response

    def __init__(self, watchdog: _Watchdog, *arguments: Any, **named: Any) -> None:
        self._watchdog = watchdog
        super().__init__(*arguments, **named)

    @property
    def sock(self) -> Any:
        """The socket, None before the connection and after it."""
        return self._sock

    @sock.setter
    def sock(self, opened: Any) -> None:
        self._sock = opened
        if opened is not None and not isinstance(opened, ssl.SSLSocket):
            self._watchdog.watch(opened)


class _WatchedHTTP(_WatchedConnection, http.client.HTTPConnection):
    """One without TLS."""


class _WatchedHTTPS(_WatchedConnection, http.client.HTTPSConnection):
    """One with TLS."""


class _Web(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens addresses with and without TLS, watched."""

    def __init__(self, watchdog: _Watchdog, context: ssl.SSLContext) -> None:
        urllib.request.HTTPSHandler.__init__(self, context=context)
        self._watchdog = watchdog

    def do_open(self, http_class: Any, req: Any, **http_conn_args: Any) -> Any:
        """Open an address."""
        kind = _WatchedHTTPS if http_class is http.client.HTTPSConnection else _WatchedHTTP
        connect: Any = partial(kind, self._watchdog)
        return super().do_open(connect, req, **http_conn_args)


class _Proxies(urllib.request.ProxyHandler):
    """The proxies that the master would take of the same environment."""

    def __init__(self) -> None:
        super().__init__({"http": "", "https": ""})

    def proxy_open(self, req: Any, proxy: str, type: str) -> Any:  # noqa: A002
        """Direct a request to its proxy, if it has one."""
        try:
            named = named_proxy(req.full_url)
        except ValueError as error:
            raise _Unusable(str(error)) from None
        if named is None:
            return None
        if named.address.scheme == "https":
            raise _Unusable(
                f"{named.variable} in the environment names an https proxy: Python's own library,"
                " which fetches files on workers, can talk to http proxies only"
            )
        if named.credentials is not None:
            # Not to where a redirect leads.
            req.add_unredirected_header("Proxy-Authorization", named.credentials)
        host = named.address.hostname or ""
        req.set_proxy(f"{f'[{host}]' if ':' in host else host}:{named.port}", "http")
        return None


class _Unusable(Exception):
    """The environment names a proxy that can't be used."""


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses a redirect from https to http, to another scheme, with a user, or to nowhere."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Return the reply to follow, None if the redirect itself is the answer."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:
            return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """Return the request to send instead, None for none."""
        address = urllib.parse.urlsplit(newurl)
        good = ("https",) if req.type == "https" else ("http", "https")
        # Reading the port checks it.
        if address.scheme not in good or address.port == 0 or "@" in address.netloc:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(
    context: ssl.SSLContext,
    limits: _Limits,
    taken: Collection[Path],
    target: Path,
    file: dict[str, Any],
) -> str:
    """Fetch one file; returns what went wrong, or nothing."""
    digest = None if file["digest"] is None else tuple(file["digest"])
    places = file["name"].split("/")
    # On Windows a backslash or a colon leads elsewhere, too.
    odd = [each for each in places if each in ("", "..") or each != Path(each).name]
    if odd or not is_plain(file["name"]):
        return f"{file['name']!r} is a file outside of the directory: refused"
    part = PartFile(target, file["size"], digest, grows=file["grows"], taken=taken)
    try:
        part.prepare()
        trouble = _receive(part, file["url"], context, limits)
        if trouble and part.resumed:
            # An earlier fetch may have left a part of another file: start over.
            part.discard()
            trouble = _receive(part, file["url"], context, limits)
        if trouble:
            part.discard()
            # The query may hold a token.
            return f"{file['url'].partition('?')[0]}: {trouble}"
        part.finish()
    except OSError as error:
        return f"can't write {part.target}: {error.strerror or error}"
    print(f"{file['name']}: {part.target.stat().st_size:,} bytes", flush=True)
    return ""


def _receive(part: PartFile, url: str, context: ssl.SSLContext, limits: _Limits) -> str:
    """Receive what is missing of a file; returns what went wrong, or nothing."""
    trouble, asked = "", 0.0
    for attempt in range(limits.attempts):
        if part.is_complete:
            return part.trouble()
        if attempt:
            if asked:
                # Buildbot kills a command that prints nothing for too long.
                print(f"{part.target.name} waits {asked:.0f} s: {trouble}", flush=True)
            time.sleep(max(2 ** (attempt - 1), asked))
        asked = 0.0
        have = part.keep()
        headers = {"Range": f"bytes={have}-"} if have else {}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the hub's own
        try:
            trouble = _attempt(part, request, context, limits)
        except urllib.error.HTTPError as error:
            if have and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                # Nothing is left to fetch: the verification decides whether it is complete.
                return part.trouble()
            # Its reason may quote where it redirects to, with a token.
            trouble = f"it answered with HTTP status {error.code}"
            said = error.headers
            asked = asked_pause(said.get("Retry-After", ""), said.get("Date", ""))
            if error.code in LASTING:
                return trouble
        except _Unusable as error:
            return str(error)
        except http.client.HTTPException as error:
            trouble = f"the connection failed: {error}"
            cause = error.__cause__
            if isinstance(cause, ssl.SSLCertVerificationError):
                return trouble
            if isinstance(cause, ssl.SSLError) and cause.reason in WANTS_CERTIFICATE:
                return f"{trouble}: the server asks workers for a client certificate"
            part.close()
            if part.is_proven():
                return ""
        else:
            if not trouble or part.resumed or not part.may_change():
                return trouble
            part.discard()
        finally:
            part.close()
    return trouble


def _attempt(part: PartFile, request: Any, context: ssl.SSLContext, limits: _Limits) -> str:
    """Receive what is missing of a file, once; returns what is wrong with a reply that is whole."""
    with _Watchdog(limits.pace) as watchdog:
        opener = urllib.request.build_opener(
            _Web(watchdog, context), _Proxies(), _SecureRedirects()
        )
        try:
            with _from_network(opener.open, request, None, TIMEOUT) as reply:
                _copy(reply, part, watchdog, limits)
        except TooMuch as problem:
            part.close()
            return str(problem)
        except http.client.HTTPException:
            if not watchdog.barked:
                raise
        if watchdog.barked:
            raise http.client.HTTPException(
                f"less than {PACE_BYTES:,} bytes arrived in {limits.pace:g} s"
            )
    part.close()
    return part.trouble()


def _from_network(step: Callable[..., Any], *arguments: Any) -> Any:
    """Run a step that waits for the network; raise its errors as HTTPException, not OSError."""
    try:
        return step(*arguments)
    except urllib.error.HTTPError:
        raise
    except OSError as error:
        reason = getattr(error, "reason", error)
        cause = reason if isinstance(reason, OSError) else error
        raise http.client.HTTPException(str(reason)) from cause


def _copy(reply: Any, part: PartFile, watchdog: _Watchdog, limits: _Limits) -> None:
    """Write a reply to its file; a server may send the whole file instead of the requested part."""
    have = part.have
    if reply.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
        raise http.client.HTTPException(f"it answered with HTTP status {reply.status}")
    if reply.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise http.client.HTTPException("it came in an unknown transfer encoding")
    resumes = reply.status == http.client.PARTIAL_CONTENT
    begin, is_cut = part_of(reply.headers.get("Content-Range", ""))
    if resumes and begin != have:
        if have:
            # Ask for no part again: a proxy may never send the right one.
            part.begin(0)
        raise http.client.HTTPException("another part than it was asked for came")
    kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in PAGES and part.target.suffix not in PAGE_SUFFIXES:
        raise http.client.HTTPException("a web page came instead of the file")
    encoding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity" and part.target.suffix not in COMPRESSED:
        raise http.client.HTTPException(f"it came in the encoding {encoding!r}, unasked")
    part.begin(have if resumes else 0)
    left, is_open = reply.length, reply.length is None and not reply.chunked
    count = 0
    told, total = time.monotonic(), have if resumes else 0
    while piece := _from_network(reply.read1, PIECE):
        part.write(piece)
        count += len(piece)
        total += len(piece)
        left = None if left is None else left - len(piece)
        if count >= PACE_BYTES:
            watchdog.renew()
            count = 0
        now = time.monotonic()
        if now - told >= limits.report:
            told = now
            print(f"{part.target.name}: {total:,} bytes so far", flush=True)
    if left or is_open or (resumes and is_cut):
        raise http.client.HTTPException(f"it {OPEN_END}" if is_open else "it ended early")


if __name__ == "__main__":
    # All modules are imported by now.
    Path(sys.argv[0]).unlink()
    sys.exit(main(json.load(sys.stdin)))
