"""What the packages import, and what they call things, keeps their floors apart."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import txkoji
from tests.support import REPOSITORY

PACKAGES = ("txkoji", "buildbot_koji")

PUBLIC_MODULES = {
    "txkoji.build",
    "txkoji.build_states",
    "txkoji.bus",
    "txkoji.cache",
    "txkoji.channel",
    "txkoji.estimates",
    "txkoji.exceptions",
    "txkoji.gathering",
    "txkoji.messages",
    "txkoji.multicall",
    "txkoji.nvr",
    "txkoji.package",
    "txkoji.paths",
    "txkoji.profiles",
    "txkoji.retry",
    "txkoji.task",
    "txkoji.task_states",
    "txkoji.testing",
}
"""The modules whose paths are promised to the users of ``txkoji``."""

PRIVATE_YET = {
    "txkoji.files.downloads",
    "txkoji.files.logs",
    "txkoji.files",
    "txkoji.files.rpm",
    "txkoji.files.uploads",
    "txkoji.hub",
    "txkoji.hub.methods",
    "txkoji.submission.recognition",
    "txkoji.submission.submitter",
    "txkoji.watching.infrastructure",
    "txkoji.watching.outcomes",
    "txkoji.watching.queues",
    "txkoji.watching.task_tree",
    "txkoji.watching.watcher",
}
"""Modules that ``buildbot_koji`` still reaches into. It may only get shorter."""

SAME_NAME_YET = {
    "Backlog",
    "Delivery",
    "Event",
}
"""Names that two classes still have. It may only get shorter."""

KNOTS_YET: dict[str, int] = {}
"""Circles that are left: a module of each, and its size. They may only get smaller."""


def sources(package: str) -> Iterator[tuple[Path, ast.Module]]:
    """Give the syntax trees of a package's modules."""
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def knots(graph: grimp.ImportGraph) -> list[set[str]]:
    """Return the sets of modules each of which imports, directly or not, all of its set."""
    upstream = {module: graph.find_upstream_modules(module) for module in graph.modules}
    found: list[set[str]] = []
    for module, above in upstream.items():
        knot = {module, *(each for each in above if module in upstream[each])}
        if len(knot) > 1 and knot not in found:
            found.append(knot)
    return found


def test_no_import_circles() -> None:
    """No module imports itself by way of others, type hints included."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    assert len(graph.modules) > 150
    for knot in knots(graph):
        allowed = max((size for name, size in KNOTS_YET.items() if name in knot), default=0)
        assert len(knot) <= allowed, sorted(knot)


def test_buildbot_koji_uses_public_names() -> None:
    """Whatever ``buildbot_koji`` imports from ``txkoji`` is promised to everyone."""
    private: dict[str, set[str]] = defaultdict(set)
    for path, tree in sources("buildbot_koji"):
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [(each.name, "") for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "", each.name) for each in node.names]
            for module, name in names:
                if module.partition(".")[0] == "txkoji" and not is_public(module, name):
                    private[module].add(f"{path.relative_to(REPOSITORY)}: {name}")
    assert {module: who for module, who in private.items() if module not in PRIVATE_YET} == {}


def is_public(module: str, name: str) -> bool:
    """Tell whether users of ``txkoji`` may import a name from a module."""
    if module == "txkoji":
        return name in txkoji.__all__ or f"txkoji.{name}" in PUBLIC_MODULES
    return module in PUBLIC_MODULES and name in importlib.import_module(module).__all__


@pytest.mark.parametrize("module", ["txkoji", *sorted(PUBLIC_MODULES)])
def test_public_names_exist(module: str) -> None:
    """A public module lists its names, and has them."""
    found = importlib.import_module(module)
    assert all(hasattr(found, name) for name in found.__all__)


def test_no_class_name_twice() -> None:
    """Two classes never share a name: what is said of one is said of no other."""
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path, tree in sources(package):
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(REPOSITORY)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in twice.items() if name not in SAME_NAME_YET} == {}
