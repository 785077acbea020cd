"""Reads many task trees with a handful of requests. It knows no clock and keeps nothing.

A poll starts from the result of the previous one, and asks only for what may have changed:

- the roots, by their ids;
- the active children of each active task: short rows without results;
- once, all children of a task that has ended, or whose active children are others than before.

A task that has ended gets no new children and never changes: a subtree of ended tasks is not asked
for again.

A task whose row breaks the hub's answer does not hide the others of its request: the request is
split until the task is found, which is then asked for alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from txkoji import task_states
from txkoji.exceptions import HubFault, KojiException, NotXMLRPC, UnusableAnswer
from txkoji.hub.client import HubClient
from txkoji.retry import is_passing
from txkoji.watching.records import (
    ID,
    PARENT,
    TaskRecord,
    TreeRecords,
    is_final,
    is_task,
    record_of,
)
from txkoji.watching.task_tree import may_have_children

BATCH = 500
"""Tasks in one request: far below the hub's 4 MiB, and few enough for its database."""

WHOLE_BATCH = 200
"""Tasks whose children are listed in one request with requests and results, which are large."""

PROBES = 30
"""How often one poll splits refused requests: enough to find three tasks among 500."""

PORTION = 100
"""Trees, or tasks with their children, that are handled in one reactor iteration."""

RECORDS = 1000
"""Records that are only checked, in one reactor iteration."""

T = TypeVar("T")

Refusals = dict[tuple[str, int], KojiException]
"""The hub's error for a question about a task."""

Rest = Callable[[], Awaitable[None]]

ROOT, _ACTIVE_CHILDREN, _ALL = "the task", "its active children", "its children"
"""The questions."""

_ACTIVE = [int(state) for state in task_states.ACTIVE_GROUP]


async def portioned(items: Sequence[T], rest: Rest, size: int = PORTION) -> AsyncIterator[T]:
    """Yield items, and yield to the reactor after each portion of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % size == 0:
            await rest()


async def read_trees(
    client: HubClient,
    known: Mapping[int, TreeRecords | None],
    rest: Rest,
    refused: Refusals,
    *,
    probes: int = PROBES,
) -> dict[int, TreeRecords | None]:
    """Read task trees.

    Args:
        client: the hub's client.
        known: for the id of each root the records that were read last, None at the first poll.
        rest: returns an awaitable of a later reactor iteration.
        refused: what the hub could not answer when it was last asked. It is updated.
        probes: how often a refused request is split to find the task that breaks it.

    Returns:
        For each id its tree's records: the same object if nothing in it changed; None if the hub
        has no such task. An id that the hub could not answer for is missing.

    Raises:
        KojiException: a request failed, and not because of one task.
    """
    poll = _Poll(client, known, rest, refused, probes)
    await poll.recall()
    await poll.read()
    return await poll.trees()


@dataclass
class _Poll:
    """The records of all trees of one poll, by task id, and the ids of each task's children."""

    _client: HubClient
    _known: Mapping[int, TreeRecords | None]
    _rest: Rest
    _refused: Refusals
    _probes: int

    def __post_init__(self) -> None:
        self._missing = set(self._known)
        self._records: dict[int, TaskRecord] = {}
        self._children: dict[int, list[int]] = {}
        self._unknown: set[int] = set()

    async def recall(self) -> None:
        """Start with what is known."""
        async for records in self._portioned([each for each in self._known.values() if each]):
            self._records.update((record[ID], record) for record in records)
            for record in records[1:]:
                self._children.setdefault(record[PARENT], []).append(record[ID])

    def _portioned(self, items: Sequence[T], size: int = PORTION) -> AsyncIterator[T]:
        return portioned(items, self._rest, size)

    async def read(self) -> None:
        """Ask, level by level, until nothing is left to ask."""
        ended = {task_id for task_id in self._records if self._is_final(task_id)}
        async for part, rows in self._infos(sorted(self._known)):
            self._missing.difference_update(part)
            async for task_id, row in self._portioned(list(zip(part, rows, strict=True))):
                if row is None:
                    self._unknown.add(task_id)
                else:
                    self._take(row)
        if self._missing and self._missing == self._known.keys():
            raise self._refused[ROOT, min(self._missing)]
        # Everything below a task that is read for the first time, or that has ended since.
        whole = [
            task_id
            for task_id in sorted(self._known.keys() - self._unknown - self._missing)
            if (self._known[task_id] is None or (self._is_final(task_id) and task_id not in ended))
        ]
        parents = (await self._active_parents(ended)).difference(whole)
        whole += await self._read_active(sorted(parents))
        done = ended
        while whole:
            done = done.union(whole)
            whole = [
                child
                for child in await self._read_whole(list(dict.fromkeys(whole)))
                # One that ended after its active children were read must be read once more.
                if child not in done and (child not in parents or self._is_final(child))
            ]

    async def _active_parents(self, ended: set[int]) -> set[int]:
        """Return the tasks below which something may still change."""
        parents = set()
        async for task_id in self._portioned(list(self._records), RECORDS):
            if task_id in ended:
                # It may have been canceled alone: its children continue.
                children = self._children.get(task_id, ())
                if not all(self._is_final(child) for child in children):
                    parents.add(task_id)
            elif may_have_children(self._records[task_id]):
                parents.add(task_id)
        return parents

    async def _read_active(self, parents: list[int]) -> list[int]:
        """Read the active children of many parents; returns the tasks to list whole.

        An unknown child is listed in full, with its siblings: only a new task's request is needed.
        """
        whole = []
        asked = set(parents)
        async for parent, rows in self._list(_ACTIVE_CHILDREN, parents, state=_ACTIVE):
            known = self._children.get(parent, ())
            active = {child for child in known if not self._is_final(child)}
            if active != {row["id"] for row in rows}:
                whole.append(parent)
                continue
            for row in rows:
                record = self._take(row)
                if record[ID] not in asked and may_have_children(record):
                    whole.append(record[ID])
        return whole

    async def _read_whole(self, parents: list[int]) -> list[int]:
        """Read all children of many parents; returns those that may have children themselves."""
        async for parent, rows in self._list(_ALL, parents, WHOLE_BATCH, decode=True):
            self._set_children(parent, rows)
        await self._read_piecemeal(
            [parent for parent in parents if (_ALL, parent) in self._refused]
        )
        below = []
        async for parent in self._portioned(parents):
            children = self._children.get(parent, ())
            below += [child for child in children if may_have_children(self._records[child])]
        return below

    async def _read_piecemeal(self, parents: list[int]) -> None:
        """Read children without their results, one of which breaks the answer."""
        gone: set[int] = set()
        async for parent, rows in self._list(_ACTIVE_CHILDREN, parents, state=_ACTIVE, decode=True):
            known = self._children.get(parent, ())
            gone.update(child for child in known if not self._is_final(child))
            gone.difference_update(row["id"] for row in rows)
            self._set_children(parent, rows)
        async for _, rows in self._infos(sorted(gone)):
            for row in filter(None, rows):
                self._take(row)

    def _set_children(self, parent: int, rows: list[Any]) -> None:
        """Keep the records of a parent's children, also of those that were known before."""
        found = {self._take(row)[ID] for row in rows}
        children = found.union(self._children.get(parent, ()))
        if children:
            self._children[parent] = sorted(children)

    # Requests

    def _infos(self, ids: list[int]) -> AsyncIterator[tuple[list[int], list[Any]]]:
        """Yield parts of the ids, each with the structs of its tasks, None for an unknown one."""

        async def ask(part: list[int]) -> list[Any]:
            # The request of a known task is known, too.
            is_new = not self._records.keys() >= set(part)
            rows = await self._client.call("getTaskInfo", part, request=is_new)
            if not isinstance(rows, list) or len(rows) != len(part):
                raise UnusableAnswer("getTaskInfo", rows, f"a list of {len(part)} tasks")
            for task_id, row in zip(part, rows, strict=True):
                if row is not None and not (is_task(row) and row["id"] == task_id):
                    raise UnusableAnswer("getTaskInfo", row, f"task {task_id}")
            return rows

        return self._ask(ROOT, ids, ask)

    async def _list(
        self, question: str, parents: list[int], size: int = BATCH, **options: Any
    ) -> AsyncIterator[tuple[int, list[Any]]]:
        """Yield each parent with its children, of those that the options allow."""

        async def ask(part: list[int]) -> list[Any]:
            rows = await self._client.call("listTasks", {"parent": part, **options})
            if not isinstance(rows, list):
                raise UnusableAnswer("listTasks", rows, "a list of tasks")
            for row in rows:
                if not is_task(row) or row.get("parent") is None:
                    raise UnusableAnswer("listTasks", row, f"a child of task {part[0]}")
            return rows

        async for part, rows in self._ask(question, parents, ask, size):
            found: dict[int, list[Any]] = {}
            for row in rows:
                found.setdefault(row["parent"], []).append(row)
            rows.clear()
            async for parent in self._portioned(part):
                # What was decoded is dropped with its portion, not all at once.
                yield parent, found.pop(parent, [])

    async def _ask(
        self,
        question: str,
        ids: list[int],
        ask: Callable[[list[int]], Awaitable[list[Any]]],
        size: int = BATCH,
    ) -> AsyncIterator[tuple[list[int], list[Any]]]:
        """Yield parts of the ids, each with the answer; refused ones are left out."""
        doubtful = [task_id for task_id in ids if (question, task_id) in self._refused]
        waiting = [[task_id] for task_id in doubtful]
        waiting += _batches(
            [task_id for task_id in ids if (question, task_id) not in self._refused], size
        )
        while waiting:
            part = waiting.pop()
            try:
                answer = await ask(part)
            except (HubFault, NotXMLRPC, UnusableAnswer) as error:
                if isinstance(error, HubFault) and is_passing(error):
                    raise
                if len(part) == 1:
                    self._refused[question, part[0]] = error
                    continue
                if not self._probes:
                    raise
                self._probes -= 1
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
            else:
                for task_id in part:
                    self._refused.pop((question, task_id), None)
                yield part, answer

    def _is_final(self, task_id: int) -> bool:
        return is_final(self._records[task_id])

    def _take(self, row: Mapping[str, Any]) -> TaskRecord:
        """Keep a task's record, unless the one that is kept is final."""
        old = self._records.get(row["id"])
        if old is not None and is_final(old):
            return old
        record = self._records[row["id"]] = record_of(row, old)
        return record

    async def trees(self) -> dict[int, TreeRecords | None]:
        """Return the trees, assembled from what was read."""
        read = [task_id for task_id in self._known if task_id not in self._missing]
        return {task_id: self._tree(task_id) async for task_id in self._portioned(read)}

    def _tree(self, task_id: int) -> TreeRecords | None:
        if task_id in self._unknown:
            return None
        # A dict: a hub whose tasks are each other's parents must not be followed in circles.
        found = dict.fromkeys([task_id])
        waiting = [task_id]
        for parent in waiting:
            below = [child for child in self._children.get(parent, ()) if child not in found]
            found.update(dict.fromkeys(below))
            waiting += below
        records = tuple([self._records[each] for each in found])
        known = self._known[task_id]
        return known if known == records else records


def _batches(ids: list[int], size: int) -> Iterator[list[int]]:
    """Split ids into requests, the last ones first."""
    for start in reversed(range(0, len(ids), size)):
        yield ids[start : start + size]
