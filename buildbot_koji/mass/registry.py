"""The mass builds that run in a master, or ended there lately: for pages, and for other steps."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, Protocol

__all__ = ["RunningMassBuild", "register", "running"]

KEPT = 5
"""How many mass builds that have ended are kept."""


class RunningMassBuild(Protocol):
    """A mass build, as a page sees it.

    Attributes:
        id: tells it from the others.
        has_ended: whether nothing more happens to it.
    """

    id: str
    has_ended: bool

    def status(self) -> dict[str, Any]:
        """Return its progress, as ``GET api/mass`` gives it."""
        ...

    def package_rows(self, name: str | None = None) -> Iterable[dict[str, Any]]:
        """Yield its packages, or one, as ``GET api/mass/ID/packages`` gives them."""
        ...

    def submitted(self) -> Iterable[str]:
        """Yield the names of the packages that have a task."""
        ...

    def last_failures(self, most: int) -> Iterable[dict[str, Any]]:
        """Return the packages that failed, as :meth:`package_rows`; the last submitted first."""
        ...

    def pause(self) -> None:
        """Submit nothing more until :meth:`resume`; running tasks continue."""

    def resume(self) -> None:
        """Submit again."""

    def stop(self, reason: str) -> None:
        """Stop the build, as a user does."""


_builds: weakref.WeakKeyDictionary[Any, dict[str, RunningMassBuild]] = weakref.WeakKeyDictionary()


def register(master: Any, mass_build: RunningMassBuild) -> None:
    """Make a mass build known; replaces one with the same id."""
    found = _builds.setdefault(master, {})
    found.pop(mass_build.id, None)
    found[mass_build.id] = mass_build
    ended = [each.id for each in found.values() if each.has_ended]
    for each in ended[:-KEPT]:
        del found[each]


def running(master: Any) -> list[RunningMassBuild]:
    """Return the mass builds that run in a master, or ended there lately, the newest last."""
    return list(_builds.get(master, {}).values())
