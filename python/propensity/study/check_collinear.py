"""Numbers that the columns before them say already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from propensity.frames.checks import Floats, Rows
from propensity.frames.levels import is_categorical
from propensity.study.check_result import Finding
from propensity.study.check_rows import CheckedRows

_FIRST_ROWS = 5_000  # in which a sum shows; it is then looked at in all rows

_NOTHING_LEFT = 1e-8  # of a column's standard deviation, that the others leave

_NO_PART = 1e-6  # of a standard deviation, that a column adds to a sum it is no part of


def collinear(rows: CheckedRows) -> Iterator[Finding]:
    """Find columns of numbers that are sums of others, up to units and a constant."""
    names = [name for name, column in rows.columns.items() if not is_categorical(column)]
    places = np.arange(len(rows.index))[:: max(1, -(-len(rows.index) // _FIRST_ROWS))]
    kept: list[str] = []
    basis = np.zeros((len(places), 0))
    for name in names:
        own = _standardized(_numbers(rows, name, places))
        if own is None or len(kept) >= len(places) - 1:
            continue
        left = own - basis @ (basis.T @ own)
        left -= basis @ (basis.T @ left)  # once more, for the digits that the first time leaves
        size = float(np.linalg.norm(left))
        if kept and size < _NOTHING_LEFT * len(places) ** 0.5:
            partners = _partners(rows, name, kept, places)
            if partners and _is_sum(rows, name, partners):
                verb = "says" if len(partners) == 1 else "say"
                listed = ", ".join(f"'{other}'" for other in partners)
                said = f"a sum of what {listed} {verb} already"
                yield rows.finding("note", name, rows.n_users, said, "leave one of them out")
            continue
        kept.append(name)
        basis = np.column_stack([basis, left / size])


def _numbers(rows: CheckedRows, name: str, places: Rows | slice = slice(None)) -> Floats:
    return rows.columns[name].to_numpy()[places].astype(np.float64)


def _standardized(values: Floats) -> Floats | None:
    """Give a column mean 0 and variance 1; None of one that is constant or incomplete."""
    centred = values - values.mean()
    deviation = float(np.sqrt(np.mean(centred**2)))
    return centred / deviation if np.isfinite(deviation) and deviation > 0 else None


def _partners(rows: CheckedRows, name: str, kept: Sequence[str], places: Rows) -> list[str]:
    """Name the columns that one is a sum of."""
    columns = [_standardized(_numbers(rows, other, places)) for other in kept]
    x = np.column_stack([column for column in columns if column is not None])
    own = _standardized(_numbers(rows, name, places))
    assert own is not None
    slopes = np.linalg.solve(x.T @ x, x.T @ own)  # none of those kept is a sum of others
    return [other for other, slope in zip(kept, slopes, strict=True) if abs(slope) > _NO_PART]


def _is_sum(rows: CheckedRows, name: str, partners: Sequence[str]) -> bool:
    """Whether it is one in all rows."""
    own = _standardized(_numbers(rows, name))
    columns = [_standardized(_numbers(rows, other)) for other in partners]
    if own is None or any(column is None for column in columns):
        return False
    x = np.column_stack([column for column in columns if column is not None])
    slopes = np.linalg.lstsq(x.T @ x, x.T @ own, rcond=None)[0]
    return bool(np.sqrt(np.mean((own - x @ slopes) ** 2)) < _NOTHING_LEFT)
