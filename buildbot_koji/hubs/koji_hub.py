"""``util.KojiHub``: a hub and the user who logs in there, declared once in a configuration."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from buildbot.interfaces import IRenderable
from buildbot.util.twisted import async_to_deferred
from zope.interface import implementer

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, required
from buildbot_koji.arguments.places import Place
from buildbot_koji.arguments.plugins import DeclaredObject
from buildbot_koji.hubs.brokers import check_receiving_broker
from txkoji import Connection, Profile, keytab_problem, login_problem, profiles
from txkoji.bus import Broker
from txkoji.exceptions import BrokenConfiguration
from txkoji.profiles import read_configured

_WAYS = {"kerberos": ("keytab", "principal"), "password": ("password", "user"), "ssl": ("cert",)}
"""The ``authtype`` of each way to log in, and the arguments that belong to it."""

_KEYTAB = b"\x05"
"""The first bytes of every keytab (MIT Kerberos: the keytab file format)."""

_SALT = secrets.token_bytes(16)
"""Makes the keys of two hubs differ if a secret does, without revealing the secret."""


@implementer(IRenderable)
class KojiHub(DeclaredObject):
    """A Koji hub and the credentials for it, to use in place of a profile's name.

    Secrets come from Buildbot's secret providers (``util.Secret``); the session is kept for as long
    as their values stay the same.
    """

    renders: ClassVar[bool] = True

    profile = required(
        checks.text,
        "the profile of the hub in Koji's configuration files; the other arguments override it",
        positional=True,
    )
    principal = argument(checks.text, "log in with Kerberos as this principal", secret=True)
    keytab = argument(
        checks.text,
        "the absolute path of a keytab with the key of the principal, or the keytab itself in"
        " base64, as a secret may hold it",
        secret=True,
    )
    user = argument(
        checks.text, "log in as this user, with a password", requires=("password",), secret=True
    )
    password = argument(checks.text, "the password of ``user``", requires=("user",), secret=True)
    cert = argument(
        checks.text,
        "the absolute path of a PEM file with a client certificate and its key, or the PEM text"
        " itself",
        secret=True,
    )
    proxyuser = argument(checks.text, "act as this user, if the hub allows it")
    bus = argument(
        check_receiving_broker,
        "a ``util.KojiAMQP`` or ``util.KojiAMQP1`` that reports the hub's tasks: steps and"
        " reporters see a change within a second, and poll calmly. Give it a queue of its own",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.profile = self.declared_values["profile"]

    @property
    def logs_in(self) -> bool:
        """Whether the profile's own way to log in is used."""
        ours = (name for names in _WAYS.values() for name in names)
        return all(self.declared_values[name] is None for name in ours)

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong if there is more than one way to log in."""
        ways = [names[0] for names in _WAYS.values() if any(values[each] for each in names)]
        if len(ways) > 1:
            yield f"{' and '.join(ways)} exclude each other: choose one way to log in"

    def complaints_at_load(self, values: Mapping[str, Any], place: Place) -> Iterator[str]:
        """Also read the keytab and the certificate that are given as files."""
        yield from super().complaints_at_load(values, place)
        for name in ("keytab", "cert"):
            value = values[name]
            if isinstance(value, str):
                try:
                    data = _content(name, value) or read_configured(value)
                except BrokenConfiguration as error:
                    yield str(error)
                except OSError as error:
                    yield f"{name}: can't read {value}: {error.strerror}"
                else:
                    problem = (
                        _problem_of_keytab(value, data, values["principal"])
                        if name == "keytab"
                        else _problem_of_cert(value, str(values["profile"]))
                    )
                    if problem is not None:
                        yield f"{name}: {problem}"

    def __repr__(self) -> str:
        return f"KojiHub({self.profile!r})"

    @async_to_deferred
    async def getRenderingFor(self, properties: Any) -> RenderedHub:
        """Return a Deferred of the hub with the values that Buildbot's secrets have now."""
        values = {}
        for name, value in self.declared_values.items():
            try:
                values[name] = await properties.render(value)
            except KeyError as error:
                return RenderedHub(self.declared_values, [f"{name} of {self!r}: {error.args[0]}"])
        # The broker is not checked again: rendering it gives its settings.
        known = {**values, "bus": self.declared_values["bus"]}
        return RenderedHub(values, [f"{self!r}: {each}" for each in self.complaints_about(known)])


class RenderedHub:
    """A hub whose values are all known.

    Args:
        values: the arguments of :class:`KojiHub`.
        complaints: why it can't be used; empty if it can.

    Attributes:
        key: distinguishes this hub and user from others. It reveals nothing secret.
        identity: the same across restarts, whatever the credentials; stored values for the hub are
            keyed by it.
        bus: the settings of the broker that reports its tasks, or None.
    """

    def __init__(self, values: Mapping[str, Any], complaints: list[str]) -> None:
        self._values = values
        self._complaints = complaints
        self.bus: Broker | None = None if complaints else values["bus"]
        text = repr(sorted(values.items(), key=lambda each: each[0]))
        digest = hashlib.blake2b(text.encode(), key=_SALT, digest_size=8).hexdigest()
        self.key = f"{values['profile']}-{digest}"
        who = repr([values[name] for name in ("profile", "user", "principal", "proxyuser")])
        lasting = hashlib.blake2b(who.encode(), digest_size=8).hexdigest()
        self.identity = f"{values['profile']}-{lasting}"

    def __repr__(self) -> str:
        return f"RenderedHub({self._values['profile']!r})"

    def _shown(self) -> str:
        return f"util.KojiHub({self._values['profile']!r})"

    def connect(self, reactor: Any) -> Connection:
        """Return a new connection, not logged in.

        Raises:
            ConfigurationError: the profile or a value can't be used.
        """
        if self._complaints:
            raise BrokenConfiguration("; ".join(self._complaints))
        found = profiles.load(self._values["profile"])
        given = {
            name: value
            for name, value in self._values.items()
            if value is not None and name not in ("profile", "bus")
        }
        contents = {name: _content(name, given[name]) for name in ("keytab", "cert") & given.keys()}
        files = {name: data for name, data in contents.items() if data is not None}
        directory = tempfile.mkdtemp(prefix="buildbot-koji-") if files else None
        for name, data in files.items():
            path = Path(str(directory), name)
            path.touch(mode=0o600)
            path.write_bytes(data)
            given[name] = str(path)
        if "cert" in files:
            given["cert_name"] = f"text of {self._shown()}"
        ways = [way for way, names in _WAYS.items() if given.keys() & set(names)]
        if ways:
            given["credentials_of"] = self._shown()
        authtype = ways[0] if ways else found.authtype
        connection = Connection(
            replace(found, authtype=authtype, **given),
            reactor=reactor,
            # A master may well start while its hub is down.
            first_deadline=None,
            keep_alive=True,
        )
        if directory is not None:
            weakref.finalize(connection, shutil.rmtree, directory, ignore_errors=True)
        return connection


def check_hub(value: Any) -> str | None:
    """Check for the name of a profile, or a hub with its credentials (``util.KojiHub``)."""
    if isinstance(value, (KojiHub, RenderedHub)):
        return None
    good = isinstance(value, str) and value.strip()
    return checks.text(value) if good else "must be the name of a profile or a util.KojiHub"


def profile_name(hub: Any) -> str:
    """Return the profile's name of a value that :func:`check_hub` accepts."""
    return str(hub.profile if isinstance(hub, KojiHub) else hub)


def _problem_of_keytab(value: str, data: bytes, principal: Any) -> str | None:
    problem = keytab_problem(data, principal if isinstance(principal, str) else None)
    where = value if value.startswith("/") else "its text"
    return None if problem is None else f"{where} {problem}"


def _problem_of_cert(value: str, profile: str) -> str | None:
    if not value.startswith("/"):
        return None
    made = Profile(profile, "https://", authtype="ssl", cert=value)
    return login_problem(replace(made, credentials_of="util.KojiHub"))


def _content(name: str, value: str) -> bytes | None:
    """Return the content of a file that is given instead of its path, None for a path."""
    if value.startswith("/"):
        return None
    if name == "cert" and "-----BEGIN" in value:
        return value.encode()
    if name == "keytab":
        try:
            data = base64.b64decode("".join(value.split()), validate=True)
        except binascii.Error:
            data = b""
        if data.startswith(_KEYTAB):
            return data
    kinds = {"cert": "PEM text", "keytab": "a keytab in base64"}
    raise BrokenConfiguration(
        f"{name} of util.KojiHub is neither an absolute path nor {kinds[name]}"
    )
