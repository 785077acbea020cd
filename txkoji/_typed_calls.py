"""Decorators of methods that take a hub method's name and its arguments.

They change nothing; the stub beside this file, written by ``make api``, gives type checkers the
arguments of each hub method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["awaited_submit", "find_submitted", "new_submission", "pages", "submit"]

F = TypeVar("F", bound=Callable[..., object])


def submit(function: F) -> F:
    """Type the arguments of a method such as ``Connection.submit``."""
    return function


def awaited_submit(function: F) -> F:
    """Type the arguments of ``AioConnection.submit``."""
    return function


def new_submission(function: F) -> F:
    """Type the arguments of ``Connection.new_submission``."""
    return function


def find_submitted(function: F) -> F:
    """Type the arguments of ``Connection.find_submitted``."""
    return function


def pages(function: F) -> F:
    """Type the arguments and the rows of a method such as ``Connection.pages``."""
    return function
