"""Small but valid RPM files (format 4), so that clients can verify what they download.

Pure. The layout is the one of the RPM file format: a lead, a signature header with the digests, the
header, and a gzipped cpio archive.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
from collections.abc import Iterable
from typing import Any

_INT16, _INT32, _STRING, _BINARY, _STRINGS, _I18N = 3, 4, 6, 7, 8, 9
_SIGNATURE_REGION, _HEADER_REGION = 62, 63
_NUMBERS = {_INT16: ("H", 2), _INT32: ("I", 4)}
"""The codes of whole numbers, and their sizes in bytes."""

_TAGS = {
    name: int(number)
    for name, number in re.findall(
        r"\b(\w+)\s+(\d+)",
        """
        NAME 1000, VERSION 1001, RELEASE 1002, SUMMARY 1004, DESCRIPTION 1005, BUILDTIME 1006, SIZE
        1009, LICENSE 1014, GROUP 1016, OS 1021, ARCH 1022, FILESIZES 1028, FILEMODES 1030,
        FILEMTIMES 1034, FILEDIGESTS 1035, FILEFLAGS 1037, FILEUSERNAME 1039, FILEGROUPNAME 1040,
        SOURCERPM 1044, SOURCEPACKAGE 1106, DIRINDEXES 1116, BASENAMES 1117, DIRNAMES 1118,
        PAYLOADFORMAT 1124, PAYLOADCOMPRESSOR 1125, PAYLOADFLAGS 1126, FILEDIGESTALGO 5011
        """,
    )
}
_SHA256, _SPEC_FILE, _REGULAR = 8, 32, 0o100644
_OF_FILES = {
    _TAGS[name] for name in ("FILESIZES", "FILEMODES", "FILEMTIMES", "FILEFLAGS", "DIRINDEXES")
}
"""The tags that have a number for each file."""

_SINGLE = """
    ARCHIVESIZE BUGURL BUILDHOST COOKIE DISTRIBUTION DISTTAG DISTURL ENCODING EPOCH EVR NEVR
    NEVRA NVR NVRA OPTFLAGS PACKAGER PKGID PLATFORM POSTIN POSTTRANS POSTUN PREIN PRETRANS PREUN
    RHNPLATFORM SIGMD5 SIGSIZE SOURCEPKGID URL VCS VENDOR VERIFYSCRIPT
    """
_MANY = """
    CHANGELOGNAME CHANGELOGTEXT CHANGELOGTIME CONFLICTFLAGS CONFLICTNAME CONFLICTVERSION
    ENHANCENAME EXCLUDEARCH EXCLUSIVEARCH FILECLASS FILEDEVICES FILEINODES FILELANGS FILELINKTOS
    FILENAMES FILERDEVS FILEVERIFYFLAGS OBSOLETEFLAGS OBSOLETENAME OBSOLETEVERSION PATCH
    PROVIDEFLAGS PROVIDENAME PROVIDEVERSION RECOMMENDNAME REQUIREFLAGS REQUIRENAME
    REQUIREVERSION SOURCE SUGGESTNAME SUPPLEMENTNAME TRIGGERNAME
    """
"""The fields that these files lack: those with one value, and those with a list."""

_SIG_RSA, _SIG_SHA1, _SIG_SHA256, _SIG_SIZE, _SIG_MD5 = 268, 269, 273, 1000, 1004


def _header(entries: list[tuple[int, int, Any]], region: int) -> bytes:
    """Lay out a header whose entries all belong to an immutable region."""
    index = b""
    data = b""
    for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
        code, size = _NUMBERS.get(kind, ("", 1))
        data += bytes(-len(data) % size)
        values = value if isinstance(value, list) else [value]
        count = len(value) if kind == _BINARY else len(values)
        index += struct.pack(">IIII", tag, kind, len(data), count)
        if code:
            data += struct.pack(f">{count}{code}", *values)
        elif kind == _BINARY:
            data += bytes(value)
        else:
            data += b"".join(f"{each}\0".encode() for each in values)
    number = len(entries) + 1
    trailer = struct.pack(">IIiI", region, _BINARY, -16 * number, 16)
    index = struct.pack(">IIII", region, _BINARY, len(data), 16) + index
    data += trailer
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", number, len(data)) + index + data


def _cpio(files: dict[str, bytes]) -> bytes:
    archive = b""
    for name, content in {**files, "TRAILER!!!": b""}.items():
        # Inode, mode, user, group, links, time, size, four numbers of devices, length of the name.
        fields = (0, _REGULAR if name in files else 0, 0, 0, 1, 0, len(content), 0, 0, 0, 0)
        archive += b"070701" + b"".join(b"%08x" % each for each in (*fields, len(name) + 1, 0))
        archive += name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + content
        archive += bytes(-len(archive) % 4)
    return archive


SUMMARY = "A package of the embedded hub"


def make_rpm(
    name: str,
    version: str,
    release: str,
    arch: str,
    *,
    source: bool = False,
    buildtime: int = 0,
    padding: int = 0,
) -> bytes:
    """Make an RPM file; returns its bytes.

    Args:
        name: the package's name.
        version: its version.
        release: its release.
        arch: its architecture; for a source RPM the one of its builder.
        source: make a source RPM.
        buildtime: seconds since the epoch.
        padding: bytes to add to its description, to make it larger.
    """
    spec = f"Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: {SUMMARY}\n".encode()
    files = {f"{name}.spec": spec} if source else {}
    nvr = {"NAME": name, "VERSION": version, "RELEASE": release}
    values: dict[str, tuple[int, Any]] = {
        **_ALWAYS,
        **{tag: (_STRING, text) for tag, text in nvr.items()},
        "DESCRIPTION": (_I18N, SUMMARY + "." * padding),
        "BUILDTIME": (_INT32, buildtime),
        "SIZE": (_INT32, sum(map(len, files.values()))),
        "ARCH": (_STRING, "noarch" if source else arch),
    }
    if source:
        values |= _of_spec(f"{name}.spec", spec, buildtime)
    else:
        values["SOURCERPM"] = (_STRING, f"{'-'.join(nvr.values())}.src.rpm")
    header = _header([(_TAGS[tag], *each) for tag, each in values.items()], _HEADER_REGION)
    return _lead("-".join(nvr.values()), source) + _signed(
        header, gzip.compress(_cpio(files), mtime=0)
    )


_ALWAYS: dict[str, tuple[int, Any]] = {
    "SUMMARY": (_I18N, SUMMARY),
    "LICENSE": (_STRING, "MIT"),
    "GROUP": (_I18N, "Unspecified"),
    "OS": (_STRING, "linux"),
    "PAYLOADFORMAT": (_STRING, "cpio"),
    "PAYLOADCOMPRESSOR": (_STRING, "gzip"),
    "PAYLOADFLAGS": (_STRING, "9"),
}
"""The tags that are the same in each file."""


def _of_spec(file: str, spec: bytes, mtime: int) -> dict[str, tuple[int, Any]]:
    """Return the tags of a source RPM, which holds its spec file only."""
    return {
        "SOURCEPACKAGE": (_INT32, 1),
        "FILESIZES": (_INT32, [len(spec)]),
        "FILEMODES": (_INT16, [_REGULAR]),
        "FILEMTIMES": (_INT32, [mtime]),
        "FILEDIGESTS": (_STRINGS, [hashlib.sha256(spec).hexdigest()]),
        "FILEFLAGS": (_INT32, [_SPEC_FILE]),
        "FILEUSERNAME": (_STRINGS, ["kojibuilder"]),
        "FILEGROUPNAME": (_STRINGS, ["mock"]),
        "DIRINDEXES": (_INT32, [0]),
        "BASENAMES": (_STRINGS, [file]),
        "DIRNAMES": (_STRINGS, [""]),
        "FILEDIGESTALGO": (_INT32, _SHA256),
    }


def _lead(nvr: str, source: bool) -> bytes:
    named = nvr.encode()[:65]
    return struct.pack(">IBBHH66sHH16x", 0xEDABEEDB, 3, 0, int(source), 1, named, 1, 5)


def _signed(header: bytes, payload: bytes) -> bytes:
    """Return the rest of an RPM file, with the digests of header and payload before them."""
    body = header + payload
    signature = _header(
        [
            (_SIG_SHA1, _STRING, hashlib.sha1(header).hexdigest()),
            (_SIG_SHA256, _STRING, hashlib.sha256(header).hexdigest()),
            (_SIG_SIZE, _INT32, len(body)),
            (_SIG_MD5, _BINARY, hashlib.md5(body).digest()),
        ],
        _SIGNATURE_REGION,
    )
    return signature + bytes(-len(signature) % 8) + body


def _entries(data: bytes, start: int) -> tuple[dict[int, Any], int]:
    """Read a header at an offset: its entries, and where it ends."""
    if data[start : start + 3] != b"\x8e\xad\xe8":
        raise ValueError("not an RPM file")
    number, size = struct.unpack_from(">II", data, start + 8)
    store = start + 16 + 16 * number
    found: dict[int, Any] = {}
    for item in range(number):
        tag, kind, offset, count = struct.unpack_from(">IIII", data, start + 16 + 16 * item)
        at = store + offset
        if kind in _NUMBERS:
            values = list(struct.unpack_from(f">{count}{_NUMBERS[kind][0]}", data, at))
            found[tag] = values if tag in _OF_FILES else values[0]
        elif kind == _BINARY:
            found[tag] = data[at : at + count]
        else:
            texts = data[at:].split(b"\0", count)[:count]
            found[tag] = (
                [each.decode() for each in texts] if kind == _STRINGS else texts[0].decode()
            )
    return found, store + size


def payload_hash(data: bytes) -> str:
    """Return the SIGMD5 of an RPM file in hex: what Koji calls its ``payloadhash``.

    Raises:
        ValueError: the data is not an RPM file.
    """
    return str(_entries(data, 96)[0][_SIG_MD5].hex())


def headers(data: bytes) -> dict[str, Any]:
    """Return the plain header tags of an RPM file by their names.

    Raises:
        ValueError: the data is not an RPM file.
    """
    _, end = _entries(data, 96)
    found, _ = _entries(data, end + (-end % 8))
    return {name: found[tag] for name, tag in _TAGS.items() if tag in found}


def header_fields(data: bytes, names: Iterable[str]) -> dict[str, Any]:
    """Return the header fields of an RPM file, by their names in any case.

    Raises:
        ValueError: the data is not an RPM file.
        KeyError: there is no such field.
    """
    known: dict[str, Any] = dict.fromkeys((*_TAGS, *_SINGLE.split()))
    known.update({name: [] for name in _MANY.split()}, **headers(data))
    return {name: known[name.upper()] for name in names}


def list_files(data: bytes) -> list[dict[str, Any]]:
    """Return the files in an RPM file, as Koji describes them.

    Raises:
        ValueError: the data is not an RPM file.
    """
    tags = headers(data)
    columns = {
        "name": "BASENAMES",
        "digest": "FILEDIGESTS",
        "md5": "FILEDIGESTS",
        "size": "FILESIZES",
        "flags": "FILEFLAGS",
        "user": "FILEUSERNAME",
        "group": "FILEGROUPNAME",
        "mtime": "FILEMTIMES",
        "mode": "FILEMODES",
    }
    rows = zip(*(tags.get(tag, ()) for tag in columns.values()), strict=True)
    return [{**dict(zip(columns, row, strict=True)), "digest_algo": "sha256"} for row in rows]


def _key_packet(key_id: str) -> bytes:
    """Make an OpenPGP signature packet (version 3) that names a key and signs nothing."""
    body = bytes((3, 5, 0)) + bytes(4) + bytes.fromhex(key_id.rjust(16, "0"))
    body += bytes((1, 8)) + bytes(2) + b"\0\x08\xff"
    return bytes((0x88, len(body))) + body


def signed_header(data: bytes, key_id: str) -> bytes:
    """Return the signature header of an RPM file after a key has signed it.

    Args:
        data: the file.
        key_id: the key's id in hex, at most 16 digits.

    Raises:
        ValueError: the data is not an RPM file.
    """
    found, _ = _entries(data, 96)
    kinds = {_SIG_SHA1: _STRING, _SIG_SHA256: _STRING, _SIG_SIZE: _INT32, _SIG_MD5: _BINARY}
    entries = [(tag, kinds[tag], value) for tag, value in found.items() if tag in kinds]
    return _header([*entries, (_SIG_RSA, _BINARY, _key_packet(key_id))], _SIGNATURE_REGION)


def signing_key(header: bytes) -> str | None:
    """Return the last 8 hex digits of a signature header's key; None if it is not signed.

    Raises:
        ValueError: it is not a signature header.
    """
    packet = _entries(header, 0)[0].get(_SIG_RSA)
    if packet is None:
        return None
    return bytes(packet[9:17]).hex()[-8:]


def header_hash(header: bytes) -> str:
    """Return the SIGMD5 that a signature header holds, in hex."""
    return str(_entries(header, 0)[0][_SIG_MD5].hex())
