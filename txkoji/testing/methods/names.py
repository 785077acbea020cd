"""The rule for names of tags, targets and packages."""

from __future__ import annotations

import re
from typing import Any

from txkoji.exceptions import GenericError

_NAME = re.compile(r"[A-Za-z0-9/_.+-]{1,256}")


def check_name(name: Any) -> None:
    """Refuse an invalid name, with the hub's text."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GenericError(f"Name {name} does not match RegexNameInternal value")
