"""A session with a hub: its id, key and call number, and the queue of its calls.

It knows what a request of a session carries, and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from txkoji.exceptions import AuthError, AuthExpired, KojiException
from txkoji.locks import Lock


def has_run_out(error: KojiException) -> bool:
    """Return whether an error means that a session has expired or was closed.

    An expired session gives fault 1007. A session that the hub's clean-up removed after a day of
    inactivity gives fault 1002, as does a wrong key.
    """
    if isinstance(error, AuthExpired):
        return True
    return type(error) is AuthError and error.text.startswith("Invalid session")


@dataclass
class CallNumber:
    """The call number of one write; each retry of the write carries the same one.

    A hub that checks call numbers carries out the write once, however often and late it arrives
    again: it answers a copy with RetryError.

    Attributes:
        session_id: the session that the number belongs to; None before the write was sent.
        callnum: the number.
    """

    session_id: int | None = None
    callnum: int = 0


class Session:
    """One session.

    A hub runs the calls of one session one after the other, and refuses a call number that is lower
    than one it has stored: so calls go one at a time, in order, through :attr:`queue`.

    Args:
        id: the session's number.
        key: its secret.
        headers: carry the session in headers (hubs since 1.31), not in the URL.

    Attributes:
        callnum: the number of the next call. It is kept in a renewal under the same id, because the
            hub remembers it.
        user_id: the user's id, None until the hub was asked.
        queue: the lock that a call of this session holds while it is in flight.
    """

    def __init__(self, id: int, key: str, headers: bool) -> None:  # noqa: A002 - Koji's name
        self.id = id
        self.key = key
        self.callnum = 0
        self.user_id: int | None = None
        self.queue = Lock()
        self._headers = headers

    def __repr__(self) -> str:
        return f"<Session {self.id}, next call {self.callnum}>"

    def renewed(self, id: int, key: str, headers: bool) -> None:  # noqa: A002 - Koji's name
        """Update the session with the result of another login.

        Under the same id the hub continues its count of calls, and so must we; Koji's own client
        restarts it and is refused. A new id is a new session.
        """
        if id != self.id:
            self.callnum = 0
        self.id, self.key, self._headers = id, key, headers

    def take_callnum(self, number: CallNumber) -> int:
        """Return the number of a write's first attempt, or else the next one."""
        if number.session_id != self.id:
            number.session_id, number.callnum = self.id, self.callnum
            self.callnum += 1
        return number.callnum

    def carried(self, callnum: int) -> tuple[str, dict[str, str]]:
        """Return the query string and the headers of a call; the hub reads one of them."""
        if not self._headers:
            query = {"session-id": self.id, "session-key": self.key, "callnum": callnum}
            return urlencode(query), {}
        return "", {
            "Koji-Session-Id": str(self.id),
            "Koji-Session-Key": self.key,
            "Koji-Session-Callnum": str(callnum),
        }
