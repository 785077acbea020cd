"""The master's link to a Koji hub: one connection and one watcher a profile, for all plugins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import attrs
from buildbot.process.properties import Properties
from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import DeferredLock

from buildbot_koji.durable.cancellations import Cancellations
from buildbot_koji.error_messages import one_line
from txkoji import Connection, RequestStatistics, TaskWatcher, Watch, WatchedTask, WatcherStatus

__all__ = ["Hub", "HubStatus", "NamedHub", "WatchingBuild", "get_hub", "hubs_of"]


@runtime_checkable
class NamedHub(Protocol):
    """A hub with its credentials, accepted wherever the name of a profile is.

    Attributes:
        key: identifies the hub and the user; plugins with the same key share a :class:`Hub`. It
            holds no secret.
    """

    key: str

    def connect(self, reactor: Any) -> Connection:
        """Return a new connection, not logged in."""


@attrs.frozen
class WatchingBuild:
    """The Buildbot build whose step watches a task.

    Attributes:
        build_id: its id.
        builder: the name of its builder.
        number: its number there.
    """

    build_id: int
    builder: str
    number: int


@attrs.frozen
class HubStatus:
    """How the link to a hub is doing.

    Attributes:
        profile: the name of the hub's profile.
        server: the address of its XML-RPC endpoint.
        weburl: the address of kojiweb.
        trouble: why the hub is unreachable, in one line; None if the last attempt was answered.
        is_logged_in: whether there is a session.
        watcher: how the watcher is doing.
        requests: counts the requests; it goes on counting.
    """

    profile: str
    server: str
    weburl: str
    trouble: str | None
    is_logged_in: bool
    watcher: WatcherStatus
    requests: RequestStatistics


class Hub(service.SharedService):
    """A hub that the plugins of one master share.

    Buildbot stops it after everything else.

    Attributes:
        connection: the :class:`txkoji.Connection`.
        watcher: the :class:`txkoji.TaskWatcher`.
        cancellations: cancels tasks, also while the hub is unreachable.
        followed_logs: how many logs of tasks are followed: the more, the less often each is read.

    Args:
        profile: the name of a profile, or a :class:`NamedHub`.
        reactor: the master's.

    Raises:
        ConfigurationError: the profile can't be used; the next plugin that asks reads it again.
    """

    def __init__(self, profile: str | NamedHub, reactor: Any) -> None:
        super().__init__()
        self.connection = (
            Connection(profile, reactor=reactor, first_deadline=None)
            if isinstance(profile, str)
            else profile.connect(reactor)
        )
        interval = self.connection.settings.poll_interval
        self.watcher = TaskWatcher(self.connection, reactor, interval=interval)
        self.cancellations = Cancellations(
            self.getName(profile, reactor), self.connection, self.log_in
        )
        self.followed_logs = 0
        self._builds: dict[int, WatchingBuild] = {}
        # When to forget the builds of tasks that are no longer watched.
        self._forget_at = 100
        self._logging_in = DeferredLock()

    @classmethod
    def getName(cls, profile: str | NamedHub, reactor: Any) -> str:
        """Return the name under which Buildbot keeps this hub."""
        return f"koji-hub-{profile if isinstance(profile, str) else profile.key}"

    @async_to_deferred
    async def log_in(self) -> None:
        """Make sure that writes can be sent.

        Raises:
            KojiLoginException: the hub refuses the login.
            TransportError: the hub could not be reached.
        """
        if self.connection.settings.authtype == "noauth":
            return
        await self._logging_in.acquire()
        try:
            if self.connection.session_id is None:
                await self.connection.login()
        finally:
            self._logging_in.release()

    def watch(self, task_id: int, build: Any) -> Watch:
        """Watch a task for a build; see :meth:`txkoji.TaskWatcher.watch`.

        Args:
            task_id: the task.
            build: the Buildbot build whose step watches it.
        """
        watch = self.watcher.watch(task_id)
        if len(self._builds) >= self._forget_at:
            watching = {watched.task_id for watched in self.watcher.watched()}
            self._builds = {each: self._builds[each] for each in watching & self._builds.keys()}
            self._forget_at = 2 * len(self._builds) + 100
        self._builds[task_id] = WatchingBuild(build.buildid, build.builder.name, build.number)
        return watch

    def status(self) -> HubStatus:
        """Return how the link to the hub is doing."""
        connection = self.connection
        trouble = connection.trouble
        return HubStatus(
            profile=connection.profile,
            server=connection.url,
            weburl=connection.weburl,
            trouble=None if trouble is None else one_line(trouble),
            is_logged_in=connection.session_id is not None,
            watcher=self.watcher.status(),
            requests=connection.statistics,
        )

    def watched(self) -> Iterator[tuple[WatchedTask, WatchingBuild | None]]:
        """Yield each watched task, with the build whose step watches it."""
        for watched in self.watcher.watched():
            yield watched, self._builds.get(watched.task_id)

    @async_to_deferred
    async def startService(self) -> None:
        """Resume the cancellations that an earlier run of the master left."""
        await super().startService()
        self.cancellations.start(self.master)

    @async_to_deferred
    async def stopService(self) -> None:
        """End the watches and close the connections."""
        await super().stopService()
        self.cancellations.stop()
        self.watcher.stop()
        await self.connection.close()


@async_to_deferred
async def get_hub(master: Any, profile: str | NamedHub) -> Hub:
    """Return a Deferred of a master's :class:`Hub`, created at first use.

    Args:
        master: the Buildbot master.
        profile: the name of a profile, a :class:`NamedHub`, or a renderable that gives one of them
            without a build: a ``util.KojiHub`` with the secrets of the master.
    """
    properties = Properties()
    properties.master = master
    return await Hub.getService(master, await properties.render(profile), master.reactor)


def hubs_of(master: Any) -> list[Hub]:
    """Return the hubs that the plugins of a master have used so far."""
    return [each for each in master if isinstance(each, Hub)]
