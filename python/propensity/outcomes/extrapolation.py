"""Rows that an outcome model does not reach: what they hold that no row of the other arm does.

A level that an arm never has gets no coefficient there, nor does a column that is constant in it; what is
predicted for such rows would hang on which level is the reference. So it is refused, and what the rows have
in common is told from the frame: a level, a combination of levels, a number of which the arm has one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import OverlapError
from propensity.frames import checks
from propensity.frames.checks import Bools
from propensity.frames.levels import coded, has_levels, written

_MOST_COLUMNS = 12  # more, and their combinations are too many to go through
_MOST_TOGETHER = 3
_SHOWN = 3


@contextmanager
def naming_rows_outside(
    columns: Mapping[str, pd.Series[Any]],
    index: pd.Index[Any],
    terms: Sequence[str],
    treated: Bools,
    there: Bools | None = None,
) -> Iterator[None]:
    """Let an `OverlapError` of the core, which knows rows and columns by number, say what the rows hold.

    Parameters
    ----------
    columns : mapping of str to Series
        Of the frame, of which the outcome models' terms are made: bool, numeric or categorical.
    index : Index (n,)
    terms : sequence of str
        The terms.
    treated : ndarray (n,) of bool
    there : ndarray (n,) of bool, or None, default None
        The rows that models may be fitted to; None for all.
    """
    try:
        yield
    except OverlapError as error:
        if error.treated is None:
            raise
        fitted_to = (treated == error.treated) & (True if there is None else there)
        outside = np.zeros(len(treated), dtype=bool)
        outside[list(error.rows)] = True
        message = _message(columns, index, [terms[k] for k in error.columns], fitted_to, outside, error)
        raise OverlapError(message, error.columns, error.rows, error.treated) from None


def _message(
    columns: Mapping[str, pd.Series[Any]],
    index: pd.Index[Any],
    terms: Sequence[str],
    fitted_to: Bools,
    outside: Bools,
    error: OverlapError,
) -> str:
    own, other = ("treated", "control") if error.treated else ("control", "treated")
    cells = list(_cells(columns, fitted_to, outside))
    words = [words for words, _ in cells[:_SHOWN]]
    if len(cells) > _SHOWN:
        words.append(f"{len(cells) - _SHOWN} more such combinations")
    hold = f" with {', or '.join(words)}" if words else ""
    unasked = "ATT" if error.treated else "ATC"
    counterfactual = "treated" if error.treated else "not treated"
    merge = "merge the level with another, " if any(of_levels for _, of_levels in cells) else ""
    named = f"term{'' if len(terms) == 1 else 's'} {checks.listed(terms)}"
    return (
        f"outcome model of the {own} rows, {named}: {checks.counted(outside, f'{other} row', index)}{hold} "
        f"lie outside what any {own} row holds, so that nothing in the data tells their outcome had they "
        f"been {counterfactual}; drop these rows (the effect is then for the others), {merge}or leave the "
        f"term{'' if len(terms) == 1 else 's'} out of the outcome models (outcome_covariates=); "
        f'estimand="{unasked}" needs no outcome model of the {own} rows'
    )


def _cells(
    columns: Mapping[str, pd.Series[Any]], fitted_to: Bools, outside: Bools
) -> Iterator[tuple[str, bool]]:
    """Say what rows hold that no row fitted to does, the simplest first, and whether it is a named level."""
    left = outside.copy()
    levels = {name: coded(column) for name, column in columns.items() if has_levels(column)}
    for name, column in columns.items():
        if name not in levels:
            values = column.to_numpy(dtype=np.float64)
            own = np.unique(values[fitted_to])
            if len(own) == 1 and (left & (values != own[0])).any():
                left &= values == own[0]
                yield f"{name} other than {written(own[0])}", False
    few = list(levels) if len(levels) <= _MOST_COLUMNS else []
    choices = [[name] for name in levels]
    choices += [list(some) for n in range(2, _MOST_TOGETHER + 1) for some in combinations(few, n)]
    for chosen in choices:
        shape = [len(levels[name][1]) for name in chosen]
        codes = np.ravel_multi_index([levels[name][0] for name in chosen], shape)
        known = np.bincount(codes[fitted_to], minlength=int(np.prod(shape))) > 0
        new = left & ~known[codes]
        for code in np.unique(codes[new]):
            at = np.unravel_index(int(code), shape)
            held = [levels[name][1][int(k)] for name, k in zip(chosen, at, strict=True)]
            words = [f"{name} == {written(value)}" for name, value in zip(chosen, held, strict=True)]
            yield " and ".join(words), any(isinstance(value, str) for value in held)
        left &= ~new
