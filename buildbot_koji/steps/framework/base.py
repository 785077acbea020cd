"""The base class of all steps: their hub, its outages, and errors in one line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from buildbot.process import results
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, required
from buildbot_koji.durable.cancellations import NO_ANSWER
from buildbot_koji.durable.claims import ClaimCheck, ClaimLost, has_request
from buildbot_koji.durable.once import Intent, IntentState, Once, OnceAction
from buildbot_koji.error_messages import explain, unreachable, with_remedy
from buildbot_koji.hubs.hub import Hub, get_hub
from buildbot_koji.hubs.koji_hub import check_hub
from buildbot_koji.orphans import bring_releaser
from buildbot_koji.steps.framework.early_end import Ending
from buildbot_koji.steps.framework.interruptible_step import InterruptibleStep
from buildbot_koji.steps.framework.patience import Patience
from txkoji import Connection, is_refusal
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiException, UnknownOutcome
from txkoji.retry import is_passing, is_without_access, until_answered

T = TypeVar("T")

HUB_PATIENCE = 4 * 60 * 60.0

WAITING = "waiting"
"""What a step does while the hub is unreachable; the reason follows."""

SUPERSEDED = "another master runs this build request: this one was frozen or without its database"
"""The summary of a step whose build request is no longer this master's."""


class KojiStep(InterruptibleStep):
    """Works with a Koji hub. The base class of all steps.

    A subclass declares its arguments and implements :meth:`work`.

    Attributes:
        patience: knows whether the step has begun anything on the hub.
        began: when the step began, in seconds since the epoch.
        unreachable: why the hub was unreachable when that ended the step, else empty.
    """

    profile = required(
        check_hub,
        "the profile of the hub in Koji's configuration files, or a ``util.KojiHub``",
        positional=True,
    )
    timeout = argument(
        checks.seconds,
        "seconds for all attempts of a build request together; then the step fails, and"
        " cancels its task, if it has one",
    )
    hub_patience = argument(
        checks.pause,
        "seconds to wait for an unreachable hub before the step has begun anything there; then the"
        " step is an exception. The wait for a task, or for the outcome of a call whose reply was"
        " lost, has no limit but ``timeout``",
        default=HUB_PATIENCE,
    )

    # The following steps need this one's result.
    haltOnFailure = True

    _log = Logger()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.began = 0.0
        self.check_claim = ClaimCheck(self.now, self._has_request)
        self.unreachable = ""
        self.patience = Patience()
        self._hub: Hub | None = None
        self._is_resumed = False
        # None unless the summary is an error; then the summary to restore, if any.
        self._covered: str | None = None
        self._shows_outage = False

    @property
    def hub(self) -> Hub:
        """The hub, from the first call of :meth:`work` or :meth:`find_begun` on."""
        assert self._hub is not None
        return self._hub

    @property
    def connection(self) -> Connection:
        """The connection to the hub."""
        return self.hub.connection

    @property
    def logs_in(self) -> bool:
        """Whether the step logs in; one that only reads does not."""
        return True

    async def work(self) -> int:
        """Do the step's work. A subclass implements it.

        An early end cancels it; see :class:`EarlyEnd` and :meth:`end_early`. If the hub is
        unreachable it is called again, for at most ``hub_patience``. A subclass that writes calls
        the hub's ``log_in`` first.

        Returns:
            Buildbot's result.

        Raises:
            KojiException: ends the step, as FAILURE if the hub refused what it was asked, else as
                EXCEPTION; the summary is the error in one line.
        """
        raise NotImplementedError

    async def find_begun(self) -> Any:
        """Find what an earlier attempt began, to resume or cancel it. A subclass may do so."""

    async def end_early(self, ending: Ending) -> None:
        """Clean up, within a limited time, and set the summary. A subclass may do more."""
        begun = ": the hub finishes what it has begun" if self.patience.has_begun else ""
        words = {
            Ending.STOPPED: f"stopped{begun}",
            Ending.DETACHED: "interrupted: the next attempt repeats it",
            Ending.SUPERSEDED: SUPERSEDED,
            Ending.TIMED_OUT: f"timed out after {self.timeout} s{self.doing}",
            Ending.UNREACHABLE: self.unreachable,
        }
        self.say(words.get(ending, ending.why))

    @property
    def doing(self) -> str:
        """What the step is doing, after a colon; empty in an outage, which the summary shows."""
        return f": {self._text}" if self._text and self.trouble is None else ""

    # For subclasses

    def say(self, text: str) -> None:
        """Set the summary to what the step is doing, or did."""
        self._covered = None
        super().say(text)

    def fail(self, reason: str) -> int:
        """Set the summary to why the step fails; returns FAILURE."""
        self.say(f"failed: {with_remedy(reason, self.changed_tag)}")
        return results.FAILURE

    @property
    def follows_task(self) -> bool:
        """Whether the hub has accepted the step's task: a later refusal is not about that."""
        return False

    @property
    def changed_tag(self) -> str:
        """The tag that a refusal is about unless the hub names one."""
        return str(getattr(self, "tag", None) or getattr(self, "to_tag", None) or "TAG")

    def in_thread(self, make: Callable[[], T]) -> Deferred[T]:
        """Compute something that takes long, and shares no state, in a thread."""
        reactor = self.master.reactor
        return deferToThreadPool(reactor, reactor.getThreadPool(), make)

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return float(self.master.reactor.seconds())

    def say_error(self, words: str, error: KojiException) -> None:
        """Set the summary to what the step waits for, and why: an outage, or a refusal."""
        refusal = f"the hub refuses, asking again: {explain(error)}"
        self.say(f"{words}: {self._outage(error) if is_passing(error) else refusal}")
        self._covered = ""

    def _outage(self, error: BaseException) -> str:
        since = None if self._hub is None else self._hub.trouble_since
        return unreachable(error, since or self.now(), self.now())

    @property
    def trouble(self) -> str | None:
        """Return since when and why the hub answers no call, None if it does."""
        error = None if self._hub is None else self._hub.trouble
        return None if error is None else self._outage(error)

    def _check_hub(self) -> None:
        """Show what is wrong with the hub while a call is still being retried, or give it up."""
        trouble, text = self.connection.trouble, self._text
        # While a step follows a task, the watcher is refused, and nothing of the step's own.
        shown = trouble or (self.connection.refusal if self.follows_task else None)
        is_outage = trouble is not None
        if shown is not None and (
            self._covered is None or (self._covered and is_outage is not self._shows_outage)
        ):
            covered, self._shows_outage = self._covered or text, is_outage
            self.say_error(WAITING, shown)
            self._covered = covered
        elif shown is None and self._covered:
            self.say(self._covered)
        if trouble is not None and self._is_out_of_patience():
            self.unreachable = self.trouble or explain(trouble)
            self.early_end.end(Ending.UNREACHABLE)

    async def ask(self, ask: Callable[[], Awaitable[T]], words: str) -> T:
        """Ask the hub something that is safe to repeat; wait while it is unreachable.

        Args:
            ask: asks it.
            words: the summary meanwhile; the error follows.

        Raises:
            KojiException: the hub refused.
        """
        say = partial(self.say_error, words)
        return await until_answered(ask, self.master.reactor, self.timing.retry, say)

    def once_of(self, action: OnceAction[T], intent: Intent, *, max_age: float = 0.0) -> Once[T]:
        """Return the action such that only the master that runs the request does it."""
        check_claim = partial(self.check_claim, max_age=max_age)
        return Once(action, intent, check_claim, self.hub.log_in, self.early_end.critical)

    def supersede(self) -> None:
        """End the step: another master runs the build request."""
        self.early_end.end(Ending.SUPERSEDED)

    async def _has_request(self) -> bool:
        """Return whether this master still has the build request."""
        request = self.build.requests[0].id
        return await self.until_stored(lambda: has_request(self.master, request))

    async def run_once(self, action: OnceAction[T], intent: Intent, words: str) -> T:
        """Do something on the hub exactly once; wait while it is unreachable.

        Args:
            action: what to do.
            intent: what is known of it.
            words: the summary while the outcome is unknown; the error follows.

        Raises:
            HubFault: the hub refused.
            UnknownOutcome: ``hub_patience`` is over, and the hub refuses to say what happened.
            TransportError, ProtocolError: ``hub_patience`` is over, and the hub did not get the
                call.
        """
        once = self.once_of(action, intent)

        def say(error: KojiException) -> None:
            """Show what is waited for."""
            self.say_error(words if once.state is IntentState.IN_DOUBT else WAITING, error)

        def gives_up() -> bool:
            """Return whether ``hub_patience`` is over."""
            return self._is_out_of_patience(in_doubt=once.refusal is not None)

        self.patience.attempts(once)
        try:
            # Not the whole work again, which would know less of what the hub may have.
            result = await self.until_stored(
                partial(once.run, self.master.reactor, self.timing.retry, say, gives_up=gives_up)
            )
        except UnknownOutcome:
            self.patience.is_lost = True
            raise
        self.patience.succeeded()
        return result

    def _is_out_of_patience(self, *, in_doubt: bool = False) -> bool:
        silence, now = self.connection.trouble_for, ElapsedTime(self.master.reactor).seconds()
        return self.patience.is_over(self.hub_patience, silence, now, in_doubt=in_doubt)

    # The run

    async def work_to_end(self) -> int:
        """Do the work, or clean up after an early end.

        Returns:
            Buildbot's result: that of :meth:`work`; FAILURE if the hub refuses what it is asked;
            EXCEPTION if the hub or the configuration is at fault; after an early end that of its
            :class:`Ending`.
        """
        try:
            return await self._work_to_end()
        finally:
            if self._hub is not None:
                self._hub.users.discard(self)

    async def _work_to_end(self) -> int:
        try:
            self.take_rendered()
            complaints = self.complaints()
            if complaints:
                self.say("; ".join(complaints))
                return results.EXCEPTION
            self.began = self.now()
            self.early_end.limit(Ending.TIMED_OUT, self.timeout)
            await self._have_hub()
            # Not waited for: who stops this step would stop the start of the service.
            bring_releaser(self.master)
            return await self.until_stored(self._work_until_answered)
        except UnknownOutcome as error:
            self.unreachable = explain(error)
            await self.end_early(Ending.UNREACHABLE)
            return results.EXCEPTION
        except KojiException as error:
            if is_refusal(error) and not self.follows_task:
                return self.fail(explain(error, self.changed_tag))
            trouble = self.trouble if is_passing(error) else None
            self.say(trouble or explain(error))
            return results.EXCEPTION
        except ClaimLost:
            return await self._end(Ending.SUPERSEDED)
        except CancelledError:
            ending = self.early_end.reason
            if ending is None:
                raise
            self.early_end.stop_waking()
            if ending is Ending.STOPPED:
                # First: this master may be frozen from now on.
                await self.store_stop(self.stopped_for or "")
            if ending is not Ending.DETACHED and not await self._has_request():
                ending = Ending.SUPERSEDED
            if ending is Ending.STOPPED and not self._is_resumed:
                try:
                    await self._find_begun()
                except KojiException as error:
                    self.say(f"stopped; {explain(error)}")
                    return ending.result
            trouble = self.trouble if ending.is_limit else None
            result = await self._end(ending)
            if trouble is None:
                return result
            # Not the package's fault: the work may have been done in time.
            self.say(f"{trouble}; {self._text.replace(NO_ANSWER, '')}")
            return results.EXCEPTION

    async def _have_hub(self) -> None:
        if self._hub is None:
            self._hub = await get_hub(self.master, self.profile)
            self._hub.users.add(self)

    async def _find_begun(self) -> None:
        """Find what an earlier attempt began: the stop came before this one knew it."""
        if await self._earlier_builds():
            await self._have_hub()
            await self.find_begun()

    async def _end(self, ending: Ending) -> int:
        await self.end_early(ending)
        if ending is Ending.SUPERSEDED:
            self._log.warn(
                "{name} of build {id}: {words}",
                name=self.name,
                id=self.build.buildid,
                words=self._text,
            )
        return ending.result

    async def resume(self) -> Any:
        """Find what an earlier attempt began, before a stop takes effect: it cancels that.

        A stop that an earlier attempt did not bring to its end takes effect again.
        """
        with self.early_end.critical():
            found = await self.find_begun()
            self._is_resumed = True
            stop = await self.earlier_stop()
            if stop is not None:
                self.stopped_for = stop
                self.early_end.end(Ending.STOPPED)
        return found

    async def _work_until_answered(self) -> int:
        checking = ElapsedTime(self.master.reactor).looping(self._check_hub)
        checking.start(min(self.timing.show_interval, max(self.hub_patience, 0.1)), now=False)
        try:
            return await until_answered(
                self.work,
                self.master.reactor,
                self.timing.retry,
                partial(self.say_error, WAITING),
                ends=self._ends,
            )
        finally:
            checking.stop()

    def _ends(self, error: Exception) -> bool:
        """Return whether an error ends the work; after any other it is retried."""
        if self.patience.is_lost or self._is_out_of_patience():
            return True
        # The task runs on while access is refused: wait for its outcome.
        return not (is_passing(error) or (self.follows_task and is_without_access(error)))
