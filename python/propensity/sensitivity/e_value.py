"""E-values: the risk ratios that a hidden confounder would need with treatment and outcome."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import pandas as pd

from propensity.calls.elsewhere import elsewhere
from propensity.calls.keywords import answered
from propensity.calls.warned import warn
from propensity.effects import inference
from propensity.errors import ArgumentWarning, InvalidInputError
from propensity.frames import checks
from propensity.sensitivity.answer import Answer

Measure: TypeAlias = Literal["ratio", "odds_ratio", "hazard_ratio", "difference"]

# exp(0.91 d) is about the risk ratio that goes with a difference of d standard deviations where the outcome
# is cut in two (Chinn 2000, with the square root of the odds ratio); 1.78 is 0.91 times 1.96 as VanderWeele
# and Ding (2017, table 2) round it.
_PER_STANDARD_DEVIATION = 0.91
_PER_STANDARD_ERROR = 1.78

# Vaccines apart, no published ratio of an outcome is so far below 1; differences of shares mostly are.
_HARDLY_A_RATIO = 0.2

_AS_DIFFERENCE = 'contrast="difference", std_dev=...'

_HOW: dict[str, str] = {
    "ratio": "ratio of the two means",
    "odds_ratio": "square root of the odds ratio, of an outcome that is common",
    "rare odds_ratio": "odds ratio, of an outcome that is rare",
    "hazard_ratio": "hazard ratio of an outcome that is common, made a risk ratio",
    "rare hazard_ratio": "hazard ratio, of an outcome that is rare",
    "difference": "exp(0.91 d), with d the difference in standard deviations of the outcome",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EValue(Answer):
    """How strong a hidden confounder would have to be to explain an effect away.

    Attributes
    ----------
    point : float
        The risk ratio that it would need, at the least, with both the treatment and the outcome (given the
        covariates adjusted for) to move the estimate to no effect. 1 where there is none to explain.
    limit : float
        The same for the end of the interval nearest to no effect: 1 where the interval includes it, and
        NaN where none was given.
    ratio, ratio_low, ratio_high : float
        The estimate and its interval as a risk ratio, or about one.
    how : str
        How the risk ratio was made.
    level : float
        Coverage of the interval.

    Examples
    --------
    >>> import propensity as ps
    >>> found = ps.e_value(1.5, 1.2, 1.9)
    >>> print(f"{found.point:.2f}, {found.limit:.2f}")
    2.37, 1.69
    >>> str(found).startswith("to explain it away a confounder would need risk ratios of 2.37")
    True
    """

    point: float
    limit: float
    ratio: float
    ratio_low: float
    ratio_high: float
    how: str
    level: float

    @classmethod
    def of_ratios(
        cls,
        ratio: float,
        low: float,
        high: float,
        *,
        how: str,
        level: float,
        exact_limit: float | None = None,
    ) -> EValue:
        """Make it of a risk ratio and the ends of its interval, NaN where there is none.

        `exact_limit` is the E-value of the interval where it was found otherwise.
        """
        limit = e_value_of_interval(ratio, low, high) if exact_limit is None else exact_limit
        return cls(
            point=e_value_of(ratio),
            limit=limit,
            ratio=ratio,
            ratio_low=low,
            ratio_high=high,
            how=how,
            level=level,
        )

    @property
    def table(self) -> pd.DataFrame:
        """The ratios and their E-values.

        Returns
        -------
        DataFrame (2, 2)
            Rows "estimate" and "limit" (the end of the interval nearest to no effect); columns `ratio`,
            `e_value`.
        """
        low, high = self.ratio_low, self.ratio_high
        near = low if self.ratio >= 1 else high
        return pd.DataFrame(
            {"ratio": [self.ratio, near], "e_value": [self.point, self.limit]},
            index=pd.Index(["estimate", "limit"], name="of"),
        )

    def _sentence(self) -> str:
        if self.point == 1.0:
            return "there is no effect to explain away: a hidden confounder would not have to do anything"
        words = (
            f"to explain it away a confounder would need risk ratios of {self.point:.2f} with both opting in "
            "and the outcome"
        )
        if math.isnan(self.limit):
            return words
        if self.limit == 1.0:
            return f"{words}, 1 for the interval, which includes a ratio of 1 already"
        return f"{words}, {self.limit:.2f} for the interval"

    def _headline(self) -> str:
        return f"E-value: {self._sentence()}\nRisk ratio: {self.how}"


def e_value_of(ratio: float) -> float:
    """Give the E-value of a risk ratio: RR + sqrt(RR (RR - 1)), of its inverse where it is below 1."""
    if ratio < 1:
        ratio = 1 / ratio if ratio > 0 else math.inf
    return ratio + math.sqrt(ratio * (ratio - 1)) if ratio < 1e150 else 2 * ratio


def e_value_of_interval(ratio: float, low: float, high: float) -> float:
    """Give that of the end nearest to 1; NaN without an interval."""
    near = low if ratio >= 1 else high
    if math.isnan(near):
        return math.nan
    return e_value_of(near) if (near > 1) == (ratio >= 1) and near != 1 else 1.0


@answered
def e_value(
    estimate: float,
    conf_low: float | None = None,
    conf_high: float | None = None,
    *,
    contrast: Measure = "ratio",
    rare: bool = False,
    std_dev: float | None = None,
    std_error: float | None = None,
    level: float = 0.95,
) -> EValue:
    """Give the E-value of a published estimate; that of an `Effect` is its `e_value()`.

    Parameters
    ----------
    estimate : float
        What was estimated.
    conf_low, conf_high : float or None, default None
        The ends of its interval; either may be left out. Not with a `std_error`.
    contrast : {"ratio", "odds_ratio", "hazard_ratio", "difference"}, default "ratio"
        What the estimate is: a ratio of risks, rates or means; of odds; of hazards; or a difference of means.
    rare : bool, default False
        Whether the outcome is rare (15% or less at the end of the study): its odds and hazard ratios are then
        taken as risk ratios. Common ones are brought nearer to 1 first.
    std_dev : float or None, default None
        Of the outcome: of a difference alone, which is divided by it; 1 for one that is in standard
        deviations already.
    std_error : float or None, default None
        Of the estimate (of its logarithm, for a ratio), to make the interval of.
    level : float, default 0.95
        Coverage of the interval made of a `std_error`.

    Returns
    -------
    EValue
        With `point`, `limit` and `table`; `str()` is a sentence.

    Raises
    ------
    InvalidInputError
        A ratio is not positive, the interval does not hold the estimate or is given twice, or a difference
        comes without a `std_dev`.

    Warns
    -----
    ArgumentWarning
        A ratio is below 0.2, as a difference of shares given without ``contrast="difference"`` would be.

    Notes
    -----
    E = RR + sqrt(RR (RR - 1)) for RR of 1 and above, and of 1 / RR below (VanderWeele and Ding 2017). Table 2
    there: the risk ratio of a common outcome is about the square root of the odds ratio, (1 - 0.5^sqrt(HR)) /
    (1 - 0.5^sqrt(1 / HR)) for a hazard ratio, and exp(0.91 d) for a difference of d standard deviations, with
    the interval exp(0.91 d -+ 1.78 s) for a standard error of s standard deviations.

    References
    ----------
    VanderWeele and Ding (2017), Annals of Internal Medicine 167:268. Ding and VanderWeele (2016),
    Epidemiology 27:368.

    Examples
    --------
    >>> import propensity as ps
    >>> found = ps.e_value(3.9, 1.8, 8.7)
    >>> print(f"{found.point:.3f} {found.limit:.3f}")
    7.263 3.000
    """
    contrast = checks.word("contrast", contrast, get_args(Measure))
    _require_number(estimate, contrast)
    _check(estimate, conf_low, conf_high, contrast, std_dev, std_error)
    if contrast == "ratio" and estimate < _HARDLY_A_RATIO:
        warn(_may_be_a_difference(estimate, contrast), ArgumentWarning)
    checks.flag("rare", rare)
    checks.confidence_level(level)
    if rare and contrast not in ("odds_ratio", "hazard_ratio"):
        raise InvalidInputError(
            f"rare: it matters for odds and hazard ratios alone, not for a {contrast}; leave it out"
        )
    if contrast == "difference":
        assert std_dev is not None
        return of_difference(estimate, conf_low, conf_high, std_dev, std_error, level)
    low, high = (math.nan if end is None else float(end) for end in (conf_low, conf_high))
    if std_error is not None:
        reach = inference.normal_quantile(level) * std_error
        low, high = (_exp(math.log(estimate) + side * reach) for side in (-1, 1))
    return of_ratio_contrast(contrast, float(estimate), low, high, rare=rare, level=level)


def _require_number(estimate: object, contrast: str) -> None:
    """Require no effect, which knows its own, and of a ratio that it is above 0."""
    if hasattr(estimate, "e_value"):
        raise TypeError("estimate: a published number is needed; an effect knows its own: effect.e_value()")
    if type(estimate).__module__.startswith("propensity."):
        line = elsewhere(estimate, "e_value")
        if re.fullmatch(r"effects\[[^]]*\]\.e_value\(\)", line):
            line = "{name: effects[name].e_value() for name in effects}"
        own = f"; each of these effects knows its own: {line}" if line else ""
        raise TypeError(f"estimate: a published number is needed{own}")
    if contrast != "difference" and checks.is_real(estimate) and estimate <= 0:
        raise InvalidInputError(
            f"estimate must be a finite number greater than 0, not {estimate!r}, for a {contrast}; a "
            f"difference is e_value({estimate!r}, {_AS_DIFFERENCE})"
        )


def _may_be_a_difference(estimate: float, contrast: str) -> str:
    return (
        f"{estimate:g} as a {contrast} is a fall by {1 - estimate:.0%}; if it is a difference of shares or "
        f"of means, take e_value({estimate:g}, {_AS_DIFFERENCE}), or effect.e_value() of an effect"
    )


def of_ratio_contrast(
    contrast: Measure, estimate: float, low: float, high: float, *, rare: bool, level: float
) -> EValue:
    """Make it of a ratio of any kind, by way of the risk ratio that it stands for."""
    how = _HOW[f"rare {contrast}" if rare else contrast]
    ratios = (estimate, low, high)
    if not rare:
        ratios = (_common(contrast, estimate), _common(contrast, low), _common(contrast, high))
    return EValue.of_ratios(*ratios, how=how, level=level)


def of_difference(
    estimate: float,
    conf_low: float | None,
    conf_high: float | None,
    std_dev: float,
    std_error: float | None,
    level: float,
) -> EValue:
    """Make it of a difference of means, by way of its size in standard deviations of the outcome."""
    d = estimate / std_dev
    ends = [
        math.nan if end is None else _PER_STANDARD_DEVIATION * end / std_dev for end in (conf_low, conf_high)
    ]
    if std_error is not None:
        reach = _PER_STANDARD_ERROR * inference.normal_quantile(level) / inference.normal_quantile(0.95)
        ends = [_PER_STANDARD_DEVIATION * d + side * reach * std_error / std_dev for side in (-1, 1)]
    ratio, low, high = (_exp(value) for value in (_PER_STANDARD_DEVIATION * d, *ends))
    return EValue.of_ratios(ratio, low, high, how=_HOW["difference"], level=level)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _common(contrast: Measure, ratio: float) -> float:
    """Bring a ratio of a common outcome to the scale of risks."""
    if contrast == "odds_ratio":
        return math.sqrt(ratio)
    if contrast == "hazard_ratio":
        # expm1 keeps what is left of 1 - 0.5^x where x is small.
        root = math.sqrt(ratio)
        return math.expm1(-math.log(2) * root) / math.expm1(-math.log(2) / root)
    return ratio


def _check(
    estimate: object,
    conf_low: object,
    conf_high: object,
    contrast: object,
    std_dev: object,
    std_error: object,
) -> None:
    """Require numbers that can be an estimate of this kind, with its interval."""
    above = -math.inf if contrast == "difference" else 0.0
    given = {"estimate": estimate, "conf_low": conf_low, "conf_high": conf_high}
    for name, value in given.items():
        if name == "estimate" or value is not None:
            checks.number(name, value, above=above)
    for name, value in {"std_dev": std_dev, "std_error": std_error}.items():
        if value is not None:
            checks.number(name, value, above=0.0)
    if std_error is not None and not (conf_low is None and conf_high is None):
        raise InvalidInputError("std_error: the ends of the interval are given already; leave one out")
    assert isinstance(estimate, int | float) or checks.is_real(estimate)
    if (checks.is_real(conf_low) and conf_low > estimate) or (
        checks.is_real(conf_high) and conf_high < estimate
    ):
        raise InvalidInputError(
            f"conf_low, conf_high: the interval from {conf_low!r} to {conf_high!r} does not hold the "
            f"estimate {estimate!r}"
        )
    if (std_dev is None) == (contrast == "difference"):
        remedy = (
            "std_dev: a difference is divided by the standard deviation of the outcome; give it, or 1.0 if "
            "the estimate is in standard deviations already"
            if std_dev is None
            else f"std_dev: a {contrast} has no units to divide by; leave it out"
        )
        raise InvalidInputError(remedy)
