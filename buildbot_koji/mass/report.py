"""The result of a mass build, and its report as HTML, JSON and CSV. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any
from unicodedata import normalize

from buildbot.process import results

from buildbot_koji.mass.plan import IDLE, MADE, MassPackage, MassPlan, PackageState, failed_of
from buildbot_koji.words import counted, named
from txkoji import paths

COLUMNS = (
    "package",
    "owner",
    "state",
    "reason",
    "arch",
    "log_url",
    "nvr",
    "task_id",
    "url",
    "duration",
    "regression",
)

SHOWN = {
    PackageState.READY: PackageState.WAITING,
    PackageState.SUBMITTING: PackageState.WAITING,
}
"""States that nobody but the plan needs to tell apart."""

MOST_COUNTS = 50
"""How many reasons, and how many owners, are shown with their numbers of failures."""

_FORMULA = ("=", "+", "-", "@")
"""With one of these, after white space or in full width too, a spreadsheet takes a text for a
formula.
"""

_WORD_BEGINS, _WORD_ENDS = re.compile(r"\w"), re.compile(r"\w\Z")


def result_and_summary(plan: MassPlan, max_failures: int) -> tuple[int, str]:
    """Return Buildbot's result of a mass build, WARNINGS with few failures, and its summary."""
    facts, words = facts_of(plan), plan.summary(None)
    failed, dropped = facts["failed"], facts["skipped"] - sum(e.is_excluded for e in plan.packages)
    if worse := facts["regressions"]:
        words += f"; {counted(len(worse), 'regression')}: {named(worse, 3)}"
    if left := facts["left"]:
        words = f"{plan.stopped}: {words}; {left:,} not started"
        return results.FAILURE, words
    if failed > max_failures:
        return results.FAILURE, words
    return results.WARNINGS if failed or dropped else results.SUCCESS, words


def facts_of(plan: MassPlan) -> dict[str, Any]:
    """Return the counts and names that a mass build sets properties to."""
    counts = plan.counts
    return {
        "total": len(plan.packages),
        "built": sum(counts[each] for each in MADE),
        "failed": counts[PackageState.FAILED],
        "skipped": counts[PackageState.SKIPPED],
        "left": len(plan.packages) - plan.ended,
        "failed_packages": [each.name for each in failed_of(plan.packages)],
        "regressions": [e.name for e in plan.packages if e.is_regression],
    }


def package_row(
    package: MassPackage, weburl: str, *, stopped: str = "", has_ended: bool = False
) -> dict[str, Any]:
    """Return a package as reports and pages show it.

    Args:
        package: the package.
        weburl: the address of kojiweb.
        stopped: why nothing more starts; empty if more may.
        has_ended: whether the mass build has ended: a package that is not final is then ``left``.
    """
    task_id = package.task_id
    is_left = has_ended and not package.is_final
    is_held = package.state is PackageState.HELD and not is_left
    # Nothing retries what is left.
    remark = package.reason if is_left else package.remark
    if stopped and package.state in IDLE:
        remark = f"{stopped}: {package.reason}" if package.reason else stopped
    return {
        "package": package.name,
        "owner": package.owner,
        "state": "left" if is_left else SHOWN.get(package.state, package.state).value,
        "reason": remark or ("waits for a repo" if is_held else None),
        "arch": package.arch,
        "log_url": package.log_url,
        "nvr": package.nvr,
        "task_id": task_id,
        "url": None if task_id is None else paths.task_url(weburl, task_id),
        "since": package.since,
        "duration": package.duration,
        "regression": package.is_regression,
    }


class FailureCounts:
    """Counts failures, each once: pages ask while more packages fail.

    Args:
        failed: the packages that failed; more may be appended.
    """

    def __init__(self, failed: Sequence[MassPackage]) -> None:
        self._failed = failed
        self._counted = 0
        self._reasons: Counter[str] = Counter()
        self._owners: Counter[str] = Counter()

    def _count(self) -> None:
        new = self._failed[self._counted :]
        self._counted += len(new)
        self._reasons.update(_reason_without_name(each) or "unknown" for each in new)
        self._owners.update(each.owner or "nobody" for each in new)

    def by_reason(self) -> list[tuple[str, int]]:
        """Return how many packages failed for each reason, the most frequent first."""
        self._count()
        return self._reasons.most_common(MOST_COUNTS)

    def by_owner(self) -> list[tuple[str, int]]:
        """Return how many packages of each owner failed, the most first."""
        self._count()
        return self._owners.most_common(MOST_COUNTS)


def _reason_without_name(package: MassPackage) -> str:
    """Return a reason with PACKAGE for the package's name, where that is a word of its own."""
    # Not one expression for each name: to compile 17,000 of them takes seconds.
    first, *rest = package.reason.split(package.name)
    parts = [first]
    for after in rest:
        is_word = _WORD_ENDS.search(parts[-1]) or _WORD_BEGINS.match(after)
        parts += [package.name if is_word else "PACKAGE", after]
    return "".join(parts)


def json_report(
    head: Mapping[str, Any], name: str, rows: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the parts of a JSON text with the head's members, and the rows under a name."""
    # Python's fast encoder does not indent.
    members = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    yield "{\n " + ",\n ".join([*members, f"{json.dumps(name)}: ["])
    separator = "\n  "
    for row in rows:
        yield separator + json.dumps(row)
        separator = ",\n  "
    yield "\n ]\n}\n"


def csv_report(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV text."""
    yield _csv_line(COLUMNS)
    for row in rows:
        yield _csv_line([_cell(row[name]) for name in COLUMNS])


def _csv_line(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str) and normalize("NFKC", value).lstrip().startswith(_FORMULA):
        return f"'{value}"
    return value


_STYLE = """\
body { font-family: sans-serif; margin: 1em }
table { border-collapse: collapse; margin: 0.5em 0 }
td, th { border: 1px solid #ccc; padding: 0.2em 0.6em; text-align: left }
.failed td:nth-child(3) { background: #f6c6c6 } .skipped td:nth-child(3) { background: #eee }
tr[class] td { overflow-wrap: anywhere } tr[class] td:nth-child(3) { white-space: nowrap }
tr[class] td:nth-child(1), tr[class] td:nth-child(4), tr[class] td:nth-child(6) { min-width: 14em }
tr[class] td:nth-child(2) { min-width: 6em }
.built td:nth-child(3), .adopted td:nth-child(3) { background: #cdeccd }
"""

_ORDER = ("failed", "skipped", "left", "adopted", "built")


def html_report(
    title: str, summary: str, packages: Sequence[MassPackage], rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the parts of a page: regressions first, then counts, then all packages."""
    yield (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n<p>{escape(summary)}</p>\n"
    )
    regressed = [row for row in rows if row["regression"]]
    if regressed:
        yield f"<h2>Regressions ({len(regressed):,})</h2>\n"
        yield from _table(regressed)
    failures = FailureCounts(failed_of(packages))
    for heading, counts in (
        ("Failures by reason", failures.by_reason()),
        ("Failures by owner", failures.by_owner()),
    ):
        if counts:
            cells = "".join(
                f"<tr><td>{number:,}</td><td>{escape(text)}</td></tr>\n" for text, number in counts
            )
            yield f"<h2>{heading}</h2>\n<table>\n{cells}</table>\n"
    yield f"<h2>All {len(rows):,} packages</h2>\n"
    yield from _table(sorted(rows, key=lambda row: _ORDER.index(row["state"])))
    yield "</body></html>\n"


def _table(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield (
        "<table>\n<tr><th>Package</th><th>Owner</th><th>Result</th><th>Reason</th>"
        "<th>Architecture</th><th>Build</th><th>Task</th><th>Minutes</th></tr>\n"
    )
    for row in rows:
        duration = "" if row["duration"] is None else f"{row['duration'] / 60:.1f}"
        cells = [
            escape(row["package"]),
            escape(row["owner"] or ""),
            escape(row["state"]),
            _link(row["log_url"], row["reason"] or ""),
            escape(row["arch"] or ""),
            escape(row["nvr"] or ""),
            _link(row["url"], str(row["task_id"] or "")),
            duration,
        ]
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        yield f'<tr class="{escape(row["state"])}">{body}</tr>\n'
    yield "</table>\n"


def _link(url: str | None, text: str) -> str:
    is_web = url is not None and url.startswith(("http://", "https://"))
    return f'<a href="{escape(url or "")}">{escape(text)}</a>' if is_web else escape(text)
