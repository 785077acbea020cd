"""Python programs that start at once: each is a fork of a process that has imported what they need.

To import Buildbot and its plugins takes a second of processor time, two thirds of a master's start.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import IO, Any

IMPORTED = (
    "buildbot.master",
    "buildbot.mq.simple",
    "buildbot.reporters.mail",
    "buildbot.scripts.runner",
    "buildbot.scripts.start",
    "buildbot.steps.shell",
    "buildbot.worker.local",
    "buildbot.www.service",
    "buildbot_worker.bot",
    "buildbot_worker.scripts.start",
    "sqlalchemy.dialects.sqlite",
    "twisted.scripts.twistd",
    "txkoji.testing.__main__",
)
"""What masters, workers and embedded hubs import, besides our plugins."""

NUMBER = struct.Struct("i")
"""How a process id and an exit status travel."""

LARGEST = 1 << 17
"""Bytes of a request: a command, its environment and its directory."""


class ForkedProcess:
    """A program that runs: as much of :class:`subprocess.Popen` as the tests use.

    Attributes:
        pid: its process id.
        returncode: its exit status, a signal's number negated; None as long as it runs.
        stdout: what it writes, if that was asked for.
    """

    def __init__(self, status: socket.socket, stdout: IO[bytes] | None) -> None:
        self._status = status
        self.pid = self._number()
        self.returncode: int | None = None
        self.stdout = stdout

    def _number(self) -> int:
        data = self._status.recv(NUMBER.size)
        assert data, "the process that forks has ended"
        return int(NUMBER.unpack(data)[0])

    def poll(self) -> int | None:
        """Return the exit status, None as long as it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.returncode = self._number()
            self._status.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        if self.returncode is None:
            select.select([self._status], [], [], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended, and wait for its end."""
        self.send_signal(signal.SIGKILL)
        self.wait()


class _Server:
    """The process that forks, from the first program on until this process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: socket.socket | None = None

    def _connection(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                server = subprocess.Popen(
                    [sys.executable, "-m", __name__, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    cwd=Path(__file__).parents[2],
                )
            atexit.register(server.wait)
            atexit.register(self._requests.close)
        return self._requests

    def start(self, request: dict[str, Any], stdout: int, stderr: int) -> socket.socket:
        """Start a program; returns where its id and its exit status come."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            message, files = json.dumps(request).encode(), [theirs.fileno(), stdout, stderr]
            socket.send_fds(self._connection(), [message], files)
        return ours


_SERVER = _Server()


def start(
    program: Path | str,
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] = os.environ,
    stdout: IO[Any] | None = None,
    stderr: IO[Any] | None = None,
    imports: Sequence[str] = (),
) -> ForkedProcess:
    """Start a Python program.

    Args:
        program: the path of a script, or the name of a module to run as ``python -m`` does.
        arguments: its arguments.
        cwd: its directory, by default this process's.
        env: its environment.
        stdout: takes what it writes; by default that can be read from the result.
        stderr: takes its errors; by default they are this process's.
        imports: modules that the program and those after it need, besides :data:`IMPORTED`.
    """
    request = {
        "program": str(program),
        "is_module": isinstance(program, str),
        "arguments": arguments,
        "cwd": str(cwd or Path.cwd()),
        "env": dict(env),
        "imports": imports,
    }
    errors = 2 if stderr is None else stderr.fileno()
    if stdout is not None:
        return ForkedProcess(_SERVER.start(request, stdout.fileno(), errors), None)
    read, write = os.pipe()
    try:
        return ForkedProcess(_SERVER.start(request, write, errors), os.fdopen(read, "rb"))
    finally:
        os.close(write)


def run(
    program: Path | str, *arguments: str, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as :func:`start` does; returns its exit status and its output.

    Raises:
        subprocess.TimeoutExpired: it was killed after ``timeout`` seconds.
    """
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = start(program, *arguments, stdout=stdout, stderr=stderr, **options)
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, status, stdout.read(), stderr.read())


def _serve(requests: socket.socket) -> None:
    """Fork for each request; ends in each program, and when nobody can ask any more."""
    # Nobody waits for those who wait for a program.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(requests, LARGEST, 3)
        if not message:
            return
        request = json.loads(message)
        for name in request["imports"]:
            importlib.import_module(name)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            _watch(request, *files)
            return
        for each in files:
            os.close(each)


def _watch(request: dict[str, Any], status: int, stdout: int, stderr: int) -> None:
    """Run a program in a child, and tell whoever asked for it its id and its exit status."""
    pid = os.fork()
    if pid == 0:
        os.close(status)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.close(stdout)
        os.close(stderr)
        # What the parent writes to may be a file, and these pipes.
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        _run_to_end(request)
        return
    os.close(stdout)
    os.close(stderr)
    os.write(status, NUMBER.pack(pid))
    _, ended = os.waitpid(pid, 0)
    os.write(status, NUMBER.pack(os.waitstatus_to_exitcode(ended)))
    os._exit(0)


def _run_to_end(request: dict[str, Any]) -> None:
    """Run a program and end its process as Python does, except for what was there before the fork.

    To take that down takes three times as long as the fork.
    """
    status: int | None = 0
    try:
        _run(request)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int | None) else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except Exception:  # noqa: BLE001 - a program may end in any way
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    # A Deferred whose failure nobody handled logs it.
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((status or 0) & 255)


def _run(request: dict[str, Any]) -> None:
    from twisted.internet import reactor

    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    # A shell starts what runs in the background with this signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What the parent's epoll knows is not for its children.
    type(reactor).__init__(reactor)
    sys.argv = [request["program"], *request["arguments"]]
    if request["is_module"]:
        # runpy warns of a module that is imported already.
        sys.modules.pop(f"{request['program']}.__main__", None)
        runpy.run_module(request["program"], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(request["program"], run_name="__main__")


def _find_plugins() -> None:
    """Find what a master looks for in all that is installed: a quarter of the time that it starts.

    Buildbot keeps what it has found.
    """
    from buildbot.data.connector import DataConnector
    from buildbot.plugins.db import get_plugins, namespaces

    for module in DataConnector.submodules:
        importlib.import_module(module)
    for namespace in namespaces():
        assert "" not in get_plugins(namespace)
    assert get_plugins("www", load_now=True).names


def main() -> None:
    """Import what the programs need, and serve whoever has the other end of a socket."""
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        for name in IMPORTED:
            importlib.import_module(name)
        for each in distribution("buildbot-koji").entry_points:
            each.load()
        _find_plugins()
        # A collection in a child would copy the pages of everything that it has in common.
        gc.collect()
        gc.freeze()
        _serve(requests)


if __name__ == "__main__":
    main()
