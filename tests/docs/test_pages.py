"""Each page's code works: plugins and masters take it, programs run, commands are known."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buildbot.config.errors import capture_config_errors
from buildbot.config.master import MasterConfig
from buildbot.plugins import changes, reporters, schedulers, secrets, steps, util, worker
from twisted.internet import reactor

import txkoji
from buildbot_koji.__main__ import command_line
from tests.docs.tutorial import PAGE as TUTORIAL
from tests.docs.tutorial import blocks
from tests.support import REPOSITORY
from txkoji import Connection
from txkoji.testing import FakeHub

# Buildbot is older than the Twisted that it runs on.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PAGES = sorted((REPOSITORY / "docs").glob("*.rst"))
PROFILES = ("koji", "fedora", "ours", "fake", "demo")
PROGRAMS = {
    "embedded_hub.rst",
    "howto_asyncio.rst",
    "howto_tests_with_a_hub.rst",
    "hub_methods.rst",
}
"""The pages whose code is no configuration: it runs below, or in test_aio.py."""


def code_of(page: Path, kind: str) -> list[str]:
    """Return a page's blocks of code of a kind."""
    return [text for each, _, text in blocks(page.read_text(encoding="utf-8")) if each == kind]


CONFIGURED = [
    page
    for page in PAGES
    if page != TUTORIAL and page.name not in PROGRAMS and code_of(page, "python")
]


PLUGINS = {
    "changes": changes,
    "reporters": reporters,
    "schedulers": schedulers,
    "secrets": secrets,
    "steps": steps,
    "util": util,
    "worker": worker,
}


def a_master() -> dict[str, Any]:
    """Return a small configuration that blocks add to, or replace parts of."""
    names = ["install", "upgrade", "smoke", "rebuild"]
    return {
        "workers": [worker.LocalWorker("local")],
        "builders": [
            util.BuilderConfig(name=name, workernames=["local"], factory=util.BuildFactory())
            for name in names
        ],
        "schedulers": [schedulers.AnyBranchScheduler(name="all", builderNames=names)],
        "services": [],
        "www": {"port": 8010},
        "protocols": {"null": {}},
        "secretsProviders": [secrets.SecretInAFile(dirname="secrets")],
        "buildbotNetUsageData": None,
    }


@pytest.fixture
def place(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a current directory with secrets, and a profile of each hub that pages name."""
    monkeypatch.chdir(empty_home)
    (empty_home / "secrets").mkdir(mode=0o700)
    (empty_home / ".koji").mkdir()
    (empty_home / ".koji" / "config").write_text(
        "".join(f"[{each}]\nserver = https://{each}.example.com/kojihub\n" for each in PROFILES),
        encoding="utf-8",
    )
    return empty_home


@pytest.mark.parametrize("page", CONFIGURED, ids=lambda page: page.stem)
def test_a_master_takes_it(page: Path, place: Path) -> None:
    """``checkconfig`` is content with each block of a page; later ones may use names of earlier."""
    pytest.importorskip("pika", reason="pip install 'buildbot-koji[amqp]'")
    names: dict[str, Any] = {
        **PLUGINS,
        "PROFILE": "koji",
        # Buildbot's own.
        "basedir": ".",
        "TARGET": "f44",
        "BUILD_TAG": "f44-build",
    }
    for number, text in enumerate(code_of(page, "python"), 1):
        names["c"] = a_master()
        names.pop("factory", None)
        with capture_config_errors() as errors:
            exec(compile(text, f"{page.name}:{number}", "exec"), names)
            for each in names["c"]["builders"]:
                if each.workernames == ["local"]:
                    each.workernames = [names["c"]["workers"][0].workername]
            if "factory" in names:
                names["c"]["builders"][0].factory = names["factory"]
            MasterConfig.loadFromDict(names["c"], page.name)
        assert list(errors.errors) == [], f"{page.name}, block {number}"


async def test_the_embedded_hub() -> None:
    """The first lines with an embedded hub run as they stand there."""
    [text] = code_of(REPOSITORY / "docs" / "embedded_hub.rst", "python")
    names: dict[str, Any] = {"FakeHub": FakeHub, "reactor": reactor}
    await eval(compile(text, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    assert names["hub"].call("getTaskInfo", names["task_id"])["method"] == "build"
    await names["hub"].stop()


async def test_options_in_a_variable(koji: Connection) -> None:
    """The call with annotated options works."""
    [text] = code_of(REPOSITORY / "docs" / "hub_methods.rst", "python")
    names: dict[str, Any] = {"koji": koji}
    await eval(compile(text, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    assert names["builds"] == []


async def test_a_test_with_a_hub(empty_home: Path) -> None:
    """The test of the how-to passes."""
    [text] = code_of(REPOSITORY / "docs" / "howto_tests_with_a_hub.rst", "python")
    names: dict[str, Any] = {}
    exec(text, names)
    await names["test_a_build"](empty_home)


def test_commands_are_known() -> None:
    """Each command line of ``buildbot-koji`` on a page is one that it takes."""
    texts = (text for page in PAGES for text in code_of(page, "console"))
    found = re.findall(r"^\$ buildbot-koji (.*)", "\n".join(texts), re.MULTILINE)
    assert len(found) > 8
    for each in found:
        command_line().parse_args(shlex.split(each))


def test_files_that_are_named() -> None:
    """Each file of the repository that a page names exists."""
    named = re.compile(r"``((?:docs|examples|tests|txkoji|buildbot_koji|www)/[\w./-]+)``")
    found = {name for page in PAGES for name in named.findall(page.read_text(encoding="utf-8"))}
    assert len(found) > 5
    assert sorted(name for name in found if not (REPOSITORY / name).exists()) == []


def public_modules() -> Iterator[Any]:
    """Give the modules of txkoji whose docstrings are on the site."""
    for each in pkgutil.iter_modules(txkoji.__path__, "txkoji."):
        if not each.name.startswith("txkoji._"):
            yield importlib.import_module(each.name)


def test_examples_in_docstrings() -> None:
    """What a docstring shows after ``>>>`` prints what it says."""
    done = [doctest.testmod(module, verbose=False) for module in public_modules()]
    assert sum(each.failed for each in done) == 0
    assert sum(each.attempted for each in done) >= 12


def test_every_page_is_checked() -> None:
    """No block is of a kind that no test knows, and none is a literal block without a kind."""
    lines = []
    kinds = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"^(?!\.\. ).*::$", text, re.MULTILINE), page.name
        kinds |= {kind for kind, _, _ in blocks(text)}
        if page != TUTORIAL:
            lines += "".join(code_of(page, "console")).splitlines()
    assert kinds == {"python", "console", "text"}
    assert [line for line in lines if not re.match(r"\$ (buildbot-koji|pip install) ", line)] == []
    assert lines
