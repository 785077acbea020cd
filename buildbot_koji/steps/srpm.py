"""A step that uploads a source RPM and builds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import required
from buildbot_koji.steps.build import KojiBuild
from buildbot_koji.steps.framework.uploads import UploadingStep
from txkoji import Outcome


def srpm(value: object) -> str | None:
    """Check the path of a source RPM, or a pattern for it."""
    good = checks.text(value) is None and str(value).endswith(".rpm")
    return None if good else "must be the path of a .src.rpm, or a pattern such as *.src.rpm"


class KojiBuildSRPM(KojiBuild, UploadingStep):
    """Uploads a source RPM from the worker or the master, and builds it in Koji.

    Most hubs let everyone make a scratch build of it, but only some users a real one. Sets the
    properties of :class:`KojiBuild`.
    """

    name = "koji build srpm"

    # The source is the upload: whether another build has the same source can't be determined.
    withdrawn: ClassVar[Sequence[str]] = ("source", "existing")

    srpm = required(srpm, "the source RPM, or a pattern that matches it alone (``*.src.rpm``)")

    async def prepare(self) -> None:
        """Upload the source RPM."""
        await super().prepare()
        self.source = await self.upload(self.srpm)

    async def find_existing(self, outcome: Outcome) -> int | Outcome | None:
        """Adopt no other build."""
        return None
