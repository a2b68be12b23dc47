"""What is measured of each row: an outcome as it stands, winsorized, or divided by another."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from propensity.effects.arms import OutcomeFacts
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.group_means import GroupMeans, ratio_of_means
from propensity.effects.modelled_groups import facts_of_groups
from propensity.effects.ratio_metrics import facts_of_metric, facts_of_metrics, metric_effect
from propensity.effects.sample import Sample, for_each_outcome
from propensity.effects.several import Effects
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.grouping import Grouping
from propensity.frames.outcome_names import outcome_names
from propensity.scores.quantiles import quantiles_by_share

Winsorize: TypeAlias = float | tuple[float, float] | None
"""The quantile of the outcome above which values are set to it, or two, of which one is for the low end."""


@dataclass(frozen=True)
class Metrics:
    """What is asked to be measured.

    Attributes
    ----------
    outcome : str, or sequence of str
        As it was given.
    per : str or None
        What it is divided by, arm by arm.
    winsorize : float, (float, float) or None
    asked : str
        Of what function.
    """

    outcome: str | Sequence[str]
    per: str | None = None
    winsorize: Winsorize = None
    asked: str = "estimate"

    def __post_init__(self) -> None:
        names = outcome_names(self.outcome)
        if self.per is not None:
            checks.column_name("per", self.per)
            if self.per in names:
                raise InvalidInputError(
                    f"per: column '{self.per}' is the outcome; divided by itself it is 1 for all"
                )
        if self.winsorize is not None:
            self._check_quantiles()

    def _check_quantiles(self) -> None:
        if self.per is not None:
            raise InvalidInputError(
                "winsorize: a ratio has two columns, and which of them is meant is not clear; bound the "
                "columns themselves first"
            )
        low, high = self._quantiles
        numbers = checks.is_real(low) and checks.is_real(high)
        if not numbers or not 0 <= low < 0.5 < high <= 1:
            raise InvalidInputError(
                f"winsorize: {self.winsorize!r} is no quantile of the upper end, as 0.99, nor one of each "
                "end, as (0.01, 0.99)"
            )

    @property
    def _quantiles(self) -> tuple[float, float]:
        given = self.winsorize
        if isinstance(given, tuple | list):
            if len(given) != 2:
                raise InvalidInputError(f"winsorize: one quantile or two are needed, not {len(given)}")
            return given[0], given[1]
        return 0.0, 1.0 if given is None else given

    @property
    def columns(self) -> str | Sequence[str]:
        """The columns to be read as outcomes."""
        return self.outcome if self.per is None else [*outcome_names(self.outcome), self.per]

    def of_parts(self, contrast: Contrast) -> Contrast:
        """Give the contrast to ask of single columns, where what is made of them gets the one asked for."""
        return contrast if self.per is None else "difference"

    def measured(self, sample: Sample) -> Measured:
        """Look at the columns, and bound them.

        Raises
        ------
        InvalidInputError
            What is divided by is negative somewhere, or an outcome to be winsorized has two values.
        """
        if self.per is not None:
            _require_amounts(sample, self.per)
        if self.winsorize is None:
            return Measured(self, sample, {})
        columns, words = dict(sample.frame.columns), {}
        for name in outcome_names(self.outcome):
            values, words[name] = self._bounded(sample, name)
            columns[name] = values
        return Measured(self, replace(sample, frame=replace(sample.frame, columns=columns)), words)

    def _bounded(self, sample: Sample, name: str) -> tuple[pd.Series[float], str]:
        """Move the values of a column that lie beyond the quantiles to them, and say how many there were."""
        y = sample.frame.outcome(name)
        own = sample.present(y)
        if len(np.unique(own[:1000])) <= 2 and len(np.unique(own)) <= 2:
            raise InvalidInputError(f"winsorize: column '{name}' has no more than two values, and no tails")
        weights = None if sample.mass is None else sample.present(sample.mass)
        low, high = quantiles_by_share(own, self._quantiles, weights).tolist()
        there = sample.present_rows
        n_low, n_high, n = (sample.n_users(rows & there) for rows in (y < low, y > high, there))
        ends = [
            f"{end:.6g} (quantile {quantile:g}; {n_moved:,} of {n:,} rows {moved})"
            for end, quantile, n_moved, moved in zip(
                (low, high), self._quantiles, (n_low, n_high), ("raised", "lowered"), strict=True
            )
            if 0 < quantile < 1
        ]
        bounded = pd.Series(np.clip(y, low, high), index=sample.frame.columns[name].index, name=name)
        return bounded, f"{name} winsorized at {' and '.join(ends)}"


@dataclass(frozen=True, eq=False)
class Measured:
    """A sample whose outcomes are as they are to be measured, and what to call them."""

    metrics: Metrics
    sample: Sample
    winsorized: dict[str, str]

    def words(self, name: str) -> str:
        """Say what is measured, where that is not the column as it stands; else nothing."""
        if self.metrics.per is not None:
            return f"{name} per {self.metrics.per}"
        return self.winsorized.get(name, "")

    @property
    def only_outcome(self) -> str:
        """The outcome that effects are asked for by group.

        Raises
        ------
        InvalidInputError
            There are several.
        """
        names = outcome_names(self.metrics.outcome)
        if len(names) > 1:
            raise InvalidInputError(
                f"by: effects by group are of one outcome, and {len(names):,} are named; ask for each in "
                f"turn, as in {{y: ps.{self.metrics.asked}(..., outcome=y, by=...) for y in {names!r}}}"
            )
        return names[0]

    def facts_by_group(self, groups: Grouping) -> tuple[OutcomeFacts, ...]:
        """Look at what is measured in each group."""
        y, s = self.sample.frame.outcome(self.only_outcome), self.sample.sample_weight
        if self.metrics.per is None:
            ends = self.sample.frame.ends(self.only_outcome)
            return facts_of_groups(groups, y, sample_weight=s, ends=ends)
        return facts_of_metrics(groups, y, self.sample.frame.outcome(self.metrics.per), self.sample.mass)

    def facts(self, name: str) -> OutcomeFacts:
        """Look at what is measured of one outcome in the rows that are there."""
        per, s = self.metrics.per, self.sample.mass
        if per is None:
            return self.sample.facts(name)
        c, v = (self.sample.present(self.sample.frame.outcome(part)) for part in (name, per))
        return facts_of_metric(c, v, None if s is None else self.sample.present(s))

    def of_columns(self, means_of: Callable[[str], GroupMeans]) -> GroupMeans:
        """Give the means by group of what is measured, from those of columns."""
        means = means_of(self.only_outcome)
        return means if self.metrics.per is None else ratio_of_means(means, means_of(self.metrics.per))

    def effect(self, name: str, effect_on: Callable[[str], Effect], contrast: Contrast) -> Effect:
        """Estimate the effect on one outcome.

        Parameters
        ----------
        effect_on : callable
            From the name of a column to the effect on it, as the contrast that `Metrics.of_parts` says.
        """
        found, per = effect_on(name), self.metrics.per
        if per is not None:
            found = metric_effect(found, effect_on(per), self.facts(name), contrast)
        words = self.words(name)
        return replace(found, measured=words) if words else found

    def effects(
        self, effect_on: Callable[[str], Effect], contrast: Contrast, told: Sequence[str] = ()
    ) -> Effect | Effects:
        """Estimate the effect on each outcome asked for; `told` are warnings that have been said before."""
        once = functools.cache(effect_on)  # what several outcomes are divided by
        return for_each_outcome(self.metrics.outcome, lambda name: self.effect(name, once, contrast), told)


def _require_amounts(sample: Sample, per: str) -> None:
    """Require what is divided by to be amounts: never negative, and not zero throughout."""
    values = sample.frame.outcome(per, "what an outcome is divided by (per=)")
    rowwise_checks.not_negative(values, sample.frame.index, f"column '{per}'")
    if not sample.present(values).any():
        raise InvalidInputError(f"per: column '{per}' is 0 in every row, and nothing is divided by that")
