"""Addresses of Koji's pages and files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txkoji import paths
from txkoji._values import MAX_ID

WEB = "https://koji.example.com/koji"
TOP = "https://koji.example.com/kojifiles"


def test_pages() -> None:
    """A page's address is kojiweb's, with or without a slash at the end of the profile's."""
    assert paths.task_url(WEB, 7) == f"{WEB}/taskinfo?taskID=7"
    assert paths.task_url(f"{WEB}/", 7) == f"{WEB}/taskinfo?taskID=7"
    assert paths.build_url(WEB, 8) == f"{WEB}/buildinfo?buildID=8"
    assert paths.package_url(WEB, 9) == f"{WEB}/packageinfo?packageID=9"
    assert paths.tag_url(WEB, "a b&c") == f"{WEB}/taginfo?tagID=a+b%26c"
    assert paths.task_file_url(WEB, 7, "build.log") == (
        f"{WEB}/getfile?taskID=7&name=build.log&offset=0"
    )


def test_files() -> None:
    """Files are where Koji puts them; signs of a version that a URL can't hold are encoded."""
    assert paths.task_output_url(TOP, 123456, "build.log") == (
        f"{TOP}/work/tasks/3456/123456/build.log"
    )
    assert paths.task_output_path(5, "x", volume="big") == "vol/big/work/tasks/5/5/x"
    assert paths.task_output_path(5, "x", volume="DEFAULT") == "work/tasks/5/5/x"
    directory = paths.build_directory("a", "1+git~2^3", "1")
    assert paths.url_of(TOP, f"{directory}/data/logs/noarch/root.log") == (
        f"{TOP}/packages/a/1%2Bgit~2%5E3/1/data/logs/noarch/root.log"
    )
    assert paths.rpm_path("a", "1", "2", "a-1-2.src.rpm", "src", volume="v") == (
        "vol/v/packages/a/1/2/src/a-1-2.src.rpm"
    )


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("buildinfo?buildID=5", ("getBuild", 5)),
        ("taskinfo?taskID=5", ("getTaskInfo", 5)),
        ("watchlogs?taskID=5", ("getTaskInfo", 5)),
        ("taginfo?tagID=f44", ("getTag", "f44")),
        ("taginfo?tagID=44", ("getTag", 44)),
        ("packageinfo?packageID=bash", ("getPackage", "bash")),
        ("userinfo?userID=kdreyer", ("getUser", "kdreyer")),
        ("buildtargetinfo?name=f44", ("getBuildTarget", "f44")),
        ("buildtargetinfo?targetID=4", ("getBuildTarget", 4)),
        ("rpminfo?rpmID=4", ("getRPM", 4)),
        ("taskinfo/?taskID=5&x=1", ("getTaskInfo", 5)),
        ("buildinfo?buildID=bash-1-1", None),
        ("buildinfo?buildID=-5", None),
        ("buildinfo?buildID=\u0665", None),
        ("buildinfo?buildID=5&buildID=6", None),
        ("buildinfo", None),
        ("taginfo?tagID=", None),
        ("tasks?state=all", None),
        ("", None),
        ("buildinfo?buildID=5 ", None),
        (f"taskinfo?taskID={10**30}", None),
        (f"taskinfo?taskID={'9' * 5000}", None),
        ("taginfo?tagID=%00", None),
        ("taginfo?tagID=a%1bb", None),
    ],
)
def test_parse_web_url(page: str, found: tuple[str, int | str] | None) -> None:
    """A page's address tells the method and the id; an unknown page or a malformed id is None."""
    assert paths.parse_web_url(f"{WEB}/{page}") == found


@given(st.text() | st.builds(lambda text: f"{WEB}/buildinfo?buildID={text}", st.text()))
def test_parse_never_fails(url: str) -> None:
    """Whatever a person pastes, the answer is an object or None."""
    found = paths.parse_web_url(url)
    assert found is None or isinstance(found[0], str)


@given(st.integers(0, MAX_ID))
def test_page_and_back(number: int) -> None:
    """The address of a page is read as what it was made of."""
    assert paths.parse_web_url(paths.task_url(WEB, number)) == ("getTaskInfo", number)
    assert paths.parse_web_url(paths.build_url(WEB, number)) == ("getBuild", number)
