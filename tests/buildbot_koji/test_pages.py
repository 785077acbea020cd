"""What a person sees of a Koji build on Buildbot's pages, in a real browser."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.process.results import FAILURE, SUCCESS
from twisted.internet.threads import deferToThread

from tests.buildbot_koji.masters import MasterProcess
from tests.support import PROCESS_LIMIT, poll, until
from tests.support.ends import AtEnd
from txkoji.testing import FakeHub

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = Path(__file__).parents[2] / "artifacts" / "screenshots"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="pip install playwright"
    ),
    pytest.mark.xdist_group("browser"),
    pytest.mark.hub(build_seconds=1),
]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 1000 * PROCESS_LIMIT
"""Milliseconds that the browser, a program of its own, may take to show something."""

FOR_EVER = 10_000.0
"""Seconds of a build that is not to end while a browser looks, however slow that is."""


def in_browser(url: str, look: Callable[[Any], Any]) -> Any:
    """Open a page and look at it; blocks, so it belongs into a thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(PATIENCE)
            page.goto(url)
            return look(page)
        finally:
            browser.close()


def photograph(page: Any, name: str) -> None:
    """Keep a picture of the window: one of the whole page takes six times as long."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest_twisted.async_fixture
async def master(hub: FakeHub, tmp_path: Path, at_end: AtEnd) -> MasterProcess:
    master = MasterProcess(tmp_path, hub.profile_text())
    at_end(master.end, signal.SIGKILL)
    await master.start()
    return master


async def building(master: MasterProcess, request: int) -> dict[str, Any]:
    """Wait until the architectures are being built; returns the build."""

    async def has_arches() -> Any:
        for build in await master.builds(request):
            for step in (await master.get(f"builds/{build['buildid']}/steps"))["steps"]:
                if any("buildArch" in link["name"] for link in step["urls"]):
                    return build
        return None

    return await poll(has_arches)


def logs_have_begun(hub: FakeHub) -> bool:
    """Tell whether each architecture is being built and has written to its log."""
    tasks = [task["id"] for task in hub.call("listTasks", {"method": "buildArch"})]
    return bool(tasks) and all(
        "build.log" in hub.call("listTaskOutput", task)
        and b"step 0 of" in b64decode(hub.call("downloadTaskOutput", task, "build.log"))
        for task in tasks
    )


def page_of(master: MasterProcess, build: dict[str, Any]) -> str:
    return f"{master.url}#/builders/{build['builderid']}/builds/{build['number']}"


@pytest_twisted.ensureDeferred
async def test_running_build(hub: FakeHub, master: MasterProcess) -> None:
    """The page of a running build has the state of each architecture, links and the live log."""
    request = await master.force("official")
    await until(lambda: logs_have_begun(hub))
    hub.builder.seconds = FOR_EVER
    build = await building(master, request)

    def look(page: Any) -> list[str]:
        page.get_by_text(re.compile(r"x86_64 building|building x86_64")).first.wait_for()
        page.get_by_text(re.compile("buildArch x86_64")).first.wait_for()
        page.get_by_text(re.compile(r"build\.log")).first.click()
        page.get_by_text(re.compile("step 0 of")).first.wait_for()
        photograph(page, "running-build")
        links = page.get_by_role("link").evaluate_all("links => links.map(link => link.href)")
        return [str(link) for link in links]

    links = await deferToThread(in_browser, page_of(master, build), look)
    tasks = [task["id"] for task in hub.call("listTasks", {}) if task["method"] != "tagBuild"]
    assert {f"{hub.weburl}/taskinfo?taskID={task}" for task in tasks} <= set(links)


@pytest_twisted.ensureDeferred
async def test_failed_build(hub: FakeHub, master: MasterProcess) -> None:
    """The page of a failed build says why in one line, and shows the end of the guilty log."""
    build = await master.ended(await master.force("scratch", package="failarch"))
    assert build["results"] == FAILURE

    def look(page: Any) -> None:
        page.get_by_text(re.compile("error building package")).first.wait_for()
        page.get_by_text(re.compile("Bad exit status from %build")).first.wait_for()
        photograph(page, "failed-build")

    await deferToThread(in_browser, page_of(master, build), look)


@pytest_twisted.ensureDeferred
async def test_list_of_builds(hub: FakeHub, master: MasterProcess) -> None:
    """The list of a builder's builds tells what each built."""
    build = await master.ended(await master.force("official"))
    assert build["results"] == SUCCESS

    def look(page: Any) -> None:
        page.get_by_text(re.compile("built hello-1.0-main")).first.wait_for()
        photograph(page, "builds")

    await deferToThread(in_browser, f"{master.url}#/builders/{build['builderid']}", look)
