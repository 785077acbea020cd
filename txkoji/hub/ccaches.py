"""The kinds of Kerberos credential caches: what each is on disk, and what fills it.

Nothing here calls the Kerberos library, which would wait forever if a cache were a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_KINIT = "run kinit, or set principal and keytab in the profile"

_REMEDIES = {
    "FILE": _KINIT,
    "DIR": f"{_KINIT}; {{owner}} must name the directory",
    "KCM": f"{_KINIT}; {{owner}} needs the service sssd-kcm",
    "KEYRING": f"{_KINIT}; a keyring of another session or user has no ticket for this one",
    "MEMORY": "only this process sees a MEMORY: cache, so that kinit can't fill it: set principal"
    " and keytab in the profile, or name another cache with {owner}",
}
"""What to do for a ticket, by the kind of the cache."""


@dataclass(frozen=True)
class CredentialCache:
    """The credential cache that a login takes its ticket from.

    Attributes:
        name: its name, as MIT's and Heimdal's libraries take it: ``KIND:rest``, or the path of a
            file. It may be secret.
        owner: what messages call it.
    """

    name: str = field(repr=False)
    owner: str

    @classmethod
    def used(cls, ccache: str | None, owner: str) -> CredentialCache:
        """Return the cache that the library uses: the one that ``owner`` sets, or the process's."""
        if ccache is not None:
            return cls(ccache, f"ccache of {owner}")
        name = os.environ.get("KRB5CCNAME")
        if name is not None:
            return cls(name, "KRB5CCNAME of the environment")
        return cls(f"FILE:/tmp/krb5cc_{os.getuid()}", "the default credential cache")

    @property
    def kind(self) -> str:
        """The kind, such as ``FILE``."""
        kind, colon, _ = self.name.partition(":")
        return kind if colon else "FILE"

    @property
    def rest(self) -> str:
        """What follows the kind: the path, of a cache on disk."""
        return self.name.removeprefix(f"{self.kind}:")

    def problem(self) -> str | None:
        """Return why the library must not open it, None if it may."""
        if any(os.path.exists(each) and not os.path.isfile(each) for each in self._files()):  # noqa: PTH110, PTH113
            return f"{self.owner} is no regular file"
        return None

    def remedy(self) -> str:
        """Return what to do if it has no ticket."""
        remedy = _REMEDIES.get(self.kind)
        if remedy is None:
            return f"{self.owner} is of none of the kinds FILE:, DIR:, KEYRING: and KCM:"
        return remedy.format(owner=self.owner)

    def _files(self) -> Iterator[str]:
        if self.kind == "FILE":
            yield self.rest
        elif self.kind == "DIR" and self.rest.startswith(":"):
            yield self.rest[1:]
        elif self.kind == "DIR":
            yield str(Path(self.rest, "primary"))
            try:
                yield from (str(each) for each in Path(self.rest).glob("tkt*"))
            except OSError:
                # The library says what is wrong with it.
                return
