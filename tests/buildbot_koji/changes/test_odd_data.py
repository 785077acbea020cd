"""Whatever hub and bus send, a real master stores a change for each good event, once."""

from __future__ import annotations

import copy
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import schedulers, util
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from buildbot_koji.cli.doctor.database import check_database
from tests.buildbot_koji.inprocess import Site, koji
from tests.support import mariadb, postgres, until
from tests.support.ends import AtEnd
from tests.support.odd import JSON_VALUES, Mutator
from txkoji import EVENT_NAMES
from txkoji.bus import AMQP, BusMessage
from txkoji.bus.base import Link, QueueState, ReceivedMessage, Settlement
from txkoji.testing import FakeHub
from txkoji.testing.announcements.fedora import fedora_message
from txkoji.testing.announcements.messages import Announcement

# Buildbot is older than the Twisted and alembic that it runs on.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.limit(1200)]

SEED = int(os.environ.get("KOJI_TEST_SEED", "20261125"))

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))
"""Whether the other databases get as much as SQLite."""

ROUNDS, SHARE = 6, 120
"""How often the hub is polled, and how many odd records come with each list of its replies."""

MESSAGES = 8000
"""How many odd messages come."""

TOTAL = 20_000
"""How many odd records and messages these make at least, together."""

FIRST_ODD = 1_000_000
"""The first id of what only odd replies name."""

TAGS = ["demo-candidate", "demo-build"]

LISTED = {"listBuilds": "build_id", "listTasks": "id", "repo.query": "id"}
"""Methods whose replies are lists of records, and the key of a record's id."""

LOOKED_UP = ("getBuild", "getTaskInfo", "listBuildRPMs", "getBuildType", "getUser", "repoInfo")
"""Methods whose first argument is an id, and whose reply is about one item."""


class OddAnswers:
    """Adds odd records to a hub's listings, and gives odd answers about them.

    Args:
        mutate: changes the records.
        share: how many odd records come with each reply that lists records.
    """

    def __init__(self, mutate: Mutator, share: int) -> None:
        self._mutate = mutate
        self._share = share
        self._templates: dict[str, Any] = {}
        self._next = FIRST_ODD
        self.is_on = False
        self.is_learning = True

    def __call__(self, name: str, params: list[Any], run: Callable[[], Any]) -> Any:
        """Return the result of a method; :attr:`txkoji.testing.FakeHub.answer`."""
        if not self.is_on:
            result = run()
            if self.is_learning:
                self._keep(name, result)
            return result
        named = params[-1] if params and isinstance(params[-1], dict) else {}
        subject = params[0] if params else named.get("buildInfo")
        is_odd = isinstance(subject, int) and subject >= FIRST_ODD
        if name in LOOKED_UP and is_odd and name in self._templates:
            return self._mutate(_named(self._templates[name], subject))
        result = run()
        if name == "queryHistory" and "beforeEvent" not in named:
            return {
                table: self._among(rows, f"queryHistory {table}", "create_event")
                for table, rows in result.items()
            }
        if name in LISTED:
            return self._among(result, name, LISTED[name])
        return result

    def _keep(self, name: str, result: Any) -> None:
        if name == "queryHistory":
            for table, rows in result.items():
                if rows:
                    self._templates[f"queryHistory {table}"] = copy.deepcopy(rows[-1])
        elif name in LISTED and result:
            self._templates[name] = copy.deepcopy(result[-1])
        elif name in LOOKED_UP and result:
            self._templates[name] = copy.deepcopy(result)

    def _among(self, rows: Any, template: str, key: str) -> list[Any]:
        rows = list(rows)
        if template not in self._templates or len(rows) + self._share >= PAGE:
            return rows
        for _ in range(self._share):
            self._next += 1
            row = _named(self._templates[template], self._next)
            rows.append(self._mutate({**row, key: self._next}))
        self._mutate.shuffle(rows)
        return rows


def _named(template: Any, number: int) -> Any:
    """Return a record under a number and names of its own."""
    if not isinstance(template, dict):
        return template
    fields = {
        "id": number,
        "build_id": number,
        "release": str(number),
        "package_id": number,
        "package.name": f"odd-{number}",
        "nvr": f"odd-1.0-{number}",
        "source": f"git+https://git.example.test/rpms/odd.git#{number}",
    }
    request = template.get("request")
    if isinstance(request, list) and request and str(request[0]).startswith("git+"):
        # All that have one revision are compared with each other.
        fields["request"] = [fields["source"], *request[1:]]
    return {**template, **{name: fields[name] for name in fields if name in template}}


DEFECTS = re.compile(r"(Attribute|Key|Index|Type|Assertion|Overflow|Recursion)Error")
"""What the log says where nobody thought of a value."""

ODD_ID = re.compile(r"[ :]1\d{6}\b")

PAGE = 250
"""Rows that the poller reads at a time: a shorter reply is the last."""


class CannedLink(Link):
    """A connection over which a test delivers messages."""

    def __init__(self) -> None:
        self.lost: Deferred[Any] = Deferred()
        self.is_open = True
        self.settled: Counter[Settlement] = Counter()
        self._deliver: Any = None

    async def open(self) -> None:
        """Open it."""

    async def subscribe(self, _: int, deliver: Callable[[ReceivedMessage], None]) -> None:
        """Start to receive."""
        self._deliver = deliver

    def end_delivery(self) -> None:
        """Deliver no more."""

    async def inspect(self) -> QueueState:
        """Look at the queue."""
        return QueueState()

    async def publish(self, *_: Any) -> None:
        """Publish nothing."""

    async def close(self) -> None:
        """Close it."""
        self.abort()

    def abort(self) -> None:
        """Drop it."""
        if self.is_open:
            self.is_open = False
            self.lost.callback(None)

    def give(self, message: BusMessage) -> None:
        """Deliver a message."""
        self._deliver(ReceivedMessage(message, self, self._settle))

    def _settle(self, settlement: Settlement) -> None:
        self.settled[settlement] += 1


class CannedBroker(AMQP):
    """Settings of a broker that does not exist."""

    made: list[CannedLink] = []  # noqa: RUF012 - of all

    def link(self, _: Any) -> Link:
        """Return the connection."""
        self.made.append(CannedLink())
        return self.made[-1]


class CannedBus(util.KojiAMQP):  # type: ignore[misc,name-defined]
    """The same in master.cfg."""

    settings = CannedBroker


class OddSite(Site):
    """A hub with odd data, and a master that listens to it and to a bus."""

    def __init__(self, directory: Path) -> None:
        hub = FakeHub(reactor, build_seconds=0.05, anonymous_user="kojiadmin")
        super().__init__(hub, directory)
        self.mutate = Mutator(SEED)
        self.mutate_message = Mutator(SEED + 1, JSON_VALUES)
        self.answers = OddAnswers(self.mutate, 0)
        self.messages: list[BusMessage] = []
        self.templates: list[BusMessage] = []
        self.expected: Counter[tuple[str, Any]] = Counter()
        self.warnings: Counter[str] = Counter()

    async def begin(self, database: str | None, share: int) -> None:
        """Create one of each record on the hub, and start the master.

        Args:
            database: the address of the master's database; None for SQLite.
            share: how many odd records come with each reply that lists records.
        """
        self.answers = OddAnswers(self.mutate, share)
        self.hub.answer = self.answers
        self.hub.add_package("demo-candidate", "odd")
        self.hub.on_message(self._keep_message)
        globalLogPublisher.addObserver(self._observe)
        await self.good("odd")
        self._learn()
        self.answers.is_learning = False
        self.templates = list(self.messages)
        self.expected.clear()
        login = {"user": "u", "password": "p", "allow_insecure_login": True}
        await self.listen(
            koji(
                bus=CannedBus("amqp://127.0.0.1:1", queue="q", passive=True, **login),
                tags=TAGS,
                events=sorted(EVENT_NAMES),
                methods=["build", "buildArch", "newRepo", "tagBuild"],
                # On request only, however long a slow machine takes.
                poll_interval=1_000_000,
                stale_after=2_000_000,
            ),
            database=database,
            # Nothing is built: what schedulers do with changes takes longer than all the rest.
            schedulers=[schedulers.Triggerable(name="none", builderNames=["test"])],
        )
        self.answers.is_on = True

    def _keep_message(self, message: Announcement) -> None:
        address, kind = message.address, dict(message.properties)
        self.messages.append(BusMessage(address, kind, message.body))
        urls = {"base_url": self.hub.url, "files_url": self.hub.topurl}
        fedora = fedora_message(message, self.hub.state, **urls)
        if fedora is not None:
            topic = fedora.address.removeprefix("buildsys.")
            self.messages.append(
                BusMessage(topic, fedora.properties, fedora.body, dialect="fedora")
            )

    def close_observer(self) -> None:
        """Stop observing the log."""
        globalLogPublisher.removeObserver(self._observe)

    def _observe(self, event: LogEvent) -> None:
        if event["log_level"] is LogLevel.warn and event.get("log_format"):
            self.warnings[event["log_format"].format(**event)] += 1

    def _learn(self) -> None:
        """Query the hub about its records, for templates of all replies."""
        call = self.call
        for tag in TAGS:
            tag_id = call("getTag", tag)["id"]
            for table in ("tag_listing", "tag_packages"):
                call("queryHistory", tables=[table], tag=tag_id)
        [*_, build] = call("listBuilds", packageID=call("getPackageID", "odd"))
        for name in ("getBuild", "listBuildRPMs", "getBuildType"):
            call(name, build["build_id"])
        [*_, task] = call("listTasks", {"method": "build", "decode": True}, {"order": "id"})
        call("getTaskInfo", task["id"], request=True)
        call("getUser", task["owner"])
        call("repoInfo", self.hub.state.rows("repo")[-1]["id"])
        fields = ["id", "tag_id", "state", "dist", "creation_ts", "state_ts", "task_state"]
        call("repo.query", [["id", ">", 0]], fields, {})

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the hub, which answers as hubs do."""
        is_on, self.answers.is_on = self.answers.is_on, False
        try:
            return self.hub.call(name, *args, **kwargs)
        finally:
            self.answers.is_on = is_on

    async def good(self, package: str = "hello") -> None:
        """Trigger one of each event, and note which must become changes."""
        call = self.call
        nvr = self.build(package)
        self.expected[("build-complete", nvr)] += 1
        self.expected[("tagged", nvr)] += 1
        call("untagBuildBypass", "demo-candidate", nvr)
        self.expected[("untagged", nvr)] += 1
        self._count += 1
        source = f"git+https://git.example.test/rpms/{package}.git#{self._count}"
        task = call("build", source, "demo")
        await until(lambda: call("taskFinished", task))
        [built] = call("listBuilds", taskID=task)
        self.expected[("build-complete", built["nvr"])] += 1
        self.expected[("tagged", built["nvr"])] += 1
        self.expected[("task-open", task)] += 1
        self.expected[("task-closed", task)] += 1
        repo_task = call("newRepo", "demo-build")
        await until(lambda: call("taskFinished", repo_task))
        repo = max(row["id"] for row in self.hub.state.rows("repo"))
        self.expected[("repo-done", repo)] += 1
        self.expected[("task-open", repo_task)] += 1
        self.expected[("task-closed", repo_task)] += 1
        name = f"{package}-more-{self._count}"
        self.hub.add_package("demo-build", name)
        self.expected[("package-listed", name)] += 1

    def odd_message(self, message: BusMessage) -> BusMessage:
        """Return a message with something wrong in its body, its topic or its headers."""
        mutate = self.mutate_message
        if mutate.chance(0.1):
            return replace(message, body=mutate.text(str(message.body)))
        if mutate.chance(0.1):
            headers = mutate(dict(message.headers))
            return replace(message, headers=headers if isinstance(headers, dict) else {})
        return replace(message, body=json.dumps(mutate(json.loads(message.body))))

    async def deliver(self, messages: Sequence[BusMessage]) -> None:
        """Deliver messages; returns when all are settled."""
        link = CannedBroker.made[-1]
        before = link.settled.total()
        for message in messages:
            link.give(message)
        await until(lambda: link.settled.total() == before + len(messages))
        assert not link.settled[Settlement.RELEASED]

    async def poll_oddly(self, rounds: int) -> None:
        """Trigger good events, and poll a hub that adds odd records to its replies."""
        for _ in range(rounds):
            await self.good()
            await self.polled()

    async def hear_oddly(self, count: int) -> None:
        """Trigger good events that the bus reports among odd messages."""
        chosen = random.Random(SEED)
        polls = self.master.source._running.polls
        while count > 0:
            self.messages.clear()
            await self.good()
            templates = chosen.choices(self.templates, k=min(count, 400))
            given = [*self.messages, *map(self.odd_message, templates)]
            chosen.shuffle(given)
            await self.deliver(given)
            count -= 400
        assert self.master.source._running.polls == polls
        # When the message comes, the hub says no longer that the task is open: the poll does.
        await self.check(without="task-open")
        await self.polled()

    def check_log(self) -> None:
        """Check that every item was reported once, and none as a defect of ours."""
        named = {line: count for line, count in self.warnings.items() if ODD_ID.search(line)}
        assert max(named.values(), default=0) <= 1, f"seed {SEED}"
        defects = [line for line in self.warnings if DEFECTS.search(line)]
        assert not defects, f"seed {SEED}: {defects[:5]}"

    async def check(self, *, without: str = "") -> None:
        """Check that all good events became changes, each once, except those of a name."""
        changes = await self.master.changes()
        found: Counter[tuple[str, Any]] = Counter()
        for change in changes:
            found.update(
                (name, subject)
                for name, subject in _subjects(change["properties"])
                if (name, subject) in self.expected
            )
        due = {each: count for each, count in self.expected.items() if each[0] != without}
        assert {each: found[each] for each in due} == due, f"seed {SEED}"
        keys = Counter(change["properties"].get("koji_event_key") for change in changes)
        del keys[None]
        assert max(keys.values()) == 1


def _subjects(properties: Mapping[str, Any]) -> Any:
    for name in ("koji_nvr", "koji_task_id", "koji_repo_id", "koji_package"):
        value = properties.get(name)
        if isinstance(value, (str, int)):
            yield properties.get("koji_event"), value


@pytest_twisted.async_fixture
async def site(tmp_path: Path, empty_home: Path, at_end: AtEnd) -> OddSite:
    site = OddSite(tmp_path)
    at_end(site.close)
    at_end(site.close_observer)
    await site.open(empty_home)
    return site


@pytest_twisted.ensureDeferred
async def test_odd_replies(site: OddSite) -> None:
    """Odd answers about some records hide none of the others."""
    await site.begin(None, SHARE)
    await site.poll_oddly(ROUNDS)
    assert site.mutate.count >= TOTAL - MESSAGES
    await site.check()
    site.check_log()


@pytest_twisted.ensureDeferred
async def test_odd_messages(site: OddSite) -> None:
    """Odd messages make no changes, and hide no true message."""
    await site.begin(None, 0)
    await site.hear_oddly(MESSAGES)
    await site.check()
    site.check_log()


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(postgres.PostgreSQL, marks=postgres.marks, id="postgresql"),
        pytest.param(mariadb.MariaDB, marks=mariadb.marks, id="mariadb"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_other_databases(server: type[Any], site: OddSite) -> None:
    """Buildbot's other databases, which are stricter than SQLite, accept all of it too."""
    rounds, share, messages = (ROUNDS, SHARE, MESSAGES) if SOAK else (2, 20, 400)
    database = server()
    await deferToThread(database.start)
    try:
        await site.begin(database.url, share)
        await site.poll_oddly(rounds)
        site.answers.is_on = False
        await site.hear_oddly(messages)
        odd = site.mutate.count + site.mutate_message.count
        assert not SOAK or odd >= TOTAL
        await site.check()
        print(f"{odd} odd records and messages, {sum(site.expected.values())} good events")
        site.check_log()
        # The doctor says so, and what a stricter one would refuse.
        address = database.url
        assert [each.level for each in await check_database(address, Path(), reactor)] == ["ok"]
        if isinstance(database, mariadb.MariaDB):
            database.say(
                "SET GLOBAL max_allowed_packet = 65536;"
                "ALTER TABLE buildbot.build_properties CONVERT TO CHARACTER SET latin1"
            )
            bad = await check_database(address, Path(), reactor)
            assert [each.level for each in bad] == ["error", "error"]
            assert "max_allowed_packet is 65536 bytes" in bad[0].text
            assert "latin1, not UTF-8" in bad[1].text
    finally:
        await site.master.stop()
        await deferToThread(database.stop)
