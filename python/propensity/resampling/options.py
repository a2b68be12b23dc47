"""What every bootstrap needs beside the data: its options, settled, what is drawn as a whole, and a bar."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd

from propensity.calls.seeds import settle_seed
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Rows
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.kept import read_groups_later
from propensity.frames.order import groups_by_content

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
    """What is drawn as a whole (n,), and within what (n,); None where rows are drawn freely.

    Beside each is what it is called.
    """

    cluster: Rows | None = None
    strata: Rows | None = None
    cluster_name: str | None = None
    strata_name: str | None = None

    @classmethod
    def read(cls, cluster: object, strata: object, fingerprint: Fingerprint) -> Groups:
        """Read columns of a frame that something was made from, or labels for every row of it."""
        return cls(
            read_groups_later(cluster, fingerprint, "cluster"),
            read_groups_later(strata, fingerprint, "strata"),
            group_name(cluster),
            group_name(strata),
        )

    def numbered(self, places_of: Callable[[], Rows], there: Bools | slice = slice(None)) -> Groups:
        """Give the groups of the rows that are there other numbers, by what rows hold.

        `places_of` gives each row its place (n,) by that, where it is needed.
        """
        if self.cluster is None and self.strata is None:
            return self
        places = places_of()[there]
        cluster, strata = (
            None if found is None else groups_by_content(found[there], places)
            for found in (self.cluster, self.strata)
        )
        return replace(self, cluster=cluster, strata=strata)

    def require_drawable(self, resampling: Resampling) -> None:
        """Require strata that rows can be drawn within, and that each cluster lies in one of them.

        Rows of no cluster have -1.
        """
        if self.strata is None:
            return
        if resampling == "poisson":
            raise InvalidInputError(
                "strata: resampling='poisson' draws each row for itself, so that no stratum keeps its size; "
                "leave strata out, or take resampling='multinomial'"
            )
        if self.cluster is None:
            return
        pairs = pd.DataFrame({"cluster": self.cluster, "strata": self.strata})[self.cluster >= 0]
        several = pairs.drop_duplicates()["cluster"].value_counts()
        n_split = int((several > 1).sum())
        if n_split:
            raise InvalidInputError(
                f"strata: {n_split:,} of {len(several):,} clusters have rows in several strata, and a "
                "cluster is drawn as a whole; leave strata out, or take strata that whole clusters are in"
            )

    def among(self, there: Bools | slice) -> Groups:
        """Leave out rows that are not there."""
        cluster, strata = (None if found is None else found[there] for found in (self.cluster, self.strata))
        return replace(self, cluster=cluster, strata=strata)


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


def group_name(groups: object) -> str | None:
    """Name what rows were drawn by; a series may have a name, and an array has none."""
    if groups is None or isinstance(groups, str):
        return groups
    return str(getattr(groups, "name", None) or "given")
