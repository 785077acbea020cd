"""Explain errors in one line that says what to do. Pure."""

from __future__ import annotations

import re

from twisted.internet.defer import CancelledError, FirstError

from buildbot_koji.words import clock_time
from txkoji import one_line
from txkoji.exceptions import ActionNotAllowed, HubFault, KojiException

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


add_package = "koji add-pkg --owner OWNER {} {}".format
"""Return the command that lists a package in a tag, by the names of the tag and the package."""

grant_permission = "koji grant-permission {} {}".format
"""Return the command that gives a user a permission."""

_REMEDIES = tuple(
    (re.compile(words), remedy)
    for words, remedy in (
        (
            r"[Pp]ackage (?:\([a-z]+\) )?([^\s()]{1,250}) not in list for(?: tag)? ([^\s():]+)",
            add_package(r"\2", r"\1"),
        ),
        (
            r"[Pp]ackage (?:\([a-z]+\) )?([^\s()]{1,250}) is blocked (?:for tag|in) ([^\s():]+)",
            r"koji unblock-pkg \2 \1",
        ),
        (r"No such channel: |the hub has no channel ", "`koji list-channels` lists them"),
        (r"Channel ([\w.+/-]{1,250}) is disabled", r"koji enable-channel \1, or name another"),
        (r"(?:No such|unknown|has no) build target:? ", "`koji list-targets` lists them"),
        (
            r"No such (?:tagInfo|entry in table tag): |the hub has no tag ",
            "`koji list-tags` lists them",
        ),
        (r"\btag (?!is locked)([\w.+-]{1,256}) is locked", r"koji edit-tag --unlock \1"),
        (
            r"\b(?:tagged into|untagged from) ([\w.+-]{1,256}): (?:\w{1,50}: )?tag is locked",
            r"koji edit-tag --unlock \1",
        ),
        (r"\btag is locked", "koji edit-tag --unlock TAG"),
        (r"\btag requires ([\w-]{1,50}) permission", grant_permission(r"\1", "USER")),
        (r"Not a sidetag: ", "name one that KojiCreateSideTag or `koji add-sidetag` made"),
        (
            r"\b([\w-]{1,50}) permission required \(logged in as ([^\s()]{1,250})\)",
            grant_permission(r"\1", r"\2"),
        ),
        (
            r"you must be logged.in|permission required \(user not logged in",
            "give util.KojiHub or the profile a login",
        ),
        (
            r"\bto appear in the (\S{1,256}) repo",
            r"are they tagged into \1 or a tag that it inherits, and the latest there?",
        ),
        (r"policy violation \(", "the hub's policy decides: ask its admins"),
    )
)
"""What hubs say, and the command or change that helps."""


def cause_of(error: BaseException | None) -> BaseException | None:
    """Return the error behind a FirstError: Buildbot reads and renders several values at a time."""
    while isinstance(error, FirstError):
        error = error.subFailure.value
    return error


def was_cancelled(error: BaseException | None) -> bool:
    """Return whether an error is a cancellation of what was awaited."""
    return isinstance(cause_of(error), CancelledError)


def with_remedy(text: str, tag: str = "TAG") -> str:
    """Return the message of a hub or a task, with the command that helps if there is one.

    Args:
        text: the message.
        tag: the tag that is meant if the message names none.
    """
    for words, remedy in _REMEDIES:
        found = words.search(text)
        if found is not None:
            help_ = re.sub(r"(?<=--unlock )TAG\Z", lambda _: tag, found.expand(remedy))
            return text if help_ in text else f"{text}: {help_}"
    return text


def unreachable(error: BaseException, since: float, now: float) -> str:
    """Return since when a hub has not answered, and why not, in one line."""
    return f"the hub has not answered since {clock_time(since, now)}: {one_line(error)}"


def explain(error: KojiException, tag: str = "TAG") -> str:
    """Return what went wrong, in one line that names any missing plugin or permission.

    Args:
        error: what went wrong.
        tag: as for :func:`with_remedy`.
    """
    if not isinstance(error, HubFault):
        return one_line(error)
    method = error.unknown_method
    if method is not None:
        if method in PLUGINS:
            return f"the hub has no {method}: its plugin {PLUGINS[method]} is not installed"
        return f"the hub has no {method}: it is older than this method, or a plugin is missing"
    if isinstance(error, ActionNotAllowed):
        return with_remedy(f"the hub does not allow it: {one_line(error)}", tag)
    return with_remedy(one_line(error), tag)
