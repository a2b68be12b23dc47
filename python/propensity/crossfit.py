"""Cross-fitting: every row is predicted by models that have not seen it.

A flexible model follows the noise of the rows it is fitted to, which biases what is made of its predictions
there; on other rows it does not (Chernozhukov et al. 2018, Econometrics Journal 21, C1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity import _check
from propensity._check import Bools, Floats, Rows
from propensity._sample import Sample
from propensity.arms import Means
from propensity.errors import InvalidInputError
from propensity.estimators import AdjustmentEstimand
from propensity.learners import Learner, fit_predict


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The models to fit, and the fold (n,) of each row, in which it is predicted and not fitted to."""

    score_model: Learner
    outcome_model: Learner
    folds: Rows

    def scores(self, sample: Sample, x: Floats) -> Floats:
        """Predict the treatment of each row (n,), strictly between 0 and 1."""
        everyone = np.ones(len(x), dtype=bool)
        e = self._predict(self.score_model, x, sample.treated.astype(np.float64), everyone, sample)
        _check.scores(e, sample.frame.index, "cross-fitted scores")
        return e

    def outcomes(self, sample: Sample, x: Floats, y: Floats, *, treated: bool) -> Floats:
        """Predict each row's outcome (n,) had it been in this arm."""
        return self._predict(self.outcome_model, x, y, sample.treated == treated, sample)

    def _predict(self, learner: Learner, x: Floats, y: Floats, fitted_to: Bools, sample: Sample) -> Floats:
        predicted = np.empty(len(x))
        for fold in range(self.folds.max() + 1):
            here = self.folds == fold
            rows = fitted_to & ~here
            w = None if sample.sample_weight is None else sample.sample_weight[rows]
            predicted[here] = fit_predict(learner, x[rows], y[rows], w, x[here])
        return predicted


def augmented_means(
    sample: Sample,
    y: Floats,
    weights: Floats,
    fitted: dict[bool, Floats],
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
    fitted : dict of bool to ndarray (n,)
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
    t = sample.treated
    target = {"ATE": np.ones(len(t)), "ATT": t.astype(float), "ATC": (~t).astype(float)}[estimand]
    if sample.sample_weight is not None:
        target = target * sample.sample_weight
    means, influences = {}, {}
    for arm, m in fitted.items():
        terms = target * m + np.where(t == arm, weights * (y - m), 0.0)
        means[arm] = float(terms.sum() / target.sum())
        influences[arm] = (terms - target * means[arm]) / target.mean()
    return Means(
        origin + means[True],
        origin + means[False],
        influences[True],
        influences[False],
        difference=means[True] - means[False],
    )


def assign_folds(treated: Bools, clusters: Rows | None, n_folds: int, seed: int) -> Rows:
    """Deal the rows of each arm out to folds at random, as evenly as can be; or whole clusters.

    Raises
    ------
    InvalidInputError
        An arm has fewer rows than there are folds, or there are fewer clusters; a fold has all of an arm.
    """
    rng = np.random.default_rng(seed)
    if clusters is not None:
        n_clusters = int(clusters.max()) + 1
        _require_enough(n_folds, n_clusters, "clusters")
        folds = _deal(n_clusters, n_folds, rng)[clusters]
        _require_spread(folds, treated)
        return folds
    folds = np.empty(len(treated), dtype=np.int64)
    for arm, members in {"treated": treated, "control": ~treated}.items():
        n_rows = int(members.sum())
        _require_enough(n_folds, n_rows, f"{arm} rows")
        folds[members] = _deal(n_rows, n_folds, rng)
    return folds


def _deal(n: int, n_folds: int, rng: np.random.Generator) -> Rows:
    return rng.permutation(np.arange(n) % n_folds)


def _require_enough(n_folds: int, n: int, what: str) -> None:
    if n < n_folds:
        raise InvalidInputError(f"n_folds: {n_folds} folds of {n} {what}; take at most {n}")


def _require_spread(folds: Rows, treated: Bools) -> None:
    for arm, members in {"treated": treated, "control": ~treated}.items():
        if len(np.unique(folds[members])) < 2:
            raise InvalidInputError(
                f"n_folds: one fold holds every {arm} row and leaves none to fit to; that arm is in too few "
                "clusters to cross-fit"
            )
