"""A change filter that speaks of Koji's things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from buildbot.changes.filter import ChangeFilter
from buildbot.config.errors import error as config_error

from buildbot_koji.arguments import checks
from txkoji import EVENT_NAMES, matches

__all__ = ["KojiChangeFilter"]

_PROPERTIES = {
    "events": "koji_event",
    "targets": "koji_target",
    "packages": "koji_package",
    "owners": "koji_owner",
    "users": "koji_user",
    "methods": "koji_task_method",
    "sources": "koji_change_source",
    "hubs": "koji_hub",
}
"""The property that each argument is about."""


class KojiChangeFilter(ChangeFilter):
    """Lets changes of a ``KojiChangeSource`` through. Each list may hold globs; all must fit.

    Args:
        events: names of events, such as ``tagged``.
        tags: names of the tags in which something happened. A tag that inherits from there counts
            too, where the change source follows the inheritance.
        targets: names of build targets.
        packages: names of packages.
        owners: names of the owners of builds and tasks.
        users: names of those who did it.
        methods: methods of tasks.
        build_types: types of builds, where the change source asks for them.
        scratch: only tasks that are (True) or are not (False) scratch builds.
        sources: names of change sources.
        hubs: names of profiles.
        kwargs: what Buildbot's own ``util.ChangeFilter`` takes.
    """

    compare_attrs: ClassVar[Sequence[str]] = ("wanted",)

    def __init__(
        self,
        *,
        events: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        targets: Sequence[str] | None = None,
        packages: Sequence[str] | None = None,
        owners: Sequence[str] | None = None,
        users: Sequence[str] | None = None,
        methods: Sequence[str] | None = None,
        build_types: Sequence[str] | None = None,
        scratch: bool | None = None,
        sources: Sequence[str] | None = None,
        hubs: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wanted: dict[str, Any] = {
            "events": events,
            "tags": tags,
            "targets": targets,
            "packages": packages,
            "owners": owners,
            "users": users,
            "methods": methods,
            "build_types": build_types,
            "scratch": scratch,
            "sources": sources,
            "hubs": hubs,
        }
        for name, value in self.wanted.items():
            check = checks.flag if name == "scratch" else checks.texts
            complaint = None if value is None else check(value)
            if complaint is not None:
                config_error(f"KojiChangeFilter: {name}={value!r} {complaint}")
        if events is not None and checks.texts(events) is None:
            for pattern in events:
                if not any(matches(name, [pattern]) for name in EVENT_NAMES):
                    config_error(
                        f"KojiChangeFilter: events: there is no {pattern!r}; there are"
                        f" {', '.join(EVENT_NAMES)}"
                    )

    def filter_change(self, change: Any) -> bool:
        """Tell whether a change comes through."""
        return bool(super().filter_change(change)) and self._is_wanted(
            lambda name: change.properties.getProperty(name)
        )

    def _is_wanted(self, read: Callable[[str], Any]) -> bool:
        if read("koji_event") is None:
            return False
        values = {name: [read(of)] for name, of in _PROPERTIES.items()}
        values["tags"] = [read("koji_tag"), *(read("koji_tag_heirs") or ())]
        values["build_types"] = list(read("koji_build_types") or ())
        scratch = self.wanted["scratch"]
        return (scratch is None or read("koji_scratch") is scratch) and all(
            any(matches(value, self.wanted[name]) for value in having)
            for name, having in values.items()
            if self.wanted[name] is not None
        )

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self.wanted.items() if value is not None]
        return f"<KojiChangeFilter on {' and '.join([*words, *self._get_repr_filters()])}>"
