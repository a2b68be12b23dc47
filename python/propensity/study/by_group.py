"""Estimators side by side in groups of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from propensity.effects.estimators import IPW, Balancing, Estimator
from propensity.effects.grouped import GroupedEffects
from propensity.effects.subclass_specification import AnyMatching
from propensity.frames.grouping import Grouping
from propensity.outcomes.adjusted import AdjustedEffects
from propensity.outcomes.by_group import means_by_group
from propensity.outcomes.cross_fitted import CrossFittedEffects
from propensity.outcomes.questions import adjusted_in_groups
from propensity.scores.scored import Scored
from propensity.study.comparison import NAIVELY, Comparison, nothing_to_say
from propensity.weighting.balancing import BalancedSample
from propensity.weighting.by_group import groups_of, weighted_in_groups
from propensity.weighting.by_score import weighed_by
from propensity.weighting.doubts import ipw_doubts


def effects_in_groups(
    comparison: Comparison, estimator: Estimator | None, by: str | Sequence[str]
) -> GroupedEffects:
    """Estimate the effect in each group; the naive gap where there is no estimator."""
    measured, study, contrast = comparison.measured, comparison.study, comparison.contrast
    if isinstance(estimator, AnyMatching):
        matched: GroupedEffects = comparison.matches(estimator).effect(
            **comparison.columns_of_matches(measured.only_outcome), by=by
        )
        return matched.contrast_as(contrast)
    groups = groups_of(measured, by)
    if estimator is None:
        return _weighted(comparison, groups, NAIVELY, comparison.nothing_known)
    if isinstance(estimator, IPW):
        return _weighted(comparison, groups, estimator, comparison.scored(estimator))
    if isinstance(estimator, Balancing):
        balanced = BalancedSample.of(study.sample, study.score, estimator)
        return balanced.by_group(measured, groups, contrast)
    effects = comparison.effects_of(estimator)
    if isinstance(effects, CrossFittedEffects):
        return adjusted_in_groups(measured, effects, groups, effects.group_means, contrast)
    assert isinstance(effects, AdjustedEffects)
    return adjusted_in_groups(measured, effects, groups, partial(means_by_group, effects), contrast)


def _weighted(comparison: Comparison, groups: Grouping, spec: IPW, scored: Scored) -> GroupedEffects:
    measured = comparison.measured
    weighed = weighed_by(measured.sample, measured.only_outcome, scored, spec)
    doubts = nothing_to_say if spec is NAIVELY else ipw_doubts(measured.sample, scored, spec)
    return weighted_in_groups(measured, groups, scored, weighed, comparison.contrast, doubts)


def table_of_groups(
    effects: Mapping[str, GroupedEffects],
    failures: Mapping[str, str],
    order: Sequence[str],
    level: float,
) -> pd.DataFrame:
    """Put the estimates of each group under each other, in the order of the groups."""
    first = next(iter(effects.values()))
    index = first.groups.index
    left_out = ["p_holm", "p_bh", "mean_treated", "mean_control", "n_treated", "n_control"]
    tables = {label: found.to_frame(level).drop(columns=left_out) for label, found in effects.items()}
    none = pd.DataFrame(math.nan, index=index, columns=tables[order[0]].columns).astype({"note": object})
    tables |= {label: none.assign(note=reason) for label, reason in failures.items()}
    by_label = pd.concat([tables[label].reindex(index) for label in order])
    places = np.arange(len(by_label)).reshape(len(order), len(index)).T.ravel()
    keys = [(*(group if isinstance(group, tuple) else (group,)), label) for group in index for label in order]
    table: pd.DataFrame = by_label.iloc[places]
    table = table.set_axis(pd.MultiIndex.from_tuples(keys, names=[*first.by, "estimator"]))
    table.attrs = {"level": level, "contrast": first.contrast, "by": first.by}
    return table
