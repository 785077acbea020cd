"""Lists in pages: each row once, whatever happens to the list meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed

from txkoji import Connection, TaskWatcher
from txkoji.build import Build
from txkoji.listing import PAGED, pages
from txkoji.task import Task
from txkoji.testing import FakeHub


class Listing:
    """A hub with one list, which changes between two pages."""

    weburl = "http://hub.example.test/koji"

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.changes: list[Any] = []
        self.largest = 0

    def call(self, method: str, /, *_args: Any, **kwargs: Any) -> Deferred[Any]:
        """Answer with a page, then carry out the next change."""
        assert method == "listTags"
        options = kwargs["queryOpts"]
        assert options["order"] == "id"
        start = options["offset"]
        page = sorted(self.rows)[start : start + options["limit"]]
        self.largest = max(self.largest, len(page))
        if self.changes:
            self.changes.pop(0)(self.rows)
        return succeed([{"id": number} for number in page])


async def read(listing: Listing, size: int) -> list[int]:
    """Read the whole list."""
    found = pages(listing, "listTags", (), {}, key=None, size=size)
    return [row["id"] async for row in found]


@pytest.mark.parametrize("size", [2, 3, 7, 10, 11, 100])
@pytest.mark.parametrize("length", [0, 1, 2, 9, 10, 11, 40])
async def test_every_row_once(size: int, length: int) -> None:
    """A list of any length in pages of any size; no page is larger than asked for."""
    listing = Listing(list(range(length)))
    assert await read(listing, size) == list(range(length))
    assert listing.largest <= size


async def test_rows_go_meanwhile() -> None:
    """Rows before the page that go move the others, of which none is left out."""
    listing = Listing(list(range(100)))
    listing.changes = [lambda rows: rows.__delitem__(slice(0, 8)), lambda rows: rows.clear()]
    listing.changes[1] = lambda rows: rows.__delitem__(slice(0, 5))
    found = await read(listing, 10)
    assert found == sorted(set(found))
    assert set(range(13, 100)) <= set(found)


async def test_rows_come_meanwhile() -> None:
    """Rows that are added while the list is read come too."""
    listing = Listing(list(range(20)))
    listing.changes = [lambda rows: rows.extend(range(20, 35))]
    assert await read(listing, 10) == list(range(35))


async def test_a_list_that_is_emptied_ends() -> None:
    """Nothing is left: the end."""
    listing = Listing(list(range(20)))
    listing.changes = [lambda rows: rows.clear()]
    assert await read(listing, 10) == list(range(10))


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "listBuildRPMs": ("hello-1.0-1",),
    "listRPMs": (1,),
    "listTagged": ("demo-candidate",),
}


@pytest.mark.hub(build_seconds=0.0)
async def test_each_method(koji: Connection, hub: FakeHub) -> None:
    """A hub orders and cuts the list of each method of the table; builds and tasks are rich."""
    task_id = hub.call("build", "git+https://git.example.test/rpms/hello.git#1", "demo")
    await TaskWatcher(koji, reactor, interval=0.05).watch(task_id).done
    for method, paging in PAGED.items():
        wanted = ARGUMENTS.get(method, ())
        found = [row async for row in koji.pages(method, *wanted, page_size=2)]
        keys = [tuple(row[name] for name in paging.key) for row in found]
        assert keys == sorted(set(keys)), method
        if method in {"listBuilds", "listTagged"}:
            assert [type(each) for each in found] == [Build]
        elif method == "listTasks":
            assert {type(each) for each in found} == {Task}


async def test_mistakes(koji: Connection) -> None:
    """What can't be paged is refused with what to do."""
    with pytest.raises(ValueError, match="name one, as in key='id'"):
        await anext(koji.pages("ourPlugin"))
    with pytest.raises(ValueError, match="two rows or more, not 1"):
        await anext(koji.pages("listTags", page_size=1))
    with pytest.raises(ValueError, match="leave queryOpts out"):
        await anext(koji.pages("listTags", queryOpts={"limit": 1}))
