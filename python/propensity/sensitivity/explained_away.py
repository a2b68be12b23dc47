"""The E-value of an effect: which risk ratio stands for it, and the interval that goes with that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from propensity.effects import inference
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.sensitivity.e_value import EValue, e_value_of, of_difference, of_ratio_contrast
from propensity.sensitivity.risk_difference import RiskDifference

if TYPE_CHECKING:
    from propensity.effects.effect import Effect

_EXACT = ("ATE", "ATT", "ATC")


def e_value_of_effect(effect: Effect, *, rare: bool, exact: bool, level: float, df: float | None) -> EValue:
    """Give the E-value of an effect, as `Effect.e_value` says."""
    checks.flag("rare", rare)
    checks.flag("exact", exact)
    checks.confidence_level(level)
    if rare and effect.contrast != "odds_ratio":
        raise InvalidInputError(
            f"rare: it matters for an odds ratio alone, and this is a {effect.contrast}; leave it out"
        )
    if exact:
        return _exact(effect, level, df)
    if effect.contrast == "odds_ratio":
        return of_ratio_contrast(
            "odds_ratio", effect.estimate, *effect.conf_int(level, df=df), rare=rare, level=level
        )
    if effect.contrast != "difference" or effect.binary:
        return _of_ratio(effect, level, df)
    return _of_difference(effect, level, df)


def _of_ratio(effect: Effect, level: float, df: float | None) -> EValue:
    """Take the ratio of the two means."""
    treated, control = effect.mean_treated, effect.mean_control
    if treated == control:
        return EValue.of_ratios(1.0, 1.0, 1.0, how="ratio of the two means, which are equal", level=level)
    if min(treated, control) <= 0:
        raise InvalidInputError(
            f"e_value: a risk ratio needs two positive means, but they are {treated:.4g} and {control:.4g}; "
            "where an arm has no events any confounder of finite strength leaves something of the effect"
        )
    if effect.influence is None and effect.means_covariance is None:
        ends = [1 + end / control for end in effect.conf_int(level, df=df)]
        how = "ratio of the two means; its interval is that of the difference, beside the controls' mean"
        return EValue.of_ratios(treated / control, *ends, how=how, level=level)
    ratio = effect.contrast_as("ratio")
    return of_ratio_contrast("ratio", ratio.estimate, *ratio.conf_int(level, df=df), rare=False, level=level)


def _of_difference(effect: Effect, level: float, df: float | None) -> EValue:
    """Take the difference in standard deviations of the outcome."""
    std_dev = effect.outcome_std_dev
    if math.isnan(std_dev):
        raise InvalidInputError(
            "e_value: this effect was made without its outcome, whose standard deviation is needed; take "
            "ps.e_value(estimate, std_error=..., std_dev=..., contrast='difference')"
        )
    if std_dev == 0:
        how = "the outcome is the same for all"
        return EValue.of_ratios(1.0, 1.0, 1.0, how=how, level=level)
    # The error of which the normal law makes the effect's own interval.
    error = effect._half_width(level, df) / inference.normal_quantile(level) or None
    return of_difference(effect.estimate, None, None, std_dev, error, level)


def _exact(effect: Effect, level: float, df: float | None) -> EValue:
    """Search for the bias that takes the difference of two risks, and the end of its interval, to none."""
    if effect.contrast != "difference" or not effect.binary or effect.estimand not in _EXACT:
        raise InvalidInputError(
            "exact: the search is for a difference of two risks, for the ATE, the ATT or the ATC; this is a "
            f"{effect.contrast} for the {effect.estimand}"
            + ("" if effect.binary else ", of an outcome that is not 0/1")
        )
    if effect.influence_treated is None or effect.influence_control is None or effect.treated is None:
        raise InvalidInputError(
            "exact: this method gives no influence values to say how the two risks vary; weighting and the "
            "outcome models do (ipw, aipw, ipwra, regression_adjustment)"
        )
    if effect.frequency is not None:
        raise InvalidInputError(
            "exact: the search looks at single users, and a row of these cells stands for many; take it "
            "without exact=True, or of an effect on cells.expand(), which has a row for each"
        )
    share, of_share = _share_treated(effect)
    influence = np.column_stack([effect.influence_treated, effect.influence_control, of_share])
    risks = RiskDifference(
        effect.mean_treated, effect.mean_control, share, inference.covariance(influence, effect.clusters)
    )
    factor = risks.factor_to_none(0.0)
    errors = effect._half_width(level, df) / effect.std_error if effect.std_error > 0 else 0.0
    factor_at_limit = risks.factor_to_none(errors)
    low, high = (factor_at_limit, math.nan) if effect.estimate >= 0 else (math.nan, 1 / factor_at_limit)
    return EValue.of_ratios(
        factor if effect.estimate >= 0 else 1 / factor,
        low,
        high,
        how="the factor of bias that leaves nothing of the risk difference (Ding and VanderWeele 2016)",
        level=level,
        exact_limit=e_value_of(factor_at_limit),
    )


def _share_treated(effect: Effect) -> tuple[float, np.ndarray]:
    """Give the share of those whom the effect is for that are treated, and the rows' influence (n,) on it."""
    assert effect.treated is not None
    t = effect.treated.astype(np.float64)
    if effect.estimand != "ATE":
        return float(effect.estimand == "ATT"), np.zeros(len(t))
    s = None if effect.fingerprint is None else effect.fingerprint.sample_weight
    weight = np.ones(len(t)) if s is None else s
    share = float(np.average(t, weights=weight))
    return share, weight / weight.mean() * (t - share)
