"""Rows drawn anew for replicates that work on whole rows, and the threads that run these replicates."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats, Rows

Progress = Callable[[int], object]


@dataclass(frozen=True, eq=False)
class Lots:
    """What is drawn as a whole: rows, or the clusters they are in; freely, or within strata.

    Attributes
    ----------
    rows : ndarray (m,) of int
        Those that may be drawn, in an order that does not hang on how they came.
    places : ndarray (m,) of int
        Where they stand in it: those of the first lot, then those of the second, and so on.
    ends : ndarray (L + 1,) of int
        Lot l has `places[ends[l]:ends[l + 1]]`; lots of a stratum stand together.
    strata : ndarray (S + 1,) of int
        Stratum s has the lots `strata[s]` to `strata[s + 1]`, the latter left out.
    """

    rows: Rows
    places: Rows
    ends: Rows
    strata: Rows

    @classmethod
    def of(cls, rows: Rows, cluster: Rows | None, strata: Rows | None) -> Lots:
        """Sort rows (m,) by stratum and cluster, in the order of their first; labels are (n,), of all rows.

        Raises
        ------
        InvalidInputError
            There is a single cluster, or one lies in several strata.
        """
        lot = np.arange(len(rows)) if cluster is None else _numbered(cluster[rows])
        stratum = np.zeros(len(rows), dtype=np.int64) if strata is None else _numbered(strata[rows])
        n_lots = int(lot.max()) + 1
        if n_lots < 2:
            raise InvalidInputError("cluster: all rows are in one, which shows nothing of how clusters vary")
        of_lot = np.zeros(n_lots, dtype=np.int64)
        of_lot[lot] = stratum
        if (of_lot[lot] != stratum).any():
            raise InvalidInputError(
                "cluster: some lie in several strata; a cluster is drawn whole, within one"
            )
        places = np.lexsort((lot, stratum))
        starts = np.flatnonzero(np.append(True, np.diff(lot[places]) != 0))
        sizes = np.bincount(of_lot)
        return cls(rows, places, np.append(starts, len(places)), np.append(0, np.cumsum(sizes)))

    def draw(self, rng: np.random.Generator) -> Rows:
        """Draw within each stratum as many lots as it has, with replacement; give their rows, in order."""
        sizes = np.diff(self.strata)
        picks = np.repeat(self.strata[:-1], sizes) + rng.integers(np.repeat(sizes, sizes))
        length = self.ends[picks + 1] - self.ends[picks]
        before = np.cumsum(length) - length
        drawn = self.places[np.arange(length.sum()) + np.repeat(self.ends[picks] - before, length)]
        return np.asarray(self.rows[np.sort(drawn)])


def _numbered(labels: Rows) -> Rows:
    """Give each group a number, in the order of their first rows."""
    return np.asarray(pd.factorize(labels)[0], dtype=np.int64)


def run_replicates(
    estimate: Callable[[int], float],
    n_reps: int,
    *,
    n_threads: int | None,
    progress: Progress | None,
) -> tuple[Floats, list[tuple[int, InvalidInputError]]]:
    """Estimate replicates 0 to n_reps - 1 on several threads; the numbers do not depend on how many.

    Parameters
    ----------
    estimate : callable
        From the number of a replicate to its estimate; the compiled core lets other threads run meanwhile.

    Returns
    -------
    replicates : ndarray (n_reps,)
        NaN where one could not be estimated.
    failures : list of (int, InvalidInputError)
        Which replicates they were, and why.

    Raises
    ------
    KeyboardInterrupt
        At once but for the replicates that are under way, one a thread.
    """
    replicates = np.full(n_reps, np.nan)
    failures: list[tuple[int, InvalidInputError]] = []
    stop = Event()

    def run(replicate: int) -> None:
        if stop.is_set():
            return
        try:
            replicates[replicate] = estimate(replicate)
        except InvalidInputError as error:
            failures.append((replicate, error))

    with ThreadPoolExecutor(n_threads or os.cpu_count() or 1) as pool:
        pending: list[Future[None]] = []
        try:
            pending += [pool.submit(run, replicate) for replicate in range(n_reps)]
            for done, future in enumerate(as_completed(pending), 1):
                future.result()
                if progress is not None:
                    progress(done)
        except BaseException:
            stop.set()
            for future in pending:
                future.cancel()
            raise
    return replicates, failures
