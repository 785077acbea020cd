"""Decorators of methods that take a hub method's name and its arguments.

They change nothing; the stub beside this file, written by ``make api``, gives type checkers the
arguments of each hub method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def _unchanged(function: F) -> F:
    return function


submit = awaited_submit = new_submission = find_submitted = pages = _unchanged
