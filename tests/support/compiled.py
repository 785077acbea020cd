"""A pytest plugin: in a fresh clone, each process of a run compiles its share of the files.

To rewrite what tests assert takes longer than all else that a process does before its first test,
and every process would rewrite all of it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

FOLDERS = ("buildbot_koji", "tests", "txkoji")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the share of a process of pytest-xdist, unless that was done."""
    worker = getattr(config, "workerinput", None)
    rewriter: Any = next(
        (each for each in sys.meta_path if isinstance(each, AssertionRewritingHook)), None
    )
    if worker is None or rewriter is None or sys.dont_write_bytecode:
        return
    paths = sorted(path for each in FOLDERS for path in (config.rootpath / each).rglob("*.py"))
    for path in paths[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        # A file may be there to be one that Python refuses.
        with suppress(ImportError, SyntaxError, ValueError):
            _compile(path, rewriter)


def _compile(path: Path, rewriter: Any) -> None:
    name = path.stem
    if name == "conftest" or name.startswith("test_"):
        # What is written is run next; without builtins that ends at its first import.
        spec = ModuleSpec(name, rewriter, origin=str(path))
        rewriter.exec_module(SimpleNamespace(__name__=name, __spec__=spec, __builtins__={}))
    else:
        SourceFileLoader(name, str(path)).get_code(name)
