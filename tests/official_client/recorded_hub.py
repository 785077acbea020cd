"""An embedded hub with the content that the recorded one had, as a program.

Run with the path of a koji.conf to write: it prints ``ready`` and serves until SIGTERM.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from txkoji.testing import FakeHub

PROFILES = {"anon": None, "user": "builder-user", "admin": "kojiadmin", "realother": "other-user"}
SCM = "git+http://git.example.test/git/{}.git#1"
PACKAGES = ("hello", "world", "slow", "quick", "failing", "failone", "liba", "libb", "libc", "big")


def prepare(hub: FakeHub) -> None:
    """Add the users, tags, packages and builds that were there before the first invocation."""
    for name in ("builder-user", "krbuser", "kojira", "other-user"):
        hub.add_user(name)
    hub.call("addChannel", "runroot")
    channels = ("default", "createrepo", "image", "livecd", "appliance", "livemedia", "runroot")
    hub.add_host("builder1", "x86_64 aarch64", channels=channels)
    hub.call("editHost", "builder1", capacity=6.0)
    hub.add_tag("dist")
    hub.add_tag("dist-build", parent="dist", arches="x86_64 aarch64")
    for name in ("dist-candidate", "dist-testing", "dist-stable"):
        hub.add_tag(name)
    hub.add_target("dist-candidate", "dist-build", "dist-candidate")
    for name in PACKAGES:
        hub.add_package("dist-candidate", name, owner="builder-user")
    hub.add_repo("dist-build")
    hub.call("createSideTag", "dist-build", user="builder-user")
    for group in ("build", "srpm-build"):
        hub.call("groupListAdd", "dist-build", group)
    # The oldest build root made no RPM that was kept.
    builds: dict[str, dict[str, Any]] = {"hello": {"scratch": True}}
    builds |= {name: {"skip_tag": True} for name in ("liba", "libb", "libc", "quick")}
    for name, options in builds.items():
        hub.call("build", SCM.format(name), "dist-candidate", options, user="builder-user")


async def serve(path: Path) -> None:
    hub = FakeHub(reactor, build_seconds=0.3, tls=True, version="1.35.3")
    hub.noarch_packages.add("cpb")
    prepare(hub)
    hub.use_certificates_in(path.parent)
    await hub.start()
    profiles = [hub.profile_text(name, user=user) for name, user in PROFILES.items()]
    plugins = "plugins = sidetag runroot save_failed_tree\n"
    path.write_text("".join(f"{profile}{plugins}" for profile in profiles), encoding="utf-8")
    print("ready", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", hub.stop)


def main() -> None:
    def broken(failure: object) -> None:
        print(failure, flush=True)
        reactor.stop()

    def begin() -> None:
        Deferred.fromCoroutine(serve(Path(sys.argv[1]))).addErrback(broken)

    reactor.callWhenRunning(begin)
    reactor.run()


if __name__ == "__main__":
    main()
