"""Whether Koji's pages and files can be read."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

from twisted.internet.threads import deferToThread

from buildbot_koji.cli.doctor.findings import Finding, error, ok, warning
from buildbot_koji.cli.doctor.network import answer_to
from buildbot_koji.cli.doctor.wanted import Examined
from txkoji import Connection, build_states, paths


async def pages(examined: Examined) -> AsyncIterator[Finding]:
    """Check that Koji's pages are where links lead."""
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


async def files(examined: Examined) -> AsyncIterator[Finding]:
    """Check that files can be read, as downloads and logs do."""
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
    # A new hub has no RPM: any answer for the top directory shows that the server works.
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
