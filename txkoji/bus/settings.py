"""Where a broker is, how to log in to it, and what to receive from it or publish to it. Pure.

The constructor checks every argument; secrets are left out of the repr.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from attrs import Attribute, field, frozen

from txkoji._values import redacted, shown
from txkoji.bus.base import Link
from txkoji.exceptions import ConfigurationError
from txkoji.hub.credentials import Credential, certificate_credential
from txkoji.hub.tls import PEMFile
from txkoji.options import Strings

Validator = Callable[[Any, "Attribute[Any]", Any], None]


def _instance_of(words: str, *types: type) -> Validator:
    def check(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
        is_stray_bool = isinstance(value, bool) and bool not in types
        if is_stray_bool or not isinstance(value, types):
            # Not the value: it may be a secret in the wrong place.
            raise ConfigurationError(f"{attribute.name} must be {words}")

    return check


_TEXT = _instance_of("a string", str)
_TEXT_OR_NONE = _instance_of("a string", str, type(None))
_FLAG = _instance_of("True or False", bool)
_INTEGER = _instance_of("a whole number", int)
_MAPPING = _instance_of("a dictionary", Mapping)


def _texts(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
        raise ConfigurationError(f"{attribute.name} must be a list of strings")


def _frozen_list(value: Strings) -> Strings:
    return tuple(value) if isinstance(value, list) else value


def _shown(value: str | None) -> str:
    return repr(None if value is None else shown(value))


@frozen
class Broker:
    """The settings that all brokers share.

    Attributes:
        url: ``amqps://host:port`` with TLS, ``amqp://host:port`` without; no user and password.
        user: the user name to log in with a password, or None.
        password: the password of ``user``, or None. The repr leaves it out.
        certificate: a PEM file with the client certificate, or None.
        key: a PEM file with the private key, unless ``certificate`` holds it too.
        ca: a PEM file with the CA that signed the broker's certificate; None for the system's.
        mechanism: the SASL mechanism: ``PLAIN`` (user and password), ``EXTERNAL`` (client
            certificate) or, on AMQP 1.0 and only if set, ``ANONYMOUS``. None to choose between the
            first two by the other attributes.
        allow_insecure_login: send the password without TLS.
        topic_prefix: prepended to the topic of a published message, with a dot.
        heartbeat: seconds of silence, roughly, after which the connection counts as broken.

    Raises:
        ConfigurationError: an attribute is unusable; the message says what to write instead.
    """

    module: ClassVar[str]
    library: ClassVar[str]
    extra: ClassVar[str]
    mechanisms: ClassVar[tuple[str, ...]]

    url: str = field(validator=_TEXT)
    user: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True, repr=_shown)
    password: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True, repr=False)
    certificate: str | None = field(
        default=None, validator=_TEXT_OR_NONE, kw_only=True, repr=_shown
    )
    key: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True, repr=_shown)
    ca: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True, repr=_shown)
    mechanism: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True)
    allow_insecure_login: bool = field(default=False, validator=_FLAG, kw_only=True)
    topic_prefix: str = field(default="", validator=_TEXT, kw_only=True)
    heartbeat: int = field(default=60, validator=_INTEGER, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._check_url()
        self._check_login()
        if self.heartbeat < 2:
            raise ConfigurationError(f"heartbeat={self.heartbeat} must be 2 seconds or more")

    def _check_url(self) -> None:
        try:
            address = urlsplit(self.url)
            port = address.port
        except ValueError:
            raise ConfigurationError("the url of a broker must be amqps://host:port") from None
        if address.username is not None or address.password is not None:
            # The text must not show the URL: there may be a password in it.
            raise ConfigurationError(
                "the url of a broker must not contain a user or password: give user and password"
                " by themselves"
            )
        if address.scheme not in ("amqp", "amqps") or not address.hostname or port == 0:
            raise ConfigurationError(f"url={redacted(self.url)!r} must be amqps://host:port")
        if address.query or address.fragment:
            raise ConfigurationError(
                f"url={redacted(self.url)!r} must end after the host, port and path"
            )

    def _check_login(self) -> None:
        if self.user is None and self.password is not None:
            raise ConfigurationError("password is given without user")
        if self.key is not None and self.certificate is None:
            raise ConfigurationError("key is given without certificate")
        if (self.certificate or self.ca) and not self.has_tls:
            raise ConfigurationError(
                f"certificate and ca are for TLS: the url must start with amqps, not {self.url!r}"
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
                " or write allow_insecure_login=True"
            )

    @property
    def login_mechanism(self) -> str:
        """The only SASL mechanism that is offered; the broker can't choose another."""
        if self.mechanism is not None:
            return self.mechanism
        if self.user is not None:
            return "PLAIN"
        if self.certificate is not None:
            return "EXTERNAL"
        raise ConfigurationError(
            "no credentials: give user and password, or certificate"
            + (", or write mechanism='ANONYMOUS'" if "ANONYMOUS" in self.mechanisms else "")
        )

    @property
    def has_tls(self) -> bool:
        """Whether the connection uses TLS."""
        return urlsplit(self.url).scheme == "amqps"

    @property
    def host(self) -> str:
        """The broker's host name."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        return urlsplit(self.url).port or (5671 if self.has_tls else 5672)

    @property
    def credential(self) -> Credential | None:
        """The client certificate, read from its file; None without one."""
        files = self.certificate_files
        return files and replace(certificate_credential(*files), kind="broker certificate")

    @property
    def certificate_files(self) -> tuple[PEMFile, PEMFile | None] | None:
        """The files of the client certificate and of its key; None without a certificate."""
        if self.certificate is None:
            return None
        owner = f"the broker {self.url}"
        key = None if self.key is None else PEMFile(self.key, "key", owner)
        return PEMFile(self.certificate, "certificate", owner), key

    def prefixed(self, topic: str) -> str:
        """Return a topic with the prefix, as it is published."""
        return f"{self.topic_prefix}.{topic}" if self.topic_prefix else topic

    def require_extra(self) -> None:
        """Check that the library for the protocol is installed.

        Raises:
            ConfigurationError: it is missing; the message says how to install it.
        """
        try:
            importlib.import_module(self.library)
        except ImportError:
            raise ConfigurationError(
                f"{type(self).__name__} needs a library that is not installed:"
                f" pip install 'buildbot-koji[{self.extra}]'"
            ) from None

    def link(self, reactor: Any) -> Link:
        """Return a new connection, not open yet.

        Raises:
            ConfigurationError: the library is missing; the message says how to install it.
        """
        self.require_extra()
        # Imported on use: the libraries are extras.
        made: Link = importlib.import_module(self.module).make_link(self, reactor)
        return made

    def check_receiving(self) -> None:
        """Check that the settings say what to receive.

        Raises:
            ConfigurationError: they don't; the message names the missing attribute.
        """
        raise NotImplementedError


@frozen
class AMQP(Broker):
    """A broker that speaks AMQP 0-9-1: RabbitMQ, Fedora's included.

    The path of ``url`` is the virtual host, percent-encoded (``/%2Fpublic_pubsub`` for
    ``/public_pubsub``); without a path it is ``/``.

    Attributes:
        queue: the queue to receive from; None for settings that only publish.
        exchange: the exchange to bind the queue to, and to publish to. It must exist.
        routing_keys: the binding keys of the queue: ``*`` is one word, ``#`` any number of words.
        passive: use an existing queue: neither declare nor bind it.
        durable: the queue survives a restart of the broker.
        exclusive: only this connection may use the queue, which is deleted with it.
        auto_delete: the queue is deleted with its last consumer.
        queue_type: ``quorum`` or ``classic``. None for ``quorum`` if the queue is durable:
            protonmsg's messages are transient, and any other queue loses them when the broker
            restarts.
        arguments: further arguments of the queue, such as ``x-dead-letter-exchange``.
        mandatory: publishing a message that no queue takes is an error.
    """

    module = "txkoji.bus.amqp"
    extra = "amqp"
    mechanisms = ("PLAIN", "EXTERNAL")
    library = "pika"

    queue: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True)
    exchange: str = field(default="amq.topic", validator=_TEXT, kw_only=True)
    routing_keys: Strings = field(
        default=(), validator=_texts, converter=_frozen_list, kw_only=True
    )
    passive: bool = field(default=False, validator=_FLAG, kw_only=True)
    durable: bool = field(default=True, validator=_FLAG, kw_only=True)
    exclusive: bool = field(default=False, validator=_FLAG, kw_only=True)
    auto_delete: bool = field(default=False, validator=_FLAG, kw_only=True)
    queue_type: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True)
    arguments: Mapping[str, Any] = field(factory=dict, validator=_MAPPING, kw_only=True)
    mandatory: bool = field(default=True, validator=_FLAG, kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.queue_type not in (None, "quorum", "classic"):
            raise ConfigurationError(
                f"queue_type={self.queue_type!r} must be 'quorum' or 'classic'"
            )
        lasting = self.durable and not self.exclusive and not self.auto_delete
        if self.queue_type == "quorum" and not lasting:
            raise ConfigurationError(
                "a quorum queue is durable and neither exclusive nor auto_delete: write"
                " queue_type='classic', or leave those out"
            )
        if self.passive and self.routing_keys:
            raise ConfigurationError(
                "a passive queue is not bound: leave routing_keys out, or passive"
            )
        for key in self.routing_keys:
            if any(len(word) > 1 and set(word) & {*"*#"} for word in key.split(".")):
                raise ConfigurationError(
                    f"the routing key {key!r} matches nothing: * and # stand for whole words, as in"
                    " 'koji.#'"
                )

    @classmethod
    def fedora(cls, queue: str, *, certificate: str, key: str, ca: str) -> AMQP:
        """Return the settings of Fedora's public broker.

        Messages sent while the receiver is disconnected are lost: the broker deletes the queue
        with the connection.

        Args:
            queue: a UUID of your own (``uuidgen``): the broker takes no other name.
            certificate: the public client certificate, ``fedora-cert.pem`` of the package
                fedora-messaging.
            key: its private key, ``fedora-key.pem``.
            ca: the broker's CA, ``cacert.pem``.
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
        """The arguments to declare the queue with."""
        lasting = self.durable and not self.exclusive and not self.auto_delete
        kind = self.queue_type or ("quorum" if lasting else None)
        return {**({"x-queue-type": kind} if kind else {}), **self.arguments}

    def check_receiving(self) -> None:
        """Check that the settings say what to receive."""
        if not self.queue:
            raise ConfigurationError("queue is missing: name the queue to receive from")
        if not self.passive and not self.routing_keys:
            raise ConfigurationError(
                "routing_keys is missing: name the binding keys, such as ['koji.#'], or use"
                " passive=True for an existing queue that is already bound"
            )


@frozen
class AMQP1(Broker):
    """A broker that speaks AMQP 1.0: ActiveMQ, Artemis, qpidd, RabbitMQ with its plugin.

    Attributes:
        address: the address to receive from, in the broker's notation: ``topic://koji.>`` on
            ActiveMQ, ``/amq/queue/NAME`` on RabbitMQ 3 (its ``/topic/...`` leaves a queue behind
            with every connection), ``/queues/NAME`` on RabbitMQ 4. None for settings that only
            publish.
        client_id: the container id of this client: it must be unique on the broker.
        subscription: the name of a durable subscription to a topic: the broker keeps messages
            while the receiver is disconnected. It requires ``client_id``.

    Messages are published to ``topic_prefix``, a dot and their topic: ``topic://koji.build.tag``
    on ActiveMQ, ``/topic/koji.build.tag`` on RabbitMQ 3.
    """

    module = "txkoji.bus.amqp1"
    extra = "amqp1"
    mechanisms = ("PLAIN", "EXTERNAL", "ANONYMOUS")
    library = "proton"

    address: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True)
    client_id: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True)
    subscription: str | None = field(default=None, validator=_TEXT_OR_NONE, kw_only=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.subscription is not None and self.client_id is None:
            raise ConfigurationError(
                "subscription needs client_id: the broker identifies it by both"
            )
        if urlsplit(self.url).path not in ("", "/"):
            raise ConfigurationError(
                f"url={self.url!r} must end after the host and port: give the rest as address"
            )

    def check_receiving(self) -> None:
        """Check that the settings say what to receive."""
        if not self.address:
            raise ConfigurationError("address is missing: name the address to receive from")
