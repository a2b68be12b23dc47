"""Doubts about scores: they cannot be probabilities of the treatment, or nobody stands for some rows."""

from __future__ import annotations

import math

import numpy as np

from propensity.errors import CalibrationWarning, OverlapWarning, SeparationWarning
from propensity.frames.checks import Bools, Floats
from propensity.scores.separation import LEFT_BY_NEWTON, Separation

# Scores so near to 0 or 1 are 0 or 1: a row of the other arm there would weigh as much as a million others.
_AT_THE_END = 1e-6

# Whose effect a treated row is one of, and a control.
_FOCAL = {True: ("ATE", "ATT"), False: ("ATE", "ATC")}

# Standard errors beyond which chance does not go; rows that no small sample is blamed for; and a factor of
# the odds of treatment that moves no estimate much.
_SURELY, _ROWS_ASTRAY, _ODDS_ASTRAY = 6.0, 10, 1.5

# Standard errors within which means are as good as equal.
_BY_CHANCE = 3.0

_ROUNDING = 1e-9  # of means of scores that are all the same


def lone_cautions(
    scores: Floats,
    treated: Bools,
    estimand: str,
    separation: Separation | None,
    frequency: Floats | None = None,
) -> tuple[Warning, ...]:
    """Say which rows that the effect is for have a score of 0 or 1, so that nobody stands for them.

    That are treated rows at 1 for the ATT, controls at 0 for the ATC, and both for the ATE. For the ATO and
    the ATM they weigh nothing.
    """
    focal = [arm for arm, estimands in _FOCAL.items() if estimand in estimands]
    if separation is not None:
        lone = not separation.cells or any(cell.treated in focal for cell in separation.cells)
        return (SeparationWarning(str(separation)),) if lone and focal else ()
    found = []
    for arm in focal:
        at_the_end = scores > 1 - _AT_THE_END if arm else scores < _AT_THE_END
        rows_there = at_the_end & (treated == arm)
        n = int(rows_there.sum() if frequency is None else frequency[rows_there].sum())
        if n:
            rows = f"{n:,} {'treated' if arm else 'control'} row{'' if n == 1 else 's'}"
            other = "control" if arm else "treated row"
            found.append(f"{rows} with scores of {int(arm)}, for which no {other} stands")
    if not found:
        return ()
    return (
        OverlapWarning(
            f"{' and '.join(found)} (scores within {_AT_THE_END:g} of 0 or 1): drop them, as ps.trim does, "
            "and the effect is for the others"
        ),
    )


def weights_of_stood_for(weights: Floats, scores: Floats, treated: Bools) -> Floats | None:
    """Leave the weights (n,) of rows whose score is neither 0 nor 1; None if an arm has no such row."""
    stood_for = np.abs(scores - treated) >= _AT_THE_END + LEFT_BY_NEWTON * len(scores)
    left = np.where(stood_for, weights, 0.0)
    return left if left[treated].any() and left[~treated].any() else None


def score_cautions(
    scores: Floats,
    treated: Bools,
    sample_weight: Floats | None = None,
    frequency: Floats | None = None,
) -> tuple[Warning, ...]:
    """Say where given scores cannot be the probabilities of this treatment.

    Their mean is that of the treatment up to chance, the sum of e (1 - e) being the variance of the count;
    and the treated have the higher ones, by as much as the scores vary. All is asked with more room than
    chance ever takes: of the last only whether they tell the arms apart at all, which scores in another order
    do not. `frequency` (n,) says how many users rows stand for, where that is not one.
    """
    f = np.ones(len(scores)) if frequency is None else frequency
    n, n_treated = int(f.sum()), int(f @ treated)
    of_treated, total = float((f * scores) @ treated), float(f @ scores)
    means = of_treated / n_treated, (total - of_treated) / (n - n_treated)
    variance = float(f @ (scores - total / n) ** 2) / n
    spread = math.sqrt(variance * n / (n_treated * (n - n_treated)))
    found = []
    ways = [None] if sample_weight is None else [None, sample_weight]
    if not any(_calibrated(scores, treated, weights, frequency) for weights in ways):
        found.append(f"their mean is {total / n:.3g} where {n_treated / n:.3g} of the rows are treated")
    if means[0] - means[1] < -_SURELY * spread - _ROUNDING:
        among = f"the treated (mean {means[0]:.3g}) than among the controls ({means[1]:.3g})"
        found.append(f"they are lower among {among}")
    remedy = (
        "fit them to this treatment and to these rows as they are, without class weights or resampled rows, "
        "or calibrate them"
    )
    mixed_up = "" if found else _not_apart(total / n, variance, means, spread)
    if mixed_up:
        found.append(mixed_up)
        remedy = (
            "they are probably in another order than the rows, or of other rows: give those of these rows"
        )
    if not found:
        return ()
    if not mixed_up and means[0] < means[1] and _calibrated(1 - scores, treated, None, frequency):
        remedy = "they look like the probability of being a control: take 1 - scores"
    return (
        CalibrationWarning(
            f"the scores cannot be the probabilities of this treatment: {', and '.join(found)}; {remedy}"
        ),
    )


def _not_apart(mean: float, variance: float, means: tuple[float, float], spread: float) -> str:
    """Say that scores are the same in both arms up to chance, though they differ; empty where they are not.

    Of scores that are right the means of the arms are Var(e) / (mean(e) (1 - mean(e))) apart.
    """
    foretold = variance / (mean * (1 - mean))
    apart = means[0] - means[1]
    if apart >= _BY_CHANCE * spread or foretold - apart <= _SURELY * spread + _ROUNDING:
        return ""
    return (
        f"they differ so much that their mean would be {foretold:.3g} higher among the treated than among "
        f"the controls, and it is {means[0]:.3g} and {means[1]:.3g}"
    )


def _calibrated(
    scores: Floats, treated: Bools, weights: Floats | None = None, frequency: Floats | None = None
) -> bool:
    """Whether as many are treated as was to be expected, but for chance and for what would not matter."""
    f = np.ones(len(scores)) if frequency is None else frequency
    w = np.ones(len(scores)) if weights is None else weights / np.average(weights, weights=f)
    count, expected = float((f * w) @ treated), float((f * w) @ scores)
    deviation = math.sqrt(float((f * w * scores) @ (w - w * scores)))
    if abs(count - expected) <= max(_SURELY * deviation, _ROWS_ASTRAY):
        return True
    n = float(f.sum())
    odds = count / (n - count) / (expected / (n - expected))
    return 1 / _ODDS_ASTRAY < odds < _ODDS_ASTRAY
