"""What every bootstrap needs beside the data: its options, settled, what is drawn as a whole, and a bar."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd

from propensity.calls.seeds import settle_seed
from propensity.frames import checks
from propensity.frames.checks import Bools, Rows
from propensity.frames.columns import rowwise_groups

Resampling: TypeAlias = Literal["multinomial", "poisson", "bayesian"]


@dataclass(frozen=True)
class ResamplingOptions:
    """How a bootstrap is run, checked; `seed` is a number, whatever was given."""

    resampling: Resampling
    n_reps: int
    seed: Any
    n_threads: int | None
    progress: bool | None

    def __post_init__(self) -> None:
        checks.choice("resampling", self.resampling, get_args(Resampling))
        checks.count("n_reps", self.n_reps, minimum=2)
        checks.threads(self.n_threads)
        object.__setattr__(self, "seed", settle_seed(self.seed))

    @property
    def core_options(self) -> dict[str, Any]:
        """Those that the core takes as they stand."""
        return {"resampling": self.resampling, "seed": self.seed, "n_threads": self.n_threads}

    def bar(self) -> AbstractContextManager[Callable[[int], object] | None]:
        """Give what to call with the number of replicates done, or None where nobody watches."""
        return _progress_bar(self.n_reps, self.progress)


@dataclass(frozen=True, eq=False)
class Groups:
    """What is drawn as a whole (n,), and within what (n,); None where rows are drawn freely."""

    cluster: Rows | None = None
    strata: Rows | None = None

    @classmethod
    def read(cls, cluster: object, strata: object, index: pd.Index[Any]) -> Groups:
        """Read labels that are given for every row."""
        return cls(
            None if cluster is None else rowwise_groups(cluster, index, "cluster"),
            None if strata is None else rowwise_groups(strata, index, "strata"),
        )

    def among(self, there: Bools | slice) -> Groups:
        """Leave out rows that are not there."""
        return Groups(
            None if self.cluster is None else self.cluster[there],
            None if self.strata is None else self.strata[there],
        )


@contextmanager
def _progress_bar(n_reps: int, progress: bool | None) -> Iterator[Callable[[int], object] | None]:
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
