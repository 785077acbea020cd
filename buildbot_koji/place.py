"""A worker for builds that only wait for Koji and run nothing on it."""

from __future__ import annotations

from inspect import signature
from typing import Any

from buildbot.config.errors import error as config_error
from buildbot.worker.base import AbstractWorker
from buildbot.worker.local import LocalWorker

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.places import place_in_config

__all__ = ["KojiPlace"]

_CHECKS = {"name": checks.text, "max_builds": checks.positive, "properties": checks.json_struct}


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
        given = {"name": name, **arguments}
        wrong = {
            each: f"{each} is not an argument of KojiPlace{checks.did_you_mean(each, known)}"
            for each in given.keys() - known
        }
        for each, check in _CHECKS.items():
            value = given.get(each)
            complaint = None if value is None else check(value)
            if complaint is not None:
                wrong[each] = f"{each}={value!r} {complaint}"
        place = place_in_config()
        where = "" if place is None else f"{place}: "
        for complaint in wrong.values():
            config_error(f"{where}KojiPlace: {complaint}")
        good = {each: value for each, value in given.items() if each not in wrong}
        # Buildbot's wants the name by its place.
        super().__init__(good.pop("name", "koji-place"), **good)

    def putInQuarantine(self) -> None:
        """Stay available for the next build."""
