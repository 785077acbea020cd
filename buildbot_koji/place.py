"""A worker for builds that only wait for Koji and run nothing on it."""

from __future__ import annotations

from inspect import signature
from typing import Any

from buildbot.config.errors import error as config_error
from buildbot.worker.base import AbstractWorker
from buildbot.worker.local import LocalWorker

from buildbot_koji.arguments.checks import did_you_mean
from buildbot_koji.arguments.places import place_in_config

__all__ = ["KojiPlace"]


class KojiPlace(LocalWorker):
    """A ``worker.LocalWorker`` that is never quarantined.

    After a build that ends as EXCEPTION Buildbot gives the worker no build for ten seconds, and
    twice as long each time, up to an hour: the worker may be broken. A build that waits for a
    broken hub ends that way, and would hold up builds that don't need the hub.

    Takes the arguments of ``worker.LocalWorker``; the only place needs no name.
    """

    def __init__(self, name: str = "koji-place", **arguments: Any) -> None:
        # Buildbot itself raises a TypeError that names one of its methods.
        known = {"workdir", *signature(AbstractWorker.checkConfig).parameters} - {
            "self",
            "password",
        }
        for each in arguments.keys() - known:
            place = place_in_config()
            where = "" if place is None else f"{place}: "
            hint = did_you_mean(each, known)
            config_error(f"{where}KojiPlace: {each} is not an argument of KojiPlace{hint}")
            del arguments[each]
        super().__init__(name, **arguments)

    def putInQuarantine(self) -> None:
        """Stay available for the next build."""
