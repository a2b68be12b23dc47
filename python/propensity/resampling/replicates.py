"""Replicates that are estimated one by one, on threads: those that work on whole rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from threading import Event

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats

Progress = Callable[[int], object]


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
