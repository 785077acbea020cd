"""Values from outside, read by total functions: a typed value, or None for anything else. Pure.

No schema promises what a message or a hub's struct holds: content generators write text where ids
belong, dates of the year 3000, lists instead of structs. Each value is read here once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any

MAX_ID = 2**31 - 1
"""The largest id: the ids of a hub are 32-bit columns."""

MAX_SECONDS = 253_402_300_799.0
"""The end of the year 9999: Python has no later dates."""

MAX_TEXT = 10_000
"""Characters of a name, a URL or the like."""

MAX_ADDRESS = 2000
"""Characters of an address that is shown."""

EXCERPT = 1 << 13
"""Characters at each end of a fault's text that are searched: a fault may embed megabytes."""

Reader = Callable[[Any], Any]
"""A total function of this module."""

_STARSTAR = "__starstar"
"""The key that marks a struct of named arguments."""

_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, surrogates and what XML can't carry."""

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What a terminal obeys when it shows a log, and what turns the direction of the rest of a line."""


_SECRETS = re.compile(r"(?<=//)\S*@|(?<=:/)[^\s/]\S*@|\A[^\s/]*@|[?#](?s:.*)")
"""What may hold a password or a token in an address, or in what was meant to be one."""


def printable(text: str) -> str:
    """Return a text for people, with a mark in place of each control character but line ends."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def redacted(url: str) -> str:
    """Return an address to show: without user and password, query and fragment."""
    if len(url) > MAX_ADDRESS:
        # The search takes the square of the length, and a part may hide where a password ends.
        return f"(an address of {len(url):,} characters)"
    return _SECRETS.sub(lambda found: "***@" if found[0][-1] == "@" else "?***", url)[:300]


def shown(setting: str) -> str:
    """Return a configured name or path to show: redacted where it may be an address."""
    return redacted(setting) if ":" in setting else setting


_ADDRESS = re.compile(r"//((?:(?!//)\S)+)")

_AUTHORITY = re.compile(r"[^/?#]*")

_USER_AND_PASSWORD = re.compile(r"[^:\[]*:(?!\d*\Z)")
"""The start of an authority with a password, and not just a port. The password may hold a slash."""


_TOKEN = re.compile(
    r"([?&;#][\w.-]{0,40}(?:auth|cred|hdne|jwt|key|pass|pw|secret|sess|sid|sig|ticket|token)"
    r"[\w.-]{0,40}=)[^\s&;#'\"<>]+",
    re.IGNORECASE,
)
"""A parameter of a query that lets whoever knows it in: a session's, or a host's of sources."""


def without_secrets(text: str) -> str:
    """Return a text for people, with ``***`` for what logs in by each address in it.

    That is the user with the password, and each parameter of a query that is called a token.
    """
    # Most texts hold no address: a search takes longer than to see that.
    if "//" in text:
        text = _ADDRESS.sub(lambda found: f"//{_without_user(found[1])}", text)
    return _TOKEN.sub(r"\1***", text) if "=" in text else text


def _without_user(address: str) -> str:
    authority = _AUTHORITY.match(address)
    assert authority is not None
    held = address if _USER_AND_PASSWORD.match(authority[0]) else authority[0]
    return f"***{address[held.rindex('@') :]}" if "@" in held else address


def excerpt(text: str) -> str:
    """Return a text of bounded length: the start and the end of a longer one.

    A text of one line stays one line.
    """
    joint = "\n" if "\n" in text else " ... "
    return text if len(text) <= 2 * EXCERPT else f"{text[:EXCERPT]}{joint}{text[-EXCERPT:]}"


def one_line(text: object, size: int = MAX_TEXT) -> str:
    """Return a text, such as an error's, as one line that is safe to log and to show.

    White space is folded; the secrets of addresses are left out; a mark stands in place of each
    character that a terminal obeys or that turns the direction of what follows.

    Args:
        text: the text, or what has it.
        size: the characters after which it is cut.
    """
    # Cut first: it may quote a message, or megabytes of the output of another program.
    return printable(without_secrets(" ".join(str(text)[: 4 * size].split()))[:size])


def integer(value: Any) -> int | None:
    """Return a 32-bit number; digits in text count too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -MAX_ID <= value <= MAX_ID else None


def identity(value: Any) -> int | None:
    """Return an id, a positive 32-bit number."""
    number = integer(value)
    return number if number is not None and number > 0 else None


def seconds(value: Any) -> float | None:
    """Return a time in seconds since the epoch."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= MAX_SECONDS else None


def text(value: Any) -> str | None:
    """Return a line of text that an XML-RPC call can carry."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    return None if _UNSENDABLE.search(value) else value


def state_name(states: type[IntEnum], number: Any) -> str:
    """Return the name of a state, or ``(unknown state 999)``."""
    try:
        return states(number).name
    except ValueError:
        return f"(unknown state {number})"


def flag(value: Any) -> bool | None:
    """Return a truth value."""
    return value if isinstance(value, bool) else None


def struct(value: Any) -> Mapping[str, Any] | None:
    """Return a struct."""
    return value if isinstance(value, Mapping) else None


def member(value: Any, name: str) -> Any:
    """Return a member of a struct; None if it is not there, or if the value is no struct."""
    return value.get(name) if isinstance(value, Mapping) else None


def structs(value: Any) -> list[Any]:
    """Return the structs of a list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def to_params(args: Iterable[Any], kwargs: Mapping[str, Any] | None) -> list[Any]:
    """Return arguments as Koji sends and stores them: the named ones are one more struct."""
    return [*args, {**kwargs, _STARSTAR: True}] if kwargs else [*args]


def from_params(params: Iterable[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the named arguments that :func:`to_params` joined."""
    args = [*params]
    if not args or not isinstance(args[-1], dict) or not args[-1].get(_STARSTAR):
        return args, {}
    return args, {key: value for key, value in args.pop().items() if key != _STARSTAR}


def rpm_names(value: Any) -> list[str]:
    """Return the names of a list's RPMs, ``name-version-release.arch``; odd rows are left out."""
    rows = [
        [text(row.get(each)) for each in ("name", "version", "release", "arch")]
        for row in structs(value)
    ]
    return ["{}-{}-{}.{}".format(*row) for row in rows if None not in row]
