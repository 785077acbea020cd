"""The table of hub methods, filled by this package's modules, and what older hubs lack.

A hub method is a plain function whose first argument is a
:class:`txkoji.testing.methods.call.MethodCall`. Its other parameters have the real hub's names and
defaults (``_listapi`` tells them), because callers pass them by name. It returns the value to
marshal, or raises a :class:`txkoji.exceptions.HubFault`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from txkoji.testing.core import HubCore

HubMethod = Callable[..., Any]
Version = tuple[int, int]

METHODS: dict[str, HubMethod] = {}
"""Every method that the embedded hub answers, by the name that clients use."""

PLUGIN_OF: dict[str, str] = {}
"""For a method of a hub plugin, the plugin's name."""

SINCE: dict[str, Version] = {}
"""For a method that older hubs lack, the version that introduced it."""

NEW_PARAMETERS: dict[str, Version] = {
    "draft": (1, 34),
    "promotedBefore": (1, 36),
    "cgID": (1, 27),
    "promotedAfter": (1, 36),
    "promoter": (1, 36),
    "min_event": (1, 35),
    "renew": (1, 32),
}
"""The parameters that older hubs lack, with the version that introduced them."""

_DRAFT_KEYS = frozenset(("draft", "promoter_id", "promoter_name", "promotion_time", "promotion_ts"))
_DRAFTS_SINCE: Version = (1, 34)


def as_before_drafts(release: Version, value: Any) -> Any:
    """Return a reply as a hub of a release gives it: a hub without drafts has no keys for them."""
    if release >= _DRAFTS_SINCE:
        return value
    if isinstance(value, dict):
        return {
            key: as_before_drafts(release, each)
            for key, each in value.items()
            if key not in _DRAFT_KEYS
        }
    if isinstance(value, list):
        return [as_before_drafts(release, each) for each in value]
    return value


def hub_method(
    name: str,
    *,
    python_name: str | None = None,
    plugin: str | None = None,
    since: Version | None = None,
) -> Callable[[HubMethod], HubMethod]:
    """Register a function as a hub method.

    Args:
        name: the name that clients call.
        plugin: the hub plugin that provides it; by default the hub itself does.
        since: the version of the hub that introduced it.
        python_name: the name of the hub's own function, which shows in the text of fault 1019
            ("get_tag() missing 1 required positional argument: 'tagInfo'"); by default the
            decorated function's own.
    """

    def register(function: HubMethod) -> HubMethod:
        function.__qualname__ = python_name or function.__name__
        METHODS[name] = function
        if plugin is not None:
            PLUGIN_OF[name] = plugin
        if since is not None:
            SINCE[name] = since
        return function

    return register


def method_of(hub: HubCore, name: str) -> HubMethod | None:
    """Return the method of a name, None if a hub of this version and these plugins has none."""
    if PLUGIN_OF.get(name) in hub.absent_plugins or SINCE.get(name, hub.release) > hub.release:
        return None
    return METHODS.get(name)
