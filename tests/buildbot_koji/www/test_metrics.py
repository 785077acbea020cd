"""The metrics, the health, and the alerts on them."""

from __future__ import annotations

import math
import operator
import re
from types import SimpleNamespace
from typing import Any

import attrs
import mock
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from buildbot_koji.changes.status import ListenerStatus, SourceStatus
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.hubs.counts import WAIT_BOUNDS, TaskCounts
from buildbot_koji.hubs.credentials import CredentialStatus
from buildbot_koji.hubs.hub import HubStatus
from buildbot_koji.hubs.survey import ChannelLoad, SurveyResult
from buildbot_koji.reporters.status import ReporterStatus
from buildbot_koji.www.health import reasons
from buildbot_koji.www.masters import database_trouble, router_trouble
from buildbot_koji.www.metrics import METRICS, Snapshot, exposition
from tests.support import REPOSITORY
from txkoji import LATENCY_BOUNDS, RequestStatistics, TaskTree, WatcherStatus, task_states

NOW = 1_000_000.0


def hub(**changes: Any) -> HubStatus:
    requests = RequestStatistics()
    requests.sent(NOW - 10)
    requests.took(0.2, NOW - 9)
    requests.changed_at = NOW - 9
    counts = TaskCounts()
    task = {"id": 1, "state": int(task_states.FAILED), "create_ts": 10.0, "start_ts": 20.0}
    counts.add(TaskTree(task), infrastructure=True)
    made = HubStatus(
        link="odd",
        profile='odd "hub"\n',
        server="https://koji.example.test/kojihub",
        weburl="https://koji.example.test/koji",
        trouble=None,
        is_logged_in=True,
        canceling="",
        bus=True,
        survey=SurveyResult(channels=(ChannelLoad("default", 3, 4, 12.0, 2, 2, 1),)),
        credentials=(
            CredentialStatus("certificate", "CN=robot", NOW + 3600, "warning", "expires"),
        ),
        counts=counts,
        watcher=WatcherStatus(3, None, None),
        requests=requests,
    )
    return attrs.evolve(made, **changes)


def source(**changes: Any) -> SourceStatus:
    made = ListenerStatus(
        state="listening",
        reason=None,
        silence=1.0,
        polled_at=NOW - 5,
        next_poll=NOW + 5,
        pending=0,
        held_back=2,
        waiting_since=NOW - 600,
        unusable=1,
        last_unusable=(),
        bus=False,
        bus_reason="connection refused",
    )
    return SourceStatus("koji", "hub", attrs.evolve(made, **changes))


def snapshot() -> Snapshot:
    letter = Delivery(7, "tag", "lane", {}, NOW - 60)
    reporter = ReporterStatus("gating", "KojiTagReporter", "hub", frozenset({1}), (letter,), 4)
    return Snapshot(NOW, True, [hub()], [1], [source()], [reporter])


def test_every_metric() -> None:
    """Each metric that the table names is there, with its values, as Prometheus reads it."""
    pytest.importorskip("prometheus_client")
    from prometheus_client.parser import text_string_to_metric_families

    families = {
        family.name: family
        for family in text_string_to_metric_families(exposition(snapshot()).decode())
    }
    expected = {f"buildbot_koji_{name.removesuffix('_total')}" for name in METRICS}
    assert set(families) == expected
    values = {
        sample.name.removeprefix("buildbot_koji_"): sample.value
        for family in families.values()
        for sample in family.samples
        if sample.labels.get("kind") in (None, "infrastructure", "certificate")
    }
    assert values["hub_up"] == 1
    assert values["hub_latency_seconds_count"] == 1
    assert values["queue_wait_seconds_sum"] == 10
    assert values["tasks_ended_total"] == 1
    assert values["channel_free_tasks"] == 3
    assert values["credential_expiry_seconds"] == 3600
    assert values["source_bus_connected"] == 0
    assert values["source_held_changes"] == 2
    # As the page says: until when all that happened is a change.
    assert values["source_lag_seconds"] == 600
    assert values["reporter_oldest_delivery_seconds"] == 60
    assert values["reporter_dead_letters"] == 4


@pytest.mark.parametrize("page", ["docs/alerts.yml", "docs/www.rst"])
def test_documents_name_metrics(page: str) -> None:
    """Alerts and page name only metrics that exist, and the page names all."""
    suffixes = re.compile(r"_(?:bucket|count|sum)$")
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    named = {suffixes.sub("", name) for name in re.findall(r"buildbot_koji_([a-z_]+)", text)}
    assert named <= set(METRICS)
    if page.endswith(".rst"):
        assert named == set(METRICS)
    # A gauge that falls looks like a counter that was reset.
    counted = re.findall(r"(?:rate|increase)\(buildbot_koji_(\w+)", text)
    assert [each for each in counted if not each.endswith(("_total", "_bucket"))] == []


def test_health() -> None:
    """What keeps a master from its work is a reason, what a person chose is none."""
    good = {"master": [None, None]}
    assert reasons([hub()], [source(), source(state="paused")], NOW, **good) == []
    requests = RequestStatistics()
    requests.changed_at = NOW - 301
    lost = hub(trouble="connection refused", requests=requests)
    [said] = reasons([lost], [], NOW + 1200, **good)
    assert said.endswith(" has been down for 25 min: connection refused")
    # As another user, who sees the same outage.
    assert len(reasons([lost, attrs.evolve(lost, link="x")], [], NOW, **good)) == 1
    assert reasons([lost], [], NOW - 10, **good) == []
    assert len(reasons([], [source(state="stale", reason="odd")], NOW, **good)) == 1
    assert reasons([], [], NOW, master=[None, "no router"]) == ["no router"]
    expired = CredentialStatus("certificate", "CN=a", NOW - 1, "expired", "replace it")
    lapsed = hub(profile="fedora", credentials=(expired,))
    assert reasons([lapsed], [], NOW, **good) == ["fedora: replace it"]
    refused = hub(profile="fedora", canceling="no such user")
    [said] = reasons([refused], [], NOW, **good)
    assert said == "fedora: can't cancel the tasks of stopped builds: no such user"


def test_rate() -> None:
    """The rate of requests follows what is sent, and falls when nothing is."""
    clock, counted = Clock(), RequestStatistics()
    for _ in range(300):
        clock.advance(1)
        counted.sent(clock.seconds())
    assert counted.rate(clock.seconds()) == pytest.approx(1, abs=0.05)
    assert counted.rate(clock.seconds() + 600) == pytest.approx(0, abs=0.001)


@pytest_twisted.ensureDeferred
async def test_database_and_router() -> None:
    """Health names a database that is lost or does not answer, and a lost router."""
    clock = Clock()
    answers: list[Any] = [
        lambda _: succeed([]),
        lambda _: fail(RuntimeError("mysql://buildbot:secret@db/")),
        lambda _: Deferred(),
    ]
    found = []
    for answer in answers:
        data = mock.Mock(spec=["get"])
        data.get.side_effect = answer
        master = SimpleNamespace(reactor=clock, data=data)
        asking = Deferred.fromCoroutine(database_trouble(master))
        clock.advance(10)
        found.append(await asking)
        data.get.assert_called_once_with(("masters",))
    assert found == [
        None,
        "the master's database is unreachable: RuntimeError",
        "the master's database has not answered for 5 s",
    ]

    def router(kind: str, session: Any) -> Any:
        config = SimpleNamespace(mq={"type": kind})
        return router_trouble(SimpleNamespace(config=config, wamp=SimpleNamespace(service=session)))

    assert router("simple", None) is None
    assert router("wamp", SimpleNamespace(is_attached=lambda: True)) is None
    assert "lost" in router("wamp", SimpleNamespace(is_attached=lambda: False))
    assert "not joined" in router("wamp", None)


def requests(**changes: Any) -> RequestStatistics:
    """Return the statistics of a hub that answers quickly."""
    made = RequestStatistics()
    made.changed_at = NOW - 9
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def counts(**changes: Any) -> TaskCounts:
    made = TaskCounts()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def situation(
    of_hub: dict[str, Any] | None = None,
    of_source: dict[str, Any] | None = None,
    of_reporter: dict[str, Any] | None = None,
    *,
    cancellations: int = 0,
    healthy: bool = True,
) -> Snapshot:
    """Return the state of a master that is well, except for what differs."""
    good: dict[str, Any] = {"credentials": (), "requests": requests(), "counts": TaskCounts()}
    heard = {"held_back": 0, "waiting_since": None, "unusable": 0, "bus": True}
    found = source(**heard)
    if of_source is not None:
        found = (
            attrs.evolve(found, listener=None)
            if not of_source
            else source(**{**heard, **of_source})
        )
    reporter = ReporterStatus("gating", "KojiTagReporter", "hub", frozenset(), (), 0)
    return Snapshot(
        NOW,
        healthy,
        [hub(**{**good, **(of_hub or {})})],
        [cancellations],
        [found],
        [attrs.evolve(reporter, **(of_reporter or {}))],
    )


def credential(kind: str, seconds: float, state: str) -> dict[str, Any]:
    return {"credentials": (CredentialStatus(kind, "robot", NOW + seconds, state, "words"),)}


SLOW, LONG = [0] * (len(LATENCY_BOUNDS) + 1), [0] * (len(WAIT_BOUNDS) + 1)
SLOW[-1] = LONG[-1] = 10
LATE = Delivery(7, "tag", "lane", {}, NOW - 7200)
ALERTS = {
    "KojiMasterUnhealthy": situation(healthy=False),
    "KojiHubUnreachable": situation({"trouble": "connection refused"}),
    "KojiHubSlow": situation({"requests": requests(latencies=SLOW, latency_sum=900.0)}),
    "KojiHubRetries": situation({"requests": requests(retries=300)}),
    "KojiWatcherLate": situation({"watcher": WatcherStatus(3, 301.0, None)}),
    "KojiQueueLong": situation({"counts": counts(waits=LONG, wait_sum=90_000.0)}),
    "KojiInfrastructureFailures": situation({"counts": counts(ended={"infrastructure": 6})}),
    "KojiCredentialExpires": situation(credential("certificate", 3600.0, "warning")),
    "KojiCredentialUnusable": situation(credential("ticket", -1.0, "expired")),
    "KojiSourceDeaf": situation(of_source={"state": "unreachable"}),
    "KojiSourceNowhere": situation(of_source={}),
    "KojiSourceLags": situation(of_source={"polled_at": NOW - 1801}),
    "KojiSourceUnusableEvents": situation(of_source={"unusable": 1}),
    "KojiSourceHoldsBack": situation(of_source={"held_back": 1}),
    "KojiBusDisconnected": situation(of_source={"bus": False}),
    "KojiDeliveriesLate": situation(of_reporter={"pending": (LATE,)}),
    "KojiDeadLetters": situation(of_reporter={"dead": 1}),
    "KojiCancellationsPending": situation(cancellations=1),
}
"""For each alert a situation in which it must fire."""

_COMPARISON = re.compile(
    r"(?:histogram_quantile\((?P<share>[\d.]+), )?(?:(?P<change>rate|increase)\()?"
    r"buildbot_koji_(?P<name>\w+)(?:\{kind(?P<how>!?=)\"(?P<kind>\w+)\"\})?"
    r"(?:\[(?P<window>\d+[mh])\])?\)* (?P<sign>==|<|>) (?P<bound>[\d* .]+)"
)


def fires(expression: str, snapshot: Snapshot) -> bool:
    """Tell whether an alert fires for a master that was well when the alert's window began.

    It evaluates only the part of Prometheus's language that our alerts use.
    """
    return any(
        all(_holds(each, snapshot) for each in part.split(" and "))
        for part in expression.split(" or ")
    )


def _holds(text: str, snapshot: Snapshot) -> bool:
    found = _COMPARISON.search(text)
    assert found is not None, text
    values = _values(found, snapshot)
    if found["change"] is not None:
        before = _values(found, situation())
        window = 60 * int(found["window"][:-1]) * (60 if found["window"][-1] == "h" else 1)
        per = window if found["change"] == "rate" else 1
        values = {at: (value - before.get(at, 0.0)) / per for at, value in values.items()}
    if found["share"] is not None:
        whole, share = values.get("+Inf", 0.0), float(found["share"])
        bounds = [float(at) for at, value in values.items() if whole and value >= share * whole]
        # A quantile in the last bucket counts as the bucket before it.
        finite = max(float(at) for at in values if at != "+Inf")
        values = {"": min(min(bounds), finite)} if bounds else {}
    bound = math.prod(map(float, found["bound"].split("*")))
    compare = {"==": operator.eq, "<": operator.lt, ">": operator.gt}[found["sign"]]
    return any(compare(value, bound) for value in values.values())


def _values(found: re.Match[str], snapshot: Snapshot) -> dict[str, float]:
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(exposition(snapshot).decode())
    return {
        sample.labels.get("le", str(sample.labels)): sample.value
        for family in families
        for sample in family.samples
        if sample.name == f"buildbot_koji_{found['name']}"
        and (
            found["how"] is None
            or (sample.labels["kind"] == found["kind"]) == (found["how"] == "=")
        )
    }


def test_each_alert_fires() -> None:
    """Each alert fires in its situation, and none while all is well."""
    pytest.importorskip("prometheus_client")
    text = (REPOSITORY / "docs" / "alerts.yml").read_text(encoding="utf-8")
    rules = re.findall(r"alert: (\w+)\n +expr: (?:>-\n +)?(.*)\n", text)
    assert [name for name, _ in rules] == list(ALERTS)
    for name, expression in rules:
        assert not fires(expression, situation()), name
        assert fires(expression, ALERTS[name]), name
