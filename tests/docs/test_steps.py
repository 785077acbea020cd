"""The page of the steps says what the steps declare, and its example is a good configuration."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from buildbot.config.errors import capture_config_errors

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "steps.rst").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def writer() -> Any:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("steps_page", DOCS / "steps_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_up_to_date(writer: Any) -> None:
    """Nothing has changed since the page was written."""
    assert writer.page() == PAGE, "write it again: make docs"


def test_every_argument_is_there(writer: Any) -> None:
    """Each argument of each step stands in a table of the page."""
    for step in writer.steps():
        assert f"``steps.{step.__name__}``\n-----" in PAGE
        for name in step.arguments:
            assert f"   * - ``{name}``\n" in PAGE


def test_example() -> None:
    """Buildbot accepts the steps of the example."""
    [example] = re.findall(r"::\n\n((?:(?:    .*)?\n)+)", PAGE)[:1]
    with capture_config_errors() as errors:
        exec(textwrap.dedent(example), {})
    assert list(errors.errors) == []
