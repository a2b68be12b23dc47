"""What the core's replicates are made into: a result, and what there is to say of those that failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.warned import warn
from propensity.effects.arms import OutcomeFacts
from propensity.effects.contrasts import Contrast, require_means
from propensity.effects.estimators import Estimator
from propensity.errors import OverlapWarning
from propensity.frames.checks import Bools, Floats
from propensity.resampling.analytic import Analytic, Figures
from propensity.resampling.contrasted import Numbers, analytic_figures, contrasted
from propensity.resampling.failures import TOLERATED
from propensity.resampling.options import Groups, ResamplingOptions
from propensity.resampling.result import BootstrapResult

# Why a replicate may have no means.
_WITHOUT_MEANS = (
    "for want of treated or control units among those drawn",
    "because their treatment was foretold",
    "because no weights balance them",
)
_DIVIDED_BY = "because the mean of '{}' (per=) is not above 0 in an arm of those drawn"


def result_of(  # noqa: PLR0913 - what is known of a bootstrap, by name
    run: Callable[..., core.Replicates],
    found: core.Replicates,
    estimators: Sequence[Estimator],
    facts: OutcomeFacts,
    groups: Groups,
    options: ResamplingOptions,
    *,
    n_rows: int,
    penalty: float,
    knows_skewness: bool = True,
    contrast: Contrast = "difference",
    measured: str = "",
    per: str | None = None,
    tidied: str = "",
) -> BootstrapResult:
    """Put names on the core's numbers, and warn of replicates that could not be estimated.

    `run` gives further numbers of the same data; `facts` and `n_rows` tell what of an estimate is rounding.
    Cells of an outcome that is not 0/1 do not know its skewness. `per` is the column that is divided by.
    """
    labels = pd.Index([estimator.label for estimator in estimators], name="estimator")
    numbers = _numbers(found, facts, n_rows, contrast)
    failed = np.isnan(numbers.replicates)
    if failed.any():
        told = pd.DataFrame(failed, columns=labels)
        _warn_of_failures(told, np.isnan(found.replicates), contrast, per)
    within = numbers.std_errors
    return BootstrapResult(
        estimators=tuple(estimators),
        estimates=pd.Series(numbers.estimates, index=labels, name="estimate"),
        replicates=_by_replicate(numbers.replicates, labels),
        analytic=Analytic(partial(_without_resampling, run, labels, contrast, knows_skewness=knows_skewness)),
        seed=options.seed,
        penalty=penalty,
        resampling=options.resampling,
        cluster=groups.cluster_name,
        strata=groups.strata_name,
        refitted=True,
        replicate_std_errors=None if within is None else _by_replicate(within, labels),
        contrast=contrast,
        measured=measured,
        tidied=tidied,
    )


def _numbers(found: core.Replicates, facts: OutcomeFacts, n_rows: int, contrast: Contrast) -> Numbers:
    """Settle what is rounding, and make means into the contrast asked for.

    Raises
    ------
    InvalidInputError
        The means of the data have no such contrast.
    """
    estimates, replicates = _settled(found.estimates, found.replicates, facts, n_rows)
    if contrast == "difference":
        return Numbers(estimates, replicates, found.std_errors)
    assert found.means is not None
    for control, treated in found.means.estimates.tolist():
        require_means(contrast, treated, control, bounded=facts.bounded)
    return contrasted(found.means, (estimates == 0, replicates == 0), contrast)


def _settled(
    estimates: Floats, replicates: Floats, facts: OutcomeFacts, n_rows: int
) -> tuple[Floats, Floats]:
    """Take estimates for 0 that are rounding beside the outcome, if all their replicates are."""
    limit = math.inf if facts.constant else facts.rounding(n_rows)
    largest = np.nanmax(np.abs(replicates), axis=0, initial=0.0)
    rounding = (np.abs(estimates) <= limit) & (largest <= limit)
    return np.where(rounding, 0.0, estimates), np.where(rounding & ~np.isnan(replicates), 0.0, replicates)


def _by_replicate(values: Floats, labels: pd.Index[str]) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.RangeIndex(len(values), name="replicate"), columns=labels)


def _without_resampling(
    run: Callable[..., core.Replicates],
    labels: pd.Index[str],
    contrast: Contrast,
    *,
    knows_skewness: bool,
) -> Figures:
    found = run(n_reps=0, analytic=True)
    acceleration, std_errors = found.acceleration, found.analytic_std_error
    if contrast != "difference":
        assert found.means is not None
        acceleration, std_errors = analytic_figures(found.means, contrast)
    if not knows_skewness:
        acceleration = np.full(len(labels), np.nan)
    return (
        pd.Series(acceleration, index=labels, name="acceleration"),
        pd.Series(std_errors, index=labels, name="analytic_std_error"),
    )


def _warn_of_failures(
    failed: pd.DataFrame, without_means: Bools, contrast: Contrast, per: str | None
) -> None:
    """Say of which estimators too many replicates failed, and why that may be.

    Parameters
    ----------
    failed : DataFrame (n_reps, k) of bool
        Which have no estimate.
    without_means : ndarray (n_reps, k) of bool
        Which of them have no means either; the others have, and these no such contrast.
    """
    n_failed, n_reps = failed.sum(), len(failed)
    many = (n_failed > TOLERATED * n_reps).to_numpy()
    if not many.any():
        return
    named = ", ".join(f"{label} in {n:,} ({n / n_reps:.0%})" for label, n in n_failed[many].items())
    reasons = []
    if (failed.to_numpy() & ~without_means)[:, many].any():
        which = "strictly between 0 and 1" if contrast == "odds_ratio" else "positive"
        reasons.append(f"because a mean is not {which}, as contrast={contrast!r} needs it")
    if without_means[:, many].any():
        reasons.extend([] if per is None else [_DIVIDED_BY.format(per)])
        reasons.extend(_WITHOUT_MEANS)
    *others, last = reasons
    because = f"{', '.join(others)}, or {last}" if others else last
    message = (
        f"of {n_reps:,} replicates some could not be estimated: {named}, {because}; the intervals are those "
        "of the others alone. For weighting, resampling='bayesian' leaves no unit out; or merge small "
        "levels, or use a penalty"
    )
    warn(message, OverlapWarning)
