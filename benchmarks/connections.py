"""600 ``listBuilds`` made at once, with the limit of 10 requests at a time and without it.

Each answer has 20 builds, and no two calls are the same: nothing of it is batched. The connections
are counted at the hub, in the kernel's table of sockets. Meanwhile the same program makes a lookup
and, in its session, a write.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import xmlrpc.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

READS = 600
BUILDS = 20
ROUNDS = 2
LIMITS = {"10 at a time": 10, "no limit": 100_000}
ESTABLISHED = "01"


def connections(port: int) -> int:
    """Return how many connections a local port has open."""
    wanted = f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(wanted) and row[3] == ESTABLISHED for row in rows)


class Counter(threading.Thread):
    """Looks every 20 ms how many connections a port has."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._ends = threading.Event()
        self.most = 0

    def run(self) -> None:
        """Count until :meth:`stop`."""
        while not self._ends.wait(0.02):
            self.most = max(self.most, connections(self._port))

    def stop(self) -> int:
        """Stop; returns the largest number."""
        self._ends.set()
        self.join()
        return self.most


def client(url: str, at_once: int) -> None:
    """Make the calls, and print the figures of the best round."""
    from twisted.internet.defer import Deferred, gatherResults
    from twisted.internet.task import react

    from txkoji import Connection, Profile

    async def measure(reactor: Any) -> None:
        profile = Profile(
            name="benchmark",
            server=url,
            authtype="password",
            user="kojiadmin",
            password="kojiadmin",
        )
        koji = Connection(profile, reactor=reactor, at_once=at_once, deadline=600)
        await koji.login()
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            began = time.perf_counter()
            ended: dict[str, float] = {}

            def note(result: Any, name: str, ended: dict[str, float] = ended) -> Any:
                ended[name] = time.perf_counter()
                return result

            reads = [
                koji.listBuilds(package, createdAfter=n)
                for n, package in enumerate(["many"] * READS)
            ]
            others = [
                koji.getTaskInfo(1).addCallback(note, "lookup"),
                koji.cancelTask(1).addCallback(note, "write"),
            ]
            results = await gatherResults(reads, consumeErrors=True)
            took = time.perf_counter() - began
            await gatherResults(others, consumeErrors=True)
            assert all(len(result) == BUILDS for result in results)
            if not best or took < best["reads"]:
                best = {"reads": took, **{name: end - began for name, end in ended.items()}}
        await koji.close()
        print(json.dumps(best))

    react(lambda reactor: Deferred.fromCoroutine(measure(reactor)))


def run() -> list[tuple[str, str, float, str]]:
    """Measure; returns rows of name, peer, figure and unit."""
    command = [sys.executable, "-m", "txkoji.testing", "--port", "0", "--build-seconds", "86400"]
    command += ["--anonymous-user", "kojiadmin"]
    hub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    rows = []
    try:
        assert hub.stdout is not None
        url = hub.stdout.readline().split()[1]
        proxy = xmlrpc.client.ServerProxy(url, allow_none=True)
        proxy.build("git+https://git.example.test/rpms/hello.git#1", "demo")
        proxy.packageListAdd("demo-candidate", "many", "kojiadmin")
        for number in range(BUILDS):
            proxy.createEmptyBuild("many", "1.0", str(number), None)
        for words, limit in LIMITS.items():
            counter = Counter(urlsplit(url).port or 0)
            counter.start()
            command = [sys.executable, "-m", "benchmarks.connections", url, str(limit)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            most = counter.stop()
            found = json.loads(done.stdout)
            rows += [
                (f"{READS:,} listBuilds at once", words, READS / found["reads"], "calls/s"),
                ("the most connections at the hub", words, float(most), ""),
                ("a write in the session meanwhile", words, found["write"], "s"),
                ("a lookup made after them", words, found["lookup"], "s"),
            ]
    finally:
        hub.terminate()
        hub.wait()
    return sorted(rows, key=lambda row: row[0])


if __name__ == "__main__":
    client(sys.argv[1], int(sys.argv[2]))
