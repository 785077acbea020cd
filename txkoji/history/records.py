"""The hub's records as events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from txkoji import build_states, task_states
from txkoji._rich_base import make
from txkoji.build import Build
from txkoji.history.events import (
    BuildPromote,
    BuildStateChange,
    Event,
    PackageListChange,
    RepoDone,
    TagUntag,
    TaskStateChange,
)
from txkoji.history.hub import RichHub
from txkoji.task import Task

__all__ = [
    "REPO_DELETED",
    "REPO_EXPIRED",
    "REPO_READY",
    "build_events",
    "opened_task_events",
    "package_events",
    "promotion_events",
    "repo_events",
    "tag_events",
    "task_events",
]

REPO_READY, REPO_EXPIRED, REPO_DELETED = 1, 2, 3

MAX_REPO_TIME = 86400.0
"""Seconds that making a repo may take."""

WatchedTags = Mapping[int, tuple[str, ...]]
"""The names of the watched tags that have the builds of a tag, by its id."""


def tag_events(hub: RichHub, rows: Sequence[Any], after: int, watched: WatchedTags) -> list[Event]:
    """Return the taggings and untaggings in rows of the table ``tag_listing``.

    Args:
        hub: the hub.
        rows: the rows, as ``queryHistory`` returns them.
        after: the id of an event: earlier ones are left out.
        watched: the watched tags.
    """
    # Tagging a tagged build by force ends one row and starts another in one event.
    renewed = {(row["build_id"], row["create_event"]) for row in rows}
    found: list[Event] = []
    for row in rows:
        known = {
            "connection": hub,
            "build": _build_of_listing(hub, row),
            "tag_id": row["tag_id"],
            "tag_name": row["tag.name"],
            "create_event": row["create_event"],
            "watched_tags": watched.get(row["tag_id"], ()),
        }
        if row["create_event"] > after:
            who, when = row["creator_name"], row["create_ts"]
            found.append(TagUntag(**known, action="tag", user_name=who, when=when))
        revoked = row["revoke_event"]
        if revoked is not None and revoked > after and (row["build_id"], revoked) not in renewed:
            who, when = row["revoker_name"], row["revoke_ts"]
            found.append(TagUntag(**known, action="untag", user_name=who, when=when))
    return found


def _build_of_listing(hub: RichHub, row: Any) -> Build:
    struct = {key: row[key] for key in ("build_id", "name", "version", "release", "epoch")}
    struct |= {
        "id": row["build_id"],
        "package_name": row["name"],
        "nvr": f"{row['name']}-{row['version']}-{row['release']}",
        "state": row["build.state"],
    }
    return make(Build, struct, hub)  # type: ignore[no-any-return]


def package_events(
    hub: RichHub, rows: Sequence[Any], after: int, watched: WatchedTags
) -> list[Event]:
    """Return the listings of packages in rows of the table ``tag_packages``; see `tag_events`."""
    listed = {(row["package_id"], row["revoke_event"]) for row in rows if not row["blocked"]}
    return [
        PackageListChange(
            connection=hub,
            action="add",
            package=row["package.name"],
            tag_id=row["tag_id"],
            tag_name=row["tag.name"],
            watched_tags=watched.get(row["tag_id"], ()),
            create_event=row["create_event"],
            user_name=row["creator_name"],
            when=row["create_ts"],
        )
        for row in rows
        # Changing the architectures ends one row and starts another in one event.
        if row["create_event"] > after
        and not row["blocked"]
        and (row["package_id"], row["create_event"]) not in listed
    ]


def build_events(hub: RichHub, builds: Sequence[Any]) -> list[Event]:
    """Return the changes of state of builds that are no longer BUILDING."""
    return [
        BuildStateChange(
            connection=hub,
            build=make(Build, build, hub),
            new=build["state"],
            user_name=build["owner_name"],
            when=_end_of(build),
        )
        for build in builds
        if build["state"] != build_states.BUILDING
    ]


def _end_of(build: Any) -> float | None:
    """Return when a build reached its state, as far as the hub knows."""
    if build["state"] == build_states.DELETED:
        return None
    # The end comes from the content generator: the import may be much later.
    return max(float(build["completion_ts"] or 0.0), float(build["creation_ts"]))


def promotion_events(hub: RichHub, builds: Sequence[Any]) -> list[Event]:
    """Return the promotions of builds that were drafts."""
    return [
        BuildPromote(
            connection=hub,
            build=make(Build, build, hub),
            user_name=build["promoter_name"],
            when=build["promotion_ts"],
        )
        for build in builds
        if build.get("promotion_ts") is not None
    ]


def task_events(hub: RichHub, tasks: Sequence[Any]) -> list[Event]:
    """Return the changes of state of tasks that are OPEN or final."""
    return [
        TaskStateChange(
            connection=hub,
            task=make(Task, task, hub),
            new=task["state"],
            when=task["completion_ts"] or task["start_ts"],
        )
        for task in tasks
        if task["state"] in task_states.DONE_GROUP or task["state"] == task_states.OPEN
    ]


def opened_task_events(hub: RichHub, tasks: Sequence[Any]) -> list[Event]:
    """Return the starts of tasks, also of those that ended since: they were OPEN at some point."""
    return [
        TaskStateChange(
            connection=hub,
            task=make(Task, task, hub),
            new=task_states.OPEN,
            when=task["start_ts"],
        )
        for task in tasks
    ]


def repo_events(
    hub: RichHub, repos: Sequence[Any], names: Mapping[int, str], watched: WatchedTags
) -> list[Event]:
    """Return the repos that became ready.

    Args:
        hub: the hub.
        repos: structs of repos, as ``repo.query`` and ``repoInfo`` return them.
        names: the names of the tags that count, by id.
        watched: the watched tags.
    """
    return [
        RepoDone(
            connection=hub,
            repo_id=repo["id"],
            dist=repo["dist"],
            tag_id=repo["tag_id"],
            tag_name=names[repo["tag_id"]],
            watched_tags=watched.get(repo["tag_id"], ()),
            when=_ready_since(repo),
        )
        for repo in repos
        if repo["tag_id"] in names and _was_ready(repo)
    ]


def _created(repo: Any) -> float:
    return float(repo.get("creation_ts") or repo["create_ts"])


def _is_gone(repo: Any) -> bool:
    return repo["state"] in (REPO_EXPIRED, REPO_DELETED)


def _was_ready(repo: Any) -> bool:
    """Return whether a repo is ready, or was lately."""
    if not _is_gone(repo):
        return bool(repo["state"] == REPO_READY)
    if repo["state"] == REPO_DELETED and repo.get("task_state") != task_states.CLOSED:
        # Its task failed: the repo never was ready.
        return False
    created = _created(repo)
    return float(repo.get("state_ts") or created) - created <= MAX_REPO_TIME


def _ready_since(repo: Any) -> float:
    created = _created(repo)
    # The hub forgets when an expired or deleted repo was ready.
    return created if _is_gone(repo) else float(repo.get("state_ts") or created)
