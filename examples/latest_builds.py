"""Print the latest builds of a tag: ``latest_builds.py TAG [PACKAGE]``."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from txkoji import Connection


async def main(reactor: Any, tag: str, package: str | None = None) -> None:
    koji = Connection("koji", reactor=reactor)
    for build in await koji.getLatestBuilds(tag, package=package):
        print(f"{build.nvr}  {build.completed:%Y-%m-%d %H:%M}  {build.owner_name}  {build.url}")
    await koji.close()


if __name__ == "__main__":
    react(lambda *args: Deferred.fromCoroutine(main(*args)), sys.argv[1:])
