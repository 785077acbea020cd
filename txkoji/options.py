"""The options of hub methods, for annotations: ``newest: QueryOptions = {"limit": 3}``.

At run time each is a plain dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

__all__ = ["BuildOptions", "CountOnly", "HostOptions", "QueryOptions", "Strings", "TaskOptions"]

Strings: TypeAlias = list[str] | tuple[str, ...]
"""Several texts. A single one is a sequence of texts too, and a mistake."""


class CountOnly(TypedDict):
    """Asks for the length of a list."""

    countOnly: Literal[True]


class QueryOptions(TypedDict, total=False):
    """How a list is counted, ordered and cut."""

    countOnly: bool
    order: str
    offset: int
    limit: int
    asList: bool
    rowlock: bool
    group: str


class BuildOptions(TypedDict, total=False):
    """The options of a build."""

    scratch: bool
    skip_tag: bool
    draft: bool
    arch_override: str | None
    repo_id: int | None
    wait_repo: bool
    wait_builds: Strings
    fail_fast: bool
    rebuild_srpm: bool
    noprio: bool
    custom_user_metadata: Mapping[str, Any]


class HostOptions(TypedDict, total=False):
    """Which hosts of a channel are listed."""

    arches: str | Sequence[str]
    ready: bool
    enabled: bool
    userID: int
    queryOpts: QueryOptions


class TaskOptions(TypedDict, total=False):
    """Which tasks are listed."""

    arch: Strings
    not_arch: Strings
    state: Sequence[int]
    not_state: Sequence[int]
    owner: int | Sequence[int] | None
    not_owner: int | Sequence[int] | None
    host_id: int | Sequence[int] | None
    not_host_id: int | Sequence[int] | None
    channel_id: int | Sequence[int] | None
    not_channel_id: int | Sequence[int] | None
    parent: int | Sequence[int] | None
    not_parent: int | Sequence[int] | None
    method: str
    createdBefore: float | str
    createdAfter: float | str
    startedBefore: float | str
    startedAfter: float | str
    completeBefore: float | str
    completeAfter: float | str
    completedBefore: float | str
    completedAfter: float | str
    decode: bool
