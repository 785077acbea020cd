"""The digest that an RPM file carries, and whether its content matches. Reads only the file.

The layout is that of RPM's own documentation: a lead of 96 bytes, the signature header, padded to
a multiple of 8, then the header and the payload, whose MD5 the signature header holds.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

LEAD = 96
MAGIC = b"\x8e\xad\xe8"
SIGMD5 = 1004
LIMIT = 1 << 24
"""Bytes of a signature header; a larger one is no RPM's."""

PIECE = 1 << 20


def payload_hash(path: Path) -> str:
    """Compare an RPM file with the digest that it holds. Blocks while the file is read.

    Returns:
        The digest in hex: what Koji calls the RPM's ``payloadhash``.

    Raises:
        ValueError: it is no RPM file, or its content does not match its digest.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        head = file.read(LEAD + 16)
        if head[LEAD : LEAD + 3] != MAGIC or len(head) < LEAD + 16:
            raise ValueError("it is no RPM file")
        number, size = struct.unpack_from(">II", head, LEAD + 8)
        length = 16 * number + size
        if length > LIMIT:
            raise ValueError("it is no RPM file")
        header = file.read(length + -length % 8)
        digest = _sigmd5(header, number)
        content = hashlib.md5(usedforsecurity=False)
        while piece := file.read(PIECE):
            content.update(piece)
    if content.digest() != digest:
        raise ValueError("its content does not match its digest")
    return digest.hex()


def _sigmd5(header: bytes, number: int) -> bytes:
    for item in range(number):
        entry = header[16 * item : 16 * item + 16]
        if len(entry) < 16:
            break
        tag, _, offset, count = struct.unpack(">IIII", entry)
        if tag == SIGMD5 and count == 16:
            start = 16 * number + offset
            return header[start : start + 16]
    raise ValueError("it holds no digest of its content")
