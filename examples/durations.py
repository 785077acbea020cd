"""Print how long packages take to build: ``durations.py PACKAGE...``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, estimates, run


async def main(reactor: Any, *packages: str) -> None:
    koji = Connection("koji", reactor=reactor)
    # One request for all of them.
    durations = await estimates.average_build_durations(koji, packages)
    for package, duration in zip(packages, durations, strict=True):
        print(f"{package}: {duration or 'never built'}")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
