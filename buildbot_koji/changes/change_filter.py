"""A change filter in Koji's terms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from buildbot.changes.filter import ChangeFilter

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredObject
from txkoji import EVENT_NAMES, matches

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
"""The property that each argument filters by."""


def _events(value: Any) -> str | None:
    complaint = checks.names(value)
    if complaint is not None:
        return complaint
    unknown = [each for each in value if not any(matches(name, [each]) for name in EVENT_NAMES)]
    return no_event(unknown[0]) if unknown else None


def no_event(name: str) -> str:
    """Return the complaint about the name of an event that there is not."""
    known = f"; there are {', '.join(EVENT_NAMES)}"
    return f"names no event: there is no {name!r}{checks.did_you_mean(name, EVENT_NAMES) or known}"


class KojiChangeFilter(DeclaredObject, ChangeFilter):
    """Lets changes of a ``KojiChangeSource`` pass that match all arguments; each may be a glob."""

    compare_attrs: ClassVar[Sequence[str]] = ("declared_values",)
    passed_on: ClassVar[Mapping[str, checks.Check]] = {
        # It checks the others itself.
        name: checks.function if name.endswith("_fn") else checks.anything
        for name in inspect.signature(ChangeFilter).parameters
    }
    passed_on_help: ClassVar[str] = "what Buildbot's own ``util.ChangeFilter`` takes"

    events = argument(_events, "names of events, such as ``tagged``")
    tags = argument(
        checks.names,
        "names of the tags in which something happened. A tag that inherits from there counts too,"
        " where the change source follows the inheritance",
    )
    targets = argument(checks.names, "names of build targets")
    packages = argument(checks.names, "names of packages")
    owners = argument(checks.names, "names of the owners of builds and tasks")
    users = argument(checks.names, "names of the users who did it")
    methods = argument(checks.names, "methods of tasks")
    build_types = argument(checks.names, "types of builds, where the change source asks for them")
    scratch = argument(checks.flag, "only tasks that are (True) or are not (False) scratch builds")
    sources = argument(checks.names, "names of change sources")
    hubs = argument(checks.names, "names of profiles")

    def filter_change(self, change: Any) -> bool:
        """Return whether a change matches."""
        return bool(super().filter_change(change)) and self._is_wanted(
            lambda name: change.properties.getProperty(name)
        )

    def _is_wanted(self, read: Callable[[str], Any]) -> bool:
        if read("koji_event") is None:
            return False
        values = {name: [read(of)] for name, of in _PROPERTIES.items()}
        values["tags"] = [read("koji_tag"), *(read("koji_tag_heirs") or ())]
        values["build_types"] = list(read("koji_build_types") or ())
        scratch = self.declared_values["scratch"]
        return (scratch is None or read("koji_scratch") is scratch) and all(
            any(matches(value, self.declared_values[name]) for value in having)
            for name, having in values.items()
            if self.declared_values[name] is not None
        )

    def __repr__(self) -> str:
        words = [
            f"{name}={value!r}" for name, value in self.declared_values.items() if value is not None
        ]
        return f"<KojiChangeFilter on {' and '.join([*words, *self._get_repr_filters()])}>"
