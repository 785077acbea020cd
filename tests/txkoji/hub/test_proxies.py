"""Proxies of the environment: which one leads where, and a hub behind a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from requests.utils import get_environ_proxies, select_proxy, should_bypass_proxies
from twisted.internet import reactor

from tests.support import apache, do_not_retry
from tests.support.apache import Apache
from tests.support.ends import AtEnd
from txkoji import Connection, Profile
from txkoji.exceptions import BrokenConfiguration, ConnectionFailed, HTTPStatusError, TLSError
from txkoji.hub.proxies import proxy_for
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(tls=True, anonymous_user=None)

HUB = "https://koji.example.com/kojihub"
PASSWORD = "unseen proxy word"


@pytest.mark.parametrize(
    ("url", "proxies", "expected"),
    [
        (HUB, {}, None),
        (HUB, {"https": "http://p:3128"}, "the proxy http://p:3128"),
        (HUB, {"http": "http://p:3128"}, None),
        (HUB, {"https": "//[::1]:3128"}, "the proxy http://[::1]:3128"),
        (HUB, {"all": "p:3128"}, "the proxy http://p:3128"),
        (HUB, {"https": "p"}, "the proxy http://p:80"),
        (HUB, {"https": "https://p"}, "the proxy https://p:443"),
        ("http://koji.example.com/kojihub", {"http": "http://p:1"}, "the proxy http://p:1"),
        (HUB, {"https": "http://p", "no": "example.com"}, None),
        (HUB, {"https": "http://p", "no": ".example.com"}, None),
        (HUB, {"https": "http://p", "no": "koji.example.com:443"}, "the proxy http://p:80"),
        (
            "https://koji.example.com:8443/",
            {"https": "http://p", "no": "koji.example.com:8443"},
            None,
        ),
        (HUB, {"https": "http://p", "no": "other.com, *"}, "the proxy http://p:80"),
        (HUB, {"https": "http://p", "no": "*"}, None),
        ("https://10.1.2.3/kojihub", {"https": "http://p", "no": "10.0.0.0/8"}, None),
        ("https://[::1]:8/kojihub", {"https": "http://p", "no": "x, ::1/128"}, None),
        ("https://[::1]:8/kojihub", {"https": "http://p", "no": "[::1]:8"}, None),
        ("https://[::1]:8/", {"https": "http://p", "no": "[::1]:9"}, "the proxy http://p:80"),
        (
            "https://11.1.2.3/kojihub",
            {"https": "http://p", "no": "10.0.0.0/8"},
            "the proxy http://p:80",
        ),
    ],
)
def test_choice(url: str, proxies: dict[str, str], expected: str | None) -> None:
    """The variables mean what they mean to Koji's own client."""
    found = proxy_for(url, proxies)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize("host", ["koji.example.com", "10.1.2.3", "koji"])
@pytest.mark.parametrize("port", ["", ":8443"])
def test_exemptions(host: str, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY exempts what it exempts for the library of Koji's own client."""
    entries = (
        "*|foo, *| * |.example.com|example.com|*.example.com|KOJI.EXAMPLE.COM|.koji"
        "|koji.example.com:8443|koji:443|10.0.0.0/8|10.1.2.3|10.1.2.3:8443|10.0.0.0/99"
        "|, ,|koji.example.com other|koji,|."
    )
    url = f"https://{host}{port}/kojihub"
    unlike = []
    for entry in entries.split("|"):
        found = proxy_for(url, {"https": "http://p", "no": entry})
        if (found is None) != should_bypass_proxies(url, entry):
            unlike.append(entry)
    # The address with its port is meant, though requests does not see it.
    assert unlike == (["10.1.2.3:8443"] if (host, port) == ("10.1.2.3", ":8443") else [])


def test_variable_that_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty no_proxy does not hide NO_PROXY, as for the library of Koji's own client."""
    url = "https://koji.test/kojihub"
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("HTTPS_PROXY", "http://p")
    assert str(proxy_for(url)) == "the proxy http://p:80"
    monkeypatch.setenv("NO_PROXY", "test")
    assert proxy_for(url) is None
    assert select_proxy(url, get_environ_proxies(url)) is None


@pytest.mark.parametrize(
    ("entry", "direct"),
    [("::1", True), ("[::1]", True), ("::/8", True), ("[::]/8", True), ("fd00::/8", False)],
)
def test_exempt_address(entry: str, direct: bool) -> None:
    """Addresses of IPv6 and their networks are exempt with brackets and without."""
    found = proxy_for("https://[::1]/kojihub", {"https": "http://p", "no": entry})
    assert (found is None) == direct


@pytest.mark.parametrize(
    "value",
    [
        "socks5://p:1080",
        "http://",
        "http://p:port",
        "ftp://u:w@p",
        "http://u:w@[::1",
        "http://u:w@p..q",
        "http://u:w@p:99999",
    ],
)
def test_unusable_proxy(value: str) -> None:
    """An unusable proxy is reported with the variable's name, without its password."""
    with pytest.raises(BrokenConfiguration, match="https_proxy in the environment") as caught:
        proxy_for(HUB, {"https": value})
    assert "u:w" not in str(caught.value)


def test_credentials_are_hidden() -> None:
    """User and password go into a header, and into no text."""
    found = proxy_for(HUB, {"https": "http://me%40x:s3cret@p:3128"})
    assert found is not None
    assert found.credentials == "Basic bWVAeDpzM2NyZXQ="
    assert "s3cret" not in repr(found) + str(found)
    # A variable that is not UTF-8 comes with surrogates; white space around it is none of it.
    odd = proxy_for(HUB, {"https": " http://me:\udcff@pröxy:1 "})
    assert odd is not None
    assert (odd.host, odd.credentials) == ("xn--prxy-6qa", "Basic bWU6/w==")
    assert found.credentials not in repr(found)


@pytest.fixture
def with_tls() -> bool:
    """Whether the proxy itself is talked to over TLS."""
    return False


@pytest.fixture
def proxy(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_tls: bool) -> Any:
    """A forward proxy that asks for a password."""
    if not apache.is_there():
        pytest.skip(apache.HOW_TO_INSTALL)
    directory = tmp_path / "apache"
    directory.mkdir()
    front = Apache(
        directory,
        hub.url.removesuffix("/kojihub"),
        hub.authority.server("127.0.0.1"),
        hub.authority.certificate_path,
        password=PASSWORD,
        proxy_server=hub.authority.server("127.0.0.1") if with_tls else None,
    )
    front.start()
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield front
    front.stop()


def connection(hub: FakeHub) -> Connection:
    profile = Profile(
        name="t", server=hub.url, serverca=str(hub.authority.certificate_path), authtype="ssl",
        cert=str(hub.certificate("alice")),
    )  # fmt: skip
    return Connection(profile, reactor=reactor)


@pytest.mark.parametrize("with_tls", [False, True])
@pytest_twisted.ensureDeferred
async def test_https_by_proxy(hub: FakeHub, proxy: Apache, monkeypatch: pytest.MonkeyPatch) -> None:
    """An https hub is reached through a tunnel; the login by certificate works inside it."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.proxy_url.replace(" ", "%20"))
    koji = connection(hub)
    assert await koji.login()
    assert (await koji.getLoggedInUser()).name == "alice"
    await koji.close()
    assert PASSWORD not in repr(koji.client)


@pytest_twisted.ensureDeferred
async def test_http_by_proxy(
    hub: FakeHub, proxy: Apache, monkeypatch: pytest.MonkeyPatch, at_end: AtEnd
) -> None:
    """A plain http hub is asked for by its whole address; its proxy is looked up once."""
    plain = FakeHub(reactor)
    at_end(plain.stop)
    await plain.start()
    monkeypatch.setenv("http_proxy", proxy.proxy_url.replace(" ", "%20"))
    koji = Connection(Profile(name="t", server=plain.url), reactor=reactor)
    at_end(koji.close)
    assert await koji.getKojiVersion() == plain.version
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert await koji.getKojiVersion() == plain.version


@pytest_twisted.ensureDeferred
async def test_proxy_that_wants_a_login(
    hub: FakeHub,
    proxy: Apache,
    monkeypatch: pytest.MonkeyPatch,
    at_end: AtEnd,
) -> None:
    """Without a password the proxy refuses: the error names it and says at once what to do."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.proxy_port}")
    koji = connection(hub)
    at_end(koji.close)
    with pytest.raises(HTTPStatusError, match=r"the proxy http://127.*407: it asks for a login"):
        await koji.getKojiVersion()


@pytest.mark.parametrize("with_tls", [True])
@pytest_twisted.ensureDeferred
async def test_proxy_that_is_not_trusted(
    hub: FakeHub, proxy: Apache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of TLS with the proxy is reported as the proxy's, for both kinds of hubs."""
    words = r"no secure connection to the proxy https://127\..*neither serverca nor the system"
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.proxy_url.replace(" ", "%20"))
    for url in (hub.url, hub.url.replace("https:", "http:")):
        koji = Connection(Profile(name="t", server=url), reactor=reactor)
        with pytest.raises(TLSError, match=words):
            await koji.getKojiVersion()
        await koji.close()


@pytest_twisted.ensureDeferred
async def test_proxy_that_is_not_there(
    hub: FakeHub,
    proxy: Apache,
    monkeypatch: pytest.MonkeyPatch,
    at_end: AtEnd,
) -> None:
    """Nobody is sent to look at the profile when the proxy is down."""
    proxy.stop()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.proxy_port}")
    koji = connection(hub)
    at_end(koji.close)
    do_not_retry(koji)
    with pytest.raises(ConnectionFailed, match=r"the proxy http://.*check the environment"):
        await koji.getKojiVersion()
