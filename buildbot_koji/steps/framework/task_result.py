"""What a step makes of a task that ended: Buildbot's result, and the summary. Pure."""

from __future__ import annotations

from buildbot.process import results

from buildbot_koji.error_messages import with_remedy
from txkoji import Outcome, task_states

_RESULT_OF_STATE: dict[int, int] = {
    task_states.CLOSED: results.SUCCESS,
    task_states.FAILED: results.FAILURE,
    task_states.CANCELED: results.CANCELLED,
}


def result_of(outcome: Outcome, *, infrastructure: bool) -> int:
    """Return Buildbot's result; ``infrastructure`` says whether the build system failed."""
    state = outcome.tree.root.state
    if state == task_states.FAILED and infrastructure:
        return int(results.EXCEPTION)
    return int(_RESULT_OF_STATE[state])


def failure_words(outcome: Outcome, not_again: str, *, infrastructure: bool) -> str:
    """Return why a task did not close, in one line.

    Args:
        outcome: the outcome.
        not_again: why the task is not submitted again, though the build system failed; else empty.
        infrastructure: whether the build system failed, not the package.
    """
    if outcome.guilty is None:
        return with_remedy(outcome.reason)
    if not infrastructure:
        return f"failed: {with_remedy(outcome.reason)}"
    words = f"the build system failed: {outcome.reason}"
    return f"{words}; not submitted again: {not_again}" if not_again else words
