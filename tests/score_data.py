"""Users for scores of any model: numbers, a text of three levels, weights, teams, labels in no order."""

import numpy as np
import pandas as pd
from sklearn.base import clone

import reference

ROLES = {"treatment": "t", "covariates": ["x", "z", "plan"]}


def people(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Draw them, and who opted in by all three covariates."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.integers(0, 5, n),
            "plan": rng.choice(["basic", "pro", "team"], n),
            "w": rng.uniform(0.5, 2.0, n),
            "team": rng.integers(0, 60, n),
        }
    )
    logit = 0.8 * df["x"] - 0.2 * df["z"] + 0.6 * (df["plan"] == "pro")
    df["t"] = (rng.random(n) < reference.expit(logit)).astype(int)
    df["y"] = df["t"] + df["x"] ** 2 + rng.normal(size=n)
    return df.set_axis([f"user {k}" for k in rng.permutation(n)], axis=0)


def augmented_by_hand(scores, df, terms, learner, repeat=0):
    """Predict outcomes arm by arm outside of each fold of the scores, and give AIPW's ATE and its error."""
    e, folds, order = scores.repeats[repeat], scores.folds[repeat], scores.order
    t, y = df["t"].to_numpy(), df["y"].to_numpy()
    m = {1: np.empty(len(df)), 0: np.empty(len(df))}
    for fold in range(scores.n_folds):
        here = np.flatnonzero(folds == fold)
        for arm, predicted in m.items():
            rows = order[(folds[order] != fold) & (t[order] == arm)]
            predicted[here] = clone(learner).fit(terms.iloc[rows], y[rows]).predict(terms.iloc[here])
    effects = m[1] - m[0] + t * (y - m[1]) / e - (1 - t) * (y - m[0]) / (1 - e)
    return effects.mean(), effects.std() / np.sqrt(len(df))
