"""A PostgreSQL cluster of the tests' own, in a directory that goes with it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "postgres"
"""Whom Debian's package adds: PostgreSQL does not run as root."""

marks = [
    pytest.mark.skipif(not PROGRAMS, reason="apt-get install postgresql"),
    pytest.mark.skipif(
        importlib.util.find_spec("psycopg2") is None, reason="pip install psycopg2-binary"
    ),
]
"""The marks of tests that use a cluster."""


class PostgreSQL:
    """A server on a free port of the loopback interface."""

    def __init__(self) -> None:
        self._port = free_port()
        # Not below pytest's own directory, into which another user can't look.
        self._directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(self._directory, account.pw_uid, account.pw_gid)

    @property
    def url(self) -> str:
        """The address of its database, as SQLAlchemy has it."""
        return f"postgresql+psycopg2://{USER}@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(PROGRAMS[-1] / program), "-D", str(self._directory / "data"), *arguments]
        if os.geteuid() == 0:
            drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
            command = drop + command
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self._directory,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    def start(self) -> None:
        """Make the cluster, and start it."""
        self._run("initdb", "--auth=trust", f"--username={USER}", "--no-sync")
        self.resume()

    def resume(self) -> None:
        """Start it, with what it had when it was halted."""
        options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
            # As docs/howto_several_masters.rst advises: a master that freezes in a transaction
            # keeps its locks, and its peers wait for them before they declare it dead.
            " -c fsync=off -c idle_in_transaction_session_timeout=20s"
        )
        log = str(self._directory / "log")
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={log}", f"--options={options}")

    def halt(self) -> None:
        """End it at once, as a crash does."""
        self._run("pg_ctl", "stop", "--mode=immediate", "--silent")

    def set_read_only(self, is_read_only: bool) -> None:
        """Refuse writes, as a standby does that is not yet promoted; or take them again."""
        import psycopg2

        url = self.url.replace("+psycopg2", "")
        connection = psycopg2.connect(url, options="-c default_transaction_read_only=off")
        connection.autocommit = True
        with connection.cursor() as cursor:
            value = "on" if is_read_only else "off"
            cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            cursor.execute("SELECT pg_reload_conf()")
        connection.close()

    def stop(self) -> None:
        """End it, and remove its files."""
        self.halt()
        shutil.rmtree(self._directory)
