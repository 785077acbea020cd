"""Whether a hub answers, and what kind of hub it is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from buildbot_koji.arguments.checks import nearest
from buildbot_koji.cli.doctor.findings import Finding, error, ok, warning
from buildbot_koji.cli.doctor.network import walked
from buildbot_koji.cli.doctor.wanted import Examined
from buildbot_koji.error_messages import PLUGINS
from buildbot_koji.hubs.hub import MAX_CLOCK_DIFFERENCE
from buildbot_koji.hubs.survey import version_numbers
from txkoji.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    HTTPStatusError,
    HubFault,
    KojiException,
    NotXMLRPC,
    ServerOffline,
    TLSError,
)

OLDEST = (1, 31)
NO_HUB = "is 'server' the address of a hub? It ends in /kojihub"
NO_TLS = "correct address and port of 'server' in the profile, or of the proxy"


async def way(examined: Examined) -> AsyncIterator[Finding]:
    """Check the way to the hub: proxy, name, connection, certificate."""
    # An unusable proxy setting yields no finding here; the first request reports it.
    examined.is_reachable = True
    koji = examined.connection
    async for finding in walked(koji.reactor, koji.url):
        examined.is_reachable = finding.level != "error"
        yield finding


async def reachable(examined: Examined) -> AsyncIterator[Finding]:
    """Check that what is there answers as a hub does."""
    koji = examined.connection
    koji.deadline = 8.0
    began = time.monotonic()
    examined.is_reachable = False
    try:
        await koji.getAPIVersion()
    except TLSError as problem:
        yield error("hub", str(problem), tls_remedy(str(problem)))
    except NotXMLRPC as problem:
        yield error(
            "hub",
            str(problem),
            "wait, if the hub is under maintenance; else correct 'server', which ends in /kojihub",
        )
    except HTTPStatusError as problem:
        yield error("hub", str(problem), _status_remedy(problem))
    except ConfigurationError as problem:
        where = "the environment of the master" if "environment" in str(problem) else "the profile"
        yield error("hub", str(problem), f"correct it in {where}")
    except KojiException as problem:
        remedy = "wait, or ask the hub's administrators"
        if koji.url.startswith("http:") and isinstance(problem, ConnectionFailed):
            remedy = "does the server expect https? Check 'server' of the profile"
        elif isinstance(problem, HubFault) and not isinstance(problem, ServerOffline):
            remedy = NO_HUB
        if "does not speak TLS" in str(problem):
            remedy = NO_TLS
        yield error("hub", str(problem), remedy)
    else:
        examined.is_reachable = True
        yield ok("hub", f"answers in {(time.monotonic() - began) * 1000:.0f} ms")


def _status_remedy(problem: HTTPStatusError) -> str:
    if "the proxy" in str(problem):
        return "the proxy's administrators must let it connect to the hub, or NO_PROXY name the hub"
    if problem.status in (401, 403):
        return "ask the hub's administrators to allow this machine"
    if problem.status == 429 or problem.status >= 500:
        return "wait, or ask the hub's administrators"
    if 300 <= problem.status < 400:
        return "curl -I shows where it redirects to; a login page there is no hub"
    return NO_HUB


def tls_remedy(text: str) -> str:
    """Return what to do when TLS with the hub fails, by the words of the error."""
    if "another host name" in text:
        return "'server' of the profile must be a name that its certificate has"
    if "client certificate" in text:
        return "'cert' must be one that the hub's administrators gave you"
    if "does not speak TLS" in text:
        return NO_TLS
    return "'serverca' of the profile must name the CA of the hub"


async def clock(examined: Examined) -> AsyncIterator[Finding]:
    """Compare the hub's clock with this machine's."""
    difference = examined.connection.statistics.clock_ahead
    if abs(difference) >= MAX_CLOCK_DIFFERENCE:
        ahead = "ahead of" if difference > 0 else "behind"
        yield warning(
            "clock",
            f"the hub's clock is {abs(difference):.0f} s {ahead} this machine's",
            "set both by NTP: Kerberos, and every 'since', depend on the time",
        )
    else:
        yield ok("clock", "as this machine's")


async def version(examined: Examined) -> AsyncIterator[Finding]:
    """Check the hub's version, and that it has the methods that are wanted."""
    koji = examined.connection
    try:
        text = str(await koji.getKojiVersion())
    except HubFault:
        text = "older than 1.23"
    if version_numbers(text) < OLDEST:
        yield warning("version", f"Koji {text}", "hubs before 1.31 are untested")
    else:
        yield ok("version", f"Koji {text}")
    known = set(await koji.checked("system.listMethods"))
    for method, where in examined.wanted.methods.items():
        if method not in known:
            near = None if method in PLUGINS else nearest(method, known)
            yield error(
                "plugin",
                f"the hub has no {method}, which {where} needs",
                f"did you mean {near}?"
                if near
                else "install its plugin on the hub, or remove the step",
            )
