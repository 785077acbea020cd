"""What the arguments of a plugin may be: pure, one complaint or none for each value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from buildbot.interfaces import IRenderable

from buildbot_koji.hubs.hub import NamedHub

Check = Callable[[Any], "str | None"]
"""Takes a value, gives what is wrong with it ("must be ...") or None."""

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
"""The schemes by which Koji knows the address of a source repository."""


def text(value: Any) -> str | None:
    """Want a string that is not empty."""
    return None if isinstance(value, str) and value.strip() else "must be a string, not empty"


def hub(value: Any) -> str | None:
    """Want the name of a profile, or a hub with its credentials (``util.KojiHub``)."""
    if isinstance(value, NamedHub):
        return None
    return None if text(value) is None else "must be the name of a profile or a util.KojiHub"


def one_of(*words: str) -> Check:
    """Make a check that wants one of some strings."""
    listed = " or ".join(repr(word) for word in words)
    return lambda value: None if value in words else f"must be {listed}"


def flag(value: Any) -> str | None:
    """Want True or False."""
    return None if isinstance(value, bool) else "must be True or False"


def integer(value: Any) -> str | None:
    """Want a whole number."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return None if whole else "must be a whole number"


def seconds(value: Any) -> str | None:
    """Want a positive number."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    return None if number else "must be a number of seconds greater than 0"


def texts(value: Any) -> str | None:
    """Want a list of strings."""
    listed = isinstance(value, (list, tuple)) and all(text(each) is None for each in value)
    return None if listed else "must be a list of strings"


def count(value: Any) -> str | None:
    """Want a whole number that is not negative."""
    good = integer(value) is None and value >= 0
    return None if good else "must be a whole number, 0 or more"


def flag_or_texts(value: Any) -> str | None:
    """Want True, False, or a list of strings."""
    good = flag(value) is None or texts(value) is None
    return None if good else "must be True, False or a list of strings"


def faults(value: Any) -> str | None:
    """Want a list of fault codes and of regular expressions."""
    if not isinstance(value, (list, tuple)):
        return "must be a list of fault codes and regular expressions"
    for each in value:
        if integer(each) is None:
            continue
        if not isinstance(each, str):
            return f"holds {each!r}, which is neither a fault code nor a regular expression"
        try:
            re.compile(each)
        except re.error as error:
            return f"holds {each!r}, which is no regular expression: {error}"
    return None


def text_or_texts(value: Any) -> str | None:
    """Want a list of strings, or one string with spaces between the parts."""
    return None if text(value) is None else texts(value)


def words(value: Any) -> list[Any]:
    """Return the parts of a value that may be a list, or one string with spaces between them."""
    if value is None:
        return []
    if isinstance(value, str):
        return value.split()
    return list(value) if isinstance(value, (list, tuple)) else [value]


def strings(value: Any) -> str | None:
    """Want a dictionary of strings."""
    good = struct(value) is None and all(isinstance(each, str) for each in value.values())
    return None if good else "must be a dictionary of strings"


def struct(value: Any) -> str | None:
    """Want a dictionary with strings for keys."""
    mapping = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    return None if mapping else "must be a dictionary whose keys are strings"


def name_or_id(value: Any) -> str | None:
    """Want a name, or the hub's number for the same."""
    good = text(value) is None or (integer(value) is None and value > 0)
    return None if good else "must be a name or an id"


def names_or_ids(value: Any) -> str | None:
    """Want names or ids: a list, one of them, or one string with spaces between names."""
    if isinstance(value, (list, tuple)):
        good = bool(value) and all(name_or_id(each) is None for each in value)
        return None if good else "must be a list of names or ids, not empty"
    return name_or_id(value)


def build(value: Any) -> str | None:
    """Want a build: an NVR or an id."""
    if isinstance(value, str):
        good = len(value.split()) == 1 and value.count("-") >= 2
    else:
        good = integer(value) is None and value > 0
    return None if good else "must be an NVR (name-version-release) or a build's id"


def builds(value: Any) -> str | None:
    """Want builds: a list of NVRs or ids, one of them, or one string with spaces between NVRs."""
    if text(value) is None:
        value = value.split()
    listed = value if isinstance(value, (list, tuple)) else [value]
    good = bool(listed) and all(build(each) is None for each in listed)
    return None if good else "must be NVRs (name-version-release) or ids of builds"


def integers(value: Any) -> str | None:
    """Want whole numbers: a list, or one."""
    listed = value if isinstance(value, (list, tuple)) else [value]
    good = all(integer(each) is None for each in listed)
    return None if good else "must be a list of whole numbers, or one"


def regex(value: Any) -> str | None:
    """Want a regular expression."""
    if text(value) is not None:
        return text(value)
    try:
        re.compile(value)
    except re.error as error:
        return f"must be a regular expression: {error}"
    return None


def listed(value: Any) -> str | None:
    """Want a list."""
    return None if isinstance(value, (list, tuple)) else "must be a list"


def is_given(value: Any) -> bool:
    """Tell whether something is given, be it not computed yet."""
    return is_renderable(value) or bool(value)


def source(value: Any) -> str | None:
    """Want what Koji builds from: an SCM URL, or the path of an uploaded source RPM."""
    if text(value) is not None:
        return text(value)
    scheme, separator, _ = value.partition("://")
    if not separator:
        uploaded = value.endswith(".src.rpm") and not value.startswith("/")
        return (
            None
            if uploaded
            else "must be an SCM URL such as git+https://host/path.git#ref, or the hub's path of an"
            " uploaded .src.rpm"
        )
    if scheme in ("http", "https", "ssh"):
        return f"is not an SCM URL for Koji: write git+{value}"
    if scheme not in SCM_SCHEMES:
        return f"has the scheme {scheme}, which Koji does not build from; use git+https, for one"
    if not value.partition("#")[2]:
        return "names no revision: append #ref, a branch, tag or commit"
    return None


def is_renderable(value: Any) -> bool:
    """Tell whether Buildbot computes the value when the step runs."""
    if IRenderable.providedBy(value):
        return True
    if isinstance(value, Mapping):
        return any(is_renderable(each) for each in value.values())
    return isinstance(value, (list, tuple)) and any(is_renderable(each) for each in value)


def complaints(
    values: Mapping[str, Any], checks: Mapping[str, Check], required: Iterable[str]
) -> list[str]:
    """Check arguments.

    Args:
        values: the arguments; None is "not given", a renderable is left for later.
        checks: what each may be.
        required: those that must be given.

    Returns:
        One line for each mistake.
    """
    found = [f"{name} is missing" for name in required if values.get(name) is None]
    for name, check in checks.items():
        value = values.get(name)
        if value is not None and not is_renderable(value):
            complaint = check(value)
            if complaint is not None:
                found.append(f"{name}={value!r} {complaint}")
    return found
