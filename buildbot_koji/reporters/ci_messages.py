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
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import Refused, Remember, Taken
from buildbot_koji.hubs.brokers import check_broker
from buildbot_koji.hubs.koji_hub import check_hub
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


class KojiCIMessages(OutboxReporter):
    """Publishes ``koji-build.test.queued``, ``.running``, ``.complete`` and ``.error``.

    The messages have the form of Fedora CI's. They are about the Koji build that a Buildbot build
    tests, see :class:`~buildbot_koji.reporters.tagging.KojiTagReporter`, or about a scratch build
    whose task and name are known by then. A message is delivered when the broker has confirmed it.
    Where that is in doubt it is published again with the same id.

    """

    profile = argument(
        check_hub,
        "the profile of the hub, which is asked what the build is; or a ``util.KojiHub``",
        required=True,
    )
    bus = argument(
        check_broker,
        "the broker: a ``util.KojiAMQP`` or ``util.KojiAMQP1``. Its ``topic_prefix`` and a dot"
        " stand before the topic. A topic that no queue is bound to makes the broker refuse the"
        " message: bind a queue, or say ``mandatory=False``",
        required=True,
        renderable="parts",
    )
    contact = argument(
        ci_schema.contact,
        "who answers for the tests: a dictionary with ``name``, ``team``, ``docs`` (a URL) and"
        " ``email``; it may have ``url``, ``irc``, ``slack`` and ``version``",
        required=True,
    )
    test = argument(
        ci_schema.test,
        "a dictionary with ``namespace``; it may have ``category`` (by default ``functional``),"
        " ``type`` (the builder's name), ``docs``, ``label``, ``lifetime`` and ``scenario``",
        required=True,
    )
    system = argument(
        ci_schema.system,
        "what the tests run on: a list of dictionaries with ``os``, ``provider`` and"
        " ``architecture``",
    )
    states = argument(
        checks.several_of(*ci_schema.STATES),
        "the messages to publish",
        default=ci_schema.STATES,
    )
    artifact_type = argument(
        checks.one_of(*ARTIFACTS), "what the messages are about", default=ARTIFACTS[0]
    )
    version = argument(checks.text, "the version of the schema", default=VERSION)

    events: ClassVar[Sequence[str]] = ("new", "finished")

    _settings: Broker | None = None
    _publisher: Publisher | None = None
    _queued: QueuedRequests | None = None

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
        if artifact is None or state not in self._options["states"]:
            return None
        now = self.master.reactor.seconds()
        message = ci_schema.compose(
            state,
            build,
            pipeline_url=getURLForBuildrequest(self.master, build["buildrequestid"]),
            contact=self._options["contact"],
            test=self._options["test"],
            system=self._options["system"] or (),
            version=self._options["version"],
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
        return str(self._options["artifact_type"])

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
