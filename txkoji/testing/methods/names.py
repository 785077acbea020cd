"""The rule that the names of tags, targets and packages follow."""

from __future__ import annotations

import re
from typing import Any

from txkoji.exceptions import GenericError

_NAME = re.compile(r"[A-Za-z0-9/_.+-]{1,256}")


def check_name(kind: str, name: Any) -> None:
    """Refuse a name that the hub would not take, with its text."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GenericError(f"Invalid name for {kind}: {name!r}")
