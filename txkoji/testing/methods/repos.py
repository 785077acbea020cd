"""Build repositories: the ones that are there, and the ones that are asked for."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import ActionNotAllowed, GenericError
from txkoji.testing import lookups
from txkoji.testing.methods import Call, hub_method
from txkoji.testing.methods.history import changes_of
from txkoji.testing.methods.tasks import make_task
from txkoji.testing.state import HubState, Row

INIT, READY, EXPIRED, DELETED, PROBLEM = range(5)
REPO_PRIORITY = 15
_NO_OPTIONS = {"src": False, "maven": False, "debuginfo": False, "separate_src": False}


def _event_ts(state: HubState, event: int | None) -> float | None:
    row = state.get("events", event) if event is not None else None
    return lookups.rounded(row["ts"]) if row else None


def repo_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a repo (hubs since 1.35)."""
    tag = state.get("tag", row["tag_id"])
    task = state.get("task", row["task_id"]) if row["task_id"] is not None else None
    assert tag is not None
    return {
        "begin_event": row["begin_event"],
        "begin_ts": _event_ts(state, row["begin_event"]),
        "create_event": row["create_event"],
        "create_ts": _event_ts(state, row["create_event"]),
        "creation_time": lookups.time_text(row["creation_ts"]),
        "creation_ts": lookups.rounded(row["creation_ts"]),
        "custom_opts": {},
        "dist": row["dist"],
        "end_event": row["end_event"],
        "end_ts": _event_ts(state, row["end_event"]),
        "id": row["id"],
        "opts": row["opts"],
        "state": row["state"],
        "state_time": lookups.time_text(row["state_ts"]),
        "state_ts": lookups.rounded(row["state_ts"]),
        "tag_id": tag["id"],
        "tag_name": tag["name"],
        "task_id": row["task_id"],
        "task_state": task["state"] if task else None,
    }


def insert_repo(call: Call, tag_id: int, *, state: int = INIT, task_id: int | None = None) -> Row:
    """Store a new repo of a tag, as of this transaction's event."""
    tags = {parent for parent, _ in lookups.tag_order(call.state, tag_id)}
    changes = changes_of(call, tags)
    now = call.hub.now()
    return call.state.insert(
        "repo",
        {
            "tag_id": tag_id,
            "state": state,
            "create_event": call.state.event(),
            "creation_ts": now,
            "state_ts": now,
            "dist": False,
            "opts": dict(_NO_OPTIONS),
            "task_id": task_id,
            "begin_event": max(changes, default=None),
            "end_event": None,
        },
    )


def latest_repo(
    call: Call,
    tag_id: int,
    *,
    state: int = READY,
    dist: bool = False,
    min_event: int | None = None,
    at_event: int | None = None,
) -> Row | None:
    """Return the newest repo of a tag in a state, or None."""
    rows = [
        row
        for row in call.state.rows("repo", tag_id=tag_id, state=state, dist=dist)
        if (min_event is None or row["create_event"] >= min_event)
        and (at_event is None or row["create_event"] == at_event)
    ]
    return max(rows, key=lambda row: (row["create_event"], row["id"]), default=None)


@hub_method("getRepo", python_name="RootExports.getRepo")
def get_repo(
    call: Call,
    tag: Any,
    state: Any = None,
    event: Any = None,
    dist: bool = False,
    min_event: Any = None,
) -> Any:
    tag_id = lookups.find_tag_id(call.state, tag, strict=True)
    assert tag_id is not None
    wanted = READY if state is None else state
    row = latest_repo(call, tag_id, state=wanted, dist=dist, min_event=min_event)
    return repo_struct(call.state, row) if row else None


@hub_method("repoInfo")
def repo_info(call: Call, repo_id: Any, strict: bool = False) -> Any:
    row = call.state.get("repo", repo_id)
    if row is None:
        if strict:
            raise GenericError("query returned no rows")
        return None
    return repo_struct(call.state, row)


@hub_method("getActiveRepos")
def get_active_repos(call: Call) -> list[Any]:
    rows = [row for row in call.state.rows("repo") if row["state"] in (INIT, READY, EXPIRED)]
    return [repo_struct(call.state, row) for row in rows]


@hub_method("repo.get")
def repo_get(
    call: Call, tag: Any, min_event: Any = None, at_event: Any = None, opts: Any = None
) -> Any:
    tag_id = lookups.find_tag_id(call.state, tag, strict=True)
    assert tag_id is not None
    low = _min_event(call, tag_id, min_event)
    row = latest_repo(call, tag_id, min_event=low, at_event=at_event)
    return repo_struct(call.state, row) if row else None


def _min_event(call: Call, tag_id: int, min_event: Any) -> int | None:
    if min_event != "last":
        return None if min_event is None else int(min_event)
    tags = {parent for parent, _ in lookups.tag_order(call.state, tag_id)}
    return max(changes_of(call, tags), default=None)


def default_min_event(call: Call, tag_id: int) -> int | None:
    """Return the least event that a repo must have when nobody says: the last change of the tag.

    A change younger than an hour does not count, so that a busy tag is not regenerated each time.
    """
    last = _min_event(call, tag_id, "last")
    old = [row["id"] for row in call.state.rows("events") if row["ts"] <= call.hub.now() - 3600]
    if last is None:
        return None
    return min(last, max(old, default=0))


def request_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a repo request."""
    tag = state.get("tag", row["tag_id"])
    owner = state.get("users", row["owner"])
    task = state.get("task", row["task_id"]) if row["task_id"] is not None else None
    assert tag is not None
    return {
        "active": row["active"],
        "at_event": row["at_event"],
        "create_time": lookups.time_text(row["create_ts"]),
        "create_ts": lookups.rounded(row["create_ts"]),
        "id": row["id"],
        "min_event": row["min_event"],
        "opts": row["opts"],
        "owner": row["owner"],
        "owner_name": owner["name"] if owner else None,
        "priority": row["priority"],
        "repo_id": row["repo_id"],
        "tag_id": row["tag_id"],
        "tag_name": tag["name"],
        "task_id": row["task_id"],
        "task_state": task["state"] if task else None,
        "tries": row["tries"],
        "update_time": lookups.time_text(row["update_ts"]),
        "update_ts": lookups.rounded(row["update_ts"]),
    }


@hub_method("repo.request")
def repo_request(
    call: Call,
    tag: Any,
    min_event: Any = None,
    at_event: Any = None,
    opts: Any = None,
    priority: Any = None,
    force: bool = False,
) -> dict[str, Any]:
    user = call.require_login()
    found = lookups.find_tag(call.state, tag, strict=True)
    assert found is not None
    unknown = sorted(set(opts or {}) - set(_NO_OPTIONS))
    if unknown:
        raise GenericError(f"Invalid options: {', '.join(unknown)}")
    if min_event is None and at_event is None:
        low = default_min_event(call, found["id"])
    else:
        low = _min_event(call, found["id"], min_event)
    repo = None if force else latest_repo(call, found["id"], min_event=low, at_event=at_event)
    if repo is not None:
        struct = repo_struct(call.state, repo)
        return {"repo": struct, "request": None, "duplicate": False}
    for row in call.state.rows("repo_queue", tag_id=found["id"], active=True):
        if row["min_event"] is not None and (low is None or row["min_event"] >= low):
            return {"repo": None, "request": request_struct(call.state, row), "duplicate": True}
    now = call.hub.now()
    row = call.state.insert(
        "repo_queue",
        {
            "tag_id": found["id"],
            "at_event": at_event,
            "min_event": low,
            "opts": opts or {},
            "priority": DEFAULT_REQUEST_PRIORITY if priority is None else priority,
            "owner": user["id"],
            "create_ts": now,
            "update_ts": now,
            "active": True,
            "task_id": None,
            "tries": 0,
            "repo_id": None,
        },
    )
    request_id = int(row["id"])
    call.state.on_commit(lambda: call.hub.builder.repo_requested(request_id))
    return {"repo": None, "request": request_struct(call.state, row), "duplicate": False}


DEFAULT_REQUEST_PRIORITY = 20


@hub_method("repo.checkRequest")
def repo_check_request(call: Call, req_id: Any) -> dict[str, Any]:
    row = call.state.get("repo_queue", req_id)
    if row is None:
        raise GenericError("No such request")
    result: dict[str, Any] = {"request": request_struct(call.state, row), "repo": None}
    if row["repo_id"] is not None:
        repo = call.state.get("repo", row["repo_id"])
        assert repo is not None
        result["repo"] = repo_struct(call.state, repo)
    return result


@hub_method("newRepo", python_name="RootExports.newRepo")
def new_repo(
    call: Call,
    tag: Any,
    event: Any = None,
    src: bool = False,
    debuginfo: bool = False,
    separate_src: bool = False,
) -> int:
    call.require_login()
    if not (call.has_permission("repo") or call.has_permission("regen-repo")):
        call.require_permission("regen-repo")
    found = lookups.find_tag(call.state, tag, strict=True)
    assert found is not None
    return make_task(call, "newRepo", [found["name"]], priority=REPO_PRIORITY, channel="createrepo")


# Side tags (a plugin of the hub)


@hub_method("createSideTag")
def create_side_tag(
    call: Call, basetag: Any, debuginfo: bool = False, suffix: Any = None
) -> dict[str, Any]:
    from txkoji.testing.methods.tags import insert_tag, insert_target

    user = call.require_login()
    base = lookups.find_tag(call.state, basetag, strict=True)
    assert base is not None
    number = max((row["id"] for row in call.state.rows("tag")), default=0) + 1
    name = f"{base['name']}-side-{number}" + (f"-{suffix}" if suffix else "")
    extra = {"sidetag": True, "sidetag_user": user["name"], "sidetag_user_id": user["id"]}
    tag_id = insert_tag(
        call, user["id"], name, parent=base["id"], arches=base["arches"], extra=extra
    )
    insert_target(call, user["id"], name, tag_id, tag_id)
    return {"name": name, "id": tag_id, "task_id": None, "request": None}


def _side_tags(call: Call) -> list[Row]:
    tags = []
    for row in call.state.active("tag_extra", None, key="sidetag"):
        tag = call.state.get("tag", row["tag_id"])
        assert tag is not None
        tags.append(tag)
    return tags


@hub_method("removeSideTag")
def remove_side_tag(call: Call, sidetag: Any) -> None:
    from txkoji.testing.methods.tags import drop_tag, drop_target

    user = call.require_login()
    tag = lookups.find_tag(call.state, sidetag, strict=True)
    assert tag is not None
    extra = lookups.tag_extra(call.state, tag["id"])
    if not extra.get("sidetag"):
        raise GenericError(f"Not a sidetag: {tag['name']}")
    if extra["sidetag_user_id"] != user["id"] and not call.has_permission("admin"):
        raise ActionNotAllowed("This is not your sidetag")
    drop_target(call, user["id"], tag["name"])
    drop_tag(call, user["id"], tag["id"])


@hub_method("editSideTag")
def edit_side_tag(
    call: Call,
    sidetag: Any,
    debuginfo: Any = None,
    rpm_macros: Any = None,
    remove_rpm_macros: Any = None,
    extra: Any = None,
    remove_extra: Any = None,
) -> None:
    user = call.require_login()
    tag = lookups.find_tag(call.state, sidetag, strict=True)
    assert tag is not None
    own = lookups.tag_extra(call.state, tag["id"])
    if not own.get("sidetag"):
        raise GenericError(f"Not a sidetag: {tag['name']}")
    if own["sidetag_user_id"] != user["id"] and not call.has_permission("admin"):
        raise ActionNotAllowed("This is not your sidetag")
    [link] = call.state.active("tag_inheritance", None, tag_id=tag["id"])
    allowed = lookups.tag_extra(call.state, link["parent_id"])
    changes: dict[str, Any] = dict(extra or {})
    removed = set(remove_extra or [])
    if debuginfo is not None:
        if not allowed.get("sidetag_debuginfo_allowed"):
            raise GenericError("Debuginfo setting is not allowed in parent tag.")
        changes["with_debuginfo"] = bool(debuginfo)
    if rpm_macros or remove_rpm_macros:
        if not allowed.get("sidetag_rpm_macros_allowed"):
            raise GenericError("RPM macros change is not allowed in parent tag.")
        changes.update({f"rpm.macro.{name}": value for name, value in (rpm_macros or {}).items()})
        removed |= {f"rpm.macro.{name}" for name in remove_rpm_macros or []}
    for key in {*changes, *removed}:
        for row in call.state.active("tag_extra", None, tag_id=tag["id"], key=key):
            call.state.revoke("tag_extra", row["id"], user["id"])
    for key, value in changes.items():
        entry = {"tag_id": tag["id"], "key": key, "value": value}
        call.state.insert_version("tag_extra", entry, user["id"])


@hub_method("listSideTags")
def list_side_tags(
    call: Call, basetag: Any = None, user: Any = None, queryOpts: Any = None
) -> list[dict[str, Any]]:
    wanted = lookups.find_user(call.state, user, strict=True) if user is not None else None
    base = lookups.find_tag(call.state, basetag, strict=True) if basetag is not None else None
    rows = []
    for tag in _side_tags(call):
        extra = lookups.tag_extra(call.state, tag["id"])
        if wanted and extra["sidetag_user_id"] != wanted["id"]:
            continue
        if base and not call.state.active(
            "tag_inheritance", None, tag_id=tag["id"], parent_id=base["id"]
        ):
            continue
        name = extra["sidetag_user"]
        owner = str(extra["sidetag_user_id"])
        rows.append({"id": tag["id"], "name": tag["name"], "user_id": owner, "user_name": name})
    return rows
