"""Explain errors in one line that says what to do. Pure."""

from __future__ import annotations

import re

from buildbot_koji.words import clock_time
from txkoji import one_line
from txkoji.exceptions import ActionNotAllowed, HubFault, KojiException

__all__ = ["explain", "unreachable", "with_remedy"]

PLUGINS = {
    "buildContainer": "koji-containerbuild",
    "buildSourceContainer": "koji-containerbuild",
    "createSideTag": "sidetag_hub",
    "editSideTag": "sidetag_hub",
    "kiwiBuild": "kiwi",
    "listSideTags": "sidetag_hub",
    "osbuildImage": "osbuild (of koji-osbuild)",
    "removeSideTag": "sidetag_hub",
    "runroot": "runroot_hub",
    "saveFailedTree": "save_failed_tree",
}
"""The hub plugin that adds a method."""


_NOT_LISTED = re.compile(
    r"[Pp]ackage (?:\([a-z]{1,20}\) )?([^\s()]{1,250}) not in list for(?: tag)? ([^\s()]{1,250})"
)
"""What hubs say of a package that is not listed in a tag."""


def with_remedy(text: str) -> str:
    """Return the message of a hub or a task, with the command that helps if there is one.

    Args:
        text: one line.
    """
    found = _NOT_LISTED.search(text)
    if found is None or "koji add-pkg" in text:
        return text
    package, tag = found.groups()
    return f"{text}: koji add-pkg --owner OWNER {tag} {package}"


def unreachable(error: BaseException, since: float, now: float) -> str:
    """Return since when a hub has not answered, and why not, in one line.

    Args:
        error: why not.
        since: since when, in seconds since the epoch.
        now: the current time, in seconds since the epoch.
    """
    return f"the hub has not answered since {clock_time(since, now)}: {one_line(error)}"


def explain(error: KojiException) -> str:
    """Return what went wrong, in one line that names any missing plugin or permission.

    Args:
        error: the error of a call to the hub.
    """
    if not isinstance(error, HubFault):
        return one_line(error)
    method = error.unknown_method
    if method is not None:
        if method in PLUGINS:
            return f"the hub has no {method}: its plugin {PLUGINS[method]} is not installed"
        return f"the hub has no {method}: it is older than this method, or a plugin is missing"
    if isinstance(error, ActionNotAllowed):
        return f"the hub does not allow it: {one_line(error)}"
    return with_remedy(one_line(error))
