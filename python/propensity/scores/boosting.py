"""Gradient boosting: what it is asked for, and its calls of the core with plain arrays.

Nothing here knows of frames, so that specifications of estimators may hold a `Boosting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.keywords import answered_class
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows

StopAt: TypeAlias = Literal["balance", "log_loss"]
Loss: TypeAlias = Literal["squared", "logistic", "poisson"]
Estimand: TypeAlias = Literal["ATE", "ATT", "ATC", "ATO", "ATM"]

_DEEPEST = 8  # as in the core (src/score/boosting.rs)


@answered_class
@dataclass(frozen=True)
class Boosting:
    """Gradient-boosted trees, for scores and for outcomes, grown on other rows than those they speak of.

    Trees are added one after the other, each a small step towards what those before left unexplained. They
    find steps, bends and products of columns by themselves, take missing values as they are, and text and
    categories without a term for each level. Columns are cut into at most 255 bins of as many rows as each
    other. Levels are parted by the step that each would take, less what choosing among many gains in noise; a
    level of which a node has fewer than three rows goes with the missing values.

    A model is grown for each fold, on the rows outside of it, and scores the rows of the fold. How many trees
    there are is decided on these: on rows that were fitted to, trees only ever seem to balance better.

    Parameters
    ----------
    depth : int, default 3
        Questions on the way from the root of a tree to a leaf, 1 to 8: how many columns may act together.
        Three, for products of three columns are rare, and of deeper trees more is noise.
    learning_rate : float, default 0.05
        The share of its full step that a tree takes, more than 0 and at most 1. Small steps are averages
        over many trees; half of it takes twice the trees and the time.
    max_trees : int, default 500
        Of each fold's model, at most. At the default steps the best number is mostly below 300; where
        `stop` ends at the last, take more.
    min_leaf : int, default 10
        Rows in a leaf, at least, whatever they weigh.
    stop : {"balance", "log_loss"} or None, default "balance"
        How many trees a score model has: as many as leave the least mean |SMD| of the terms under the
        weights of the estimand, or the least log-loss, both out of fold, looked at every ten trees. What
        predicts best stops too early for weighting: most of the bias goes in trees that hardly help to
        predict. None takes `max_trees`, whatever they do. An outcome model has as many as leave the least
        loss out of fold; with None, `max_trees` too.

    Raises
    ------
    InvalidInputError
        An option is not what it may be.

    Notes
    -----
    Steps are Newton's (Friedman 2001, Annals of Statistics 29:1189; Chen and Guestrin 2016, equations 5 to
    7, without penalties), splits are sought among the bins (Ke et al. 2017, algorithm 1). To stop where
    balance is best is the idea of McCaffrey, Ridgeway and Morral (2004, Psychological Methods 9:403), who
    look at the rows fitted to. There is nothing random in it but the folds.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.Boosting(depth=2, stop="log_loss")
    Boosting(depth=2, learning_rate=0.05, max_trees=500, min_leaf=10, stop='log_loss')
    """

    depth: int = 3
    learning_rate: float = 0.05
    max_trees: int = 500
    min_leaf: int = 10
    stop: StopAt | None = "balance"
    is_score_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.count("depth", self.depth)
        if self.depth > _DEEPEST:
            raise InvalidInputError(f"depth must be a whole number from 1 to {_DEEPEST}, not {self.depth!r}")
        checks.number("learning_rate", self.learning_rate, above=0.0)
        if self.learning_rate > 1:
            raise InvalidInputError(
                f"learning_rate must be more than 0 and at most 1, not {self.learning_rate!r}"
            )
        checks.count("max_trees", self.max_trees)
        checks.count("min_leaf", self.min_leaf)
        if self.stop is not None:
            checks.choice("stop", self.stop, get_args(StopAt))

    @property
    def label(self) -> str:
        """The name of this model in tables and plots."""
        return "boosting"


def fit_scores(
    spec: Boosting,
    covariates: Floats,
    treated: Bools,
    folds: Rows,
    *,
    factors: Rows | None = None,
    balance: Floats | None = None,
    sample_weight: Floats | None = None,
    estimand: Estimand = "ATE",
    n_threads: int | None = None,
) -> core.BoostedScores:
    """Boost scores of rows, out of fold.

    Parameters
    ----------
    spec : Boosting
    covariates : ndarray (n, d)
        Amounts; NaN is a missing one.
    treated : ndarray (n,) of bool
    folds : ndarray (n,) of int
        From 0: where a row is scored, and not fitted to.
    factors : ndarray (n, k) of int, or None
        Codes of levels, from 0; -1 is a missing one.
    balance : ndarray (n, m), or None
        The terms whose balance is looked at; None takes the columns, and the share of each level.
    sample_weight : ndarray (n,), or None
        Rows of weight 0 are scored, and otherwise not there.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
        Whose weights balance is looked at under.
    n_threads : int or None, default None

    Raises
    ------
    InvalidInputError
        Infinite values, an empty arm, a fold that leaves none of an arm.
    """
    return core.boosted_scores(
        covariates,
        treated,
        folds,
        factors=factors,
        balance=balance,
        sample_weight=sample_weight,
        estimand=estimand,
        depth=spec.depth,
        learning_rate=spec.learning_rate,
        max_trees=spec.max_trees,
        min_leaf=spec.min_leaf,
        stop=spec.stop,
        n_threads=n_threads,
    )


def fit_outcomes(
    spec: Boosting,
    covariates: Floats,
    outcome: Floats,
    treated: Bools,
    folds: Rows,
    *,
    factors: Rows | None = None,
    sample_weight: Floats | None = None,
    loss: Loss | None = None,
    n_threads: int | None = None,
) -> core.BoostedOutcomes:
    """Boost the outcome in each arm, of every row out of its fold.

    Parameters
    ----------
    spec : Boosting
    covariates, treated, folds, factors, sample_weight, n_threads
        As for `fit_scores`.
    outcome : ndarray (n,)
    loss : {"squared", "logistic", "poisson"} or None, default None
        None takes that of `loss_of`.

    Raises
    ------
    InvalidInputError
        As for `fit_scores`, and for an outcome that is 0 (or 1) in all rows of an arm outside of a fold,
        where the loss is not the squared one.
    """
    there = outcome if sample_weight is None else outcome[sample_weight > 0]
    return core.boosted_outcomes(
        covariates,
        outcome,
        treated,
        folds,
        factors=factors,
        sample_weight=sample_weight,
        loss=loss_of(there) if loss is None else loss,
        depth=spec.depth,
        learning_rate=spec.learning_rate,
        max_trees=spec.max_trees,
        min_leaf=spec.min_leaf,
        stop=spec.stop is not None,
        n_threads=n_threads,
    )


def loss_of(outcome: Floats) -> Loss:
    """Tell what kind of outcome these values (n,) are: 0 and 1, counts (from 0, and whole), or amounts."""
    values = np.asarray(outcome)
    if ((values == 0) | (values == 1)).all():
        return "logistic"
    is_count = values.min() == 0 and bool((values == np.floor(values)).all())
    return "poisson" if is_count else "squared"


def path_table(path: core.BoostingPath) -> pd.DataFrame:
    """Tabulate scores and balance, out of fold, by the number of trees: a row for every ten.

    Returns
    -------
    DataFrame (p, 5)
        `trees`; `log_loss` (mean over rows, natural logarithm); `mean_smd` and `max_smd` of the terms, in
        standard deviations; `ess`, the effective sample sizes of both arms together, in rows.
    """
    names = ["trees", "log_loss", "mean_smd", "max_smd", "ess"]
    return pd.DataFrame({name: getattr(path, name) for name in names})
