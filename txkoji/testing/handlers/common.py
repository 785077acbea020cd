"""What the handlers of several task methods share."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from txkoji.exceptions import BuildError, GenericError
from txkoji.testing import lookups, messages
from txkoji.testing.lookups import STATES
from txkoji.testing.methods import Call
from txkoji.testing.methods.builds import add_build_type, change_build_state, insert_build
from txkoji.testing.methods.repos import default_min_event, latest_repo
from txkoji.testing.state import Row

if TYPE_CHECKING:
    from txkoji.testing.builder import Builder

LOG_STEPS = 20

_SCM = re.compile(
    r"(git|git\+http|git\+https|git\+ssh|git\+rsync|svn|svn\+http|svn\+https|svn\+ssh|cvs|cvs\+ssh)"
    r"://.+"
)


def call_of(builder: Builder, task: Row) -> Call:
    """Return a call as whom a task acts: its owner."""
    return Call(builder.hub, builder.hub.state.get("users", task["owner"]))


def is_scm_url(source: str) -> bool:
    """Tell whether a source is an SCM URL; anything else is an uploaded file."""
    return _SCM.match(source) is not None


def parse_source(source: str) -> tuple[str, str]:
    """Take the package and the revision out of an SCM URL."""
    url, _, revision = source.partition("#")
    path, _, module = url.partition("?")
    stem = (module or path).rstrip("/").rpartition("/")[2]
    return stem.removesuffix(".git"), revision


def release_of(revision: str) -> str:
    """Make a legal release of a revision."""
    return re.sub(r"[^A-Za-z0-9._+~^]", "_", revision)[:40] or "1"


def nvr_of(srpm: str) -> tuple[str, str, str]:
    """Take name, version and release out of the path of a source RPM."""
    return lookups.split_nvr(srpm.rpartition("/")[2].removesuffix(".src.rpm"))


async def find_repo(
    builder: Builder, task: Row, call: Call, target: dict[str, Any] | None, options: dict[str, Any]
) -> tuple[int, int]:
    """Find the repo to build in, waiting for one if need be: its id and its tag."""
    if options.get("repo_id"):
        given = call.state.get("repo", options["repo_id"])
        if given is None:
            raise GenericError(f"No such repo: {options['repo_id']}")
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


def check_listed(call: Call, dest_tag: int, name: str) -> None:
    """Refuse a package that the destination tag does not list."""
    package = lookups.find_package(call.state, name)
    entries = lookups.package_entries(call.state, dest_tag)
    entry = entries.get(package["id"]) if package else None
    tag = call.state.get("tag", dest_tag)
    assert tag is not None
    if entry is None:
        raise BuildError(f"package {name} not in list for tag {tag['name']}")
    if entry["blocked"]:
        raise BuildError(f"package {name} is blocked for tag {tag['name']}")


def arches_of(builder: Builder, build_tag: int, name: str, options: dict[str, Any]) -> list[str]:
    """Return the architectures that a package is built for."""
    if options.get("arch_override"):
        return str(options["arch_override"]).split()
    if name in builder.hub.noarch_packages:
        return ["noarch"]
    state = builder.hub.state
    for tag, _ in lookups.tag_order(state, build_tag):
        config = lookups.tag_config(state, tag)
        if config and config["arches"]:
            return str(config["arches"]).split()
    raise BuildError(f"No arches for tag {build_tag}")


def begin_build(
    call: Call,
    task: Row,
    source: str,
    srpm: dict[str, Any],
    nvr: tuple[str, str, str],
    options: dict[str, Any],
) -> Row:
    """Make the row of the build, or take over one that failed."""
    name, version, release = nvr
    state = call.state
    resolved = srpm.get("source") or {}
    extra: dict[str, Any] = {"source": {"original_url": resolved.get("url", source)}}
    data = {
        "name": name,
        "version": version,
        "release": release,
        "epoch": None,
        "task_id": task["id"],
        "source": resolved.get("source"),
        "extra": json.dumps(extra),
        "owner": task["owner"],
        "state": 0,
        "completion_time": None,
    }
    if options.get("custom_user_metadata"):
        extra["custom_user_metadata"] = options["custom_user_metadata"]
    with state.transaction():
        package = state.one("package", name=name) or state.insert("package", {"name": name})
        draft = bool(options.get("draft")) and call.hub.release >= (1, 34)
        if draft:
            old = state.one("build", task_id=task["id"])
        else:
            old = state.one("build", package_id=package["id"], version=version, release=release)
        columns = {
            "state": STATES["BUILDING"],
            "task_id": task["id"],
            "owner_id": task["owner"],
            "source": resolved.get("source"),
            "extra": extra,
        }
        if old is not None and old["task_id"] == task["id"]:
            # The task has been restarted.
            return old
        if old is not None:
            if old["state"] == STATES["BUILDING"]:
                raise GenericError(f"Build already in progress (task {old['task_id']})")
            if old["state"] not in (STATES["FAILED"], STATES["CANCELED"]):
                names = {number: each for each, number in STATES.items()}
                data.update(pkg_id=package["id"], start_time="NOW", volume_id=0, draft=False)
                raise GenericError(
                    f"Build already exists (id={old['id']}, state={names[old['state']]}): {data}"
                )
            now = call.hub.now()
            change_build_state(
                state,
                old,
                columns.pop("state"),
                **columns,
                create_event=state.event(),
                creation_ts=now,
                start_ts=now,
                completion_ts=None,
            )
            return old
        row = insert_build(
            call,
            package_id=package["id"],
            version=version,
            release=release,
            draft=draft,
            **columns,
        )
        if draft:
            state.update("build", row["id"], release=f"{release},draft_{row['id']}")
        state.announce(lambda: messages.build_changed(state, row, None))
        add_build_type(state, row, "rpm", None)
        return row


async def write_log(builder: Builder, path: str, first: str, line: str, share: float) -> None:
    """Let a log grow for a share of a build's time: a first line, then one line a step."""
    files = builder.hub.files
    files.write(path, f"{first}\n".encode())
    for step in range(LOG_STEPS):
        await builder.sleep(share / LOG_STEPS)
        files.append(path, f"step {step} of {LOG_STEPS}: {line}\n".encode())
