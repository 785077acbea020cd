"""A message broker in ``master.cfg``: ``util.KojiAMQP`` and ``util.KojiAMQP1``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import attrs
from buildbot.interfaces import IRenderable
from buildbot.util import ComparableMixin
from buildbot.util.twisted import async_to_deferred
from zope.interface import implementer

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, required
from buildbot_koji.arguments.places import Place
from buildbot_koji.arguments.plugins import DeclaredObject
from txkoji.bus import AMQP, AMQP1, Broker
from txkoji.exceptions import ConfigurationError
from txkoji.profiles import read_configured


def _any_text(value: Any) -> str | None:
    return checks.unsendable(value) if isinstance(value, str) else "must be a string"


@implementer(IRenderable)
class KojiBroker(DeclaredObject, ComparableMixin):
    """A broker and how to use it; rendered, its settings for :mod:`txkoji.bus`."""

    compare_attrs: ClassVar[tuple[str, ...]] = ("declared_values",)
    settings: ClassVar[type[Broker]]

    url = required(
        checks.text,
        "``amqps://host:port`` with TLS, ``amqp://host:port`` without; no user and password",
        positional=True,
        secret=True,
    )
    user = argument(
        checks.text, "the user name to log in with a password", renderable=True, secret=True
    )
    password = argument(
        checks.text,
        "the password of ``user``, usually a ``util.Secret``",
        requires=("user",),
        renderable=True,
        secret=True,
    )
    certificate = argument(checks.text, "a PEM file with the client certificate")
    key = argument(
        checks.text,
        "a PEM file with the private key, unless ``certificate`` holds it too",
        requires=("certificate",),
    )
    ca = argument(
        checks.text,
        "a PEM file with the CA that signed the broker's certificate; by default the system's",
    )
    mechanism = argument(
        checks.text,
        "the SASL mechanism: ``PLAIN`` (user and password), ``EXTERNAL`` (client certificate) or,"
        " on AMQP 1.0, ``ANONYMOUS``, which is never chosen by default",
    )
    allow_insecure_login = flag("send the password without TLS")
    topic_prefix = argument(
        _any_text, "prepended to the topic of a published message, with a dot", default=""
    )
    heartbeat = argument(
        checks.positive,
        "seconds of silence, roughly, after which the connection counts as broken",
        default=60,
    )

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong with the settings, or which library is missing."""
        try:
            self._sample(values).require_extra()
        except ConfigurationError as error:
            yield str(error)

    def complaints_at_load(self, values: Mapping[str, Any], place: Place) -> Iterator[str]:
        """Also read the files that the settings name."""
        yield from super().complaints_at_load(values, place)
        credential = self._sample(values).credential
        if credential is not None and credential.problem is not None:
            yield credential.problem
        if values["ca"] is not None:
            try:
                read_configured(values["ca"])
            except OSError as error:
                yield f"can't read ca={values['ca']!r}: {error.strerror}"

    def _sample(self, values: Mapping[str, Any]) -> Broker:
        """Return the settings with placeholders for what is rendered later."""
        known: dict[str, Any] = {
            name: "rendered later" if checks.is_renderable(value) else value
            for name, value in values.items()
        }
        return self.settings(**known)

    def __repr__(self) -> str:
        # Not the other arguments, which may include a password.
        return f"{type(self).__name__}({self.declared_values['url']!r})"

    def receiving_complaint(self) -> str | None:
        """Return why one can't receive from it, or None; for checkconfig."""
        try:
            self._sample(self.declared_values).check_receiving()
        except ConfigurationError as error:
            return str(error)
        return None

    @async_to_deferred
    async def getRenderingFor(self, iprops: Any) -> Broker:
        """Return the settings, with the secrets."""
        return self.settings(**await iprops.render(self.declared_values))


class KojiAMQP(KojiBroker):
    """RabbitMQ, Fedora's included. Needs ``pip install 'buildbot-koji[amqp]'``.

    The path of ``url`` is the virtual host, escaped (``/%2Fkoji`` for ``/koji``); without one it is
    ``/``.
    """

    settings = AMQP

    queue = argument(checks.text, "the queue to receive from; not needed to publish only")
    exchange = argument(
        checks.text,
        "the exchange to bind the queue to, and to publish to; it must exist",
        default="amq.topic",
    )
    routing_keys = argument(
        checks.texts,
        "the binding keys of the queue: ``*`` is one word, ``#`` any number of words",
        default=(),
    )
    passive = flag("use an existing queue: neither declare nor bind it", excludes=("routing_keys",))
    durable = argument(checks.flag, "the queue survives a restart of the broker", default=True)
    exclusive = flag("only this connection may use the queue, which is deleted with it")
    auto_delete = flag("the queue is deleted with its last consumer")
    queue_type = argument(
        checks.one_of("quorum", "classic"),
        '``"quorum"`` or ``"classic"``; by default a durable queue is a quorum queue: Koji\'s'
        " messages are transient, and any other queue loses them when the broker is restarted",
    )
    arguments: ClassVar[Any] = argument(
        checks.json_struct,
        "further arguments of the queue, such as ``x-dead-letter-exchange``",
        default={},
    )
    mandatory = argument(
        checks.flag, "publishing a message that no queue takes is an error", default=True
    )

    @classmethod
    def fedora(cls, queue: str, *, certificate: str, key: str, ca: str) -> KojiAMQP:
        """Return Fedora's public broker; see :meth:`txkoji.bus.AMQP.fedora`."""
        made = AMQP.fedora(queue, certificate=certificate, key=key, ca=ca)
        return cls(**attrs.asdict(made, recurse=False))


class KojiAMQP1(KojiBroker):
    """ActiveMQ, Artemis, qpidd. Needs ``pip install 'buildbot-koji[amqp1]'``.

    Messages are published to ``topic_prefix``, a dot and their topic; on ActiveMQ that is
    ``topic://koji.build.tag``, on RabbitMQ 3 ``/topic/koji.build.tag``.
    """

    settings = AMQP1

    address = argument(
        checks.text,
        "the address to receive from, in the broker's notation: ``topic://koji.>`` on ActiveMQ,"
        " ``/amq/queue/NAME`` on RabbitMQ 3 (its ``/topic/...`` leaves a queue behind at every"
        " connection), ``/queues/NAME`` on RabbitMQ 4; not needed to publish only",
    )
    client_id = argument(
        checks.text, "the container id of this client: it must be unique on the broker"
    )
    subscription = argument(
        checks.text,
        "the name of a durable subscription to a topic: the broker keeps messages while the"
        " receiver is disconnected",
        requires=("client_id",),
    )


def check_broker(value: Any) -> str | None:
    """Check for a broker."""
    good = isinstance(value, KojiBroker)
    return None if good else "must be a util.KojiAMQP or util.KojiAMQP1"


def check_receiving_broker(value: Any) -> str | None:
    """Check for a broker whose settings name what to receive."""
    complaint = check_broker(value)
    if complaint is not None or value.complaints_about(value.declared_values):
        # Its own mistakes are reported where it is made.
        return complaint
    if (missing := value.receiving_complaint()) is not None:
        return f"can't be received from: {missing}"
    return complaint
