"""The embedded hub without its network front: tables, sessions, files and the site's settings.

Hub methods, the farm and the front all work on a :class:`HubCore`; it knows none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from txkoji.testing.tables.file_tree import DiskFileTree, FileTree
from txkoji.testing.tables.sessions import HubSessions
from txkoji.testing.tables.state import HubState, Row
from txkoji.testing.tables.state_file import StateFile

KOJIADMIN = "kojiadmin"


INDEXES = {
    "archiveinfo": ("build_id",),
    "build": ("package_id", "task_id"),
    "build_type": ("build_id",),
    "package": ("name",),
    "repo": ("tag_id",),
    "repo_queue": ("active",),
    "rpminfo": ("build_id",),
    "rpmsigs": ("rpm_id",),
    "sessions": ("exclusive",),
    "tag_listing": ("build_id", "tag_id"),
    "tag_packages": ("package_id", "tag_id"),
    "task": ("parent", "method"),
}
"""The columns that rows of large tables are found by, the most selective one first."""

Answer = Callable[[str, list[Any], Callable[[], Any]], Any]


class TaskRunner(Protocol):
    """What hub methods ask of the farm."""

    def wake(self, task_id: int) -> None:
        """Schedule a FREE task."""

    def assign(self, task_id: int, host: Row) -> None:
        """Give an unfinished task to a host; one that runs starts over there."""

    def cancel(self, task_id: int, *, recurse: bool = True) -> None:
        """Cancel an unfinished task, by default with its children."""

    def free(self, task_id: int) -> None:
        """Send a task back to FREE."""

    def load(self, host_id: int) -> float:
        """Return the total weight of a host's tasks."""
        ...


_ONLY_ADMINS = "Only admin can do this via default policy"

NEEDED_BY_DEFAULT: dict[str, tuple[str, str | None]] = {
    "build_from_repo_id": ("admin", _ONLY_ADMINS),
    "build_from_scm": ("admin", _ONLY_ADMINS),
    "build_from_srpm": ("admin", _ONLY_ADMINS),
    "draft_promotion": ("draft-promoter", None),
    "package_list": ("tag", None),
    "vm": ("win-admin", None),
}
"""For each policy that denies by default: the permission that it needs, and the reason it gives."""


@dataclass(frozen=True)
class Denial:
    """A rule of a policy that denies.

    Attributes:
        policy: the policy: ``tag``, ``package_list``, ``sidetag``, ...
        reason: the rule's reason, or None.
        tag: the tag that the rule applies to, None for everything.
    """

    policy: str
    reason: str | None
    tag: str | None

    @property
    def action(self) -> str:
        """What the rule says to do: ``deny``, with its reason."""
        return f"deny {self.reason}" if self.reason else "deny"

    def __str__(self) -> str:
        """The hub's text of the refusal."""
        test = "all" if self.tag is None else f"tag {self.tag}"
        said = f": {self.reason}" if self.reason else ""
        return f"policy violation ({self.policy}){said} [rule: {test} :: {self.action}]"


class HubCore:
    """What one embedded hub is and holds.

    Args:
        clock: an IReactorTime. Its time is the hub's time, in seconds since the epoch.
        version: the version that the hub reports; methods and parameters of later ones are missing.
        state_file: the file that keeps tables and sessions; files go to a directory beside it.

    Attributes:
        state: the tables.
        sessions: the sessions.
        files: the file tree.
        saved: the state file.
        runner: runs the tasks; set once the hub is put together.
        requests: how many HTTP requests came.
        calls: how often each method was called.
        version_header: send the version in a header of each reply, as hubs do since 1.35.
        reads_callnum_header: check the call numbers of header sessions. Hubs from 1.31 to 1.35
            don't: a call that is sent twice is executed twice.
        offline_text: the text of fault 1014, which answers every call; None while online.
        locked_out: refuse every call of users who are not admins.
        denials: what policies deny.
        sidetag_suffixes: the suffixes that side tags may have.
        absent_plugins: the plugins that are not installed.
        anonymous_user: the user as whom calls without a session act.
        keytab: a keytab with the key of ``HTTP/host``, for logins by Kerberos ticket.
        trusts_front_end: a web server in front of the hub says who logs in, as mod_wsgi's
            environment does for a real hub: ``X-Koji-Client`` is the client certificate's name,
            ``X-Koji-Principal`` the Kerberos principal.
        ticket_answer: maps the service's answer to a ticket to the bytes that are sent; empty
            bytes send nothing.
        answer: makes the result of each method: called with its name, its parameters and what runs
            it. A test that wants other results than the hub's sets it.
        proxy_users: the users who may log in as others.
        allow_srpm_builds: accept source RPMs for real (non-scratch) builds from everyone.
        allow_repo_id_builds: accept ``repo_id`` from everyone.
        builders_mended: builders are healthy: the packages that fail by them build, as does
            ``failroot``.
        maven_enabled: accept Maven builds.
        win_enabled: accept Windows builds.
        noarch_packages: the packages that are built once, for noarch.

    Raises:
        sqlite3.Error: the state file is not one, is that of another version, or another hub
            uses it.
    """

    runner: TaskRunner

    def __init__(self, clock: Any, *, version: str, state_file: Path | None) -> None:
        self.clock = clock
        self.version = version
        self.version_header = self.release >= (1, 35)
        self.reads_callnum_header = not (1, 31) <= self.release < (1, 36)
        self.offline_text: str | None = None
        self.locked_out = False
        self.denials: list[Denial] = []
        self.sidetag_suffixes: set[str] = set()
        self.absent_plugins: set[str] = set()
        self.anonymous_user: str | None = None
        self.keytab: Path | None = None
        self.trusts_front_end = False
        self.ticket_answer: Callable[[bytes], bytes] = lambda answer: answer
        self.answer: Answer = lambda _name, _params, run: run()
        self.proxy_users: set[str] = set()
        self.allow_srpm_builds = False
        self.allow_repo_id_builds = False
        self.builders_mended = False
        self.maven_enabled = False
        self.win_enabled = False
        self.noarch_packages: set[str] = set()
        self.requests = 0
        self.calls: Counter[str] = Counter()
        self.state = HubState(self.now)
        self.sessions = HubSessions(self.state, header_auth=self.release >= (1, 31))
        for table, columns in INDEXES.items():
            for column in columns:
                self.state.add_index(table, column)
        # First of all: what is no state file stays alone.
        self.saved = StateFile(state_file, self.state)
        self.files = (
            FileTree(self.now)
            if state_file is None
            else DiskFileTree(self.now, state_file.with_name(f"{state_file.name}.files"))
        )

    @property
    def release(self) -> tuple[int, int]:
        """The first two numbers of the version; they decide which methods there are."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    @property
    def admin(self) -> Row:
        """The row of the user ``kojiadmin``."""
        row = self.state.one("users", name=KOJIADMIN)
        assert row is not None
        return row

    def now(self) -> float:
        """Return the hub's time, in seconds since the epoch."""
        return float(self.clock.seconds())

    def task_children(self, task_id: int) -> list[Row]:
        """Return the rows of a task's children, in the order of their ids."""
        return self.state.rows("task", parent=task_id)
