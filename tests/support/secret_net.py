"""A net under every test: nothing secret may be seen in a log, an error or a repr.

What is secret: the keys of all sessions that an embedded hub gave, and the passwords, keytabs and
credential caches of all profiles and brokers. Where it is looked for: each event of Twisted's log,
formatted or not, Python's log, the text and attributes of each of our errors, the reprs of
connections, profiles and sessions, and the logs and databases of masters in other processes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from txkoji import Connection, Profile, exceptions
from txkoji.bus.settings import Broker
from txkoji.testing.tables.sessions import HubSessions

KEY = re.compile(r"-(?<=[0-9]-)(?=([A-Za-z0-9_-]{24}))")
"""What a session key of an embedded hub looks like, after the digits that it begins with.

A pattern that begins with a letter is found in a database thirty times as fast as one with digits.
"""

DIGITS = re.compile(r"[0-9]*\Z")

LONGEST_ID = 20
"""Digits of a session's id, which its key begins with."""

SHORTEST = 8
"""Characters: a shorter password is that of a demonstration, a word that may stand anywhere."""

FILES = ("*.log", "*.log.*", "output", "state.sqlite*")
"""What a master in another process writes."""


class SecretNet:
    """Searches everything that is written for secrets.

    Attributes:
        keys: session keys.
        words: passwords and paths.
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.words: set[str] = set()
        self._heard: list[tuple[str, str]] = []
        self._connections: WeakSet[Connection] = WeakSet()

    def keep(self, *secrets: str | None) -> None:
        """Take note of passwords or paths."""
        self.words.update(each for each in secrets if each and len(each) >= SHORTEST)

    def hear(self, place: str, text: str) -> None:
        """Take note of what was written."""
        self._heard.append((place, text))

    def forget(self) -> None:
        """Forget what was written, and the secrets: one test's password may be another's text."""
        self._heard.clear()
        self.words.clear()

    def look_at_reprs(self) -> None:
        """Take note of how the connections that there are show themselves."""
        for koji in list(self._connections):
            shown = [koji, koji.settings, koji.client, koji.client.session, koji.submissions]
            self.hear("a repr", " ".join(map(repr, shown)))

    def look_into(self, directory: Path) -> None:
        """Take note of what masters wrote below a directory."""
        for pattern in FILES:
            for path in directory.rglob(pattern):
                if path.is_file():
                    self.hear(str(path), path.read_text(encoding="latin-1"))

    def leaks(self) -> list[str]:
        """Return where a secret was written, and which."""
        found = []
        for place, text in self._heard:
            said = set(_like_keys(text)) & self.keys
            said |= {word for word in self.words if word in text}
            found += [f"{place} shows {secret}" for secret in sorted(said)]
        return found

    @contextmanager
    def spread(self) -> Iterator[None]:
        """Learn all secrets and observe all output inside."""
        with pytest.MonkeyPatch.context() as patch:
            for kind in (Profile, Broker):
                _after(patch, kind, "__init__", self._credentials)
            _after(patch, Connection, "__init__", self._connections.add)
            _after(patch, HubSessions, "login_reply", lambda _, session: self._key(session))
            for error in _errors(exceptions.KojiException):
                if error is exceptions.KojiException or "__init__" in vars(error):
                    _after(patch, error, "__init__", self._error)
            handler = _Handler(self)
            logging.getLogger().addHandler(handler)
            globalLogPublisher.addObserver(self._event)
            try:
                yield
            finally:
                globalLogPublisher.removeObserver(self._event)
                logging.getLogger().removeHandler(handler)

    def _key(self, session: Mapping[str, Any]) -> None:
        self.keys.add(session["key"])

    def _credentials(self, owner: Any, *_arguments: Any, **_named: Any) -> None:
        if owner.password != owner.user:
            self.keep(owner.password)
        self.keep(getattr(owner, "keytab", None))
        self.keep((getattr(owner, "ccache", None) or "").removeprefix("FILE:"))

    def _error(self, error: BaseException, *_arguments: Any, **_named: Any) -> None:
        self.hear(f"{type(error).__name__}", f"{error} {error!r} {vars(error)!r}")

    def _event(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        fields = {key: value for key, value in event.items() if not key.startswith("log_")}
        text = f"{formatEvent(event)} {fields!r}"
        self.hear("Twisted's log", text if failure is None else f"{text} {failure.getTraceback()}")


def _like_keys(text: str) -> Iterator[str]:
    """Yield each part of a text that looks like a session key."""
    for match in KEY.finditer(text):
        end = match.start()
        found = DIGITS.search(text, max(0, end - LONGEST_ID), end)
        digits = found[0] if found else ""
        yield from (f"{digits[start:]}-{match[1]}" for start in range(len(digits)))


class _Handler(logging.Handler):
    def __init__(self, net: SecretNet) -> None:
        super().__init__()
        self._net = net

    def emit(self, record: logging.LogRecord) -> None:
        self._net.hear("Python's log", self.format(record))


def _errors(error: type[BaseException]) -> Iterable[type[BaseException]]:
    yield error
    for each in error.__subclasses__():
        yield from _errors(each)


def _after(patch: pytest.MonkeyPatch, kind: type, name: str, listen: Callable[..., object]) -> None:
    """Let a method, after it did what it does, be heard of with its arguments."""
    method = getattr(kind, name)

    @wraps(method)
    def heard(self: Any, *arguments: Any, **named: Any) -> Any:
        result = method(self, *arguments, **named)
        if name == "__init__" and kind is Connection:
            listen(self)
        else:
            listen(self, *arguments, **named)
        return result

    patch.setattr(kind, name, heard)
