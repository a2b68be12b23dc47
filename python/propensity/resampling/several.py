"""Replicates of several outcomes, on the same draws."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

import pandas as pd

from propensity import core
from propensity.resampling.intervals import IntervalKind
from propensity.resampling.result import BootstrapResult
from propensity.results.show import Shown


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResults(Shown):
    """Replicates of the same estimators for k outcomes, on the same draws and by the same refitted scores.

    Attributes
    ----------
    by_outcome : mapping of str to BootstrapResult
        In the order asked for. `results["retained"]` is one of them.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> results = ps.bootstrap(users, **roles, covariates=covariates, n_reps=200, seed=7)
    >>> results["retained_7d"].estimates.round(2)
    estimator
    IPW ATE    0.04
    IPW ATT    0.03
    Name: estimate, dtype: float64
    >>> results.summary().loc["task_completed", "estimate"].round(2).tolist()
    [0.14, 0.11]
    """

    by_outcome: Mapping[str, BootstrapResult]

    def __getitem__(self, outcome: str) -> BootstrapResult:
        return self.by_outcome[outcome]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_outcome)

    def __len__(self) -> int:
        return len(self.by_outcome)

    def items(self) -> ItemsView[str, BootstrapResult]:
        """Give each outcome with its replicates, as a dict does.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
        >>> results = ps.bootstrap(users, **roles, covariates=["engagement_tier"], n_reps=200)
        >>> [name for name, _ in results.items()]
        ['task_completed', 'retained_7d']
        """
        return self.by_outcome.items()

    @property
    def replicates(self) -> pd.DataFrame:
        """All of them (n_reps, outcomes by estimators), a row a draw: what outcomes do together shows in it.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
        >>> results = ps.bootstrap(users, **roles, covariates=["engagement_tier"], n_reps=200)
        >>> results.replicates.shape
        (200, 6)
        """
        return self._beside({name: own.replicates for name, own in self.items()}, axis="columns")

    def conf_int(self, level: float = 0.95, kind: IntervalKind | None = None) -> pd.DataFrame:
        """Give the intervals, each on its own.

        Parameters
        ----------
        level, kind : as for `BootstrapResult.conf_int`

        Returns
        -------
        DataFrame (outcomes by estimators, 2)
            `conf_low`, `conf_high`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
        >>> results = ps.bootstrap(users, **roles, covariates=["engagement_tier"], n_reps=200)
        >>> results.conf_int(level=0.9).shape
        (4, 2)
        """
        return self._beside({name: own.conf_int(level, kind) for name, own in self.items()})

    def summary(self, level: float = 0.95, kind: IntervalKind | None = None) -> pd.DataFrame:
        """Tabulate the estimators, outcome by outcome.

        Parameters
        ----------
        level, kind : as for `BootstrapResult.summary`

        Returns
        -------
        DataFrame (outcomes by estimators, 5 or 8)
            The columns of `BootstrapResult.summary`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
        >>> results = ps.bootstrap(users, **roles, covariates=["engagement_tier"], n_reps=200)
        >>> results.summary().index.names
        FrozenList(['outcome', 'estimator'])
        """
        return self._beside({name: own.summary(level, kind) for name, own in self.items()})

    def _beside(self, tables: Mapping[str, pd.DataFrame], axis: str = "index") -> pd.DataFrame:
        return pd.concat(tables, axis=1 if axis == "columns" else 0, names=["outcome"])

    def _headline(self) -> str:
        first = next(iter(self.by_outcome.values()))
        words = f"{first._headline_of('')}\nOutcomes: {len(self)}, all on the same draws"
        if any(own.measured for own in self.by_outcome.values()):
            words += ": " + ", ".join(own.measured or name for name, own in self.items())
        return words

    def _table(self) -> pd.DataFrame:
        return self.summary()


def runs_of_outcomes(
    run: Callable[..., core.Replicates], n_outcomes: int
) -> list[Callable[..., core.Replicates]]:
    """Give of a bootstrap of several outcomes that of each, for what is asked without replicates.

    It is worked out for all of them when it is first asked for.
    """
    if n_outcomes == 1:
        return [run]
    without_replicates = cache(partial(run, n_reps=0, analytic=True))

    def of(place: int, **_: object) -> core.Replicates:
        found = without_replicates()
        return [found, *found.others][place]

    return [partial(of, place) for place in range(n_outcomes)]
