"""Sample weights that are the balancing weights of the scores in hand, which would be counted twice."""

from __future__ import annotations

from typing import Literal

import numpy as np

from propensity import core
from propensity.errors import SampleWeightWarning
from propensity.frames.checks import Bools, Floats
from propensity.frames.design import Design

_ESTIMANDS: tuple[Literal["ATE", "ATT", "ATC", "ATO", "ATM"], ...] = ("ATE", "ATT", "ATC", "ATO", "ATM")

_ROUNDING = 1e-6  # relative: weights that were written with seven digits are still known

# Weighted by its own inverse, a score hardly varies: where these do, the weights are no such.
_HARDLY_VARIES = 0.1


def estimand_of(sample_weight: Floats, scores: Floats, treated: Bools) -> str | None:
    """Tell whose balancing weights sample weights are, up to a factor for each arm; None where nobody's.

    Parameters
    ----------
    sample_weight, scores, treated : ndarray (n,)
        Of rows that are there.

    Notes
    -----
    No survey weight is one by chance: what depends on the covariates alone is the same function of the score
    in both arms, and balancing weights are 1 / e in the one and 1 / (1 - e) in the other. Weights that are
    even in both arms are nobody's.
    """
    for estimand in _ESTIMANDS:
        own = core.balancing_weights(treated, scores, estimand=estimand).weights
        arms = [(sample_weight[arm], own[arm]) for arm in (treated, ~treated)]
        if all(_proportional(*arm) for arm in arms) and any(_varies(given) for given, _ in arms):
            return estimand
    return None


def refitted_estimand_of(
    design: Design,
    treated: Bools,
    scores: Floats,
    penalty: float,
    *,
    sample_weight: Floats | None,
    frequency: Floats | None = None,
) -> str | None:
    """Tell whose balancing weights sample weights are, by the scores that the same terms have without them.

    `scores` are those with them: they hardly vary if so, and a fit tells where they do not.
    """
    if sample_weight is None or not sample_weight.all() or np.ptp(scores) > _HARDLY_VARIES:
        return None
    if not any(_varies(sample_weight[arm]) for arm in (treated, ~treated)):
        return None
    try:
        fit = core.fit_propensity(design.terms, treated, penalty=penalty, frequency=frequency, **design.coded)
        return estimand_of(sample_weight, fit.scores, treated)
    except ValueError:  # no such scores, no such weights
        return None


def own_weights_warning(estimand: str) -> SampleWeightWarning:
    """Say what sample weights are that are balancing weights."""
    return SampleWeightWarning(
        f"the sample weights are the balancing weights of these scores for the {estimand}, which are made "
        "here anyway, and would be counted twice: leave sample_weight= out, which is for survey weights; the "
        "effect with weights of your own is ps.weighted_effect(..., weights=...)"
    )


def _proportional(given: Floats, own: Floats) -> bool:
    ratio = given / own
    return bool(np.ptp(ratio) <= _ROUNDING * ratio.max())


def _varies(weights: Floats) -> bool:
    return bool(np.ptp(weights) > _ROUNDING * weights.max())
