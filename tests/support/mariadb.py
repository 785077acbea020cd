"""A MariaDB server of the tests' own, in a directory that goes with it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.support import PROCESS_LIMIT, free_port

SERVER = Path("/usr/sbin/mariadbd")
INSTALLER = Path("/usr/bin/mariadb-install-db")
CLIENT = Path("/usr/bin/mariadb")
USER = "mysql"
"""Whom Debian's package adds: a database server does not run as root."""

marks = [
    pytest.mark.skipif(not SERVER.exists(), reason="apt-get install mariadb-server"),
    pytest.mark.skipif(importlib.util.find_spec("pymysql") is None, reason="pip install pymysql"),
]
"""The marks of tests that use a server."""


class MariaDB:
    """A server on a free port of the loopback interface, as strict as the default is.

    Its database has 4-byte UTF-8, as Buildbot's manual asks for.
    """

    def __init__(self) -> None:
        self._port = free_port()
        # Not below pytest's own directory, into which another user can't look.
        self._directory = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self._server: subprocess.Popen[bytes] | None = None
        self._account = pwd.getpwuid(os.geteuid())
        if os.geteuid() == 0:
            self._account = pwd.getpwnam(USER)
            os.chown(self._directory, self._account.pw_uid, self._account.pw_gid)

    @property
    def url(self) -> str:
        """The address of its database, as SQLAlchemy has it."""
        return f"mysql+pymysql://buildbot:buildbot@127.0.0.1:{self._port}/buildbot?storage_engine=InnoDB"

    @property
    def _environment(self) -> dict[str, str]:
        """The environment of its programs: a server that starts empties the shared TMPDIR."""
        return {**os.environ, "TMPDIR": str(self._directory)}

    def _command(self, program: Path, *arguments: str) -> list[str]:
        command = [str(program), *arguments]
        if os.geteuid() == 0:
            drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
            command = drop + command
        return command

    def start(self) -> None:
        """Make the server's files, and start it; returns when it answers."""
        with (self._directory / "log").open("wb") as log:
            subprocess.run(
                self._command(
                    INSTALLER,
                    "--no-defaults",
                    f"--datadir={self._directory / 'data'}",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    f"--user={self._account.pw_name}",
                ),
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=self._environment,
            )
        self.resume()
        self.say(
            "CREATE USER buildbot@127.0.0.1 IDENTIFIED BY 'buildbot';"
            "GRANT ALL ON buildbot.* TO buildbot@127.0.0.1;"
        )
        self.clear()

    def clear(self) -> None:
        """Make its database empty."""
        self.say(
            "SET foreign_key_checks = 0;CREATE OR REPLACE DATABASE buildbot CHARACTER SET utf8mb4;"
        )

    def resume(self) -> None:
        """Start it, with what it had when it was halted; returns when it answers."""
        socket = self._directory / "socket"
        with (self._directory / "log").open("ab") as log:
            self._server = subprocess.Popen(
                self._command(
                    SERVER,
                    "--no-defaults",
                    f"--datadir={self._directory / 'data'}",
                    f"--socket={socket}",
                    f"--pid-file={self._directory / 'pid'}",
                    f"--port={self._port}",
                    "--bind-address=127.0.0.1",
                    # A server that is killed keeps what it has committed.
                    "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-buffer-pool-size=32M",
                    "--skip-log-bin",
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=self._environment,
            )
        self._wait_for(socket)

    def halt(self) -> None:
        """End it at once, as a crash does."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        (self._directory / "socket").unlink(missing_ok=True)

    def _wait_for(self, socket: Path) -> None:
        assert self._server is not None
        limit = time.monotonic() + PROCESS_LIMIT
        while not socket.exists():
            assert self._server.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < limit, "mariadbd did not start"
            time.sleep(0.1)

    def say(self, statements: str) -> None:
        """Run SQL as its administrator."""
        socket = self._directory / "socket"
        command = [str(CLIENT), "--no-defaults", f"--socket={socket}", "--user=root"]
        subprocess.run(command, input=statements.encode(), check=True)

    def stop(self) -> None:
        """Stop the server, and remove its files."""
        self.halt()
        shutil.rmtree(self._directory)
