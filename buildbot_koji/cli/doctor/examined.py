"""What the checks of one hub share."""

from __future__ import annotations

from typing import Any

import attrs

from buildbot_koji.cli.doctor.wanted import HubNeeds
from txkoji import Connection


@attrs.define
class Examined:
    """A hub under examination.

    Attributes:
        connection: the connection to it.
        wanted: what is wanted of it.
        is_reachable: it answers as a hub does.
        can_log_in: no credential is known to be unusable.
        user: who we are, None until the login.
        held: the permissions that we have there; none before the login.
        destinations: the tags that builds go into, by the targets.
        arches: the architectures of the build tags, by the targets.
    """

    connection: Connection
    wanted: HubNeeds
    is_reachable: bool = False
    can_log_in: bool = True
    user: Any = None
    held: set[str] = attrs.field(factory=set)
    destinations: dict[str, str] = attrs.field(factory=dict)
    arches: dict[str, str] = attrs.field(factory=dict)
