"""The benchmarks, which nothing else of the tests runs."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("name", ["changes", "mass", "waiting"])
def test_masters_find_what_they_import(name: str) -> None:
    """Their configurations, which no type checker reads, import what exists."""
    lines = importlib.import_module(f"benchmarks.{name}").CONFIG.splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert imports
    exec("\n".join(imports), {})
