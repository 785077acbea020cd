"""The options of a mass build, its pauses and limits, and the step that it runs in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from buildbot_koji.durable.once import Intent, Once, OnceAction
from buildbot_koji.mass.plan import MassPackage
from txkoji import Call, RetryPolicy
from txkoji.exceptions import KojiException

T = TypeVar("T")


@dataclass(frozen=True)
class MassTiming:
    """Pauses, limits and sizes.

    Attributes:
        tick: seconds between two checks for what changes without a task.
        store_interval: seconds between two writes of what changed, except intents.
        batch: how many packages are submitted after one write of their intents.
        idle_interval: seconds between two checks for other users' tasks in the channel.
        progress_interval: seconds between two moments of the progress over time.
        infra_retry: the pauses before a package is submitted again.
        retry: the pauses while the hub is unreachable.
        repo_polling: the pauses between two polls for a repo.
        cancel_limit: seconds that the hub has to answer a cancellation before it is put off.
        long: seconds of a wait after which the summary says how long it has been.
    """

    cancel_limit: float = 10.0
    tick: float = 5.0
    store_interval: float = 2.0
    batch: int = 25
    idle_interval: float = 30.0
    progress_interval: float = 60.0
    long: float = 600.0
    infra_retry: RetryPolicy = RetryPolicy(first=60.0, factor=4.0, ceiling=1800.0, jitter=0.5)
    repo_polling: RetryPolicy = RetryPolicy(first=2.0, factor=1.5, ceiling=30.0, jitter=0.0)
    retry: RetryPolicy = RetryPolicy(first=15.0, factor=1.0, ceiling=15.0)


@dataclass(frozen=True)
class MassOptions:
    """What a mass build does with its packages: see the arguments of ``steps.KojiMassBuild``.

    If it ``adopts``, an existing build of the same source counts as the package's. It submits only
    while no other user's task waits in the channel if it does so ``only_when_idle``. The
    ``destination`` is the id of the tag that the target had at the start; None if unknown.
    """

    call: Callable[[MassPackage], Call]
    target: str
    destination: int | None = None
    skip_tag: bool = False
    scratch: bool = False
    adopts: bool = True
    infra_retries: int = 2
    infra_faults: Any = None
    max_queue_time: float | None = None
    package_timeout: float | None = None
    channel: str | None = None
    only_when_idle: bool = False


class StepHost(Protocol):
    """The step that works on many packages or builds."""

    build: Any

    def say(self, text: str) -> None:
        """Set the summary."""

    async def until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write to the master's database, and retry while it is unreachable."""
        ...


class MassHost(StepHost, Protocol):
    """The step that a mass build runs in."""

    @property
    def trouble(self) -> str | None:
        """Since when and why the hub is unreachable, None if it is not."""

    def say_error(self, words: str, error: KojiException) -> None:
        """Set the summary to what it waits for, and the error that makes it wait."""

    def once_of(self, action: OnceAction[T], intent: Intent, *, max_age: float = 0.0) -> Once[T]:
        """Return the action such that only the master that runs the build request does it."""
        ...

    async def check_claim(self, *, max_age: float = 0.0) -> None:
        """Raise ClaimLost if another master runs the mass build; see ``KojiStep``."""

    async def note(self, lines: list[str]) -> None:
        """Add lines to the log."""
