"""Message buses: where a Koji hub says what happens, at once and without a promise.

A :class:`Receiver` gets messages from a broker, a :class:`Publisher` sends them to one; the
settings, :class:`AMQP` or :class:`AMQP1`, say which and how. The libraries for the two protocols
are extras: ``pip install 'buildbot-koji[amqp]'`` (pika) and ``'buildbot-koji[amqp1]'`` (proton).
"""

from txkoji.bus.base import BusMessage, Reject
from txkoji.bus.publisher import Publisher
from txkoji.bus.receiver import Receiver, State
from txkoji.bus.settings import AMQP, AMQP1, Broker
from txkoji.bus.topics import dialect_of, topic_of

__all__ = [
    "AMQP",
    "AMQP1",
    "Broker",
    "BusMessage",
    "Publisher",
    "Receiver",
    "Reject",
    "State",
    "dialect_of",
    "topic_of",
]
