"""The proxy that leads to an address, as requests need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from txkoji.exceptions import BrokenConfiguration
from txkoji.profiles import usable_host
from txkoji.proxy_rules import named_proxy


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
    try:
        found = named_proxy(url, proxies)
    except ValueError as error:
        raise BrokenConfiguration(str(error)) from None
    if found is None:
        return None
    try:
        host = usable_host(found.address.hostname or "")
    except ValueError as error:
        raise BrokenConfiguration(f"{found.variable} in the environment has {error}") from None
    return Proxy(found.address.scheme, host, found.port, found.credentials)
