"""Publish messages about the tests of Koji builds to a message bus."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from buildbot.process.properties import Properties
from buildbot.reporters.utils import getURLForBuildrequest
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import Deferred

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, required
from buildbot_koji.database_values import id_of
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import Accepted, Attempt, Refused, mapped_errors
from buildbot_koji.hubs.brokers import check_broker
from buildbot_koji.hubs.builds import named_build
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.hubs.koji_hub import check_hub
from buildbot_koji.reporters import ci_schema
from buildbot_koji.reporters.base import KojiReporter
from buildbot_koji.reporters.queued import QueuedRequests
from buildbot_koji.reporters.votes import subject_of
from txkoji import nvr
from txkoji.bus import Broker, Publisher
from txkoji.elapsed import ElapsedTime

ARTIFACTS = ("koji-build", "brew-build")
SETTLING = 2.0
"""Seconds that a build request must be pending to be reported as queued."""

VERSION = "0.2.1"
"""The version of the schema that Fedora CI's own pipelines state."""


class KojiCIMessages(KojiReporter):
    """Publishes ``koji-build.test.queued``, ``.running``, ``.complete`` and ``.error``.

    The messages have the form of Fedora CI's. They are about the Koji build that a Buildbot build
    tests, see :class:`~buildbot_koji.reporters.tagging.KojiTagReporter`, or about a scratch build
    whose task and name are known by then. A message is delivered when the broker has confirmed it.
    If that is unknown, it is published again with the same id.
    """

    logs_in = False

    profile = required(
        check_hub, "the profile of the hub, which is asked what the build is; or a ``util.KojiHub``"
    )
    bus = required(
        check_broker,
        "the broker: a ``util.KojiAMQP`` or ``util.KojiAMQP1``. The topic begins with its"
        " ``topic_prefix`` and a dot. The broker refuses a message whose topic no queue is bound"
        " to: bind one, or set ``mandatory=False``",
        renderable="parts",
    )
    contact = required(
        ci_schema.contact,
        "who answers for the tests: a dictionary with ``name``, ``team``, ``docs`` (a URL) and"
        " ``email``; it may have ``url``, ``irc``, ``slack`` and ``version``",
    )
    test = required(
        ci_schema.test,
        "a dictionary with ``namespace``; it may have ``category`` (by default ``functional``),"
        " ``type`` (the builder's name), ``docs``, ``label``, ``lifetime`` and ``scenario``",
    )
    system = argument(
        ci_schema.system,
        "what the tests run on: a list of dictionaries with ``os``, ``provider`` and"
        " ``architecture``",
    )
    states = argument(
        checks.several_of(*ci_schema.STATES), "the messages to publish", default=ci_schema.STATES
    )
    artifact_type = argument(
        checks.one_of(*ARTIFACTS), "what the messages are about", default=ARTIFACTS[0]
    )
    version = argument(checks.text, "the version of the schema", default=VERSION)

    events: ClassVar[Sequence[str]] = ("new", "finished")

    sender: CIMessageSender
    _queued: QueuedRequests | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sender = CIMessageSender(self.hub, self._is_pending)

    @async_to_deferred
    async def reconfigService(self, name: Any = None, *args: Any, **options: Any) -> None:
        """Apply new arguments; the connection to the broker is kept if they name the same one."""
        properties = Properties()
        properties.master = self.master
        broker = await properties.render(options["bus"])
        await super().reconfigService(name, *args, **options)
        await self.sender.use(broker, self.master.reactor, self.name)

    @async_to_deferred
    async def startService(self) -> None:
        """Start consuming events, and resume in the background what an earlier run left."""
        self._queued = QueuedRequests(
            self.master, self.name, self._queued_message, self.make_outbox
        )
        await super().startService()
        new = ("buildrequests", None, "new")
        await self.background.consume(self.master, self._request, new)

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop consuming and sending; the next start resumes."""
        queued, self._queued = self._queued, None
        if queued is not None:
            queued.stop()
        await super().stopService()
        await self.sender.disconnect()

    # The messages

    def _request(self, _: Any, message: Mapping[str, Any]) -> Deferred[None]:
        return self.background.run(
            self._take_request(message), f"{self.name}: can't take up a build request"
        )

    async def _take_request(self, message: Mapping[str, Any]) -> None:
        if self._queued is not None:
            await self._queued.take(message["buildrequestid"])

    async def scan(self) -> None:
        """Look for pending build requests that were not reported, and for new certificates."""
        await self.sender.show_broker()
        if self._queued is not None:
            await self._queued.scan()

    async def _is_pending(self, request_id: int) -> bool:
        request = await self.master.data.get(("buildrequests", request_id))
        return request is not None and not request["claimed"] and not request["complete"]

    async def _queued_message(self, request: Mapping[str, Any]) -> Delivery | None:
        """Return the message about a pending build request, or None."""
        data = self.master.data
        builder = await data.get(("builders", request["builderid"]))
        if not self.reports(builder):
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
        """Return the message about a build that starts or ends."""
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
            self._options,
            pipeline_url=getURLForBuildrequest(self.master, build["buildrequestid"]),
            now=now,
        )
        artifact_type = str(self._options["artifact_type"])
        content = {
            "id": ci_schema.message_id(build["url"], self.name, state),
            "topic": f"{artifact_type}.test.{state}",
            "artifact": artifact,
            "message": message,
        }
        return Delivery(about, state, lane, content, now)


class CIMessageSender:
    """Publishes CI messages; a :class:`Sender`."""

    def __init__(
        self, hub: Callable[[], Awaitable[Hub]], is_pending: Callable[[int], Awaitable[bool]]
    ) -> None:
        self._hub = hub
        self._is_pending = is_pending
        self._broker: Broker | None = None
        self._publisher: Publisher | None = None
        self._reactor: Any = None
        self._name = ""
        self._shown_by: Hub | None = None

    async def use(self, broker: Broker, reactor: Any, name: str) -> None:
        """Publish to a broker from now on, for the reporter of a name."""
        self._reactor, self._name = reactor, name
        if broker != self._broker:
            await self._replace(broker, Publisher(broker, reactor=reactor))

    async def show_broker(self) -> None:
        """Let the hub's pages and warnings include the certificates of the broker."""
        if self._publisher is not None:
            hub, expires = await self._hub(), self._publisher.server_expires
            self._shown_by = hub
            hub.buses.use(self._name, self._broker, expires)

    async def disconnect(self) -> None:
        """Disconnect from the broker."""
        await self._replace(None, None)

    async def _replace(self, broker: Broker | None, publisher: Publisher | None) -> None:
        if self._shown_by is not None:
            self._shown_by.buses.use(self._name, None)
        earlier = self._publisher
        # First: messages are sent while the earlier connection closes.
        self._broker, self._publisher = broker, publisher
        if earlier is not None:
            await earlier.stop()

    async def send(self, delivery: Delivery, attempt: Attempt) -> str | Accepted:
        """Publish a message; it is delivered when the broker has confirmed it."""
        if delivery.name == "queued":
            # Most requests start at once: they need no message, and no order of messages.
            rest = delivery.since + SETTLING - self._reactor.seconds()
            await ElapsedTime(self._reactor).pause(min(max(0.0, rest), SETTLING))
            if not await self._is_pending(delivery.build_id):
                return "nothing published: it is no longer pending"
        content = delivery.content
        with mapped_errors():
            kind, _, _ = content["topic"].partition(".test.")
            described = {"type": kind, **await self._describe(content["artifact"])}
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
                # The master may be frozen while others are published.
                before=attempt.check,
            )
        return f"published {content['topic']} of {described['nvr']} ({content['id']})"

    async def follow(self, delivery: Delivery) -> str:
        """Never called: a message is delivered when it is published."""
        raise NotImplementedError(delivery.name)

    async def _describe(self, artifact: Mapping[str, Any]) -> dict[str, Any]:
        koji = (await self._hub()).connection
        if "build" in artifact:
            build = await named_build(koji, artifact["build"], artifact["nvr"])
            if build.task_id is None:
                raise Refused(f"{build.nvr} was made by no task: the schema has no place for that")
            return {
                "id": build.task_id,
                "nvr": build.nvr,
                "component": build.package_name,
                "issuer": build.owner_name,
                "scratch": False,
            }
        task = await koji.checked("getTaskInfo", artifact["task"])
        if task is None:
            raise Refused(f"the hub has no task {artifact['task']}")
        issuer = await koji.checked("getUser", task.owner, strict=True)
        name = nvr.parse(artifact["nvr"])
        return {
            "id": task.id,
            "nvr": artifact["nvr"],
            "component": artifact["nvr"] if name is None else name.name,
            "issuer": issuer.name,
            "scratch": True,
        }


def _artifact_of(properties: Mapping[str, tuple[Any, str]]) -> dict[str, Any] | None:
    """Return the key of the artifact: that of a Koji build, or of a scratch build's task."""
    subject = subject_of(properties)
    if subject is not None:
        return {"build": subject.key, "nvr": subject.nvr}
    task = id_of(properties.get("koji_task_id", (None, ""))[0])
    nvr, _ = properties.get("koji_nvr", (None, ""))
    return {"task": task, "nvr": str(nvr)} if task is not None and nvr else None
