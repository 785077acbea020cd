"""The front end's side of a login by Kerberos ticket (RFC 4559)."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

__all__ = ["accept"]


def accept(authorization: str | None, keytab: Path) -> tuple[str, bytes] | None:
    """Return whose ticket a request carries and what to answer; None where none is good.

    Args:
        authorization: the request's header, or None.
        keytab: a keytab with the key of the service.
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme != "Negotiate":
        return None
    import gssapi

    try:
        credentials = gssapi.Credentials(usage="accept", store={"keytab": str(keytab)})
        context = gssapi.SecurityContext(creds=credentials, usage="accept")
        answer = context.step(base64.b64decode(encoded))
        # An error of the first step may show only when the context is asked.
        complete = context.complete
    except (gssapi.exceptions.GSSError, binascii.Error):
        return None
    return (str(context.initiator_name), bytes(answer or b"")) if complete else None
