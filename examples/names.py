"""Print who owns the newest builds, asking for each name once in a week: ``names.py``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, run


async def main(reactor: Any) -> None:
    koji = Connection("koji", reactor=reactor)
    for build in await koji.listBuilds(queryOpts={"limit": 10, "order": "-build_id"}):
        print(f"{build.nvr}: {await koji.cache.user_name(build.owner_id)}")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
