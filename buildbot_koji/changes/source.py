"""The change source: its arguments, and its life among Buildbot's services."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, ClassVar

from buildbot.changes.base import ChangeSource
from buildbot.config.errors import error as config_error
from buildbot.util.twisted import async_to_deferred
from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.changes.listener import Listener
from buildbot_koji.changes.options import SourceLimits, SourceOptions
from buildbot_koji.hubs.koji_hub import KojiHub
from txkoji import EVENT_NAMES

__all__ = ["KojiChangeSource"]

TAG_EVENTS = frozenset({"tagged", "untagged", "package-listed", "repo-done"})

NEEDS_BUS = frozenset({"build-deleted", "rpm-signed"})
"""Koji keeps no time of these: only a message tells of them."""

_MANY_TEXTS = {"events", "tags", "packages", "targets", "owners", "build_types", "methods"}
_CHECKS: dict[str, checks.Check] = {
    "profile": checks.hub,
    **dict.fromkeys(sorted(_MANY_TEXTS), checks.texts),
    "inherited": checks.flag,
    "scratch": checks.flag,
    "ignore_marker": checks.flag,
    "rpms": checks.flag,
    "project": checks.text,
    "codebase": checks.text,
    "poll_interval": checks.seconds,
    "overlap": checks.seconds,
    "stale_after": checks.seconds,
}


class KojiChangeSource(ChangeSource):
    """Makes changes of what happens on a Koji hub, each exactly once.

    It polls the hub, with a cursor that misses nothing; a bus makes it fast. In a cluster of
    masters, one of them has it.

    Args:
        profile: the name of the hub's profile, or a ``util.KojiHub``.
        name: its name; by default made of the profile's. It is the key to what it has stored.
        events: what becomes a change: names of :data:`txkoji.history.events.EVENT_NAMES`.
        tags: names of tags, or globs (``*``, ``?``), in which builds are tagged or untagged,
            packages listed and repos made.
        inherited: count also what happens in the tags that these inherit from.
        packages: names of packages, or globs.
        targets: names of build targets, or globs, for what was built by a task.
        owners: names of the owners of builds and tasks, or globs.
        build_types: ``rpm``, ``maven``, ``image`` and so on.
        methods: the methods of tasks. The events of tasks need it: a hub has many.
        scratch: only tasks that are (True) or are not (False) scratch builds.
        ignore_marker: leave out what this package's steps have submitted.
        filter: called with each :class:`txkoji.history.events.Event` that all this lets through;
            what it returns decides.
        rpms: whether ``koji_rpms`` is among the properties, at the price of a look-up.
        project: the project of all changes; by default the name of the package.
        codebase: their codebase; by default what the ``codebaseGenerator`` says.
        poll_interval: seconds between two polls.
        overlap: seconds that a transaction of the hub may take: so long is looked back.
        since: where the very first run begins: a ``timedelta`` back or an aware ``datetime``. By
            default, with what happens from then on.
        bus: a ``util.KojiAMQP`` or ``util.KojiAMQP1``; None to poll only.
        quiet_time: wait until nothing has happened for so many seconds before changes are made.
        max_changes_per_hour: hold back what is more, in order, until there is room.
        stale_after: seconds after which it is said that the hub is not heard any more.
    """

    _log = Logger()

    compare_attrs: ClassVar[Sequence[str]] = ()
    secrets: ClassVar[Sequence[str]] = ("bus",)
    limits: ClassVar[SourceLimits] = SourceLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            profile = args[0] if args else kwargs.get("profile")
            kwargs["name"] = f"KojiChangeSource-{_profile_name(profile)}"
        self._running: Listener | None = None
        self._announced = 0
        super().__init__(*args, **kwargs)

    def checkConfig(self, profile: Any = None, **options: Any) -> None:
        """Check the arguments; mistakes go to Buildbot's configuration errors."""
        values = {**_DEFAULTS, **options, "profile": profile}
        unknown = [f"takes no {each}" for each in sorted(set(options) - set(_DEFAULTS))]
        for complaint in [*unknown, *_complaints(values)]:
            config_error(f"KojiChangeSource: {complaint}")

    @async_to_deferred
    async def reconfigServiceWithSibling(self, sibling: Any) -> None:
        """Take another configuration, in one turn."""
        await super().reconfigServiceWithSibling(sibling)
        # Buildbot compares with the arguments of the first configuration for ever otherwise.
        self._config_args = sibling._config_args  # noqa: SLF001 - of our own class
        self._config_kwargs = sibling._config_kwargs  # noqa: SLF001 - likewise

    @async_to_deferred
    async def reconfigService(  # type: ignore[override]  # Buildbot's own take what they need, too
        self, profile: Any = None, **options: Any
    ) -> None:
        """Take the arguments; a source that is active goes on with them."""
        await super().reconfigService()
        self._options = {**_DEFAULTS, **options, "profile": profile}
        if self._running is not None:
            await self.deactivate()
            await self.activate()

    @async_to_deferred
    async def activate(self) -> None:
        """Begin to listen, in the background."""
        options = SourceOptions(hub_name=_profile_name(self._options["profile"]), **self._options)
        self._running = Listener(
            self.master, str(self.name), options, self.limits, announced=self._announced
        )
        self._running.start()

    @async_to_deferred
    async def deactivate(self) -> None:
        """Stop listening; returns when nothing is stored any more."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()
            self._announced = running.announced

    def describe(self) -> str:
        """Return what it is, in a line."""
        return str(self.name)

    def wake(self) -> None:
        """Poll now, where it is active on this master."""
        if self._running is not None:
            self._running.wake()


_DEFAULTS: dict[str, Any] = {
    "events": ("tagged",),
    "tags": (),
    "inherited": False,
    "packages": (),
    "targets": (),
    "owners": (),
    "build_types": (),
    "methods": (),
    "scratch": None,
    "ignore_marker": False,
    "filter": None,
    "rpms": True,
    "project": None,
    "codebase": None,
    "poll_interval": 300.0,
    "overlap": 300.0,
    "since": None,
    "bus": None,
    "quiet_time": 0,
    "max_changes_per_hour": None,
    "stale_after": 3600.0,
}


def _profile_name(profile: Any) -> str:
    return str(profile.profile if isinstance(profile, KojiHub) else profile)


def _complaints(values: dict[str, Any]) -> list[str]:
    found = checks.complaints(values, _CHECKS, ["profile"])
    if found:
        return found
    events = set(values["events"])
    for name in sorted(events - set(EVENT_NAMES)):
        found.append(f"events: there is no {name!r}; there are {', '.join(EVENT_NAMES)}")
    if not events:
        found.append("events is empty: name at least one")
    if events & TAG_EVENTS and not values["tags"]:
        found.append(
            f"tags is missing: {', '.join(sorted(events & TAG_EVENTS))} happen in tags; name them,"
            " or write ['*'] for all"
        )
    if any(name.startswith("task-") for name in events) and not values["methods"]:
        found.append("methods is missing: name the methods of the tasks, such as ['build']")
    if events & NEEDS_BUS and values["bus"] is None:
        found.append(
            f"bus is missing: Koji keeps no time of {', '.join(sorted(events & NEEDS_BUS))}, only a"
            " message tells of it"
        )
    if values["filter"] is not None and not callable(values["filter"]):
        found.append(f"filter={values['filter']!r} must be a function that takes an event")
    found += _number_complaints(values)
    since = values["since"]
    aware = isinstance(since, datetime.datetime) and since.tzinfo is not None
    if since is not None and not aware and not isinstance(since, datetime.timedelta):
        found.append(f"since={since!r} must be a timedelta or an aware datetime")
    bus = values["bus"]
    if bus is not None:
        if not hasattr(bus, "receiving_complaint"):
            found.append(f"bus={bus!r} must be a util.KojiAMQP or util.KojiAMQP1")
        elif bus.receiving_complaint() is not None:
            found.append(f"bus: {bus.receiving_complaint()}")
    return found


def _number_complaints(values: dict[str, Any]) -> list[str]:
    found = []
    if values["quiet_time"] != 0 and checks.seconds(values["quiet_time"]):
        found.append(f"quiet_time={values['quiet_time']!r} must be a number of seconds, or 0")
    most = values["max_changes_per_hour"]
    if most is not None and (checks.integer(most) or most < 1):
        found.append(f"max_changes_per_hour={most!r} must be a whole number greater than 0")
    if values["stale_after"] <= values["poll_interval"]:
        found.append(
            f"stale_after={values['stale_after']!r} must be more than poll_interval, which is"
            f" {values['poll_interval']!r}"
        )
    return found
