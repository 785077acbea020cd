"""The page *In Koji now*: the watched task trees. Pure: status values in, plain values out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from buildbot_koji.database_values import number
from buildbot_koji.hubs.builders import lacking, no_builder
from buildbot_koji.hubs.hub import WatchingBuild
from buildbot_koji.www.plain import LONG, encoded, link, text
from txkoji import TaskTree, WatchedTask, arch_of, nvr, paths, task_states

SLOW = 1.5
"""A task that takes so many times its usual duration is in trouble."""

STUCK_AFTER = 3600.0
"""Seconds that a task may wait for a builder, a gate for votes, or a step for a task."""

MOST_ARCHES = 30

_LOST = (task_states.FAILED, task_states.CANCELED)

_SRPM = ("buildSRPMFromSCM", "rebuildSRPM")

LABEL = 120
"""Characters of a label: a chain may name a hundred packages."""


@attrs.frozen
class _Facts:
    """What the trouble of a tree depends on.

    Attributes:
        failed: the architectures, or the packages of a chain, that failed.
        lacking: the architectures that it waits for, and that no builder has.
        waiting_since: since when the task, or all that is left of it, waits for a builder, None if
            it does not.
        started: when it started, None if it has not, or if what is left waits for builders.
        usual: how many seconds it should take, or None.
    """

    failed: str = ""
    lacking: tuple[str, ...] = ()
    waiting_since: float | None = None
    started: float | None = None
    usual: float | None = None


class Trees:
    """The watched trees of a hub as JSON; each is rendered again only when it changed.

    Attributes:
        hosts: the names of the hub's hosts, by id.
        builders: the architectures of each channel's hosts, as ``ChannelBuilders.arches``.
        ahead: the seconds that the hub's clock is ahead of ours.
    """

    def __init__(self, hub: str, weburl: str, topurl: str | None) -> None:
        self._hub, self._weburl, self._topurl = hub, weburl, topurl
        self.hosts: Mapping[int, str] = {}
        self.builders: Mapping[int, frozenset[str]] = {}
        self.ahead = 0.0
        self._made: dict[int, tuple[Any, _Facts, tuple[Any, ...], dict[str, Any], bytes]] = {}

    def get(
        self,
        task: WatchedTask,
        build: WatchingBuild | None,
        builder_id: int | None,
        now: float,
    ) -> tuple[tuple[Any, ...], bytes, bool]:
        """Return the key that sorts a tree, its JSON, and whether it was rendered again."""
        records = None if task.tree is None else task.tree.records
        # What one answer of the hub says of all hosts is one object.
        of_hub = (id(self.hosts), id(self.builders), self.ahead)
        others = (task.usual, dict(task.places), build, builder_id, *of_hub)
        known = self._made.get(task.task_id)
        is_new = known is None or known[0] is not records or known[2] != others
        if known is None or is_new:
            found = self.render(task, build, builder_id, now)
            facts, body = self._facts(task, found), encoded(found)
        else:
            _, facts, _, found, body = known
            level, trouble = _trouble(facts, now)
            if (level, trouble) != (found["trouble_level"], found["trouble"]):
                found = {**found, "trouble_level": level, "trouble": trouble}
                body = encoded(found)
        self._made[task.task_id] = (records, facts, others, found, body)
        return by_trouble(found), body, is_new

    def render(
        self,
        task: WatchedTask,
        build: WatchingBuild | None,
        builder_id: int | None,
        now: float,
    ) -> dict[str, Any]:
        """Return what the page shows of a watched task and the tasks below it.

        The page itself counts how long it takes so far: the answer changes only with the task.
        """
        found: dict[str, Any] = {
            "hub": self._hub,
            "task_id": task.task_id,
            "label": f"task {task.task_id}",
            "package": None,
            "nvr": None,
            "builder": None if build is None else text(build.builder),
            "builder_id": builder_id,
            "build_number": None if build is None else build.number,
            "build_id": None if build is None else build.build_id,
            "state": "FREE",
            "since": number(task.changed),
            "started": None,
            "arches": [],
            "queue_position": None,
            "usual": number(task.usual),
            "trouble": None,
            "trouble_level": 0,
            "url": link(paths.task_url(self._weburl, task.task_id)),
        }
        if task.tree is None:
            return found
        root = task.tree.root
        # Not since it was taken: its parts may have waited in the queue.
        starts = [_start(each) for each in task.tree.tasks() if arch_of(each) is not None]
        begun = [start for start in starts if start is not None]
        started = self._by_our_clock(min(begun, default=_start(root)))
        found.update(
            package=text(root.package),
            nvr=text(_nvr(task.tree)),
            label=text(_nvr(task.tree) or _label(root), LABEL) or found["label"],
            state=_state(root),
            started=started,
            # Of the task, or of the first one below it that waits, and that a builder may take.
            queue_position=min(
                (
                    task.places[each.id]
                    for each in task.tree.tasks()
                    if each.id in task.places and not lacking(each, self.builders)
                ),
                default=None,
            ),
            arches=[
                _arch_json(arch, each, self._weburl, self._topurl, self.hosts)
                for arch, each in _parts(task.tree)[:MOST_ARCHES]
            ],
        )
        found["trouble_level"], found["trouble"] = _trouble(self._facts(task, found), now)
        return found

    def _facts(self, task: WatchedTask, found: Mapping[str, Any]) -> _Facts:
        if task.tree is None:
            return _Facts()
        root = task.tree.root
        free = (each for each in task.tree.tasks() if each.state == task_states.FREE)
        missing = {arch for each in free if (arch := lacking(each, self.builders))}
        active = [each for each in task.tree.tasks() if each.state in task_states.ACTIVE_GROUP]
        parents = {each.parent for each in active}
        left = [each for each in active if each.id not in parents] or [root]
        # The hub's queue is long: that is no trouble of the task, unless it is for an hour.
        waits = all(each.state in (task_states.FREE, task_states.ASSIGNED) for each in left)
        created = (number(each.get("create_ts")) for each in left)
        failed = [each for each in found["arches"] if each["state"] in ("FAILED", "CANCELED")]
        names = ", ".join(each["arch"] or each["label"] or each["method"] for each in failed)
        return _Facts(
            names and f"failed {'on' if failed[0]['arch'] else 'to build'} {names}",
            tuple(sorted(missing)),
            self._by_our_clock(min((each for each in created if each is not None), default=None))
            if waits
            else None,
            found["started"] if root.state == task_states.OPEN and not waits else None,
            found["usual"],
        )

    def _by_our_clock(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self.ahead

    def keep(self, watched: Collection[int]) -> None:
        """Forget the trees that are no longer watched."""
        if len(self._made) > len(watched):
            self._made = {each: self._made[each] for each in watched if each in self._made}


def by_trouble(tree: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the key that sorts trees: trouble first, then those that wait longest."""
    return (-tree["trouble_level"], tree["since"] or 0.0, tree["task_id"])


def _start(task: Any) -> float | None:
    return number(task.get("start_ts")) if task.get("state") != task_states.FREE else None


def _label(task: Any) -> str | None:
    """Return what a task builds, after its method unless that is obvious; or its method and tag."""
    method = task.get("method")
    if method in _SRPM:
        return "source RPM"
    if task.package:
        return str(task.package)
    if packages := task.packages:
        return f"{method}: {', '.join(packages)}"
    tag = task.tag
    return f"{method}: {tag}" if isinstance(tag, str) else method


def _nvr(tree: TaskTree) -> str | None:
    """Return what a task builds, once its source RPM is made: it is what the parts are given."""
    if tree.root.package is None:
        # A chain, or a task that builds nothing.
        return None
    tasks = [tree.root, *tree.arches.values()]
    params: list[Mapping[str, Any]] = [each.params or {} for each in tasks]
    rpms = (nvr.parse_rpm(each.get("pkg") or each.get("src")) for each in params)
    return next((str(rpm.nvr) for rpm in rpms if rpm and rpm.arch in ("src", "nosrc")), None)


def _state(task: Any) -> str:
    return str(task_states.to_str(task.state))


def _parts(tree: TaskTree) -> list[tuple[str | None, Any]]:
    """Return the builds of a chain; else the task of each architecture, or what is between."""
    active = task_states.ACTIVE_GROUP
    children = tree.children.get(tree.root.id, ())
    if any(each.method == "build" for each in children):
        # Of a hundred packages, some are cut off: those that are done, but none that failed.
        shown = [each for each in children if each.method == "build" or each.state in active]
        return [(None, each) for each in sorted(shown, key=_importance)]
    arches: list[tuple[str | None, Any]] = list(tree.arches.items())
    if arches:
        return arches
    return [(None, each) for each in tree.descendents() if each.get("state") in active]


def _importance(task: Any) -> int:
    return (task.state not in _LOST) + (task.state == task_states.CLOSED)


def _arch_json(
    arch: str | None, task: Any, weburl: str, topurl: str | None, hosts: Mapping[int, str]
) -> dict[str, Any]:
    is_running = task.state in (task_states.OPEN, task_states.CLOSED, task_states.FAILED)
    writes = is_running and (arch is not None or task.get("method") in _SRPM)
    log = paths.task_output_url(topurl, task.id, "build.log") if topurl and writes else None
    return {
        "arch": text(arch),
        "method": text(task.get("method")),
        "label": None if arch else text(_label(task), LABEL),
        "state": _state(task),
        "task_id": task.id,
        "host": text(hosts.get(task.get("host_id"))),
        "url": link(paths.task_url(weburl, task.id)),
        "log_url": link(log),
    }


def _trouble(facts: _Facts, now: float) -> tuple[int, str | None]:
    """Return how bad it is, and in words that seldom change: the page itself counts the time."""
    if facts.failed:
        return 2, text(facts.failed, LONG)
    if facts.lacking:
        return 1, text(", ".join(map(no_builder, facts.lacking)), LONG)
    if facts.waiting_since is not None and now - facts.waiting_since > STUCK_AFTER:
        return 1, f"has waited for a builder for {(now - facts.waiting_since) / 3600:.0f} h"
    if facts.started is not None and facts.usual:
        elapsed = now - facts.started
        if elapsed > SLOW * facts.usual:
            return 1, "takes longer than usual"
    return 0, None
