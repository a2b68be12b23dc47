"""Balance, as a result: before, after and a verdict for each term, and every measure behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity.results.like_its_table import LikeItsTable
from propensity.results.show import Shown

UNADJUSTED = "unadjusted"
"""The sample as it is, in a balance table."""

PROPENSITY = "propensity"
"""The row of the scores in a balance table, called as MatchIt calls it."""

THRESHOLD = 0.1
"""From which |SMD| on arms differ by more than is usually let pass (Stuart, Lee and Leacy 2013)."""


@dataclass(frozen=True, eq=False, repr=False)
class Balance(LikeItsTable, Shown):
    """The balance of each term in the sample as it is and after any number of weightings.

    It is shown as its SMDs and a verdict, and read like its table, by sample and measure.

    Attributes
    ----------
    table : DataFrame (d, 6 * number of samples), or with groups (G * d, 6 * number of samples)
        By "term", with groups by group and term. The columns have two levels, "sample" ("unadjusted", then
        the names of the weightings) and "measure":

        - `mean_treated`, `mean_control`: weighted means
        - `smd`: their difference, treated minus control, in standard deviations of the sample as it is;
          the very number that `smd` gives
        - `variance_ratio`: of the weighted variances, treated over control; missing for binary and constant
          terms; 0 or infinite where one arm is constant
        - `ks`: the largest distance of the arms' weighted distribution functions, from 0 to 1
        - `ecdf_difference`: their mean distance

        `attrs` holds "denominator", for each sample "ess_treated" and "ess_control" (Kish's effective sample
        sizes), whether there is a row of the scores ("propensity"), and "products": for each sample the SMD
        of every square and product of terms by name, whether or not they have rows, for `balance_summary`.
        With groups the sizes and products are by group, and "by" has its columns.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
    >>> table = ps.balance(users, treatment=treatment, covariates=covariates, weights={"EB": weights})
    >>> table.smd.abs().round(2)
    sample                   unadjusted   EB
    term
    engagement_tier[heavy]         0.77  0.0
    engagement_tier[light]         0.88  0.0
    engagement_tier[medium]        0.22  0.0
    query_confidence               0.08  0.0
    >>> table.worst["term"]["unadjusted"]
    'engagement_tier[light]'
    """

    table: pd.DataFrame

    def __iter__(self) -> Iterator[Any]:
        return iter(self.table)

    @property
    def samples(self) -> tuple[str, ...]:
        """The sample as it is, and the weightings."""
        return tuple(self.table.columns.unique("sample"))

    @property
    def smd(self) -> pd.DataFrame:
        """The standardized mean differences, by term and sample."""
        return self.table.xs("smd", axis=1, level="measure")  # type: ignore[return-value]

    @property
    def worst(self) -> pd.DataFrame:
        """The term with the largest |SMD| of each sample; the row of the scores does not count.

        By "sample": `term` (with groups after its group) and `smd`.
        """
        smds = self._of_terms
        found = {}
        for sample in smds:
            sizes = smds[sample].abs().fillna(-1.0).to_numpy()
            place = int(sizes.argmax())
            known = sizes[place] >= 0
            term, size = (smds.index[place], smds[sample].iloc[place]) if known else (None, np.nan)
            found[sample] = {"term": term, "smd": size}
        return pd.DataFrame.from_dict(found, orient="index").rename_axis("sample")

    def past(self, threshold: float = THRESHOLD) -> pd.Series[int]:
        """Count the terms whose |SMD| is at or past a threshold, by sample.

        Parameters
        ----------
        threshold : float, default 0.1
            In standard deviations.

        Returns
        -------
        Series of int

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
        >>> table = ps.balance(users, treatment=treatment, covariates=covariates, weights={"EB": weights})
        >>> table.past()
        sample
        unadjusted    3
        EB            0
        Name: n_past_smd, dtype: int64
        """
        return (self._of_terms.abs() >= threshold).sum().rename("n_past_smd")

    @property
    def _of_terms(self) -> pd.DataFrame:
        """The SMDs without the row of the scores."""
        smds = self.smd
        return smds[smds.index.get_level_values("term") != PROPENSITY] if self.attrs["propensity"] else smds

    def _headline(self) -> str:
        smds = self._of_terms
        by = self.attrs.get("by")
        groups = f" by {', '.join(by)}" if by else ""
        unit = f"standard deviations ({self.attrs['denominator']})"
        lines = [f"Balance of {len(smds):,} terms{groups}: treated minus control, in {unit}"]
        n_past, worst = self.past(), self.worst
        for sample in self.samples:
            term, size = worst.loc[sample]
            name = ", ".join(map(str, term)) if isinstance(term, tuple) else term
            lines.append(f"{sample}: {n_past[sample]:,} past {THRESHOLD:g}, the worst {name} {size:+.3f}")
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        smds = self.smd
        judged = smds[list(self.samples[1:] or self.samples)]
        table = smds.map(lambda value: f"{value:+.3f}" if np.isfinite(value) else value)
        table["verdict"] = [_verdict(row) for _, row in judged.iterrows()]
        return table.rename_axis(columns=None)


def _verdict(row: pd.Series) -> str:
    """Say whether a term is balanced in all samples that are judged, or in which it is not."""
    past = [sample for sample, value in row.items() if abs(value) >= THRESHOLD]
    if row.isna().any():
        return ""
    if not past:
        return f"balanced, <{THRESHOLD:g}"
    return f"past {THRESHOLD:g}" + (f": {', '.join(map(str, past))}" if len(row) > 1 else "")
