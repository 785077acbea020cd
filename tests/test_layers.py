"""What the packages import, and what they call things, keeps their floors apart."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import txkoji
from tests.support import REPOSITORY

PACKAGES = ("txkoji", "buildbot_koji")

PUBLIC_MODULES = {
    "txkoji.aio",
    "txkoji.build",
    "txkoji.build_states",
    "txkoji.bus",
    "txkoji.cache",
    "txkoji.channel",
    "txkoji.elapsed",
    "txkoji.estimates",
    "txkoji.exceptions",
    "txkoji.gathering",
    "txkoji.listing",
    "txkoji.locks",
    "txkoji.messages",
    "txkoji.multicall",
    "txkoji.nvr",
    "txkoji.options",
    "txkoji.package",
    "txkoji.paths",
    "txkoji.profiles",
    "txkoji.results",
    "txkoji.retry",
    "txkoji.task",
    "txkoji.task_states",
    "txkoji.testing",
}
"""The modules whose paths are promised to the users of ``txkoji``."""

STANDALONE = {
    "txkoji.files",
    "txkoji.files.part",
    "txkoji.files.rpm",
    "txkoji.front_ends",
    "txkoji.proxy_rules",
}
"""What only ``buildbot_koji.fetcher`` imports: it runs on a worker, without Twisted."""


def sources(package: str) -> Iterator[tuple[Path, ast.Module]]:
    """Give the syntax trees of a package's modules."""
    paths = sorted((REPOSITORY / package).rglob("*.py"))
    assert paths
    for path in paths:
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
    assert knots(graph) == []


def test_buildbot_koji_uses_public_names() -> None:
    """Whatever ``buildbot_koji`` imports from ``txkoji`` is promised to everyone."""
    private: dict[str, set[str]] = defaultdict(set)
    for path, tree in sources("buildbot_koji"):
        allowed = STANDALONE if path.parent.name == "fetcher" else set()
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [(each.name, "") for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "", each.name) for each in node.names]
            for module, name in names:
                ours = module.partition(".")[0] == "txkoji" and module not in allowed
                if ours and not is_public(module, name):
                    private[module].add(f"{path.relative_to(REPOSITORY)}: {name}")
    assert private == {}


def is_public(module: str, name: str) -> bool:
    """Tell whether users of ``txkoji`` may import a name from a module."""
    if module == "txkoji":
        return name in txkoji.__all__ or f"txkoji.{name}" in PUBLIC_MODULES
    return module in PUBLIC_MODULES and name in importlib.import_module(module).__all__


@pytest.mark.parametrize("module", ["txkoji", *sorted(PUBLIC_MODULES)])
def test_public_names_exist(module: str) -> None:
    """A public module lists its names, and has them."""
    found = importlib.import_module(module)
    assert found.__all__
    assert [name for name in found.__all__ if not hasattr(found, name)] == []


def test_only_public_modules_list_their_names() -> None:
    """What has ``__all__`` is promised: any other module marks its own names by an underscore."""
    listing = [
        path
        for package in PACKAGES
        for path, tree in sources(package)
        if "testing" not in path.parts
        and any("__all__" in ast.unparse(each).partition("=")[0] for each in tree.body)
    ]
    modules = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for path in listing
    }
    assert modules == {"txkoji", *PUBLIC_MODULES} - {"txkoji.testing"}


def test_no_class_name_twice() -> None:
    """Two classes never share a name."""
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path, tree in sources(package):
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(REPOSITORY)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert twice == {}


def test_an_outage_is_no_refusal() -> None:
    """Who catches GenericError raises what it is not about: a hub in maintenance is one, too."""
    wrong = []
    for package in ("txkoji", "buildbot_koji"):
        for path, tree in sources(package):
            if "testing" in path.parts:
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ExceptHandler) and node.type is not None:
                    caught = {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)}
                    raises = any(isinstance(each, ast.Raise) for each in ast.walk(node))
                    if "GenericError" in caught and not raises:
                        wrong.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert wrong == []


def test_waits_go_by_elapsed_time() -> None:
    """No pause, limit or interval goes by the clock: it would end early once that is set forward.

    A pause of no seconds yields to the reactor. A command line program ends within minutes.
    """
    by_the_clock = []
    waits = re.compile(
        r"(.*\.)?(deferLater|LoopingCall)|(?!.*lapsed).*\.(callLater|addTimeout)", re.DOTALL
    )
    for path, tree in (each for package in PACKAGES for each in sources(package)):
        if {"testing", "cli"} & set(path.parts) or path.name in ("elapsed.py", "aio.py"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and waits.fullmatch(ast.unparse(node.func)):
                seconds = node.args[0 if ".callLater" in ast.unparse(node.func) else -1]
                if ast.unparse(seconds) != "0":
                    by_the_clock.append(f"{path.relative_to(REPOSITORY)}: {ast.unparse(node)}")
    assert by_the_clock == []


def test_no_test_patches_a_constant() -> None:
    """Pauses, limits and sizes are arguments, or attributes of what has them."""
    patched = []
    for path, tree in sources("tests"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                (".setattr", ".object")
            ):
                values = [each.value for each in node.args if isinstance(each, ast.Constant)]
                if any(re.fullmatch(r"(.*\.)?_?[A-Z][A-Z0-9_]+", str(each)) for each in values):
                    patched.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert patched == []
