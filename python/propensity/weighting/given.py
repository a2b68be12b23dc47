"""Weights that are given: a column, numbers, or a result's, which has to be of these very rows."""

from __future__ import annotations

from dataclasses import replace

from propensity.effects.arms import require_balancing
from propensity.effects.weighted_result import WeightedResult
from propensity.frames import rowwise_checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import Frame
from propensity.frames.fingerprint import Made
from propensity.weighting.mistaken import refuse_model, refuse_scores
from propensity.weighting.truncation import TruncatedWeights


def given_weights(weights: object, role: str = "weights") -> dict[str, object]:
    """Give weights that come row by row as `open_frame` reads them; those of results are complete."""
    refuse_model(weights, role)
    known = isinstance(weights, WeightedResult) and weights.fingerprint is not None
    return {} if known else {role: weights.weights if isinstance(weights, TruncatedWeights) else weights}


def read_weights(
    frame: Frame,
    weights: object,
    treated: Bools,
    sample_weight: Floats | None,
    role: str = "weights",
    scores: Floats | None = None,
) -> Floats:
    """Read balancing weights as (n,) float64, none negative, some above 0 in each arm.

    They do not contain the sample weights, which they are multiplied by wherever they are used. Those of an
    effect, of matches and of subclasses do: what they were made with is taken out of them, and has to be what
    is given here.

    Parameters
    ----------
    frame : Frame
    weights : str, Series, array (n,), Matched, Effect, BalancingWeights or TruncatedWeights
        A column, weights, or a result that has some.
    treated : ndarray (n,) of bool
    sample_weight : ndarray (n,) or None
    role : str, default "weights"
        What to call them in a message.
    scores : ndarray (n,) or None, default None
        The scores of the rows, where they are at hand: these are no weights.

    Raises
    ------
    InvalidInputError
        They are of other rows than the frame's, or were made with other sample weights; or they are scores.
    TypeError
        They are a model.
    """
    subject = role
    if isinstance(weights, WeightedResult) and weights.fingerprint is not None:
        made = require_rows(frame, weights, treated, role)
        own = weights.fingerprint.sample_weight
        then = None if own is None else frame.by_row(own)
        rowwise_checks.same_weights(then, sample_weight, made.when, made.again)
        values = frame.by_row(weights.balancing_weights)
    else:
        given = weights.weights if isinstance(weights, WeightedResult) else weights
        if sample_weight is not None:
            require_balancing(weights, role)
        values, subject = frame.rowwise(given, role)
        refuse_scores(given, values, role, scores)
    rowwise_checks.weights(values, treated, frame.index, subject)
    return values


def require_rows(frame: Frame, weights: WeightedResult, treated: Bools, role: str) -> Made:
    """Require a result's rows to be the frame's, and say how it was made."""
    if weights.fingerprint is not None:
        weights.fingerprint.require_same(frame, treated, replace(weights.made, subject=role))
    return weights.made
