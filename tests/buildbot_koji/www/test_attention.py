"""What the overview says needs a look."""

from __future__ import annotations

from typing import Any

from buildbot.util import epoch2datetime

from buildbot_koji.changes.status import ListenerStatus, SourceStatus
from buildbot_koji.durable.deliveries import Delivery, DeliveryEvent
from buildbot_koji.hubs.credentials import CredentialStatus
from buildbot_koji.hubs.hub import HubStatus
from buildbot_koji.hubs.survey import ChannelLoad, SurveyResult
from buildbot_koji.reporters.status import OpenGate, ReporterStatus
from buildbot_koji.www.attention import attention
from tests.buildbot_koji.www.test_metrics import hub
from txkoji import RequestStatistics

NOW = 1_000_000.0


def source(
    name: str, state: str, unusable: int = 0, bus: bool | None = None, held: int = 0
) -> SourceStatus:
    listener = ListenerStatus(state, None, 1.0, NOW, NOW, 0, held, None, unusable, (), bus, None)
    return SourceStatus(name, "fedora", listener)


def reporter(dead: int = 0, pending: Any = (), gates: Any = ()) -> ReporterStatus:
    return ReporterStatus(
        "stable", "KojiTagReporter", "fedora", frozenset(), tuple(pending), dead, tuple(gates)
    )


def ahead(name: str, seconds: float) -> HubStatus:
    """Return a hub whose clock is ahead, and whose bus is lost."""
    requests = RequestStatistics()
    requests.clock_ahead = seconds
    return hub(profile=name, bus=False, credentials=(), requests=requests)


def test_nothing() -> None:
    """A master whose work goes well needs no look."""
    gate = OpenGate("hello-1-1", 1, {"a": "success"}, ("b",), NOW - 60)
    first = Delivery(1, "tag", "hello", {}, NOW).after(DeliveryEvent.STARTED)
    elsewhere = SourceStatus("other", "fedora", None)
    sources = [source("tags", "listening", bus=True), source("new", "unreachable"), elsewhere]
    assert attention(0, sources, [reporter(pending=[first], gates=[gate])], 0, NOW) == []


def test_credentials() -> None:
    """An expired credential comes first, one that soon expires comes last; each with its hub."""
    hubs = [
        hub(
            profile=name,
            bus=None,
            credentials=(CredentialStatus("certificate", "CN=a", None, state, said),),
        )
        for name, state, said in (
            ("one", "warning", "soon"),
            ("two", "expired", "replace it"),
            ("three", "ok", ""),
        )
    ]
    found = attention(1, [], [], 0, NOW, hubs)
    assert [each["text"] for each in found] == ["two: replace it", "1 task in trouble", "one: soon"]


def test_masters() -> None:
    """A master that stopped, or sends no heartbeat, is named; one that was removed is not."""
    masters = [
        {"name": name, "active": active, "last_active": epoch2datetime(NOW - silence)}
        for name, active, silence in (
            ("here", True, 60),
            ("killed", True, 240),
            ("stopped", False, 50 * 3600),
            ("removed", False, 10 * 24 * 3600),
        )
    ]
    assert [each["text"] for each in attention(0, [], [], 0, NOW, masters=masters)] == [
        "the master killed is down: its last heartbeat was 4 min ago",
        "the master stopped is down: its last heartbeat was 2 days ago",
    ]


def test_channels() -> None:
    """A channel whose tasks wait while no builder works on any is named."""
    channels = (
        ChannelLoad("dead", 3, 0, 12.0, 2, 0, 1),
        ChannelLoad("full", 3, 2, 12.0, 2, 0, 1),
        ChannelLoad("idle", 0, 0, 12.0, 2, 0, 0),
        ChannelLoad("quick", 1, 0, 12.0, 2, 2, 1),
    )
    here = hub(profile="fedora", credentials=(), survey=SurveyResult(channels=channels))
    assert [each["text"] for each in attention(0, [], [], 0, NOW, [here])] == [
        "no builder takes tasks from the channel dead of fedora: 3 tasks waiting"
    ]


def test_worst_first() -> None:
    """What failed comes before what is late; each leads to the page that says more."""
    gate = OpenGate("hello-1-1", 1, {"a": "success"}, ("b",), NOW - 7200)
    delivery = Delivery(1, "tag", "hello", {}, NOW)
    for event in (DeliveryEvent.STARTED, DeliveryEvent.POSTPONED, DeliveryEvent.STARTED):
        delivery = delivery.after(event)
    sources = [source("tags", "paused", unusable=2, held=3), source("old", "stale", bus=False)]
    found = attention(
        3, sources, [reporter(2, [delivery], [gate])], 1, NOW,
        hubs=[ahead("fedora", -7200.0), ahead("centos", 5.0)], paused={"7-1": "rebuild #2"},
        idle=[NOW - 3601, NOW - 3599],
    )  # fmt: skip
    assert [(each["page"], each["text"]) for each in found] == [
        ("tasks", "3 tasks in trouble"),
        ("tasks", "1 step without a task for over an hour"),
        ("deliveries", "2 dead letters of the reporter stable"),
        ("sources", "the source tags is paused"),
        ("sources", "3 changes of the source tags held back"),
        ("sources", "2 events of the source tags set aside"),
        ("sources", "the source old is stale"),
        ("sources", "the source old has lost its message bus"),
        ("", "centos has lost its message bus"),
        ("mass/7-1", "the mass build rebuild #2 is paused"),
        ("deliveries", "1 task to be canceled"),
        ("deliveries", "1 delivery of stable retried"),
        ("deliveries", "1 build waiting for votes on stable"),
        ("", "the clock of fedora is 2 h behind: set it, and this machine's, by NTP"),
    ]


def test_many() -> None:
    """The list is bounded."""
    assert len(attention(0, [source(str(i), "paused") for i in range(99)], [], 0, NOW)) == 20
