"""What happened on a hub since we last looked: complete, from the hub's own records.

Koji numbers what happens to its tags (events), and notes when builds and tasks end. A round asks
for all after a checkpoint. An event's number is drawn before its transaction is committed, and a
time is that of the transaction's begin; so a checkpoint counts only when it is older than the
longest transaction is likely to be (``overlap``), and what was given already is told by its key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from txkoji import build_states, rich, task_states
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import make
from txkoji.build import Build
from txkoji.exceptions import GenericError, HubFault, ParameterError
from txkoji.gathering import gather
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
from txkoji.history.tags import TagWatch
from txkoji.hub.batching import Batcher
from txkoji.hub.call import Call

__all__ = ["Checkpoint", "Cursor", "Interest", "Poller", "Round"]

PAGE = 250
"""Rows in one reply: some 400 kB of the fattest."""

RESERVED_FOR = 2 * 86400.0
"""Seconds that a content generator may take for a build that it reserved: Koji's sweep ends it."""

REPO_TIME = 86400.0
"""Seconds that the making of a repo may take."""

_BUILD_STATES = {
    "build-complete": build_states.COMPLETE,
    "build-failed": build_states.FAILED,
    "build-canceled": build_states.CANCELED,
}
_TASK_STATES = {
    "task-closed": task_states.CLOSED,
    "task-failed": task_states.FAILED,
    "task-canceled": task_states.CANCELED,
}
_REPO_READY, _REPO_EXPIRED, _REPO_DELETED = 1, 2, 3
_REPO_FIELDS = ("id", "tag_id", "state", "dist", "creation_ts", "state_ts", "task_state")


@dataclass(frozen=True)
class Interest:
    """What is looked for.

    Attributes:
        names: names of events (:data:`txkoji.history.events.NAMES`).
        tags: names of tags, or globs: where builds are tagged, packages listed, repos made.
        inherited: look also at the tags that these inherit from.
        methods: the methods of the tasks; empty for all.
        targets: read the task of each build, which alone knows the target.
        rpms: list the RPMs of each build.
        types: read the types of each build.
        wanted: tells of an event, of which not all may be known yet, whether it is worth to ask the
            hub for the rest.
    """

    names: frozenset[str]
    tags: tuple[str, ...] = ()
    inherited: bool = False
    methods: tuple[str, ...] = ()
    targets: bool = False
    rpms: bool = False
    types: bool = False
    wanted: Callable[[Event], bool] = field(default=lambda _: True, compare=False)


@dataclass(frozen=True)
class Checkpoint:
    """A moment of the hub.

    Attributes:
        event: the last of its events then.
        time: its clock then, or a little before, in seconds since the epoch.
    """

    event: int
    time: float


@dataclass(frozen=True)
class Cursor:
    """How far a poll has come. Everything up to the first checkpoint is settled.

    Attributes:
        floor: nothing before it is of interest, in seconds since the epoch.
        checkpoints: of the last rounds, oldest first; the first is where the next round begins.
        names: when the tags were looked up: one made since may have events after that.
        reserved: builds that a content generator has reserved, by their ids, with the time.
    """

    floor: float
    checkpoints: tuple[Checkpoint, ...]
    names: Checkpoint
    reserved: Mapping[int, float] = field(default_factory=dict)

    @property
    def begin(self) -> Checkpoint:
        """Where the next round begins."""
        return self.checkpoints[0]

    @property
    def horizon(self) -> float:
        """What happened before it does not come up again, in seconds since the epoch."""
        return min(self.begin.time, self.names.time)

    def to_json(self) -> dict[str, Any]:
        """Return it as a value for JSON."""
        return {
            "floor": self.floor,
            "checkpoints": [[each.event, each.time] for each in self.checkpoints],
            "names": [self.names.event, self.names.time],
            "reserved": {str(build): time for build, time in self.reserved.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cursor:
        """Make it of what :meth:`to_json` returned."""
        return cls(
            floor=value["floor"],
            checkpoints=tuple(Checkpoint(*each) for each in value["checkpoints"]),
            names=Checkpoint(*value["names"]),
            reserved={int(build): time for build, time in value["reserved"].items()},
        )

    def after(
        self,
        moment: Checkpoint,
        overlap: float,
        *,
        names: Checkpoint,
        reserved: Mapping[int, float],
    ) -> Cursor:
        """Return the cursor after a round.

        Args:
            moment: what :class:`Checkpoint` the hub was at when the round began.
            overlap: seconds that a checkpoint must be old to be settled.
            names: when the tags were looked up last.
            reserved: the builds that are reserved now.
        """
        checkpoints = self.checkpoints
        if moment != checkpoints[-1]:
            checkpoints = (*checkpoints, moment)
        while len(checkpoints) > 1 and checkpoints[1].time <= moment.time - overlap:
            checkpoints = checkpoints[1:]
        return Cursor(self.floor, checkpoints, names, reserved)


@dataclass(frozen=True)
class Round:
    """What a round of the poll gave.

    Attributes:
        events: what happened, oldest first.
        cursor: where to go on when they are dealt with.
    """

    events: list[Event]
    cursor: Cursor


class Poller:
    """Asks a hub what happened.

    It sends nothing by itself. The questions of one round travel together: a round in which nothing
    happened is one request.

    Args:
        connection: a :class:`txkoji.Connection`.
        interest: what is looked for.
        overlap: seconds that a transaction of the hub may take.

    Attributes:
        tags: a :class:`txkoji.history.tags.TagWatch`: the tags that are looked at.
    """

    def __init__(self, connection: Any, interest: Interest, *, overlap: float = 300.0) -> None:
        self._connection = connection
        self._interest = interest
        self._overlap = overlap
        self._together: Batcher = connection.client.batcher()
        self._has_repo_query = True
        self._has_promotions = True
        self._generators: tuple[int, ...] = ()
        self._settled_tags: set[int] = set()
        self._users: dict[int, str | None] = {}
        self.tags = TagWatch(connection, interest.tags, inherited=interest.inherited)

    # Where to begin

    @returns_deferred
    async def baseline(self, since: float | None = None) -> Cursor:
        """Return a Deferred of the cursor of a first run.

        Args:
            since: where to begin, in seconds since the epoch; by default now.

        Raises:
            KojiException: the hub could not be asked.
        """
        before = {} if since is None else {"before": since}
        found = await self._ask("getLastEvent", strict=False, **before)
        event = 0 if found is None else int(found["id"])
        time = since
        if time is None:
            # The hub's own clock, as far as it can be read: ours may be another.
            time = self._connection.reactor.seconds() if found is None else float(found["ts"])
        moment = Checkpoint(event, time)
        return Cursor(floor=time, checkpoints=(moment,), names=moment)

    # The full round

    @returns_deferred
    async def round(self, cursor: Cursor, *, known: Callable[[str], bool]) -> Round:
        """Ask for everything that happened since a cursor.

        Args:
            cursor: where the last round ended.
            known: tells whether the event of a key need not be given again.

        Returns:
            A Deferred of a :class:`Round`. Its events hold what their own records say;
            :meth:`complete` adds the rest.

        Raises:
            KojiException: the hub could not be asked; nothing is lost by that.
        """
        reserved = dict(cursor.reserved)
        # The hub carries out the calls of a request in order: its last event comes first.
        latest, (refreshed, answers) = await gather(
            [self._ask("getLastEvent"), self._read(cursor, reserved)]
        )
        self._settled_tags = set(self.tags.names)
        time = max(float(latest["ts"]), cursor.checkpoints[-1].time)
        found: dict[str, Event] = {}
        for event in (event for answer in answers for event in answer):
            if _is_timed_by_hub(event) and event.when is not None:
                time = max(time, event.when)
            if event.key is not None and self._is_news(event, cursor) and not known(event.key):
                found.setdefault(event.key, event)
        moment = Checkpoint(int(latest["id"]), time)
        limit = time - RESERVED_FOR
        return Round(
            sorted(found.values(), key=_moment_of),
            cursor.after(
                moment,
                self._overlap,
                names=moment if refreshed else cursor.names,
                reserved={build: since for build, since in reserved.items() if since > limit},
            ),
        )

    async def _read(
        self, cursor: Cursor, reserved: dict[int, float]
    ) -> tuple[bool, list[list[Event]]]:
        refreshed = await self.tags.refresh()
        if refreshed:
            self._generators = await self._list_generators()
        begin = cursor.begin.time
        return refreshed, await gather(
            [
                self._history(cursor),
                self._builds(begin),
                self._generated(begin, reserved),
                self._promotions(begin),
                self._tasks(begin),
                self._repos(begin),
            ]
        )

    def _is_news(self, event: Event, cursor: Cursor) -> bool:
        # What happens to a tag was asked for by the numbers of events, which are exact.
        numbered = isinstance(event, (TagUntag, PackageListChange))
        return (
            event.name in self._interest.names
            and (numbered or event.when is None or event.when > cursor.floor)
            and self._interest.wanted(event)
        )

    # What a message says

    @returns_deferred
    async def look(self, told: Event, cursor: Cursor) -> list[Event]:
        """Ask the hub for what a message tells of.

        Args:
            told: what :func:`txkoji.messages.read` made of the message.
            cursor: where the last round ended.

        Returns:
            A Deferred of the events that the hub knows of it: none where the message is about
            something that is not looked for, is wrong, or older than the cursor tells.

        Raises:
            KojiException: the hub could not be asked.
        """
        if told.name not in self._interest.names or not self._interest.wanted(told):
            return []
        try:
            found = await self._confirm(told, cursor)
        except GenericError as error:
            if type(error) is not GenericError:
                raise
            # The hub does not know what it is about.
            return []
        return [event for event in found if event.key and self._is_news(event, cursor)]

    async def _confirm(self, told: Event, cursor: Cursor) -> list[Event]:
        if isinstance(told, (TagUntag, PackageListChange, RepoDone)):
            assert told.tag_name is not None
            tag_id = await self.tags.find(told.tag_name)
            if tag_id is None:
                return []
            if isinstance(told, RepoDone):
                repo = await self._ask("repoInfo", told.repo_id)
                return self._repo_events([] if repo is None else [repo])
            one = (
                {"build": told.build.build_id}
                if isinstance(told, TagUntag) and told.build is not None
                else {"package": told.package_name}
            )
            after = self._after(tag_id, cursor)
            return await self._tag_history(tag_id, _table_of(told), after, **one)
        if isinstance(told, TaskStateChange):
            assert told.task is not None
            task = await self._connection.call("getTaskInfo", told.task.id)
            return [] if task is None else _task_events([task])
        if isinstance(told, RPMSign):
            rows = await self._ask("queryRPMSigs", rpm_id=told.rpm["id"], sigkey=told.sigkey)
            return [told] if rows else []
        assert told.build is not None
        build = await self._connection.call("getBuild", told.build.build_id)
        if build is None:
            return []
        if isinstance(told, BuildPromote):
            return _promotion_events([build])
        return self._build_events([build])

    # The rest of an event

    @returns_deferred
    async def complete(self, found: Sequence[Event]) -> list[Event]:
        """Ask for what the events' own records do not say: builds whole, tasks, RPMs, owners.

        Returns:
            A Deferred of the events, in the same order.

        Raises:
            KojiException: the hub could not be asked.
        """
        return await gather([self._complete(event) for event in found])

    async def _complete(self, event: Event) -> Event:
        build, task = event.build, event.task
        rpms: Any = None
        types: Any = None
        if build is not None:
            if "source" not in build:
                build = await self._connection.call("getBuild", build.build_id) or build
            if self._interest.rpms and not isinstance(event, RPMSign):
                rpms = self._ask("listBuildRPMs", build.build_id)
            if self._interest.types:
                types = self._ask("getBuildType", build.build_id)
            if self._interest.targets or isinstance(event, BuildStateChange):
                task = await build.task()
        if task is not None and "owner_name" not in task:
            task.owner_name = await self._user_name(task.owner)
        return dataclasses.replace(
            event,
            build=build,
            task=task,
            target=None if task is None else task.target,
            rpms=() if rpms is None else tuple(map(_rpm_name, await rpms)),
            types=() if types is None else tuple(sorted(await types or {})),
        )

    async def _user_name(self, user_id: int) -> str | None:
        if user_id not in self._users:
            found = await self._connection.call("getUser", user_id)
            self._users[user_id] = None if found is None else str(found["name"])
        return self._users[user_id]

    # Tags

    def _after(self, tag_id: int, cursor: Cursor) -> int:
        """Return the event after which a tag is looked at."""
        return (cursor.begin if tag_id in self._settled_tags else cursor.names).event

    async def _history(self, cursor: Cursor) -> list[Event]:
        tables = {_TABLES[name]: None for name in sorted(self._interest.names) if name in _TABLES}
        found = await gather(
            [
                self._tag_history(tag_id, table, self._after(tag_id, cursor))
                for tag_id in sorted(self.tags.names)
                for table in tables
            ]
        )
        return [event for events in found for event in events]

    async def _tag_history(self, tag_id: int, table: str, after: int, **wanted: Any) -> list[Event]:
        rows: list[Any] = []
        order = "create_event,build_id" if table == "tag_listing" else "create_event,package_id"
        while True:
            # A row that comes in between shifts the others on: it gives one of them twice.
            options = {"order": order, "limit": PAGE, "offset": len(rows)}
            page = await self._ask(
                "queryHistory",
                tables=[table],
                tag=tag_id,
                afterEvent=after,
                queryOpts=options,
                **wanted,
            )
            rows += page[table]
            if len(page[table]) < PAGE:
                break
        if table == "tag_listing":
            return self._listing_events(rows, after)
        return self._package_events(rows, after)

    def _listing_events(self, rows: Sequence[Any], after: int) -> list[Event]:
        # To tag by force what is tagged ends one row and begins another in one event.
        renewed = {(row["build_id"], row["create_event"]) for row in rows}
        found: list[Event] = []
        for row in rows:
            known = {
                "connection": self._connection,
                "build": self._build_of_row(row),
                "tag_id": row["tag_id"],
                "tag_name": row["tag.name"],
                "create_event": row["create_event"],
                "heirs": self.tags.heirs.get(row["tag_id"], ()),
            }
            if row["create_event"] > after:
                who, when = row["creator_name"], row["create_ts"]
                found.append(TagUntag(**known, action="tag", user_name=who, when=when))
            revoked = row["revoke_event"]
            if revoked is not None and revoked > after:
                who, when = row["revoker_name"], row["revoke_ts"]
                if (row["build_id"], revoked) not in renewed:
                    found.append(TagUntag(**known, action="untag", user_name=who, when=when))
        return found

    def _build_of_row(self, row: Any) -> Build:
        struct = {key: row[key] for key in ("build_id", "name", "version", "release", "epoch")}
        struct |= {
            "id": row["build_id"],
            "package_name": row["name"],
            "nvr": f"{row['name']}-{row['version']}-{row['release']}",
            "state": row["build.state"],
        }
        return make(Build, struct, self._connection)  # type: ignore[no-any-return]

    def _package_events(self, rows: Sequence[Any], after: int) -> list[Event]:
        listed = {(row["package_id"], row["revoke_event"]) for row in rows if not row["blocked"]}
        return [
            PackageListChange(
                connection=self._connection,
                action="add",
                package=row["package.name"],
                tag_id=row["tag_id"],
                tag_name=row["tag.name"],
                heirs=self.tags.heirs.get(row["tag_id"], ()),
                create_event=row["create_event"],
                user_name=row["creator_name"],
                when=row["create_ts"],
            )
            for row in rows
            # A change of its architectures ends one row and begins another in one event.
            if row["create_event"] > after
            and not row["blocked"]
            and (row["package_id"], row["create_event"]) not in listed
        ]

    # Builds

    async def _builds(self, after: float) -> list[Event]:
        states = [state for name, state in _BUILD_STATES.items() if name in self._interest.names]
        if not states:
            return []
        state = {"state": int(states[0])} if len(states) == 1 else {}
        builds = await self._list_builds("completeAfter", "completion", after, **state)
        return self._build_events(builds)

    def _build_events(self, builds: Sequence[Any]) -> list[Event]:
        return [
            BuildStateChange(
                connection=self._connection,
                build=build,
                new=build.state,
                user_name=build.owner_name,
                when=_end_of(build),
            )
            for build in builds
            if build.state != build_states.BUILDING
        ]

    async def _list_generators(self) -> tuple[int, ...]:
        if self._interest.names.isdisjoint(_BUILD_STATES):
            return ()
        found = await self._ask("listCGs")
        return tuple(sorted(int(generator["id"]) for generator in found.values()))

    async def _generated(self, after: float, reserved: dict[int, float]) -> list[Event]:
        """Look at the builds of content generators, whose ends may be told long afterwards.

        Args:
            after: where to begin.
            reserved: the builds that are reserved: those done go out of it, new ones go in.
        """
        try:
            listed = await gather(
                [
                    self._list_builds("createdAfter", "creation", after, cgID=generator)
                    for generator in self._generators
                ]
            )
        except HubFault as fault:
            # Hubs before 1.27 don't tell them from others.
            if not fault.is_unknown_argument:
                raise
            listed = []
        again = await gather([self._connection.call("getBuild", each) for each in sorted(reserved)])
        builds = [build for each in listed for build in each] + [each for each in again if each]
        for build in builds:
            if build.state == build_states.BUILDING:
                reserved[build.build_id] = build.creation_ts
            else:
                reserved.pop(build.build_id, None)
        wanted = {state for name, state in _BUILD_STATES.items() if name in self._interest.names}
        return self._build_events([build for build in builds if build.state in wanted])

    async def _promotions(self, after: float) -> list[Event]:
        if "build-promoted" not in self._interest.names or not self._has_promotions:
            return []
        try:
            builds = await self._list_builds("promotedAfter", "promotion", after)
        except HubFault as fault:
            # Hubs before 1.36 don't list them: there only the bus tells.
            if not fault.is_unknown_argument:
                raise
            self._has_promotions = False
            return []
        return _promotion_events(builds)

    async def _list_builds(
        self, argument: str, column: str, after: float, **wanted: Any
    ) -> list[Any]:
        async def read(begin: float, limit: int) -> list[Any]:
            options = {"order": f"{column}_time,build_id", "limit": limit}
            rows = await self._ask("listBuilds", **{argument: begin}, queryOpts=options, **wanted)
            return list(rich.convert("listBuilds", rows, self._connection))

        return await _all_after(read, after, f"{column}_ts")

    # Tasks

    async def _tasks(self, after: float) -> list[Event]:
        names = self._interest.names
        states = [int(state) for name, state in _TASK_STATES.items() if name in names]
        asked = []
        for method in self._interest.methods or (None,):
            only = {} if method is None else {"method": method}
            if states:
                asked.append(self._ended_tasks(after, state=states, **only))
            if "task-open" in names:
                asked.append(self._opened_tasks(after, **only))
        return [event for found in await gather(asked) for event in found]

    async def _ended_tasks(self, after: float, **wanted: Any) -> list[Event]:
        return _task_events(await self._list_tasks("complete", "completion", after, **wanted))

    async def _opened_tasks(self, after: float, **wanted: Any) -> list[Event]:
        # One that has ended meanwhile was open too.
        return [
            TaskStateChange(
                connection=task.connection, task=task, new=task_states.OPEN, when=task.start_ts
            )
            for task in await self._list_tasks("started", "start", after, **wanted)
        ]

    async def _list_tasks(self, what: str, column: str, after: float, **wanted: Any) -> list[Any]:
        async def read(begin: float, limit: int) -> list[Any]:
            options = {**wanted, f"{what}After": begin, "decode": True}
            order = {"order": f"{column}_time,id", "limit": limit}
            rows = await self._ask("listTasks", options, order)
            return list(rich.convert("listTasks", rows, self._connection))

        return await _all_after(read, after, f"{column}_ts")

    # Repos

    async def _repos(self, after: float) -> list[Event]:
        if "repo-done" not in self._interest.names or not self.tags.names:
            return []
        if self._has_repo_query:
            try:
                return self._repo_events(await self._query_repos(after))
            except GenericError as fault:
                # Hubs before 1.35 don't have it; one that refuses it has another way to tell.
                if type(fault) not in (GenericError, ParameterError):
                    raise
                self._has_repo_query = False
        return await self._repos_of_tasks(after)

    async def _query_repos(self, after: float) -> list[Any]:
        async def read(begin: float, limit: int) -> list[Any]:
            clauses = [
                ["tag_id", "IN", sorted(self.tags.names)],
                ["state", "IN", [_REPO_READY, _REPO_EXPIRED, _REPO_DELETED]],
                ["state_ts", ">", begin],
            ]
            options = {"order": "state_ts,id", "limit": limit}
            return list(await self._ask("repo.query", clauses, _REPO_FIELDS, options))

        return await _all_after(read, after, "state_ts")

    async def _repos_of_tasks(self, after: float) -> list[Event]:
        """Look at the tasks that make repos: hubs before 1.35 can't list repos."""
        closed = int(task_states.CLOSED)
        tasks = await self._list_tasks(
            "complete", "completion", after, state=[closed], method="newRepo"
        )
        ended = {
            int(task.result[0][0]): task.completion_ts
            for task in tasks
            if isinstance(task.result, list) and task.result and isinstance(task.result[0], list)
        }
        repos = await gather([self._ask("repoInfo", each) for each in sorted(ended)])
        return self._repo_events(
            [
                {**repo, "state": _REPO_READY, "state_ts": ended[repo["id"]]}
                for repo in repos
                if repo is not None
            ]
        )

    def _repo_events(self, repos: Sequence[Any]) -> list[Event]:
        found: list[Event] = []
        for repo in repos:
            state, tag_id = repo["state"], repo["tag_id"]
            created = repo.get("creation_ts") or repo["create_ts"]
            changed = repo.get("state_ts") or created
            gone = state in (_REPO_EXPIRED, _REPO_DELETED)
            if tag_id not in self.tags.names or not (gone or state == _REPO_READY):
                continue
            if state == _REPO_DELETED and repo.get("task_state") != task_states.CLOSED:
                # It never was ready.
                continue
            if gone and changed - created > REPO_TIME:
                # It was ready long ago.
                continue
            found.append(
                RepoDone(
                    connection=self._connection,
                    repo_id=repo["id"],
                    dist=repo["dist"],
                    tag_id=tag_id,
                    tag_name=self.tags.names[tag_id],
                    heirs=self.tags.heirs.get(tag_id, ()),
                    # When one was ready that is gone since, is not known any more.
                    when=created if gone else changed,
                )
            )
        return found

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Make a call that travels with the others of this reactor turn."""
        return self._together.add(Call(method, args, kwargs))


_TABLES = {
    "tagged": "tag_listing",
    "untagged": "tag_listing",
    "package-listed": "tag_packages",
}


def _table_of(event: Event) -> str:
    return _TABLES[event.name]


async def _all_after(read: Callable[[float, int], Any], after: float, column: str) -> list[Any]:
    """Read rows page by page, in the order of a time that they have.

    Each page begins a little before the last row of the one before: an offset would lose rows where
    one goes away in between.

    Args:
        read: gives the rows after a time, at most so many.
        after: where to begin.
        column: the rows' time.
    """
    found: dict[int, Any] = {}
    limit = PAGE
    while True:
        rows = await read(after, limit)
        found.update((row.get("build_id", row.get("id")), row) for row in rows)
        if len(rows) < limit:
            return list(found.values())
        last = rows[-1][column] - 0.001
        if last <= after:
            # So many at the same time: a larger page gets past them.
            limit *= 2
        after = max(after, last)


def _end_of(build: Any) -> float | None:
    """Return when a build came into its state, as far as the hub knows."""
    if build.state == build_states.DELETED:
        return None
    # A content generator says itself when a build ended: it may be long before it was imported.
    return max(float(build.completion_ts or 0.0), float(build.creation_ts))


def _promotion_events(builds: Sequence[Any]) -> list[Event]:
    return [
        BuildPromote(
            connection=build.connection,
            build=build,
            user_name=build.promoter_name,
            when=build.promotion_ts,
        )
        for build in builds
        if build.get("promotion_ts") is not None
    ]


def _task_events(tasks: Sequence[Any]) -> list[Event]:
    return [
        TaskStateChange(
            connection=task.connection,
            task=task,
            new=task.state,
            when=task.completion_ts or task.start_ts,
        )
        for task in tasks
        if task.state in task_states.DONE_GROUP or task.state == task_states.OPEN
    ]


def _is_timed_by_hub(event: Event) -> bool:
    """Tell whether the hub's clock gave the time of an event."""
    return event.build is None or event.build.get("task_id") is not None


def _moment_of(event: Event) -> float:
    return event.when or 0.0


def _rpm_name(rpm: Any) -> str:
    return f"{rpm['name']}-{rpm['version']}-{rpm['release']}.{rpm['arch']}"
