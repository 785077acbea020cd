"""Crossbar, the router that Buildbot masters talk through, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support import PROCESS_LIMIT, free_port, poll

PROGRAM = os.environ.get("CROSSBAR")

marks = [
    pytest.mark.skipif(
        PROGRAM is None,
        reason="python3 -m venv .crossbar && .crossbar/bin/pip install crossbar"
        " && export CROSSBAR=$PWD/.crossbar/bin/crossbar",
    )
]
"""The marks of tests that use Crossbar, whose dependencies are not ours."""


class Crossbar:
    """A router for anyone, with the realm ``buildbot``.

    It may be started again after :meth:`kill`.

    Attributes:
        port: where it listens.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="crossbar-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where masters find it."""
        return f"ws://127.0.0.1:{self.port}/ws"

    async def start(self) -> None:
        """Start it; returns when it listens."""
        endpoint = {"type": "tcp", "port": self.port, "interface": "127.0.0.1"}
        anyone = {
            "match": "prefix",
            "uri": "",
            "allow": dict.fromkeys(("call", "register", "publish", "subscribe"), True),
        }
        worker = {
            "type": "router",
            "realms": [
                {"name": "buildbot", "roles": [{"name": "anonymous", "permissions": [anyone]}]}
            ],
            "transports": [{"type": "websocket", "url": self.url, "endpoint": endpoint}],
        }
        (self._directory / "config.json").write_text(
            json.dumps({"version": 2, "workers": [worker]})
        )
        log = self._directory / "log"
        self._launch(log)
        await poll(lambda: b"started" in log.read_bytes() and self._listens())

    def _launch(self, log: Path) -> None:
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(PROGRAM), "start", "--cbdir", str(self._directory)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def kill(self) -> None:
        """End it at once, and its worker, which outlives it otherwise."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PROCESS_LIMIT)
        (self._directory / "node.pid").unlink(missing_ok=True)

    async def stop(self) -> None:
        """End it, and remove its files."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PROCESS_LIMIT)
        shutil.rmtree(self._directory)
