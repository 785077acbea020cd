"""Where a broker is, how to log in to it, and what to receive from it or send to it. Pure.

Everything is checked when the object is made; secrets are left out of its repr.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from txkoji.bus.base import Link
from txkoji.exceptions import ConfigurationError

__all__ = ["AMQP", "AMQP1", "Broker"]

_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a string"),
    "str | None": ((str, type(None)), "a string"),
    "bool": ((bool,), "True or False"),
    "int": ((int,), "a whole number"),
    "Sequence[str]": ((list, tuple), "a list of strings"),
    "Mapping[str, Any]": ((Mapping,), "a dictionary"),
}
"""What a value may be, by the annotation of its attribute, in types and in words."""


@dataclass(frozen=True)
class Broker:
    """What the settings of all brokers have in common.

    Attributes:
        url: ``amqps://host:port`` with TLS, ``amqp://host:port`` without; no user and password.
        user: the name for a login by password, or None.
        password: the password for it, or None. It is left out of the repr.
        certificate: a PEM file with the client certificate, or None.
        key: a PEM file with its key, where ``certificate`` does not hold that too.
        ca: a PEM file with the authority that signed the broker's certificate; None for the
            system's.
        mechanism: ``PLAIN`` (user and password), ``EXTERNAL`` (client certificate) or, on AMQP
            1.0, ``ANONYMOUS``, which must be asked for. None for one of the first two, as the other
            attributes have it.
        allow_insecure_login: send the password without TLS.
        topic_prefix: what is put before the topic of a message that is published, with a dot.
        heartbeat: seconds without a sign of life after which, about, the connection is broken.

    Raises:
        ConfigurationError: an attribute can't be used; the text says what to write instead.
    """

    module: ClassVar[str]
    library: ClassVar[str]
    extra: ClassVar[str]
    mechanisms: ClassVar[tuple[str, ...]]

    url: str
    _: KW_ONLY
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    mechanism: str | None = None
    allow_insecure_login: bool = False
    topic_prefix: str = ""
    heartbeat: int = 60

    def __post_init__(self) -> None:
        self._check_kinds()
        self._check_url()
        self._check_login()
        if self.heartbeat < 2:
            raise ConfigurationError(f"heartbeat={self.heartbeat} must be 2 seconds or more")

    def _check_kinds(self) -> None:
        for each in fields(self):
            kinds, words = _KINDS[str(each.type)]
            value = getattr(self, each.name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                # Not the value: it may be a secret in the wrong place.
                raise ConfigurationError(f"{each.name} must be {words}")

    def _check_url(self) -> None:
        try:
            address = urlsplit(self.url)
            port = address.port
        except ValueError:
            raise ConfigurationError("the url of a broker must be amqps://host:port") from None
        if address.username is not None or address.password is not None:
            # The text must not show the URL: there may be a password in it.
            raise ConfigurationError(
                "the url of a broker must not hold a user or password: give user and password"
                " by themselves"
            )
        if address.scheme not in ("amqp", "amqps") or not address.hostname or port == 0:
            raise ConfigurationError(f"url={self.url!r} must be amqps://host:port")
        if address.query or address.fragment:
            raise ConfigurationError(f"url={self.url!r} must end after the host, port and path")

    def _check_login(self) -> None:
        if self.user is None and self.password is not None:
            raise ConfigurationError("password is given without user")
        if self.key is not None and self.certificate is None:
            raise ConfigurationError("key is given without certificate")
        if (self.certificate or self.ca) and not self.has_tls:
            raise ConfigurationError(
                f"certificate and ca are for TLS: the url must begin with amqps, not {self.url!r}"
            )
        mechanism = self.login_mechanism
        if mechanism not in self.mechanisms:
            known = ", ".join(self.mechanisms)
            raise ConfigurationError(f"mechanism={mechanism!r} must be one of: {known}")
        if mechanism == "PLAIN" and (self.user is None or self.password is None):
            raise ConfigurationError("a login by password needs user and password")
        if mechanism == "EXTERNAL" and self.certificate is None:
            raise ConfigurationError("mechanism='EXTERNAL' needs certificate")
        if mechanism == "PLAIN" and not self.has_tls and not self.allow_insecure_login:
            raise ConfigurationError(
                f"the password would go in clear text over the network to {self.url}: use amqps://,"
                " or say allow_insecure_login=True"
            )

    @property
    def login_mechanism(self) -> str:
        """The one SASL mechanism that is used: the broker never gets to choose."""
        if self.mechanism is not None:
            return self.mechanism
        if self.user is not None:
            return "PLAIN"
        if self.certificate is not None:
            return "EXTERNAL"
        raise ConfigurationError(
            "no way to log in is given: give user and password, or certificate"
            + (", or say mechanism='ANONYMOUS'" if "ANONYMOUS" in self.mechanisms else "")
        )

    @property
    def has_tls(self) -> bool:
        """Whether the connection is secured."""
        return urlsplit(self.url).scheme == "amqps"

    @property
    def host(self) -> str:
        """The name of the broker's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        return urlsplit(self.url).port or (5671 if self.has_tls else 5672)

    def prefixed(self, topic: str) -> str:
        """Return a topic as it is published."""
        return f"{self.topic_prefix}.{topic}" if self.topic_prefix else topic

    def require_extra(self) -> None:
        """Make sure that the library is there that speaks the protocol.

        Raises:
            ConfigurationError: it is not installed; the text says how to get it.
        """
        try:
            importlib.import_module(self.library)
        except ImportError:
            raise ConfigurationError(
                f"{type(self).__name__} needs a library that is not installed:"
                f" pip install 'buildbot-koji[{self.extra}]'"
            ) from None

    def link(self, reactor: Any) -> Link:
        """Make a connection, not opened yet.

        Raises:
            ConfigurationError: the library is not installed; the text says how to get it.
        """
        self.require_extra()
        # Imported when it is needed: the libraries are extras.
        made: Link = importlib.import_module(self.module).make_link(self, reactor)
        return made

    def check_receiving(self) -> None:
        """Make sure that it is said what to receive.

        Raises:
            ConfigurationError: it is not.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class AMQP(Broker):
    """A broker that speaks AMQP 0-9-1: RabbitMQ, and with it Fedora's.

    The path of ``url`` is the virtual host, escaped (``/%2Fpublic_pubsub`` for ``/public_pubsub``);
    without one it is ``/``.

    Attributes:
        queue: the queue to receive from; None for settings that only publish.
        exchange: what the queue is bound to, and what is published to. It must exist.
        routing_keys: what of the exchange goes into the queue: ``*`` is one word, ``#`` any number.
        passive: the queue exists: it is neither declared nor bound.
        durable: the queue survives a restart of the broker.
        exclusive: the queue is this connection's alone, and goes with it.
        auto_delete: the queue goes when nobody listens any more.
        queue_type: ``quorum`` or ``classic``. None for ``quorum`` where the queue is durable: the
            messages of protonmsg are transient, and any other queue loses them when the broker is
            restarted.
        arguments: further arguments of the queue, such as ``x-dead-letter-exchange``.
        mandatory: a message that is published and that no queue takes is an error.
    """

    module = "txkoji.bus.amqp"
    extra = "amqp"
    mechanisms = ("PLAIN", "EXTERNAL")
    library = "pika"

    queue: str | None = None
    exchange: str = "amq.topic"
    routing_keys: Sequence[str] = ()
    passive: bool = False
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    queue_type: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    mandatory: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "routing_keys", tuple(self.routing_keys))
        if not all(isinstance(key, str) for key in self.routing_keys):
            raise ConfigurationError("routing_keys must be a list of strings")
        if self.queue_type not in (None, "quorum", "classic"):
            raise ConfigurationError(
                f"queue_type={self.queue_type!r} must be 'quorum' or 'classic'"
            )
        lasting = self.durable and not self.exclusive and not self.auto_delete
        if self.queue_type == "quorum" and not lasting:
            raise ConfigurationError(
                "a quorum queue is durable and neither exclusive nor auto_delete: say"
                " queue_type='classic', or leave those out"
            )
        if self.passive and self.routing_keys:
            raise ConfigurationError(
                "a passive queue is not bound: leave routing_keys out, or passive"
            )

    @classmethod
    def fedora(cls, queue: str, *, certificate: str, key: str, ca: str) -> AMQP:
        """Return the settings of Fedora's public broker.

        What is sent while nobody listens is lost there: the queue goes with the connection.

        Args:
            queue: a name of your own: a UUID, as the broker wants it (``uuidgen``).
            certificate: the public client certificate, ``fedora-cert.pem`` of the package
                fedora-messaging.
            key: its key, ``fedora-key.pem``.
            ca: the broker's authority, ``cacert.pem``.
        """
        return cls(
            "amqps://rabbitmq.fedoraproject.org/%2Fpublic_pubsub",
            certificate=certificate,
            key=key,
            ca=ca,
            queue=queue,
            routing_keys=("org.fedoraproject.prod.buildsys.#",),
            durable=False,
            exclusive=True,
            auto_delete=True,
        )

    @property
    def virtual_host(self) -> str:
        """The broker's virtual host."""
        return unquote(urlsplit(self.url).path[1:]) or "/"

    @property
    def declared_arguments(self) -> dict[str, Any]:
        """The arguments with which the queue is declared."""
        lasting = self.durable and not self.exclusive and not self.auto_delete
        kind = self.queue_type or ("quorum" if lasting else None)
        return {**({"x-queue-type": kind} if kind else {}), **self.arguments}

    def check_receiving(self) -> None:
        """Make sure that it is said what to receive."""
        if not self.queue:
            raise ConfigurationError("queue is missing: name the queue to receive from")
        if not self.passive and not self.routing_keys:
            raise ConfigurationError(
                "routing_keys is missing: say what goes into the queue, such as ['koji.#'], or"
                " passive=True for a queue that exists and is bound"
            )


@dataclass(frozen=True)
class AMQP1(Broker):
    """A broker that speaks AMQP 1.0: ActiveMQ, Artemis, qpidd, RabbitMQ with its plugin.

    Attributes:
        address: the address to receive from, as the broker writes it: ``topic://koji.>`` on
            ActiveMQ, ``/amq/queue/NAME`` on RabbitMQ 3 (its ``/topic/...`` leaves a queue behind at
            every connection), ``/queues/NAME`` on RabbitMQ 4. None for settings that only publish.
        client_id: the name of this client (the container id): it must be its alone on the broker.
        subscription: the name of a durable subscription to a topic: the broker keeps what is sent
            while nobody listens. It needs ``client_id``.

    Messages are published to ``topic_prefix``, a dot and their topic; on ActiveMQ that is
    ``topic://koji.build.tag``, on RabbitMQ 3 ``/topic/koji.build.tag``.
    """

    module = "txkoji.bus.amqp1"
    extra = "amqp1"
    mechanisms = ("PLAIN", "EXTERNAL", "ANONYMOUS")
    library = "proton"

    address: str | None = None
    client_id: str | None = None
    subscription: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.subscription is not None and self.client_id is None:
            raise ConfigurationError("subscription needs client_id: the broker knows it by both")
        if urlsplit(self.url).path not in ("", "/"):
            raise ConfigurationError(
                f"url={self.url!r} must end after the host and port: give the rest as address"
            )

    def check_receiving(self) -> None:
        """Make sure that it is said what to receive."""
        if not self.address:
            raise ConfigurationError("address is missing: name the address to receive from")
