"""What a round asks a hub for: one query for each kind of record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from txkoji import build_states, task_states
from txkoji._values import integer, member, seconds, struct, structs
from txkoji.exceptions import GenericError, HubFault, ParameterError
from txkoji.gathering import gather
from txkoji.history import records
from txkoji.history.cursor import Cursor
from txkoji.history.events import Event, TagUntag
from txkoji.history.hub import BatchedCalls, RichHub
from txkoji.history.interest import Interest
from txkoji.history.paging import Listing, Unreadable
from txkoji.history.records import RecordReader, identity
from txkoji.history.tags import TagWatch
from txkoji.history.unusable import UnusableItems
from txkoji.hub.answers import a_list, a_struct
from txkoji.hub.paging import LongestPage
from txkoji.retry import UNREADABLE

MAX_CLOCK_SKEW = 86400.0
"""Seconds by which the clocks of hub and master may differ: a later time is not plausible."""

MAX_RESERVATION = 2 * 86400.0
"""Seconds that a reserved build may take: Koji fails it then."""

REPO_FIELDS = ("id", "tag_id", "state", "dist", "creation_ts", "state_ts", "task_state")


@dataclass(frozen=True)
class Scope:
    """What all queries share.

    Attributes:
        hub: the hub.
        batch: sends the calls of a round together.
        interest: what to look for.
        tags: the watched tags.
        page: how many rows to read at a time.
        unusable: the records that were left out.
        longest: the longest page of the hub so far.
    """

    hub: RichHub
    batch: BatchedCalls
    interest: Interest
    tags: TagWatch
    page: int
    unusable: UnusableItems
    longest: LongestPage = field(default_factory=LongestPage)

    @property
    def records(self) -> RecordReader:
        """Makes events of the hub's records."""
        return RecordReader(self.hub, self.unusable)

    def latest(self) -> float:
        """Return the latest plausible time, in seconds since the epoch."""
        return float(self.hub.client.reactor.seconds()) + MAX_CLOCK_SKEW


class Query:
    """Reads the records of one kind."""

    def __init__(self, scope: Scope) -> None:
        self._call = scope.batch.call
        self._interest = scope.interest
        self._tags = scope.tags
        self._pages = scope.page, scope.longest
        self._unusable = scope.unusable
        self._records = scope.records
        self._latest = scope.latest

    async def since(self, cursor: Cursor) -> list[Event]:
        """Return what happened since a cursor, possibly more than the interest covers."""
        raise NotImplementedError

    async def like(self, reported: Any, cursor: Cursor) -> list[Event]:
        """Return what the hub knows of an event of this kind that a message reports.

        Raises:
            GenericError: (itself) the hub does not know the object of the message.
        """
        raise NotImplementedError

    async def _build(self, build_id: int) -> list[Any]:
        """Return a build in a list, which is empty if the hub has no such build."""
        build = await self._call("getBuild", build_id)
        return [] if build is None else [build]

    async def _rows(
        self, kind: str, method: str, read: Callable[[Listing], Awaitable[list[Any]]]
    ) -> list[Any]:
        """Read rows; one that can't be read is left out, and identified by the row before it."""
        left_out: set[str] = set()

        def add(before: Any, error: Exception) -> None:
            item = f"the {kind} after {kind} {identity(before)}"
            left_out.add(item)
            self._unusable.add(item, error)

        rows = await read(Listing(method, *self._pages, add))
        if self._unusable.reasons:
            for row in rows:
                item = f"the {kind} after {kind} {identity(row)}"
                if item not in left_out:
                    self._unusable.discard(item)
        return rows

    async def _list_builds(
        self, argument: str, column: str, after: float, **wanted: Any
    ) -> list[Any]:
        def ask(begin: float, options: Mapping[str, Any]) -> Awaitable[Any]:
            order = {**options, "order": f"{column}_time,build_id"}
            return self._call("listBuilds", **{argument: begin, "queryOpts": order, **wanted})

        return await self._after("build", "listBuilds", after, f"{column}_ts", ask)

    async def _list_tasks(
        self, argument: str, column: str, after: float, **wanted: Any
    ) -> list[Any]:
        def ask(begin: float, options: Mapping[str, Any]) -> Awaitable[Any]:
            tasks = {**wanted, argument: begin, "decode": True}
            return self._call("listTasks", tasks, {**options, "order": f"{column}_time,id"})

        return await self._after("task", "listTasks", after, f"{column}_ts", ask)

    async def _after(
        self,
        kind: str,
        method: str,
        after: float,
        column: str,
        ask: Callable[[float, Mapping[str, Any]], Awaitable[Any]],
    ) -> list[Any]:
        """Read what a method lists after a time, which ``column`` has; ``ask`` asks for a page."""

        async def read(begin: float, offset: int, limit: int) -> list[Any]:
            page = {"limit": limit, **({"offset": offset} if offset else {})}
            return a_list(await ask(begin, page), method)

        return await self._rows(kind, method, lambda listing: listing.after(after, column, read))


class TagHistory(Query):
    """Builds tagged and untagged, and packages listed, by the ids of the hub's events."""

    TABLES: Mapping[str, str] = {
        "tagged": "tag_listing",
        "untagged": "tag_listing",
        "package-listed": "tag_packages",
    }

    _settled_tags: frozenset[int] = frozenset()

    async def since(self, cursor: Cursor) -> list[Event]:
        """Return what happened in the watched tags."""
        names = sorted(self._interest.names & self.TABLES.keys())
        tables = list(dict.fromkeys(self.TABLES[name] for name in names))
        found = await gather(
            [
                self._read(tag_id, table, cursor)
                for tag_id in sorted(self._tags.names)
                for table in tables
            ]
        )
        return [event for events in found for event in events]

    async def like(self, reported: Any, cursor: Cursor) -> list[Event]:
        """Return what happened in a tag to the build or package that a message names."""
        tag_id = await self._tags.find(reported.tag_name)
        if tag_id is None:
            return []
        table = self.TABLES[reported.name]
        if table == "tag_listing" and reported.build is not None:
            return await self._read(tag_id, table, cursor, build=reported.build.build_id)
        return await self._read(tag_id, table, cursor, package=reported.package_name)

    def settle(self) -> None:
        """Record that a round has read all watched tags."""
        self._settled_tags = frozenset(self._tags.names)

    async def _read(self, tag_id: int, table: str, cursor: Cursor, **wanted: Any) -> list[Event]:
        # A tag that was created since the last lookup has had events since then.
        start = cursor.begin if tag_id in self._settled_tags else cursor.names
        after = start.event
        is_listing = table == "tag_listing"
        order = "create_event,build_id" if is_listing else "create_event,package_id"
        read = self._reader(tag_id, table, after, order, **wanted)
        rows = await self._rows(
            "event of tag", "queryHistory", lambda listing: listing.by_offset(read)
        )
        convert = self._records.tags if is_listing else self._records.packages
        return list(convert(rows, after, self._tags.watched))

    def _reader(
        self, tag_id: int, table: str, after: int, order: str, **wanted: Any
    ) -> Callable[[int, int], Awaitable[list[Any]]]:
        async def read(offset: int, limit: int) -> list[Any]:
            found = await self._call(
                "queryHistory",
                tables=[table],
                tag=tag_id,
                afterEvent=after,
                queryOpts={"order": order, "limit": limit, "offset": offset},
                **wanted,
            )
            rows = a_struct(found, "queryHistory", table)[table]
            return a_list(rows, "queryHistory")

        return read

    async def in_order(
        self, tag_id: int, action: str, after: int, last: int, largest: int
    ) -> AsyncIterator[TagUntag]:
        """Yield a tag's taggings, or its untaggings, in the order of the hub's events.

        Those after the event ``after`` come, up to ``last``, ``largest`` rows at a time at most.
        """
        column = "create_event" if action == "tag" else "revoke_event"
        read = self._reader(tag_id, "tag_listing", after, f"{column},build_id")
        previous = (after, -1)
        page, longest = self._pages
        left_out = self._left_out(tag_id)
        listing = Listing("queryHistory", min(page, largest), longest, left_out)
        async for rows in listing.pages(read, largest):
            for event in self._records.tags(rows, after, self._tags.watched):
                this = (event.event_id or 0, event.build.build_id)
                if event.action != action or this <= previous:
                    continue
                if this[0] > last:
                    return
                previous = this
                yield event
            if not any(integer(member(row, column)) is not None for row in rows):
                # Builds that are still tagged come last in the order of untaggings.
                return

    def _left_out(self, tag_id: int) -> Unreadable:
        def add(before: Any, error: Exception) -> None:
            self._unusable.add(f"the event of tag {tag_id} after {identity(before)}", error)

        return add


class Builds(Query):
    """Builds that ended."""

    async def since(self, cursor: Cursor) -> list[Event]:
        """Return the builds that ended."""
        states = self._interest.build_states
        if not states:
            return []
        state = {"state": int(states[0])} if len(states) == 1 else {}
        time = cursor.begin.time
        builds = await self._list_builds("completeAfter", "completion", time, **state)
        return self._records.builds(builds, self._latest())

    async def like(self, reported: Any, cursor: Cursor) -> list[Event]:  # noqa: ARG002
        """Return the end of a build."""
        found = await self._build(reported.build.build_id)
        return self._records.builds(found, self._latest())


class GeneratedBuilds(Query):
    """Builds of content generators, which may be imported long after their end."""

    _generators: tuple[int, ...] = ()
    _reserved: Mapping[int, float] = MappingProxyType({})

    def reserved_since(self, time: float) -> dict[int, float]:
        """Return the builds that are still reserved at a time: ids and reservation times."""
        limit = time - MAX_RESERVATION
        return {build: since for build, since in self._reserved.items() if since > limit}

    async def refresh(self) -> None:
        """Read the list of content generators again."""
        if self._interest.build_states:
            found = a_struct(await self._call("listCGs"), "listCGs")
            ids = [integer(member(generator, "id")) for generator in found.values()]
            self._generators = tuple(sorted(each for each in ids if each is not None))

    async def since(self, cursor: Cursor) -> list[Event]:
        """Return the builds that were created, or were reserved before and ended."""
        created = await self._list_created(cursor.begin.time)
        earlier = await gather([self._reread(build_id) for build_id in sorted(cursor.reserved)])
        builds = [*created, *filter(None, earlier)]
        self._reserved = _still_reserved(cursor.reserved, builds)
        wanted = set(self._interest.build_states)
        events = self._records.builds(builds, self._latest())
        return [
            event for event in events if event.build is not None and event.build.state in wanted
        ]

    async def _reread(self, build_id: int) -> Any:
        try:
            build = await self._call("getBuild", build_id)
        except UNREADABLE as error:
            self._unusable.add(f"build {build_id}", error)
            return None
        self._unusable.discard(f"build {build_id}")
        return build

    async def _list_created(self, after: float) -> list[Any]:
        try:
            listed = await gather(
                [
                    self._list_builds("createdAfter", "creation", after, cgID=generator)
                    for generator in self._generators
                ]
            )
        except HubFault as fault:
            # Hubs before 1.27 can't list them separately.
            if not fault.is_unknown_argument:
                raise
            return []
        return [build for builds in listed for build in builds]


def _still_reserved(reserved: Mapping[int, float], builds: Sequence[Any]) -> dict[int, float]:
    found = dict(reserved)
    for build in filter(None, map(struct, builds)):
        build_id, created = integer(build.get("build_id")), seconds(build.get("creation_ts"))
        if build_id is not None:
            found.pop(build_id, None)
            if build.get("state") == build_states.BUILDING and created is not None:
                found[build_id] = created
    return found


class Promotions(Query):
    """Draft builds that were promoted."""

    _is_supported = True

    async def since(self, cursor: Cursor) -> list[Event]:
        """Return the promotions."""
        if "build-promoted" not in self._interest.names or not self._is_supported:
            return []
        try:
            builds = await self._list_builds("promotedAfter", "promotion", cursor.begin.time)
        except HubFault as fault:
            # Hubs before 1.36 can't list them: only the bus reports promotions there.
            if not fault.is_unknown_argument:
                raise
            self._is_supported = False
            return []
        return self._records.promotions(builds)

    async def like(self, reported: Any, cursor: Cursor) -> list[Event]:  # noqa: ARG002
        """Return the promotion of a build."""
        return self._records.promotions(await self._build(reported.build.build_id))


class Tasks(Query):
    """Tasks that started or ended."""

    async def since(self, cursor: Cursor) -> list[Event]:
        """Return the tasks that started or ended."""
        after = cursor.begin.time
        states = [int(state) for state in self._interest.task_states]
        asked = []
        for method in self._interest.methods or (None,):
            only = {} if method is None else {"method": method}
            if states:
                asked.append(self._ended(after, state=states, **only))
            if "task-open" in self._interest.names:
                asked.append(self._opened(after, **only))
        return [event for found in await gather(asked) for event in found]

    async def _ended(self, after: float, **wanted: Any) -> list[Event]:
        tasks = await self._list_tasks("completeAfter", "completion", after, **wanted)
        return self._records.tasks(tasks)

    async def _opened(self, after: float, **wanted: Any) -> list[Event]:
        tasks = await self._list_tasks("startedAfter", "start", after, **wanted)
        return self._records.opened_tasks(tasks)

    async def like(self, reported: Any, cursor: Cursor) -> list[Event]:  # noqa: ARG002
        """Return the last change of a task's state."""
        task = await self._call("getTaskInfo", reported.task.id, request=True)
        return [] if task is None else self._records.tasks([task])


class Repos(Query):
    """Repos of the watched tags that became ready."""

    _has_repo_query = True

    async def since(self, cursor: Cursor) -> list[Event]:
        """Return the repos that became ready."""
        if "repo-done" not in self._interest.names or not self._tags.names:
            return []
        after = cursor.begin.time
        if self._has_repo_query:
            try:
                return self._events(await self._query(after))
            except GenericError as fault:
                # Hubs before 1.35 have no repo.query; one that refuses it needs another way too.
                if type(fault) not in (GenericError, ParameterError):
                    raise
                self._has_repo_query = False
        return self._events(await self._of_tasks(after))

    async def like(self, reported: Any, cursor: Cursor) -> list[Event]:  # noqa: ARG002
        """Return the event of a repo, if it is of a watched tag and ready."""
        if await self._tags.find(reported.tag_name) is None:
            return []
        repo = await self._call("repoInfo", reported.repo_id)
        return self._events([] if repo is None else [repo])

    def _events(self, repos: Sequence[Any]) -> list[Event]:
        return self._records.repos(repos, self._tags.names, self._tags.watched)

    async def _query(self, after: float) -> list[Any]:
        def ask(begin: float, options: Mapping[str, Any]) -> Awaitable[Any]:
            clauses = [
                ["tag_id", "IN", sorted(self._tags.names)],
                ["state", "IN", [records.REPO_READY, records.REPO_EXPIRED, records.REPO_DELETED]],
                ["state_ts", ">", begin],
            ]
            order = {**options, "order": "state_ts,id"}
            return self._call("repo.query", clauses, REPO_FIELDS, order)

        return await self._after("repo", "repo.query", after, "state_ts", ask)

    async def _of_tasks(self, after: float) -> list[Any]:
        """Return the repos that newRepo tasks made: hubs before 1.35 can't list repos."""
        closed = int(task_states.CLOSED)
        tasks = await self._list_tasks(
            "completeAfter", "completion", after, state=[closed], method="newRepo"
        )
        ended = dict(filter(None, map(_made_repo, tasks)))
        repos = await gather([self._call("repoInfo", repo_id) for repo_id in sorted(ended)])
        return [
            {**repo, "state": records.REPO_READY, "state_ts": ended.get(repo.get("id"))}
            for repo in structs(repos)
        ]


class Signatures(Query):
    """Signatures of RPMs, of which the hub keeps no time: only a message reports them."""

    async def since(self, cursor: Cursor) -> list[Event]:  # noqa: ARG002
        """Return none."""
        return []

    async def like(self, reported: Any, cursor: Cursor) -> list[Event]:  # noqa: ARG002
        """Return the signature of an RPM by a key."""
        rpm_id = reported.rpm["id"]
        found, signatures = await gather(
            [
                self._call("getRPM", rpm_id),
                self._call("queryRPMSigs", rpm_id=rpm_id, sigkey=reported.sigkey),
            ]
        )
        build_id = integer(member(found, "build_id"))
        if build_id is None or not signatures:
            return []
        builds = await self._build(build_id)
        return self._records.signature(builds[0], found, signatures[0]) if builds else []


def _made_repo(task: Any) -> tuple[int, float] | None:
    """Return the id of the repo that a newRepo task made, and when."""
    completed = seconds(member(task, "completion_ts"))
    repo_id = integer(_first(_first(member(task, "result"))))
    return None if repo_id is None or completed is None else (repo_id, completed)


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, list) and found else None
