"""Run commands on the worker, in a step that may end early."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from buildbot.process.remotecommand import RemoteCommand
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from buildbot_koji.steps.framework.base import KojiStep

__all__ = ["run_on_worker"]


async def run_on_worker(step: KojiStep, command: RemoteCommand) -> None:
    """Run a command on the worker until it ends; see its ``didFail()``.

    An early end of the step interrupts the command before the step ends: the worker's remaining
    output would find the step's logs closed.

    Args:
        step: the step.
        command: the command.

    Raises:
        twisted.internet.error.ConnectionLost: the worker is lost.
    """
    waiting: Deferred[Any] = Deferred()
    over: Deferred[None] = Deferred()

    def ended(result: Any) -> None:
        """Take what the worker sent."""
        if not waiting.called:
            waiting.callback(result)
        over.callback(None)

    step.runCommand(command).addBoth(ended)
    try:
        await waiting
    except CancelledError:
        await command.interrupt("the step ends early")
        # Don't wait for a worker that does not end it in time.
        with suppress(DeferredTimeout):
            await over.addTimeout(step.timing.cancel_limit, step.master.reactor)
        raise
