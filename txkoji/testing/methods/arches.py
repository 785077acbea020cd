"""The rules for lists of architectures."""

from __future__ import annotations

import re
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.values import no_attribute

_ARCH = re.compile(r"[A-Za-z0-9_-]*")


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
