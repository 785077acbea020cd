"""What steps store in the master's database: values that fit it, through its outages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from buildbot_koji.arguments.plugins import DeclaredStep
from buildbot_koji.database_values import (
    MAX_VALUE,
    clean_line,
    clean_text,
    encoded_size,
    fit_property,
    fit_text,
)
from buildbot_koji.durable.attempts import StepIdentity, choose_attempt, to_row
from buildbot_koji.durable.database import until_stored
from buildbot_koji.durable.store import DATA_SOURCE, BuildData, RowsPlace, data_name
from buildbot_koji.hubs.koji_hub import profile_name
from buildbot_koji.steps.framework.early_end import StepTiming

T = TypeVar("T")

IDENTIFYING = frozenset({"args", "draft", "kwargs", "scratch"})
"""Arguments that identify the work of a step, beside those that must be given."""

NAME_SIZE = 46
"""Bytes of a step's name: its column holds 50, and Buildbot appends a number to a namesake."""

LINK_SIZE = 1000
"""Bytes of the text or the address of a link, or of the title of a log."""


class StoringStep(DeclaredStep):
    """A step whose properties, links and logs come from a hub.

    Attributes:
        properties_set: the names of the properties that it has set.
        found_attempt: the row that it found of an earlier attempt: its build's id, and its name.
    """

    timing: ClassVar[StepTiming] = StepTiming()
    """The pauses and limits that users don't set."""

    _log = Logger()
    master: Any
    build: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.properties_set: set[str] = set()
        self._links_size = 0
        self._earlier: list[int] | None = None
        self.found_attempt: tuple[int, str] | None = None

    @async_to_deferred
    async def addStep(self) -> None:
        """Begin with a name that the database takes, whatever the argument renders to."""
        name = await self.build.render(self.name)
        shown = "" if name is None else fit_text(clean_line(name), NAME_SIZE)
        self.name = shown or type(self).__name__
        await super().addStep()

    def setProperty(
        self, propname: str, value: Any, source: str = "Step", runtime: bool | None = None
    ) -> None:
        """Set a property; a value that is too large for the database is cut."""
        self.properties_set.add(propname)
        super().setProperty(propname, fit_property(value), source, runtime)

    async def store_properties(self) -> None:
        """Store the build's properties now: Buildbot does so only at the end of the step."""
        store = self.master.data.updates.setBuildProperties
        await self.until_stored(lambda: store(self.build.buildid, self.build))

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

    async def write_report(self, name: str, kind: str, parts: Iterable[str]) -> None:
        """Write a long text to a log of its own, and yield to the reactor between its parts.

        Args:
            name: the name of the log.
            kind: Buildbot's type of the log: ``t`` for text, ``h`` for HTML.
            parts: the text; they are joined.
        """
        log = await self.until_stored(lambda: self.addLog(name, type=kind))
        waiting: list[str] = []
        size = 0
        for part in parts:
            waiting.append(part)
            size += len(part)
            if size >= self.timing.log_part:
                # Whole lines: Buildbot keeps the start of another one, also of a write that fails.
                text, end, rest = clean_text("".join(waiting)).rpartition("\n")
                await self.until_stored(partial(log.addContent, text + end))
                await self._build_data.pause()
                waiting, size = [rest], len(rest)
        # The step finishes its logs at its end: Buildbot's own finish can't be repeated.
        await self.until_stored(partial(log.addContent, clean_text("".join(waiting))))

    async def until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write to the master's database, and retry while it is unreachable."""
        policy = self.timing.database_retry
        return await until_stored(write, self.master.reactor, policy, str(self.name))

    async def store_attempt(self, value: Mapping[str, Any]) -> None:
        """Store what the next attempt of the same build request must know: a JSON object."""
        name, row = data_name(str(self.name)), to_row(value, self._identity)
        await self.until_stored(lambda: self._build_data.put(self.build.buildid, name, row))

    async def find_earlier_attempt(self) -> dict[str, Any] | None:
        """Return what this step stored in the newest earlier attempt that did, or None.

        The steps of an earlier attempt may have had other names, or an equal name may have been
        another step's: see :class:`StepIdentity`.
        """
        data, own = self._build_data, data_name(str(self.name))
        build_id = self.build.buildid
        for earlier in await self._earlier_builds():
            rows = await self.until_stored(partial(data.rows, earlier))
            found = choose_attempt(earlier, rows.items(), own, self._identity, self._taken)
            if found is not None:
                row, value = found
                self.found_attempt = (earlier, row)
                # The janitor deletes the data of a build that ended long ago.
                await self.store_attempt(value)
                return value
            if own in rows:
                self._log.info(
                    "{name} of build {id} leaves alone what another step of that name began in"
                    " build {earlier}",
                    name=self.name,
                    id=build_id,
                    earlier=earlier,
                )
        return None

    async def store_stop(self, reason: str) -> None:
        """Store that a person stopped the step: until it has ended, another attempt may come."""
        name, value = self._stop_row, reason.encode()
        await self.until_stored(lambda: self._build_data.put(self.build.buildid, name, value))

    async def earlier_stop(self) -> str | None:
        """Return why a person stopped this step in an earlier attempt, None if no one did."""
        for earlier in await self._earlier_builds():
            read = partial(self._build_data.get, earlier, self._stop_row)
            found = await self.until_stored(read)
            if found is not None:
                return found.decode(errors="replace")
        return None

    async def own_rows(self) -> RowsPlace:
        """Return the place of the rows of the build request: with this build from now on."""
        own = self.build.buildid
        place = await self.until_stored(lambda: RowsPlace.find(self.master, own))
        return await self.until_stored(lambda: place.move(own))

    @property
    def _stop_row(self) -> str:
        return data_name(str(self.name), "stopped")

    async def _earlier_builds(self) -> list[int]:
        if self._earlier is None:
            find = partial(self._build_data.earlier_builds, self.build.buildid)
            self._earlier = await self.until_stored(find)
        return self._earlier

    @property
    def _identity(self) -> StepIdentity:
        names = [
            name
            for name, each in self.arguments.items()
            if (each.required or each.required_unless or name in IDENTIFYING) and not each.secret
        ]
        configured = {name: self.declared_values[name] for name in names}
        rendered = {name: getattr(self, name) for name in names}
        if "profile" in names:
            configured["profile"] = rendered["profile"] = profile_name(configured["profile"])
        return StepIdentity.of(type(self).__name__, configured, rendered)

    @property
    def _taken(self) -> set[tuple[int, str]]:
        """The rows that other steps of this attempt have found to be theirs."""
        steps = [each for each in self.build.executedSteps if isinstance(each, StoringStep)]
        found = [each.found_attempt for each in steps if each is not self]
        return {each for each in found if each is not None}

    @property
    def _build_data(self) -> BuildData:
        return BuildData(self.master, DATA_SOURCE)
