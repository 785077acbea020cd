"""``buildbot-koji watch``: a task tree in the terminal, live, until it ends."""

from __future__ import annotations

import time
from typing import Any, TextIO

from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from buildbot_koji.cli import Mistake
from txkoji import (
    Connection,
    TaskTree,
    TaskWatcher,
    nvr,
    one_line,
    read_outcome,
    task_states,
)
from txkoji.build import Build
from txkoji.exceptions import ProfileNotFound
from txkoji.task import Task

MARKS = {"OPEN": "yellow", "CLOSED": "green", "FAILED": "red", "CANCELED": "magenta"}


async def watch(reactor: Any, what: str, out: TextIO, *, profile: str) -> int:
    """Show a task and all below it until it ends.

    Args:
        reactor: the reactor.
        what: the id of a task, the NVR of a build, or the address of either one's page.
        out: a terminal shows a live tree, where ``rich`` is installed; anything else a line for
            each change.
        profile: the hub's profile; an address finds its own.

    Returns:
        0 if the task closed, 1 if it failed or was canceled.

    Raises:
        Mistake: there is no such task or build, or no task made the build.
        KojiException: the hub refused, or the profile can't be used.
    """
    connection = Connection.connect_from_web(what) if "://" in what else None
    if "://" in what and connection is None:
        raise Mistake(f"{what} is below no profile's weburl: give the id, and --profile")
    try:
        koji = connection or Connection(profile, reactor=reactor)
    except ProfileNotFound as error:
        raise Mistake(f"{error}; --profile names another one") from error
    show = _live(out) or _Lines(out)

    def say(event: LogEvent) -> None:
        """Show when an outage begins, and why, and when it ends."""
        if event["log_level"] >= LogLevel.info and event["log_namespace"].startswith("txkoji.hub."):
            show.say(one_line(formatEvent(event)))

    try:
        task_id = await _task_of(koji, what)
        watcher = TaskWatcher(koji, reactor, interval=koji.settings.poll_interval)
        with show:
            globalLogPublisher.addObserver(say)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            watched = watcher.watch(task_id, queue_place=True)
            watched.on_change(show.update)
            tree = await watched.done
            show.update(tree)
        outcome = await read_outcome(koji, tree)
        made = ", ".join(each.nvr for each in outcome.builds) or tree.root.method
        state = tree.root.state_name
        print(one_line(f"task {task_id} {state}: {outcome.reason or made}"), file=out)
        if outcome.log_url is not None:
            print(one_line(f"see {outcome.log_url}"), file=out)
        return 0 if tree.root.state == task_states.CLOSED else 1
    finally:
        globalLogPublisher.removeObserver(say)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await koji.close()


async def _task_of(koji: Connection, what: str) -> int:
    if what.isdecimal():
        if not 0 < int(what) < 2**31:
            raise Mistake(f"{what} can't be the id of a task")
        # The watcher would wait for a hub that has never answered.
        await koji.call("getAPIVersion")
        return int(what)
    if "://" not in what and nvr.parse(what) is None:
        raise Mistake(
            f"{what or 'an empty text'} is no id of a task, no name-version-release, and no address"
        )
    found = await koji.from_web(what) if "://" in what else await koji.getBuild(what)
    if isinstance(found, Task):
        return found.id
    if found is None:
        raise Mistake(f"the hub has no task or build {what}")
    if not isinstance(found, Build):
        raise Mistake(f"{what} is the page of neither a task nor a build")
    if found.task_id is None:
        raise Mistake(f"no task made {what}")
    return found.task_id


class _Lines:
    """Shows each change as a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._seen: dict[int, str] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, tree: TaskTree) -> None:
        """Write what changed."""
        for task in tree.tasks():
            if self._seen.get(task.id) != task.state_name:
                self._seen[task.id] = task.state_name
                self.say(f"{task.id} {_words(task)}")

    def say(self, text: str) -> None:
        """Write a line with the time."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self._out, flush=True)


def _words(task: Any) -> str:
    # A hub may send control characters, which a terminal would obey.
    return one_line(f"{task.method} {task.arch or ''}") + f": {task.state_name}"


def _live(out: TextIO) -> Any:
    """Return what shows a live tree, None if ``out`` can't."""
    try:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text
        from rich.tree import Tree
    except ModuleNotFoundError:
        return None
    console = Console(file=out)
    if not console.is_terminal or console.is_dumb_terminal:
        return None

    def drawn(tree: TaskTree) -> Tree:
        def label(task: Any) -> Text:
            # Text, not markup: the names come from a hub.
            return Text(f"{task.id} {_words(task)}", style=MARKS.get(task.state_name, "dim"))

        def add(node: Tree, task_id: int) -> None:
            for child in tree.children.get(task_id, ()):
                add(node.add(label(child)), child.id)

        root = Tree(label(tree.root))
        add(root, tree.root.id)
        return root

    class _Tree(Live):
        def update(self, tree: Any, **_: Any) -> None:  # type: ignore[override]
            super().update(drawn(tree), refresh=True)

        def say(self, text: str) -> None:
            """Write a line above the tree."""
            self.console.print(Text(text))

    return _Tree(console=console, auto_refresh=False)
