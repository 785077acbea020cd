"""List a tag's latest builds in a program that runs on asyncio: ``asyncio_program.py TAG``."""

from __future__ import annotations

import asyncio
import sys

from txkoji import aio
from txkoji.exceptions import KojiException


async def main(tag: str) -> None:
    try:
        async with aio.connect("koji") as koji:
            for build in await asyncio.wait_for(koji.getLatestBuilds(tag), timeout=60):
                print(build.nvr)
            async for package in koji.pages("listPackages", tag, page_size=100):
                print(package.package_name)
    except KojiException as error:
        sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
