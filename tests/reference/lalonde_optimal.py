"""Least total distances of pair and full matching on lalonde, by linear programming.

    python tests/reference/lalonde_optimal.py

Full matching without limits on the sizes of sets is an edge cover: every unit in at least one pair, the sum
of distances as small as can be. The best cover falls into stars, which are the sets; the arms being two
sides, the corners of the linear programme are whole numbers (Schrijver 2003, Combinatorial Optimization,
section 19.3), and its value is exact. Pairs are the assignment problem. Several sets of pairs may reach the
least total; the total is one.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import csr_array

DATA = Path(__file__).parents[2] / "python" / "propensity" / "data" / "lalonde.csv"


def read():
    """Give x (614 x 8), the treatment, the logit of the fitted score, and race."""
    frame = pd.read_csv(DATA)
    race = frame["race"]
    x = frame[["age", "educ"]].assign(black=race == "black", hispan=race == "hispan")
    x = x.join(frame[["married", "nodegree", "re74", "re75"]]).to_numpy(dtype=float)
    treated = frame["treat"].to_numpy() == 1
    scale = x.std(axis=0)
    design = sm.add_constant((x - x.mean(axis=0)) / scale)
    fit = sm.Logit(treated.astype(float), design).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    return x, treated, design @ fit.params, race.to_numpy()


def mahalanobis(x, treated):
    """Distances with the covariance within the arms, divisor n - 2."""
    arms = (x[treated], x[~treated])
    within = sum(np.cov(arm.T) * (len(arm) - 1) for arm in arms) / (len(x) - 2)
    z = x @ np.linalg.cholesky(np.linalg.inv(within))
    return np.sqrt(((z[treated][:, None] - z[~treated][None]) ** 2).sum(axis=2))


def full_matching(distances, allowed):
    """Cover whoever has an allowed pair; give the least total and how many of each arm have none."""
    rows, columns = np.nonzero(allowed)
    pairs = np.arange(len(rows))
    ends = np.concatenate([rows, distances.shape[0] + columns])
    covers = csr_array(
        (-np.ones(2 * len(rows)), (ends, np.tile(pairs, 2))), shape=(sum(distances.shape), len(rows))
    )
    reachable = np.concatenate([allowed.any(axis=1), allowed.any(axis=0)])
    best = linprog(
        distances[rows, columns], A_ub=covers[reachable], b_ub=-np.ones(reachable.sum()), method="highs-ds"
    )
    assert best.status == 0
    assert np.abs(best.x - np.round(best.x)).max() < 1e-9
    chosen = np.round(best.x) == 1
    return {
        "total": float(distances[rows[chosen], columns[chosen]].sum()),
        "n_unmatched_treated": int((~allowed.any(axis=1)).sum()),
        "n_unmatched_control": int((~allowed.any(axis=0)).sum()),
    }


def pair_matching(distances, n_neighbors):
    """Give every treated unit its own controls."""
    repeated = np.tile(distances, (n_neighbors, 1))
    rows, columns = linear_sum_assignment(repeated)
    return {"total": float(repeated[rows, columns].sum())}


def main():
    x, treated, logit, race = read()
    score = 1 / (1 + np.exp(-logit))
    metrics = {
        name: np.abs(q[treated][:, None] - q[~treated][None])
        for name, q in (("score", score), ("logit", logit))
    }
    metrics["mahalanobis"] = mahalanobis(x, treated)
    anyone = np.ones((treated.sum(), (~treated).sum()), dtype=bool)
    same_race = race[treated][:, None] == race[~treated][None]
    near = metrics["logit"] <= 0.2 * logit.std(ddof=1)
    values = {}
    for name, distances in metrics.items():
        values[f"full.{name}"] = full_matching(distances, anyone)
        values[f"full.{name}.exact_race"] = full_matching(distances, same_race)
        for k in (1, 2):
            values[f"pairs.{name}.{k}"] = pair_matching(distances, k)
    values["full.logit.caliper_0.2_all"] = full_matching(metrics["logit"], near)
    values["full.mahalanobis.caliper_0.2_all"] = full_matching(metrics["mahalanobis"], near)
    software = {name: version(name) for name in ("numpy", "scipy", "statsmodels")}
    content = {"meta": {"software": software}, "values": values}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
