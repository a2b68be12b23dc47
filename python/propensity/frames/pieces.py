"""Rows in pieces that stay in a cache, so that what is worked out on the way makes no second column."""

from __future__ import annotations

from collections.abc import Iterator

_ROWS = 2**16


def pieces(n_rows: int) -> Iterator[slice]:
    """Cut n rows into pieces, in their order."""
    return (slice(start, min(start + _ROWS, n_rows)) for start in range(0, n_rows, _ROWS))
