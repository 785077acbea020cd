"""Run an embedded Koji hub alone: ``python -m txkoji.testing --port 0``."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from txkoji.bus import Broker
from txkoji.exceptions import ConfigurationError
from txkoji.testing.announcements.emission import broker_settings
from txkoji.testing.core import KOJIADMIN
from txkoji.testing.hub import FakeHub


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m txkoji.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port; 0 picks a free one")
    parser.add_argument(
        "--build-seconds", type=float, default=10.0, help="seconds per build (default: 10)"
    )
    parser.add_argument(
        "--capacity",
        type=float,
        help="capacity of the build host: an RPM build on one architecture weighs 1.5, and"
        " tasks beyond the capacity wait (default: no limit)",
    )
    parser.add_argument(
        "--profile-out",
        type=Path,
        metavar="FILE",
        help="write a koji.conf with the profile 'fake', credentials included; implies --tls",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep everything in this file, and resume from it at the next start",
    )
    parser.add_argument("--tls", action="store_true", help="listen with TLS")
    parser.add_argument(
        "--anonymous-user",
        metavar="USER",
        help="run calls without a session as this user; no real hub does that",
    )
    parser.add_argument(
        "--bus",
        metavar="URL",
        help="publish the hub's messages to this broker: amqp://user:password@host:port/vhost",
    )
    parser.add_argument(
        "--bus-dialect",
        choices=("protonmsg", "fedora"),
        default="protonmsg",
        help="format of the messages: Koji's own plugin, or Fedora's hub",
    )
    return parser.parse_args()


def _bus(arguments: argparse.Namespace) -> Broker | None:
    if arguments.bus is None:
        return None
    prefix = "koji" if arguments.bus_dialect == "protonmsg" else "org.fedoraproject.dev"
    return broker_settings(arguments.bus, prefix)


async def _serve(arguments: argparse.Namespace) -> int:
    try:
        hub = FakeHub(
            reactor,
            build_seconds=arguments.build_seconds,
            tls=arguments.tls or arguments.profile_out is not None,
            anonymous_user=arguments.anonymous_user,
            state_file=arguments.state,
            bus=_bus(arguments),
            bus_dialect=arguments.bus_dialect,
        )
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        print(f"can't use the state file {arguments.state}: {error}", file=sys.stderr)
        return 1
    hub.add_demo_content(capacity=arguments.capacity)
    if arguments.profile_out is not None:
        hub.use_certificates_in(arguments.profile_out.absolute().parent)
    try:
        await hub.start(arguments.port)
    except CannotListenError as error:
        print(f"can't listen on port {arguments.port}: {error.socketError}", file=sys.stderr)
        return 1
    if arguments.profile_out is not None:
        arguments.profile_out.write_text(hub.profile_text(user=KOJIADMIN), encoding="utf-8")
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

    arguments = _arguments()

    def begin() -> None:
        Deferred.fromCoroutine(_serve(arguments)).addCallback(end).addErrback(broken)

    reactor.callWhenRunning(begin)
    reactor.run()
    return status[0] if status else 0


if __name__ == "__main__":
    sys.exit(main())
