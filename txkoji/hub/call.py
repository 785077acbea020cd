"""A call of a hub method: one frozen value from the caller to the encoder. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from txkoji._values import to_params
from txkoji.hub import methods
from txkoji.hub.methods import Kind
from txkoji.hub.xmlrpc import decode_call, encode_call


@dataclass(frozen=True)
class Call:
    """A call of a hub method.

    Attributes:
        method: the method's name, dotted for some (``repo.request``).
        args: its positional arguments.
        kwargs: its named arguments.
    """

    method: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, method: str, /, *args: Any, **kwargs: Any) -> Call:
        """Make a call the way it is written: ``Call.of("getTag", "f44", strict=True)``."""
        return cls(method, args, kwargs)

    @property
    def kind(self) -> Kind:
        """What the call does to the hub; an unknown method counts as a write."""
        return methods.kind(self.method)

    @property
    def is_repeatable(self) -> bool:
        """Whether sending the call twice does the same as sending it once."""
        return (
            self.kind is Kind.READ
            or self.method in methods.SESSION_READS
            or self.method in methods.IDEMPOTENT_WRITES
        )

    @property
    def is_point_lookup(self) -> bool:
        """Whether the call looks up one object by a plain key, and is light enough for a batch."""
        return self.method in methods.POINT_LOOKUPS and not any(
            isinstance(value, (list, tuple, dict)) for value in [*self.args, *self.kwargs.values()]
        )

    def encode(self) -> bytes:
        """Return the body of a request with this one call.

        Raises:
            ValueError: an argument can't be encoded; see :func:`txkoji.hub.xmlrpc.encode_call`.
        """
        return encode_call(self.method, self.args, self.kwargs)

    def as_received(self) -> Call:
        """Return the call with the arguments that a hub reads: lists for sets, text for times.

        Raises:
            ValueError: an argument can't be encoded.
        """
        method, args, kwargs = decode_call(self.encode())
        return Call(method, tuple(args), kwargs)

    def multicall_entry(self) -> dict[str, Any]:
        """Return the struct for the call inside a ``multiCall``."""
        return {"methodName": self.method, "params": to_params(self.args, self.kwargs)}

    def to_json(self) -> dict[str, Any]:
        """Return the call as a JSON value, if its arguments are JSON values."""
        return {"method": self.method, "args": list(self.args), "kwargs": dict(self.kwargs)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Call:
        """Return the call that :meth:`to_json` stored."""
        return cls(stored["method"], tuple(stored["args"]), dict(stored["kwargs"]))
