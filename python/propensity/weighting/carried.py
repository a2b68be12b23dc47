"""What leaves each row out of an effect by weighting, and whether few rows carry its variance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from propensity import core
from propensity.effects.arms import balancing_part
from propensity.effects.cautions import carried_cautions
from propensity.effects.estimators import IPW
from propensity.effects.expected_weights import rows_behind_weights
from propensity.effects.inference import degrees_of_freedom
from propensity.effects.leverage import LeftOut
from propensity.effects.sample import Sample
from propensity.frames.checks import Floats
from propensity.scores.choice import LOGISTIC
from propensity.scores.scored import Scored
from propensity.weighting.left_out import WeightedRows
from propensity.weighting.tails import tails_of


def rows_left_out(sample: Sample, outcome: str, scored: Scored, spec: IPW) -> LeftOut | str:
    """Give what leaves each row out of an effect, or say why that is not worked out."""
    reason = _why_not(sample, scored, spec)
    if reason:
        return reason
    y, s = sample.frame.outcome(outcome), sample.sample_weight
    penalty = scored.penalty * (1.0 if s is None else float(sample.present(s).mean()))
    return WeightedRows(scored.design, penalty, sample.treated, y, scored.scores, s, spec.estimand)


def _why_not(sample: Sample, scored: Scored, spec: IPW) -> str:
    """Say why rows cannot be left out; nothing where they can."""
    design, model = scored.design, scored.score_model
    is_other = design is not None and model != LOGISTIC
    reasons = {
        "rows of a cluster go together": sample.clusters is not None,
        "bounds on weights, truncate=, are others without it": spec.truncate is not None,
        "cells hold several users each; take cells.expand()": sample.frequency is not None,
        f"that is worked out for logistic scores and for known ones; these are {model}": is_other,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def few_carry(
    sample: Sample,
    outcome: str,
    spec: IPW,
    found: core.WeightedEstimate,
    scores: Floats,
    told: Sequence[Warning],
    *,
    per: str | None,
    jackknife: bool,
) -> tuple[Warning, ...]:
    """Say where few rows carry the variance; of clusters it is not known what that does.

    `per` is what the outcome is divided by, which leaves it to users to bound the two columns.
    """
    if sample.clusters is not None or found.std_error == 0.0:
        return ()
    influence = found.influence_treated - found.influence_control
    there = sample.present_rows
    n_rows = sample.n_users(sample.treated & there), sample.n_users(~sample.treated & there)
    df = degrees_of_freedom(influence, frequency=sample.frequency)

    def behind() -> float:
        users = None if sample.frequency is None else sample.frequency[there]
        return rows_behind_weights(scores[there], spec.estimand, users, _bounds(sample, spec, found))

    tails = partial(tails_of, sample, outcome, per)
    return carried_cautions(
        spec.estimand, n_rows, df, behind, told, outcome=outcome, tails=tails, jackknife=jackknife
    )


def _bounds(sample: Sample, spec: IPW, found: core.WeightedEstimate) -> tuple[float, float]:
    """Give what the weights of the treated and of the controls are bounded by."""
    if spec.truncate is None:
        return math.inf, math.inf
    there, weights = sample.present_rows, balancing_part(found.weights, sample.sample_weight)
    treated, control = (float(weights[arm & there].max()) for arm in (sample.treated, ~sample.treated))
    return treated, control
