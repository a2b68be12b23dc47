"""Categories of many levels, as codes, against scikit-learn over sparse dummies, in the same run.

A part of `make bench`, and by itself:

python benchmarks/factors.py           # the sizes of docs; about a minute on an idle machine
python benchmarks/factors.py --quick   # a tenth of the rows
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression

import propensity as ps
from clock import Row, Sides, medians, peak_megabytes

PART = "factors"


def users(n: int, n_numbers: int, n_levels: Sequence[int]) -> pd.DataFrame:
    """Make a frame of numbers, and of categories of so many levels."""
    rng = np.random.default_rng(3)
    columns: dict[str, Any] = {f"x{k}": rng.normal(size=n) for k in range(n_numbers)}
    eta = 0.2 * sum(columns.values())
    for levels in n_levels:
        codes = rng.integers(0, levels, n)
        eta = eta + 0.3 * np.sin(codes)
        names = pd.Index([f"v{k:05d}" for k in range(levels)])
        columns[f"f{levels}"] = pd.Categorical.from_codes(codes, names)
    columns["t"] = rng.random(n) < 1 / (1 + np.exp(-eta))
    return pd.DataFrame(columns)


def sparse_terms(frame: pd.DataFrame) -> sparse.csr_matrix:
    """Lay the terms out as people do who know that dummies are nearly all zeros."""
    blocks = []
    for name in covariates(frame):
        column = frame[name]
        if not isinstance(column.dtype, pd.CategoricalDtype):
            blocks.append(sparse.csr_matrix(column.to_numpy()[:, None]))
            continue
        codes = column.cat.codes.to_numpy()
        rows = np.flatnonzero(codes)
        shape = (len(frame), len(column.cat.categories) - 1)
        blocks.append(sparse.csr_matrix((np.ones(len(rows)), (rows, codes[rows] - 1)), shape=shape))
    return sparse.hstack(blocks, format="csr")


def covariates(frame: pd.DataFrame) -> list[str]:
    """Name all columns but the treatment and the outcome."""
    return [str(name) for name in frame if name not in ("t", "y")]


def scikit_learn(frame: pd.DataFrame, penalty: float, **options: Any) -> LogisticRegression:
    """Make sparse dummies of the frame, and fit them."""
    peer = LogisticRegression(C=1 / penalty if penalty else np.inf, max_iter=1_000, **options)
    return peer.fit(sparse_terms(frame), frame["t"])


def own_fit(frame: pd.DataFrame, penalty: float) -> ps.PropensityModel:
    """Fit the frame."""
    return ps.fit_propensity(frame, treatment="t", covariates=covariates(frame), penalty=penalty)


def prepared_fit(n: int, n_numbers: int, n_levels: Sequence[int], penalty: float) -> Any:
    """Make a frame, and give the fit of it."""
    return partial(own_fit, users(n, n_numbers, n_levels), penalty)


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time every job, and measure what the fits take beyond the frame."""
    scale = 10 if quick else 1
    nothing = float("nan")
    for n, n_numbers, levels, penalty, bar, wanted, memory in (
        (200_000, 6, (4, 40, 400), 0.0, 20.0, nothing, 200.0),
        (1_000_000, 5, (50_000,), 1.0, nothing, 0.6, nothing),
    ):
        size = (n // scale, n_numbers, [max(2, k // scale) for k in levels] if penalty else levels)
        frame = users(*size)
        sides: Sides = {
            "own": partial(own_fit, frame, penalty),
            "other": partial(scikit_learn, frame, penalty),
        }
        found = medians(sides, rounds=3)
        job = f"fit, {n // scale:,} rows, {n_numbers} numbers, levels {', '.join(map(str, size[2]))}"
        peak = peak_megabytes(partial(prepared_fit, *size, penalty))
        note = f"{peak:.0f} MB beyond the frame; largest gap {gap(frame, penalty):.1e}"
        against = Row(PART, job, "scikit-learn, sparse dummies", found["other"], found["own"], bar, note=note)
        yield against
        yield from within(against, wanted)
        if not math.isnan(memory):
            job = f"its memory beyond the frame, {n // scale:,} rows"
            yield Row(PART, job, f"{memory:g} MB", memory, peak, 1.0, unit="MB")
    yield weighting_job(200_000 // scale)
    balance = balance_job(1_000_000 // scale)
    yield balance
    yield from within(balance, 1.0)
    for spec, wanted in ((ps.IPW("ATE"), 5.0), (ps.AIPW("ATE"), 10.0)):
        own = bootstrap_job(200_000 // scale, spec)
        yield own
        yield from within(own, wanted)


def within(row: Row, wanted: float) -> Iterator[Row]:
    """Set the same time against the seconds that were wanted, if any were."""
    if not math.isnan(wanted):
        yield Row(row.part, row.job, f"{wanted:g} s", wanted, row.own_value, 1.0)


def gap(frame: pd.DataFrame, penalty: float) -> float:
    """Give the largest difference of a slope from scikit-learn's, which is 2e-6 off at a `tol` of 1e-10."""
    peer = scikit_learn(frame, penalty, solver="newton-cg", tol=1e-13)
    return float(np.abs(own_fit(frame, penalty).coefficients.to_numpy()[1:] - peer.coef_[0]).max())


def weighting_job(n: int) -> Row:
    """Time a weighted effect with its error, the fit included, against the two weighted means alone."""
    frame = users(n, 6, (4, 40, 400))
    frame["y"] = np.random.default_rng(5).normal(size=n)
    found = medians({"own": partial(own_ipw, frame), "other": partial(weighted_means, frame)}, rounds=3)
    job = f"IPW ATE with standard error, fit included, {n:,} rows, 6 numbers, levels 4, 40, 400"
    means = "scikit-learn, sparse dummies, and two weighted means"
    return Row(PART, job, means, found["other"], found["own"])


def own_ipw(frame: pd.DataFrame) -> object:
    """Fit the scores, and weigh by them."""
    return ps.ipw(frame, outcome="y", treatment="t", scores=own_fit(frame, 0.0))


def weighted_means(frame: pd.DataFrame) -> float:
    """Fit the scores, and weigh by them: the estimate, without an error."""
    x = sparse_terms(frame)
    scores = LogisticRegression(C=np.inf, max_iter=1_000).fit(x, frame["t"]).predict_proba(x)[:, 1]
    treated, y = frame["t"].to_numpy(), frame["y"].to_numpy()
    mean = np.average(y[treated], weights=1 / scores[treated])
    return float(mean - np.average(y[~treated], weights=1 / (1 - scores[~treated])))


def balance_job(n: int) -> Row:
    """Time the balance table of 400 levels under two weightings, against means of dummies."""
    frame = users(n, 0, (400,))
    rng = np.random.default_rng(4)
    weights = {name: rng.uniform(0.5, 2.0, n) for name in ("one", "other")}
    own = partial(ps.balance, frame, treatment="t", covariates=["f400"], weights=weights)
    dummies = pd.get_dummies(frame["f400"]).to_numpy(dtype=np.float64)
    other = partial(dummy_means, dummies, frame["t"].to_numpy(), list(weights.values()))
    found = medians({"own": own, "other": other}, rounds=3)
    job = f"balance table, {n:,} rows, 400 levels, 2 weightings, every measure"
    return Row(PART, job, "weighted means alone, of dummies that are there", found["other"], found["own"])


def bootstrap_job(n: int, spec: ps.IPW | ps.AIPW) -> Row:
    """Time 500 replicates, against the scores of the loop that people write, of which two are made."""
    frame = users(n, 6, (4, 40, 400))
    frame["y"] = np.random.default_rng(5).normal(size=n)
    roles: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": covariates(frame)}
    own = partial(ps.bootstrap, frame, **roles, estimators=[spec], n_reps=500, progress=False)
    found = medians({"own": own, "other": partial(score_loop, frame, 2)}, rounds=1)
    job = f"bootstrap of {spec.label}, {n:,} rows, 500 replicates"
    loop = "scikit-learn's scores alone, a loop (2 of 500 timed)"
    return Row(PART, job, loop, 250 * found["other"], found["own"])


def score_loop(frame: pd.DataFrame, n_reps: int) -> list[np.ndarray]:
    """Fit the score to resamples, one after the other, of a sparse matrix that is made once."""
    x, treated, rng = sparse_terms(frame), frame["t"].to_numpy(), np.random.default_rng(6)
    scores = []
    for _ in range(n_reps):
        rows = rng.integers(0, len(frame), len(frame))
        fit = LogisticRegression(C=np.inf, max_iter=1_000).fit(x[rows], treated[rows])
        scores.append(fit.predict_proba(x[rows])[:, 1])
    return scores


def dummy_means(dummies: np.ndarray, treated: np.ndarray, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Take the weighted means of the columns in either arm."""
    arms = [np.where(treated == arm, w, 0.0) for w in (np.ones(len(treated)), *weights) for arm in (0, 1)]
    return [w @ dummies / w.sum() for w in arms]


def main() -> None:
    """Print every job."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    warnings.simplefilter("ignore")
    for row in jobs(quick=parser.parse_args().quick):
        print(
            f"{row.job}: {row.own_value:.3f} s; {row.other} {row.other_value:.3f} s; {row.note}", flush=True
        )


if __name__ == "__main__":
    main()
