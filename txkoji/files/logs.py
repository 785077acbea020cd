"""Logs of tasks, read while they grow.

A builder sends what a log has grown by every few seconds. A task that is freed and starts again
truncates its logs, or removes them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from txkoji.exceptions import GenericError, NotXMLRPC
from txkoji.files import outputs
from txkoji.hub.client import HubClient
from txkoji.retry import is_passing

MAX_BYTES = 1 << 16

TAIL = 64
"""How many bytes of a piece the next read compares, to notice that the log was truncated."""


@dataclass(frozen=True)
class LogPiece:
    """A piece of a log.

    Attributes:
        data: its bytes; empty if the log has not grown or does not exist yet.
        offset: where the next piece starts.
        restarted: the log was truncated or replaced: the data are from its start.
        tail: the last bytes before ``offset``.
    """

    data: bytes = field(repr=False)
    offset: int
    restarted: bool = False
    tail: bytes = field(default=b"", repr=False)


async def read_log(
    client: HubClient, task_id: int, name: str, offset: int, tail: bytes, max_bytes: int
) -> LogPiece:
    """Read a piece of a task's log; see :meth:`txkoji.Connection.read_log`."""
    # Re-read the last bytes: if they changed, the log was truncated.
    before = min(offset, len(tail) or 1)
    found = await _read(client, task_id, name, offset - before, before + max_bytes)
    if found is None:
        return LogPiece(b"", 0, restarted=offset > 0)
    if len(found) >= before and found.startswith(tail[-before:] if before else b""):
        data = found[before:]
        return LogPiece(data, offset + len(data), tail=(tail + data)[-TAIL:])
    data = await _read(client, task_id, name, 0, max_bytes) or b""
    return LogPiece(data, len(data), restarted=True, tail=data[-TAIL:])


async def _read(client: HubClient, task_id: int, name: str, offset: int, size: int) -> bytes | None:
    """Read a part of a task's file; None if there is no such file."""
    arguments: dict[str, Any] = {"offset": offset, "size": size}
    try:
        text = await client.call("downloadTaskOutput", task_id, name, **arguments)
    except GenericError as fault:
        if is_passing(fault):
            raise
        listed = await client.call("listTaskOutput", task_id, stat=True, all_volumes=True)
        place = outputs.where(listed, name)
        if place is None:
            return None
        # It is on another volume, or the builder has uploaded it since.
        arguments["volume"] = place[0]
        text = await client.call("downloadTaskOutput", task_id, name, **arguments)
    try:
        return base64.b64decode(text)[:size]
    except (TypeError, ValueError) as error:
        raise NotXMLRPC(f"{client.url} sent a part of {name} that is not base64") from error
