"""Commands on the worker, in a step that may be ended early."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from buildbot.process.remotecommand import RemoteCommand
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from buildbot_koji.steps.framework.base import CANCEL_LIMIT, KojiStep

__all__ = ["run_on_worker"]


async def run_on_worker(step: KojiStep, command: RemoteCommand) -> None:
    """Run a command on the worker to its end; whether it failed, it tells itself.

    Where the step is ended early, so is the command, before the step is over: what a worker still
    says of it would find the step's logs closed.

    Args:
        step: the step.
        command: what to run.

    Raises:
        twisted.internet.error.ConnectionLost: the worker is lost.
    """
    waiting: Deferred[Any] = Deferred()
    over: Deferred[None] = Deferred()

    def ended(result: Any) -> None:
        if not waiting.called:
            waiting.callback(result)
        over.callback(None)

    step.runCommand(command).addBoth(ended)
    try:
        await waiting
    except CancelledError:
        await command.interrupt("the step is ended")
        # A worker that does not end it in time is not waited for.
        with suppress(DeferredTimeout):
            await over.addTimeout(CANCEL_LIMIT, step.master.reactor)
        raise
