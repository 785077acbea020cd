"""A task that runs, as its handler sees it, and what the handlers of several task methods share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred

from txkoji.exceptions import BuildError, BuildrootError, GenericError
from txkoji.testing.farm.builder import Builder
from txkoji.testing.methods.buildroots import insert_buildroot
from txkoji.testing.methods.builds import (
    add_build_type,
    change_build_state,
    get_next_release,
    make_build,
)
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.history import last_change
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.repos import (
    DELETED,
    ON_REQUEST,
    default_min_event,
    latest_repo,
    repo_request,
)
from txkoji.testing.methods.tasks import make_task
from txkoji.testing.tables.lookups.builds import BUILD_STATES, tagged_builds
from txkoji.testing.tables.lookups.packages import package_entries, package_name
from txkoji.testing.tables.lookups.structs import repo_struct
from txkoji.testing.tables.lookups.tags import tag_config, tag_name, tag_order
from txkoji.testing.tables.state import Row

LOG_STEPS = 20

MOCK_LOGS = ("root.log", "state.log", "mock_output.log", "mock_config.log")
"""The logs of each build root."""


def output_of(task_id: int) -> str:
    """Return the directory of a task's output below ``work``."""
    return task_directory(task_id).removeprefix("work/")


class Job(MethodCall):
    """A task that runs: a call by its owner.

    Args:
        builder: the builder.
        task: the row of the task.

    Attributes:
        id: the number of the task.
        request: its parameters.
        options: the last one of them, if that is a struct.
        files: the file tree of the hub.
    """

    def __init__(self, builder: Builder, task: Row) -> None:
        super().__init__(builder.hub, builder.hub.state.get("users", task["owner"]))
        self.builder = builder
        self.task = task
        self.id = int(task["id"])
        self.request: list[Any] = task["request"]
        last = self.request[-1] if self.request else None
        self.options: dict[str, Any] = last if isinstance(last, dict) else {}
        self.files = builder.hub.files

    @property
    def is_resumed(self) -> bool:
        """Whether the task was OPEN already when the hub was killed: its builder continues it."""
        return self.id in self.builder.resumed

    # Time and children

    def sleep(self, share: float) -> Deferred[None]:
        """Return a Deferred that fires after a share (0 to 1) of the time of a build."""
        return self.builder.sleep(share)

    def child(self, method: str, request: list[Any], label: str, arch: str = "noarch") -> int:
        """Make a child task, or return the one with that label; returns its id."""
        options: dict[str, Any] = {"parent": self.task, "label": label, "arch": arch}
        with self.state.transaction():
            return make_task(MethodCall(self.hub), method, request, **options)

    async def wait(self, children: list[int], can_fail: Collection[int] = ()) -> list[Any]:
        """Wait for children: see :meth:`txkoji.testing.farm.builder.Builder.wait`."""
        return await self.builder.wait(self.task, children, can_fail=can_fail)

    async def run(self, method: str, request: list[Any], label: str) -> Any:
        """Run a child task; returns its result."""
        [result] = await self.wait([self.child(method, request, label)])
        return result

    # Output

    def put(self, name: str, data: bytes) -> str:
        """Store a file among the task's output; returns its path below ``work``."""
        path = f"{output_of(self.id)}/{name}"
        self.files.write(f"work/{path}", data)
        return path

    def append(self, name: str, data: bytes) -> None:
        """Append to a file of the task's output."""
        self.files.append(f"{task_directory(self.id)}/{name}", data)

    async def log(self, name: str, first: str, line: str, share: float) -> None:
        """Write a log for a share of a build's time: a first line, then one line a step."""
        self.put(name, f"{first}\n".encode())
        for step in range(LOG_STEPS):
            await self.sleep(share / LOG_STEPS)
            self.append(name, f"step {step} of {LOG_STEPS}: {line}\n".encode())

    def make_build_root(self, arch: str) -> int:
        """Make the build root of the task, with its logs; returns its id.

        A noarch package is built on an architecture of the host.
        """
        if arch == "noarch":
            host = self.state.row("host", self.task["host_id"])
            arch = next((each for each in host["arches"].split() if each != arch), arch)
        for log in MOCK_LOGS:
            self.put(log, f"{log} of the build root for {arch}\n".encode())
        with self.state.transaction():
            return insert_buildroot(self.state, self.task, arch, self.options.get("repo_id"))

    def move_to_scratch(self, paths: list[str], number: int | None = None) -> None:
        """Copy files below ``work`` to the owner's scratch directory of a task, by default this."""
        owner = self.state.row("users", self.task["owner"])
        directory = f"scratch/{owner['name']}/task_{number or self.id}"
        for path in paths:
            self.files.copy(f"work/{path}", f"{directory}/{path.rpartition('/')[2]}")

    # What is built, and in what

    def target(self, info: Any, error: type[GenericError] = BuildError) -> dict[str, Any]:
        """Return a build target, or fail."""
        found: Row | None = self.find("target", info)
        if found is None:
            raise error(f"unknown build target: {info}")
        return found

    async def find_repo(self, target: dict[str, Any] | None) -> tuple[int, int]:
        """Return the ids of the repo to build in and of its tag; wait for a repo if necessary."""
        options = self.options
        if options.get("repo_id"):
            if self.task["method"] in ("build", "maven"):
                self.require_policy("build_from_repo_id", exempt=self.hub.allow_repo_id_builds)
            given = self.state.get("repo", options["repo_id"])
            if given is None:
                raise GenericError(f"No such repo: {options['repo_id']}")
            if given["state"] == DELETED:
                raise BuildrootError(f"Requested repo ({given['id']}) is DELETED")
            return int(given["id"]), int(given["tag_id"])
        assert target is not None
        tag_id = int(target["build_tag"])
        nvrs, min_event = options.get("wait_builds") or [], None
        if options.get("wait_repo"):
            min_event = last_change(self, [each for each, _ in tag_order(self.state, tag_id)])
        answer: dict[str, Any] = {"repo": None, "request": None}
        if self.holds(tag_id, nvrs):
            answer = self.ask_for_repo(tag_id, min_event)
        repo = answer["repo"]
        if repo is None or not self.holds(tag_id, nvrs, repo["create_event"]):
            low = answer["request"]["min_event"] if answer["request"] else min_event
            request = [target["build_tag_name"], None, nvrs, low]
            repo = await self.run("waitrepo", request, "waitrepo")
        return int(repo["id"]), tag_id

    def ask_for_repo(self, tag_id: int, min_event: int | None) -> dict[str, Any]:
        """Ask for a repo as a builder does; returns the answer of ``repo.request``.

        A hub from before that call has a repo, or makes one of itself.
        """
        if self.hub.release < ON_REQUEST:
            low = default_min_event(self, tag_id) if min_event is None else min_event
            row = latest_repo(self, tag_id, min_event=low)
            return {"repo": row and repo_struct(self.state, row), "request": None}
        with self.state.transaction():
            return repo_request(self, tag_id, min_event, None, None, None, False)

    def holds(self, tag_id: int, nvrs: list[str], event: int | None = None) -> bool:
        """Return whether a tag or its parents have builds, now or at an event."""
        which: dict[str, Any] = {"event": event, "inherit": True}
        for row in [self.find("build", nvr) for nvr in nvrs]:
            name = package_name(self.state, row["package_id"]) if row else ""
            if row not in [
                each for each, _ in tagged_builds(self.state, tag_id, package=name, **which)
            ]:
                return False
        return True

    def arches(self, build_tag: int, name: str, override: Any = None) -> list[str]:
        """Return the architectures that a package is built for."""
        if override:
            return str(override).split()
        if name in self.hub.noarch_packages:
            return ["noarch"]
        for tag, _ in tag_order(self.state, build_tag):
            config = tag_config(self.state, tag)
            if config and config["arches"]:
                return str(config["arches"]).split()
        raise BuildError(f"No arches for tag {build_tag}")

    def destination(self, target: dict[str, Any], name: str, kind: str = "package") -> int | None:
        """Return the tag of the build, None for no tag; fail if it does not list the package."""
        if self.options.get("scratch") or self.options.get("skip_tag"):
            return None
        self.check_listed(target["dest_tag"], name, kind)
        return int(target["dest_tag"])

    def check_listed(self, dest_tag: int, name: str, kind: str = "package") -> None:
        """Fail if the destination tag does not list a package, of that kind in the text."""
        package = self.find("package", name)
        number = package["id"] if package else 0
        entry = package_entries(self.state, dest_tag, package_id=number).get(number)
        tag = tag_name(self.state, dest_tag)
        if entry is None:
            raise BuildError(f"{kind} {name} not in list for tag {tag}")
        if entry["blocked"]:
            raise BuildError(f"{kind} {name} is blocked for tag {tag}")

    def release(self, name: str, version: str, wanted: Any) -> str:
        """Return the release that the task builds: the requested one, or the next one.

        A restarted task keeps the one that it had.
        """
        own = self.state.one("build", task_id=self.id)
        if own is not None:
            return str(own["release"])
        return str(wanted or get_next_release(self, {"name": name, "version": version}))

    # Builds

    def begin_build(
        self,
        nvr: tuple[str, str, str],
        btype: str,
        *,
        source: str | None = None,
        extra: dict[str, Any] | None = None,
        draft: bool = False,
        info: dict[str, Any] | None = None,
        **columns: Any,
    ) -> Row:
        """Insert a build, restart one that failed, or return the task's own in progress.

        Args:
            nvr: name, version and release.
            btype: its type: ``rpm``, ``image``, ...
            source: where it comes from.
            extra: the build's ``extra``.
            draft: make a draft.
            info: the build's attributes of this type.
            columns: more columns of the row.

        Raises:
            GenericError: the build exists or is in progress.
        """
        with self.state.transaction():
            if self.is_resumed and (made := self.state.rows("build", task_id=self.id)):
                return made[-1]
            # A freed task makes another draft, and leaves the first run's BUILDING.
            row: Row | None = self.find("build", "-".join(nvr))
            building = row is not None and row["state"] == BUILD_STATES["BUILDING"]
            if row is None or not building or row["task_id"] != self.id:
                new = {"task_id": self.id, "source": source, "extra": extra, **columns}
                row = make_build(self, *nvr, draft=draft, **new)
                add_build_type(self.state, row, btype, info)
            return row

    def complete(self, row: Row) -> None:
        """Complete a build whose files are all in place."""
        ended = self.hub.now()
        change_build_state(self.state, row, BUILD_STATES["COMPLETE"], completion_ts=ended)

    async def deliver(
        self,
        nvr: tuple[str, str, str],
        btype: str,
        dest_tag: int | None,
        fill: Callable[[Row], None],
        **columns: Any,
    ) -> Row:
        """Make a build of what is there, and tag it.

        Args:
            nvr: name, version and release.
            btype: its type.
            dest_tag: the tag's id, None for no tag.
            fill: imports the files into the build; a restarted task may have done so.
            columns: as :meth:`begin_build` takes them.

        Returns:
            The build.
        """
        row = self.begin_build(nvr, btype, **columns)
        if row["state"] != BUILD_STATES["COMPLETE"]:
            with self.state.transaction():
                fill(row)
                self.complete(row)
        if dest_tag is not None:
            await self.tag(row, dest_tag)
        return row

    async def tag(self, row: Row, dest_tag: int) -> None:
        """Tag a build into its destination, by a child task."""
        await self.run("tagBuild", [dest_tag, row["id"], False, None, True], "tag")
