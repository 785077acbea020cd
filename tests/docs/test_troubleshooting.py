"""Troubleshooting explains what our code says, in the words that it says it in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support import REPOSITORY

EXPLAINED = {
    "BadPlan",
    "BrokenConfiguration",
    "BrokerRefusal",
    "BrokerUnreachable",
    "ConnectionFailed",
    "ForbiddenXML",
    "HTTPStatusError",
    "ImportError",
    "KDCUnreachable",
    "KojiLoginException",
    "MessageNotTaken",
    "PerhapsOthers",
    "ProfileNotFound",
    "ProtocolError",
    "Refused",
    "ReplyTooLarge",
    "RequestTimeout",
    "TLSError",
    "TransferError",
    "TransportError",
    "TruncatedReply",
    "UnknownOutcome",
    "UnreadableReply",
    "Unsearchable",
    "_Never",
    "warn",
}
"""What someone may have to look up at night; a mistake in a program or a command is not."""

# The syntax of both packages is read once.
pytestmark = pytest.mark.xdist_group("troubleshooting")

SELF_EXPLAINING = {
    "... of the Koji profile ... ...",
    "... within ... s",
    "...: ...; retrying",
    "publishing to the broker ... was stopped",
    "the XML-RPC call names no method",
    "www plugin 'koji' ...",
}

PAGE = (REPOSITORY / "docs" / "troubleshooting.rst").read_text(encoding="utf-8")


def text_of(node: ast.AST) -> str:
    """Return the text of an expression, with ``...`` for what differs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w+[^}]*\}", "...", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(part_of, node.values))
    return ""


def part_of(part: ast.AST) -> str:
    """Return the text of a part of an f-string; what a profile is called is the same everywhere."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    return "the Koji profile ..." if "title" in ast.unparse(part) else "..."


def choices(node: ast.AST) -> list[ast.AST]:
    """Return the expressions that one may have the value of."""
    if isinstance(node, ast.IfExp):
        return [*choices(node.body), *choices(node.orelse)]
    return [node]


@cache
def nodes() -> list[tuple[bool, ast.AST]]:
    """Return the syntax of both packages, and whether it is not the embedded hub's."""
    return [
        ("testing" not in path.parts, node)
        for package in ("txkoji", "buildbot_koji")
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]


def messages() -> Iterator[str]:
    """Give the messages that need an explanation."""
    for is_ours, node in nodes():
        if is_ours:
            call = node.exc if isinstance(node, ast.Raise) else node
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func
            name = name.id if isinstance(name, ast.Name) else name
            for text in map(text_of, choices(call.args[0])):
                # Others are parts of another message.
                if name in EXPLAINED and len(re.sub(r"\W|\.\.\.", "", text)) > 10:
                    yield text


def explanations() -> list[str]:
    """Return the messages in the left column of the tables."""
    found = re.findall(r"^   (?:\* - |  - |    )(?:\| )?``(.+)``$", PAGE, re.MULTILINE)
    return [each for each in found if not each.startswith("util.")]


@cache
def fixed_words(explained: str) -> list[str]:
    """Return what is the same in each message that an explanation is of."""
    return [part.strip() for part in explained.split("...") if part.strip(" :;,")]


def matches(explained: str, message: str) -> bool:
    """Tell whether a message is one that the page explains: the fixed words, in their order."""
    place = 0
    for words in fixed_words(explained):
        found = message.find(words, place)
        if found < 0:
            return False
        place = found + len(words)
    return True


def test_each_message_is_explained() -> None:
    """Each message that may be looked up at night is on the page."""
    explained = explanations()
    said = list(dict.fromkeys(messages()))
    missing = [
        each
        for each in said
        if each not in SELF_EXPLAINING and not any(matches(words, each) for words in explained)
    ]
    assert missing == []
    assert len(said) > 110


def test_each_explained_message_exists() -> None:
    """Every message on the page exists in the code; the hub's own are the embedded hub's."""
    known = {text for _, node in nodes() if len(text := text_of(node)) > 10}
    stale = [each for each in explanations() if not any(matches(each, text) for text in known)]
    assert stale == []
    assert len(explanations()) > 110
