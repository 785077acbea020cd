"""A message bus: from RabbitMQ to a handler that does nothing, and back with confirmations.

The broker is in a process of its own, on the same machine, and so is each receiver. The queue is
filled before; it is a quorum queue, the kind that is declared by default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.files import resident
from tests.support.brokers import PASSWORD, SERVER, USER, RabbitMQ

MESSAGES = 100_000
WARM = 5_000
PUBLISHED = 3_000
LIMIT = 300.0
RECORDED = Path(__file__).parents[1] / "tests/data/protonmsg.jsonl"
NAME = "benchmark"
LOGIN: dict[str, Any] = {"user": USER, "password": PASSWORD, "allow_insecure_login": True}


def receive(url: str, protocol: str) -> None:
    """Receive all messages, and print the figures."""
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from txkoji.bus import AMQP, AMQP1, Broker, BusMessage, Publisher, Receiver

    received = 0
    figures: dict[str, float] = {}

    async def measure(reactor: Any) -> None:
        settings: Broker
        if protocol == "AMQP 0-9-1":
            settings = AMQP(url, queue=NAME, passive=True, topic_prefix="koji", **LOGIN)
        else:
            settings = AMQP1(url, address=f"/amq/queue/{NAME}", topic_prefix="/topic/koji", **LOGIN)
        done: Deferred[None] = Deferred()

        def handle(_message: BusMessage) -> None:
            nonlocal received
            received += 1
            if received == WARM:
                figures["memory"] = -resident("VmRSS:")
                figures["cpu"] = -time.process_time()
                figures["seconds"] = -time.perf_counter()
            elif received == MESSAGES:
                figures["seconds"] += time.perf_counter()
                figures["cpu"] += time.process_time()
                figures["memory"] += resident("VmRSS:")
                done.callback(None)

        receiver = Receiver(settings, handle, reactor=reactor)
        receiver.start()
        await done
        await receiver.stop()
        publisher = Publisher(settings, reactor=reactor)
        await publisher.publish("build.tag", "{}")
        begin = time.perf_counter()
        for _ in range(PUBLISHED):
            await publisher.publish("build.tag", "{}")
        figures["publish"] = PUBLISHED / (time.perf_counter() - begin)
        await publisher.stop()
        print(json.dumps(figures))

    react(lambda reactor: Deferred.fromCoroutine(measure(reactor)))


def fill(broker: RabbitMQ) -> None:
    """Let the queue be there, with all messages of the benchmark and no others."""
    import pika

    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    message = next(each for each in map(json.loads, lines) if each["address"] == "build.tag")
    properties = pika.BasicProperties(headers=message["properties"])
    parameters = pika.ConnectionParameters(
        "127.0.0.1", broker.port, credentials=pika.PlainCredentials(USER, PASSWORD)
    )
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.queue_declare(NAME, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(NAME, "amq.topic", "koji.#")
        channel.queue_purge(NAME)
        for _ in range(MESSAGES):
            channel.basic_publish("amq.topic", "koji.build.tag", message["body"], properties)
        while channel.queue_declare(NAME, passive=True).method.message_count < MESSAGES:
            time.sleep(0.1)


def run() -> list[tuple[str, str, float, str]]:
    """Measure; returns rows of name, peer, figure and unit."""
    if not SERVER.exists():
        print("the bus needs a broker: apt-get install rabbitmq-server", file=sys.stderr)
        return []
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        broker = RabbitMQ(Path(directory))
        broker.make()
        broker.start()
        try:
            for protocol in ("AMQP 0-9-1", "AMQP 1.0"):
                fill(broker)
                command = [sys.executable, "-m", "benchmarks.bus", broker.url, protocol]
                output = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT
                ).stdout
                found = json.loads(output)
                counted = MESSAGES - WARM
                rows += [
                    ("bus: to a handler", protocol, counted / found["seconds"], "messages/s"),
                    ("bus: CPU a message", protocol, found["cpu"] / counted * 1000, "ms"),
                    (f"bus: memory over {MESSAGES} messages", protocol, found["memory"], "MiB"),
                    ("bus: published and confirmed", protocol, found["publish"], "messages/s"),
                ]
        finally:
            broker.stop()
    return rows


if __name__ == "__main__":
    receive(*sys.argv[1:])
