"""What a person should look at, for the top of the page *Overview*. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from buildbot_koji.changes.status import SourceStatus
from buildbot_koji.hubs.credentials import CredentialStatus
from buildbot_koji.hubs.hub import MAX_CLOCK_DIFFERENCE
from buildbot_koji.reporters.status import ReporterStatus
from buildbot_koji.words import counted, duration
from buildbot_koji.www.plain import text
from buildbot_koji.www.tasks import STUCK_AFTER

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
    silent: Sequence[str] = (),
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
        idle: when each running step that follows no task began.
        silent: the hubs that have lost their message bus.
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
    # A source that hears the same bus says so itself.
    said = {each.hub for each in sources if each.listener and each.listener.bus is False}
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
