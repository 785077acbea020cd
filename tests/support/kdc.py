"""A Kerberos KDC with a realm of its own, its files in one directory."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support import PROCESS_LIMIT, free_port

T = TypeVar("T")

REALM = "KOJI.TEST"
SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
HOUR = 3600

PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")

marks = [
    pytest.mark.xdist_group("kdc"),
    pytest.mark.skipif(
        importlib.util.find_spec("gssapi") is None, reason="pip install 'buildbot-koji[gssapi]'"
    ),
    pytest.mark.skipif(
        not all(shutil.which(name, path=SBIN) for name in PROGRAMS),
        reason="apt-get install krb5-kdc krb5-admin-server",
    ),
]
"""The marks of tests that use a KDC."""


def needs_kdc(test: T) -> T:
    """Give a test those marks."""
    for mark in marks:
        test = mark(test)
    return test


@dataclass
class KDC:
    """A KDC on a free port.

    Attributes:
        directory: where everything of it is.
        configuration: its krb5.conf, for ``KRB5_CONFIG``.
    """

    directory: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def configuration(self) -> Path:
        return self.directory / "krb5.conf"

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": SBIN,
            "KRB5_CONFIG": str(self.configuration),
            "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
        }

    def start(self) -> None:
        """Make the realm and start."""
        self.port = free_port()
        self.configuration.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n"
            " dns_lookup_realm = false\n rdns = false\n dns_canonicalize_hostname = false\n"
            f" default_ccache_name = FILE:{self.directory}/ccache\n udp_preference_limit = 1\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n"
            f"[domain_realm]\n localhost = {REALM}\n 127.0.0.1 = {REALM}\n"
        )
        (self.directory / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n"
            f" kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {self.directory}/principal\n"
            f"  key_stash_file = {self.directory}/stash\n  max_life = 10h\n }}\n"
            f"[logging]\n kdc = FILE:{self.directory}/kdc.log\n"
        )
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        self.resume()

    def resume(self) -> None:
        """Start again after :meth:`stop`, with the same realm."""
        self._process = subprocess.Popen(
            ["krb5kdc", "-n", "-r", REALM],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + PROCESS_LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < end, "the KDC did not start"
                assert self._process.poll() is None, "the KDC ended"
            else:
                return

    def stop(self) -> None:
        """Stop."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PROCESS_LIMIT)

    def _run(self, *command: str, given: bytes = b"") -> None:
        done = subprocess.run(
            command, env=self._environment, input=given, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    def keytab(self, principal: str, name: str) -> Path:
        """Add a principal; returns a keytab with its key."""
        path = self.directory / name
        self._run("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
        self._run("kadmin.local", "-r", REALM, "-q", f"ktadd -k {path} {principal}")
        return path

    def ticket(self, principal: str, keytab: Path, name: str) -> Path:
        """Get a ticket that lasts an hour into a credential cache; returns its path."""
        path = self.directory / name
        self._run("kinit", "-k", "-t", str(keytab), "-l", "1h", "-c", str(path), principal)
        return path

    def old_ticket(self, principal: str, keytab: Path, name: str) -> Path:
        """Get a ticket whose time was over when it came; returns its credential cache."""
        path = self.ticket(principal, keytab, name)
        cache, times = path.read_bytes(), struct.Struct(">3I")
        found = {times.unpack_from(cache, at) for at in range(len(cache) - times.size + 1)}
        # When it was given, when it begins, and when it ends by the client's clock.
        [valid] = [
            (given, begin, end)
            for given, begin, end in found
            if given == begin and abs(end - begin - HOUR) < 60
        ]
        over = [each - 2 * HOUR for each in valid]
        path.write_bytes(cache.replace(times.pack(*valid), times.pack(*over)))
        return path
