"""List the principals in a keytab, and tell whether ours is one. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from txkoji._values import shown

_VERSION = b"\x05\x02"


def principals(data: bytes) -> set[str] | None:
    """Return the principals whose keys a keytab holds, ``name@REALM`` each.

    Returns:
        The principals; None if it is broken, or not a keytab of the version in use since 1995.
    """
    if not data.startswith(_VERSION):
        return None
    try:
        return set(_read(data))
    except (struct.error, UnicodeDecodeError):
        return None


def keytab_problem(data: bytes, principal: str | None) -> str | None:
    """Return why a keytab can't be used, as the rest of a sentence that names it; None if it can.

    Args:
        data: the content of the file.
        principal: the principal that logs in, with or without a realm; None for any in it.
    """
    found = principals(data)
    if found is None:
        return "is no keytab that Kerberos can read: check it with klist -k"
    if principal is None:
        return None if found else "has no key"
    without = {each.partition("@")[0] for each in found}
    if principal in found or ("@" not in principal and principal in without):
        return None
    known = ", ".join(sorted(found)) or "nobody"
    return f"has no key of the principal {shown(principal)}; it has keys of {known}"


def _read(data: bytes) -> Iterator[str]:
    at = len(_VERSION)
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size == 0:
            return
        # A negative size marks the hole that a removed key left.
        if size > 0:
            yield _principal(data[at : at + size])
        at += abs(size)


def _principal(entry: bytes) -> str:
    (count,) = struct.unpack_from(">H", entry)
    at, parts = 2, []
    for _ in range(count + 1):
        (size,) = struct.unpack_from(">H", entry, at)
        part = struct.unpack_from(f"{size}s", entry, at + 2)[0]
        parts.append(part.decode())
        at += 2 + size
    realm, *names = parts
    return f"{'/'.join(names)}@{realm}"
