"""What a Love plot is drawn from: a measure of balance, terms in rows and samples in columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from propensity.balance.result import Balance
from propensity.balance.tables import balance as tabulate
from propensity.effects.effect import Effect
from propensity.effects.several import Effects
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import InvalidInputError
from propensity.frames import native, rowwise_checks
from propensity.frames.native import AnyFrame
from propensity.matching.result import Matched
from propensity.weighting.balancing_weights import BalancingWeights

_WEIGHED = (WeightedResult, Effects)


def tabulated(
    balance: object, df: AnyFrame | None, covariates: object, treatment: str | None, by: object = None
) -> pd.DataFrame | Mapping[str, pd.Series[Any]]:
    """Give a table of balance as it is, and make one of results, which know weights but no covariates.

    Raises
    ------
    InvalidInputError
        A result is given without the covariates to compare, or without a frame that has them.
    TypeError
        There is no balance in what is given.
    """
    if isinstance(balance, Balance):
        balance = balance.table
    if covariates is None and df is None and by is not None:
        raise InvalidInputError(
            "by: groups are tabulated first, ps.balance(df, ..., by=...), or name df and covariates here"
        )
    if covariates is None and df is None:
        return balance.balance().table if isinstance(balance, BalancingWeights) else _measures(balance)
    if native.is_frame(balance) and df is None:
        df, balance = balance, None
    if df is None or covariates is None:
        missing = "df: the frame that has the covariates" if df is None else "covariates: which to compare"
        raise InvalidInputError(f"{missing} is needed to tabulate balance, as in {_line('matches')}")
    weights = {name: _one(given) for name, given in balance.items()} if isinstance(balance, Mapping) else None
    if weights is None and balance is not None:
        weights = {"matched" if isinstance(balance, Matched) else "weighted": _one(balance)}
    known = [given.fingerprint for given in (weights or {}).values() if isinstance(given, WeightedResult)]
    base = next((made.sample_weight for made in known if made is not None), None)
    if treatment is None:
        df, treatment = _with_treatment(df, weights or {})
    return tabulate(
        df,
        treatment=treatment,
        covariates=covariates,  # type: ignore[arg-type]
        weights=weights,
        by=by,  # type: ignore[arg-type]
        sample_weight=base,
    ).table


def _measures(balance: object) -> pd.DataFrame | Mapping[str, pd.Series[Any]]:
    """Take measures as they are: a table, a series, or series by the names of the samples."""
    if isinstance(balance, _WEIGHED):
        raise _without_covariates(type(balance).__name__)
    if isinstance(balance, pd.DataFrame):
        _require_numbers(balance)
        return balance
    if isinstance(balance, pd.Series):
        balance = {str(balance.name if balance.name is not None else "balance"): balance}
    if not isinstance(balance, Mapping):
        raise TypeError(
            "balance: what ps.balance or ps.smd gave is needed, a mapping of names to series of these, or "
            f"matches or effects with their covariates, not {type(balance).__name__}"
        )
    for name, series in balance.items():
        if isinstance(series, _WEIGHED):
            raise _without_covariates(type(series).__name__)
        if not isinstance(series, pd.Series):
            raise TypeError(
                f"balance[{name!r}]: a Series by term is needed, as of ps.smd, not {type(series).__name__}"
            )
    _require_numbers(pd.DataFrame({name: series.to_numpy()[:1] for name, series in balance.items()}))
    return balance


def _without_covariates(what: str) -> InvalidInputError:
    return InvalidInputError(
        f"balance: {what} has weights and knows no covariates; say which are to be compared, as in "
        f"{_line('result')}, or draw what ps.balance(df, ..., weights=result) gave"
    )


def _line(result: str) -> str:
    return f"love_plot({result}, df=df, covariates=['age', 'tier'])"


def _require_numbers(table: pd.DataFrame) -> None:
    text = [column for column in table.columns if table[column].dtype.kind not in "bif"]
    if text:
        raise InvalidInputError(
            f"balance: column {text[0]!r} holds no numbers; a table of ps.balance is needed, or one measure "
            "alone, terms in rows and samples in columns"
        )


def _one(given: Any) -> Any:
    """Take the effect on the first of several outcomes: they have the same weights."""
    return next(iter(given.by_outcome.values())) if isinstance(given, Effects) else given


def _with_treatment(df: AnyFrame, weights: Mapping[str, object]) -> tuple[AnyFrame, str]:
    """Add who was treated to a frame, as a result knows it, under a name that the frame has not."""
    knowing = Matched | Effect | BalancingWeights
    known = (given.treated for given in weights.values() if isinstance(given, knowing))
    treated = next((treated for treated in known if treated is not None), None)
    if treated is None:
        raise InvalidInputError("treatment: the name of the column is needed, for these do not know it")
    rowwise_checks.same_length("df", len(native.labels_of(df)), len(treated))
    name = "was treated"
    while name in native.column_names(df):
        name += "_"
    return native.kept(df, np.ones(len(treated), dtype=bool), {name: treated.astype(np.int64)}), name
