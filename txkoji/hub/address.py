"""What all clients of a process share about the address of a hub: it can't tell them apart."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from txkoji.exceptions import HTTPStatusError
from txkoji.locks import Semaphore
from txkoji.retry import is_passing

_known: WeakValueDictionary[tuple[int, str], Address] = WeakValueDictionary()


class Address:
    """The address of a hub or its files: slots for requests, and the pause that it asks for."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._slots: dict[tuple[str, int], Semaphore] = {}
        self._refusal: HTTPStatusError | None = None
        self._closed_until = 0.0

    @classmethod
    def of(cls, url: str, reactor: Any) -> Address:
        """Return the address of a URL, the same for all profiles of that host and port."""
        # The address keeps its reactor, so no other one has that id.
        key = (id(reactor), urlsplit(url).netloc.rpartition("@")[2].lower())
        return _known.setdefault(key, cls(reactor))

    def slots(self, kind: str, at_once: int) -> Semaphore:
        """Return the slots of the clients that allow so many requests of a kind at a time."""
        return self._slots.setdefault((kind, at_once), Semaphore(at_once))

    def refused(self, error: HTTPStatusError) -> None:
        """Note the pause that a front end asks for."""
        if error.retry_after and is_passing(error):
            self._refusal = error
            self._closed_until = self._reactor.seconds() + error.retry_after

    def check(self) -> None:
        """Let nobody ask before the pause is over.

        Raises:
            HTTPStatusError: it is not; nothing was sent.
        """
        left = self._closed_until - self._reactor.seconds()
        # A clock that was set back must not prolong the pause.
        if self._refusal is not None and 0 < left <= self._refusal.retry_after:
            raise HTTPStatusError(
                str(self._refusal),
                status=self._refusal.status,
                url=self._refusal.url,
                may_have_arrived=False,
                retry_after=left,
            )
