"""Hub methods as attributes: what :class:`txkoji.Connection` and its multicalls share.

The stub beside this file, written by ``make api``, gives a type checker and an editor the methods
that Koji has. Any other is called by its name, with ``call``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["AwaitedMethods", "CollectedMethods", "HubMethods"]


class HubMethod:
    """A callable hub method; its attributes are the methods with a dot in their names.

    Args:
        call: takes the method's name and the arguments.
        name: the method's name.
    """

    __slots__ = ("_call", "_name")

    def __init__(self, call: Callable[..., Any], name: str) -> None:
        self._call = call
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._name, *args, **kwargs)

    def __getattr__(self, name: str) -> HubMethod:
        if name.startswith("_"):
            raise AttributeError(name)
        return HubMethod(self._call, f"{self._name}.{name}")

    def __repr__(self) -> str:
        return f"<hub method {self._name}>"


class HubMethods:
    """An object with each hub method as an attribute, which calls it through ``call``."""

    call: Callable[..., Any]

    def __getattr__(self, name: str) -> HubMethod:
        if name.startswith("_"):
            raise AttributeError(name)
        return HubMethod(self.call, name)


class CollectedMethods(HubMethods):
    """The same for a multicall: calls are collected and return nothing yet."""


class AwaitedMethods(HubMethods):
    """The same for asyncio: calls return Futures; see :mod:`txkoji.aio`."""
