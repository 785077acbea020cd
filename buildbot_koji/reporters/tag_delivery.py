"""One tagging, from what is stored of it to the task that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from buildbot_koji.durable.deliveries import Delivery, DeliveryState
from buildbot_koji.durable.once import Intent, Once
from buildbot_koji.durable.outbox import Accepted, Attempt, Refused, Undone, mapped_errors
from buildbot_koji.durable.unreadable import check_fields, reading
from buildbot_koji.hubs.builds import BuildName, lasting_key, named_build
from buildbot_koji.hubs.hub import Hub
from txkoji import (
    Call,
    Submission,
    UnknownTask,
    build_states,
    is_infrastructure,
    paths,
    read_fault,
    task_states,
)

NAME = "tag"
"""The name of the one delivery of a build."""

ATTEMPTS = 3
"""How often a tagging is submitted if the build system fails."""


def tag_delivery(
    build_id: int,
    now: float,
    subject: BuildName,
    wanted: Mapping[str, str] | str,
    *,
    force: bool = False,
) -> Delivery:
    """Return the stored form of a tagging.

    Args:
        build_id: the Buildbot build that triggers it.
        now: the time, in seconds since the epoch.
        subject: the Koji build.
        wanted: the tags, as :func:`plan` takes them, or what is wrong with them in this build.
        force: override the hub's policy.
    """
    content = {
        "build": subject.key,
        "nvr": subject.nvr,
        "force": force,
        "mistake" if isinstance(wanted, str) else "wanted": wanted,
    }
    return Delivery(build_id, NAME, f"koji build {subject.key}", content, now)


def nothing_to_tag(build_id: int, now: float, said: str) -> Delivery:
    """Return the record of a build that triggers no tagging, and why."""
    return Delivery(build_id, NAME, "", {}, now, state=DeliveryState.DELIVERED, said=said)


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
            build = await named_build(koji, delivery.content["build"], delivery.nvr)
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
        call = Call(planned.method, [*planned.tags, lasting_key(build)], kwargs)
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
        action = hub.submit_once(call, submission)
        once = Once(action, Intent(save), attempt.check, hub.log_in)
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
            fault, reason = await read_fault(koji, task_id)
            words = f"task {task_id} failed: {reason}"
            if is_infrastructure(fault) and delivery.attempts < ATTEMPTS:
                raise Undone(words)
            raise Refused(words)


def _begun_of(notes: Mapping[str, Any]) -> tuple[Call, Submission]:
    """Return what an earlier attempt submitted; raise UnreadableRow."""
    with reading("the notes of a delivery"):
        check_fields(Submission, notes["submission"], "the notes of a delivery")
        return Call.from_json(notes["call"]), Submission(**notes["submission"])


async def _find_earlier(hub: Hub, notes: Mapping[str, Any]) -> int | None:
    """Return the task that an earlier attempt submitted, or None."""
    if "submission" not in notes:
        return None
    return await hub.submit_once(*_begun_of(notes)).search()


def _accepted(hub: Hub, notes: Mapping[str, Any], task_id: int) -> Accepted:
    url = paths.task_url(hub.connection.weburl, task_id)
    return Accepted({**notes, "task_id": task_id, "task_url": url})
