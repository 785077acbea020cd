"""Write the stub of the hub's methods, and of what they return, from the tables beside this file.

Run as ``python -m api.generate``, or ``make api``. A test fails when a file is stale.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from txkoji.listing import PAGED
from txkoji.submission.recognition import TASK_METHODS

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "txkoji"

RICH = {"Build": "build", "Channel": "channel", "Package": "package", "Task": "task"}
"""The results that have classes of their own, and the modules of those."""

ALIASES = {
    "getBuild": "build_id",
    "getChannel": "channel_id",
    "getPackage": "name",
    "listBuilds": "package",
}
"""Another name for the first argument; see ``txkoji.rich``."""

ARGUMENTS = {
    "name": "str",
    "version": "str",
    "prefix": "str",
    "url": "str",
    "src": "str | None",
    "srcs": "Sequence[Sequence[str]]",
    "target": "str | None",
    "channel": "str",
    "methodName": "str",
    "strict": "bool",
    "force": "bool",
    "event": "int",
    "priority": "int",
    "opts": "Mapping[str, Any]",
    "options": "Mapping[str, Any]",
    "typeInfo": "Mapping[str, Any]",
    "build_info": "Mapping[str, Any]",
    "queryOpts": "QueryOptions",
    "task_id": "int",
    "taskID": "int",
    "taskId": "int",
    "repo_id": "int",
    "buildrootID": "int",
    "id": "int",
    "volumeID": "int",
    "cgID": "Info",
    "build": "BuildInfo",
    "buildInfo": "BuildInfo",
    "buildinfo": "BuildInfo",
    "createdBefore": "float | str",
    "createdAfter": "float | str",
    "completeBefore": "float | str",
    "completeAfter": "float | str",
    "promotedBefore": "float | str",
    "promotedAfter": "float | str",
    "before": "float | str",
    "after": "float | str",
}
"""The types of arguments by their names."""

INFOS = (
    "tag tagInfo tag_info taginfo info pkginfo grpinfo package packageID userID userInfo userinfo"
    " host hostInfo channelInfo repo_info"
)
ARGUMENTS.update(dict.fromkeys(INFOS.split(), "Info"))

KEYWORDS = {
    "distRepo": "arch: Strings; comps: str; delta: Sequence[int]; event: int; volume: str;"
    " inherit: bool; latest: bool; multilib: str; split_debuginfo: bool;"
    " skip_missing_signatures: bool; allow_missing_signatures: bool; zck: bool; zck_dict_dir: str;"
    " write_signed_rpms: bool",
    "editChannel": "name: str; description: str; comment: str",
    "editHost": "arches: str; capacity: float; description: str; comment: str",
    "editTag2": "name: str; arches: str; locked: bool; perm: str; perm_id: int;"
    " maven_support: bool; maven_include_all: bool; extra: Mapping[str, Any];"
    " remove_extra: Strings; block_extra: Strings",
    "groupListAdd": "display_name: str; description: str; langonly: str; biarchonly: bool;"
    " exported: bool; uservisible: bool; is_default: bool",
    "groupPackageListAdd": "type: str; basearchonly: bool; requires: str",
    "groupReqListAdd": "type: str; is_metapkg: bool",
    "makeTask": "parent: int; label: str; channel: str; arch: str; priority: int; assign: Info",
    "queryHistory": "tag: Info; build: BuildInfo; package: Info; user: Info; editor: Info;"
    " permission: Info; external_repo: Info; build_target: Info; group: Info; cg: Info; host: Info;"
    " channel: Info; active: bool; before: float | str; after: float | str; beforeEvent: int;"
    " afterEvent: int; xkey: str; queryOpts: QueryOptions",
    "runroot": "packages: Strings; mounts: Strings; repo_id: int; skip_setarch: bool;"
    " weight: float; upload_logs: Strings; new_chroot: bool; keep: bool",
}
"""What methods take that declare ``**options``."""

SUBMITS = "Submits a task exactly once; gives its id."

HEAD = '''"""{doc}

Written by ``make api`` from the tables in ``api/``.
"""
'''


@dataclass(frozen=True)
class Argument:
    """An argument of a hub method: its name, stars included, its type, and its default's text."""

    name: str
    type: str
    default: str | None

    @property
    def text(self) -> str:
        """The argument in a signature."""
        if self.default is None:
            return f"{self.name}: {self.type}"
        return f"{self.name}: {self.type} = {self.default}"

    def required(self, kind: str | None = None) -> Argument:
        """Return the argument without its default."""
        return Argument(self.name, kind or self.type, None)


@dataclass(frozen=True)
class Method:
    """A hub method: dotted name, arguments, result, what it does, and the family it belongs to."""

    name: str
    arguments: tuple[Argument, ...]
    result: str
    may_be_none: bool
    doc: str
    family: str


@dataclass(frozen=True)
class Struct:
    """A struct: its name, the one it extends, what it is, its members and their types."""

    name: str
    base: str | None
    doc: str
    members: tuple[tuple[str, str], ...]


_METHOD = re.compile(r"([\w.]+)\((.*)\) -> (\S.*?)(\??)  # (.+)")
_ARGUMENT = re.compile(r"(\**\w+)(?:: ([^=]+))?(?:=(.+))?")
# A comma that is in no brackets.
_COMMA = re.compile(r", (?![^\[]*\])")
_STRUCT = re.compile(r"(\w+)(?:\((\w+)\))?: (.+)")


def _lines(name: str) -> Iterator[str]:
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form {pattern.pattern}")
    return found


def _argument(text: str) -> Argument:
    name, kind, default = _match(_ARGUMENT, text).groups()
    if name.startswith("*"):
        return Argument(name, "Any", None)
    kind = kind or ARGUMENTS[name]
    if "str | Sequence[str]" not in kind:
        kind = kind.replace("Sequence[str]", "Strings")
    if default == "None" and "None" not in kind:
        kind += " | None"
    return Argument(name, kind, default)


def _families(name: str) -> Iterator[tuple[str, str]]:
    """Give the lines of a table, each with the last heading before it: a comment after a gap."""
    family = ""
    text = (HERE / name).read_text(encoding="utf-8")
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if lines[0].startswith("# "):
            family = lines[0].removeprefix("# ")
        for line in lines:
            if line and not line.startswith("#"):
                yield family, line


def methods() -> list[Method]:
    """Return the table of methods.

    Raises:
        ValueError: a line is not of the form that the table's head describes.
        KeyError: nothing says which type an argument has.
    """
    made = []
    for family, line in _families("hub_methods.txt"):
        name, arguments, result, may_be_none, doc = _match(_METHOD, line).groups()
        parts = _COMMA.split(arguments) if arguments else []
        typed = tuple(map(_argument, parts))
        made.append(Method(name, typed, result, bool(may_be_none), doc, family))
    return sorted(made, key=lambda method: method.name)


def structs() -> list[Struct]:
    """Return the table of structs.

    Raises:
        ValueError: a line is not of the form that the table's head describes.
    """
    made: list[Struct] = []
    for line in _lines("structs.txt"):
        if line.startswith("    "):
            name, _, kind = line.strip().partition(": ")
            last = made.pop()
            made.append(
                Struct(last.name, last.base, last.doc, (*last.members, (name.rstrip("?"), kind)))
            )
        else:
            name, base, doc = _match(_STRUCT, line).groups()
            made.append(Struct(name, base, doc, ()))
    return made


def _texts(method: Method) -> Iterator[str]:
    """Give the arguments of a method in a signature."""
    has_default = False
    for argument in method.arguments:
        known = KEYWORDS.get(method.name) if argument.name.startswith("**") else None
        if known is None:
            if has_default and argument.default is None and not argument.name.startswith("*"):
                yield "*"
                has_default = False
            has_default = has_default or argument.default is not None
            yield argument.text
            continue
        yield "*"
        for each in known.split("; "):
            yield f"{each} | None = None"


def _signatures(method: Method) -> Iterator[tuple[list[str], bool]]:
    """Give the signatures of a method, and whether each may give None."""
    plain = list(_texts(method))
    strict = [argument for argument in method.arguments if argument.name == "strict"]
    if not (strict and method.may_be_none):
        yield plain, method.may_be_none
        return
    place = method.arguments.index(strict[0])
    before, after = plain[:place], plain[place + 1 :]
    bare = ["*"] if any(argument.default for argument in method.arguments[:place]) else []
    if strict[0].default == "True":
        yield [*before, "strict: Literal[True] = True", *after], False
        yield [*before, "*", "strict: bool", *after], True
    else:
        yield [*before, *bare, "strict: Literal[True]", *after], False
        yield plain, True


def _overloads(method: Method) -> Iterator[tuple[list[str], str]]:
    """Give the signatures of a method, each with its result."""
    alias = ALIASES.get(method.name)
    plain = list(_texts(method))
    for place, argument in enumerate(method.arguments):
        if argument.type.startswith("QueryOptions"):
            count = f"{argument.name}: CountOnly"
            yield [*plain[:place], "*", count, *plain[place + 1 :]], "int"
    for signature, may_be_none in _signatures(method):
        result = f"{method.result} | None" if may_be_none else method.result
        yield signature, result
        if alias is not None:
            kind = method.arguments[0].type.removesuffix(" | None")
            rest = [each for each in signature[1:] if each != "*"]
            yield ["*", f"{alias}: {kind}", *rest], result


def _definitions(same: list[Method], *, wrap: str | None) -> Iterator[str]:
    """Give the definitions of a method, of which the table has one line for each form."""
    if wrap is None:
        # What a multicall collects has no result yet: only the arguments matter.
        signatures = dict.fromkeys(tuple(_texts(method)) for method in same)
        alias = ALIASES.get(same[0].name)
        if alias is not None:
            first, *others = same[0].arguments
            kind = first.type.removesuffix(" | None")
            signatures[("*", f"{alias}: {kind}", *(each.text for each in others))] = None
        forms = [(list(signature), "None") for signature in signatures]
    else:
        forms = [
            (signature, f"{wrap}[{result}]")
            for method in same
            for signature, result in _overloads(method)
        ]
    for arguments, result in forms:
        if len(forms) > 1:
            yield "    @overload"
        yield f"    def {same[0].name}({', '.join(['self', *arguments])}) -> {result}:"
        # An editor may show any of the overloads.
        yield f'        """{same[0].doc}"""'


def _class(name: str, doc: str, table: list[Method], *, wrap: str | None) -> Iterator[str]:
    """Give the class of a group of methods, those of its dotted groups before it."""
    groups = sorted({each.name.partition(".")[0] for each in table if "." in each.name})
    for group in groups:
        inner = [each for each in table if each.name.startswith(f"{group}.")]
        class_name = f"{name}{group.title()}"
        yield from _class(
            class_name,
            f"The methods ``{group}.*``.",
            [_below(each) for each in inner],
            wrap=wrap,
        )
    yield f"class {name}:"
    yield f'    """{doc}"""'
    for group in groups:
        yield "    @property"
        yield f"    def {group}(self) -> {name}{group.title()}:"
        yield f'        """The methods ``{group}.*``."""'
    plain = [method for method in table if "." not in method.name]
    for _, same in groupby(plain, key=lambda method: method.name):
        yield from _definitions(list(same), wrap=wrap)
    yield ""


def _below(method: Method) -> Method:
    name = method.name.partition(".")[2]
    return replace(method, name=name)


ALIAS_LINES = '''
Info: TypeAlias = int | str | Mapping[str, Any]
"""What names a tag, user, package and so on: its id, its name, or a struct with one of them."""
BuildInfo: TypeAlias = int | str | Mapping[str, Any]
"""What names a build: its id, its NVR, or a struct with name, version and release."""

'''


def methods_stub() -> str:
    """Return the stub of the classes whose methods are the hub's."""
    table = methods()
    words = set(re.findall(r"\b[A-Z]\w+", " ".join(each.result for each in table)))
    ours = sorted(words & {each.name for each in structs()})
    parts = [
        HEAD.format(doc="The hub's methods, as a type checker and an editor see them."),
        "from collections.abc import Mapping, Sequence",
        "from datetime import timedelta",
        "from typing import Any, Literal, TypeAlias, overload",
        "",
        "from txkoji._deferreds import Deferred, Future",
        *(f"from txkoji.{module} import {name}" for name, module in RICH.items()),
        "from txkoji.options import BuildOptions, CountOnly, QueryOptions, Strings, TaskOptions",
        "from txkoji.results import (",
        *(f"    {name}," for name in ours),
        ")",
        ALIAS_LINES,
        *_class("HubMethods", "A hub's methods; each returns a Deferred.", table, wrap="Deferred"),
        *_class("AwaitedMethods", "A hub's methods; each returns a Future.", table, wrap="Future"),
        *_class("CollectedMethods", "A hub's methods; each is collected.", table, wrap=None),
    ]
    return "\n".join(parts)


def calls_stub() -> str:
    """Return the stub of the decorators of methods that take a hub method's name."""
    table: dict[str, list[Method]] = {}
    for method in methods():
        table.setdefault(method.name, []).append(method)
    rows = [method for name in sorted(PAGED) for method in table[name]]
    tasks = [method for name in sorted(TASK_METHODS) for method in table[name]]
    options = ["page_size: int | None = None", "key: str | Sequence[str] | None = None"]
    other = (
        "self, hub_method: str, /, *args: Any, key: str | Sequence[str],"
        " page_size: int | None = None, **kwargs: Any"
    )
    words = set(re.findall(r"\b[A-Z]\w+", " ".join(each.result for each in rows)))
    parts = [
        HEAD.format(doc="Methods that take a hub method's name, as type checkers see them."),
        "from collections.abc import AsyncIterator, Mapping, Sequence",
        "from typing import Any, Literal, overload",
        "",
        "from txkoji._deferreds import Deferred, Future",
        "from txkoji._hub_methods import BuildInfo, Info",
        *(f"from txkoji.{module} import {name}" for name, module in RICH.items() if name in words),
        "from txkoji.options import BuildOptions, Strings, TaskOptions",
        f"from txkoji.results import {', '.join(sorted(words - RICH.keys()))}",
        "from txkoji.submission.search import Submission",
        "",
        "class Pages:",
        '    """Iterates over a list of any length, with only one page in memory."""',
    ]
    for method in rows:
        for signature in _forms(method):
            row = method.result.removeprefix("list[").removesuffix("]")
            parts += _by_name(method, signature, options, f"AsyncIterator[{row}]")
    parts += [
        "    @overload",
        f"    def __call__({other}) -> AsyncIterator[Any]:",
        '        """Return the rows of another list, by what numbers them."""',
        "",
        "def pages(function: object) -> Pages: ...",
        "",
    ]
    stored = "submission: Submission"
    for name, class_name, doc, first, more, result in (
        ("submit", "Submit", SUBMITS, [], [f"{stored} | None = None"], "Deferred[int]"),
        (
            "awaited_submit",
            "AwaitedSubmit",
            SUBMITS,
            [],
            [f"{stored} | None = None"],
            "Future[int]",
        ),
        ("new_submission", "NewSubmission", "Starts a submission.", [], [], "Deferred[Submission]"),
        ("find_submitted", "Find", "Finds a submitted task.", [stored], [], "Deferred[int | None]"),
    ):
        parts += [f"class {class_name}:", f'    """{doc}"""']
        for method in tasks:
            for signature in _forms(method):
                parts += _by_name(method, signature, more, result, first=first)
        parts += ["", f"def {name}(function: object) -> {class_name}: ...", ""]
    return "\n".join(parts)


def _forms(method: Method) -> Iterator[list[str]]:
    """Give the signatures of a method without ``queryOpts``."""
    plain = list(_texts(method))
    names = [argument.name for argument in method.arguments]
    if "queryOpts" in names:
        place = names.index("queryOpts")
        # What follows it is no longer at its own place.
        plain[place : place + 1] = ["*"] if plain[place + 1 :] else []
    yield plain
    alias = ALIASES.get(method.name)
    if alias is not None:
        kind = method.arguments[0].type.removesuffix(" | None")
        yield ["*", f"{alias}: {kind}", *(each for each in plain[1:] if each != "*")]


def _by_name(
    method: Method,
    arguments: list[str],
    more: Sequence[str],
    result: str,
    *,
    first: Sequence[str] = (),
) -> Iterator[str]:
    """Give an overload that takes a method's name, its arguments, and more named ones."""
    bare = ["*"] if more and "*" not in arguments else []
    name = f'hub_method: Literal["{method.name}"]'
    yield "    @overload"
    listed = ", ".join(["self", *first, name, "/", *arguments, *bare, *more])
    yield f"    def __call__({listed}) -> {result}:"
    yield f'        """{method.doc}"""'


def results_stub() -> str:
    """Return the stub of the structs: each member is an attribute and an item."""
    parts = [
        HEAD.format(doc="The structs that hub methods return."),
        "from typing import Any, Literal, overload",
        "",
        "from txkoji.package import Package",
        "",
    ]
    table = {struct.name: struct for struct in structs()}
    for struct in table.values():
        inherited = table[struct.base].members if struct.base in table else ()
        parts += [
            f"class {struct.name}({struct.base or 'dict[str, Any]'}):",
            f'    """{struct.doc}"""',
            "",
            *(f"    {name}: {kind}" for name, kind in struct.members),
        ]
        by_type: dict[str, list[str]] = {}
        for name, kind in (*inherited, *struct.members):
            by_type.setdefault(kind, []).append(name)
        single = len(by_type) == 1
        for number, (kind, names) in enumerate(by_type.items()):
            keys = ", ".join(f'"{name}"' for name in names)
            ignore = "  # type: ignore[override]" if number == 0 else ""
            if not single:
                parts.append(f"    @overload{ignore}")
                ignore = ""
            parts.append(f"    def __getitem__(self, key: Literal[{keys}]) -> {kind}: ...{ignore}")
        parts.append("")
    return "\n".join(parts) + "\n"


def results_module() -> str:
    """Return the module of the structs, all of which are Munches at run time."""
    names = sorted(struct.name for struct in structs())
    return "\n".join(
        [
            HEAD.format(
                doc="The names of the structs that hub methods return, for annotations.\n\n"
                "At run time each is a :class:`munch.Munch`; the stub beside this file says what is"
                " in them."
            ),
            "from munch import Munch",
            "",
            '__all__ = """',
            *textwrap.wrap(" ".join(names), 96),
            '""".split()  # pyright: ignore[reportUnsupportedDunderAll]',
            "",
            "globals().update(dict.fromkeys(__all__, Munch))",
            "",
        ]
    )


def methods_page() -> str:
    """Return the page of the documentation that lists the methods and the structs."""
    parts = [
        ".. Written by ``make api`` from the tables in ``api/``.",
        "",
        "The hub's methods",
        "=================",
        "",
        "Each is an attribute of a :class:`txkoji.Connection`, and returns a Deferred of what",
        "follows the arrow; of a :class:`txkoji.aio.AioConnection`, a Future. A method that is not",
        'listed, such as one of a plugin, is called by its name: ``koji.call("ourPlugin", 1)``.',
        'Members of structs are attributes and items: ``tag.name``, ``tag["name"]``.',
        "",
        "``koji.submit`` and ``koji.pages`` take a method's name, then its arguments, which type",
        'checkers know too: ``koji.pages("listBuilds", packageID=7)``.',
        "",
        "Write options in the call, or annotate the variable that holds them: type checkers",
        "refuse a plain ``dict``, in which they can't find misspelt keys. Editors complete the",
        "keys of :mod:`txkoji.options`.",
        "",
        ".. code-block:: python",
        "",
        "   from txkoji.options import QueryOptions",
        "",
        '   newest: QueryOptions = {"limit": 3, "order": "-build_id"}',
        '   builds = await koji.listBuilds("hello", queryOpts=newest)',
        "",
        "Two mistakes are reported only on request. ``koji.cancelTask(7)`` that nobody awaits: by",
        'mypy with ``enable_error_code = ["unused-awaitable", "truthy-bool"]``, by pyright with',
        '``reportUnusedCallResult = true``. ``if koji.hasPerm("admin"):`` without ``await``, which',
        "is always true: by mypy with the same option.",
        "",
    ]
    for family in dict.fromkeys(family for family, _ in _families("hub_methods.txt")):
        parts += [family, "-" * len(family), ""]
        for method in methods():
            if method.family == family:
                arguments = ", ".join(_texts(method))
                result = f"{method.result} | None" if method.may_be_none else method.result
                parts += [f"``{method.name}({arguments})`` → ``{result}``", f"    {method.doc}", ""]
    parts += ["Structs", "-------", ""]
    for struct in structs():
        inherited = f"; what {struct.base} has, and: " if struct.base else ": "
        members = ", ".join(f"``{name}: {kind}``" for name, kind in struct.members)
        parts += [f"``{struct.name}``", f"    {struct.doc.rstrip('.')}{inherited}{members}.", ""]
    return "\n".join(parts)


def files() -> dict[Path, str]:
    """Return what each file should hold."""
    return {
        PACKAGE / "_hub_methods.pyi": methods_stub(),
        PACKAGE / "_typed_calls.pyi": calls_stub(),
        PACKAGE / "results.pyi": results_stub(),
        PACKAGE / "results.py": results_module(),
        HERE.parent / "docs" / "hub_methods.rst": methods_page(),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
