"""Writes the reference tables of the pages: what each plugin takes, as the plugin declares it.

A page says where: between the comments ``.. arguments of steps.KojiBuild`` and ``.. end of
arguments`` stands the table of one plugin, between ``.. all steps`` and ``.. end of steps`` a
section for each step, between ``.. options of buildbot-koji watch`` and ``.. end of options`` the
table of a command. ``make docs`` rewrites them; a test fails when they are stale.
"""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from buildbot_koji.__main__ import command_line
from buildbot_koji.arguments.declaration import Argument, described
from buildbot_koji.steps.build import PackageBuildStep
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.priority import PrioritizedStep
from buildbot_koji.steps.framework.task_step import KojiTaskStep
from txkoji.testing.__main__ import command_line as hub_command_line

DOCS = Path(__file__).parent
PAGES = sorted(DOCS.glob("*.rst"))
WIDTH = 130

FAMILIES: dict[str, Any] = {
    "every step": KojiStep,
    "every step that follows a task": KojiTaskStep,
    "every step that builds": PrioritizedStep,
    "every step that builds a package": PackageBuildStep,
}
"""What steps have in common, by whose it is; a class after its bases."""

_TABLE = re.compile(
    r"^\.\. arguments of (\w+\.\w+)\n.*?^\.\. end of arguments$", re.DOTALL | re.MULTILINE
)
_OPTIONS = re.compile(
    r"^\.\. options of ([\w. -]+)\n.*?^\.\. end of options$", re.DOTALL | re.MULTILINE
)
_STEPS = re.compile(r"^\.\. all steps\n.*?^\.\. end of steps$", re.DOTALL | re.MULTILINE)


def plugins() -> dict[str, Any]:
    """Return all plugins by their names in ``master.cfg``, such as ``steps.KojiBuild``."""
    found = {
        f"{group.removeprefix('buildbot.')}.{entry.name}": entry.load()
        for group in ("steps", "changes", "reporters", "util")
        for entry in _entries(f"buildbot.{group}")
    }
    return dict(sorted(found.items()))


def _entries(group: str) -> list[EntryPoint]:
    return [each for each in entry_points(group=group) if each.value.startswith("buildbot_koji.")]


def steps() -> dict[str, Any]:
    """Return the steps that work with a hub, by their names in ``master.cfg``."""
    return {
        name: each
        for name, each in plugins().items()
        if name.startswith("steps.") and issubclass(each, KojiStep)
    }


def underlined(text: str) -> str:
    """Return the heading of a section."""
    return f"{text}\n{'-' * len(text)}\n"


def wrapped(text: str, first: str = "", rest: str = "") -> str:
    """Return a paragraph in lines."""
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def table(arguments: Mapping[str, Argument], without: Mapping[str, Argument]) -> str:
    """Return a table of arguments.

    Args:
        arguments: all arguments of a plugin.
        without: those that another table has, unless the plugin declares them again.
    """
    lines = [".. list-table::\n   :header-rows: 1\n   :widths: 25 75\n"]
    lines.append("   * - Argument\n     - Meaning")
    # What everyone gives comes first.
    order = sorted(
        arguments, key=lambda name: not (arguments[name].required or arguments[name].positional)
    )
    for name in order:
        if without.get(name) is not arguments[name]:
            meaning = described(arguments, name)
            lines.append(f"   * - ``{name}``")
            lines.append(wrapped(f"{meaning[0].upper()}{meaning[1:]}", "     - ", "       "))
    return "\n".join(lines) + "\n"


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of all commands, by what one types."""
    found = {}
    for parser in (command_line(), hub_command_line()):
        found[parser.prog] = parser
        for action in parser._actions:  # noqa: SLF001 - argparse has no other list
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
                found |= {each.prog: each for each in action.choices.values()}
    return found


def options(parser: argparse.ArgumentParser) -> str:
    """Return a table of the arguments of a command."""
    lines = [".. list-table::\n   :header-rows: 1\n   :widths: 25 75\n"]
    lines.append("   * - Argument\n     - Meaning")
    for each in parser._actions:  # noqa: SLF001
        if each.dest == "help":
            continue
        value = "" if each.nargs == 0 else str(each.metavar or each.dest.upper())
        # Sphinx would make a dash of two hyphens.
        meaning = re.sub(r"--[\w-]+", r"``\g<0>``", str(each.help))
        if each.choices:
            meaning += f": {' or '.join(f'``{choice}``' for choice in each.choices)}"
        if each.option_strings and each.required:
            meaning += "; required"
        shown = f"{each.option_strings[-1]} {value}".strip() if each.option_strings else each.dest
        lines.append(f"   * - ``{shown}``")
        lines.append(wrapped(f"{meaning[0].upper()}{meaning[1:]}.", "     - ", "       "))
    return "\n".join(lines) + "\n"


def paragraphs(thing: Any) -> Iterator[str]:
    """Yield the paragraphs of a docstring before its list of arguments."""
    text = inspect.cleandoc(thing.__doc__).partition("\nArgs:")[0]
    for paragraph in text.strip().split("\n\n"):
        yield wrapped(paragraph.replace(":class:`KojiBuild`", "``KojiBuild``")) + "\n"


def index() -> str:
    """Return a table of all steps, with the first sentence of each."""
    lines = [".. list-table::\n   :header-rows: 1\n   :widths: 30 70\n"]
    lines.append("   * - Step\n     - What it does")
    for name, step in steps().items():
        sentence = re.split(r"(?<=\.)\s", inspect.cleandoc(step.__doc__), maxsplit=1)[0]
        lines.append(f"   * - `{name}`_")
        lines.append(wrapped(sentence, "     - ", "       "))
    return "\n".join(lines) + "\n"


def sections() -> Iterator[str]:
    """Yield the parts of the reference of all steps."""
    yield underlined("All steps")
    yield index()
    for family, common in FAMILIES.items():
        yield underlined(f"Arguments of {family}")
        yield table(common.arguments, _shared(common.__mro__[1:]))
    for name, step in steps().items():
        yield underlined(f"``{name}``")
        yield from paragraphs(step)
        yield table(step.arguments, _shared(step.__mro__))
        also = [each for each, common in FAMILIES.items() if issubclass(step, common)]
        if len(also) > 1:
            links = (f"`arguments of {each}`_" for each in also)
            yield wrapped(f"Also: {', '.join(links)}.") + "\n"


def _shared(classes: Iterable[type]) -> dict[str, Argument]:
    """Return the arguments that the tables of the families have."""
    return {
        name: each
        for common in FAMILIES.values()
        if common in classes
        for name, each in common.arguments.items()
    }


def filled(text: str) -> str:
    """Return the text of a page with its tables as the plugins are now."""
    known = plugins()

    def one(found: re.Match[str]) -> str:
        made = table(known[found[1]].arguments, {})
        return f".. arguments of {found[1]}\n\n{made}\n.. end of arguments"

    def command(found: re.Match[str]) -> str:
        made = options(commands()[found[1]])
        return f".. options of {found[1]}\n\n{made}\n.. end of options"

    text = _OPTIONS.sub(command, _TABLE.sub(one, text))
    return _STEPS.sub(lambda _: "\n".join([".. all steps\n", *sections(), ".. end of steps"]), text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
