"""What the embedded hub's builder does for each task method.

The order of the steps, the labels, the results and the texts of failures are those of the
recordings. A package called ``failarch`` does not build on its first architecture, and a revision
that begins with ``failsrpm`` gives no source RPM: that is how the recorded builder fails.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from txkoji.exceptions import BuildError, GenericError
from txkoji.testing import lookups, rpms
from txkoji.testing.lookups import STATES
from txkoji.testing.methods import Call
from txkoji.testing.methods.builds import build_directory, insert_build
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.repos import (
    EXPIRED,
    INIT,
    READY,
    default_min_event,
    insert_repo,
    latest_repo,
    repo_struct,
)
from txkoji.testing.methods.tagging import listing_of, tag_build_row, untag_build_row
from txkoji.testing.state import Row

if TYPE_CHECKING:
    from txkoji.testing.builder import Builder, Handler

SRPM_SHARE = 0.2
ARCH_SHARE = 0.6
TAG_SHARE = 0.05
REPO_SHARE = 0.1
LOG_STEPS = 20

_SCM = re.compile(
    r"(git|git\+http|git\+https|git\+ssh|git\+rsync|svn|svn\+http|svn\+https|svn\+ssh|cvs|cvs\+ssh)"
    r"://.+"
)


def _call(builder: Builder, task: Row) -> Call:
    return Call(builder.hub, builder.hub.state.get("users", task["owner"]))


def is_scm_url(source: str) -> bool:
    """Tell whether a source is an SCM URL; anything else is an uploaded file."""
    return _SCM.match(source) is not None


def _parse_source(source: str) -> tuple[str, str]:
    """Take the package and the revision out of an SCM URL."""
    url, _, revision = source.partition("#")
    path, _, module = url.partition("?")
    stem = (module or path).rstrip("/").rpartition("/")[2]
    return stem.removesuffix(".git"), revision


def _release(revision: str) -> str:
    """Make a legal release of a revision."""
    return re.sub(r"[^A-Za-z0-9._+~^]", "_", revision)[:40] or "1"


async def build(builder: Builder, task: Row) -> None:
    """Run ``build``: source RPM, one buildArch an architecture, import, tag."""
    source, target_info, *rest = task["request"]
    options: dict[str, Any] = (rest[0] if rest else None) or {}
    call = _call(builder, task)
    state = builder.hub.state
    target = lookups.find_target(state, target_info) if target_info is not None else None
    if target is None and not (target_info is None and options.get("repo_id")):
        raise GenericError(f"unknown build target: {target_info}")
    scratch = bool(options.get("scratch"))
    if options.get("arch_override") and not scratch:
        raise BuildError("arch_override is only allowed for scratch builds")
    repo_id, build_tag = await _repo(builder, task, call, target, options)
    srpm = await _source_rpm(builder, task, call, source, build_tag, repo_id, scratch)
    name, version, release = _nvr_of(srpm["srpm"])
    dest_tag = target["dest_tag"] if target else None
    if not scratch and dest_tag is not None and not options.get("skip_tag"):
        _check_listed(call, dest_tag, name)
    row = None
    if not scratch:
        row = _begin_build(call, task, source, srpm, (name, version, release), options)
    arches = _arches(builder, build_tag, name, options)
    children = [
        builder.subtask(
            task,
            "buildArch",
            [srpm["srpm"], build_tag, arch, number == 0, {"repo_id": repo_id}],
            arch,
            arch=arch,
        )
        for number, arch in enumerate(arches)
    ]
    results = await builder.wait(task, children)
    if row is None:
        _to_scratch(call, task, srpm, results)
        return
    if row["state"] != STATES["COMPLETE"]:
        _import(call, row, srpm, arches, results)
    if dest_tag is not None and not options.get("skip_tag"):
        request = [dest_tag, row["id"], False, None, True]
        await builder.wait(task, [builder.subtask(task, "tagBuild", request, "tag")])


async def _repo(
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


async def _source_rpm(
    builder: Builder,
    task: Row,
    call: Call,
    source: str,
    build_tag: int,
    repo_id: int,
    scratch: bool,
) -> dict[str, Any]:
    options = {"repo_id": repo_id, "scratch": scratch or None}
    if is_scm_url(source):
        child = builder.subtask(task, "buildSRPMFromSCM", [source, build_tag, options], "srpm")
    else:
        if not (scratch or builder.hub.allow_srpm_builds or call.has_permission("admin")):
            raise lookups_denied()
        if not builder.hub.files.exists(f"work/{source}"):
            raise GenericError(f"No such file: {source}")
        child = builder.subtask(task, "rebuildSRPM", [source, build_tag, options], "srpm")
    [result] = await builder.wait(task, [child])
    return dict(result)


def lookups_denied() -> GenericError:
    """Return the refusal of the hub's default policy for uploaded source RPMs."""
    from txkoji.exceptions import ActionNotAllowed

    return ActionNotAllowed(
        "policy violation (build_from_srpm): Only admin can do this via default policy"
    )


def _nvr_of(srpm: str) -> tuple[str, str, str]:
    return lookups.split_nvr(srpm.rpartition("/")[2].removesuffix(".src.rpm"))


def _check_listed(call: Call, dest_tag: int, name: str) -> None:
    package = lookups.find_package(call.state, name)
    entries = lookups.package_entries(call.state, dest_tag)
    entry = entries.get(package["id"]) if package else None
    tag = call.state.get("tag", dest_tag)
    assert tag is not None
    if entry is None:
        raise BuildError(f"package {name} not in list for tag {tag['name']}")
    if entry["blocked"]:
        raise BuildError(f"package {name} is blocked for tag {tag['name']}")


def _arches(builder: Builder, build_tag: int, name: str, options: dict[str, Any]) -> list[str]:
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


def _begin_build(
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
        "extra": _json(extra),
        "owner": task["owner"],
        "state": 0,
        "completion_time": None,
    }
    if options.get("custom_user_metadata"):
        extra["custom_user_metadata"] = options["custom_user_metadata"]
    with state.transaction():
        package = state.one("package", name=name) or state.insert("package", {"name": name})
        draft = bool(options.get("draft"))
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
            return state.update(
                "build",
                old["id"],
                **columns,
                create_event=state.event(),
                creation_ts=now,
                start_ts=now,
                completion_ts=None,
            )
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
        return row


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _import(
    call: Call, row: Row, srpm: dict[str, Any], arches: list[str], results: list[Any]
) -> None:
    """Move what the children made to the build's place, and complete the build."""
    files = call.hub.files
    directory = build_directory(call, row)
    with call.state.transaction():
        paths = [(srpm["srpm"], "src")]
        for result in results:
            paths += [
                (path, path.rpartition(".rpm")[0].rpartition(".")[2]) for path in result["rpms"]
            ]
        for path, arch in paths:
            file = path.rpartition("/")[2]
            files.copy(f"work/{path}", f"{directory}/{arch}/{file}")
            data = files.read(f"work/{path}")
            tags = rpms.headers(data)
            call.state.insert(
                "rpminfo",
                {
                    "build_id": row["id"],
                    "name": tags["NAME"],
                    "version": tags["VERSION"],
                    "release": tags["RELEASE"],
                    "epoch": None,
                    "arch": arch,
                    "payloadhash": rpms.payload_hash(data),
                    "size": len(data),
                    "buildtime": tags["BUILDTIME"],
                    "buildroot_id": None,
                    "external_repo_id": 0,
                    "metadata_only": False,
                    "extra": None,
                    "draft": row["draft"],
                },
            )
        for arch, result in zip(arches, results, strict=True):
            for path in result["logs"]:
                name = path.rpartition("/")[2]
                files.copy(f"work/{path}", f"{directory}/data/logs/{arch}/{name}")
        call.state.update(
            "build", row["id"], state=STATES["COMPLETE"], completion_ts=call.hub.now()
        )


def _to_scratch(call: Call, task: Row, srpm: dict[str, Any], results: list[Any]) -> None:
    owner = call.state.get("users", task["owner"])
    assert owner is not None
    directory = f"scratch/{owner['name']}/task_{task['id']}"
    for path in [srpm["srpm"], *(path for result in results for path in result["rpms"])]:
        call.hub.files.copy(f"work/{path}", f"{directory}/{path.rpartition('/')[2]}")


async def _write_log(builder: Builder, path: str, first: str, line: str, share: float) -> None:
    files = builder.hub.files
    files.write(path, f"{first}\n".encode())
    for step in range(LOG_STEPS):
        await builder.sleep(share / LOG_STEPS)
        files.append(path, f"step {step} of {LOG_STEPS}: {line}\n".encode())


async def build_srpm_from_scm(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``buildSRPMFromSCM``."""
    source = task["request"][0]
    name, revision = _parse_source(source)
    directory = task_directory(task["id"])
    files = builder.hub.files
    files.write(f"{directory}/checkout.log", f"$ git clone -n {source}\n".encode())
    await builder.sleep(SRPM_SHARE)
    if revision.startswith("failsrpm"):
        raise BuildError("error building srpm, exit code 1; see root.log")
    files.write(f"{directory}/build.log", f"Building SRPM of {name}\n".encode())
    result = _store_srpm(builder, task, name, "1.0", _release(revision))
    return {**result, "source": {"source": source, "url": source}}


async def rebuild_srpm(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``rebuildSRPM``."""
    source = task["request"][0]
    name, version, release = _nvr_of(source)
    directory = task_directory(task["id"])
    await builder.sleep(SRPM_SHARE)
    builder.hub.files.write(f"{directory}/build.log", b"Rebuilding the SRPM\n")
    result = _store_srpm(builder, task, name, version, release)
    file = source.rpartition("/")[2]
    return {**result, "source": {"source": file, "url": file}}


def _store_srpm(
    builder: Builder, task: Row, name: str, version: str, release: str
) -> dict[str, Any]:
    directory = task_directory(task["id"])
    file = f"{name}-{version}-{release}.src.rpm"
    data = rpms.make_rpm(
        name, version, release, "noarch", source=True, buildtime=int(builder.hub.now())
    )
    builder.hub.files.write(f"{directory}/{file}", data)
    relative = directory.removeprefix("work/")
    logs = [f"{relative}/build.log"]
    return {"srpm": f"{relative}/{file}", "logs": logs, "brootid": None}


async def build_arch(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``buildArch``: the log grows, then the RPM is there."""
    srpm, _, arch, keep_srpm, *_ = task["request"]
    name, version, release = _nvr_of(srpm)
    directory = task_directory(task["id"])
    relative = directory.removeprefix("work/")
    builder.hub.files.write(f"{directory}/root.log", f"Making the build root for {arch}\n".encode())
    path = f"{directory}/build.log"
    fails = name == "failarch" and task["label"] == _first_label(builder, task)
    # A package that does not build on one architecture shows it while the others still compile.
    share = ARCH_SHARE / 2 if fails else ARCH_SHARE
    await _write_log(builder, path, f"Building for target {arch}", f"compiling {name}", share)
    if fails:
        builder.hub.files.append(path, b"error: Bad exit status from %build\n")
        raise BuildError(
            f"error building package (arch {arch}), mock exited with status 1;"
            " see build.log or root.log for more information"
        )
    file = f"{name}-{version}-{release}.{arch}.rpm"
    data = rpms.make_rpm(name, version, release, arch, buildtime=int(builder.hub.now()))
    builder.hub.files.write(f"{directory}/{file}", data)
    logs = [f"{relative}/build.log", f"{relative}/root.log"]
    kept = [srpm] if keep_srpm and builder.hub.keep_srpms else []
    return {"rpms": [f"{relative}/{file}"], "srpms": kept, "logs": logs, "brootid": None}


def _first_label(builder: Builder, task: Row) -> str | None:
    siblings = builder.hub.task_children(task["parent"]) if task["parent"] is not None else [task]
    labels = [row["label"] for row in siblings if row["method"] == "buildArch"]
    return labels[0] if labels else None


async def tag_build(builder: Builder, task: Row) -> None:
    """Run ``tagBuild``: out of the one tag, into the other, at one event."""
    tag_id, build_id, force, from_tag, *_ = task["request"]
    await builder.sleep(TAG_SHARE)
    state = builder.hub.state
    build_row = state.get("build", build_id)
    if build_row is None:
        raise GenericError(f"No such build: {build_id!r}")
    if _tagged_since(builder, task, tag_id, build_id):
        return
    with state.transaction():
        if from_tag is not None:
            untag_build_row(state, from_tag, build_row, task["owner"])
        tag_build_row(state, tag_id, build_row, task["owner"], force=bool(force))


def _tagged_since(builder: Builder, task: Row, tag_id: int, build_id: int) -> bool:
    """Tell whether a task that has been restarted had done its work."""
    listing = listing_of(builder.hub.state, tag_id, build_id)
    if task["times_opened"] < 2 or listing is None or listing["creator_id"] != task["owner"]:
        return False
    event = builder.hub.state.get("events", listing["create_event"])
    return event is not None and event["ts"] >= task["create_ts"]


async def new_repo(builder: Builder, task: Row) -> list[Any]:
    """Run ``newRepo``: a createrepo for each architecture, then the repo is READY."""
    call = _call(builder, task)
    state = builder.hub.state
    tag = lookups.find_tag(state, task["request"][0], strict=True)
    assert tag is not None
    # A task that has been restarted finds its own.
    repo = state.one("repo", task_id=task["id"], state=INIT)
    if repo is None:
        with state.transaction():
            repo = insert_repo(call, tag["id"], task_id=task["id"])
    arches = _arches(builder, tag["id"], "", {})
    children = [
        builder.subtask(task, "createrepo", [repo["id"], arch, None], arch) for arch in arches
    ]
    results = await builder.wait(task, children)
    del results
    with state.transaction():
        for old in state.rows("repo", tag_id=tag["id"], state=READY, dist=False):
            state.update("repo", old["id"], state=EXPIRED, state_ts=call.hub.now())
        state.update("repo", repo["id"], state=READY, state_ts=call.hub.now())
        for request in state.rows("repo_queue", task_id=task["id"], active=True):
            state.update(
                "repo_queue",
                request["id"],
                repo_id=repo["id"],
                active=False,
                update_ts=call.hub.now(),
            )
    return [repo["id"], repo["create_event"]]


async def createrepo(builder: Builder, task: Row) -> list[Any]:
    """Run ``createrepo``."""
    await builder.sleep(REPO_SHARE)
    return [task_directory(task["id"]).removeprefix("work/"), ["repomd.xml"]]


async def wait_repo(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``waitrepo``: until the tag has a repo that is new enough and holds the builds."""
    tag_info, _newer_than, nvrs, min_event = (*task["request"], None, None, None)[:4]
    call = _call(builder, task)
    state = builder.hub.state
    tag = lookups.find_tag(state, tag_info, strict=True)
    assert tag is not None
    if min_event is None:
        low = default_min_event(call, tag["id"])
        for nvr in nvrs or []:
            row = lookups.find_build_row(state, nvr, strict=True)
            assert row is not None
            for parent, _ in lookups.tag_order(state, tag["id"]):
                for listing in state.active("tag_listing", None, tag_id=parent, build_id=row["id"]):
                    low = max(low or 0, listing["create_event"])
    else:
        low = int(min_event)
    repo = latest_repo(call, tag["id"], min_event=low)
    if repo is None:
        builder.subtask(task, "newRepo", [tag["name"]], "newrepo")
    while repo is None:
        await builder.sleep(0.05)
        repo = latest_repo(call, tag["id"], min_event=low)
    return repo_struct(state, repo)


async def chain_build(builder: Builder, task: Row) -> None:
    """Run ``chainbuild``: level by level, each in a repo that holds the level before."""
    levels, target_info, *rest = task["request"]
    options = (rest[0] if rest else None) or {}
    state = builder.hub.state
    if options.get("scratch"):
        raise GenericError("--scratch is not allowed with chain-builds")
    target = lookups.find_target(state, target_info)
    if target is None:
        raise GenericError(f"unknown build target: {target_info}")
    for level, sources in enumerate(levels):
        children = [
            builder.subtask(
                task, "build", [source, target_info, options], f"build {level},{number}"
            )
            for number, source in enumerate(sources)
        ]
        await builder.wait(task, children)
        if level + 1 < len(levels):
            nvrs = [
                lookups.build_nvr(state, row)
                for child in children
                for row in state.rows("build", task_id=child)
            ]
            request = [target["build_tag_name"], None, nvrs, None]
            waiting = builder.subtask(task, "waitrepo", request, f"wait {level}")
            await builder.wait(task, [waiting])


async def runroot(builder: Builder, task: Row) -> str:
    """Run ``runroot``: the command is always content."""
    command = task["request"][2]
    words = command if isinstance(command, str) else " ".join(command)
    path = f"{task_directory(task['id'])}/runroot.log"
    await _write_log(builder, path, f"$ {words}", "running", ARCH_SHARE)
    return f"{words} completed successfully"


async def sleep(builder: Builder, task: Row) -> None:
    """Run ``sleep``: its argument in seconds, of the hub's clock."""
    from twisted.internet.task import deferLater

    await deferLater(builder.hub.clock, float(task["request"][0]), lambda: None)


HANDLERS: dict[str, Handler] = {
    "build": build,
    "buildSRPMFromSCM": build_srpm_from_scm,
    "rebuildSRPM": rebuild_srpm,
    "buildArch": build_arch,
    "tagBuild": tag_build,
    "newRepo": new_repo,
    "createrepo": createrepo,
    "waitrepo": wait_repo,
    "chainbuild": chain_build,
    "runroot": runroot,
    "sleep": sleep,
}
"""What the builder runs for each task method."""
