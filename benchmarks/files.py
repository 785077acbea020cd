"""A file of 200 MB down from an embedded hub and up to it, beside ``curl``.

The hub is in a process of its own. curl downloads the same address; it uploads the same pieces of
1 MiB, over one connection too. Without curl only txkoji is measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xmlrpc.client import ServerProxy

MEGABYTES = 200
PIECE = 1 << 20
ROUNDS = 3
USER = PASSWORD = "kojiadmin"


def serve() -> None:
    """Run a hub with a file; print its addresses."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    from txkoji.testing import FakeHub

    async def begin() -> None:
        hub = FakeHub(reactor)
        hub.files.write("work/big", bytes(range(256)) * (MEGABYTES * PIECE // 256))
        await hub.start()
        print(hub.url, hub.topurl, flush=True)

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(begin()))
    reactor.run()


def resident(key: str) -> float:
    """Return the resident megabytes of this process, now or (``VmHWM``) at their peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


def txkoji(url: str, topurl: str, directory: str) -> None:
    """Measure txkoji, and print the figures."""
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from txkoji import Connection, Profile
    from txkoji.files.downloads import RemoteFile, download

    async def measure(reactor: Any) -> None:
        profile = Profile(name="b", server=url, topurl=topurl, user=USER, password=PASSWORD)
        koji = Connection(profile, reactor=reactor)
        await koji.login()
        before = resident("VmRSS")
        file = RemoteFile("big", f"{topurl}/work/big", MEGABYTES * PIECE)
        target = Path(directory) / "down"
        seconds = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            await download(koji.client, [file], target, at_once=1, progress=None)
            seconds.append(time.perf_counter() - begin)
            (target / "big").rename(Path(directory) / "big")
        sent = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            await koji.upload(Path(directory) / "big")
            sent.append(time.perf_counter() - begin)
        memory = resident("VmHWM") - before
        await koji.close()
        print(json.dumps({"down": min(seconds), "up": min(sent), "memory": memory}))

    react(lambda reactor: Deferred.fromCoroutine(measure(reactor)))


def curl(url: str, topurl: str, directory: str) -> dict[str, float]:
    """Measure curl."""
    target = Path(directory) / "curled"
    seconds, sent = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        subprocess.run(["curl", "-sSf", "-o", str(target), f"{topurl}/work/big"], check=True)
        seconds.append(time.perf_counter() - begin)
    login = ServerProxy(url).login(USER, PASSWORD)
    session = {"session-id": login["session-id"], "session-key": login["session-key"]}
    piece = Path(directory) / "piece"
    piece.write_bytes(target.read_bytes()[:PIECE])
    for number in range(ROUNDS):
        lines = []
        for offset in range(0, MEGABYTES * PIECE, PIECE):
            query = {"filename": "big", "filepath": f"curl{number}", "fileverify": "adler32"}
            query |= (
                dict(session) | {"offset": str(offset)} | ({} if offset else {"overwrite": "1"})
            )
            lines += [f'url = "{url}?{urlencode(query)}"', "output = /dev/null"]
        config = Path(directory) / "config"
        config.write_text("\n".join(lines))
        command = ["curl", "-sSf", "-K", str(config), "--data-binary", f"@{piece}"]
        command += ["-H", "Content-Type: application/octet-stream", "-H", "Expect:"]
        begin = time.perf_counter()
        subprocess.run(command, check=True)
        sent.append(time.perf_counter() - begin)
    return {"down": min(seconds), "up": min(sent)}


def run() -> list[tuple[str, str, float, str]]:
    """Measure; returns rows of name, peer, figure and unit."""
    module = [sys.executable, "-m", "benchmarks.files"]
    hub = subprocess.Popen([*module, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        url, topurl = hub.stdout.readline().split()
        with tempfile.TemporaryDirectory() as directory:
            command = [*module, "txkoji", url, topurl, directory]
            ours = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout
            )
            peers = {"txkoji": ours}
            if shutil.which("curl"):
                peers = {"curl": curl(url, topurl, directory), **peers}
    finally:
        hub.terminate()
        hub.wait()
    rows = []
    for key, words in (("down", "download"), ("up", "upload in pieces of 1 MiB")):
        name = f"{words}, {MEGABYTES} MB"
        rows += [(name, peer, MEGABYTES / found[key], "MiB/s") for peer, found in peers.items()]
    return [*rows, ("files: memory beyond the start", "txkoji", ours["memory"], "MiB")]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        txkoji(*sys.argv[2:])
