"""Quantile effects: how far apart the quantiles of both arms are, with what a bootstrap says of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from propensity.effects.contrasts import SCALES
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.results.show import Shown

QuantileContrast: TypeAlias = Literal["difference", "ratio", "percent"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class QuantileEffects(Shown):
    """The differences of k quantiles of an outcome, had everyone been treated and had nobody.

    Attributes
    ----------
    q : tuple of float
        Which quantiles.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}
        Whose outcomes.
    contrast : {"difference", "ratio", "percent"}
        What the two quantiles are made into.
    quantiles : DataFrame (k, 2)
        By q, those of the "treated" and of the "control" arm, in units of the outcome.
    replicates : DataFrame (n_reps, 2 k)
        The same of each replicate, columns by arm and q; NaN where one could not be estimated, or has no such
        contrast: a ratio of quantiles that are not positive.
    analytic_std_errors : Series (k,)
        Of the contrasts, by their influence and densities: a check of the bootstrap's; of the logarithm for
        ratios.
    seed : int
        With which the same replicates come again.
    cautions : tuple of Warning
        Why an interval may not be what it promises.
    first_failure : str
        Why the first of the replicates that failed could not be estimated; empty where none did.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "session_minutes", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> found = ps.quantile_effect(users, **roles, covariates=covariates, q=[0.5, 0.9], n_reps=100)
    >>> found.table["estimate"].round(1)
    q
    0.5    2.0
    0.9    2.0
    Name: estimate, dtype: float64
    """

    q: tuple[float, ...]
    estimand: str
    contrast: QuantileContrast
    quantiles: pd.DataFrame
    replicates: pd.DataFrame
    analytic_std_errors: pd.Series[float]
    seed: int
    cautions: tuple[Warning, ...]
    first_failure: str = ""

    @property
    def n_failed(self) -> int:
        """How many replicates could not be estimated."""
        return int(self.replicates.isna().any(axis=1).sum())

    @property
    def table(self) -> pd.DataFrame:
        """The effects with 95% intervals, as `to_frame` gives them."""
        return self.to_frame()

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the effects.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals.

        Returns
        -------
        DataFrame (k, 7)
            By "q": `estimate`, `std_error` (`log_std_error` for ratios; the standard deviation of the
            replicates), `conf_low` and `conf_high` (percentiles of the replicates), `quantile_treated`,
            `quantile_control`, and the `analytic_std_error`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "session_minutes", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> found = ps.quantile_effect(users, **roles, covariates=covariates, q=0.5, n_reps=100)
        >>> list(found.to_frame(level=0.9).columns[:4])
        ['estimate', 'std_error', 'conf_low', 'conf_high']
        """
        checks.confidence_level(level)
        scale, error = SCALES[self.contrast], "std_error"
        treated, control = (self.quantiles[arm].to_numpy() for arm in ("treated", "control"))
        drawn = self.replicates.dropna()
        gaps = _gaps(drawn["treated"].to_numpy(), drawn["control"].to_numpy(), self.contrast)
        ends = np.quantile(gaps, [(1 - level) / 2, (1 + level) / 2], axis=0)
        if scale.logarithmic:
            error = "log_std_error"
        columns = {
            "estimate": _reported(_gaps(treated, control, self.contrast), self.contrast),
            error: gaps.std(axis=0, ddof=1) if len(gaps) > 1 else math.nan,
            "conf_low": _reported(ends[0], self.contrast),
            "conf_high": _reported(ends[1], self.contrast),
            "quantile_treated": treated,
            "quantile_control": control,
            "analytic_std_error": self.analytic_std_errors.to_numpy(),
        }
        table = pd.DataFrame(columns, index=pd.Index(self.q, name="q"))
        table.attrs = {"level": level, "contrast": self.contrast}
        return table

    def _headline(self) -> str:
        scale = SCALES[self.contrast]
        words = f"{scale.words}s in {scale.unit}" if scale.unit else f"{scale.words}s"
        n_reps = len(self.replicates)
        lines = [
            f"Quantile effects ({self.estimand}): {words} of weighted quantiles",
            f"Intervals: percentiles of {n_reps:,} replicates, score refitted, seed {self.seed}",
        ]
        if self.n_failed:
            lines.append(
                f"{self.n_failed:,} of {n_reps:,} replicates could not be estimated; the first: "
                f"{self.first_failure}"
            )
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()


def _gaps(treated: Floats, control: Floats, contrast: QuantileContrast) -> Floats:
    """Give the contrasts on the scale of their errors."""
    return treated - control if contrast == "difference" else np.log(treated) - np.log(control)


def _reported(gaps: Floats, contrast: QuantileContrast) -> Floats:
    """Give contrasts back from that scale."""
    report = SCALES[contrast].report
    return np.array([report(float(gap)) for gap in gaps])
