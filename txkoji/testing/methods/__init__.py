"""The methods of the embedded hub: a table of functions, filled by this package's modules.

A hub method is a plain function whose first argument is the :class:`Call`; the others have the
names and defaults of the real hub's (its ``_listapi`` tells them), because callers pass them by
name. It returns what is marshalled, or raises a :class:`txkoji.exceptions.HubFault`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from txkoji import exceptions
from txkoji.testing.state import HubState, Row

if TYPE_CHECKING:
    from txkoji.testing.hub import FakeHub
    from txkoji.testing.sessions import Session

HubMethod = Callable[..., Any]

METHODS: dict[str, HubMethod] = {}
"""Every method that the embedded hub answers, by the name that clients use."""


@dataclass
class Call:
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
    session: Session | None = None
    address: str = "127.0.0.1"
    certificate_name: str | None = None
    principal: str | None = None

    @property
    def state(self) -> HubState:
        """The hub's tables."""
        return self.hub.state

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


def hub_method(name: str, *, python_name: str | None = None) -> Callable[[HubMethod], HubMethod]:
    """Register a function as a hub method.

    Args:
        name: the name that clients call.
        python_name: the name that the hub's own function has, which shows in the text of fault
            1019 ("get_tag() missing 1 required positional argument: 'tagInfo'"); by default the
            decorated function's own.
    """

    def register(function: HubMethod) -> HubMethod:
        function.__qualname__ = python_name or function.__name__
        METHODS[name] = function
        return function

    return register
