"""Serves an embedded hub over HTTP, with or without TLS: XML-RPC, files and pages."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.protocols.policies import WrappingFactory
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from txkoji.testing.core import HubCore
from txkoji.testing.front.certificates import CertificateAuthority, ServerContextFactory
from txkoji.testing.front.endpoint import HubResource
from txkoji.testing.front.web import FilesResource, PagesResource


class _Site(Site):
    """A site without an access log: the URLs of old clients hold secrets."""

    displayTracebacks = False
    noisy = False

    def log(self, request: Request) -> None:
        """Write nothing."""


class FrontEnd:
    """The web server of a hub.

    Args:
        hub: the hub.
        reactor: an IReactorTCP, and IReactorSSL for TLS.
        host: the address to listen on.
        tls: listen with TLS, with a certificate of the hub's own authority.
    """

    def __init__(self, hub: HubCore, reactor: Any, *, host: str, tls: bool) -> None:
        self._hub = hub
        self._reactor = reactor
        self._sites: list[WrappingFactory] = []
        self._port: Any = None
        self._files_port: Any = None
        self._directory: Path | None = None
        self._authority: CertificateAuthority | None = None
        self.host = host
        self.tls = tls

    @property
    def base_url(self) -> str:
        """The scheme, host and port, once the server is started."""
        assert self._port is not None, "the hub is not started"
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self._port.getHost().port}"

    @property
    def files_url(self) -> str:
        """The address of the files, once the server is started.

        It is plain HTTP even with TLS: Koji's own client trusts only the system's authorities when
        it downloads, whatever ``serverca`` says.
        """
        if self._files_port is not None:
            return f"http://{self.host}:{self._files_port.getHost().port}/kojifiles"
        return f"{self.base_url}/kojifiles"

    def resource(self) -> Resource:
        """Return the root resource of the hub's web server, for use without a port."""
        root = Resource()
        children: dict[bytes, Any] = {
            b"kojihub": HubResource(self._hub),
            b"kojifiles": FilesResource(self._hub),
            b"koji": PagesResource(self._hub),
        }
        for name, child in children.items():
            root.putChild(name, child)
        return root

    def start(self, port: int) -> None:
        """Listen on a port; 0 picks a free one.

        Raises:
            twisted.internet.error.CannotListenError: the port is taken.
        """
        site = self._make_site(self.resource())
        if not self.tls:
            self._port = self._reactor.listenTCP(port, site, interface=self.host)
            return
        server = self.authority.server(self.host)
        context = ServerContextFactory(server, self.authority.certificate_path)
        self._port = self._reactor.listenSSL(port, site, context, interface=self.host)
        files: Any = Resource()
        files.putChild(b"kojifiles", FilesResource(self._hub))
        number = self._hub.saved.recall("files_port") or 0
        self._files_port = self._reactor.listenTCP(
            number, self._make_site(files), interface=self.host
        )
        self._hub.saved.remember("files_port", self._files_port.getHost().port)

    def _make_site(self, resource: Resource) -> WrappingFactory:
        site = WrappingFactory(_Site(resource))
        site.noisy = False
        self._sites.append(site)
        return site

    async def stop(self) -> None:
        """Close every connection and port, and delete temporary certificates."""
        for site in self._sites:
            for connection in list(site.protocols):
                connection.transport.abortConnection()
        self._sites.clear()
        ports = [port for port in (self._port, self._files_port) if port is not None]
        self._port = self._files_port = None
        for port in ports:
            stopped = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = self._authority = None

    @property
    def authority(self) -> CertificateAuthority:
        """The hub's certificate authority; its files live in a temporary directory until stop."""
        if self._authority is None:
            self._directory = Path(tempfile.mkdtemp(prefix="embedded-koji-hub-"))
            self.use_certificates_in(self._directory)
        assert self._authority is not None
        return self._authority

    def use_certificates_in(self, directory: Path) -> None:
        """Keep the authority's files in a directory that outlives the server."""
        saved = self._hub.saved
        self._authority = CertificateAuthority(directory, saved.recall("authority"))
        saved.remember("authority", self._authority.pem)

    def profile_text(self, name: str, user: str | None) -> str:
        """Return a koji.conf with one profile of this hub.

        Args:
            name: the profile's name.
            user: log in as this user, by certificate, where the hub has TLS.
        """
        lines = [
            f"server = {self.base_url}/kojihub",
            f"weburl = {self.base_url}/koji",
            f"topurl = {self.files_url}",
            "poll_interval = 1",
            "max_retries = 2",
            "retry_interval = 1",
        ]
        if self.tls:
            lines.append(f"serverca = {self.authority.certificate_path}")
        if self.tls and user is not None:
            lines += ["authtype = ssl", f"cert = {self.authority.client(user)}"]
        else:
            lines.append("authtype = noauth")
        # Koji's client interpolates values.
        return f"[{name}]\n" + "".join(f"{line.replace('%', '%%')}\n" for line in lines)
