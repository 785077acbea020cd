"""The messages by which Fedora's CI systems report tests of Koji builds. Pure.

The fields are those of the ``koji-build.test.*`` schemas of Fedora CI (fedora-ci/messages), whose
consumers accept no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from buildbot.process import results

from buildbot_koji.arguments import checks

STATES = ("queued", "running", "complete", "error")
"""The last part of the topics."""

CATEGORIES = (
    "functional",
    "integration",
    "interoperability",
    "performance",
    "static-analysis",
    "system",
    "validation",
)

OUTCOMES = {
    results.SUCCESS: "passed",
    results.WARNINGS: "needs_inspection",
    results.FAILURE: "failed",
    results.SKIPPED: "not_applicable",
}
"""``test.result`` by the result of the build; other results are errors."""

CONTACT = {
    "name": checks.text,
    "team": checks.text,
    "docs": checks.web_url,
    "email": checks.email,
    "url": checks.web_url,
    "irc": checks.text,
    "slack": checks.text,
    "version": checks.text,
}
TEST = {
    "namespace": checks.text,
    "category": checks.one_of(*CATEGORIES),
    "type": checks.text,
    "docs": checks.web_url,
    "label": checks.texts,
    "lifetime": checks.count,
    "scenario": checks.text,
}
SYSTEM = dict.fromkeys(("os", "provider", "architecture", "variant", "label"), checks.text)
"""The fields of each part, and what they may be."""


def _fields(value: Any, fields: Mapping[str, checks.Check], *required: str) -> str | None:
    if not isinstance(value, Mapping) or set(value) - set(fields) or set(required) - set(value):
        optional = [name for name in fields if name not in required]
        return (
            f"must be a dictionary with {', '.join(required)}, and may have {', '.join(optional)}"
        )
    complaints = ((name, fields[name](each)) for name, each in value.items())
    return next((f"is wrong: {name} {text}" for name, text in complaints if text is not None), None)


def contact(value: Any) -> str | None:
    """Check the contact for the tests."""
    return _fields(value, CONTACT, "name", "team", "docs", "email")


def test(value: Any) -> str | None:
    """Check the description of the test."""
    return _fields(value, TEST, "namespace")


def system(value: Any) -> str | None:
    """Check the systems on which the tests run."""
    if not isinstance(value, (list, tuple)) or not value:
        return "must be a list of dictionaries, not empty"
    required = ("os", "provider", "architecture")
    return next((found for each in value if (found := _fields(each, SYSTEM, *required))), None)


def state_of(build: Mapping[str, Any]) -> str:
    """Return the state that the message about a build reports."""
    if not build["complete"]:
        return "running"
    return "complete" if build["results"] in OUTCOMES else "error"


def message_id(url: str, reporter: str, state: str) -> str:
    """Return the id of a message: the same each time it is composed."""
    return str(uuid5(NAMESPACE_URL, f"{url} {reporter} {state}"))


def compose(
    state: str,
    build: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    pipeline_url: str,
    now: float,
) -> dict[str, Any]:
    """Return a message without its artifact.

    Args:
        state: one of :data:`STATES`.
        build: the build: ``url``, ``builder``, ``results``, ``state_string``, ``started_at`` and
            ``complete_at``.
        options: the arguments ``contact``, ``test``, ``system`` and ``version`` of the reporter.
        pipeline_url: the page that all attempts of the test share.
        now: the time, in seconds since the epoch.
    """
    name = build["builder"]["name"]
    message: dict[str, Any] = {
        "contact": dict(options["contact"]),
        "run": {"url": build["url"], "log": build["url"]},
        "pipeline": {"id": str(uuid5(NAMESPACE_URL, pipeline_url)), "name": name},
        "test": {"category": "functional", "type": name, **options["test"]},
        "generated_at": datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds"),
        "version": options["version"],
    }
    if state == "complete":
        message["test"]["result"] = OUTCOMES[build["results"]]
        # Negative if the master's clock was set back meanwhile.
        runtime = (build["complete_at"] - build["started_at"]).total_seconds()
        message["test"]["runtime"] = max(int(runtime), 0)
        message["system"] = [dict(each) for each in options["system"] or ()]
    if state == "error":
        message["error"] = {"reason": build["state_string"] or "the build has no result"}
    return message
