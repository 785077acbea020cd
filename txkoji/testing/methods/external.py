"""External repos: what they are, and the tags that use them."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method, look_up
from txkoji.testing.tables.lookups.tags import tag_name, tag_order
from txkoji.testing.tables.lookups.values import must, parse_arches
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import Row, pick

_LINK = "arches external_repo_id merge_mode priority tag_id"
_MODES = ("koji", "simple", "bare")


def _slashed(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


@hub_method("createExternalRepo")
def create_external_repo(call: MethodCall, name: Any, url: Any) -> dict[str, Any]:
    """Make an external repo."""
    if call.find("external repo", name):
        raise GenericError(f'An external repo named "{name}" already exists')
    row = call.state.one("external_repo", name=name)
    if row is None:
        row = call.state.insert("external_repo", {"name": name})
    config = {"external_repo_id": row["id"], "url": _slashed(url)}
    call.state.insert_version("external_repo_config", config, call.user_id)
    return {"id": row["id"], "name": name, "url": _slashed(url)}


@hub_method("listExternalRepos")
def list_external_repos(
    call: MethodCall, info: Any = None, url: Any = None, event: Any = None, queryOpts: Any = None
) -> Any:
    """Return external repos."""
    configs = call.state.active("external_repo_config", event)
    ids = sorted(each["external_repo_id"] for each in configs) if info is None else [info]
    found = [call.find("external repo", each, False, event) for each in ids]
    rows = [row for row in found if row and (url is None or row["url"] == _slashed(url))]
    return apply_query_options(rows, queryOpts, "listExternalRepos")


look_up("getExternalRepo(info, strict=False, event=None)", "external repo", lambda _, repo: repo)


@hub_method("editExternalRepo")
def edit_external_repo(call: MethodCall, info: Any, name: Any = None, url: Any = None) -> None:
    """Change an external repo."""
    repo = call.require("external repo", info)
    if name and name != repo["name"]:
        if call.state.one("external_repo", name=name):
            raise GenericError(f'An external repo named "{name}" already exists')
        call.state.update("external_repo", repo["id"], name=name)
    if url and _slashed(url) != repo["url"]:
        changed = {"external_repo_id": repo["id"], "url": _slashed(url)}
        call.state.insert_version("external_repo_config", changed, call.user_id)


@hub_method("deleteExternalRepo")
def delete_external_repo(call: MethodCall, info: Any) -> None:
    """Delete an external repo."""
    repo = call.require("external repo", info)
    for table in ("external_repo_config", "tag_external_repos"):
        call.state.revoke_all(table, call.user_id, external_repo_id=repo["id"])


def _check_mode(merge_mode: Any) -> None:
    if merge_mode not in _MODES:
        raise GenericError(f"Invalid merge mode: {merge_mode}")


@hub_method("addExternalRepoToTag(tag_info, repo_info, priority, merge_mode='koji', arches=None)")
def add_external_repo_to_tag(
    call: MethodCall, tag_info: Any, repo_info: Any, priority: Any, merge_mode: Any, arches: Any
) -> None:
    """Add an external repo to a tag."""
    _check_mode(merge_mode)
    tag = call.require("tagInfo", tag_info)
    repo = call.require("external repo", repo_info)
    keys = {"tag_id": tag["id"], "external_repo_id": repo["id"]}
    links = call.state.active("tag_external_repos", tag_id=tag["id"])
    if any(link["external_repo_id"] == repo["id"] for link in links):
        raise GenericError(
            f"Tag {tag['name']} already associated with external repo {repo['name']}"
        )
    if any(link["priority"] == int(priority) for link in links):
        raise GenericError(f"Tag {tag['name']} already has an external repo at priority {priority}")
    link = {**keys, "priority": int(priority), "merge_mode": merge_mode}
    link["arches"] = parse_arches(arches)
    call.state.insert_version("tag_external_repos", link, call.user_id)


def _link(call: MethodCall, tag: dict[str, Any], repo: dict[str, Any]) -> Row:
    keys = {"tag_id": tag["id"], "external_repo_id": repo["id"]}
    return must(
        call.state.current("tag_external_repos", **keys),
        f"External repo {repo['name']} not associated with tag {tag['name']}",
    )


@hub_method("editTagExternalRepo(tag_info, repo_info, priority=None, merge_mode=None, arches=None)")
def edit_tag_external_repo(
    call: MethodCall, tag_info: Any, repo_info: Any, priority: Any, merge_mode: Any, arches: Any
) -> bool:
    """Change an external repo of a tag."""
    link = _link(call, call.require("tagInfo", tag_info), call.require("external repo", repo_info))
    changed = pick(link, _LINK)
    if priority is not None:
        changed["priority"] = int(priority)
    if merge_mode is not None:
        _check_mode(merge_mode)
        changed["merge_mode"] = merge_mode
    if arches is not None:
        changed["arches"] = parse_arches(arches) or None
    if all(link[key] == value for key, value in changed.items()):
        return False
    call.state.insert_version("tag_external_repos", changed, call.user_id)
    return True


@hub_method("removeExternalRepoFromTag")
def remove_external_repo_from_tag(call: MethodCall, tag_info: Any, repo_info: Any) -> None:
    """Remove an external repo from a tag."""
    link = _link(call, call.require("tagInfo", tag_info), call.require("external repo", repo_info))
    call.state.revoke("tag_external_repos", link["id"], call.user_id)


def _links(
    call: MethodCall, tag_id: int | None, repo_id: int | None, event: int | None
) -> list[dict[str, Any]]:
    equal = {"tag_id": tag_id, "external_repo_id": repo_id}
    given = {key: value for key, value in equal.items() if value is not None}
    structs = []
    for row in call.state.active("tag_external_repos", event, **given):
        repo = call.find("external repo", row["external_repo_id"], False, event)
        if repo is None:
            continue
        structs.append(
            {
                **pick(row, _LINK),
                "external_repo_name": repo["name"],
                "tag_name": tag_name(call.state, row["tag_id"]),
                "url": repo["url"],
            }
        )
    return sorted(structs, key=lambda struct: struct["priority"])


@hub_method("getTagExternalRepos")
def get_tag_external_repos(
    call: MethodCall, tag_info: Any = None, repo_info: Any = None, event: Any = None
) -> list[dict[str, Any]]:
    """Return which tags have which external repos."""
    tag = None if tag_info is None else call.require("tagInfo", tag_info, event)
    repo = None if repo_info is None else call.require("external repo", repo_info)
    return _links(call, tag["id"] if tag else None, repo["id"] if repo else None, event)


@hub_method("getExternalRepoList")
def get_external_repo_list(
    call: MethodCall, tag_info: Any, event: Any = None
) -> list[dict[str, Any]]:
    """Return the external repos of a tag, inherited ones included."""
    tag = call.require("tagInfo", tag_info, event)
    found: dict[int, dict[str, Any]] = {}
    for parent, _ in tag_order(call.state, tag["id"], event):
        for link in _links(call, parent, None, event):
            found.setdefault(link["external_repo_id"], link)
    return list(found.values())
