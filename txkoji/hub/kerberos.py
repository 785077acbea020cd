"""Kerberos tickets for a hub, by GSSAPI.

These calls block while they ask a KDC over the network; the client runs them in a thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from txkoji._values import one_line, shown
from txkoji.exceptions import KDCUnreachable, KojiLoginException
from txkoji.hub.ccaches import CredentialCache

SPNEGO = "1.3.6.1.5.5.2"
"""The OID of SPNEGO, by which HTTP's Negotiate (RFC 4559) selects Kerberos."""

# SPNEGO replaces Kerberos' error codes with numbers of its own, which differ from run to run: only
# the texts of MIT's and Heimdal's libraries distinguish the errors.
_UNREACHABLE = re.compile(
    r"cannot contact any KDC|cannot resolve network address for KDC|unable to reach any KDC"
    r"|service is not available that is required",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Exchange:
    """A Kerberos login in progress.

    Attributes:
        host: the name of the hub's host.
        token: what the login request carries.
    """

    host: str
    token: bytes = field(repr=False)
    _context: Any = field(repr=False)

    def check(self, answer: bytes) -> None:
        """Check the hub's answer to the token, which proves that it holds the service's key.

        A hub may omit the answer: TLS has already proved its identity, and Koji's own client never
        checks it.

        Raises:
            KojiLoginException: the answer is not from that service.
        """
        from gssapi.raw.misc import GSSError

        try:
            self._context.step(answer)
            # A failed step may show only in the context's state.
            complete = self._context.complete
        except GSSError:
            complete = False
        if not complete:
            raise KojiLoginException(
                f"what answered the login is not HTTP/{self.host}: its Kerberos answer is wrong;"
                " something stands between here and the hub, or the hub's keytab is not its own"
            )


@dataclass(frozen=True)
class Kerberos:
    """The identity that logs in, and its credentials.

    Neither environment nor credential cache of the process is changed: a keytab's tickets are kept
    in the memory of this process.

    Attributes:
        principal: the client's principal; None for that of the credential cache or the keytab.
        keytab: the path of a keytab with its key, or None. It is left out of the repr.
        ccache: the credential cache to use instead of the process's own, or None.
        owner: what messages call the owner of principal and keytab.
    """

    principal: str | None = field(default=None, repr=False)
    keytab: str | None = field(default=None, repr=False)
    ccache: str | None = field(default=None, repr=False)
    owner: str = "the profile"

    def __str__(self) -> str:
        who = f" of {shown(self.principal)}" if self.principal else ""
        return f"the Kerberos {'keytab' if self.keytab else 'ticket'}{who}"

    def begin(self, host: str) -> Exchange:
        """Start a login to the service ``HTTP/host``. Blocks while it asks the KDC.

        Returns:
            The exchange, with the token to send.

        Raises:
            KDCUnreachable: no KDC answers.
            KojiLoginException: there is no ticket; the text says why and what to do.
        """
        gssapi = _library()
        try:
            credentials = self._credentials(gssapi, self._store())
            service = gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service)
            mechanism = gssapi.OID.from_int_seq(SPNEGO)
            context = gssapi.SecurityContext(
                name=service, creds=credentials, mech=mechanism, usage="initiate"
            )
            token = context.step()
        except gssapi.raw.misc.GSSError as error:
            reason = self._reason(error)
            words = f"no ticket for HTTP/{host} with {self}: {reason}"
            if _UNREACHABLE.search(reason):
                raise KDCUnreachable(words, may_have_arrived=False) from None
            raise KojiLoginException(f"{words}; {self._remedy()}") from None
        assert token is not None
        return Exchange(host, bytes(token), context)

    def lifetime(self) -> float | None:
        """Return for how many seconds our ticket is valid. Blocks while it asks the KDC.

        A keytab is tried at the KDC, even if we have tickets from it.

        Returns:
            Seconds; None for a ticket that never expires.

        Raises:
            KojiLoginException: there is no valid ticket; the text says why and what to do.
        """
        gssapi = _library()
        store = self._store()
        if self.keytab is not None:
            store["ccache"] = f"MEMORY:txkoji-{secrets.token_hex(8)}"
        try:
            left = self._credentials(gssapi, store).lifetime
        except gssapi.raw.misc.GSSError as error:
            raise KojiLoginException(
                f"no valid ticket: {self._reason(error)}; {self._remedy()}"
            ) from None
        return None if left is None else float(left)

    def _credentials(self, gssapi: Any, store: dict[str | bytes, str | bytes]) -> Any:
        name = None
        if self.principal is not None:
            name = gssapi.Name(self.principal, gssapi.NameType.kerberos_principal)
        return gssapi.Credentials(name=name, usage="initiate", store=store or None)

    @property
    def _cache(self) -> CredentialCache:
        return CredentialCache.used(self.ccache, self.owner)

    def _store(self) -> dict[str | bytes, str | bytes]:
        # The library would wait forever for a pipe.
        keytab = self.keytab
        if keytab and os.path.exists(keytab) and not os.path.isfile(keytab):  # noqa: PTH110, PTH113
            raise KojiLoginException(f"keytab of {self.owner} is no regular file")
        if self.keytab is None or self.ccache is not None:
            problem = self._cache.problem()
            if problem is not None:
                raise KojiLoginException(problem)
        if self.keytab is None:
            return {} if self.ccache is None else {"ccache": self.ccache}
        # One cache per identity, so that a ticket is requested once in its lifetime.
        identity = f"{self.principal}\0{self.keytab}".encode()
        name = hashlib.sha256(identity).hexdigest()[:16]
        return {"client_keytab": self.keytab, "ccache": self.ccache or f"MEMORY:txkoji-{name}"}

    def _reason(self, error: Any) -> str:
        texts = error.get_all_statuses(error.min_code, False) if error.min_code else []
        if texts in ([], ["Success"]):
            texts = error.get_all_statuses(error.maj_code, True)
        words = one_line(" ".join(text for text in texts if text))
        # The path of a secret never appears in a message.
        cache = None if self.ccache is None else self._cache.rest.lstrip(":")
        for path in filter(None, (self.keytab, self.ccache, cache)):
            words = words.replace(f"FILE:{path}", "its file").replace(path, "its file")
        return words.replace(self.principal, shown(self.principal)) if self.principal else words

    def _remedy(self) -> str:
        if self.keytab is not None:
            return f"check principal and keytab of {self.owner}, and /etc/krb5.conf"
        return self._cache.remedy()


def _library() -> Any:
    try:
        import gssapi
        import gssapi.raw.misc
    except ImportError as error:
        raise KojiLoginException(
            "a login by Kerberos needs the package gssapi: pip install 'buildbot-koji[gssapi]'"
        ) from error
    return gssapi
