"""Print what is tagged and untagged, and resume there next time: ``follow.py FILE TAG...``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from txkoji import Connection, Interest, run


def load(path: str) -> Any:
    """Return what was stored, None the first time."""
    return json.loads(Path(path).read_text(encoding="utf-8")) if Path(path).exists() else None


def save(path: str, state: Any) -> None:
    """Store how far the program has come."""
    Path(path).write_text(json.dumps(state), encoding="utf-8")


async def main(reactor: Any, path: str, tag: str, *tags: str) -> None:
    koji = Connection("koji", reactor=reactor)
    state = load(path)
    interest = Interest(frozenset({"tagged", "untagged"}), tags=(tag, *tags))
    follower = koji.follow(interest, state=state, since=0.0 if state is None else None)
    async for event in follower:
        assert event.build is not None
        print(event.name, event.build.nvr, event.tag_name, flush=True)
        save(path, follower.state)


if __name__ == "__main__":
    run(main, *sys.argv[1:])
