"""The page *Packages*: the builds of a package, from the master's database.

Buildbot has no index on the names of properties: only the newest builds are read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy
from buildbot.process.results import EXCEPTION, FAILURE, SKIPPED, SUCCESS

from buildbot_koji.database_values import number
from buildbot_koji.durable.database import is_recent
from buildbot_koji.properties import PACKAGE, SOURCE
from buildbot_koji.words import outcome
from buildbot_koji.www.plain import LONG, link, text
from txkoji import nvr

RECENT = 5000
"""How many of the newest builds are searched for packages."""

MOST_NAMES = 500

MOST_BUILDS = 50

MOST_FAILURES = 5
"""Builds that failed, and packages of each mass build."""

DAY = 24 * 3600.0

_RESULTS = {"built": SUCCESS, "adopted": SUCCESS, "failed": FAILURE, "skipped": SKIPPED}
"""Buildbot's result for each final state of a package of a mass build."""

SHOWN = (
    PACKAGE,
    "koji_nvr",
    "koji_nvrs",
    "koji_reason",
    "koji_failed_arch",
    "koji_task_url",
    "koji_log_url",
)
"""The properties that the page shows."""


def package_names(
    connection: sqlalchemy.Connection, model: Any, wanted: str, others: Iterable[str]
) -> list[str]:
    """Return the names of the packages of the newest builds, sorted."""
    found = {*others, *(name for _, name in _packages(connection, model))}
    matching = sorted(name for name in found if wanted.lower() in name.lower())
    return matching[:MOST_NAMES]


def builds_of_package(
    connection: sqlalchemy.Connection, model: Any, package: str
) -> list[dict[str, Any]]:
    """Return the newest builds of a package as the page shows them, the newest first."""
    numbers = {build for build, name in _packages(connection, model) if name == package}
    return _shown(connection, model, sorted(numbers, reverse=True)[:MOST_BUILDS], package)


def last_failures(
    connection: sqlalchemy.Connection, model: Any, now: float
) -> list[dict[str, Any]]:
    """Return the last builds of a day that failed in Koji, the newest first."""
    builds, properties = model.builds.c, model.build_properties.c
    rows = connection.execute(
        sqlalchemy.select(builds.id)
        .join_from(model.builds, model.build_properties, builds.id == properties.buildid)
        .where(
            is_recent(model, builds.id, RECENT),
            builds.results.in_([FAILURE, EXCEPTION]),
            builds.complete_at > now - DAY,
            properties.name == "koji_reason",
            properties.source == SOURCE,
        )
        .order_by(builds.id.desc())
        .limit(MOST_FAILURES)
    )
    return _shown(connection, model, [row.id for row in rows])


def _shown(
    connection: sqlalchemy.Connection, model: Any, chosen: Sequence[int], package: str | None = None
) -> list[dict[str, Any]]:
    properties = model.build_properties.c
    rows = connection.execute(
        sqlalchemy.select(properties.buildid, properties.name, properties.value).where(
            properties.buildid.in_(chosen), properties.name.in_(SHOWN)
        )
    )
    values: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        values[row.buildid][row.name] = _decoded(row.value)
    found = _chosen(connection, model, chosen)
    return [build_json(row, values[row["id"]], package) for row in found]


def _chosen(
    connection: sqlalchemy.Connection, model: Any, chosen: Sequence[int]
) -> Sequence[Mapping[str, Any]]:
    """Return builds, with the names of their builders, the newest first."""
    builds, builders = model.builds.c, model.builders.c
    found = connection.execute(
        sqlalchemy.select(
            builds.id,
            builds.number,
            builds.builderid,
            builds.started_at,
            builds.complete_at,
            builds.results,
            builds.state_string,
            builders.name,
        )
        .join_from(model.builds, model.builders, builds.builderid == builders.id)
        .where(builds.id.in_(chosen))
        .order_by(builds.id.desc())
    )
    return [dict(row) for row in found.mappings()]


def builds_named(
    connection: sqlalchemy.Connection, model: Any, chosen: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Return the builder and the number of builds, by their ids; a deleted one has none."""
    return {row["id"]: _place(row) for row in _chosen(connection, model, chosen)}


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "builder": text(row["name"]),
        "builder_id": row["builderid"],
        "build_number": row["number"],
    }


def build_json(
    row: Mapping[str, Any], properties: Mapping[str, Any], package: str | None = None
) -> dict[str, Any]:
    """Return what the page shows of a build, or of what it did for one package. Pure."""
    started, ended = number(row["started_at"]), number(row["complete_at"])
    results, said, made = row["results"], row["state_string"], properties.get("koji_nvr")
    if "koji_nvrs" in properties:
        # Of a chain, another package may be built than failed.
        own = dict(_built(properties["koji_nvrs"])).get(package or "")
        if own is not None:
            results, said, made = SUCCESS, f"built {own}", own
        elif results != SUCCESS:
            made = properties.get(PACKAGE)
    # A step whose failure the build tolerates leaves a reason, too.
    shown = {} if results == SUCCESS else properties
    return {
        **_place(row),
        "buildid": row["id"],
        "results": results,
        "state_string": text(outcome(str(said or "")), LONG),
        "started": started,
        "duration": None if started is None or ended is None else max(ended - started, 0),
        "nvr": text(made),
        "reason": text(shown.get("koji_reason"), LONG),
        "failed_arch": text(shown.get("koji_failed_arch")),
        "url": link(properties.get("koji_task_url")),
        "log_url": link(shown.get("koji_log_url")),
    }


def mass_build_json(mass: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a package of a mass build, like :func:`build_json`. Pure."""
    return {
        **{name: mass[name] for name in ("builder", "builder_id", "build_number")},
        "buildid": None,
        "results": _RESULTS.get(row["state"]),
        "state_string": text(row["state"]),
        "started": number(row["since"]),
        "duration": number(row["duration"]),
        "nvr": text(row["nvr"] or row["package"]),
        "reason": text(row["reason"], LONG),
        "failed_arch": text(row["arch"]),
        "url": link(row["url"]),
        "log_url": link(row["log_url"]),
    }


def _packages(connection: sqlalchemy.Connection, model: Any) -> Iterable[tuple[int, str]]:
    """Yield the newest builds that a Koji step made, each with the name of its package."""
    properties = model.build_properties.c
    rows = connection.execute(
        sqlalchemy.select(properties.buildid, properties.name, properties.value).where(
            is_recent(model, properties.buildid, RECENT),
            properties.name.in_([PACKAGE, "koji_nvr", "koji_nvrs"]),
            properties.source == SOURCE,
        )
    )
    for row in rows:
        value = _decoded(row.value)
        if row.name == PACKAGE and isinstance(value, str):
            yield row.buildid, value
        elif row.name != PACKAGE:
            yield from ((row.buildid, name) for name, _ in _built(value))


def _built(value: Any) -> Iterable[tuple[str, str]]:
    """Yield the package and the NVR of each build that a property names."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and (parsed := nvr.parse(each)) is not None:
            yield parsed.name, each


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None
