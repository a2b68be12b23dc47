"""Columns that alone tell who was treated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.levels import is_categorical
from propensity.frames.native import Column
from propensity.study.check_result import Finding
from propensity.study.check_rows import CheckedRows

TOO_WELL = 0.95
"""An AUC of one column alone; what was known before somebody chose hardly foretells the choice so well."""

_SUSPICIOUS = 0.93  # among some rows, for all to be looked at

_ROWS_A_LEVEL = 20  # fewer, and shares of levels foretell by chance


def foretelling(rows: CheckedRows) -> Iterator[Finding]:
    """Find columns that alone tell who was treated."""
    if rows.treated is None or rows.control is None:
        return
    arms = rows.treated, rows.control
    for name, column in rows.columns.items():
        looked_at = _order(rows, column, rows.some)
        some = [arm[rows.some] for arm in arms]
        if looked_at is None or area(looked_at, some[0], some[1], rows.of(rows.some)) < _SUSPICIOUS:
            continue
        everyone = np.arange(len(rows.index))
        found = area(_order(rows, column, everyone), arms[0], arms[1], rows.users)
        if found >= TOO_WELL:
            said = f"it alone tells the arms apart (AUC {found:.3f}): is it known only after the treatment?"
            yield rows.finding(
                "warning",
                name,
                rows.n_users,
                said,
                "what the treatment moves is no covariate: leave it out",
            )


def _order(rows: CheckedRows, column: Column, places: Rows) -> Floats | None:
    """Give what orders some rows: numbers, or the share of the treated at their level; NaN where missing."""
    if not is_categorical(column):
        return column.to_numpy()[places].astype(np.float64)
    codes = column.cat.codes.to_numpy()[places].astype(np.int64)
    n_levels = len(column.cat.categories)
    users = np.ones(len(codes)) if rows.users is None else rows.users[places]
    if users.sum() < _ROWS_A_LEVEL * n_levels:
        return None
    assert rows.treated is not None
    known = codes >= 0
    there = known & rows.treated[places]
    n_treated = np.bincount(codes[there], users[there], n_levels)
    n_rows = np.bincount(codes[known], users[known], n_levels)
    share = n_treated / np.maximum(n_rows, 1)
    return np.where(known, share[codes], np.nan)


def area(values: Floats | None, treated: Bools, control: Bools, users: Floats | None = None) -> float:
    """Give the area under the curve of one column, or of its negative, among the rows where it is known.

    The probability that a treated row's value is above a control's, ties counting half (Mann and Whitney
    1947); 0.5 where an arm has no values. `users` (n,) says how many each row stands for.
    """
    if values is None:
        return 0.5
    known = np.isfinite(values)
    f = np.ones(len(values)) if users is None else users
    n_treated, n_control = float(f[known & treated].sum()), float(f[known & control].sum())
    if not n_treated or not n_control:
        return 0.5
    distinct, codes = np.unique(values[known], return_inverse=True)
    above = np.bincount(codes[treated[known]], f[known & treated], len(distinct))
    below = np.bincount(codes[control[known]], f[known & control], len(distinct))
    wins = (above * (np.cumsum(below) - below / 2)).sum() / (n_treated * n_control)
    return float(max(wins, 1 - wins))
