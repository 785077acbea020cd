"""What the clients of a process that talk to one host and port share: limits and pauses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import HTTPStatusError
from txkoji.locks import Semaphore
from txkoji.retry import is_passing

_known: WeakValueDictionary[tuple[int, str], Address] = WeakValueDictionary()


class Address:
    """A host and port: the slots for requests to it, and the pause that its front end asks for.

    Args:
        reactor: an IReactorTime.
    """

    def __init__(self, reactor: Any) -> None:
        # The address keeps its reactor alive, so no other reactor gets that id.
        self._elapsed = ElapsedTime(reactor)
        self._slots: dict[tuple[str, int], Semaphore] = {}
        self._refusal: HTTPStatusError | None = None
        self._closed_until = 0.0

    @classmethod
    def of(cls, url: str, reactor: Any) -> Address:
        """Return the address of a URL, the same for all profiles of that host and port."""
        key = (id(reactor), urlsplit(url).netloc.rpartition("@")[2].lower())
        return _known.setdefault(key, cls(reactor))

    def slots(self, kind: str, at_once: int) -> Semaphore:
        """Return the semaphore that the clients with this limit share for a kind of requests."""
        return self._slots.setdefault((kind, at_once), Semaphore(at_once))

    def refused(self, error: HTTPStatusError) -> None:
        """Note the pause that a reply asks for, if it does."""
        if error.retry_after and is_passing(error):
            self._refusal = error
            self._closed_until = self._elapsed.seconds() + error.retry_after

    def check(self) -> None:
        """Refuse to send a request before the pause is over.

        Raises:
            HTTPStatusError: the pause is not over: the error that asked for it, with the seconds
                that are left of it as ``retry_after``. Nothing was sent.
        """
        left = self._closed_until - self._elapsed.seconds()
        if self._refusal is not None and left > 0:
            raise HTTPStatusError(
                str(self._refusal),
                status=self._refusal.status,
                url=self._refusal.url,
                may_have_arrived=False,
                retry_after=left,
            )
