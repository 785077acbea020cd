"""Data that this hub never holds: change logs, files in archives.

Clients ask for them in passing, and get what a hub without any answers.
"""

from __future__ import annotations

from typing import Any, NoReturn

from txkoji.exceptions import GenericError
from txkoji.testing.core import NEEDED_BY_DEFAULT
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method
from txkoji.testing.tables.lookups.tags import tag_name
from txkoji.testing.tables.lookups.users import held_permissions
from txkoji.testing.tables.lookups.values import integer, row_by_id
from txkoji.testing.tables.queries import apply_to_list


@hub_method(
    "getChangelogEntries(buildID=None, taskID=None, filepath=None, author=None, before=None,"
    " after=None, queryOpts=None, strict=False)"
)
def get_changelog_entries(call: MethodCall, *, queryOpts: Any, **asked: Any) -> Any:
    """Return the changelog of a build's source RPM."""
    if asked["buildID"]:
        call.find("build", asked["buildID"], asked["strict"])
    elif not asked["taskID"]:
        raise GenericError("either buildID or taskID and filepath must be specified")
    elif not asked["filepath"]:
        raise GenericError("filepath must be specified with taskID")
    return apply_to_list([], queryOpts)


@hub_method("getArchiveFile")
def get_archive_file(
    call: MethodCall, archive_id: Any, filename: Any, strict: bool = False
) -> None:
    """Return a file in an archive."""
    found = row_by_id(call.state, "archiveinfo", archive_id)
    if strict:
        missing = f"No such archive: {archive_id}" if found is None else f"No such file: {filename}"
        raise GenericError(f"{missing} in archive#{archive_id}" if found else missing)


@hub_method("buildReferences(build, limit=None, lazy=False)")
def build_references(call: MethodCall, build: Any, **_: Any) -> dict[str, Any]:
    """Return what refers to a build."""
    row = call.require("build", build)
    tags = [
        {"id": listing["tag_id"], "name": tag_name(call.state, listing["tag_id"])}
        for listing in call.state.active("tag_listing", build_id=row["id"])
    ]
    nothing: dict[str, Any] = {
        key: [] for key in ["rpms", "component_archives", "archives", "images"]
    }
    return {"tags": tags, **nothing, "last_used": None}


@hub_method("mergeScratch")
def merge_scratch(call: MethodCall, task_id: Any) -> NoReturn:
    """Import a scratch build as a real one; return the build's id."""
    integer(task_id)
    raise GenericError(f"task {task_id} is not a scratch build of an existing build")


_ACTIONS = {
    **dict.fromkeys((*NEEDED_BY_DEFAULT, "build_rpm", "cg_import"), "allow"),
    "channel": "use default",
    "priority": "stay",
    "volume": "DEFAULT",
}
"""What the policies that a hub has by default say to do, where they don't deny."""


@hub_method("evalPolicy")
def eval_policy(call: MethodCall, name: Any, data: Any) -> str:
    """Return what a policy says to do: ``allow``, or ``deny`` and a reason."""
    if name not in _ACTIONS and all(each.policy != name for each in call.hub.denials):
        raise GenericError(f"no such policy: {name}")
    denial = call.denial(name, data.get("tag"))
    return denial.action if denial else _ACTIONS.get(name, "allow")


def _external_data(call: MethodCall, repo: Any) -> None:
    call.require("external_repo", repo)


declare("repo.getExternalRepoData(erepo)", _external_data)
declare("repo.references(repo_id)", lambda _call, _repo: [])


@hub_method("getAllArches")
def get_all_arches(call: MethodCall) -> list[str]:
    """Return the architectures of all builders."""
    hosts = call.state.rows("host", enabled=True)
    return sorted({arch for host in hosts for arch in host["arches"].split()})


@hub_method("checkTagAccess")
def check_tag_access(call: MethodCall, tag_id: Any, user_id: Any = None) -> list[Any]:
    """Return whether a user may tag into a tag, whether force helps, and the reason."""
    tag = call.require("tagInfo", tag_id)
    user = call.user if user_id is None else call.require("user", user_id)
    held = held_permissions(call.state, user["id"]) if user else {}
    if tag["locked"]:
        return [False, "admin" in held, "tag is locked"]
    if tag["perm"] and tag["perm"] not in held:
        return [False, "admin" in held, f"tag requires {tag['perm']} permission"]
    return [True, False, ""]


@hub_method("getRPMChecksums(rpm_id, checksum_types=None, cacheonly=False)")
def get_rpm_checksums(call: MethodCall, rpm_id: Any, **_: Any) -> dict[str, Any]:
    """Return the checksums of an RPM's signed copies, by key and type."""
    integer(rpm_id)
    return {}
