"""The tables of the embedded hub: what is found fast is what is there."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from twisted.internet.task import Clock

from txkoji.exceptions import GenericError, UnknownFault
from txkoji.testing import FakeHub
from txkoji.testing.formats import marshal

pytestmark = pytest.mark.hub(on_clock=True)


def test_last_change_of_a_tag(hub: FakeHub, clock: Clock) -> None:
    """The last change follows writes, and a rollback takes it back."""
    before = hub.call("tagLastChangeEvent", "demo-build")

    def add(fails: bool) -> None:
        with hub.state.transaction():
            hub.add_package("demo-candidate", f"package-{fails}")
            if fails:
                raise ZeroDivisionError

    with contextlib.suppress(ZeroDivisionError):
        add(True)
    assert hub.call("tagLastChangeEvent", "demo-build") == before
    assert hub.call("getPackage", "package-True") is None
    add(False)
    after = hub.call("tagLastChangeEvent", "demo-build")
    assert after > before
    assert hub.call("tagChangedSinceEvent", before, [hub.call("getTagID", "demo-candidate")])
    assert hub.call("tagLastChangeEvent", "demo-build", before=after) == before


def test_last_event_before_a_time(hub: FakeHub, clock: Clock) -> None:
    """The last event that is old enough is found, also beside the gaps of rollbacks."""
    assert hub.state.last_event(clock.seconds() - 1) == 0
    for number in range(20):
        clock.advance(10)
        with contextlib.suppress(ZeroDivisionError), hub.state.transaction():
            hub.state.event()
            if number % 3:
                raise ZeroDivisionError
    rows = hub.state.rows("events")
    for limit in {row["ts"] for row in rows} | {clock.seconds() - 55.0}:
        expected = max(row["id"] for row in rows if row["ts"] <= limit)
        assert hub.state.last_event(limit) == expected


@pytest.mark.parametrize(
    ("method", "args", "named", "read"),
    [
        ("addHost", ("empty", None), {}, ("listHosts", "x86_64")),
        ("editHost", ("builder1",), {"arches": None}, ("getAllArches",)),
        ("setBuildTimestamp", (1, 2.0**40), {}, ("listBuilds",)),
        ("setBuildTimestamp", (1, float("nan")), {}, ("getBuild", 1)),
        ("editTag2", ("demo-build",), {"extra": {"sidetag": True}}, ("listSideTags",)),
    ],
)
def test_no_write_breaks_a_read(
    hub: FakeHub, method: str, args: tuple[Any, ...], named: dict[str, Any], read: tuple[Any, ...]
) -> None:
    """Whatever odd value a call stores, or is refused, all rows can be read afterwards."""
    hub.call("createEmptyBuild", "p", "1", "1", None)
    with contextlib.suppress(UnknownFault):
        hub.call(method, *args, **named)
    assert marshal.response(hub.call(*read))


def test_one_active_row_for_a_key(hub: FakeHub) -> None:
    """A new version takes the place of the active one, whoever writes it."""
    tag = hub.call("getTagID", "demo-build")
    for value in (1, 2):
        with hub.state.transaction():
            row = {"tag_id": tag, "key": "a", "value": value}
            hub.state.insert_version("tag_extra", row, None)
    assert [row["value"] for row in hub.state.active("tag_extra", key="a")] == [2]
    side = hub.call("createSideTag", "demo-build")["name"]
    with pytest.raises(GenericError, match=f"^Tag: {side} doesn't have extra: nosuch$"):
        hub.call("editSideTag", side, remove_extra=["nosuch"])
