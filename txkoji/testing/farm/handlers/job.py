"""What the handlers of several task methods share."""

from __future__ import annotations

import json
import re
from typing import Any

from txkoji import nvr
from txkoji.exceptions import BuildError, BuildrootError, GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.builder import Builder
from txkoji.testing.methods.buildroots import insert_buildroot
from txkoji.testing.methods.builds import (
    add_build_type,
    change_build_state,
    get_next_release,
    insert_build,
)
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.repos import DELETED, default_min_event, latest_repo
from txkoji.testing.tables.lookups.builds import BUILD_STATES
from txkoji.testing.tables.lookups.packages import find_package, package_entries
from txkoji.testing.tables.lookups.tags import tag_config, tag_order
from txkoji.testing.tables.state import Row

LOG_STEPS = 20

_SCM = re.compile(
    r"(git|git\+http|git\+https|git\+ssh|git\+rsync|svn|svn\+http|svn\+https|svn\+ssh|cvs|cvs\+ssh)"
    r"://.+"
)


def call_of(builder: Builder, task: Row) -> MethodCall:
    """Return a call by the owner of a task."""
    return MethodCall(builder.hub, builder.hub.state.get("users", task["owner"]))


def is_scm_url(source: str) -> bool:
    """Return whether a source is an SCM URL; anything else is an uploaded file."""
    return _SCM.match(source) is not None


def parse_source(source: str) -> tuple[str, str]:
    """Return the package and the revision of an SCM URL."""
    url, _, revision = source.partition("#")
    path, _, module = url.partition("?")
    stem = (module or path).rstrip("/").rpartition("/")[2]
    return stem.removesuffix(".git"), revision


def release_of(revision: str) -> str:
    """Return a valid release made from a revision."""
    return re.sub(r"[^A-Za-z0-9._+~^]", "_", revision)[:40] or "1"


def nvr_of(srpm: str) -> tuple[str, str, str]:
    """Return name, version and release from the path of a source RPM."""
    found = nvr.parse_rpm(srpm)
    if found is None:
        raise GenericError(f"invalid format: {srpm}")
    return found.nvr.name, found.nvr.version, found.nvr.release


ONLY_ADMINS = "Only admin can do this via default policy"
"""What the default hub policies say that only admins pass."""


async def find_repo(
    builder: Builder,
    task: Row,
    call: MethodCall,
    target: dict[str, Any] | None,
    options: dict[str, Any],
) -> tuple[int, int]:
    """Return the ids of the repo to build in and of its tag; wait for a repo if necessary."""
    if options.get("repo_id"):
        of_policy = task["method"] in ("build", "maven")
        if of_policy and not (call.hub.allow_repo_id_builds or call.has_permission("admin")):
            raise call.denied("build_from_repo_id", ONLY_ADMINS)
        given = call.state.get("repo", options["repo_id"])
        if given is None:
            raise GenericError(f"No such repo: {options['repo_id']}")
        if given["state"] == DELETED:
            raise BuildrootError(f"Requested repo ({given['id']}) is DELETED")
        return int(given["id"]), int(given["tag_id"])
    assert target is not None
    tag_id = int(target["build_tag"])
    repo = latest_repo(call, tag_id, min_event=default_min_event(call, tag_id))
    if repo is None or options.get("wait_repo") or options.get("wait_builds"):
        request = [target["build_tag_name"], None, options.get("wait_builds") or None, None]
        child = builder.subtask(task, "waitrepo", request, "waitrepo")
        [struct] = await builder.wait(task, [child])
        return int(struct["id"]), tag_id
    return int(repo["id"]), tag_id


def check_listed(call: MethodCall, dest_tag: int, name: str, kind: str = "package") -> None:
    """Fail if the destination tag does not list a package, of that kind in the text."""
    package = find_package(call.state, name)
    number = package["id"] if package else 0
    entries = package_entries(call.state, dest_tag, package_id=number)
    entry = entries.get(package["id"]) if package else None
    tag = call.state.row("tag", dest_tag)
    if entry is None:
        raise BuildError(f"{kind} {name} not in list for tag {tag['name']}")
    if entry["blocked"]:
        raise BuildError(f"{kind} {name} is blocked for tag {tag['name']}")


def arches_of(builder: Builder, build_tag: int, name: str, options: dict[str, Any]) -> list[str]:
    """Return the architectures that a package is built for."""
    if options.get("arch_override"):
        return str(options["arch_override"]).split()
    if name in builder.hub.noarch_packages:
        return ["noarch"]
    state = builder.hub.state
    for tag, _ in tag_order(state, build_tag):
        config = tag_config(state, tag)
        if config and config["arches"]:
            return str(config["arches"]).split()
    raise BuildError(f"No arches for tag {build_tag}")


def begin_build(
    call: MethodCall,
    task: Row,
    nvr: tuple[str, str, str],
    btype: str,
    *,
    source: str | None = None,
    extra: dict[str, Any] | None = None,
    draft: bool = False,
    info: dict[str, Any] | None = None,
    **columns: Any,
) -> Row:
    """Insert a build, restart one that failed, or return the one that the task made before.

    Args:
        call: who asks.
        task: the task that makes it.
        nvr: name, version and release.
        btype: its type: ``rpm``, ``image``, ...
        source: where it comes from.
        extra: the build's ``extra``.
        draft: make a draft.
        info: the build's attributes of this type.
        columns: more columns of the row.

    Raises:
        GenericError: the build exists or is in progress.
    """
    name, version, release = nvr
    state = call.state
    draft = draft and call.hub.release >= (1, 34)
    with state.transaction():
        package = state.one("package", name=name) or state.insert("package", {"name": name})
        # A restarted task makes another draft, and leaves the one of its first run BUILDING.
        ids = {"package_id": package["id"], "version": version, "release": release}
        old = None if draft else state.one("build", **ids)
        if old is not None and old["task_id"] == task["id"]:
            # The task has been restarted.
            return old
        new = {
            "task_id": task["id"],
            "owner_id": task["owner"],
            "source": source,
            "extra": extra,
            **columns,
        }
        if old is not None:
            _check_restartable(old, name, new)
            _take_over(call, old, new)
            row = old
        else:
            row = insert_build(call, state=BUILD_STATES["BUILDING"], draft=draft, **ids, **new)
            if draft:
                state.update("build", row["id"], release=f"{release},draft_{row['id']}")
            state.announce(lambda: messages.build_changed(state, row, None))
        add_build_type(state, row, btype, info)
        return row


def _check_restartable(row: Row, name: str, new: dict[str, Any]) -> None:
    """Refuse to restart a build that is in progress or done, in a hub's words."""
    if row["state"] == BUILD_STATES["BUILDING"]:
        raise GenericError(f"Build already in progress (task {row['task_id']})")
    if row["state"] in (BUILD_STATES["FAILED"], BUILD_STATES["CANCELED"]):
        return
    data = {
        "name": name,
        "version": row["version"],
        "release": row["release"],
        "epoch": None,
        "task_id": new["task_id"],
        "source": new["source"],
        "extra": json.dumps(new["extra"]) if new["extra"] is not None else None,
        "owner": new["owner_id"],
        "state": BUILD_STATES["BUILDING"],
        "completion_time": None,
        "pkg_id": row["package_id"],
        "start_time": "NOW",
        "volume_id": 0,
        "draft": False,
    }
    names = {number: each for each, number in BUILD_STATES.items()}
    raise GenericError(
        f"Build already exists (id={row['id']}, state={names[row['state']]}): {data}"
    )


def _take_over(call: MethodCall, row: Row, columns: dict[str, Any]) -> None:
    """Restart a failed or canceled build: only its id stays."""
    for kind in call.state.rows("build_type", build_id=row["id"]):
        call.state.delete("build_type", kind["id"])
    now = call.hub.now()
    change_build_state(
        call.state,
        row,
        BUILD_STATES["BUILDING"],
        **columns,
        create_event=call.state.event(),
        creation_ts=now,
        start_ts=now,
        completion_ts=None,
    )


async def tag_into(builder: Builder, task: Row, row: Row, dest_tag: int) -> None:
    """Tag the build into its destination, by a child task."""
    request = [dest_tag, row["id"], False, None, True]
    await builder.wait(task, [builder.subtask(task, "tagBuild", request, "tag")])


def put_file(builder: Builder, task: Row, name: str, data: bytes) -> str:
    """Store a file among a task's output; returns its path below ``work``."""
    path = f"{task_directory(task['id'])}/{name}"
    builder.hub.files.write(path, data)
    return path.removeprefix("work/")


MOCK_LOGS = ("root.log", "state.log", "mock_output.log", "mock_config.log")
"""The logs of each build root."""


def new_build_root(builder: Builder, task: Row, arch: str) -> int:
    """Make the build root of a task, with its logs; returns its id.

    A noarch package is built on an architecture of the host.
    """
    if arch == "noarch":
        host = builder.hub.state.row("host", task["host_id"])
        arch = next((each for each in host["arches"].split() if each != arch), arch)
    for log in MOCK_LOGS:
        put_file(builder, task, log, f"{log} of the build root for {arch}\n".encode())
    options = task["request"][-1]
    repo_id = options.get("repo_id") if isinstance(options, dict) else None
    with builder.hub.state.transaction():
        return insert_buildroot(builder.hub.state, task, arch, repo_id)


def move_to_scratch(call: MethodCall, task: Row, number: int, paths: list[str]) -> None:
    """Copy the output of a scratch build to the scratch directory of its owner.

    Args:
        call: who asks.
        task: a task of that owner.
        number: the task that the directory is named after.
        paths: the files below ``work``.
    """
    owner = call.state.row("users", task["owner"])
    directory = f"scratch/{owner['name']}/task_{number}"
    for path in paths:
        call.hub.files.copy(f"work/{path}", f"{directory}/{path.rpartition('/')[2]}")


def release_for(call: MethodCall, task: Row, name: str, version: str, wanted: Any) -> str:
    """Return the release that a task builds: the requested one, or the next one.

    A restarted task keeps the one that it had.
    """
    own = call.state.one("build", task_id=task["id"])
    if own is not None:
        return str(own["release"])
    build = {"name": name, "version": version}
    return str(wanted or get_next_release(call, build))


def complete(call: MethodCall, row: Row) -> None:
    """Complete a build whose files are all in place."""
    change_build_state(call.state, row, BUILD_STATES["COMPLETE"], completion_ts=call.hub.now())


async def write_log(builder: Builder, path: str, first: str, line: str, share: float) -> None:
    """Append to a log for a share of a build's time: a first line, then one line a step."""
    files = builder.hub.files
    files.write(path, f"{first}\n".encode())
    for step in range(LOG_STEPS):
        await builder.sleep(share / LOG_STEPS)
        files.append(path, f"step {step} of {LOG_STEPS}: {line}\n".encode())
