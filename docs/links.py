"""Finds the broken links of the built site: ``python docs/links.py build/site``.

Sphinx checks its own references; this checks every other link to a page, an anchor, a picture or a
download of the site. ``nox -s linkcheck`` asks the servers of the world.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Made by Sphinx and the theme.
_GENERATED = ("_modules", "_static", "_sources", "genindex", "py-modindex", "search")


class Page(HTMLParser):
    """A page of the site.

    Attributes:
        targets: what it links to and shows.
        places: the anchors in it.
        tables: how many tables it has.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.tables = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag links to, and what can be linked to."""
        values = dict(attrs)
        self.places |= {each for each in (values.get("id"), values.get("name")) if each}
        self.targets += [each for each in (values.get("href"), values.get("src")) if each]
        self.tables += tag == "table"


def pages(site: Path) -> dict[Path, Page]:
    """Return the pages of a built site by their paths."""
    return {path: Page(path) for path in sorted(site.resolve().rglob("*.html"))}


def broken(site: Path) -> Iterator[str]:
    """Give each link of a built site that leads nowhere in it."""
    site = site.resolve()
    known = pages(site)
    for path, page in known.items():
        if path.relative_to(site).parts[0].startswith(_GENERATED):
            continue
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            # Beside the site there may be a file here, and none where it is served.
            is_there = file.is_relative_to(site) and file.exists()
            if not is_there or (place and file in known and place not in known[file].places):
                yield f"{path.name}: {target} leads nowhere"


if __name__ == "__main__":
    found = list(broken(Path(sys.argv[1])))
    sys.exit("\n".join(found) or None)
