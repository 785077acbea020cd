"""Download a build and show how far it is: ``fetch.py NVR DIRECTORY [ARCH...]``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, KojiException, Progress, run


def show(progress: Progress) -> None:
    megabytes = progress.done / 1e6
    print(f"\r{megabytes:.1f} of {progress.total / 1e6:.1f} MB", end="", file=sys.stderr)


async def main(reactor: Any, nvr: str, directory: str, *arches: str) -> None:
    koji = Connection("koji", reactor=reactor)
    try:
        paths = await koji.download_build(nvr, directory, arches=arches or None, progress=show)
    except KojiException as error:
        sys.exit(f"\n{error}")
    print(file=sys.stderr)
    for path in paths:
        print(path)
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
