"""The typed stubs of the hub's methods: fresh, true to a hub, and of use to a type checker."""

from __future__ import annotations

import json
import re
import rlcompleter
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jedi
import pytest
from twisted.internet.task import Clock

from api import generate
from tests.docs.tutorial import blocks
from tests.support import REPOSITORY
from txkoji import Connection, KojiException, TaskWatcher
from txkoji.exceptions import UnknownFault
from txkoji.testing import FakeHub

PROGRAMS = REPOSITORY / "tests" / "txkoji" / "typing"
DATA = REPOSITORY / "tests" / "data"

NOT_METHODS = {
    "_listapi",
    "exclusiveSession",
    "filterResults",
    "login",
    "logout",
    "logoutChild",
    "sharedSession",
    "sslLogin",
    "subsession",
    "system.multicall",
}
"""What the client does by itself, or only for itself."""

ANY_CLIENT = re.compile(r"^(?P<path>[^:\s]+\.py):(?P<line>\d+):.*error", re.MULTILINE)


@pytest.mark.parametrize("path", list(generate.files()), ids=lambda path: path.name)
def test_stubs_are_fresh(path: Path) -> None:
    """Each generated file is what ``make api`` writes."""
    assert path.read_text(encoding="utf-8") == generate.files()[path]


def test_every_method_is_there() -> None:
    """The stubs have every method of Koji's hub."""
    lines = (DATA / "hub_methods.txt").read_text(encoding="utf-8").splitlines()
    known = {line for line in lines if line and not line.startswith("#")}
    assert known - NOT_METHODS - {method.name for method in generate.methods()} == set()


async def test_arguments_are_the_hubs(koji: Connection) -> None:
    """The embedded hub's ``_listapi`` names the same arguments."""
    told = {each["name"]: each["args"] for each in await koji.call("_listapi")}
    different, alike = [], 0
    for method in generate.methods():
        theirs = [each if isinstance(each, str) else each[0] for each in told.get(method.name, [])]
        ours = [argument.name.lstrip("*") for argument in method.arguments]
        # A method may pass on any.
        if theirs == ours or theirs in ([], ["args", "opts"]):
            alike += theirs == ours
        else:
            different.append((method.name, ours, theirs))
    assert different == [], different
    assert alike > 100


async def test_names_are_taken_where_they_type_check(koji: Connection) -> None:
    """The embedded hub takes a name for each argument that the stubs let be one."""
    wrong, taken = [], 0
    for method in generate.methods():
        for argument in method.arguments:
            if method.name.startswith("host.") or "Info" not in argument.type:
                continue
            taken += 1
            needed = {each.name: 1 for each in method.arguments if each.default is None}
            try:
                await koji.call(method.name, **needed | {argument.name: "no-such-1"})
            except UnknownFault as fault:
                if "invalid input syntax" in str(fault):
                    wrong.append((method.name, argument.name))
            except KojiException:
                continue
    assert wrong == []
    assert taken > 50


async def test_forgotten_await(koji: Connection) -> None:
    """A loop over a Deferred fails at once, where Twisted's own would never end."""
    tags: Any = koji.listTags()
    with pytest.raises(TypeError, match="'Deferred' object is not iterable"):
        list(tags)
    calls: Any = koji.MultiCall()
    calls.listTags()
    sent: Any = calls()
    with pytest.raises(TypeError, match="is not iterable"):
        list(sent)
    watcher = TaskWatcher(koji, Clock())
    ended: Any = watcher.watch(7).done
    ended.addErrback(lambda _: None)
    with pytest.raises(TypeError, match="is not iterable"):
        list(ended)
    watcher.stop()
    assert {tag.name for tag in await tags} >= {"demo-build"}
    assert len(await sent) == 1


def recorded() -> Iterator[tuple[str, Any]]:
    """Give the recorded answers of a hub: the method, and the result."""
    for line in (DATA / "calls.jsonl").read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        try:
            [result], _ = xmlrpc.client.loads(call["response"].replace("i8>", "int>"))
        except xmlrpc.client.Fault:
            continue
        yield call["method"], result


TYPES = {"int": int, "str": str, "bool": bool, "float": (int, float), "None": type(None)}


def fits(value: Any, kind: str, structs: dict[str, generate.Struct]) -> bool:
    """Tell whether a recorded value is of a type of the tables."""
    kind = kind.strip()
    if "[" not in kind and " | " in kind:
        return any(fits(value, each, structs) for each in kind.split(" | "))
    if kind.endswith(" | None"):
        return value is None or fits(value, kind.removesuffix(" | None"), structs)
    if kind in structs:
        members = dict(structs[kind].members)
        base = structs[kind].base
        while base in structs:
            members.update(structs[base].members)
            base = structs[base].base
        return isinstance(value, dict) and all(
            name in members and fits(each, members[name], structs) for name, each in value.items()
        )
    if kind.startswith("list["):
        inner = kind[5:-1]
        return isinstance(value, list) and all(fits(each, inner, structs) for each in value)
    if kind.startswith("tuple["):
        return isinstance(value, list)
    if kind.startswith("dict[str, "):
        inner = kind[10:-1]
        return isinstance(value, dict) and all(
            fits(each, inner, structs) for each in value.values()
        )
    if kind in TYPES:
        return isinstance(value, TYPES[kind])
    # Any, and the classes of their own.
    return True


def test_results_are_the_recorded_ones() -> None:
    """What a real hub answered fits what the stubs promise: members and their types."""
    structs = {struct.name: struct for struct in generate.structs()}
    table: dict[str, list[generate.Method]] = {}
    for method in generate.methods():
        table.setdefault(method.name, []).append(method)
    looked_at, wrong = set(), []
    for name, result in recorded():
        forms = table.get(name, [])
        kinds = [f"{form.result} | None" if form.may_be_none else form.result for form in forms]
        looked_at.add(name)
        counted = isinstance(result, int) and any("QueryOptions" in str(form) for form in forms)
        # The client makes a list of the tree.
        if name == "getTaskDescendents":
            continue
        if kinds and not counted and not any(fits(result, kind, structs) for kind in kinds):
            wrong.append((name, kinds, result))
    assert wrong == []
    assert len(looked_at) > 60


def expected_lines(program: str, checker: str) -> set[int]:
    """Return the lines of a program that say that they are wrong, to any checker or to one."""
    lines = (PROGRAMS / program).read_text(encoding="utf-8").splitlines()
    mistakes = ("# wrong", f"# wrong to {checker}")
    return {number for number, line in enumerate(lines, 1) if line.endswith(mistakes)}


def found_lines(output: str, program: str) -> set[int]:
    """Return the lines of a program in which a checker found a mistake."""
    return {
        int(found["line"])
        for found in ANY_CLIENT.finditer(output.replace("\\", "/").replace("  /", "/"))
        if found["path"].endswith(program)
    }


def programs_of_pages(directory: Path) -> list[Path]:
    """Write the programs of the tutorial and the how-tos to files, without the master.cfgs."""
    written = []
    for page in sorted((REPOSITORY / "docs").glob("*.rst")):
        for kind, _, text in blocks(page.read_text(encoding="utf-8")):
            if kind == "python" and "import Connection" in text:
                path = directory / f"{page.stem}_{len(written)}_of_page.py"
                path.write_text(text, encoding="utf-8")
                written.append(path)
    assert len(written) >= 4
    return written


@pytest.mark.limit(600)
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checkers_find_each_mistake(checker: str, tmp_path: Path) -> None:
    """Mypy and pyright find every planted mistake, and none in what is right.

    Nor does pyright in the programs of the pages; mypy wants annotations.
    """
    pytest.importorskip(checker, reason="pip install -e '.[dev]'")
    files = [str(PROGRAMS / name) for name in ("right.py", "wrong.py", "unused.py")]
    if checker == "pyright":
        files += [str(path) for path in programs_of_pages(tmp_path)]
    ran = subprocess.run(
        [sys.executable, "-m", checker, *files],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    output = re.sub(r"^(.+?:\d+):\d+ - error", r"\1: error", ran.stdout, flags=re.MULTILINE)
    assert found_lines(output, "right.py") == set(), ran.stdout
    assert found_lines(output, "_of_page.py") == set(), ran.stdout
    for program in ("wrong.py", "unused.py"):
        assert found_lines(output, program) == expected_lines(program, checker), ran.stdout
    assert len(expected_lines("wrong.py", checker)) >= 90


def test_editors_show_documentation() -> None:
    """An editor completes the hub's methods, overloaded ones too, and shows what they do."""
    lines = ["from txkoji import Connection", 'koji = Connection("x")']
    lines += ["koji.getBuild", "koji.repo.request", "koji.getBui", "koji.listTasks("]
    editor = jedi.Script("\n".join(lines), path=REPOSITORY / "program.py")
    [shown] = editor.help(3, 8)
    assert shown.docstring().endswith("\n\nReturn a build.")
    assert "-> Deferred[Build | None]" in shown.docstring()
    [shown] = editor.help(4, 13)
    assert "Request a repo" in shown.docstring()
    assert "getBuildTarget" in {each.name for each in editor.complete(5, 11)}
    signatures = [each.to_string() for each in editor.get_signatures(6, 15)]
    assert any("opts: TaskOptions" in each for each in signatures)


def test_interactive_python_completes_and_explains(koji: Connection) -> None:
    """A prompt completes the hub's methods, dotted ones too, and shows what they take and do."""
    complete = rlcompleter.Completer({"koji": koji}).complete
    assert [complete("koji.getBui", number) for number in (0, 1)] == [
        "koji.getBuild(",
        "koji.getBuildConfig(",
    ]
    assert complete("koji.repo.req", 0) == "koji.repo.request("
    shown = koji.getTag.__doc__ or ""
    assert shown.startswith("getTag(tagInfo: Info, strict: Literal[True]")
    assert shown.endswith("\n\nReturn a tag.")


async def test_dotted_methods_are_attributes(hub: FakeHub, koji: Connection) -> None:
    """``koji.system.listMethods()`` calls the method; a private name is no method."""
    assert "getTag" in await koji.system.listMethods()
    calls = koji.MultiCall()
    calls.system.listMethods()
    assert "getTag" in (await calls())[0]
    assert repr(koji.repo.request) == "<hub method repo.request>"
    with pytest.raises(AttributeError):
        _ = koji.repo._request
