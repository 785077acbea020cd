"""Answers of the API for the page alone: what takes days to come about on a real hub."""

from __future__ import annotations

from typing import Any

EVIL = "<img src=x onerror=\"document.title='broken into'\">"
"""Text that must stay text."""

SCRIPT_LINK = "javascript:document.title='broken into'"


LONGEST = "x" * 196
"""What a text of the API may have no space in, with four characters before it."""

NO_TEXTS = ("state", "bus", "page", "url", "weburl", "log_url")


def lengthened(answer: Any, name: str = "") -> Any:
    """Return an answer whose texts are as long as they may be, without a space to break at."""
    if isinstance(answer, dict):
        return {key: lengthened(each, key) for key, each in answer.items()}
    if isinstance(answer, list):
        return [lengthened(each, name) for each in answer]
    if isinstance(answer, str) and name not in NO_TEXTS:
        return f"{answer[:4]}{LONGEST}"
    return answer


def overview(now: float) -> dict[str, Any]:
    """One hub that answers and one that doesn't."""
    up = {
        "link": "fedora",
        "name": "fedora",
        "weburl": "https://koji.example.test/koji",
        "server": "https://koji.example.test/kojihub",
        "state": "ok",
        "since": now - 86400,
        "reason": None,
        "last_heard": now - 1,
        "latency": 0.042,
        "version": "1.35.1",
        "plugins": ["protonmsg", "sidetag_hub"],
        "user": "buildbot/builder.example.test",
        "session_since": now - 5400,
        "credentials": [
            {
                "kind": "certificate",
                "name": "/etc/koji/buildbot.pem",
                "expires": now + 9 * 86400,
                "state": "warning",
                "message": "the certificate of CN=buildbot, /etc/koji/buildbot.pem, expires in 9"
                " days: replace it",
            },
            {
                "kind": "keytab",
                "name": "/etc/koji/buildbot.keytab",
                "expires": None,
                "state": "ok",
                "message": "",
            },
        ],
        "requests_per_second": 1.4,
        "watched": 14,
        "watch_delay": 2.0,
        "channels": [
            {
                "name": n,
                "free": f,
                "open": o,
                "capacity": c,
                "hosts": h,
                "ready": h,
                "ours": u,
                "arches": a,
            }
            for n, f, o, c, h, u, a in (
                ("default", 112, 64, 70.5, 34, 24, {"x86_64": 22, "aarch64": 8, "s390x": 4}),
                ("createrepo", 3, 4, 8.0, 4, 1, {"x86_64": 4}),
                ("sparc", 2, 0, 0.0, 0, 2, {}),
            )
        ],
        "counted_at": now - 20,
        "survey_trouble": None,
        "clock_ahead": 0,
        "bus": "connected",
    }
    down = {
        **up,
        "link": "centos",
        "name": "centos",
        "state": "unreachable",
        "since": now - 700,
        "reason": "connection refused",
        "last_heard": now - 702,
        "latency": None,
        "version": None,
        "plugins": None,
        "requests_per_second": 0.1,
        "user": None,
        "session_since": None,
        "credentials": [],
        "watched": 0,
        "watch_delay": None,
        "channels": [],
        "counted_at": None,
        "clock_ahead": -7200,
        "bus": None,
    }
    return {
        "master": "builder.example.test:/srv/buildbot",
        "masters": [
            {"name": "builder.example.test:/srv/buildbot", "active": True},
            {"name": "spare.example.test:/srv/buildbot", "active": False},
        ],
        "hubs": [down, up],
        "health": {
            "ok": False,
            "reasons": ["centos has been down for 12 min: connection refused"],
            "warnings": [],
        },
        "attention": [
            {"page": "tasks", "text": "3 tasks are in trouble"},
            {"page": "deliveries", "text": "2 dead letters of the reporter stable"},
            {"page": "sources", "text": "centos tags has heard nothing for 12 min"},
        ],
    }


def history(now: float, down_at: range = range(200, 212)) -> dict[str, Any]:
    """A day whose queue swells, with the points at which the hub was down."""
    points = []
    for i in range(288):
        hill = 117 - (287 - i) // 3
        down = i in down_at
        queue = [None, None] if down else [hill, min(68, hill)]
        ended = [0, 0] if down else [hill // 6, hill // 40]
        points.append([now - (288 - i) * 300, *queue, hill // 5, *ended])
    return {"hub": "fedora", "step": 300, "points": points}


NAMES = ("bash", "coreutils", "gcc", "glibc", "kernel", "openssl", "python3", "systemd", "zlib")
ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")


def tasks(
    now: float, count: int = 14, arches: tuple[str, ...] = ARCHES, hostile: bool = False
) -> dict[str, Any]:
    """Task trees, every eighth of which failed on an architecture, every fourth waits.

    Args:
        now: the time.
        count: how many.
        arches: what each is built for.
        hostile: whether the tree 5010 has a script as its label and in its links.
    """
    trees = []
    for i in range(count):
        waits, failed, evil = i % 4 == 1, i % 8 == 3, hostile and i == 10
        long = not waits and not failed and i % 13 == 12
        started = None if waits else now - 60 * (i % 13) - 20
        package = f"{NAMES[i % 9]}" if i < 9 else f"{NAMES[i % 9]}-{i}"
        states = ("OPEN", "CLOSED") if not failed else ("FAILED", "CANCELED")
        trees.append(
            {
                "hub": "fedora",
                "task_id": 5000 + i,
                "label": EVIL if evil else f"{package}-1.0-{i % 7}.f44",
                "package": package,
                "nvr": f"{package}-1.0-{i % 7}.f44",
                "builder": ["scratch", "official"][i % 2],
                "builder_id": 1,
                "build_number": i,
                "state": "FREE" if waits else "OPEN",
                "since": now - 900,
                "started": started,
                "arches": [
                    {
                        "arch": arch,
                        "method": "buildArch",
                        "state": states[(i // 2 + j) % 2 if not failed else int(j != i % 3)],
                        "task_id": 10 * (5000 + i) + j,
                        "host": "buildhw-01.example.test",
                        "url": SCRIPT_LINK if evil else "https://koji.example.test/koji/taskinfo",
                        "log_url": "https://koji.example.test/work/build.log" if j == 0 else None,
                    }
                    for j, arch in enumerate(() if waits else arches)
                ],
                "queue_position": i - 1 if waits else None,
                "usual": 480.0,
                "trouble": f"failed on {arches[i % 3 % len(arches)]}"
                if failed
                else "takes longer than usual"
                if long
                else None,
                "trouble_level": 2 if failed else int(long),
                "url": SCRIPT_LINK if evil else "https://koji.example.test/koji/taskinfo?taskID=5",
            }
        )
    step = {
        "hub": "fedora",
        "name": "koji wait-repo",
        "builder": "official",
        "builder_id": 1,
        "build_number": 7,
        "text": "waiting for a repo of f44-build: request 12 is in the hub's queue",
        "since": now - 1500,
    }
    return {"down": [], "steps": [step], "trees": trees}


def failures(now: float) -> dict[str, Any]:
    """Return two builds that failed."""
    builds = [each for each in package(now)["builds"] if each["results"] == 2]
    more = {"id": "17", "builder": "mass-rebuild", "build_number": 3, "failed": 37}
    return {"builds": builds[:2], "mass_builds": [more]}


def package(now: float) -> dict[str, Any]:
    """Builds of a package, one in five of which failed."""
    return {
        "name": "hello",
        "builds": [
            {
                "builder": "official",
                "builder_id": 1,
                "build_number": 50 - i,
                "buildid": 500 - i,
                "results": 2 if i % 5 == 1 else 0,
                "state_string": "build successful",
                "started": now - 7200 * i - 3000,
                "duration": 2400.0 + 120 * (i * 7 % 11),
                "nvr": f"hello-1.{50 - i}-1.f44",
                "reason": "mock exited with status 1" if i % 5 == 1 else None,
                "failed_arch": "aarch64" if i % 5 == 1 else None,
                "url": "https://koji.example.test/koji/buildinfo?buildID=7",
                "log_url": "https://koji.example.test/work/build.log" if i % 5 == 1 else None,
            }
            for i in range(20)
        ],
    }


def sources(now: float) -> dict[str, Any]:
    """A source that listens, and one that is stale and has set items aside."""
    good = {
        "name": "fedora tags",
        "hub": "fedora",
        "state": "listening",
        "active_here": True,
        "since": now - 86400,
        "reason": None,
        "next_poll": now + 42,
        "polled_at": now - 3,
        "complete_until": now - 540,
        "held_back": 2,
        "bus": "connected",
        "last_changes": [
            {
                "at": now - 660 * i - 600,
                "revision": f"hello-1.{i}-1.f44",
                "comments": f"hello-1.{i}-1.f44 was tagged into f44",
                "url": "https://koji.example.test/koji/buildinfo?buildID=7",
            }
            for i in range(5)
        ],
        "set_aside": [],
        "set_aside_count": 0,
    }
    stale = {
        **good,
        "name": "centos tags",
        "hub": "centos",
        "state": "stale",
        "since": now - 700,
        "reason": "the hub does not answer: connection refused",
        "next_poll": now + 10,
        "polled_at": now - 702,
        "complete_until": now - 702,
        "held_back": 0,
        "bus": "disconnected",
        "bus_reason": "the broker refuses the password",
        "set_aside": [
            {"what": "event 812", "reason": "no build has id 99", "since": now - 9000, "count": 3}
        ],
        "set_aside_count": 1,
        "last_changes": [],
    }
    return {"down": [], "sources": [good, stale]}


def deliveries(now: float) -> dict[str, Any]:
    """A tag reporter with a gate that waits, a pending delivery and two dead letters."""
    return {
        "down": [],
        "reporters": [
            {
                "name": "stable",
                "kind": "KojiTagReporter",
                "does": "on success: move from f44-candidate to f44",
                "pending": [
                    {
                        "id": 4,
                        "what": "tag of hello-1.0-1.f44",
                        "builder": "official",
                        "builder_id": 1,
                        "build_number": 12,
                        "since": now - 120,
                        "attempts": 3,
                        "reason": "the hub does not answer",
                    }
                ],
                "dead": [
                    {
                        "id": i,
                        "what": f"tag of world-{i}.0-1.f44",
                        "nvr": f"world-{i}.0-1.f44",
                        "builder": "official",
                        "builder_id": 1,
                        "build_number": 9 + i,
                        "since": now - 86400,
                        "reason": "tag f44 is locked: unlock it, then redeliver",
                    }
                    for i in (1, 2)
                ],
                "gates": [
                    {
                        "nvr": "hello-1.1-1.f44",
                        "since": now - 4000,
                        "votes_there": [{"builder": "rpmlint", "result": "failure"}],
                        "votes_missing": [
                            {"builder": "installability", "builder_id": 7},
                            {"builder": "upgrade", "builder_id": None},
                        ],
                        "url": "https://koji.example.test/koji/buildinfo?buildID=8",
                    }
                ],
            }
        ],
        "cancellations": [
            {
                "hub": "centos",
                "task_id": 771,
                "since": now - 300,
                "reason": "the hub does not answer: connection refused",
                "url": "https://koji.example.test/koji/taskinfo?taskID=771",
            }
        ],
    }


def mass(now: float) -> dict[str, Any]:
    """A mass rebuild half through."""
    return {
        "down": [],
        "mass_builds": [
            {
                "id": 17,
                "hub": "fedora",
                "builder": "mass-rebuild",
                "builder_id": 1,
                "build_number": 3,
                "state": "running",
                "summary": "1,204 of 2,400 done, 37 failed, 24 running",
                "total": 2400,
                "done": 1204,
                "failed": 37,
                "skipped": 5,
                "running": 24,
                "waiting": 1172,
                "started": now - 36000,
                "eta": 33000.0,
                "at_once": 24,
                "progress": [
                    [now - 36000 + 360 * i, 1204 * i // 100, 37 * i // 100] for i in range(101)
                ],
                "failures_by_reason": [["mock exited with status 1", 30], ["no such tag", 7]],
                "failures_by_owner": [["alice", 20], ["bob", 17]],
            }
        ],
    }


def mass_packages(now: float, count: int = 2400) -> dict[str, Any]:
    """The packages of the mass rebuild."""
    states = ["built", "built", "failed", "running", "waiting", "adopted", "skipped", "held"]
    return {
        "packages": [
            {
                "package": f"package-{i}",
                "owner": ["alice", "bob"][i % 2],
                "state": states[i % 8],
                "reason": "mock exited with status 1" if i % 8 == 2 else None,
                "task_id": 9000 + i,
                "url": "https://koji.example.test/koji/taskinfo?taskID=9000",
                "log_url": "https://koji.example.test/work/build.log" if i % 8 == 2 else None,
                "nvr": f"package-{i}-1.0-1.f44",
                "arch": "s390x" if i % 8 == 2 else None,
                "since": now - 1200 - i % 300,
                "duration": None if i % 8 in (3, 4, 7) else 300.0 + i,
                "regression": i % 16 == 2,
            }
            for i in range(count)
        ]
    }
