"""The tasks that the mass builds of a completed build request left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from buildbot_koji.durable.store import RowsPlace
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.durable.unreadable import UnreadableRow, reading, saying
from buildbot_koji.mass.context import intent_of
from buildbot_koji.mass.plan import MassPackage
from buildbot_koji.mass.stored import MassStore, MassStores
from txkoji import Call


async def left_by_mass_builds(
    master: Any, build_id: int, say: Callable[[UnreadableRow], object]
) -> list[TaskIntent]:
    """Return the tasks of a completed request's mass builds that are to be canceled.

    Tasks whose step the last attempt reached are not among them: it has canceled or left them.

    Args:
        master: the Buildbot master.
        build_id: the newest build of the request that ended with RETRY.
        say: called with the error of each row of a plan that can't be read.
    """
    found: list[TaskIntent] = []
    place = await RowsPlace.find(master, build_id)
    if place.build_id > build_id:
        # The last attempt reached the step.
        return found
    with saying(say):
        for store in await MassStores(place).all():
            with saying(say):
                found += await _left_by(store, say)
    return found


async def _left_by(store: MassStore, say: Callable[[UnreadableRow], object]) -> list[TaskIntent]:
    loaded = await store.load(say)
    if loaded is None or loaded[0].get("cancel_on") is None:
        return []
    cancel_on = str(loaded[0]["cancel_on"])
    left = unended(*loaded)
    return [replace(intent, cancel_on=cancel_on) for each, intent in left if each.may_have_task]


def unended(
    header: Mapping[str, Any], packages: Iterable[MassPackage]
) -> list[tuple[MassPackage, TaskIntent]]:
    """Return the packages of a stored mass build whose tasks may run on, and their intents."""
    left = [each for each in packages if each.begun is not None and not each.is_final]
    if not left:
        # Before the calls were stored, mass builds ended, too.
        return []
    with reading("the calls of a mass build"):
        run_id, call = str(header["run"]), Call.from_json(header["call"])
        return [
            (each, intent_of(each, run_id, replace(call, args=(each.source, *call.args[1:]))))
            for each in left
        ]
