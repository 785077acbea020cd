"""The result of a mass build in words and numbers. Pure."""

from __future__ import annotations

from typing import Any

from buildbot.process import results

from buildbot_koji.mass.plan import MassPlan, PackageState
from buildbot_koji.words import counted, named


def result_of(plan: MassPlan, max_failures: int) -> tuple[int, str]:
    """Return Buildbot's result of a mass build, WARNINGS with few failures, and its summary."""
    failed = plan.counts[PackageState.FAILED]
    dropped = plan.counts[PackageState.SKIPPED] - sum(e.is_excluded for e in plan.packages)
    left = len(plan.packages) - plan.ended
    words = plan.summary(None)
    worse = [each.name for each in plan.packages if each.is_regression]
    if worse:
        words += f"; {counted(len(worse), 'regression')}: {named(worse, 3)}"
    if left:
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
        "built": counts[PackageState.BUILT] + counts[PackageState.ADOPTED],
        "failed": counts[PackageState.FAILED],
        "skipped": counts[PackageState.SKIPPED],
        "left": len(plan.packages) - plan.ended,
        "failed_packages": [e.name for e in plan.packages if e.state is PackageState.FAILED],
        "regressions": [e.name for e in plan.packages if e.is_regression],
    }
