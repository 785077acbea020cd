"""Tag Koji builds by the results of the Buildbot builds that test them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildbot.process import results
from buildbot.process.properties import Properties
from buildbot.util import datetime2epoch
from buildbot.util.twisted import async_to_deferred
from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, required, wrong_value
from buildbot_koji.durable.database import is_database_unreachable
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.error_messages import was_cancelled
from buildbot_koji.hubs.koji_hub import check_hub
from buildbot_koji.reporters.base import KojiReporter
from buildbot_koji.reporters.gates import Gates
from buildbot_koji.reporters.status import OpenGate
from buildbot_koji.reporters.tag_delivery import TagSender, nothing_to_tag, tag_delivery
from buildbot_koji.reporters.votes import Vote, newest, subject_of, worst

GATE_WITHIN = 7 * 24 * 3600.0
"""Seconds that a gate waits for the results of all required builders."""

OPTIONS = {
    results.SUCCESS: "on_success",
    results.WARNINGS: "on_warnings",
    results.FAILURE: "on_failure",
    results.EXCEPTION: "on_exception",
    results.CANCELLED: "on_cancelled",
}
"""The argument with the action for a result."""


def action(value: Any) -> str | None:
    """Check an action: what is done with a Koji build."""
    words = 'must be {"tag": NAME}, {"untag": NAME}, or with both to move a build'
    if not isinstance(value, Mapping) or not value or set(value) - {"tag", "untag"}:
        return words
    for each in value.values():
        complaint = None if checks.is_renderable(each) else checks.name(each)
        if complaint is not None:
            return complaint if checks.text(each) is None else words
    # A renderable compares as another renderable.
    if not checks.is_renderable(value) and value.get("tag") == value.get("untag"):
        return "moves a build to where it is"
    return None


def action_words(wanted: Mapping[str, Any]) -> str:
    """Return what an action does, in words: "move from f44-candidate to f44"."""
    to, origin = (
        None if each is None else each if isinstance(each, str) else "a tag that the build names"
        for each in (wanted.get("tag"), wanted.get("untag"))
    )
    if origin is None:
        return f"tag into {to}"
    return f"untag from {origin}" if to is None else f"move from {origin} to {to}"


class KojiTagReporter(KojiReporter):
    """Tags, untags or moves the Koji build that a Buildbot build is about, by its result.

    A build is about the Koji build of its properties ``koji_build_id`` and ``koji_nvr``, which a
    KojiBuild step or a Koji change sets. Builds without them are ignored, and so are scratch
    builds. If a build was retried because its master or worker was lost, its last attempt counts.
    """

    profile = required(
        check_hub, "the profile of the hub, or a ``util.KojiHub``; its user must be allowed to tag"
    )
    on_success = argument(
        action,
        'what to do on success: ``{"tag": NAME}``, ``{"untag": NAME}``, or both to move the'
        " build. The names may be renderables",
        required_unless=("on_warnings", "on_failure", "on_exception", "on_cancelled"),
        renderable="parts",
    )
    on_warnings = argument(
        action, "the same for warnings; by default ``on_success``", renderable="parts"
    )
    on_failure = argument(action, "the same for a failure", renderable="parts")
    on_exception = argument(
        action,
        "the same for an exception: something other than the package was at fault",
        renderable="parts",
    )
    on_cancelled = argument(action, "the same for a build that was stopped", renderable="parts")
    requires = argument(
        checks.names,
        "the names of builders that must all have a result for the same Koji build. The worst of"
        " their newest results counts; when a test is run again, its new result is counted with"
        " those of the others. Results of the last 200 builds of each are known after a restart of"
        " the master",
        excludes=("builders",),
    )
    gate_within = argument(
        checks.seconds,
        "seconds that a result waits for those of the other required builders, by default 7 days;"
        " then the build's data say which are missing",
        requires=("requires",),
    )
    force = flag("override the hub's policy; for Koji's administrators")

    _log = Logger()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gates: Gates | None = None
        self.sender = TagSender(self.hub)

    @async_to_deferred
    async def reconfigService(self, name: Any = None, *args: Any, **options: Any) -> None:
        """Apply new arguments, also to deliveries in flight."""
        await super().reconfigService(name, *args, **options)
        required, within = options.get("requires"), float(options.get("gate_within") or GATE_WITHIN)
        scan_again = self._backlogs.scan_again
        self._gates = (
            Gates(self.master, required, within, scan_again, self._reconsider) if required else None
        )

    def named_builders(self, options: Mapping[str, Any]) -> Sequence[str]:
        """Return the builders that the arguments name."""
        return options.get("requires") or super().named_builders(options)

    # The deliveries

    async def deliveries(self, build: Mapping[str, Any]) -> Sequence[Delivery] | None:
        """Return the tagging that a finished build triggers, None while its gate lacks a result."""
        subject = subject_of(build["properties"])
        if subject is None or not build["complete"]:
            return []
        result = build["results"]
        gates = self._gates
        if gates is not None:
            if build["builder"]["name"] not in gates.required:
                return []
            votes = await gates.count(build)
            missing = gates.missing(votes)
            if missing:
                return self._wait_for(missing, build, str(subject), gates.within)
            last = newest(votes)
            if last.build_id != build["buildid"]:
                self._reconsider(last)
                return []
            result = worst(votes.values())
        name = OPTIONS.get(result, "")
        wanted = self._options.get(name)
        if name == "on_warnings" and wanted is None:
            wanted = self._options.get("on_success")
        if wanted is None:
            return []
        rendered = await self._render(build, name, wanted)
        force = bool(self._options.get("force"))
        now = self.master.reactor.seconds()
        return [tag_delivery(build["buildid"], now, subject, rendered, force=force)]

    async def _render(
        self, build: Mapping[str, Any], name: str, wanted: Mapping[str, Any]
    ) -> Mapping[str, str] | str:
        """Return the wanted tags, or what is wrong with them in this build."""
        properties = Properties.fromDict(build["properties"])
        properties.master = self.master
        try:
            rendered = await properties.render(dict(wanted))
        except Exception as error:
            # A renderable is a user's own code.
            if was_cancelled(error) or is_database_unreachable(error):
                raise
            return f"{name} can't be rendered: {error!r}"
        complaint = action(rendered)
        return wrong_value(name, rendered, complaint) if complaint else rendered

    # Gates

    async def scan(self) -> None:
        """Read the votes, which the status shows, and count those that were undecided."""
        if self._gates is not None:
            await self._gates.scan()

    async def noticed(self, build: Mapping[str, Any]) -> None:
        """Take up a build that ended here; count the vote of one that ended on another master."""
        await super().noticed(build)
        if self._gates is not None and build["masterid"] != self.master.masterid:
            await self._gates.count_elsewhere(build)

    def missed(self) -> None:
        """Also read the votes again: the one that was missed may be another master's."""
        if self._gates is not None:
            self._gates.forget()
        super().missed()

    def does(self) -> str:
        """Return what it does for each result: "on success: move from f44-candidate to f44"."""
        actions = {name: self._options.get(name) for name in OPTIONS.values()}
        return "; ".join(
            f"{name.replace('_', ' ')}: {action_words(wanted)}"
            for name, wanted in actions.items()
            if wanted is not None
        )

    def gates(self) -> Sequence[OpenGate]:
        """Return the Koji builds that wait for the results of required builders."""
        return () if self._gates is None else self._gates.open()

    def _reconsider(self, last: Vote) -> None:
        """Re-evaluate the gate for the newest voting build, if this master ran it."""

        async def again() -> None:
            await self._backlogs.take(await self.master.data.get(("builds", last.build_id)))

        self.background.run(again(), f"{self.name}: re-evaluating a gate failed")

    def _wait_for(
        self, missing: Sequence[str], build: Mapping[str, Any], nvr: str, within: float
    ) -> Sequence[Delivery] | None:
        now = self.master.reactor.seconds()
        age = now - datetime2epoch(build["complete_at"])
        if age <= within:
            return None
        said = f"nothing done with {nvr}: no result of {', '.join(missing)} in {age / 3600:.0f} h"
        self._log.warn("{name}: build {id}: {said}", name=self.name, id=build["buildid"], said=said)
        return [nothing_to_tag(build["buildid"], now, said)]
