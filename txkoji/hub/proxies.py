"""Which proxy leads to an address: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.

The rules are those of Koji's own client, which inherits them from the library requests.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed lacks the second
    getproxies_environment,
    proxy_bypass_environment,  # pyright: ignore[reportAttributeAccessIssue]
)

from txkoji.exceptions import BrokenConfiguration
from txkoji.profiles import usable_host


@dataclass(frozen=True)
class Proxy:
    """A forward proxy.

    Attributes:
        scheme: how to talk to it, ``http`` or ``https``.
        host: its host.
        port: its port.
        credentials: the value of ``Proxy-Authorization``, or None. Left out of the repr and of
            messages.
    """

    scheme: str
    host: str
    port: int
    credentials: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __str__(self) -> str:
        return f"the proxy {self.url}"


def proxy_for(url: str, proxies: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy that leads to an address, None for a direct connection.

    Args:
        url: the address.
        proxies: the proxies by scheme, and under ``no`` the hosts that need none; by default those
            of the environment.

    Raises:
        BrokenConfiguration: the environment names a proxy that can't be used.
    """
    # An empty no_proxy does not hide NO_PROXY.
    no = {"no": os.environ.get("NO_PROXY", "")}
    settings = {**no, **getproxies_environment()} if proxies is None else dict(proxies)
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = settings.get(parts.scheme) or settings.get("all")
    if not found or _is_exempt(host, parts.port, settings):
        return None
    variable = f"{parts.scheme if settings.get(parts.scheme) else 'all'}_proxy"
    return _read(found, variable)


def _is_exempt(host: str, port: int | None, settings: Mapping[str, str]) -> bool:
    names = [host, f"{host}:{port}", f"[{host}]:{port}"] if port else [host]
    if any(proxy_bypass_environment(name, dict(settings)) for name in names):
        return True
    entries = [each for each in settings.get("no", "").replace(" ", "").split(",") if each]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in map(_network, entries) if network is not None)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _read(text: str, variable: str) -> Proxy:
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text.removeprefix('//')}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        # The parser's own words may quote a password.
        raise BrokenConfiguration(f"{variable} in the environment is no usable address") from None
    if parts.scheme not in ("http", "https"):
        raise BrokenConfiguration(
            f"{variable} in the environment names a {parts.scheme} proxy: only http and https"
            " proxies can be used"
        )
    if not parts.hostname:
        raise BrokenConfiguration(f"{variable} in the environment names no host")
    try:
        host = usable_host(parts.hostname)
    except ValueError as error:
        raise BrokenConfiguration(f"{variable} in the environment has {error}") from None
    credentials = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # A variable that is not UTF-8 holds surrogates.
        encoded = base64.b64encode(pair.encode("utf-8", "surrogateescape"))
        credentials = f"Basic {encoded.decode('ascii')}"
    return Proxy(parts.scheme, host, port, credentials)
