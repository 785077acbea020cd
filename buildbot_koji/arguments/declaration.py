"""The arguments of a step, declared once.

A step says in its class body what it takes::

    class KojiTag(KojiStep):
        tag = argument(checks.text, "the tag", required=True)
        force = argument(checks.flag, "also against the rules of the tag", default=False)

and has of it the attributes, Buildbot's renderables, the checks, a signature, and the part of its
docstring that lists them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from buildbot.config.errors import error as config_error

from buildbot_koji.arguments.checks import Check

__all__ = ["Argument", "DeclaredArguments", "argument"]


@dataclass(frozen=True)
class Argument:
    """What a step takes.

    Attributes:
        check: what it may be.
        meaning: what it means, in a few words without a full stop.
        default: its value where it is not given.
        required: whether it must be given.
        positional: whether it may be given without its name.
        option: the name by which the hub knows it, where it travels among the options of a call.
    """

    check: Check
    meaning: str
    default: Any = None
    required: bool = False
    positional: bool = False
    option: str | None = None


def argument(
    check: Check,
    meaning: str,
    *,
    default: Any = None,
    required: bool = False,
    positional: bool = False,
    option: str | None = None,
) -> Any:
    """Declare an argument in the body of a step; see :class:`Argument`."""
    return Argument(check, meaning, default, required, positional, option)


class DeclaredArguments:
    """Gives a step the arguments that its class body and those of its parents declare.

    Attributes:
        arguments: all of them, those of the parents first.
        withdrawn: the names of parents' arguments that a class does not take.
    """

    arguments: ClassVar[Mapping[str, Argument]] = {}
    withdrawn: ClassVar[Sequence[str]] = ()
    renderables: Sequence[str] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: each for name, each in vars(cls).items() if isinstance(each, Argument)}
        inherited: dict[str, Argument] = {}
        for parent in reversed(cls.__bases__):
            inherited.update(getattr(parent, "arguments", {}))
        for name, each in own.items():
            if name not in inherited and any(hasattr(parent, name) for parent in cls.__bases__):
                raise TypeError(f"{cls.__name__}: its parents have another {name!r}")
            setattr(cls, name, each.default)
        for name in vars(cls).get("withdrawn", ()):
            del inherited[name]
        cls.arguments = {**inherited, **own}
        # Buildbot itself puts the renderables of all parents together.
        cls.renderables = tuple(own)
        cls.__doc__ = _documentation(cls)
        cls.__signature__ = _signature(cls)  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        positional = [name for name, each in self.arguments.items() if each.positional]
        given = dict(zip(positional, args, strict=False))
        step = type(self).__name__
        if len(args) > len(positional):
            config_error(f"{step}: give all arguments after {positional[-1]} by their names")
        for name in given.keys() & kwargs.keys():
            config_error(f"{step}: {name} is given twice")
        given.update(kwargs)
        for name, each in self.arguments.items():
            setattr(self, name, given.pop(name, each.default))
        super().__init__(**given)

    def hub_options(self) -> dict[str, Any]:
        """Return the options of a hub call, without those that are as the hub has them anyway."""
        return {
            each.option: getattr(self, name)
            for name, each in self.arguments.items()
            if each.option is not None and getattr(self, name) != each.default
        }


def _documentation(cls: type[DeclaredArguments]) -> str:
    text = inspect.cleandoc(vars(cls).get("__doc__") or "").rstrip()
    lines = [f"    {name}: {each.meaning}." for name, each in cls.arguments.items()]
    lines.append("    others: Buildbot's own arguments of every step.")
    return "\n".join([text, "", "Args:", *lines])


def _signature(cls: type[DeclaredArguments]) -> inspect.Signature:
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD
            if each.positional
            else inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if each.required and not each.positional
            else each.default,
        )
        for name, each in cls.arguments.items()
    ]
    parameters.sort(key=lambda parameter: parameter.kind)
    others = inspect.Parameter("others", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([*parameters, others])
