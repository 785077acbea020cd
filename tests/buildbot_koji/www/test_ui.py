"""The Koji pages in Buildbot's web UI, as a person sees and uses them in a real browser."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import reporters, steps, util
from twisted.internet import reactor
from twisted.internet.threads import blockingCallFromThread, deferToThread

from tests.buildbot_koji.test_pages import (
    ARGUMENTS,
    CHROMIUM,
    FOR_EVER,
    PATIENCE,
    photograph,
)
from tests.buildbot_koji.workbench import SOURCE
from tests.buildbot_koji.www import answers, declared
from tests.buildbot_koji.www.served import ServedMaster
from tests.support import REPOSITORY, poll, until
from tests.support.ends import AtEnd
from txkoji import task_states

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="pip install playwright"
    ),
    pytest.mark.xdist_group("browser"),
]

TITLES = {
    "": "Koji",
    "/tasks": "In Koji now",
    "/packages": "Packages",
    "/sources": "Sources",
    "/deliveries": "Gates and deliveries",
    "/mass": "Mass builds",
    "/mass/17": "Mass build",
}
PAGES = (*TITLES, "/packages/hello")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
DARK = {"color_scheme": "dark"}
PICTURES = (
    ("overview", "", {}),
    ("overview-dark", "", DARK),
    ("tasks", "/tasks", {}),
    ("tasks-phone", "/tasks", {"viewport": PHONE}),
    ("packages", "/packages/hello", {}),
    ("sources", "/sources", {}),
    ("deliveries", "/deliveries", {}),
    ("mass", "/mass/17", {}),
)
"""The pictures of the documentation: name, page, and what differs from a light desk."""
TALLEST = 2050
"""Pixels of the documentation's pictures: a page that is longer ends in rows like those above."""
DRAWN = """() => [...document.querySelectorAll(".koji-chart")].every(
    (each) => each.querySelector("canvas") && !each.textContent.includes("--"))"""
"""Whether the plots are there, which the browser draws last."""
FITS = "document.documentElement.scrollWidth <= window.innerWidth"
REFUSED = "You may not do that: you need to have role 'admins'"
ADMIN = {"Authorization": "Basic " + base64.b64encode(b"admin:secret").decode()}


class Visit:
    """A browser at a master's Koji pages; blocks, so it belongs into a thread.

    Args:
        browser: the browser.
        url: the address of Buildbot's UI.
    """

    def __init__(self, browser: Any, url: str) -> None:
        self._browser = browser
        self.url = url

    @contextmanager
    def page(self, **options: Any) -> Iterator[Any]:
        """Open a page in a context of its own; an error of our script fails the test."""
        context = self._browser.new_context(**{"viewport": DESK, **options})
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        errors: list[str] = []

        def note(error: Any) -> None:
            if "plugins/koji" in str(error.stack):
                errors.append(str(error))

        page.on("pageerror", note)
        try:
            yield page
        finally:
            context.close()
        assert not errors, errors

    def go(self, page: Any, path: str = "") -> None:
        """Show one of our pages, with its data."""
        page.goto(f"{self.url}#/koji{path}")
        title = TITLES.get(path, path.split("/")[-1])
        page.wait_for_function("title => document.title.split(' - ')[0] === title", arg=title)
        page.get_by_text("Loading").wait_for(state="detached")


def look(master: ServedMaster, looks: Callable[[Visit], None]) -> Any:
    """Look at a master's pages in a browser, in a thread."""
    url = master.url.removesuffix("plugins/koji/")

    def in_browser() -> None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            try:
                looks(Visit(browser, url))
            finally:
                browser.close()

    return deferToThread(in_browser)


def sticks_out(page: Any) -> list[str]:
    """Return the texts that stand beyond the right edge of our part of a page."""
    found: list[str] = page.evaluate(
        """() => {
            const main = document.querySelector("main.koji");
            const edge = main.getBoundingClientRect().right
                - parseFloat(getComputedStyle(main).paddingRight);
            return [...main.querySelectorAll("*")]
                .filter((each) => each.getBoundingClientRect().right > edge + 1)
                .map((each) => each.textContent);
        }"""
    )
    return found


def does_not_scroll_sideways(page: Any) -> bool:
    return bool(page.evaluate(FITS))


def build_of(master: ServedMaster, ref: str) -> Any:
    """Return a step that builds ``hello``."""
    return steps.KojiBuild(master.profile, target="demo", source=SOURCE.format("hello", ref))


@pytest_twisted.async_fixture
async def served(empty_home: Path, tmp_path: Path, at_end: AtEnd) -> ServedMaster:
    """A master that was to tag a build into a locked tag, and has a gate that waits."""
    master = ServedMaster(
        tmp_path,
        "hub-ui",
        www={
            "auth": util.UserPasswordAuth({"admin": "secret"}),
            "authz": util.Authz(
                allowRules=[util.AnyControlEndpointMatcher(role="admins")],
                roleMatchers=[util.RolesFromUsername(["admins"], ["admin"])],
            ),
        },
        services=[
            reporters.KojiTagReporter(
                name="stable", profile="hub-ui", on_success={"tag": "demo-released"}
            )
        ],
    )
    at_end(master.close)
    await master.use_hub(empty_home, profile="hub-ui", build_seconds=0.3)
    master.hub.call("editTag2", "demo-released", locked=True)
    await master.start()
    ended = await master.build(build_of(master, "main"))
    assert ended.result == "success", ended

    async def is_settled() -> bool:
        found = (await master.ask("api/deliveries")).json["reporters"]
        return all(each["dead"] or each["gates"] for each in found)

    await poll(is_settled)
    return master


@pytest_twisted.ensureDeferred
async def test_pages(served: ServedMaster) -> None:
    """A person sees whether Koji is up, what is built, what waits and why, on a phone too."""
    running = await served.begin(build_of(served, "other"))
    opts = {"method": "buildArch", "arch": ["x86_64"], "state": [task_states.OPEN]}
    await until(lambda: served.hub.call("listTasks", opts))
    served.hub.builder.seconds = FOR_EVER
    await until(lambda: served.text().startswith("building"))

    def looks(visit: Visit) -> None:
        with visit.page() as page:
            page.goto(visit.url)
            page.get_by_role("link", name="Koji").click()
            hub = page.get_by_role("region", name="Hub hub-ui")
            hub.get_by_text("up", exact=True).wait_for()
            hub.get_by_text(re.compile(r"^1\.\d+\.\d+$")).wait_for()
            hub.get_by_text(re.compile("sidetag_hub")).wait_for()
            page.get_by_role("list", name="At a glance").get_by_text("up", exact=True).wait_for()
            page.get_by_role("link", name="1 dead letter of the reporter stable").first.wait_for()
            photograph(page, "koji-overview")

            page.get_by_role("link", name="In Koji now").click()
            page.get_by_text("x86_64 building").wait_for()
            page.get_by_text("1 task", exact=True).wait_for()
            photograph(page, "koji-tasks")
            page.get_by_role("link", name=re.compile(r"any #\d")).click()
            page.get_by_text(re.compile("building")).first.wait_for()

            visit.go(page, "/sources")
            source = page.get_by_role("region", name="Source koji")
            source.get_by_text("listening").wait_for()
            assert source.locator("time[title]").count() > 0
            photograph(page, "koji-sources")

            visit.go(page, "/deliveries")
            dead = page.get_by_role("region", name="Reporter stable")
            dead.get_by_text("1 dead letter").wait_for()
            dead.get_by_text("on success: tag into demo-released").wait_for()
            dead.get_by_text(re.compile("locked")).first.wait_for()
            gate = page.get_by_role("region", name="Reporter gating")
            gate.get_by_text("any: success").wait_for()
            gate.get_by_text("other missing").wait_for()
            photograph(page, "koji-deliveries")

            visit.go(page, "/packages")
            page.get_by_role("link", name="hello").click()
            page.get_by_role("row", name=re.compile("any #1.*SUCCESS")).wait_for()
            photograph(page, "koji-package")

        with visit.page(viewport=PHONE, color_scheme="dark") as page:
            for path in PAGES:
                visit.go(page, path)
                assert does_not_scroll_sideways(page), path
                ground = "getComputedStyle(document.querySelector('.koji')).backgroundColor"
                assert page.evaluate(ground) == "rgb(24, 27, 31)"
                if path == "/deliveries":
                    photograph(page, "koji-phone-dark")

    try:
        await look(served, looks)
    finally:
        served.hub.builder.seconds = 0.3
        await served.stop_build()
        await served.ended(running)


@pytest_twisted.ensureDeferred
async def test_buttons(served: ServedMaster) -> None:
    """A button says what it did; who may not use it reads that; the keyboard is enough."""
    pressed: list[tuple[str, str]] = []

    def press(page: Any, name: str, answer: str) -> None:
        button = page.get_by_role("button", name=name, exact=True)
        button.focus()
        page.keyboard.press("Enter")
        page.get_by_role("status").get_by_text(re.compile(answer)).first.wait_for()
        pressed.append((name, answer))

    def looks(visit: Visit) -> None:
        with visit.page() as page:
            visit.go(page, "/sources")
            press(page, "Pause: koji", REFUSED)
            press(page, "Poll now: koji", REFUSED)
            visit.go(page, "/deliveries")
            press(page, "Redeliver all: stable", REFUSED)
            page.reload()
            stable = page.get_by_role("region", name="Reporter stable")
            stable.get_by_role("button", name=re.compile("^Redeliver: ")).click()
            page.get_by_role("status").get_by_text(REFUSED).wait_for()
            photograph(page, "koji-refused")

        with visit.page() as page:
            # The answer leads to the master's public address, which it does not know.
            page.request.get(f"{visit.url}auth/login", headers=ADMIN, max_redirects=0)
            visit.go(page, "/sources")
            page.get_by_role("button", name="Pause: koji").wait_for()
            # Tab alone reaches the button, and one sees where one is.
            page.get_by_role("link", name="Mass builds").focus()
            page.keyboard.press("Tab")
            label = page.evaluate("document.activeElement.getAttribute('aria-label')")
            assert label == "Pause: koji"
            width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert width == "3px"
            press(page, "Poll now: koji", "polls now")
            press(page, "Pause: koji", "paused")
            page.get_by_role("region", name="Source koji").get_by_text("paused").first.wait_for()
            photograph(page, "koji-paused")
            # The button that was pressed keeps the focus, whatever it says now.
            focus = "document.activeElement.getAttribute('aria-label')"
            page.wait_for_function(f"{focus} === 'Resume: koji'")
            press(page, "Resume: koji", "koji")
            page.get_by_role("button", name="Pause: koji").wait_for()
            # And Tab continues on the next page, not in Buildbot's menu.
            page.get_by_role("link", name="Overview").focus()
            page.keyboard.press("Enter")
            page.wait_for_function("document.activeElement.matches('main.koji h1')")

            visit.go(page, "/deliveries")
            call = served.hub.call
            blockingCallFromThread(reactor, call, "editTag2", "demo-released", locked=False)
            press(page, "Redeliver all: stable", "1 dead letter")
            stable = page.get_by_role("region", name="Reporter stable")
            stable.get_by_text("no dead letters").wait_for()
            # A button that is gone leaves the focus where it was, not at the top of the page.
            page.wait_for_function(f"{focus} === 'Reporter stable'")

    await look(served, looks)
    assert len(pressed) == 7


@pytest_twisted.ensureDeferred
async def test_mass_build(served: ServedMaster) -> None:
    """A mass build shows how far it is, and is paused, resumed and, asked twice, stopped."""
    served.hub.builder.seconds = FOR_EVER
    request = await served.begin(
        steps.KojiMassBuild(
            served.profile, "demo", ["foo", "world"], source=SOURCE.format("{package}", "x")
        )
    )

    def looks(visit: Visit) -> None:
        with visit.page() as page:
            visit.go(page, "/mass")
            page.get_by_role("link", name=re.compile(r"any #\d")).click()
            answer = page.get_by_role("status", name="Answer")
            page.get_by_role("button", name=re.compile("^Pause: ")).click()
            answer.get_by_text(REFUSED).wait_for()
            stop = page.get_by_role("button", name=re.compile("^Stop: "))
            stop.press("Enter")
            page.get_by_role("button", name=re.compile("^Really stop it")).press("Escape")
            stop.press("Enter")
            answer.get_by_text(REFUSED).wait_for(state="detached")
            page.get_by_role("button", name=re.compile("^Really stop it")).click()
            answer.get_by_text(REFUSED).wait_for()

            page.request.get(f"{visit.url}auth/login", headers=ADMIN, max_redirects=0)
            for package in ("foo", "world"):
                row = page.get_by_role("row", name=re.compile(package))
                row.get_by_text("running").wait_for()
                row.get_by_role("link", name="Koji").wait_for()
            photograph(page, "koji-mass-build")
            for button, said in (
                ("Pause", "submits nothing more until it is resumed"),
                ("Resume", "submits again"),
                ("Stop", None),
                ("Really stop it?", "the mass build stops"),
            ):
                page.get_by_role("button", name=re.compile(f"^{re.escape(button)}: ")).click()
                if said is not None:
                    answer.get_by_text(said).wait_for()
            page.locator(".card-header").get_by_text(re.compile("^ended$")).wait_for()

    try:
        await look(served, looks)
    finally:
        served.hub.builder.seconds = 0.3
    assert (await served.ended(request)).result == "cancelled"


@pytest_twisted.ensureDeferred
async def test_hub_down(served: ServedMaster) -> None:
    """A hub that does not answer shows within seconds, with since when and why."""
    served.hub.builder.seconds = FOR_EVER
    running = await served.begin(build_of(served, "down"))
    await until(lambda: served.text() != "")

    def looks(visit: Visit) -> None:
        with visit.page() as page:
            visit.go(page)
            hub = page.get_by_role("region", name="Hub hub-ui")
            hub.get_by_text("up", exact=True).wait_for()
            blockingCallFromThread(reactor, served.hub.offline, "database is restored")
            hub.get_by_text(re.compile(r"since \d\d:\d\d: ")).wait_for()
            photograph(page, "koji-hub-down")
            visit.go(page, "/tasks")
            page.get_by_role("alert").get_by_text(re.compile("is down since")).wait_for()
            visit.go(page)
            blockingCallFromThread(reactor, served.hub.online)
            hub.get_by_text("up", exact=True).wait_for()

    try:
        await look(served, looks)
    finally:
        served.hub.online()
        served.hub.builder.seconds = 0.3
        await served.stop_build()
        await served.ended(running)


@pytest_twisted.ensureDeferred
async def test_large_and_hostile_answers(served: ServedMaster) -> None:
    """Ten thousand tasks stay usable, hostile text is text, a lost master is one line."""
    now = datetime(2026, 11, 26, 14, 2, tzinfo=timezone.utc).timestamp()
    given = {
        "overview": answers.overview(now),
        "history": answers.history(now),
        "history?hub=centos": answers.history(now, range(285, 288)),
        "failures": answers.failures(now),
        "tasks": answers.tasks(now, 10_000, ("x86_64",), hostile=True),
        "packages": {"packages": ["kernel", "x" * 200]},
        "package/hello": answers.package(now),
        "sources": answers.sources(now),
        "deliveries": answers.deliveries(now),
        "mass": answers.mass(now),
        "mass/17/packages": answers.mass_packages(now),
    }
    texts = {path: json.dumps(answer) for path, answer in given.items()}
    assert [each for path in texts for each in declared.mistakes(path, given[path])] == []

    def serve(route: Any) -> None:
        path = route.request.url.partition("/plugins/koji/api/")[2]
        body = texts.get(path) or texts[path.partition("?")[0]]
        route.fulfill(body=body, content_type="application/json")

    def looks(visit: Visit) -> None:
        with visit.page() as page:
            page.route("**/plugins/koji/api/**", serve)
            visit.go(page, "/tasks")
            page.get_by_text("10,000 tasks, 1,731 in trouble").wait_for()
            assert page.get_by_role("row").count() < 100
            page.get_by_label("Package or NVR").fill("5010")
            page.get_by_text("<img src=x").wait_for()
            assert page.locator(".koji img, .koji a[href^=javascript]").count() == 0
            assert "broken into" not in page.title()
            page.get_by_label("Package or NVR").fill("bash-9999")
            page.get_by_text("1 of 10,000 tasks").wait_for()
            page.get_by_label("Package or NVR").fill("")
            # The rows above the end get their heights as they come into sight.
            page.wait_for_function(
                """() => {
                    window.scrollTo(0, document.body.scrollHeight);
                    return document.querySelector("[aria-rowindex='10001']");
                }"""
            )

            for path, name in (
                ("", "overview"),
                ("/packages/hello", "package"),
                ("/sources", "sources"),
                ("/deliveries", "deliveries"),
                ("/mass", "mass"),
            ):
                visit.go(page, path)
                photograph(page, f"koji-full-{name}")
            page.get_by_role("link", name="mass-rebuild #3").click()
            page.get_by_text("2,400 packages; the first 500 are shown").wait_for()
            page.get_by_label("State").select_option("failed")
            page.get_by_text("300 of 2,400 packages").wait_for()

            page.unroute("**/plugins/koji/api/**")
            page.route("**/plugins/koji/api/**", lambda route: route.abort())
            page.get_by_text(re.compile("The master has not answered since")).first.wait_for()

        # What the documentation shows: `make screenshots` takes the pictures.
        texts["tasks"] = json.dumps(answers.tasks(now))
        for name, path, options in PICTURES:
            with visit.page(timezone_id="UTC", **options) as page:
                page.clock.set_fixed_time(now)
                page.route("**/plugins/koji/api/**", serve)
                visit.go(page, path)
                page.wait_for_load_state("networkidle")
                page.wait_for_function(DRAWN)
                assert not sticks_out(page), name
                words = page.locator("main.koji").inner_text().strip() + "\n"
                if pictures := os.environ.get("KOJI_TEST_PICTURES"):
                    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
                    page.set_viewport_size({**page.viewport_size, "height": height})
                    page.screenshot(path=Path(pictures) / f"{name}.png")
                    (Path(pictures) / f"{name}.txt").write_text(words, encoding="utf-8")
                said = "run `make screenshots`: the picture of the documentation shows other words"
                committed = REPOSITORY / "docs" / "screenshots" / f"{name}.txt"
                assert words == committed.read_text(encoding="utf-8"), said

        with visit.page(viewport=PHONE) as page:
            page.route("**/plugins/koji/api/**", serve)
            for path in PAGES:
                visit.go(page, path)
                assert does_not_scroll_sideways(page), path
                if path == "/deliveries":
                    photograph(page, "koji-phone")

        given["tasks"] = answers.tasks(now, 12)
        texts.update({path: json.dumps(answers.lengthened(each)) for path, each in given.items()})
        for viewport in (PHONE, DESK):
            with visit.page(viewport=viewport) as page:
                page.route("**/plugins/koji/api/**", serve)
                for path in PAGES:
                    visit.go(page, path)
                    page.get_by_text(answers.LONGEST).first.wait_for(state="attached")
                    assert does_not_scroll_sideways(page), path
                    # In a window that is made narrow, Buildbot's menu stays open.
                    for width in (900, 760, 360):
                        page.set_viewport_size({**viewport, "width": width})
                        page.wait_for_function(FITS)
                    page.set_viewport_size(viewport)

    await look(served, looks)
