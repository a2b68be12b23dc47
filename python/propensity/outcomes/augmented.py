"""Augmented weighting: predictions of the outcome and weighted residuals, once or over repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from propensity.effects import inference
from propensity.effects.arms import Means
from propensity.effects.estimators import AdjustmentEstimand
from propensity.effects.sample import Sample
from propensity.frames.checks import Bools, Floats, Rows


def augmented_means(
    sample: Sample,
    y: Floats,
    weights: Floats,
    fitted: Mapping[bool, Floats],
    estimand: AdjustmentEstimand,
    origin: float = 0.0,
) -> Means:
    """Augment the predicted outcomes by weighted residuals, as AIPW does.

    Parameters
    ----------
    sample : Sample
    y : ndarray (n,)
    weights : ndarray (n,)
        Balancing weights times sample weights.
    fitted : mapping of bool to ndarray (n,)
        What each row's outcome would be, treated and not.
    estimand : {"ATE", "ATT", "ATC"}
    origin : float, default 0.0
        From where `y` and `fitted` are measured; the means are not.

    Notes
    -----
    With g = 1, T, 1 - T for ATE, ATT, ATC, s the sample weight and w the weight of the row's own arm,
    mu_a = sum(s g m_a + 1{T = a} w (Y - m_a)) / sum(s g). The influence of a row is its term less s g mu_a,
    over mean(s g): with models that have not seen the row, what they add to it is of second order.
    """
    target = target_weights(sample, estimand)
    users = np.ones(len(target)) if sample.frequency is None else sample.frequency
    total = target @ users
    means, influences = {}, {}
    for arm, terms in augmented_terms(sample, y, weights, fitted, target).items():
        means[arm] = float(terms @ users / total)
        influences[arm] = (terms - target * means[arm]) / (total / users.sum())
    return Means(
        origin + means[True],
        origin + means[False],
        influences[True],
        influences[False],
        difference=means[True] - means[False],
    )


def augmented_terms(
    sample: Sample, y: Floats, weights: Floats, fitted: Mapping[bool, Floats], target: Floats
) -> dict[bool, Floats]:
    """Give what each row (n,) has in the sums of either arm: s g m_a + 1{T = a} w (Y - m_a)."""
    return {
        arm: target * m + np.where(sample.treated == arm, weights * (y - m), 0.0) for arm, m in fitted.items()
    }


def averages_over(treated: Bools, estimand: AdjustmentEstimand) -> Bools:
    """Which rows (n,) an effect averages over."""
    return {"ATE": np.ones_like(treated), "ATT": treated, "ATC": ~treated}[estimand]


def target_weights(sample: Sample, estimand: AdjustmentEstimand) -> Floats:
    """Give how much each row (n,) counts in the average over those the effect is for."""
    target = averages_over(sample.treated, estimand).astype(np.float64)
    return target if sample.sample_weight is None else target * sample.sample_weight


@dataclass(frozen=True, eq=False)
class Repeated:
    """The means over repeats of cross-fitting, and how far the estimates of the repeats are apart.

    `spread` is the standard deviation of the differences of the means; None of a single repeat.
    """

    means: Means
    spread: float | None = None


def over_repeats(found: Sequence[Means], clusters: Rows | None) -> Repeated:
    """Average over repeats; what these differ by is added to the variance.

    The covariance of the two means is the mean over repeats of their own, with (mu_r - mu)(mu_r - mu)' added
    (Chernozhukov et al. 2018, section 3.4, for means in place of medians). Influence values are turned so as
    to have it, by the matrix nearest to the identity that does so: errors of every contrast follow.
    """
    if len(found) == 1:
        return Repeated(found[0])
    means = np.array([[one.mean_treated, one.mean_control] for one in found])
    gaps = np.array([one.estimate for one in found])
    influences = [_side_by_side(one) for one in found]
    around = np.column_stack([gaps - gaps.mean(), means[:, 1] - means[:, 1].mean()])
    # On (difference, control), whose digits are those of the outcome's spread, not of its size.
    turn = np.array([[1.0, -1.0], [0.0, 1.0]])
    own = [inference.covariance(influence @ turn.T, clusters) for influence in influences]
    wanted = np.mean(own, axis=0) + around.T @ around / len(found)
    mean = np.mean(influences, axis=0) @ turn.T
    moved = mean @ _nearest_map(inference.covariance(mean, clusters), wanted) @ np.linalg.inv(turn).T
    treated, control = map(float, means.mean(axis=0))
    together = Means(treated, control, moved[:, 0], moved[:, 1], difference=float(gaps.mean()))
    return Repeated(together, float(gaps.std()))


def _side_by_side(means: Means) -> Floats:
    assert means.influence_treated is not None
    assert means.influence_control is not None
    return np.column_stack([means.influence_treated, means.influence_control])


def _nearest_map(given: Floats, wanted: Floats) -> Floats:
    """Give the symmetric map (2, 2) that takes what has one covariance to another: s^-1 (s W s)^1/2 s^-1."""
    root = _power(given, 0.5)
    back = _power(given, -0.5)
    return np.asarray(back @ _power(root @ wanted @ root, 0.5) @ back)


def _power(matrix: Floats, power: float) -> Floats:
    """Raise a covariance to a power; what does not vary stays as it is."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    varies = values > 1e-14 * max(values.max(), 0.0)
    raised = np.where(varies, np.where(varies, values, 1.0) ** power, 0.0)
    return np.asarray(vectors * raised @ vectors.T)
