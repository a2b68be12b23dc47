"""How numbers are written for the eye: four digits, thousands with commas, p-values to four decimals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

NO_VALUE = "–"

_SMALLEST_P = 0.0001

_P_VALUES = ("p_value", "p_holm", "p_bh")

_ALIKE = 100.0
"""Numbers of one column whose sizes differ by less share their decimals, to stand below each other."""


def written(value: object) -> str:
    """Write a number in four digits, a count in full, another value as it is."""
    if not _is_number(value):
        return _other(value)
    number = float(value)  # type: ignore[arg-type]
    if math.isnan(number):
        return NO_VALUE
    if math.isinf(number):
        return "infinite" if number > 0 else "-infinite"
    if number.is_integer() and abs(number) < 1e15:
        return f"{number + 0.0:,.0f}"  # of which the sign of a zero goes
    return _with_decimals(number, _decimals(abs(number)))


def written_p(value: float) -> str:
    """Write a p-value in four decimals; one that is smaller as such."""
    if math.isnan(value):
        return NO_VALUE
    return "<0.0001" if value < _SMALLEST_P else f"{value:.4f}"


def for_the_eye(table: pd.DataFrame) -> pd.DataFrame:
    """Write the numbers of a table, those of a column with the same decimals where they are of one size.

    The ends of intervals have the decimals of their estimates.
    """
    columns = {}
    for place, name in enumerate(table.columns):
        values = table.iloc[:, place]
        if _last(name) in _P_VALUES:
            columns[place] = [written_p(float(value)) for value in values]
            continue
        like = _estimates_of(table, name)
        decimals = _shared_decimals(values if like is None else like)
        columns[place] = [_with_shared(value, decimals) for value in values]
    shown = pd.DataFrame(columns, index=table.index, dtype=object)
    return shown.set_axis(table.columns, axis=1)


def _last(name: object) -> object:
    return name[-1] if isinstance(name, tuple) else name


def _estimates_of(table: pd.DataFrame, name: object) -> pd.Series | None:
    """Give the column of estimates, where this is one of the ends of their intervals."""
    if name not in ("conf_low", "conf_high") or "estimate" not in table.columns:
        return None
    return table["estimate"]


def _with_shared(value: object, decimals: int | None) -> str:
    known = decimals is not None and _is_number(value) and math.isfinite(value)  # type: ignore[arg-type]
    return _with_decimals(float(value), decimals or 0) if known else written(value)  # type: ignore[arg-type]


def _shared_decimals(values: pd.Series) -> int | None:
    """Give the decimals with which the largest of a column has four digits; None where others need more."""
    if values.dtype.kind != "f":
        return None
    sizes = np.abs(values.to_numpy())
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    whole = (sizes == np.round(sizes)).all()
    if not len(sizes) or whole or sizes.max() > _ALIKE * sizes.min():
        return None
    return _decimals(float(sizes.max()))


def _decimals(size: float) -> int:
    """Give the decimals that make four digits, none of numbers that have four before the point."""
    return max(0, min(300, 3 - math.floor(math.log10(size)))) if size else 0


def _with_decimals(number: float, decimals: int) -> str:
    if number == 0 and decimals > 7:
        return "0"
    if abs(number) >= 1e15 or decimals > 7:
        return f"{number:.3e}"
    said = f"{number:,.{decimals}f}"
    return said.removeprefix("-") if float(said.replace(",", "")) == 0 else said


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _other(value: object) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return NO_VALUE
    return ("yes" if value else "no") if isinstance(value, bool | np.bool_) else str(value)
