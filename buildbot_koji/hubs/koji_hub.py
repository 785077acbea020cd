"""``util.KojiHub``: a hub and who logs in there, named once in a configuration."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from buildbot.config.errors import error as config_error
from buildbot.interfaces import IRenderable
from buildbot.util.twisted import async_to_deferred
from zope.interface import implementer

from buildbot_koji.arguments import checks
from txkoji import Connection, profiles
from txkoji.exceptions import BrokenConfiguration

__all__ = ["KojiHub", "RenderedHub"]

_WAYS = {"kerberos": ("keytab", "principal"), "password": ("password", "user"), "ssl": ("cert",)}
"""The ``authtype`` of each way to log in, and the arguments that belong to it."""

KEYTAB_MAGIC = b"\x05"
"""How every keytab begins (MIT Kerberos: the keytab file format)."""

_SALT = secrets.token_bytes(16)
"""Makes the names of two hubs differ when a secret does, and tells nobody what the secret is."""


@implementer(IRenderable)
class KojiHub:
    """A Koji hub with the credentials that are used there.

    It stands wherever the name of a profile may. Secrets come from Buildbot's secret providers
    (``util.Secret``); the session is kept for as long as their values stay what they are.

    Args:
        profile: the profile of the hub in Koji's configuration files. What is given here wins over
            what it says.
        principal: log in by Kerberos as this principal.
        keytab: the absolute path of a keytab with the key of the principal, or the keytab itself
            in base64, as a secret may hold it.
        user: log in as this user, by password.
        password: the password.
        cert: the absolute path of a PEM file with a client certificate and its key, or the PEM text
            itself.
        proxyuser: act as this user, where the hub lets ours do that.
    """

    def __init__(
        self,
        profile: Any = None,
        *,
        principal: Any = None,
        keytab: Any = None,
        user: Any = None,
        password: Any = None,
        cert: Any = None,
        proxyuser: Any = None,
    ) -> None:
        self._values = {
            "profile": profile,
            "principal": principal,
            "keytab": keytab,
            "user": user,
            "password": password,
            "cert": cert,
            "proxyuser": proxyuser,
        }
        for complaint in _complaints(self._values):
            config_error(f"KojiHub: {complaint}")

    @property
    def profile(self) -> Any:
        """The profile of the hub, as it was given."""
        return self._values["profile"]

    def __repr__(self) -> str:
        return f"KojiHub({self.profile!r})"

    @async_to_deferred
    async def getRenderingFor(self, properties: Any) -> RenderedHub:
        """Return a Deferred of the hub with the values that Buildbot's secrets have now."""
        values = {}
        for name, value in self._values.items():
            try:
                values[name] = await properties.render(value)
            except KeyError as error:
                return RenderedHub(self._values, [f"{name} of {self!r}: {error.args[0]}"])
        return RenderedHub(values, [f"{self!r}: {each}" for each in _complaints(values)])


class RenderedHub:
    """A hub whose values are all known.

    Args:
        values: the arguments of :class:`KojiHub`.
        complaints: why it can't be used; empty where it can.

    Attributes:
        key: tells this hub and user from others. Nothing secret can be read from it.
    """

    def __init__(self, values: Mapping[str, Any], complaints: list[str]) -> None:
        self._values = values
        self._complaints = complaints
        text = repr(sorted(values.items(), key=lambda each: each[0]))
        digest = hashlib.blake2b(text.encode(), key=_SALT, digest_size=8).hexdigest()
        self.key = f"{values['profile']}-{digest}"

    def __repr__(self) -> str:
        return f"RenderedHub({self._values['profile']!r})"

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
            if value is not None and name != "profile"
        }
        contents = {name: _content(name, given[name]) for name in ("keytab", "cert") & given.keys()}
        files = {name: data for name, data in contents.items() if data is not None}
        directory = tempfile.mkdtemp(prefix="buildbot-koji-") if files else None
        for name, data in files.items():
            path = Path(str(directory), name)
            path.touch(mode=0o600)
            path.write_bytes(data)
            given[name] = str(path)
        ways = [way for way, names in _WAYS.items() if given.keys() & set(names)]
        authtype = ways[0] if ways else found.authtype
        connection = Connection(replace(found, authtype=authtype, **given), reactor=reactor)
        if directory is not None:
            weakref.finalize(connection, shutil.rmtree, directory, ignore_errors=True)
        return connection


def _complaints(values: Mapping[str, Any]) -> list[str]:
    # Not checks.complaints: it shows the values.
    found = ["profile is missing"] if values["profile"] is None else []
    for name, value in values.items():
        if value is not None and not checks.is_renderable(value) and checks.text(value) is not None:
            found.append(f"{name} {checks.text(value)}")
    ways = [names[0] for names in _WAYS.values() if any(values[name] is not None for name in names)]
    if len(ways) > 1:
        found.append(f"{' and '.join(ways)} exclude each other: choose one way to log in")
    if (values["user"] is None) != (values["password"] is None):
        found.append("user and password go together")
    return found


def _content(name: str, value: str) -> bytes | None:
    """Return the content of a file that is given in place of its path, None for a path."""
    if value.startswith("/"):
        return None
    if name == "cert" and "-----BEGIN" in value:
        return value.encode()
    if name == "keytab":
        try:
            data = base64.b64decode("".join(value.split()), validate=True)
        except binascii.Error:
            data = b""
        if data.startswith(KEYTAB_MAGIC):
            return data
    kinds = {"cert": "PEM text", "keytab": "a keytab in base64"}
    raise BrokenConfiguration(
        f"{name} of util.KojiHub is neither an absolute path nor {kinds[name]}"
    )
