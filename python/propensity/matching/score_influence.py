"""What each row adds to an effect of rows matched by their score: n times the derivative in its weight.

Notation: A the treatment, Y the outcome, e the score, w the weights that matching made (sample weights
included), W their sum over an arm, f a row's share of those the effect is for, m_a the mean outcome of arm a
at a score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from propensity.effects.arms import Means
from propensity.effects.matching_specification import MatchingEstimand
from propensity.frames.checks import Bools, Floats, Rows
from propensity.matching.estimated_scores import EstimatedScores
from propensity.matching.local_outcomes import (
    CellMeans,
    Curve,
    by_unit,
    covariance_direction,
    mean_curve,
)
from propensity.matching.outcome import MatchedOutcome

COUNTED = "counts that the scores were estimated (as Abadie and Imbens 2016)"


def score_influence(
    outcome: Floats,
    treated: Bools,
    weights: Floats,
    quantity: Floats,
    focal_share: Floats,
    cells: Rows,
    units: Rows | None = None,
) -> Means:
    """Give the terms of the bias-corrected estimate, scores being known, on the mean of either arm.

        n w (Y - m_a) c / W  in arm a,  plus  n f (m_a - mean of m_a over f)  in either.

    These are what Otsu and Rai (2017) resample: how often a row was used stays as it is, for matching again
    would not reproduce its spread. In a cell of equal scores with rows enough of arm a, m_a is their own
    mean: what sets such cells apart from their neighbours is no chance. Elsewhere it is a curve in the score.

    As m_a is fitted to the very rows, these are too near to it, and c makes up for it: 1 / (1 - l) about a
    curve, with l their leverage, as in HC3 (MacKinnon and White 1985). In a cell c takes the squares to the
    outcome's variance v times the sum of w^2 / W^2 - q F, with q the sum of the squared shares of its rows
    and F that of f^2: q F v is what the second term has of the noise in m_a (as K' in `neighbor_variance`).

    Parameters
    ----------
    outcome, quantity : ndarray (n,)
        The quantity is what was matched on, the score or its logit.
    weights : ndarray (n,)
        Zero for rows left out.
    focal_share : ndarray (n,)
        The f, summing to 1.
    cells : ndarray (n,) of int
        Which rows have the same score.
    units : ndarray (n,) of int, or None, default None
        The clusters that rows are in; None where each varies by itself.
    """
    return influence_about(
        outcome, treated, weights, focal_share, (cells, units), lambda own: mean_curve(outcome, own, quantity)
    )


def influence_about(
    outcome: Floats,
    treated: Bools,
    weights: Floats,
    focal_share: Floats,
    alike: tuple[Rows, Rows | None],
    curve_of: Callable[[Floats], Curve],
) -> Means:
    """Give the terms of `score_influence` about any curve, from the weights (n,) of an arm to its mean.

    Parameters
    ----------
    alike : (ndarray (n,) of int, ndarray (n,) of int or None)
        The cells, numbered from 0, and the clusters that vary by themselves; None where rows do. A cell has a
        mean of its own where it has enough of these.
    """
    cells, units = alike
    n, means, influence = len(outcome), [], []
    for arm in (treated, ~treated):
        own = np.where(arm, weights, 0.0)
        share = own / own.sum()
        curve, cell = curve_of(own), CellMeans.of(outcome, share, cells, units)
        told = cell.told[cells]
        mean = np.where(told, cell.mean[cells], curve.mean)
        noise = cell.squares * by_unit(cells, units, focal_share).squares
        factor = np.where(told, _factors(cell, noise)[cells], 1 / np.maximum(1 - curve.leverage, 1e-9))
        within = share * (outcome - mean) * factor
        within -= share * within.sum()
        between = focal_share * (mean - focal_share @ mean)
        influence.append(n * (within + between))
        center = outcome[own > 0].mean()
        means.append(float(center + share @ (outcome - center)))
    return Means(means[0], means[1], influence[0], influence[1])


def _factors(cell: CellMeans, noise: Floats) -> Floats:
    """Give the c (G,) of cells whose rows are enough, from the q F."""
    meant = np.maximum(cell.squares * cell.total**2 - noise, 0.0)
    seen = cell.seen * cell.total**2
    return np.sqrt(np.divide(meant, seen, out=np.ones(len(seen)), where=cell.told))


def estimation_influence(
    estimated: EstimatedScores,
    outcome: Floats,
    treated: Bools,
    quantity: Floats,
    *,
    estimand: MatchingEstimand,
    cells: Rows,
    known: Bools | None = None,
) -> tuple[Floats, Floats]:
    """Give what a row adds to the means of the treated and of the controls by moving the scores.

    Parameters
    ----------
    cells : ndarray (n,) of int
        Which rows are compared with each other: of the same score, or in the same subclass.
    known : ndarray (n,) of bool, or None, default None
        Which rows have an outcome; None where all have.

    Notes
    -----
    Let T be an estimate that compares outcomes at equal scores, with influence values psi where the scores
    are known, S the influence of the rows on the model's likelihood equations, V_b the inverse of their
    information, and c the covariance of T with S. By Le Cam's third lemma (Abadie and Imbens 2016 for
    matching; the argument asks only that T and S are jointly normal, and that T is centred at its estimand)
    T at the estimated score has the influence psi - (c - d)' V_b S, where d is the derivative of the estimand
    in the coefficients. With C_a the covariance of covariates and outcome in arm a at a score,

        c - d  =  sum of (1 - e) C_1 + e C_0 over all rows, by the number of those the effect is for,

    the first part without the second for the ATC, the second alone for the ATT. Its square brings the
    variance of Abadie and Imbens, V - c' V_b c + d' V_b d. Sample weights make the means weighted ones, and
    the likelihood's equations the model's; with another link than the logistic model's rows count in c - d
    times how fast their log odds grow with the linear predictor. Among rows that hold the same C_a is
    nothing: those of a cell look no farther than their own.
    """
    s = np.ones(len(outcome)) if estimated.sample_weight is None else estimated.sample_weight
    there = s > 0
    known = there if known is None else there & known
    focal = {"ATE": there, "ATT": treated & there, "ATC": ~treated & there}[estimand]
    f = np.ones(len(s)) if estimated.frequency is None else estimated.frequency
    total = (f * s)[focal].sum()
    moved = []
    e, kappa = estimated.scores, estimated.per_log_odds(treated)
    for arm, chance, left_alone in ((treated, 1 - e, "ATT"), (~treated, -e, "ATC")):
        if estimand == left_alone:
            moved.append(np.zeros(len(outcome)))
            continue
        multiples = s * kappa * chance / total
        direction = covariance_direction(
            outcome, arm & known, quantity, multiples, cells, estimated.frequency
        )
        moved.append(-estimated.coefficient_influence(treated, direction))
    return moved[0], moved[1]


def with_estimation(
    means: Means,
    estimated: EstimatedScores,
    outcome: MatchedOutcome,
    treated: Bools,
    quantity: Floats,
    *,
    estimand: MatchingEstimand,
    cells: Rows,
) -> Means:
    """Add what estimating the scores does, where they were fitted to these rows."""
    assert means.influence_treated is not None
    assert means.influence_control is not None
    moved = estimation_influence(
        estimated,
        outcome.values,
        treated,
        quantity,
        estimand=estimand,
        cells=cells,
        known=outcome.known,
    )
    return replace(
        means,
        influence_treated=means.influence_treated + moved[0],
        influence_control=means.influence_control + moved[1],
    )
