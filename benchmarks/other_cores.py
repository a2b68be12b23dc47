"""Other packages with a compiled core, through their own public interfaces; each is optional.

    pip install antecedent==2.4.0 crabbymetrics dml-rs

antecedent alone refits the propensity model on resampled rows in one call; the others are called once a
replicate, as their users would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from propensity import AIPW, IPW


@dataclass(frozen=True)
class OtherCore:
    """A package, and a call of it: `run(n)` estimates on n resamples of the rows."""

    name: str
    estimator: IPW | AIPW
    run: Callable[[int], object]
    bar: float
    reps: int
    quick_reps: int
    note: str = ""


def found(df: pd.DataFrame, *, outcome: str, treatment: str, covariates: list[str]) -> Iterator[OtherCore]:
    """Give those that are installed."""
    text = [name for name in covariates if not pd.api.types.is_numeric_dtype(df[name])]
    design = pd.get_dummies(df[covariates], columns=text, drop_first=True, dtype=float)
    x, treated, y = np.ascontiguousarray(design), df[treatment].to_numpy(), df[outcome].to_numpy(dtype=float)
    if find_spec("antecedent"):
        yield OtherCore("antecedent", IPW("ATE"), _antecedent(x, treated, y), 200.0, 500, 50)
    note = "it cross-fits, in 5 folds"
    if find_spec("crabbymetrics"):
        yield OtherCore("crabbymetrics", AIPW("ATE"), _crabbymetrics(x, treated, y), 100.0, 25, 3, note)
    if find_spec("dml_rs"):
        yield OtherCore("dml-rs", AIPW("ATE"), _dml_rs(x, treated, y), 100.0, 25, 3, note)


def _antecedent(x: Any, treated: Any, y: Any) -> Callable[[int], object]:
    import antecedent  # noqa: PLC0415
    from antecedent.estimators import PropensityWeighting  # noqa: PLC0415

    names = [f"x{k}" for k in range(x.shape[1])]
    data = {"t": treated.astype(float), "y": y, **dict(zip(names, x.T, strict=True))}
    graph = [("t", "y"), *((name, end) for name in names for end in "ty")]
    query = antecedent.AverageEffect("t", "y")

    def run(n_reps: int) -> object:
        estimator = PropensityWeighting(bootstrap=n_reps)
        return antecedent.analyze(data, query=query, graph=graph, estimator=estimator, refute="none", seed=7)

    return run


def _crabbymetrics(x: Any, treated: Any, y: Any) -> Callable[[int], object]:
    import crabbymetrics  # noqa: PLC0415

    def estimate(rows: Any) -> float:
        model = crabbymetrics.AIPW()
        model.fit(y[rows], treated[rows].astype(float), x[rows])
        return float(model.summary()["ate"])

    return _resampling(len(y), estimate)


def _dml_rs(x: Any, treated: Any, y: Any) -> Callable[[int], object]:
    import dml_rs  # noqa: PLC0415

    def estimate(rows: Any) -> object:
        data = dml_rs.DmlData.from_arrays(x[rows], y[rows], treated[rows])
        model = dml_rs.IRM(dml_rs.Ols(), dml_rs.LogisticRegression())
        model.fit(data)
        return model

    return _resampling(len(y), estimate)


def _resampling(n: int, estimate: Callable[[Any], object]) -> Callable[[int], object]:
    def run(n_reps: int) -> object:
        rng = np.random.default_rng(7)
        return [estimate(rng.integers(n, size=n)) for _ in range(n_reps)]

    return run
