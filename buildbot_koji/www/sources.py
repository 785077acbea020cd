"""The page *Sources*: change sources. Pure: status values in, plain values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildbot.util import datetime2epoch

from buildbot_koji.changes.set_aside import UnusableEvent
from buildbot_koji.changes.status import ListenerStatus, SourceStatus
from buildbot_koji.database_values import number
from buildbot_koji.properties import CHANGE_SOURCE, EVENT_KEY
from buildbot_koji.www.overview import bus_words
from buildbot_koji.www.plain import LONG, link, text

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
        "since": number(now - here.silence) if here.is_silent and not is_paused else None,
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
                "what": text(_what(each)),
                "reason": text(each.reason, LONG),
                "since": number(each.since),
                "count": each.tries,
            }
            for each in here.last_unusable
        ],
        "set_aside_count": here.unusable,
    }


def _what(aside: UnusableEvent) -> str:
    """Name an event that is set aside; its key alone says nothing to a person."""
    build = None if aside.event is None else aside.event.build
    nvr = None if build is None else build.get("nvr")
    return f"{nvr}, {aside.key}" if nvr else aside.key


def last_changes(
    changes: Sequence[Mapping[str, Any]], ahead: Mapping[str, float]
) -> dict[str, list[dict[str, Any]]]:
    """Return the last changes of each source, by its name.

    Args:
        changes: Buildbot's newest, in any order.
        ahead: the seconds that the clock of each source's hub is ahead of ours.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for change in sorted(changes, key=lambda each: each["changeid"], reverse=True):
        name, _ = change["properties"].get(CHANGE_SOURCE, (None, ""))
        if not isinstance(name, str):
            continue
        mine = found.setdefault(name, [])
        # A change without an event, which reports that the source is stale, has our clock's time.
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
