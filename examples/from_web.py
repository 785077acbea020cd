"""Print what a page of kojiweb shows: ``from_web.py URL``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, run


async def main(reactor: Any, url: str) -> None:
    koji = Connection.connect_from_web(url)
    if koji is None:
        sys.exit(f"no profile has the pages of {url}")
    found = await koji.from_web(url)
    if found is None:
        sys.exit(f"{url} shows nothing that the hub has")
    for key, value in sorted(found.items()):
        print(f"{key}: {value}")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
