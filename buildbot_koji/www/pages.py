"""The pages *Overview*, *Sources* and *Gates and deliveries*. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from buildbot.util import datetime2epoch

from buildbot_koji.changes.status import ListenerStatus, SourceStatus
from buildbot_koji.database_values import number
from buildbot_koji.durable.cancellations import PendingCancellation
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.hubs.credentials import CredentialStatus
from buildbot_koji.hubs.hub import MAX_CLOCK_DIFFERENCE, HubStatus
from buildbot_koji.properties import CHANGE_SOURCE, EVENT_KEY
from buildbot_koji.reporters.status import OpenGate, ReporterStatus
from buildbot_koji.words import counted, duration
from buildbot_koji.www.plain import LONG, link, text
from buildbot_koji.www.tasks import STUCK_AFTER
from txkoji import paths


def hub_state(status: HubStatus) -> str:
    """Return ``ok``, ``unreachable`` or, before the first answer, ``unknown``."""
    if status.trouble is not None:
        return "unreachable"
    return "unknown" if status.requests.last_answer is None else "ok"


def heard(status: HubStatus, now: float) -> float:
    """Return until when the state of a hub is known: while it is unreachable, tasks end unseen."""
    return now if status.trouble is None else status.requests.last_answer or now


def hub_json(status: HubStatus, now: float) -> dict[str, Any]:
    """Return what the page shows of a hub."""
    requests, watcher, survey = status.requests, status.watcher, status.survey
    return {
        "name": text(status.profile),
        "weburl": link(status.weburl),
        "server": link(status.server),
        "state": hub_state(status),
        "since": number(requests.changed_at),
        "reason": text(status.trouble, LONG),
        "last_heard": number(requests.last_answer),
        "latency": number(requests.latency),
        "version": text(survey.version),
        "plugins": None if survey.plugins is None else [text(each) for each in survey.plugins],
        "user": text(survey.user),
        "session_since": number(requests.logged_in_at) if status.is_logged_in else None,
        "credentials": [
            {
                "kind": each.kind,
                "name": text(each.name),
                "expires": number(each.expires),
                "state": each.state,
                "message": text(each.message, LONG),
            }
            for each in status.credentials
        ],
        "requests_per_second": round(requests.rate(now), 4),
        "watched": watcher.watched,
        "watch_delay": number(watcher.delay),
        "channels": [
            {
                "name": text(each.name),
                "free": each.free,
                "open": each.open,
                "capacity": number(each.capacity),
                "hosts": each.hosts,
                "ready": each.ready,
                "ours": each.ours,
                "arches": {text(arch): count for arch, count in each.arches.items()},
            }
            for each in survey.channels
        ],
        "counted_at": number(survey.counted_at),
        "clock_ahead": round(requests.clock_ahead),
        "bus": bus_words(status.bus),
    }


def bus_words(bus: bool | None) -> str | None:
    """Return ``connected`` or ``disconnected``, None without a bus."""
    return None if bus is None else "connected" if bus else "disconnected"


def masters_json(masters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the page shows of the masters that share the database."""
    return [{"name": text(each["name"]), "active": bool(each["active"])} for each in masters]


MOST = 20


def attention(
    troubled: int,
    sources: Sequence[SourceStatus],
    reporters: Sequence[ReporterStatus],
    cancellations: int,
    now: float,
    credentials: Sequence[CredentialStatus] = (),
    paused: Mapping[str, str] | None = None,
    clocks: Mapping[str, float] | None = None,
    idle: Sequence[float] = (),
) -> list[dict[str, str | None]]:
    """Return what needs a look, each with the page that says more; the worst comes first.

    Args:
        troubled: how many watched tasks are in trouble.
        sources: the change sources.
        reporters: the reporters.
        cancellations: how many tasks are to be canceled.
        now: the time, in seconds since the epoch.
        credentials: what the master logs in with.
        paused: the paused mass builds: their names, by their ids.
        clocks: the seconds that the clock of each hub is ahead of ours.
        idle: since when steps run that follow no task.
    """
    found = [("", each.message) for each in credentials if not each.is_usable]
    if troubled:
        found.append(("tasks", f"{counted(troubled, 'task')} in trouble"))
    if late := sum(1 for since in idle if now - since > STUCK_AFTER):
        found.append(("tasks", f"{counted(late, 'step')} without a task for over an hour"))
    found += [
        ("deliveries", f"{counted(each.dead, 'dead letter')} of the reporter {each.name}")
        for each in reporters
        if each.dead
    ]
    found += [("sources", said) for each in sources for said in _of_source(each)]
    found += [
        (f"mass/{id_}", f"the mass build {name} is paused") for id_, name in (paused or {}).items()
    ]
    if cancellations:
        found.append(("deliveries", f"{counted(cancellations, 'task')} to be canceled"))
    for each in reporters:
        tried = sum(1 for delivery in each.pending if delivery.attempts > 1)
        if tried:
            found.append(("deliveries", f"{counted(tried, 'delivery')} of {each.name} retried"))
        late = sum(1 for gate in each.gates if now - gate.since > STUCK_AFTER)
        if late:
            found.append(
                ("deliveries", f"{counted(late, 'build')} waiting for votes on {each.name}")
            )
    found += [("", each.message) for each in credentials if each.state == "warning"]
    found += [("", said) for said in _of_clocks(clocks or {})]
    return [{"page": page, "text": text(said)} for page, said in found[:MOST]]


def _of_source(source: SourceStatus) -> list[str]:
    here = source.listener
    if here is None:
        return []
    # Its name alone may be that of the hub.
    name, found = f"the source {source.name}", []
    if here.state in ("stale", "paused"):
        found.append(f"{name} is {here.state}")
    if here.held_back:
        found.append(f"{counted(here.held_back, 'change')} of {name} held back")
    if here.unusable:
        found.append(f"{counted(here.unusable, 'event')} of {name} set aside")
    if here.bus is False:
        found.append(f"{name} has lost its message bus")
    return found


def _of_clocks(clocks: Mapping[str, float]) -> Iterator[str]:
    for hub, ahead in clocks.items():
        if abs(ahead) >= MAX_CLOCK_DIFFERENCE:
            words = f"{duration(abs(ahead))} {'ahead' if ahead > 0 else 'behind'}"
            yield f"the clock of {hub} is {words}: set it, and this machine's, by NTP"


MOST_CHANGES = 10

_ELSEWHERE = ListenerStatus(state="waiting")
"""What this master knows of a source that another one runs."""


def source_json(
    status: SourceStatus,
    is_paused: bool,
    changes: Sequence[Mapping[str, Any]],
    now: float,
    owner: str | None = None,
) -> dict[str, Any]:
    """Return what the page shows of a change source."""
    here = status.listener or _ELSEWHERE
    return {
        "name": text(status.name),
        "hub": text(status.hub),
        "state": "paused" if is_paused else here.state,
        "active_here": status.listener is not None,
        "master": text(owner),
        "since": number(now - here.silence) if here.is_silent else None,
        # A person paused it, whatever the hub last said.
        "reason": None if is_paused else text(here.reason, LONG),
        "next_poll": number(here.next_poll),
        "polled_at": number(here.polled_at),
        "complete_until": number(here.complete_until),
        "held_back": here.held_back,
        "pending": here.pending,
        "bus": bus_words(here.bus),
        "bus_reason": text(here.bus_reason, LONG),
        "last_changes": list(changes),
        "set_aside": [
            {
                "what": text(each.key),
                "reason": text(each.reason, LONG),
                "since": number(each.since),
                "count": each.tries,
            }
            for each in here.last_unusable
        ],
        "set_aside_count": here.unusable,
    }


def last_changes(
    changes: Sequence[Mapping[str, Any]], ahead: Mapping[str, float]
) -> dict[str, list[dict[str, Any]]]:
    """Return the last changes of each source, by its name.

    Args:
        changes: Buildbot's, the newest first.
        ahead: the seconds that the clock of each source's hub is ahead of ours.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for change in changes:
        name, _ = change["properties"].get(CHANGE_SOURCE, (None, ""))
        if not isinstance(name, str):
            continue
        mine = found.setdefault(name, [])
        # A report of the health is dated by our clock.
        by_hub = EVENT_KEY in change["properties"]
        if len(mine) < MOST_CHANGES:
            mine.append(
                {
                    "at": _epoch(change["when_timestamp"], by_hub * ahead.get(name, 0.0)),
                    "revision": text(change["revision"]),
                    "comments": text(change["comments"]),
                    "url": link(change["revlink"]),
                }
            )
    return found


def _epoch(when: Any, ahead: float) -> float | None:
    moment = number(when if isinstance(when, (int, float)) else datetime2epoch(when))
    return None if moment is None else moment - ahead


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
    task = pending.task_id
    return {
        "hub": text(hub),
        "task_id": task,
        "method": text(pending.method),
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
