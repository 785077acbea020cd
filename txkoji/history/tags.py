"""Which tags a set of names and globs means on a hub, from time to time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from txkoji._deferreds import returns_deferred
from txkoji.exceptions import HubFault
from txkoji.gathering import gather
from txkoji.hub.batching import Batcher
from txkoji.hub.call import Call

__all__ = ["TagWatch", "is_glob", "matches"]

INTERVAL = 600.0
"""Seconds that the hub's list of tags is taken to be true."""

PAUSE = 10.0
"""Seconds between two looks for a tag that a message names, that fits, and that is not known."""

HEIR_PAUSE = 60.0
"""The same for a tag that does not fit: one that fits may inherit from it now, but hardly does."""


def is_glob(name: str) -> bool:
    """Tell whether a name stands for several."""
    return any(character in name for character in "*?[")


def matches(name: str | None, patterns: Iterable[str]) -> bool:
    """Tell whether a name is one of those, or fits one of the globs among them."""
    return name is not None and any(fnmatchcase(name, pattern) for pattern in patterns)


class TagWatch:
    """The tags that fit some names, and those that they inherit from where that is asked for.

    A tag that does not exist is said once, and found when it is made.

    Args:
        connection: a :class:`txkoji.Connection`.
        patterns: names, or globs.
        inherited: follow the inheritance.

    Attributes:
        names: the name of each tag, by its id.
        heirs: the names of the tags that fit a pattern and have the builds of each tag, by its id:
            the tag itself, and those that inherit from it.
        missing: the names (no globs) of which there is no tag now.
    """

    _log = Logger()

    def __init__(self, connection: Any, patterns: Sequence[str], *, inherited: bool) -> None:
        self._connection = connection
        self._together: Batcher = connection.client.batcher()
        self._patterns = patterns
        self._inherited = inherited
        self._read_at: float | None = None
        self._has_patterns = True
        self.names: dict[int, str] = {}
        self.heirs: dict[int, tuple[str, ...]] = {}
        self.missing: tuple[str, ...] = ()

    @returns_deferred
    async def refresh(self, *, at_most: float = INTERVAL) -> bool:
        """Look the names up again.

        Args:
            at_most: seconds that they may be old without being looked up.

        Returns:
            A Deferred that tells whether they were looked up.

        Raises:
            KojiException: the hub could not be asked.
        """
        now = self._connection.reactor.seconds()
        if self._read_at is not None and now - self._read_at < at_most:
            return False
        tags = {int(tag["id"]): str(tag["name"]) for tag in await self._fitting()}
        heirs = {tag_id: [name] for tag_id, name in tags.items()}
        names = dict(tags)
        if self._inherited:
            parents = await gather(
                [self._ask("getFullInheritance", tag_id) for tag_id in sorted(tags)]
            )
            for tag_id, links in zip(sorted(tags), parents, strict=True):
                for parent in (int(link["parent_id"]) for link in links):
                    heirs.setdefault(parent, []).append(tags[tag_id])
            unnamed = sorted(set(heirs) - set(names))
            found = await gather([self._ask("getTag", tag_id) for tag_id in unnamed])
            names.update((int(tag["id"]), str(tag["name"])) for tag in found if tag)
        self.heirs = {
            tag_id: tuple(dict.fromkeys(having))
            for tag_id, having in heirs.items()
            if tag_id in names
        }
        self.names = names
        self._read_at = now
        self._say_missing()
        return True

    @returns_deferred
    async def find(self, name: str) -> int | None:
        """Return a Deferred of the id of a tag that is looked at; None for another tag.

        Raises:
            KojiException: the hub could not be asked.
        """
        found = self._id_of(name)
        fits = matches(name, self._patterns)
        if found is None and (fits or self._inherited):
            await self.refresh(at_most=PAUSE if fits else HEIR_PAUSE)
            found = self._id_of(name)
        return found

    def _id_of(self, name: str) -> int | None:
        return next((tag_id for tag_id, each in self.names.items() if each == name), None)

    async def _fitting(self) -> list[Any]:
        exact = [name for name in self._patterns if not is_glob(name)]
        globs = [name for name in self._patterns if is_glob(name)]
        asked = [self._ask("getTag", name) for name in exact]
        listed = [self._list(pattern) for pattern in globs]
        *found, lists = await gather([*asked, _flat(listed)])
        return [*(tag for tag in found if tag), *lists]

    async def _list(self, pattern: str) -> list[Any]:
        # Koji's globs know only * and ?: what is in brackets is compared here.
        wide = "*" if "[" in pattern else pattern
        tags: list[Any] = []
        if self._has_patterns:
            try:
                tags = await self._ask("listTags", pattern=wide)
            except HubFault as fault:
                if not fault.is_unknown_argument:
                    raise
                self._has_patterns = False
        if not self._has_patterns:
            tags = await self._ask("listTags")
        return [tag for tag in tags if matches(tag["name"], [pattern])]

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> Deferred[Any]:
        return self._together.add(Call(method, args, kwargs))

    def _say_missing(self) -> None:
        missing = tuple(
            name for name in self._patterns if not is_glob(name) and name not in self.names.values()
        )
        for name in set(missing) - set(self.missing):
            self._log.warn(
                "{hub} has no tag {tag}: check the name; it is looked for again",
                hub=self._connection.url,
                tag=name,
            )
        for name in set(self.missing) - set(missing):
            self._log.info("{hub} has the tag {tag} now", hub=self._connection.url, tag=name)
        self.missing = missing


async def _flat(lists: Sequence[Any]) -> list[Any]:
    return [each for found in await gather(lists) for each in found]
