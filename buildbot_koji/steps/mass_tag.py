"""Steps that compare tags, and that tag any number of builds."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from buildbot.process import results
from twisted.internet.task import deferLater

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.error_messages import explain
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.mass.comparison import (
    KINDS,
    TaggedBuild,
    compare_tags,
    latest_builds,
    line_of,
    names_of,
    row_of,
    summary_of,
)
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.reports import write_report
from txkoji.exceptions import GenericError

__all__ = ["KojiCompareTags"]

ROWS_AT_ONCE = 500
"""Packages that are compared before the reactor's next iteration."""

NAMES = 100
"""Names of packages of each kind that the property has."""


class KojiCompareTags(KojiStep):
    """Compares the latest builds in a tag with those in another one, by epoch, version and release.

    A package is ``missing`` or ``extra`` in the tag, or its latest build there is ``older`` or
    ``newer``. The logs ``differences`` and ``differences.json`` have all that differ. Sets the
    property ``koji_tag_comparison``: a dictionary with the counts ``missing``, ``older``,
    ``newer``, ``extra`` and ``same``, and ``packages``: the names of up to 100 packages of each
    kind that differs.
    """

    name = "koji compare tags"

    warnOnWarnings = True

    tag = argument(checks.name_or_id, "the name or id of the tag", required=True)
    other = argument(
        checks.name_or_id, "the name or id of the tag to compare it with", required=True
    )
    inherit = argument(
        checks.flag, "compare the builds of the tags they inherit, too", default=True
    )
    warn_if_different = argument(
        checks.flag, "the result is WARNINGS if the tags differ", default=False
    )

    async def work(self, hub: Hub) -> int:
        """Compare the tags."""
        self.say(f"comparing {self.tag} with {self.other}")
        try:
            builds = await self._latest(hub, self.tag)
            others = await self._latest(hub, self.other)
        except GenericError as fault:
            self.say(f"failed: {explain(fault)}")
            return results.FAILURE
        counts: Counter[str] = Counter()
        differences = []
        for number, each in enumerate(compare_tags(builds, others)):
            counts["same" if each is None else each.kind] += 1
            if each is not None:
                differences.append(each)
            if not number % ROWS_AT_ONCE:
                await deferLater(self.master.reactor, 0, lambda: None)
        numbers = {kind: counts[kind] for kind in (*KINDS, "same")}
        packages = names_of(differences, NAMES)
        self.setProperty("koji_tag_comparison", {**numbers, "packages": packages}, SOURCE)
        self.say(f"{self.tag} against {self.other}: {summary_of(counts)}")
        await write_report(self, "differences", "t", map(line_of, differences))
        head = json.dumps({"tag": self.tag, "other": self.other, **numbers})
        rows = (
            ("," if place else "") + "\n" + json.dumps(row_of(each))
            for place, each in enumerate(differences)
        )
        parts = [head[:-1], ', "differences": [', *rows, "]}\n"]
        await write_report(self, "differences.json", "t", parts)
        is_bad = self.warn_if_different and bool(differences)
        return results.WARNINGS if is_bad else results.SUCCESS

    async def _latest(self, hub: Hub, tag: Any) -> dict[str, TaggedBuild]:
        return latest_builds(
            await hub.connection.call("listTagged", tag, inherit=bool(self.inherit), latest=True)
        )
