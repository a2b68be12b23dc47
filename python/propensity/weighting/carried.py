"""Whether few rows carry the variance of an effect by weighting, and what leaving each of them out does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from propensity import core
from propensity.effects.cautions import carried_cautions
from propensity.effects.estimators import IPW
from propensity.effects.inference import degrees_of_freedom, std_error
from propensity.effects.leverage import LeftOut
from propensity.effects.sample import Sample
from propensity.scores.choice import LOGISTIC
from propensity.scores.scored import Scored
from propensity.weighting.left_out import WeightedRows

_MOST_NUMBERS = 4_000_000  # of a matrix that codes stand for: 32 MB, of which a few are made


def rows_left_out(sample: Sample, outcome: str, scored: Scored, spec: IPW) -> LeftOut | None:
    """Give what leaves each row out of an effect, where that is worked out: not of cells, or many codes."""
    design = scored.design
    too_long = design is not None and bool(design.factors) and design.n_rows * design.n_terms > _MOST_NUMBERS
    other_model = design is not None and (scored.score_model != LOGISTIC or too_long)
    counted = sample.frequency is not None
    if other_model or counted or spec.truncate is not None or sample.clusters is not None:
        return None
    y = sample.frame.outcome(outcome)
    s = np.ones(len(y)) if sample.sample_weight is None else sample.sample_weight
    penalty = scored.penalty * float(s[sample.present_rows].mean())
    return WeightedRows(design, penalty, sample.treated, y, scored.scores, s, spec.estimand)


def few_carry(
    sample: Sample,
    spec: IPW,
    found: core.WeightedEstimate,
    left_out: LeftOut | None,
    told: Sequence[Warning],
) -> tuple[Warning, ...]:
    """Say where few rows carry the variance; of clusters it is not known what that does."""
    influence = found.influence_treated - found.influence_control
    if sample.clusters is not None or not influence.any():
        return ()
    ess, there = (found.ess_treated, found.ess_control), sample.present_rows
    n_rows = sample.n_users(sample.treated & there), sample.n_users(~sample.treated & there)
    df = degrees_of_freedom(influence, frequency=sample.frequency)

    def larger() -> float:
        if left_out is None:
            return 0.0
        of_treated, of_control = left_out.influence()
        return std_error(of_treated - of_control) / std_error(influence) - 1

    return carried_cautions(spec.estimand, ess, n_rows, df, larger, told, jackknife=left_out is not None)
