"""The embedded hub, put together from its parts: :class:`FakeHub`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.web.resource import Resource

from txkoji._deferreds import returns_deferred
from txkoji.bus import Broker
from txkoji.bus.base import Dialect
from txkoji.testing.announcements.announcer import Announcer
from txkoji.testing.announcements.messages import Announcement
from txkoji.testing.content import Content
from txkoji.testing.core import KOJIADMIN, Denial
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers.registry import HANDLERS
from txkoji.testing.farm.kojira import Kojira
from txkoji.testing.front.certificates import CertificateAuthority
from txkoji.testing.front.server import FrontEnd
from txkoji.testing.methods.table import PLUGIN_OF
from txkoji.testing.tables.seed import seed


class FakeHub(Content):
    """A Koji hub in this process, with a simulated builder, for tests and demonstrations.

    It speaks a hub's real protocol on a port of the loopback interface, keeps everything in memory
    unless it gets a state file, and answers as a hub of version 1.36 does. It is never more lenient
    than a real one, except where a switch says so.

    Args:
        reactor: an IReactorTime; to listen, an IReactorTCP and IReactorSSL too. Its time is the
            hub's time, in seconds since the epoch.
        build_seconds: how long one ``build`` task takes, in seconds.
        tls: listen with TLS, with a certificate of the hub's own authority.
        anonymous_user: let calls without a session act as this user. No real hub does that.
        keytab: a keytab with the key of ``HTTP/host``: ``/ssllogin`` asks for a Kerberos ticket
            if no client certificate comes. It needs the package gssapi.
        version: the version that the hub reports; it lacks the methods and parameters of later
            ones. Before 1.32 a session can't be renewed, before 1.31 the URL carries it.
        host: the address to listen on.
        state_file: keep everything in this file, and files in the directory of its name plus
            ``.files``. A hub that is made from it again, on the same port, resumes, however the
            last one ended: sessions stay valid, and tasks that were running start again.
        bus: settings of a broker (:mod:`txkoji.bus`) that the hub publishes its messages to once
            it is started. Messages that the broker does not accept are kept in memory and retried.
        bus_dialect: ``protonmsg``, or ``fedora`` for messages as Fedora's hub sends them. The
            settings' ``topic_prefix`` is the site's: ``koji``, ``org.fedoraproject.prod``.

    Attributes:
        builder: runs the tasks; ``builder.seconds`` is the time of a build, ``builder.pace`` says
            which packages and architectures take longer.

    What fills it is in :class:`txkoji.testing.content.Content`. The switches are the attributes of
    :class:`txkoji.testing.core.HubCore`.

    Raises:
        sqlite3.Error: the state file is not one, is that of another version, or another hub
            uses it.
    """

    builder: Builder

    def __init__(
        self,
        reactor: Any,
        *,
        build_seconds: float = 10.0,
        tls: bool = False,
        anonymous_user: str | None = None,
        keytab: Path | None = None,
        version: str = "1.36.0",
        host: str = "127.0.0.1",
        state_file: Path | None = None,
        bus: Broker | None = None,
        bus_dialect: Dialect = "protonmsg",
    ) -> None:
        super().__init__(reactor, version=version, state_file=state_file)
        self.anonymous_user = anonymous_user
        self.keytab = keytab
        self.runner = self.builder = Builder(self, HANDLERS, build_seconds)
        self._kojira = Kojira(self, self.builder)
        self._announcer = Announcer(self.state, reactor, bus, bus_dialect)
        self._front = FrontEnd(self, reactor, host=host, tls=tls)
        if not self.restored:
            with self.state.transaction():
                seed(self.state)
                self.add_user(KOJIADMIN, password="kojiadmin", permissions=["admin"])

    @property
    def restored(self) -> bool:
        """Whether the state comes from the state file."""
        return self.saved.restored

    # Start and stop

    @returns_deferred
    async def start(self, port: int = 0) -> None:
        """Listen.

        Args:
            port: the port; 0 picks a free one.

        Raises:
            twisted.internet.error.CannotListenError: the port is taken.
        """
        if self.restored:
            self._kojira.resume()
            self.builder.resume()
        self._front.start(port)
        self._announcer.start(self._front.base_url, self.topurl)

    @returns_deferred
    async def stop(self) -> None:
        """Stop listening, answering and building; the tables stay as they are."""
        self.builder.stop()
        await self._announcer.stop()
        await self._front.stop()
        self.saved.close()

    # The front

    @property
    def tls(self) -> bool:
        """Whether the hub listens with TLS."""
        return self._front.tls

    @property
    def url(self) -> str:
        """The address of the XML-RPC endpoint, once the hub is started."""
        return f"{self._front.base_url}/kojihub"

    @property
    def weburl(self) -> str:
        """The address of the web pages, once the hub is started."""
        return f"{self._front.base_url}/koji"

    @property
    def topurl(self) -> str:
        """The address of the files, once the hub is started; plain HTTP even with TLS."""
        return self._front.files_url

    @property
    def authority(self) -> CertificateAuthority:
        """The hub's certificate authority; its files live in a temporary directory until stop."""
        return self._front.authority

    def resource(self) -> Resource:
        """Return the root resource of the hub's web server, for use without a port."""
        return self._front.resource()

    def use_certificates_in(self, directory: Path) -> None:
        """Keep the authority's files in a directory that outlives the hub."""
        self._front.use_certificates_in(directory)

    def certificate(self, user: str) -> Path:
        """Return the path of a PEM file with a client certificate of a user, and its key."""
        return self.authority.client(user)

    def profile_text(self, name: str = "fake", *, user: str | None = None) -> str:
        """Return a koji.conf with one profile of this hub.

        Args:
            name: the profile's name.
            user: log in as this user, by certificate, where the hub has TLS.
        """
        return self._front.profile_text(name, user)

    # Time

    @contextmanager
    def past(self, begin: float) -> Iterator[Clock]:
        """Let the hub live at an earlier time: what it does there becomes its history.

        For a hub that is not started. Whatever still runs at the end is finished, later than the
        block asked for.

        Args:
            begin: the time, in seconds since the epoch.

        Yields:
            The clock to advance.
        """
        present, clock = self.clock, Clock()
        clock.advance(begin)
        self.clock = clock
        try:
            yield clock
            while clock.calls:
                first = min(each.getTime() for each in clock.calls)
                clock.advance(max(first - clock.seconds(), 0.0))
        finally:
            self.clock = present

    # Switches

    def offline(self, text: str = "server is offline") -> None:
        """Answer every call with fault 1014."""
        self.offline_text = text

    def online(self) -> None:
        """Answer calls again."""
        self.offline_text = None

    def deny(self, policy: str, reason: str | None = None, *, tag: str | None = None) -> None:
        """Let a policy deny.

        Args:
            policy: ``tag``, ``package_list``, ``sidetag``, ...
            reason: the reason that the refusal gives.
            tag: deny for this tag only; by default everything.
        """
        self.denials.append(Denial(policy, reason, tag))

    def without_plugins(self, *plugins: str) -> None:
        """Uninstall plugins, whose methods are then invalid: ``sidetag``, ``runroot``, ..."""
        unknown = set(plugins) - set(PLUGIN_OF.values())
        assert not unknown, f"no such plugins: {unknown}"
        self.absent_plugins.update(plugins)

    # Announcements

    def on_message(self, callback: Callable[[Announcement], None]) -> None:
        """Call back with each message that the hub has for a bus, in order, once it is committed.

        The messages are those of the hub's plugin ``protonmsg``.
        """
        self.state.listeners.append(callback)

    @returns_deferred
    async def publish_to(self, bus: Broker) -> None:
        """Publish to a broker that was not given to the constructor, once the hub is started.

        Args:
            bus: settings of the broker.

        Returns:
            A Deferred. It fails with :class:`txkoji.exceptions.BusError` if the broker is
            unreachable or takes no messages; the hub has no bus then.
        """
        await self._announcer.use(bus)
