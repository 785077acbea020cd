"""A session with a hub: its id, key and call number, and the queue in which its calls wait.

It knows what a request of a session carries; it sends nothing.
"""

from __future__ import annotations

from urllib.parse import urlencode

from twisted.internet.defer import DeferredLock

__all__ = ["Session"]


class Session:
    """One session.

    A hub lets the calls of one session wait for each other, and refuses a call number that is
    lower than one it has stored: so calls go one at a time, in order, through :attr:`queue`.

    Args:
        id: the session's number.
        key: its secret.
        headers: carry the session in headers (hubs since 1.31), not in the URL.

    Attributes:
        callnum: the number of the next call. It goes on after a renewal, while the id is the same:
            the hub does not forget it.
        queue: the lock that a call of this session holds while it is under way.
    """

    def __init__(self, id: int, key: str, *, headers: bool) -> None:  # noqa: A002 - Koji's name
        self.id = id
        self.key = key
        self.callnum = 0
        self.queue = DeferredLock()
        self._headers = headers

    def __repr__(self) -> str:
        return f"<Session {self.id}, next call {self.callnum}>"

    def next_callnum(self) -> int:
        """Take the number for a call. All attempts at that call carry the same one."""
        number = self.callnum
        self.callnum += 1
        return number

    def headers(self, callnum: int) -> dict[str, str]:
        """Return the headers that a call carries; none for a hub that reads the URL."""
        if not self._headers:
            return {}
        return {
            "Koji-Session-Id": str(self.id),
            "Koji-Session-Key": self.key,
            "Koji-Session-Callnum": str(callnum),
        }

    def query(self, callnum: int) -> str:
        """Return the query string that a call carries; empty for a hub that reads headers."""
        if self._headers:
            return ""
        return urlencode({"session-id": self.id, "session-key": self.key, "callnum": callnum})
