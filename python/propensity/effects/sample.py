"""What every analysis of rows begins and ends with: roles read, an effect put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from propensity import core
from propensity.calls.warned import warn
from propensity.effects.arms import (
    ArmMeans,
    OutcomeFacts,
    Weighting,
    effective_sizes,
    weights_name,
)
from propensity.effects.cautions import count_cautions, overlap_cautions
from propensity.effects.clusters import by_role, count, read_clusters, summed_within
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.given_away import copy_cautions
from propensity.effects.several import Effects
from propensity.frames import rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame, open_frame
from propensity.frames.counted_rows import mass_of
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.kinds import read
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.rowwise import Reader

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows of an analysis.

    Attributes
    ----------
    frame : Frame
        Treatment, outcomes and covariates, complete.
    treated : ndarray (n,) of bool
    sample_weight : ndarray (n,) or None
        Of one user of the row; None where every user counts one.
    clusters : ndarray (n,) of int, or (n, 2), or None
        None where rows are independent; -1 for rows of sample weight 0; (n, 2) where two columns cross.
    """

    frame: Frame
    treated: Bools
    sample_weight: Floats | None
    clusters: Rows | None

    @property
    def frequency(self) -> Floats | None:
        """How many users each row stands for, (n,); None where each is one."""
        return self.frame.frequency

    @cached_property
    def mass(self) -> Floats | None:
        """What the users of each row count for together, (n,); None where every row counts one."""
        return mass_of(self.sample_weight, self.frequency)

    @property
    def row_weights(self) -> RowWeights:
        """What rows count for, as the core takes it."""
        return {"sample_weight": self.sample_weight, "frequency": self.frequency}

    def n_users(self, rows: Bools) -> int:
        """Count the users that some rows (n,) stand for."""
        return int(rows.sum() if self.frequency is None else self.frequency[rows].sum())

    @property
    def fingerprint(self) -> Fingerprint:
        """Which rows these are, by all columns that have been read of their frame."""
        return self.frame.fingerprint(self.treated, self.sample_weight)

    @cached_property
    def there(self) -> Bools | None:
        """Which rows are there, (n,): a row of sample weight 0 is not; None where all are."""
        if self.sample_weight is None or self.sample_weight.all():
            return None
        return self.sample_weight > 0

    @property
    def present_rows(self) -> Bools:
        """Which rows are there, (n,), as `there` says."""
        return np.ones_like(self.treated) if self.there is None else self.there

    def present(self, values: NDArray[T]) -> NDArray[T]:
        """Give the values (n,) of the rows that are there."""
        return values if self.there is None else values[self.there]

    @property
    def n_clusters(self) -> int | None:
        """How many clusters there are, of two columns in the one that has fewer; None of independent rows."""
        return None if self.clusters is None else count(self.clusters)

    def weighting(self, scores: Floats, estimand: WeightingEstimand) -> Weighting:
        """Weigh the rows by their scores."""
        found = core.balancing_weights(self.treated, scores, estimand=estimand, **self.row_weights)
        return Weighting(found.weights, found.ess_treated, found.ess_control)

    def unweighted(self) -> Weighting:
        """Leave the rows as they are."""
        found = core.balancing_weights(self.treated, **self.row_weights)
        return Weighting(found.weights, found.ess_treated, found.ess_control)

    def outcome_rows(self) -> tuple[float, float]:
        """Give what the rows of either arm are worth to an outcome model, treated and controls (Kish)."""
        if self.sample_weight is None:
            return self.n_users(self.treated), self.n_users(~self.treated)
        return effective_sizes(self.sample_weight, self.treated, self.frequency)

    def facts(self, outcome: str) -> OutcomeFacts:
        """Look at an outcome in the rows that are there."""
        there = slice(None) if self.there is None else self.there
        return OutcomeFacts.among(there, self.frame.outcome(outcome), self.mass, self.frame.ends(outcome))

    def copies(self, outcome: str, covariates: Iterable[str]) -> tuple[Warning, ...]:
        """Say which of the columns that are adjusted for are the outcome itself."""
        known = self.frame.plain
        columns = {name: known[name] for name in covariates if name in known}
        return copy_cautions(columns, self.frame.outcome(outcome), self.present_rows)

    def overlap_cautions(
        self, estimand: str, weights: Floats, ess: tuple[float, float]
    ) -> tuple[Warning, ...]:
        """Say where the weights (n,) of users, worth `ess` in either arm, rest on few of it."""
        frequency = None if self.frequency is None else self.present(self.frequency)
        treated = self.present(self.treated)
        return overlap_cautions(estimand, self.present(weights), treated, frequency, ess)

    @property
    def count_cautions(self) -> tuple[Warning, ...]:
        """Say that sample weights look like counts."""
        return count_cautions(self.sample_weight, self.frame.code_of("sample_weight"), self.frequency)

    def effect(
        self,
        outcome: str,
        means: ArmMeans,
        weighting: Weighting,
        *,
        estimand: str,
        contrast: Contrast,
        se_method: str,
        cautions: tuple[Warning, ...] = (),
        covariates: Iterable[str] = (),
        scores: Floats | None = None,
        tidied: str = "",
    ) -> Effect:
        """Put an effect together; `covariates` are the columns it is adjusted for, by these `scores` (n,).

        `tidied` says how they were tidied, where they are not of the sample's own frame.
        """
        copies = self.copies(outcome, covariates)
        found = Effect.of(
            means,
            self.facts(outcome),
            estimand=estimand,
            weights=self.frame.series(weighting.weights, weights_name(self.sample_weight)),
            ess=(weighting.ess_treated, weighting.ess_control),
            se_method=se_method + summed_within(self.clusters),
            clusters=self.clusters,
            frequency=self.frequency,
            treated=self.frame.by_cell(self.treated),
            n_clusters=self.n_clusters,
            contrast=contrast,
            cautions=(
                *copies,
                *cautions,
                *self.count_cautions,
            ),
            fingerprint=self.fingerprint,
        )
        if self.frequency is not None and found.leverage is not None:
            found = replace(found, leverage=replace(found.leverage, treated=self.treated))
        if self.frame.tidied is not None or tidied:
            found = replace(found, tidied=tidied or self.frame.tidied_words)
        if scores is None:
            return found
        own = scores if self.there is None else np.where(self.there, scores, np.nan)
        return replace(found, scores=self.frame.series(own, "propensity"))


def read_sample(
    df: AnyFrame,
    *,
    treatment: str,
    outcome: str | Sequence[str] | None = None,
    covariates: Sequence[str] = (),
    reader: Reader = read,
    labels: Sequence[str] = (),
    cluster: object = None,
    sample_weight: object = None,
    also: Mapping[str, object] | None = None,
    may_be_missing: Collection[str] = (),
) -> Sample:
    """Read the columns with a role; `reader`, `labels`, `also`, `may_be_missing` as for `open_frame`.

    Raises
    ------
    InvalidInputError
        As for `open_frame`; a negative sample weight; a single cluster; values of other rows than `df`.
    """
    together = by_role(cluster)
    also = {**(also or {}), **together, "sample_weight": sample_weight}
    frame = open_frame(
        df,
        treatment=treatment,
        outcome=outcome,
        covariates=covariates,
        reader=reader,
        labels=labels,
        also=also,
        may_be_missing=may_be_missing,
    )
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    clusters = None
    if cluster is not None:
        clusters = read_clusters(together, frame.groups, treated, weight)
    return Sample(frame, treated, weight, clusters)


def read_sample_weight(frame: Frame, sample_weight: object, treated: Bools) -> Floats | None:
    """Read what each row counts for; None where every row counts one."""
    if sample_weight is None:
        return None
    values, subject = frame.rowwise(sample_weight, "sample_weight")
    rowwise_checks.weights(values, treated, frame.index, subject)
    rowwise_checks.two_of_each_arm(values > 0, treated, subject, frame.frequency)
    return values


class RowWeights(TypedDict):
    """What rows count for, as the functions of the core take it."""

    sample_weight: Floats | None
    frequency: Floats | None


def rows_there(sample_weight: Floats | None) -> Bools | slice:
    """Say which rows are there: not those of weight 0. Where all are, it is a slice, which copies nothing."""
    if sample_weight is None or sample_weight.all():
        return slice(None)
    return np.asarray(sample_weight > 0)


def for_each_outcome(
    outcome: str | Sequence[str],
    effect_on: Callable[[str], Effect],
    told: Sequence[str] = (),
) -> Effect | Effects:
    """Give an `Effect` for one outcome, `Effects` for a list; warn once of what was not told before."""
    effects = {name: effect_on(name) for name in outcome_names(outcome)}
    warn_once((caution for effect in effects.values() for caution in effect.cautions), told)
    first = next(iter(effects.values()))
    return first if isinstance(outcome, str) else Effects(effects)


def warn_once(cautions: Iterable[Warning], told: Sequence[str] = ()) -> None:
    """Warn of each caution, but of none that was told before, in the same words."""
    words = set(told)
    for caution in cautions:
        if str(caution) not in words:
            words.add(str(caution))
            warn(caution)
