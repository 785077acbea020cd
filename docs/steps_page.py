"""Writes ``docs/steps.rst``: what each step takes, as the steps themselves declare it.

Run it by ``make docs``.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from buildbot_koji.arguments.declaration import Argument
from buildbot_koji.hubs.koji_hub import KojiHub
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.task_step import KojiTaskStep

WIDTH = 130

HEAD = """\
Steps
=====

A step for each thing that Koji's own client does. An argument is called what the client's option
is (``--skip-tag``: ``skip_tag``), in the plural where it takes several (``--arch``: ``arches``). It
may be a renderable (``util.Property``, ``util.Interpolate``), and is checked by ``buildbot
checkconfig``. ``profile`` goes without its name, and so do ``target`` and ``source`` of
``KojiBuild``. Beside these each step takes what every Buildbot step takes (``name``, ``doStepIf``,
``locks``, ...).

This page is written by ``make docs`` from what the steps declare.

A build in a side tag, tagged when it is good::

    from buildbot.plugins import steps, util

    koji = util.KojiHub("koji", principal="robot@EXAMPLE.COM", keytab=util.Secret("koji-keytab"))
    factory = util.BuildFactory(
        [
            steps.KojiCreateSideTag(koji, basetag="f44-build"),
            steps.KojiBuild(
                koji,
                target=util.Property("koji_sidetag"),
                source=util.Interpolate("git+https://src.example.com/rpms/hello.git#%(prop:revision)s"),
            ),
            steps.KojiWaitRepo(
                koji, tag=util.Property("koji_sidetag"), builds=util.Property("koji_nvr")
            ),
            steps.KojiDownloadBuild(koji, build_name=util.Property("koji_nvr"), arches=["x86_64"]),
            steps.ShellCommand(command="rpmlint *.rpm"),
            steps.KojiTag(koji, tag="f44-candidate", builds=util.Property("koji_nvr")),
            steps.KojiRemoveSideTag(koji, sidetags=util.Property("koji_sidetag"), alwaysRun=True),
        ]
    )

How steps end: as their task does; what the hub refuses to tag, untag, move, promote, create,
remove or cancel is a failure, and so is what is not there to be downloaded. A task that the hub
does not let us start, a hub that can't be reached, that lets nobody in, or a profile that can't
be used is an exception. The summary says why in one line, and where a plugin or a permission is
missing, which.

Each step does what it does once. An attempt that is interrupted, because the master is stopped or
killed or the worker is lost, stores what it was about to do: the next attempt of the same build
request finds the task, the side tag or the promoted build that the hub has of it. ``KojiCall``
can't know that of a call that changes something, and says so. Rebuilding is a new request.
"""


def underlined(text: str, character: str) -> str:
    """Return a heading."""
    return f"{text}\n{character * len(text)}\n"


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


def meaning_of(one: Argument) -> str:
    """Return what an argument is, what it is without being given, and whether it must be."""
    text = f"{one.meaning[0].upper()}{one.meaning[1:]}."
    if one.required:
        return f"{text} Needed."
    if one.default in (None, False) or one.default in ((), {}):
        return text
    shown = f'"{one.default}"' if isinstance(one.default, str) else repr(one.default)
    return f"{text} ``{shown}`` by default."


def table(arguments: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Write a table of arguments."""
    yield ".. list-table::\n   :header-rows: 1\n   :widths: 25 75\n\n"
    yield "   * - Argument\n     - What it is\n"
    for name, meaning in arguments:
        yield f"   * - ``{name}``\n"
        yield wrapped(meaning, "     - ", "       ") + "\n"


def declared(step: Any, without: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield the arguments of a step."""
    known = set(without)
    for name, one in step.arguments.items():
        if name not in known:
            yield name, meaning_of(one)


def paragraphs(thing: Any) -> Iterator[str]:
    """Yield the paragraphs of a docstring before its list of arguments."""
    text = inspect.cleandoc(thing.__doc__).partition("\nArgs:")[0]
    for paragraph in text.strip().split("\n\n"):
        yield wrapped(paragraph.replace(":class:`KojiBuild`", "``KojiBuild``")) + "\n\n"


def hub_arguments() -> Iterator[tuple[str, str]]:
    """Yield the arguments of ``util.KojiHub``."""
    text = inspect.cleandoc(KojiHub.__doc__ or "").partition("\nArgs:\n")[2]
    for entry in textwrap.dedent(text).replace("\n    ", " ").splitlines():
        name, _, meaning = entry.partition(": ")
        yield name, f"{meaning[0].upper()}{meaning[1:]}"


def steps() -> list[Any]:
    """Return the steps, by their names."""
    found = [
        entry.load()
        for entry in entry_points(group="buildbot.steps")
        if entry.value.startswith("buildbot_koji.steps.")
    ]
    return sorted(found, key=lambda step: str(step.__name__))


def page() -> str:
    """Return the page."""
    parts = [HEAD, "\n", underlined("``util.KojiHub``", "-"), "\n"]
    parts += [*paragraphs(KojiHub), *table(hub_arguments()), "\n"]
    parts += [underlined("What every step takes", "-"), "\n", *table(declared(KojiStep)), "\n"]
    parts += [underlined("What every step takes that follows one task", "-"), "\n"]
    parts += [*table(declared(KojiTaskStep, KojiStep.arguments)), "\n"]
    for step in steps():
        common = KojiTaskStep if issubclass(step, KojiTaskStep) else KojiStep
        parts += [underlined(f"``steps.{step.__name__}``", "-"), "\n", *paragraphs(step)]
        # A default of its own is worth telling again.
        same = [name for name, one in common.arguments.items() if step.arguments[name] is one]
        parts += [*table(declared(step, same)), "\n"]
    return "".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
