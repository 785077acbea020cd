"""What a reporter has not finished with, for pages and metrics. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from buildbot_koji.durable.deliveries import Delivery


@attrs.frozen
class OpenGate:
    """A Koji build that waits for the results of some builders.

    Attributes:
        subject: its NVR, or its id in words.
        koji_build_id: its id on the hub, None if only the NVR is known.
        there: the results that are known, in words, by the builders.
        missing: the builders whose results are missing.
        since: when the newest result came, in seconds since the epoch.
    """

    subject: str
    koji_build_id: int | None
    there: Mapping[str, str]
    missing: tuple[str, ...]
    since: float


@attrs.frozen
class ReporterStatus:
    """What a reporter has not finished with on this master.

    Attributes:
        name: its name.
        kind: its class in ``master.cfg``.
        hub: the name of the hub's profile; None for one that has no hub.
        masters: the ids of the masters whose builds it reports.
        pending: the deliveries that are not settled, oldest first.
        dead: how many dead letters are listed.
        gates: the Koji builds that wait for results.
        does: what it does for each result, in words; empty if its kind says that.
    """

    name: str
    kind: str
    hub: str | None
    masters: frozenset[int]
    pending: tuple[Delivery, ...]
    dead: int
    gates: tuple[OpenGate, ...] = ()
    does: str = ""
