"""The facade: takes a profile, returns Deferreds of rich objects."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from txkoji import _typed_calls, listing, multicall, paths, profiles, rich
from txkoji._deferreds import Deferred, in_pieces, returns_deferred
from txkoji._hub_methods import HubMethods
from txkoji._interfaces import HTTPAgent
from txkoji._values import shown
from txkoji.build import Build
from txkoji.cache import Cache
from txkoji.exceptions import (
    ConfigurationError,
    HubFault,
    KojiException,
    ProfileNotFound,
)
from txkoji.files import logs, outputs
from txkoji.files.downloads import RemoteFile, download, files_of_build, files_of_task
from txkoji.files.logs import LogPiece
from txkoji.files.uploads import Progress, new_directory, upload
from txkoji.history.events import TagUntag
from txkoji.history.following import Follower, tagged_since
from txkoji.history.interest import Interest
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.hub.credentials import Credential, credentials_of
from txkoji.hub.requests import Limits
from txkoji.hub.session import Session
from txkoji.hub.statistics import RequestStatistics
from txkoji.hub.tls import plain_authorities, trust_root
from txkoji.hub.xmlrpc import DEFAULT_MAX_BYTES
from txkoji.package import Package
from txkoji.profiles import Profile
from txkoji.retry import RetryPolicy
from txkoji.submission.search import Submission
from txkoji.submission.submitter import Submitter
from txkoji.task import Channel, Task


class HubProxy:
    """Calls a hub like :class:`twisted.web.xmlrpc.Proxy`; the results are plain."""

    def __init__(self, client: HubClient) -> None:
        self.url = client.url
        self._client = client

    def __repr__(self) -> str:
        return f"<HubProxy {self.url}>"

    def callRemote(self, method: str, *args: Any) -> Deferred[Any]:  # noqa: N802 - Twisted's name
        """Return a Deferred of the result of a call; see :meth:`Connection.call`."""
        return self._client.call(method, *args)


def _of_session(name: str) -> Any:
    """Return a property of a connection: an attribute of its session, None without one."""

    def get(connection: Connection) -> Any:
        return getattr(connection.client.session, name, None)

    def adopt(connection: Connection, value: Any) -> None:
        client = connection.client
        if value is not None:
            client.session = client.session or Session(0, "", headers=True)
            setattr(client.session, name, value)
        elif name != "callnum":
            client.session = None

    return property(get, adopt)


class Connection(HubMethods):
    """A connection to a Koji hub.

    Each hub method is an attribute: ``koji.getTag("f44")`` returns a Deferred of its result, named
    arguments are Koji's. Type checkers know the methods of Koji and its plugins, and what they
    return (:mod:`txkoji.results`); any other is called with :meth:`call`. Structs are
    :class:`munch.Munch`; builds, tasks, packages and channels are rich objects. A Deferred fails
    with a :class:`txkoji.exceptions.KojiException`, as :meth:`call` says; cancelling it abandons
    the request. No connection is opened before the first call.

    Args:
        profile: the name of a profile in Koji's configuration files, or a Profile.
        reactor: the reactor; by default Twisted's global one.
        deadline: seconds that a call may take, retries included.
        first_deadline: the same while the hub has never answered and takes no connection, so that a
            wrong address is reported soon. None to wait for the whole ``deadline``: for a service
            that may start before the hub.
        request_timeout: seconds until one reply begins, and between two pieces of it; by default
            the profile's ``timeout``.
        max_reply_bytes: the largest reply that is accepted.
        at_once: how many requests outside of the session may be in flight; others wait for their
            turn, and their deadline starts with it. All connections of this process to the same
            host and port that have the same limit are counted together. As many files, counted in
            the same way, are downloaded at a time.
        anonymous_reads: send reads outside of the session, in parallel. False for a site that
            forbids anonymous reads.
        batching: send lookups of single objects (``getTaskInfo(7)``) that are made in one reactor
            iteration together, up to 100 in a request.
        keep_alive: keep idle connections for some seconds, for a program that pauses between calls;
            :meth:`close` closes them. Otherwise they are closed when no call follows at once.
        retry: how long to wait between attempts.
        agent: sends the requests; by default an Agent of its own.
        config: a configuration file or directory to read instead of the user's own.

    Raises:
        ConfigurationError: (a ValueError) no file has the profile, or it can't be used.
    """

    def __init__(
        self,
        profile: str | Profile = "koji",
        *,
        reactor: Any = None,
        deadline: float = 120.0,
        first_deadline: float | None = 5.0,
        request_timeout: float | None = None,
        max_reply_bytes: int = DEFAULT_MAX_BYTES,
        at_once: int = 10,
        anonymous_reads: bool = True,
        batching: bool = True,
        keep_alive: bool = False,
        retry: RetryPolicy | None = None,
        agent: HTTPAgent | None = None,
        config: str | os.PathLike[str] | None = None,
    ) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self.settings = (
            profile if isinstance(profile, Profile) else profiles.load(profile, config=config)
        )
        self.profile = self.settings.name
        self.url = self.settings.server.rstrip("/")
        self.weburl = self.settings.weburl
        self.topurl = self.settings.topurl
        self.reactor = reactor
        self.cache = Cache(self)
        if request_timeout is None:
            request_timeout = self.settings.timeout
        self.client = HubClient(
            self.settings,
            reactor,
            limits=Limits(deadline, request_timeout, max_reply_bytes, at_once, first_deadline),
            anonymous_reads=anonymous_reads,
            batching=batching,
            retry=retry,
            agent=agent,
        )
        self.client.transport.keep_alive = keep_alive
        self.submissions = Submitter(self.client)

    @property
    def deadline(self) -> float:
        """Seconds that a call may take, retries included."""
        return self.client.requester.limits.deadline

    @deadline.setter
    def deadline(self, seconds: float) -> None:
        requester = self.client.requester
        requester.limits = replace(requester.limits, deadline=seconds)

    @property
    def trouble(self) -> KojiException | None:
        """Why the hub is unreachable, None if the last attempt of a call was answered."""
        return self.client.requester.trouble

    @property
    def refusal(self) -> KojiException | None:
        """Why what stands before the hub lets no call through, None once the hub answers."""
        return self.client.requester.refusal

    @property
    def statistics(self) -> RequestStatistics:
        """Counts of the requests so far; read-only."""
        return self.client.requester.statistics

    @property
    def trouble_since(self) -> float | None:
        """Since when no attempt was answered, None if the last one was.

        It is the start of the first of them, in seconds since the epoch by the reactor's clock.
        """
        return None if self.trouble is None else self.statistics.changed_at

    @property
    def trouble_for(self) -> float | None:
        """For how many seconds no attempt was answered, None if the last one was."""
        return self.client.requester.trouble_for

    def __repr__(self) -> str:
        return f"<Connection {shown(self.profile)} {self.url}>"

    # Calls

    @returns_deferred
    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a hub method.

        A read that fails because of the network, the front end or an offline hub is retried until
        the deadline. A write is retried only if the hub certainly did not carry it out, or if doing
        it twice does the same (``cancelTask``).

        Args:
            method: the method's name; the hub's plugins may add methods.
            args: its positional arguments.
            kwargs: its named arguments.

        Returns:
            A Deferred of the result, rich for some methods.

        Raises:
            HubFault: the hub refused; the class says why.
            TransportError: the hub could not be reached, or not in time.
            ProtocolError: what came back is not a hub's reply.
            ValueError: an argument can't be sent.
        """
        result = await self._plain(Call(method, args, kwargs))
        if method not in rich.CONVERSIONS:
            return result
        return await in_pieces(self.reactor, lambda part: rich.convert(method, part, self), result)

    async def _plain(self, call: Call) -> Any:
        try:
            return await self.client.send(rich.prepare(call))
        except HubFault as fault:
            if rich.is_empty_result(call.method, fault):
                return []
            raise

    @returns_deferred
    async def checked(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method, and check its answer before anyone relies on it.

        A row of a list that can't be used (a build without an id) is left out, and logged once. An
        optional member of the wrong type becomes None.

        Args:
            method: one of the methods in :mod:`txkoji.hub.answers`.
            args: its positional arguments.
            kwargs: its named arguments; with ``strict=True`` None is no answer.

        Returns:
            A Deferred of the result, rich for some methods.

        Raises:
            UnusableAnswer: the hub answered something of another type.
        """
        call = Call(method, args, kwargs)
        answer = await self._plain(call)

        def read(part: Any) -> Any:
            """Check a part of the answer."""
            return self.client.read_answer(call, rich.convert(method, part, self))

        return await in_pieces(self.reactor, read, answer)

    def MultiCall(  # noqa: N802 - a promised name
        self, *, batch: int = multicall.MAX_CALLS
    ) -> multicall.MultiCall:
        """Return a multicall, which collects calls and sends them together.

        Args:
            batch: the most calls of one request, which is one transaction on the hub.
        """
        return multicall.MultiCall(self.client, self, batch=batch)

    @_typed_calls.pages
    def pages(
        self,
        method: str,
        /,
        *args: Any,
        page_size: int | None = None,
        key: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Iterate over a list of any length, with only one page in memory.

        ``async for build in koji.pages("listBuilds", packageID=7)``. The rows come in the order of
        their ids, each once, even if rows are added or removed meanwhile.

        Args:
            method: a method that returns a list, such as those in
                :data:`txkoji.listing.PAGED`.
            args: its positional arguments.
            page_size: rows in a request, 2 or more. By default 500, or 5,000 of a method without
                ``queryOpts``, such as ``listTagged``: the hub makes its whole list for each page.
            key: the member, or members, that number the rows of a method that is not in ``PAGED``:
                numbers or texts. Rows with the same key count as one.
            kwargs: its named arguments, except ``queryOpts``.

        Returns:
            An asynchronous iterator over the rows, which are rich for some methods.

        Raises:
            UnusableAnswer: (while iterating) no list, rows without the key, or the same page again.
            ValueError: (while iterating) the rows have no known key, or ``queryOpts`` was given.
        """
        return listing.pages(self, Call(method, args, kwargs), key=key, size=page_size)

    def follow(
        self,
        interest: Interest,
        *,
        state: Mapping[str, Any] | None = None,
        since: float | None = None,
        interval: float = 60.0,
    ) -> Follower:
        """Iterate over what happens on the hub from now on; the iteration never ends.

        Args:
            interest: what to look for.
            state: ``follower.state`` of an earlier iteration, to resume it.
            since: where to start instead, in seconds since the epoch.
            interval: seconds between two polls.

        Returns:
            A follower: ``async for event in follower``, with ``follower.state`` to store.

        Raises:
            HubFault: (while iterating) the hub has no tag of a name in ``interest.tags``.
            ValueError: no poll can find what ``interest`` names: events of tags without ``tags``,
                or events that only a message reports (``txkoji.BUS_ONLY_EVENTS``).
        """
        return Follower(self, interest, state=state, since=since, interval=interval)

    def tagged_since(
        self, tag: str, event_id: int, *, inherited: bool = False
    ) -> AsyncIterator[TagUntag]:
        """Iterate over what was tagged and untagged after an event, oldest first.

        Args:
            tag: the tag's name.
            event_id: the id of one of the hub's events: ``getLastEvent`` returns the newest, and
                ``event_id`` of the last one that was handled is where to resume.
            inherited: also in the tags that this one inherits from.

        Returns:
            An asynchronous iterator over :class:`txkoji.TagUntag`, up to the hub's last event. It
            reads as it is iterated: however many there are, some 4,000 are held at a time.

        Raises:
            HubFault: (while iterating) there is no such tag or event.
        """
        return tagged_since(self, tag, event_id, inherited=inherited)

    @returns_deferred
    async def credentials(self) -> list[Credential]:
        """Return what the profile logs in with, and when that expires.

        A keytab is tried at the KDC; the hub is not asked.

        Returns:
            A Deferred of the credentials; none for a password, which does not expire.
        """
        return await credentials_of(self.settings, self.reactor)

    # Submissions

    @_typed_calls.new_submission
    @returns_deferred
    async def new_submission(self, method: str, /, *args: Any, **kwargs: Any) -> Submission:
        """Start a submission: return what to store before submitting.

        Returns:
            A Deferred of a :class:`txkoji.Submission`, whose fields are plain.

        Raises:
            ValueError: the method is not one of :data:`txkoji.TASK_METHODS`.
        """
        return await self.submissions.begin(Call(method, args, kwargs))

    @_typed_calls.submit
    @returns_deferred
    async def submit(
        self, method: str, /, *args: Any, submission: Submission | None = None, **kwargs: Any
    ) -> int:
        """Submit a task exactly once, whatever happens to the request or to the reply.

        If the outcome is unknown, the hub is searched for the task before it is submitted again.
        The task of ``build`` is recognized by a marker in its ``custom_user_metadata``, that of
        ``makeTask`` by its label; any other by its owner, its request, and because it is newer than
        the submission. Equal requests of this Connection each get a task of their own; equal
        requests that another process submits as the same user at the same time look like ours.

        Args:
            method: a hub method that makes a task.
            args: its positional arguments.
            submission: what :meth:`new_submission` returned for this call; by default a new one. If
                it may have been submitted before, call :meth:`find_submitted` first.
            kwargs: its named arguments.

        Returns:
            A Deferred of the id of the task.

        Raises:
            HubFault: the hub refused; nothing was submitted. Except RetryError: it was submitted,
                and the task can't be found.
            UnknownOutcome: the hub could not be asked whether it has the task.
            TransportError: the hub could not be reached; it did not get the request.
            ValueError: the method makes no task, or an argument can't be sent.
        """
        return await self.submissions.submit(Call(method, args, kwargs), submission)

    @_typed_calls.find_submitted
    @returns_deferred
    async def find_submitted(
        self, submission: Submission, method: str, /, *args: Any, **kwargs: Any
    ) -> int | None:
        """Find the task of a submission whose outcome is unknown.

        It looks again after some seconds before it gives up: the submission may still be in flight.

        Args:
            submission: what was stored before the submission.
            method: the hub method that was called.
            args: its positional arguments.
            kwargs: its named arguments.

        Returns:
            A Deferred of the id of the task, None if the hub has none.

        Raises:
            ValueError: the method makes no task.
        """
        return await self.submissions.find(Call(method, args, kwargs), submission)

    def claim(self, task_id: int, submission: Submission) -> None:
        """Record that a task belongs to a submission, as an earlier process stored it.

        Then no other submission of an equal request takes it; see :meth:`find_submitted`.

        Args:
            task_id: what :meth:`submit` returned in the earlier process.
            submission: what was stored before.
        """
        self.submissions.claim(task_id, submission)

    # Files

    @returns_deferred
    async def upload(
        self,
        path: str | os.PathLike[str],
        *,
        directory: str | None = None,
        progress: Callable[[Progress], Any] | None = None,
    ) -> str:
        """Upload a file, such as a source RPM to build.

        The file is read in a thread and sent in pieces of 1 MiB; each piece, and the whole at the
        end, is compared with the hub's checksum (adler32).

        Args:
            path: the file.
            directory: where it goes below the hub's work directory; by default a new directory.
                The directory of an interrupted upload resumes it, if what has arrived there is the
                start of the same file.
            progress: called with a :class:`txkoji.Progress` after each piece.

        Returns:
            A Deferred of the path to pass to ``build``.

        Raises:
            TransferError: the file can't be read, changed meanwhile, or arrived corrupted.
            KojiLoginException: nobody is logged in.
            HubFault: the hub refused: the directory is another user's.
            TransportError: the hub could not be reached; what has arrived stays there.
        """
        place = directory or new_directory(self.reactor.seconds())
        return await upload(self.client, Path(path), place.strip("/"), progress)

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

        Data go straight to disk. An interrupted download resumes where it stopped, also in another
        run. A file gets its name once it is complete; until then it is a hidden ``.name.part``.
        Sizes are compared with the hub's.

        Args:
            task_id: the task.
            directory: where the files go, under the names that they have on the hub.
            at_once: how many files are downloaded at the same time.
            progress: called with a :class:`txkoji.Progress` of all files together.

        Returns:
            A Deferred of the paths, in the order of their names.

        Raises:
            TransferError: a file did not arrive whole or can't be written; a name would lead out of
                the directory; the profile does not say where files are; there is no such task.
            TransportError: the files could not be reached before the deadline.
        """
        files = await files_of_task(self.client, task_id)
        return await self.download(files, directory, at_once=at_once, progress=progress)

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
        """Download the RPMs and archives of a build, as :meth:`download_task` does.

        The digest of each RPM and archive is compared with the hub's, too.

        Args:
            build: its id or its NVR.
            directory: where the files go.
            arches: only RPMs of these architectures (``src`` is one); by default everything.
            at_once: how many files are downloaded at the same time.
            progress: called with a :class:`txkoji.Progress` of all files together.
        """
        files = await files_of_build(self.client, build, arches)
        return await self.download(files, directory, at_once=at_once, progress=progress)

    @returns_deferred
    async def files_of_task(self, task_id: int, *, topurl: str | None = None) -> list[RemoteFile]:
        """List the files that a task left, on all volumes, for :meth:`download`.

        Args:
            task_id: the task.
            topurl: where the hub's files are, by default what the profile says.

        Raises:
            TransferError: the profile does not say where files are; there is no such task.
        """
        return await files_of_task(self.client, task_id, topurl=topurl)

    @returns_deferred
    async def files_of_build(
        self,
        build: int | str,
        *,
        arches: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        key: str | None = None,
        or_unsigned: bool = False,
        topurl: str | None = None,
    ) -> list[RemoteFile]:
        """List the RPMs and archives of a build, for :meth:`download`.

        Args:
            build: its id or its NVR.
            arches: only RPMs of these architectures (``src`` is one), and no archives; by default
                everything.
            types: what to list: ``rpm``, or types of archives such as ``maven`` or ``image``; by
                default everything.
            key: list the copies of RPMs that this key has signed.
            or_unsigned: list the unsigned copy of an RPM that the key has not signed, instead of
                failing.
            topurl: where the hub's files are, by default what the profile says.

        Raises:
            TransferError: the profile does not say where files are; there is no such build; an RPM
                is not signed.
        """
        return await files_of_build(
            self.client,
            build,
            arches,
            types=types,
            key=key,
            or_unsigned=or_unsigned,
            topurl=topurl,
        )

    @returns_deferred
    async def download(
        self,
        files: Sequence[RemoteFile],
        directory: str | os.PathLike[str],
        *,
        at_once: int = 4,
        progress: Callable[[Progress], Any] | None = None,
    ) -> list[Path]:
        """Download files; see :meth:`download_task`.

        Args:
            files: what :meth:`files_of_task` or :meth:`files_of_build` listed.
            directory: where the files go, under their names.
            at_once: how many files are in flight at the same time.
            progress: called with a :class:`txkoji.Progress` of all files together.

        Returns:
            A Deferred of the paths, in the order of the files.
        """
        return await download(
            self.client, files, Path(directory), at_once=at_once, progress=progress
        )

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

        To follow a log, ask again with the ``offset`` and the ``tail`` of the previous piece. The
        tail distinguishes a truncated log from one that grew, whatever its length; without it, only
        a log shorter than the offset counts as truncated.

        Args:
            task_id: the task.
            name: the log's name, as ``listTaskOutput`` returns it.
            offset: where the piece starts, in bytes.
            tail: the last bytes of the previous piece.
            max_bytes: how much is read at most.

        Returns:
            A Deferred of a :class:`txkoji.LogPiece`, an empty one if there is nothing
            more, or no such log (yet).
        """
        return await logs.read_log(self.client, task_id, name, offset, tail, max_bytes)

    @returns_deferred
    async def log_size(self, task_id: int, name: str) -> int | None:
        """Return the size of a task's log.

        Args:
            task_id: the task.
            name: the log's name, as ``listTaskOutput`` returns it.

        Returns:
            A Deferred of its size in bytes; None if there is no such log or the hub does not say.
        """
        found = await self.client.call("listTaskOutput", task_id, stat=True, all_volumes=True)
        place = outputs.where(found, name)
        return None if place is None else place[1]

    # Session

    session_id: int | None = _of_session("id")
    """The id of the session, None while not logged in.

    Set it, :attr:`session_key` and :attr:`callnum` to take over a session from a login elsewhere;
    set it to None to forget the session.
    """

    session_key: str | None = _of_session("key")
    """The secret of the session, None while not logged in."""

    callnum: int | None = _of_session("callnum")
    """The number of the session's next call, None while not logged in."""

    # What programs look at

    @property
    def serverca(self) -> str | None:
        """The profile's file or directory of CAs, None for the system's."""
        return self.settings.serverca

    @property
    def trustRoot(self) -> Any:  # noqa: N802 - Twisted's name
        """The CAs that the hub's certificate is checked with, as Twisted takes them.

        Raises:
            BrokenConfiguration: ``serverca`` can't be read.
        """
        return trust_root(self.settings)

    def authorities(self) -> str | None:
        """Return the CAs that certificates are checked with, for a program that has no profile.

        Returns:
            Certificates in PEM; None for the system's CAs.

        Raises:
            BrokenConfiguration: ``serverca`` can't be read.
        """
        return plain_authorities(self.settings)

    @property
    def proxy(self) -> HubProxy:
        """The hub as a :class:`twisted.web.xmlrpc.Proxy`: ``callRemote(method, *args)``."""
        return HubProxy(self.client)

    @returns_deferred
    async def login(self) -> bool:
        """Log in as the profile says.

        Returns:
            A Deferred of True.

        Raises:
            KojiLoginException: it did not work; the text says what was tried and what to do.
            TransportError: the hub could not be reached.
            ServerOffline: the hub is offline.
        """
        await self.client.login()
        return True

    @returns_deferred
    async def logout(self) -> None:
        """End the session, if there is one; anonymous calls still work.

        Raises:
            TransportError: the hub could not be reached; the session is forgotten here anyway.
        """
        await self.client.logout()

    @returns_deferred
    async def close(self) -> None:
        """Close the idle connections; calls still work."""
        await self.client.close()

    # Profiles and pages

    def lookup(self, profile: str, setting: str) -> str | None:
        """Return a setting of a profile as text, None without the setting or the profile.

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
            A connection, or None if no profile has that host.

        Raises:
            BrokenConfiguration: a configuration file can't be read.
        """
        wanted = paths.split_web_url(url)
        if wanted is None:
            return None
        for name in profiles.names():
            try:
                profile = profiles.load(name)
            except ConfigurationError:
                # A broken profile must not hide the others.
                continue
            have = urlsplit(profile.weburl)
            path = have.path.rstrip("/") + "/"
            same_host = (wanted.scheme, wanted.netloc) == (have.scheme, have.netloc)
            if same_host and wanted.path.startswith(path):
                return cls(profile)
        return None

    @returns_deferred
    async def from_web(self, url: str) -> Build | Task | Package | Channel | dict[str, Any] | None:
        """Return the object that a page of kojiweb shows.

        Args:
            url: the address of a page of a build, task, package, tag, user, channel, host, target,
                repo or RPM.

        Returns:
            A Deferred of the object: of a class of its own, or a struct. None for another page, a
            malformed id, or white space in the URL, and if the hub has no such object.
        """
        found = paths.parse_web_url(url)
        if found is None:
            return None
        method, key = found
        return await self.call(method, key)  # type: ignore[no-any-return]
