"""An embedded Koji hub, for tests and demonstrations: :class:`FakeHub`."""

from txkoji.testing.announcements.announcer import broker_settings
from txkoji.testing.hub import FakeHub

__all__ = ["FakeHub", "broker_settings"]
