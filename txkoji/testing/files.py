"""The embedded hub's file tree, in memory: what a real one has under ``/mnt/koji``."""

from __future__ import annotations

from collections.abc import Callable, Iterator


class FileTree:
    """Files by their paths relative to the hub's top directory.

    Directories exist where files are below them. Paths have no leading or doubled slashes and no
    ``..``: callers that take a path from outside check it first.

    Args:
        seconds: gives the time, in seconds since the epoch.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._content: dict[str, bytearray] = {}
        self._modified: dict[str, float] = {}

    def write(self, path: str, data: bytes) -> None:
        """Store a file, in place of the one that may be there."""
        self._content[path] = bytearray(data)
        self._modified[path] = self._seconds()

    def write_at(self, path: str, offset: int, data: bytes, *, truncate: bool = False) -> None:
        """Write into a file at an offset; a gap before it is filled with zeros."""
        content = self._content.setdefault(path, bytearray())
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data
        if truncate:
            del content[offset + len(data) :]
        self._modified[path] = self._seconds()

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a file, made if need be."""
        self._content.setdefault(path, bytearray()).extend(data)
        self._modified[path] = self._seconds()

    def copy(self, source: str, destination: str) -> None:
        """Copy a file."""
        self.write(destination, bytes(self._content[source]))

    def read(self, path: str, offset: int = 0, size: int = -1) -> bytes:
        """Return bytes of a file: ``size`` from ``offset`` on, -1 for all that follow."""
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
        """Tell whether there is a file (not a directory) at the path."""
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
