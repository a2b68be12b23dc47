"""Truncation: weights bounded, and told how many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.keywords import answered
from propensity.effects.arms import balancing_part, require_balancing
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnySeries, row_labels, series_like
from propensity.frames.rowwise import rowwise, rowwise_treated
from propensity.frames.terms import spread
from propensity.scores.model import ModelScores
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
        Of the result that the weights are from: which rows they are of.
    estimand : str or None
        Whose effect they are for; None where that is not known of weights.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> weights = ps.balancing_weights(users, treatment=treatment, scores=model)
    >>> bounded = ps.truncate(weights, treatment=users[treatment], upper=0.95)
    >>> bounded.n_truncated
    101
    >>> len(bounded.weights)
    2000
    """

    made: ClassVar[Made] = Made(
        "weights",
        "the weights were made that were truncated",
        "these weights are of other rows: make them of these",
    )

    weights: AnySeries
    counts: pd.DataFrame
    fingerprint: Fingerprint | None = None
    estimand: str | None = None

    @property
    def balancing_weights(self) -> Floats:
        """The same as an array (n,): what `smd` and `balance` multiply by the sample weights."""
        return np.asarray(self.weights)

    @property
    def n_truncated(self) -> int:
        """How many weights were moved."""
        return int(self.counts["n_raised"].sum() + self.counts["n_lowered"].sum())

    def to_frame(self) -> pd.DataFrame:
        """Give the counts.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> weights = ps.balancing_weights(users, treatment=treatment, scores=model)
        >>> ps.truncate(weights, treatment=users[treatment], upper=0.95).to_frame()
                    n  lower     upper  n_raised  n_lowered   largest
        arm
        treated   538    0.0  8.440680         0         27  9.841103
        control  1462    0.0  2.753303         0         74  3.167614
        """
        return self.counts

    def _headline(self) -> str:
        n = int(self.counts["n"].sum())
        share = self.n_truncated / n
        return (
            f"Truncated weights: {self.n_truncated:,} of {n:,} ({share:.2%}) moved to a bound; "
            "look at balance again (balance, smd), then weighted_effect takes them"
        )

    def _table(self) -> pd.DataFrame:
        return self.counts


@answered
def truncate(
    weights: object = None,
    *,
    scores: object = None,
    estimand: WeightingEstimand | None = None,
    upper: float | None = None,
    lower: float | None = None,
    unit: WeightUnit = "quantile",
    treatment: object = None,
    sample_weight: object = None,
) -> TruncatedWeights:
    """Bound weights, so that no few rows decide the estimate: less variance for some bias.

    Parameters
    ----------
    weights : Series, array (n,), BalancingWeights, Effect, Matched or a model of scores, default None
        None negative. Rows of weight 0 are left out, and stay so. Sample weights are not in them; those of a
        result are taken out. A model stands for `scores`.
    scores : PropensityModel, CrossFittedScores, Series or array (n,), default None
        Instead of weights: scores, from which they are made.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"} or None, default None
        Whose effect weights are made for from scores; None takes the ATE, as `ipw` does.
    upper, lower : float or None, default None
        Weights above `upper` become `upper`, those below `lower` become `lower`; None for no bound. At least
        one is needed: there is no good choice for all data.
    unit : {"quantile", "raw"}, default "quantile"
        What the bounds are: quantiles of the weights, as ``upper=0.99``, or weights themselves, as
        ``upper=10, unit="raw"``. Quantiles are interpolated linearly between the weights above 0 of an arm:
        the weights of both are on scales of their own.
    treatment : None, Series or array (n,), default None
        Who was treated, bool or 0/1. A result and a model know it; of bare weights without it the quantiles
        are those of all rows (Cole and Hernan 2008).
    sample_weight : None, Series or array (n,), default None
        How much of the population a row stands for: quantiles count it, as `wtd.quantile` of R's Hmisc with
        ``normwt=TRUE`` does, interpolating between the rows there are; rows of weight 0 are not there.
        A result and a model know theirs.

    Returns
    -------
    TruncatedWeights
        With `weights`, and the `counts` of what was moved. `weighted_effect`, `smd`, `balance` and the plots
        take it as it is, with the same sample weights.

    Raises
    ------
    InvalidInputError
        No bound is given, they are in the wrong order or no quantiles, a weight is negative, or scores come
        without a treatment.
    OverlapError
        A score is 0 or 1.

    See Also
    --------
    weighted_effect : The effect with these weights.
    IPW : The specification; with ``truncate=0.99`` bounds are found anew in every replicate of a bootstrap.
    trim : To drop rows.

    Notes
    -----
    The bounds are chosen after a look at the weights, and they move the estimate away from the estimand:
    compare balance before and after, and say what they are. Where the arms overlap little, weights for the
    overlap (``estimand="ATO"``) need no bound: none of them exceeds 1, and they balance the terms of a
    logistic score exactly; the effect is that of those who might have been in either arm.

    References
    ----------
    Cole and Hernan (2008), American Journal of Epidemiology 168:656; Li, Morgan and Zaslavsky (2018), Journal
    of the American Statistical Association 113:390.

    Examples
    --------
    >>> import numpy as np
    >>> import propensity as ps
    >>> bounded = ps.truncate(np.array([1.0, 1.5, 2.0, 40.0]), upper=10, unit="raw")
    >>> bounded.weights.tolist(), bounded.n_truncated
    ([1.0, 1.5, 2.0, 10.0], 1)
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> model = ps.fit_propensity(
    ...     users, treatment="opt_in_agent_mode", covariates=["engagement_tier", "query_confidence"]
    ... )
    >>> bounded = ps.truncate(model, estimand="ATT", upper=0.99)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> effect = ps.weighted_effect(users, weights=bounded, **roles)
    """
    checks.choice("unit", unit, get_args(WeightUnit))
    _check_bounds(lower, upper, unit)
    if scores is None and isinstance(weights, ModelScores):
        weights, scores = None, weights
    if scores is not None:
        given = _of_scores(weights, scores, estimand, treatment, sample_weight)
    elif estimand is not None:
        raise InvalidInputError(
            "estimand: weights that are given are for somebody already; it is for weights that are made of "
            "scores (scores=...)"
        )
    elif isinstance(weights, WeightedResult) and weights.fingerprint is not None:
        given = _of_result(weights, weights.fingerprint, treatment, sample_weight)
    else:
        given = _of_values(weights, treatment, sample_weight)
    truncated, counts = _bounded(given, partial(_limits, lower=lower, upper=upper, unit=unit))
    series = series_like(given.like, truncated, "weights")
    return TruncatedWeights(series, counts, given.fingerprint, given.estimand)


@dataclass(frozen=True, eq=False)
class _Given:
    """Weights (n,) to be bounded, without sample weights, and what is known of their rows.

    Attributes
    ----------
    values : ndarray (n,)
    like : Series or array (n,)
        How they came.
    treated : ndarray (n,) of bool, or None
    sample_weight : ndarray (n,) or None
    fingerprint, estimand
        As of `TruncatedWeights`.
    """

    values: Floats
    like: AnySeries
    treated: Bools | None
    sample_weight: Floats | None
    fingerprint: Fingerprint | None = None
    estimand: str | None = None

    @property
    def frequency(self) -> Floats | None:
        """How many users each weight is of, (n,); None where each is of one."""
        return None if self.fingerprint is None else self.fingerprint.frequency


def _of_values(weights: object, treatment: object, sample_weight: object) -> _Given:
    """Read bare weights, of no known rows."""
    estimand: str | None = None
    if isinstance(weights, TruncatedWeights):
        estimand, weights = weights.estimand, weights.weights
    if weights is None or isinstance(weights, str):
        raise TypeError(f"weights: a series, an array or a result that has some is needed, not {weights!r}")
    if sample_weight is not None:
        require_balancing(weights, "weights")
    index = _labels(weights)
    values = rowwise(weights, index, "weights")
    rowwise_checks.not_negative(values, index, "weights")
    treated = None if treatment is None else rowwise_treated(treatment, index, "treatment")
    own = None if sample_weight is None else _sample_weight(sample_weight, index)
    return _Given(values, weights, treated, own, estimand=estimand)


def _of_result(result: WeightedResult, made: Fingerprint, treatment: object, sample_weight: object) -> _Given:
    """Take the weights of a result, whose rows are known."""
    _require_known(made, treatment, sample_weight)
    rowwise_checks.not_negative(result.balancing_weights, made.index, "weights")
    estimand = getattr(result, "estimand", None)
    return _Given(result.balancing_weights, result.weights, made.treated, made.sample_weight, made, estimand)


def _of_scores(
    weights: object, scores: object, estimand: object, treatment: object, sample_weight: object
) -> _Given:
    """Make weights of scores, of a model or given."""
    if weights is not None:
        raise InvalidInputError("weights, scores: weights are given, or made of scores; give one of the two")
    whose: WeightingEstimand = checks.estimand(
        "ATE" if estimand is None else estimand, get_args(WeightingEstimand)
    )
    if isinstance(scores, ModelScores):
        made = scores.fingerprint
        _require_known(made, treatment, sample_weight)
        e, treated, own, like = scores.values, scores.treated, made.sample_weight, scores.scores
        index = made.index
    else:
        if isinstance(scores, str) or treatment is None:
            remedy = "take the column, df['...']" if isinstance(scores, str) else "give treatment="
            raise InvalidInputError(f"scores: values and who was treated are needed for weights; {remedy}")
        made, like, index = None, scores, _labels(scores)
        e, treated = rowwise(scores, index, "scores"), rowwise_treated(treatment, index, "treatment")
        own = None if sample_weight is None else _sample_weight(sample_weight, index)
        rowwise_checks.no_classes(e, "scores")
    if own is not None:  # whoever weighs nothing is not there, whatever the score
        e = spread(e[own > 0], own)
    rowwise_checks.scores(e, index, "scores")
    users = None if made is None else made.frequency
    total = core.balancing_weights(treated, e, estimand=whose, sample_weight=own, frequency=users).weights
    return _Given(balancing_part(total, own), like, treated, own, made, whose)


def _labels(values: Any) -> pd.Index[Any]:
    return pd.RangeIndex(len(values)) if isinstance(values, np.ndarray | list) else row_labels(values)


def _require_known(made: Fingerprint, treatment: object, sample_weight: object) -> None:
    """Require what is given beside a result, which knows it, to be what it knows."""
    if treatment is not None and made.treated is not None:
        remedy = "give the treatment that the weights were made with"
        treated = rowwise_treated(treatment, made.index, "treatment")
        rowwise_checks.same_treated("treatment", treated, made.treated, made.index, remedy)
    if sample_weight is not None:
        given = _sample_weight(sample_weight, made.index)
        remedy = "they know them: leave sample_weight out"
        rowwise_checks.same_weights(made.sample_weight, given, "the weights were made", remedy)


def _sample_weight(given: object, index: pd.Index[Any]) -> Floats:
    """Read what rows count for."""
    values = rowwise(given, index, "sample_weight")
    rowwise_checks.not_negative(values, index, "sample_weight")
    return values


def _bounded(
    given: _Given, limits: Callable[[Floats, Floats, Floats], tuple[float, float]]
) -> tuple[Floats, pd.DataFrame]:
    """Move the weights (n,) of each arm that lie beyond its limits to them, and count how many there were.

    Of weights whose arms are not known all rows are one.
    """
    values, treated = given.values, given.treated
    own = np.ones(len(values)) if given.sample_weight is None else given.sample_weight
    users = np.ones(len(values)) if given.frequency is None else given.frequency
    members = {"all": np.ones(len(values), dtype=bool)}
    if treated is not None:
        members = {"treated": treated, "control": ~treated}
    truncated, rows = values.copy(), {}
    for arm, where in members.items():
        used = where & (values > 0) & (own > 0)
        if not used.any():
            raise InvalidInputError(f"weights: no weight above 0 ({arm} rows); there is nothing to bound")
        inside = values[used]
        low, high = limits(inside, own[used], users[used])
        truncated[used] = np.clip(inside, low, high)
        rows[arm] = {
            "n": int(users[used].sum()),
            "lower": low,
            "upper": high,
            "n_raised": int(users[used][inside < low].sum()),
            "n_lowered": int(users[used][inside > high].sum()),
            "largest": inside.max(),
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


def _limits(
    own: Floats,
    sample_weight: Floats,
    users: Floats,
    lower: float | None,
    upper: float | None,
    unit: WeightUnit,
) -> tuple[float, float]:
    def limit(bound: float) -> float:
        counted = None if (users == 1).all() else users
        return float(bound if unit == "raw" else quantiles_of(own, [bound], sample_weight, counted)[0])

    return 0.0 if lower is None else limit(lower), np.inf if upper is None else limit(upper)
