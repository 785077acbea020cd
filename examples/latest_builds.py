"""Print the latest builds of a tag: ``latest_builds.py TAG [PACKAGE]``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, run


async def main(reactor: Any, tag: str, package: str | None = None) -> None:
    koji = Connection("koji", reactor=reactor)
    for build in await koji.getLatestBuilds(tag, package=package):
        print(f"{build.nvr}  {build.completed:%Y-%m-%d %H:%M}  {build.owner_name}  {build.url}")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
