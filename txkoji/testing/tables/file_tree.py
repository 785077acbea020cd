"""The embedded hub's file tree, in memory or on disk: what a real one has under ``/mnt/koji``."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from typing_extensions import override

_MAXIMUM = 2**28
"""How far into a file in memory one can write, in bytes."""


class FileTree:
    """Files, by their paths below the hub's top directory.

    Directories exist where files are below them. Paths have no leading or doubled slashes and no
    ``..``: callers check paths from outside first.

    Args:
        seconds: gives the time, in seconds since the epoch.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._content: dict[str, bytearray] = {}
        self._modified: dict[str, float] = {}

    def write(self, path: str, data: bytes) -> None:
        """Write a file, replacing an existing one."""
        self.write_at(path, 0, data, truncate=True)

    def write_at(self, path: str, offset: int, data: bytes, *, truncate: bool = False) -> None:
        """Write into a file at an offset; a gap before it is filled with zeros."""
        if not 0 <= offset <= _MAXIMUM:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        content = self._content.setdefault(path, bytearray())
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data
        if truncate:
            del content[offset + len(data) :]
        self._modified[path] = self._seconds()

    def append(self, path: str, data: bytes) -> None:
        """Append to a file; create it if necessary."""
        self.write_at(path, self.size(path) if self.exists(path) else 0, data)

    def copy(self, source: str, destination: str) -> None:
        """Copy a file."""
        self.write(destination, self.read(source))

    def read(self, path: str, offset: int = 0, size: int = -1) -> bytes:
        """Return ``size`` bytes of a file from ``offset`` on; -1 for the rest."""
        content = self._content[path]
        end = len(content) if size < 0 else offset + size
        return bytes(content[offset:end])

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return len(self._content[path])

    def modified(self, path: str) -> float:
        """Return when a file was last written, in seconds since the epoch."""
        return self._modified[path]

    def exists(self, path: str) -> bool:
        """Return whether there is a file (not a directory) at the path."""
        return path in self._content

    def walk(self, directory: str) -> Iterator[str]:
        """Yield the paths of all files below a directory, relative to it, sorted."""
        prefix = f"{directory}/" if directory else ""
        for path in sorted(self._content):
            if path.startswith(prefix):
                yield path[len(prefix) :]

    def remove(self, path: str) -> None:
        """Remove a file."""
        del self._content[path]
        del self._modified[path]


class DiskFileTree(FileTree):
    """A file tree in a directory, which survives the process.

    Args:
        seconds: gives the time, in seconds since the epoch.
        directory: the directory of the files; it is created if necessary.
    """

    def __init__(self, seconds: Callable[[], float], directory: Path) -> None:
        super().__init__(seconds)
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @override
    def write_at(self, path: str, offset: int, data: bytes, *, truncate: bool = False) -> None:
        """Write a part of a file."""
        full = self._directory / path
        full.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(full, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, data, offset)
            if truncate:
                os.ftruncate(descriptor, offset + len(data))
        finally:
            os.close(descriptor)
        moment = self._seconds()
        os.utime(full, (moment, moment))

    @override
    def read(self, path: str, offset: int = 0, size: int = -1) -> bytes:
        """Return the bytes of a file."""
        with (self._directory / path).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    @override
    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        return (self._directory / path).stat().st_size

    @override
    def modified(self, path: str) -> float:
        """Return when a file was written, in seconds since the epoch."""
        return (self._directory / path).stat().st_mtime

    @override
    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        return (self._directory / path).is_file()

    @override
    def walk(self, directory: str) -> Iterator[str]:
        """Yield the paths of all files below a directory."""
        top = self._directory / directory
        yield from sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())

    @override
    def remove(self, path: str) -> None:
        """Remove a file."""
        (self._directory / path).unlink()
