"""Runs many command lines of Koji's own client in one process, each in a fork of its own.

Run as a program with the path of the client: it reads one JSON object a line (``argv``,
``directory``), and answers each with ``exit`` and ``output``. The modules are imported once; a
fork is otherwise the client's own process, except that its pauses are short.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import koji
import koji_cli.commands  # noqa: F401 - imported for the forks
import requests  # noqa: F401

LIMIT = 120


def short(sleep: Callable[[float], None]) -> Callable[[float], None]:
    """Make pauses short: this hub's builders are fast."""
    return lambda seconds: sleep(min(seconds, 0.1))


def run(client: str, argv: list[str], directory: str) -> tuple[int, str]:
    """Run one command line; returns its exit status, and what it wrote."""
    with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if not child:
            status = 99
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(written.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                os.chdir(directory)
                sys.argv = [client, *argv]
                time.sleep = short(time.sleep)
                # SIGALRM ends a command that waits forever.
                __import__("signal").alarm(LIMIT)
                try:
                    runpy.run_path(client, run_name="__main__")
                    status = 0
                except SystemExit as end:
                    code = end.code
                    if isinstance(code, str):
                        print(code, file=sys.stderr)
                    status = code & 255 if isinstance(code, int) else int(code is not None)
                except BaseException:  # noqa: BLE001 - the client may end in any way
                    traceback.print_exc()
                    status = 1
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        written.seek(0)
        errors.seek(0)
        output = (written.read() + errors.read()).decode(errors="replace")
        return os.waitstatus_to_exitcode(ended), output


def main() -> None:
    client = sys.argv[1]
    assert Path(koji.__file__).exists()
    for line in sys.stdin:
        asked = json.loads(line)
        status, output = run(client, asked["argv"], asked["directory"])
        print(json.dumps({"exit": status, "output": output}), flush=True)


if __name__ == "__main__":
    main()
