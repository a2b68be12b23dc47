"""What every bootstrap needs beside the data: options in order, a seed, a bar."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

from propensity.frames import checks

Resampling: TypeAlias = Literal["multinomial", "poisson", "bayesian"]


def check_options(resampling: str, n_reps: int, n_threads: int | None) -> None:
    """Require a known way of resampling, a number of replicates, and a number of threads or None."""
    checks.choice("resampling", resampling, get_args(Resampling))
    checks.count("n_reps", n_reps, minimum=2)
    checks.threads(n_threads)


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
