"""How long a step waits for a hub that does not answer. Pure: times come in as numbers."""

from __future__ import annotations

from typing import Any

from buildbot_koji.durable.once import IntentState, Once

LONGEST_GAP = 150.0
"""Seconds between two looks at an outage, which begins with a request that nobody answers. After
more the master was frozen: the hub was not asked.
"""


class Patience:
    """Decides when a step gives up a hub that does not answer.

    It does so only before the step has begun anything there. What has begun is waited for.

    Attributes:
        is_lost: whether the outcome of something that was begun can't be determined.
    """

    def __init__(self) -> None:
        self.is_lost = False
        self._once: Once[Any] | None = None
        self._has_begun = False
        self._login_fails_since: float | None = None
        self._silence = self._waited = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether the step, or an earlier attempt, may have changed something on the hub."""
        in_doubt = self._once is not None and self._once.state is IntentState.IN_DOUBT
        return self._has_begun or in_doubt

    def attempts(self, once: Once[Any]) -> None:
        """Note what the step is about to change on the hub."""
        self._once = once

    def begun(self) -> None:
        """Note that the step, or an earlier attempt, may have changed something on the hub."""
        self._has_begun = True

    def succeeded(self) -> None:
        """Note that the step has changed something on the hub, which let it log in."""
        self._has_begun = True
        self._login_fails_since = None

    def is_over(
        self, limit: float, silence: float | None, now: float, *, in_doubt: bool = False
    ) -> bool:
        """Return whether to give up a hub that does not answer, or refuses.

        Args:
            limit: seconds to wait.
            silence: for how many seconds the hub is unreachable; None if the login fails because no
                Kerberos KDC answers.
            now: the elapsed time.
            in_doubt: give up even what has begun: the hub refuses to say what happened.
        """
        if self.has_begun and not in_doubt:
            return False
        if silence is None:
            self._login_fails_since = self._login_fails_since or now
            silence = now - self._login_fails_since
        if silence < self._silence:
            # Another outage.
            self._silence = self._waited = 0.0
        self._waited += min(silence - self._silence, LONGEST_GAP)
        self._silence = silence
        return self._waited >= limit
