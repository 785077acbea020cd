"""Writes whose reply never comes, for the tests of the steps that make them."""

from __future__ import annotations

from tests.buildbot_koji.workbench import Ended, Workbench
from tests.support import until


async def without_reply(bench: Workbench, method: str, step: object) -> Ended:
    """Run a step whose first attempt loses the reply of a method, and then its worker.

    Returns:
        How it ends, in its second attempt.
    """
    before = bench.hub.calls[method]
    bench.lost_replies.add(method)
    request = await bench.begin(step)
    await until(lambda: bench.hub.calls[method] > before)
    bench.lose_worker()
    ended = await bench.ended(request)
    assert ended.attempts == 2
    return ended
