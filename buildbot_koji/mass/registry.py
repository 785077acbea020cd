"""The mass builds that run in a master, or ended there lately: for pages, and for other steps."""

from __future__ import annotations

import weakref
from typing import Any

from buildbot_koji.mass.status import MassStatus

KEPT = 5
"""How many mass builds that have ended are kept."""


_builds: weakref.WeakKeyDictionary[Any, dict[str, MassStatus]] = weakref.WeakKeyDictionary()


def register(master: Any, mass_build: MassStatus) -> None:
    """Make a mass build known; replaces one with the same id."""
    found = _builds.setdefault(master, {})
    found.pop(mass_build.id, None)
    found[mass_build.id] = mass_build
    ended = [each.id for each in found.values() if each.has_ended]
    for each in ended[:-KEPT]:
        del found[each]


def running(master: Any) -> list[MassStatus]:
    """Return the mass builds that run in a master, or ended there lately, the newest last."""
    return list(_builds.get(master, {}).values())
