"""The command ``buildbot-koji``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import globalLogBeginner, textFileLogObserver

PUSH = (
    "author=me&comments=mine&project=hello&revision=abc"
    "&repository=https://git.example.test/rpms/hello.git"
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="buildbot-koji", description="Koji in Buildbot.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="a Buildbot master with an embedded Koji hub, on this machine",
        description="Run example_master.cfg in a Buildbot master, with its pages, its workers and"
        " an embedded Koji hub, until Ctrl-C.",
    )
    demo.add_argument(
        "--dir", type=Path, help="the base directory, new or empty (default: a temporary one)"
    )
    demo.add_argument("--once", action="store_true", help="run one build, print it, and end")
    demo.add_argument(
        "--package", default="hello", help="what --once builds; failarch fails (default: hello)"
    )
    demo.add_argument(
        "--build-seconds", type=float, default=10.0, help="how long a build takes (default: 10)"
    )
    demo.add_argument(
        "--bus",
        metavar="URL",
        help="a RabbitMQ for the hub's messages, such as amqp://guest:guest@127.0.0.1",
    )
    doctor = commands.add_parser(
        "doctor",
        help="what is wrong between this machine and a hub, and the remedy",
        description="Check a hub, or all that a master.cfg names: the way there, the login, tags,"
        " targets, packages, channels, files, brokers, the database. Nothing is changed anywhere."
        " The exit status is 0 if all is well, 1 for warnings, 2 for errors.",
    )
    doctor.add_argument("profile", nargs="?", help="the hub's profile (default: koji)")
    doctor.add_argument(
        "--config", type=Path, metavar="FILE", help="check what this master.cfg names instead"
    )
    doctor.add_argument("--json", action="store_true", help="write one JSON value")
    return parser


def _doctor(parsed: argparse.Namespace) -> int:
    if parsed.config is not None and not parsed.config.is_file():
        print(f"there is no file {parsed.config}", file=sys.stderr)
        return 2
    try:
        from buildbot_koji.cli.doctor.command import examine
    except ModuleNotFoundError as error:
        print(f"doctor needs {error.name}: pip install 'buildbot-koji[master]'", file=sys.stderr)
        return 2
    from twisted.internet.task import react

    status = [2]

    async def run(reactor: Any) -> None:
        status[0] = await examine(
            reactor,
            sys.stdout,
            profile=parsed.profile,
            config=parsed.config,
            as_json_text=parsed.json,
        )

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as ended:
        if ended.code:
            return 2
    return status[0]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status.

    Args:
        arguments: the command line without the program's name, by default the process's own.
    """
    parsed = _parser().parse_args(arguments)
    if parsed.command == "doctor":
        return _doctor(parsed)
    try:
        from buildbot_koji.cli.demo import Demo, DemoError
    except ModuleNotFoundError as error:
        print(f"the demo needs {error.name}: pip install 'buildbot-koji[master]'", file=sys.stderr)
        return 1
    from twisted.internet import reactor

    demo = Demo(reactor, directory=parsed.dir, build_seconds=parsed.build_seconds, bus=parsed.bus)
    try:
        directory = demo.prepare()
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    status = [0]

    def end(result: int) -> None:
        status[0] = result
        if result or parsed.once:
            stop()

    def broken(failure: Any) -> None:
        known = isinstance(failure.value, DemoError)
        print(failure.value if known else failure.getTraceback(), file=sys.stderr)
        status[0] = 1
        stop()

    def stop() -> None:
        if reactor.running:
            reactor.stop()

    # The log lives as long as the process.
    log = (directory / "twistd.log").open("a", encoding="utf-8")
    globalLogBeginner.beginLoggingTo([textFileLogObserver(log)], redirectStandardIO=False)
    reactor.callWhenRunning(
        lambda: Deferred.fromCoroutine(_run(demo, parsed)).addCallbacks(end, broken)
    )
    reactor.run()
    return status[0]


async def _run(demo: Any, parsed: argparse.Namespace) -> int:
    await demo.start()
    if parsed.once:
        return 0 if await demo.build_once(parsed.package, sys.stdout) else 1
    print(f"Buildbot runs at   {demo.url}")
    print(f"an embedded hub at {demo.hub.url}")
    if demo.no_bus is None:
        print("The hub tells of new builds by a message bus.")
    else:
        print(f"New builds are looked for now and then; no message bus: {demo.no_bus}")
    print(f"To build something, open {await demo.build_page()},")
    print('press "Build a package", then "Start Build". The package failarch does not build.')
    print('The builder "chain" has the button "Build an update": two packages in a side tag.')
    print("Each build that gets into the tag is tested. To push a commit, as a git server does:")
    print(f"  curl -d '{PUSH}' {demo.url}change_hook/base")
    print("Ctrl-C ends it.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
