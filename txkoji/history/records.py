"""The hub's records as events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from munch import Munch

from txkoji import build_states, task_states
from txkoji._rich_base import make
from txkoji._values import flag, integer, seconds, struct, text
from txkoji.build import Build
from txkoji.history.events import (
    BuildPromote,
    BuildStateChange,
    Event,
    PackageListChange,
    RepoDone,
    RPMSign,
    TagUntag,
    TaskStateChange,
)
from txkoji.history.hub import RichHub
from txkoji.history.structs import read_build, read_rpm, read_task, required
from txkoji.history.unusable import UnusableItems
from txkoji.task import Task

REPO_READY, REPO_EXPIRED, REPO_DELETED = 1, 2, 3

MAX_REPO_TIME = 86400.0
"""Seconds that making a repo may take."""

WatchedTags = Mapping[int, tuple[str, ...]]
"""The names of the watched tags that have the builds of a tag, by its id."""

_T = TypeVar("_T")

_BUILD_OF_LISTING = ("build_id", "name", "version", "release", "epoch")


class RecordReader:
    """Turns a hub's records into events. A record that can't be used is left out."""

    def __init__(self, hub: RichHub, unusable: UnusableItems) -> None:
        self._hub = hub
        self._unusable = unusable

    def _usable(
        self, kind: str, found: Sequence[Any], read: Callable[[Any], _T | None]
    ) -> list[_T]:
        """Read records one by one; None stands for one without an event."""
        usable = []
        for record in found:
            try:
                made = read(record)
            except Exception as error:  # noqa: BLE001 - one record must not hide the others
                self._unusable.add(f"{kind} {identity(record)}", error)
            else:
                self._unusable.discard(f"{kind} {identity(record)}")
                if made is not None:
                    usable.append(made)
        return usable

    def tags(self, rows: Sequence[Any], after: int, watched: WatchedTags) -> list[TagUntag]:
        """Return the taggings and untaggings, after an event, in rows of the table ``tag_listing``.

        The rows are what ``queryHistory`` returns; ``after`` is the event's id.
        """
        read = self._usable("the tagging of build", rows, _read_listing)
        # Tagging a tagged build by force ends one row and starts another in one event.
        renewed = {(row.build.build_id, row.create_event) for row in read}
        found: list[TagUntag] = []
        for row in read:
            known = {
                "build": make(Build, row.build, self._hub),
                "tag_id": row.tag_id,
                "tag_name": row.tag_name,
                "create_event": row.create_event,
                "watched_tags": watched.get(row.tag_id, ()),
            }
            if row.create_event > after:
                tagged = TagUntag(**known, event="Tag", event_id=row.create_event, **row.created)
                found.append(tagged)
            revoked = row.revoke_event
            is_renewed = (row.build.build_id, revoked) in renewed
            if revoked is not None and revoked > after and not is_renewed:
                found.append(TagUntag(**known, event="Untag", event_id=revoked, **row.revoked))
        return found

    def packages(self, rows: Sequence[Any], after: int, watched: WatchedTags) -> list[Event]:
        """Return the listings of packages in rows of ``tag_packages``; see :meth:`tags`."""
        read = self._usable("the listing of package", rows, _read_package)
        listed = {(row.package, row.revoke_event) for row in read if not row.blocked}
        return [
            PackageListChange(
                connection=self._hub,
                action="add",
                package=row.package,
                tag_id=row.tag_id,
                tag_name=row.tag_name,
                watched_tags=watched.get(row.tag_id, ()),
                create_event=row.create_event,
                **row.created,
            )
            for row in read
            # Changing the architectures ends one row and starts another in one event.
            if row.create_event > after
            and not row.blocked
            and (row.package, row.create_event) not in listed
        ]

    def builds(self, found: Sequence[Any], latest: float) -> list[Event]:
        """Return the changes of state of builds that are no longer BUILDING.

        ``latest`` is the latest plausible time, in seconds since the epoch.
        """

        def read(record: Any) -> Event | None:
            build = read_build(record)
            if required(build, "state", integer) == build_states.BUILDING:
                return None
            return BuildStateChange(
                build=make(Build, build, self._hub),
                event=build_states.BuildStates(build.state).name,
                user_name=build.get("owner_name"),
                when=_end_of(build, latest),
            )

        return self._usable("build", found, read)

    def promotions(self, found: Sequence[Any]) -> list[Event]:
        """Return the promotions of builds that were drafts."""

        def read(record: Any) -> Event | None:
            build = read_build(record)
            if build.get("promotion_ts") is None:
                return None
            return BuildPromote(
                build=make(Build, build, self._hub),
                user_name=build.get("promoter_name"),
                when=build.promotion_ts,
            )

        return self._usable("build", found, read)

    def tasks(self, found: Sequence[Any]) -> list[Event]:
        """Return the changes of state of tasks that are OPEN or final."""

        def read(record: Any) -> Event | None:
            task = read_task(record)
            state = required(task, "state", integer)
            if state not in task_states.DONE_GROUP and state != task_states.OPEN:
                return None
            return TaskStateChange(
                task=make(Task, task, self._hub),
                event=task_states.TaskStates(state).name,
                when=task.get("completion_ts") or task.get("start_ts"),
            )

        return self._usable("task", found, read)

    def opened_tasks(self, found: Sequence[Any]) -> list[Event]:
        """Return the starts of tasks, also of those that ended since: all were OPEN once."""

        def read(record: Any) -> Event:
            task = read_task(record)
            return TaskStateChange(
                task=make(Task, task, self._hub),
                event=task_states.OPEN.name,
                when=task.get("start_ts"),
            )

        return self._usable("task", found, read)

    def signature(self, build: Any, rpm: Any, row: Any) -> list[Event]:
        """Return the event of a signature."""

        def read(signature: Any) -> Event:
            return RPMSign(
                build=make(Build, read_build(build), self._hub),
                rpm=read_rpm(rpm),
                sigkey=required(signature, "sigkey", text),
            )

        return self._usable("a signature", [row], read)

    def repos(
        self, found: Sequence[Any], names: Mapping[int, str], watched: WatchedTags
    ) -> list[Event]:
        """Return which repos of the named tags became ready."""

        def read(record: Any) -> Event | None:
            repo_id = required(record, "id", integer)
            tag_id = required(record, "tag_id", integer)
            if tag_id not in names or not _was_ready(record):
                return None
            return RepoDone(
                connection=self._hub,
                repo_id=repo_id,
                dist=flag(record.get("dist")),
                tag_id=tag_id,
                tag_name=names[tag_id],
                watched_tags=watched.get(tag_id, ()),
                when=_ready_since(record),
            )

        return self._usable("repo", found, read)


def identity(record: Any) -> str:
    """Return words for a record: its id, if it has one."""
    fields = struct(record) or {}
    for name in ("build_id", "package.name", "id"):
        value = fields.get(name)
        if isinstance(value, (int, str)):
            return str(value)[:100]
    return "without an id"


def _read_listing(row: Any) -> Munch:
    fields = struct(row) or {}
    build = {name: fields.get(name) for name in _BUILD_OF_LISTING}
    return _read_row(row, build=read_build({**build, "state": fields.get("build.state")}))


def _read_package(row: Any) -> Munch:
    package = required(row, "package.name", text)
    return _read_row(row, package=package, blocked=bool(row.get("blocked")))


def _read_row(row: Any, **more: Any) -> Munch:
    """Return the typed members that all rows of a tag's history have."""
    return Munch(
        tag_id=required(row, "tag_id", integer),
        tag_name=required(row, "tag.name", text),
        create_event=required(row, "create_event", integer),
        revoke_event=integer(row.get("revoke_event")),
        created={"user_name": text(row.get("creator_name")), "when": seconds(row.get("create_ts"))},
        revoked={"user_name": text(row.get("revoker_name")), "when": seconds(row.get("revoke_ts"))},
        **more,
    )


def _end_of(build: Munch, latest: float) -> float | None:
    """Return when a build reached its state, as far as the hub knows."""
    if build.state == build_states.DELETED:
        return None
    times = [build.get("creation_ts")]
    completed = build.get("completion_ts")
    # The end comes from the content generator: the import may be much later, and no end is later
    # than now.
    if completed is not None and completed <= latest:
        times.append(completed)
    return max((time for time in times if time is not None), default=None)


def _created(repo: Any) -> float:
    return seconds(repo.get("creation_ts")) or required(repo, "create_ts", seconds)


def _is_gone(repo: Any) -> bool:
    return integer(repo.get("state")) in (REPO_EXPIRED, REPO_DELETED)


def _was_ready(repo: Any) -> bool:
    """Return whether a repo is ready, or was lately."""
    state = required(repo, "state", integer)
    if not _is_gone(repo):
        return bool(state == REPO_READY)
    if state == REPO_DELETED and repo.get("task_state") != task_states.CLOSED:
        # Its task failed: the repo never was ready.
        return False
    created = _created(repo)
    return (seconds(repo.get("state_ts")) or created) - created <= MAX_REPO_TIME


def _ready_since(repo: Any) -> float:
    created = _created(repo)
    # The hub forgets when an expired or deleted repo was ready.
    return created if _is_gone(repo) else seconds(repo.get("state_ts")) or created
