"""What a study found, in words: sentences that claim no more than the diagnostics carry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from propensity.effects.effect import Effect
from propensity.errors import InvalidInputError
from propensity.results.numbers import NO_VALUE, written, written_p
from propensity.study.estimates import NAIVE, Estimates, EstimatesByOutcome
from propensity.study.verdicts import (
    AGREEMENT,
    BALANCE,
    DOUBTFUL,
    FAILS,
    HIDDEN,
    HOLDS,
    OVERLAP,
    verdicts_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from propensity.study.study import Study

WHOM = {"ATE": "over everybody", "ATT": "over those who were treated", "ATC": "over those who were not"}


def sentences_of(study: Study) -> tuple[str, ...]:
    """Write the sentences."""
    judged = verdicts_of(study)
    verdict, reason = judged["verdict"], judged["reason"]
    broken = [name for name in (OVERLAP, BALANCE, AGREEMENT) if verdict[name] == FAILS]
    first = headline(study)
    if broken:
        first += (
            f" This is no effect to rely on: {' and '.join(broken)} {'fail' if len(broken) > 1 else 'fails'}."
        )
    second = _capital(
        f"{_judged(OVERLAP, verdict)}: {reason[OVERLAP]}; {_judged(BALANCE, verdict)}: {reason[BALANCE]}."
    )
    third = _capital(f"{_judged(AGREEMENT, verdict)}: {reason[AGREEMENT]}.")
    fourth = _capital(f"whether anything hidden moves both cannot be tested: {reason[HIDDEN]}.")
    return first, second, third, fourth, *_of_others(study)


def _of_others(study: Study) -> tuple[str, ...]:
    """Say what was found of further outcomes, and that the rest is of the first; nothing of one alone."""
    found = study.estimate()
    if not isinstance(found, EstimatesByOutcome):
        return ()
    first, *others = study.outcomes
    label = study.effect_label
    each = "; ".join(f"{name} {_moved(found[name], label, found.table)}" for name in others)
    adjusted = f"p-values adjusted for {len(study.outcomes)} outcomes, Holm"
    apart = f"agreement, groups and what may be hidden are said of {first} alone"
    return (f'By {label}, {each} ({adjusted}); {apart}: study.on("{others[0]}") says them of {others[0]}.',)


def _moved(estimates: Estimates, label: str, table: pd.DataFrame) -> str:
    """Say how an outcome moved by the estimator of this label."""
    effect = estimates.effects.get(label)
    if not isinstance(effect, Effect):
        return f"could not be had ({estimates.failures.get(label, 'no such estimate')})"
    adjusted: Any = table.loc[(estimates.outcome, label), "p_holm"]
    p = float(adjusted)
    if math.isnan(p):
        return "is the same for all"
    unit, (low, high) = unit_of(effect), effect.conf_int()
    size = f"{unit.signed(effect.estimate)} (95% CI {unit.interval(low, high)}){_lift(effect)}"
    apart = _disagreement(effect)
    return f"moved by {size}, p {_p(p)}" + (f", {apart}" if apart else "")


def _judged(name: str, verdict: Any) -> str:
    words = {HOLDS: "holds", DOUBTFUL: "is doubtful", FAILS: "fails"}[verdict[name]]
    return f"{name} {words}"


def headline(study: Study) -> str:
    """Say what the effect is, with its interval and lift, beside the raw gap."""
    effect, naive = study.effect, study.estimates[NAIVE]
    unit = unit_of(effect)
    low, high = effect.conf_int()
    where = f"(95% CI {unit.interval(low, high)}){_lift(effect)}, on average {WHOM[study.estimand]}"
    gap = f"the raw gap is {unit.signed(naive.estimate)}"
    what, moved = study.treatment, study.outcomes[0]
    whom = f" ({effect.whom} alone)" if effect.whom else ""
    if math.isnan(effect.p_value):
        return f"{moved} is the same for all, and {what} has no effect on it to be seen."
    size, p = unit.signed(effect.estimate), _p(effect.p_value)
    if apart := _disagreement(effect):
        return f"{what} moved {moved} by {size} {where}{whom}; {apart} (p {p}): it may be chance; {gap}."
    if low <= 0 <= high:
        return f"{what} moved {moved} by {size} {where}{whom}, which may be chance (p {p}); {gap}."
    verb = "raised" if effect.estimate > 0 else "lowered"
    size = unit.plain(abs(effect.estimate))
    return f"{what} {verb} {moved} by {size} {where}{whom}; {gap}."


def _p(value: float) -> str:
    said = written_p(value)
    return said if said.startswith("<") else f"= {said}"


def _lift(effect: Effect) -> str:
    """Say what the effect is in percent of the mean without it, where that is positive."""
    percent = _in_percent(effect)
    if percent is None:
        return ""
    low, high = percent.conf_int()
    return f", {percent.estimate:+.1f}% ({low:.1f} to {high:.1f})"


def _in_percent(effect: Effect) -> Effect | None:
    try:
        percent = effect.contrast_as("percent")
    except InvalidInputError:
        return None
    return percent if np.isfinite([percent.estimate, *percent.conf_int()]).all() else None


def _disagreement(effect: Effect) -> str:
    """Say that the intervals of difference and percent disagree about zero; nothing where they agree.

    That of percent is made on the logarithm of the ratio, so that near zero the one may include it alone.
    """
    percent = _in_percent(effect)
    if percent is None:
        return ""
    of_difference, of_percent = (low <= 0 <= high for low, high in (effect.conf_int(), percent.conf_int()))
    if of_difference == of_percent:
        return ""
    with_it, without = ("difference", "percent") if of_difference else ("percent", "difference")
    return f"the intervals disagree: that of the {with_it} includes zero, that of the {without} does not"


class Unit:
    """How differences of an outcome are written: shares in points, others as they are."""

    def __init__(self, *, is_share: bool) -> None:
        self.is_share = is_share

    def signed(self, value: float) -> str:
        """Write a difference with its sign."""
        if self.is_share:
            return f"{100 * value:+.1f} points"
        return f"+{written(value)}" if value > 0 else written(value)

    def plain(self, value: float) -> str:
        """Write a size."""
        return f"{100 * value:.1f} points" if self.is_share else written(value)

    def interval(self, low: float | None, high: float | None) -> str:
        """Write the ends of an interval."""
        if low is None or high is None:
            return NO_VALUE
        if self.is_share:
            return f"{100 * low:.1f} to {100 * high:.1f}"
        return f"{written(low)} to {written(high)}"


def unit_of(effect: Effect) -> Unit:
    """Say how differences are written: those of an outcome in [0, 1] in points of a hundred."""
    return Unit(is_share=effect.bounded)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
