"""What all rich objects share: a Munch that knows its connection."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from munch import munchify
from twisted.internet.defer import Deferred

from txkoji._struct import Struct

R = TypeVar("R", bound="RichObject")


class HubConnection(Protocol):
    """The part of a :class:`txkoji.Connection` that rich objects and their helpers use."""

    profile: str
    weburl: str
    topurl: str | None
    reactor: Any

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Call a hub method; the result is rich."""
        ...

    def MultiCall(self) -> Any:  # noqa: N802 - a promised name
        """Return a multicall."""


class RichObject(Struct):
    """A struct from a hub that can ask the hub for more.

    Attributes:
        connection: the connection that it came over. It is not an item of the struct.
    """

    # A slot keeps the connection out of the items; Munch would store it as one.
    __slots__ = ("connection",)

    connection: HubConnection

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "connection":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def copy(self: R) -> R:
        """Return a deep copy with the same connection."""
        copied: Any = munchify(dict(self))
        return self._with_items(copied)

    def __copy__(self: R) -> R:
        return self._with_items(self)

    def __deepcopy__(self: R, _memo: dict[int, Any]) -> R:
        return self.copy()

    def _with_items(self: R, items: dict[str, Any]) -> R:
        made = type(self)(items)
        if hasattr(self, "connection"):
            made.connection = self.connection
        return made


def make(kind: type[RichObject], struct: dict[str, Any], connection: HubConnection) -> Any:
    """Make a rich object of a struct. Cheap: a listing has twenty thousand structs."""
    built = kind.__new__(kind)
    dict.update(built, struct)
    object.__setattr__(built, "connection", connection)
    return built
