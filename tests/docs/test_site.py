"""The site as a reader has it: it is built without a warning, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from munch import Munch

import txkoji
from tests.buildbot_koji.test_pages import ARGUMENTS, CHROMIUM
from tests.docs.scripts import load
from tests.support import REPOSITORY

pytestmark = [pytest.mark.limit(300), pytest.mark.xdist_group("site")]

links = load("links")


def test_links_lead_somewhere(site: Path, tmp_path: Path) -> None:
    """Each link to a page, an anchor, a picture or a download finds it; a broken one is named."""
    assert list(links.broken(site)) == []
    assert sum(len(page.targets) for page in links.pages(site).values()) > 1000
    page = '<a id="here"></a><a href="#her">x</a><img src="a.png"><a href="../beside.html">y</a>'
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text(page)
    (tmp_path / "beside.html").write_text("")
    assert list(links.broken(tmp_path / "site")) == [
        "index.html: #her leads nowhere",
        "index.html: a.png leads nowhere",
        "index.html: ../beside.html leads nowhere",
    ]


def test_the_api_is_what_is_promised(site: Path) -> None:
    """The pages of the API have each public name, and none of Python's or for the package alone."""
    page = "".join(each.read_text(encoding="utf-8") for each in site.glob("api_*.html"))
    named = set(re.findall(r'<dt class="sig sig-object py" id="([^"]+)"', page))
    assert {f"txkoji.{name}" for name in txkoji.__all__} - named == set()
    assert len(named) > 500
    inherited = {name for base in (dict, Munch, Exception) for name in vars(base)}
    assert {name for name in named if name.rpartition(".")[2] in inherited - {"update"}} == set()
    called_by_us = {"txkoji.Watch.update", "txkoji.RequestStatistics.took", "txkoji.listing.pages"}
    assert named & called_by_us == set()


@pytest.mark.parametrize(
    "source", sorted((REPOSITORY / "docs").glob("*.rst")), ids=lambda path: path.stem
)
def test_markup_is_whole(site: Path, source: Path) -> None:
    """Each table of a source is one on its page, and no markup is left in the text."""
    page = site / f"{source.stem}.html"
    text = source.read_text(encoding="utf-8")
    rulers = re.findall(r"^=+(?: +=+)+$", text, re.MULTILINE)
    expected = text.count(".. list-table::") + (len(rulers) + 2) // 3
    assert links.Page(page).tables >= expected
    body = page.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
    prose = re.sub(r"<(pre|code)\b.*?</\1>", "", body, flags=re.DOTALL)
    assert not re.search(r"``|:\w+:`|\|\||`_\b", prose)
    # Where there is a table of contents beside its own, the theme shows an error in red.
    assert "contents::" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")
def test_nothing_scrolls_sideways(site: Path) -> None:
    """Pages fit the windows of phones, tablets and laptops."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = browser.new_page()
            page.goto((site / "steps.html").as_uri())
            for width in (375, 800, 1100, 1366, 1600):
                page.set_viewport_size({"width": width, "height": 900})
                needed = page.evaluate("document.documentElement.scrollWidth")
                assert needed <= width, width
        finally:
            browser.close()
