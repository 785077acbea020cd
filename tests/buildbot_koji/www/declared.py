"""What ``www/src/types.ts`` declares of the API's answers, which the documentation shows too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.support import REPOSITORY

Check = Callable[[Any, str], list[str]]
"""Called with a value and where it stands; returns what is wrong."""

ANSWERS = {
    "deliveries": "Deliveries",
    "failures": "Failures",
    "history": "History",
    "mass": "MassBuilds",
    "mass/.+/packages": "MassPackages",
    "overview": "Overview",
    "package/.+": "Package",
    "packages": "PackageNames",
    "sources": "Sources",
    "tasks": "Tasks",
}
"""The interface of each address, a pattern below ``api/``."""

_PLAIN: dict[str, Any] = {
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def _plain(kind: str) -> Check:
    def check(value: Any, at: str) -> list[str]:
        is_one = isinstance(value, _PLAIN[kind]) and (
            kind == "boolean" or not isinstance(value, bool)
        )
        return [] if is_one else [f"{at}: {value!r} is no {kind}"]

    return check


class Declarations:
    """The types of a file, as checks by their names."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
        self._tokens = re.findall(r'"[^"]*"|\w+|\[\]|[|<>{}\[\],;:?=]', text)
        self._fields: dict[str, dict[str, tuple[bool, Check]]] = {}
        self.checks: dict[str, Check] = {kind: _plain(kind) for kind in _PLAIN}
        while self._tokens:
            if self._tokens[0] == "export":
                self._take()
            kind, name = self._take(), self._take()
            if kind == "interface":
                inherited = {}
                if self._tokens[0] == "extends":
                    self._take()
                    inherited = self._fields[self._take()]
                self._fields[name] = inherited | self._members()
                self.checks[name] = self._struct(self._fields[name])
            else:
                self._take("=")
                self.checks[name] = self._union()
                self._take(";")

    def _take(self, wanted: str | None = None) -> str:
        token: str = self._tokens.pop(0)
        assert wanted in (None, token), (wanted, token, self._tokens[:9])
        return token

    def _union(self) -> Check:
        parts = [self._term()]
        while self._tokens[0] == "|":
            self._take()
            parts.append(self._term())
        return lambda value, at: min((part(value, at) for part in parts), key=len)

    def _term(self) -> Check:
        check = self._one()
        while self._tokens[0] == "[]":
            self._take()
            check = self._list(check)
        return check

    def _one(self) -> Check:
        token = self._tokens[0]
        if token == "{":
            return self._struct(self._members())
        self._take()
        if token == "[":
            return self._tuple([*self._listed("]")])
        if token.startswith('"'):
            text = token[1:-1]
            return lambda value, at: [] if value == text else [f"{at}: {value!r} is not {text!r}"]
        if token == "Record":
            self._take("<")
            _, inner = self._listed(">")
            return lambda value, at: [
                each for name in value for each in inner(value[name], f"{at}.{name}")
            ]
        if token == "Pick":
            self._take("<")
            of = self._take()
            self._take(",")
            names = [self._take().strip('"')]
            while self._take() == "|":
                names.append(self._take().strip('"'))
            return lambda value, at: self._struct({name: self._fields[of][name] for name in names})(
                value, at
            )
        return lambda value, at: self.checks[token](value, at)

    def _listed(self, end: str) -> Iterator[Check]:
        while True:
            yield self._union()
            if self._take() == end:
                return

    def _members(self) -> dict[str, tuple[bool, Check]]:
        self._take("{")
        found = {}
        while self._tokens[0] != "}":
            name, needed = self._take(), True
            if self._tokens[0] == "?":
                self._take()
                needed = False
            self._take(":")
            found[name] = (needed, self._union())
            if self._tokens[0] == ";":
                self._take()
        self._take("}")
        return found

    @staticmethod
    def _struct(fields: dict[str, tuple[bool, Check]]) -> Check:
        def check(value: Any, at: str) -> list[str]:
            if not isinstance(value, dict):
                return [f"{at}: {value!r} is no object"]
            wrong = [f"{at}.{name} is not declared" for name in value.keys() - fields.keys()]
            for name, (needed, one) in fields.items():
                if name in value:
                    wrong += one(value[name], f"{at}.{name}")
                elif needed:
                    wrong.append(f"{at}.{name} is missing")
            return wrong

        return check

    @staticmethod
    def _list(inner: Check) -> Check:
        def check(value: Any, at: str) -> list[str]:
            if not isinstance(value, list):
                return [f"{at}: {value!r} is no list"]
            return [each for one in value for each in inner(one, f"{at}[]")]

        return check

    @staticmethod
    def _tuple(kinds: list[Check]) -> Check:
        def check(value: Any, at: str) -> list[str]:
            if not isinstance(value, list | tuple) or len(value) != len(kinds):
                return [f"{at}: {value!r} has not {len(kinds)} items"]
            return [each for kind, one in zip(kinds, value, strict=True) for each in kind(one, at)]

        return check


DECLARED = Declarations((REPOSITORY / "www/src/types.ts").read_text(encoding="utf-8"))


def mistakes(path: str, answer: Any) -> list[str]:
    """Return how an answer differs from the type that its path below ``api/`` declares."""
    path = path.partition("?")[0]
    [name] = [name for pattern, name in ANSWERS.items() if re.fullmatch(pattern, path)]
    return DECLARED.checks[name](answer, name)
