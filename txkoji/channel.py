"""A channel of a hub: the hosts that take a kind of task."""

from __future__ import annotations

# It lists tasks, and a task has a channel.
from txkoji.task import Channel

__all__ = ["Channel"]
