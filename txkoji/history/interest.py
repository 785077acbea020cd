"""What a poll looks for. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from txkoji import build_states, task_states
from txkoji.build_states import BuildStates
from txkoji.history.events import NAMES, Event, PackageListChange, TagUntag
from txkoji.task_states import TaskStates

_ENDS_OF_BUILDS = (build_states.COMPLETE, build_states.FAILED, build_states.CANCELED)


@dataclass(frozen=True)
class Interest:
    """What a poll looks for.

    Attributes:
        names: names of events (:data:`txkoji.EVENT_NAMES`).
        tags: names of tags, or globs: where builds are tagged, packages listed, repos made.
        inherited: also watch the tags that these inherit from.
        methods: the methods of the tasks; empty for all.
        targets: read the task of each build: only it has the target.
        rpms: list the RPMs of each build.
        types: read the types of each build.
        wanted: called with an event whose details may still be missing; returns whether to read
            them and report the event.

    Raises:
        ValueError: there is no event of such a name.
    """

    names: frozenset[str]
    tags: tuple[str, ...] = ()
    inherited: bool = False
    methods: tuple[str, ...] = ()
    targets: bool = False
    rpms: bool = False
    types: bool = False
    wanted: Callable[[Event], bool] = field(default=lambda _: True, compare=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.names) - set(NAMES))
        if unknown:
            raise ValueError(
                f"no event is called {', '.join(unknown)}: there are {', '.join(NAMES)}"
            )

    @property
    def build_states(self) -> list[BuildStates]:
        """The final states of builds among the names."""
        return [each for each in _ENDS_OF_BUILDS if f"build-{each.name.lower()}" in self.names]

    @property
    def task_states(self) -> list[TaskStates]:
        """The final states of tasks among the names."""
        ends = task_states.DONE_GROUP
        return [each for each in ends if f"task-{each.name.lower()}" in self.names]

    def covers(self, event: Event, floor: float) -> bool:
        """Return whether to report an event; ``floor`` is when the first run began."""
        # Tag events are selected by their event ids, which are exact.
        has_event_id = isinstance(event, (TagUntag, PackageListChange))
        is_recent = has_event_id or event.when is None or event.when > floor
        return event.name in self.names and is_recent and self.wanted(event)
