"""The rules for names of tags, targets, packages and users, and for lists of architectures."""

from __future__ import annotations

import re
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.values import no_attribute

_ARCH = re.compile(r"[A-Za-z0-9_-]*")
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


def parse_arches(arches: Any) -> Any:
    """Return a list of architectures as text with blanks between them; None stays None."""
    if arches is None:
        return None
    if not isinstance(arches, str | list):
        raise no_attribute(arches, "split")
    names = arches.split() if isinstance(arches, str) else arches
    if not all(_ARCH.fullmatch(each) for each in names):
        raise GenericError("Architecture can be only [a-zA-Z0-9_-]")
    return " ".join(names)
