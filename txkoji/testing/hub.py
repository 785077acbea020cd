"""The embedded hub, put together: tables, methods, sessions, builder, files and the HTTP front."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from txkoji._deferreds import returns_deferred
from txkoji.bus import Broker
from txkoji.bus.base import Dialect
from txkoji.exceptions import BusError
from txkoji.testing.announcements.emission import Emitter, Outgoing
from txkoji.testing.announcements.fedora import fedora_message
from txkoji.testing.announcements.messages import Announcement
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers import HANDLERS, failures
from txkoji.testing.farm.kojira import Kojira
from txkoji.testing.formats import rpms
from txkoji.testing.front.certificates import CertificateAuthority
from txkoji.testing.front.endpoint import HubResource, call_with_argument_check
from txkoji.testing.front.web import FilesResource, PagesResource
from txkoji.testing.methods import (
    absent,
    archives,
    builds,
    containers,
    distrepos,
    history,
    images,
    maven,
    output,
    repos,
    runroot,
    sessions,
    sidetags,
    signatures,
    system,
    tagging,
    tags,
    tasks,
    users,
    windows,
)
from txkoji.testing.methods.table import METHODS, PLUGIN_OF, SINCE, HubMethod, MethodCall
from txkoji.testing.tables import lookups
from txkoji.testing.tables.file_tree import DiskFileTree, FileTree
from txkoji.testing.tables.sessions import LAST_SESSION, SESSIONS, HubSession, HubSessions
from txkoji.testing.tables.state import HubState, Row
from txkoji.testing.tables.state_file import Record, StateFile

MODULES = (
    absent,
    archives,
    builds,
    containers,
    distrepos,
    history,
    images,
    maven,
    output,
    repos,
    runroot,
    sessions,
    sidetags,
    signatures,
    system,
    tagging,
    tags,
    tasks,
    users,
    windows,
)
"""The modules whose import fills the table of hub methods."""

KOJIADMIN = "kojiadmin"


class _ContextFactory(DefaultOpenSSLContextFactory):
    """Asks for a client certificate, takes none too, and refuses one of another authority."""

    def __init__(self, server_pem: Path, authority: Path) -> None:
        self._authority = authority
        super().__init__(str(server_pem), str(server_pem), sslmethod=SSL.TLS_METHOD)

    def cacheContext(self) -> None:
        super().cacheContext()
        context = self._context
        assert context is not None
        context.load_verify_locations(str(self._authority))
        context.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
        context.set_session_id(b"embedded-koji-hub")


class _Site(Site):
    """A site without a log: the URLs of old clients hold secrets."""

    displayTracebacks = False

    def log(self, request: Request) -> None:
        """Write nothing."""


class FakeHub:
    """A Koji hub in this process, with a simulated builder, for tests and demonstrations.

    It speaks a hub's real protocol on a port of the loopback interface, keeps everything in memory
    unless it gets a file for it, and answers as a hub of version 1.36 does. It is never kinder than
    a real one, but for the switches that say so.

    Args:
        reactor: an IReactorTime; to listen, an IReactorTCP and IReactorSSL too. Its time is the
            hub's time, in seconds since the epoch.
        build_seconds: how long one ``build`` task takes, in seconds.
        tls: listen with TLS, with a certificate of the hub's own authority.
        anonymous_user: let calls without a session act as this user. No real hub does that.
        keytab: a keytab with the key of ``HTTP/host``: ``/ssllogin`` asks for a Kerberos ticket
            where no certificate comes. It needs the package gssapi.
        version: the version that the hub says it has; it lacks the methods and parameters that came
            later. Before 1.32 a session can't be renewed, before 1.31 it is carried in the URL.
        host: the address to listen on.
        state_file: keep everything in this file, and files in the directory that has its name
            and ``.files``: a hub that is made of it again, on the same port, goes on, whatever
            ended this one. HubSessions stay valid, and tasks that were running start again.
        bus: settings of a broker (:mod:`txkoji.bus`), to which the hub publishes its messages from
            its start on. What the broker does not take is kept in memory and tried again.
        bus_dialect: ``protonmsg``, or ``fedora`` for messages as Fedora's hub sends them. The
            settings' ``topic_prefix`` is the site's: ``koji``, ``org.fedoraproject.prod``.

    Attributes:
        restored: whether the state comes from the file.
        version_header: tell the version in a header of each reply, as hubs do since 1.35.
        ticket_answer: takes what the service answers to a Kerberos ticket, gives what is sent;
            nothing is sent for empty bytes.
        reads_callnum_header: look at the call numbers of sessions in headers. Hubs from 1.31 to
            1.35 don't: there, what is sent twice is done twice.

    Raises:
        sqlite3.Error: the state file is none, or another hub uses it.
    """

    _log = Logger()

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
        self.clock = reactor
        self.tls = tls
        self.keytab = keytab
        self.version = version
        self.version_header = self.release >= (1, 35)
        self.reads_callnum_header = not (1, 31) <= self.release < (1, 36)
        self.host = host
        self.offline_text: str | None = None
        self.locked_out = False
        self.denied: dict[str, str | None] = {}
        self._absent_plugins: set[str] = set()
        self.allow_srpm_builds = False
        self.allow_repo_id_builds = False
        self.keep_srpms = False
        self.builders_mended = False
        self.maven_enabled = False
        self.win_enabled = False
        self.noarch_packages: set[str] = set()
        self.proxy_users: set[str] = set()
        self.ticket_answer: Callable[[bytes], bytes] = lambda answer: answer
        self.requests = 0
        self.calls: Counter[str] = Counter()
        self.sessions = HubSessions()
        self.sessions.header_auth = self.release >= (1, 31)
        self.state = HubState(self.now)
        self.files = (
            FileTree(self.now)
            if state_file is None
            else DiskFileTree(self.now, state_file.with_name(f"{state_file.name}.files"))
        )
        self.builder = Builder(self, HANDLERS, build_seconds)
        self.kojira = Kojira(self)
        self._anonymous_user = anonymous_user
        self._children: dict[int, list[Row]] = {}
        self._sites: list[WrappingFactory] = []
        self._port: Any = None
        self._files_port: Any = None
        self._directory: Path | None = None
        self._authority: CertificateAuthority | None = None
        self._storage: StateFile | None = None
        self._bus_dialect = bus_dialect
        self._emitter = None if bus is None else Emitter(bus, reactor)
        self.restored = False
        if state_file is not None:
            self._keep_in(StateFile(state_file))
        if not self.restored:
            system.seed(self.state)
            self.add_user(KOJIADMIN, password="kojiadmin", permissions=["admin"])

    @property
    def admin(self) -> Row:
        """The row of the user ``kojiadmin``."""
        row = self.state.one("users", name=KOJIADMIN)
        assert row is not None
        return row

    def _keep_in(self, storage: StateFile) -> None:
        """Take over what the storage has, and keep everything there from now on."""
        self._storage = storage
        kept: dict[str, list[Record]] = {"sessions": [], "state": []}
        for record in storage.load():
            whose = "sessions" if record[0] in (SESSIONS, LAST_SESSION) else "state"
            kept[whose].append(record)
        self.sessions.restore(kept["sessions"])
        self.state.restore(kept["state"])
        for row in self.state.rows("task"):
            self.index_task(row)
        self.restored = bool(kept["state"])
        self.state.before_commit = self._save

    def _save(self) -> None:
        if self._storage is not None:
            records = [*self.state.changes(), *self.sessions.changes()]
            if records:
                self._storage.save(records)

    def _kept(self, name: str) -> Any:
        row = self.state.one("hub_setting", name=name)
        return row["value"] if row else None

    def _keep(self, name: str, value: Any) -> None:
        if self._storage is not None and self._kept(name) is None:
            self.state.insert("hub_setting", {"name": name, "value": value})

    def now(self) -> float:
        """Return the hub's time, in seconds since the epoch."""
        return float(self.clock.seconds())

    # Start and stop

    @property
    def url(self) -> str:
        """The address of the XML-RPC endpoint, once the hub is started."""
        return f"{self._base}/kojihub"

    @property
    def weburl(self) -> str:
        """The address of the web pages, once the hub is started."""
        return f"{self._base}/koji"

    @property
    def topurl(self) -> str:
        """The address of the files, once the hub is started.

        Without TLS even where the hub has it: Koji's own client trusts only the system's
        authorities when it downloads, whatever ``serverca`` says.
        """
        if self._files_port is not None:
            return f"http://{self.host}:{self._files_port.getHost().port}/kojifiles"
        return f"{self._base}/kojifiles"

    @property
    def _base(self) -> str:
        assert self._port is not None, "the hub is not started"
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self._port.getHost().port}"

    def resource(self) -> Resource:
        """Return the root resource of the hub's web server, for use without a port."""
        root = Resource()
        root.putChild(b"kojihub", HubResource(self))
        root.putChild(b"kojifiles", FilesResource(self))
        root.putChild(b"koji", PagesResource(self))
        return root

    @returns_deferred
    async def start(self, port: int = 0) -> None:
        """Listen.

        Args:
            port: the port; 0 picks a free one.

        Raises:
            twisted.internet.error.CannotListenError: the port is taken.
        """
        if self.restored:
            self.builder.resume()
        site = self._make_site(self.resource())
        if self.tls:
            server = self.authority.server(self.host)
            context = _ContextFactory(server, self.authority.certificate_path)
            self._port = self.clock.listenSSL(port, site, context, interface=self.host)
            files = Resource()
            files.putChild(b"kojifiles", FilesResource(self))
            site = self._make_site(files)
            number = self._kept("files_port") or 0
            self._files_port = self.clock.listenTCP(number, site, interface=self.host)
            self._keep("files_port", self._files_port.getHost().port)
        else:
            self._port = self.clock.listenTCP(port, site, interface=self.host)
        if self._emitter is not None:
            self.on_message(self._emit)

    def _make_site(self, resource: Resource) -> WrappingFactory:
        site = WrappingFactory(_Site(resource))
        self._sites.append(site)
        return site

    @returns_deferred
    async def stop(self) -> None:
        """Stop listening, answering and building; the tables stay as they are."""
        self.builder.stop()
        if self._emitter is not None:
            await self._emitter.stop()
        for site in self._sites:
            for connection in list(site.protocols):
                connection.transport.abortConnection()
        self._sites.clear()
        ports = [port for port in (self._port, self._files_port) if port is not None]
        self._port = self._files_port = None
        for port in ports:
            stopped = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = self._authority = None
        if self._storage is not None:
            self.state.before_commit = None
            self._storage.close()
            self._storage = None

    # Credentials

    @property
    def authority(self) -> CertificateAuthority:
        """The hub's certificate authority; its files live in a temporary directory until stop."""
        if self._authority is None:
            self._directory = Path(tempfile.mkdtemp(prefix="embedded-koji-hub-"))
            self.use_certificates_in(self._directory)
        assert self._authority is not None
        return self._authority

    def use_certificates_in(self, directory: Path) -> None:
        """Keep the authority's files in a directory that stays after stop."""
        self._authority = CertificateAuthority(directory, self._kept("authority"))
        self._keep("authority", self._authority.pem)

    def certificate(self, user: str) -> Path:
        """Return the path of a PEM file with a client certificate of a user, and its key."""
        return self.authority.client(user)

    def profile_text(self, name: str = "fake", *, user: str | None = None) -> str:
        """Return a koji.conf with one profile of this hub.

        Args:
            name: the profile's name.
            user: log in as this user, by certificate, where the hub has TLS.
        """
        lines = [
            f"[{name}]",
            f"server = {self.url}",
            f"weburl = {self.weburl}",
            f"topurl = {self.topurl}",
            "poll_interval = 1",
            "max_retries = 2",
            "retry_interval = 1",
        ]
        if self.tls:
            lines.append(f"serverca = {self.authority.certificate_path}")
        if self.tls and user is not None:
            lines += ["authtype = ssl", f"cert = {self.certificate(user)}"]
        else:
            lines.append("authtype = noauth")
        return "\n".join(lines) + "\n"

    # Switches

    def offline(self, text: str = "server is offline") -> None:
        """Answer every call with fault 1014."""
        self.offline_text = text

    def online(self) -> None:
        """Answer calls again."""
        self.offline_text = None

    def deny(self, policy: str, reason: str | None = None) -> None:
        """Let a policy (``tag``, ``package_list``, ``sidetag``, ...) deny all that it is asked."""
        self.denied[policy] = reason

    def without_plugins(self, *plugins: str) -> None:
        """Do without plugins, whose methods are invalid then: ``sidetag``, ``runroot``, ..."""
        unknown = set(plugins) - set(PLUGIN_OF.values())
        assert not unknown, f"no such plugins: {unknown}"
        self._absent_plugins.update(plugins)

    # Messages

    def on_message(self, callback: Callable[[Announcement], None]) -> None:
        """Call back with each message that the hub has for a bus, in order, once it is committed.

        The messages are those of the hub's plugin ``protonmsg``.
        """
        self.state.listeners.append(callback)

    @returns_deferred
    async def publish_to(self, bus: Broker) -> None:
        """Use a broker that was not given when the hub was made, from its start on.

        Args:
            bus: settings of the broker.

        Returns:
            A Deferred. It fails with :class:`txkoji.exceptions.BusError` where no broker is there
            that takes messages; the hub has no bus then.
        """
        emitter = Emitter(bus, self.clock)
        try:
            await emitter.check()
        except BusError:
            await emitter.stop()
            raise
        self._emitter = emitter

    def _emit(self, message: Announcement) -> None:
        outgoing: Outgoing | None = Outgoing(message.address, message.body, message.properties)
        if self._bus_dialect == "fedora":
            outgoing = fedora_message(
                message, self.state, base_url=self._base, files_url=self.topurl
            )
        if outgoing is not None and self._emitter is not None:
            self._emitter.emit(outgoing)

    # Running methods

    @property
    def release(self) -> tuple[int, int]:
        """The first two numbers of the hub's version, which decide on what methods it has."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    def method(self, name: str) -> HubMethod | None:
        """Return the hub method of a name; None where this hub has none."""
        if PLUGIN_OF.get(name) in self._absent_plugins:
            return None
        if SINCE.get(name, self.release) > self.release:
            return None
        return METHODS.get(name)

    def user_of(self, session: HubSession | None) -> Row | None:
        """Return the user of a session, of an anonymous call the one of the switch, or None."""
        if session is not None:
            return self.state.get("users", session.user_id)
        if self._anonymous_user is not None:
            return self.state.one("users", name=self._anonymous_user)
        return None

    def count(self, method: str) -> None:
        """Count a call of a method."""
        self.calls[method] += 1

    def log_method_error(self, method: str) -> None:
        """Log the error that a method of ours just raised; its caller gets fault 1."""
        self._log.warn("hub method {method} failed", method=method)

    def call(self, method: str, *args: Any, user: str | None = KOJIADMIN, **kwargs: Any) -> Any:
        """Run a hub method here and now, as a user, in a transaction.

        Args:
            method: the method's name.
            args: its positional arguments.
            user: who calls; None for nobody.
            kwargs: its named arguments.

        Returns:
            What the method returns.

        Raises:
            HubFault: the method's refusal.
        """
        row = self.state.one("users", name=user) if user is not None else None
        params: list[Any] = list(args)
        if kwargs:
            params.append({**kwargs, "__starstar": True})
        with self.state.transaction():
            return call_with_argument_check(MethodCall(self, row), method, params)

    def permissions_of(self, user: Row) -> set[str]:
        """Return the names of the permissions that a user holds."""
        return users.held_permissions(self.state, user["id"])

    # The index of children

    def index_task(self, row: Row) -> None:
        """Note a new task under its parent."""
        parent = row["parent"]
        if parent is not None:
            self._children.setdefault(parent, []).append(row)

    def task_children(self, task_id: int) -> list[Row]:
        """Return the rows of a task's children, in the order of their ids."""
        rows = self._children.get(task_id, [])
        return [row for row in rows if self.state.get("task", row["id"]) is row]

    # Seeding

    def add_user(
        self,
        name: str,
        *,
        password: str | None = None,
        permissions: Iterable[str] = (),
        principals: Iterable[str] = (),
    ) -> Row:
        """Add a user with permissions and Kerberos principals; returns the row."""
        with self.state.transaction():
            row = self.state.insert(
                "users",
                {
                    "name": name,
                    "status": 0,
                    "usertype": 0,
                    "password": password,
                    "krb_principals": list(principals),
                },
            )
            for permission in permissions:
                found = self.state.one("permissions", name=permission)
                if found is None:
                    found = self.state.insert(
                        "permissions", {"name": permission, "description": None}
                    )
                grant = {"user_id": row["id"], "permission_id": found["id"]}
                self.state.insert_version("user_perms", grant, row["id"])
        return row

    def add_host(
        self,
        name: str,
        arches: str,
        *,
        channels: Iterable[str] = ("default", "createrepo"),
        capacity: float | None = None,
    ) -> Row:
        """Add a build host.

        Args:
            name: its name.
            arches: its architectures, between blanks.
            channels: the channels whose tasks it takes.
            capacity: as soon as its tasks weigh as much together it takes no more: the others
                wait FREE (:mod:`txkoji.testing.farm.scheduler`). By default it takes all that come.

        Returns:
            The host's row.
        """
        with self.state.transaction():
            user = self.state.one("users", name=name) or self.add_user(name)
            self.state.update("users", user["id"], usertype=1)
            host = self.state.insert(
                "host",
                {
                    "user_id": user["id"],
                    "name": name,
                    "arches": arches,
                    "capacity": 2.0 if capacity is None else capacity,
                    "limited": capacity is not None,
                    "comment": None,
                    "description": None,
                    "enabled": True,
                    "ready": True,
                    "update_ts": self.now(),
                },
            )
            for channel in channels:
                found = self.state.one("channels", name=channel)
                assert found is not None, f"no channel {channel}"
                link = {"host_id": host["id"], "channel_id": found["id"]}
                self.state.insert("host_channels", link)
        return host

    def add_tag(self, name: str, *, parent: str | None = None, arches: str = "") -> int:
        """Add a tag; returns its id."""
        return int(self.call("createTag", name, parent=parent, arches=arches))

    def add_target(self, name: str, build_tag: str, dest_tag: str) -> None:
        """Add a build target."""
        self.call("createBuildTarget", name, build_tag, dest_tag)

    def add_package(self, tag: str, name: str, *, owner: str = KOJIADMIN) -> None:
        """List a package in a tag."""
        self.call("packageListAdd", tag, name, owner=owner)

    def add_repo(self, tag: str) -> int:
        """Add a READY repo of a tag as it is now; returns its id."""
        with self.state.transaction():
            call = MethodCall(self, self.admin)
            tag_id = lookups.find_tag_id(self.state, tag, strict=True)
            assert tag_id is not None
            return int(repos.insert_repo(call, tag_id, state=repos.READY)["id"])

    def sign_rpm(self, rpm: Any, key_id: str = "45719a39") -> None:
        """Let a key sign an RPM.

        Args:
            rpm: the RPM's id or its N-V-R.A.
            key_id: the key's id in hex.
        """
        call = MethodCall(self, self.admin)
        row = builds.find_rpm(call, rpm)
        assert row is not None, f"no such RPM: {rpm}"
        header = rpms.signed_header(self.files.read(builds.rpm_path(call, row)), key_id)
        self.call("addRPMSig", row["id"], base64.b64encode(header).decode("ascii"))

    def add_demo_content(self, *, capacity: float | None = None) -> None:
        """Add what a demonstration needs; a restored hub has it.

        Users ``kojiadmin`` and ``alice``; a host ``builder1``; the tags ``demo-build``,
        ``demo-candidate`` and ``demo-released``; the target ``demo``; packages, listed in
        ``demo-candidate`` and ``demo-released``: ``hello``, ``world``, ``foo``, the Maven project
        ``org.example-hello``, and those that do not build, as
        :mod:`txkoji.testing.farm.handlers.failures` says. Maven and Windows builds are enabled.

        Args:
            capacity: the capacity of the host, as :meth:`add_host` takes it.
        """
        self.allow_srpm_builds = self.maven_enabled = self.win_enabled = True
        if self.restored:
            return
        self.add_user("alice", password="alice")
        channels = [row["name"] for row in self.state.rows("channels")]
        for channel in ("runroot", "container-binary", "container-source"):
            self.call("addChannel", channel)
            channels.append(channel)
        for permission in ("runroot", "livemedia", "regen-repo"):
            self.call("grantPermission", KOJIADMIN, permission, create=True)
        self.add_host(
            "builder1", "x86_64 aarch64 ppc64le noarch", channels=channels, capacity=capacity
        )
        self.add_tag("demo-candidate")
        self.add_tag("demo-released")
        self.add_tag("demo-build", parent="demo-candidate", arches="x86_64 aarch64 ppc64le")
        self.add_target("demo", "demo-build", "demo-candidate")
        failing = (failures.ARCH, failures.ROOT, failures.BUILDER, failures.HOST)
        for package in ("hello", "world", "foo", "org.example-hello", *failing):
            self.add_package("demo-candidate", package)
            self.add_package("demo-released", package)
        self.add_repo("demo-build")


assert METHODS, "the hub methods are registered by the imports above"
