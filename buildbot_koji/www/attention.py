"""What a person should look at, for the top of the page *Overview*. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from buildbot.util import datetime2epoch

from buildbot_koji.changes.status import SourceStatus
from buildbot_koji.hubs.hub import MAX_CLOCK_DIFFERENCE, HubStatus
from buildbot_koji.reporters.status import ReporterStatus
from buildbot_koji.words import counted, duration
from buildbot_koji.www.plain import text
from buildbot_koji.www.tasks import STUCK_AFTER

MOST = 20

SILENT = 180.0
"""Seconds without a heartbeat after which a master counts as down: it stores one each minute."""

GONE = 7 * 24 * 3600.0
"""Seconds after which a master that is down counts as removed."""


def attention(
    troubled: int,
    sources: Sequence[SourceStatus],
    reporters: Sequence[ReporterStatus],
    cancellations: int,
    now: float,
    hubs: Sequence[HubStatus] = (),
    paused: Mapping[str, str] | None = None,
    idle: Sequence[float] = (),
    masters: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, str | None]]:
    """Return what needs a look, each with the page that says more; the worst comes first.

    Args:
        troubled: how many watched tasks are in trouble.
        sources: the change sources.
        reporters: the reporters.
        cancellations: how many tasks are to be canceled.
        now: the time, in seconds since the epoch.
        hubs: the hubs.
        paused: the paused mass builds: their names, by their ids.
        idle: when each running step that follows no task began.
        masters: those that share the database, as Buildbot's data API gives them.
    """
    found = [("", said) for hub in hubs for said in hub.credentials_that(work=False)]
    found += [("", said) for each in masters for said in _of_master(each, now)]
    found += [("", said) for hub in hubs for said in _of_channels(hub)]
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
    # A source that hears the same bus says so itself.
    said = {each.hub for each in sources if each.listener and each.listener.bus is False}
    silent = (hub.profile for hub in hubs if hub.bus is False)
    found += [("", f"{hub} has lost its message bus") for hub in silent if hub not in said]
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
    found += [("", said) for hub in hubs for said in hub.credentials_that(work=True)]
    found += [("", said) for hub in hubs for said in _of_clock(hub)]
    # Two links to a hub may say the same of it.
    return [{"page": page, "text": text(said)} for page, said in list(dict.fromkeys(found))[:MOST]]


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


def _of_master(master: Mapping[str, Any], now: float) -> Iterator[str]:
    silence = now - datetime2epoch(master["last_active"])
    if silence < GONE and (silence > SILENT or not master["active"]):
        yield f"the master {master['name']} is down: its last heartbeat was {duration(silence)} ago"


def _of_channels(hub: HubStatus) -> Iterator[str]:
    """Say which channels have no builder at work, though tasks wait."""
    for each in hub.survey.channels:
        if each.free and not (each.ready or each.open):
            waiting = counted(each.free, "task")
            where = f"the channel {each.name} of {hub.profile}"
            yield f"no builder takes tasks from {where}: {waiting} waiting"


def _of_clock(hub: HubStatus) -> Iterator[str]:
    ahead = hub.requests.clock_ahead
    if abs(ahead) >= MAX_CLOCK_DIFFERENCE:
        words = f"{duration(abs(ahead))} {'ahead' if ahead > 0 else 'behind'}"
        yield f"the clock of {hub.profile} is {words}: set it, and this machine's, by NTP"
