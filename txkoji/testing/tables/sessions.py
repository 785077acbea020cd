"""The embedded hub's sessions: who is logged in, until when, and the rules of call numbers.

Pure. The rules are those that ``transport.jsonl`` of the recordings shows.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from txkoji.exceptions import AuthError, AuthExpired, AuthLockError, RetryError, SequenceError
from txkoji.testing.tables.state import HubState, Row

SAFE_TO_REPEAT = """
    host.taskWait host.taskUnwait host.taskSetWait host.updateHost host.setBuildRootState repoExpire
    repoDelete repoProblem
    """
"""Methods that a hub executes again under the same call number."""

NOT_LOCKED = ("exclusiveSession", "login", "logout", "sslLogin")
"""Methods for which it does not matter that the user has an exclusive session."""

INVALID = "Invalid session or bad credentials"


class HubSessions:
    """All sessions of a hub: rows with the secret ``key``, ``user_id`` and ``authtype``.

    ``callnum`` is the number of the last call that wrote, None before the first; ``master`` the id
    of the session that this is a subsession of, or None.

    Attributes:
        check_address: bind each session to the address that it came from (CheckClientIP).
        check_callnum: apply the rules of call numbers.
        header_auth: offer sessions in headers (since 1.31); without, the URL carries them.
    """

    def __init__(self, state: HubState, *, header_auth: bool = True) -> None:
        self.check_address = True
        self.check_callnum = True
        self.header_auth = header_auth
        self._state = state

    def __iter__(self) -> Iterator[Row]:
        return iter(self._state.rows("sessions"))

    def update(self, session: Row, **changes: Any) -> None:
        """Change columns of a session."""
        self._state.update("sessions", session["id"], **changes)

    def create(
        self, user_id: int, authtype: int, address: str, now: float, *, master: int | None = None
    ) -> Row:
        """Start a session."""
        key = f"{user_id}-{secrets.token_urlsafe(18)}"
        own = {"key": key, "user_id": user_id, "authtype": authtype, "address": address}
        times = {"start": now, "updated": now}
        return self._state.insert("sessions", {**own, **times, "master": master})

    def find(self, id_text: str, key: str, address: str) -> Row:
        """Return the session that a request names.

        Raises:
            AuthError: the session is unknown, or its key or address is wrong.
        """
        try:
            session = self._state.get("sessions", int(id_text))
        except ValueError:
            session = None
        if (
            session is None
            or not secrets.compare_digest(session["key"].encode(), key.encode())
            or (self.check_address and session["address"] != address)
        ):
            raise AuthError(INVALID)
        return session

    def excluding(self, session: Row) -> list[Row]:
        """Return the exclusive sessions that lock another one of the same user."""
        own = (session["id"], session["master"])
        locks = self._state.rows("sessions", exclusive=True, user_id=session["user_id"])
        return [lock for lock in locks if lock["id"] not in own]

    def check(self, session: Row, method: str, callnum: int | None) -> None:
        """Apply the expiry and the rules of call numbers to a call.

        Raises:
            AuthExpired: the session has expired, and this is not a login.
            AuthLockError: the user has an exclusive session.
            SequenceError: a later call has been committed.
            RetryError: this call has been committed.
        """
        number, last = session["id"], session["callnum"]
        if session["expired"] and method not in ("login", "sslLogin"):
            raise AuthExpired(f'session "{number}" has expired')
        if method not in NOT_LOCKED and self.excluding(session):
            raise AuthLockError("User locked by another session")
        if callnum is None or last is None or not self.check_callnum:
            return
        if last > callnum:
            raise SequenceError(f"{last} > {callnum} (session {number})")
        if last == callnum and method not in SAFE_TO_REPEAT.split():
            raise RetryError(
                f"unable to retry call {callnum} (method {method}) for session {number}"
            )

    def renew(self, session: Row, now: float) -> Row:
        """Renew a session: it gets a new key, its call number stays."""
        key = f"{session['user_id']}-{secrets.token_urlsafe(18)}"
        self.update(session, key=key, expired=False, renewed=now, updated=now)
        return session

    def close(self, session: Row) -> None:
        """End a session and its subsessions."""
        for other in self:
            if session["id"] in (other["id"], other["master"]):
                self._state.delete("sessions", other["id"])

    def expire_all(self) -> None:
        """Expire every session: its next call gets fault 1007."""
        for session in self:
            self.update(session, expired=True)

    def forget_all(self) -> None:
        """Delete every session, as a clean-up does: its next call gets fault 1002."""
        for session in self:
            self._state.delete("sessions", session["id"])

    def login_reply(self, session: Row) -> dict[str, Any]:
        """Return what a login answers."""
        reply: dict[str, Any] = {"session-id": session["id"], "session-key": session["key"]}
        if self.header_auth:
            reply["header-auth"] = True
        return reply
