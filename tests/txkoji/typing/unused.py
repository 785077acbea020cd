"""Calls that nobody awaits, which checkers find with the options that the pages name."""
# mypy: enable-error-code="unused-awaitable, truthy-bool"
# pyright: reportUnusedCallResult=true

from __future__ import annotations

from txkoji import Connection
from txkoji.aio import AioConnection


async def unused(koji: Connection, other: AioConnection) -> None:
    """Nothing would come back, not even the failure."""
    koji.getTag("f44")  # wrong
    koji.repo.request("f44-build")  # wrong
    koji.submit("build", "git+https://x/y#z", "f44")  # wrong
    koji.MultiCall()()  # wrong
    koji.login()  # wrong
    other.getTag("f44")  # wrong


async def always_true(koji: Connection) -> None:
    """A Deferred is true, whatever it gives."""
    if koji.hasPerm("admin"):  # wrong to mypy
        print("allowed")
