"""The embedded hub's sessions: who is logged in, until when, and the rules of call numbers.

Pure. The rules are those that ``transport.jsonl`` of the recordings shows.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from txkoji.exceptions import AuthError, AuthExpired, RetryError, SequenceError
from txkoji.testing.tables.state_file import Record

SESSIONS, LAST_SESSION = COLLECTIONS = ("sessions", "last session")
"""The collections of saved records."""

SAFE_TO_REPEAT = frozenset(
    {
        "host.taskWait",
        "host.taskUnwait",
        "host.taskSetWait",
        "host.updateHost",
        "host.setBuildRootState",
        "repoExpire",
        "repoDelete",
        "repoProblem",
    }
)
"""Methods that a hub executes again under the same call number."""

INVALID = "Invalid session or bad credentials"


@dataclass
class HubSession:
    """One session of one user.

    Attributes:
        id: the session's number.
        key: its secret.
        user_id: whose it is.
        authtype: how the user logged in (Koji's AUTHTYPES).
        callnum: the number of the last call that wrote, None before the first.
        master: the id of the session that this is a subsession of, or None.
    """

    id: int
    key: str = field(repr=False)
    user_id: int
    authtype: int
    address: str
    start: float
    callnum: int | None = None
    master: int | None = None
    expired: bool = False
    exclusive: bool = False
    renewed: float | None = None
    updated: float = 0.0


class HubSessions:
    """All sessions of a hub.

    Attributes:
        check_address: bind each session to the address that it came from (CheckClientIP).
        check_callnum: apply the rules of call numbers.
        header_auth: offer sessions in headers (since 1.31); without, the URL carries them.
    """

    def __init__(self, *, header_auth: bool = True) -> None:
        self.check_address = True
        self.check_callnum = True
        self.header_auth = header_auth
        self._sessions: dict[int, HubSession] = {}
        self._last = 0
        self._touched: set[int] = set()

    def restore(self, records: Iterable[Record]) -> None:
        """Take over records that :meth:`changes` gave once."""
        for collection, key, value in records:
            if collection == LAST_SESSION:
                self._last = value
            else:
                self._sessions[key] = HubSession(**value)

    def changes(self) -> list[Record]:
        """Return the sessions that changed since the last call, None for one that ended."""
        touched, self._touched = self._touched, set()
        records: list[Record] = [(LAST_SESSION, 0, self._last)] if touched else []
        for number in touched:
            session = self._sessions.get(number)
            records.append((SESSIONS, number, None if session is None else vars(session)))
        return records

    def update(self, session: HubSession, **changes: Any) -> None:
        """Change attributes of a session."""
        vars(session).update(changes)
        self._touched.add(session.id)

    def __iter__(self) -> Any:
        return iter(list(self._sessions.values()))

    def create(
        self, user_id: int, authtype: int, address: str, now: float, *, master: int | None = None
    ) -> HubSession:
        """Start a session."""
        self._last += 1
        key = f"{self._last}-{secrets.token_urlsafe(18)}"
        session = HubSession(self._last, key, user_id, authtype, address, now, master=master)
        session.updated = now
        self._sessions[session.id] = session
        self._touched.add(session.id)
        return session

    def find(self, id_text: str, key: str, address: str) -> HubSession:
        """Return the session that a request names.

        Raises:
            AuthError: the session is unknown, or its key or address is wrong.
        """
        try:
            session = self._sessions.get(int(id_text))
        except ValueError:
            session = None
        if (
            session is None
            or not secrets.compare_digest(session.key.encode(), key.encode())
            or (self.check_address and session.address != address)
        ):
            raise AuthError(INVALID)
        return session

    def check(self, session: HubSession, method: str, callnum: int | None) -> None:
        """Apply the expiry and the rules of call numbers to a call.

        Raises:
            AuthExpired: the session has expired, and this is not a login.
            SequenceError: a later call has been committed.
            RetryError: this call has been committed.
        """
        if session.expired and method not in ("login", "sslLogin"):
            raise AuthExpired(f'session "{session.id}" has expired')
        if callnum is None or session.callnum is None or not self.check_callnum:
            return
        if session.callnum > callnum:
            raise SequenceError(f"{session.callnum} > {callnum} (session {session.id})")
        if session.callnum == callnum and method not in SAFE_TO_REPEAT:
            raise RetryError(
                f"unable to retry call {callnum} (method {method}) for session {session.id}"
            )

    def renew(self, session: HubSession, now: float) -> HubSession:
        """Renew a session: it gets a new key, its call number stays."""
        key = f"{session.id}-{secrets.token_urlsafe(18)}"
        self.update(session, key=key, expired=False, renewed=now, updated=now)
        return session

    def close(self, session: HubSession) -> None:
        """End a session and its subsessions."""
        for other in self:
            if other is session or other.master == session.id:
                self._sessions.pop(other.id, None)
                self._touched.add(other.id)

    def expire_all(self) -> None:
        """Expire every session: its next call gets fault 1007."""
        for session in self:
            self.update(session, expired=True)

    def forget_all(self) -> None:
        """Delete every session, as a clean-up does: its next call gets fault 1002."""
        self._touched.update(self._sessions)
        self._sessions.clear()

    def login_reply(self, session: HubSession) -> dict[str, Any]:
        """Return what a login answers."""
        reply: dict[str, Any] = {"session-id": session.id, "session-key": session.key}
        if self.header_auth:
            reply["header-auth"] = True
        return reply
