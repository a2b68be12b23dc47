"""Scores of a random forest, out of bag: what it is to be, and the scores of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.keywords import answered_class
from propensity.calls.warned import warn
from propensity.errors import InvalidInputError, OutOfBagError, SlowWarning
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows

LESS_CERTAIN = (
    "the leaves that score these rows hold one arm alone; take larger ones (min_leaf), or more trees, or "
    "drop these units and say that the effect is for the others"
)
"""What to do about scores of exactly 0 or 1, as the end of a sentence."""

_MOST_TREES = 100_000
_MANY_ROWS = 100_000
_SECONDS = 1e-7
"""For a tree, a row and a column: 0.7 to 1.3e-7 from 50,000 rows to 200,000, twice that at a million."""


@answered_class
@dataclass(frozen=True)
class Forest:
    """A random forest for the treatment, which scores each row by the trees that have not seen it.

    Every tree is grown on rows drawn with replacement, as many as there are, and so has not seen about 37 in
    100 of them: these it may score ("out of bag"), without the folds that other flexible models need. A
    forest finds steps, bends and products of columns by itself, in any units; where effects are smooth
    `Boosting` comes closer to the true scores, in less time.

    Parameters
    ----------
    n_trees : int, default 300
        At most 100,000. A row is scored by about a third of them; with four times as many its score changes
        half as much from seed to seed. With 300 no row of a million is left without one.
    min_leaf : int or None, default None
        Rows that a leaf holds at least, each as often as it was drawn: what keeps scores from 0 and 1. None
        for the larger of 10 and n / 500, n the number of rows. At 50,000 rows of 4 columns scores from leaves
        of 5, 20 and 100 rows are .111, .074 and .046 from the true ones (root mean square), and only the last
        are calibrated.

    Raises
    ------
    InvalidInputError
        Either is no whole number of at least 1.

    Notes
    -----
    The trees are regression trees of the 0/1 treatment (smartcore's), each split the best among sqrt(d) of
    the d columns, rounded down, which are drawn anew. With sample weights rows are drawn in proportion to
    them. Rows are out of bag one by one: those of a cluster are in each other's trees.

    References
    ----------
    Breiman (2001), Machine Learning 45:5, section 3.1.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.Forest(n_trees=100, min_leaf=50).label
    'forest (100 trees, leaves of 50)'
    """

    n_trees: int = 300
    min_leaf: int | None = None

    def __post_init__(self) -> None:
        checks.count("n_trees", self.n_trees)
        if self.n_trees > _MOST_TREES:
            raise InvalidInputError(f"n_trees must be at most {_MOST_TREES:,}, not {self.n_trees:,}")
        if self.min_leaf is not None:
            checks.count("min_leaf", self.min_leaf)

    @property
    def label(self) -> str:
        """What tables and plots call it; options that are not the default are in it."""
        options = [
            f"{self.n_trees} trees" if self.n_trees != 300 else "",
            f"leaves of {self.min_leaf}" if self.min_leaf is not None else "",
        ]
        words = ", ".join(filter(None, options))
        return "forest" + (f" ({words})" if words else "")


def forest_scores(
    forest: Forest,
    x: Floats,
    treated: Bools,
    order: Rows,
    index: pd.Index[Any],
    *,
    sample_weight: Floats | None = None,
    seed: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Floats:
    """Score each row by the trees that have not seen it.

    Parameters
    ----------
    forest : Forest
    x : ndarray (n, d)
        The terms, finite, at least one.
    treated : ndarray (n,) of bool
    order : ndarray (m,) of int
        The rows that weigh something, as `rows_by_content` has them: what a tree draws hangs on their places.
    index : Index (n,)
        What rows are called in messages.
    sample_weight : ndarray (n,) or None, default None
        Trees draw their rows in proportion to it. Rows of weight 0 are scored by all trees.
    seed : int, default 0
        From 0 to 2^64 - 1. The same seed gives the same scores, on any number of threads.
    n_threads : int or None, default None
        None for the processors this process may use.
    progress : callable or None, default None
        Called now and then with the number of trees grown.

    Returns
    -------
    ndarray (n,)
        From 0 to 1, both included.

    Raises
    ------
    OutOfBagError
        Every tree has seen some row.
    InvalidInputError
        There are no terms, an arm is empty, or `min_leaf` is more than half of the rows.

    Warns
    -----
    SlowWarning
        There are more than 100,000 rows.
    """
    _warn_of_time(forest.n_trees, len(order), x.shape[1])
    rows = np.concatenate([order, _others(order, len(x))])
    try:
        found = core.forest_scores(
            np.asfortranarray(x[rows]),
            treated[rows],
            n_trees=forest.n_trees,
            min_leaf=forest.min_leaf,
            sample_weight=None if sample_weight is None else sample_weight[rows],
            seed=seed,
            n_threads=n_threads,
            progress=progress,
        )
    except OutOfBagError as error:
        raise _by_label(error, rows[list(error.rows)], index, forest.n_trees) from None
    scores = np.empty(len(x))
    scores[rows] = found
    return scores


def _warn_of_time(n_trees: int, n_rows: int, n_terms: int) -> None:
    """Warn of a forest over so many rows that it takes long, before it is grown."""
    if n_rows <= _MANY_ROWS:
        return
    seconds = _SECONDS * n_trees * n_rows * n_terms
    time = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{max(seconds, 1.0):.0f} seconds"
    warn(
        f"Forest: {n_trees:,} trees over {n_rows:,} rows of {n_terms:,} terms take about {time} of one "
        "processor's time, which threads share; Ctrl-C stops it. Boosting(), or fewer trees, take less",
        SlowWarning,
    )


def _others(order: Rows, n: int) -> Rows:
    """Give the rows that are not in the order: those that weigh nothing."""
    there = np.zeros(n, dtype=bool)
    there[order] = True
    return np.flatnonzero(~there)


def _by_label(error: OutOfBagError, rows: Rows, index: pd.Index[Any], n_trees: int) -> OutOfBagError:
    """Name rows of the core's error by their labels."""
    seen = np.zeros(len(index), dtype=bool)
    seen[rows] = True
    were, theirs, them = ("were", "their", "them") if len(rows) > 1 else ("was", "its", "it")
    remedy = (
        f"take n_trees={error.n_trees}"
        if error.n_trees is not None
        else f"{theirs} sample weight is so large that hardly any tree is grown without {them}: take a score "
        "model that is cross-fitted, or the logistic one"
    )
    return OutOfBagError(
        f"Forest: {checks.counted(seen, 'row', index)} {were} drawn for all {n_trees:,} trees, so that none "
        f"is left to score {them}; {remedy}",
        np.flatnonzero(seen).tolist(),
        error.n_trees,
    )
