"""The checks of one hub, in their order: each needs what those before it found good."""

from __future__ import annotations

import difflib
import re
import stat
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timezone
from pathlib import Path

from twisted.internet.threads import deferToThread

from buildbot_koji.cli.doctor.findings import Finding, error, expiry, ok, warning
from buildbot_koji.cli.doctor.names import channels, packages, tags, targets
from buildbot_koji.cli.doctor.network import files, pages, walked
from buildbot_koji.cli.doctor.wanted import Examined, HubNeeds
from buildbot_koji.error_messages import PLUGINS, grant_permission
from buildbot_koji.hubs.hub import MAX_CLOCK_DIFFERENCE
from txkoji import Connection, login_problem
from txkoji.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    HTTPStatusError,
    HubFault,
    KojiException,
    KojiLoginException,
    NotXMLRPC,
    ProfileNotFound,
    ServerOffline,
    TLSError,
    UnusableAnswer,
)

FILES = {"certificate": "cert", "keytab": "keytab"}
"""The settings that name the files with secrets."""
RENEWALS = {
    "ticket": "kinit, as the user of the master; with a keytab in the profile nobody has to",
    "certificate": "get a new one from the hub's administrators",
}


async def credentials(examined: Examined) -> AsyncIterator[Finding]:
    """Check what we log in with: whether it can be used, until when, and who else can read it."""
    # It names the defect of a keytab; Kerberos only says that it got no ticket.
    problem = login_problem(examined.connection.settings)
    for each in await examined.connection.credentials():
        if each.problem is not None:
            examined.can_log_in = False
            remedy = "fix this first: the login can't work without it"
            yield error(each.kind, problem or each.problem, remedy)
        elif each.expires is not None:
            until, now = each.expires, time.time()
            remedy = RENEWALS.get(each.kind, "get a new one")
            found = expiry(each.kind, each.name, until, now, remedy)
            if found is None or (found.level == "warning" and each.kind == "ticket"):
                ends = datetime.fromtimestamp(until, timezone.utc)
                found = ok(each.kind, f"{each.name}, until {ends:%Y-%m-%d %H:%M} UTC")
            elif found.level == "error":
                examined.can_log_in = False
            yield found
        path = getattr(examined.connection.settings, FILES.get(each.kind, ""), None)
        if path is not None and await deferToThread(_others_can_read, Path(path)):
            yield warning(
                each.kind,
                f"every user of this machine can read {path}, and act as {each.name}",
                f"chmod 600 {path}; the master's user must own it",
            )


def _others_can_read(path: Path) -> bool:
    """Return whether users other than the owner and its group can read a file."""
    try:
        ways = [each.stat().st_mode for each in path.absolute().parents]
        return all([path.stat().st_mode & stat.S_IROTH, *(each & stat.S_IXOTH for each in ways)])
    except (OSError, ValueError):
        return False


async def login(examined: Examined) -> AsyncIterator[Finding]:
    """Log in; check that we have the permissions that are wanted."""
    koji, wanted = examined.connection, examined.wanted
    if not examined.can_log_in:
        # The reason was given.
        return
    try:
        if koji.settings.authtype != "noauth":
            await koji.login()
        examined.user = await koji.checked("getLoggedInUser")
    except (KojiLoginException, ConfigurationError) as problem:
        level = error if wanted.logs_in else warning
        remedy = "koji moshimoshi, as the user of the master, says the same"
        yield level("login", str(problem), remedy)
        return
    if examined.user is None and koji.settings.authtype == "noauth":
        if wanted.logs_in:
            yield error(
                "login",
                "the profile says authtype = noauth, and something here writes",
                "give the profile, or a util.KojiHub, a way to log in",
            )
        return
    if examined.user is None:
        yield error("login", "the hub forgot the session at once", "ask the hub's administrators")
        return
    yield ok("login", f"as {examined.user.name}")
    held = set(await koji.checked("getPerms"))
    for names, where in wanted.permissions.items():
        if not held & {*names, "admin"}:
            yield warning(
                "permission",
                f"{examined.user.name} does not have {' or '.join(names)}, which {where} needs"
                " unless a policy allows it",
                f"{grant_permission(names[0], examined.user.name)}, by an admin",
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
        return "'cert' of the profile must name one that the hub's administrators gave you"
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
    parts = tuple(map(int, re.findall("[0-9]{1,6}", text)[:2]))
    if parts < OLDEST:
        yield warning("version", f"Koji {text}", "hubs before 1.31 are untested")
    else:
        yield ok("version", f"Koji {text}")
    known = set(await koji.checked("system.listMethods"))
    for method, where in examined.wanted.methods.items():
        if method not in known:
            near = difflib.get_close_matches(
                method, () if method in PLUGINS else known, n=1, cutoff=0.8
            )
            yield error(
                "plugin",
                f"the hub has no {method}, which {where} needs",
                f"did you mean {near[0]}?"
                if near
                else "install its plugin on the hub, or remove the step",
            )


CHECKS = (
    way,
    reachable,
    clock,
    version,
    credentials,
    login,
    targets,
    tags,
    packages,
    channels,
    pages,
    files,
)
"""In this order; without a reachable hub, those after it say nothing."""


async def check_hub(connect: Callable[[], Connection], wanted: HubNeeds) -> AsyncIterator[Finding]:
    """Check a hub.

    Args:
        connect: makes the connection.
        wanted: what is wanted of the hub.
    """
    try:
        connection = connect()
    except ConfigurationError as problem:
        remedy = "correct it in the profile"
        if isinstance(problem, ProfileNotFound):
            remedy = "write it into one of the files that are named"
        elif not isinstance(wanted.profile, str):
            remedy = "correct it in master.cfg, or in what its secretsProviders give"
        yield error("profile", str(problem), remedy)
        return
    # Where both say something, the last one counts.
    where = " and then ".join(connection.settings.files) or "a program"
    yield ok("profile", f"{connection.profile}: {connection.url}, from {where}")
    examined = Examined(connection, wanted)
    said: set[str] = set()
    try:
        for check in CHECKS:
            async for finding in _findings(check, examined, said):
                yield finding
            if not examined.is_reachable:
                return
    finally:
        await connection.close()


async def _findings(
    check: Callable[[Examined], AsyncIterator[Finding]], examined: Examined, said: set[str]
) -> AsyncIterator[Finding]:
    """Yield the findings of a check, and what broke it unless that was ``said`` before."""
    try:
        async for finding in check(examined):
            yield finding
    except KojiException as problem:
        what = check.__name__
        if str(problem) not in said:
            yield error(what, str(problem), _remedy(problem))
        said.add(str(problem))


def _remedy(problem: KojiException) -> str:
    if isinstance(problem, TLSError):
        return tls_remedy(str(problem))
    if isinstance(problem, UnusableAnswer) or "Invalid method" in str(problem):
        return (
            f"the hub is older than {'.'.join(map(str, OLDEST))}, or broken: ask its administrators"
        )
    return "the hub refused, or became unreachable: run this again"
