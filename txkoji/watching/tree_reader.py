"""Reads many task trees with a handful of requests. It knows no clock and keeps nothing.

A look begins with what the look before it found, and asks only for what can have changed:

- the roots, by their ids;
- of each task that goes on, the children that go on too: short rows, and no results;
- of each task where these differ from what was known, or that has ended since, all children once.

A task that has ended gets no new children, and what has ended stays as it is: a sub-tree of ended
tasks is not asked for again.

One task that the hub can't tell of, because something in its row breaks the answer, does not hide
the others of its request: the request is cut until the task is found, and from then on it is asked
for alone.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from txkoji import task_states
from txkoji._rich_base import make
from txkoji.exceptions import HubFault, KojiException, NotXMLRPC, ServerOffline
from txkoji.task import Task
from txkoji.watching.task_tree import TaskTree, may_have_children

__all__ = ["PROBES", "Refused", "read_trees"]

BATCH = 500
"""Tasks in one request: far below the hub's 4 MiB, and few enough for its database."""

PROBES = 30
"""How often one look cuts requests that are refused: enough to find three tasks among 500."""

PORTION = 100
"""Tasks that are dealt with in one reactor turn, with their children."""

T = TypeVar("T")

Refused = dict[tuple[str, int], KojiException]
"""What the hub said to a question about a task."""

Rest = Callable[[], Awaitable[None]]

_ROOT, _GOING_ON, _ALL = "the task", "its active children", "its children"
"""The questions."""

_ACTIVE = [int(state) for state in task_states.ACTIVE_GROUP]

_LEFT_OUT = frozenset(["owner_name", "owner_type", "result"])
"""What ``listTasks`` has beyond ``getTaskInfo``. The results of 10,000 trees take much memory."""

_SHARED = ("arch", "label", "method")
"""Columns whose text thousands of tasks have in common."""


async def read_trees(
    connection: Any,
    known: Mapping[int, TaskTree | None],
    rest: Rest,
    refused: Refused,
    *,
    probes: int = PROBES,
) -> dict[int, TaskTree | None]:
    """Read task trees.

    Args:
        connection: a :class:`txkoji.Connection`.
        known: for the id of each root the tree that was read last, None at the first look.
        rest: is awaited now and then, so that the reactor gets its turn.
        refused: what the hub could not answer when it was last asked. It is brought up to date.
        probes: how often a request that is refused is cut to find the task that is to blame.

    Returns:
        For each id its tree: the same object where nothing in it changed; None where the hub has
        no such task. An id that the hub could not tell of is missing.

    Raises:
        KojiException: a request failed, and not because of one task.
    """
    look = _Look(connection, known, rest, refused, probes)
    await look.recall()
    await look.read()
    return await look.trees()


class _Look:
    """The rows of all trees of one look, by their ids, and their children's ids."""

    def __init__(
        self,
        connection: Any,
        known: Mapping[int, TaskTree | None],
        rest: Rest,
        refused: Refused,
        probes: int,
    ) -> None:
        self._connection = connection
        self._known = known
        self._rest = rest
        self._refused = refused
        self._probes = probes
        self._missing = set(known)
        self._rows: dict[int, Any] = {}
        self._children: dict[int, tuple[int, ...]] = {}
        self._unknown: set[int] = set()

    async def recall(self) -> None:
        """Begin with what is known."""
        async for tree in self._portioned([tree for tree in self._known.values() if tree]):
            self._rows[tree.root["id"]] = tree.root
            for parent, children in tree.children.items():
                self._children[parent] = tuple(child["id"] for child in children)
                self._rows.update((child["id"], child) for child in children)

    async def _portioned(self, items: Sequence[T]) -> AsyncIterator[T]:
        """Yield the items, with a rest between portions of them."""
        for number, item in enumerate(items, 1):
            yield item
            if number % PORTION == 0:
                await self._rest()

    async def read(self) -> None:
        """Ask, level by level, until nothing is left to ask."""
        ended = {task_id for task_id in self._rows if self._is_final(task_id)}
        async for part, rows in self._infos(_ROOT, sorted(self._known)):
            self._missing.difference_update(part)
            self._unknown.update(
                task_id for task_id, row in zip(part, rows, strict=True) if row is None
            )
            for row in filter(None, rows):
                self._take(row)
        if self._missing and self._missing == self._known.keys():
            raise self._refused[_ROOT, min(self._missing)]
        # Everything below a task that is looked at for the first time, or that has ended since.
        whole = [
            task_id
            for task_id in sorted(self._known.keys() - self._unknown - self._missing)
            if (self._known[task_id] is None or (self._is_final(task_id) and task_id not in ended))
        ]
        going_on = set(self._parents_going_on(ended)).difference(whole)
        whole += await self._read_active(sorted(going_on))
        done = ended
        while whole:
            done = done.union(whole)
            whole = [
                child
                for child in await self._read_whole(list(dict.fromkeys(whole)))
                # One that has ended after its active children were read must be read once more.
                if child not in done and (child not in going_on or self._is_final(child))
            ]

    def _parents_going_on(self, ended: set[int]) -> Iterator[int]:
        for task_id, row in self._rows.items():
            if task_id in ended:
                # Its orphans: it was canceled alone.
                children = self._children.get(task_id, ())
                if not all(self._is_final(child) for child in children):
                    yield task_id
            elif may_have_children(row):
                yield task_id

    async def _read_active(self, parents: list[int]) -> list[int]:
        """Read the active children of many parents; returns the tasks to list whole."""
        whole = []
        asked = set(parents)
        async for parent, rows in self._list(_GOING_ON, parents, state=_ACTIVE):
            known = self._children.get(parent, ())
            going_on = {child for child in known if not self._is_final(child)}
            if going_on != {row["id"] for row in rows}:
                whole.append(parent)
                continue
            for row in rows:
                self._take(row)
                if row["id"] not in asked and may_have_children(row):
                    whole.append(row["id"])
        return whole

    async def _read_whole(self, parents: list[int]) -> list[int]:
        """Read all children of many parents; returns those that may have children themselves."""
        async for parent, rows in self._list(_ALL, parents):
            self._set_children(parent, rows)
        await self._read_piecemeal(
            [parent for parent in parents if (_ALL, parent) in self._refused]
        )
        return [
            child
            for parent in parents
            for child in self._children.get(parent, ())
            if may_have_children(self._rows[child])
        ]

    async def _read_piecemeal(self, parents: list[int]) -> None:
        """Do without the results of children, one of which breaks the answer."""
        gone: set[int] = set()
        async for parent, rows in self._list(_GOING_ON, parents, state=_ACTIVE):
            known = self._children.get(parent, ())
            gone.update(child for child in known if not self._is_final(child))
            gone.difference_update(row["id"] for row in rows)
            self._set_children(parent, rows)
        async for _, rows in self._infos(_ROOT, sorted(gone)):
            for row in filter(None, rows):
                self._take(row)

    def _set_children(self, parent: int, rows: list[Any]) -> None:
        """Keep the rows of a parent's children; those that were known stay."""
        for row in rows:
            self._take(row)
        children = {*self._children.get(parent, ()), *(row["id"] for row in rows)}
        if children:
            self._children[parent] = tuple(sorted(children))

    # Requests

    def _infos(self, question: str, ids: list[int]) -> AsyncIterator[tuple[list[int], list[Any]]]:
        """Yield parts of the ids, each with the rows of its tasks, None for an unknown one."""
        return self._ask(question, ids, lambda part: self._connection.call("getTaskInfo", part))

    async def _list(
        self, question: str, parents: list[int], **options: Any
    ) -> AsyncIterator[tuple[int, list[Any]]]:
        """Yield each parent with its children, of those that the options allow."""
        async for part, rows in self._ask(
            question,
            parents,
            lambda part: self._connection.call("listTasks", {"parent": part, **options}),
        ):
            found: dict[int, list[Any]] = {}
            for row in rows:
                found.setdefault(row["parent"], []).append(row)
            async for parent in self._portioned(part):
                yield parent, found.get(parent, [])

    async def _ask(
        self, question: str, ids: list[int], ask: Callable[[list[int]], Awaitable[list[Any]]]
    ) -> AsyncIterator[tuple[list[int], list[Any]]]:
        """Yield parts of the ids, each with the answer; refused ones are left out."""
        doubtful = [task_id for task_id in ids if (question, task_id) in self._refused]
        waiting = [[task_id] for task_id in doubtful]
        waiting += _batches(
            [task_id for task_id in ids if (question, task_id) not in self._refused]
        )
        while waiting:
            part = waiting.pop()
            try:
                answer = await ask(part)
            except ServerOffline:
                raise
            except (HubFault, NotXMLRPC) as error:
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
        return self._rows[task_id]["state"] in task_states.DONE_GROUP

    def _take(self, row: Any) -> None:
        """Keep a row, slim; the one that is there where nothing in it changed."""
        old = self._rows.get(row["id"])
        if old is not None and old["state"] in task_states.DONE_GROUP:
            return
        # Every reply has its own texts of the same names.
        slim = {sys.intern(key): value for key, value in row.items() if key not in _LEFT_OUT}
        if old == slim:
            return
        for key in _SHARED:
            if isinstance(slim.get(key), str):
                slim[key] = sys.intern(slim[key])
        self._rows[row["id"]] = make(Task, slim, self._connection)

    async def trees(self) -> dict[int, TaskTree | None]:
        """Put together what was read."""
        read = [task_id for task_id in self._known if task_id not in self._missing]
        return {task_id: self._tree(task_id) async for task_id in self._portioned(read)}

    def _tree(self, task_id: int) -> TaskTree | None:
        if task_id in self._unknown:
            return None
        children = {}
        waiting = [task_id]
        for parent in waiting:
            below = self._children.get(parent)
            if below:
                children[parent] = tuple(self._rows[child] for child in below)
                waiting += below
        tree = TaskTree(self._rows[task_id], children)
        return self._known[task_id] if tree == self._known[task_id] else tree


def _batches(ids: list[int]) -> Iterator[list[int]]:
    """Cut ids into requests, the last ones first."""
    for start in reversed(range(0, len(ids), BATCH)):
        yield ids[start : start + BATCH]
