"""Weighting: from scores to balancing weights, and the difference of the weighted means."""

from typing import get_args

import numpy as np

from propensity import _check, core
from propensity._check import Bools, Floats
from propensity._frame import AnyFrame, AnySeries, Frame, open_frame
from propensity.estimators import WeightingEstimand
from propensity.results import Effect, Matches
from propensity.scores import read_scores


def balancing_weights(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    estimand: WeightingEstimand = "ATE",
) -> AnySeries:
    """Weigh each row so that both groups look like the units the effect is for.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    scores : PropensityModel, str, Series or array (n,)
        A model fitted on these very rows, a column, or numbers strictly between 0 and 1.
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect the weights are for.

    Returns
    -------
    Series (n,)
        Called "weights", with the index of `df`. Not scaled: ATE 1 / P(own arm), ATT 1 and e / (1 - e), ATC
        (1 - e) / e and 1.

    Raises
    ------
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, or `scores` is of other rows than `df`.

    Notes
    -----
    w = h(e) / P(own arm), with h = 1, e, 1 - e (Li, Morgan and Zaslavsky 2018, equation 4).
    """
    _check.choice("estimand", estimand, get_args(WeightingEstimand))
    frame = open_frame(df, treatment=treatment)
    treated = frame.treated(treatment)
    e = read_scores(frame, scores, treated)
    # The weights' formula lives in the core's contrast; any outcome brings them out.
    weights = core.ipw(np.zeros(len(e)), treated, e, estimand=estimand).weights
    return frame.series(weights, "weights")


def ipw(
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    scores: object,
    estimand: WeightingEstimand = "ATE",
) -> Effect:
    """Estimate the effect of the treatment by inverse probability weighting.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    outcome : str
        A column, numeric or bool.
    treatment : str
        A column, bool or 0/1.
    scores : PropensityModel, str, Series or array (n,)
        A model fitted on these very rows, a column, or numbers strictly between 0 and 1.
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units'.

    Returns
    -------
    Effect
        Weighted mean of the treated minus weighted mean of the controls, in units of the outcome.

    Raises
    ------
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, or `scores` is of other rows than `df`.
    TypeError
        The outcome is text.

    Notes
    -----
    Each mean is a ratio, sum w Y / sum w (Hajek 1971), never a sum over n (Horvitz and Thompson 1952), which
    moves when a constant is added to the outcome.
    """
    _check.choice("estimand", estimand, get_args(WeightingEstimand))
    frame = open_frame(df, treatment=treatment, outcome=outcome)
    y, treated = frame.outcome(outcome), frame.treated(treatment)
    contrast = core.ipw(y, treated, read_scores(frame, scores, treated), estimand=estimand)
    return Effect(
        estimand=estimand,
        estimate=contrast.estimate,
        mean_treated=contrast.mean_treated,
        mean_control=contrast.mean_control,
        ess_treated=contrast.ess_treated,
        ess_control=contrast.ess_control,
        weights=frame.series(contrast.weights, "weights"),
    )


def read_weights(frame: Frame, weights: object, treated: Bools) -> Floats:
    """Read weights given as matches, a column, a series or an array as (n,) float64, none negative."""
    if isinstance(weights, Matches):
        remedy = "the matches are of other rows: match these"
        _check.same_index("weights", weights.index, frame.index, remedy)
        _check.same_treated("weights", weights.treated, treated, frame.index, remedy)
        weights = np.asarray(weights.weights)
    values, subject = frame.rowwise(weights, "weights")
    _check.weights(values, treated, frame.index, subject)
    return values
