"""Draw data sets from worlds with a known effect, and count the intervals that hold it.

Data set i of a world and size has random numbers of its own, whatever else is run, on however many processes.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
import pandas as pd

from coverage_frames import frame_intervals
from coverage_intervals import FAILED, Interval, Method, from_replicates, normal_interval
from propensity import core
from propensity.effects import estimators, matching_specification
from propensity.effects.cautions import overlap_cautions, size_cautions
from propensity.errors import InvalidInputError
from world_rows import Floats, Sample
from worlds import ALL_WORLDS

BLOCK = 50  # data sets a task: small enough that no process waits long for the last one


class WithStdError(Protocol):
    """What the estimators of the array door give back."""

    @property
    def estimate(self) -> float: ...  # noqa: D102
    @property
    def std_error(self) -> float: ...  # noqa: D102


Run = Callable[[Sample, Floats], WithStdError]


def _ipw(estimand: estimators.WeightingEstimand, *, scores_known: bool) -> Run:
    def run(sample: Sample, scores: Floats) -> WithStdError:
        x = None if scores_known else sample.x
        return core.ipw(sample.outcome, sample.treatment, scores, estimand=estimand, x=x, n_threads=1)

    return run


def _adjust(method: estimators.Method, estimand: estimators.AdjustmentEstimand) -> Run:
    def run(sample: Sample, _: Floats) -> WithStdError:
        return core.adjust(
            sample.x, sample.treatment, sample.outcome, method=method, estimand=estimand, n_threads=1
        )

    return run


def _match(estimand: matching_specification.MatchingEstimand, *, scores_known: bool) -> Run:
    def run(sample: Sample, scores: Floats) -> WithStdError:
        x = None if scores_known else sample.x
        return core.matching_effect(
            sample.outcome, sample.treatment, scores, estimand=estimand, x=x, n_threads=1
        )

    return run


ANALYTIC: Mapping[Method, Run] = {
    Method("IPW", "ATE", "sandwich"): _ipw("ATE", scores_known=False),
    Method("IPW", "ATT", "sandwich"): _ipw("ATT", scores_known=False),
    Method("IPW", "ATO", "sandwich"): _ipw("ATO", scores_known=False),
    Method("IPW", "ATE", "fixed weights"): _ipw("ATE", scores_known=True),
    Method("IPW", "ATT", "fixed weights"): _ipw("ATT", scores_known=True),
    Method("IPW", "ATO", "fixed weights"): _ipw("ATO", scores_known=True),
    Method("AIPW", "ATE", "sandwich"): _adjust("aipw", "ATE"),
    Method("AIPW", "ATT", "sandwich"): _adjust("aipw", "ATT"),
    Method("IPWRA", "ATE", "sandwich"): _adjust("ipwra", "ATE"),
    Method("IPWRA", "ATT", "sandwich"): _adjust("ipwra", "ATT"),
    Method("RA", "ATE", "sandwich"): _adjust("regression", "ATE"),
    Method("RA", "ATT", "sandwich"): _adjust("regression", "ATT"),
    Method("1-NN", "ATE", "Abadie-Imbens 2016"): _match("ATE", scores_known=False),
    Method("1-NN", "ATT", "Abadie-Imbens 2016"): _match("ATT", scores_known=False),
    Method("1-NN", "ATE", "Abadie-Imbens 2006"): _match("ATE", scores_known=True),
    Method("1-NN", "ATT", "Abadie-Imbens 2006"): _match("ATT", scores_known=True),
}

BOOTSTRAPPED: Mapping[Method, estimators.Estimator] = {
    Method("IPW", "ATE", "sandwich"): estimators.IPW("ATE"),
    Method("IPW", "ATT", "sandwich"): estimators.IPW("ATT"),
    Method("IPW", "ATO", "sandwich"): estimators.IPW("ATO"),
}


Part: TypeAlias = Literal[
    "main", "bootstrap", "small", "matching", "again", "weights", "clusters", "cross-fitting"
]


@dataclass(frozen=True)
class Study:
    """One cell of the study: which intervals, in which world, at which size, on how many data sets.

    Attributes
    ----------
    part : str
        The table it belongs to. "main" has every analytic interval of the array door; "bootstrap" and "small"
        have fewer estimators, each with its bootstrap beside the sandwich; the others are parts of
        `coverage_frames`.
    world : str
    n : int
        Rows in a data set.
    n_data_sets : int
    n_reps : int
        Bootstrap replicates.
    """

    part: Part
    world: str
    n: int
    n_data_sets: int
    n_reps: int = 0


def run(studies: Sequence[Study], *, seed: int, n_processes: int) -> Iterator[pd.DataFrame]:
    """Run the studies, and give the table of each as soon as it is done, in order.

    Parameters
    ----------
    studies : sequence of Study
    seed : int
    n_processes : int
        With 1, everything runs in this one.

    Yields
    ------
    DataFrame
        As `summarise` makes it.
    """
    tasks = [
        (study, start, min(start + BLOCK, study.n_data_sets), seed)
        for study in studies
        for start in range(0, study.n_data_sets, BLOCK)
    ]
    if n_processes == 1:
        yield from _summaries(studies, map(_run_block, tasks))
        return
    with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
        yield from _summaries(studies, pool.imap(_run_block, tasks))


def _summaries(
    studies: Sequence[Study], blocks: Iterator[list[dict[Method, Interval]]]
) -> Iterator[pd.DataFrame]:
    for study in studies:
        found: list[dict[Method, Interval]] = []
        while len(found) < study.n_data_sets:
            found += next(blocks)
        yield summarise(study, found)


def _run_block(task: tuple[Study, int, int, int]) -> list[dict[Method, Interval]]:
    study, start, stop, seed = task
    return [run_data_set(study, stream(study, seed, i)) for i in range(start, stop)]


def stream(study: Study, seed: int, data_set: int) -> np.random.SeedSequence:
    """Give a data set its random numbers: child `data_set` of a sequence that knows seed, world and size."""
    world = int.from_bytes(study.world.encode())
    return np.random.SeedSequence([seed, world, study.n], spawn_key=(data_set,))


def run_data_set(study: Study, numbers: np.random.SeedSequence) -> dict[Method, Interval]:
    """Draw one data set and give the interval of every method of the study."""
    rng = np.random.default_rng(numbers)
    sample = ALL_WORLDS[study.world].draw(rng, study.n)
    if study.part not in ("main", "bootstrap", "small"):
        return frame_intervals(study.part, sample, n_reps=study.n_reps, seed=int(rng.integers(2**63)))
    if study.n_reps == 0:
        return analytic_intervals(sample, ANALYTIC)
    seed = int(rng.integers(2**63))
    analytic = analytic_intervals(sample, {method: ANALYTIC[method] for method in BOOTSTRAPPED})
    return analytic | bootstrap_intervals(sample, n_reps=study.n_reps, seed=seed)


def analytic_intervals(sample: Sample, methods: Mapping[Method, Run]) -> dict[Method, Interval]:
    """Give each method's normal interval from its standard error, or `FAILED` where it refuses."""
    try:
        scores = core.fit_propensity(sample.x, sample.treatment, n_threads=1).scores
    except InvalidInputError:
        return dict.fromkeys(methods, FAILED)
    return {method: _attempt(method, run, sample, scores) for method, run in methods.items()}


def _attempt(method: Method, run: Run, sample: Sample, scores: Floats) -> Interval:
    try:
        found = run(sample, scores)
    except InvalidInputError:
        return FAILED
    interval = normal_interval(found.estimate, found.std_error)
    if isinstance(found, core.WeightedEstimate):
        return interval._replace(warned=_warns(method.estimand, found, sample))
    return interval


def _warns(estimand: str, found: core.WeightedEstimate, sample: Sample) -> bool:
    """Say whether the package warns of little overlap or of a small arm."""
    n_treated = int(sample.treatment.sum())
    n_rows = n_treated, len(sample.treatment) - n_treated
    return bool(
        overlap_cautions(estimand, found.weights, sample.treatment)
        or size_cautions((found.ess_treated, found.ess_control), n_rows)
    )


def bootstrap_intervals(sample: Sample, *, n_reps: int, seed: int) -> dict[Method, Interval]:
    """Give percentile and normal intervals of the bootstrap, from the replicates that could be estimated."""
    found: dict[Method, Interval] = {}
    try:
        boot = core.bootstrap(
            sample.x,
            sample.treatment,
            sample.outcome,
            estimators=list(BOOTSTRAPPED.values()),
            n_reps=n_reps,
            seed=seed,
            n_threads=1,
        )
    except InvalidInputError:
        columns = np.full((len(BOOTSTRAPPED), n_reps), math.nan)
        estimates = np.full(len(BOOTSTRAPPED), math.nan)
    else:
        columns, estimates = boot.replicates.T, boot.estimates
    for method, estimate, replicates in zip(BOOTSTRAPPED, estimates, columns, strict=True):
        percentile, normal = from_replicates(float(estimate), replicates)
        found[method._replace(interval="bootstrap percentile")] = percentile
        found[method._replace(interval="bootstrap normal")] = normal
    return found


def summarise(study: Study, found: Iterable[Mapping[Method, Interval]]) -> pd.DataFrame:
    """Count, over the data sets of one study.

    Parameters
    ----------
    study : Study
    found : iterable of mappings
        One a data set: what each method said.

    Returns
    -------
    DataFrame
        One row a method. Over the data sets in which it did not fail: `bias` (mean estimate minus truth),
        `sd` of the estimates, `mean_se`, `se_ratio` (mean_se / sd), `coverage` and its Monte Carlo error
        `coverage_error`, the mean shares `failed_replicates` and `warned`; and `failed`, the share of the
        data sets in which it did.
    """
    truth = ALL_WORLDS[study.world].truth
    by_method: dict[Method, list[Interval]] = {}
    for intervals_of_one in found:
        for method, interval in intervals_of_one.items():
            by_method.setdefault(method, []).append(interval)
    return pd.DataFrame(
        {
            "part": study.part,
            "world": study.world,
            "n": study.n,
            "n_data_sets": study.n_data_sets,
            **method._asdict(),
            **_performance(np.array(intervals), truth[method.estimand]),
        }
        for method, intervals in by_method.items()
    )


def _performance(intervals: Floats, truth: float) -> dict[str, float]:
    """Reckon from one `Interval` a row, NaN where the method failed."""
    succeeded = intervals[np.isfinite(intervals[:, 0])]
    failed = 1 - len(succeeded) / len(intervals)
    if len(succeeded) < 2:
        return {"truth": truth, "failed": failed}
    estimates, std_errors, low, high, failed_replicates, warned = succeeded.T
    sd, mean_se = float(estimates.std(ddof=1)), float(std_errors.mean())
    coverage = float(((low <= truth) & (truth <= high)).mean())
    return {
        "truth": truth,
        "bias": float(estimates.mean()) - truth,
        "sd": sd,
        "mean_se": mean_se,
        "se_ratio": mean_se / sd if sd > 0 else math.nan,
        "coverage": coverage,
        "coverage_error": math.sqrt(coverage * (1 - coverage) / len(succeeded)),
        "failed": failed,
        "failed_replicates": float(failed_replicates.mean()),
        "warned": float(warned.mean()),
    }


def default_processes() -> int:
    """Two, where there are two cores."""
    return min(2, os.cpu_count() or 1)
