"""The Buildbot change of an event. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from buildbot_koji.database_values import (
    MAX_VALUE,
    database_time,
    encoded_size,
    fit_properties,
    fit_text,
    member,
)
from buildbot_koji.properties import CHANGE_SOURCE, EVENT_KEY
from txkoji import (
    BuildPromote,
    BuildStateChange,
    Event,
    PackageListChange,
    RepoDone,
    RPMSign,
    TagUntag,
    TaskStateChange,
    build_states,
)

CATEGORY = "koji-"
"""The prefix of the categories."""

MAX_RPMS = 1000
"""How many RPMs a change lists: a build of texlive has several thousand."""

_SIZES = {
    "author": 255,
    "branch": 255,
    "revision": 255,
    "category": 255,
    "comments": 4000,
    "revlink": 256,
    "repository": 512,
    "project": 512,
}
"""The sizes of Buildbot's columns, and of a comment, in bytes: databases refuse longer values."""

_LOGIN = re.compile(
    r"\A([a-z+]*https?://)(?:[^/?#]*|[^/?#:\[]*:(?!\d*[/?#])[^#]*)@"
    r"|\A([^/?#]*//[^/?#:@\[]*):(?!\d*[/?#])[^#]*@",
    re.IGNORECASE,
)
"""What logs in by an address: everyone sees a change. SSH's user without a password may stay."""


def change_of(event: Event, *, source: str, hub: str, project: str | None) -> dict[str, Any]:
    """Return the arguments of Buildbot's ``addChange`` for an event.

    Args:
        event: the complete event.
        source: the name of the change source.
        hub: the name of the hub's profile.
        project: the project of all changes; None for the name of the package.

    Returns:
        A new dictionary: the caller may change it.
    """
    package = event.package_name or ""
    repository, revision = _origin(event)
    facts = {
        "koji_event": event.name,
        EVENT_KEY: event.key,
        CHANGE_SOURCE: source,
        "koji_hub": hub,
        **_build_facts(event),
        **_task_facts(event),
        **_other_facts(event),
    }
    return fitted(
        {
            "author": _author(event),
            "branch": event.tag_name or event.target,
            "category": f"{CATEGORY}{event.name}",
            "comments": _words(event),
            "project": project if project is not None else package,
            "properties": {name: value for name, value in facts.items() if value is not None},
            "repository": repository,
            "revision": revision,
            "revlink": event.url or "",
            "when_timestamp": event.when,
        }
    )


def fitted(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change whose values every database takes: those that are too large are cut."""
    fitting = {
        name: fit_text(value, _SIZES[name]) if name in _SIZES and value is not None else value
        for name, value in change.items()
    }
    fitting["when_timestamp"] = database_time(change["when_timestamp"])
    # A change that is held back is one value of the database.
    rest = MAX_VALUE - encoded_size({**fitting, "properties": {}})
    return {**fitting, "properties": fit_properties(change["properties"], rest)}


def _author(event: Event) -> str:
    for struct in (event.build, event.task):
        if struct is not None and struct.get("owner_name"):
            return str(struct.owner_name)
    return event.user_name or "koji"


def _origin(event: Event) -> tuple[str, str]:
    """Return the repository and revision of the source, else the package and the NVR."""
    source = _scm_source(event)
    address, _, revision = (source or "").partition("#")
    if "://" in address and revision:
        return address.removeprefix("git+").removesuffix("?"), revision
    package = event.package_name
    if event.build is not None:
        return str(package), str(event.build.nvr)
    if isinstance(event, RepoDone):
        return str(event.tag_name), str(event.repo_id)
    if event.task is not None:
        return package or str(event.task.method), str(event.task.id)
    return str(package), str(package)


def _scm_source(event: Event) -> str | None:
    if event.build is not None:
        build = event.build
        sources = [build.get("source"), member(build, "extra", "source", "original_url")]
    else:
        params = None if event.task is None else event.task.params
        sources = [member(params, "src"), member(params, "url")]
    source = next((each for each in sources if each and isinstance(each, str)), None)
    return source and _LOGIN.sub(lambda found: found[1] or f"{found[2]}@", source)


def _build_facts(event: Event) -> dict[str, Any]:
    build = event.build
    if build is None:
        return {"koji_package": event.package_name}
    state = build.get("state")
    return {
        "koji_build_id": build.build_id,
        "koji_build_url": build.url,
        "koji_nvr": build.nvr,
        "koji_package": event.package_name,
        "koji_version": build.version,
        "koji_release": build.release,
        "koji_epoch": build.get("epoch"),
        "koji_build_state": None if state is None else build_states.to_str(state),
        "koji_draft": build.get("draft"),
        "koji_owner": build.get("owner_name"),
        "koji_source": _scm_source(event),
        "koji_task_id": build.task_id,
        "koji_target": event.target,
        "koji_build_types": list(event.types) or None,
        "koji_rpms": list(event.rpms[:MAX_RPMS]) or None,
    }


def _task_facts(event: Event) -> dict[str, Any]:
    task = event.task
    if not isinstance(event, TaskStateChange) or task is None:
        return {}
    return {
        "koji_task_id": task.id,
        "koji_task_url": task.url,
        "koji_task_state": event.event,
        "koji_task_method": task.method,
        "koji_task_arch": task.get("arch"),
        "koji_scratch": task.is_scratch,
        "koji_owner": task.get("owner_name"),
        "koji_source": _scm_source(event),
        "koji_target": event.target,
    }


def _other_facts(event: Event) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "koji_tag": event.tag_name,
        "koji_tag_id": event.tag_id,
        "koji_tag_heirs": list(event.watched_tags) or None,
        "koji_user": event.user_name,
    }
    if isinstance(event, RepoDone):
        facts |= {"koji_repo_id": event.repo_id, "koji_dist": event.dist}
    if isinstance(event, RPMSign):
        rpm = event.rpm
        facts |= {
            "koji_sigkey": event.sigkey,
            "koji_rpm_id": rpm["id"],
            "koji_rpm": f"{rpm['name']}-{rpm['version']}-{rpm['release']}.{rpm['arch']}",
        }
    return facts


def _words(event: Event) -> str:
    nvr = "" if event.build is None else str(event.build.nvr)
    by = f" by {event.user_name}" if event.user_name else ""
    if isinstance(event, TagUntag):
        into = "into" if event.action == "tag" else "from"
        return f"{nvr} was {event.name} {into} {event.tag_name}{by}"
    if isinstance(event, BuildStateChange):
        return f"build of {nvr}{by}: {event.event.lower()}"
    if isinstance(event, TaskStateChange):
        task = event.task
        assert task is not None
        of = f" of {event.package_name}" if event.package_name else ""
        return f"task {task.id}, {task.method}{of}: {event.event.lower()}"
    if isinstance(event, BuildPromote):
        return f"{nvr} was promoted{by}"
    if isinstance(event, RepoDone):
        return f"repo {event.repo_id} of {event.tag_name} is ready"
    if isinstance(event, PackageListChange):
        return f"{event.package} was listed in {event.tag_name}{by}"
    if isinstance(event, RPMSign):
        return f"{event.rpm['name']} {event.rpm['arch']} of {nvr} was signed with {event.sigkey}"
    return event.name
