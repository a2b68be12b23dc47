"""Which intervals hold where rows are few: Student's t, the normal law, and corrections for leverage.

python benchmarks/small_samples.py                 # the whole study, into docs/: 20 minutes on two cores
python benchmarks/small_samples.py --quick         # a taste of it, printed
python benchmarks/small_samples.py --report        # the page's tables again, from docs/small_samples.csv

Estimates are those of the array door, intervals are made of them as an `Effect` makes them; ratios are on the
scale of the logarithm. Data set i of a world and size has random numbers of its own, whatever else is run.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

import small_sample_matching
import small_samples_report
from coverage_study import default_processes
from propensity import core
from propensity.effects import inference
from propensity.effects.arms import effective_sizes
from propensity.effects.cautions import (
    balanced_cautions,
    carried_cautions,
    overlap_cautions,
    size_cautions,
    terms_cautions,
)
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import Method
from propensity.effects.expected_weights import rows_behind_weights
from propensity.effects.leverage import USUAL, Correction, Leverage, SharesOfWeight
from propensity.errors import InvalidInputError
from propensity.weighting.left_out import WeightedRows
from small_sample_worlds import SMALL_SAMPLE_WORLDS, SmallWorld, truth_of
from world_rows import Bools, Floats, Sample

DOCS = Path(__file__).parents[1] / "docs"
SIZES = (100, 250, 1_000, 5_000)
FEWER = {5_000: 0.25}  # data sets, as a share of those of other sizes: they take long, and hold
BLOCK = 25

# How an interval is made, as the table calls it: by which correction for leverage, where there is any, and by
# which law. "usual" is what an `Effect` has, "own" its standard error.
INTERVALS = {
    "t": ("usual", "t"),
    "normal": ("own", "normal"),
    "t, HC0": ("HC0", "t"),
    "t, HC3": ("HC3", "t"),
    "normal, HC3": ("HC3", "normal"),
    "t, jackknife": ("jackknife", "t"),
}


@dataclass(frozen=True)
class Found:
    """What an estimator says of a sample: the means of the treated and of the controls, and how they vary.

    Attributes
    ----------
    means : (float, float)
    influence : ndarray (2, n) or None
        Of rows on the two; None of matching, whose difference alone has an error.
    leverage : Leverage or None
    left_out : ndarray (2, n) or None
        What leaving each row out does to the two, of weighting.
    error, weights : float and ndarray (n,)
        Of matching: the standard error of the difference, and what rows weigh.
    effect : Effect or None
        Of matching without replacement and subclasses, whose intervals are its own.
    warned : bool
        Whether the package warns of the weights or of the sizes of the arms.
    """

    means: tuple[float, float]
    warned: bool
    influence: Floats | None = None
    leverage: Leverage | SharesOfWeight | None = None
    left_out: Floats | None = None
    error: float = math.nan
    weights: Floats | None = None
    effect: Effect | None = None


def answers_to(sample: Sample) -> Iterator[tuple[str, str, Found]]:
    """Estimate every effect of a sample, by estimator and estimand; what is refused is left out."""
    x, t = np.asfortranarray(sample.x), sample.treatment
    try:
        scores = core.fit_propensity(x, t, n_threads=1).scores
    except InvalidInputError:
        return
    for estimand in ("ATE", "ATT", "ATO"):
        yield "IPW", estimand, _weighted(sample, x, scores, estimand)
    for name, estimand in itertools.product(_ESTIMATORS, ("ATE", "ATT")):
        if name == "1-NN" and sample.cluster is not None:  # which knows no clusters
            continue
        try:
            yield name, estimand, _ESTIMATORS[name](sample, x, scores, estimand)
        except InvalidInputError:
            continue
    if sample.cluster is None and len(t) in small_sample_matching.SIZES:
        for name, estimand, effect in small_sample_matching.matched_effects(sample):
            warned = small_sample_matching.is_warned_of(effect)
            yield name, estimand, Found((effect.mean_treated, effect.mean_control), warned, effect=effect)


def _of_core(found: Any, warned: bool, leverage: Leverage | SharesOfWeight | None = None) -> Found:
    influence = np.array([found.influence_treated, found.influence_control])
    return Found((found.mean_treated, found.mean_control), warned, influence, leverage)


def _adjusted(method: Method, sample: Sample, x: Floats, scores: Floats, estimand: Any) -> Found:
    t, n_terms = sample.treatment, x.shape[1] + 1
    options: dict[str, Any] = {"method": method, "estimand": estimand, "leverage": True, "n_threads": 1}
    found = core.adjust(x, t, sample.outcome, scores=scores, **options)
    assert found.leverage is not None
    assert found.residual_influence is not None
    rows = float(t.sum()), float((~t).sum())
    weights = np.ones(len(t)) if method == "regression" else _weights(t, scores, estimand)
    ess = rows if method == "regression" else effective_sizes(weights, t)
    weighted = method == "ipwra"
    few = terms_cautions(ess if weighted else rows, n_terms, estimand, weighted=weighted)
    return _of_core(found, bool(few) or _few(ess, t), Leverage(found.leverage, found.residual_influence))


def _balanced(sample: Sample, x: Floats, _: Floats, estimand: Any) -> Found:
    t = sample.treatment
    fitted = core.fit_weights(x, t, estimand=estimand, n_threads=1)
    found = core.balanced_effect(sample.outcome, t, fitted.weights, x, estimand=estimand, n_threads=1)
    ess = {"treated": fitted.ess_treated, "control": fitted.ess_control}
    n_rows = {"treated": int(t.sum()), "control": int((~t).sum())}
    weighed = {arm: ess[arm] for arm in _WEIGHED[estimand]}
    told = balanced_cautions(weighed, n_rows, x.shape[1] + 1, estimand=estimand, penalty=0.0)
    warned = bool(told) or _few((fitted.ess_treated, fitted.ess_control), t)
    return _of_core(found, warned)


def _matched(sample: Sample, x: Floats, scores: Floats, estimand: Any) -> Found:
    t = sample.treatment
    found = core.matching_effect(sample.outcome, t, scores, estimand=estimand, x=x, n_threads=1)
    weights = core.match_nn(scores, t, estimand=estimand, n_threads=1).weights
    warned = _few((found.ess_treated, found.ess_control), t)
    means = found.mean_treated, found.mean_control
    return Found(means, warned, error=found.std_error, weights=weights)


_WEIGHED = {"ATE": ("treated", "control"), "ATT": ("control",)}
_ESTIMATORS: dict[str, Callable[[Sample, Floats, Floats, str], Found]] = {
    "AIPW": partial(_adjusted, "aipw"),
    "IPWRA": partial(_adjusted, "ipwra"),
    "RA": partial(_adjusted, "regression"),
    "entropy": _balanced,
    "1-NN": _matched,
}


def _weights(t: Bools, scores: Floats, estimand: Any) -> Floats:
    return np.asarray(core.balancing_weights(t, scores, estimand=estimand, n_threads=1).weights)


def _weighted(sample: Sample, x: Floats, scores: Floats, estimand: Any) -> Found:
    y, t, n = sample.outcome, sample.treatment, len(sample.outcome)
    found = core.ipw(y, t, scores, estimand=estimand, x=x, n_threads=1)
    left_out = WeightedRows(x, 0.0, t, y, scores, np.ones(n), estimand).influence()
    warned = _warned(estimand, found, t, scores, sample.cluster is None)
    leverage = SharesOfWeight(found.weights, t, y, (found.mean_treated, found.mean_control))
    return replace(_of_core(found, warned, leverage), left_out=left_out)


def _warned(estimand: str, found: core.WeightedEstimate, t: Bools, scores: Floats, independent: bool) -> bool:
    ess, n_rows = (found.ess_treated, found.ess_control), (int(t.sum()), int((~t).sum()))
    told = overlap_cautions(estimand, found.weights, t)
    if independent:
        df = inference.degrees_of_freedom(found.influence_treated - found.influence_control)
        behind = partial(rows_behind_weights, scores, estimand)
        told = (*told, *carried_cautions(estimand, n_rows, df, behind, outcome="y"))
    return bool(told) or _few(ess, t)


def _few(ess: tuple[float, float], t: Bools) -> bool:
    return bool(size_cautions(ess, (int(t.sum()), int((~t).sum()))))


def lines_of(world: SmallWorld, n: int, seed: int, data_set: int) -> list[dict[str, Any]]:
    """Draw one data set, and tell of each effect, interval and contrast whether it holds the truth."""
    name = int.from_bytes(world.name.encode())
    numbers = np.random.SeedSequence([seed, name, n], spawn_key=(data_set,))
    sample = world.draw(np.random.default_rng(numbers), n)
    lines = []
    for estimator, estimand, found in answers_to(sample):
        for contrast in world.contrasts:
            if contrast != "difference" and (found.influence is None or min(found.means) <= 0):
                continue
            known = {"world": world.name, "n": n, "estimator": estimator, "estimand": estimand}
            told = _told(found, sample, contrast, truth_of(world, estimand, contrast))
            lines.append(known | {"contrast": contrast, "warned": found.warned} | told)
    return lines


def _told(found: Found, sample: Sample, contrast: Contrast, truth: float) -> dict[str, Any]:
    """Make every interval as an `Effect` does, on the scale of the errors."""
    if found.effect is not None:
        return _of_effect(found.effect, truth)
    scale = SCALES[contrast]
    gap = scale.link(found.means[0]) - scale.link(found.means[1]) - truth
    errors, df = _errors(found, sample, [scale.slope(mean) for mean in found.means])
    told: dict[str, Any] = {"gap": gap, "df": df}
    for name, (kind, law) in INTERVALS.items():
        if kind in errors:
            reach = inference.half_width(errors[kind], 0.95, df if law == "t" else math.inf)
            told |= {name: abs(gap) <= reach, f"{name}, half width": reach}
    return told


def _of_effect(effect: Effect, truth: float) -> dict[str, Any]:
    """Take the intervals that an effect has, by both laws."""
    told: dict[str, Any] = {"gap": effect.estimate - truth, "df": effect.df}
    for name, df in {"t": None, "normal": math.inf}.items():
        low, high = effect.conf_int(df=df)
        told |= {name: low <= truth <= high, f"{name}, half width": (high - low) / 2}
    return told


def _errors(found: Found, sample: Sample, slopes: list[float]) -> tuple[dict[str, float], float]:
    """Give standard errors by their correction, and the degrees of freedom."""
    if found.influence is None:
        assert found.weights is not None
        w, t = found.weights, sample.treatment
        shares = np.where(t, w / w[t].sum(), w / w[~t].sum())
        return {"own": found.error, "usual": found.error}, inference.kish(shares**2)
    influence = slopes[0] * found.influence[0] - slopes[1] * found.influence[1]
    own = {"own": influence, "usual": influence}
    if found.leverage is not None:
        of_own_arm = np.where(sample.treatment, slopes[0], -slopes[1])
        own |= {kind: influence + of_own_arm * found.leverage.added(kind) for kind in get_args(Correction)}
        own["usual"] = own[USUAL]
    if found.left_out is not None and sample.cluster is None:
        own["jackknife"] = slopes[0] * found.left_out[0] - slopes[1] * found.left_out[1]
    errors = {kind: inference.std_error(values, sample.cluster) for kind, values in own.items()}
    return errors, inference.degrees_of_freedom(own["usual"], sample.cluster)


def _block(task: tuple[str, int, int, int, int]) -> list[dict[str, Any]]:
    world, n, seed, start, stop = task
    return [line for i in range(start, stop) for line in lines_of(SMALL_SAMPLE_WORLDS[world], n, seed, i)]


def run(n_data_sets: int, sizes: list[int], *, seed: int, n_processes: int) -> pd.DataFrame:
    """Run the study.

    Returns
    -------
    DataFrame
        As `small_samples_report.summarise` makes it, all worlds and sizes under each other.
    """
    found, started = [], time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
        for world in SMALL_SAMPLE_WORLDS:
            for n in sizes:
                wanted = int(n_data_sets * FEWER.get(n, 1.0))
                tasks = [(world, n, seed, i, min(i + BLOCK, wanted)) for i in range(0, wanted, BLOCK)]
                lines = [line for block in pool.imap(_block, tasks) for line in block]
                found.append(small_samples_report.summarise(lines, INTERVALS))
                print(f"{time.perf_counter() - started:6.0f} s  {world}, n = {n:,}", flush=True)
    results: pd.DataFrame = pd.concat(found, ignore_index=True)
    return results


def main() -> None:
    """Run what was asked for, and keep or print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=600, help="of each world and size")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--processes", type=int, default=default_processes())
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--output", type=Path, default=DOCS, help="the folder of validation.md")
    parser.add_argument("--quick", action="store_true", help="few data sets, printed and not kept")
    parser.add_argument("--report", action="store_true", help="render the results kept, run nothing")
    options = parser.parse_args()
    if options.report:
        small_samples_report.refresh(options.output)
        return
    n_data_sets, sizes = (50, [250]) if options.quick else (options.data_sets, options.sizes)
    results = run(n_data_sets, sizes, seed=options.seed, n_processes=options.processes)
    if options.quick:
        print(results.round(3).to_string(index=False))
    else:
        small_samples_report.write(results, options.output)


if __name__ == "__main__":
    main()
