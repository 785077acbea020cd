"""Message buses: a Koji hub announces there what happens, promptly but unreliably.

A :class:`Receiver` receives messages from a broker, a :class:`Publisher` publishes them to one; the
settings, :class:`AMQP` or :class:`AMQP1`, describe the broker. The libraries for the two protocols
are extras: ``pip install 'buildbot-koji[amqp]'`` (pika) and ``'buildbot-koji[amqp1]'`` (proton).
"""

from txkoji.bus.base import BusMessage, Reject
from txkoji.bus.handling import MessageCounts
from txkoji.bus.publisher import Publisher
from txkoji.bus.receiver import Receiver, ReceiverState
from txkoji.bus.settings import AMQP, AMQP1, Broker
from txkoji.bus.topics import dialect_of, topic_of
from txkoji.retry import is_passing_trouble

__all__ = [
    "AMQP",
    "AMQP1",
    "Broker",
    "BusMessage",
    "MessageCounts",
    "Publisher",
    "Receiver",
    "ReceiverState",
    "Reject",
    "dialect_of",
    "is_passing_trouble",
    "topic_of",
]
