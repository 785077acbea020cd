"""The metrics of a master, as Prometheus reads them. Pure: status values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from buildbot_koji.changes.status import SourceStatus
from buildbot_koji.hubs.counts import WAIT_BOUNDS
from buildbot_koji.hubs.hub import HubStatus
from buildbot_koji.reporters.status import ReporterStatus
from buildbot_koji.www.overview import hub_state
from buildbot_koji.www.plain import text
from txkoji import LATENCY_BOUNDS

PREFIX = "buildbot_koji_"

METRICS = {
    "healthy": "1 if health answers 200.",
    "hub_up": "1 if the hub answered last, 0 if it is unreachable.",
    "hub_silence_seconds": "Seconds since the hub answered.",
    "hub_latency_seconds": "How long answers took, as a histogram.",
    "hub_requests_total": "Requests sent to the hub, retries included.",
    "hub_retries_total": "Requests that repeated one that failed.",
    "hub_logins_total": "Logins and renewals of the session.",
    "hub_bus_connected": "1 if a bus that reports the hub's tasks is connected.",
    "hub_pending_cancellations": "Tasks to be canceled as soon as the hub answers.",
    "watched_tasks": "Task trees that are watched.",
    "watch_delay_seconds": "Seconds by which the most overdue watched task is late.",
    "queue_wait_seconds": "How long tasks waited for a builder, as a histogram.",
    "tasks_ended_total": "Tasks that ended, by kind: succeeded, failed, infrastructure, canceled.",
    "channel_free_tasks": "The hub's tasks that wait in a channel that we use.",
    "channel_open_tasks": "The hub's tasks that run in a channel that we use.",
    "credential_expiry_seconds": "Seconds until a credential expires.",
    "credential_usable": "0 if a credential is expired or broken.",
    "source_active": "1 on the master that runs the change source.",
    "source_up": "1 if the hub answers the change source; a paused one counts as up.",
    "source_paused": "1 if the change source is paused.",
    "source_lag_seconds": "Seconds by which changes are late at most.",
    "source_held_changes": "Changes that wait for room in the hourly limit.",
    "source_unusable_events": "Events that are set aside: they can't become changes.",
    "source_bus_connected": "1 if the change source's bus is connected.",
    "reporter_pending_deliveries": "Deliveries that have not arrived yet.",
    "reporter_oldest_delivery_seconds": "The age of the oldest of them.",
    "reporter_dead_letters": "Deliveries that were given up.",
    "reporter_open_gates": "Koji builds that wait for results.",
}
"""Every metric and its help, without the prefix ``buildbot_koji_``."""


@attrs.frozen
class Snapshot:
    """What the metrics are computed from."""

    now: float
    healthy: bool
    hubs: Sequence[HubStatus]
    cancellations: Sequence[int]
    sources: Sequence[SourceStatus]
    reporters: Sequence[ReporterStatus]


def exposition(snapshot: Snapshot) -> bytes:
    """Return the metrics in Prometheus' text format.

    Raises:
        ImportError: the package ``prometheus_client`` is missing.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(snapshot))
    return bytes(generate_latest(registry))


class _Collector:
    """Gives the families of metrics; a collector of ``prometheus_client``."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> list[Any]:
        """Return nothing: the registry has no other collector whose names could be the same."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield each family with its values."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        families: dict[str, Any] = {}
        for name, labels, value in _samples(self._snapshot):
            names, values = list(labels), [text(each) or "" for each in labels.values()]
            family = families.get(name)
            if family is None:
                kind: Any = HistogramMetricFamily
                if not isinstance(value, _Histogram):
                    is_counter = name.endswith("_total")
                    kind = CounterMetricFamily if is_counter else GaugeMetricFamily
                family = families[name] = kind(PREFIX + name, METRICS[name], labels=names)
            if isinstance(value, _Histogram):
                family.add_metric(values, buckets=value.buckets, sum_value=value.total)
            else:
                family.add_metric(values, float(value))
        yield from families.values()


@attrs.frozen
class _Histogram:
    buckets: list[tuple[str, float]]
    total: float


def _histogram(bounds: Sequence[float], counts: Sequence[int], total: float) -> _Histogram:
    buckets, count = [], 0
    for bound, more in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        count += more
        buckets.append((bound, float(count)))
    return _Histogram(buckets, total)


Sample = tuple[str, dict[str, str], Any]


def _samples(snapshot: Snapshot) -> Iterator[Sample]:
    yield "healthy", {}, snapshot.healthy
    for hub, cancellations in zip(snapshot.hubs, snapshot.cancellations, strict=True):
        yield from _of_hub(hub, cancellations, snapshot.now)
    for source in snapshot.sources:
        yield from _of_source(source, snapshot.now)
    for reporter in snapshot.reporters:
        yield from _of_reporter(reporter, snapshot.now)


def _known(samples: Iterable[Sample]) -> Iterator[Sample]:
    return (sample for sample in samples if sample[2] is not None)


def _of_hub(hub: HubStatus, cancellations: int, now: float) -> Iterator[Sample]:
    labels = {"hub": hub.profile, "link": hub.link}
    requests, counts = hub.requests, hub.counts
    heard = requests.last_answer
    yield from _known(
        [
            ("hub_up", labels, {"ok": 1, "unreachable": 0}.get(hub_state(hub))),
            ("hub_silence_seconds", labels, None if heard is None else max(now - heard, 0.0)),
            (
                "hub_latency_seconds",
                labels,
                _histogram(LATENCY_BOUNDS, requests.latencies, requests.latency_sum),
            ),
            ("hub_requests_total", labels, requests.requests),
            ("hub_retries_total", labels, requests.retries),
            ("hub_logins_total", labels, requests.logins),
            ("hub_bus_connected", labels, hub.bus),
            ("hub_pending_cancellations", labels, cancellations),
            ("watched_tasks", labels, hub.watcher.watched),
            ("watch_delay_seconds", labels, hub.watcher.delay or 0.0),
            (
                "queue_wait_seconds",
                labels,
                _histogram(WAIT_BOUNDS, counts.waits, counts.wait_sum),
            ),
        ]
    )
    for kind, count in counts.ended.items():
        yield "tasks_ended_total", {**labels, "kind": kind}, count
    for channel in hub.survey.channels:
        of_channel = {**labels, "channel": channel.name}
        yield "channel_free_tasks", of_channel, channel.free
        yield "channel_open_tasks", of_channel, channel.open
    for each in hub.credentials:
        of_credential = {**labels, "kind": each.kind, "name": each.name}
        yield "credential_usable", of_credential, each.is_usable
        if each.expires is not None:
            yield "credential_expiry_seconds", of_credential, each.expires - now


def _of_source(source: SourceStatus, now: float) -> Iterator[Sample]:
    labels = {"source": source.name, "hub": source.hub}
    here = source.listener
    yield "source_active", labels, here is not None
    if here is None:
        return
    complete = here.complete_until
    yield from _known(
        [
            ("source_up", labels, not here.is_silent),
            ("source_paused", labels, here.state == "paused"),
            ("source_lag_seconds", labels, None if complete is None else max(now - complete, 0.0)),
            ("source_held_changes", labels, here.held_back),
            ("source_unusable_events", labels, here.unusable),
            ("source_bus_connected", labels, here.bus),
        ]
    )


def _of_reporter(reporter: ReporterStatus, now: float) -> Iterator[Sample]:
    labels = {"reporter": reporter.name}
    oldest = min((each.since for each in reporter.pending), default=now)
    yield "reporter_pending_deliveries", labels, len(reporter.pending)
    yield "reporter_oldest_delivery_seconds", labels, max(now - oldest, 0.0)
    yield "reporter_dead_letters", labels, reporter.dead
    yield "reporter_open_gates", labels, len(reporter.gates)
