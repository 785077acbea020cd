"""Run the benchmarks that are named, or all of them, and print one table."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys

BENCHMARKS = (
    "decoding",
    "calls",
    "connections",
    "files",
    "waiting",
    "watching",
    "bus",
    "changes",
    "mass",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or BENCHMARKS
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(
            f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}"
        )
    machine = f"{os.cpu_count()} processors, {platform.machine()}"
    print(f"{platform.python_implementation()} {platform.python_version()}, {machine}")
    rows = []
    for name in names:
        print(f"measuring: {name}", file=sys.stderr)
        rows += importlib.import_module(f"benchmarks.{name}").run()
    width_name = max(len(name) for name, *_ in rows)
    width_peer = max(len(peer) for _, peer, *_ in rows)
    for name, peer, figure, unit in rows:
        print(f"{name:<{width_name}}  {peer:<{width_peer}}  {figure:>12,.3f} {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
