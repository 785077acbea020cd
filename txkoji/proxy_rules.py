"""Which proxy leads to an address: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.

The rules are those of Koji's own client, which inherits them from the library requests. The program
that fetches files on a worker packs this module: it needs the standard library alone.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed lacks the second
    getproxies_environment,
    proxy_bypass_environment,  # pyright: ignore[reportAttributeAccessIssue]
)


class NamedProxy(NamedTuple):
    """A proxy as the environment names it.

    Attributes:
        variable: the variable that does.
        address: its address, perhaps with user and password.
    """

    variable: str
    address: SplitResult

    @property
    def port(self) -> int:
        """Its port."""
        return self.address.port or (443 if self.address.scheme == "https" else 80)

    @property
    def credentials(self) -> str | None:
        """The value of ``Proxy-Authorization``, None for none."""
        if self.address.username is None:
            return None
        pair = f"{unquote(self.address.username)}:{unquote(self.address.password or '')}"
        # A variable that is not UTF-8 holds surrogates.
        encoded = base64.b64encode(pair.encode("utf-8", "surrogateescape"))
        return f"Basic {encoded.decode('ascii')}"


def named_proxy(url: str, proxies: Mapping[str, str] | None = None) -> NamedProxy | None:
    """Return the proxy that leads to an address, None for none; see :func:`txkoji.proxy_for`.

    Raises:
        ValueError: a proxy that can't be used is named; the text shows no user or password.
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
    return NamedProxy(variable, _read(found.strip(), variable))


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


def _read(text: str, variable: str) -> SplitResult:
    try:
        address = urlsplit(text if "://" in text else f"http://{text.removeprefix('//')}")
        # Reading the port checks it.
        address.port  # noqa: B018
    except ValueError:
        # The parser's own words may quote a password.
        raise ValueError(f"{variable} in the environment is no usable address") from None
    if address.scheme not in ("http", "https"):
        raise ValueError(
            f"{variable} in the environment names a {address.scheme} proxy: only http and https"
            " proxies can be used"
        )
    if not address.hostname:
        raise ValueError(f"{variable} in the environment names no host")
    return address
