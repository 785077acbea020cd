"""The base of a hub's structs: a Munch, of which the stub beside this file hides ``__getattr__``.

So a misspelt member is a mistake to type checkers. A member that no class declares is an item:
``build["from_a_plugin"]``.
"""

from __future__ import annotations

from munch import Munch

Struct = Munch
