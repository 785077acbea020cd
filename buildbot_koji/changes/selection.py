"""Which of a hub's events become changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from buildbot_koji.database_values import member
from txkoji import SUBMISSION_MARKER, Event, PackageListChange, RepoDone, TaskStateChange, matches


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The arguments of a ``KojiChangeSource`` that an event must match.

    An empty sequence and None match any event.
    """

    packages: Sequence[str] = ()
    targets: Sequence[str] = ()
    owners: Sequence[str] = ()
    build_types: Sequence[str] = ()
    methods: Sequence[str] = ()
    scratch: bool | None = None
    ignore_marker: bool = False
    filter: Callable[[Event], Any] | None = None

    def may_fit(self, event: Event) -> bool:
        """Return whether an event, whose details may still be missing, can match."""
        return not (
            self._other_package(event)
            or (_owner(event) is not None and self._other_owner(event))
            or (event.task is not None and self._other_task(event))
            or (self.ignore_marker and _has_marker(event))
        )

    def fits(self, event: Event) -> bool:
        """Return whether a complete event matches.

        Raises:
            Exception: whatever :attr:`filter` raises.
        """
        return (
            not self._other_package(event)
            and not self._other_owner(event)
            and not self._other_task(event)
            and not self._other_build(event)
            and not (self.ignore_marker and _has_marker(event))
            and (self.filter is None or bool(self.filter(event)))
        )

    def _other_package(self, event: Event) -> bool:
        has_package = not isinstance(event, RepoDone)
        return has_package and _differs(event.package_name, self.packages)

    def _other_owner(self, event: Event) -> bool:
        has_owner = event.build is not None or event.task is not None
        return has_owner and _differs(_owner(event), self.owners)

    def _other_task(self, event: Event) -> bool:
        task = event.task
        if isinstance(event, TaskStateChange) and task is not None:
            other_kind = self.scratch is not None and task.is_scratch != self.scratch
            if other_kind or (self.methods and task.method not in self.methods):
                return True
        if isinstance(event, (RepoDone, PackageListChange)):
            return False
        target = event.target or (None if task is None else task.target)
        return _differs(target, self.targets)

    def _other_build(self, event: Event) -> bool:
        wanted = set(self.build_types)
        return bool(wanted) and event.build is not None and wanted.isdisjoint(event.types)


def _differs(value: str | None, patterns: Sequence[str]) -> bool:
    return bool(patterns) and not matches(value, patterns)


def _owner(event: Event) -> str | None:
    struct: Any = event.build if event.build is not None else event.task
    return None if struct is None else struct.get("owner_name")


def _has_marker(event: Event) -> bool:
    metadata: Any = None
    build: Any = event.build
    if build is not None:
        metadata = member(build, "extra", "custom_user_metadata")
    elif event.task is not None:
        metadata = member(event.task.params, "opts", "custom_user_metadata")
    return isinstance(metadata, dict) and SUBMISSION_MARKER in metadata
