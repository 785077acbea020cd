"""The names of builds and RPMs are split in one place, whatever is put in."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txkoji.nvr import NVR, NVRA, compare_evr, compare_versions, parse, parse_rpm

WORDS = st.text(
    st.characters(blacklist_characters="-:@/.", blacklist_categories=["Cs"]), min_size=1
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello-1.0-1", NVR("hello", "1.0", "1")),
        ("python3-foo-bar-1.0~rc1-2.f44", NVR("python3-foo-bar", "1.0~rc1", "2.f44")),
        ("1:bash-5.2-1", NVR("bash", "5.2", "1", 1)),
        ("bash-0:5.2-1", NVR("bash", "5.2", "1", 0)),
        ("hello-1-2,draft_17", NVR("hello", "1", "2,draft_17")),
    ],
)
def test_nvr(text: str, expected: NVR) -> None:
    """Name, version, release and epoch are read from the right."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        "", "hello", "hello-1", "-1-1", "hello--1", "hello-1-", "--", "x:hello-1-1", "1:a-2:1-1",
        ":hello-1-1", "hello-1:-1", None, 7, True, 1.5, [], ["hello-1-1"], {"name": "hello"},
    ],
)  # fmt: skip
def test_not_an_nvr(value: object) -> None:
    """Anything else is None, never an exception."""
    assert parse(value) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello-1.0-1.x86_64", NVRA(NVR("hello", "1.0", "1"), "x86_64")),
        ("hello-1.0-1.f44.src.rpm", NVRA(NVR("hello", "1.0", "1.f44"), "src")),
        ("tasks/1/1/hello-1.0-1.nosrc.rpm", NVRA(NVR("hello", "1.0", "1"), "nosrc")),
        ("hello-1-1.noarch@epel", NVRA(NVR("hello", "1", "1"), "noarch")),
    ],
)
def test_rpm(text: str, expected: NVRA) -> None:
    """An RPM's name is read with or without a directory, ``.rpm`` and a repository."""
    assert parse_rpm(text) == expected


@pytest.mark.parametrize(
    "value", ["", "hello", "hello-1-1", "hello-1.0-1", "hello.rpm", "hello-1-1..rpm", None, 3, {}]
)
def test_not_an_rpm(value: object) -> None:
    """A name without an architecture is not an RPM's."""
    assert parse_rpm(value) is None


def test_draft() -> None:
    """A draft build names its id; its release is the rest."""
    draft, promoted = parse("hello-1-2,draft_17"), parse("hello-1-2")
    assert draft is not None
    assert promoted is not None
    assert (draft.draft_id, draft.target_release) == (17, "2")
    assert (promoted.draft_id, promoted.target_release) == (None, "2")


@given(WORDS, WORDS, WORDS, st.none() | st.integers(0, 10**9), WORDS)
def test_round_trip(name: str, version: str, release: str, epoch: int | None, arch: str) -> None:
    """What is put together comes apart the same."""
    nvr = NVR(f"{name}-devel", version, release, epoch)
    prefix = "" if epoch is None else f"{epoch}:"
    assert parse(f"{prefix}{nvr}") == nvr
    assert parse(f"{nvr.name}-{prefix}{version}-{release}") == nvr
    rpm = NVRA(NVR(name, version, release), arch)
    assert parse_rpm(str(rpm)) == rpm
    assert parse_rpm(f"some/directory/{rpm}.rpm") == rpm


@given(ANYTHING)
def test_any_value(value: object) -> None:
    """Values of every type are taken."""
    for found in (parse(value), parse_rpm(value)):
        assert found is None or isinstance(value, str)


@given(st.text(alphabet="ab1:-.@,/"))
def test_any_text(text: str) -> None:
    """Parsing the text of a parsed name gives the same name."""
    found = parse(text)
    assert found is None or parse(str(found)) == NVR(found.name, found.version, found.release)
    rpm = parse_rpm(text)
    assert rpm is None or parse_rpm(str(rpm)) is not None


@pytest.mark.parametrize(
    ("one", "two", "order"),
    [
        ("1.0", "1.0", 0),
        ("1.0", "2.0", -1),
        ("2.0.1", "2.0", 1),
        ("2.0.1a", "2.0.1", 1),
        ("5.5p1", "5.5p2", -1),
        ("5.5p10", "5.5p1", 1),
        ("10xyz", "10.1xyz", -1),
        ("xyz10", "xyz10.1", -1),
        ("xyz.4", "8", -1),
        ("5.5p2", "5.6p1", -1),
        ("6.5p1", "5.6p1", 1),
        ("6.0.rc1", "6.0", 1),
        ("10b2", "10a1", 1),
        ("10a2", "10b2", -1),
        ("1.0aa", "1.0a", 1),
        ("10.0001", "10.1", 0),
        ("10.0001", "10.0039", -1),
        ("4.999.9", "5.0", -1),
        ("20101121", "20101122", -1),
        ("2_0", "2.0", 0),
        ("a+", "a_", 0),
        ("+_", "_+", 0),
        ("1.0~rc1", "1.0", -1),
        ("1.0~rc1", "1.0~rc2", -1),
        ("1.0~rc1~git123", "1.0~rc1", -1),
        ("1.0^", "1.0", 1),
        ("1.0^git1", "1.0^git2", -1),
        ("1.0^git1", "1.01", -1),
        ("1.0^20160101", "1.0.1", -1),
        ("1.0^20160101^git1", "1.0^20160102", -1),
        ("1.0~rc1^git1", "1.0~rc1", 1),
        ("1.0^git1~pre", "1.0^git1", -1),
        ("1.0^git1~pre", "1.0", 1),
        ("1" * 5000, "1" * 5001, -1),
        ("1.0\N{GREEK SMALL LETTER ALPHA}", "1.0", 0),
    ],
)
def test_versions_compare_as_in_rpm(one: str, two: str, order: int) -> None:
    """Versions are ordered as in RPM's own table of tests."""
    assert compare_versions(one, two) == order
    assert compare_versions(two, one) == -order


def test_builds_compare_by_epoch_version_and_release() -> None:
    """The epoch counts first, none as 0; a draft is what it is promoted to."""
    old, new = NVR("a", "9", "1"), NVR("a", "1", "1", 1)
    assert (compare_evr(old, new), compare_evr(new, old)) == (-1, 1)
    assert compare_evr(old, NVR("a", "9", "1", 0)) == 0
    assert compare_evr(old, NVR("a", "9", "2")) == -1
    assert compare_evr(old, NVR("a", "9", "1,draft_7")) == 0


def test_versions_compare_as_rpm_compares_them(tmp_path: Path) -> None:
    """RPM itself orders thousands of odd versions alike."""
    if shutil.which("rpm") is None:
        pytest.skip("apt-get install rpm")
    random = Random(7)
    parts = [
        "0",
        "1",
        "01",
        "10",
        "9",
        "20240101",
        "a",
        "b",
        "rc",
        "Z",
        ".",
        "..",
        "_",
        "~",
        "^",
        "+",
    ]
    versions = ["".join(random.choices(parts, k=random.randint(1, 5))) for _ in range(4000)]
    pairs = list(zip(versions, [*versions[1:], versions[0]], strict=True))
    pairs += [
        (each, f"{each}{more}") for each in versions[:300] for more in ("~rc", "^git", ".0", "a")
    ]
    (tmp_path / "pairs").write_text("".join(f"{one} {two}\n" for one, two in pairs))
    program = (
        f"for line in io.lines('{tmp_path}/pairs') do"
        " local one, two = line:match('([^ ]+) ([^ ]+)') print(rpm.vercmp(one, two)) end"
    )
    done = subprocess.run(
        ["rpm", "--eval", f"%{{lua: {program}}}"], capture_output=True, text=True, check=True
    )
    # They come without anything between them.
    theirs = [int(each) for each in re.findall("-1|0|1", done.stdout)]
    ours = [compare_versions(one, two) for one, two in pairs]
    assert [each for each in zip(pairs, ours, theirs, strict=True) if each[1] != each[2]] == []
