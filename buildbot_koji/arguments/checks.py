"""Checks of the arguments of a plugin, each of one value. Pure.

A check takes a value and returns what is wrong with it, a phrase that follows the value in a
message ("must be ..."), or None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from buildbot.interfaces import IRenderable
from buildbot.locks import BaseLockId, LockAccess

from buildbot_koji.arguments.patterns import MOST_STEPS, steps
from txkoji import nvr
from txkoji.profiles import alike

Check = Callable[[Any], "str | None"]
"""A check: takes a value, returns what is wrong with it ("must be ...") or None."""

LONGEST_SOURCE = 4096
"""Characters of a source: what is longer is an error page or the content of a file."""

SCM_SCHEMES = (
    "git",
    "git+http",
    "git+https",
    "git+ssh",
    "git+rsync",
    "cvs",
    "cvs+ssh",
    "svn",
    "svn+http",
    "svn+https",
    "svn+ssh",
)
"""The schemes of the SCM URLs that Koji builds from."""

MAX_DEPTH = 100
"""Levels of nested containers; half of what the encoder of calls accepts."""

LONGEST_NAME = 200
"""Characters of a name that is stored: the database's columns have 256."""

SHORT_NAME = 50
"""Characters of the name of a step or worker."""

LONGEST_PATTERN = 1000
"""Characters of a pattern: a longer one takes long to compile, and may come from a property."""

LONGEST_FILE_NAME = 255
"""Characters of a file's name that is searched for a pattern: no file system stores more."""

LONGEST_FAULT = 16_400
"""The most characters of a fault's text in which a pattern is searched for."""

_STORABLE = re.compile("[\x20-\x7e\xa0-\ud7ff\ue000-\uffff]+")
"""Characters that MySQL and MariaDB store as Buildbot sets them up, without controls."""

SPACE = "must have no white space around a name"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"\s*(-?[0-9]{1,20})(\.[0-9]{1,20})?\s*")

_BETWEEN = re.compile(r"[\s;]|,(?!draft_[0-9])")
"""What no architecture, key, tag, package or build holds, but several of them in one string do."""

_NOT_IN_NVR = re.compile(r"[\s/#]")
"""What no name, version or release holds, but an SCM URL does."""

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def is_renderable(value: Any, *, depth: int = 0) -> bool:
    """Return whether Buildbot renders the value, or a part of it, later."""
    if value is None or isinstance(value, (str, int, float)):
        # Looking up an interface takes ten times as long.
        return False
    if IRenderable.providedBy(value):
        return True
    if isinstance(value, Mapping):
        value = list(value.values())
    within = isinstance(value, (list, tuple)) and depth < MAX_DEPTH
    return within and any(is_renderable(each, depth=depth + 1) for each in value)


_PLACEHOLDER = re.compile(r"%\((?:prop|src|secret|kw|worker):[^()]{1,200}\)s")


def literal_placeholder(value: Any, *, depth: int = 0) -> str | None:
    """Return the first ``%(prop:...)s`` in the plain strings of a value, which nothing renders."""
    if isinstance(value, str):
        found = _PLACEHOLDER.search(value)
        return None if found is None else found[0]
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, (list, tuple)) or depth >= MAX_DEPTH:
        return None
    inside = (literal_placeholder(each, depth=depth + 1) for each in value)
    return next((each for each in inside if each is not None), None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to a misspelt one, None if none is close."""
    return next(iter(alike(name, known)), None)


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return a suggestion to append to a message about an unknown name, empty without one."""
    meant = nearest(name, known) if isinstance(name, str) else None
    return "" if meant is None else f": did you mean {meant}?"


def did_you_mean_any(name: str, known: Iterable[str]) -> str:
    """Return a suggestion of up to three names, closest first; empty without one."""
    *others, last = alike(name, known, most=3) or [""]
    if not last:
        return ""
    return f": did you mean {' or '.join(filter(None, [', '.join(others), last]))}?"


def words(value: Any) -> list[Any]:
    """Return the parts of a value that may be a list, or one string with spaces between them."""
    if value is None:
        return []
    if isinstance(value, str):
        return value.split()
    return list(value) if isinstance(value, (list, tuple)) else [value]


# What can be sent to a hub


def unsendable(value: Any, *others: type, depth: int = 0) -> str | None:
    """Check for a value that can be stored as JSON and sent to a hub by XML-RPC.

    Args:
        value: the value.
        others: types that are accepted besides JSON's.
        depth: how many containers enclose it.
    """
    if depth > MAX_DEPTH:
        return f"nests deeper than {MAX_DEPTH} levels"
    if value is None or isinstance(value, (bool, *others)):
        return None
    if isinstance(value, str):
        found = _NOT_IN_XML.search(value)
        return f"holds the character U+{ord(found[0]):04X}, which XML can't hold" if found else None
    if isinstance(value, int):
        good = -(2**63) <= value < 2**63
        return None if good else "holds a number beyond the 64 bits that a hub takes"
    if isinstance(value, float):
        return None if math.isfinite(value) else "holds a number that is not finite"
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            return "must have strings for the keys of its dictionaries"
        members = [*value, *value.values()]
    elif isinstance(value, (list, tuple)):
        members = list(value)
    else:
        return f"holds a value of type {type(value).__name__}, which can't be sent to a hub"
    complaints = (unsendable(each, *others, depth=depth + 1) for each in members)
    return next((each for each in complaints if each is not None), None)


# Strings


def text(value: Any) -> str | None:
    """Check for a non-empty string."""
    good = isinstance(value, str) and value.strip()
    return unsendable(value) if good else "must be a non-empty string"


def name(value: Any) -> str | None:
    """Check for a name on the hub: the hub takes white space around it for a part of it."""
    return text(value) or (None if value == value.strip() else SPACE)


def stored_name(value: Any) -> str | None:
    """Check for a name, such as a property's, that every database of Buildbot stores."""
    complaint = text(value)
    if complaint is None and (len(value) > LONGEST_NAME or not _STORABLE.fullmatch(value)):
        # Buildbot fails to store it only in the build, which may then never end.
        return (
            f"must be at most {LONGEST_NAME} characters, none of them a control character or emoji"
        )
    return complaint


def short_name(value: Any) -> str | None:
    """Check for the name of a step or worker, for which the column is narrower."""
    complaint = stored_name(value)
    if complaint is None and len(value) > SHORT_NAME:
        return f"must be at most {SHORT_NAME} characters"
    return complaint


def texts(value: Any) -> str | None:
    """Check for a list of strings."""
    good = isinstance(value, (list, tuple)) and all(
        isinstance(each, str) and each.strip() for each in value
    )
    return unsendable(value) if good else "must be a list of strings"


def names(value: Any) -> str | None:
    """Check for a list of names that is not empty."""
    if value in ([], ()):
        return "must be a list of strings, not empty"
    return texts(value) or next(filter(None, map(name, value)), None)


def globs(value: Any) -> str | None:
    """Check for a list of names or patterns such as ``python-*``."""
    return texts(value) or next(
        filter(None, (name(each) or _too_long(each) for each in value)), None
    )


def _too_long(pattern: str) -> str | None:
    size = len(pattern)
    if size <= LONGEST_PATTERN:
        return None
    return f"holds a pattern of {size:,} characters, which is more than {LONGEST_PATTERN:,}"


def text_or_texts(value: Any) -> str | None:
    """Check for a list of strings, or one string with spaces between the parts."""
    return text(value) if isinstance(value, str) else texts(value)


def listed_words(value: Any) -> str | None:
    """Check for words such as architectures: a list, or one string with spaces between them."""
    return text_or_texts(value) or _joined(words(value))


def _joined(parts: Iterable[Any]) -> str | None:
    """Return what is wrong if one of the parts of a list is several of them in one string."""
    found = next((each for each in parts if isinstance(each, str) and _BETWEEN.search(each)), None)
    if found is None:
        return None
    return f"holds {found[:80]!r}: write a list of strings, or one string with only spaces between"


def strings(value: Any) -> str | None:
    """Check for a dictionary of strings."""
    good = isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())
    return json_struct(value) if good else "must be a dictionary of strings"


def one_of(*words: str) -> Check:
    """Make a check for one of some strings."""
    wanted = f"must be {' or '.join(repr(word) for word in words)}"

    def check(value: Any) -> str | None:
        # A renderable compared with a string is another renderable, which is true.
        good = isinstance(value, str) and value in words
        return None if good else f"{wanted}{did_you_mean(value, words)}"

    return check


def several_of(*words: str) -> Check:
    """Make a check for a list of which each member is one of some strings."""

    def check(value: Any) -> str | None:
        good = texts(value) is None and not set(value) - set(words)
        if good:
            return None
        listed = value if isinstance(value, (list, tuple)) else ()
        odd = next((each for each in listed if each not in words), None)
        return f"must be a list of some of {', '.join(words)}{did_you_mean(odd, words)}"

    return check


def regex(value: Any) -> str | None:
    """Check for a regular expression that file names are searched for."""
    wanted = "must be a regular expression"
    return text(value) or _pattern_complaint(value, wanted, LONGEST_FILE_NAME)


def _pattern_complaint(pattern: str, complaint: str, size: int) -> str | None:
    if too_long := _too_long(pattern):
        return too_long
    try:
        re.compile(pattern)
        found = steps(pattern, size)
    except (re.error, OverflowError, RecursionError) as error:
        return f"{complaint}: {error}"
    if found <= MOST_STEPS:
        return None
    return (
        f"holds {pattern[:80]!r}, which could freeze the master for hours: repeat nothing that"
        " holds a repetition, and write .{0,80} instead of a second .*"
    )


def web_url(value: Any) -> str | None:
    """Check for the URL of a page."""
    complaint = text(value)
    if complaint is not None:
        return complaint
    try:
        address = urlsplit(value)
        # Reading the port checks it.
        good = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
        if "@" in address.netloc:
            return "holds a user or password, which each page and message would show"
    except ValueError:
        good = False
    # Other characters, such as an umlaut, are percent-encoded in a URL.
    good = good and re.fullmatch(r"[!#-;=?-\[\]_a-z~]+", value) is not None
    return None if good else "must be a URL (https://host/path)"


def email(value: Any) -> str | None:
    """Check for a bare e-mail address, without a display name."""
    good = text(value) is None and re.fullmatch(
        r"[\w.!#$%&'*+/=?^`{|}~-]+@[a-z\d-]+(\.[a-z\d-]+)*",
        value,
        re.ASCII | re.IGNORECASE,
    )
    return None if good else "must be an e-mail address (name@host)"


# Numbers and flags


def flag(value: Any) -> str | None:
    """Check for True or False."""
    return None if isinstance(value, bool) else "must be True or False"


def flag_or_texts(value: Any) -> str | None:
    """Check for True, False, or a list of strings."""
    good = isinstance(value, (bool, list, tuple))
    complaint = texts(value) if good and not isinstance(value, bool) else None
    return complaint if good else "must be True, False or a list of strings"


def integer(value: Any) -> str | None:
    """Check for a whole number."""
    return _whole(value, "must be a whole number")


def count(value: Any) -> str | None:
    """Check for a whole number that is not negative."""
    return _whole(value, "must be a whole number, 0 or more", least=0)


def positive(value: Any) -> str | None:
    """Check for a whole number greater than 0."""
    return _whole(value, "must be a whole number greater than 0", least=1)


def _whole(value: Any, wanted: str, least: int | None = None) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return wanted
    return wanted if least is not None and value < least else unsendable(value)


def ids(value: Any) -> str | None:
    """Check for ids: a list, or one."""
    listed = value if isinstance(value, (list, tuple)) else [value]
    wanted = "must be a list of ids, or one"
    return next((found for each in listed if (found := _whole(each, wanted, least=1))), None)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and unsendable(value) is None


def seconds(value: Any) -> str | None:
    """Check for a positive number."""
    good = _is_number(value) and value > 0
    return None if good else "must be a number of seconds greater than 0"


def pause(value: Any) -> str | None:
    """Check for a number that is not negative."""
    good = _is_number(value) and value >= 0
    return None if good else "must be a number of seconds, or 0"


# Containers and functions


def json_list(value: Any) -> str | None:
    """Check for a list that can be sent to a hub."""
    return unsendable(value) if isinstance(value, (list, tuple)) else "must be a list"


def json_struct(value: Any) -> str | None:
    """Check for a dictionary that can be sent to a hub."""
    mapping = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    return unsendable(value) if mapping else "must be a dictionary whose keys are strings"


def function(value: Any) -> str | None:
    """Check for a callable."""
    return None if callable(value) else "must be a function"


# What Buildbot's own classes take, and don't check


def anything(_value: Any) -> str | None:
    """Check nothing: Buildbot's own class does."""
    return None


def flag_or_function(value: Any) -> str | None:
    """Check for True, False, or a callable."""
    return (
        None if isinstance(value, bool) or callable(value) else "must be True, False or a function"
    )


def locks(value: Any) -> str | None:
    """Check for a list of locks: a bare one, or an access to one."""
    good = isinstance(value, (list, tuple)) and all(
        isinstance(each, (BaseLockId, LockAccess)) for each in value
    )
    return (
        None if good else "must be a list of locks, such as util.WorkerLock(...).access('counting')"
    )


# Koji's objects


def name_or_id(value: Any) -> str | None:
    """Check for a name or an id."""
    if isinstance(value, str) and value.strip():
        return name(value)
    return None if positive(value) is None else "must be a name or an id"


def names_or_ids(value: Any) -> str | None:
    """Check for names or ids: a list, one of them, or one string with spaces between names."""
    if isinstance(value, (list, tuple)):
        good = bool(value) and all(name_or_id(each) is None for each in value)
        return _joined(value) if good else "must be a list of names or ids, not empty"
    return name_or_id(value) or _joined(words(value))


def build(value: Any) -> str | None:
    """Check for a build: an NVR or an id."""
    if isinstance(value, str):
        is_nvr = nvr.parse(value) is not None and not _NOT_IN_NVR.search(value)
        good = is_nvr and text(value) is None
    else:
        good = positive(value) is None
    return None if good else "must be an NVR (name-version-release) or a build's id"


def builds(value: Any) -> str | None:
    """Check for builds: NVRs or ids in a list, one of them, or NVRs in one string."""
    if text(value) is None:
        value = value.split()
    listed = value if isinstance(value, (list, tuple)) else [value]
    good = bool(listed) and all(build(each) is None for each in listed)
    return None if good else "must be NVRs (name-version-release) or ids of builds"


def faults(value: Any) -> str | None:
    """Check for a list of fault codes and of regular expressions."""
    if not isinstance(value, (list, tuple)):
        return "must be a list of fault codes and regular expressions"
    for each in value:
        if integer(each) is None:
            continue
        if not isinstance(each, str):
            kind = type(each).__name__
            return f"holds a {kind}, which is neither a fault code nor a regular expression"
        wanted = f"holds {each[:80]!r}, which is no regular expression"
        complaint = _pattern_complaint(each, wanted, LONGEST_FAULT)
        if complaint is not None:
            return complaint
    return None


_NO_URL = "must be an SCM URL such as git+https://host/path.git#ref"


def scm_url(value: Any) -> str | None:
    """Check for an SCM URL with a revision."""
    complaint = text(value)
    if complaint is not None:
        return complaint
    if len(value) > LONGEST_SOURCE:
        return f"has {len(value):,} characters: a source has at most {LONGEST_SOURCE:,}"
    control = _CONTROL.search(value)
    if control is not None:
        return f"holds the control character U+{ord(control[0]):04X}"
    scheme, separator, place = value.partition("://")
    if not separator:
        return _NO_URL
    if value.split() != [value]:
        return "holds white space, which no URL has"
    if scheme in ("http", "https", "ssh"):
        return f"is not an SCM URL for Koji: write git+{value:.200}"
    if scheme not in SCM_SCHEMES:
        return f"has the scheme {scheme:.40}, which Koji does not build from: use git+https"
    if not place.partition("#")[2]:
        return "names no revision: append #ref, a branch, tag or commit"
    return "names no host" if place.startswith(("/", "?", "#")) else None


def source(value: Any) -> str | None:
    """Check for a source: an SCM URL, or the path of an uploaded source RPM."""
    complaint = scm_url(value)
    if complaint != _NO_URL:
        return complaint
    if not value.endswith(".src.rpm"):
        return f"{complaint}, or the hub's path of an uploaded .src.rpm"
    if "/" in value and not value.startswith(("/", ".", "~")):
        return None
    return "is a file of this machine: use KojiBuildSRPM, which uploads it"


# Rendered values


def _number(value: Any) -> Any:
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    return float(found[0]) if found[2] else int(found[1])


def _numbers(value: Any) -> Any:
    listed = [_number(each) for each in words(value)]
    if not any(isinstance(each, (int, float)) for each in listed):
        return value
    return listed if len(listed) > 1 or isinstance(value, (list, tuple)) else listed[0]


_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _flag(value: Any) -> Any:
    return _FLAGS.get(value.strip().lower(), value) if isinstance(value, str) else value


_FROM_TEXT: Mapping[Check, Callable[[Any], Any]] = {
    flag: _flag,
    **dict.fromkeys((integer, count, positive, seconds, pause, build), _number),
    **dict.fromkeys((ids, builds), _numbers),
}


def rendered(check: Check, value: Any) -> Any:
    """Return a rendered value; numbers and flags in it that are text are converted.

    A text field of a ForceScheduler is text, as is a property that is set from a command's output.
    """
    convert = _FROM_TEXT.get(check)
    return value if convert is None else convert(value)
