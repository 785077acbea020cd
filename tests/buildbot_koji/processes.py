"""What surrounds a master, in processes of their own: a hub, a worker, a slow line."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.protocols import portforward

from tests.support import PROCESS_LIMIT, forks, free_port

WORKER = Path(sys.executable).with_name("buildbot-worker")

PROGRAM = """\
import runpy
import sys
import time

from twisted.internet import reactor

reactor.seconds = lambda: time.time() + OFFSET
sys.modules.pop("txkoji.testing.__main__", None)
runpy.run_module("txkoji.testing", run_name="__main__", alter_sys=True)
"""
"""An embedded hub by a clock of its own."""


class _ForkedProgram:
    """A program in a process of its own, which a signal ends."""

    _process: forks.ForkedProcess | None = None

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            await deferToThread(process.wait, PROCESS_LIMIT)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()


class HubProcess(_ForkedProgram):
    """An embedded hub alone, whose state is on disk.

    Args:
        directory: where its state, its certificates and its profile are.
        build_seconds: how long a build takes.

    Attributes:
        clock_offset: seconds by which its clock is ahead, from the next start on.
    """

    def __init__(self, directory: Path, *, build_seconds: float) -> None:
        self.directory = directory
        self.port = free_port()
        self.clock_offset = 0.0
        self._build_seconds = build_seconds

    @property
    def profile(self) -> str:
        """The text of the koji.conf for its administrator."""
        return (self.directory / "koji.conf").read_text(encoding="utf-8")

    async def start(self) -> None:
        """Start it with its stored state; returns when it answers."""
        self._spawn()
        assert self._process is not None
        assert self._process.stdout is not None
        line = await deferToThread(self._process.stdout.readline)
        assert line.startswith(b"ready"), line

    def _spawn(self) -> None:
        options = ["--port", str(self.port), "--build-seconds", str(self._build_seconds)]
        options += ["--profile-out", "koji.conf", "--state", "hub.sqlite"]
        program = self.directory / "program.py"
        text = PROGRAM.replace("OFFSET", str(self.clock_offset))
        program.write_text(text, encoding="utf-8")
        self._process = forks.start(program, *options, cwd=self.directory)


class WorkerProcess(_ForkedProgram):
    """A worker that comes to its master over the network.

    Args:
        directory: its base directory.
        name: its name.
        port: the master's port for workers.
    """

    def __init__(self, directory: Path, name: str, port: int) -> None:
        self.directory = directory
        self._name = name
        self._port = port

    async def create(self) -> None:
        """Make the base directory."""
        arguments = ["create-worker", "--quiet", "--maxdelay=1", str(self.directory)]
        arguments += [f"127.0.0.1:{self._port}", self._name, "secret"]
        made = await deferToThread(forks.run, WORKER, *arguments)
        assert made.returncode == 0, made.stderr

    async def start(self) -> None:
        """Start it; it connects later."""
        self._spawn()

    def _spawn(self) -> None:
        with (self.directory / "output").open("ab") as output:
            self._process = forks.start(
                WORKER,
                *("start", "--nodaemon", str(self.directory)),
                stdout=output,
                stderr=output,
            )


class _SlowToHub(portforward.ProxyClient):
    noisy = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        peer = self.peer
        reactor.callLater(peer.factory.seconds, peer.transport.write, data)


class _SlowToHubFactory(portforward.ProxyClientFactory):
    noisy = False
    protocol = _SlowToHub


class _SlowToClient(portforward.ProxyServer):
    clientProtocolFactory = _SlowToHubFactory  # noqa: N815 - Twisted's name

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        peer = self.peer
        reactor.callLater(self.factory.seconds, peer.transport.write, data)


class SlowLine(portforward.ProxyFactory):
    """A slow line to a hub: every byte is delayed, so that a kill hits many calls in flight.

    Args:
        port: the hub's port.
        seconds: how late, each way.
    """

    noisy = False
    protocol = _SlowToClient

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__("127.0.0.1", port)
        self.seconds = seconds
        self._listening: Any = None

    def start(self) -> None:
        """Listen on a free port."""
        self._listening = reactor.listenTCP(0, self, interface="127.0.0.1")

    def lead(self, profile: str, hub: HubProcess) -> str:
        """Return a profile of the hub that takes this line."""
        port = self._listening.getHost().port
        return profile.replace(f":{hub.port}", f":{port}")

    async def stop(self) -> None:
        """Listen no more."""
        await self._listening.stopListening()
