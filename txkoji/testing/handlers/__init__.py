"""What the embedded hub's builder does for each task method, a module a family.

The order of the steps, the labels, the results and the texts of failures are those of the
recordings. A package called ``failarch`` does not build on its first architecture, and a revision
that begins with ``failsrpm`` gives no source RPM: that is how the recorded builder fails.
"""

from __future__ import annotations

from txkoji.testing.handlers import misc, repos, rpm, tagging
from txkoji.testing.handlers.registry import HANDLERS

MODULES = (misc, repos, rpm, tagging)
"""The modules whose import fills the table of task methods."""

__all__ = ["HANDLERS", "MODULES"]
