"""Formatters for Buildbot's own reporters: mails and commit states of builds that used Koji."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, ClassVar
from urllib.parse import urlsplit

from buildbot.process.results import SUCCESS, worst_status
from buildbot.reporters.message import MessageFormatterBase
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredObject
from buildbot_koji.database_values import clean_text
from buildbot_koji.properties import EXCERPT, FAILED_ARCH, LOG_URL, PACKAGE, REASON
from buildbot_koji.words import outcome, result_name
from txkoji import one_line

EXCERPT_CHARACTERS = 10_000
"""Characters of a log in a mail, which should stay readable."""

SUBJECT_CHARACTERS = 200

WRAPS = "overflow-wrap: anywhere; white-space: pre-wrap"
"""The style of links and of lines of a log, which could make an HTML mail wider than a phone."""


class _KojiFormatter(DeclaredObject, MessageFormatterBase):
    """Reads the properties and logs of a build's Koji steps."""

    compare_attrs: ClassVar[Sequence[str]] = ("declared_values",)

    @async_to_deferred
    async def format_message_for_build(
        self, master: Any, build: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        """Return a Deferred of the message about a build, as Buildbot's generators take it."""
        return self._message([build], [await self._body(master, build)])

    @async_to_deferred
    async def format_message_for_buildset(
        self, master: Any, buildset: dict[str, Any], builds: list[dict[str, Any]], **_: Any
    ) -> dict[str, Any]:
        """Return a Deferred of one message about all builds of a buildset."""
        return self._message(builds, [await self._body(master, build) for build in builds])

    def _message(self, builds: list[dict[str, Any]], bodies: list[str]) -> dict[str, Any]:
        raise NotImplementedError

    async def _body(self, master: Any, build: dict[str, Any]) -> str:
        raise NotImplementedError


class KojiMessageFormatter(_KojiFormatter):
    """Says in a mail what a Koji build made, or why it failed, with links and the end of the log.

    A ``message_formatter`` for the report generators of ``reporters.MailNotifier`` and of other
    reporters that send whole messages.
    """

    message_type = argument(
        checks.one_of("plain", "html"), "the form of the message", default="plain"
    )

    def _message(self, builds: list[dict[str, Any]], bodies: list[str]) -> dict[str, Any]:
        result = reduce(worst_status, (build.get("results") or SUCCESS for build in builds))
        worst = next(build for build in builds if (build.get("results") or SUCCESS) == result)
        more = f" and {len(builds) - 1} more" if len(builds) > 1 else ""
        builder = (worst.get("builder") or {}).get("name", "")
        subject = _cut(f"{builder}{more}: {one_line_of(worst)}", SUBJECT_CHARACTERS)
        kind = self.declared_values["message_type"]
        return {
            "body": ("<hr>\n" if kind == "html" else "\n").join(bodies),
            "type": kind,
            "subject": subject,
            "extra_info": None,
        }

    async def _body(self, master: Any, build: dict[str, Any]) -> str:
        write = _as_html if self.declared_values["message_type"] == "html" else _as_text
        return write(one_line_of(build), _facts(build), await _excerpt(master, build))


class KojiStatusFormatter(_KojiFormatter):
    """Says in one line what a Koji build is doing, made, or why it failed.

    For the state of a commit: a ``start_formatter``, ``end_formatter`` or ``formatter`` for the
    generators of ``reporters.GitHubStatusPush``, ``GitLabStatusPush``, ``GiteaStatusPush`` and
    Bitbucket's reporters.
    """

    length = argument(checks.count, "the most characters; GitHub takes 140", default=140)

    def _message(self, builds: list[dict[str, Any]], bodies: list[str]) -> dict[str, Any]:
        # GitHub refuses a state whose text has an emoji, as MySQL does.
        line = _cut(clean_text("; ".join(bodies)), self.declared_values["length"])
        # Bitbucket's reporter sends the subject, the others send the body.
        return {"body": line, "type": "plain", "subject": line, "extra_info": None}

    async def _body(self, master: Any, build: dict[str, Any]) -> str:
        return one_line_of(build)


def one_line_of(build: Mapping[str, Any]) -> str:
    """Return the outcome of a build, or what it is doing, in one line; pure."""
    results, nvr = build.get("results"), _property(build, "koji_nvr")
    if not build.get("complete") or results is None:
        return "building in Koji" if build.get("started_at") else "waiting to be built in Koji"
    # Without an NVR, no source RPM was made.
    what = nvr or _property(build, PACKAGE)
    # A step whose failure the build tolerates leaves a reason, too.
    reason = None if results == SUCCESS else _property(build, REASON)
    if reason is None:
        words = one_line(outcome(build.get("state_string") or result_name(results)))
        return words if what is None or what in words else f"{what}: {words}"
    arch = _property(build, FAILED_ARCH)
    where = f" on {arch}" if arch is not None and arch not in reason else ""
    # The reason why a chain failed names the package.
    is_named = what is None or what in reason or _property(build, "koji_nvrs") is not None
    subject = "" if is_named else f"{what}: "
    return f"{subject}{result_name(results)}{where}: {reason}"


def _facts(build: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a mail lists below its first line: names and values, links among them."""
    yield "Build", f"{build.get('url', '')}"
    # For a chain, koji_nvr is only the package that was built last.
    built = "koji_nvr" if _property(build, "koji_nvrs") is None else "koji_nvrs"
    for name, key in (
        ("Package" if built == "koji_nvr" else "Built packages", built),
        ("Failed packages", "koji_mass_failed_packages"),
        ("Koji task", "koji_task_url"),
        ("Koji build", "koji_build_url"),
        ("Log", LOG_URL),
    ):
        value = _property(build, key)
        if value is not None:
            yield name, value


def _as_text(line: str, facts: Iterable[tuple[str, str]], excerpt: str) -> str:
    lines = [line, "", *(f"{name}: {value}" for name, value in facts)]
    if excerpt:
        lines += ["", excerpt]
    return "\n".join([*lines, ""])


def _as_html(line: str, facts: Iterable[tuple[str, str]], excerpt: str) -> str:
    rows = "".join(
        f"<tr valign='top'><th align='left'>{html.escape(name)}</th>"
        f"<td style='{WRAPS}'>{_linked(value)}</td></tr>\n"
        for name, value in facts
    )
    end = f"<pre style='{WRAPS}'>{html.escape(excerpt)}</pre>\n" if excerpt else ""
    return f"<p>{html.escape(line)}</p>\n<table>\n{rows}</table>\n{end}"


def _linked(value: str) -> str:
    text = html.escape(value)
    try:
        is_link = urlsplit(value).scheme in ("http", "https")
    except ValueError:
        is_link = False
    return f"<a href='{text}'>{text}</a>" if is_link and " " not in value else text


async def _excerpt(master: Any, build: Mapping[str, Any]) -> str:
    """Return the end of the log that says why a build failed, empty without one."""
    if build.get("buildid") is None or build.get("results") in (None, SUCCESS):
        return ""
    for step in reversed(await master.data.get(("builds", build["buildid"], "steps"))):
        for log in await master.data.get(("steps", step["stepid"], "logs")):
            if log["name"] == EXCERPT and log["type"] == "t":
                found = await master.data.get(("logs", log["logid"], "contents"))
                # Its first line is the reason.
                return str(found["content"]).partition("\n")[2][-EXCERPT_CHARACTERS:]
    return ""


def _property(build: Mapping[str, Any], name: str) -> str | None:
    """Return a property as one line of text, None if it is not set."""
    value, _ = (build.get("properties") or {}).get(name, (None, ""))
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    return one_line(value) if value not in (None, "") else None


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: max(length - 3, 0)]}..."[:length]
