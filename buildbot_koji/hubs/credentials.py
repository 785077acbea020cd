"""Credentials that expire: read at the start and once a day, reported in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timezone
from typing import Any

import attrs
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from buildbot_koji.words import in_days
from txkoji import Credential, one_line

WARN_BEFORE = 14 * 24 * 3600.0
"""Seconds before it expires at which a credential is reported."""

DAY = 24 * 3600.0

SOON = 600.0
"""Seconds until one with a problem is read again: it may be replaced, or the KDC answer again."""

START_AFTER = 10.0
"""Seconds after the start of a master at which they are read: a starting master is busy."""

STATES = ("ok", "warning", "expired", "broken")
"""The states, from good to bad."""

UNREACHABLE = ("Cannot contact any KDC", "Cannot find KDC", "Network is unreachable")
"""Kerberos errors for which the keytab is not to blame."""

REMEDIES = {"broker server certificate": "ask who runs the broker to renew it"}
"""What to do about credentials that someone else renews, by their kind."""


@attrs.frozen
class CredentialStatus:
    """A credential and its state.

    Attributes:
        kind: that of the :class:`txkoji.Credential`.
        name: its owner.
        expires: when it expires, in seconds since the epoch, or None.
        state: one of :data:`STATES`.
        message: what to do, in one line; empty for ``ok``.
    """

    kind: str
    name: str
    expires: float | None
    state: str
    message: str

    @property
    def is_usable(self) -> bool:
        """Whether a login may work with it."""
        return self.state not in ("expired", "broken")


def with_state(credential: Credential, now: float) -> CredentialStatus:
    """Return a credential with its state. Pure."""
    kind, name, expires = credential.kind, credential.name, credential.expires
    who = f"the {kind} of {name}" if name else f"the {kind}"
    if credential.file is not None:
        who += f", {credential.file},"
    remedy = REMEDIES.get(kind, "replace it")
    state, message = "ok", ""
    if credential.problem is not None:
        is_away = any(words in credential.problem for words in UNREACHABLE)
        state, message = "warning" if is_away else "broken", credential.problem
    elif expires is not None and expires <= now:
        ended = datetime.fromtimestamp(expires, timezone.utc)
        state, message = "expired", f"{who} expired on {ended:%Y-%m-%d %H:%M} UTC: {remedy}"
    elif kind == "ticket":
        # Tickets last hours, and whatever renews them does that shortly before.
        pass
    elif expires is not None and expires - now <= WARN_BEFORE:
        state, message = "warning", f"{who} expires {in_days(expires - now)}: {remedy}"
    return CredentialStatus(kind, name, expires, state, one_line(message))


def worst(credentials: Sequence[CredentialStatus]) -> CredentialStatus | None:
    """Return the credential in the worst state, None if all are good. Pure."""
    bad = [each for each in credentials if each.state != "ok"]
    return max(bad, key=lambda each: STATES.index(each.state), default=None)


@attrs.define(eq=False, repr=False, slots=False)
class CredentialWatch:
    """Reads credentials at the start and once a day, and logs each that is about to expire.

    One that expires earlier is read again when it does: what renews a ticket has done so by then.

    Args:
        hub: the name of the hub that they are for.
        read: reads them.
        clock: an IReactorTime.

    Attributes:
        was_read: whether they were read since the start.
    """

    _log = Logger()

    _hub: str
    _read: Callable[[], Awaitable[Sequence[Credential]]]
    _clock: Any

    def __attrs_post_init__(self) -> None:
        self._found: Sequence[Credential] = ()
        self.was_read = False
        self._logged: dict[tuple[str, str], str] = {}

    def status(self) -> list[CredentialStatus]:
        """Return the credentials that were last read, with their states now."""
        now = self._clock.seconds()
        return [with_state(each, now) for each in self._found]

    def pause(self) -> float:
        """Return the seconds until they are to be read again."""
        found, now = self.status(), self._clock.seconds()
        is_known = all(each.problem is None for each in self._found)
        if not (is_known and all(each.is_usable for each in found)):
            return SOON
        left = [each.expires - now for each in found if each.expires is not None]
        return max(min([DAY, *left]), 1.0)

    async def read_once(self) -> None:
        """Read them, unless they have been read before."""
        if not self.was_read:
            await self.check()

    async def check(self) -> None:
        """Read them now."""
        try:
            self._found = list(await self._read())
            self.was_read = True
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - a file, a KDC or a library: logging in says it too
            self._log.failure("can't read when the credentials expire")
            return
        for each in self.status():
            key = (each.kind, each.name)
            if self._logged.get(key, "ok") != each.state and each.state != "ok":
                self._log.warn("{hub}: {message}", hub=self._hub, message=each.message)
            self._logged[key] = each.state
