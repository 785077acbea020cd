"""Lists in pages: each row once, whatever happens to the list meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, succeed

from tests.support import HubInMemory
from txkoji import Call, Connection, TaskWatcher
from txkoji.build import Build
from txkoji.exceptions import ServerOffline, UnusableAnswer
from txkoji.listing import PAGED, pages
from txkoji.task import Task
from txkoji.testing import FakeHub


class Listing:
    """A hub with one list, which changes between two pages.

    Args:
        rows: the ids of its rows.
        limit: how many rows the hub allows in a reply, whatever is asked for.
    """

    weburl = "http://hub.example.test/koji"

    def __init__(self, rows: list[int], *, limit: int = 10_000) -> None:
        self.rows = rows
        self.limit = limit
        self.changes: list[Any] = []
        self.largest = 0

    def call(self, method: str, /, *, queryOpts: dict[str, Any]) -> Deferred[Any]:  # noqa: N803
        """Answer with a page, then carry out the next change."""
        options = queryOpts
        assert (method, options["order"]) == ("listTags", "id")
        start = options["offset"]
        page = sorted(self.rows)[start : start + min(options["limit"], self.limit)]
        self.largest = max(self.largest, len(page))
        if self.changes:
            self.changes.pop(0)(self.rows)
        return succeed([{"id": number} for number in page])


async def read(listing: Listing, size: int) -> list[int]:
    """Read the whole list."""
    found = pages(listing, Call("listTags"), key=None, size=size)
    return [row["id"] async for row in found]


@pytest.mark.parametrize("size", [2, 3, 7, 10, 11, 100])
@pytest.mark.parametrize("length", [0, 1, 2, 9, 10, 11, 40])
async def test_every_row_once(size: int, length: int) -> None:
    """A list of any length in pages of any size; no page is larger than asked for."""
    listing = Listing(list(range(length)))
    assert await read(listing, size) == list(range(length))
    assert listing.largest <= size


@pytest.mark.parametrize("size", [2, 7, 100])
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 39, 40])
async def test_a_hub_that_allows_fewer_rows(limit: int, size: int) -> None:
    """A hub's own limit below ours makes a list take more requests, and loses no row."""
    assert await read(Listing(list(range(40)), limit=limit), size) == list(range(40))
    shrinking = Listing(list(range(100)), limit=max(limit, 2))
    shrinking.changes = [lambda rows: rows.__delitem__(slice(0, 5))]
    found = await read(shrinking, size)
    assert set(range(5, 100)) <= set(found)
    assert found == sorted(set(found))


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


async def test_a_key_that_is_a_text() -> None:
    """Texts are ordered by code point, where a database orders them as its locale says."""
    names = ["B", "D", "a", "c", "z"]

    class Hub(Listing):
        def call(self, method: str, /, *args: Any, filterOpts: dict[str, Any]) -> Deferred[Any]:  # type: ignore[override] # noqa: N803
            """Order as the hub's Python."""
            assert (method, args, filterOpts["order"]) == ("filterResults", ("listTags",), "name")
            page = names[filterOpts["offset"] :][: filterOpts["limit"]]
            return succeed([{"name": name} for name in page])

    found = pages(Hub([]), Call("listTags"), key="name", size=2)
    assert [row["name"] async for row in found] == names


@pytest.mark.parametrize(
    ("answer", "read_before", "message"),
    [
        ([{"id": 1}, {"id": 2}, {"id": 3}], [1, 2, 3], None),
        ([{"id": 1}, {"id": 2}], [1, 2], "instead of the rows of another page"),
        (None, [], "with None instead of a list"),
        ([{"id": 1}, {"nme": "x"}], [], "instead of a row with id"),
        ([{"id": None}, {"id": 2}], [], "instead of a row with id"),
        (["x", "y"], [], "with 'x' instead of a row with id"),
    ],
    ids=["no limit", "no offset", "no list", "no id", "id None", "no structs"],
)
async def test_a_hub_that_does_not_page(
    answer: Any, read_before: list[int], message: str | None
) -> None:
    """A hub, or its plugin, that ignores the options gives the whole list, or a clear failure."""
    found = []

    class Hub(Listing):
        def call(self, method: str, /, *, queryOpts: dict[str, Any]) -> Deferred[Any]:  # noqa: N803
            assert (method, queryOpts["limit"]) == ("listTags", 2)
            return succeed(answer)

    async def run() -> None:
        """Read the list."""
        async for row in pages(Hub([]), Call("listTags"), key=None, size=2):
            found.append(row["id"])  # noqa: PERF401 - what came before a failure counts

    if message is None:
        await run()
    else:
        with pytest.raises(UnusableAnswer, match=message):
            await run()
    assert found == read_before


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
    for release in "123":
        image = {"name": "disk", "version": "1", "release": release}
        hub.call("createImageBuild", image)
        hub.files.write("work/up/disk.raw", b"data")
        hub.call("importArchive", "up/disk.raw", image, "image", {"arch": "x86_64"})
        hub.call("createExternalRepo", f"repo{release}", "https://repo.example.test/")
        hub.call("createSideTag", "demo-build")
    for method, paging in PAGED.items():
        wanted = ARGUMENTS.get(method, ())
        found = [row async for row in koji.pages(method, *wanted, page_size=2)]
        keys = [tuple(row[name] for name in paging.key) for row in found]
        assert keys == sorted(set(keys)) != [], method
        if method in {"listBuilds", "listTagged"}:
            assert {type(each) for each in found} == {Build}
        elif method == "listTasks":
            assert {type(each) for each in found} == {Task}


async def test_mistakes(koji: Connection) -> None:
    """What can't be paged is refused with what to do."""
    with pytest.raises(ValueError, match="name one, such as key='id'"):
        await anext(koji.pages("ourPlugin"))
    with pytest.raises(ValueError, match="two rows or more, not 1"):
        await anext(koji.pages("listTags", page_size=1))
    with pytest.raises(ValueError, match="leave queryOpts out"):
        await anext(koji.pages("listTags", queryOpts={"limit": 1}))


class Reader:
    """A program that reads 35 builds in pages of ten, from a hub in memory that answers at once.

    Args:
        meanwhile: called with the hub after the fifteenth row; True ends the program.
    """

    def __init__(self, meanwhile: Callable[[FakeHub], object]) -> None:
        self.site = HubInMemory()
        self.hub = self.site.hub
        state = self.hub.state
        build = self.hub.call("createEmptyBuild", "hello", "1", "0", None)
        like = {name: each for name, each in state.row("build", build).items() if name != "id"}
        for number in range(1, 35):
            state.insert("build", {**like, "release": str(number)})
        self.releases: list[int] = []
        self.meanwhile = meanwhile
        self.running = Deferred.fromCoroutine(self._run())

    async def _run(self) -> str:
        async for build in self.site.koji.pages("listBuilds", "hello", page_size=10):
            self.releases.append(int(build.release))
            if len(self.releases) == 15 and self.meanwhile(self.hub):
                return "stopped"
        return "read"


def test_hub_fails_midway() -> None:
    """An outage in the middle makes the list late, each row once; one that lasts is a failure."""
    late, failed = Reader(FakeHub.offline), Reader(FakeHub.offline)
    late.site.pass_time(20)
    assert late.releases == list(range(19))
    late.hub.online()
    late.site.pass_time(60)
    assert late.releases == list(range(35))
    assert late.running.result == "read"

    failed.site.pass_time(300, step=5)
    assert failed.releases == list(range(19))
    failed.running.addErrback(lambda failure: failure.trap(ServerOffline))
    assert failed.running.result is ServerOffline


def test_a_list_that_is_left() -> None:
    """After a ``break`` nothing more is asked."""
    reader = Reader(lambda _: True)
    assert reader.running.result == "stopped"
    reader.site.pass_time(30)
    assert reader.hub.calls["listBuilds"] == 2


def test_a_list_that_is_canceled() -> None:
    """Canceling what reads the list cancels the request."""
    request: Deferred[Any] = Deferred()

    class Hub(Listing):
        def call(self, method: str, /, *, queryOpts: dict[str, Any]) -> Deferred[Any]:  # noqa: N803
            assert (method, queryOpts["limit"]) == ("listTags", 10)
            return request

    reading = Deferred.fromCoroutine(read(Hub([]), 10))
    reading.cancel()
    reading.addErrback(lambda failure: failure.trap(CancelledError))
    assert reading.result is CancelledError
    assert request.called


def test_pages_of_a_method_without_options() -> None:
    """Where the hub makes the whole list each time, it is asked for larger pages."""
    site, sizes = HubInMemory(), []
    call = site.koji.call
    site.koji.call = lambda *args, **kwargs: (  # type: ignore[method-assign]
        sizes.append((kwargs.get("queryOpts") or kwargs.get("filterOpts"))["limit"])
        or call(*args, **kwargs)
    )
    for method in ("listTags", "listChannels"):
        reading = Deferred.fromCoroutine(anext(site.koji.pages(method)))
        site.pass_time(2)
        assert reading.result is not None
    assert sizes == [500, 5000]
