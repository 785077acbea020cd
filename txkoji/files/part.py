"""A file while it is downloaded: hidden until it is complete and verified, never too large.

The client and the program that fetches on a worker share it: Python's own library only, from 3.9.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO, Optional

from txkoji.files.rpm import payload_hash
from txkoji.front_ends import LIKE_A_PAGE, PAGE_SUFFIXES

RPM = "rpm"
"""The kind of the digest inside an RPM."""

GROWTH = 256 * 1024 * 1024
"""Bytes by which a log may have grown since the hub reported its size."""

PIECE = 1 << 20

PAGE_START = 1024
"""Bytes at the start of a file that show whether it is a web page."""

LONGEST_NAME = 255
"""Bytes of the name of a file."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def is_plain(name: str) -> bool:
    """Return whether a name has no character that breaks the line that it is printed to."""
    return _CONTROL.search(name) is None


def part_of(target: Path, taken: Collection[Path] = ()) -> Path:
    """Return where to write a file until it is complete: a path that no other file has."""
    name = f".{target.name}.part"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.part"
    part = target.with_name(name)
    while part in taken:
        part = part.with_name(f"{part.name}~")
    return part


# Python 3.9, which may run this on a worker, has no X | Y.
def shared_path(targets: Iterable[Path]) -> Optional[str]:  # noqa: UP045
    """Return the path of two files, if there is one."""
    # Windows ignores case.
    counts = Counter(map(os.path.normcase, targets))
    return next((path for path, count in counts.items() if count > 1), None)


class TooMuch(Exception):
    """More bytes arrived than the hub announced."""


class PartFile:
    """A file being downloaded: ``.name.part`` until it is complete.

    Args:
        target: where it goes.
        size: its size in bytes, None if unknown.
        digest: the kind (``md5``, ``sha1``, ``sha256``, or :data:`RPM`) and the hex digits; empty
            digits are not compared. None for no digest.
        grows: it may have grown since the hub reported its size.
        taken: the paths of files that are downloaded along with it.

    Attributes:
        resumed: whether it is put together from several answers: a mismatch may come from a part
            of another file.
    """

    def __init__(
        self,
        target: Path,
        size: Optional[int] = None,  # noqa: UP045
        digest: Optional[tuple[str, str]] = None,  # noqa: UP045
        *,
        grows: bool = False,
        taken: Collection[Path] = (),
    ) -> None:
        self.target = target
        self.part = part_of(target, taken)
        self.size = size
        self.digest = digest
        self.resumed = False
        self._limit = None if size is None else size + (GROWTH if grows else 0)
        self._grows = grows
        self._file: Optional[BinaryIO] = None  # noqa: UP045
        self._position = 0
        # The first bytes, as far as they were received by this object.
        self._start = b""

    @property
    def have(self) -> int:
        """How many bytes are present."""
        try:
            return self.part.lstat().st_size
        except FileNotFoundError:
            return 0

    def keep(self) -> int:
        """Return how many bytes need not be requested: a page that was cut is removed."""
        if self.have != self.size and self._is_page():
            self.discard()
        return self.have

    def _is_page(self) -> bool:
        """Return whether it began as a page does that is not asked for."""
        is_wanted = self.target.suffix in PAGE_SUFFIXES
        return not is_wanted and LIKE_A_PAGE.match(self._start) is not None

    @property
    def is_complete(self) -> bool:
        """Whether all announced bytes are present, so that nothing needs to be requested."""
        return self.size is not None and 0 < self.size <= self.have

    def prepare(self) -> None:
        """Create the directory, and remove a part that can't be from an earlier download."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        try:
            left = self.part.lstat()
        except FileNotFoundError:
            return
        # A link would redirect the download to another file.
        is_ours = stat.S_ISREG(left.st_mode) and left.st_nlink == 1
        # Nothing shows whether it is of this file.
        is_unknown = self.size is None and self.digest is None
        is_larger = self._limit is not None and left.st_size > self._limit
        if not is_ours or is_unknown or is_larger:
            self.part.unlink()
        self.resumed = self.have > 0

    def begin(self, offset: int) -> None:
        """Start writing at an offset."""
        self.close()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | (0 if offset else os.O_TRUNC)
        self._file = os.fdopen(os.open(self.part, flags, 0o666), "r+b")
        self._file.seek(offset)
        self._file.truncate()
        self._position = offset
        if not offset:
            self._start = b""
        self.resumed = self.resumed or offset > 0

    def write(self, data: bytes) -> None:
        """Write the next bytes.

        Raises:
            TooMuch: the file would become larger than it can be.
        """
        assert self._file is not None
        if self._position == len(self._start) < PAGE_START:
            self._start += data[:PAGE_START]
        if self._limit is not None and self._position + len(data) > self._limit:
            self._file.write(data[: self._limit - self._position])
            self._position = self._limit
            raise TooMuch(f"more than the {self._limit:,} bytes that the hub announces arrived")
        self._file.write(data)
        self._position += len(data)

    def close(self) -> None:
        """Close the file; its content stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def is_proven(self) -> bool:
        """Return whether size or digest show that nothing is missing, however the reply ended."""
        is_known = self.size is not None or self.digest is not None
        return is_known and self.part.exists() and not self.trouble()

    def trouble(self) -> str:
        """Verify size and digest; return what is wrong, or an empty string."""
        size = self.have
        if self.size is not None and (size < self.size or (size > self.size and not self._grows)):
            return f"it has {size:,} bytes instead of {self.size:,}"
        if self.digest is None:
            is_page = size != self.size and self._is_page()
            return "a web page came instead of the file" if is_page else ""
        kind, wanted = self.digest
        try:
            found = payload_hash(self.part) if kind == RPM else _digest(self.part, kind)
        except ValueError as error:
            return str(error)
        return "" if wanted in ("", found) else f"its {kind} digest is {found} instead of {wanted}"

    def may_change(self) -> bool:
        """Return whether what arrived whole, and has trouble, may be a front end's page.

        One of the announced size is the file as the hub has it. A page need not say that it is one.
        """
        return (self.size is not None and self.have < self.size) or self._is_page()

    def discard(self) -> None:
        """Remove the part."""
        self.close()
        self.part.unlink(missing_ok=True)
        self.resumed = False

    def finish(self) -> None:
        """Give the file its name."""
        self.part.replace(self.target)


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
