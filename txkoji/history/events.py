"""What happens on a hub, as frozen objects: the same from any bus and from the hub's own history.

A message gives what its sender put in; the poller (:mod:`txkoji.history.poller`) gives all of it.
Each event has a key, made of facts that only the hub knows: two events with the same key
are one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from txkoji import build_states, paths, task_states
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import make
from txkoji.build import Build
from txkoji.exceptions import MalformedMessage
from txkoji.history import dialects
from txkoji.task import Task

__all__ = [
    "NAMES",
    "BuildPromote",
    "BuildStateChange",
    "Event",
    "Import",
    "PackageListChange",
    "RPMSign",
    "RepoDone",
    "RepoInit",
    "TagUntag",
    "TaskStateChange",
    "decode",
]

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

_E = TypeVar("_E", bound="Event")


class Frame(Protocol):
    """What a STOMP client gives for a message: headers, and a body of JSON."""

    @property
    def headers(self) -> Mapping[str, Any]:
        """Its headers."""

    @property
    def body(self) -> str | bytes:
        """Its body."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened on a hub.

    Attributes:
        connection: a :class:`txkoji.Connection` to the hub.
        when: when it happened by the hub's clock, in seconds since the epoch; None where a message
            does not say.
        build: the build that it happened to, where there is one; a message may know little of it.
        task: the task that it happened to, or that made the build, where it is known.
        tag_id: the id of the tag that it happened in, where there is one and it is known.
        tag_name: the tag's name.
        user_name: who did it, where it is known.
        target: the name of the build target of the task, where it was asked for.
        heirs: of the tags that are watched, those that have what happened in this one: itself, and
            those that inherit from it. Empty in a message.
        rpms: the RPMs of the build (name-version-release.arch), where they were asked for.
        types: the types of the build (``rpm``, ``maven``, ``image``, ...), where they were asked
            for.
    """

    connection: Any = field(repr=False, compare=False)
    when: float | None = None
    build: Build | None = None
    task: Task | None = None
    tag_id: int | None = None
    tag_name: str | None = None
    user_name: str | None = None
    target: str | None = None
    heirs: tuple[str, ...] = ()
    rpms: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @classmethod
    def from_frame(cls: type[_E], frame: Frame, connection: Any) -> _E:
        """Read a STOMP frame of Koji's plugin protonmsg.

        Args:
            frame: the frame; its header ``type`` says what it is.
            connection: a :class:`txkoji.Connection` to the hub that sent it.

        Raises:
            MalformedMessage: it has not the form that the plugin gives it, or is another event.
        """
        kind = str(frame.headers.get("type"))
        found = decode(dialects.protonmsg, kind, frame.body, connection)
        if not isinstance(found, cls):
            raise MalformedMessage(f"a frame of the type {kind!r} is no {cls.__name__}")
        return found

    @property
    def name(self) -> str:
        """What happened, in a word: one of :data:`NAMES`, or another for what is not polled."""
        raise NotImplementedError

    @property
    def key(self) -> str | None:
        """What tells this event from any other; None where only the hub can say."""
        raise NotImplementedError

    @property
    def package_name(self) -> str | None:
        """The package that it is about, or None."""
        if self.build is not None:
            return str(self.build.get("package_name") or self.build.get("name"))
        return None if self.task is None else self.task.package

    @property
    def url(self) -> str | None:
        """The address of the page that shows it best, None where there is none."""
        if self.build is not None:
            return self.build.url
        if self.task is not None:
            return self.task.url
        tag = self.tag_id if self.tag_id is not None else self.tag_name
        return None if tag is None else paths.tag_url(self.connection.weburl, tag)

    @returns_deferred
    async def user(self) -> str | None:
        """Return a Deferred of the name of who did it, or owns what it happened to; or None."""
        if self.user_name is not None:
            return self.user_name
        if self.build is not None and self.build.get("owner_name"):
            return str(self.build.owner_name)
        owner = None if self.task is None else self.task.get("owner_name", self.task.get("owner"))
        if isinstance(owner, int):
            return await self.connection.cache.user_name(owner)  # type: ignore[no-any-return]
        return owner

    @returns_deferred
    async def tag(self) -> str | None:
        """Return a Deferred of the name of the tag, or None.

        It is the tag that something happened in; for a build, the one that its target tags it with;
        for a task, the one that it works on.
        """
        if self.tag_name is not None:
            return self.tag_name
        if self.task is not None and self.task.tag is not None:
            return self.task.tag
        target = self.target or (self.task.target if self.task is not None else None)
        if target is None and self.build is not None:
            target = await self.build.target()
        found = None if target is None else await self.connection.call("getBuildTarget", target)
        return None if found is None else str(found["dest_tag_name"])


@dataclass(frozen=True, kw_only=True)
class BuildStateChange(Event):
    """A build came into another state.

    Attributes:
        new: the number of the state that it is in now (see :mod:`txkoji.build_states`).
        old: that of the state before; None for a new build, and where it is not known.
    """

    new: int
    old: int | None = None

    @property
    def event(self) -> str:
        """The name of the new state: ``'COMPLETE'``."""
        return build_states.to_str(self.new)

    @property
    def name(self) -> str:
        """``build-complete`` and so on."""
        return f"build-{self.event.lower()}"

    @property
    def key(self) -> str | None:
        """``build:<id>:<state>:<task>``: a build that failed may be built again by another task."""
        assert self.build is not None
        return f"build:{self.build.build_id}:{self.event}:{self.build.get('task_id') or ''}"


@dataclass(frozen=True, kw_only=True)
class TaskStateChange(Event):
    """A task came into another state.

    Attributes:
        new: the number of the state that it is in now (see :mod:`txkoji.task_states`).
        old: that of the state before; None for a new task, and where it is not known.
    """

    new: int
    old: int | None = None

    @property
    def event(self) -> str:
        """The name of the new state: ``'CLOSED'``."""
        return task_states.to_str(self.new)

    @property
    def name(self) -> str:
        """``task-closed`` and so on."""
        return f"task-{self.event.lower()}"

    @property
    def key(self) -> str | None:
        """``task:<id>:<state>``."""
        assert self.task is not None
        return f"task:{self.task.id}:{self.event}"


@dataclass(frozen=True, kw_only=True)
class TagUntag(Event):
    """A build was tagged or untagged.

    Attributes:
        action: ``tag`` or ``untag``.
        create_event: the hub's event at which the build was tagged; None in a message.
    """

    action: str
    create_event: int | None = None

    @property
    def event(self) -> str:
        """``'Tag'`` or ``'Untag'``, as the hub's plugins call it."""
        return self.action.capitalize()

    @property
    def name(self) -> str:
        """``tagged`` or ``untagged``."""
        return "tagged" if self.action == "tag" else "untagged"

    @property
    def key(self) -> str | None:
        """``tag:<tag>:<build>:<event>``, by ids; None for a message, which has no event id."""
        if self.create_event is None:
            return None
        assert self.build is not None
        return f"{self.action}:{self.tag_id}:{self.build.build_id}:{self.create_event}"


@dataclass(frozen=True, kw_only=True)
class BuildPromote(Event):
    """A draft build was promoted.

    Attributes:
        draft_release: the release that it had as a draft, where a message told it.
    """

    draft_release: str | None = None

    @property
    def name(self) -> str:
        """``build-promoted``."""
        return "build-promoted"

    @property
    def key(self) -> str | None:
        """``promote:<build>``: it happens once to a build."""
        assert self.build is not None
        return f"promote:{self.build.build_id}"


@dataclass(frozen=True, kw_only=True)
class RepoInit(Event):
    """The making of a repo has begun.

    Attributes:
        repo_id: its id.
    """

    repo_id: int

    @property
    def name(self) -> str:
        """``repo-init``."""
        return "repo-init"

    @property
    def key(self) -> str | None:
        """``repo:<id>:INIT``."""
        return f"repo:{self.repo_id}:INIT"


@dataclass(frozen=True, kw_only=True)
class RepoDone(Event):
    """A repo is ready.

    Attributes:
        repo_id: its id.
        dist: whether it is a dist repo; None where it is not known.
    """

    repo_id: int
    dist: bool | None = None

    @property
    def name(self) -> str:
        """``repo-done``."""
        return "repo-done"

    @property
    def key(self) -> str | None:
        """``repo:<id>:READY``."""
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
        create_event: the hub's event at which it happened; None in a message.
    """

    action: str
    package: str
    create_event: int | None = None

    @property
    def name(self) -> str:
        """``package-listed``; for other actions ``package-block`` and so on."""
        return "package-listed" if self.action == "add" else f"package-{self.action}"

    @property
    def key(self) -> str | None:
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
        sigkey: the key's id, as the hub has it.
    """

    rpm: Any
    sigkey: str

    @property
    def name(self) -> str:
        """``rpm-signed``."""
        return "rpm-signed"

    @property
    def key(self) -> str | None:
        """``sign:<rpm>:<key>``."""
        return f"sign:{self.rpm['id']}:{self.sigkey}"


@dataclass(frozen=True, kw_only=True)
class Import(Event):
    """Something was imported into a build. The build's own change of state says more.

    Attributes:
        kind: ``build``, ``rpm``, ``archive``, ``image`` or ``cg``.
    """

    kind: str

    @property
    def name(self) -> str:
        """``import``."""
        return "import"

    @property
    def key(self) -> str | None:
        """None: nothing tells two of them apart."""
        return None


_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
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
    dialect: Callable[[str, Mapping[str, Any]], dialects.Facts | None],
    kind: str,
    body: str | bytes,
    connection: Any,
) -> Event | None:
    """Make an event of the body of a message.

    Args:
        dialect: reads it: a function of :mod:`txkoji.history.dialects`.
        kind: what it is by the dialect's own name.
        body: the body, JSON.
        connection: a :class:`txkoji.Connection` to the hub that sent it.

    Returns:
        The event; None for a message that is about something else.

    Raises:
        MalformedMessage: it has not the form that its sender gives it.
    """
    try:
        facts = dialect(kind, json.loads(body))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise MalformedMessage(
            f"a message of the kind {kind!r} can't be read: {type(error).__name__}: {error}"
        ) from error
    if facts is None:
        return None
    name, told = facts
    if told.get("build") is not None:
        told["build"] = make(Build, told["build"], connection)
    if told.get("task") is not None:
        told["task"] = make(Task, told["task"], connection)
    return _KINDS[name](connection=connection, **told)
