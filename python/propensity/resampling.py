"""The bootstrap: the whole pipeline, propensity model included, on resampled rows."""

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from propensity import _check, core
from propensity._frame import AnyFrame, Covariates, make_terms, open_frame, parse_covariates
from propensity.errors import InvalidInputError
from propensity.estimators import IPW, Estimator, NearestNeighbors
from propensity.results import BootstrapResult
from propensity.scores import naming_separation

DEFAULT_ESTIMATORS: tuple[Estimator, ...] = (IPW("ATE"), IPW("ATT"), NearestNeighbors("ATT"))

_SEEDS = 2**63


def bootstrap(
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    penalty: float = 0.0,
    estimators: Sequence[Estimator] = DEFAULT_ESTIMATORS,
    n_reps: int = 500,
    seed: int | np.random.Generator | None = None,
    n_threads: int | None = None,
    progress: bool | None = None,
) -> BootstrapResult:
    """Estimate effects, and how much they vary from sample to sample.

    Each replicate draws n rows with replacement, refits the propensity model to full convergence, and
    estimates everything again.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    outcome : str
        A column, numeric or bool.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        As for `fit_propensity`.
    penalty : float, default 0.0
        As for `fit_propensity`, in every replicate.
    estimators : sequence of Estimator, default IPW("ATE"), IPW("ATT"), NearestNeighbors("ATT")
        With different labels. All of them see the same resamples.
    n_reps : int, default 500
        Replicates. 500 settle a standard error to 3%; take 2,000 for an interval to publish.
    seed : int, Generator or None, default None
        Replicate r of seed s is the same, bit for bit, for any `n_reps` and `n_threads`. A Generator gives
        one number; None takes a fresh one. The result tells which it was.
    n_threads : int or None, default None
        Threads; None takes one a core.
    progress : bool or None, default None
        None shows a bar in a terminal or notebook once a second has passed; True from the start; False never.

    Returns
    -------
    BootstrapResult
        With `estimates`, `replicates`, `std_errors`, `conf_int()` and `summary()`.

    Raises
    ------
    InvalidInputError
        As for `fit_propensity` and `ipw`; two estimators have the same label; every replicate failed.

    Notes
    -----
    The plain bootstrap is not valid for nearest-neighbour matching (Abadie and Imbens 2008): its intervals
    may be too wide or too narrow. It is offered because people ask for it, and `summary()` says so.
    """
    _check_options(estimators, penalty, n_reps, n_threads)
    terms = parse_covariates(covariates, df)
    frame = open_frame(df, treatment=treatment, outcome=outcome, covariates=terms.columns)
    y, treated = frame.outcome(outcome), frame.treated(treatment)
    x, recipe = make_terms(frame, terms)
    seed = _seed(seed)
    with naming_separation(recipe.names), _progress_bar(n_reps, progress) as report:
        found = core.bootstrap(
            x,
            treated,
            y,
            estimators=list(estimators),
            penalty=penalty,
            n_reps=n_reps,
            seed=seed,
            n_threads=n_threads,
            progress=report,
        )
    labels = pd.Index([estimator.label for estimator in estimators], name="estimator")
    return BootstrapResult(
        estimators=tuple(estimators),
        estimates=pd.Series(found.estimates, index=labels, name="estimate"),
        replicates=pd.DataFrame(found.replicates, columns=labels).rename_axis("replicate"),
        n_failed=found.n_failed,
        seed=seed,
        penalty=float(penalty),
    )


def _check_options(
    estimators: Sequence[Estimator], penalty: float, n_reps: int, n_threads: int | None
) -> None:
    for estimator in estimators:
        # The core resamples no outcome models yet; unrefused, it would take one for plain weighting.
        if not isinstance(estimator, IPW | NearestNeighbors):
            raise InvalidInputError(f"estimators: an IPW or a NearestNeighbors is needed, not {estimator!r}")
    uses = Counter(estimator.label for estimator in estimators)
    twice = [label for label, n in uses.items() if n > 1]
    if twice or not uses:
        problem = f"{_check.listed(twice)} occur twice" if twice else "at least one is needed"
        raise InvalidInputError(f"estimators: {problem}")
    _check.number("penalty", penalty, minimum=0.0)
    _check.count("n_reps", n_reps)
    _check.threads(n_threads)


def _seed(seed: int | np.random.Generator | None) -> int:
    """Settle on a number from 0 to 2^63 - 1."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(_SEEDS))
    _check.count("seed", seed, minimum=0)
    if seed >= _SEEDS:
        raise InvalidInputError(f"seed must be below 2**63, not {seed}")
    return int(seed)


@contextmanager
def _progress_bar(n_reps: int, progress: bool | None) -> Iterator[Callable[[int], object] | None]:
    """Give what to call with the number of replicates done, or None where nobody watches."""
    if progress is False or (progress is None and not (sys.stderr.isatty() or _in_notebook())):
        yield None
        return
    with warnings.catch_warnings():
        # In a notebook without ipywidgets tqdm warns, and falls back to its bar of text: good enough.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from tqdm.auto import tqdm  # noqa: PLC0415 - slow to import, and mostly not needed

    with tqdm(total=n_reps, desc="bootstrap", unit=" replicates", delay=0.0 if progress else 1.0) as bar:
        yield lambda done: bar.update(done - bar.n)
        bar.update(n_reps - bar.n)


def _in_notebook() -> bool:
    # Only a kernel has this trait, and only a session that runs in one has imported IPython.
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
