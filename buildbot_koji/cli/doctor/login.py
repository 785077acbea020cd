"""Whether we can log in, and what we may do."""

from __future__ import annotations

import stat
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path

from twisted.internet.threads import deferToThread

from buildbot_koji.cli.doctor.findings import Finding, error, expiry, ok, warning
from buildbot_koji.cli.doctor.wanted import Examined
from buildbot_koji.error_messages import grant_permission
from txkoji import login_problem
from txkoji.exceptions import ConfigurationError, KojiLoginException

FILES = {"certificate": "cert", "keytab": "keytab"}
"""The settings that name the files with secrets."""
RENEWALS = {
    "ticket": "kinit, as the user of the master; with a keytab in the profile nobody has to",
    "certificate": "get a new one from the hub's administrators",
}


async def credentials(examined: Examined) -> AsyncIterator[Finding]:
    """Check what we log in with: whether it can be used, until when, and who else can read it."""
    settings = examined.connection.settings
    # It names the defect of a keytab; Kerberos only says that it got no ticket.
    problem = login_problem(settings)
    for each in await examined.connection.credentials():
        path = getattr(settings, FILES.get(each.kind, ""), None)
        if each.problem is not None:
            examined.can_log_in = False
            # The message names no keytab, since logs and pages show it, too. A secret's content is
            # in a file that the user does not know.
            what = path if path and settings.credentials_of is None else "this"
            remedy = f"fix {what} first: the login can't work without it"
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
        if "realm" in str(problem).lower():
            remedy = "'principal' of the profile must be of a realm that the hub accepts"
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
    examined.held = set(await koji.checked("getPerms"))
    for names, where in wanted.permissions.items():
        if not examined.held & {*names, "admin"}:
            yield warning(
                "permission",
                f"{examined.user.name} does not have {' or '.join(names)}, which {where} needs"
                " unless a policy allows it",
                f"{grant_permission(names[0], examined.user.name)}, by an admin",
            )
