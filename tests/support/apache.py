"""Apache httpd in front of an embedded hub, with the configuration that Koji documents."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import PROCESS_LIMIT, free_port
from txkoji.testing import FakeHub

APACHE = shutil.which("apache2", path="/usr/sbin:/usr/bin")
HTPASSWD = shutil.which("htpasswd")
MODULES = Path("/usr/lib/apache2/modules")

_LOADED = (
    "mpm_event alias authn_core authn_file auth_basic authz_core authz_user headers proxy"
    " proxy_connect proxy_http reqtimeout rewrite setenvif socache_shmcb ssl unixd"
)

_CONFIGURATION = """
ServerRoot "{directory}"
PidFile "{directory}/httpd.pid"
ErrorLog "{directory}/error.log"
LogLevel info
CustomLog "{directory}/access.log" "%>s %{{Range}}i %U"
DefaultRuntimeDir "{directory}"
Mutex file:{directory}
ServerName 127.0.0.1
{modules}
{gssapi_module}
User www-data
Group www-data
SSLSessionCache shmcb:{directory}/sessions(512000)
KeepAlive On
KeepAliveTimeout {keep_alive_timeout}
MaxKeepAliveRequests {max_requests}
LimitRequestFieldSize {max_header}
StartServers 1
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{proxy_port}

<VirtualHost 127.0.0.1:{port}>
    SSLEngine on
    SSLProtocol {protocol}
    SSLCertificateFile "{server}"
    SSLCACertificateFile "{authority}"
    RequestHeader unset X-Koji-Client
    RequestHeader unset X-Koji-Principal
    ErrorDocument 503 "<html><title>Maintenance</title><h1>We are back soon</h1></html>"
    RewriteEngine On
    RewriteCond "{open}/maintenance-503" -f
    RewriteRule ^ - [R=503,L]
    RewriteCond "{open}/maintenance-200" -f
    RewriteRule ^ - [R=200,L]
    RewriteCond "{open}/maintenance-403" -f
    RewriteRule ^ - [R=403,L]
    <Location /kojihub/ssllogin>
        {login}
    </Location>
    {files}
    ProxyPass / {hub}/
    ProxyTimeout 60
</VirtualHost>

<VirtualHost 127.0.0.1:{proxy_port}>
    {proxy_tls}
    ProxyRequests On
    AllowCONNECT {port} 1-65535
    <Proxy "*">
        {proxy_login}
    </Proxy>
</VirtualHost>
"""

_FILES = """
    Alias /kojifiles "{directory}"
    <Directory "{directory}">
        Require all granted
    </Directory>
    ProxyPass /kojifiles !
"""

BY_CERTIFICATE = """
        SSLVerifyClient require
        SSLVerifyDepth 10
        SSLOptions +StdEnvVars
        RequestHeader set X-Koji-Client "%{SSL_CLIENT_S_DN_CN}s"
"""

BY_TICKET = """
        AuthType GSSAPI
        AuthName "GSSAPI Single Sign On Login"
        GssapiCredStore keytab:{keytab}
        Require valid-user
        RequestHeader set X-Koji-Principal "expr=%{{REMOTE_USER}}"
"""

PAGE, PAGE_WITH_200, FORBIDDEN = "maintenance-503", "maintenance-200", "maintenance-403"
"""The files that put it into maintenance, by what it answers then."""

HOW_TO_INSTALL = "needs Apache httpd: apt-get install apache2 libapache2-mod-auth-gssapi"


def is_there() -> bool:
    """Tell whether Apache httpd and its modules are installed."""
    return APACHE is not None and (MODULES / "mod_auth_gssapi.so").exists()


@dataclass
class Apache:
    """Apache httpd with TLS, and a second port that is a forward proxy.

    Attributes:
        directory: where its files go.
        hub: the address of the embedded hub, without a path.
        server: the certificate and key of the server, PEM.
        authority: the certificate of the authority of clients and server, PEM.
        protocol: what ``SSLProtocol`` says.
        login: what stands in the location of ``ssllogin``.
        password: of the user ``proxy`` of the forward proxy; None for a proxy for everyone.
        proxy_server: the certificate and key of the forward proxy, PEM; None for one without TLS.
        files: the directory that it serves as ``/kojifiles``; None to ask the hub for them.
        max_requests: what ``MaxKeepAliveRequests`` says.
        keep_alive_timeout: what ``KeepAliveTimeout`` says, seconds.
        max_header: what ``LimitRequestFieldSize`` says, bytes.
    """

    directory: Path
    hub: str
    server: Path
    authority: Path
    protocol: str = "-all +TLSv1.2 +TLSv1.3"
    login: str = BY_CERTIFICATE
    password: str | None = None
    proxy_server: Path | None = None
    files: Path | None = None
    max_requests: int = 100
    max_header: int = 8190
    keep_alive_timeout: int = 5
    port: int = 0
    proxy_port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _open: Path = field(default=Path(), repr=False)

    @classmethod
    def before(cls, hub: FakeHub, directory: Path, **settings: Any) -> Apache:
        """Start in front of a hub without TLS, which then believes what the front end says."""
        hub.trusts_front_end = True
        directory.mkdir(exist_ok=True)
        server, authority = hub.authority.server("127.0.0.1"), hub.authority.certificate_path
        front = cls(directory, hub.url.removesuffix("/kojihub"), server, authority, **settings)
        front.start()
        return front

    @property
    def url(self) -> str:
        """The address of the hub behind it, without a path."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def proxy_url(self) -> str:
        """The address of the forward proxy, with its user where it has one."""
        user = "" if self.password is None else f"proxy:{self.password}@"
        scheme = "http" if self.proxy_server is None else "https"
        return f"{scheme}://{user}127.0.0.1:{self.proxy_port}"

    @property
    def error_log(self) -> str:
        """What it has logged."""
        log = self.directory / "error.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def start(self) -> None:
        """Start, and wait until it listens."""
        self.port, self.proxy_port = free_port(), free_port()
        # The workers run as another user.
        self.directory.chmod(0o755)
        for directory in (self.directory, self.files or self.directory):
            for parent in directory.parents:
                if parent.is_relative_to("/tmp"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        # Another run of pytest closes the directory that both are in to other users.
        self._open = Path(tempfile.mkdtemp(prefix="apache-"))
        self._open.chmod(0o755)
        if self.password is not None:
            assert HTPASSWD is not None
            subprocess.run(
                [HTPASSWD, "-bc", self._open / "users", "proxy", self.password],
                check=True,
                capture_output=True,
            )
        self._write()
        assert APACHE is not None
        with (self.directory / "stderr.log").open("wb") as stderr:
            self._process = subprocess.Popen(
                [APACHE, "-DFOREGROUND", "-f", self.directory / "httpd.conf"],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        end = time.monotonic() + PROCESS_LIMIT
        # A signal that comes earlier ends it.
        while not (self._listens() and "resuming normal operations" in self.error_log):
            said = (self.directory / "stderr.log").read_text()
            assert self._process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _write(self) -> None:
        gssapi = "GSSAPI" in self.login
        proxy_login = "Require all granted"
        if self.password is not None:
            proxy_login = (
                f"AuthType Basic\n        AuthName proxy\n        AuthUserFile"
                f' "{self._open}/users"\n        Require valid-user'
            )
        text = _CONFIGURATION.format(
            directory=self.directory,
            open=self._open,
            modules="\n".join(
                f"LoadModule {name}_module {MODULES}/mod_{name}.so"
                for name in _LOADED.split()
                if (MODULES / f"mod_{name}.so").exists()
            ),
            gssapi_module=f"LoadModule auth_gssapi_module {MODULES}/mod_auth_gssapi.so"
            if gssapi
            else "",
            keep_alive_timeout=self.keep_alive_timeout,
            max_requests=self.max_requests,
            max_header=self.max_header,
            port=self.port,
            proxy_port=self.proxy_port,
            protocol=self.protocol,
            server=self.server,
            authority=self.authority,
            login=self.login,
            files="" if self.files is None else _FILES.format(directory=self.files),
            hub=self.hub,
            proxy_login=proxy_login,
            proxy_tls=""
            if self.proxy_server is None
            else f'SSLEngine on\n    SSLCertificateFile "{self.proxy_server}"',
        )
        (self.directory / "httpd.conf").write_text(text)

    def begin_maintenance(self, page: str) -> None:
        """Answer every request from now on with a page."""
        (self._open / page).touch()

    def end_maintenance(self) -> None:
        """Ask the hub again."""
        for page in (PAGE, PAGE_WITH_200, FORBIDDEN):
            (self._open / page).unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop at once."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PROCESS_LIMIT)
            self._process = None
            shutil.rmtree(self._open)
