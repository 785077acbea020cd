"""Hub methods as attributes: what :class:`txkoji.Connection` and its multicalls share.

The stub beside this file, written by ``make api``, gives a type checker and an editor the methods
that Koji has; an interactive Python completes and explains them from it. Any other is called by its
name, with ``call``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

_STUB = re.compile(
    r"^class (\w+):|^    def (\w+)(\(self(?!\) -> HubM).*):\n +\"{3}(.*)\"{3}$", re.MULTILINE
)


@cache
def _known() -> dict[str, str]:
    """Return the hub's methods, with their signatures and what they do; read when first needed."""
    known: dict[str, str] = {}
    text = files("txkoji").joinpath("_hub_methods.pyi").read_text(encoding="utf-8")
    group = ""
    for class_name, name, signature, doc in _STUB.findall(text):
        if class_name:
            if not class_name.startswith("HubMethods"):
                break
            group = class_name.removeprefix("HubMethods").lower()
            continue
        line = f"{name}{signature.replace('self, ', '', 1).replace('self', '', 1)}"
        full = f"{group}.{name}" if group else name
        before = known[full].partition("\n\n")[0] + "\n" if full in known else ""
        known[full] = f"{before}{line}\n\n{doc}"
    return known


def _below(prefix: str) -> list[str]:
    """Return the next parts of the names that begin with a prefix."""
    found = (name.removeprefix(prefix) for name in _known() if name.startswith(prefix))
    return sorted({name.partition(".")[0] for name in found})


class HubMethod:
    """A callable hub method; its attributes are the methods with a dot in their names."""

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

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_below(f"{self._name}.")]

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return _known().get(self._name)


class HubMethods:
    """An object with each hub method as an attribute, which calls it through ``call``."""

    call: Callable[..., Any]

    def __getattr__(self, name: str) -> HubMethod:
        if name.startswith("_"):
            raise AttributeError(name)
        return HubMethod(self.call, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_below("")]


class CollectedMethods(HubMethods):
    """The same for a multicall: calls are collected and return nothing yet."""


class AwaitedMethods(HubMethods):
    """The same for asyncio: calls return Futures; see :mod:`txkoji.aio`."""
