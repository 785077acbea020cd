"""Values of a mass build's arguments: checks, and what they mean. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from fractions import Fraction
from itertools import chain
from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.mass.packages import check_packages

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")


def count_or_share(value: Any) -> str | None:
    """Check for a number of packages, or a share of them."""
    if isinstance(value, str) and (found := _SHARE.fullmatch(value)) and float(found[1]) <= 100:
        return None
    return None if checks.count(value) is None else 'must be a number of packages, or "5%"'


def some_or_share(value: Any) -> str | None:
    """Check for a number of packages that is not 0, or a share of them."""
    good = count_or_share(value) is None and number_of(value, 100) > 0
    return None if good else 'must be a number of packages greater than 0, or "5%"'


def number_of(value: Any, total: int, *, rounded_down: bool = False) -> int:
    """Return a number of packages that is given as such, or as a share of all.

    Args:
        value: the number or the share.
        total: how many packages there are.
        rounded_down: whether a part of a package counts as none; by default it counts as one.
    """
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return int(value)
    number = Fraction(found[1]) * total / 100
    return math.floor(number) if rounded_down else math.ceil(number)


def check_levels(value: Any) -> str | None:
    """Check for lists of packages."""
    good = isinstance(value, (list, tuple)) and bool(value)
    if good and all(isinstance(each, (list, tuple)) and each for each in value):
        return next((found for each in value if (found := check_packages(each))), None)
    return "must be a list of lists of package names"


def check_requirements(value: Any) -> str | None:
    """Check for the packages that packages require."""
    if (
        isinstance(value, Mapping)
        and all(isinstance(each, str) for each in value)
        and all(isinstance(each, (list, tuple)) for each in value.values())
        and all(isinstance(each, str) for each in chain.from_iterable(value.values()))
        # A library is required by thousands.
        and checks.texts([*{*chain.from_iterable(value.values())}]) is None
    ):
        return None
    return "must be a dictionary: package: [packages that it requires]"


def check_reasons(value: Any) -> str | None:
    """Check for packages, with or without reasons."""
    if isinstance(value, (list, tuple)):
        return checks.texts(value)
    return checks.strings(value) and "must be a dictionary: package: reason; or a list of packages"


def check_moment(value: Any) -> str | None:
    """Check for a time."""
    good = checks.seconds(value) is None or (
        isinstance(value, str) and seconds_of(value) is not None
    )
    return None if good else 'must be a time: seconds since the epoch, or "2026-11-01" (UTC)'


def seconds_of(value: Any) -> float | None:
    """Return a time in seconds since the epoch."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
