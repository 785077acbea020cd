"""A message broker in ``master.cfg``: ``util.KojiAMQP`` and ``util.KojiAMQP1``."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
from buildbot.config.errors import error as config_error
from buildbot.interfaces import IRenderable
from buildbot.util import ComparableMixin
from buildbot.util.twisted import async_to_deferred
from zope.interface import implementer

from buildbot_koji.arguments.checks import is_renderable
from txkoji.bus import AMQP, AMQP1, Broker
from txkoji.exceptions import ConfigurationError

__all__ = ["KojiAMQP", "KojiAMQP1", "KojiBroker"]

RENDERABLES = ("user", "password")
"""The arguments that may be secrets of Buildbot's."""


@implementer(IRenderable)
class KojiBroker(ComparableMixin):
    """A broker and what to do with it. Rendered, it is its settings for :mod:`txkoji.bus`.

    Args:
        url: where it is: ``amqps://host:port``.
        arguments: the other attributes of the settings; ``user`` and ``password`` may be
            ``util.Secret``.
    """

    compare_attrs: ClassVar[tuple[str, ...]] = ("arguments",)
    settings: ClassVar[type[Broker]]

    def __init__(self, url: str, **arguments: Any) -> None:
        self.arguments = {"url": url, **arguments}
        name = type(self).__name__
        known = [each.name for each in attrs.fields(self.settings)]
        for each in arguments.keys() - set(known):
            config_error(f"{name} takes no {each}: it takes {', '.join(known)}")
            del self.arguments[each]
        for each, value in self.arguments.items():
            if is_renderable(value) and each not in RENDERABLES:
                config_error(f"{name}: {each} must be there as it is; only {RENDERABLES} may not")
        try:
            self._sample().require_extra()
        except ConfigurationError as error:
            config_error(f"{name}: {error}")

    def _sample(self) -> Broker:
        """Return the settings with something in place of what is not rendered yet."""
        values: dict[str, Any] = {
            name: "rendered later" if is_renderable(value) else value
            for name, value in self.arguments.items()
        }
        return self.settings(**values)

    def __repr__(self) -> str:
        # Not the arguments: a password may be among them.
        return f"{type(self).__name__}({self.arguments['url']!r})"

    def receiving_complaint(self) -> str | None:
        """Return what is wrong with it for one who wants to receive, or None; for checkconfig."""
        try:
            self._sample().check_receiving()
        except ConfigurationError as error:
            return str(error)
        return None

    @async_to_deferred
    async def getRenderingFor(self, iprops: Any) -> Broker:
        """Return the settings, with the secrets."""
        return self.settings(**await iprops.render(self.arguments))


class KojiAMQP(KojiBroker):
    """RabbitMQ, Fedora's broker among them; see :class:`txkoji.bus.AMQP` for its arguments."""

    settings = AMQP

    @classmethod
    def fedora(cls, queue: str, *, certificate: str, key: str, ca: str) -> KojiAMQP:
        """Return Fedora's public broker; see :meth:`txkoji.bus.AMQP.fedora`."""
        made = AMQP.fedora(queue, certificate=certificate, key=key, ca=ca)
        return cls(**attrs.asdict(made, recurse=False))


class KojiAMQP1(KojiBroker):
    """ActiveMQ, Artemis, qpidd; see :class:`txkoji.bus.AMQP1` for its arguments."""

    settings = AMQP1
