"""Programs that ``txkoji.run`` runs; each is a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support import PROCESS_LIMIT

PROGRAM = """\
import signal
import sys
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from txkoji import Connection, Profile, run

async def main(reactor, server):
    koji = Connection(Profile(name="fake", server=server), reactor=reactor, first_deadline=0.1)
    try:
        if server:
            await koji.getTag("demo")
        # The reactor runs, and has taken over Ctrl-C.
        await deferLater(reactor, 0, print, "waits", flush=True)
        await Deferred()
    finally:
        await koji.close()
        print("closed")

# A background job of a shell, such as a test run, ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
run(main, *sys.argv[1:])
"""


STUBBORN = """\
while True:
            try:
                await Deferred()
            except CancelledError:
                pass"""


def program(tmp_path: Path, *arguments: str, text: str = PROGRAM) -> subprocess.Popen[str]:
    """Start the program."""
    path = tmp_path / "program.py"
    path.write_text(text, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C runs a program's ``finally``, and is reported in one line."""
    with program(tmp_path, "") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "waits\n"
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=PROCESS_LIMIT) == ("closed\n", "interrupted\n")
        assert running.returncode == 130


def test_ignored_interruption(tmp_path: Path) -> None:
    """A program that ignores Ctrl-C is ended after its grace, and says so in one line."""
    stubborn = PROGRAM.replace("await Deferred()", STUBBORN).replace(
        "argv[1:]", "argv[1:], grace=0.1"
    )
    with program(tmp_path, "", text=stubborn) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "waits\n"
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=PROCESS_LIMIT)[1]
    assert (said, running.returncode) == ("interrupted; still running 0.1 s later\n", 130)


def test_missing_argument(tmp_path: Path) -> None:
    """A program that is started without its argument names it in one line."""
    with program(tmp_path) as running:
        said = running.communicate(timeout=PROCESS_LIMIT)[1]
    assert (said, running.returncode) == (
        f"{tmp_path}/program.py: missing a required argument: 'server'\n",
        1,
    )


def test_unreachable_hub(tmp_path: Path) -> None:
    """A hub that does not answer is reported once while the program waits."""
    with program(tmp_path, "http://127.0.0.1:9/kojihub") as running:
        out, said = running.communicate(timeout=PROCESS_LIMIT)
    assert (out, running.returncode) == ("closed\n", 1)
    assert said == (
        "the hub does not answer: nothing listens at http://127.0.0.1:9/kojihub: is the hub up, and"
        " 'server' of the profile right?\n"
    )
