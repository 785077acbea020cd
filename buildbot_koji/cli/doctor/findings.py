"""What the doctor finds: lines, JSON and an exit status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Literal

import attrs

from buildbot_koji.hubs.credentials import WARN_BEFORE
from buildbot_koji.words import in_days
from txkoji import one_line

Level = Literal["ok", "warning", "error"]

LONGEST = 500
"""Characters of a text: it may embed the output of another program."""


@attrs.frozen
class Finding:
    """One line of the report.

    Attributes:
        level: ``ok``, ``warning`` (it works, or will for now) or ``error`` (it does not).
        check: what was checked, in a word or two: ``login``, ``tag f44``.
        text: what was found, in one line.
        remedy: what to do, in one line; empty for ``ok``.
    """

    level: Level
    check: str
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding("ok", one_line(check), one_line(text, LONGEST))


def warning(check: str, text: str, remedy: str) -> Finding:
    """Return that something works, but not for long or not as configured."""
    return Finding("warning", one_line(check), one_line(text, LONGEST), one_line(remedy, LONGEST))


def error(check: str, text: str, remedy: str) -> Finding:
    """Return that something does not work."""
    return Finding("error", one_line(check), one_line(text, LONGEST), one_line(remedy, LONGEST))


def expiry(check: str, name: str, expires: float, now: float, remedy: str) -> Finding | None:
    """Return that something has expired or soon will; None while there is time."""
    if expires < now:
        ended = datetime.fromtimestamp(expires, timezone.utc)
        return error(check, f"{name} expired on {ended:%Y-%m-%d %H:%M} UTC", remedy)
    if expires - now <= WARN_BEFORE:
        return warning(check, f"{name} expires {in_days(expires - now)}", remedy)
    return None


def lines(finding: Finding) -> str:
    """Return a finding for a terminal, with its remedy, if any, on a second line."""
    said = f"  {finding.level:<7} {finding.check}: {finding.text}"
    return f"{said}\n          -> {finding.remedy}" if finding.remedy else said


def as_json(found: Sequence[tuple[str, Sequence[Finding]]]) -> dict[str, Any]:
    """Return all findings as a JSON value: ``{"status": n, "subjects": [...]}``."""
    return {
        "status": exit_status(found),
        "subjects": [
            {"subject": subject, "findings": [attrs.asdict(each) for each in findings]}
            for subject, findings in found
        ],
    }


def exit_status(found: Sequence[tuple[str, Sequence[Finding]]]) -> int:
    """Return 0 if all is well, 1 if there are warnings, 2 if there are errors."""
    levels = {each.level for _, findings in found for each in findings}
    return 2 if "error" in levels else 1 if "warning" in levels else 0
