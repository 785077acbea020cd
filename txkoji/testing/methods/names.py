"""The rules for names of tags, targets, packages and users, and for lists of architectures."""

from __future__ import annotations

import re
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.values import hub_error

_ARCHES = re.compile(r"[A-Za-z0-9_ -]*")
_USER = re.compile(r"[A-Za-z0-9/_.@-]{1,256}")
_NAME = re.compile(r"[A-Za-z0-9/_.+-]{1,256}")


def check_name(name: Any) -> None:
    """Refuse an invalid name, with the hub's text."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GenericError(f"Name {name} does not match RegexNameInternal value")


def check_user_name(name: Any) -> None:
    """Refuse an invalid name of a user, with the hub's text."""
    if not isinstance(name, str) or not _USER.fullmatch(name):
        raise GenericError(f"Name {name} does not match RegexUserName value")


def check_arches(arches: Any) -> None:
    """Refuse anything but a text of architectures separated by blanks; None passes."""
    if arches is None:
        return
    if not isinstance(arches, str):
        raise hub_error(f"arches are no text: {arches!r}")
    if not _ARCHES.fullmatch(arches):
        raise GenericError(f"Architecture '{arches}' can be only [a-zA-Z0-9_-]")
