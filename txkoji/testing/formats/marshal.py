"""The embedded hub's side of XML-RPC: requests parsed, replies written as a real hub writes them.

It uses Python's own ``xmlrpc.client``, as Koji's hub does, and shares nothing with
``txkoji.hub.xmlrpc``, so that each shows the other's mistakes. The recordings hold it to the byte.
"""

from __future__ import annotations

import xmlrpc.client
from typing import Any, NoReturn


class BadRequest(Exception):
    """The body of a request is not an XML-RPC call. The text is the hub's."""


class _Marshaller(xmlrpc.client.Marshaller):
    # The base class looks its methods up in this table of the class.
    dispatch: dict[Any, Any] = dict(xmlrpc.client.Marshaller.dispatch)  # noqa: RUF012 - as above

    def dump_int(self, value: int, write: Any) -> None:
        if -(2**31) <= value < 2**31:
            write(f"<value><int>{value}</int></value>\n")
        elif -(2**63) <= value < 2**63:
            write(f"<value><i8>{value}</i8></value>\n")
        else:
            raise OverflowError("long int exceeds XML-RPC limits")

    dispatch[int] = dump_int


def _params(value: Any) -> str:
    # Typeshed says that `dumps` takes a str; the real one takes any marshallable value.
    marshaller: Any = _Marshaller("utf-8", allow_none=True)
    return str(marshaller.dumps((value,)))


def response(value: Any) -> bytes:
    """Write a reply that holds one value.

    Raises:
        TypeError, OverflowError: the value can't be marshalled; the hub answers fault 1 then.
    """
    text = f"<?xml version='1.0'?>\n<methodResponse>\n{_params(value)}</methodResponse>\n"
    return text.encode("utf-8", "xmlcharrefreplace")


def fault(code: int, text: str) -> bytes:
    """Write a reply that is a fault."""
    marshaller: Any = _Marshaller("utf-8", allow_none=True)
    body = marshaller.dumps(xmlrpc.client.Fault(code, text))
    return f"<?xml version='1.0'?>\n<methodResponse>\n{body}</methodResponse>\n".encode()


def stored_request(method: str, params: list[Any]) -> str:
    """Write a task's request as the hub's database holds it: a ``methodCall`` document."""
    marshaller: Any = _Marshaller("utf-8", allow_none=True)
    body = marshaller.dumps(tuple(params))
    name = f"<methodName>{method}</methodName>\n"
    return f"<?xml version='1.0'?>\n<methodCall>\n{name}{body}</methodCall>\n"


def request(body: bytes) -> tuple[str, list[Any]]:
    """Parse a request.

    Args:
        body: the body of the HTTP request.

    Returns:
        The method and its parameters.

    Raises:
        BadRequest: the body is empty or can't be parsed.
    """
    if not body:
        raise BadRequest("Empty request")
    parser: Any
    parser, unmarshaller = xmlrpc.client.getparser(use_builtin_types=False)
    # The wrapped parser of expat has no public name.
    parser._parser.EntityDeclHandler = _refuse_entity  # noqa: SLF001 - as above
    try:
        parser.feed(body)
        parser.close()
        params = unmarshaller.close()
    except Exception as error:
        # Python's parser takes anything well-formed for a call, and fails in any way.
        raise BadRequest(str(error) or type(error).__name__) from error
    return str(unmarshaller.getmethodname()), list(params)


def _refuse_entity(name: str, *_: Any) -> NoReturn:
    raise BadRequest(f"entities forbidden: {name}")
