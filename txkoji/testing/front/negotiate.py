"""The front end's side of a login by Kerberos ticket (RFC 4559)."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

__all__ = ["accept"]


def accept(authorization: str | None, keytab: Path) -> tuple[str, bytes] | None:
    """Return the principal of a ticket and the service's answer; None without a valid ticket.

    Args:
        authorization: the request's header, or None.
        keytab: a keytab with the key of the service.
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme != "Negotiate":
        return None
    import gssapi
    from gssapi.raw.misc import GSSError

    try:
        credentials = gssapi.Credentials(usage="accept", store={"keytab": str(keytab)})
        context = gssapi.SecurityContext(creds=credentials, usage="accept")
        answer = context.step(base64.b64decode(encoded))
        # GSSAPI may report an error of the first step only here.
        complete = context.complete
    except (GSSError, binascii.Error):
        return None
    return (str(context.initiator_name), bytes(answer or b"")) if complete else None
