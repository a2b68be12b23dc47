"""What is asked of estimators with an outcome model: of what, as which contrast, in which groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, get_args

from propensity.effects.arms import Weighting
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.group_means import GroupMeans
from propensity.effects.grouped import GroupedEffects
from propensity.effects.metrics import Measured, Metrics
from propensity.effects.sample import warn_once
from propensity.effects.several import Effects
from propensity.frames import checks
from propensity.frames.grouping import Grouping, require_groups
from propensity.frames.native import AnyFrame
from propensity.outcomes.models import Roles, Study, read_study
from propensity.weighting.by_group import group_rows, grouped_effects, groups_of, said_of_rows


class EffectsOfStudy(Protocol):
    """What estimates effects on outcomes of a study, the score being fitted already."""

    @property
    def study(self) -> Study:
        """The rows, and what models are made of."""

    @property
    def weighting(self) -> Weighting:
        """What rows weigh."""

    @property
    def cautions(self) -> tuple[Warning, ...]:
        """What there is to say of models and weights."""

    @property
    def estimand(self) -> str:
        """Whose effect."""

    @property
    def se_method(self) -> str:
        """How standard errors are made."""

    def __call__(self, outcome: str) -> Effect:
        """Estimate one effect."""


@dataclass(frozen=True)
class Question:
    """What to measure, the contrast, and the groups, if any; `within` says that each has its own models."""

    metrics: Metrics
    contrast: Contrast
    by: str | Sequence[str] | None = None
    within: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "contrast", checks.word("contrast", self.contrast, get_args(Contrast)))
        require_groups(self.by, within=self.within)

    @property
    def of_parts(self) -> Contrast:
        """The contrast to ask of single columns."""
        return self.metrics.of_parts(self.contrast)

    def read(
        self,
        df: AnyFrame,
        roles: Roles,
        also: Mapping[str, object] | None = None,
        takes_missing: tuple[bool, bool] = (False, False),
    ) -> MeasuredStudy:
        """Read a study, as `read_study` does, and look at what is to be measured."""
        roles = replace(roles, outcome=self.metrics.columns)
        study = read_study(df, roles, also, takes_missing, two_ways=True)
        measured = self.metrics.measured(study.sample)
        return MeasuredStudy(replace(study, sample=measured.sample), measured)

    def told_apart(self, read: MeasuredStudy) -> Study:
        """Give the study with its groups, which rows are dealt to folds by where all else is alike."""
        if self.by is None:
            return read.study
        return replace(read.study, beside=(groups_of(read.measured, self.by).codes,))

    def answer(
        self,
        measured: Measured,
        effects: EffectsOfStudy,
        group_means: Callable[[Grouping, str], GroupMeans],
        told: Sequence[str] = (),
    ) -> Effect | Effects | GroupedEffects:
        """Estimate what is asked for with models that were fitted to all rows.

        Parameters
        ----------
        measured : Measured
        effects : EffectsOfStudy
            As the contrast `of_parts`.
        group_means : callable
            From groups and the name of an outcome to the means of both arms in each.
        told : sequence of str
            Warnings that have been said before.
        """
        if self.by is None:
            return measured.effects(effects, self.contrast, told)
        groups = groups_of(measured, self.by)
        grouped = adjusted_in_groups(measured, effects, groups, group_means, self.contrast)
        warn_once(grouped.cautions, told)
        return grouped


def adjusted_in_groups(
    measured: Measured,
    effects: EffectsOfStudy,
    groups: Grouping,
    group_means: Callable[[Grouping, str], GroupMeans],
    contrast: Contrast,
) -> GroupedEffects:
    """Estimate the effect in each group with models that were fitted to all rows; as `Question.answer`."""
    rows = group_rows(
        measured,
        groups,
        effects.weighting,
        estimand=effects.estimand,
        se_method=effects.se_method,
        weighs_alone=False,
    )
    cautions = (*said_of_rows(measured, effects.study.columns), *effects.cautions)
    return grouped_effects(rows, measured.of_columns(partial(group_means, groups)), contrast, cautions)


@dataclass(frozen=True, eq=False)
class MeasuredStudy:
    """A study whose outcomes are as they are to be measured."""

    study: Study
    measured: Measured
