"""Copy the logs of Koji tasks into Buildbot's logs while they grow."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger

from buildbot_koji.error_messages import was_cancelled
from buildbot_koji.hubs.hub import Hub
from txkoji import LogPiece, TaskChange, arch_of, one_line, task_states
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiException
from txkoji.retry import is_passing

INTERESTING: Mapping[str, Sequence[str]] = {
    "buildArch": ["build.log"],
    "buildMaven": ["build.log"],
    "runroot": ["runroot.log"],
    "vmExec": ["build.log"],
}
"""The logs that are followed by default, by the method of the task."""

POLLS = 2
"""Watcher intervals between two reads of a log: writing costs the master more than reading."""

HUB_SHARE = 0.2
"""Seconds between two reads of any of the followed logs of a hub."""

READ_BYTES = 1 << 18
"""Bytes that are read, and written, at a time."""

RESTARTS = 10
"""How often a log may start over: one that keeps changing would be copied forever."""

LAST_LOOK = 5.0
"""Seconds that the end of a build waits for the last lines of its logs."""


def log_title(task: Any, name: str) -> str:
    """Return the title of a task's log in Buildbot: ``build.log x86_64``."""
    arch = arch_of(task)
    return f"{name} {arch}" if arch and arch != "noarch" else name


class LogText:
    """Turns the bytes of a log into complete lines, up to a cap. Pure.

    The first half of the cap is for the start of the log, the second half for its end.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.restart()

    def restart(self) -> None:
        """Start over: the log was truncated."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._taken = 0

    @property
    def room(self) -> int:
        """The bytes that are left of the first half."""
        return max(self.cap // 2 - self._taken, 0)

    def take(self, data: bytes) -> str:
        """Return the lines that are complete now."""
        self._taken += len(data)
        text = self._rest + self._decoder.decode(data)
        # A carriage return ends each state of a progress bar; the last one may belong to a newline.
        end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
        self._rest = text[end:]
        return text[:end]

    def end(self) -> str:
        """Return the last line if it has no newline."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        return f"{rest}\n" if rest else ""


class _Follower:
    """Follows one log of one task; ``log`` is what shows it, None before any of it is shown."""

    def __init__(self, logs: LiveLogs, task: Any, name: str) -> None:
        self._logs = logs
        self._task = task
        self._name = name
        self._piece = LogPiece(b"", 0)
        self._text = LogText(logs.cap)
        self._restarts = 0
        self.log: Any = None
        self._ended = False
        self._pause: Deferred[None] | None = None
        self.done: Deferred[None] = Deferred.fromCoroutine(self._follow())

    def end(self) -> None:
        """Read the rest, then stop."""
        self._ended = True
        if self._pause is not None:
            self._pause.cancel()

    async def _follow(self) -> None:
        hub = self._logs.hub
        hub.followed_logs += 1
        try:
            last = False
            while not last:
                await self._wait()
                # The builder uploads the whole log before it ends the task.
                last = self._ended
                if self._restarts <= RESTARTS and (last or self._text.room):
                    await self._poll()
            if not self._text.room:
                await self._show_tail()
            await self._write(self._text.end())
            if self.log is not None:
                step = self._logs.step
                await step.until_stored(lambda: step.finish_log(self.log))
        finally:
            hub.followed_logs -= 1

    async def _wait(self) -> None:
        if self._ended:
            return
        hub = self._logs.hub
        interval: float = POLLS * hub.connection.settings.poll_interval
        interval = max(interval, HUB_SHARE * hub.followed_logs)
        self._pause = ElapsedTime(hub.connection.reactor).pause(interval)
        try:
            await self._pause
        except CancelledError:
            if not self._ended:
                raise
        finally:
            self._pause = None

    async def _poll(self) -> None:
        """Show what was appended to the log."""
        while True:
            room = self._text.room
            try:
                piece = await self._read(self._piece, room or 1)
            except KojiException as error:
                if self._ended and not is_passing(error):
                    raise
                # The next poll, if any, continues.
                return
            if piece.restarted:
                await self._write(self._text.end())
                self._restarts += 1
                if self._restarts > RESTARTS:
                    await self._write(
                        f"--- {self._name} keeps starting over: no longer shown ---\n"
                    )
                    return
                self._text.restart()
                restarted = f"task {self._task.id} was restarted: its log starts over"
                await self._write(f"--- {restarted} ---\n")
            elif not room:
                return
            self._piece = piece
            if not piece.data:
                return
            await self._write(self._text.take(piece.data))

    async def _read(self, before: LogPiece, size: int) -> LogPiece:
        piece: LogPiece = await self._logs.hub.connection.read_log(
            self._task.id,
            self._name,
            before.offset,
            tail=before.tail,
            max_bytes=min(size, READ_BYTES),
        )
        return piece

    async def _show_tail(self) -> None:
        connection = self._logs.hub.connection
        size = await connection.log_size(self._task.id, self._name) or 0
        begin = max(self._piece.offset, size - self._logs.cap // 2)
        left_out = begin - self._piece.offset
        if left_out > 0:
            await self._write(self._text.end())
            await self._write(f"... {left_out} bytes left out ...\n")
            self._text.restart()
            self._piece = LogPiece(b"", begin)
        while self._piece.offset < size:
            piece = await self._read(self._piece, size - self._piece.offset)
            if piece.restarted or not piece.data:
                return
            self._piece = piece
            await self._write(self._text.take(piece.data))

    async def _write(self, text: str) -> None:
        if text:
            log, clean = await self._opened(), self._logs.clean(text)
            await self._logs.step.until_stored(lambda: log.addContent(clean))

    async def _opened(self) -> Any:
        if self.log is None:
            self.log = await self._logs.open(log_title(self._task, self._name), self._task)
        return self.log


class LiveLogs:
    """Follows the logs of the tasks of a build."""

    _log = Logger()

    def __init__(self, step: Any, wanted: bool | Sequence[str], cap: int, attempt: int = 1) -> None:
        self.hub: Hub = step.hub
        self._attempt = attempt
        self.cap = cap
        self.step = step
        self._wanted = wanted
        self._followers: dict[tuple[int, str], _Follower] = {}

    def changed(self, change: TaskChange) -> None:
        """Follow the logs of a task from when it opens until it ends."""
        for name in self._names(change.task):
            key = (change.task.id, name)
            if change.new_state == task_states.OPEN and key not in self._followers:
                self._followers[key] = self._begin(change.task, name)
            elif change.is_final and key in self._followers:
                self._followers[key].end()

    def _names(self, task: Any) -> Sequence[str]:
        if self._wanted is False or task.method not in INTERESTING:
            return ()
        return INTERESTING[task.method] if self._wanted is True else self._wanted

    def _begin(self, task: Any, name: str) -> _Follower:
        follower = _Follower(self, task, name)
        follower.done.addErrback(self._failed, task, name)
        return follower

    def _failed(self, failure: Any, task: Any, name: str) -> None:
        error = failure.value
        if was_cancelled(error):
            return
        if isinstance(error, KojiException):
            self._log.warn(
                "can't follow {name} of task {task}: {error}",
                name=name,
                task=task.id,
                error=one_line(error),
            )
            return
        self._log.failure("can't follow a log of task {task}", failure, task=task.id)

    async def ended(self) -> None:
        """Wait a few seconds for the last lines of all logs."""
        for follower in self._followers.values():
            follower.end()
        everything = DeferredList([follower.done for follower in self._followers.values()])
        # The followers handle their own cancellation.
        await ElapsedTime(self.hub.connection.reactor).limit(everything, LAST_LOOK)

    def stop(self) -> None:
        """Stop at once."""
        for follower in self._followers.values():
            follower.done.cancel()

    def shows(self, task_id: int, name: str) -> bool:
        """Return whether a log of a task is shown."""
        follower = self._followers.get((task_id, name))
        return follower is not None and follower.log is not None

    def clean(self, text: str) -> str:
        """Remove secrets from a text."""
        return str(self.step.build.properties.cleanupTextFromSecrets(text))

    async def open(self, title: str, task: Any) -> Any:
        """Return a new log of the step."""
        if self._attempt > 1:
            title = f"{title} (attempt {self._attempt})"
        if title in self.step.logs:
            # Another build of a chain has the same architecture.
            title = f"{title} (task {task.id})"
        return await self.step.until_stored(lambda: self.step.addLog(title, "t"))
