"""The facade: a profile in, Deferreds of rich objects out."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from txkoji import paths, profiles, rich
from txkoji._deferreds import returns_deferred
from txkoji.cache import Cache
from txkoji.exceptions import (
    AuthError,
    AuthExpired,
    ConfigurationError,
    ConnectionFailed,
    HTTPStatusError,
    HubFault,
    KojiException,
    KojiLoginException,
    ProfileNotFound,
    RetryError,
    TransportError,
)
from txkoji.files import logs
from txkoji.files.downloads import download, files_of_build, files_of_task
from txkoji.files.logs import LogPiece
from txkoji.files.uploads import Progress, new_directory, upload
from txkoji.hub import auth, methods
from txkoji.hub.auth import Login
from txkoji.hub.batching import Batcher, is_point_lookup
from txkoji.hub.kerberos import Exchange, Kerberos
from txkoji.hub.methods import Kind
from txkoji.hub.session import Session, Turn, has_run_out
from txkoji.hub.transport import Sink, Transport
from txkoji.hub.xmlrpc import DEFAULT_MAX_BYTES, encode_call
from txkoji.multicall import MultiCall
from txkoji.profiles import Profile
from txkoji.retry import RetryPolicy
from txkoji.submission import submitter
from txkoji.submission.submitter import Claims, Submission

__all__ = ["Connection"]


@dataclass(frozen=True)
class _Request:
    """What a session sends: everything but the session."""

    method: str
    body: bytes = field(repr=False)
    path: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class _NegotiateAnswer:
    """What a hub answers to a login by ticket, in a header of its reply.

    Attributes:
        token: the answer; None where the hub gave none.
    """

    def __init__(self) -> None:
        self.token: bytes | None = None

    def take(self, headers: Headers) -> None:
        """Look at the headers of the reply."""
        for value in headers.getRawHeaders("WWW-Authenticate") or []:
            scheme, _, encoded = value.partition(" ")
            if scheme.lower() == "negotiate" and encoded.strip():
                try:
                    self.token = base64.b64decode(encoded)
                except binascii.Error:
                    # No answer of the service: the check of an empty one says so.
                    self.token = b""


class Connection:
    """A connection to a Koji hub.

    Each hub method is an attribute: ``koji.getTag("f44")`` returns a Deferred of its result, named
    arguments are Koji's. Structs are :class:`munch.Munch`; builds, tasks, packages and channels are
    rich objects. A Deferred fails with a :class:`txkoji.exceptions.KojiException`; cancelling it
    gives up the request. No connection is opened before the first call.

    Args:
        profile: the name of a profile in Koji's configuration files, or a Profile.
        reactor: the reactor; by default Twisted's global one.
        deadline: seconds that a call and its retries may take in all.
        request_timeout: seconds until one reply begins, and between two pieces of it; by default
            the profile's ``timeout``.
        max_reply_bytes: the largest reply that is taken.
        anonymous_reads: send reads outside of the session, in parallel; False for a site that
            does not let anonymous callers read.
        batching: let look-ups of single objects (``getTaskInfo(7)``) that are made in the same
            reactor turn travel together, at most 100 in a request.
        retry: how long to wait between attempts.
        agent: sends the requests, instead of an Agent of our own.
        config: a configuration file or directory to read instead of the user's own.

    Raises:
        ConfigurationError: (a ValueError) no file has the profile, or it can't be used.
    """

    MultiCall: Callable[[], MultiCall]

    _log = Logger()

    def __init__(
        self,
        profile: str | Profile = "koji",
        *,
        reactor: Any = None,
        deadline: float = 120.0,
        request_timeout: float | None = None,
        max_reply_bytes: int = DEFAULT_MAX_BYTES,
        anonymous_reads: bool = True,
        batching: bool = True,
        retry: RetryPolicy | None = None,
        agent: IAgent | None = None,
        config: str | os.PathLike[str] | None = None,
    ) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self.settings = (
            profile if isinstance(profile, Profile) else profiles.load(profile, config=config)
        )
        self.profile = self.settings.name
        self.url = self.settings.server
        self.weburl = self.settings.weburl
        self.topurl = self.settings.topurl
        self.deadline = deadline
        self.reactor = reactor
        self.cache = Cache(self)
        self._request_timeout = (
            self.settings.timeout if request_timeout is None else request_timeout
        )
        self._max_reply_bytes = max_reply_bytes
        self._anonymous_reads = anonymous_reads
        self._batcher = Batcher(self) if batching else None
        self._retry = retry or RetryPolicy()
        self._transport = Transport(reactor, self.settings, agent=agent)
        self._session: Session | None = None
        self._claims = Claims()
        self.MultiCall = partial(MultiCall, self)

    def __repr__(self) -> str:
        return f"<Connection {self.profile} {self.url}>"

    # Calls

    def __getattr__(self, name: str) -> Callable[..., Deferred[Any]]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self.call, name)

    @returns_deferred
    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a hub method.

        A read is sent again, until the deadline, when the network, the front end or an offline hub
        is the reason that it failed. A write is sent again only when it is certain that the hub did
        not carry it out, or where doing it twice does the same (``cancelTask``).

        Args:
            method: the method's name; a dotted one (``repo.request``) can only be called so.
            args: its positional arguments.
            kwargs: its named arguments.

        Returns:
            A Deferred of the result, rich where the method is one of those.

        Raises:
            HubFault: the hub refused; the class tells why.
            TransportError: the hub could not be reached, or not in time.
            ProtocolError: what came back is not a hub's reply.
            ValueError: an argument can't be sent.
        """
        prepared, named = rich.prepare(method, args, kwargs)
        call = (method, prepared, named)
        try:
            if self._batcher is not None and is_point_lookup(call):
                result = await self._batcher.add(call)
            else:
                result = await self.send(*call, methods.kind(method))
        except HubFault as fault:
            if rich.is_empty_result(method, fault):
                return []
            raise
        return rich.convert(method, result, self)

    async def send(
        self,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        kind: Kind,
        turn: Turn | None = None,
    ) -> Any:
        """Send a call and return its raw result. For the modules of this package.

        Args:
            method: the hub method.
            args: its positional arguments.
            kwargs: its named arguments.
            kind: what the method does to the hub.
            turn: of a write that is sent again: that of the first time.
        """
        return await self.send_encoded(method, encode_call(method, args, kwargs), kind, turn)

    async def send_encoded(
        self, method: str, body: bytes, kind: Kind, turn: Turn | None = None
    ) -> Any:
        """Send a call that is encoded already. For the modules of this package."""
        repeatable = (
            kind is Kind.READ
            or method in methods.SESSION_READS
            or method in methods.IDEMPOTENT_WRITES
        )
        request = _Request(method, body)
        if self._session is None or (kind is Kind.READ and self._anonymous_reads):
            return await self._attempts(request, self.url, write=not repeatable)
        return await self._through_session(request, repeatable, turn)

    async def send_chunk(self, query: str, chunk: bytes) -> Any:
        """Send a piece of a file and return what the hub says of it.

        For the modules of this package. A piece may be sent again: it goes to the same place.
        """
        request = _Request(
            "rawUpload", chunk, query=query, headers={"Content-Type": "application/octet-stream"}
        )
        return await self._through_session(request, True)

    async def _through_session(
        self, request: _Request, repeatable: bool, turn: Turn | None = None
    ) -> Any:
        """Send a request when it is its turn in the session; let one that ran out go on."""
        session = self._session
        assert session is not None
        await session.queue.acquire()
        try:
            try:
                return await self._in_session(session, request, write=not repeatable, turn=turn)
            except HubFault as fault:
                if has_run_out(fault):
                    await self._renew(session, fault)
                elif not (repeatable and isinstance(fault, RetryError)):
                    raise
            # The hub refused the call before it looked at it: even a write may be sent again. Or
            # it was done and its reply got lost: asked once more, it gives the same reply.
            return await self._in_session(session, request, write=not repeatable, turn=turn)
        finally:
            session.queue.release()

    async def _in_session(
        self,
        session: Session,
        request: _Request,
        *,
        write: bool,
        turn: Turn | None = None,
        on_headers: Callable[[Headers], None] | None = None,
    ) -> Any:
        """Send a request of a session, whose queue is held."""
        callnum = session.take_callnum(turn or Turn())
        query = "&".join(filter(None, [request.query, session.query(callnum)]))
        url = self.url + request.path
        carried = replace(request, headers={**request.headers, **session.headers(callnum)})
        return await self._attempts(
            carried, f"{url}?{query}" if query else url, write=write, on_headers=on_headers
        )

    async def _attempts(
        self,
        request: _Request,
        url: str,
        *,
        write: bool,
        on_headers: Callable[[Headers], None] | None = None,
    ) -> Any:
        start = self.reactor.seconds()
        failures = 0
        while True:
            elapsed = self.reactor.seconds() - start
            try:
                return await self._transport.post(
                    url,
                    request.body,
                    request.headers,
                    on_headers=on_headers,
                    timeout=min(self._request_timeout, max(self.deadline - elapsed, 0.1)),
                    max_bytes=self._max_reply_bytes,
                )
            except KojiException as error:
                if isinstance(error, HubFault) and error.method is None:
                    error.method = request.method
                failures += 1
                broken = isinstance(error, ConnectionFailed) and error.may_have_arrived
                if broken and failures == 1 and not write:
                    # A kept connection that the front end had just closed: try a fresh one at once.
                    continue
                pause = self._retry.wait(
                    error,
                    failures=failures,
                    elapsed=self.reactor.seconds() - start,
                    deadline=self.deadline,
                    write=write,
                )
                if pause is None:
                    raise
                self._log.info(
                    "{method}: {error}; trying again in {pause:.1f} s",
                    method=request.method,
                    error=error,
                    pause=pause,
                )
            await deferLater(self.reactor, pause, lambda: None)

    # Submissions

    @returns_deferred
    async def new_submission(self, method: str, /, *args: Any, **kwargs: Any) -> Submission:
        """Begin a submission: what is to be stored before anything is submitted.

        Args:
            method: a hub method that makes a task, such as ``build``.
            args: its positional arguments.
            kwargs: its named arguments.

        Returns:
            A Deferred of a :class:`txkoji.submission.submitter.Submission`, whose fields are plain.

        Raises:
            ValueError: the method is none of :data:`txkoji.submission.recognition.TASK_METHODS`.
            HubFault, TransportError: as for any read.
        """
        del args, kwargs
        return await submitter.new_submission(self, method)

    @returns_deferred
    async def submit(
        self, method: str, /, *args: Any, submission: Submission | None = None, **kwargs: Any
    ) -> int:
        """Submit a task exactly once, whatever happens to the request or to the reply.

        Where the outcome is unknown, the hub is asked for the task before it is submitted again.
        The task of ``build`` is known by a marker in its ``custom_user_metadata``, that of
        ``makeTask`` by its label; any other by its owner, its request, and by being newer than the
        submission. Of equal requests that this Connection submits, each gets a task of its own;
        equal requests that another process submits as the same user at the same time can't be told
        from ours.

        Args:
            method: a hub method that makes a task.
            args: its positional arguments.
            submission: what :meth:`new_submission` gave for this call; by default it is asked for
                now. One that may have been submitted before: see :meth:`find_submitted` first.
            kwargs: its named arguments.

        Returns:
            A Deferred of the id of the task.

        Raises:
            HubFault: the hub refused; nothing was submitted. But RetryError: it was submitted, and
                the task is not to be found.
            UnknownOutcome: the hub could not be asked whether it has the task.
            TransportError: the hub could not be reached; it has not got the request.
            ValueError: the method is none that makes a task, or an argument can't be sent.
        """
        begun = submission or await self.new_submission(method, *args, **kwargs)
        return await submitter.submit(self, self._claims, begun, method, args, kwargs)

    @returns_deferred
    async def find_submitted(
        self, submission: Submission, method: str, /, *args: Any, **kwargs: Any
    ) -> int | None:
        """Look for the task of a submission of which it is not known what became.

        Looks again after some seconds before it gives up: the submission may still be under way.

        Args:
            submission: what was stored before the submission.
            method: the hub method that was called.
            args: its positional arguments.
            kwargs: its named arguments.

        Returns:
            A Deferred of the id of the task, None where the hub has none.

        Raises:
            ValueError: the method is none that makes a task.
            HubFault, TransportError: as for any read.
        """
        return await submitter.find_submitted(self, self._claims, submission, method, args, kwargs)

    def claim(self, task_id: int, submission: Submission) -> None:
        """Say that a task is a submission's, as an earlier process stored it.

        No other submission of an equal request takes it then; see :meth:`find_submitted`.

        Args:
            task_id: what :meth:`submit` gave in the earlier process.
            submission: what was stored before.
        """
        self._claims.take(task_id, submission)

    async def user_id(self) -> int | None:
        """Return the id of the user who is logged in, None for nobody.

        For the modules of this package.
        """
        session = self._session
        if session is not None and session.user_id is None:
            session.user_id = int((await self.call("getLoggedInUser"))["id"])
        return session.user_id if session is not None else None

    # Files

    @returns_deferred
    async def upload(
        self,
        path: str | os.PathLike[str],
        *,
        directory: str | None = None,
        progress: Callable[[Progress], Any] | None = None,
    ) -> str:
        """Upload a file, such as a source RPM that is to be built.

        The file is read in a thread and sent in pieces of 1 MiB; each piece, and in the end the
        whole, is compared with what the hub says that it has (adler32).

        Args:
            path: the file.
            directory: where it goes below the hub's work directory; by default a new directory that
                no other upload has. Naming that of an upload that was broken off goes on where it
                stopped, if what is there is the begin of the same file.
            progress: called with a :class:`txkoji.files.uploads.Progress` after each piece.

        Returns:
            A Deferred of the path to give to ``build``.

        Raises:
            TransferError: the file can't be read, or did not arrive whole.
            KojiLoginException: nobody is logged in.
            HubFault: the hub refused: the directory is another user's.
            TransportError: the hub could not be reached; what has arrived stays there.
        """
        if self._session is None:
            raise KojiLoginException(f"log in to {self.url} before you upload {path}")
        place = directory or new_directory(self.reactor.seconds())
        return await upload(self, Path(path), place.strip("/"), progress)

    @returns_deferred
    async def download_task(
        self,
        task_id: int,
        directory: str | os.PathLike[str],
        *,
        at_once: int = 4,
        progress: Callable[[Progress], Any] | None = None,
    ) -> list[Path]:
        """Download the files that a task left: RPMs, logs, images.

        What comes is written straight to disk. A download that breaks goes on where it stopped; so
        does one of an earlier run. A file has its name only when it is whole: before, it is a
        hidden ``.name.part``. Sizes are compared with the hub's.

        Args:
            task_id: the task.
            directory: where the files go, under the names that they have on the hub.
            at_once: how many files are under way at the same time.
            progress: called with a :class:`txkoji.files.uploads.Progress` of all files together.

        Returns:
            A Deferred of the paths, in the order of their names.

        Raises:
            TransferError: a file did not arrive whole or can't be written; a name would lead out of
                the directory; the profile does not say where files are; there is no such task.
            TransportError: the files could not be reached until the deadline was over.
        """
        files = await files_of_task(self, task_id)
        return await download(self, files, Path(directory), at_once=at_once, progress=progress)

    @returns_deferred
    async def download_build(
        self,
        build: int | str,
        directory: str | os.PathLike[str],
        *,
        arches: Sequence[str] | None = None,
        at_once: int = 4,
        progress: Callable[[Progress], Any] | None = None,
    ) -> list[Path]:
        """Download the RPMs and archives of a build.

        As :meth:`download_task`. Beside the size, the digest that the hub has of each RPM and
        archive is compared with the file's.

        Args:
            build: its id or its NVR.
            directory: where the files go.
            arches: only RPMs of these architectures (``src`` is one); by default everything.
            at_once: how many files are under way at the same time.
            progress: called with a :class:`txkoji.files.uploads.Progress` of all files together.

        Returns:
            A Deferred of the paths.

        Raises:
            TransferError: as for :meth:`download_task`; there is no such build.
            TransportError: the files could not be reached until the deadline was over.
        """
        files = await files_of_build(self, build, arches)
        return await download(self, files, Path(directory), at_once=at_once, progress=progress)

    @returns_deferred
    async def read_log(
        self,
        task_id: int,
        name: str,
        offset: int = 0,
        *,
        tail: bytes = b"",
        max_bytes: int = logs.MAX_BYTES,
    ) -> LogPiece:
        """Read a piece of a task's log, which may still grow.

        To follow a log, ask again with the ``offset`` and the ``tail`` of the piece before. The
        tail lets a log that began anew be told from one that went on, however long it is by now;
        without it only one that is shorter than the offset is.

        Args:
            task_id: the task.
            name: the log's name, as ``listTaskOutput`` tells it.
            offset: where the piece begins, in bytes.
            tail: the last bytes of the piece before.
            max_bytes: how much is read at most.

        Returns:
            A Deferred of a :class:`txkoji.files.logs.LogPiece`, an empty one where there is nothing
            more, or no such log (yet).

        Raises:
            HubFault, TransportError: as for any read.
        """
        return await logs.read_log(self, task_id, name, offset, tail, max_bytes)

    async def receive(self, url: str, offset: int, sink: Sink) -> None:
        """Receive a file from an offset on. For the modules of this package."""
        await self._transport.get(url, offset, sink, timeout=self._request_timeout)

    def pause_after(self, error: KojiException, failures: int, since: float) -> float | None:
        """Return the seconds until a transfer is tried again, None to give up.

        For the modules of this package.
        """
        return self._retry.wait(
            error,
            failures=failures,
            elapsed=self.reactor.seconds() - since,
            deadline=self.deadline,
            write=False,
        )

    # Session

    @property
    def session_id(self) -> int | None:
        """The id of the session, None while not logged in."""
        return self._session.id if self._session else None

    @property
    def session_key(self) -> str | None:
        """The secret of the session, None while not logged in."""
        return self._session.key if self._session else None

    @property
    def callnum(self) -> int | None:
        """The number of the session's next call, None while not logged in."""
        return self._session.callnum if self._session else None

    @returns_deferred
    async def login(self) -> bool:
        """Log in as the profile says.

        Returns:
            A Deferred of True.

        Raises:
            KojiLoginException: it did not work; the text says what was tried and what to do.
            TransportError: the hub could not be reached.
        """
        way = auth.way_to_log_in(self.settings)
        reply = await self._log_in(way, None)
        self._session = Session(
            reply["session-id"], reply["session-key"], headers=bool(reply.get("header-auth"))
        )
        return True

    async def _log_in(self, way: Login, session: Session | None) -> dict[str, Any]:
        """Send a login; with a session, to renew it."""
        body = encode_call(way.method, way.args, way.kwargs)
        request = _Request(way.method, body, path=way.path)
        exchange = None if way.kerberos is None else await self._negotiate(way.kerberos)
        if exchange is not None:
            token = base64.b64encode(exchange.token).decode("ascii")
            request = replace(request, headers={"Authorization": f"Negotiate {token}"})
        url = self.url + way.path
        answer = _NegotiateAnswer()
        try:
            if session is None:
                reply = await self._attempts(request, url, write=False, on_headers=answer.take)
            else:
                reply = await self._in_session(
                    session, request, write=False, on_headers=answer.take
                )
        except HubFault as fault:
            raise KojiLoginException(
                f"{self.url} did not let us in with {way.description}: {fault.text}"
            ) from fault
        except HTTPStatusError as error:
            if error.status not in (401, 403):
                raise
            raise KojiLoginException(
                f"{url} did not let us in with {way.description}: it answered with HTTP status"
                f" {error.status}; it wants another way to log in, or another user"
            ) from error
        if not isinstance(reply, dict) or "session-id" not in reply:
            raise KojiLoginException(f"{self.url} gave no session for {way.description}")
        if exchange is not None and answer.token is not None:
            exchange.check(answer.token)
        return reply

    async def _negotiate(self, kerberos: Kerberos) -> Exchange:
        """Begin a login by ticket (RFC 4559). A slow KDC blocks only a thread."""
        host = urlsplit(self.url).hostname or ""
        getting = deferToThreadPool(
            self.reactor, self.reactor.getThreadPool(), kerberos.begin, host
        ).addTimeout(self._request_timeout, self.reactor)
        try:
            exchange: Exchange = await getting
        except DeferredTimeout as error:
            raise KojiLoginException(
                f"no ticket for HTTP/{host} with {kerberos}: the KDC did not answer within"
                f" {self._request_timeout:g} s"
            ) from error
        return exchange

    async def _renew(self, session: Session, fault: HubFault) -> None:
        """Let a session that has run out go on, under its own id where the hub does that."""
        self._log.info("{url}: {reason}; logging in again", url=self.url, reason=fault.text)
        way = auth.way_to_log_in(self.settings)
        try:
            if isinstance(fault, AuthExpired):
                try:
                    reply = await self._log_in(way.renewal(), session)
                except KojiLoginException:
                    # A hub before 1.32 can't renew, and none can renew what was closed meanwhile.
                    reply = await self._log_in(way, None)
            else:
                reply = await self._log_in(way, None)
        except TransportError as error:
            # This is the login's failure: the call that waits for it did not get to the hub.
            error.may_have_arrived = False
            raise
        session.renewed(
            reply["session-id"], reply["session-key"], headers=bool(reply.get("header-auth"))
        )

    @returns_deferred
    async def logout(self) -> None:
        """End the session, where there is one. Calls may be made afterwards, anonymous ones.

        Raises:
            TransportError: the hub could not be reached; the session is forgotten here all the
                same.
        """
        session, self._session = self._session, None
        if session is None:
            return
        await session.queue.acquire()
        try:
            request = _Request("logout", encode_call("logout"))
            await self._in_session(session, request, write=False)
        except AuthError:
            # It had run out: that is what was wanted.
            return
        finally:
            session.queue.release()

    @returns_deferred
    async def close(self) -> None:
        """Close the connections that are kept open. Calls may be made again afterwards."""
        await self._transport.close()

    # Profiles and pages

    def lookup(self, profile: str, setting: str) -> str | None:
        """Return a setting of a profile as text, None where it or the profile is not there.

        Raises:
            BrokenConfiguration: a configuration file can't be read.
        """
        try:
            return profiles.load(profile).settings.get(setting)
        except ProfileNotFound:
            return None

    @classmethod
    def connect_from_web(cls, url: str) -> Connection | None:
        """Find the profile whose web pages a URL belongs to.

        Args:
            url: the address of a page of kojiweb.

        Returns:
            A connection, or None where no profile has that host.

        Raises:
            BrokenConfiguration: a configuration file can't be read.
        """
        if any(character.isspace() for character in url):
            return None
        wanted = urlsplit(url)
        for name in profiles.names():
            try:
                profile = profiles.load(name)
            except ConfigurationError:
                # Another profile's fault is no reason to refuse this page.
                continue
            have = urlsplit(profile.weburl)
            path = have.path.rstrip("/") + "/"
            same_host = (wanted.scheme, wanted.netloc) == (have.scheme, have.netloc)
            if same_host and wanted.path.startswith(path):
                return cls(profile)
        return None

    @returns_deferred
    async def from_web(self, url: str) -> Any:
        """Read what a page of kojiweb shows.

        Args:
            url: the address of a page of a build, task, package, tag, user, channel, host, target,
                repo or RPM.

        Returns:
            A Deferred of the object; None for another page, a malformed id, or white space in the
            URL, and for what the hub does not have.
        """
        found = paths.parse_web_url(url)
        if found is None:
            return None
        method, key = found
        return await self.call(method, key)
