"""Truncation: weights bounded, and told how many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered
from propensity.effects.arms import balancing_part, require_balancing
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnySeries, row_labels, series_like
from propensity.frames.rowwise import rowwise, rowwise_treated
from propensity.results.show import in_few_digits
from propensity.scores.quantiles import quantiles_of

WeightUnit: TypeAlias = Literal["quantile", "raw"]


@dataclass(frozen=True, eq=False, repr=False)
class TruncatedWeights(WeightedResult):
    """Weights of n rows, those beyond the bounds moved to them.

    Attributes
    ----------
    weights : Series (n,)
        Called "weights", with the index they came with; balancing weights, in which sample weights are not.
    counts : DataFrame
        By "arm" ("all" where the bounds are those of all rows): `n` rows that weigh something, the bounds
        `lower` and `upper`, how many weights were `n_raised` and `n_lowered` to them, the `largest` before.
    fingerprint : Fingerprint or None
        Of the effect or matches that the weights are from: which rows they are of.
    """

    made: ClassVar[Made] = Made(
        "weights",
        "the weights were made that were truncated",
        "these weights are of other rows: make them of these",
    )

    weights: AnySeries
    counts: pd.DataFrame
    fingerprint: Fingerprint | None = None

    @property
    def balancing_weights(self) -> Floats:
        """The same as an array (n,): what `smd` and `balance` multiply by the sample weights."""
        return np.asarray(self.weights)

    @property
    def n_truncated(self) -> int:
        """How many weights were moved."""
        return int(self.counts["n_raised"].sum() + self.counts["n_lowered"].sum())

    def to_frame(self) -> pd.DataFrame:
        """Give the counts."""
        return self.counts

    def _headline(self) -> str:
        n = int(self.counts["n"].sum())
        share = self.n_truncated / n
        return (
            f"Truncated weights: {self.n_truncated:,} of {n:,} ({share:.2%}) moved to a bound; "
            "look at balance again"
        )

    def _table(self) -> pd.DataFrame:
        return in_few_digits(self.counts)


@answered
def truncate(
    weights: object,
    *,
    upper: float | None = None,
    lower: float | None = None,
    unit: WeightUnit = "quantile",
    treatment: object = None,
    sample_weight: object = None,
) -> TruncatedWeights:
    """Bound weights, so that no few rows decide the estimate: less variance for some bias.

    Parameters
    ----------
    weights : Series, array (n,), Matched, Effect or BalancingWeights
        None negative. Rows of weight 0 are left out, and stay so. Sample weights are not in them; those of an
        effect or of matches are taken out.
    upper, lower : float or None, default None
        Weights above `upper` become `upper`, those below `lower` become `lower`; None for no bound. At least
        one is needed: there is no good choice for all data.
    unit : {"quantile", "raw"}, default "quantile"
        What the bounds are: quantiles of the weights, as ``upper=0.99``, or weights themselves, as
        ``upper=10, unit="raw"``. Quantiles are interpolated linearly between the weights above 0.
    treatment : None, Series or array (n,), default None
        Who was treated, bool or 0/1, for quantiles within each arm; by default they are those of all rows
        (Cole and Hernan 2008), so that the arms have the same bounds.
    sample_weight : None, Series or array (n,), default None
        How much of the population a row stands for: quantiles count it, and rows of weight 0 are not there.
        An effect or matches know theirs.

    Returns
    -------
    TruncatedWeights
        With `weights`, and the `counts` of what was moved. `smd` and `balance` take it as it is, with the
        same sample weights.

    Raises
    ------
    InvalidInputError
        No bound is given, they are in the wrong order or no quantiles, or a weight is negative.

    Notes
    -----
    Truncation bounds weights; to drop rows is `trim`. The bounds are chosen after a look at the weights, and
    they move the estimate away from the estimand: compare balance before and after, and say what they are.

    References
    ----------
    Cole and Hernan (2008), American Journal of Epidemiology 168:656.

    Examples
    --------
    >>> import numpy as np
    >>> import propensity as ps
    >>> bounded = ps.truncate(np.array([1.0, 1.5, 2.0, 40.0]), upper=10, unit="raw")
    >>> bounded.weights.tolist(), bounded.n_truncated
    ([1.0, 1.5, 2.0, 10.0], 1)
    """
    checks.choice("unit", unit, get_args(WeightUnit))
    _check_bounds(lower, upper, unit)
    if weights is None or isinstance(weights, str):
        raise TypeError(f"weights: a series, an array or a result that has some is needed, not {weights!r}")
    if sample_weight is not None:
        require_balancing(weights, "weights")
    made, given = _taken_apart(weights)
    index = pd.RangeIndex(len(given)) if isinstance(given, np.ndarray | list) else row_labels(given)
    values = rowwise(given, index, "weights")
    members = _arms(treatment, index)
    if made is not None and made.treated is not None and "treated" in members:
        remedy = "give the treatment that the weights were made with"
        rowwise_checks.same_treated("treatment", members["treated"], made.treated, index, remedy)
    rowwise_checks.not_negative(values, index, "weights")
    s = _sample_weight(sample_weight, index, made)
    if made is not None:
        values = balancing_part(values, made.sample_weight)
    truncated, counts = _bounded(values, s, members, partial(_limits, lower=lower, upper=upper, unit=unit))
    return TruncatedWeights(series_like(given, truncated, "weights"), counts, made)


def _taken_apart(weights: object) -> tuple[Fingerprint | None, Any]:
    """Give the rows that a result is of, and its weights; weights that are given are of no known rows."""
    if isinstance(weights, WeightedResult) and not isinstance(weights, TruncatedWeights):
        return weights.fingerprint, weights.weights
    return None, weights


def _bounded(
    values: Floats,
    sample_weight: Floats,
    members: dict[str, Bools],
    limits: Callable[[Floats, Floats], tuple[float, float]],
) -> tuple[Floats, pd.DataFrame]:
    """Move the weights (n,) of each arm that lie beyond its limits to them, and count how many there were."""
    truncated, rows = values.copy(), {}
    for arm, where in members.items():
        used = where & (values > 0) & (sample_weight > 0)
        if not used.any():
            raise InvalidInputError(f"weights: no weight above 0 ({arm} rows); there is nothing to bound")
        own = values[used]
        low, high = limits(own, sample_weight[used])
        truncated[used] = np.clip(own, low, high)
        rows[arm] = {
            "n": len(own),
            "lower": low,
            "upper": high,
            "n_raised": int((own < low).sum()),
            "n_lowered": int((own > high).sum()),
            "largest": own.max(),
        }
    return truncated, pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")


def _check_bounds(lower: float | None, upper: float | None, unit: WeightUnit) -> None:
    bounds = {name: bound for name, bound in (("lower", lower), ("upper", upper)) if bound is not None}
    if not bounds:
        raise InvalidInputError("upper, lower: at least one is needed, as upper=0.99")
    for name, bound in bounds.items():
        checks.number(name, bound, minimum=0)
        if unit == "quantile" and bound > 1:
            raise InvalidInputError(
                f"{name} must be a quantile, from 0 to 1, not {bound!r}; for a weight itself take unit='raw'"
            )
    if len(bounds) == 2 and not bounds["lower"] < bounds["upper"]:
        raise InvalidInputError(f"lower must be less than upper, not {lower!r} and {upper!r}")


def _arms(treatment: object, index: pd.Index[Any]) -> dict[str, Bools]:
    """Give the rows of each arm; of all together where no treatment is given."""
    if treatment is None:
        return {"all": np.ones(len(index), dtype=bool)}
    treated = rowwise_treated(treatment, index, "treatment")
    return {"treated": treated, "control": ~treated}


def _sample_weight(given: object, index: pd.Index[Any], made: Fingerprint | None) -> Floats:
    """Read what rows count for, where the weights do not know it themselves."""
    known = None if made is None else made.sample_weight
    values = None
    if given is not None:
        values = rowwise(given, index, "sample_weight")
        rowwise_checks.not_negative(values, index, "sample_weight")
    if made is not None and values is not None:
        rowwise_checks.same_weights(
            known, values, "the weights were made", "they know them: leave sample_weight out"
        )
    values = known if values is None else values
    return np.ones(len(index)) if values is None else values


def _limits(
    own: Floats, sample_weight: Floats, lower: float | None, upper: float | None, unit: WeightUnit
) -> tuple[float, float]:
    def limit(bound: float) -> float:
        return float(bound if unit == "raw" else quantiles_of(own, [bound], sample_weight)[0])

    return 0.0 if lower is None else limit(lower), np.inf if upper is None else limit(upper)
