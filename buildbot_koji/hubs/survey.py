"""What a hub reports about itself and its queues, and the history of a day.

It takes one request every five minutes, a few more at the start, and more while someone looks at
the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
from twisted.logger import Logger

from buildbot_koji.database_values import number
from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.unreadable import UnreadableRow, reading
from buildbot_koji.error_messages import PLUGINS
from txkoji import Call, Connection, one_line, task_states
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiException

INTERVAL = 300.0
"""Seconds between two points of the history."""

POINTS = 288
"""Points of a day."""

LIVELY = 30.0
"""Seconds between two rounds while someone looks."""

DAY = 24 * 3600.0

MOST_CHANNELS = 12
"""Channels that are asked about in a round."""

MOST_CAPACITY = 1e6
"""The largest capacity of a host that is believed."""

MOST_ARCHES = 20
"""Architectures of a channel that are shown."""

HISTORY_CLASS = "buildbot_koji.hubs"
"""The class under which Buildbot files the history."""

Point = tuple[float, "int | None", "int | None", int, int, int]
"""The time, the hub's FREE and OPEN tasks, ours, and how many of ours ended and failed.

The hub's are None where it was not asked, or did not answer.
"""


@attrs.frozen
class ChannelLoad:
    """The queue of a channel.

    Attributes:
        name: the channel's name.
        free: its tasks that wait.
        open: its tasks that run.
        capacity: the capacity of its enabled hosts.
        hosts: how many enabled hosts it has.
        ready: how many of these take a task now.
        ours: how many of its tasks we watch.
        arches: how many of the hosts build for each architecture.
    """

    name: str
    free: int
    open: int
    capacity: float
    hosts: int
    ready: int
    ours: int
    arches: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen
class SurveyResult:
    """What a hub last reported.

    Attributes:
        version: its version, None if unknown.
        plugins: those of its plugins that we know; None before the first answer.
        user: who we are there, None if nobody.
        channels: the queues of the channels that we use.
        hosts: the names of their hosts, by id.
        counted_at: when the queues were counted, in seconds since the epoch; None if not yet.
        trouble: what it last did not say, and why, in one line; None if it answered everything.
    """

    version: str | None = None
    plugins: tuple[str, ...] | None = None
    user: str | None = None
    channels: tuple[ChannelLoad, ...] = ()
    hosts: Mapping[int, str] = attrs.field(factory=dict)
    counted_at: float | None = None
    trouble: str | None = None


def loads(
    channels: Sequence[tuple[int, str]], answers: Sequence[Any], ours: Mapping[int, int]
) -> tuple[ChannelLoad, ...]:
    """Return the queues of channels. Pure.

    Args:
        channels: their ids and names.
        answers: for each channel the number of FREE tasks, of OPEN ones, and its hosts; None counts
            as unknown: its channel is left out.
        ours: how many of our tasks are in a channel, by its id.
    """
    found = []
    for position, (channel, name) in enumerate(channels):
        free, running, hosts = answers[3 * position : 3 * position + 3]
        if free is None or running is None or hosts is None:
            continue
        arches = Counter(arch for each in hosts for arch in (each["arches"] or "").split())
        found.append(
            ChannelLoad(
                name,
                free,
                running,
                sum(_capacity(each) for each in hosts),
                len(hosts),
                len(ready_hosts(hosts)),
                ours.get(channel, 0),
                dict(arches.most_common(MOST_ARCHES)),
            )
        )
    return tuple(found)


def version_numbers(said: str) -> tuple[int, ...]:
    """Return the major and the minor number of a Koji version, none if it has none. Pure."""
    return tuple(map(int, re.findall("[0-9]{1,6}", said)[:2]))


def ready_hosts(hosts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the hosts that take a task now: their builder runs and is not full. Pure."""
    return [each for each in hosts if each.get("ready")]


def _capacity(host: Mapping[str, Any]) -> float:
    return min(max(number(host.get("capacity")) or 0.0, 0.0), MOST_CAPACITY)


def _host_names(answers: Sequence[Any]) -> dict[int, str]:
    """Return the names of hosts, by id, from the answers for :func:`loads`. Pure."""
    hosts = (each for answer in answers[2::3] for each in answer or ())
    return {each["id"]: each["name"] for each in hosts if each["name"] is not None}


class HubSurvey:
    """Asks one hub, and keeps the history of a day over restarts.

    Attributes:
        history: the points of the last day, oldest first.
        result: what the hub last reported.
    """

    _log = Logger()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._clock = connection.reactor
        self._elapsed = ElapsedTime(self._clock)
        self._state: MasterState | None = None
        self.history: list[Point] = []
        self._names: dict[int, str] = {}
        self._introduced = self._asked_at = float("-inf")
        self._is_asking = False
        self._trouble: str | None = None
        self._totals: tuple[int | None, int | None] = (None, None)
        self._counted = (0, 0)
        self.result = SurveyResult()

    async def load(self, state: MasterState) -> None:
        """Read the history of an earlier run, and keep it there."""
        oldest = self._clock.seconds() - DAY
        with suppress(UnreadableRow), reading("the history of a hub"):
            stored = await state.get("day", [])
            self.history = [tuple(each) for each in stored if len(each) == 6 and each[0] >= oldest]
        self._state = state

    def is_stale(self) -> bool:
        """Return whether the last answer is too old for someone who looks at a page."""
        return not self._is_asking and self._elapsed.seconds() - self._asked_at >= LIVELY

    async def ask(self, ours: Iterable[int]) -> None:
        """Ask the hub now, once at a time; an unreachable hub is asked the next time."""
        if self._is_asking:
            return
        self._asked_at = now = self._elapsed.seconds()
        self._is_asking, self._trouble = True, None
        try:
            # Whoever asked first may have logged in since.
            was_nobody, is_nobody = self.result.user is None, self._connection.session_id is None
            is_old = now - self._introduced >= DAY or was_nobody != is_nobody
            if self.result.plugins is None or is_old:
                await self._introduce()
                if self._trouble is None:
                    self._introduced = now
            await self._ask_queues(Counter(ours))
        except KojiException as error:
            self._totals = (None, None)
            self._trouble = one_line(error)
            self._log.debug("{hub}: no survey: {error}", hub=self._connection.url, error=error)
        finally:
            self._is_asking = False
            self.result = attrs.evolve(self.result, trouble=self._trouble)

    def point(self, watched: int, ended: int, failed: int) -> Point:
        """Return the current point of the history."""
        before_ended, before_failed = self._counted
        free, running = self._totals
        now = round(self._clock.seconds())
        return (now, free, running, watched, ended - before_ended, failed - before_failed)

    async def sample(self, watched: int, ended: int, failed: int) -> None:
        """Add :meth:`point` to the history, and store it."""
        self.history = [*self.history, self.point(watched, ended, failed)][-POINTS:]
        self._counted = (ended, failed)
        if self._state is not None:
            await self._state.put("day", self.history)

    async def _answers(self, calls: Sequence[Call]) -> list[Any]:
        """Return the checked answers; None for a fault, and for one that can't be used."""
        client, found = self._connection.client, []
        for call, answer in zip(calls, await client.send_all(calls), strict=True):
            try:
                if isinstance(answer, KojiException):
                    raise answer
                found.append(client.read_answer(call, answer))
            except KojiException as error:
                self._trouble = one_line(error)
                found.append(None)
        return found

    async def _introduce(self) -> None:
        """Ask for what rarely changes: the version, the plugins, the channels, who we are."""
        calls = [Call("getKojiVersion"), Call("system.listMethods"), Call("listChannels")]
        version, methods, channels = await self._answers(calls)
        plugins = {PLUGINS[method] for method in PLUGINS.keys() & set(methods or ())}
        self._names = {each["id"]: each["name"] for each in channels or ()}
        user = None
        if self._connection.session_id is not None:
            found = await self._connection.call("getLoggedInUser")
            user = found.get("name") if isinstance(found, Mapping) else None
        self.result = attrs.evolve(
            self.result,
            version=version,
            plugins=None if methods is None else tuple(sorted(plugins)),
            user=user if isinstance(user, str) else None,
        )

    async def _ask_queues(self, ours: Mapping[int, int]) -> None:
        default = next((each for each, name in self._names.items() if name == "default"), None)
        wanted = sorted(ours, key=lambda each: -ours[each])[:MOST_CHANNELS]
        if default is not None and default not in wanted:
            wanted.append(default)
        free, running = [int(task_states.FREE)], [int(task_states.OPEN)]
        counting = {"countOnly": True}
        calls = [
            Call("listTasks", ({"state": free}, counting)),
            Call("listTasks", ({"state": running}, counting)),
        ]
        for channel in wanted:
            calls += [
                Call("listTasks", ({"state": free, "channel_id": channel}, counting)),
                Call("listTasks", ({"state": running, "channel_id": channel}, counting)),
                Call("listHosts", (), {"channelID": channel, "enabled": True}),
            ]
        answers = await self._answers(calls)
        self._totals = (answers[0], answers[1])
        named = [(channel, self._names.get(channel, f"channel {channel}")) for channel in wanted]
        self.result = attrs.evolve(
            self.result,
            channels=loads(named, answers[2:], ours),
            hosts=_host_names(answers[2:]),
            counted_at=self._clock.seconds(),
        )
