"""Koji profiles: read configuration files into a frozen :class:`Profile`.

The places, their order and the keys are those of Koji's own client. Files that a profile
names are read by ``read_configured``, which never blocks.
"""

from __future__ import annotations

import configparser
import difflib
import errno
import ipaddress
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import idna

from txkoji._values import redacted, shown
from txkoji.exceptions import BrokenConfiguration, ProfileNotFound

__all__ = [
    "Profile",
    "alike",
    "load",
    "names",
    "open_regular",
    "read_configured",
    "searched_paths",
    "usable_host",
    "usable_url",
]

LARGEST_FILE = 16 << 20
"""Bytes of a configured file: all CAs of a system take a quarter of a megabyte."""

_IN_QUERY = "/%:@!$&'()*+,;=~-._?"

_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.IGNORECASE)
"""A part of a host name: resolvers take no empty and no longer one."""

MAX_NUMBER = 2**31 - 1

ALIKE = 0.7
"""The least similarity, 0 to 1, between a misspelt name and a suggestion."""

SYSTEM = Path("/etc")
"""Where the system's configuration is: ``koji.conf.d`` and ``koji.conf``."""

SECRETS = ("password", "keytab", "ccache")
"""Keys that ``lookup`` never returns."""


def _title(name: str) -> str:
    """Return what messages call a profile."""
    return f"the Koji profile {shown(name)!r}"


@dataclass(frozen=True, repr=False)
class Profile:
    """What a profile says. Paths are absolute, a leading ``~`` expanded.

    The repr, like every message, leaves out secrets, also those in an address that stands where
    none belongs.

    Attributes:
        name: the profile's name.
        server: the XML-RPC endpoint.
        weburl: the address of kojiweb, without a trailing slash.
        topurl: the address of kojifiles, without a trailing slash, or None.
        authtype: ``noauth``, ``ssl``, ``password`` or ``kerberos``; None to choose by what else is
            set.
        user: the name for a login by password, or None.
        password: the password for it, or None.
        cert: the client certificate with its key, or None.
        cert_name: what messages call ``cert`` if its path means nothing to the reader, or None.
        credentials_of: what messages call the owner of ``cert`` and ``keytab`` if that is not the
            profile, or None.
        serverca: the CA file that the hub's certificate is checked with; None for the system's.
        no_ssl_verify: don't check the hub's certificate.
        principal: the Kerberos principal, or None.
        keytab: the keytab for it, or None.
        ccache: the credential cache to use instead of the process's own, or None.
        proxyuser: act as this user, if the hub allows it, or None.
        timeout: seconds that a hub may take over one request. The default is 120, where Koji's own
            client waits for 12 hours.
        poll_interval: seconds between two polls of a watched task.
        settings: every key of the section as text, for ``lookup``, except secrets.
        files: the files that have the section, in order; later ones win, key by key.

    Raises:
        BrokenConfiguration: ``server``, ``weburl`` or ``topurl`` holds a user, password, query
                or fragment.
    """

    name: str
    server: str
    weburl: str = "http://localhost/koji"
    topurl: str | None = None
    authtype: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    cert: str | None = None
    cert_name: str | None = field(default=None, compare=False)
    credentials_of: str | None = field(default=None, compare=False)
    serverca: str | None = None
    no_ssl_verify: bool = False
    principal: str | None = None
    keytab: str | None = field(default=None, repr=False)
    ccache: str | None = field(default=None, repr=False)
    proxyuser: str | None = None
    timeout: float = 120
    poll_interval: int = 6
    settings: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    files: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        for key in ("server", "weburl", "topurl"):
            parts = urlsplit(getattr(self, key) or "")
            if "@" in parts.netloc or parts.query or parts.fragment:
                # Later it would be in each message about a request.
                raise BrokenConfiguration(
                    f"{key} of {self.title} holds a user, password, query or fragment: leave them"
                    " out"
                )

    def __repr__(self) -> str:
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.repr}
        words = [
            f"{key}={shown(value) if isinstance(value, str) else value!r}"
            for key, value in values.items()
        ]
        return f"Profile({', '.join(words)})"

    @property
    def title(self) -> str:
        """What messages call the profile."""
        return _title(self.name)

    @property
    def owner(self) -> str:
        """What messages call the owner of its credentials."""
        return self.credentials_of or self.title


def searched_paths(
    config: str | os.PathLike[str] | None = None, *, system: Path = SYSTEM
) -> list[Path]:
    """Return the files and directories that :func:`load` reads, in order; later ones win.

    Args:
        config: a file or directory that takes the place of the user's own two.
        system: the directory of the system's own two.
    """
    if config is not None:
        user = [_expanded(config)]
    else:
        user = [_expanded("~/.koji/config.d"), _expanded("~/.koji/config")]
    return [system / "koji.conf.d", system / "koji.conf", *user]


def _files(config: str | os.PathLike[str] | None, system: Path) -> list[Path]:
    files: list[Path] = []
    for path in searched_paths(config, system=system):
        # Unlike Path's methods, these treat a home that we may not read as an empty one.
        if os.path.isdir(path):  # noqa: PTH112
            # An editor's lock is a link that leads nowhere. Koji's own client passes it over, too.
            files += sorted(each for each in path.glob("*.conf") if os.path.isfile(each))  # noqa: PTH113
        elif os.path.exists(path):  # noqa: PTH110
            files.append(path)
        elif config is not None and path == _expanded(config):
            raise BrokenConfiguration(f"there is no configuration file {path}")
    return files


def _place(path: Path) -> str:
    """Return a path that is searched, and which of its files this user can't read."""
    is_directory = os.path.isdir(path)  # noqa: PTH112
    files = [path, *path.glob("*.conf")] if is_directory else [path]
    closed = [str(each) for each in files if _is_closed(each)]
    place = f"{path}/*.conf" if is_directory else str(path)
    return f"{place} (this user can't read {', '.join(closed)})" if closed else place


def _is_closed(path: Path) -> bool:
    try:
        open_regular(path).close()
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading, never anything that could block, like a pipe or a device.

    Raises:
        OSError: there is no regular file, or it can't be opened; ``strerror`` says why.
    """
    try:
        # Opening a pipe would block until another process writes into it.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:
        # It has a null character.
        raise OSError(errno.EINVAL, str(error)) from None
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(number, "rb")
    os.close(number)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "it is no regular file")


def read_configured(path: str | os.PathLike[str], limit: int = LARGEST_FILE) -> bytes:
    """Return the content of a file that a user's configuration names.

    The null device is an empty file: with a link to it a user hides another configuration.

    Raises:
        OSError: it is no regular file, exceeds ``limit`` bytes, or can't be read; ``strerror`` says
            why.
    """
    if Path(path).exists() and Path(path).samefile(os.devnull):
        return b""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes")
    return data


def _read(
    config: str | os.PathLike[str] | None, system: Path
) -> tuple[configparser.ConfigParser, dict[str, list[str]]]:
    """Return what all files say together, and which of them have a section, by its name."""
    config = None if config is None else _expanded(config)
    parser = configparser.ConfigParser()
    files: dict[str, list[str]] = {}
    for path in _files(config, system):
        try:
            # Some editors begin a file with a mark of its encoding.
            text = read_configured(path).decode("utf-8-sig")
            parser.read_string(text, source=str(path))
            one = configparser.ConfigParser()
            one.read_string(text)
            for section in one.sections():
                files.setdefault(section, []).append(str(path))
        except OSError as error:
            # Koji's own client passes it over, too; but what was asked for must count.
            is_asked_for = config in (path, path.parent)
            if isinstance(error, PermissionError) and not is_asked_for:
                continue
            raise BrokenConfiguration(
                f"can't read the Koji configuration {path}: {error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            raise BrokenConfiguration(f"the Koji configuration {path} is not UTF-8") from error
        except configparser.Error as error:
            # The parser's own words quote the line, which may hold a password.
            raise BrokenConfiguration(
                f"the Koji configuration {path} can't be parsed: {_syntax_error(error)}"
            ) from None
    return parser, files


def _syntax_error(error: configparser.Error) -> str:
    """Return why a file can't be parsed, and where, without a value of it."""
    lines = [number for number, _ in getattr(error, "errors", [])]
    where = f"line {lines[0] if lines else getattr(error, 'lineno', '?')}"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"{where} begins the section {shown(error.section)!r} once more"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"{where} gives {shown(error.option)} of {shown(error.section)!r} once more"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"{where} comes before any [section]"
    return f"{where} is no 'key = value'"


def names(config: str | os.PathLike[str] | None = None, *, system: Path = SYSTEM) -> list[str]:
    """Return the names of all profiles that are configured, sorted.

    Args:
        config: a file or directory to read instead of the user's own.
        system: the directory of the system's own.

    Raises:
        BrokenConfiguration: a file can't be read or parsed.
    """
    return sorted(_read(config, system)[0].sections())


def alike(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Return the known names closest to a misspelt one, closest first; capitals don't count."""
    spelt = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), spelt, n=most, cutoff=ALIKE)
    return [spelt[each] for each in near]


def _instead_of(profile: str, known: Sequence[str]) -> str:
    """Return what to do about a profile that is missing."""
    if "://" in profile:
        return "that is an address: write it into one of them as the 'server' of a profile"
    if not known:
        return "no profile is configured at all"
    near = alike(profile, known)
    meant = f"; did you mean {shown(near[0])}?" if near else ""
    return f"there are: {', '.join(map(shown, known))}{meant}"


class _Section:
    """The values of a profile, each checked for its kind; None for a key that is not given.

    Each fails with BrokenConfiguration, which names the key.
    """

    def __init__(self, profile: str, section: configparser.SectionProxy) -> None:
        self.profile = profile
        self._section = section

    def settings(self) -> dict[str, str]:
        """Return all keys as text, except secrets."""
        section = self._section
        return {key: str(section.get(key, raw=True)) for key in section if key not in SECRETS}

    def text(self, key: str) -> str | None:
        try:
            # A key that is left empty is not given, as for Koji's own client.
            return self._section.get(key) or None
        except configparser.InterpolationError:
            # Its own words quote the value.
            raise self._broken(key, "can't be read: a literal % must be written %%") from None

    def number(self, key: str) -> int | None:
        text = self.text(key)
        if text is None:
            return None
        try:
            found = int(text)
        except ValueError:
            raise self._broken(key, f"is not a whole number: {redacted(text)[:40]!r}") from None
        if not 0 <= found <= MAX_NUMBER:
            raise self._broken(
                key, f"is not a number from 0 to {MAX_NUMBER}: {redacted(text)[:40]!r}"
            )
        return found

    def flag(self, key: str) -> bool:
        text = self.text(key)
        known = configparser.ConfigParser.BOOLEAN_STATES
        if text is not None and text.lower() not in known:
            raise self._broken(key, f"is neither true nor false: {redacted(text)[:40]!r}")
        return text is not None and known[text.lower()]

    def url(self, key: str) -> str | None:
        text = self.text(key)
        try:
            found = None if text is None else usable_url(text)
        except ValueError as error:
            raise self._broken(key, f"can't be used: {error}") from None
        # Keep the slash of 'server': a front end may serve only one of the two, and redirect.
        return found if found is None or key == "server" else found.rstrip("/")

    def path(self, key: str, default: str) -> str | None:
        text = self.text(key)
        if text is not None:
            return str(_expanded(text))
        path = _expanded(default)
        # An empty key means none, not the default.
        is_default = self._section.get(key, raw=True) is None and os.path.exists(path)  # noqa: PTH110
        return str(path) if is_default else None

    def _broken(self, key: str, words: str) -> BrokenConfiguration:
        return BrokenConfiguration(f"{key} of {_title(self.profile)} {words}")


def load(
    profile: str = "koji",
    *,
    config: str | os.PathLike[str] | None = None,
    system: Path = SYSTEM,
) -> Profile:
    """Read a profile from Koji's configuration files.

    Args:
        profile: the profile's name.
        config: a file or directory to read instead of the user's own.
        system: the directory of the system's own.

    Raises:
        ProfileNotFound: no file has the profile, or it names no server. The text says where it
            looked and which profiles exist.
        BrokenConfiguration: a file can't be read or parsed, or a value is of the wrong kind.
    """
    parser, files = _read(config, system)
    where = ", ".join(_place(path) for path in searched_paths(config, system=system))
    if not parser.has_section(profile):
        remedy = _instead_of(profile, sorted(parser.sections()))
        raise ProfileNotFound(f"no Koji profile {shown(profile)!r} in {where}; {remedy}")
    section = _Section(profile, parser[profile])
    server = section.url("server")
    if server is None:
        raise ProfileNotFound(f"{_title(profile)} in {where} has no 'server'")
    return _profile(section, server, files.get(profile, ()))


def _profile(section: _Section, server: str, files: Sequence[str]) -> Profile:
    topurl = section.url("topurl")
    if topurl is None and (pkgurl := section.url("pkgurl")):
        topurl = pkgurl.removesuffix("/packages")
    # Settings that only Koji's own client uses are checked too: it reports such mistakes as well.
    for key in ("max_retries", "retry_interval", "offline_retry_interval", "upload_blocksize"):
        section.number(key)
    for key in ("anon_retry", "offline_retry", "use_fast_upload"):
        section.flag(key)
    return Profile(
        name=section.profile,
        server=server,
        weburl=section.url("weburl") or Profile.weburl,
        topurl=topurl,
        authtype=section.text("authtype"),
        user=section.text("user"),
        password=section.text("password"),
        cert=section.path("cert", "~/.koji/client.crt"),
        serverca=section.path("serverca", "~/.koji/serverca.crt"),
        # Koji's own client takes any text as true here, "False" too; we read it as meant.
        no_ssl_verify=section.flag("no_ssl_verify"),
        principal=section.text("principal"),
        keytab=section.text("keytab"),
        ccache=section.text("ccache"),
        proxyuser=section.text("proxyuser"),
        timeout=section.number("timeout") or Profile.timeout,
        poll_interval=section.number("poll_interval") or Profile.poll_interval,
        settings=section.settings(),
        files=tuple(files),
    )


def _expanded(path: str | os.PathLike[str]) -> Path:
    """Expand a leading ``~``; a path with one of an unknown user stays, as for Koji's client."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def usable_host(host: str) -> str:
    """Return a host name as it can be looked up, in ASCII; an IP address as it is, unbracketed.

    Raises:
        ValueError: there can be no such host; the text says why.
    """
    if ":" in host:
        ipaddress.ip_address(host.partition("%")[0])
        return host
    try:
        name = host if host.isascii() else idna.encode(host).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"an impossible host name: {error}") from None
    labels = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"an impossible host name: {name[:80]!r}")
    return name


def usable_url(text: str, *, query: bool = False) -> str:
    """Return a normalized address: the scheme in lower case, unsafe characters quoted.

    Args:
        text: an http or https address.
        query: whether it may have a query, which is kept.

    Raises:
        ValueError: it is no such address; the text says why, without user or password.
    """
    shown = redacted(text)
    if any(character.isspace() or ord(character) < 32 for character in text):
        raise ValueError(f"there is white space in {shown!r}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # The parser's own words may quote a password.
        raise ValueError(f"{shown!r} is no address") from None
    if port == 0:
        raise ValueError(f"{shown!r} has the port 0")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{shown!r} is no http:// or https:// address")
    if parts.username is not None:
        raise ValueError(f"{shown!r} holds a user or password: leave them out")
    if (parts.query and not query) or parts.fragment:
        raise ValueError(f"{shown!r} has a query or a fragment: leave them out")
    try:
        host = usable_host(parts.hostname)
    except ValueError as error:
        raise ValueError(f"{shown!r} has {error}") from None
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc = f"{netloc}:{port}"
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    address = f"{parts.scheme}://{netloc}{path}"
    return f"{address}?{quote(parts.query, safe=_IN_QUERY)}" if parts.query else address
