"""The checks of one hub, in their order: each needs what those before it found good."""

from __future__ import annotations

import difflib
import re
import ssl
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.threads import deferToThread

from buildbot_koji.cli.doctor.findings import Finding, error, expiry, ok, warning
from buildbot_koji.cli.doctor.network import answer_to, clock_difference, walked
from buildbot_koji.cli.doctor.wanted import HubNeeds
from buildbot_koji.database_values import number
from buildbot_koji.error_messages import PLUGINS, add_package, grant_permission
from buildbot_koji.hubs.survey import ready_hosts
from buildbot_koji.words import counted
from txkoji import Connection, build_states, login_problem, paths, task_states
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

MAX_CLOCK_DIFFERENCE = 60.0
OLDEST = (1, 31)
NO_HUB = "is 'server' the address of a hub? It ends in /kojihub"
NO_TLS = "correct address and port of 'server' in the profile, or of the proxy"
FILES = {"certificate": "cert", "keytab": "keytab"}
"""The settings that name the files with secrets."""
RENEWALS = {
    "ticket": "kinit, as the user of the master; with a keytab in the profile nobody has to",
    "certificate": "get a new one from the hub's administrators",
}


@attrs.define
class _Examined:
    """A hub under examination.

    Attributes:
        connection: the connection to it.
        wanted: what is wanted of it.
        is_reachable: it answers as a hub does.
        can_log_in: no credential is known to be unusable.
        user: who we are, None until the login.
        now: returns this machine's time, in seconds since the epoch.
        destinations: the tags that builds go into.
        arches: the architectures of the build tags, by the targets.
    """

    connection: Connection
    wanted: HubNeeds
    now: Callable[[], float]
    is_reachable: bool = False
    can_log_in: bool = True
    user: Any = None
    destinations: set[str] = attrs.field(factory=set)
    arches: dict[str, str] = attrs.field(factory=dict)


async def check_hub(
    connect: Callable[[], Connection], wanted: HubNeeds, now: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """Check a hub.

    Args:
        connect: makes the connection.
        wanted: what is wanted of the hub.
        now: returns this machine's time, in seconds since the epoch.
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
    examined = _Examined(connection, wanted, now)
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
    check: Callable[[_Examined], AsyncIterator[Finding]], examined: _Examined, said: set[str]
) -> AsyncIterator[Finding]:
    """Yield the findings of a check, and what broke it unless that was ``said`` before."""
    try:
        async for finding in check(examined):
            yield finding
    except KojiException as problem:
        what = check.__name__.strip("_").replace("_", " ")
        if str(problem) not in said:
            yield error(what, str(problem), _remedy(problem))
        said.add(str(problem))


def _remedy(problem: KojiException) -> str:
    if isinstance(problem, TLSError):
        return _tls_remedy(str(problem))
    if isinstance(problem, UnusableAnswer) or "Invalid method" in str(problem):
        return (
            f"the hub is older than {'.'.join(map(str, OLDEST))}, or broken: ask its administrators"
        )
    return "the hub refused, or became unreachable: run this again"


async def _way(examined: _Examined) -> AsyncIterator[Finding]:
    # An unusable proxy setting yields no finding here; the first request reports it.
    examined.is_reachable = True
    koji = examined.connection
    async for finding in walked(koji.reactor, koji.url):
        examined.is_reachable = finding.level != "error"
        yield finding


async def _reachable(examined: _Examined) -> AsyncIterator[Finding]:
    koji = examined.connection
    koji.deadline = 8.0
    began = time.monotonic()
    examined.is_reachable = False
    try:
        await koji.getAPIVersion()
    except TLSError as problem:
        yield error("hub", str(problem), _tls_remedy(str(problem)))
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


def _tls_remedy(text: str) -> str:
    if "another host name" in text:
        return "'server' of the profile must be a name that its certificate has"
    if "client certificate" in text:
        return "'cert' of the profile must name one that the hub's administrators gave you"
    if "does not speak TLS" in text:
        return NO_TLS
    return "'serverca' of the profile must name the CA of the hub"


async def _clock(examined: _Examined) -> AsyncIterator[Finding]:
    try:
        _, headers = await deferToThread(answer_to, examined.connection.url)
    except OSError:
        return
    difference = clock_difference(headers, examined.now())
    if difference is None:
        return
    if abs(difference) > MAX_CLOCK_DIFFERENCE:
        ahead = "ahead of" if difference > 0 else "behind"
        yield warning(
            "clock",
            f"the hub's clock is {abs(difference):.0f} s {ahead} this machine's",
            "set both by NTP: Kerberos, and every 'since', depend on the time",
        )
    else:
        yield ok("clock", "as this machine's")


async def _version(examined: _Examined) -> AsyncIterator[Finding]:
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


async def _credentials(examined: _Examined) -> AsyncIterator[Finding]:
    # It names the defect of a keytab; Kerberos only says that it got no ticket.
    problem = login_problem(examined.connection.settings)
    for each in await examined.connection.credentials():
        if each.problem is not None:
            examined.can_log_in = False
            remedy = "fix this first: the login can't work without it"
            yield error(each.kind, problem or each.problem, remedy)
        elif each.expires is not None:
            until, now = each.expires, examined.now()
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


async def _login(examined: _Examined) -> AsyncIterator[Finding]:
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


async def _targets(examined: _Examined) -> AsyncIterator[Finding]:
    koji, wanted = examined.connection, examined.wanted
    if not wanted.targets:
        return
    known = {each.name: each for each in await koji.checked("getBuildTargets") if each.name}
    for name, where in wanted.targets.items():
        target = known.get(name)
        if target is None:
            yield _missing("target", name, where, known)
            continue
        build_tag, destination = str(target.build_tag_name), str(target.dest_tag_name)
        config: Any = await koji.getBuildConfig(build_tag)
        tag = await koji.checked("getTag", destination)
        if not getattr(config, "arches", None):
            yield error(
                f"target {name}",
                f"its build tag {build_tag} has no architectures: every build fails",
                f"koji edit-tag --arches 'x86_64 ...' {build_tag}, by an admin",
            )
        elif tag is not None and tag.locked:
            yield warning(
                f"target {name}",
                f"its tag {destination} is locked: only scratch builds succeed",
                f"koji edit-tag --unlock {destination}, by an admin, or another target",
            )
        elif config.locked:
            yield warning(
                f"target {name}",
                f"its build tag {build_tag} is locked: what builds are made with can't be changed",
                f"koji edit-tag --unlock {build_tag}, by an admin, or another target",
            )
        else:
            yield ok(f"target {name}", f"{build_tag} -> {destination}")
        examined.arches[name] = str(getattr(config, "arches", None) or "")
        wanted.tags.setdefault(destination, f"target {name}")
        examined.destinations.add(destination)


async def _tags(examined: _Examined) -> AsyncIterator[Finding]:
    koji, wanted = examined.connection, examined.wanted
    for name, where in wanted.tags.items():
        tag = await koji.checked("getTag", name)
        if tag is None:
            known = [each.name for each in await koji.checked("listTags")]
            yield _missing("tag", name, where, known)
        elif tag.locked and name in wanted.written_tags:
            yield error(
                f"tag {name}",
                f"is locked; {where} changes it",
                f"koji edit-tag --unlock {name}, by an admin, or another tag",
            )
        elif tag.perm and name in wanted.written_tags and not await _has(examined, tag.perm):
            yield warning(
                f"tag {name}",
                f"takes builds only from users with the permission {tag.perm}; {where} changes it",
                grant_permission(tag.perm, getattr(examined.user, "name", "USER")),
            )
        else:
            yield ok(f"tag {name}", "exists")


async def _packages(examined: _Examined) -> AsyncIterator[Finding]:
    koji, wanted = examined.connection, examined.wanted
    for name, where in wanted.packages.items():
        if await koji.getPackage(name) is None:
            remedy = f"{add_package('TAG', name)} lists it, if the name is right"
            yield _missing("package", name, where, remedy=remedy)
            continue
        blocked = [tag for tag in examined.destinations if await _is_blocked(koji, tag, name)]
        if blocked:
            yield warning(
                f"package {name}",
                f"is blocked in {', '.join(blocked)}, where builds of it are to go",
                f"koji unblock-pkg {blocked[0]} {name}",
            )
            continue
        unlisted = [tag for tag in wanted.tags if not await _is_listed(koji, tag, name)]
        if unlisted and len(unlisted) == len(wanted.tags):
            yield warning(
                f"package {name}",
                f"is listed in none of {', '.join(unlisted)}",
                add_package(unlisted[0], name),
            )
        else:
            yield ok(f"package {name}", "exists")


async def _is_blocked(koji: Connection, tag: str, package: str) -> bool:
    try:
        found: Any = await koji.getPackageConfig(tag, package)
    except HubFault:
        return False
    return bool(getattr(found, "blocked", False))


async def _is_listed(koji: Connection, tag: str, package: str) -> bool:
    try:
        return bool(await koji.checkTagPackage(tag, package))
    except HubFault:
        return False


async def _channels(examined: _Examined) -> AsyncIterator[Finding]:
    koji = examined.connection
    names = examined.wanted.channels or {"default": "Koji"}
    arches: set[str] = set()
    for name, where in names.items():
        channel = await koji.checked("getChannel", name)
        if channel is None:
            known = [each.name for each in await koji.checked("listChannels")]
            yield _missing("channel", name, where, known)
            continue
        hosts = ready_hosts(await koji.checked("listHosts", channelID=name, enabled=True))
        arches.update(_family(arch) for each in hosts for arch in str(each.get("arches")).split())
        waiting = await koji.listTasks(
            {"state": [task_states.FREE], "channel_id": channel.id}, {"countOnly": True}
        )
        is_enabled = channel.get("enabled") is not False
        yield _channel(name, is_enabled, len(hosts), int(number(waiting) or 0))
    for target, wanted in examined.arches.items():
        lacking = [arch for arch in wanted.split() if arches and _family(arch) not in arches]
        if lacking:
            yield warning(
                f"target {target}",
                f"no builder for {', '.join(lacking)} is ready in the channel {', '.join(names)}",
                "koji list-hosts --arch shows why; builds of that architecture wait until one is",
            )


def _channel(name: str, is_enabled: bool, builders: int, waiting: int) -> Finding:
    check, tasks = f"channel {name}", f"{counted(waiting, 'task')} waiting"
    if not is_enabled:
        remedy = f"koji enable-channel {name}, by an admin; tasks wait until it is enabled"
        return warning(check, f"is disabled, {tasks}", remedy)
    if not builders:
        remedy = "koji list-hosts --channel shows why; tasks wait until one is"
        return warning(check, f"no builder is ready, {tasks}", remedy)
    return ok(check, f"{counted(builders, 'builder')} ready, {tasks}")


def _family(arch: str) -> str:
    """Return an architecture as hosts name it: a host for i386 takes what is built for i686."""
    return "arm" if arch.startswith("arm") else re.sub("^i[3-6]86$", "i386", arch)


async def _pages(examined: _Examined) -> AsyncIterator[Finding]:
    koji = examined.connection
    tasks = await koji.checked("listTasks", queryOpts={"order": "-id", "limit": 1})
    # A new hub has none: its web server must do.
    url = paths.task_url(koji.weburl, tasks[0].id) if tasks else koji.weburl
    remedy = "is 'weburl' of the profile right?"
    try:
        status, _ = await deferToThread(answer_to, url)
    except OSError as problem:
        yield warning("weburl", f"{url}: {problem}; links to Koji's pages lead there", remedy)
        return
    if status == 404 and tasks:
        yield warning("weburl", f"there is no page {url}; links to Koji's pages lead there", remedy)
    elif status >= 500:
        wait = "wait, or ask the hub's administrators"
        yield warning("weburl", f"{url} answers with status {status}", wait)
    else:
        yield ok("weburl", koji.weburl)


async def _files(examined: _Examined) -> AsyncIterator[Finding]:
    koji = examined.connection
    if koji.topurl is None:
        level = error if examined.wanted.downloads else warning
        yield level(
            "kojifiles",
            "the profile names no 'topurl': logs and RPMs can't be downloaded from there",
            "topurl = https://.../kojifiles in the profile",
        )
        return
    path = await _path_of_an_rpm(koji)
    # A new hub has none: the server must do, whatever it says of its top directory.
    url = koji.topurl if path is None else paths.url_of(koji.topurl, path)
    try:
        # Verify the server as a download on a worker does.
        tls = await deferToThread(_verifying, koji)
        status, headers = await deferToThread(answer_to, url, tls=tls, Range="bytes=0-0")
    except OSError as problem:
        remedy = "is 'topurl' of the profile right?"
        if "not trusted" in str(problem):
            remedy = "'serverca' of the profile must hold the CA of this server, too"
        yield error("kojifiles", f"{url}: {problem}", remedy)
        return
    if path is None:
        yield ok("kojifiles", "the server answers; there is no RPM yet to read")
    elif "text/html" in headers.get("content-type", "") and status < 300:
        yield error(
            "kojifiles",
            f"{url} is a web page and no RPM: a login portal, or a proxy?",
            "'topurl' of the profile must be an address that gives files without a login",
        )
    elif status == 206 and headers.get("content-range", "").startswith("bytes 0-0/"):
        yield ok("kojifiles", "readable, byte ranges too")
    elif status == 200:
        yield warning(
            "kojifiles",
            "serves no byte ranges: interrupted downloads start over, and logs come from the hub",
            "let the server, or the cache in front of it, answer Range requests",
        )
    else:
        yield error(
            "kojifiles",
            f"{url} answers with status {status}",
            "the server must let this machine read it"
            if status in (401, 403)
            else "wait, or ask its administrators"
            if status >= 500
            else "is 'topurl' of the profile right? /kojifiles may need another name",
        )


def _verifying(koji: Connection) -> ssl.SSLContext | None:
    """Return what verifies the server of the files as a worker does, None if none does."""
    if koji.settings.no_ssl_verify and koji.settings.serverca is None:
        return None
    return ssl.create_default_context(cadata=koji.authorities())


async def _path_of_an_rpm(koji: Connection) -> str | None:
    """Return the path of an RPM below the top directory, None if no late build has one."""
    for build in await koji.checked(
        "listBuilds",
        state=build_states.COMPLETE,
        type="rpm",
        queryOpts={"order": "-build_id", "limit": 20},
    ):
        for rpm in await koji.checked("listRPMs", build.build_id, queryOpts={"limit": 1}):
            return paths.rpm_path(
                build.package_name,
                build.version,
                build.release,
                f"{rpm.name}-{rpm.version}-{rpm.release}.{rpm.arch}.rpm",
                rpm.arch,
                volume=build.volume_name,
            )
    return None


async def _has(examined: _Examined, permission: str) -> bool:
    if examined.user is None:
        return False
    return bool({permission, "admin"} & set(await examined.connection.checked("getPerms")))


def _missing(
    kind: str, name: str, where: str, known: Iterable[str] = (), remedy: str = ""
) -> Finding:
    """Return that the hub lacks what the configuration names, and what may have been meant."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    lists = f"did you mean {near[0]}?" if near else f"koji list-{kind}s lists those it has"
    if name != name.strip():
        lists = "take away the white space around the name"
    return error(f"{kind} {name}", f"the hub does not have it; {where} names it", remedy or lists)


CHECKS = (
    _way,
    _reachable,
    _clock,
    _version,
    _credentials,
    _login,
    _targets,
    _tags,
    _packages,
    _channels,
    _pages,
    _files,
)
"""In this order; without a reachable hub, those after it say nothing."""
