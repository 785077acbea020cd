"""Data that this hub never holds: build roots, change logs, external repos, groups, notifications.

Clients ask for them in passing, and get what a hub without any answers.
"""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.lookups.users import require_user
from txkoji.testing.tables.queries import apply_query_options


@hub_method("listBuildroots")
def list_buildroots(
    call: MethodCall,
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
def get_buildroot(call: MethodCall, buildrootID: Any, strict: bool = False) -> None:
    if strict:
        raise GenericError("query returned no rows")


@hub_method("getChangelogEntries")
def get_changelog_entries(
    call: MethodCall,
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
    call: MethodCall, info: Any = None, url: Any = None, event: Any = None, queryOpts: Any = None
) -> Any:
    return apply_query_options([], queryOpts)


@hub_method("getUserGroups")
def get_user_groups(call: MethodCall, user: Any) -> list[Any]:
    require_user(call.state, user)
    return []


@hub_method("getBuildNotifications")
def get_build_notifications(call: MethodCall, userID: Any = None) -> list[Any]:
    return []


@hub_method("getBuildNotificationBlocks")
def get_build_notification_blocks(call: MethodCall, userID: Any = None) -> list[Any]:
    return []


@hub_method("createNotification")
def create_notification(
    call: MethodCall, user_id: Any, package_id: Any, tag_id: Any, success_only: Any
) -> None:
    if call.user is None:
        raise GenericError("Not logged-in")


@hub_method("deleteNotification")
def delete_notification(call: MethodCall, id: Any) -> None:
    raise GenericError(f"No notification with ID {id} found")


@hub_method("getGroupMembers")
def get_group_members(call: MethodCall, group: Any) -> None:
    raise GenericError(f"No such group: {group}")


@hub_method("CGRefundBuild")
def cg_refund_build(call: MethodCall, cg: Any, build_id: Any, token: Any, state: Any = 3) -> None:
    raise GenericError(f"No such entry in table content_generator: {cg}")
