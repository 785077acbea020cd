"""The checks of one hub, in their order: each needs what those before it found good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from buildbot_koji.cli.doctor.findings import Finding, error, ok
from buildbot_koji.cli.doctor.login import credentials, login
from buildbot_koji.cli.doctor.names import (
    architectures,
    build_types,
    channels,
    mass_builds,
    packages,
    repos,
    tags,
    targets,
    users,
)
from buildbot_koji.cli.doctor.server import OLDEST, clock, reachable, tls_remedy, version, way
from buildbot_koji.cli.doctor.wanted import Examined, HubNeeds
from buildbot_koji.cli.doctor.websites import files, pages
from txkoji import Connection
from txkoji.exceptions import (
    ConfigurationError,
    KojiException,
    ProfileNotFound,
    TLSError,
    UnusableAnswer,
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
    mass_builds,
    architectures,
    repos,
    users,
    build_types,
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
            remedy = "write it into one of the files that are named, or name another profile"
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
