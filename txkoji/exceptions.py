"""Every error that txkoji raises, in one tree.

::

    KojiException
    ├── HubFault                     the hub answered "no"; one class for each fault code
    │   ├── GenericError        1000     (the parent of those below)
    │   │   ├── LockError           1001
    │   │   ├── AuthError           1002
    │   │   │   ├── AuthLockError       1006
    │   │   │   ├── AuthExpired         1007
    │   │   │   ├── SequenceError       1008
    │   │   │   ├── RetryError          1009
    │   │   │   └── GSSAPIAuthError     1023
    │   │   ├── TagError            1003
    │   │   ├── ActionNotAllowed    1004
    │   │   ├── BuildError          1005
    │   │   │   ├── PreBuildError       1010
    │   │   │   ├── PostBuildError      1011
    │   │   │   └── BuildrootError      1012
    │   │   ├── FunctionDeprecated  1013
    │   │   ├── ServerOffline       1014
    │   │   ├── LiveCDError         1015
    │   │   ├── PluginError         1016
    │   │   │   └── CallbackError       1017
    │   │   ├── ApplianceError      1018
    │   │   ├── ParameterError      1019
    │   │   ├── KojiImportError     1020
    │   │   ├── HubConfigurationError 1021
    │   │   ├── LiveMediaError      1022
    │   │   └── NameValidationError 1024
    │   └── UnknownFault             any other code: 1 is an error of the hub's own Python
    ├── KojiLoginException           the login failed
    │   └── KDCUnreachable               (a TransportError, too)
    ├── TransportError               a request or its reply was lost
    │   ├── ConnectionFailed
    │   ├── RequestTimeout
    │   ├── TLSError
    │   ├── HTTPStatusError
    │   └── UnknownOutcome           whether the hub has the submitted task is unknown
    ├── ProtocolError                the reply is not one that a Koji hub sends
    │   ├── NotXMLRPC
    │   │   └── UnreadableReply
    │   ├── TruncatedReply
    │   ├── ReplyTooLarge
    │   ├── UnusableAnswer               well-formed, but of a type that the method never returns
    │   └── ForbiddenXML
    │       └── ReplyTooDeep         (an UnreadableReply, too)
    ├── TransferError                a file was not transferred intact
    ├── BusError                     a message broker can't be used
    │   ├── BrokerUnreachable            no connection, a broken one, or no answer in time
    │   ├── BrokerRefusal                it refuses the login, the queue or the address
    │   └── MessageNotTaken              it did not accept this message
    ├── MalformedMessage             a bus message is not what a hub's plugin writes
    └── ConfigurationError           a profile that can't be used (also a ValueError)
        ├── ProfileNotFound
        └── BrokenConfiguration

The numbers and parents of the hub's faults are Koji's own. A fault means that the hub understood
the call and refused it. A :class:`TransportError` or :class:`ProtocolError` means that the hub's
answer is unknown. That distinguishes an infrastructure problem from a package that does not build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from txkoji._values import excerpt, one_line

__all__ = [
    "FAULT_CLASSES",
    "ActionNotAllowed",
    "ApplianceError",
    "AuthError",
    "AuthExpired",
    "AuthLockError",
    "BrokenConfiguration",
    "BrokerRefusal",
    "BrokerUnreachable",
    "BuildError",
    "BuildrootError",
    "BusError",
    "CallbackError",
    "ConfigurationError",
    "ConnectionFailed",
    "ForbiddenXML",
    "FunctionDeprecated",
    "GSSAPIAuthError",
    "GenericError",
    "HTTPStatusError",
    "HubConfigurationError",
    "HubFault",
    "KDCUnreachable",
    "KojiException",
    "KojiImportError",
    "KojiLoginException",
    "LiveCDError",
    "LiveMediaError",
    "LockError",
    "MalformedMessage",
    "MessageNotTaken",
    "NameValidationError",
    "NotXMLRPC",
    "ParameterError",
    "PluginError",
    "PostBuildError",
    "PreBuildError",
    "ProfileNotFound",
    "ProtocolError",
    "ReplyTooDeep",
    "ReplyTooLarge",
    "RequestTimeout",
    "RetryError",
    "SequenceError",
    "ServerOffline",
    "TLSError",
    "TagError",
    "TransferError",
    "TransportError",
    "TruncatedReply",
    "UnknownFault",
    "UnknownOutcome",
    "UnreadableReply",
    "UnusableAnswer",
    "fault_from",
]

_QUOTED = 80
"""How many characters of an odd answer a message shows."""

_UNKNOWN_METHOD = re.compile(r"Invalid method: ([\w.]{1,100})")


class KojiException(Exception):
    """The root of every error that txkoji raises."""


class HubFault(KojiException):
    """The hub answered a call with a fault.

    Attributes:
        code: the fault code, an int.
        text: the hub's own words, possibly empty.
        method: the hub method that was called, or None if unknown.
    """

    code: int = 0

    def __init__(
        self, text: str = "", *, code: int | None = None, method: str | None = None
    ) -> None:
        self.text = text
        self.method = method
        if code is not None:
            self.code = code
        super().__init__(text)

    @property
    def unknown_method(self) -> str | None:
        """The method that the hub lacks, perhaps because it is older; None for other faults."""
        found = _UNKNOWN_METHOD.search(self.text)
        return found.group(1) if found else None

    @property
    def is_unknown_argument(self) -> bool:
        """Whether the hub lacks an argument of the method, perhaps because it is older."""
        return "got an unexpected keyword argument" in self.text

    def __str__(self) -> str:
        words = one_line(self.text)
        words = words or f"the hub gave fault {self.code} without a text"
        # An offline hub refuses any call: which one it was does not matter.
        is_named = self.method and not isinstance(self, ServerOffline)
        return f"{self.method}: {words}" if is_named else words

    def __repr__(self) -> str:
        text = excerpt(self.text)
        return f"{type(self).__name__}({text!r}, code={self.code}, method={self.method!r})"


class GenericError(HubFault):
    """The hub's generic refusal, and the parent of the more specific ones."""

    code = 1000


class LockError(GenericError):
    """Another transaction holds a lock that this one needs."""

    code = 1001


class AuthError(GenericError):
    """The hub does not accept the session, or the credentials for a new one."""

    code = 1002


class TagError(GenericError):
    """A build can't be tagged, untagged or moved like that."""

    code = 1003


class ActionNotAllowed(GenericError):
    """A permission is missing or a policy of the hub forbids it."""

    code = 1004


class BuildError(GenericError):
    """The package does not build."""

    code = 1005


class AuthLockError(AuthError):
    """Another session of this user holds the exclusive lock."""

    code = 1006


class AuthExpired(AuthError):
    """The session has expired and must be renewed."""

    code = 1007


class SequenceError(AuthError):
    """The call number is lower than the last one that the hub stored."""

    code = 1008


class RetryError(AuthError):
    """The call was already carried out; its result is lost."""

    code = 1009


class PreBuildError(BuildError):
    """A step before the build itself failed."""

    code = 1010


class PostBuildError(BuildError):
    """A step after the build itself failed."""

    code = 1011


class BuildrootError(BuildError):
    """The build root could not be set up."""

    code = 1012


class FunctionDeprecated(GenericError):
    """The hub no longer offers this."""

    code = 1013


class ServerOffline(GenericError):
    """The hub is closed for maintenance or has lost its database."""

    code = 1014


class LiveCDError(GenericError):
    """A live CD could not be made."""

    code = 1015


class PluginError(GenericError):
    """A plugin of the hub or the builder failed."""

    code = 1016


class CallbackError(PluginError):
    """A callback of a plugin failed."""

    code = 1017


class ApplianceError(GenericError):
    """An appliance image could not be made."""

    code = 1018


class ParameterError(GenericError):
    """The method does not take these arguments."""

    code = 1019


class KojiImportError(GenericError):
    """Files could not be imported. Koji calls this ImportError."""

    code = 1020


class HubConfigurationError(GenericError):
    """The hub or builder is configured wrongly. Koji calls this ConfigurationError."""

    code = 1021


class LiveMediaError(GenericError):
    """A live medium could not be made."""

    code = 1022


class GSSAPIAuthError(AuthError):
    """The login with Kerberos failed."""

    code = 1023


class NameValidationError(GenericError):
    """A name has characters that the hub does not accept."""

    code = 1024


UNCAUGHT = 1
"""The code of an exception that a hub or a builder did not expect: the text may be a traceback."""


class UnknownFault(HubFault):
    """A fault whose code is not Koji's: :data:`UNCAUGHT`, or one of a plugin's."""


def _with_subclasses(kind: type[HubFault]) -> Iterator[type[HubFault]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _with_subclasses(each)


FAULT_CLASSES = {fault.code: fault for fault in _with_subclasses(GenericError)}
"""The class of each fault code that Koji knows."""


def fault_from(code: int, text: str, *, method: str | None = None) -> HubFault:
    """Make the exception for a fault.

    Args:
        code: the fault code that the hub sent.
        text: the fault text that the hub sent, possibly empty.
        method: the method that was called, if known.

    Returns:
        An instance of the class for that code, or of :class:`UnknownFault`.
    """
    return FAULT_CLASSES.get(code, UnknownFault)(text, code=code, method=method)


class KojiLoginException(KojiException):
    """The login failed. The message says what was tried and what to do."""


class TransportError(KojiException):
    """The request did not reach the hub, or no complete reply came back.

    Attributes:
        url: where the request went, without secrets.
        may_have_arrived: False only if the hub certainly did not get the request.
    """

    def __init__(self, message: str, *, url: str = "", may_have_arrived: bool = True) -> None:
        super().__init__(message)
        self.url = url
        self.may_have_arrived = may_have_arrived


class ConnectionFailed(TransportError):
    """The hub could not be reached, or the connection broke."""


class RequestTimeout(TransportError):
    """The hub did not answer in time."""


class TLSError(TransportError):
    """No secure connection could be negotiated. A retry would not help."""


class KDCUnreachable(KojiLoginException, TransportError):
    """No Kerberos KDC of the realm answered, so there is no ticket for the hub now."""


class HTTPStatusError(TransportError):
    """Something answered with an HTTP status that is not Koji's 200.

    Attributes:
        status: the HTTP status code.
        moved: whether it redirects to the same path at the same host, such as from http to https.
        retry_after: seconds to wait before another request, as the front end asks for; 0 for none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        url: str = "",
        may_have_arrived: bool = True,
        moved: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message, url=url, may_have_arrived=may_have_arrived)
        self.status = status
        self.moved = moved
        self.retry_after = retry_after


class UnknownOutcome(TransportError):
    """It could not be determined in time whether the hub has the submitted task."""


class ProtocolError(KojiException):
    """The reply is not one that a Koji hub sends."""


class NotXMLRPC(ProtocolError):
    """The reply is not an XML-RPC response, but a web page or broken XML."""


class UnreadableReply(NotXMLRPC):
    """The hub's own reply holds a value that can't be read: it would send the same again."""


class TruncatedReply(ProtocolError):
    """The reply ends in the middle."""


class ReplyTooLarge(ProtocolError):
    """The reply is larger than the limit that was set."""


class UnusableAnswer(ProtocolError):
    """The hub answered a method with something of another type; it would answer the same again.

    Attributes:
        method: the method.
    """

    def __init__(self, method: str, answer: object, wanted: str = "") -> None:
        self.method = method
        shown = repr(answer)
        shown = shown if len(shown) <= _QUOTED else f"{shown[:_QUOTED]}..."
        instead = f" instead of {wanted}" if wanted else ", which can't be used"
        super().__init__(f"the hub answered {method} with {shown}{instead}")


class ForbiddenXML(ProtocolError):
    """The reply declares a document type or entities, which no hub does."""


class ReplyTooDeep(ForbiddenXML, UnreadableReply):
    """A value in the hub's reply is nested too deeply."""


class TransferError(KojiException):
    """A file did not get to or from the hub intact."""


class BusError(KojiException):
    """A message broker can't be used.

    Attributes:
        may_have_arrived: for a message to publish: False only if the broker certainly does not have
            it.
    """

    def __init__(self, message: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


class BrokerUnreachable(BusError):
    """The broker could not be reached, the connection broke, or no answer came in time."""


class BrokerRefusal(BusError):
    """The broker refused the login, the queue, the exchange or the address."""


class MessageNotTaken(BusError):
    """The broker did not accept this message, or no queue takes it."""


class MalformedMessage(KojiException):
    """A bus message is not what a hub's plugin writes; it is permanently unusable."""


class ConfigurationError(KojiException, ValueError):
    """A profile, other settings, or a file that should hold them, can't be used."""


class ProfileNotFound(ConfigurationError):
    """No configuration file has the profile, or it names no server."""


class BrokenConfiguration(ConfigurationError):
    """A configuration file can't be read or parsed, or holds a value of the wrong kind."""
