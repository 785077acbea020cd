"""The message buses that report a hub's tasks, and the certificates of their brokers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from buildbot_koji.durable.background import Background
from buildbot_koji.hubs.credentials import CredentialWatch
from txkoji import Connection, Credential, Event, TaskStateChange, TaskWatcher, messages
from txkoji.bus import Broker, BusMessage, Receiver, ReceiverState


@attrs.define(eq=False, repr=False, slots=False)
class HubBuses:
    """The buses of one hub: its own, and those of the master's other plugins.

    Args:
        connection: the hub.
        watcher: polls soon what a bus reports, and calmly while one is connected.
        own: the broker that the hub is declared with, or None.
        background: reads certificates.

    Attributes:
        credentials: reads the certificates of the brokers, and our own.
    """

    _connection: Connection
    _watcher: TaskWatcher
    _own: Broker | None
    _background: Background

    def __attrs_post_init__(self) -> None:
        self._receiver: Receiver | None = None
        self._others: Callable[[], Iterable[HubBuses]] = list
        self._connected: dict[str | HubBuses, bool] = {}
        self._brokers: dict[str, tuple[Broker, float | None]] = {}
        self.credentials = CredentialWatch(
            self._connection.profile, self._read_credentials, self._connection.reactor
        )
        if self._own is not None:
            self.use("", self._own)

    @property
    def is_connected(self) -> bool | None:
        """Whether a bus is connected, None without one."""
        return any(self._connected.values()) if self._connected else None

    def hear(self, event: Event | None, who: str | HubBuses = "") -> None:
        """Poll soon the watched task that a bus message reports.

        Args:
            event: what the message reports; anything but the state of a task is ignored.
            who: the listener, or the buses of the link to the hub that heard it.
        """
        # The bus may have been connected before this hub was used.
        self.changed(who, True)
        if isinstance(event, TaskStateChange) and event.task is not None:
            self._watcher.hint(event.task.id, parent=event.task.get("parent"))

    def changed(self, who: str | HubBuses, is_connected: bool | None) -> None:
        """Record whether a listener's bus is connected; None if nobody listens any more."""
        if is_connected is None:
            self._connected.pop(who, None)
        else:
            self._connected[who] = is_connected
        self._watcher.expect_hints(any(self._connected.values()))

    def use(self, who: str, broker: Broker | None, server_expires: float | None = None) -> None:
        """Record which broker a plugin uses: a certificate may expire.

        Args:
            who: who uses it.
            broker: its settings; None if it is no longer used.
            server_expires: when its own certificate expires, in seconds since the epoch; None while
                that is unknown.
        """
        known = self._brokers.get(who)
        if broker is None:
            self._brokers.pop(who, None)
        else:
            if server_expires is None and known is not None and known[0] == broker:
                server_expires = known[1]
            self._brokers[who] = (broker, server_expires)
        if self._brokers.get(who) != known and self.credentials.was_read:
            checking = self.credentials.check()
            self._background.run(checking, "reading a broker's certificate failed")

    async def _read_credentials(self) -> Sequence[Credential]:
        found: dict[Credential, None] = {}
        for broker, expires in self._brokers.values():
            if (ours := broker.credential) is not None:
                found[ours] = None
            if expires is not None:
                found[Credential("broker server certificate", broker.host, expires)] = None
        return list(found)

    # The hub's own

    def start(self, name: str, others: Callable[[], Iterable[HubBuses]]) -> None:
        """Listen to the hub's own bus, if it has one.

        Args:
            name: who listens, for the log.
            others: returns those of the other links to the hub. One that was replaced and its
                successor share a queue: each gets messages about the other's tasks.
        """
        self._others = others
        if self._own is not None:
            self._receiver = Receiver(
                self._own,
                self._handle,
                reactor=self._connection.reactor,
                on_state=self._own_changed,
                name=name,
            )
            self._receiver.start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._receiver is not None:
            await self._receiver.stop()

    def _handle(self, message: BusMessage) -> None:
        event = messages.read(message, self._connection)
        self.hear(event)
        for each in self._others():
            each.hear(event, self)

    def _own_changed(self, state: ReceiverState, _reason: str | None) -> None:
        is_ready = state is ReceiverState.READY
        self.changed("", is_ready)
        for each in self._others():
            each.changed(self, is_ready or None)
        if is_ready and self._receiver is not None:
            self.use("", self._own, self._receiver.server_expires)
