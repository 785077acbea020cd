"""Run an embedded Koji hub alone: ``python -m txkoji.testing --port 0``."""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from txkoji.bus import Broker
from txkoji.exceptions import ConfigurationError, HubFault
from txkoji.testing.announcements.announcer import broker_settings
from txkoji.testing.core import KOJIADMIN
from txkoji.testing.front.certificates import MAX_COMMON_NAME
from txkoji.testing.hub import FakeHub

reactor: Any = installed_reactor


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the command line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _reader(what: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader of arguments: what ``read`` gives None for is refused as not ``what``."""

    def checked(text: str) -> Any:
        try:
            value = read(text)
        except ValueError:
            value = None
        if value is None:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return checked


def _number(least: float, most: float, what: str) -> Callable[[str], Any]:
    """Return a reader of finite numbers in a range."""
    return _reader(what, lambda text: each if least <= (each := float(text)) <= most else None)


def _profile(text: str) -> str | None:
    fits = text.strip() and text != "DEFAULT" and text.isprintable() and "]" not in text
    return text if fits else None


_REPEATED: dict[str, Any] = {"action": "append", "default": []}
_port = _reader(
    "a port from 0 to 65535",
    lambda text: int(text) if re.fullmatch("[0-9]{1,9}", text) and int(text) < 65536 else None,
)
_file = _reader("a file", lambda text: Path(text) if text and not Path(text).is_dir() else None)
_user = _reader(
    f"a user name of at most {MAX_COMMON_NAME} characters",
    lambda text: text if len(text) <= MAX_COMMON_NAME else None,
)


_OPTIONS: dict[str, dict[str, Any]] = {
    "--port": {"type": _port, "default": 0, "help": "the port; 0 picks a free one"},
    "--build-seconds": {
        "type": _number(0.0, 1e6, "a number of seconds from 0 to 1000000"),
        "default": 10.0,
        "help": "seconds per build (default: 10)",
    },
    "--capacity": {
        "type": _number(0.1, 1e6, "a capacity from 0.1 to 1000000"),
        "help": "capacity of the build host: an RPM build on one architecture weighs 1.5, and"
        " tasks beyond the capacity wait (default: no limit)",
    },
    "--profile-out": {
        "type": _file,
        "metavar": "FILE",
        "help": "write a koji.conf; implies --tls. Certificates and keys go to FILE.certificates",
    },
    "--profile-name": {
        "type": _reader("a name of a profile", _profile),
        "default": "fake",
        "metavar": "NAME",
        "help": "the name of the profile in that koji.conf (default: fake)",
    },
    "--user": {
        **_REPEATED,
        "type": _user,
        "help": "log in as this user with the profile, by default kojiadmin; a new user has no"
        " permissions. Repeat it for more profiles, which are named NAME-USER",
    },
    "--tag": {**_REPEATED, "help": "add a tag; may be repeated"},
    "--package": {
        **_REPEATED,
        "help": "list a package in the tags of the demonstration and each --tag; may be repeated",
    },
    "--state": {
        "type": _file,
        "metavar": "FILE",
        "help": "keep everything in this file, and resume from it at the next start",
    },
    "--tls": {"action": "store_true", "help": "listen with TLS"},
    "--anonymous-user": {
        "metavar": "USER",
        "help": "run calls without a session as this user; no real hub does that",
    },
    "--bus": {
        "metavar": "URL",
        "help": "publish the hub's messages to this broker: amqp://user:password@host:port/vhost",
    },
    "--bus-dialect": {
        "choices": ("protonmsg", "fedora"),
        "default": "protonmsg",
        "help": "format of the messages: Koji's own plugin, or Fedora's hub",
    },
}


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line; it ends the program with one line of what is wrong."""
    parser = _Parser(prog="python -m txkoji.testing", description="Run an embedded Koji hub.")
    for option, settings in _OPTIONS.items():
        parser.add_argument(option, **settings)
    return parser


def _bus(arguments: argparse.Namespace) -> Broker | None:
    if arguments.bus is None:
        return None
    prefix = "koji" if arguments.bus_dialect == "protonmsg" else "org.fedoraproject.dev"
    return broker_settings(arguments.bus, prefix)


def _add_content(hub: FakeHub, arguments: argparse.Namespace) -> None:
    """Add the users, tags and packages of the command line that the hub lacks."""
    for user in filter(None, [*arguments.user, arguments.anonymous_user]):
        if hub.call("getUser", user) is None:
            hub.call("createUser", user)
    for tag in arguments.tag:
        if hub.call("getTag", tag) is None:
            hub.add_tag(tag)
    for tag in ("demo-candidate", "demo-released", *arguments.tag):
        for package in arguments.package:
            if hub.call("getPackageConfig", tag, package) is None:
                hub.add_package(tag, package)


def _profiles(hub: FakeHub, arguments: argparse.Namespace) -> str:
    """Return a koji.conf with a profile for each user."""
    first, *more = dict.fromkeys(arguments.user or [KOJIADMIN])
    named = [(arguments.profile_name, first)]
    named += [(f"{arguments.profile_name}-{user}", user) for user in more]
    return "\n".join(hub.profile_text(name, user=user) for name, user in named)


async def _started(arguments: argparse.Namespace) -> FakeHub:
    """Return the hub, which listens, with its content and its profiles in place."""
    hub = FakeHub(
        reactor,
        build_seconds=arguments.build_seconds,
        tls=arguments.tls or arguments.profile_out is not None,
        anonymous_user=arguments.anonymous_user,
        state_file=arguments.state,
        bus=_bus(arguments),
        bus_dialect=arguments.bus_dialect,
    )
    hub.add_demo_content(capacity=arguments.capacity)
    _add_content(hub, arguments)
    if arguments.profile_out is not None:
        directory = arguments.profile_out.absolute()
        directory = directory.with_name(f"{directory.name}.certificates")
        directory.mkdir(mode=0o700, exist_ok=True)
        hub.use_certificates_in(directory)
    await hub.start(arguments.port)
    if arguments.profile_out is not None:
        arguments.profile_out.write_text(_profiles(hub, arguments), encoding="utf-8")
    return hub


_REASONS: dict[type[Exception], str] = {
    ConfigurationError: "{error}",
    sqlite3.Error: "can't use the state file {given.state}: {error}",
    HubFault: "{error.text}",
    CannotListenError: "can't listen on port {given.port}: {error.socketError}",
    OSError: "can't write {error.filename}: {error.strerror}",
}
"""What to say of an error that keeps the hub from starting."""


async def _serve(arguments: argparse.Namespace) -> int:
    try:
        hub = await _started(arguments)
    except tuple(_REASONS) as error:
        text = next(text for kind, text in _REASONS.items() if isinstance(error, kind))
        print(text.format(error=error, given=arguments), file=sys.stderr)
        return 1
    stopping: Deferred[None] = Deferred()
    reactor.addSystemEventTrigger("before", "shutdown", stopping.callback, None)
    reactor.addSystemEventTrigger("before", "shutdown", hub.stop)
    print(f"ready {hub.url}", flush=True)
    await stopping
    return 0


def main() -> int:
    """Serve until a signal ends it; returns the exit status."""
    status: list[int] = []

    def end(result: int) -> None:
        status.append(result)
        if result:
            reactor.stop()

    def broken(failure: object) -> None:
        print(failure, file=sys.stderr)
        status.append(2)
        reactor.stop()

    given = command_line().parse_args()

    def begin() -> None:
        Deferred.fromCoroutine(_serve(given)).addCallback(end).addErrback(broken)

    reactor.callWhenRunning(begin)
    reactor.run()
    return status[0] if status else 0


if __name__ == "__main__":
    sys.exit(main())
