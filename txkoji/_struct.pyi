from typing import Any

class Struct(dict[str, Any]):
    """A hub's struct: members that its class declares are attributes and items."""

    def toDict(self) -> dict[str, Any]: ...  # noqa: N802 - Munch's name
