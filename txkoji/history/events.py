"""What happens on a hub, as frozen objects: the same from any bus and from the hub's own history.

A message has the facts that its sender put in; the poller (:mod:`txkoji.history.poller`) reads all
of them. Each event has a key, made of facts that only the hub knows: equal keys mean one event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from txkoji import build_states, paths, task_states
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import make
from txkoji.build import Build
from txkoji.bus.base import Dialect
from txkoji.exceptions import MalformedMessage
from txkoji.history import dialects
from txkoji.history.hub import RichHub
from txkoji.task import Task

NAMES = (
    "build-complete",
    "build-failed",
    "build-canceled",
    "build-deleted",
    "build-promoted",
    "tagged",
    "untagged",
    "task-open",
    "task-closed",
    "task-failed",
    "task-canceled",
    "repo-done",
    "package-listed",
    "rpm-signed",
)
"""The names of the events that the poller finds or confirms."""

BUS_ONLY = frozenset({"build-deleted", "rpm-signed"})
"""Koji keeps no time of these: only a message reports them, no poll finds them."""

IN_TAGS = frozenset({"tagged", "untagged", "package-listed", "repo-done"})
"""These happen in a tag: they are looked for in the tags that are named."""

_E = TypeVar("_E", bound="Event")


class Frame(Protocol):
    """A message as STOMP clients have it: headers, and a JSON body."""

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers."""
        ...

    @property
    def body(self) -> str | bytes:
        """The body."""
        ...


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened on a hub.

    Attributes:
        connection: a :class:`txkoji.Connection` to the hub; by default that of the build or task.
        when: when it happened by the hub's clock, in seconds since the epoch; None if a message
            does not say.
        build: the build that it happened to, or None; from a message, it may lack most fields.
        task: the task that it happened to, or that made the build; None if unknown.
        tag_id: the id of the tag that it happened in; None if there is none or it is unknown.
        tag_name: the name of that tag.
        user_name: who did it; None if unknown.
        target: the name of the task's build target, if it was read.
        watched_tags: the watched tags that see it: the tag that it happened in, and those that
            inherit from it. Empty in a message.
        rpms: the RPMs of the build (name-version-release.arch), if they were read.
        types: the types of the build (``rpm``, ``maven``, ``image``, ...), if they were read.
        generation: how often the hub was restored from a backup before the event; see :attr:`key`.
    """

    _name: ClassVar[str] = ""

    connection: RichHub = field(default=None, repr=False, compare=False)  # type: ignore[assignment]
    when: float | None = None
    build: Build | None = None
    task: Task | None = None
    tag_id: int | None = None
    tag_name: str | None = None
    user_name: str | None = None
    target: str | None = None
    watched_tags: tuple[str, ...] = ()
    rpms: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    generation: int = field(default=0, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.connection is None:
            subject = self.build if self.build is not None else self.task
            object.__setattr__(self, "connection", getattr(subject, "connection", None))

    @classmethod
    def from_frame(cls: type[_E], frame: Frame, connection: RichHub) -> _E:
        """Read a STOMP frame of Koji's plugin protonmsg.

        Args:
            frame: the frame; its header ``type`` says which event it is. A change of state needs
                no more than the header ``new``, and ``info`` in the body.
            connection: a :class:`txkoji.Connection` to the hub that sent it.

        Raises:
            MalformedMessage: the frame is not what the plugin writes, or is another event.
        """
        kind = frame.headers.get("type")
        defaults = {"attribute": "state", "old": None, "new": frame.headers.get("new")}
        name = str(cls.__name__ if kind is None else kind)
        found = decode("protonmsg", name, frame.body, connection, defaults)
        if not isinstance(found, cls):
            raise MalformedMessage(f"a frame of the type {kind!r} is no {cls.__name__}")
        return found

    @property
    def name(self) -> str:
        """One of :data:`NAMES`, or another name for an event that is not polled."""
        return self._name

    @property
    def key(self) -> str | None:
        """The identity of the event; None if it has none, or only the hub knows it.

        It is built from ids: ``build:<id>:<state>:<task>``, ``task:<id>:<state>``,
        ``tag:<tag>:<build>:<event>`` (or ``untag``), ``promote:<build>``, ``repo:<id>:<state>``,
        ``package:<tag>:<package>:<event>``, ``sign:<rpm>:<key>``. A hub that is restored from a
        backup gives the ids of what it lost to something else, so the key of a later event ends
        with the number of restores.
        """
        key = self._ids
        return f"{key}:{self.generation}" if key is not None and self.generation else key

    @property
    def _ids(self) -> str | None:
        """The key on a hub that was never restored."""
        return None

    @property
    def package_name(self) -> str | None:
        """The name of the package that it is about, or None."""
        if self.build is not None:
            return str(self.build.get("package_name") or self.build.get("name"))
        return None if self.task is None else self.task.package

    @property
    def url(self) -> str | None:
        """The address of the web page that shows it best, or None."""
        if self.build is not None:
            return self.build.url
        if self.task is not None:
            return self.task.url
        tag = self.tag_id if self.tag_id is not None else self.tag_name
        return None if tag is None else paths.tag_url(self.connection.weburl, tag)

    @returns_deferred
    async def user(self) -> str | None:
        """Return a Deferred of the name of who did it, or else of the owner; None if unknown."""
        if self.user_name is not None:
            return self.user_name
        build: dict[str, Any] = self.build or {}
        task: dict[str, Any] = self.task or {}
        named = build.get("owner_name") or task.get("owner_name")
        owner = named or build.get("owner_id") or task.get("owner")
        if isinstance(owner, int):
            return await self.connection.cache.user_name(owner)
        return owner


@dataclass(frozen=True, kw_only=True)
class StateChange(Event):
    """A build or a task changed its state.

    Attributes:
        event: the name of the new state: ``'CLOSED'``.
        old: the number of the old state; None for a new build or task, and if unknown.
    """

    event: str = field(kw_only=False)
    old: int | None = None


@dataclass(frozen=True, kw_only=True)
class BuildStateChange(StateChange):
    """A build changed its state: ``BuildStateChange(build, "COMPLETE")``."""

    build: Build = field(kw_only=False)

    @property
    def new(self) -> int:
        """The number of the new state (see :mod:`txkoji.build_states`)."""
        return build_states.BuildStates[self.event]

    @property
    def name(self) -> str:
        """``build-complete`` and so on."""
        return f"build-{self.event.lower()}"

    @property
    def _ids(self) -> str | None:
        # Another task may rebuild a failed build.
        return f"build:{self.build.build_id}:{self.event}:{self.build.get('task_id') or ''}"


@dataclass(frozen=True, kw_only=True)
class TaskStateChange(StateChange):
    """A task changed its state: ``TaskStateChange(task, "CLOSED")``."""

    task: Task = field(kw_only=False)

    @returns_deferred
    async def tag(self) -> str | None:
        """Return a Deferred of the name of the tag in the task's request, or of None."""
        tag_id = self.task.named_tag_id
        return self.task.tag if tag_id is None else await self.connection.cache.tag_name(tag_id)

    @property
    def new(self) -> int:
        """The number of the new state (see :mod:`txkoji.task_states`)."""
        return task_states.TaskStates[self.event]

    @property
    def name(self) -> str:
        """``task-closed`` and so on."""
        return f"task-{self.event.lower()}"

    @property
    def _ids(self) -> str | None:
        return f"task:{self.task.id}:{self.event}"


@dataclass(frozen=True, kw_only=True)
class TagUntag(Event):
    """A build was tagged or untagged: ``TagUntag(build, "Tag", tag_name="f44")``.

    Attributes:
        event: ``'Tag'`` or ``'Untag'``, the name in the hub's plugins.
        create_event: the id of the hub's event that tagged the build; None in a message.
        event_id: the id of the hub's event that this is, greater than that if the build was
            untagged; None in a message.
    """

    build: Build = field(kw_only=False)
    event: str = field(kw_only=False)
    create_event: int | None = None
    event_id: int | None = None

    @property
    def action(self) -> str:
        """``tag`` or ``untag``."""
        return self.event.lower()

    @property
    def tag(self) -> str | None:
        """The name of the tag."""
        return self.tag_name

    @property
    def name(self) -> str:
        """``tagged`` or ``untagged``."""
        return "tagged" if self.action == "tag" else "untagged"

    @property
    def _ids(self) -> str | None:
        """``tag:<tag>:<build>:<event>``, by ids; None for a message, which has no event id."""
        if self.create_event is None:
            return None
        return f"{self.action}:{self.tag_id}:{self.build.build_id}:{self.create_event}"


@dataclass(frozen=True, kw_only=True)
class BuildPromote(Event):
    """A draft build was promoted.

    Attributes:
        draft_release: its release as a draft, if a message says so.
    """

    draft_release: str | None = None

    _name = "build-promoted"

    @property
    def _ids(self) -> str | None:
        # A build is promoted once.
        assert self.build is not None
        return f"promote:{self.build.build_id}"


@dataclass(frozen=True, kw_only=True)
class RepoInit(Event):
    """A repo is being made.

    Attributes:
        repo_id: its id.
    """

    repo_id: int

    _name = "repo-init"

    @property
    def _ids(self) -> str | None:
        return f"repo:{self.repo_id}:INIT"


@dataclass(frozen=True, kw_only=True)
class RepoDone(Event):
    """A repo is ready.

    Attributes:
        repo_id: its id.
        dist: whether it is a dist repo; None if unknown.
    """

    repo_id: int
    dist: bool | None = None

    _name = "repo-done"

    @property
    def _ids(self) -> str | None:
        return f"repo:{self.repo_id}:READY"

    @property
    def url(self) -> str | None:
        """The address of the repo's page."""
        return paths.repo_url(self.connection.weburl, self.repo_id)


@dataclass(frozen=True, kw_only=True)
class PackageListChange(Event):
    """The list of packages of a tag changed.

    Attributes:
        action: ``add``, ``update``, ``block``, ``unblock`` or ``remove``.
        package: the name of the package.
        create_event: the id of the hub's event; None in a message.
    """

    action: str
    package: str
    create_event: int | None = None

    @property
    def name(self) -> str:
        """``package-listed``; for other actions ``package-block`` and so on."""
        return "package-listed" if self.action == "add" else f"package-{self.action}"

    @property
    def _ids(self) -> str | None:
        """``package:<tag>:<package>:<event>``; None for a message, which has no event id."""
        if self.create_event is None:
            return None
        return f"package:{self.tag_id}:{self.package}:{self.create_event}"

    @property
    def package_name(self) -> str | None:
        """The name of the package."""
        return self.package


@dataclass(frozen=True, kw_only=True)
class RPMSign(Event):
    """A signature of an RPM was imported.

    Attributes:
        rpm: the RPM, a struct.
        sigkey: the id of the key, as the hub has it.
    """

    rpm: Any
    sigkey: str

    _name = "rpm-signed"

    @property
    def _ids(self) -> str | None:
        return f"sign:{self.rpm['id']}:{self.sigkey}"


@dataclass(frozen=True, kw_only=True)
class Import(Event):
    """Something was imported into a build, whose own change of state says more.

    Attributes:
        kind: ``build``, ``rpm``, ``archive``, ``image`` or ``cg``.
    """

    kind: str

    _name = "import"


_CLASSES: dict[str, type[Event]] = {
    each.__name__: each
    for each in (
        BuildPromote,
        BuildStateChange,
        Import,
        PackageListChange,
        RPMSign,
        RepoDone,
        RepoInit,
        TagUntag,
        TaskStateChange,
    )
}


def decode(
    dialect: Dialect,
    kind: str,
    body: str | bytes,
    connection: RichHub,
    defaults: Mapping[str, Any] | None = None,
) -> Event | None:
    """Return the event that a message reports; see :func:`txkoji.history.dialects.decode`.

    Returns:
        The event; None for a message about something else.

    Raises:
        MalformedMessage: the message is not what the plugin writes.
    """
    facts = dialects.decode(dialect, kind, body, defaults)
    if facts is None:
        return None
    name, fields = facts
    if fields.get("build") is not None:
        fields["build"] = make(Build, fields["build"], connection)
    if fields.get("task") is not None:
        fields["task"] = make(Task, fields["task"], connection)
    return _CLASSES[name](connection=connection, **fields)
