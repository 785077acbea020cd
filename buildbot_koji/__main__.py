"""The command ``buildbot-koji``."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react
from twisted.logger import globalLogBeginner, textFileLogObserver

from buildbot_koji.cli import Mistake
from txkoji import one_line
from txkoji.exceptions import KojiException

VERSION = version("buildbot-koji")
PUSH = (
    "author=me&comments=mine&project=hello&revision=abc"
    "&repository=https://git.example.test/rpms/hello.git"
)


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="buildbot-koji", description="Koji in Buildbot.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    _add_doctor(commands)
    _add_example(commands)
    _add_init(commands)
    _add_watch(commands)
    _add_remote(commands)
    return parser


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="a Buildbot master with an embedded Koji hub, on this machine",
        description="Run example_master.cfg in a Buildbot master, with its pages, its workers and"
        " an embedded Koji hub, until Ctrl-C.",
    )
    demo.add_argument(
        "--dir",
        type=Path,
        help="the base directory: new, empty, or that of an earlier demo, which resumes (default:"
        " a temporary one)",
    )
    demo.add_argument("--once", action="store_true", help="run one build, print it, and end")
    demo.add_argument(
        "--idle",
        action="store_true",
        help="start without history and work (default: a day of builds, two commits, a"
        " real build and a rebuild of all packages)",
    )
    demo.add_argument(
        "--package", default="hello", help="what --once builds; failarch fails (default: hello)"
    )
    demo.add_argument(
        "--build-seconds", type=_seconds, default=10.0, help="how long a build takes (default: 10)"
    )
    demo.add_argument(
        "--bus",
        metavar="URL",
        help="a RabbitMQ for the hub's messages, such as amqp://guest:guest@127.0.0.1",
    )
    demo.set_defaults(run=_demo)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _add_doctor(commands: Any) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="find out what is wrong between this machine and a hub, and what to do",
        description="Check a hub, or all that a master.cfg names: the way there, the login, tags,"
        " targets, packages, channels, files, brokers, the database. Nothing is changed anywhere."
        " The exit status is 0 if all is well, 1 for warnings, 2 for errors.",
    )
    doctor.add_argument("profile", nargs="?", help="the hub's profile (default: koji)")
    doctor.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="check what this master.cfg, or that of a base directory, names instead",
    )
    doctor.add_argument("--json", action="store_true", help="write one JSON value with the same")
    doctor.set_defaults(run=_doctor)


def _add_example(commands: Any) -> None:
    example = commands.add_parser("example", help="print a whole master.cfg to copy from")
    example.set_defaults(run=_example)


def _add_init(commands: Any) -> None:
    init = commands.add_parser(
        "init",
        help="make a master that builds for a target",
        description="Make a base directory with a master.cfg that runs, after asking the hub.",
    )
    init.add_argument("directory", type=Path, help="the base directory, new or empty")
    init.add_argument("--profile", default="koji", help="the hub's profile (default: koji)")
    init.add_argument("--target", required=True, help="the build target of the packages")
    init.set_defaults(run=_init)


def _add_watch(commands: Any) -> None:
    watch = commands.add_parser(
        "watch",
        help="show a task and all below it until it ends",
        description="Show a task and all below it until it ends: in a terminal as a live tree,"
        " where rich is installed, else a line for each change. The exit status is 0 if it closed,"
        " 1 if it failed or was canceled.",
    )
    watch.add_argument("what", help="the id of a task, the NVR of a build, or a page's address")
    watch.add_argument("--profile", default="koji", help="the hub's profile (default: koji)")
    watch.set_defaults(run=_watch)


def _add_remote(commands: Any) -> None:
    for name, words in {
        "pause": "pause a change source of a running master",
        "resume": "resume a paused change source",
        "dead-letters": "list what a running master could not deliver",
    }.items():
        command = commands.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}, through its Koji pages. With --user, the"
            " password is taken from the environment variable BUILDBOT_PASSWORD.",
        )
        if name == "dead-letters":
            command.add_argument("reporter", nargs="?", help="one reporter (default: all)")
            command.add_argument(
                "--redeliver", action="store_true", help="retry those of the reporter"
            )
        else:
            command.add_argument("source", help="the name of the change source")
        command.add_argument("--url", required=True, help="the address of the master's web UI")
        command.add_argument("--user", help="who logs in there")
        command.set_defaults(run=_remote)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status.

    Args:
        arguments: the command line without the program's name, by default the process's own.
    """
    parsed = command_line().parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        # A hub's names and reasons may have what the terminal's character set lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    status = 2
    try:
        status = int(parsed.run(parsed))
        print(end="", flush=True)
    except ModuleNotFoundError as error:
        if str(error.name).startswith(("buildbot_koji", "txkoji")):
            raise
        remedy = "pip install 'buildbot-koji[master]'"
        print(f"{parsed.command} needs {error.name}: {remedy}", file=sys.stderr)
    except (Mistake, KojiException) as error:
        print(one_line(error), file=sys.stderr)
    except OSError as error:
        # Where our output goes: the disk is full, or a pager was left.
        status = 2
        if not isinstance(error, BrokenPipeError):
            print(f"{parsed.command} ends: {error.strerror}", file=sys.stderr)
        # At its end Python tries once more to write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        status = 130
    return status


def _in_reactor(work: Callable[[Any], Awaitable[int]]) -> int:
    """Run a coroutine function in the reactor, and return its exit status."""
    ended: list[int | BaseException] = []

    async def run(reactor: Any) -> None:
        _abandon_threads(reactor)
        try:
            ended.append(await work(reactor))
        except CancelledError:
            # Ctrl-C: the work has left the terminal as it was.
            return
        except Exception as error:  # noqa: BLE001 - raised again where the command ends
            ended.append(error)

    # Twisted prints what is logged as critical: the command says it in a line.
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)

    def start(reactor: Any) -> Deferred[None]:
        running = Deferred.fromCoroutine(run(reactor))
        reactor.addSystemEventTrigger("before", "shutdown", running.cancel)
        return running

    try:
        react(start)
    except SystemExit as stopped:
        if not ended:
            return int(stopped.code or 130)
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


def _abandon_threads(reactor: Any) -> None:
    """Let no thread keep the process alive: a KDC, resolver or database may never answer."""
    reactor.getThreadPool().threadFactory = partial(threading.Thread, daemon=True)
    # It would join them.
    reactor.removeSystemEventTrigger(reactor.threadpoolShutdownID)


def _doctor(parsed: argparse.Namespace) -> int:
    config = parsed.config
    if config is not None:
        if parsed.profile is not None:
            raise Mistake("name a profile or --config, not both")
        config = config / "master.cfg" if config.is_dir() else config
        if not config.is_file():
            raise Mistake(f"there is no file {config}")
    from buildbot_koji.cli.doctor.command import examine

    return _in_reactor(
        lambda reactor: examine(
            reactor,
            sys.stdout,
            profile=parsed.profile,
            config=config,
            as_json_text=parsed.json,
        )
    )


def _example(_: argparse.Namespace) -> int:
    from buildbot_koji.cli.create import example

    print(example(), end="")
    return 0


def _init(parsed: argparse.Namespace) -> int:
    from buildbot_koji.cli.create import create

    async def run(reactor: Any) -> int:
        try:
            await create(
                reactor, parsed.directory, sys.stdout, profile=parsed.profile, target=parsed.target
            )
        except OSError as error:
            raise Mistake(f"can't write {error.filename}: {error.strerror}") from error
        return 0

    return _in_reactor(run)


def _watch(parsed: argparse.Namespace) -> int:
    from buildbot_koji.cli.watch import watch

    return _in_reactor(
        lambda reactor: watch(reactor, parsed.what, sys.stdout, profile=parsed.profile)
    )


def _remote(parsed: argparse.Namespace) -> int:
    from buildbot_koji.cli import remote

    master = remote.Master(parsed.url, parsed.user)
    if parsed.command != "dead-letters":
        print(master.act("sources", parsed.source, parsed.command))
        return 0
    if parsed.redeliver:
        if parsed.reporter is None:
            raise Mistake("--redeliver needs the name of the reporter")
        print(master.act("deliveries", parsed.reporter, "redeliver", ids=None))
        return 0
    count = remote.dead_letters(master, sys.stdout, parsed.reporter)
    if not count:
        print("no dead letters", file=sys.stderr)
    return 1 if count else 0


def _demo(parsed: argparse.Namespace) -> int:
    from twisted.internet import reactor

    from buildbot_koji.cli.demo import Demo, DemoError

    demo = Demo(
        reactor,
        directory=parsed.dir,
        build_seconds=parsed.build_seconds,
        bus=parsed.bus,
        lively=not (parsed.once or parsed.idle),
    )
    try:
        directory = demo.prepare()
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    ended: list[int | BaseException] = [0]

    def end(result: int) -> None:
        ended[0] = result
        if result or parsed.once:
            stop()

    def broken(failure: Any) -> None:
        ended[0] = failure.value
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
    if isinstance(ended[0], DemoError):
        print(ended[0], file=sys.stderr)
        return 1
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


async def _run(demo: Any, parsed: argparse.Namespace) -> int:
    await demo.start()
    if parsed.once:
        return 0 if await demo.build_once(parsed.package, sys.stdout) else 1
    print(f"Buildbot runs at   {demo.url}")
    print(f"an embedded hub at {demo.hub.url}")
    if demo.no_bus is None:
        print("The hub reports new builds on a message bus.")
    else:
        print(f"No message bus, so the change source only polls: {demo.no_bus}")
    if not parsed.idle:
        work = "Two commits, a real build and a rebuild of all packages are at work"
        work = "What was at work resumes" if demo.resumes else work
        print(f"{work}. What Koji does for this master:")
        print(f"  {demo.url}#/koji")
    if not (parsed.idle or demo.resumes):
        print(
            'There, "Gates and deliveries" has in a minute a tagging that the hub refused, for you'
        )
        print('to redeliver, and a build to approve: the builder "approve" has the button for it.')
    print(f"To build something, open {await demo.build_page()},")
    print('press "Build a package", then "Start Build". The package failarch does not build.')
    print('The builder "chain" has the button "Build an update": two packages in a side tag.')
    print("Each build that gets into the tag is tested. To push a commit, as a git server does:")
    print(f"  curl -d '{PUSH}' {demo.url}change_hook/base")
    print("Ctrl-C ends it.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
