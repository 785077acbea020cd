"""One call as a hub method sees it: who calls which hub, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from txkoji import exceptions
from txkoji.testing.core import NEEDED_BY_DEFAULT, Denial, HubCore
from txkoji.testing.tables.lookups.find import find
from txkoji.testing.tables.lookups.users import held_permissions
from txkoji.testing.tables.state import HubState, Row


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

    hub: HubCore
    user: Row | None = None
    session: Row | None = None
    address: str = "127.0.0.1"
    certificate_name: str | None = None
    principal: str | None = None

    @property
    def state(self) -> HubState:
        """The hub's tables."""
        return self.hub.state

    @property
    def user_id(self) -> int:
        """The id of the user who is logged in."""
        return int(self.require_login()["id"])

    def find(self, kind: str, info: Any, strict: Any = False, *event: Any) -> Any:
        """Return what the caller names (:func:`txkoji.testing.tables.lookups.find.find`)."""
        return find(self.state, kind, info, strict, *event)

    def require(self, kind: str, info: Any, *event: Any) -> Row:
        """Return what the caller names, or refuse."""
        found: Row = find(self.state, kind, info, True, *event)
        return found

    def tag_id(self, info: Any) -> int:
        """Return the id of a tag, even a deleted one, or refuse."""
        return int(self.require("tag", info)["id"])

    @property
    def permissions(self) -> set[str]:
        """The permissions that were granted to the user."""
        return set(held_permissions(self.state, self.user["id"])) if self.user else set()

    def denial(self, name: str, tag: Any = None, *, exempt: bool = False) -> Denial | None:
        """Return the rule of a policy that denies (a default, or of ``FakeHub.deny``), or None.

        Args:
            name: the policy.
            tag: the name of the tag that the call is about.
            exempt: whether the policy's default rule does not apply to this call.
        """
        needed, reason = NEEDED_BY_DEFAULT.get(name, (None, None))
        if needed is not None and not exempt and not self.has_permission(needed):
            return Denial(name, reason, None)
        denials = (each for each in self.hub.denials if each.policy == name)
        return next((each for each in denials if each.tag in (None, tag)), None)

    def require_policy(
        self, name: str, *, force: bool = False, tag: str | None = None, exempt: bool = False
    ) -> None:
        """Refuse what a policy of the hub denies (:meth:`denial`), unless an admin forces it."""
        denial = self.denial(name, tag, exempt=exempt)
        if denial is not None and not (force and self.has_permission("admin")):
            raise exceptions.ActionNotAllowed(str(denial))

    def require_login(self) -> Row:
        """Return the user, or refuse as the hub does."""
        if self.user is None:
            raise exceptions.ActionNotAllowed("you must be logged in for this operation")
        return self.user

    def has_permission(self, permission: str) -> bool:
        """Return whether the user holds a permission; ``admin`` implies every one."""
        held = self.permissions
        return permission in held or "admin" in held

    def require_permission(self, permission: str) -> Row:
        """Return the user if they hold the permission, or refuse as the hub does."""
        if self.user is not None and self.has_permission(permission):
            return self.user
        who = f"logged in as {self.user['name']}" if self.user else "user not logged in"
        raise exceptions.ActionNotAllowed(f"{permission} permission required ({who})")
