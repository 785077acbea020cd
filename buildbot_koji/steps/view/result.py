"""The outcome of a task: a step's result and summary, properties, links, the log of a failure."""

from __future__ import annotations

from typing import Any

from buildbot.process import results

from buildbot_koji.database_values import MAX_VALUE, encoded_size
from buildbot_koji.error_messages import with_remedy
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.properties import EXCERPT, FAILED_ARCH, LOG_URL, PACKAGE, REASON, SOURCE
from buildbot_koji.steps.view.live_logs import LiveLogs, log_title
from buildbot_koji.words import counted
from txkoji import Outcome, arch_of, one_line, task_states
from txkoji.exceptions import KojiException

TAIL_BYTES = 20_000
"""Bytes of a failed task's log that are shown."""

EXCERPT_LINES = 30
"""Lines of its end that the summary of a failure shows; Buildbot opens a log's last 40 lines."""


def result_of(outcome: Outcome, *, infrastructure: bool) -> int:
    """Return Buildbot's result; ``infrastructure`` says whether the build system failed."""
    if outcome.tree.root.state == task_states.CLOSED:
        return int(results.SUCCESS)
    if outcome.is_canceled:
        return int(results.CANCELLED)
    return int(results.EXCEPTION if infrastructure else results.FAILURE)


def failure_words(outcome: Outcome, not_again: str, *, infrastructure: bool) -> str:
    """Return why a task did not close, in one line.

    Args:
        outcome: the outcome.
        not_again: why the task is not submitted again, though the build system failed; else empty.
        infrastructure: whether the build system failed, not the package.
    """
    if outcome.guilty is None or outcome.is_canceled:
        return with_remedy(outcome.reason)
    if not infrastructure:
        return f"failed: {with_remedy(outcome.reason)}"
    words = f"the build system failed: {outcome.reason}"
    return f"{words}; not submitted again: {not_again}" if not_again else words


def properties_of(outcome: Outcome) -> dict[str, Any]:
    """Return the properties that an outcome sets; pure."""
    found: dict[str, Any] = {
        "koji_arches": outcome.arches,
        "koji_nvr": outcome.nvr,
        PACKAGE: outcome.failed_package,
        "koji_rpms": list(outcome.rpms),
        "koji_tags": list(outcome.tags),
        "koji_repo_id": outcome.repo_id,
    }
    if outcome.build is not None:
        found["koji_build_id"] = outcome.build.build_id
        found["koji_build_url"] = outcome.build.url
    if outcome.reason:
        found[REASON] = with_remedy(outcome.reason)
    if outcome.guilty is not None:
        found[FAILED_ARCH] = arch_of(outcome.guilty)
        found[LOG_URL] = outcome.log_url
    return {
        name: value
        for name, value in found.items()
        if value not in (None, [], {}) and encoded_size(value) <= MAX_VALUE
    }


async def show_outcome(step: Any, outcome: Outcome, logs: LiveLogs) -> None:
    """Set the properties, link the builds, and show the log that says why a task failed."""
    for name, value in properties_of(outcome).items():
        step.setProperty(name, value, SOURCE)
    for build in outcome.builds:
        await step.addURL(f"build {build.nvr}", build.url)
    if outcome.guilty is None or outcome.log is None:
        return
    title = log_title(outcome.guilty, outcome.log)
    if outcome.log_url is not None:
        await step.addURL(title, outcome.log_url)
    text = await _read_tail(step.hub, outcome.guilty, outcome.log)
    if not logs.shows(outcome.guilty.id, outcome.log):
        await _add_log(await logs.open(title, outcome.guilty), logs.clean(text))
    if EXCERPT not in step.logs:
        excerpt = f"{outcome.reason}\n{excerpt_of(text, title)}"
        await _add_log(await step.addLog(EXCERPT, "t"), logs.clean(excerpt))


async def _add_log(log: Any, text: str) -> None:
    await log.addContent(text)
    await log.finish()


async def _read_tail(hub: Hub, task: Any, name: str) -> str:
    """Return the end of a task's log, or why it can't be read."""
    try:
        size = await hub.connection.log_size(task.id, name) or 0
        begin = max(size - TAIL_BYTES, 0)
        piece = await hub.connection.read_log(task.id, name, begin, max_bytes=TAIL_BYTES)
    except KojiException as error:
        return f"can't read the log: {one_line(error)}\n"
    text: str = piece.data.decode("utf-8", "replace")
    if begin:
        # The first line is incomplete: left out, unless it is all there is.
        rest = text.partition("\n")[2]
        text = f"... {begin} bytes left out ...\n{rest if rest.strip() else text}"
    return text


def excerpt_of(text: str, title: str) -> str:
    """Return the last lines of a log, with a line that says so; pure."""
    lines = text.splitlines()[-EXCERPT_LINES:]
    return "\n".join([f"--- the last {counted(len(lines), 'line')} of {title} ---", *lines, ""])
