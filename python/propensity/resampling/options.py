"""What every bootstrap needs beside the data: options in order, a seed, a bar."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames import checks

Resampling: TypeAlias = Literal["multinomial", "poisson", "bayesian"]

_SEEDS = 2**63


def check_options(resampling: str, n_reps: int, n_threads: int | None) -> None:
    """Require a known way of resampling, a number of replicates, and a number of threads or None."""
    checks.choice("resampling", resampling, get_args(Resampling))
    checks.count("n_reps", n_reps, minimum=2)
    checks.threads(n_threads)


def settle_seed(seed: object) -> int:
    """Settle on a number from 0 to 2^63 - 1, from one, from a Generator, or from None."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(_SEEDS))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidInputError(
            f"seed must be a whole number of at least 0, a numpy.random.Generator, or None, not {seed!r}"
        )
    if seed >= _SEEDS:
        raise InvalidInputError(f"seed must be below 2**63, not {seed}")
    return int(seed)


@contextmanager
def progress_bar(n_reps: int, progress: bool | None) -> Iterator[Callable[[int], object] | None]:
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
