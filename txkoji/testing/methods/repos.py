"""Build repositories, requests for them, and dist repos."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import ActionNotAllowed, ParameterError
from txkoji.testing.announcements import messages
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.history import last_change
from txkoji.testing.methods.table import HubMethod, declare, declare_all, hub_method, look_up
from txkoji.testing.methods.tasks import DEFAULT_PRIORITY, FINISHED, make_task
from txkoji.testing.tables.lookups.structs import repo_struct
from txkoji.testing.tables.lookups.tags import tag_extra, tag_name, tag_order
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.lookups.values import (
    database_integer,
    hub_error,
    integer,
    require_type,
    times_of,
)
from txkoji.testing.tables.queries import View
from txkoji.testing.tables.state import HubState, Row, pick

INIT, READY, EXPIRED, DELETED, PROBLEM = range(5)
ON_REQUEST = (1, 35)
"""Since this release a tag is regenerated on request only, unless it has ``repo.auto``."""

REPO_PRIORITY = 15
REPO_OPTIONS = {"src": False, "maven": False, "debuginfo": False, "separate_src": False}


def _options(
    call: MethodCall, tag_id: int, asked: dict[str, Any] | None, event: int | None = None
) -> dict[str, Any]:
    """Return the options of a repo: what was asked for, or the tag's own, or the usual ones."""
    own = tag_extra(call.state, tag_id, event).get("repo.opts")
    return {**REPO_OPTIONS, **(own if isinstance(own, dict) else {}), **(asked or {})}


def insert_repo(
    call: MethodCall,
    tag_id: int,
    *,
    state: int = INIT,
    task_id: int | None = None,
    dist: bool = False,
    opts: dict[str, Any] | None = None,
    event: int | None = None,
) -> Row:
    """Store a new repo of a tag, as of an event, by default this transaction's."""
    tags = {parent for parent, _ in tag_order(call.state, tag_id, event)}
    now = call.hub.now()
    return call.state.insert(
        "repo",
        {
            "tag_id": tag_id,
            "state": state,
            "create_event": call.state.event() if event is None else event,
            "creation_ts": now,
            "state_ts": now,
            "dist": dist,
            "opts": None if dist else _options(call, tag_id, opts, event),
            "custom_opts": None if dist else opts or {},
            "task_id": task_id,
            "begin_event": last_change(call, tags, None if event is None else event + 1),
            "end_event": None,
        },
    )


def latest_repo(
    call: MethodCall,
    tag_id: int,
    *,
    state: int = READY,
    dist: bool = False,
    min_event: int | None = None,
    at_event: int | None = None,
    opts: dict[str, Any] | None = None,
) -> Row | None:
    """Return the newest repo of a tag in a state, or None; perhaps one with these options."""
    wanted = None if opts is None else _options(call, tag_id, opts, at_event)
    rows = [
        row
        for row in call.state.rows("repo", tag_id=tag_id, state=state, dist=dist)
        if (min_event is None or row["create_event"] >= min_event)
        and (at_event is None or row["create_event"] == at_event)
        and (wanted is None or row["opts"] == wanted)
    ]
    return max(rows, key=lambda row: (row["create_event"], row["id"]), default=None)


@hub_method("getRepo(tag, state=None, event=None, dist=False, min_event=None)")
def get_repo(call: MethodCall, tag: Any, state: Any, event: Any, dist: bool, min_event: Any) -> Any:
    """Return the newest ready repo of a tag."""
    tag_id = call.tag_id(tag)
    wanted = READY if state is None else state
    dist = bool(dist)
    if event is None:
        row = latest_repo(call, tag_id, state=wanted, dist=dist, min_event=min_event)
    else:
        # In whatever state it is now.
        until = database_integer(event)
        rows = call.state.rows("repo", tag_id=tag_id, dist=dist)
        past = [each for each in rows if each["create_event"] <= until]
        row = max(past, key=lambda each: int(each["create_event"]), default=None)
    return repo_struct(call.state, row) if row else None


look_up("repoInfo(repo_id, strict=False)", "repo", lambda call, row: repo_struct(call.state, row))


@hub_method("repo.get")
def repo_get(
    call: MethodCall, tag: Any, min_event: Any = None, at_event: Any = None, opts: Any = None
) -> Any:
    """Return the best ready repo of a tag (hub 1.35)."""
    tag_id = call.tag_id(tag)
    _check_options(opts)
    low = _min_event(call, tag_id, min_event)
    at_event = None if at_event is None else integer(at_event)
    row = latest_repo(call, tag_id, min_event=low, at_event=at_event, opts=opts)
    return repo_struct(call.state, row) if row else None


def _min_event(call: MethodCall, tag_id: int, min_event: Any) -> int | None:
    if min_event != "last":
        return None if min_event is None else integer(min_event)
    tags = {parent for parent, _ in tag_order(call.state, tag_id)}
    return last_change(call, tags)


def default_min_event(call: MethodCall, tag_id: int) -> int | None:
    """Return the default minimum event of a repo: the last change of the tag.

    A change younger than an hour does not count, so that a busy tag is not regenerated each time.
    """
    last = _min_event(call, tag_id, "last")
    return min(last or 0, call.state.last_event(call.hub.now() - 3600)) or None


def request_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a repo request."""
    task = state.get("task", row["task_id"])
    columns = "active at_event id min_event opts owner priority repo_id tag_id task_id tries"
    return {
        **pick(row, columns),
        **times_of(row, "create update"),
        "owner_name": user_name(state, row["owner"]),
        "tag_name": tag_name(state, row["tag_id"]),
        "task_state": task["state"] if task else None,
    }


def _check_options(opts: Any) -> None:
    if opts is not None:
        require_type(opts, dict)
    for name in opts or {}:
        if name not in REPO_OPTIONS:
            raise ParameterError(f"Invalid repo option: {name}")


@hub_method(
    "repo.request(tag, min_event=None, at_event=None, opts=None, priority=None, force=False)"
)
def repo_request(
    call: MethodCall, tag: Any, min_event: Any, at_event: Any, opts: Any, priority: Any, force: bool
) -> dict[str, Any]:
    """Request a repo: get an existing one, or a place in the queue (hub 1.35)."""
    call.require_login()
    tag_id = call.require("tagInfo", tag)["id"]
    _check_options(opts)
    relative = 0 if priority is None else integer(priority)
    if relative < 0 and not call.has_permission("admin"):
        raise ActionNotAllowed("only admins may create high-priority requests")
    at_event = _checked_event(call, min_event, at_event)
    if min_event is None and at_event is None:
        low = default_min_event(call, tag_id)
    else:
        low = _min_event(call, tag_id, min_event)
    same = {"tag_id": tag_id, "at_event": at_event, "opts": opts or {}}
    repo = None if force else latest_repo(call, min_event=low, **same)
    if repo is not None:
        return {"repo": repo_struct(call.state, repo), "request": None, "duplicate": False}
    for row in call.state.rows("repo_queue", active=True, **same):
        if low is None or (row["min_event"] is not None and row["min_event"] >= low):
            return {"repo": None, "request": request_struct(call.state, row), "duplicate": True}
    row = _queue(call, low, DEFAULT_PRIORITY + relative, same)
    return {"repo": None, "request": request_struct(call.state, row), "duplicate": False}


def _checked_event(call: MethodCall, min_event: Any, at_event: Any) -> int | None:
    """Return the number of the event that a repo is wanted of, if any; refuse unknown events."""
    if at_event is not None:
        at_event = integer(at_event)
        if min_event is not None:
            raise ParameterError("The min_event and at_event options conflict")
    for event in (min_event, at_event):
        if event not in (None, "last") and call.state.get("events", integer(event)) is None:
            raise ParameterError(f"Invalid event: {event}")
    return None if at_event is None else int(at_event)


def _queue(call: MethodCall, min_event: int | None, priority: int, wanted: dict[str, Any]) -> Row:
    request = {"min_event": min_event, "priority": priority, "owner": call.user_id, **wanted}
    times = dict.fromkeys(("create_ts", "update_ts"), call.hub.now())
    return call.state.insert("repo_queue", {**request, **times})


@hub_method("repo.checkRequest")
def repo_check_request(call: MethodCall, req_id: Any) -> dict[str, Any]:
    """Return the state of a repo request (hub 1.35)."""
    row = call.require("repo request", req_id)
    result: dict[str, Any] = {"request": request_struct(call.state, row), "repo": None}
    if row["repo_id"] is not None:
        repo = call.state.row("repo", row["repo_id"])
        result["repo"] = repo_struct(call.state, repo)
    return result


@hub_method("newRepo(tag, event=None, src=False, debuginfo=False, separate_src=False)")
def new_repo(
    call: MethodCall, tag: Any, event: Any, src: bool, debuginfo: bool, separate_src: bool
) -> int:
    """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    if not (call.has_permission("repo") or call.has_permission("regen-repo")):
        call.require_permission("regen-repo")
    request: list[Any] = [call.require("tagInfo", tag)["name"]]
    wanted = {"event": event, "src": src, "debuginfo": debuginfo, "separate_src": separate_src}
    given = {name: value for name, value in wanted.items() if value}
    if given:
        request.append({**given, "__starstar": True})
    return make_task(call, "newRepo", request, priority=REPO_PRIORITY, channel="createrepo")


@hub_method("distRepo")
def dist_repo(call: MethodCall, tag: Any, keys: Any, **task_opts: Any) -> int:
    """Start a distRepo task, which makes a signed repo; return its id."""
    if "arch" not in task_opts:
        raise hub_error("<class 'KeyError'>: 'arch'")
    call.require_login()
    state = call.state
    found = call.require("tagInfo", tag)
    if call.denial("dist_repo") is None:
        call.require_permission("dist-repo")
    call.require_policy("dist_repo", force=True)
    require_type(task_opts["arch"], list)
    require_type(keys, list)
    if tag_extra(state, found["id"]).get("distrepo.cancel_others"):
        for other in state.rows("task", method="distRepo"):
            if other["state"] not in FINISHED and other["request"][0] == found["name"]:
                call.hub.runner.cancel(other["id"])
    repo = insert_repo(call, found["id"], dist=True)
    request = [found["name"], repo["id"], keys, task_opts]
    task_id = make_task(call, "distRepo", request, channel="createrepo", priority=REPO_PRIORITY)
    state.update("repo", repo["id"], task_id=task_id)
    more = {
        "dist": True,
        "keys": keys,
        "arches": task_opts["arch"],
        "task_opts": task_opts,
        "repodir": f"{messages.TOP_DIRECTORY}/repos-dist/{found['name']}/{repo['id']}",
        "with_src": "src" in task_opts["arch"],
    }
    state.announce(lambda: messages.repo_begun(state, repo, **more))
    return task_id


# Queries by clauses

_REPOS = View(
    "begin_event create_event creation_time creation_ts custom_opts dist end_event id opts state"
    " state_time state_ts tag_id task_id",
    "begin_ts create_ts end_ts tag_name task_state",
    "id tag_id create_event state dist task_id",
)
_REQUESTS = View(
    "active at_event create_time create_ts id min_event opts owner priority repo_id tag_id task_id"
    " tries update_time update_ts",
    "owner_name tag_name task_state",
    "id tag_id min_event at_event active task_id repo_id",
)


def _repos(call: MethodCall) -> list[dict[str, Any]]:
    return [repo_struct(call.state, row) for row in call.state.rows("repo")]


def _requests(call: MethodCall) -> list[dict[str, Any]]:
    return [request_struct(call.state, row) for row in call.state.rows("repo_queue")]


_OLD = "create_event create_ts creation_time dist id state tag_id tag_name task_id"
_METHODS: dict[str, HubMethod] = {
    "repo.query(clauses, fields=None, opts=None) -> repos by conditions": _REPOS.of(_repos),
    "repo.queryQueue(clauses=None, fields=None, opts=None) -> requests": _REQUESTS.of(_requests),
    "getActiveRepos() -> the repos that are not deleted, as hubs before 1.35 gave them": (
        lambda call: [pick(row, _OLD) for row in _repos(call) if row["state"] != DELETED]
    ),
}
declare_all(_METHODS)


@hub_method("repo.setRequestPriority")
def repo_set_request_priority(call: MethodCall, req_id: Any, priority: Any) -> None:
    """Set the priority of a request for a repo. Needs admin."""
    # A hub updates whatever matches.
    for row in call.state.rows("repo_queue", id=integer(req_id)):
        call.state.update("repo_queue", row["id"], priority=priority, update_ts=call.hub.now())


def _set_repo_state(call: MethodCall, repo_id: Any, state: int) -> None:
    row = call.require("repo to change", repo_id)
    number = database_integer(state)
    call.state.update("repo", row["id"], state=number, state_ts=call.hub.now())


declare("repo.setState(repo_id, state)", _set_repo_state)


declare("repoExpire(repo_id)", lambda call, repo: _set_repo_state(call, repo, EXPIRED))
declare("repoProblem(repo_id)", lambda call, repo: _set_repo_state(call, repo, PROBLEM))


@hub_method("repoDelete")
def repo_delete(call: MethodCall, repo_id: Any) -> int:
    """Delete a repo; return how many things refer to it."""
    _set_repo_state(call, repo_id, DELETED)
    return 0
