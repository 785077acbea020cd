"""Tag Koji builds by the results of the Buildbot builds that test them."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from buildbot.data.resultspec import Filter
from buildbot.process import results
from buildbot.util import datetime2epoch
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.durable.database import is_database_unreachable, was_cancelled
from buildbot_koji.durable.deliveries import Delivery, DeliveryState
from buildbot_koji.durable.once import Intent, Once
from buildbot_koji.durable.outbox import Accepted, Attempt, Refused, Sender, Undone
from buildbot_koji.durable.task_intents import submit_once
from buildbot_koji.durable.unreadable import check_fields, reading
from buildbot_koji.hubs.builds import fault_of_task, named_build
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.hubs.koji_hub import check_hub
from buildbot_koji.reporters.base import KojiReporter, properties_of
from buildbot_koji.reporters.sender_errors import mapped_errors
from buildbot_koji.reporters.status import OpenGate
from buildbot_koji.reporters.votes import Vote, Votes, subject_of, worst
from txkoji import (
    Call,
    Submission,
    UnknownTask,
    build_states,
    is_infrastructure,
    paths,
    reason_of,
    task_states,
)

__all__ = ["KojiTagReporter", "TagCall", "plan"]

NAME = "tag"
"""The name of the one delivery of a build."""

ATTEMPTS = 3
"""How often a tagging is submitted if the build system fails."""

GATE_WITHIN = 7 * 24 * 3600.0
"""Seconds that a gate waits for the results of all required builders."""

MOST_GATES = 200
"""Waiting Koji builds that the status lists, the newest ones."""

REMEMBERED = 200
"""Finished builds of each required builder whose results are read when the master starts."""

OPTIONS = {
    results.SUCCESS: "on_success",
    results.WARNINGS: "on_warnings",
    results.FAILURE: "on_failure",
    results.EXCEPTION: "on_exception",
    results.CANCELLED: "on_cancelled",
}
"""The argument with the action for a result."""


def action(value: Any) -> str | None:
    """Check an action: what is done with a Koji build."""
    words = 'must be {"tag": NAME}, {"untag": NAME}, or with both to move a build'
    if not isinstance(value, Mapping) or not value or set(value) - {"tag", "untag"}:
        return words
    for each in value.values():
        if not checks.is_renderable(each) and checks.text(each) is not None:
            return words
    # A renderable compares as another renderable.
    if not checks.is_renderable(value) and value.get("tag") == value.get("untag"):
        return "moves a build to where it is"
    return None


@dataclass(frozen=True)
class TagCall:
    """A call that tags, untags or moves a build.

    Attributes:
        method: the hub's method.
        tags: the tags that it takes before the build.
        said: the effect, in words.
    """

    method: str
    tags: tuple[str, ...]
    said: str


def plan(wanted: Mapping[str, str], tags: Collection[str]) -> TagCall | str:
    """Plan the call that brings a build into the tags where it should be.

    Args:
        wanted: the tag to add (``tag``), the tag to remove (``untag``), or both.
        tags: the build's tags now.

    Returns:
        The call, or why none is needed, in words.

    Raises:
        Refused: the build is not in the tag that it should be moved from.
    """
    to, origin = wanted.get("tag"), wanted.get("untag")
    if origin is not None and origin in tags:
        if to is None or to in tags:
            return TagCall("untagBuild", (origin,), f"untagged from {origin}")
        return TagCall("moveBuild", (origin, to), f"moved from {origin} to {to}")
    if to is None:
        return f"is not in {origin}"
    if to in tags:
        return f"already tagged into {to}"
    if origin is not None:
        raise Refused(f"not moved to {to}: it is not in {origin} any more")
    return TagCall("tagBuild", (to,), f"tagged into {to}")


class KojiTagReporter(KojiReporter):
    """Tags, untags or moves the Koji build that a Buildbot build is about, by its result.

    A build is about the Koji build of its properties ``koji_build_id`` and ``koji_nvr``, which a
    KojiBuild step or a Koji change sets. It ignores builds without them, and
    scratch builds. If a build was retried because its master or worker was lost, its last attempt
    counts.

    """

    profile = argument(
        check_hub,
        "the profile of the hub, or a ``util.KojiHub``; its user must be allowed to tag",
        required=True,
    )
    on_success = argument(
        action,
        'what to do on success: ``{"tag": NAME}``, ``{"untag": NAME}``, or both to move the'
        " build. The names may be renderables",
        required_unless=("on_warnings", "on_failure", "on_exception", "on_cancelled"),
        renderable="parts",
    )
    on_warnings = argument(
        action, "the same for warnings; by default ``on_success``", renderable="parts"
    )
    on_failure = argument(action, "the same for a failure", renderable="parts")
    on_exception = argument(
        action,
        "the same for an exception: something other than the package was at fault",
        renderable="parts",
    )
    on_cancelled = argument(action, "the same for a build that was stopped", renderable="parts")
    requires = argument(
        checks.texts,
        "the names of builders that must all have a result for the same Koji build. The worst of"
        " their newest results counts; when a test is run again, its new result is counted with"
        " those of the others. Results of the last 200 builds of each are known after a restart of"
        " the master",
        excludes=("builders",),
    )
    gate_within = argument(
        checks.seconds,
        "seconds that a result waits for those of the other required builders, by default 7 days;"
        " then the build's data say which are missing",
        requires=("requires",),
    )
    force = argument(
        checks.flag, "override the hub's policy; for Koji's administrators", default=False
    )

    _log = Logger()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._votes: Votes | None = None
        self._read_again = False
        self._undecided: set[int] = set()
        self._reading = DeferredLock()
        self._sender = TagSender(self.hub)

    @property
    def sender(self) -> Sender:
        """The sender, which tags the builds."""
        return self._sender

    @async_to_deferred
    async def reconfigService(self, name: Any = None, *args: Any, **options: Any) -> None:
        """Apply new arguments, also to deliveries in flight."""
        await super().reconfigService(name, *args, **options)
        self._forget_votes()

    def named_builders(self, options: Mapping[str, Any]) -> Sequence[str]:
        """Return the builders that the arguments name."""
        return options.get("requires") or super().named_builders(options)

    # The deliveries

    async def deliveries(self, build: Mapping[str, Any]) -> Sequence[Delivery] | None:
        """Return the tagging that a finished build triggers, None while its gate lacks a result."""
        subject = subject_of(build["properties"])
        if subject is None or not build["complete"]:
            return []
        result = build["results"]
        required = self._options.get("requires")
        if required:
            if build["builder"]["name"] not in required:
                return []
            votes = self._count(await self._known_votes(), build)
            missing = [name for name in required if name not in votes]
            if missing:
                return self._wait_for(missing, build, str(subject))
            last = max(votes.values(), key=lambda vote: vote.build_id)
            if last.build_id != build["buildid"]:
                self._reconsider(last)
                return []
            result = worst(votes.values())
        name = OPTIONS.get(result, "")
        wanted = self._options.get(name)
        if name == "on_warnings" and wanted is None:
            wanted = self._options.get("on_success")
        if wanted is None:
            return []
        content: dict[str, Any] = {
            "build": subject.key,
            "nvr": subject.nvr,
            "force": bool(self._options.get("force")),
        }
        rendered = await self._render(build, name, wanted)
        content["mistake" if isinstance(rendered, str) else "wanted"] = rendered
        return [self._delivery(build, content)]

    async def _render(
        self, build: Mapping[str, Any], name: str, wanted: Mapping[str, Any]
    ) -> Mapping[str, str] | str:
        """Return the wanted tags, or what is wrong with them in this build."""
        try:
            rendered = await properties_of(build, self.master).render(dict(wanted))
        except Exception as error:
            # A renderable is a user's own code.
            if was_cancelled(error) or is_database_unreachable(error):
                raise
            return f"{name} can't be rendered: {error!r}"
        complaint = action(rendered)
        return f"{name}={rendered!r} {complaint}" if complaint else rendered

    def _delivery(
        self,
        build: Mapping[str, Any],
        content: Mapping[str, Any],
        said: str = "",
        state: DeliveryState = DeliveryState.WAITING,
    ) -> Delivery:
        now = self.master.reactor.seconds()
        lane = f"koji build {content.get('build')}"
        return Delivery(build["buildid"], NAME, lane, content, now, state=state, said=said)

    # Gates

    async def scan(self) -> None:
        """Read the votes, which the status shows, and count those that were not decided."""
        if not self._options.get("requires"):
            return
        await self._known_votes()
        for build_id in sorted(self._undecided):
            build = await self.master.data.get(("builds", build_id))
            if build is None:
                self._undecided.discard(build_id)
            else:
                await self._count_elsewhere(build)

    async def _known_votes(self) -> Votes:
        async with self._reading:
            while self._votes is None:
                self._read_again = False
                votes = await self._read_votes()
                if not self._read_again:
                    self._votes = votes
            return self._votes

    def _forget_votes(self) -> None:
        """Read the votes again, also if they are being read: one may have ended since."""
        self._votes = None
        self._read_again = True

    @staticmethod
    def _count(votes: Votes, build: Mapping[str, Any]) -> Mapping[str, Vote]:
        subject = subject_of(build["properties"])
        if subject is None or build["results"] in (None, results.RETRY):
            return {}
        ended = build["complete_at"]
        at = 0.0 if ended is None else float(datetime2epoch(ended))
        vote = Vote(build["buildid"], build["results"], at)
        return votes.add(subject, build["builder"]["name"], vote)

    async def _read_votes(self) -> Votes:
        """Read the newest results of the required builders, from all masters."""
        votes = Votes()
        self._undecided = set()
        data = self.master.data
        for name in self._options["requires"]:
            builder = await data.get(("builders", name))
            if builder is None:
                continue
            builds = await data.get(
                ("builders", builder["builderid"], "builds"),
                filters=[Filter("complete", "eq", [True])],
                order=["-buildid"],
                limit=REMEMBERED,
            )
            for build in reversed(builds):
                await self._count_decided(votes, build, builder)
        return votes

    async def _count_decided(
        self, votes: Votes, build: Mapping[str, Any], builder: Mapping[str, Any]
    ) -> Mapping[str, Vote]:
        """Count a build's vote if it is decided; returns the newest votes for its Koji build."""
        decided = await self.decided(build)
        if decided is None:
            self._undecided.add(build["buildid"])
            return {}
        self._undecided.discard(build["buildid"])
        if decided is build:
            properties = await self.master.data.get(("builds", build["buildid"], "properties"))
        else:
            properties = await self.properties_of_attempts(build)
        return self._count(votes, {**decided, "builder": builder, "properties": properties})

    async def noticed(self, build: Mapping[str, Any]) -> None:
        """Take up a build that ended here; count the vote of one that ended on another master."""
        await super().noticed(build)
        if build["masterid"] != self.master.masterid and self._options.get("requires"):
            await self._count_elsewhere(build)

    async def _count_elsewhere(self, build: Mapping[str, Any]) -> None:
        """Count the vote of a build that ended elsewhere, and re-evaluate its gate."""
        builder = await self.master.data.get(("builders", build["builderid"]))
        if builder["name"] not in self._options["requires"]:
            return
        votes = await self._count_decided(await self._known_votes(), build, builder)
        if all(name in votes for name in self._options["requires"]):
            self._reconsider(max(votes.values(), key=lambda vote: vote.build_id))

    def missed(self) -> None:
        """Also read the votes again: the one that was missed may be another master's."""
        self._forget_votes()
        super().missed()

    def gates(self) -> Sequence[OpenGate]:
        """Return the Koji builds that wait for the results of required builders."""
        required = self._options.get("requires")
        if not required or self._votes is None:
            return ()
        oldest = self.master.reactor.seconds() - self._gate_within()
        open_gates = (
            OpenGate(
                subject=str(subject),
                koji_build_id=subject.build_id,
                there={
                    name: results.Results[votes[name].result] for name in required if name in votes
                },
                missing=tuple(name for name in required if name not in votes),
                since=max(vote.at for vote in votes.values()),
            )
            for subject, votes in self._votes.groups()
            if any(name not in votes for name in required)
        )
        return list(
            itertools.islice((each for each in open_gates if each.since > oldest), MOST_GATES)
        )

    def _gate_within(self) -> float:
        return float(self._options.get("gate_within") or GATE_WITHIN)

    def _reconsider(self, last: Vote) -> None:
        """Re-evaluate the gate for the newest voting build, if this master ran it."""

        async def again() -> None:
            build = await self.master.data.get(("builds", last.build_id))
            await KojiReporter.noticed(self, build)

        self.background.run(again(), f"{self.name}: re-evaluating a gate failed")

    def _wait_for(
        self, missing: Sequence[str], build: Mapping[str, Any], nvr: str
    ) -> Sequence[Delivery] | None:
        age = self.master.reactor.seconds() - datetime2epoch(build["complete_at"])
        if age <= self._gate_within():
            return None
        said = f"nothing done with {nvr}: no result of {', '.join(missing)} in {age / 3600:.0f} h"
        self._log.warn("{name}: build {id}: {said}", name=self.name, id=build["buildid"], said=said)
        return [self._delivery(build, {}, said, DeliveryState.DELIVERED)]


class TagSender:
    """Tags builds on a hub, each by one task; a :class:`Sender`."""

    def __init__(self, hub: Callable[[], Awaitable[Hub]]) -> None:
        self._hub = hub

    async def send(self, delivery: Delivery, attempt: Attempt) -> str | Accepted:
        """Tag or untag the Koji build; a task that does it is followed later."""
        if "mistake" in delivery.content:
            raise Refused(delivery.content["mistake"])
        with mapped_errors():
            hub = await self._hub()
            await hub.log_in()
            task_id = await _find_earlier(hub, delivery.notes)
            if task_id is not None:
                return _accepted(hub, delivery.notes, task_id)
            koji = hub.connection
            build = await named_build(koji, delivery.content["build"])
            if build.state != build_states.COMPLETE:
                return f"nothing done with {build.nvr}: it is {build_states.to_str(build.state)}"
            tags = [tag.name for tag in await koji.checked("listTags", build=build.id)]
            planned = plan(delivery.content["wanted"], tags)
            if isinstance(planned, str):
                return f"{build.nvr} {planned}"
            which = "" if delivery.nvr else f"{build.nvr} "
            with mapped_errors(f"{which}not {planned.said}: "):
                return await self._tag(hub, delivery, build, planned, attempt)

    async def _tag(
        self, hub: Hub, delivery: Delivery, build: Any, planned: TagCall, attempt: Attempt
    ) -> str | Accepted:
        koji = hub.connection
        said = f"{build.nvr} {planned.said}"
        kwargs = {"force": True} if delivery.content["force"] else {}
        call = Call(planned.method, [*planned.tags, build.id], kwargs)
        if call.method == "untagBuild":
            # Without a task. It is idempotent unless strict.
            await hub.write(replace(call, kwargs={"strict": False, **kwargs}), attempt.check)
            return said
        submission = await koji.submissions.begin(call)
        notes = {"submission": asdict(submission), "call": call.to_json(), "said": said}

        async def save(task_id: int | None) -> None:
            # The outbox stores the result, when the delivery is accepted.
            if task_id is None:
                await attempt.remember(notes)

        # The task of an earlier attempt was looked for before this one was planned.
        once = Once(submit_once(hub, call, submission), Intent(save), attempt.check)
        return _accepted(hub, notes, await once.attempt())

    async def follow(self, delivery: Delivery) -> str:
        """Wait for the task that tags the build."""
        task_id = delivery.notes["task_id"]
        call, submission = _begun_of(delivery.notes)
        said = f"{delivery.notes['said']} (task {task_id})"
        with mapped_errors():
            hub = await self._hub()
            try:
                watch = hub.watcher.watch(task_id)
                tree = await hub.ended(watch, call, submission)
            except UnknownTask as error:
                raise Refused(f"{error}: was it restored from a backup?") from error
            if tree.root.state == task_states.CLOSED:
                return said
            if tree.root.state == task_states.CANCELED:
                raise Refused(f"task {task_id} was canceled")
            koji = hub.connection
            *_, to, build_id = call.args
            if to in [tag.name for tag in await koji.checked("listTags", build=build_id)]:
                return f"{said}: somebody else was faster"
            fault = await fault_of_task(koji, task_id)
            words = f"task {task_id} failed: {reason_of('' if fault is None else fault.text)}"
            if is_infrastructure(fault) and delivery.attempts < ATTEMPTS:
                raise Undone(words)
            raise Refused(words)


def _begun_of(notes: Mapping[str, Any]) -> tuple[Call, Submission]:
    """Return what an earlier attempt submitted; raise UnreadableRow."""
    with reading("the notes of a delivery"):
        check_fields(Submission, notes["submission"], "the notes of a delivery")
        stored = notes["call"]
        # Versions before 1.1 stored the three parts as a list.
        call = Call(*stored) if isinstance(stored, list) else Call.from_json(stored)
        return call, Submission(**notes["submission"])


async def _find_earlier(hub: Hub, notes: Mapping[str, Any]) -> int | None:
    """Return the task that an earlier attempt submitted, or None."""
    if "submission" not in notes:
        return None
    return await submit_once(hub, *_begun_of(notes)).search()


def _accepted(hub: Hub, notes: Mapping[str, Any], task_id: int) -> Accepted:
    url = paths.task_url(hub.connection.weburl, task_id)
    return Accepted({**notes, "task_id": task_id, "task_url": url})
