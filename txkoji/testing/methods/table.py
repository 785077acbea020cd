"""The methods of the embedded hub: a table of functions, filled by this package's modules.

A hub method is a plain function whose first argument is the :class:`MethodCall`. Its other
parameters have the real hub's names and defaults (``_listapi`` tells them), because callers pass
them by name. It returns the value to marshal, or raises a :class:`txkoji.exceptions.HubFault`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from txkoji import exceptions
from txkoji.testing.tables.state import HubState, Row

if TYPE_CHECKING:
    from txkoji.testing.hub import FakeHub
    from txkoji.testing.tables.sessions import HubSession

HubMethod = Callable[..., Any]
Version = tuple[int, int]

METHODS: dict[str, HubMethod] = {}
"""Every method that the embedded hub answers, by the name that clients use."""

PLUGIN_OF: dict[str, str] = {}
"""For a method that a plugin of the hub brings, the plugin's name."""

SINCE: dict[str, Version] = {}
"""For a method that older hubs lack, the version that brought it."""

NEW_PARAMETERS: dict[str, Version] = {
    "draft": (1, 34),
    "promotedBefore": (1, 36),
    "cgID": (1, 27),
    "promotedAfter": (1, 36),
    "promoter": (1, 36),
    "min_event": (1, 35),
    "renew": (1, 32),
}
"""The parameters that older hubs lack, with the version that brought them."""


_DRAFT_KEYS = frozenset(("draft", "promoter_id", "promoter_name", "promotion_time", "promotion_ts"))
_DRAFTS_SINCE: Version = (1, 34)


def as_before_drafts(release: Version, value: Any) -> Any:
    """Return a reply as a hub of a release gives it: without what tells of drafts if it is old."""
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


@dataclass
class MethodCall:
    """One call, as a hub method sees it.

    Attributes:
        hub: the hub.
        user: the row of the user who is logged in, None for an anonymous call.
        session: the session, None for an anonymous call.
        address: where the call came from.
        certificate_name: the common name of the client certificate, None without one.
        principal: the Kerberos principal of a login by ticket, None for any other call.
    """

    hub: FakeHub
    user: Row | None = None
    session: HubSession | None = None
    address: str = "127.0.0.1"
    certificate_name: str | None = None
    principal: str | None = None

    @property
    def state(self) -> HubState:
        """The hub's tables."""
        return self.hub.state

    def require_policy(self, name: str, *, force: bool = False) -> None:
        """Refuse what a policy of the hub denies (:meth:`FakeHub.deny`), but for a forcing admin.

        Args:
            name: the policy.
            force: whether the caller asks to be let through.
        """
        if name not in self.hub.denied or (force and self.has_permission("admin")):
            return
        reason = self.hub.denied[name]
        text = f"policy violation ({name})" + (f": {reason}" if reason else "")
        raise exceptions.ActionNotAllowed(text)

    def require_login(self) -> Row:
        """Return the user, or refuse as the hub does."""
        if self.user is None:
            raise exceptions.ActionNotAllowed("you must be logged in for this operation")
        return self.user

    def has_permission(self, permission: str) -> bool:
        """Tell whether the user holds a permission; ``admin`` implies every one."""
        if self.user is None:
            return False
        held = self.hub.permissions_of(self.user)
        return permission in held or "admin" in held

    def require_permission(self, permission: str) -> Row:
        """Return the user if they hold the permission, or refuse as the hub does."""
        if self.user is None:
            who = "user not logged in"
        elif self.has_permission(permission):
            return self.user
        else:
            who = f"logged in as {self.user['name']}"
        raise exceptions.ActionNotAllowed(f"{permission} permission required ({who})")


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
        plugin: the plugin of the hub that brings it; by default it is the hub's own.
        since: the version of the hub that brought it.
        python_name: the name that the hub's own function has, which shows in the text of fault
            1019 ("get_tag() missing 1 required positional argument: 'tagInfo'"); by default the
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
