"""Effects on several outcomes: one treatment, one method, the same rows, and tests that count them all."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.effect import Effect
from propensity.effects.leverage import ErrorKind, words_of_intervals
from propensity.effects.tidy import tidied
from propensity.errors import InvalidInputError
from propensity.results.show import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Effects(Shown):
    """The effects of one treatment on k outcomes, by one method on the same rows.

    Attributes
    ----------
    by_outcome : mapping of str to Effect
        In the order asked for. `effects["retained"]` is one of them.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> outcomes = ["task_completed", "retained_7d"]
    >>> effects = ps.ipw(users, outcome=outcomes, treatment=treatment, scores=model)
    >>> effects["retained_7d"].estimand
    'ATE'
    >>> effects.to_frame()["estimate"].round(3)
    outcome
    task_completed    0.137
    retained_7d       0.037
    Name: estimate, dtype: float64
    """

    by_outcome: Mapping[str, Effect]

    def __getitem__(self, outcome: str) -> Effect:
        return self.by_outcome[outcome]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_outcome)

    def __len__(self) -> int:
        return len(self.by_outcome)

    def items(self) -> ItemsView[str, Effect]:
        """Give each outcome with its effect, as a dict does.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> outcomes = ["task_completed", "retained_7d"]
        >>> effects = ps.ipw(users, outcome=outcomes, treatment=treatment, scores=model)
        >>> [f"{name}: {effect.estimate:.2f}" for name, effect in effects.items()]
        ['task_completed: 0.14', 'retained_7d: 0.04']
        """
        return self.by_outcome.items()

    def contrast_as(self, contrast: Contrast) -> Effects:
        """Give the same effects as another contrast of the same means, as `Effect.contrast_as` does.

        Parameters
        ----------
        contrast : {"difference", "ratio", "percent", "odds_ratio"}
            One that the means of all outcomes have.

        Returns
        -------
        Effects

        Raises
        ------
        InvalidInputError
            The means of an outcome have no such contrast.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> outcomes = ["task_completed", "retained_7d"]
        >>> effects = ps.ipw(users, outcome=outcomes, treatment=treatment, scores=model)
        >>> effects.contrast_as("percent").to_frame()["estimate"].round(1).tolist()
        [23.8, 5.9]
        """
        return Effects({name: effect.contrast_as(contrast) for name, effect in self.by_outcome.items()})

    def conf_int(
        self, level: float = 0.95, *, df: float | None = None, se: ErrorKind | None = None
    ) -> pd.DataFrame:
        """Give the interval of each effect, each on its own.

        Parameters
        ----------
        level : float, default 0.95
            Coverage.
        df, se : as for `Effect.conf_int`
            Degrees of freedom and the correction for leverage; None takes each effect's own.

        Returns
        -------
        DataFrame (k, 2)
            `conf_low`, `conf_high`, by outcome.

        Raises
        ------
        InvalidInputError
            As `Effect.conf_int`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> outcomes = ["task_completed", "retained_7d"]
        >>> effects = ps.ipw(users, outcome=outcomes, treatment=treatment, scores=model)
        >>> effects.conf_int().round(2)
                        conf_low  conf_high
        outcome
        task_completed      0.08       0.19
        retained_7d        -0.02       0.09
        """
        asked = {
            name: effect.conf_int(level, df=df, se=se)._asdict() for name, effect in self.by_outcome.items()
        }
        return pd.DataFrame.from_dict(asked, orient="index").rename_axis("outcome")

    @property
    def covariance(self) -> pd.DataFrame:
        """Joint covariance (k, k) of the estimates; of their logarithms where they are ratios.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> outcomes = ["task_completed", "retained_7d"]
        >>> effects = ps.ipw(users, outcome=outcomes, treatment=treatment, scores=model)
        >>> effects.covariance.shape
        (2, 2)
        """
        effects = list(self.by_outcome.values())
        frequency = effects[0].frequency
        if len(effects) > 1 and any(effect.are_points for effect in effects):
            raise InvalidInputError(
                "outcome: cells sum up each outcome by itself, and do not say how outcomes vary together; "
                "collapse with them as keys, also=[...]"
            )
        influence = np.array([effect.influence for effect in effects], dtype=np.float64).T
        names = pd.Index(self.by_outcome, name="outcome")
        clusters = inference.joined(*(effect.clusters for effect in effects), counted=frequency is not None)
        values = inference.covariance(influence, clusters, frequency)
        return pd.DataFrame(values, index=names, columns=names)

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the effects, with p-values adjusted for their number.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals, each on its own.

        Returns
        -------
        DataFrame (k, 12)
            As `Effect.to_frame`, by outcome, with `p_holm` (the chance of any false finding: for the outcomes
            a decision hangs on) and `p_bh` (the share of false findings, Benjamini and Hochberg: for a search
            through many) after `p_value`. An outcome that is the same for all has no p-value, and counts as
            no test.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> outcomes = ["task_completed", "retained_7d"]
        >>> effects = ps.ipw(users, outcome=outcomes, treatment=treatment, scores=model)
        >>> effects.to_frame()[["p_value", "p_holm", "p_bh"]].lt(0.05)
                        p_value  p_holm   p_bh
        outcome
        task_completed     True    True   True
        retained_7d       False   False  False
        """
        rows = [effect._row(level) for effect in self.by_outcome.values()]
        table = pd.DataFrame(rows, index=pd.Index(self.by_outcome, name="outcome"))
        p = table["p_value"].to_numpy()
        place = list(table).index("p_value") + 1
        table.insert(place, "p_holm", inference.holm(p))
        table.insert(place + 1, "p_bh", inference.benjamini_hochberg(p))
        return table

    def tidy(self) -> pd.DataFrame:
        """Give a row an outcome under the names that other packages have for estimates.

        Returns
        -------
        DataFrame (k, 7)
            As `Effect.tidy`; `term` is the outcome.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> outcomes = ["task_completed", "retained_7d"]
        >>> effects = ps.ipw(users, outcome=outcomes, treatment=treatment, scores=model)
        >>> effects.tidy()["estimate"].round(2).tolist()
        [0.14, 0.04]
        """
        return tidied(self.to_frame(), next(iter(self.by_outcome.values())).contrast)

    def _headline(self) -> str:
        first = next(iter(self.by_outcome.values()))
        scale = SCALES[first.contrast]
        words = f"{scale.words} in {scale.unit}" if scale.unit else scale.words
        whom = f", for {first.whom}" if first.whom else ""
        lines = [f"Effects ({first.estimand}) on {len(self)} outcomes: {words}{whom}"]
        measured = [own.measured for own in self.by_outcome.values() if own.measured]
        if measured:
            lines.append(f"Outcomes: {', '.join(measured)}")
        lines.append(f"Standard errors: {first.se_method}")
        lines.append(f"Intervals: {words_of_intervals(first.leverage is not None)}")
        cautions = (str(caution) for effect in self.by_outcome.values() for caution in effect.cautions)
        lines.extend(f"Caution: {caution}" for caution in dict.fromkeys(cautions))
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()
