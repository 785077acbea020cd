"""The master's link to a Koji hub: one connection and one watcher a profile, for all plugins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import attrs
from buildbot.process.properties import Properties
from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger

from buildbot_koji.arguments.plugins import DeclaredArguments
from buildbot_koji.durable.background import DATABASE_RETRY, Background
from buildbot_koji.durable.cancellations import Cancellations
from buildbot_koji.durable.database import until_stored
from buildbot_koji.durable.once import CheckClaim, OnceAction
from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.task_intents import TaskIntent, recorded_tasks
from buildbot_koji.hubs.builders import ChannelBuilders
from buildbot_koji.hubs.buses import HubBuses
from buildbot_koji.hubs.counts import TaskCounts
from buildbot_koji.hubs.credentials import (
    START_AFTER,
    CredentialStatus,
    CredentialWatch,
    worst,
)
from buildbot_koji.hubs.koji_hub import RenderedHub
from buildbot_koji.hubs.survey import HISTORY_CLASS, INTERVAL, HubSurvey, Point, SurveyResult
from buildbot_koji.hubs.users import HubUsers
from txkoji import (
    Call,
    Connection,
    Profile,
    RequestStatistics,
    Submission,
    TaskTree,
    TaskWatcher,
    UnknownTask,
    Watch,
    WatchedTask,
    WatcherStatus,
    one_line,
    profiles,
)
from txkoji.exceptions import ConfigurationError, KojiException
from txkoji.locks import Lock


def configured_profile(name: str) -> Profile | None:
    """Return what the files say of a profile now; None if it can't be used."""
    try:
        return profiles.load(name)
    except ConfigurationError:
        return None


def may_name(config: Any, profile: str) -> bool:
    """Return whether a plugin of a master's configuration may use the hub of a profile."""
    names = [getattr(each, "profile", each) for each in configured_hubs(config)]
    # A renderable may name any hub.
    return profile in names or not all(isinstance(each, str) for each in names)


def configured_hubs(config: Any) -> Iterator[Any]:
    """Yield the hubs that the plugins of a configuration name, each as its argument does."""
    for plugin in (*config.change_sources, *config.services.values()):
        if isinstance(plugin, DeclaredArguments) and plugin.declared_values.get("profile"):
            yield plugin.declared_values["profile"]
    for builder in config.builders:
        for step in builder.factory.steps:
            # What stands in for a step need not be Buildbot's own class.
            if issubclass(getattr(step, "step_class", object), DeclaredArguments):
                named = step.kwargs.get("profile", step.args[0] if step.args else None)
                yield from () if named is None else (named,)


PREFIX = "koji-hub-"
"""The start of the names of all hubs."""

IDLE = 600.0
"""Seconds without use after which a replaced link is closed. Two declarations of one hub replace
each other by turns: closing at once would mean a login for each step."""

MAX_CLOCK_DIFFERENCE = 60.0
"""Seconds by which the clocks of a hub and of the master may differ."""


@attrs.frozen
class WatchingBuild:
    """The Buildbot build whose step watches a task."""

    build_id: int
    builder: str
    number: int


@attrs.frozen
class HubStatus:
    """How the link to a hub is doing.

    Attributes:
        link: distinguishes it from other links to the hub, by other users; lasting.
        profile: the name of the hub's profile.
        server: the address of its XML-RPC endpoint.
        weburl: the address of kojiweb.
        trouble: why the hub is unreachable, or what stands before it refuses every request, in one
            line; None if the hub itself answered last.
        is_logged_in: whether there is a session.
        canceling: what keeps tasks of stopped builds from being canceled until someone repairs it,
            empty if nothing.
        bus: whether a bus that reports its tasks is connected, None without one.
        survey: what the hub last reported about itself and its queues.
        credentials: what we log in with.
        counts: how tasks ended; a live counter.
        watcher: how the watcher is doing.
        requests: the requests; a live counter.
    """

    link: str
    profile: str
    server: str
    weburl: str
    trouble: str | None
    is_logged_in: bool
    canceling: str
    bus: bool | None
    survey: SurveyResult
    credentials: tuple[CredentialStatus, ...]
    counts: TaskCounts
    watcher: WatcherStatus
    requests: RequestStatistics

    def credentials_that(self, *, work: bool) -> list[str]:
        """Return the remedies for the credentials that still work, or for those that don't.

        Args:
            work: which of both.
        """
        found = (each for each in self.credentials if each.is_usable is work and each.message)
        return [f"{self.profile}: {each.message}" for each in found]


class Hub(service.ReconfigurableServiceMixin, service.SharedService):
    """A hub that the plugins of one master share.

    Buildbot stops it after everything else.

    Attributes:
        connection: the :class:`txkoji.Connection`.
        watcher: the :class:`txkoji.TaskWatcher`.
        builders: which architectures the builders of each channel have.
        cancellations: cancels tasks, also while the hub is unreachable.
        counts: counts how tasks ended.
        survey: asks the hub what the pages show, and keeps the history of a day.
        users: who uses the link, which decides when it is closed.
        identity: the same for all links to a hub as one user.
        is_current: whether this is the newest of them: a changed profile or secret makes a new one.
        credentials: reads what we log in with.
        buses: what reports the hub's tasks.
        followed_logs: how many task logs are followed; the more, the less often each is read.
        locks: what steps of this master may do on the hub only one after the other, by its name.

    Args:
        profile: the name of a profile, or a :class:`RenderedHub`.
        reactor: the master's.

    Raises:
        ConfigurationError: the profile can't be used; the next plugin that asks rereads it.
    """

    reconfig_priority = 1002
    """Before the plugins, which ask for their hubs again."""

    _log = Logger()

    def __init__(self, profile: str | RenderedHub, reactor: Any) -> None:
        super().__init__()
        self.connection = (
            Connection(profile, reactor=reactor, first_deadline=None, keep_alive=True)
            if isinstance(profile, str)
            else profile.connect(reactor)
        )
        interval = self.connection.settings.poll_interval
        self.watcher = TaskWatcher(self.connection, reactor, interval=interval)
        # The key of a hub with credentials differs in each run of the master.
        self.identity = identity_of(profile)
        self.cancellations = Cancellations(self.identity, self.connection, self.log_in)
        self.is_current = True
        self._configured = configured_profile(self.connection.profile)
        self.users = HubUsers(reactor, self._has_work, self._close)
        self.counts = TaskCounts()
        self.survey = HubSurvey(self.connection)
        self.credentials = CredentialWatch(
            self.connection.profile, self.connection.credentials, reactor
        )
        self._background = Background()
        bus = None if isinstance(profile, str) else profile.bus
        self.buses = HubBuses(self.connection, self.watcher, bus, self._background)
        self.builders = ChannelBuilders(self.connection.checked, reactor)
        self.followed_logs = 0
        self.locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._builds: dict[int, WatchingBuild] = {}
        # When to forget the builds of tasks that are no longer watched.
        self._forget_at = 100
        self._logging_in = Lock()

    @classmethod
    def getName(cls, profile: str | RenderedHub, reactor: Any) -> str:
        """Return the name under which Buildbot keeps this hub."""
        return f"{PREFIX}{profile if isinstance(profile, str) else profile.key}"

    @async_to_deferred
    async def log_in(self) -> None:
        """Make sure that writes can be sent.

        A hub that was unreachable first gets a harmless call: a write to it may be lost.

        Raises:
            KojiLoginException: the hub refuses the login.
            TransportError, ProtocolError, ServerOffline: the hub, or the Kerberos KDC, is
                unreachable.
        """
        if self.connection.trouble is not None:
            await self.connection.call("getAPIVersion")
        if self.connection.settings.authtype == "noauth":
            return
        async with self._logging_in:
            if self.connection.session_id is None:
                await self.connection.login()

    async def begin(self, call: Call) -> Submission:
        """Log in, and return what finds the task that a call is about to submit."""
        await self.log_in()
        return await self.connection.submissions.begin(call)

    def submit_once(self, call: Call, submission: Submission) -> OnceAction[int]:
        """Return the action that submits a task, or finds it; its result is the task's id."""
        submitter = self.connection.submissions
        return OnceAction(
            do=lambda check: submitter.submit(call, submission, before=check),
            search=lambda: submitter.find(call, submission),
        )

    def submitted(self, intent: TaskIntent, task_id: int | None) -> TaskIntent:
        """Return an intent with its task, adopted if it may be someone else's."""
        is_ours = task_id is None or self.connection.submissions.is_certain(task_id)
        return replace(intent, task_id=task_id, adopted=not is_ours)

    async def write(self, call: Call, check_claim: CheckClaim) -> Any:
        """Change something on the hub, except by a task; returns the plain result.

        Args:
            call: the call.
            check_claim: awaited when it is the call's turn in the session, and before each retry:
                the master may have been frozen until then.

        Raises:
            HubFault, TransportError, ProtocolError: as :meth:`txkoji.Connection.call`.
        """
        return await self.connection.client.send(call, before=check_claim)

    def watch(self, task_id: int, build: Any, **options: Any) -> Watch:
        """Watch a task for a build; see :meth:`txkoji.TaskWatcher.watch`."""
        watch = self.watcher.watch(task_id, **options)
        if len(self._builds) >= self._forget_at:
            watching = {watched.task_id for watched in self.watcher.watched()}
            self._builds = {each: self._builds[each] for each in watching & self._builds.keys()}
            self._forget_at = 2 * len(self._builds) + 100
        self._builds[task_id] = WatchingBuild(build.buildid, build.builder.name, build.number)
        return watch

    async def ended(self, watch: Watch, call: Call, submission: Submission) -> TaskTree:
        """Wait until the task of a submission has ended, and return its tree.

        Raises:
            UnknownTask: the hub has lost the task, or has given its id to another one: it was
                restored from a backup.
        """
        tree = await watch.done
        if not await self.connection.submissions.is_task_of(tree.root, call, submission):
            raise UnknownTask(f"task {watch.task_id} is another program's by now")
        return tree

    @property
    def trouble(self) -> KojiException | None:
        """Why the hub is unreachable, or what stands before it refuses every request; else None."""
        return self.connection.trouble or self.connection.refusal

    @property
    def trouble_since(self) -> float | None:
        """When :attr:`trouble` began, in seconds since the epoch; None if there is none."""
        return None if self.trouble is None else self.connection.statistics.changed_at

    def status(self) -> HubStatus:
        """Return how the link to the hub is doing."""
        connection = self.connection
        return HubStatus(
            link=self.link,
            profile=connection.profile,
            server=connection.url,
            weburl=connection.weburl,
            trouble=None if self.trouble is None else one_line(self.trouble),
            is_logged_in=connection.session_id is not None,
            canceling=self.cancellations.trouble,
            bus=self.buses.is_connected,
            survey=self.survey.result,
            credentials=(*self.credentials.status(), *self.buses.credentials.status()),
            counts=self.counts,
            watcher=self.watcher.status(),
            requests=connection.statistics,
        )

    def now(self) -> float:
        """Return the time by the hub's clock, in seconds since the epoch."""
        return float(self.connection.reactor.seconds() + self.connection.statistics.clock_ahead)

    def watched(self) -> Iterator[tuple[WatchedTask, WatchingBuild | None]]:
        """Yield each watched task, with the build whose step watches it."""
        for watched in self.watcher.watched():
            yield watched, self._builds.get(watched.task_id)

    # The life of a link

    def _has_work(self) -> bool:
        return bool(self.cancellations.status() or self.watcher.status().watched)

    def _close(self) -> None:
        if self.parent is None:
            return
        closing = maybeDeferred(self.disownServiceParent)
        closing.addErrback(
            lambda failure: self._log.failure("closing the link to a hub failed", failure)
        )

    @async_to_deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Make room for a new link if the profile changed; close one that nobody needs."""
        configured = configured_profile(self.connection.profile)
        if configured is not None and configured != self._configured and self.is_current:
            self._log.info(
                "{hub}: its profile has changed; what is under way finishes at {url}",
                hub=self.connection.profile,
                url=self.connection.url,
            )
            self.is_current = False
            services, name = self.master.namedServices, str(self.name)
            del services[name]
            self.name = f"{name} {id(self):x}, replaced"
            services[self.name] = self
        is_named = may_name(new_config, self.connection.profile)
        self.users.is_needed = self.is_current and is_named
        if not self.users.is_needed:
            self.users.close_if_idle()

    def _other_buses(self) -> list[HubBuses]:
        """Return the buses of the other links to the same hub, also at an earlier address."""
        return [
            each.buses
            for each in hubs_of(self.master)
            if each is not self
            and (each.identity == self.identity or each.connection.url == self.connection.url)
        ]

    @property
    def credential_trouble(self) -> CredentialStatus | None:
        """The credential in the worst state; None if all are good, or before they are read."""
        return worst([*self.credentials.status(), *self.buses.credentials.status()])

    @property
    def knows_credentials(self) -> bool:
        """Whether the credentials were read since the start."""
        return self.credentials.was_read and self.buses.credentials.was_read

    # What the pages show

    async def refresh(self) -> None:
        """Ask the hub again if the last answer is old; called while someone looks at a page."""
        await self.credentials.read_once()
        await self.buses.credentials.read_once()
        if self.survey.is_stale():
            await self._survey()
            if not self.survey.history:
                await self.survey.sample(*self._counted())

    @property
    def link(self) -> str:
        """The name of the link: the profile's, and what stands for a user who was given."""
        return self.identity.removeprefix(PREFIX)

    def history(self) -> list[Point]:
        """Return the points of the last day and one of now, oldest first."""
        return [*self.survey.history, self.survey.point(*self._counted())]

    def _counted(self) -> tuple[int, int, int]:
        return self.watcher.status().watched, self.counts.total, self.counts.failed

    async def _survey(self) -> None:
        roots = (watched.tree for watched in self.watcher.watched())
        channels = (None if tree is None else tree.root.get("channel_id") for tree in roots)
        await self.survey.ask([each for each in channels if isinstance(each, int)])

    async def _keep_history(self, trouble: str) -> None:
        """Read the history of an earlier run, and add points to it."""
        clock = self.connection.reactor
        state = MasterState(self.master, f"{self.master.name} {self.link}", HISTORY_CLASS)
        await until_stored(partial(self.survey.load, state), clock, DATABASE_RETRY, trouble)
        self._background.repeat(self._sample, trouble, clock, lambda: INTERVAL, INTERVAL)

    async def _sample(self) -> None:
        """Ask the hub, and add a point to its history."""
        if not self.is_current:
            # The history is that of the link that replaced it.
            self.users.close_if_idle(IDLE)
            return
        await self._survey()
        await self.survey.sample(*self._counted())

    # The service

    @async_to_deferred
    async def startService(self) -> None:
        """Resume the cancellations that an earlier run of the master left, and start to listen."""
        await super().startService()
        self.connection.submissions.recorded = partial(recorded_tasks, self.master)
        for earlier in hubs_of(self.master):
            if earlier is not self and earlier.identity == self.identity:
                earlier.is_current = False
                earlier.cancellations.hand_over(self.cancellations)
        self.cancellations.start(self.master)
        name = f"hub {self.connection.profile}"
        trouble = f"{name}: keeping its history failed"
        self._background.run(self._keep_history(trouble), trouble)
        for watch in (self.credentials, self.buses.credentials):
            trouble, clock = f"{name}: reading its credentials failed", self.connection.reactor
            self._background.repeat(watch.check, trouble, clock, watch.pause, START_AFTER)
        self.buses.start(name, self._other_buses)

    @async_to_deferred
    async def stopService(self) -> None:
        """End the watches and close the connections."""
        await super().stopService()
        self._background.stop()
        await self.buses.stop()
        self.cancellations.stop()
        self.watcher.stop()
        await self.connection.close()


@async_to_deferred
async def get_hub(master: Any, profile: str | RenderedHub) -> Hub:
    """Return a Deferred of a master's :class:`Hub`, created at first use.

    Args:
        master: the Buildbot master.
        profile: the name of a profile, a :class:`RenderedHub`, or a renderable that gives one of
            them without a build: a ``util.KojiHub`` with the secrets of the master.
    """
    rendered = await rendered_hub(master, profile)
    hub: Hub = await Hub.getService(master, rendered, master.reactor)
    hub.users.touch()
    return hub


async def rendered_hub(master: Any, profile: Any) -> str | RenderedHub:
    """Render a plugin's ``profile`` with the secrets of the master."""
    properties = Properties()
    properties.master = master
    rendered: str | RenderedHub = await properties.render(profile)
    return rendered


def identity_of(profile: str | RenderedHub) -> str:
    """Return the identity of a hub and its user, which all links to it share."""
    return f"{PREFIX}{profile if isinstance(profile, str) else profile.identity}"


def hubs_of(master: Any) -> list[Hub]:
    """Return the hubs that the plugins of a master have used so far."""
    return [each for each in master if isinstance(each, Hub)]
