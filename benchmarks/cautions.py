"""When weighting is warned of: signs of an interval that is too narrow, chosen in worlds and tried in others.

python benchmarks/cautions.py            # the whole count, into docs/: some minutes on one core
python benchmarks/cautions.py --quick    # a taste of it, printed

A world, a number of rows and an estimand (ATE, ATT) are a cell. It fails where intervals by Student's t cover
less than 92% and holds where they cover over 94%. Rules are held against the share of a cell's data sets that
they warn of: 90% and more where it fails, 5% and less where it holds. `CHOSEN_IN` are the worlds that limits
were chosen in, all others those that they were tried in; random numbers are not those of `small_samples.py`.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from coverage_report import fill
from propensity import core
from propensity.effects import inference
from propensity.effects.arms import effective_sizes
from propensity.effects.expected_weights import rows_behind_weights
from propensity.effects.leverage import SharesOfWeight
from propensity.errors import InvalidInputError
from published_worlds import Strength, li_thomas_li, lunceford_davidian
from small_sample_worlds import SMALL_SAMPLE_WORLDS, truth_of
from world_rows import Bools, Sample, expit, flip
from worlds import ALL_WORLDS

DOCS = Path(__file__).parents[1] / "docs"
SIZES, SEED = (100, 250, 1_000), 202
FAILS, HOLDS = 0.92, 0.94


def kang_schafer(rng: np.random.Generator, n: int, *, strength: float) -> Sample:
    """Draw Kang and Schafer's world with log odds that are `strength` times theirs."""
    z = rng.normal(size=(n, 4))
    scores = expit(strength * (z @ [-1.0, 0.5, -0.25, -0.1]))
    outcome = 210 + z @ [27.4, 13.7, 13.7, 13.7] + rng.normal(size=n)
    return Sample(z, flip(rng, scores), outcome, scores, np.zeros(n))


def rare(rng: np.random.Generator, n: int) -> Sample:
    """Draw the world of few treated rows with confounding that leaves little overlap."""
    x = rng.normal(size=(n, 2))
    scores = expit(x.sum(axis=1) - 2.5)
    treatment = flip(rng, scores)
    outcome = x.sum(axis=1) + treatment + rng.normal(size=n)
    return Sample(x, treatment, outcome, scores, np.ones(n))


def by_lot(rng: np.random.Generator, n: int, *, share: float, n_terms: int = 3) -> Sample:
    """Draw an experiment, in which a share of the rows is treated by lot, and what the outcome depends on."""
    x = rng.normal(size=(n, n_terms))
    treatment = flip(rng, np.full(n, share))
    outcome = x.sum(axis=1) + treatment + rng.normal(size=n)
    return Sample(x, treatment, outcome, np.full(n, share), np.ones(n))


def in_hundred(rng: np.random.Generator, n: int, *, slope: float) -> Sample:
    """Draw two treated rows in a hundred, with confounding in three covariates of a given strength."""
    x = rng.normal(size=(n, 3))
    scores = expit(-4.0 - slope**2 / 2 + slope * x.sum(axis=1))
    treatment = flip(rng, scores)
    outcome = x.sum(axis=1) + treatment + rng.normal(size=n)
    return Sample(x, treatment, outcome, scores, np.ones(n))


Draw = Callable[[np.random.Generator, int], Sample]
_BETWEEN = Strength(treatment=(0.45, -0.45, 0.45), outcome=(-1.0, 1.0, 1.0))
_NOISIER = Strength(treatment=(0.45, -0.45, 0.45), outcome=(-0.25, 0.25, 0.25))
_MORE: dict[str, tuple[Draw, float]] = {
    "LTL 2": (partial(li_thomas_li, gamma=2), 0.75),
    "LTL 3": (partial(li_thomas_li, gamma=3), 0.75),
    "LD between": (partial(lunceford_davidian, strength=_BETWEEN), 2.0),
    "LD between, noisier": (partial(lunceford_davidian, strength=_NOISIER), 2.0),
    "KS, half the log odds": (partial(kang_schafer, strength=0.5), 0.0),
    "KS, 3/4 of the log odds": (partial(kang_schafer, strength=0.75), 0.0),
    "KS, 5/4 of the log odds": (partial(kang_schafer, strength=1.25), 0.0),
    "Few treated, very strong confounding": (rare, 1.0),
}
# Experiments with a small arm, and what is no experiment but has one, each at sizes of its own.
_SMALL_ARMS: dict[str, tuple[Draw, tuple[int, ...]]] = {
    "By lot, 1 in 100": (partial(by_lot, share=0.01), (5_000,)),
    "By lot, 1 in 100, ten covariates": (partial(by_lot, share=0.01, n_terms=10), (5_000,)),
    "By lot, 1 in 50": (partial(by_lot, share=0.02), (1_000,)),
    "By lot, 1 in 20": (partial(by_lot, share=0.05), (1_000,)),
    "By lot, 1 in 5": (partial(by_lot, share=0.2), (250,)),
    "2 in 100 treated, mild confounding": (partial(in_hundred, slope=0.3), (1_000, 5_000)),
    "2 in 100 treated, strong confounding": (partial(in_hundred, slope=0.7), (1_000, 5_000)),
}
_MORE |= {name: (draw, 1.0) for name, (draw, _) in _SMALL_ARMS.items()}
_NAMES = [*(name for name in SMALL_SAMPLE_WORLDS if name != "Clusters"), "Cells", "Tiers", "Rounded", *_MORE]
CHOSEN_IN = {
    *("Events", "LD strong", "LTL 1", "LTL 3", "KS right", "KS, half the log odds", "Setoguchi A", "Cells"),
    *("Few treated, strong confounding", "LD between, noisier", "Prognostic", "By lot, 1 in 100"),
    *("By lot, 1 in 20", "2 in 100 treated, strong confounding"),
}


def world_of(name: str, estimand: str) -> tuple[Draw, float]:
    """Give how a world is drawn, and its effect."""
    if name in _MORE:
        return _MORE[name]
    if name in SMALL_SAMPLE_WORLDS:
        world = SMALL_SAMPLE_WORLDS[name]
        return world.draw, truth_of(world, estimand, "difference")
    return ALL_WORLDS[name].draw, ALL_WORLDS[name].truth[estimand]


def signs_of(sample: Sample, estimand: Any, truth: float) -> dict[str, float]:
    """Say whether the interval holds the truth, and what there is to see in the data."""
    x, t, y = np.asfortranarray(sample.x), sample.treatment, sample.outcome
    scores = core.fit_propensity(x, t, n_threads=1).scores
    found = core.ipw(y, t, scores, estimand=estimand, x=x, n_threads=1)
    influence = found.influence_treated - found.influence_control
    means = found.mean_treated, found.mean_control
    corrected = influence + np.where(t, 1, -1) * SharesOfWeight(found.weights, t, y, means).added()
    own = inference.degrees_of_freedom(corrected)
    reach = inference.half_width(inference.std_error(corrected), 0.95, own)
    n_rows = np.array([t.sum(), (~t).sum()])
    sizes = np.array(effective_sizes(found.weights, t))
    shares = sizes / n_rows
    heaviest = [float(found.weights[arm].max() / found.weights[arm].sum()) for arm in (t, ~t)]
    return {
        "held": float(abs(found.estimate - truth) <= reach),
        "df": inference.degrees_of_freedom(influence),
        "rests_on": rows_behind_weights(scores, estimand) / int(n_rows.min()),
        "share": float(shares[1] if estimand == "ATT" else shares.min()),
        "size": float(sizes.min()),
        "heaviest": max(heaviest),
    }


def count(n_data_sets: int, sizes: tuple[int, ...]) -> pd.DataFrame:
    """Give the signs of every data set, with its cell."""
    lines, started = [], time.perf_counter()
    cells = itertools.chain.from_iterable(
        itertools.product([name], _SMALL_ARMS[name][1] if name in _SMALL_ARMS else sizes) for name in _NAMES
    )
    for name, n in cells:
        for i, estimand in itertools.product(range(n_data_sets), ("ATE", "ATT")):
            draw, truth = world_of(name, estimand)
            numbers = np.random.SeedSequence([SEED, int.from_bytes(name.encode()), n], spawn_key=(i,))
            try:
                signs = signs_of(draw(np.random.default_rng(numbers), n), estimand, truth)
            except InvalidInputError:
                continue
            lines.append({"world": name, "n": n, "estimand": estimand} | signs)
        print(f"{time.perf_counter() - started:6.0f} s  {name}, n = {n:,}", flush=True)
    return pd.DataFrame(lines)


def warned(d: pd.DataFrame, *, rests_on: tuple[float, float], df: float) -> Bools:
    """Say of each data set whether a rule warns: what weights alone say, or what few rows carry."""
    ate = d["estimand"] == "ATE"
    uneven = d["share"] < np.where(ate, 0.55, 0.25)
    alone = (uneven & (d["heaviest"] > 0.005)) | (d["size"] < 20)
    few = (d["df"] < df) & (d["rests_on"] < np.where(ate, *rests_on))
    return np.asarray(alone | few)


RULES: dict[str, dict[str, Any]] = {
    "weights alone": {"rests_on": (0.0, 0.0), "df": 0},
    "df below 60": {"rests_on": (np.inf, np.inf), "df": 60},
    "resting on 0.1 or 0.04, df below 40": {"rests_on": (0.1, 0.04), "df": 40},
    "0.15 or 0.06, df below 50": {"rests_on": (0.15, 0.06), "df": 50},
    "**0.225 or 0.08, df below 60**": {"rests_on": (0.225, 0.08), "df": 60},
    "0.3 or 0.12, df below 80": {"rests_on": (0.3, 0.12), "df": 80},
}


_WHERE = ("chosen in", "tried in", "250 rows and more")


def frontier(d: pd.DataFrame) -> str:
    """Give the page's table in Markdown: a row a rule, what it warns of in cells that fail and that hold."""
    cells = d.groupby(["world", "n", "estimand"])["held"].mean()
    known = cells.index.get_level_values("world").isin(CHOSEN_IN)
    many = cells.index.get_level_values("n") >= 250
    head = ["rule", *(f"{where}: {what}" for where in _WHERE for what in ("fail", "hold"))]
    lines = [head, ["---"] * len(head)]
    for name, limits in RULES.items():
        shares = d.assign(warned=warned(d, **limits)).groupby(["world", "n", "estimand"])["warned"].mean()
        line = [name]
        for among in (known, ~known, many):
            line.append(_told(shares[among & (cells < FAILS)], 0.9))
            line.append(_told(shares[among & (cells > HOLDS)], 0.05))
        lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _told(shares: pd.Series[float], bar: float) -> str:
    """Say in how many cells the bar is met, and in brackets the mean and the worst share, in percent."""
    good = shares >= bar if bar > 0.5 else shares < bar
    worst = shares.min() if bar > 0.5 else shares.max()
    return f"{int(good.sum())} of {len(shares)} ({100 * shares.mean():.0f}, {100 * worst:.0f})"


def main() -> None:
    """Run what was asked for, and keep or print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=600, help="of each world and size")
    parser.add_argument("--quick", action="store_true", help="few data sets, printed and not kept")
    options = parser.parse_args()
    if options.quick:
        print(frontier(count(60, (250,))))
        return
    table = frontier(count(options.data_sets, SIZES))
    page = DOCS / "validation.md"
    page.write_text(fill(page.read_text(encoding="utf-8"), {"cautions": table}), encoding="utf-8")


if __name__ == "__main__":
    main()
