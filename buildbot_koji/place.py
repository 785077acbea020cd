"""A worker for builds that only wait for Koji and run nothing on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from buildbot.worker.local import LocalWorker

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.places import place_in_config
from buildbot_koji.arguments.plugins import DeclaredArguments


class KojiPlace(DeclaredArguments, LocalWorker):
    """A ``worker.LocalWorker`` that is never quarantined.

    After a build that ends as EXCEPTION Buildbot gives the worker no build for ten seconds, and
    twice as long each time, up to an hour: the worker may be broken. A build that waits for a
    broken hub ends that way, and would hold up builds that don't need the hub.
    """

    passed_on: ClassVar[Mapping[str, checks.Check]] = {
        "workdir": checks.text,
        "max_builds": checks.positive,
        "notify_on_missing": checks.text_or_texts,
        "missing_timeout": checks.pause,
        "properties": checks.json_struct,
        "defaultProperties": checks.json_struct,
        "locks": checks.locks,
        "keepalive_interval": checks.seconds,
        "machine_name": checks.text,
    }
    passed_on_help: ClassVar[str] = "what Buildbot's own ``worker.LocalWorker`` takes"

    name = argument(
        checks.short_name, "its name, for ``workernames``", default="koji-place", positional=True
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        others = self._take(args, kwargs)
        mistakes = self.complaints_about(self.declared_values)
        place = place_in_config()
        if place is not None and not mistakes:
            # Buildbot silently keeps one of them.
            again = place.complaint_about_name("worker", self.declared_values["name"])
            mistakes = mistakes if again is None else [again]
        self._report(mistakes)
        # Buildbot's wants the name by its place.
        name = None if mistakes else self.declared_values["name"]
        super().__init__(name or self.arguments["name"].default, **others)

    def putInQuarantine(self) -> None:
        """Stay available for the next build."""
