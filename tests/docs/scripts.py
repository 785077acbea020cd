"""The scripts beside the pages."""

from __future__ import annotations

import importlib.util
from typing import Any

from tests.support import REPOSITORY


def load(name: str) -> Any:
    """Return a script of ``docs/`` as a module."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
