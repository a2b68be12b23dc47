"""Warnings that point at the caller: the line outside of this package that asked for what is warned of."""

from __future__ import annotations

import functools
import sys
import warnings
from pathlib import Path

_PASSED = (str(Path(__file__).parents[1]), functools.__file__)
"""This package, and what its cached properties are called by."""


def warn(message: Warning | str, category: type[Warning] | None = None) -> None:
    """Warn, and point at the first line up the stack that is not of this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PASSED):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
