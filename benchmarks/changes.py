"""How fast a change source makes changes of a hub's events, and what that costs the hub.

A master with SQLite on disk runs in a process of its own and records when it stored each change;
the embedded hub and the publisher are here; the broker is RabbitMQ. The cost of a poll is measured
in another process, through a proxy that counts bytes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.protocols import portforward

from tests.support.brokers import PASSWORD, SERVER, USER, RabbitMQ
from txkoji import Connection, Interest, Poller, Profile
from txkoji.bus import AMQP, Publisher
from txkoji.testing import FakeHub
from txkoji.testing.announcements.messages import Announcement

FLOOD = 1000
LASTING = 10_000
SINGLE = 100
BUILDS = 1000
SINCE = 20_000
MANY = 100_000
PORTION = 5000
LIMIT = 900.0
BUILDBOT = Path(sys.executable).with_name("buildbot")
QUEUE = "benchmark"

CONFIG = """\
import json, os
from buildbot.plugins import changes, schedulers, util, worker
from buildbot.util.service import BuildbotService


class Probe(BuildbotService):
    # Records when each change is stored.
    async def startService(self):
        await super().startService()
        self.out = open(os.path.join(self.master.basedir, "probe"), "a")
        await self.master.mq.startConsuming(self.stored, ("changes", None, "new"))

    def stored(self, _key, change):
        self.out.write(json.dumps([change["revision"], self.master.reactor.seconds()]) + "\\n")
        self.out.flush()


BuildmasterConfig = dict(
    change_source=[changes.KojiChangeSource(
        "fake", name="koji", tags=["demo-candidate"], rpms=False, %(options)s)],
    schedulers=[schedulers.AnyBranchScheduler(
        name="never", builderNames=["never"], change_filter=util.ChangeFilter(project="nothing"))],
    workers=[worker.LocalWorker("never")],
    builders=[util.BuilderConfig(
        name="never", workernames=["never"], factory=util.BuildFactory())],
    services=[Probe(name="probe")],
    protocols={"null": {}}, buildbotNetUsageData=None,
    db=dict(db_url="sqlite:///state.sqlite"),
)
"""


class Master:
    """A master in a process of its own."""

    def __init__(self, directory: Path, hub: FakeHub, options: str) -> None:
        self.directory = directory
        (directory / "home" / ".koji").mkdir(parents=True)
        (directory / "home" / ".koji" / "config").write_text(hub.profile_text())
        (directory / "master.cfg").write_text(CONFIG % {"options": options})
        (directory / "probe").touch()
        self._probe = (directory / "probe").open()
        self._stored: dict[str, float] = {}
        environment = {**os.environ, "HOME": str(directory / "home")}
        command = [str(BUILDBOT), "create-master", "--quiet", "--force", str(directory)]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        with (directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [str(BUILDBOT), "start", "--nodaemon", str(directory)],
                stdout=output,
                stderr=output,
                env=environment,
            )

    @property
    def stored(self) -> dict[str, float]:
        """When each change was stored, by its revision."""
        self._stored.update(json.loads(line) for line in self._probe)
        return self._stored

    @property
    def log(self) -> str:
        """What the master has logged."""
        path = self.directory / "twistd.log"
        return path.read_text() if path.exists() else ""

    @property
    def megabytes(self) -> float:
        """The memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu(self) -> float:
        """The seconds of a processor that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Kill it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._probe.close()


async def until(condition: Callable[[], Any]) -> None:
    """Poll until a condition holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await deferLater(reactor, 0.05)


class Site:
    """A hub with builds to tag."""

    def __init__(self) -> None:
        self.hub = FakeHub(reactor)
        self.hub.add_demo_content()
        self.messages: list[Announcement] = []
        self.hub.on_message(self.messages.append)
        self._count = 0

    def tag(self) -> str:
        """Tag a new build; returns its NVR."""
        self._count += 1
        build = self.hub.call("createEmptyBuild", "hello", "1", str(self._count), None)
        self.hub.call("tagBuildBypass", "demo-candidate", build)
        return f"hello-1-{self._count}"

    def tag_many(self, count: int) -> None:
        """Tag new builds, bypassing the hub's checks: they slow down with each build."""
        state = self.hub.state
        template = self.hub.call("createEmptyBuild", "hello", "2", str(self._count), None)
        like = {key: each for key, each in state.get("build", template).items() if key != "id"}
        tag_id = self.hub.call("getTag", "demo-candidate")["id"]
        for _ in range(count):
            self._count += 1
            with state.transaction():
                row = state.insert("build", {**like, "version": "3", "release": str(self._count)})
                listing = {"tag_id": tag_id, "build_id": row["id"]}
                state.insert_version("tag_listing", listing, 1)


async def measure_bus(directory: Path) -> dict[str, float]:
    """Measure the time from a message to its stored change, one by one and all at once.

    More floods follow: the master's memory after the first and the last one shows a leak.
    """
    broker = RabbitMQ(directory / "broker")
    broker.directory.mkdir()
    broker.make()
    broker.start()
    site = Site()
    await site.hub.start()
    login = {"user": USER, "password": PASSWORD, "allow_insecure_login": True}
    options = (
        f"poll_interval=3000, bus=util.KojiAMQP({broker.url!r}, queue={QUEUE!r},"
        f" routing_keys=['{QUEUE}.#'], **{login!r})"
    )
    master = Master(directory / "master", site.hub, options)
    publisher = Publisher(AMQP(broker.url, topic_prefix=QUEUE, **login), reactor=reactor)
    try:
        await until(lambda: "listening to the message bus" in master.log)
        await until(lambda: site.hub.calls["queryHistory"])
        await deferLater(reactor, 2)
        delays = []
        for _ in range(SINGLE):
            site.messages.clear()
            nvr = site.tag()
            message = site.messages[-1]
            begin = reactor.seconds()
            await publisher.publish(message.address, message.body, message.properties)
            await until(lambda: nvr in master.stored)  # noqa: B023 - it is waited for
            delays.append(master.stored[nvr] - begin)

        async def flood() -> float:
            """Publish messages at once; returns the seconds until their changes are stored."""
            site.messages.clear()
            wanted = {site.tag() for _ in range(FLOOD)}
            tagged = [message for message in site.messages if message.address == "build.tag"]
            begin = reactor.seconds()
            for message in tagged:
                await publisher.publish(message.address, message.body, message.properties)
            await until(lambda: wanted <= master.stored.keys())
            return max(master.stored[nvr] for nvr in wanted) - begin

        used = master.cpu
        took = await flood()
        used = master.cpu - used
        sizes = [master.megabytes]
        for portion in range(2, LASTING // FLOOD + 1):
            await flood()
            sizes.append(master.megabytes)
            print(f"{portion * FLOOD:,} messages, {sizes[-1]:.0f} MB", file=sys.stderr)
    finally:
        master.end()
        await publisher.stop()
        await site.hub.stop()
        broker.stop()
    delays.sort()
    return {
        "rate": FLOOD / took,
        "cpu": used / FLOOD * 1000,
        "median": delays[len(delays) // 2] * 1000,
        "longest": delays[-1] * 1000,
        "first": sizes[0],
        "last": sizes[-1],
    }


async def measure_backlog(directory: Path) -> dict[str, float]:
    """Measure how fast a poll makes changes of earlier events."""
    site = Site()
    await site.hub.start()
    since = "since=__import__('datetime').timedelta(hours=1)"
    wanted = {site.tag() for _ in range(FLOOD)}
    master = Master(directory / "backlog", site.hub, since)
    try:
        await until(lambda: wanted <= master.stored.keys())
        times = sorted(master.stored[nvr] for nvr in wanted)
    finally:
        master.end()
        await site.hub.stop()
    return {"backlog rate": (FLOOD - 1) / (times[-1] - times[0])}


async def measure_memory(directory: Path) -> dict[str, float]:
    """Measure the memory of a master that reads a hundred thousand events."""
    site = Site()
    await site.hub.start()
    options = "poll_interval=1, overlap=2, filter=lambda event: False"
    master = Master(directory / "memory", site.hub, options)
    sizes = []
    try:
        await until(lambda: site.hub.calls["queryHistory"])
        for portion in range(1, MANY // PORTION + 1):
            # The last build is looked up last.
            asked = site.hub.calls["getBuild"] + PORTION
            site.tag_many(PORTION)
            await until(lambda: site.hub.calls["getBuild"] >= asked)  # noqa: B023 - it is waited for
            sizes.append(master.megabytes)
            print(f"{portion * PORTION:,} events, {sizes[-1]:.0f} MB", file=sys.stderr)
    finally:
        master.end()
        await site.hub.stop()
    return {"first": sizes[0], "last": sizes[-1]}


class _Counting(portforward.ProxyFactory):
    """Forwards everything to the hub, and counts the bytes of both directions."""

    noisy = False

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.bytes = 0

    def buildProtocol(self, address: Any) -> Any:  # noqa: N802 - Twisted's name
        protocol = super().buildProtocol(address)
        assert protocol is not None
        receive = protocol.dataReceived

        def count(data: bytes) -> None:
            self.bytes += len(data)
            receive(data)

        protocol.dataReceived = count  # type: ignore[method-assign]
        factory = self

        class Client(portforward.ProxyClient):
            def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
                factory.bytes += len(data)
                super().dataReceived(data)

        class Clients(portforward.ProxyClientFactory):
            protocol = Client
            noisy = False

        protocol.clientProtocolFactory = Clients
        return protocol


async def measure_poll() -> dict[str, float]:
    """Count the requests and bytes of a poll of a thousand tagged builds."""
    site = Site()
    await site.hub.start()
    counting = _Counting(int(site.hub.url.split(":")[2].split("/")[0]))
    port = reactor.listenTCP(0, counting, interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}/kojihub"
    connection = Connection(Profile(name="bench", server=url), reactor=reactor)
    figures = {}

    async def counted(name: str, work: Callable[[], Any]) -> Any:
        requests, sent = site.hub.requests, counting.bytes
        result = await work()
        figures[f"{name} requests"] = site.hub.requests - requests
        figures[f"{name} kB"] = (counting.bytes - sent) / 1000
        return result

    for name, rpms in (("plain", False), ("with RPMs", True)):
        interest = Interest(frozenset({"tagged"}), tags=("demo-candidate",), rpms=rpms)
        poller = Poller(connection, interest)
        cursor = await poller.baseline()
        found = await poller.round(cursor, known=lambda _: False)
        await counted("quiet", lambda: poller.round(found.cursor, known=lambda _: False))  # noqa: B023
        for _ in range(BUILDS):
            site.tag()

        async def poll() -> None:
            new = await poller.round(found.cursor, known=lambda _: False)  # noqa: B023
            await poller.complete(new.events)  # noqa: B023
            assert len(new.events) == BUILDS

        await counted(name, poll)
    await counted("listing", lambda: connection.call("listTagged", "demo-candidate"))
    await connection.close()
    await port.stopListening()
    await site.hub.stop()
    return figures


async def measure_since() -> dict[str, float]:
    """Measure a program that iterates over ``tagged_since``."""
    site = Site()
    await site.hub.start()
    connection = Connection(Profile(name="bench", server=site.hub.url), reactor=reactor)
    first = (await connection.getLastEvent()).id
    site.tag_many(SINCE)
    begin, requests = reactor.seconds(), site.hub.requests
    count = 0
    async for _ in connection.tagged_since("demo-candidate", first):
        count += 1
    assert count == SINCE, count
    took = reactor.seconds() - begin
    await connection.close()
    requests = site.hub.requests - requests
    await site.hub.stop()
    return {"rate": SINCE / took, "requests": requests / SINCE * 1000}


async def measure(what: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        made: dict[str, Callable[[], Coroutine[Deferred[Any], Any, dict[str, float]]]] = {
            "bus": lambda: measure_bus(directory),
            "backlog": lambda: measure_backlog(directory),
            "memory": lambda: measure_memory(directory),
            "poll": measure_poll,
            "since": measure_since,
        }
        return await made[what]()


def _figures(what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.changes", what]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run() -> list[tuple[str, str, float, str]]:
    """Measure, and return the rows: what, whose, how much, unit."""
    rows: list[tuple[str, str, float, str]] = []
    if SERVER.exists():
        bus = _figures("bus")
        rows += [
            ("messages of a bus to stored changes", "txkoji", bus["rate"], "1/s"),
            ("CPU of the master, a change", "txkoji", bus["cpu"], "ms"),
            ("from a message to its change, median", "txkoji", bus["median"], "ms"),
            ("from a message to its change, longest", "txkoji", bus["longest"], "ms"),
            (f"memory of a master after {FLOOD:,} messages", "txkoji", bus["first"], "MB"),
            (f"memory of a master after {LASTING:,} messages", "txkoji", bus["last"], "MB"),
        ]
    else:
        print("no bus is measured: apt-get install rabbitmq-server", file=sys.stderr)
    backlog, poll, since, memory = map(_figures, ("backlog", "poll", "since", "memory"))
    rows += [
        ("events of a poll to stored changes", "txkoji", backlog["backlog rate"], "1/s"),
        ("poll of 1,000 tagged builds, requests", "txkoji", poll["plain requests"], ""),
        ("poll of 1,000 tagged builds", "txkoji", poll["plain kB"], "kB"),
        ("the same with RPMs, requests", "txkoji", poll["with RPMs requests"], ""),
        ("the same with RPMs", "txkoji", poll["with RPMs kB"], "kB"),
        ("poll in which nothing happened, requests", "txkoji", poll["quiet requests"], ""),
        ("poll in which nothing happened", "txkoji", poll["quiet kB"], "kB"),
        ("listing that tag of 2,000 builds", "listTagged", poll["listing kB"], "kB"),
        ("events of tagged_since", "txkoji", since["rate"], "1/s"),
        ("requests for 1,000 of them", "txkoji", since["requests"], ""),
        (f"memory of a master after {PORTION:,} events", "txkoji", memory["first"], "MB"),
        (f"memory of a master after {MANY:,} events", "txkoji", memory["last"], "MB"),
    ]
    return rows


def _main(_reactor: Any, what: str) -> Deferred[None]:
    measuring = Deferred.fromCoroutine(measure(what))
    return measuring.addCallback(lambda figures: print(json.dumps(figures)))


if __name__ == "__main__":
    react(_main, [sys.argv[1]])
