"""The mass builds that ended, from the master's database: those before its start, too."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import sqlalchemy
from buildbot.process.results import RETRY
from twisted.logger import Logger

from buildbot_koji.durable.database import is_recent, transact
from buildbot_koji.durable.store import RowsPlace
from buildbot_koji.durable.unreadable import UnreadableRow, reading
from buildbot_koji.mass.progress import MassProgress
from buildbot_koji.mass.status import KEPT, EndedMassBuild
from buildbot_koji.mass.stored import MassStores
from buildbot_koji.properties import MASS_ID, SOURCE
from txkoji import one_line
from txkoji.elapsed import ElapsedTime

RECENT = 5000
"""Builds among which mass builds are looked for, the newest ones."""

FRESH_FOR = 30.0
"""Seconds between two looks: what ends in this master is known without one."""


class EndedMassBuilds:
    """Finds the mass builds that ended last."""

    _log = Logger()

    def __init__(self, master: Any) -> None:
        self._master = master
        self._looked = float("-inf")
        self._found: dict[str, EndedMassBuild] = {}
        self._hidden: set[str] = set()

    async def get(self, here: Collection[str] = ()) -> list[EndedMassBuild]:
        """Return them, the newest last, without those that ran in this master."""
        now = ElapsedTime(self._master.reactor).seconds()
        if now - self._looked >= FRESH_FOR:
            rows = await transact(self._master, partial(_rows, model=self._master.db.model))
            found = {
                key: self._found.get(key) or await self._loaded(key, row)
                for key, row in reversed(rows.items())
                if key not in here
            }
            self._found = {key: each for key, each in found.items() if each is not None}
            self._looked = now
        return [each for key, each in self._found.items() if key not in here]

    async def _loaded(self, key: str, row: Mapping[str, Any]) -> EndedMassBuild | None:
        """Return a mass build; None for one that can't be read, which hides no other."""
        try:
            return await self._load(key, row)
        except UnreadableRow as error:
            if key not in self._hidden:
                self._log.warn("can't show mass build {id}: {error}", id=key, error=one_line(error))
            self._hidden.add(key)
            return None

    async def _load(self, key: str, row: Mapping[str, Any]) -> EndedMassBuild | None:
        """Return a mass build; None if the janitor has removed what was stored of it."""
        stores = MassStores(await RowsPlace.find(self._master, row["root"]))
        store = await stores.called(row["step"])
        found = await store.load()
        if found is None:
            return None
        (header, packages), control = found, await store.control()
        with reading(f"the mass build {store.name}"):
            return EndedMassBuild(
                key,
                str(header["hub"]),
                str(header["weburl"]),
                row["builder"],
                row["builderid"],
                row["number"],
                packages,
                summary=row["state_string"],
                started=float(header["began"]),
                progress=MassProgress(control.get("progress") or ()).rows(),
                stopped=str(control.get("stopped") or ""),
            )


def _rows(connection: sqlalchemy.Connection, model: Any) -> dict[str, dict[str, Any]]:
    """Return all steps of the last builds with a mass build, by its id if the step is one.

    The newest build comes first, and of its steps the last one.
    """
    builds, properties, steps = model.builds.c, model.build_properties.c, model.steps.c
    rows = connection.execute(
        sqlalchemy.select(
            builds.id,
            properties.value,
            steps.name.label("step"),
            steps.number.label("step_number"),
            steps.state_string,
            builds.number,
            builds.builderid,
            model.builders.c.name.label("builder"),
        )
        .join_from(model.builds, model.build_properties, builds.id == properties.buildid)
        .join(model.steps, steps.buildid == builds.id)
        .join(model.builders, model.builders.c.id == builds.builderid)
        .where(
            is_recent(model, builds.id, RECENT),
            builds.complete_at.is_not(None),
            builds.results != RETRY,
            properties.name == MASS_ID,
            properties.source == SOURCE,
        )
        .order_by(builds.id.desc(), steps.number.desc())
    )
    found: dict[str, dict[str, Any]] = {}
    last: set[int] = set()
    for row in rows.mappings():
        last.add(row["id"])
        if len(last) > KEPT:
            break
        root = json.loads(row["value"])
        found[f"{root}-{row['step_number']}"] = {**row, "root": root}
    return found
