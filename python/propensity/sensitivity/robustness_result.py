"""A robustness value with its benchmarks, and what any confounder would leave of the effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from propensity.effects.effect import Interval
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.sensitivity.answer import Answer
from propensity.sensitivity.bias import Bias, left_by, robustness

COLUMNS = (
    "benchmark",
    "multiple",
    "r2_treatment",
    "r2_outcome",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RobustnessValue(Answer):
    """How strong a confounder, measured by what it explains, could take an effect to nothing.

    Attributes
    ----------
    estimate, std_error : float
        The effect, in units of the outcome.
    value : float
        The share of what the covariates leave unexplained, of treatment and outcome alike, that a confounder
        has to explain to take `share` of the estimate away: its partial R2 with both.
    value_at_alpha : float
        The same, for the interval to hold what is left of the estimate then.
    partial_r2 : float
        That of the treatment with the outcome: what a confounder that explained all of the outcome would have
        to explain of the treatment.
    table : DataFrame (b, 8)
        By row a confounder that is `multiple` times as strong as a `benchmark` of covariates that were
        observed: its `r2_treatment` and `r2_outcome` at the most, and what it would leave of the effect
        (`estimate`, `std_error`, `conf_low`, `conf_high`); NaN where it would tell who was treated. Without
        rows where none was asked for.
    bias : Bias
        What the numbers are made of.
    share : float
        How much of the estimate is to be taken away.
    method : str
        What was estimated, and how.
    treatment, outcome : str
        The columns.
    level : float
        Coverage of the intervals.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> found = ps.robustness_value(users, **roles, covariates=covariates, benchmarks=["query_confidence"])
    >>> print(f"{found.value:.2f}, {found.value_at_alpha:.2f}")
    0.10, 0.06
    """

    estimate: float
    std_error: float
    value: float
    value_at_alpha: float
    partial_r2: float
    table: pd.DataFrame
    bias: Bias
    share: float
    method: str
    treatment: str
    outcome: str
    level: float

    @classmethod
    def of(
        cls,
        bias: Bias,
        strengths: Sequence[tuple[str, float, float, float]],
        *,
        share: float,
        method: str,
        treatment: str,
        outcome: str,
        level: float,
    ) -> RobustnessValue:
        """Make it of a bias, and of the benchmarks with their multiples and partial R2."""
        scale = bias.scale
        f = abs(bias.estimate) / scale if scale > 0 else (math.inf if bias.estimate else 0.0)
        rows = [(*strength, *left_by(bias, *strength[2:], level)) for strength in strengths]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        return cls(
            estimate=bias.estimate,
            std_error=bias.std_error,
            value=robustness(share * f),
            value_at_alpha=bias.value_at(share, level),
            partial_r2=1.0 if math.isinf(f) else f**2 / (1 + f**2),
            table=table.astype(dict.fromkeys(COLUMNS[1:], np.float64)),
            bias=bias,
            share=share,
            method=method,
            treatment=treatment,
            outcome=outcome,
            level=level,
        )

    def adjusted(self, r2_treatment: float | Floats, r2_outcome: float | Floats) -> float | Floats:
        """Give what a confounder would leave of the estimate, at the worst.

        Parameters
        ----------
        r2_treatment, r2_outcome : float or ndarray
            Its partial R2 with the treatment and with the outcome, from 0 to 1; arrays together.

        Returns
        -------
        float or ndarray
            The estimate, nearer to zero by the bias, or beyond it.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> found = ps.robustness_value(users, **roles, covariates=covariates)
        >>> print(f"{found.adjusted(0.05, 0.05):.3f}")
        0.068
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.asarray(r2_treatment) / (1 - np.asarray(r2_treatment))
            bias = self.bias.scale * np.sqrt(np.asarray(r2_outcome) * odds)
        left = self.estimate - (bias if self.estimate >= 0 else -bias)
        return left if left.ndim else float(left)

    def adjusted_interval(self, r2_treatment: float, r2_outcome: float) -> Interval:
        """Give the interval around `adjusted`, with a confounder of this strength in the model.

        Parameters
        ----------
        r2_treatment, r2_outcome : float
            As for `adjusted`.

        Returns
        -------
        Interval

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> found = ps.robustness_value(users, **roles, covariates=covariates)
        >>> low, high = found.adjusted_interval(0.05, 0.05)
        >>> print(f"[{low:.2f}, {high:.2f}]")
        [0.02, 0.12]
        """
        for name, value in {"r2_treatment": r2_treatment, "r2_outcome": r2_outcome}.items():
            checks.number(name, value, minimum=0.0)
        left = left_by(self.bias, r2_treatment, r2_outcome, self.level)
        return Interval(left.conf_low, left.conf_high)

    def _sentence(self) -> str:
        if self.estimate == 0:
            return "there is no effect to explain away"
        part = "take it away" if self.share == 1 else f"take {self.share:.0%} of it away"
        words = (
            f"to {part} ({self.estimate:+.4g}) a hidden confounder would have to explain {self.value:.1%} of "
            f"what the covariates leave unexplained, of '{self.treatment}' and of '{self.outcome}' alike; "
            f"{self.value_at_alpha:.1%} would do for the {self.level:.0%} interval"
        )
        table = self.table
        if len(table):
            first = table.iloc[0]
            words += f"; one as strong as {first['benchmark']} "
            words += (
                "would explain more than there is"
                if math.isnan(first["estimate"])
                else f"explains {first['r2_treatment']:.1%} and {first['r2_outcome']:.1%}, and would leave "
                f"{first['estimate']:+.4g}"
            )
        return words

    def _headline(self) -> str:
        return (
            f"Robustness value: {self._sentence()}\n{self.method}; partial R2 of the treatment with the "
            f"outcome {self.partial_r2:.4g}"
        )
