"""Several estimators side by side, as a result: a table, the effects behind it, notes in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pandas as pd

from propensity.effects import inference
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects
from propensity.effects.tidy import tidied
from propensity.results.like_its_table import LikeItsTable
from propensity.results.show import Shown
from propensity.study.by_group import table_of_groups
from propensity.study.contradictions import contradictions

NAIVE = "naive gap"
"""The difference of the raw means, in tables and plots."""

AnyEffect: TypeAlias = Effect | GroupedEffects


@dataclass(frozen=True, eq=False, repr=False)
class Estimates(LikeItsTable, Shown):
    """The answers of several estimators to one question, beside the naive gap.

    It is read by estimator, ``estimates["IPW ATE"]``, which gives the `Effect`, and like its table, by column
    and by ``.loc``.

    Attributes
    ----------
    table : DataFrame (1 + k, 9), or with groups (G * (1 + k), 9)
        By label, with groups by group and label, the naive gap (the difference of the raw means) first:
        `estimate`, `std_error` (`log_std_error` for ratios), `df`, `conf_low`, `conf_high`, `p_value`,
        `ess_treated`, `ess_control`, and `note`: cautions about the row, which other estimators of the
        same estimand contradict it (which in groups is not looked at), or why there is no estimate. `attrs`
        has the `level` and the `contrast`.
    effects : mapping of str to Effect, or to GroupedEffects
        By label, those that could be had, the naive gap first.
    failures : mapping of str to str
        Why the others could not.
    labels : tuple of str
        All of them, in the order asked for.
    outcome : str
        What was measured.
    level : float
        Coverage of the intervals.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> estimates = ps.estimate(users, **roles, covariates=covariates)
    >>> print(f"{estimates['AIPW ATE'].estimate:.3f}")
    0.137
    >>> estimates.table["estimate"].round(2).head(3)
    estimator
    naive gap    0.23
    IPW ATE      0.14
    AIPW ATE     0.14
    Name: estimate, dtype: float64
    """

    table: pd.DataFrame
    effects: Mapping[str, AnyEffect]
    failures: Mapping[str, str]
    labels: tuple[str, ...]
    outcome: str
    level: float

    @classmethod
    def of(
        cls,
        effects: Mapping[str, AnyEffect],
        failures: Mapping[str, str],
        labels: Sequence[str],
        outcome: str,
        level: float,
    ) -> Estimates:
        """Tabulate effects."""
        table = _tabulated(effects, failures, labels, level)
        return cls(table, dict(effects), dict(failures), tuple(labels), outcome, level)

    def __getitem__(self, name: Any) -> Any:
        if isinstance(name, str) and name in self.effects:
            return self.effects[name]
        if isinstance(name, str) and name in self.failures:
            raise KeyError(f"{name} could not be had: {self.failures[name]}")
        if isinstance(name, str) and name not in self.table.columns:
            raise KeyError(f"{name!r} is no estimator and no column; there are {', '.join(self.labels)}")
        return self.table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.effects)

    @property
    def contrast(self) -> Contrast:
        """What the estimates are."""
        return next((effect.contrast for effect in self.effects.values()), "difference")

    @property
    def notes(self) -> dict[str, str]:
        """Cautions and contradictions in full, by label, and by group where there are groups."""
        notes = self.table["note"]
        return {
            ", ".join(map(str, key)) if isinstance(key, tuple) else str(key): note
            for key, note in notes[notes != ""].items()
        }

    def contrast_as(self, contrast: Contrast) -> Estimates:
        """Give the same estimates as another contrast of the same means.

        Parameters
        ----------
        contrast : {"difference", "ratio", "percent", "odds_ratio"}
            As for `Effect.contrast_as`.

        Returns
        -------
        Estimates

        Raises
        ------
        InvalidInputError
            The means have no such contrast.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> estimates = ps.estimate(users, **roles, covariates=covariates)
        >>> print(f"{estimates.contrast_as('percent')['IPW ATE'].estimate:.0f}%")
        24%
        """
        effects = {label: effect.contrast_as(contrast) for label, effect in self.effects.items()}
        return Estimates.of(effects, self.failures, self.labels, self.outcome, self.level)

    def to_frame(self, level: float | None = None) -> pd.DataFrame:
        """Give the table, also with intervals of another coverage.

        Parameters
        ----------
        level : float or None, default None
            Coverage of the intervals; None takes that asked for.

        Returns
        -------
        DataFrame
            As `table`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> estimates = ps.estimate(users, **roles, covariates=covariates)
        >>> estimates.to_frame(level=0.9)["estimate"].round(2).head(2)
        estimator
        naive gap    0.23
        IPW ATE      0.14
        Name: estimate, dtype: float64
        """
        if level is None or level == self.level:
            return self.table
        return _tabulated(self.effects, self.failures, self.labels, level)

    def tidy(self) -> pd.DataFrame:
        """Give a row an estimate under the names that other packages have for them.

        Returns
        -------
        DataFrame
            `term` (with groups also `group`), `estimate`, `std_error`, `statistic`, `p_value`, `conf_low`,
            `conf_high`, as `Effect.tidy`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> estimates = ps.estimate(users, **roles, covariates=covariates)
        >>> estimates.tidy()[["term", "estimate"]].round(2).head(2)
                term  estimate
        0  naive gap      0.23
        1    IPW ATE      0.14
        """
        return tidied(self.table, self.contrast)

    def _headline(self) -> str:
        scale = SCALES[self.contrast]
        words = f"{scale.words} in {scale.unit}" if scale.unit else scale.words
        by = self.table.attrs.get("by")
        groups = f" by {', '.join(by)}" if by else ""
        line = f"Estimates of the effect on {self.outcome}{groups}: {words}, {self.level:.0%} intervals"
        return f"{line}\nTidied: {self.tidied}" if self.tidied else line

    @property
    def tidied(self) -> str:
        """What stands for missing values and rare levels, where that was asked for; else empty."""
        return next(
            (one.tidied for one in self.effects.values() if isinstance(one, Effect) and one.tidied), ""
        )

    def _table(self) -> pd.DataFrame:
        return self.table


@dataclass(frozen=True, eq=False, repr=False)
class EstimatesByOutcome(Shown, Mapping[str, Estimates]):
    """The answers of several estimators on several outcomes: a mapping from an outcome to its `Estimates`.

    Attributes
    ----------
    by_outcome : mapping of str to Estimates
        In the order asked for.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
    >>> estimates = ps.estimate(users, **roles, covariates=["engagement_tier"], estimators=[ps.AIPW("ATE")])
    >>> estimates["retained_7d"].labels
    ('naive gap', 'AIPW ATE')
    >>> estimates.table["estimate"].round(2)
    outcome         estimator
    task_completed  naive gap    0.23
                    AIPW ATE     0.14
    retained_7d     naive gap    0.11
                    AIPW ATE     0.03
    Name: estimate, dtype: float64
    """

    by_outcome: Mapping[str, Estimates]

    def __getitem__(self, outcome: str) -> Estimates:
        return self.by_outcome[outcome]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_outcome)

    def __len__(self) -> int:
        return len(self.by_outcome)

    @property
    def table(self) -> pd.DataFrame:
        """The tables of the outcomes below each other, p-values adjusted for the number of outcomes.

        By outcome and label, as `Estimates.table`, with `p_holm` and `p_bh` after `p_value`, each over the
        outcomes of one estimator, as for `Effects.to_frame`.
        """
        tables = {outcome: found.table for outcome, found in self.by_outcome.items()}
        table: pd.DataFrame = pd.concat(tables, names=["outcome", "estimator"])
        place = list(table).index("p_value") + 1
        for name, adjusted in (("p_bh", inference.benjamini_hochberg), ("p_holm", inference.holm)):
            groups = table.groupby(level="estimator", sort=False)["p_value"]
            values = groups.transform(lambda p, adjusted=adjusted: adjusted(p.to_numpy()))
            table.insert(place, name, values)
        table.attrs = next(iter(tables.values())).attrs
        return table

    def contrast_as(self, contrast: Contrast) -> EstimatesByOutcome:
        """Give the same estimates as another contrast, as `Estimates.contrast_as`.

        Parameters
        ----------
        contrast : {"difference", "ratio", "percent", "odds_ratio"}
            As for `Effect.contrast_as`.

        Returns
        -------
        EstimatesByOutcome

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
        >>> asked = {"covariates": ["engagement_tier"], "estimators": [ps.AIPW("ATE")]}
        >>> estimates = ps.estimate(users, **roles, **asked)
        >>> estimates.contrast_as("percent").table["estimate"].round(0)
        outcome         estimator
        task_completed  naive gap    43.0
                        AIPW ATE     24.0
        retained_7d     naive gap    18.0
                        AIPW ATE      5.0
        Name: estimate, dtype: float64
        """
        moved = {outcome: found.contrast_as(contrast) for outcome, found in self.by_outcome.items()}
        return replace(self, by_outcome=moved)

    def tidy(self) -> pd.DataFrame:
        """Give a row an estimate, as `Estimates.tidy`, with its `outcome`.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": ["task_completed", "retained_7d"], "treatment": "opt_in_agent_mode"}
        >>> asked = {"covariates": ["engagement_tier"], "estimators": [ps.AIPW("ATE")]}
        >>> estimates = ps.estimate(users, **roles, **asked)
        >>> estimates.tidy()[["outcome", "term", "estimate"]].round(2)
                  outcome       term  estimate
        0  task_completed  naive gap      0.23
        1  task_completed   AIPW ATE      0.14
        2     retained_7d  naive gap      0.11
        3     retained_7d   AIPW ATE      0.03
        """
        rows = {outcome: found.tidy() for outcome, found in self.by_outcome.items()}
        labelled = [table.assign(outcome=outcome) for outcome, table in rows.items()]
        table = pd.concat(labelled, ignore_index=True)
        return table[["outcome", *table.columns.drop("outcome")]]

    def _headline(self) -> str:
        first = next(iter(self.by_outcome.values()))
        scale = SCALES[first.contrast]
        words = f"{scale.words} in {scale.unit}" if scale.unit else scale.words
        line = f"Estimates of the effect on {len(self)} outcomes: {words}, {first.level:.0%} intervals"
        return f"{line}\nTidied: {first.tidied}" if first.tidied else line

    def _table(self) -> pd.DataFrame:
        return self.table


def _tabulated(
    effects: Mapping[str, AnyEffect], failures: Mapping[str, str], labels: Sequence[str], level: float
) -> pd.DataFrame:
    grouped = {name: effect for name, effect in effects.items() if isinstance(effect, GroupedEffects)}
    if grouped:
        return table_of_groups(grouped, failures, labels, level)
    single = {name: effect for name, effect in effects.items() if isinstance(effect, Effect)}
    rows = [
        effect.to_frame(level).drop(columns=["mean_treated", "mean_control"]) for effect in single.values()
    ]
    table = pd.concat(rows).set_axis(pd.Index(single, name="estimator"))
    found = contradictions({label: e for label, e in single.items() if label != NAIVE})
    notes = {label: [*map(str, effect.cautions), *found.get(label, [])] for label, effect in single.items()}
    notes |= {label: [reason] for label, reason in failures.items()}
    table = table.reindex(pd.Index(labels, name="estimator"))
    table["note"] = ["; ".join(notes[label]) for label in labels]
    table.attrs = {"level": level, "contrast": single[NAIVE].contrast}
    return table
