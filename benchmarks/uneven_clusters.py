"""How many degrees of freedom clusters leave where they are few, or one has many of the rows.

python benchmarks/uneven_clusters.py            # the whole count, into docs/: two minutes on one core
python benchmarks/uneven_clusters.py --quick    # a taste of it, printed

G clusters of 20 rows on average: all of 20, of log-normal sizes, or one with a third of the rows. Rows or
whole clusters opt in; half of the outcome's noise is common to a cluster. The effect is 1 for everybody.
Counted are intervals by the normal law and by Student's: with G - 1 degrees of freedom; with those that the
sizes of what rows add say (Satterthwaite 1946), rows of a cluster being as if independent, as Bell and
McCaffrey (2002) have it, or as if alike; and with `effect.df`, by what the clusters add.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from coverage_report import fill
from propensity import core
from propensity.effects import inference
from propensity.effects.leverage import Leverage, SharesOfWeight
from propensity.errors import InvalidInputError
from world_rows import Bools, Floats, Rows, expit

DOCS = Path(__file__).parents[1] / "docs"
EFFECT, ROWS = 1.0, 20
NUMBERS, SIZES = (10, 20, 40), ("even", "log-normal", "one has a third")
LAWS = ("normal", "G - 1", "rows alone", "rows alike", "effect.df")


def sizes_of(rng: np.random.Generator, n_clusters: int, sizes: str) -> Rows:
    """Give how many rows each cluster has, two at least."""
    shares = np.ones(n_clusters)
    if sizes == "log-normal":
        shares = np.exp(rng.normal(size=n_clusters))
    elif sizes == "one has a third":
        shares[0] = (n_clusters - 1) / 2
    rows = np.maximum(np.round(ROWS * n_clusters * shares / shares.sum()), 2)
    return np.asarray(rows, dtype=np.int64)


def world(
    rng: np.random.Generator, n_clusters: int, sizes: str, *, whole: bool
) -> tuple[Floats, Bools, Floats, Rows]:
    """Draw covariates, treatment, outcome and clusters; `whole` clusters opt in, or rows do."""
    cluster = np.repeat(np.arange(n_clusters), sizes_of(rng, n_clusters, sizes))
    of_cluster, common = rng.normal(size=(2, n_clusters))
    chance, n = rng.random(n_clusters), len(cluster)
    x = np.column_stack([0.7 * of_cluster[cluster] + rng.normal(size=n), rng.normal(size=n)])
    u = chance[cluster] if whole else rng.random(n)
    treated = u < (np.full(n, 0.5) if whole else expit(-0.5 + 0.5 * x[:, 0]))
    noise = np.sqrt(0.5) * (common[cluster] + rng.normal(size=n))
    return np.asfortranarray(x), treated, x @ [1.0, 0.5] + EFFECT * treated + noise, cluster


def _of(found: Any, leverage: Leverage | SharesOfWeight, treated: Bools) -> tuple[float, Floats]:
    influence = found.influence_treated - found.influence_control
    corrected = influence + np.where(treated, 1.0, -1.0) * leverage.added()
    return found.mean_treated - found.mean_control, corrected


def estimates(x: Floats, t: Bools, y: Floats) -> dict[str, tuple[float, Floats]]:
    """Give each estimate with the influence (n,) that its interval is made of."""
    scores = core.fit_propensity(x, t, n_threads=1).scores
    found = {}
    estimands: tuple[Literal["ATE", "ATT"], ...] = "ATE", "ATT"
    for estimand in estimands:
        weighted = core.ipw(y, t, scores, estimand=estimand, x=x, n_threads=1)
        means = weighted.mean_treated, weighted.mean_control
        found[f"IPW {estimand}"] = _of(weighted, SharesOfWeight(weighted.weights, t, y, means), t)
        options: dict[str, Any] = {"method": "aipw", "estimand": estimand, "leverage": True, "n_threads": 1}
        adjusted = core.adjust(x, t, y, scores=scores, **options)
        assert adjusted.leverage is not None
        assert adjusted.residual_influence is not None
        held = Leverage(adjusted.leverage, adjusted.residual_influence)
        found[f"AIPW {estimand}"] = _of(adjusted, held, t)
    return found


def degrees(influence: Floats, cluster: Rows) -> dict[str, float]:
    """Give the degrees of freedom by every law."""
    n_clusters = int(cluster.max()) + 1
    alone = inference.kish(np.bincount(cluster, influence**2).astype(np.float64))
    alike = inference.kish((np.bincount(cluster, np.abs(influence)) ** 2).astype(np.float64))
    return {
        "normal": np.inf,
        "G - 1": n_clusters - 1.0,
        "rows alone": min(alone, n_clusters - 1.0),
        "rows alike": min(alike, n_clusters - 1.0),
        "effect.df": inference.degrees_of_freedom(influence, cluster),
    }


def lines_of(n_clusters: int, sizes: str, *, whole: bool, n_data_sets: int) -> pd.DataFrame:
    """Count: a line an estimate and law, with coverage and the median degrees of freedom."""
    told = []
    for data_set in range(n_data_sets):
        key = [18, n_clusters, SIZES.index(sizes), int(whole)]
        numbers = np.random.SeedSequence(key, spawn_key=(data_set,))
        x, t, y, cluster = world(np.random.default_rng(numbers), n_clusters, sizes, whole=whole)
        if min(len(np.unique(cluster[t])), len(np.unique(cluster[~t]))) < 2:
            continue
        try:
            found = estimates(x, t, y)
        except InvalidInputError:
            continue
        for name, (estimate, influence) in found.items():
            error = inference.std_error(influence, cluster)
            for law, df in degrees(influence, cluster).items():
                held = abs(estimate - EFFECT) <= inference.half_width(error, 0.95, df)
                told.append({"estimate": name, "law": law, "held": held, "df": df})
    known = {"opt in": "clusters" if whole else "rows", "clusters": n_clusters, "sizes": sizes}
    found_lines = pd.DataFrame(told).groupby("law").agg(held=("held", "mean"), df=("df", "median"))
    least = pd.DataFrame(told).groupby(["law", "estimate"])["held"].mean().groupby("law").min()
    return found_lines.assign(least=least, **known).reset_index()


def table(results: pd.DataFrame) -> str:
    """Give the page's table in Markdown: the mean coverage of four estimates, in brackets the least."""
    head = ["opt in", "clusters", "sizes", *LAWS, "median effect.df"]
    lines = [head, ["---"] * len(head)]
    for key, own in results.groupby(["opt in", "clusters", "sizes"], sort=False):
        held, least, df = (own.set_index("law")[column].to_dict() for column in ("held", "least", "df"))
        cells = [f"{100 * held[name]:.1f} ({100 * least[name]:.1f})" for name in LAWS]
        lines.append([*map(str, key), *cells, f"{df['effect.df']:.1f}"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Count what was asked for, and keep or print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=1_000, help="of each kind of clusters")
    parser.add_argument("--quick", action="store_true", help="few data sets, printed and not kept")
    options = parser.parse_args()
    found = [
        lines_of(n_clusters, sizes, whole=whole, n_data_sets=40 if options.quick else options.data_sets)
        for whole, n_clusters, sizes in itertools.product((False, True), NUMBERS, SIZES)
    ]
    counted = table(pd.concat(found, ignore_index=True))
    if options.quick:
        print(counted)
        return
    page = DOCS / "validation.md"
    sections = {"uneven-clusters": counted}
    page.write_text(fill(page.read_text(encoding="utf-8"), sections), encoding="utf-8")


if __name__ == "__main__":
    main()
