"""Bounds on an effect at several strengths of hidden confounding, and the strength that it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from propensity.effects.effect import Interval
from propensity.sensitivity.answer import Answer


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SensitivityBounds(Answer):
    """Between what an effect lies if hidden confounders change the odds of treatment by up to gamma.

    Attributes
    ----------
    table : DataFrame (g, 5)
        By row a strength `gamma`; `lower` and `upper`, the least and the largest effect that goes with the
        data, and `conf_low` and `conf_high`, an interval for the effect, whatever it is between them.
    estimate : float
        Without hidden confounding.
    interval : Interval
        Of that, from the same replicates.
    critical_gamma : float
        The strength from which the interval includes zero; infinite where none is enough, NaN where the
        interval holds it without hidden confounding.
    critical_gamma_of_estimate : float
        The strength from which the bounds include zero; NaN where the estimate is none itself.
    estimator : str
        The label of the estimator.
    sharp : bool
        Whether they are the sharp bounds.
    level : float
        Coverage of the intervals.
    n_reps, n_failed : int
        Replicates of the bootstrap, and those of them that could not be estimated.
    seed : int
        Where their random streams start.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> bounds = ps.sensitivity_bounds(users, **roles, covariates=covariates, gamma=[1.1, 1.5])
    >>> bounds.table[["lower", "upper"]].round(2)
       lower  upper
    0   0.09   0.18
    1  -0.05   0.30
    """

    table: pd.DataFrame
    estimate: float
    interval: Interval
    critical_gamma: float
    critical_gamma_of_estimate: float
    estimator: str
    sharp: bool
    level: float
    n_reps: int
    n_failed: int
    seed: int

    def _sentence(self) -> str:
        if math.isnan(self.critical_gamma_of_estimate):
            return "there is no effect to explain away"
        factor = _factor(self.critical_gamma_of_estimate)
        words = (
            f"to explain the effect ({self.estimate:+.4g}) away hidden confounders would have to change the "
            f"odds of opting in, of users who are alike in the covariates, by a factor of {factor}"
        )
        if math.isnan(self.critical_gamma):
            return f"{words}; its {self.level:.0%} interval includes zero already"
        return f"{words}; {_factor(self.critical_gamma)} would do for the {self.level:.0%} interval"

    def _headline(self) -> str:
        kind = "sharp bounds (quantile balancing)" if self.sharp else "bounds"
        failed = f", {self.n_failed:,} failed" if self.n_failed else ""
        return (
            f"Sensitivity bounds: {self._sentence()}\n{self.estimator}, {kind} of the marginal sensitivity "
            f"model; {self.n_reps:,} replicates{failed}, seed {self.seed}; {self.level:.0%} percentile "
            "intervals"
        )


def _factor(gamma: float) -> str:
    return "any size: none is enough" if math.isinf(gamma) else f"{gamma:.4g}"
