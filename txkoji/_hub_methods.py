"""Hub methods as attributes: what :class:`txkoji.Connection` and its multicalls share.

The stub beside this file, written by ``make api``, gives a type checker and an editor the methods
that Koji has. Any other is called by its name, with ``call``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["AwaitedMethods", "CollectedMethods", "HubMethods"]


class HubMethod:
    """A method of the hub, to be called; an attribute of it is a method with a dot in its name.

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
    """What has each hub method as an attribute, and calls it by ``call``."""

    call: Callable[..., Any]

    def __getattr__(self, name: str) -> HubMethod:
        if name.startswith("_"):
            raise AttributeError(name)
        return HubMethod(self.call, name)


class CollectedMethods(HubMethods):
    """The same, whose calls are collected and have no result yet."""


class AwaitedMethods(HubMethods):
    """The same, whose calls give Futures; see :mod:`txkoji.aio`."""
