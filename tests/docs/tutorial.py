"""Does what the tutorial says, literally: ``python tutorial.py DIRECTORY`` in an empty directory.

Needs the standard library alone, so that it can run where nothing is installed yet.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.rst"
_BLOCK = re.compile(
    r"^\.\. code-block:: (?P<kind>\w+)\n(?P<options>(?:   :.*\n)*)\n(?P<text>(?:   .*\n|\n)+)",
    re.MULTILINE,
)


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Give the code blocks of a page: the kind, the name or caption, and the text."""
    for found in _BLOCK.finditer(page):
        text = textwrap.dedent(found["text"]).strip("\n") + "\n"
        option = re.search(r":(?:name|caption): (.*)", found["options"])
        yield found["kind"], option[1] if option else "", text


def script(page: str, *, install: bool) -> str:
    """Return a page's files and commands as one shell script.

    Args:
        page: the text of the page.
        install: run the commands that install the package, too.
    """
    lines = ["set -e", "trap 'kill %1 2>/dev/null; buildbot stop master >/dev/null 2>&1' EXIT"]
    for kind, name, text in blocks(page):
        if kind == "python":
            lines.append(f"cat > {name} <<'END OF FILE'\n{text}END OF FILE")
        elif name != "install" or install:
            # What a command prints comes after it, and must be among what it prints.
            for command, expected in _commands(text):
                lines.append(f"echo {_quoted('$ ' + command)}")
                # It gives up after ten seconds, which a busy machine may need.
                command = command.replace("buildbot start ", "buildbot start --start_timeout=120 ")
                if expected:
                    lines.append(f"{command} | tee output; grep -qF {_quoted(expected)} output")
                else:
                    lines.append(command)
    lines.append("trap - EXIT")
    return "\n".join(lines) + "\n"


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for each in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = each.partition("\n")
        yield command, output.strip()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def main(directory: str) -> int:
    """Do all that the tutorial says, in a directory; returns the exit code."""
    text = script(PAGE.read_text(encoding="utf-8"), install=True)
    return subprocess.run(["bash", "-c", text], cwd=directory, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
