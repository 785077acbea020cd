"""Names that hardly ever change, kept on disk: users and tags by their ids."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from txkoji._deferreds import returns_deferred

__all__ = ["Cache"]

TIME_TO_LIVE = 7 * 86400.0
"""Seconds that a name is kept: a rename shows after a week at the latest."""


class _AsksForNames(Protocol):
    profile: str
    reactor: Any

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Call a hub method."""


class Cache:
    """The names of users and tags of one hub.

    They are kept under ``$XDG_CACHE_HOME/txkoji`` or ``~/.cache/txkoji``.

    A file is written whole or not at all, and read and written in a thread. A cache that can't be
    read or written costs a call to the hub and nothing else.

    Args:
        connection: a :class:`txkoji.Connection`.
    """

    def __init__(self, connection: _AsksForNames) -> None:
        self._connection = connection

    @property
    def directory(self) -> Path:
        """Where this profile's names are kept."""
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser() / "txkoji" / str(self._connection.profile)

    @returns_deferred
    async def user_name(self, user_id: int) -> str | None:
        """Return a Deferred of the name of a user, None where the hub has no such user."""
        return await self._name("user", user_id, "getUser")

    @returns_deferred
    async def tag_name(self, tag_id: int) -> str | None:
        """Return a Deferred of the name of a tag, None where the hub has no such tag."""
        return await self._name("tag", tag_id, "getTag")

    async def _name(self, kind: str, number: int, method: str) -> str | None:
        path = self.directory / f"{kind}-{int(number)}.json"
        known = await self._in_thread(_read, path)
        if known is not None:
            return str(known)
        found = await self._connection.call(method, number)
        if found is None:
            return None
        name = str(found["name"])
        await self._in_thread(_write, path, name)
        return name

    def _in_thread(self, function: Any, *args: Any) -> Any:
        reactor = self._connection.reactor
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *args)


def _read(path: Path) -> str | None:
    try:
        if time.time() - path.stat().st_mtime > TIME_TO_LIVE:
            return None
        name = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return name if isinstance(name, str) else None


def _write(path: Path, name: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(name, file)
        Path(temporary).replace(path)
    except OSError:
        # A read-only home is no reason to fail: the next look-up asks the hub again.
        return
