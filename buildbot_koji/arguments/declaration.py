"""The declaration of an argument, and what is derived from it: checks, docs, a signature."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import combinations
from typing import Any, Literal, ParamSpec

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.checks import Check, is_renderable
from txkoji import one_line

P = ParamSpec("P")

LONGEST_VALUE = 200
"""Characters of a value that a message shows."""


_FROM_PROPERTY = re.compile(r"\bProperty\(|\bWithProperties\(|%\(prop:")
"""What the repr of a renderable holds that takes a property, perhaps among other parts."""


def _takes_a_property(value: Any) -> bool:
    # A list of renderables has no attributes.
    return _FROM_PROPERTY.search(_uncut((value, getattr(value, "__dict__", None)))) is not None


@dataclass(frozen=True)
class Argument:
    """An argument of a plugin.

    Attributes:
        check: checks its value.
        meaning: what it means, in a few words without a full stop.
        default: its value if it is not given.
        required: whether it must be given.
        required_unless: it must be given unless one of these is.
        excludes: arguments that can't be given together with it; it is enough if one of the two
            says so.
        requires: arguments of which at least one must be given with it.
        positional: whether it may be given without its name.
        renderable: whether it may be a renderable. With ``"parts"`` only its parts may be, and
            ``check`` checks that. None for the default of the kind of plugin.
        secret: whether messages must not show its value, and no property of a build may have it.
        option: the hub's name for it, if it is one of a call's options; True for its own name.
    """

    check: Check
    meaning: str
    _: KW_ONLY
    default: Any = None
    required: bool = False
    required_unless: Sequence[str] = ()
    excludes: Sequence[str] = ()
    requires: Sequence[str] = ()
    positional: bool = False
    renderable: bool | Literal["parts"] | None = None
    secret: bool = False
    option: str | Literal[True] | None = None

    def complaint(self, value: Any) -> str | None:
        """Return what is wrong with a value that is not None, or None."""
        literal = checks.literal_placeholder(value)
        if literal is not None:
            instead = "use util.Interpolate"
            if not self.renderable:
                instead = "there is no build to take it from"
            return f"holds {literal}, which a plain string keeps as it is: {instead}"
        is_later = is_renderable(value)
        if is_later and self.secret and _takes_a_property(value):
            return "can't come from a property, which every page shows: use util.Secret"
        if is_later and self.renderable is True:
            return None
        found = self.check(value)
        if found is not None and is_later and not self.renderable:
            return "can't be a renderable: it is evaluated without a build"
        return found

    def is_given(self, value: Any) -> bool:
        """Return whether a value certainly differs from the default."""
        if is_renderable(value):
            # A renderable flag may turn out to be False; anything else counts as given.
            return self.check is not checks.flag
        return value is not None and bool(value != self.default)

    def is_on(self, value: Any) -> bool:
        """Return whether a value is certainly set: neither the default, nor False, nor empty."""
        is_empty = isinstance(value, (str, list, tuple, Mapping)) and not value
        return self.is_given(value) and value is not False and not is_empty

    def may_be_on(self, value: Any) -> bool:
        """Return whether a value is set, or may be once rendered."""
        return is_renderable(value) or self.is_on(value)


def _of_any_type(make: Callable[P, Argument]) -> Callable[P, Any]:
    # On an instance the attribute is the argument's value, which has any type.
    return make


argument = _of_any_type(Argument)
"""Declare an argument in the body of a class; see :class:`Argument`."""


def required(check: Check, meaning: str, **more: Any) -> Any:
    """Declare an argument that must be given."""
    return Argument(check, meaning, required=True, **more)


def flag(meaning: str, **more: Any) -> Any:
    """Declare an argument that is True or, by default, False."""
    return Argument(checks.flag, meaning, default=False, **more)


def option(check: Check, meaning: str, **more: Any) -> Any:
    """Declare an argument that is an option of the hub call, under the same name."""
    return Argument(check, meaning, option=True, **more)


# The checks


def mistakes(arguments: Mapping[str, Argument], values: Mapping[str, Any]) -> list[str]:
    """Return one line for each mistake that the declarations reveal; None is "not given"."""
    found = [*_missing(arguments, values), *wrong_values(arguments, values)]
    # Combinations are only checked once each value is valid by itself.
    return found or [*_excluded(arguments, values), *_unmet(arguments, values)]


def of_nothing(given: Any) -> str:
    """Return that a renderable gives no value, and why: Buildbot makes None of what is empty."""
    return f"{words_for(given)} renders to nothing: unset, empty or 0"


def from_renderable(complaint: str, given: Mapping[str, Any]) -> str:
    """Return a complaint about a rendered value, with the renderable behind it.

    Args:
        complaint: a line of :func:`mistakes`.
        given: the renderables that the configuration gives, by the names of the arguments.
    """
    for name, value in given.items():
        shown = words_for(value)
        if complaint.startswith(f"{name} is missing"):
            return f"{name} is missing: {of_nothing(value)}"
        if complaint.startswith((f"{name}=", f"{name} can't be rendered: ")):
            return f"{complaint} (it comes from {shown})"
    return complaint


def _missing(arguments: Mapping[str, Argument], values: Mapping[str, Any]) -> Iterator[str]:
    for name, each in arguments.items():
        if each.required and values.get(name) is None:
            yield f"{name} is missing"
        others = each.required_unless
        is_refused = values.get(name) is not None and each.complaint(values[name]) is not None
        group = (name, *others) if others and not is_refused else ()
        if group and not any(arguments[one].may_be_on(values.get(one)) for one in group):
            yield f"{name} is missing: required unless {_listed(others, 'or')} is given"


def wrong_values(arguments: Mapping[str, Argument], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each value that its check refuses."""
    for name, each in arguments.items():
        value = values.get(name)
        complaint = None if value is None else each.complaint(value)
        if complaint is not None:
            yield f"{name} {complaint}" if each.secret else wrong_value(name, value, complaint)


def wrong_value(name: str, value: Any, complaint: str) -> str:
    """Return a line about the value of an argument."""
    return f"{name}={words_for(value)} {complaint}"


def words_for(value: Any) -> str:
    """Return a value as a message shows it."""
    # Before it is cut: a secret may be recognized by what follows it.
    shown = one_line(_uncut(value))
    # An address in memory helps nobody.
    shown = re.sub(r" object at 0x[0-9a-f]+(?=>)", "", shown)
    return shown if len(shown) <= LONGEST_VALUE else f"{shown[: LONGEST_VALUE - 3]}..."


def _uncut(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - an integer has too many digits; a class is the user's own
        return f"a {type(value).__name__}"


def _excluded(arguments: Mapping[str, Argument], values: Mapping[str, Any]) -> Iterator[str]:
    given = [name for name, each in arguments.items() if each.is_on(values.get(name))]
    said: set[tuple[str, str]] = set()
    for pair in combinations(given, 2):
        if pair in said or not _exclude(arguments, *pair):
            continue
        group = list(pair)
        for name in given:
            if name not in group and all(_exclude(arguments, name, each) for each in group):
                group.append(name)
        group.sort(key=given.index)
        said.update(combinations(group, 2))
        yield f"{_listed(group, 'and')} exclude each other"


def _exclude(arguments: Mapping[str, Argument], one: str, other: str) -> bool:
    return other in arguments[one].excludes or one in arguments[other].excludes


def _unmet(arguments: Mapping[str, Argument], values: Mapping[str, Any]) -> Iterator[str]:
    for name, each in arguments.items():
        if (
            each.requires
            and each.is_given(values.get(name))
            and not any(arguments[one].may_be_on(values.get(one)) for one in each.requires)
        ):
            yield f"{name} can't be used without {_listed(each.requires, 'or')}"


def _listed(names: Sequence[str], word: str) -> str:
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


# The documentation

_WRAPPER = textwrap.TextWrapper(
    width=100,
    initial_indent=" " * 4,
    subsequent_indent=" " * 8,
    break_long_words=False,
    break_on_hyphens=False,
)


def described(arguments: Mapping[str, Argument], name: str) -> str:
    """Return, in sentences, what an argument means, excludes and requires, and its default."""
    one = arguments[name]
    sentences = [f"{one.meaning}."]
    if one.required:
        sentences.append("Required.")
    if one.required_unless:
        sentences.append(f"Required unless {_quoted(one.required_unless, 'or')} is given.")
    if one.requires:
        sentences.append(f"Requires {_quoted(one.requires, 'or')}.")
    excluded = [other for other in arguments if _exclude(arguments, name, other)]
    if excluded:
        sentences.append(f"Excludes {_quoted(excluded, 'and')}.")
    if not one.required and one.default not in (None, False, "", (), {}):
        sentences.append(f"Default: ``{_shown(one.default)}``.")
    return " ".join(sentences)


def _shown(default: Any) -> str:
    if isinstance(default, (str, tuple)):
        return json.dumps(default)
    return f"{default:g}" if isinstance(default, float) else repr(default)


def _quoted(names: Sequence[str], word: str) -> str:
    return _listed([f"``{name}``" for name in names], word)


def documentation(docstring: str | None, arguments: Mapping[str, Argument], others: str) -> str:
    """Return a class's docstring with its arguments, in the order of its signature."""
    text = inspect.cleandoc(docstring or "").rstrip()
    lines = [f"{name}: {described(arguments, name)}" for name in _in_order(arguments)]
    lines += [f"others: {others}."] if others else []
    wrapped = [_WRAPPER.fill(line) for line in lines]
    return "\n".join([text, "", "Args:", *wrapped] if wrapped else [text])


def _in_order(arguments: Mapping[str, Argument]) -> list[str]:
    """Return the names of arguments, first of those that may be given without them."""
    return sorted(arguments, key=lambda name: not arguments[name].positional)


def signature(arguments: Mapping[str, Argument], *, others: bool) -> inspect.Signature:
    """Return the signature of a class."""
    kind, parameters = inspect.Parameter, []
    for name in _in_order(arguments):
        each = arguments[name]
        how = kind.POSITIONAL_OR_KEYWORD if each.positional else kind.KEYWORD_ONLY
        default = kind.empty if each.required and not each.positional else each.default
        parameters.append(kind(name, how, default=default))
    if others:
        parameters.append(kind("others", kind.VAR_KEYWORD))
    return inspect.Signature(parameters)
