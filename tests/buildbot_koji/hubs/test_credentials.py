"""Credentials that are about to expire are reported in time."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import util
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from buildbot_koji.hubs.credentials import CredentialWatch, with_state
from buildbot_koji.hubs.hub import get_hub
from tests.buildbot_koji.inprocess import Site, koji
from tests.support.ends import AtEnd
from txkoji import Credential
from txkoji.bus import AMQP

DAY = 24 * 3600.0
NOW = 1e9


@pytest.mark.parametrize(
    ("credential", "state", "words"),
    [
        (Credential("certificate", "CN=robot", NOW + 15 * DAY), "ok", ""),
        (Credential("certificate", "CN=robot", NOW + 13.5 * DAY), "warning", "in 13 days"),
        (Credential("certificate", "CN=robot", NOW + 1.5 * DAY), "warning", "expires in 1 day:"),
        (Credential("certificate", "CN=robot", NOW + 60), "warning", "expires within a day:"),
        (Credential("certificate", "CN=robot", NOW - 1), "expired", " expired on "),
        (Credential("certificate", "x.pem", problem="can't use x.pem"), "broken", "x.pem"),
        (
            Credential("broker server certificate", "b.example", NOW + 2.5 * DAY),
            "warning",
            "certificate of b.example expires in 2 days: ask who runs the broker",
        ),
        (Credential("ticket", "robot@X", NOW + 3600), "ok", ""),
        (Credential("ticket", "", NOW - 3600), "expired", "the ticket expired on "),
        (Credential("keytab", "robot@X"), "ok", ""),
        (Credential("keytab", "robot@X", problem="Preauthentication failed"), "broken", "Preauth"),
        (
            Credential("keytab", "robot@X", problem="Cannot contact any KDC for realm 'X'"),
            "warning",
            "any KDC",
        ),
    ],
)
def test_judged(credential: Credential, state: str, words: str) -> None:
    """A warning comes 14 days before the end; an unreachable KDC says nothing about a keytab."""
    found = with_state(credential, NOW)
    assert found.state == state
    assert words in found.message


def test_when_they_are_read_again() -> None:
    """A renewed ticket is never reported as expired, and one that is not renewed at once."""
    clock, kept = Clock(), [Credential("ticket", "robot@X", NOW + 3600)]
    clock.advance(NOW)

    async def read() -> list[Credential]:
        return kept

    watch = CredentialWatch("koji", read, clock)

    def states_after(seconds: float) -> list[str]:
        """Return the states once the next reading is due, which must be that soon."""
        assert watch.pause() == seconds
        clock.advance(seconds)
        Deferred.fromCoroutine(watch.check())
        return [each.state for each in watch.status()]

    assert states_after(DAY) == ["expired"]
    kept[:] = [Credential("ticket", "robot@X", clock.seconds() + 36_000)]
    assert states_after(600) == ["ok"]
    kept[:] = [Credential("ticket", "robot@X", clock.seconds() + 72_000)]
    assert states_after(35_400) == ["ok"]
    kept[:] = [Credential("certificate", "CN=robot", clock.seconds() + 300 * DAY)]
    assert states_after(36_600) == ["ok"]
    kept[:] = [Credential("keytab", "robot@X", problem="Preauthentication failed")]
    assert states_after(DAY) == ["broken"]
    kept[:] = [Credential("keytab", "robot@X", problem="Cannot contact any KDC for realm 'X'")]
    assert states_after(600) == ["warning"]
    assert watch.pause() == 600


def renew(site: Site, days: float) -> str:
    """Make a certificate that expires so soon; returns its file."""
    authority = site.hub.authority
    authority.days_valid = days
    made = authority.client(f"kojiadmin-{days}")
    path = site.directory / "client.pem"
    path.write_bytes(made.read_bytes())
    return str(path)


@pytest.mark.hub(tls=True)
@pytest_twisted.ensureDeferred
async def test_certificate(site: Site, at_end: AtEnd) -> None:
    """One line in the log and one change report it; a restart does not repeat them."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_format") == "{message}":
            lines.append(event["message"])

    globalLogPublisher.addObserver(observe)
    at_end(globalLogPublisher.removeObserver, observe)
    profile = util.KojiHub("fake", cert=renew(site, 10))

    async def look(master: Any) -> Any:
        hub = await get_hub(master.master, profile)
        for watch in (hub.credentials, hub.buses.credentials):
            await watch.check()
            await watch.check()
        await site.polled()
        await site.polled()
        return hub

    master = await site.listen(koji(profile=profile))
    hub = await look(master)
    [shown] = hub.status().credentials
    assert (shown.kind, shown.state) == ("certificate", "warning")
    [change] = await master.until_changes(1)
    assert (change["category"], change["properties"]["koji_health"]) == (
        "koji-health",
        "credentials",
    )
    assert "expires in 9 days: replace it" in change["comments"]
    assert [line for line in lines if "expires in 9 days" in line] == lines[:1] == lines

    master = await site.listen(koji(profile=profile))
    await look(master)
    assert len(await master.changes()) == 1

    renew(site, 100)
    await look(master)
    [_, change] = await master.until_changes(2)
    assert change["properties"]["koji_health"] == "credentials-well"
    renew(site, -1)
    hub = await look(master)
    assert hub.status().credentials[0].state == "expired"
    assert len(await master.changes()) == 3


@pytest.mark.hub(tls=True)
@pytest_twisted.ensureDeferred
async def test_broker_certificates(site: Site) -> None:
    """Ours and the broker's own are on the page and in the health kind, also a reporter's."""
    profile = util.KojiHub("fake", cert=renew(site, 100))
    broker = AMQP("amqps://b.example", certificate=renew(site, 9.5), queue="q", routing_keys=("#",))
    master = await site.listen(koji(profile=profile))
    hub = await get_hub(master.master, profile)
    await hub.credentials.check()
    hub.buses.use("ci", broker)
    await hub.buses.credentials.check()
    hub.buses.use("ci", broker, reactor.seconds() + 2.5 * DAY)
    hub.buses.use("ci", broker)
    found = {each.kind: each for each in hub.status().credentials}
    assert found["certificate"].state == found["broker certificate"].state == "warning"
    server = found["broker server certificate"]
    assert (server.name, server.state) == ("b.example", "warning")
    await site.polled()
    [change] = await master.until_changes(1)
    assert change["properties"]["koji_health"] == "credentials"
    hub.buses.use("ci", None)
    renew(site, 100)
    await hub.credentials.check()
    await site.polled()
    [_, change] = await master.until_changes(2)
    assert change["properties"]["koji_health"] == "credentials-well"
    assert [each.kind for each in hub.status().credentials] == ["certificate"]
