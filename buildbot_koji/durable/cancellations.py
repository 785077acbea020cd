"""Tasks that are to be canceled: now, or as soon as the hub that is away answers again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.logger import Logger

from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.submissions import Attempt, find_task
from buildbot_koji.explanations import one_line
from txkoji.exceptions import KojiException, ServerOffline, TransportError

__all__ = ["AWAY", "Cancellations"]

AWAY = (TransportError, ServerOffline)
"""What a hub that will be back gives meanwhile."""

PAUSE = 30.0
"""Seconds between two tries to cancel what is left."""

LONGEST_PAUSE = 600.0


class Cancellations:
    """Cancels tasks on one hub.

    What the hub does not take at once is kept in the master's database, and tried again until the
    hub takes or refuses it, also after a restart of the master.

    Args:
        name: tells the hub from others.
        connection: a :class:`txkoji.Connection`.
        log_in: makes sure that the connection has a session.
    """

    _log = Logger()

    def __init__(self, name: str, connection: Any, log_in: Callable[[], Deferred[None]]) -> None:
        self._name = name
        self._connection = connection
        self._log_in = log_in
        self._state: MasterState | None = None
        self._left: dict[str, Attempt] = {}
        self._trying: Deferred[None] | None = None

    def start(self, master: Any) -> None:
        """Go on with what an earlier run of the master left."""
        name = f"{master.name} {self._name}"
        self._state = MasterState(master, name, "buildbot_koji.durable.cancellations")
        self._try_soon(self._read)

    def stop(self) -> None:
        """Try no more; what is left stays in the database."""
        if self._trying is not None:
            self._trying.cancel()

    @async_to_deferred
    async def cancel(self, attempt: Attempt, limit: float) -> bool:
        """Cancel the task of a submission, and all below it.

        Args:
            attempt: the submission; where its task is not known, it is looked for.
            limit: seconds that this may take now.

        Returns:
            A Deferred of True; False where the hub did not answer: it is tried again later.

        Raises:
            KojiException: the hub refuses.
        """
        canceling = Deferred.fromCoroutine(self._cancel(attempt))
        try:
            await canceling.addTimeout(limit, self._connection.reactor)
        except (*AWAY, DeferredTimeout, CancelledError):
            self._left[attempt.submission.marker] = attempt
            await self._store()
            self._try_later()
            return False
        return True

    async def _cancel(self, attempt: Attempt) -> int | None:
        await self._log_in()
        task_id = attempt.task_id
        if task_id is None:
            task_id = await find_task(self._connection, attempt.call, attempt.submission)
        if task_id is not None:
            await self._connection.call("cancelTask", task_id)
        return task_id

    def _try_later(self) -> None:
        if self._trying is None:
            self._try_soon(self._keep_trying)

    def _try_soon(self, work: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
        self._trying = trying = Deferred.fromCoroutine(work())
        trying.addErrback(lambda failure: failure.trap(CancelledError) and None)
        trying.addErrback(
            lambda failure: self._log.failure("can't cancel what is left to cancel", failure)
        )

        def ended(_: object) -> None:
            self._trying = None

        trying.addCallback(ended)

    async def _read(self) -> None:
        assert self._state is not None
        for stored in await self._state.get("left", []):
            attempt = Attempt.from_json(stored)
            self._left.setdefault(attempt.submission.marker, attempt)
        await self._keep_trying()

    async def _keep_trying(self) -> None:
        pause = PAUSE
        while self._left:
            await deferLater(self._connection.reactor, pause, lambda: None)
            pause = min(2 * pause, LONGEST_PAUSE)
            for attempt in list(self._left.values()):
                await self._try(attempt)

    async def _try(self, attempt: Attempt) -> None:
        try:
            task_id = await self._cancel(attempt)
        except AWAY:
            return
        except KojiException as error:
            self._log.warn(
                "{hub}: can't cancel the task {task} of a build that was stopped: {error}",
                hub=self._connection.url,
                task=attempt.task_id or f"of {attempt.call.method}",
                error=one_line(error),
            )
        else:
            self._log.info(
                "{hub}: canceled task {task}, whose build was stopped while the hub was away",
                hub=self._connection.url,
                task=task_id,
            )
        del self._left[attempt.submission.marker]
        await self._store()

    async def _store(self) -> None:
        left = [attempt.to_json().decode() for attempt in self._left.values()]
        assert self._state is not None
        await self._state.put("left", left)
