"""Find the line of a configuration that has a mistake, while Buildbot loads it.

The line that makes a plugin is on the stack meanwhile. A plain value, such as that of ``c["www"]``,
is read only later: the file is parsed for the line of its key.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
from buildbot.config.master import MasterConfig, loadConfigDict

_LIBRARIES = ("attr", "buildbot", "buildbot_koji", "twisted", "txkoji")
"""The packages whose frames lie between a line of a configuration and a plugin."""

_NOTES = "__buildbot_koji__"
"""The name, in the namespace of a ``master.cfg``, of the notes about one load of it."""


@attrs.frozen
class Place:
    """A line of a configuration that Buildbot is loading.

    Attributes:
        file: the file, which may be a module that ``master.cfg`` imports.
        line: the line in it.
        notes: a dictionary that lives as long as this load.
    """

    file: str
    line: int
    notes: dict[Any, Place]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def note(self, what: Any) -> Place | None:
        """Note something, and return where it was first noted, None if that is here."""
        first = self.notes.setdefault(what, self)
        return None if first is self else first

    def complaint_about_name(self, kind: str, name: Any) -> str | None:
        """Return that another one of the kind has the name, None if this is the first."""
        if (first := self.note((kind, name))) is None:
            return None
        return f"name={name!r} is that of the one in {first}: give each its own name"


def place_in_config() -> Place | None:
    """Return the line of the configuration that Buildbot is loading, None if it loads none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as inspect does it, without files
    innermost = outermost = None
    while frame is not None and frame.f_code is not loadConfigDict.__code__:
        # The code of a master.cfg has no name.
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _LIBRARIES:
            innermost, outermost = innermost or frame, frame
        frame = frame.f_back
    if frame is None or innermost is None or outermost is None:
        return None
    notes = outermost.f_globals.setdefault(_NOTES, {})
    return Place(innermost.f_code.co_filename, innermost.f_lineno, notes)


def line_of_key(file: str, *names: str) -> str:
    """Return a file with the line of the first key of a dictionary in it that has one of the names.

    Args:
        file: a configuration.
        names: the keys, the most wanted first. If there is none, or the file is no Python, the file
            alone is returned.
    """
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return file
    keys = [key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    lines = {each.value: each.lineno for each in reversed(keys) if isinstance(each, ast.Constant)}
    return next((f"{file}:{lines[name]}" for name in names if name in lines), file)


def loaded_config() -> tuple[MasterConfig, str] | None:
    """Return the configuration, builders included, and its file.

    Returns:
        None unless Buildbot is adding the services to it.
    """
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the caller's caller
    if frame is None or frame.f_code is not MasterConfig.load_services.__code__:
        return None
    found: MasterConfig = frame.f_locals["self"]
    return found, str(frame.f_locals["filename"])
