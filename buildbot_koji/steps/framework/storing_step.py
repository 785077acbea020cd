"""What steps store in the master's database: values that fit it, through its outages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import Deferred

from buildbot_koji.arguments.plugins import DeclaredStep
from buildbot_koji.database_values import (
    MAX_VALUE,
    clean_line,
    encoded_size,
    fit_property,
    fit_text,
)
from buildbot_koji.durable.database import until_stored
from buildbot_koji.durable.store import SOURCE, BuildData, data_name
from buildbot_koji.steps.framework.early_end import StepTiming

__all__ = ["StoringStep"]

T = TypeVar("T")

LINK_SIZE = 1000
"""Bytes of the text or the address of a link, or of the title of a log."""


class StoringStep(DeclaredStep):
    """A step whose properties, links and logs come from a hub.

    Attributes:
        properties_set: the names of the properties that it has set.
    """

    timing: ClassVar[StepTiming] = StepTiming()
    """The pauses and limits that users don't set."""

    master: Any
    build: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.properties_set: set[str] = set()
        self._links_size = 0

    def setProperty(
        self, propname: str, value: Any, source: str = "Step", runtime: bool | None = None
    ) -> None:
        """Set a property; a value that is too large for the database is cut."""
        self.properties_set.add(propname)
        super().setProperty(propname, fit_property(value), source, runtime)

    @async_to_deferred
    async def addURL(self, name: str, url: str) -> None:
        """Add a link, unless the step has as many as the database takes."""
        link = {"name": fit_text(clean_line(name), LINK_SIZE), "url": fit_text(url, LINK_SIZE)}
        self._links_size += encoded_size(link) + len(", ")
        if self._links_size <= MAX_VALUE:
            add = super().addURL
            await self.until_stored(lambda: add(**link))

    def addLog(self, name: str, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Add a log."""
        return super().addLog(fit_text(clean_line(name), LINK_SIZE), *args, **kwargs)

    async def until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write to the master's database, and retry while it is unreachable."""
        policy = self.timing.database_retry
        return await until_stored(write, self.master.reactor, policy, str(self.name))

    async def store_attempt(self, value: bytes) -> None:
        """Store what the next attempt of the same build request must know."""
        name = data_name(str(self.name))
        await self.until_stored(lambda: self._build_data.put(self.build.buildid, name, value))

    async def find_earlier_attempt(self) -> bytes | None:
        """Return what the newest earlier attempt of the same build request stored, or None."""
        find, name = self._build_data.find_earlier, data_name(str(self.name))
        return await self.until_stored(lambda: find(self.build.buildid, name))

    @property
    def _build_data(self) -> BuildData:
        return BuildData(self.master, SOURCE)
