"""What a change source makes of a state that it can't read."""

from __future__ import annotations

import json
import sqlite3

import pytest
import pytest_twisted

from buildbot_koji.changes.switch import pause_source
from tests.buildbot_koji.inprocess import Site, koji
from tests.support import until


def replaced(site: Site, row: str, text: str | None) -> str:
    """Replace a row of the first source, with one of a newer version for None; returns the old."""
    place = "name = ? AND objectid = (SELECT id FROM objects WHERE name = 'KojiChangeSource-fake')"
    with sqlite3.connect(site.directory / "state.sqlite") as database:
        found = database.execute(f"SELECT value_json FROM object_state WHERE {place}", (row,))
        [(before,)] = found
        text = json.dumps({**json.loads(before), "pace": 3}) if text is None else text
        database.execute(f"UPDATE object_state SET value_json = ? WHERE {place}", (text, row))
    return str(before)


@pytest.mark.parametrize(
    ("row", "text", "said"),
    [
        ("standing", None, "a newer version of buildbot_koji stored the state of a change source"),
        ("standing", '{"cursor": nu', "holds the state 'standing' of 'KojiChangeSource-fake', dam"),
        ("standing", '{"cursor": {}}', "holds the cursor of a change source, damaged"),
        ("standing", "[]", "holds the state of a change source, damaged"),
        ("paused", '"no"', "holds whether a change source is paused, damaged"),
        ("paused", "[", "holds the state 'paused' of 'KojiChangeSource-fake', damaged"),
        ("held", "[1]", "holds the number of changes that are held back, damaged"),
        ("held-0", '[{"proper', "holds the state 'held-0' of 'KojiChangeSource-fake', damaged"),
        ("held-0", "[{}]", "holds changes that are held back, damaged"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_unreadable_state(
    site: Site, row: str, text: str | None, said: str, logged: list[str]
) -> None:
    """A source waits, and says why in one line; others work; nothing is lost once it is mended."""
    await site.listen(koji(max_changes_per_hour=1), koji(name="other"))
    await pause_source(site.master.master, "KojiChangeSource-fake", False)
    site.build()
    site.build()
    await site.polled()
    await site.polled("other")
    await site.master.stop()
    before = replaced(site, row, text)
    master = site.master
    await master.start()
    await until(lambda: any(said in line for line in logged))
    site.build()
    await site.polled("other")
    source, other = master.sources
    assert (source.status().listener.state, other.status().listener.state) == (
        "unreachable",
        "listening",
    )
    assert said in source.status().listener.reason
    assert len(await master.changes()) == 1 + 3
    if text is not None:
        assert replaced(site, row, before) == text
    else:
        replaced(site, row, before)
    source._running.wake()
    await until(lambda: source.status().listener.state == "listening")
    assert len([line for line in logged if said in line]) == 1
    master.reactor.ahead += 3 * 3600
    await site.polled()
    await site.polled()
    await site.polled()
    assert len(set(await master.keys())) == 3
    assert len(await master.keys()) >= 5
