"""The metrics, the health, and the alerts on them."""

from __future__ import annotations

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
from buildbot_koji.hubs.counts import TaskCounts
from buildbot_koji.hubs.credentials import CredentialStatus
from buildbot_koji.hubs.hub import HubStatus
from buildbot_koji.hubs.survey import ChannelLoad, SurveyResult
from buildbot_koji.reporters.status import ReporterStatus
from buildbot_koji.www.health import reasons
from buildbot_koji.www.masters import database_trouble, router_trouble
from buildbot_koji.www.metrics import METRICS, Snapshot, exposition
from tests.support import REPOSITORY
from txkoji import RequestStatistics, TaskTree, WatcherStatus, task_states

NOW = 1_000_000.0


def hub(**changes: Any) -> HubStatus:
    requests = RequestStatistics()
    requests.sent(NOW - 10)
    requests.took(0.2, NOW - 9)
    requests.reached(True, NOW - 9)
    counts = TaskCounts()
    task = {"id": 1, "state": int(task_states.FAILED), "create_ts": 10.0, "start_ts": 20.0}
    counts.add(TaskTree(task), infrastructure=True)
    made = HubStatus(
        profile='odd "hub"\n',
        server="https://koji.example.test/kojihub",
        weburl="https://koji.example.test/koji",
        trouble=None,
        is_logged_in=True,
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
    requests.reached(False, NOW - 301)
    lost = hub(trouble="connection refused", requests=requests)
    [said] = reasons([lost], [], NOW + 1200, **good)
    assert said.endswith(" has been unreachable for 25 min: connection refused")
    assert len(reasons([lost], [], NOW, **good)) == 1
    assert reasons([lost], [], NOW - 10, **good) == []
    assert len(reasons([], [source(state="stale", reason="odd")], NOW, **good)) == 1
    assert reasons([], [], NOW, master=[None, "no router"]) == ["no router"]


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
    """Health names a database that is lost or says nothing, a lost router."""
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
