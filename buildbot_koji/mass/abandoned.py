"""The tasks that the mass builds of a completed build request left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from buildbot_koji.durable.store import RowsPlace
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.durable.unreadable import reading
from buildbot_koji.mass.context import intent_of
from buildbot_koji.mass.stored import MassStores
from txkoji import Call


async def left_by_mass_builds(master: Any, build_id: int) -> list[TaskIntent]:
    """Return the tasks of a completed request's mass builds that are to be canceled.

    Tasks whose step the last attempt reached are not among them: it has canceled or left them.

    Args:
        master: the Buildbot master.
        build_id: the newest build of the request that ended with RETRY.

    Raises:
        UnreadableRow: a plan can't be read.
    """
    found: list[TaskIntent] = []
    place = await RowsPlace.find(master, build_id)
    if place.build_id > build_id:
        # The last attempt reached the step.
        return found
    for store in await MassStores(place).all():
        loaded = await store.load()
        if loaded is None or loaded[0].get("cancel_on") is None:
            continue
        header, packages = loaded
        with reading(f"the calls of the mass build {store.name}"):
            run_id, cancel_on = str(header["run"]), str(header["cancel_on"])
            call = Call.from_json(header["call"])
            for each in packages:
                if each.may_have_task:
                    own = replace(call, args=(each.source, *call.args[1:]))
                    found.append(replace(intent_of(each, run_id, own), cancel_on=cancel_on))
    return found
