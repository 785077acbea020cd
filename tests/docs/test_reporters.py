"""What docs/reporters.rst shows is taken by ``buildbot checkconfig``."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "reporters.rst").read_text(encoding="utf-8")
BEGIN = """\
from buildbot.plugins import reporters, schedulers, secrets, steps, util, worker

c = BuildmasterConfig = {
    "workers": [worker.LocalWorker("local")],
    "protocols": {"null": {}},
    "builders": [
        util.BuilderConfig(name=name, workernames=["local"], factory=util.BuildFactory())
        for name in ("install", "upgrade", "smoke")
    ],
    "schedulers": [
        schedulers.AnyBranchScheduler(name="all", builderNames=["install", "upgrade", "smoke"])
    ],
    "services": [],
    "secretsProviders": [secrets.SecretInAFile(dirname="secrets")],
    "buildbotNetUsageData": None,
}
"""


def test_examples(tmp_path: Path, empty_home: Path) -> None:
    """All examples of the page together are a good configuration."""
    pytest.importorskip("pika", reason="pip install 'buildbot-koji[amqp]'")
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", TEXT)
    assert len(blocks) == 6
    (tmp_path / "secrets").mkdir(mode=0o700)
    (empty_home / ".koji").mkdir()
    profile = "[koji]\nserver = https://koji.example.test/kojihub\n"
    (empty_home / ".koji" / "config").write_text(profile, encoding="utf-8")
    path = tmp_path / "master.cfg"
    path.write_text(BEGIN + "\n".join(map(textwrap.dedent, blocks)), encoding="utf-8")
    buildbot = Path(sys.executable).with_name("buildbot")
    done = subprocess.run(
        [str(buildbot), "checkconfig", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "Config file is good!\n"), done.stderr
