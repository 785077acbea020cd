"""What this hub never holds: Maven, Windows and image builds, archives, build roots, groups.

Clients ask for them all the same, in passing, and must get what a hub without any answers.
"""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing import lookups
from txkoji.testing.methods import Call, hub_method
from txkoji.testing.queries import apply_query_options


def _no_such_build(call: Call, info: Any, strict: bool, kind: str) -> None:
    row = lookups.find_build_row(call.state, info, strict)
    if row is not None and strict:
        raise GenericError(f"no such {kind} build: {lookups.build_nvr(call.state, row)}")


@hub_method("getMavenBuild")
def get_maven_build(call: Call, buildInfo: Any, strict: bool = False) -> None:
    _no_such_build(call, buildInfo, strict, "maven")


@hub_method("getWinBuild")
def get_win_build(call: Call, buildInfo: Any, strict: bool = False) -> None:
    _no_such_build(call, buildInfo, strict, "windows")


@hub_method("getImageBuild")
def get_image_build(call: Call, buildInfo: Any, strict: bool = False) -> None:
    _no_such_build(call, buildInfo, strict, "image")


@hub_method("getArchive")
def get_archive(call: Call, archive_id: Any, strict: bool = False) -> None:
    if strict:
        raise GenericError("query returned no rows")


@hub_method("listArchiveFiles")
def list_archive_files(
    call: Call, archive_id: Any, queryOpts: Any = None, strict: bool = False
) -> Any:
    get_archive(call, archive_id, strict)
    return apply_query_options([], queryOpts)


@hub_method("listBuildroots")
def list_buildroots(
    call: Call,
    hostID: Any = None,
    tagID: Any = None,
    state: Any = None,
    rpmID: Any = None,
    archiveID: Any = None,
    taskID: Any = None,
    buildrootID: Any = None,
    repoID: Any = None,
    queryOpts: Any = None,
) -> Any:
    return apply_query_options([], queryOpts)


@hub_method("getBuildroot")
def get_buildroot(call: Call, buildrootID: Any, strict: bool = False) -> None:
    if strict:
        raise GenericError("query returned no rows")


@hub_method("getChangelogEntries")
def get_changelog_entries(
    call: Call,
    buildID: Any = None,
    taskID: Any = None,
    filepath: Any = None,
    author: Any = None,
    before: Any = None,
    after: Any = None,
    queryOpts: Any = None,
    strict: bool = False,
) -> Any:
    return apply_query_options([], queryOpts)


@hub_method("listExternalRepos")
def list_external_repos(
    call: Call, info: Any = None, url: Any = None, event: Any = None, queryOpts: Any = None
) -> Any:
    return apply_query_options([], queryOpts)


@hub_method("getUserGroups")
def get_user_groups(call: Call, user: Any) -> list[Any]:
    lookups.find_user(call.state, user, strict=True)
    return []
