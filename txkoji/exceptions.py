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

from txkoji._values import excerpt, one_line, without_secrets

_QUOTED = 80
"""How many characters of an odd answer a message shows."""

_UNKNOWN_METHOD = re.compile(r"Invalid method: ([\w.]{1,100})")


class KojiException(Exception):
    """The root of every error that txkoji raises.

    Its text is bounded, whatever it quotes, and shows no password and no token of an address.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_secrets(excerpt(message)))


FAULT_CLASSES: dict[int, type[HubFault]] = {}
"""The class of each fault code that Koji knows."""


class HubFault(KojiException):
    """The hub answered a call with a fault.

    Attributes:
        code: the fault code, an int.
        method: the hub method that was called, or None if unknown.
    """

    code: int = 0

    def __init_subclass__(cls, *, code: int | None = None) -> None:
        super().__init_subclass__()
        if code is not None:
            cls.code = code
            FAULT_CLASSES[code] = cls

    def __init__(
        self, text: str = "", *, code: int | None = None, method: str | None = None
    ) -> None:
        self.method = method
        if code is not None:
            self.code = code
        super().__init__(text)

    @property
    def text(self) -> str:
        """The hub's own words, possibly empty, without the secrets of addresses.

        Of a text of more than 16,384 characters, the first and the last 8,192.
        """
        return str(self.args[0])

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
        return f"{type(self).__name__}({self.text!r}, code={self.code}, method={self.method!r})"


class GenericError(HubFault, code=1000):
    """The hub's generic refusal, and the parent of the more specific ones."""


class LockError(GenericError, code=1001):
    """Another transaction holds a lock that this one needs."""


class AuthError(GenericError, code=1002):
    """The hub does not accept the session, or the credentials for a new one."""


class TagError(GenericError, code=1003):
    """A build can't be tagged, untagged or moved like that."""


class ActionNotAllowed(GenericError, code=1004):
    """A permission is missing or a policy of the hub forbids it."""


class BuildError(GenericError, code=1005):
    """The package does not build."""


class AuthLockError(AuthError, code=1006):
    """Another session of this user holds the exclusive lock."""


class AuthExpired(AuthError, code=1007):
    """The session has expired and must be renewed."""


class SequenceError(AuthError, code=1008):
    """The call number is lower than the last one that the hub stored."""


class RetryError(AuthError, code=1009):
    """The call was already carried out; its result is lost."""


class PreBuildError(BuildError, code=1010):
    """A step before the build itself failed."""


class PostBuildError(BuildError, code=1011):
    """A step after the build itself failed."""


class BuildrootError(BuildError, code=1012):
    """The build root could not be set up."""


class FunctionDeprecated(GenericError, code=1013):
    """The hub no longer offers this."""


class ServerOffline(GenericError, code=1014):
    """The hub is closed for maintenance or has lost its database."""


class LiveCDError(GenericError, code=1015):
    """A live CD could not be made."""


class PluginError(GenericError, code=1016):
    """A plugin of the hub or the builder failed."""


class CallbackError(PluginError, code=1017):
    """A callback of a plugin failed."""


class ApplianceError(GenericError, code=1018):
    """An appliance image could not be made."""


class ParameterError(GenericError, code=1019):
    """The method does not take these arguments."""


class KojiImportError(GenericError, code=1020):
    """Files could not be imported. Koji calls this ImportError."""


class HubConfigurationError(GenericError, code=1021):
    """The hub or builder is configured wrongly. Koji calls this ConfigurationError."""


class LiveMediaError(GenericError, code=1022):
    """A live medium could not be made."""


class GSSAPIAuthError(AuthError, code=1023):
    """The login with Kerberos failed."""


class NameValidationError(GenericError, code=1024):
    """A name has characters that the hub does not accept."""


UNCAUGHT = 1
"""The code of an exception that a hub or a builder did not expect: the text may be a traceback."""


class UnknownFault(HubFault):
    """A fault whose code is not Koji's: :data:`UNCAUGHT`, or one of a plugin's."""


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
        moved: whether it redirects to where the hub is now, such as from http to https.
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
    """The reply has a form that no hub sends, and that could exhaust the memory."""


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


__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "FAULT_CLASSES",
    "fault_from",
    *(name for name, each in vars().copy().items() if isinstance(each, type)),
]
