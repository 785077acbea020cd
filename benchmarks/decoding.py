"""Decoding the reply of ``listTagged`` for a whole distribution: 48 MB, 18,900 builds.

Peers: the parser of Koji's official client, fed in the pieces in which that client reads a reply,
and a pass of expat that builds nothing, the least that any reader on expat costs.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

from koji import xmlrpcplus

from txkoji.hub.xmlrpc import ResponseDecoder

BUILDS = 18_900
PIECE = 65_536
"""Bytes that Twisted reads from a socket at a time."""

OFFICIAL_PIECE = 8192
"""Bytes that the official client reads at a time."""

ROUNDS = 3


def build(number: int) -> dict[str, Any]:
    """Return a build as ``listTagged`` gives it."""
    name = f"package-{number % 5000}"
    nvr = f"{name}-1.{number}-1.fc44"
    return {
        "build_id": 2_500_000 + number,
        "cg_id": None,
        "completion_time": "2026-10-07 12:41:09.413920",
        "completion_ts": 1790512869.41392 + number,
        "creation_event_id": 90_000_000 + number,
        "creation_time": "2026-10-07 12:11:09.413920",
        "creation_ts": 1790511069.41392 + number,
        "draft": False,
        "epoch": None if number % 7 else 1,
        "extra": {
            "source": {"original_url": f"git+https://src.example.org/rpms/{name}.git#{number:040x}"}
        },
        "id": 2_500_000 + number,
        "name": name,
        "nvr": nvr,
        "owner_id": number % 300,
        "owner_name": f"packager{number % 300}",
        "package_id": 1000 + number % 5000,
        "package_name": name,
        "promoter_id": None,
        "promotion_time": None,
        "release": "1.fc44",
        "source": f"git+https://src.example.org/rpms/{name}.git#{number:040x}",
        "start_time": "2026-10-07 12:11:09.413920",
        "state": 1,
        "tag_id": 77_000,
        "tag_name": "f44-updates",
        "task_id": 130_000_000 + number,
        "volume_name": "DEFAULT & friends",
    }


def reply() -> bytes:
    """Return the reply as a hub writes it."""
    builds = [build(number) for number in range(BUILDS)]
    return bytes(xmlrpcplus.dumps((builds,), methodresponse=True, allow_none=True).encode("utf-8"))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def official(data: bytes) -> tuple[Any, float]:
    """Decode with the official client's parser; returns the value, and no stall: it blocks."""
    parser, unmarshaller = xmlrpcplus.getparser()
    for piece in pieces(data, OFFICIAL_PIECE):
        parser.feed(piece)
    parser.close()
    return unmarshaller.close()[0], 0.0


def ours(data: bytes) -> tuple[Any, float]:
    """Decode with ours; returns the value and the longest that one piece took."""
    decoder = ResponseDecoder()
    longest = 0.0
    for piece in pieces(data, PIECE):
        begin = time.perf_counter()
        decoder.feed(piece)
        longest = max(longest, time.perf_counter() - begin)
    begin = time.perf_counter()
    value = decoder.close()
    return value, max(longest, time.perf_counter() - begin)


def bare(data: bytes) -> tuple[Any, float]:
    """Let expat pass over it, with handlers that do nothing."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = parser.EndElementHandler = lambda *_: None
    parser.CharacterDataHandler = lambda *_: None
    for piece in pieces(data, PIECE):
        parser.Parse(piece, False)
    parser.Parse(b"", True)
    return None, 0.0


def timed(decode: Callable[[bytes], tuple[Any, float]], data: bytes) -> tuple[Any, float, float]:
    """Return the value, the shortest of some rounds, and the longest stall of that round."""
    rounds = []
    value = None
    for _ in range(ROUNDS):
        value = None
        gc.collect()
        begin = time.perf_counter()
        value, stall = decode(data)
        rounds.append((time.perf_counter() - begin, stall))
    return (value, *min(rounds))


def memory_ratio(data: bytes) -> float:
    """Return the peak of a process that decodes the reply over what the objects take in the end."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "reply"
        path.write_bytes(data)
        command = [sys.executable, "-m", "benchmarks.decoding", str(path)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(output)


def _resident(key: str = "VmRSS") -> int:
    """Return the resident kibibytes of this process, now or (``VmHWM``) at their peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def _measure_memory(path: str) -> float:
    decoder = ResponseDecoder()
    before = _resident()
    with Path(path).open("rb") as file:
        while piece := file.read(PIECE):
            decoder.feed(piece)
    value = decoder.close()
    del decoder
    gc.collect()
    assert len(value) == BUILDS
    return (_resident("VmHWM") - before) / (_resident() - before)


def run() -> list[tuple[str, str, float, str]]:
    """Measure; returns rows of name, peer, figure and unit."""
    data = reply()
    megabytes = len(data) / 1e6
    theirs, official_seconds, _ = timed(official, data)
    mine, seconds, stall = timed(ours, data)
    assert mine == theirs, "the decoders disagree"
    _, bare_seconds, _ = timed(bare, data)
    name = f"decode listTagged, {megabytes:.0f} MB"
    return [
        (name, "official client", megabytes / official_seconds, "MB/s"),
        (name, "txkoji", megabytes / seconds, "MB/s"),
        (name, "bare expat pass", megabytes / bare_seconds, "MB/s"),
        (f"{name}: times the official client", "txkoji", official_seconds / seconds, "x"),
        (f"{name}: longest stall", "txkoji", stall * 1000, "ms"),
        (f"{name}: peak memory over result", "txkoji", memory_ratio(data), "x"),
    ]


if __name__ == "__main__":
    print(_measure_memory(sys.argv[1]))
