"""``getTaskInfo`` against an embedded hub: one after the other, and 1,000 at once.

Each client runs in a process of its own, the hub in another. What a client of Koji can do "at once"
is not the same: the official client has its explicit multicall, txkoji has concurrent calls.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
import xmlrpc.client
from typing import Any
from urllib.parse import urlsplit

SEQUENCE = 1000
AT_ONCE = 1000
TASK = 1
ROUNDS = 5
CLIENTS = ("official client", "raw HTTP loop", "txkoji")


class Best:
    """The best of some rounds: calls a second, and CPU milliseconds a call."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self._begin = (0.0, 0.0)

    def start(self) -> None:
        """Begin a round."""
        self._begin = (time.perf_counter(), time.process_time())

    def stop(self, name: str, calls: int) -> None:
        """End a round of so many calls."""
        seconds = time.perf_counter() - self._begin[0]
        used = time.process_time() - self._begin[1]
        if calls / seconds > self.figures.get(name, 0.0):
            self.figures |= {name: calls / seconds, f"{name} cpu": used / calls * 1000}


def raw(url: str) -> None:
    """Measure a loop that posts the same bytes over one connection and reads what comes."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc)
    body = xmlrpc.client.dumps(
        (TASK, {"request": True, "__starstar": True}), "getTaskInfo"
    ).encode()
    best = Best()
    for _ in range(ROUNDS):
        best.start()
        for _ in range(SEQUENCE):
            connection.request("POST", address.path, body, {"Content-Type": "text/xml"})
            connection.getresponse().read()
        best.stop("sequence", SEQUENCE)
    print(json.dumps(best.figures))


def official(url: str) -> None:
    """Measure Koji's own client, and print the figures."""
    import koji

    session = koji.ClientSession(url)
    best = Best()
    for _ in range(ROUNDS):
        best.start()
        for _ in range(SEQUENCE):
            session.getTaskInfo(TASK, request=True)
        best.stop("sequence", SEQUENCE)
        best.start()
        with session.multicall(strict=True) as calls:
            tasks = [calls.getTaskInfo(TASK, request=True) for _ in range(AT_ONCE)]
        best.stop("at once", AT_ONCE)
        assert all(task.result["method"] == "build" for task in tasks)
    print(json.dumps(best.figures))


def txkoji(url: str) -> None:
    """Measure txkoji, and print the figures. The reactor runs all the time, as in any program."""
    from twisted.internet.defer import Deferred, gatherResults
    from twisted.internet.task import react

    from txkoji import Connection, Profile

    async def measure(reactor: Any) -> None:
        connection = Connection(Profile(name="benchmark", server=url), reactor=reactor)
        best = Best()
        for _ in range(ROUNDS):
            best.start()
            for _ in range(SEQUENCE):
                await connection.getTaskInfo(TASK)
            best.stop("sequence", SEQUENCE)
            best.start()
            calls = [connection.getTaskInfo(TASK) for _ in range(AT_ONCE)]
            tasks = await gatherResults(calls, consumeErrors=True)
            best.stop("at once", AT_ONCE)
            assert all(task.method == "build" for task in tasks)
        await connection.close()
        print(json.dumps(best.figures))

    react(lambda reactor: Deferred.fromCoroutine(measure(reactor)))


def run() -> list[tuple[str, str, float, str]]:
    """Measure; returns rows of name, peer, figure and unit."""
    command = [sys.executable, "-m", "txkoji.testing", "--port", "0", "--build-seconds", "86400"]
    command += ["--anonymous-user", "kojiadmin"]
    hub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        url = hub.stdout.readline().split()[1]
        source = "git+https://git.example.test/rpms/hello.git#1"
        assert xmlrpc.client.ServerProxy(url).build(source, "demo") == TASK
        found = {}
        for client in CLIENTS:
            command = [sys.executable, "-m", "benchmarks.calls", client, url]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[client] = json.loads(output)
    finally:
        hub.terminate()
        hub.wait()
    rows = []
    for name, words in (
        ("sequence", "getTaskInfo in sequence"),
        ("at once", f"{AT_ONCE:,} getTaskInfo at once"),
    ):
        clients = [client for client in CLIENTS if name in found[client]]
        rows += [(words, client, found[client][name], "calls/s") for client in clients]
        rows += [
            (f"{words}: CPU a call", client, found[client][f"{name} cpu"], "ms")
            for client in clients
        ]
    return rows


if __name__ == "__main__":
    peers = {"official client": official, "raw HTTP loop": raw, "txkoji": txkoji}
    peers[sys.argv[1]](sys.argv[2])
