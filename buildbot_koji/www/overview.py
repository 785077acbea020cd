"""The page *Overview*: hubs, masters, health. Pure: status values in, plain values out."""

from __future__ import annotations

from typing import Any

import attrs

from buildbot_koji.database_values import number
from buildbot_koji.hubs.hub import HubStatus
from buildbot_koji.www.plain import LONG, bounded, link, text


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
        "link": text(status.link),
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
        "credentials": [bounded(attrs.asdict(each)) for each in status.credentials],
        "requests_per_second": round(requests.rate(now), 4),
        "watched": watcher.watched,
        "watch_delay": number(watcher.delay),
        "channels": [
            {
                **bounded(attrs.asdict(each)),
                "arches": {text(arch): count for arch, count in each.arches.items()},
            }
            for each in survey.channels
        ],
        "counted_at": number(survey.counted_at),
        "survey_trouble": text(survey.trouble, LONG),
        "clock_ahead": round(requests.clock_ahead),
        "bus": bus_words(status.bus),
    }


def bus_words(bus: bool | None) -> str | None:
    """Return ``connected`` or ``disconnected``, None without a bus."""
    return None if bus is None else "connected" if bus else "disconnected"
