"""Effects by group with weights that balance terms over all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from propensity.effects.arms import Means, OutcomeFacts, effective_sizes
from propensity.effects.clusters import count, of_lone_clusters, renumbered, summed_within
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import Balancing
from propensity.effects.group_means import origin_of
from propensity.effects.grouped import GroupedEffects
from propensity.effects.modelled_groups import too_few
from propensity.effects.ratio_metrics import facts_of_metric, metric_effect
from propensity.effects.separate_groups import SeparateGroups
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import OfCells, mass_of
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.grouping import Grouping
from propensity.frames.native import AnySeries, series_like
from propensity.weighting.balanced_terms import BalancedTerms

# Numbers of influence on the estimates of all groups that are held: 320 MB.
_MOST_NUMBERS = 40_000_000


@dataclass(frozen=True, eq=False)
class BalancedRows(OfCells):
    """Rows whose weights balance terms, and what their effects are made of.

    Attributes
    ----------
    w : ndarray (n,)
        What rows weigh, sample weights included.
    weights : Series
        The same as results hold it; of cells a value each.
    first : ndarray (n_cells,) of int, or None
        Of cells the first row of each; None where every row is one user.
    """

    terms: BalancedTerms
    spec: Balancing
    treated: Bools
    w: Floats
    weights: AnySeries
    sample_weight: Floats | None
    fingerprint: Fingerprint
    clusters: Rows | None
    se_method: str
    first: Rows | None = None

    def by_group(
        self,
        groups: Grouping,
        outcome: Floats,
        per: Floats | None,
        contrast: Contrast,
        measured: str,
        cautions: tuple[Warning, ...],
        ends: tuple[Floats, Floats] | None = None,
    ) -> GroupedEffects:
        """Estimate the effect in each group; `ends` of the outcome are those of each row's users.

        Raises
        ------
        InvalidInputError
            There are more rows and groups than memory for what each row adds to each group.
        """
        if len(self.treated) * groups.n_groups > _MOST_NUMBERS:
            raise InvalidInputError(
                f"by: {groups.n_groups:,} groups of {len(self.treated):,} rows, each of which moves all "
                "groups through the weights; group more coarsely, or take ipw(..., by=)"
            )
        counts = np.array([groups.count(self.treated), groups.count(~self.treated)])
        lone = of_lone_clusters(groups, self.treated, self.clusters, self.w)
        effects = [
            too_few(*n)
            or lone[place]
            or replace(self._effect(groups, place, outcome, per, ends), measured=measured)
            for place, n in enumerate(counts.T.tolist())
        ]
        return GroupedEffects.of(
            SeparateGroups(groups, tuple(effects), counts, self.clusters, whole=True),
            groups,
            estimand=self.spec.estimand,
            contrast=contrast,
            se_method=self.se_method + summed_within(self.clusters),
            measured=measured,
            how="weights that balance all rows",
            cautions=cautions,
        )

    def _effect(
        self,
        groups: Grouping,
        place: int,
        outcome: Floats,
        per: Floats | None,
        ends: tuple[Floats, Floats] | None,
    ) -> Effect:
        rows = groups.rows(place)
        found = self._on(groups, place, outcome, ends)
        if per is None:
            return found
        mass = mass_of(self.sample_weight, groups.frequency)
        own = None if mass is None else mass[rows]
        facts = facts_of_metric(outcome[rows], per[rows], own)
        return metric_effect(found, self._on(groups, place, per), facts, "difference")

    def _on(
        self, groups: Grouping, place: int, y: Floats, ends: tuple[Floats, Floats] | None = None
    ) -> Effect:
        rows, f = groups.rows(place), groups.frequency
        weights = np.zeros(len(y))
        weights[rows] = self.w[rows]
        found = self._means(y, weights, f)
        return Effect.of(
            found,
            OutcomeFacts.among(rows, y, mass_of(self.sample_weight, f), ends),
            estimand=self.spec.estimand,
            treated=self.by_cell(self.treated),
            weights=series_like(self.weights, self.by_cell(weights)),
            fingerprint=self.fingerprint,
            ess=effective_sizes(weights, self.treated, f),
            se_method=self.se_method,
            clusters=self.clusters,
            frequency=f,
            n_clusters=None if self.clusters is None else count(renumbered(self.clusters[rows])),
            whom=groups.name(place),
        )

    def _means(self, y: Floats, weights: Floats, users: Floats | None) -> Means:
        """Give the means of a group, whose rows alone weigh something here.

        An arm's mean in the group solves sum w u = 0 over the arm, with u = 1{in the group} (y - mean): what
        a row adds to it is what it adds to the weighted mean of u over the whole arm, by the share of the
        arm's weight that the group has.
        """
        treated, whole = self.treated, self.w
        f = np.ones(len(y)) if users is None else users
        origin = origin_of(y, weights > 0)
        y = y - origin
        means = [float(np.average(y[arm], weights=(f * weights)[arm])) for arm in (treated, ~treated)]
        rest = np.where(weights > 0, y - np.where(treated, *means), 0.0)
        moved = self.terms.effect(rest, treated, whole, self.sample_weight, self.spec, users)
        shares = [float((f * weights)[arm].sum() / (f * whole)[arm].sum()) for arm in (treated, ~treated)]
        assert moved.influence_treated is not None
        assert moved.influence_control is not None
        return Means(
            origin + means[0],
            origin + means[1],
            moved.influence_treated / shares[0],
            moved.influence_control / shares[1],
            self.clusters,
            means[0] - means[1],
        )


def named(values: Sequence[object]) -> list[str]:
    """Give the names of columns among what was given."""
    names = [value if isinstance(value, str) else getattr(value, "name", None) for value in values]
    return [name for name in names if isinstance(name, str)]
