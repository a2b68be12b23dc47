"""The same jobs as people write them today, with pandas, NumPy, scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


def bootstrap(
    df: pd.DataFrame, *, outcome: str, treatment: str, covariates: list[str], n_reps: int
) -> Floats:
    """Resample, refit and re-estimate with scikit-learn: IPW ATE, IPW ATT and 1-NN ATT, n_reps times."""
    rng = np.random.default_rng(7)
    draws = (df.iloc[rng.integers(len(df), size=len(df))] for _ in range(n_reps))
    return np.array([_estimates(drawn, outcome, treatment, covariates) for drawn in draws])


def _estimates(
    df: pd.DataFrame, outcome: str, treatment: str, covariates: list[str]
) -> tuple[float, float, float]:
    text = [name for name in covariates if not pd.api.types.is_numeric_dtype(df[name])]
    design = pd.get_dummies(df[covariates], columns=text, drop_first=True, dtype=float)
    treated, y = df[treatment].to_numpy() == 1, df[outcome].to_numpy(dtype=float)
    scores = LogisticRegression(max_iter=1_000).fit(design, treated).predict_proba(design)[:, 1]
    ate = np.average(y[treated], weights=1 / scores[treated]) - np.average(
        y[~treated], weights=1 / (1 - scores[~treated])
    )
    att = y[treated].mean() - np.average(y[~treated], weights=scores[~treated] / (1 - scores[~treated]))
    matched = y[treated].mean() - y[nearest_by_trees(scores, treated)].mean()
    return float(ate), float(att), float(matched)


def nearest_by_trees(scores: Floats, treated: Bools) -> Rows:
    """Find a nearest control for each treated row with scikit-learn's search trees."""
    controls = np.flatnonzero(~treated)
    trees = NearestNeighbors(n_neighbors=1).fit(scores[controls, None])
    found: Rows = controls[trees.kneighbors(scores[treated, None], return_distance=False)[:, 0]]
    return found


def nearest_by_sorting(scores: Floats, treated: Bools) -> Rows:
    """Find a nearest control for each treated row by `argsort` and `searchsorted`."""
    controls = np.flatnonzero(~treated)
    order = controls[np.argsort(scores[controls])]
    values, wanted = scores[order], scores[treated]
    above = np.searchsorted(values, wanted).clip(1, len(values) - 1)
    left = wanted - values[above - 1] <= values[above] - wanted
    found: Rows = order[above - left]
    return found


def ipw_effect(
    df: pd.DataFrame, *, outcome: str, treatment: str, covariates: list[str]
) -> tuple[float, float]:
    """Estimate IPW ATE and its standard error with statsmodels, the logit fitted first."""
    import statsmodels.api as sm  # noqa: PLC0415 - a second of imports that other jobs do without
    from statsmodels.treatment.treatment_effects import TreatmentEffect  # noqa: PLC0415

    design = sm.add_constant(df[covariates])
    logit = sm.Logit(df[treatment], design).fit(disp=0)
    outcomes = sm.OLS(df[outcome], design)
    effect = TreatmentEffect(outcomes, df[treatment].to_numpy(), results_select=logit).ipw()
    return float(effect.effect[0]), float(effect.results_gmm.bse[0])
