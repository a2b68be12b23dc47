"""Effects by group from models that were fitted in each group on its own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.clusters import count, renumbered, ways
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.group_cautions import told_of_groups
from propensity.effects.grouped import GroupedEffects
from propensity.effects.modelled_groups import COLUMNS, too_few
from propensity.effects.sample import warn_once
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.grouping import Grouping
from propensity.results.read_only import ReadOnly


@dataclass(frozen=True, eq=False)
class SeparateGroups(ReadOnly):
    """The effects in G groups, each of its own rows: an `EffectsOfGroups`.

    Attributes
    ----------
    groups : Grouping
    effects : tuple of (Effect or str)
        By group; or why there is none.
    counts : ndarray (2, G) of int
        The rows of the arms, the treated first.
    clusters : ndarray (n,) of int, or (n, 2), or None
        Which rows vary together, over all groups.
    whole : bool, default False
        Whether the effects have the influence of all rows, and not of those in their group alone.
    """

    groups: Grouping
    effects: tuple[Effect | str, ...]
    counts: Rows
    clusters: Rows | None
    whole: bool = False

    @property
    def corrected(self) -> bool:
        """Whether the errors of intervals are corrected for the leverage of rows."""
        first = next((effect for effect in self.effects if isinstance(effect, Effect)), None)
        return first is not None and first.leverage is not None

    def figures(self, contrast: Contrast) -> pd.DataFrame:
        """Tabulate them, as `EffectsOfGroups` says."""
        lines = []
        for place, n in enumerate(self.counts.T.tolist()):
            effect, reason = self._effect_as(place, contrast)
            if effect is None:
                lines.append([*[math.nan] * 8, *n, reason, ()])
                continue
            means = [effect.mean_treated, effect.mean_control, effect.ess_treated, effect.ess_control]
            errors = [effect.std_error, effect.df, effect.interval_error]
            lines.append([effect.estimate, *errors, *means, *n, "", effect.cautions])
        return pd.DataFrame(lines, columns=COLUMNS, index=self.groups.index)

    def effect(self, place: int, contrast: Contrast) -> Effect:
        """Give the effect in one group."""
        effect, reason = self._effect_as(place, contrast)
        if effect is None:
            raise InvalidInputError(reason)
        return effect

    def covariance(self, contrast: Contrast) -> Floats:
        """Give the covariance (G, G) on the scale of the errors.

        Groups that share no rows have something in common by their clusters alone.
        """
        effects = [self._effect_as(place, contrast)[0] for place in range(self.groups.n_groups)]
        if self.clusters is None and not self.whole:
            return np.diag([math.nan if effect is None else effect.std_error**2 for effect in effects])
        every = [None] if self.clusters is None else ways(self.clusters)
        sums = [self._sums(effects, way, clusters) for way, clusters in enumerate(every)]
        found = inference.two_ways([own.T @ own for own in sums])
        own_error = [0.0 if effect is None else effect.std_error**2 for effect in effects]
        found[np.diag_indices_from(found)] = own_error
        return found

    def _sums(self, effects: list[Effect | None], way: int, clusters: Rows | None) -> Floats:
        """Sum what rows add to each estimate within clusters, (C, G), times the root of C / (C - 1).

        The clusters of an effect are counted as its own error counts them.
        """
        n_units = len(self.groups.codes) if clusters is None else int(clusters.max()) + 1
        sums = np.zeros((n_units, len(effects)))
        for place, effect in enumerate(effects):
            if effect is None:
                continue
            influence = effect.influence
            assert influence is not None
            users = effect.frequency
            users = np.ones(len(influence)) if users is None else users
            influence = influence / users.sum()
            if clusters is None:
                sums[:, place] = influence * np.sqrt(users)
                continue
            own = clusters if self.whole else clusters[self.groups.rows(place)]
            if len(own) != len(influence):
                raise InvalidInputError(
                    "cluster: how matched groups vary together within clusters looks at single users, and a "
                    "row of these cells stands for many; take users = cells.expand() and "
                    "scores=model.predict(users)"
                )
            there = own >= 0
            assert self.clusters is not None
            assert effect.clusters is not None
            # Matched sets are a way of their own, which no two groups share.
            theirs = ways(effect.clusters)[way] if effect.clusters.ndim == self.clusters.ndim else own[there]
            n_own = count(renumbered(theirs))
            total = np.bincount(own[there], weights=(users * influence)[there], minlength=n_units)
            sums[:, place] = total * math.sqrt(n_own / (n_own - 1))
        return sums

    def _effect_as(self, place: int, contrast: Contrast) -> tuple[Effect | None, str]:
        """Give the effect as a contrast, or why there is none."""
        found = self.effects[place]
        if isinstance(found, str):
            return None, found
        try:
            return found.contrast_as(contrast), ""
        except InvalidInputError as error:
            return None, str(error)


def _of_each(se_method: str) -> str:
    """Say of every group what is said of one, whose sets and clusters are counted."""
    return re.sub(r"\d[\d,]* (sets|subclasses|clusters)", r"its \1", se_method)


@dataclass
class GroupWarnings:
    """What models have to say of the groups that they were fitted in; told once for all that say the same."""

    groups: Grouping
    heard: dict[int, list[Warning]] = field(default_factory=dict)

    def hear(self, place: int, caution: Warning) -> None:
        """Keep what is to be said of the group at a place."""
        self.heard.setdefault(place, []).append(caution)

    def tell(self) -> None:
        """Warn."""
        last = max(self.heard, default=-1)
        warn_once(told_of_groups([self.heard.get(place, []) for place in range(last + 1)], self.groups))


def effects_within(
    groups: Grouping,
    treated: Bools,
    clusters: Rows | None,
    effect_on: Callable[[Rows, Callable[[Warning], None]], Effect],
    *,
    contrast: Contrast,
    estimand: str,
    measured: str,
    how: str = "models of their own",
    warns: bool = True,
    whole: bool = False,
) -> GroupedEffects:
    """Estimate the effect in each group from its own rows.

    Parameters
    ----------
    warns : bool, default True
        Whether to warn of what there is to say of the groups, which stands in the result anyway.
    whole : bool, default False
        Whether effects have the influence of all rows.
    effect_on : callable
        From rows, and from what to call with warnings of models, to the effect, a difference.

    Raises
    ------
    InvalidInputError
        No group has an effect.
    """
    counts = np.array([groups.count(treated), groups.count(~treated)])
    heard, effects = GroupWarnings(groups), []
    for place, n in enumerate(counts.T.tolist()):
        found: Effect | str = too_few(*n)
        if not found:
            try:
                found = effect_on(groups.rows(place), partial(heard.hear, place))
                name = groups.name(place)
                found = replace(found, whom=f"{name}: {found.whom}" if found.whom else name)
            except InvalidInputError as error:
                found = str(error)
        effects.append(found)
    methods = [effect.se_method for effect in effects if isinstance(effect, Effect)]
    grouped = GroupedEffects.of(
        SeparateGroups(groups, tuple(effects), counts, clusters, whole),
        groups,
        estimand=estimand,
        contrast=contrast,
        se_method=_of_each(methods[0]) if methods else "none",
        measured=measured,
        how=how,
    )
    heard.tell()
    if warns:
        warn_once(grouped.cautions)
    return grouped
