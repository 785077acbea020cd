"""What the embedded hub's builder does for each task method, a module a family.

The order of the steps, the labels, the results and the texts of failures are those of the
recordings. :mod:`txkoji.testing.farm.handlers.failures` has the names that make builds fail.
"""

from __future__ import annotations

from txkoji.testing.farm.handlers import (
    containers,
    distrepos,
    images,
    maven,
    misc,
    repos,
    rpm,
    tagging,
    windows,
)
from txkoji.testing.farm.handlers.registry import HANDLERS

MODULES = (containers, distrepos, images, maven, misc, repos, rpm, tagging, windows)
"""The modules whose import fills the table of task methods."""

__all__ = ["HANDLERS", "MODULES"]
