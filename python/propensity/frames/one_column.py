"""What has to be one column or one outcome, and is given as several: the line that asks for each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames.checks import column_name, listed

_COLUMNS = (np.ndarray, pd.Series)
_LOOKED_AT = 5

NOT_TWO_WAYS = (
    "clusters of two columns are for ipw, weighted_effect and the effects of matches and of fit_weights, "
    "and for aipw, ipwra and regression_adjustment without folds"
)


def one_column(role: str, value: object, n_rows: int) -> None:
    """Require one column to be given by its name, or values row by row: not by a list of names."""
    if not isinstance(value, list | tuple) or len(value) == n_rows or not value:
        return
    if all(isinstance(name, str) for name in value):
        if len(value) == 1:
            raise TypeError(
                f"{role}: one column is given by its name alone, {role}={value[0]!r}, not by a list"
            )
        remedy = "for the combinations of their values make one column of them"
        if role == "cluster":
            remedy = NOT_TWO_WAYS
        raise TypeError(
            f"{role}: one column is needed, and {len(value):,} are named, {listed(value)}; {remedy}"
        )


def one_outcome(function: str, outcome: object, treatment: object, covariates: object) -> None:
    """Require one outcome of what is of one."""
    if isinstance(outcome, list | tuple | pd.Index) and len(outcome) != 1:
        roles = f"treatment={treatment!r}, covariates={_plain_list(covariates)!r}"
        raise TypeError(
            f"outcome: {function} takes one outcome; for several, with what else you gave added: "
            f"{{name: ps.{function}(df, outcome=name, {roles}) for name in {list(outcome)!r}}}"
        )
    column_name("outcome", list(outcome) if isinstance(outcome, tuple | pd.Index) else outcome)


def rows_of_values(role: str, values: object) -> None:
    """Require a list to be of values, one for each row, and not of results or arrays that have many."""
    if not isinstance(values, list | tuple):
        return
    found = next((v for v in values[:_LOOKED_AT] if hasattr(v, "weights") or isinstance(v, _COLUMNS)), None)
    if found is not None:
        kind = type(found).__name__
        several = "give one of them, or where several are taken, a dict with a name for each"
        one = "give it by itself, not in a list" if len(values) == 1 else several
        raise TypeError(
            f"{role}: one value for each row is needed, and here is a list of {len(values):,}, the first a "
            f"{kind}; {one}"
        )


def _plain_list(names: object) -> object:
    return list(names) if isinstance(names, pd.Index | np.ndarray) else names


def one_outcome_of_matches(call: str, outcome: object, n_rows: int) -> None:
    """Require one outcome of what matches, subclasses or weights are asked of one: `call` is how that is."""
    if isinstance(outcome, pd.DataFrame | Mapping):
        each = f"{{name: {call}(several[name]) for name in several}}, with `several` what you gave"
        n = len(outcome.keys())
    elif isinstance(outcome, list | tuple | pd.Index) and 0 < len(outcome) != n_rows:
        names = [name for name in outcome if isinstance(name, str)]
        n = len(outcome)
        each = f"{{name: {call}(name) for name in {names!r}}}"
        if len(names) < n:
            each = f"[{call}(values) for values in several], with `several` what you gave"
    else:
        return
    raise InvalidInputError(f"outcome: one is needed, by itself, and {n:,} are given; for each, {each}")
