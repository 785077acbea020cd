"""The recorded command lines of Koji's own client, on the embedded hub.

``cli.jsonl`` holds what the client did on a real hub; a third of the command lines was kept back
and the lines build on each other: :data:`MISSING` has what later ones need.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.official_client.conftest import CLIENT, running
from tests.support import DATA, PROCESS_LIMIT, REPOSITORY

HERE = Path(__file__).parent
ROWS = [json.loads(line) for line in (DATA / "cli.jsonl").read_text(encoding="utf-8").splitlines()]

MISSING = {
    "a035": ["admin add-group-req c2-build build srpm-build"],
    "a040": ["admin block-group-req c2-build build srpm-build"],
    "a107": ["admin grant-cg-access --new c2user c2cg"],
    "b010": ["admin add-pkg --owner other-user c2 cpx"],
    "b015": ["admin unblock-pkg c2 cpx"],
    "b033": ["admin remove-pkg c2 cpx"],
    "b039": ["user regen-repo c2-build"],
    "cfix001": ["user build --wait c2 git+http://git.example.test/git/cpb.git#2"],
    "cfix025": [
        "user build --nowait --wait-build=cpb-1.0-9 c2 git+http://git.example.test/git/cpb.git#6",
        "user build --nowait --wait-build=nosuch-1-1 c2 git+http://git.example.test/git/cpb.git#7",
    ],
    "d127": ["user call --python createNotification 2 None None False"],
    "e019": ["admin lock-tag c2-stable"],
    "e090": ["admin add-external-repo -t c2-build c2ext2 http://example.com/2/"],
    "e144": ["admin grant-permission dist-repo builder-user"],
    "f018": ["user untag-build c2-cand cpa-1.0-3"],
    "g002": ["admin add-tag c4 --arches x86_64", "admin add-tag-inheritance c4 c2"],
}
"""The command lines that were kept back, with who ran them, before the run that needs them."""

PHRASES = ("bad name", "my perm", "other words")
"""The arguments with blanks: the recorder left out the quotes."""

NOT_COMPARED = {
    "list-api": "the output was left out",
    "help": "the output was left out",
    "call --json-output getTaskInfo 434 --kwargs {\\request\\: true}": "the quotes were left out",
}


class Hub:
    """The driver of the client and what it learned."""

    def __init__(self, profile: Path, directory: Path) -> None:
        self.profile = profile
        self.directory = directory
        self.ids: dict[str, str] = {}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py"), str(CLIENT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
            env={"HOME": str(directory), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"},
        )  # fmt: skip

    def run(self, user: str, command: str) -> dict[str, Any]:
        """Run a recorded command line, with our ids."""
        command = re.sub(r"(--arches) (x86_64 aarch64)", r"\1='\2'", command)
        for phrase in PHRASES:
            command = command.replace(phrase, repr(phrase))
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        words = [re.sub(r"\d+$|(?<=draft_)\d+", self._own, word) for word in words]
        file = self.directory / ("cpb-1.0-7.src.rpm" if words[:1] == ["build"] else "file")
        words = [str(file) if word == "<path>" else word for word in words]
        argv = ["--config", str(self.profile), "--profile", user, *words]
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"argv": argv, "directory": str(self.directory)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def _own(self, found: re.Match[str]) -> str:
        return self.ids.get(found.group(), found.group())

    def find(self) -> None:
        """Look up what stands for the build, the RPM and the tasks that later lines name."""
        build = json.loads(self.run("anon", "call --json-output getBuild cpa-1.0-1")["output"])
        rpm = json.loads(self.run("anon", "call --json-output getRPM cpa-1.0-1.x86_64")["output"])
        noarch = json.loads(self.run("anon", "call --json-output getBuild cpb-1.0-2")["output"])
        found = {"26": build["id"], "49": rpm["id"], "455": noarch["task_id"]}
        self.ids.update({key: str(value) for key, value in found.items()})

    def learn(self, real: str, ours: str) -> None:
        """Remember which of our ids stands for a recorded one."""
        names = "Created task:?|Created task id|Got request:|Got repo|dist-build-side-|draft_"
        pattern = rf"(?:{names}) ?(\d+)"
        for theirs, own in zip(re.findall(pattern, real), re.findall(pattern, ours), strict=False):
            self.ids.setdefault(theirs, own)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """The prepared hub in a process of its own, and the client's driver in another."""
    profile = tmp_path / "koji.conf"
    for name in ("file", "cpb-1.0-7.src.rpm"):
        (tmp_path / name).write_text("")
    module = "tests.official_client.recorded_hub"
    with running(module, str(profile), directory=tmp_path) as line:
        assert line == "ready\n"
        driver = Hub(profile, tmp_path)
        yield driver
        driver.process.terminate()
        driver.process.communicate(timeout=PROCESS_LIMIT)


def plain(output: str) -> list[str]:
    """Return the lines of an output without ids, times, digests, sizes, hosts and paths."""
    output = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*( \[)", r"TIME\1", output)
    output = re.sub(r"\w{3}, ?\d\d \w{3} \d{4} \d\d:\d\d:\d\d( \w+)?", "TIME", output)
    output = re.sub(r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}", "TIME", output)
    output = re.sub(r"^.*, ([\w ]+)-?(\w*)!$", r"GREETING \1", output, flags=re.MULTILINE)
    output = re.sub(r"(?<![\w/])/tmp/\S+", "<path>", output)
    output = re.sub(r"https?://[\w.:]+/", "http://HOST/", output)
    output = re.sub(r"(?<!\w)[0-9a-f]{32,}", "HASH", output)
    output = re.sub(r"\d+(\.\d+)?", "N", output)
    return [re.sub(r"[ \-]+", " ", line).strip() for line in output.splitlines() if line.strip()]


def alike(real: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Compare the exit status, the error in words, and the shape of an output."""
    if real["exit"] != ours["exit"]:
        return False
    if "<Fault 1:" in real["output"]:
        # A hub that breaks says where in its source.
        return "<Fault 1:" in ours["output"]
    theirs, own = plain(real["output"]), plain(ours["output"])
    if theirs == own:
        return True
    if real["exit"] or not theirs or not own:
        # What the client said last is the error.
        return theirs[-1:] == own[-1:]
    theirs, own = ([re.split(r"[:=]", line)[0] for line in lines] for lines in (theirs, own))
    return len(set(theirs) & set(own)) >= 0.5 * len(set(theirs) | set(own))


@pytest.mark.limit(300)
def test_recorded_command_lines(hub: Hub) -> None:
    """At least 98 of 100 command lines end as on a real hub, with output of the same shape."""
    unlike = []
    count = 0
    for row in ROWS:
        if row["run"].startswith("k") or row["output"].startswith("Available commands"):
            # A client with other plugins.
            continue
        for command in MISSING.get(row["run"], ()):
            made = hub.run(*command.split(" ", 1))
            if made["exit"]:
                print("not prepared:", command, made["output"][-300:])
        if row["run"] == "cfix003":
            hub.find()
        ours = hub.run(row["as"], row["command"])
        hub.learn(row["output"], ours["output"])
        if row["command"] in NOT_COMPARED:
            continue
        count += 1
        if not alike(row, ours):
            unlike.append((row, ours))
    for row, ours in unlike:
        print(f"{row['run']} {row['as']} {row['command']}")
        print(f"   real {row['exit']} {row['output'][-400:]!r}\n   ours {ours['exit']}", end=" ")
        print(f"{ours['output'][-400:]!r}")
    print(f"{count - len(unlike)} of {count} alike")
    assert count > 0.8 * len(ROWS) > 100
    assert len(unlike) <= 0.02 * count, f"{len(unlike)} of {count}"
