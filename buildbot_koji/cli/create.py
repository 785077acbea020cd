"""``buildbot-koji example`` and ``buildbot-koji init``: a master to start with."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.threads import deferToThread

from buildbot_koji.arguments.checks import did_you_mean_any
from buildbot_koji.cli import Mistake
from buildbot_koji.words import named
from txkoji import Connection


def example() -> str:
    """Return ``example_master.cfg``."""
    return (Path(__file__).parents[1] / "example_master.cfg").read_text(encoding="utf-8")


async def create(reactor: Any, directory: Path, out: TextIO, *, profile: str, target: str) -> None:
    """Create a base directory with a working ``master.cfg``, after asking the hub.

    Raises:
        Mistake: the directory is in use, or the hub has no such target.
        KojiException: the hub can't be reached, or the login does not work.
    """
    await deferToThread(_check_empty, directory)
    koji = Connection(profile, reactor=reactor)
    try:
        if koji.settings.authtype != "noauth":
            await koji.login()
        found = await koji.checked("getBuildTarget", target)
        if found is None:
            known = sorted(each.name for each in await koji.checked("getBuildTargets") if each.name)
            meant = did_you_mean_any(target, known) or f"; there are: {named(known)}"
            raise Mistake(f"the hub has no target {target}{meant}")
    finally:
        await koji.close()
    values = {
        "HUB": profile,
        "TARGET": target,
        "BUILD_TAG": found.build_tag_name,
        "CANDIDATE_TAG": found.dest_tag_name,
        # Which tags these are, no target says.
        "TESTED_TAG": None,
        "APPROVED_TAG": None,
    }
    await deferToThread(_write, directory, values)
    print(f"{directory}/master.cfg builds for {target} of {profile}.", file=out)
    print("Set GIT, SOURCE and perhaps TESTED_TAG and APPROVED_TAG there; then:", file=out)
    for command in ("buildbot checkconfig", "buildbot-koji doctor --config", "buildbot start"):
        print(f"  {command} {shlex.quote(str(directory))}", file=out)


def _check_empty(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Mistake(f"{directory} is not empty: name a new directory")


def _write(directory: Path, values: Mapping[str, str | None]) -> None:
    def assignment(found: re.Match[str]) -> str:
        """Return the line that sets a value; one that is not ours stays."""
        name = found[1]
        if name not in values:
            return found[0]
        value = values[name]
        return f"{name} = {None if value is None else json.dumps(value, ensure_ascii=False)}"

    directory.mkdir(parents=True, exist_ok=True)
    text = re.sub(r'(?m)^([A-Z_]+) = ".*"$', assignment, example())
    buildbot = Path(sys.executable).with_name("buildbot")
    command = [str(buildbot), "create-master", str(directory)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if made.returncode:
        raise Mistake(f"buildbot create-master failed: {made.stderr.strip()[-300:]}")
    (directory / "master.cfg").write_text(text, encoding="utf-8")
