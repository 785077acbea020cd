"""An embedded Koji hub, for tests and demonstrations: :class:`FakeHub`."""

from txkoji.testing.hub import FakeHub

__all__ = ["FakeHub"]
