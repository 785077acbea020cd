"""A cache on disk of names that rarely change: users and tags by their ids."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred

from txkoji._deferreds import in_thread, returns_deferred
from txkoji._rich_base import HubConnection
from txkoji.profiles import read_configured

__all__ = ["Cache"]

TIME_TO_LIVE = 7 * 86400.0
"""Seconds that a name is kept: a rename shows after a week at the latest."""


class Cache:
    """The names of users and tags of one hub.

    They are kept under ``$XDG_CACHE_HOME/txkoji`` or ``~/.cache/txkoji``.

    Files are written atomically, and read and written in a thread. If the cache can't be read or
    written, the hub is asked.

    Args:
        connection: a :class:`txkoji.Connection`.
        directory: keep the names of all profiles here instead.
    """

    def __init__(
        self, connection: HubConnection, directory: str | os.PathLike[str] | None = None
    ) -> None:
        self._connection = connection
        self._base = directory

    @property
    def directory(self) -> Path:
        """Where this profile's names are kept."""
        default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "txkoji"
        return Path(self._base or default) / str(self._connection.profile)

    def filename(self, kind: str, key: int | str) -> str:
        """Return the path of the file that keeps a name.

        Args:
            kind: ``user``, ``tag`` or any other word.
            key: the id, or whatever the hub looks the object up by.
        """
        return str(self.directory / f"{quote(kind, safe='')}-{quote(str(key), safe='')}.json")

    def get_name(self, kind: str, key: int | str) -> str | None:
        """Return a cached name, or None. Reads a file; see :meth:`filename`."""
        path = Path(self.filename(kind, key))
        try:
            if time.time() - path.stat().st_mtime > TIME_TO_LIVE:
                return None
            name = json.loads(read_configured(path))
        except (OSError, ValueError):
            return None
        return name if isinstance(name, str) else None

    def put_name(self, kind: str, key: int | str, name: str) -> None:
        """Cache a name. Writes a file; see :meth:`filename`."""
        _write(Path(self.filename(kind, key)), name)

    @returns_deferred
    async def user_name(self, user_id: int | str) -> str | None:
        """Return a Deferred of the name of a user, None if the hub has no such user."""
        return await self.get_or_load_name("user", user_id, "getUser")

    @returns_deferred
    async def tag_name(self, tag_id: int | str) -> str | None:
        """Return a Deferred of the name of a tag, None if the hub has no such tag."""
        return await self.get_or_load_name("tag", tag_id, "getTag")

    @returns_deferred
    async def get_or_load_name(
        self, kind: str, key: int | str, method: str | Callable[[Any], Deferred[Any]]
    ) -> str | None:
        """Return a Deferred of a name, from the cache or else from the hub.

        Args:
            kind: see :meth:`filename`.
            key: the id, or whatever the hub looks the object up by.
            method: the hub method that returns the object, or ``connection.getUser`` and the like.
        """
        reactor = self._connection.reactor
        known = await in_thread(reactor, self.get_name, kind, key)
        if known is not None:
            return known
        found = await (
            self._connection.call(method, key) if isinstance(method, str) else method(key)
        )
        if found is None:
            return None
        name = str(found["name"])
        await in_thread(reactor, self.put_name, kind, key, name)
        return name


def _write(path: Path, name: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(name, file)
            Path(temporary).replace(path)
        except OSError:
            # The name of a file may be too long.
            Path(temporary).unlink()
            raise
    except OSError:
        # A read-only home is no reason to fail: the next lookup asks the hub again.
        return
