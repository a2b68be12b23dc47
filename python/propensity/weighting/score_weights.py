"""From scores to the weights of rows."""

from __future__ import annotations

from typing import get_args

import numpy as np

from propensity.effects.arms import balancing_part
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import read_sample, warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.native import AnyFrame, AnySeries
from propensity.frames.takes_cells import takes_cells
from propensity.scores.cautions import score_cautions
from propensity.scores.logistic import (
    given_scores,
    read_scores,
)
from propensity.scores.model import PropensityModel


@columns_by_name
@takes_cells()
def balancing_weights(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    estimand: WeightingEstimand = "ATE",
    stabilized: bool = False,
    sample_weight: object = None,
) -> AnySeries:
    """Weigh each row so that both groups look like the units the effect is for.

    Parameters
    ----------
    df, treatment, scores : DataFrame, str, and PropensityModel, CrossFittedScores, str, Series or array
        As for `ipw`.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
        Whose effect the weights are for, as for `ipw`.
    stabilized : bool, default False
        Multiply them by the share of the row's own arm, for the ATE: p / e and (1 - p) / (1 - e), of mean 1
        in either arm, to be looked at or handed to software that takes weights for counts (`WeightIt`'s
        ``stabilize``). Effects by weighting divide by the sum of an arm's weights, and are the same.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for; that with which the model was fitted. It is not in the
        weights given: whoever takes them multiplies them by it, as `smd` and `balance` do where they are told
        of it too. A row of weight 0 is not there, and gets none.

    Returns
    -------
    Series (n,)
        Called "weights", with the index of `df`. Not scaled: ATE 1 / P(own arm), ATT 1 and e / (1 - e), ATC
        (1 - e) / e and 1, ATO P(other arm), ATM min(e, 1 - e) / P(own arm).

    Raises
    ------
    OverlapError, InvalidInputError
        As for `ipw`; weights for another estimand than the ATE are to be stabilized.

    Warns
    -----
    OverlapWarning
        An arm's weight lies on few rows.

    Notes
    -----
    w = h(e) / P(own arm), with h = 1, e, 1 - e, e (1 - e) (Li, Morgan and Zaslavsky 2018, equation 4) and
    min(e, 1 - e) (Li and Greene 2013). With the scores of an unpenalized logistic model ATO weights balance
    the mean of every term exactly.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> weights = ps.balancing_weights(users, treatment=treatment, scores=model, estimand="ATT")
    >>> weights.groupby(users[treatment]).max().round(2)
    opt_in_agent_mode
    0    2.17
    1    1.00
    Name: weights, dtype: float64
    """
    estimand = checks.estimand(estimand, get_args(WeightingEstimand))
    checks.flag("stabilized", stabilized)
    if stabilized and estimand != "ATE":
        raise InvalidInputError(
            f"stabilized: weights for the {estimand} are on the scale of its rows already; it is for "
            "estimand='ATE'"
        )
    sample = read_sample(df, treatment=treatment, sample_weight=sample_weight, also=given_scores(scores))
    e = read_scores(sample.frame, scores, sample.treated, sample.sample_weight)
    weighting = sample.weighting(e, estimand)
    total, ess = weighting.weights, (weighting.ess_treated, weighting.ess_control)
    is_model = isinstance(scores, PropensityModel)
    impossible = () if is_model else score_cautions(e, sample.treated, **sample.row_weights)
    uneven = sample.overlap_cautions(estimand, total, ess)
    warn_once((*impossible, *uneven, *sample.count_cautions))
    weights = balancing_part(total, sample.sample_weight)
    if stabilized:
        share = float(np.average(sample.treated, weights=sample.mass))
        weights = weights * np.where(sample.treated, share, 1 - share)
    return sample.frame.series(weights, "weights")
