"""Each fault code has its class, with Koji's own name."""

from __future__ import annotations

import re
import time

import koji
import pytest

from txkoji import exceptions
from txkoji.exceptions import (
    FAULT_CLASSES,
    ConfigurationError,
    GenericError,
    HubFault,
    KojiException,
    UnknownFault,
    fault_from,
)

OFFICIAL = {
    value.faultCode: value
    for value in vars(koji).values()
    if isinstance(value, type) and hasattr(value, "faultCode")
}


def test_every_code_of_koji() -> None:
    """Each code of the official client has a class here, and no other has."""
    assert set(FAULT_CLASSES) == set(OFFICIAL)


@pytest.mark.parametrize("code", sorted(OFFICIAL))
def test_class_of_a_code(code: int) -> None:
    """A code's class is below those that the official client's is below."""
    ours = FAULT_CLASSES[code]
    parents = {
        parent.faultCode for parent in OFFICIAL[code].__mro__ if hasattr(parent, "faultCode")
    }
    assert {parent.code for parent in ours.__mro__ if issubclass(parent, GenericError)} == parents
    fault = fault_from(code, "because", method="build")
    assert type(fault) is ours
    assert (fault.code, fault.text, fault.method) == (code, "because", "build")
    assert "because" in str(fault)
    assert ("build" in str(fault)) is (code != 1014)


def test_unknown_code() -> None:
    """A code that is not Koji's keeps its number and its text."""
    fault = fault_from(1, "Traceback ...\nKeyError: 'x'")
    assert type(fault) is UnknownFault
    assert fault.code == 1
    assert isinstance(fault, HubFault)


def test_unknown_method() -> None:
    """A fault names the method that the hub does not have."""
    assert fault_from(1000, "Invalid method: repo.request").unknown_method == "repo.request"
    assert fault_from(1000, "invalid format: x").unknown_method is None


@pytest.mark.parametrize("part", ["a", "//a@", "?key", "\0", "\u202e", "é ", "\n"])
def test_huge_text(part: str) -> None:
    """What is kept of a fault is bounded, whatever it embeds, and read in little time."""
    text = "Invalid method: " + part * (10_000_000 // len(part)) + " see root.log"
    began = time.thread_time()
    fault = fault_from(1000, text, method="build")
    assert fault.text.startswith("Invalid method: ")
    assert fault.text.endswith(" see root.log")
    assert len(str(fault)) < 20_000
    assert len(repr(fault)) < 200_000
    assert len(fault.unknown_method or "") <= 100
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028", "\x1b[2J", "\u202e"])
def test_one_line(end: str) -> None:
    """The words of a fault are one line that a log or a terminal shows as it is."""
    text = f"Traceback:{end}2026-11-27 08:00:00 [-] all is well"
    words = str(fault_from(1, text, method="build"))
    assert words.startswith("build: Traceback:")
    assert words.splitlines() == [words]
    assert end not in words


def test_fault_without_text() -> None:
    """A fault without a text says at least its code."""
    assert "fault 1005 without a text" in str(fault_from(1005, " "))
    # An offline hub refuses any call.
    assert str(fault_from(1014, "database outage", method="multiCall")) == "database outage"


def test_control_characters_of_a_fault() -> None:
    """A fault in a log does nothing to a terminal, nor to the direction of a line."""
    fault = fault_from(1000, "a\x1b[31m\x07\x9b\u202eb\nc\td\ud800", method="build")
    mark = "\N{REPLACEMENT CHARACTER}"
    assert str(fault) == f"build: a{mark}[31m{mark * 3}b c d{mark}"
    assert fault.text.startswith("a\x1b[31m")


def test_one_root() -> None:
    """Every error of this package is a KojiException."""
    classes = [
        value
        for value in vars(exceptions).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert len(classes) > 30
    assert all(issubclass(value, KojiException) for value in classes)


def test_the_tree_is_whole() -> None:
    """The documentation draws each class, with its code, below its first parent."""
    drawn: list[tuple[int, str]] = []
    parents: dict[str, str] = {}
    codes: dict[str, int] = {}
    tree = (exceptions.__doc__ or "").partition("::")[2].partition("\n\nThe numbers")[0]
    for line in tree.splitlines():
        found = re.match(r"([ │├└─]*)(\w+)(?: {2,}|$| )(\d{4})?", line)
        if found and found[2]:
            while drawn and drawn[-1][0] >= len(found[1]):
                drawn.pop()
            parents[found[2]] = drawn[-1][1] if drawn else "Exception"
            codes[found[2]] = int(found[3] or 0)
            drawn.append((len(found[1]), found[2]))
    classes = {each for each in vars(exceptions).values() if isinstance(each, type)}
    assert parents == {each.__name__: each.__base__.__name__ for each in classes}
    faults = {each for each in classes if issubclass(each, GenericError)}
    assert {name: code for name, code in codes.items() if code} == {
        each.__name__: each.code for each in faults
    }


@pytest.mark.parametrize("kind", [KojiException, GenericError, ConfigurationError])
def test_address_in_an_error(kind: type[KojiException]) -> None:
    """Whatever address an error is about, its user, password and token are not shown."""
    error = kind("can't read 'https://me:s3cret/x@h.test/a' nor git+ssh://s3cret@h, say me@h")
    assert str(error) == "can't read 'https://***@h.test/a' nor git+ssh://***@h, say me@h"
    assert "s3cret" not in f"{error!r} {error.args}"
    error = kind("cloning git+https://h/x.git?a=1&private_token=s3cret#main failed")
    assert str(error) == "cloning git+https://h/x.git?a=1&private_token=***#main failed"
    for name in ("X-Amz-Credential", "sig", "hdnea", "jwt", "pw", "pass", "session", "ticket"):
        assert "s3cret" not in str(kind(f"https://h/x?a=1&{name}=s3cret https://h/#{name}=s3cret"))
    several = kind("https://me:s3c@ret@h:80/,http://s3cret@h//x")
    assert str(several) == "https://***@h:80/,http://***@h//x"
    # In linear time.
    for text in ("//:/", "//a:b", "@"):
        assert kind(text * 100_000).args


@pytest.mark.parametrize(
    "text",
    [
        "maintenance: see https://lists.example.test/list/devel@lists.example.test/thread",
        "GET https://h.test:8080/files/a@1.2?b=c@d",
        "GET http://[::1]:80/a@b",
        "no address: //, a//b, me@example.test",
    ],
)
def test_address_without_a_user(text: str) -> None:
    """An address that only has an @ in its path is shown as it is."""
    assert str(KojiException(text)) == text
