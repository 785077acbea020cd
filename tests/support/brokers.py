"""A RabbitMQ broker with users, TLS and AMQP 1.0, its files in one directory."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import mock
import pytest

from tests.support import PROCESS_LIMIT, free_port, poll
from txkoji.bus import Publisher
from txkoji.testing.front.certificates import CertificateAuthority

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Not the one on the PATH: that one changes to the user rabbitmq."""

marks = [
    # One broker is enough for all tests.
    pytest.mark.xdist_group("broker"),
    pytest.mark.skipif(not SERVER.exists(), reason="apt-get install rabbitmq-server"),
    pytest.mark.skipif(
        not (importlib.util.find_spec("pika") and importlib.util.find_spec("proton")),
        reason="pip install 'buildbot-koji[amqp,amqp1]'",
    ),
]
"""The marks of tests that use the fixture ``broker``."""

PLUGINS = "[rabbitmq_amqp1_0,rabbitmq_auth_mechanism_ssl]."
USER = "koji"
PASSWORD = "a-broker's-password"
COOKIE = "not-a-secret-cookie"


@contextmanager
def impatient(publisher: Publisher) -> Iterator[None]:
    """Let a publisher give up after a second: a busy machine takes longer for what succeeds."""
    with mock.patch.object(publisher, "_timeout", 1):
        yield


def _hashed(password: str) -> str:
    salt = b"salt"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


@dataclass
class RabbitMQ:
    """A broker on free ports of the loopback interface.

    The user ``koji`` logs in with a password, ``bob`` with a client certificate only; ``nobody``
    logs in with the same password and may do nothing. Over AMQP 1.0 one need not log in.

    Attributes:
        directory: where everything of it is.
        port: its port without TLS.
        tls_port: its port with TLS.
    """

    directory: Path
    port: int = 0
    tls_port: int = 0
    _other_ports: tuple[int, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _authority: CertificateAuthority | None = field(default=None, repr=False)
    _is_frozen: bool = False

    @property
    def url(self) -> str:
        """Its address without TLS."""
        return f"amqp://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Its address with TLS."""
        return f"amqps://localhost:{self.tls_port}"

    @property
    def ca(self) -> str:
        """The file of its authority."""
        assert self._authority is not None
        return str(self._authority.certificate_path)

    def certificate(self, user: str) -> str:
        """Return the path of a client certificate with its key."""
        assert self._authority is not None
        return str(self._authority.client(user))

    @property
    def _environment(self) -> dict[str, str]:
        here = self.directory
        distribution, mapper = self._other_ports
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(here / "home"),
            "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": "test@localhost",
            "RABBITMQ_MNESIA_BASE": str(here / "database"),
            "RABBITMQ_LOG_BASE": str(here / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(here / "generated"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(here / "none.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "plugins"),
            "RABBITMQ_PID_FILE": str(here / "pid"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def make(self) -> None:
        """Write its files."""
        self.port, self.tls_port = free_port(), free_port()
        self._other_ports = free_port(), free_port()
        for name in ("home", "database", "log", "generated", "certificates"):
            (self.directory / name).mkdir()
        cookie = self.directory / "home/.erlang.cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)
        self._authority = CertificateAuthority(self.directory / "certificates")
        server = self._authority.server("localhost")
        (self.directory / "plugins").write_text(PLUGINS)
        definitions = self.directory / "definitions.json"
        definitions.write_text(json.dumps(self._definitions()))
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
            f"ssl_options.cacertfile = {self.ca}\n"
            f"ssl_options.certfile = {server}\n"
            f"ssl_options.keyfile = {server}\n"
            "ssl_options.verify = verify_peer\n"
            "ssl_options.fail_if_no_peer_cert = false\n"
            "ssl_cert_login_from = common_name\n"
            "auth_mechanisms.1 = EXTERNAL\n"
            "auth_mechanisms.2 = PLAIN\n"
            "auth_mechanisms.3 = AMQPLAIN\n"
            "log.console = false\n"
            f"load_definitions = {definitions}\n"
        )

    def _definitions(self) -> dict[str, object]:
        # guest is whom RabbitMQ takes an anonymous client for.
        hashes = {
            USER: _hashed(PASSWORD),
            "bob": "",
            "guest": _hashed("guest"),
            "nobody": _hashed(PASSWORD),
        }
        everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
        nothing = {"vhost": "/", "configure": "", "write": "", "read": ""}
        return {
            "vhosts": [{"name": "/"}],
            "users": [
                {
                    "name": name,
                    "password_hash": hashed,
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": "",
                }
                for name, hashed in hashes.items()
            ],
            "permissions": [
                {"user": name, **(nothing if name == "nobody" else everything)} for name in hashes
            ],
        }

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.launch()
        self._wait()

    def mend(self) -> None:
        """Let it answer: a test that failed may have left it ended, frozen or starting."""
        if self._process is None:
            self.launch()
        elif self._is_frozen:
            self.thaw()
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + PROCESS_LIMIT
        while not self.answers():
            assert time.monotonic() < end, "the broker did not start"
            assert self._process is not None
            assert self._process.poll() is None, "the broker ended"
            time.sleep(0.1)

    def launch(self) -> None:
        """Start, without waiting."""
        self._process = subprocess.Popen(
            [SERVER],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
            start_new_session=True,
        )

    def answers(self) -> bool:
        """Tell whether it answers the first bytes of AMQP."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(1))
        except OSError:
            return False

    @property
    def _virtual_machine(self) -> int:
        """The process that is the broker: what was started is a shell that waits for it."""
        return int((self.directory / "pid").read_text())

    def kill(self) -> None:
        """End it as a crash does, once it has written what its queues have voted.

        RabbitMQ 3.10 writes that within seconds. It finds no leader for a quorum queue that it had
        not written that of, and takes no message for the queue any more. That is no subject of our
        tests.
        """
        self.evaluate("[dets:sync(Table) || Table <- dets:all()], ok.")
        self._end()

    def evaluate(self, erlang: str) -> None:
        """Evaluate expressions of Erlang that return ok in the broker."""
        done = subprocess.run(
            # rabbitmqctl, a virtual machine of its own, takes seconds for it.
            ["erl_call", "-sname", "test@localhost", "-c", COOKIE, "-e"],
            input=f"{erlang}\n".encode(),
            env=self._environment,
            capture_output=True,
            check=True,
        )
        assert done.stdout == b"{ok, ok}", done.stdout

    def _end(self) -> None:
        if self._process is not None:
            # The shell that started it, and it, if it has come to be.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PROCESS_LIMIT)
            self._process = None

    def stop(self) -> None:
        """End it, and the name service that it started. It is not needed any more."""
        self._end()
        subprocess.run(
            ["epmd", "-port", str(self._other_ports[1]), "-kill"],
            env=self._environment,
            capture_output=True,
            check=False,
        )

    async def freeze(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        os.kill(self._virtual_machine, signal.SIGSTOP)
        self._is_frozen = True
        # Its threads run on until the one that gets the signal is scheduled.
        await poll(lambda: _is_stopped(self._virtual_machine))

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._virtual_machine, signal.SIGCONT)
        self._is_frozen = False


def _is_stopped(process: int) -> bool:
    """Tell whether all threads of a process are stopped."""
    try:
        threads = [each.read_text() for each in Path(f"/proc/{process}/task").glob("*/stat")]
    except OSError:
        # One has just ended.
        return False
    return all(each.rpartition(")")[2].split()[0] == "T" for each in threads)
