"""A turn of the bootstrap of IPW as people write it: rows drawn, scores by a package, two weighted means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

import by_hand


def design(
    x: by_hand.Floats, codes: npt.NDArray[np.uint8] | None, n_levels: Sequence[int], *, dense: bool
) -> Any:
    """Lay out numbers and dummies (n, d), sparse where there are dummies and the peer takes that."""
    if codes is None:
        return x
    dummies = [own[:, None] == np.arange(1, levels) for own, levels in zip(codes.T, n_levels, strict=True)]
    if dense:
        return np.column_stack([x, *dummies]).astype(float)
    return sparse.hstack([sparse.csr_matrix(x), *map(sparse.csr_matrix, dummies)], format="csr")


def turn(
    x: Any, treated: by_hand.Bools, y: by_hand.Floats, scores_of: Callable[..., by_hand.Floats]
) -> float:
    """Draw rows, fit, weigh."""
    rows = np.random.default_rng(6).integers(0, len(y), len(y))
    x, treated, y = x[rows], treated[rows], y[rows]
    scores = scores_of(x, treated)
    mean = np.average(y[treated], weights=1 / scores[treated])
    return float(mean - np.average(y[~treated], weights=1 / (1 - scores[~treated])))


def _by_scikit_learn(solver: str, x: Any, treated: by_hand.Bools) -> by_hand.Floats:
    model = LogisticRegression(C=np.inf, solver=solver, max_iter=1_000).fit(x, treated)
    return np.asarray(model.predict_proba(x)[:, 1])


def _by_statsmodels(x: by_hand.Floats, treated: by_hand.Bools) -> by_hand.Floats:
    import statsmodels.api as sm  # noqa: PLC0415 - a second of imports that other jobs do without

    x = sm.add_constant(x)
    return np.asarray(sm.Logit(treated, x).fit(disp=0).predict(x))


LOOPS: dict[str, Callable[..., by_hand.Floats]] = {
    "lbfgs": partial(_by_scikit_learn, "lbfgs"),
    "newton-cholesky": partial(_by_scikit_learn, "newton-cholesky"),
    "statsmodels": _by_statsmodels,
}
