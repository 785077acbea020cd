"""From an event to the change that it becomes, if any."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from buildbot_koji.changes.context import SourceContext
from buildbot_koji.changes.mapping import change_of
from txkoji import Event


class ChangeConverter:
    """Converts the events that the arguments of a change source select into changes."""

    _log = Logger()

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._options = context.options

    def may_fit(self, event: Event) -> bool:
        """Return whether an event, whose details may still be missing, can become a change."""
        try:
            return self._options.may_fit(event)
        except Exception:  # noqa: BLE001 - convert() meets it again, and tells which event it is
            return True

    def convert(self, event: Event) -> dict[str, Any] | None:
        """Return the arguments of ``addChange`` for a complete event; None if it does not fit."""
        if not self._fits(event):
            return None
        options = self._options
        change = change_of(
            event, source=self._context.name, hub=options.hub_name, project=options.project
        )
        if options.codebase is not None:
            change["codebase"] = options.codebase
        return change

    def _fits(self, event: Event) -> bool:
        try:
            return self._options.fits(event)
        except Exception:  # noqa: BLE001 - a mistake in a function of master.cfg must lose nothing
            self._log.failure(
                "{name}: the filter failed at {key}, which becomes a change",
                name=self._context.name,
                key=event.key,
            )
            return True
