"""Tests of an effect: against no effect, a threshold, or a margin around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from propensity.effects import inference
from propensity.effects.contrasts import SCALES
from propensity.errors import InvalidInputError
from propensity.frames import checks

if TYPE_CHECKING:
    from propensity.effects.contrasts import Scale
    from propensity.effects.effect import Effect

Alternative: TypeAlias = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True)
class EffectTest:
    """What a test of an effect says; `str()` of it is the sentence.

    Attributes
    ----------
    p_value : float
        How likely an estimate at least as far from the hypothesis is, by Student's law, where the hypothesis
        just holds. NaN where the estimate is the hypothesis and has no error: there is nothing to test.
    statistic : float
        How many errors, those of intervals, the estimate is from the hypothesis, on their scale (the
        logarithm for ratios); for an equivalence from the nearer of its two bounds.
    value, margin : float and float or None
        What was tested against, in units of the estimate.
    alternative : {"two-sided", "greater", "less"}
    sentence : str
        All of it in words.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
    >>> test = effect.test(margin=0.25)
    >>> test.p_value < 0.01
    True
    >>> str(test).endswith("the larger of two one-sided tests (equivalence).")
    True
    """

    p_value: float
    statistic: float
    value: float
    alternative: Alternative
    margin: float | None
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def tested(effect: Effect, value: float | None, alternative: Alternative, margin: float | None) -> EffectTest:
    """Test an effect, as `Effect.test` says."""
    scale = SCALES[effect.contrast]
    value = scale.none if value is None else value
    _require_alternative(alternative)
    checks.number("value", value)
    if margin is not None:
        checks.number("margin", margin, above=0.0)
    width = margin or 0.0
    low, high = (_distance(effect, scale, bound) for bound in (value - width, value + width))
    greater, less = (inference.upper_p(gap, effect.interval_error, effect.df) for gap in (low, -high))
    if alternative == "greater":
        p, gap = greater, low
    elif alternative == "less":
        p, gap = less, high
    elif margin is None:
        p, gap = inference.two_sided_p(low, effect.interval_error, effect.df), low
    else:
        p, gap = max((greater, low), (less, high))
    against = _hypothesis(scale, value, alternative, margin)
    sentence = (
        f"The {scale.words} ({effect.estimand}) of {scale.written(effect.estimate)}, against {against}: "
        f"p = {p:.3g}, {_kind(scale, value, alternative, margin)}."
    )
    return EffectTest(
        p, inference.in_errors(gap, effect.interval_error), value, alternative, margin, sentence
    )


def _require_alternative(alternative: object) -> None:
    """Require a word for what the data may speak for, and say which one another word of the field is."""
    allowed = get_args(Alternative)
    if isinstance(alternative, str) and alternative in allowed:
        return
    plain = re.sub(r"[-_\s]", "", alternative).lower() if isinstance(alternative, str) else None
    meant = next((words for names, words in _OTHER_WORDS.items() if plain in names.split()), "")
    raise InvalidInputError(
        f"alternative must be one of {checks.listed(allowed)}, not {alternative!r}{meant and '; ' + meant}"
    )


_OTHER_WORDS = {
    "noninferior noninferiority": 'non-inferiority is alternative="greater" with a margin=, where more is '
    'better, and "less" with one where less is',
    "equivalent equivalence tost": 'equivalence is alternative="two-sided" with a margin=',
    "superior superiority larger upper right >": 'that is alternative="greater"',
    "inferior inferiority smaller lower left <": 'that is alternative="less"',
    "twosided twotailed both unequal !=": 'that is alternative="two-sided"',
}
"""What else tests are called, without hyphens, and how they are asked for here."""


def _distance(effect: Effect, scale: Scale, bound: float) -> float:
    """Give how far above a bound the estimate is, on the scale of its error."""
    lowest = {"difference": None, "percent": -100.0}.get(effect.contrast, 0.0)
    if lowest is not None and bound <= lowest:
        name = scale.words if effect.contrast != "percent" else "change in percent"
        raise InvalidInputError(
            f"value: no {name} is {bound:g} or less; take a value (and a margin) that leave"
            f" the bounds above {lowest:g}"
        )
    return scale.read(effect.estimate) - scale.read(bound)


def _hypothesis(scale: Scale, value: float, alternative: Alternative, margin: float | None) -> str:
    """Say what is tested against."""
    low, high = (_written(scale, value + sign * (margin or 0.0)) for sign in (-1, 1))
    of = f", {_written(scale, value)} {{}} a margin of {margin:g}{scale.unit}" if margin is not None else ""
    if alternative == "greater":
        return f"one of {low} at most{of.format('less')}"
    if alternative == "less":
        return f"one of {high} at least{of.format('and')}"
    if margin is None:
        return f"one of exactly {low}"
    return f"one of {low} at most or {high} at least"


def _kind(scale: Scale, value: float, alternative: Alternative, margin: float | None) -> str:
    """Say what such a test is called."""
    if alternative == "two-sided":
        return "two-sided" if margin is None else "the larger of two one-sided tests (equivalence)"
    if margin is not None:
        return "one-sided (non-inferiority)"
    return "one-sided" if value == scale.none else "one-sided (superiority by a threshold)"


def _written(scale: Scale, value: float) -> str:
    return f"{value:g}{scale.unit}" if value == scale.none else scale.written(value)
