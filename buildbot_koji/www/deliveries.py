"""The page *Gates and deliveries*: reporters and cancellations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildbot_koji.database_values import number
from buildbot_koji.durable.cancellations import PendingCancellation
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.reporters.status import OpenGate, ReporterStatus
from buildbot_koji.www.plain import LONG, link, text
from txkoji import paths

SHOWN = 200
"""Deliveries of a kind that are listed."""


def delivery_id(delivery: Delivery) -> str:
    """Return what names a delivery of a reporter in an address."""
    return f"{delivery.build_id}-{delivery.name}"


def reporter_json(
    status: ReporterStatus,
    elsewhere: Sequence[Delivery],
    dead: Sequence[Delivery],
    weburl: str | None,
    builder_ids: Mapping[str, int | None],
) -> dict[str, Any]:
    """Return what the page shows of a reporter."""
    pending = [*status.pending, *elsewhere]
    newest = sorted(dead, key=lambda each: -each.since)
    return {
        "name": text(status.name),
        "kind": text(status.kind),
        "hub": text(status.hub),
        "does": text(status.does or None, LONG),
        "pending": [_delivery_json(each, attempts=each.attempts) for each in pending[:SHOWN]],
        "pending_count": len(pending),
        "dead": [_delivery_json(each, nvr=text(each.nvr)) for each in newest[:SHOWN]],
        # One may have become a dead letter since they were counted.
        "dead_count": max(len(dead), status.dead),
        "gates": [_gate_json(each, weburl, builder_ids) for each in status.gates[:SHOWN]],
    }


def cancellation_json(pending: PendingCancellation, hub: str, weburl: str) -> dict[str, Any]:
    """Return what the page shows of a task that is still to be canceled."""
    intent, task = pending.intent, pending.intent.task_id
    return {
        "hub": text(hub),
        "task_id": task,
        "method": text(intent.call.method),
        "since": number(pending.since),
        "reason": text(pending.reason, LONG),
        "url": None if task is None else link(paths.task_url(weburl, task)),
    }


def _delivery_json(delivery: Delivery, **more: Any) -> dict[str, Any]:
    subject = delivery.subject
    return {
        "id": text(delivery_id(delivery)),
        "what": text(f"{delivery.name} of {subject}" if subject else delivery.name),
        "build_id": delivery.build_id,
        "since": number(delivery.since),
        "reason": text(delivery.said or None, LONG),
        **more,
    }


def _gate_json(
    gate: OpenGate, weburl: str | None, builder_ids: Mapping[str, int | None]
) -> dict[str, Any]:
    number_there = gate.koji_build_id
    return {
        "nvr": text(gate.subject),
        "votes_there": [
            {"builder": text(builder), "result": result} for builder, result in gate.there.items()
        ],
        "votes_missing": [
            {"builder": text(name), "builder_id": builder_ids.get(name)} for name in gate.missing
        ],
        "since": number(gate.since),
        "url": None
        if number_there is None or weburl is None
        else link(paths.build_url(weburl, number_there)),
    }
