"""Tells a message bus of the tests of Koji builds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from buildbot.process.properties import Properties
from buildbot.reporters.utils import getURLForBuildrequest
from buildbot.util.twisted import async_to_deferred
from twisted.internet.task import deferLater

from buildbot_koji.arguments import checks
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import Refused, Remember, Taken
from buildbot_koji.hubs.brokers import KojiBroker
from buildbot_koji.reporters import ci_schema
from buildbot_koji.reporters.base import OutboxReporter
from buildbot_koji.reporters.queued import QueuedRequests
from buildbot_koji.reporters.refusals import refusals_told
from buildbot_koji.reporters.votes import KojiSubject, subject_of
from txkoji import nvr
from txkoji.bus import Broker, Publisher

__all__ = ["KojiCIMessages"]

ARTIFACTS = ("koji-build", "brew-build")
SETTLING = 2.0
"""Seconds that a build request must wait to be called queued."""

VERSION = "0.2.1"
"""Of the schema: the one that Fedora CI's own pipelines state."""


def _bus(value: Any) -> str | None:
    given = isinstance(value, KojiBroker)
    return None if given else "must be a util.KojiAMQP or util.KojiAMQP1"


def _states(value: Any) -> str | None:
    listed = checks.texts(value) is None and not set(value) - set(ci_schema.STATES)
    return None if listed else f"must be a list out of {', '.join(ci_schema.STATES)}"


def _artifact(value: Any) -> str | None:
    return None if value in ARTIFACTS else f"must be {' or '.join(ARTIFACTS)}"


class KojiCIMessages(OutboxReporter):
    """Publishes ``koji-build.test.queued``, ``.running``, ``.complete`` and ``.error``.

    The messages have the form of Fedora CI's. They are about the Koji build that a Buildbot build
    tests, see :class:`~buildbot_koji.reporters.tagging.KojiTagReporter`, or about a scratch build
    whose task and name are known by then. A message is delivered when the broker has confirmed it.
    Where that is in doubt it is published again with the same id.

    Args:
        profile: the profile of the hub in Koji's configuration files, or a ``util.KojiHub``; the
            hub is asked what the build is.
        bus: the broker: a ``util.KojiAMQP`` or ``util.KojiAMQP1``; its ``topic_prefix`` stands
            before the topic.
        contact: who answers for the tests: a dictionary with ``name``, ``team``, ``docs`` (a URL)
            and ``email``; it may have ``url``, ``irc``, ``slack`` and ``version``.
        test: a dictionary with ``namespace``; it may have ``category`` (``functional``), ``type``
            (the builder's name), ``docs``, ``label``, ``lifetime`` and ``scenario``.
        system: a list of dictionaries with ``os``, ``provider`` and ``architecture``.
        states: which messages are published, by default all.
        artifact_type: ``koji-build``, or ``brew-build``.
        version: of the schema.
        kwargs: what every :class:`OutboxReporter` takes.
    """

    checks: ClassVar[Mapping[str, checks.Check]] = {
        **OutboxReporter.checks,
        "profile": checks.hub,
        "bus": _bus,
        "contact": ci_schema.contact,
        "test": ci_schema.test,
        "system": ci_schema.system,
        "states": _states,
        "artifact_type": _artifact,
        "version": checks.text,
    }
    required: ClassVar[Sequence[str]] = ("profile", "bus", "contact", "test")
    renderable: ClassVar[frozenset[str]] = frozenset({"bus"})
    events: ClassVar[Sequence[str]] = ("new", "finished")

    _settings: Broker | None = None
    _publisher: Publisher | None = None
    _queued: QueuedRequests | None = None

    def complaints(self, options: Mapping[str, Any]) -> list[str]:
        """Return one line for each mistake in the arguments."""
        # A broker is a renderable, for its secrets; nothing else may be in its place.
        bus = options.get("bus")
        wrong = checks.is_renderable(bus) and _bus(bus)
        return super().complaints(options) + ([f"bus={bus!r} {wrong}"] if wrong else [])

    @async_to_deferred
    async def reconfigService(self, name: Any = None, *args: Any, **options: Any) -> None:
        """Take new arguments; the connection to the broker stays where it can."""
        properties = Properties()
        properties.master = self.master
        settings = await properties.render(options["bus"])
        await super().reconfigService(name, *args, **options)
        if settings != self._settings:
            await self._leave_broker()
            self._settings = settings
            self._publisher = Publisher(settings, reactor=self.master.reactor)

    @async_to_deferred
    async def startService(self) -> None:
        """Listen; what an earlier run left is taken up in the background."""
        self._queued = QueuedRequests(self.master, self.name, self, self, lambda: self._retry_for)
        await super().startService()
        self._consumers.append(
            await self.master.mq.startConsuming(self._request, ("buildrequests", None, "new"))
        )

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop listening and sending; what is left goes on at the next start."""
        queued, self._queued = self._queued, None
        if queued is not None:
            queued.stop()
        await super().stopService()
        await self._leave_broker()

    async def _leave_broker(self) -> None:
        publisher, self._publisher, self._settings = self._publisher, None, None
        if publisher is not None:
            await publisher.stop()

    # What is told about a build

    @async_to_deferred
    async def _request(self, _: Any, message: Mapping[str, Any]) -> None:
        if self._queued is not None:
            await self._queued.take(message["buildrequestid"])

    async def look(self) -> None:
        """Look for build requests that wait, of which nobody was told."""
        if self._queued is not None:
            await self._queued.look()

    async def queued(self, request: Mapping[str, Any]) -> Delivery | None:
        """Return the message of a build request that waits, or None."""
        data = self.master.data
        builder = await data.get(("builders", request["builderid"]))
        if not self._wants(builder):
            return None
        buildset = await data.get(("buildsets", request["buildsetid"]))
        properties: dict[str, tuple[Any, str]] = {}
        for stamp in buildset["sourcestamps"]:
            for change in await data.get(("sourcestamps", stamp["ssid"], "changes")):
                properties.update(change["properties"])
        properties.update(await data.get(("buildsets", request["buildsetid"], "properties")))
        request_id = request["buildrequestid"]
        url = getURLForBuildrequest(self.master, request_id)
        subject = {"builder": builder, "url": url, "buildrequestid": request_id}
        return self._message("queued", request_id, "queued", {**subject, "properties": properties})

    async def deliveries(self, build: Mapping[str, Any]) -> Sequence[Delivery] | None:
        """Return the message of a build that begins or ends."""
        lane = f"build {build['buildid']}"
        message = self._message(ci_schema.state_of(build), build["buildid"], lane, build)
        return [] if message is None else [message]

    def _message(
        self, state: str, about: int, lane: str, build: Mapping[str, Any]
    ) -> Delivery | None:
        artifact = _artifact_of(build["properties"])
        if artifact is None or state not in (self._options.get("states") or ci_schema.STATES):
            return None
        now = self.master.reactor.seconds()
        message = ci_schema.compose(
            state,
            build,
            pipeline_url=getURLForBuildrequest(self.master, build["buildrequestid"]),
            contact=self._options["contact"],
            test=self._options["test"],
            system=self._options.get("system") or (),
            version=self._options.get("version") or VERSION,
            now=now,
        )
        content = {
            "id": ci_schema.message_id(build["url"], self.name, state),
            "topic": f"{self._artifact_type}.test.{state}",
            "artifact": artifact,
            "message": message,
        }
        return Delivery(about, state, lane, content, now)

    @property
    def _artifact_type(self) -> str:
        return str(self._options.get("artifact_type") or ARTIFACTS[0])

    # The hub and the broker

    async def send(self, delivery: Delivery, remember: Remember) -> str | Taken:
        """Publish a message; it is delivered when the broker has it."""
        del remember
        if delivery.name == "queued":
            # Most requests are begun at once: then there is nothing to say, and no order to mix up.
            rest = delivery.since + SETTLING - self.master.reactor.seconds()
            await deferLater(self.master.reactor, max(0.0, rest), lambda: None)
            request = await self.master.data.get(("buildrequests", delivery.build_id))
            if request is None or request["claimed"] or request["complete"]:
                return "nothing said: it does not wait any more"
        content = delivery.content
        with refusals_told():
            described = {"type": self._artifact_type, **await self._describe(content["artifact"])}
            body = json.dumps({**content["message"], "artifact": described})
            assert self._publisher is not None
            await self._publisher.publish(
                content["topic"],
                body,
                {
                    "fedora_messaging_schema": "base.message",
                    "fedora_messaging_severity": 20,
                    "sent-at": content["message"]["generated_at"],
                },
                message_id=content["id"],
            )
        return f"published {content['topic']} of {described['nvr']} ({content['id']})"

    async def _describe(self, artifact: Mapping[str, Any]) -> dict[str, Any]:
        hub = await self.hub()
        koji = hub.connection
        if "build" in artifact:
            build = await koji.getBuild(artifact["build"])
            if build is None:
                raise Refused(f"the hub has no build {artifact['build']}")
            if build.task_id is None:
                raise Refused(f"{build.nvr} was made by no task: the schema has no place for that")
            return {
                "id": build.task_id,
                "nvr": build.nvr,
                "component": build.package_name,
                "issuer": build.owner_name,
                "scratch": False,
            }
        task = await koji.getTaskInfo(artifact["task"])
        if task is None:
            raise Refused(f"the hub has no task {artifact['task']}")
        issuer = await koji.getUser(task.owner)
        name = nvr.parse(artifact["nvr"])
        return {
            "id": task.id,
            "nvr": artifact["nvr"],
            "component": artifact["nvr"] if name is None else name.name,
            "issuer": issuer.name,
            "scratch": True,
        }


def _artifact_of(properties: Mapping[str, tuple[Any, str]]) -> dict[str, Any] | None:
    """Return how the hub finds what a build is about: a Koji build, or a scratch build's task."""
    subject: KojiSubject | None = subject_of(properties)
    if subject is not None:
        return {"build": subject.key}
    task, _ = properties.get("koji_task_id", (None, ""))
    nvr, _ = properties.get("koji_nvr", (None, ""))
    if str(task).isdecimal() and nvr:
        return {"task": int(task), "nvr": str(nvr)}
    return None
