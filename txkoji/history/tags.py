"""Which tags of a hub fit a set of names and globs, kept up to date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from twisted.logger import Logger

from txkoji._deferreds import returns_deferred
from txkoji.exceptions import HubFault, UnusableAnswer
from txkoji.gathering import gather
from txkoji.history.hub import BatchedCalls
from txkoji.hub.client import HubClient

MAX_AGE = 600.0
"""Seconds for which a lookup of the tags holds."""

MAX_AGE_FOR_FITTING = 10.0
"""The same when a message names an unknown tag that fits a pattern."""

MAX_AGE_FOR_OTHERS = 60.0
"""The same when a message names another unknown tag: a fitting tag may inherit from it by now."""


_GLOB = frozenset("*?[")


def is_glob(name: str) -> bool:
    """Return whether a name is a glob."""
    return not _GLOB.isdisjoint(name)


def matches(name: str | None, patterns: Iterable[str]) -> bool:
    """Return whether a name equals one of the patterns, or fits a glob among them."""
    # Most patterns are names: a regular expression for each of thousands takes seconds to compile.
    return name is not None and any(
        name == pattern or (is_glob(pattern) and fnmatchcase(name, pattern)) for pattern in patterns
    )


class TagWatch:
    """The tags that fit some patterns and, if asked for, those that they inherit from.

    A missing tag is logged once, and found when it is created.

    Attributes:
        names: the name of each tag, by id.
        watched: for each tag, by id, the names of the fitting tags that have its builds: the tag
            itself, and those that inherit from it.
        missing: the names (no globs) that no tag has now.
    """

    _log = Logger()

    def __init__(
        self,
        client: HubClient,
        patterns: Sequence[str],
        *,
        inherited: bool,
        batch: BatchedCalls,
        name: str,
    ) -> None:
        self._client = client
        self._name = name
        self._checked = batch.checked
        self._patterns = patterns
        self._inherited = inherited
        self._read_at: float | None = None
        self._has_patterns = True
        self.names: dict[int, str] = {}
        self.watched: dict[int, tuple[str, ...]] = {}
        self.missing: tuple[str, ...] = ()

    @returns_deferred
    async def refresh(self, *, max_age: float = MAX_AGE) -> bool:
        """Look the tags up again, unless the last lookup is recent.

        Args:
            max_age: seconds for which the last lookup holds.

        Returns:
            A Deferred of whether the tags were looked up.
        """
        now = self._client.reactor.seconds()
        if self._read_at is not None and 0 <= now - self._read_at < max_age:
            return False
        names: dict[int, str] = {tag["id"]: tag["name"] for tag in await self._fitting()}
        watched = {tag_id: [name] for tag_id, name in names.items()}
        if self._inherited:
            await self._add_parents(names, watched)
        self.watched = {
            tag_id: tuple(dict.fromkeys(watched[tag_id])) for tag_id in watched if tag_id in names
        }
        self.names = names
        self._read_at = now
        self._log_missing()
        return True

    async def _add_parents(self, names: dict[int, str], watched: dict[int, list[str]]) -> None:
        """Add the tags that some tags inherit from."""
        children = sorted(names)
        inheritance = await gather([self._checked("getFullInheritance", each) for each in children])
        for child, links in zip(children, inheritance, strict=True):
            for link in links:
                watched.setdefault(link["parent_id"], []).append(names[child])
        parents = await gather([self._tag(each) for each in sorted(set(watched) - set(names))])
        names.update((tag["id"], tag["name"]) for tag in parents if tag)

    @returns_deferred
    async def _tag(self, tag: str | int) -> Any:
        """Return a tag; None if the hub has no such tag, or its answer can't be used."""
        try:
            return await self._checked("getTag", tag)
        except UnusableAnswer as error:
            self._client.leave_out("getTag", str(error))
            return None

    @returns_deferred
    async def find(self, name: str) -> int | None:
        """Return a Deferred of the id of a watched tag; None for another tag."""
        found = self._id_of(name)
        fits = matches(name, self._patterns)
        if found is None and (fits or self._inherited):
            await self.refresh(max_age=MAX_AGE_FOR_FITTING if fits else MAX_AGE_FOR_OTHERS)
            found = self._id_of(name)
        return found

    def _id_of(self, name: str) -> int | None:
        return next((tag_id for tag_id, each in self.names.items() if each == name), None)

    async def _fitting(self) -> list[Any]:
        """Return the tags with one of the names, then those that fit a glob."""
        exact = [self._named(name) for name in self._patterns if not is_glob(name)]
        fitting = [self._list(pattern) for pattern in self._patterns if is_glob(pattern)]
        return [tag for tags in await gather([*exact, *fitting]) for tag in tags]

    async def _named(self, name: str) -> list[Any]:
        tag = await self._tag(name)
        return [tag] if tag else []

    async def _list(self, pattern: str) -> list[Any]:
        # Koji's globs have only * and ?: brackets are matched here.
        wide = "*" if "[" in pattern else pattern
        tags: list[Any] = []
        if self._has_patterns:
            try:
                tags = await self._checked("listTags", pattern=wide)
            except HubFault as fault:
                if not fault.is_unknown_argument:
                    raise
                self._has_patterns = False
        if not self._has_patterns:
            tags = await self._checked("listTags")
        return [tag for tag in tags if matches(tag["name"], [pattern])]

    def _log_missing(self) -> None:
        missing = tuple(
            name for name in self._patterns if not is_glob(name) and name not in self.names.values()
        )
        for name in set(missing) - set(self.missing):
            self._log.warn(
                "{name}: the hub has no tag {tag}: check the name; it is watched once it exists",
                name=self._name,
                tag=name,
            )
        for name in set(self.missing) - set(missing):
            self._log.info("{name}: the hub has the tag {tag} now", name=self._name, tag=name)
        self.missing = missing
