"""What can be said of bootstrapped estimates without resampling, worked out when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import pandas as pd

Figures = tuple["pd.Series[float]", "pd.Series[float]"]
"""Accelerations and standard errors, by label."""


class Analytic:
    """Accelerations and standard errors of k estimates.

    They take passes over the rows that most bootstraps have no use for, so that they wait until one of them
    is asked for; the rows are kept until then. A pickle has the figures, not the rows.
    """

    def __init__(self, work: Callable[[], Figures]) -> None:
        self._work: Callable[[], Figures] | None = work

    @classmethod
    def known(cls, acceleration: pd.Series[float], std_errors: pd.Series[float]) -> Analytic:
        """Keep what is known already."""
        return cls(lambda: (acceleration, std_errors))

    @property
    def acceleration(self) -> pd.Series[float]:
        """Efron's, by label; NaN where there is none."""
        return self._figures[0].copy()

    @property
    def std_errors(self) -> pd.Series[float]:
        """By label; NaN where there is none."""
        return self._figures[1].copy()

    @cached_property
    def _figures(self) -> Figures:
        work, self._work = self._work, None
        assert work is not None
        return work()

    def __reduce__(self) -> tuple[Callable[..., Analytic], Figures]:
        return Analytic.known, self._figures
