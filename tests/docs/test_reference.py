"""The reference tables say what the plugins declare, and so do signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from buildbot_koji.arguments.declaration import described
from buildbot_koji.www.actions import find_action
from tests.docs.scripts import load

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "steps.rst").read_text(encoding="utf-8")


reference = load("reference")
PLUGINS = reference.plugins()
ALL_PAGES = "".join(page.read_text(encoding="utf-8") for page in reference.PAGES)


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.name)
def test_pages_are_up_to_date(page: Path) -> None:
    """Nothing has changed since the tables were written."""
    text = page.read_text(encoding="utf-8")
    assert reference.filled(text) == text, "run `make docs`"


@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_has_a_table(name: str) -> None:
    """Each plugin has a section in the page of the steps, or a table in another page."""
    assert f"``{name}``\n-----" in ALL_PAGES or f".. arguments of {name}\n" in ALL_PAGES


def test_every_property_is_there() -> None:
    """Each property that a step sets is named in the page of the steps or of mass builds."""
    text = PAGE + (DOCS / "mass.rst").read_text(encoding="utf-8")
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (DOCS.parent / "buildbot_koji" / "steps").rglob("*.py")
    )
    names = set(re.findall(r'"(koji_[a-z_]+)"', source))
    assert len(names) >= 20
    assert {name for name in names if f"``{name}" not in text and f'"{name}"' not in text} == set()


def test_every_command_has_a_table() -> None:
    """Each command with arguments has them in a page; ``resume`` takes those of ``pause``."""
    without = {name for name in reference.commands() if f".. options of {name}\n" not in ALL_PAGES}
    assert without == {"buildbot-koji", "buildbot-koji example", "buildbot-koji resume"}


@pytest.mark.parametrize("name", reference.steps())
def test_every_argument_of_a_step_is_there(name: str) -> None:
    """Each argument of each step stands in a table of the page."""
    assert f"``{name}``\n-----" in PAGE
    rows = set(re.findall(r"^   \* - ``(\w+)``$", PAGE, re.MULTILINE))
    assert {"profile"} <= reference.steps()[name].arguments.keys() <= rows


@pytest.mark.parametrize("name", PLUGINS)
def test_signatures_and_docstrings(name: str) -> None:
    """The signature and the docstring of a plugin have its arguments in one order, no others."""
    plugin = PLUGINS[name]
    parameters = dict(inspect.signature(plugin).parameters)
    order = list(parameters)
    assert (parameters.pop("others", None) is not None) == bool(plugin.passed_on)
    assert parameters.keys() == plugin.arguments.keys()
    listed = inspect.cleandoc(plugin.__doc__).partition("\nArgs:\n")[2]
    assert max(map(len, listed.splitlines()), default=0) <= 100
    listed = listed.replace("\n        ", " ")
    for each, one in plugin.arguments.items():
        optional = not one.required or one.positional
        default = one.default if optional else inspect.Parameter.empty
        assert parameters[each].default == default
        is_positional = parameters[each].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert is_positional == one.positional
        assert f"    {each}: {described(plugin.arguments, each)}\n" in f"{listed}\n"
        assert not one.meaning.endswith(".")
    names = re.findall(r"^    (\w+): ", listed, re.MULTILINE)
    assert names == order


def test_every_button_has_an_address() -> None:
    """The addresses that change something do what the page says that one may allow."""
    page = (DOCS / "www.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"``(koji-(?:mass-)?(?:pause|resume|poll|stop|redeliver))``", page))
    assert len(named) == 7
    found = set()
    for row in re.findall(r"\* - POST (.+)", page):
        first, *others = re.findall(r"``([^`]+)``", row)
        folder = first.rpartition("/")[0].removeprefix("api/").split("/")
        for what in [first.rpartition("/")[2], *others]:
            action = find_action(None, [*folder, what])
            assert action is not None, (row, what)
            found.add(action.name)
    assert found == named
