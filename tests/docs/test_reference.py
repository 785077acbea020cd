"""The reference tables say what the plugins declare, and so do signatures and docstrings."""

from __future__ import annotations

import importlib.util
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from buildbot.config.errors import capture_config_errors

from buildbot_koji.arguments.declaration import described

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "steps.rst").read_text(encoding="utf-8")


def load_script() -> Any:
    """Return the script that writes the tables."""
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load_script()
PLUGINS = reference.plugins()


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.name)
def test_pages_are_up_to_date(page: Path) -> None:
    """Nothing has changed since the tables were written."""
    text = page.read_text(encoding="utf-8")
    assert reference.filled(text) == text, "run `make docs`"


def test_every_plugin_has_a_table() -> None:
    """Each plugin has a section in the page of the steps, or a table in another page."""
    text = "".join(page.read_text(encoding="utf-8") for page in reference.PAGES)
    for name in PLUGINS:
        assert f"``{name}``\n-----" in text or f".. arguments of {name}\n" in text, name


def test_every_argument_of_a_step_is_there() -> None:
    """Each argument of each step stands in a table of the page."""
    for name, step in reference.steps().items():
        assert f"``{name}``\n-----" in PAGE
        for each in step.arguments:
            assert f"   * - ``{each}``\n" in PAGE


@pytest.mark.parametrize("name", PLUGINS)
def test_signatures_and_docstrings(name: str) -> None:
    """The signature and the docstring of a plugin have its arguments, and no others."""
    plugin = PLUGINS[name]
    parameters = dict(inspect.signature(plugin).parameters)
    assert (parameters.pop("others", None) is not None) == bool(plugin.passed_on)
    assert parameters.keys() == plugin.arguments.keys()
    listed = inspect.cleandoc(plugin.__doc__).partition("\nArgs:\n")[2]
    for each, one in plugin.arguments.items():
        optional = not one.required or one.positional
        default = one.default if optional else inspect.Parameter.empty
        assert parameters[each].default == default
        is_positional = parameters[each].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert is_positional == one.positional
        assert f"    {each}: {described(plugin.arguments, each)}\n" in f"{listed}\n"
        assert not one.meaning.endswith(".")
    names = re.findall(r"^    (\w+): ", listed, re.MULTILINE)
    assert names == [*plugin.arguments, *(["others"] if plugin.passed_on else [])]


def test_example() -> None:
    """Buildbot accepts the steps of the example."""
    [example] = re.findall(r"::\n\n((?:(?:    .*)?\n)+)", PAGE)[:1]
    with capture_config_errors() as errors:
        exec(textwrap.dedent(example), {})
    assert list(errors.errors) == []
