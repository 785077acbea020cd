"""Numbers, sizes, times and lists in words. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from buildbot.process import results


def counted(count: int, noun: str) -> str:
    """Return how many there are of something: ``no files``, ``1 file``, ``2 files``.

    Args:
        count: how many.
        noun: what, in the singular; its plural ends in "s" or "ies".
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{f'{count:,}' if count else 'no'} {noun if count == 1 else plural}"


def named(names: Iterable[str], most: int = 20) -> str:
    """Return names in a row: ``a, b and 3 more``."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more:,} more" if more > 0 else "")


def outcome(state: str) -> str:
    """Return the summary of a build without what Buildbot puts before that of a success."""
    return state.removeprefix("build successful ")


def result_name(number: int) -> str:
    """Return the name of one of Buildbot's results, spelled as Koji does: "canceled"."""
    return results.Results[number].replace("cancelled", "canceled")


def size_in_words(size: float) -> str:
    """Return a number of bytes in the largest unit that shows it: ``12 kB``, ``3.4 MB``."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def duration(seconds: float) -> str:
    """Return a time in one unit, ``12 min``, rounded so that one that runs down changes rarely."""
    if seconds < 5:
        return f"{max(round(seconds), 1)} s"
    if seconds < 55:
        return f"{max(10 * round(seconds / 10), 5)} s"
    minutes = seconds / 60
    if minutes < 10:
        return f"{round(minutes)} min"
    if minutes < 90:
        return f"{5 * round(minutes / 5)} min"
    hours = minutes / 60
    return f"{round(hours)} h" if hours < 48 else f"{round(hours / 24)} days"


def in_days(seconds: float) -> str:
    """Return how soon something happens: ``in 9 days``, ``within a day``."""
    days = int(seconds // 86400)
    return f"in {counted(days, 'day')}" if days else "within a day"


def clock_time(moment: float, now: float) -> str:
    """Return when something happened: ``14:02``, or with its date if that is not today."""
    then = datetime.datetime.fromtimestamp(moment).astimezone()
    today = datetime.datetime.fromtimestamp(now).astimezone().date()
    return then.strftime("%H:%M" if then.date() == today else "%Y-%m-%d %H:%M")
