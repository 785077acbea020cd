"""Cancel tasks: at once, or as soon as a hub that is unreachable answers again."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from itertools import chain, count
from typing import Any

import attrs
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.logger import Logger

from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.durable.unreadable import DamagedRow, UnreadableRow
from buildbot_koji.words import counted
from txkoji import Connection, RetryPolicy, one_line
from txkoji.exceptions import HubFault, KojiException
from txkoji.locks import Lock
from txkoji.retry import is_passing

CLASS = "buildbot_koji.durable.cancellations"
"""The class under which Buildbot files the pending cancellations."""

PENDING = "left"
"""The key of the pending cancellations in the master's database."""

_KEYS = re.compile(f"{PENDING}(?: ([0-9]+))?")
"""Where they are: a value that is damaged stays, and the next one has a key of its own."""

_ROWS = re.compile(f"{_KEYS.pattern}(-[01]-[0-9]+)?")
"""The keys, and those of the parts of a large value."""

RETRY = RetryPolicy(first=30.0, ceiling=600.0)
"""The pauses while the hub does not answer."""

STORED_TOGETHER = 50
"""How many tasks are canceled between two writes of what is still pending."""


class PerhapsOthers(KojiException):
    """The task that looks like ours may be someone else's."""


@attrs.frozen
class PendingCancellation:
    """A task that is canceled as soon as the hub answers.

    Attributes:
        task_id: the task, None if only its submission is known.
        method: the hub's method that submitted it.
        since: since when this master retries it, in seconds since the epoch.
        reason: why the last attempt failed, in one line; None before the first of this run.
    """

    task_id: int | None
    method: str
    since: float
    reason: str | None


@attrs.define(eq=False, repr=False, slots=False)
class Cancellations:
    """Cancels tasks on one hub.

    A cancellation that the hub does not answer is stored in the master's database and retried until
    the hub accepts or refuses it, also after a restart of the master. A refused login or connection
    says nothing about the task, so it is retried too.
    """

    _log = Logger()

    _name: str
    _connection: Connection
    _log_in: Callable[[], Deferred[None]]

    def __attrs_post_init__(self) -> None:
        self._master: Any = None
        self._state: MasterState | None = None
        self._pending: dict[str, TaskIntent] = {}
        self._shown: dict[str, PendingCancellation] = {}
        self._work: Deferred[None] | None = None
        # The number of the last change, and of the last stored one.
        self._changes = self._stored = 0
        self._storing = Lock()
        self._is_read = False
        # The stored form of each cancellation; what only a newer version may read is among them.
        self._texts: dict[str, str] = {}
        # The key that they are stored under, other keys that are to be removed once that is
        # written, and all keys that were read.
        self._key, self._others, self._known = PENDING, list[str](), set[str]()
        self._trouble = ""
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
        if self._work is not None:
            self._work.cancel()

    def hand_over(self, successor: Cancellations) -> None:
        """Leave what is pending, and what will be, to the newer link to the same hub."""
        self.stop()
        self._successor = successor
        for intent in self._pending.values():
            successor.keep(intent, self._shown[intent.submission.marker].reason)
        self._pending, self._shown = {}, {}

    def keep(self, intent: TaskIntent, reason: str | None) -> None:
        """Take up a cancellation that is pending."""
        self._pending[intent.submission.marker] = intent
        self._show(intent, reason)

    async def resume(self, dead: Collection[str] = ()) -> None:
        """Resume the stored cancellations that were not read yet, and take over dead masters'.

        The rows move in one transaction, so that only one of several masters gets them. If the dead
        master was only frozen, it cancels the tasks, too, which does no harm.

        Args:
            dead: the names of the dead masters.
        """
        assert self._state is not None
        async with self._storing:
            for name in dead:
                other = self._state_of(name)
                mine = map(_ROWS.fullmatch, await self._state.keys(PENDING))
                free = 1 + max((int(row[1] or 0) for row in mine if row), default=0)
                left = filter(None, map(_ROWS.fullmatch, await other.keys(PENDING)))
                await other.move(
                    {row[0]: f"{PENDING} {free + int(row[1] or 0)}{row[2] or ''}" for row in left},
                    self._state,
                )
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
        await self._store()
        self._start_work(self._cancel_pending)

    @async_to_deferred
    async def cancel(self, intent: TaskIntent, limit: float) -> bool:
        """Cancel a task and its descendants.

        Args:
            intent: the task; if its id is unknown, the hub is searched for it.
            limit: seconds that this may take now.

        Returns:
            A Deferred of True; False if the hub did not answer in time: the cancellation is pending
            then.

        Raises:
            KojiException: see :func:`is_final`: the hub refused, or the task may be someone else's;
                else the login or the connection is refused, and the cancellation is pending.
        """
        canceling = Deferred.fromCoroutine(self._cancel(intent))
        try:
            await canceling.addTimeout(limit, self._connection.reactor)
        except (KojiException, DeferredTimeout, CancelledError) as error:
            if is_final(error):
                raise
            reached = isinstance(error, KojiException)
            words = one_line(error) if reached else "the hub did not answer in time"
            await self.retry_later(words, intent)
            if isinstance(error, KojiException) and not is_passing(error):
                raise
            return False
        else:
            return True

    async def cancel_all(self, intents: Sequence[TaskIntent], limit: float) -> str:
        """Cancel tasks and their descendants, all at the same time; see :meth:`cancel`.

        Returns:
            How many are canceled, pending or refused, in words.
        """
        canceling = [self.cancel(each, limit) for each in intents]
        outcomes: list[Any] = await DeferredList(canceling, consumeErrors=True)
        refused = [failure.value for is_good, failure in outcomes if not is_good]
        late = sum(is_good and not canceled for is_good, canceled in outcomes)
        words = f"canceled {counted(len(intents) - len(refused) - late, 'task')}"
        if late:
            words += (
                f", {late:,} {'is' if late == 1 else 'are'} canceled as soon as the hub answers"
            )
        if refused:
            words += f", could not cancel {counted(len(refused), 'task')}: {one_line(refused[0])}"
        return words

    async def _cancel(self, intent: TaskIntent) -> int | None:
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
            return None
        if task_id is not None:
            await self._connection.call("cancelTask", task_id)
        return task_id

    # What is pending

    def status(self) -> list[PendingCancellation]:
        """Return what is pending, oldest first."""
        return list(self._shown.values())

    async def elsewhere(self) -> list[PendingCancellation]:
        """Return what is pending on the other masters that share the database."""
        found: list[PendingCancellation] = []
        for each in await self._master.data.get(("masters",)):
            if each["masterid"] == self._master.masterid:
                continue
            stored = await _stored_in(self._state_of(each["name"]))
            for text in chain.from_iterable(filter(None, stored.values())):
                # Its own master logs what is unreadable.
                with suppress(UnreadableRow):
                    found.append(_shown(TaskIntent.from_json(text)))
        return found

    def _show(self, intent: TaskIntent, reason: str | None) -> None:
        marker = intent.submission.marker
        known = self._shown.get(marker)
        since = self._connection.reactor.seconds() if known is None else known.since
        self._shown[marker] = PendingCancellation(intent.task_id, intent.call.method, since, reason)

    def _start_work(self, work: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
        if self._work is not None:
            return
        self._work = Deferred.fromCoroutine(work())
        self._work.addErrback(lambda failure: failure.trap(CancelledError) and None)
        self._work.addErrback(
            lambda failure: self._log.failure("retrying the pending cancellations failed", failure)
        )

        def ended(_: object) -> None:
            self._work = None

        self._work.addCallback(ended)

    async def _resume(self) -> None:
        async with self._storing:
            await self._read_stored()
        await self._cancel_pending()

    async def _read_stored(self) -> None:
        """Read what is stored and was not read yet: nothing may be stored over it before."""
        assert self._state is not None
        keys = {*await self._state.keys(PENDING)} - self._known
        stored = await _stored_in(self._state, self._say_unreadable, keys)
        if not self._is_read:
            own = (f"{PENDING} {number}" if number else PENDING for number in count())
            self._key = next(each for each in own if stored.get(each, []) is not None)
            self._is_read = True
        self._known |= {*stored, self._key}
        self._add(stored)

    def _add(self, stored: Mapping[str, list[str] | None]) -> None:
        """Add the cancellations in the rows that were read."""
        self._others += [
            each for each, texts in stored.items() if texts is not None and each != self._key
        ]
        for text in chain.from_iterable(filter(None, stored.values())):
            try:
                intent = TaskIntent.from_json(text)
            except UnreadableRow as error:
                key = str(text)
                self._say_unreadable(error)
            else:
                key = intent.submission.marker
                self._pending.setdefault(key, intent)
                self._show(intent, None)
            self._texts.setdefault(key, text)

    def _say_unreadable(self, error: UnreadableRow) -> None:
        self._log.error(
            "{hub}: the task of a stopped build may run on: {error}",
            hub=self._connection.url,
            error=error,
        )

    async def _cancel_pending(self) -> None:
        while self._pending:
            failures = 0
            while await self._cancel_each():
                failures += 1
                await deferLater(self._connection.reactor, RETRY.pause(failures))

    async def _cancel_each(self) -> bool:
        """Try every pending cancellation; returns whether some are still pending."""
        for intent in list(self._pending.values()):
            try:
                task_id = await self._cancel(intent)
            except KojiException as error:
                if not is_final(error):
                    self._show(intent, one_line(error))
                    self._log_trouble(error)
                    continue
                self._log.warn(
                    "{hub}: can't cancel task {task} of a stopped build: {error}",
                    hub=self._connection.url,
                    task=intent.task_id or f"of {intent.call.method}",
                    error=one_line(error),
                )
            else:
                self._log.info(
                    "{hub}: canceled task {task} of a stopped build",
                    hub=self._connection.url,
                    task=task_id,
                )
            del self._pending[intent.submission.marker]
            del self._shown[intent.submission.marker]
            self._texts.pop(intent.submission.marker, None)
            # After a crash some tasks are canceled again, which does no harm.
            if not len(self._pending) % STORED_TOGETHER:
                await self._store()
        await self._store()
        return bool(self._pending)

    def _log_trouble(self, error: KojiException) -> None:
        """Log, once, what keeps tasks from being canceled until someone repairs it."""
        said = "" if is_passing(error) else one_line(error)
        if said and said != self._trouble:
            self._log.warn(
                "{hub}: can't cancel the tasks of stopped builds; retrying: {error}",
                hub=self._connection.url,
                error=said,
            )
        self._trouble = said

    async def _store(self) -> None:
        """Store what is pending; concurrent calls share a write."""
        assert self._state is not None
        self._changes += 1
        wanted = self._changes
        async with self._storing:
            if self._stored >= wanted:
                return
            if not self._is_read:
                await self._read_stored()
            changes = self._changes
            for marker, intent in self._pending.items():
                if marker not in self._texts:
                    self._texts[marker] = intent.to_json().decode()
            await self._state.put(self._key, list(self._texts.values()))
            # After a crash a task may be stored twice, but not nowhere.
            while self._others:
                await self._state.remove(self._others[-1])
                self._known.discard(self._others.pop())
            self._stored = changes


async def _stored_in(
    state: MasterState,
    say: Callable[[UnreadableRow], None] | None = None,
    keys: Collection[str] | None = None,
) -> dict[str, list[str] | None]:
    """Return what a master stored as pending, by the keys; None for a damaged value."""
    found: dict[str, list[str] | None] = {}
    keys = await state.keys(PENDING) if keys is None else keys
    for key in filter(_KEYS.fullmatch, sorted(keys)):
        try:
            found[key] = await state.get(key)
            if not isinstance(found[key], list):
                raise DamagedRow(f"{key!r} of the tasks that were to be canceled")
        except UnreadableRow as error:
            found[key] = None
            if say is not None:
                say(error)
    return found


def _shown(intent: TaskIntent) -> PendingCancellation:
    return PendingCancellation(intent.task_id, intent.call.method, intent.began, None)


def object_of(master_name: str, hub: str) -> str:
    """Return the name of the object with the pending cancellations of a master on a hub."""
    return f"{master_name} {hub}"


def is_final(error: BaseException) -> bool:
    """Return whether a task that can't be canceled for this reason is given up, not retried."""
    is_refused = isinstance(error, HubFault) and not is_passing(error)
    return is_refused or isinstance(error, PerhapsOthers)
