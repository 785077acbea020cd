"""Which record of an earlier attempt is a step's own.

Buildbot numbers the steps of a build that have equal names, and a build request that is built again
may meet another configuration: the name alone would let a step follow another step's task.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from types import FunctionType
from typing import Any

from buildbot.interfaces import IRenderable

from buildbot_koji.durable.unreadable import DamagedRow, StoredByNewerVersion

IDENTITY = "identity"
"""The key of the identity, beside what the step stored."""

_DEPTH = 20
"""How deep the values of a configuration are looked into."""


@dataclass(frozen=True)
class StepIdentity:
    """What tells the work of a step from that of the others of its build.

    Attributes:
        kind: the name of the step's class.
        configured: a digest of what identifies it, as the configuration gives it.
        rendered: a digest of the values that this was rendered to.
    """

    kind: str
    configured: str
    rendered: str

    @classmethod
    def of(
        cls, kind: str, configured: Mapping[str, Any], rendered: Mapping[str, Any]
    ) -> StepIdentity:
        """Return the identity of a step."""
        return cls(kind, _digest(configured), _digest(rendered))

    def is_that_of(self, other: StepIdentity) -> bool:
        """Return whether two attempts of a build request are at the same work.

        The renderables of a step may render to something else in each attempt (a time, the head of
        a branch), and a new configuration may spell the same values differently: one of the two
        must be equal. Starting again what is running would double a build.
        """
        alike = self.configured == other.configured or self.rendered == other.rendered
        return self.kind == other.kind and alike


_WHOSE = fields(StepIdentity)


def to_row(value: Mapping[str, Any], identity: StepIdentity) -> bytes:
    """Return the stored form of what a step must know in its next attempt."""
    whose = [identity.kind, identity.configured, identity.rendered]
    return json.dumps({**value, IDENTITY: whose}).encode()


def read_identity(whose: Any, what: str) -> StepIdentity:
    """Return the identity that a row has.

    Raises:
        StoredByNewerVersion: it has another form.
    """
    if not isinstance(whose, list) or len(whose) != len(_WHOSE):
        raise StoredByNewerVersion(what)
    return StepIdentity(*whose)


def choose_attempt(
    build_id: int,
    rows: Iterable[tuple[str, bytes]],
    own: str,
    identity: StepIdentity,
    taken: Container[tuple[int, str]],
) -> tuple[str, dict[str, Any]] | None:
    """Return the row of a step in an earlier build of its build request, and what it stored there.

    Args:
        build_id: the earlier build.
        rows: the names and the values of all rows that steps stored with that build.
        own: the name of the row of a step with this step's name. A row of a step that had the same
            values is preferred to one with that name.
        identity: the step's.
        taken: the rows that earlier steps of this attempt have found to be theirs.

    Raises:
        StoredByNewerVersion: the identity in one of the rows can't be read. A version that changes
            what any step stores changes the form of the identity as well.
        DamagedRow: the row of a step with this step's name can't be read.
    """
    mine: list[tuple[bool, bool, tuple[str, dict[str, Any]]]] = []
    for name, stored in rows:
        value, did = read_row(stored), f"what a step of build {build_id} did"
        if value is None and name == own:
            raise DamagedRow(f"{did} ({name})")
        if value is None or (build_id, name) in taken:
            continue
        earlier = read_identity(value.pop(IDENTITY), did)
        if identity.is_that_of(earlier):
            has_values = earlier.rendered == identity.rendered
            mine.append((has_values, name == own, (name, value)))
    return max(mine, key=lambda each: each[:2])[2] if mine else None


def read_row(stored: bytes) -> dict[str, Any] | None:
    """Return what :func:`to_row` stored; None for another row, such as a mass build's."""
    try:
        value = json.loads(stored)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and IDENTITY in value else None


def _digest(value: Any) -> str:
    text = json.dumps(_lasting(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _lasting(value: Any, inside: Set[int] = frozenset()) -> Any:
    """Return a form of a configured value that is the same after a restart of the master.

    Args:
        value: the value.
        inside: the ids of the values that it is a part of, since one may contain itself.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    name = getattr(value, "__qualname__", type(value).__qualname__)
    if id(value) in inside or len(inside) == _DEPTH:
        return name
    inside = inside | {id(value)}
    if isinstance(value, Mapping):
        return {str(key): _lasting(each, inside) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_lasting(each, inside) for each in value]
    if isinstance(value, FunctionType):
        # The same function with other values is another source or target.
        parts: list[Any] = [*_closure(value), value.__defaults__]
    else:
        is_known = IRenderable.providedBy(value) or is_dataclass(value)
        parts = [vars(value)] if is_known and hasattr(value, "__dict__") else []
    return [name, *(_lasting(each, inside) for each in parts)]


def _closure(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        # A cell that is not assigned yet has no content.
        with contextlib.suppress(ValueError):
            yield cell.cell_contents
