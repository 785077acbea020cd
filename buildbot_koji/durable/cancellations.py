"""Cancel tasks: at once, or as soon as a hub that is unreachable answers again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any

import attrs
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.logger import Logger

from buildbot_koji.durable.background import DATABASE_RETRY, Background
from buildbot_koji.durable.database import until_stored
from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.durable.unreadable import UnreadableRow
from buildbot_koji.words import counted
from txkoji import Connection, RetryPolicy, one_line, task_states
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import HubFault, KojiException
from txkoji.locks import Lock
from txkoji.retry import is_passing

CLASS = "buildbot_koji.durable.cancellations"
"""The class under which Buildbot files the pending cancellations."""

PENDING = "cancel "
"""The start of the keys of the pending cancellations; the marker of the submission follows."""

RETRY = RetryPolicy(first=30.0, ceiling=600.0)
"""The pauses while the hub does not answer."""


REMOVED_TOGETHER = 50
"""How many tasks are canceled between two writes of what is still pending."""


NO_ANSWER = "the hub does not answer: "
"""The start of what a step says of a cancellation that is pending."""


class Canceled(Enum):
    """What became of a cancellation; the value says it of a task."""

    DONE = "canceled {}"
    ENDED = "{} had ended already"
    MISSING = "the hub has nothing of {} to cancel"
    PENDING = f"{NO_ANSWER}{{}} is canceled as soon as it does"


class PerhapsOthers(KojiException):
    """The task that looks like ours may be someone else's."""


@attrs.frozen
class PendingCancellation:
    """A task that is canceled as soon as the hub answers.

    Attributes:
        intent: the task.
        since: since when this master retries it, in seconds since the epoch.
        reason: why the last attempt failed, in one line; None before the first of this run.
    """

    intent: TaskIntent
    since: float
    reason: str | None


@attrs.define(eq=False, repr=False, slots=False)
class Cancellations:
    """Cancels tasks on one hub.

    A cancellation that the hub does not answer is stored in the master's database and retried until
    the hub accepts or refuses it, also after a restart of the master. A refused login or connection
    says nothing about the task, so it is retried too.

    Attributes:
        trouble: what keeps tasks from being canceled until someone repairs it; empty if nothing.
    """

    _log = Logger()

    _name: str
    _connection: Connection
    _log_in: Callable[[], Deferred[None]]

    def __attrs_post_init__(self) -> None:
        self._master: Any = None
        self._state: MasterState | None = None
        # By the markers of the submissions.
        self._pending: dict[str, PendingCancellation] = {}
        # Those that are not stored yet, also after they were handed over.
        self._unstored: dict[str, TaskIntent] = {}
        self._storing = Lock()
        self._background = Background()
        self._work: Deferred[None] | None = None
        # The keys of rows that can't be read; the log has them.
        self._unreadable: set[str] = set()
        self.trouble = ""
        self._successor: Cancellations | None = None

    def start(self, master: Any) -> None:
        """Resume what an earlier run of the master left pending."""
        self._master = master
        self._state = self._state_of(master.name)
        self._start_work(self._resume)

    def _state_of(self, master_name: str) -> MasterState:
        return MasterState(self._master, object_of(master_name, self._name), CLASS)

    def stop(self) -> None:
        """Stop retrying; what is pending stays in the database."""
        self._background.stop()

    def hand_over(self, successor: Cancellations) -> None:
        """Leave what is pending, and what will be, to the newer link to the same hub."""
        self.stop()
        self._successor = successor
        for each in self._pending.values():
            successor.keep(each.intent, each.reason)
        successor._unstored.update(self._unstored)
        self._pending = {}

    def keep(self, intent: TaskIntent, reason: str | None) -> None:
        """Take up a cancellation that is pending."""
        marker = intent.submission.marker
        known = self._pending.get(marker)
        since = self._connection.reactor.seconds() if known is None else known.since
        self._pending[marker] = PendingCancellation(intent, since, reason)

    async def resume(self, dead: Collection[str] = ()) -> None:
        """Resume the stored cancellations that were not read yet, and take over dead masters'.

        The rows move in one transaction, so that only one of several masters gets them. If the dead
        master was only frozen, it cancels the tasks, too, which does no harm.

        Args:
            dead: the names of the dead masters.
        """
        assert self._state is not None
        for name in dead:
            await self._state_of(name).move(PENDING, self._state)
        # An earlier call may have moved rows, and then lost the database before it read them.
        await self._read_stored()
        self._start_work(self._cancel_pending)

    async def retry_later(self, reason: str | None, *intents: TaskIntent) -> None:
        """Store cancellations that are pending, and retry them."""
        if self._successor is not None:
            await self._successor.retry_later(reason, *intents)
            return
        for each in intents:
            self.keep(each, reason)
            self._unstored[each.submission.marker] = each
        try:
            await self._store()
        finally:
            # If the database is away, that stores them first.
            self._start_work(self._cancel_pending)

    async def _store(self) -> None:
        """Store what is not stored yet; concurrent calls share a write."""
        assert self._state is not None
        async with self._storing:
            stored = dict(self._unstored)
            await self._state.put_all(
                {f"{PENDING}{marker}": each.to_struct() for marker, each in stored.items()}
            )
            for marker in stored:
                self._unstored.pop(marker, None)

    def has(self, intents: Iterable[TaskIntent]) -> bool:
        """Return whether the cancellation of one of some tasks is pending."""
        return any(each.submission.marker in self._pending for each in intents)

    def idle(self) -> Deferred[None]:
        """Return a Deferred that fires once nothing is pending, or the link is stopped."""
        idle: Deferred[None] = Deferred()
        if self._work is None:
            idle.callback(None)
        else:
            self._work.addCallback(idle.callback)
        return idle

    async def withdraw(self, intents: Iterable[TaskIntent]) -> None:
        """Forget cancellations that this master or another one has seen to."""
        assert self._state is not None
        markers = [each.submission.marker for each in intents]
        # Whoever reads the rows takes up those that are not known to be pending.
        async with self._storing:
            await self._state.remove(*(f"{PENDING}{marker}" for marker in markers))
            for marker in markers:
                self._pending.pop(marker, None)
                self._unstored.pop(marker, None)

    @async_to_deferred
    async def cancel(self, intent: TaskIntent, limit: float) -> Canceled:
        """Cancel a task and its descendants.

        Args:
            intent: the task; if its id is unknown, the hub is searched for it.
            limit: seconds that this may take now.

        Returns:
            A Deferred of what became of it; it is pending if the hub did not answer in time.

        Raises:
            KojiException: see :func:`is_final`: the hub refused, or the task may be someone else's;
                else the login or the connection is refused, and the cancellation is pending.
        """
        canceling = Deferred.fromCoroutine(self._cancel(intent))
        try:
            _, outcome = await ElapsedTime(self._connection.reactor).limit(canceling, limit)
        except (KojiException, DeferredTimeout, CancelledError) as error:
            if is_final(error):
                raise
            reached = isinstance(error, KojiException)
            words = one_line(error) if reached else "the hub did not answer in time"
            await self.retry_later(words, intent)
            if isinstance(error, KojiException) and not is_passing(error):
                raise
            return Canceled.PENDING
        else:
            return outcome

    async def cancel_all(self, intents: Sequence[TaskIntent], limit: float) -> str:
        """Cancel tasks and their descendants, all at the same time; see :meth:`cancel`.

        Returns:
            How many are canceled, had ended, are pending or refused, in words.
        """
        canceling = [self.cancel(each, limit) for each in intents]
        outcomes: list[Any] = await DeferredList(canceling, consumeErrors=True)
        refused = [failure.value for is_good, failure in outcomes if not is_good]
        counts = Counter(outcome for is_good, outcome in outcomes if is_good)
        words = f"canceled {counted(counts[Canceled.DONE], 'task')}"
        if ended := counts[Canceled.ENDED]:
            words += f", {ended:,} had ended already"
        if missing := counts[Canceled.MISSING]:
            words += f", the hub has nothing of {missing:,} to cancel"
        late = counts[Canceled.PENDING]
        if late:
            is_away = self._connection.trouble is not None
            when = "canceled as soon as the hub answers" if is_away else "still being canceled"
            words += f", {late:,} {'is' if late == 1 else 'are'} {when}"
        if refused:
            words += f", could not cancel {counted(len(refused), 'task')}: {one_line(refused[0])}"
        return words

    async def _cancel(self, intent: TaskIntent) -> tuple[int | None, Canceled]:
        """Cancel a task; returns its id, None if there is none, and what became of it."""
        if intent.adopted:
            raise PerhapsOthers(f"task {intent.task_id} is left alone: someone else started it")
        await self._log_in()
        task_id = intent.task_id
        if task_id is None:
            task_id = await self._connection.submissions.find(intent.call, intent.submission)
            if task_id is not None and not self._connection.submissions.is_certain(task_id):
                raise PerhapsOthers(
                    f"task {task_id} is left alone: it carries no marker, and may be another"
                    " program's; cancel it if it is yours"
                )
        elif await self._connection.submissions.is_lost(task_id, intent.call, intent.submission):
            self._log.warn(
                "{hub}: task {task} is not canceled: the hub, restored from a backup, has none of"
                " that id, or one of someone else",
                hub=self._connection.url,
                task=task_id,
            )
            return task_id, Canceled.MISSING
        if task_id is None:
            return None, Canceled.MISSING
        await self._connection.call("cancelTask", task_id)
        try:
            task = await self._connection.checked("getTaskInfo", task_id)
        except HubFault as fault:
            if not is_final(fault):
                raise
            return task_id, Canceled.DONE
        # The hub accepts it of a task that has ended, too.
        is_canceled = task is not None and task["state"] == task_states.CANCELED
        return task_id, Canceled.DONE if is_canceled else Canceled.ENDED

    # What is pending

    def status(self) -> list[PendingCancellation]:
        """Return what is pending, oldest first."""
        return list(self._pending.values())

    async def elsewhere(self) -> list[PendingCancellation]:
        """Return what is pending on the other masters that share the database."""
        found: list[PendingCancellation] = []
        for each in await self._master.data.get(("masters",)):
            if each["masterid"] == self._master.masterid:
                continue
            for stored in (await self._state_of(each["name"]).values(PENDING)).values():
                # Its own master logs what is unreadable.
                with suppress(UnreadableRow):
                    intent = _read(stored)
                    found.append(PendingCancellation(intent, intent.began, None))
        return found

    def _start_work(self, work: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
        if self._work is not None:
            return
        self._work = self._background.run(work(), "retrying the pending cancellations failed")

        def ended(_: object) -> None:
            self._work = None

        self._work.addCallback(ended)

    async def _resume(self) -> None:
        await self._read_stored()
        await self._cancel_pending()

    async def _read_stored(self) -> None:
        """Take up what is stored and not known yet; what can't be read stays as it is."""
        assert self._state is not None
        async with self._storing:
            for key, stored in (await self._state.values(PENDING)).items():
                try:
                    intent = _read(stored)
                except UnreadableRow as error:
                    if key not in self._unreadable:
                        self._unreadable.add(key)
                        self._log.error(
                            "{hub}: the task of a stopped build may run on: {error}",
                            hub=self._connection.url,
                            error=error,
                        )
                else:
                    if intent.submission.marker not in self._pending:
                        self.keep(intent, None)

    async def _cancel_pending(self) -> None:
        while self._pending:
            failures = 0
            while await self._cancel_each():
                failures += 1
                await ElapsedTime(self._connection.reactor).pause(RETRY.pause(failures))

    async def _cancel_each(self) -> bool:
        """Try every pending cancellation; returns whether some are still pending."""
        if self._unstored:
            await self._until_stored(self._store)
        done: list[TaskIntent] = []
        for intent in [each.intent for each in self._pending.values()]:
            try:
                task_id, outcome = await self._cancel(intent)
            except KojiException as error:
                if not is_final(error):
                    if self.has([intent]):
                        self.keep(intent, one_line(error))
                    self._log_trouble(error)
                    continue
                self._log.warn(
                    "{hub}: can't cancel task {task} of a stopped build: {error}",
                    hub=self._connection.url,
                    task=intent.task_id or f"of {intent.call.method}",
                    error=one_line(error),
                )
            else:
                task = f"task {task_id or 'of ' + intent.call.method}"
                self._log.info(
                    "{hub}: {words}, of a stopped build",
                    hub=self._connection.url,
                    words=outcome.value.format(task),
                )
            done.append(intent)
            # After a crash some tasks are canceled again, which does no harm.
            if len(done) >= REMOVED_TOGETHER:
                await self._until_stored(partial(self.withdraw, done))
                done.clear()
        await self._until_stored(partial(self.withdraw, done))
        if not self._pending:
            self.trouble = ""
        return bool(self._pending)

    async def _until_stored(self, write: Callable[[], Awaitable[None]]) -> None:
        clock = self._connection.reactor
        await until_stored(write, clock, DATABASE_RETRY, self._connection.url)

    def _log_trouble(self, error: KojiException) -> None:
        """Log, once, what keeps tasks from being canceled until someone repairs it."""
        said = "" if is_passing(error) else one_line(error)
        if said and said != self.trouble:
            self._log.warn(
                "{hub}: can't cancel the tasks of stopped builds; retrying: {error}",
                hub=self._connection.url,
                error=said,
            )
        self.trouble = said


def _read(stored: Any) -> TaskIntent:
    """Return the intent of a row that was read; raise UnreadableRow."""
    if isinstance(stored, UnreadableRow):
        raise stored
    return TaskIntent.from_struct(stored)


def object_of(master_name: str, hub: str) -> str:
    """Return the name of the object with the pending cancellations of a master on a hub."""
    return f"{master_name} {hub}"


def is_final(error: BaseException) -> bool:
    """Return whether a task that can't be canceled for this reason is given up, not retried."""
    is_refused = isinstance(error, HubFault) and not is_passing(error)
    return is_refused or isinstance(error, PerhapsOthers)
