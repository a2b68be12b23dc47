"""Effects by group from means whose rows have influence values, with models that were fitted to all rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from propensity.effects.arms import OutcomeFacts, is_event
from propensity.effects.cautions import may_be_uneven, overlap_cautions, size_cautions
from propensity.effects.clusters import count, of_lone_clusters, renumbered
from propensity.effects.contrasts import SCALES, Contrast, require_means
from propensity.effects.effect import Effect
from propensity.effects.group_influence import GroupInfluence
from propensity.effects.group_means import GroupMeans
from propensity.effects.grouped import CAUTIONS, REASON
from propensity.effects.leverage import USUAL, Correction
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import OfCells
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.grouping import Grouping
from propensity.frames.native import AnySeries, series_like
from propensity.results.read_only import ReadOnly

# As in all rows: of a single one there is no variance.
_FEWEST_ROWS = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupRows(OfCells, ReadOnly):
    """The n rows of G groups, and what they weigh.

    Attributes
    ----------
    groups : Grouping
    treated : ndarray (n,) of bool
    w : ndarray (n,)
        What rows weigh, sample weights included.
    weights : Series
        The same as results hold it; of cells a value each.
    first : ndarray (n_cells,) of int, or None
        Of cells the first row of each; None where every row is one user.
    facts : tuple of OutcomeFacts
        Of the outcome in each group.
    fingerprint : Fingerprint
    clusters : ndarray (n,) of int, or None
    estimand, se_method, measured : str
    weighs_alone : bool
        Whether weights alone make the arms alike, so that an uneven arm is worth a word.
    tidied : str
        What stands for missing values and rare levels of covariates; empty where nothing was tidied.
    """

    groups: Grouping
    treated: Bools
    w: Floats
    weights: AnySeries
    first: Rows | None
    facts: tuple[OutcomeFacts, ...]
    fingerprint: Fingerprint
    clusters: Rows | None
    estimand: str
    se_method: str
    measured: str
    weighs_alone: bool
    tidied: str

    def counts(self) -> Rows:
        """Count the rows of the arms, (2, G), the treated first."""
        return np.array([self.groups.count(self.treated), self.groups.count(~self.treated)])

    def without_errors(self) -> list[str]:
        """Say why a group can have no error, (G,): an arm of few rows or of one cluster; else nothing."""
        lone = of_lone_clusters(self.groups, self.treated, self.clusters, self.w)
        return [too_few(*n) or reason for n, reason in zip(self.counts().T.tolist(), lone, strict=True)]

    def effective_sizes(self) -> Floats:
        """Give what the arms of groups are worth, (2, G)."""
        w, sizes = self.w, []
        for arm in (self.treated, ~self.treated):
            own = np.where(arm, w, 0.0)
            total, squares = self.groups.sum(own), self.groups.sum(own**2)
            sizes.append(np.divide(total**2, squares, out=np.zeros(len(total)), where=squares > 0))
        return np.array(sizes)

    def n_clusters(self, place: int) -> int | None:
        """Count the clusters that a group has rows in; None where rows are independent."""
        if self.clusters is None:
            return None
        return count(renumbered(self.clusters[self.groups.rows(place)]))

    def cautions(self, place: int, ess: tuple[float, float], n_rows: tuple[int, int]) -> tuple[Warning, ...]:
        """Say of one group what would be said of it alone, of weights and sizes."""
        uneven: tuple[Warning, ...] = ()
        looked_at = self.weighs_alone and any(map(partial(may_be_uneven, self.estimand), ess, n_rows))
        if looked_at:
            rows = self.groups.rows(place)
            users = None if self.groups.frequency is None else self.groups.frequency[rows]
            uneven = overlap_cautions(self.estimand, self.w[rows], self.treated[rows], users)
        return (*uneven, *size_cautions(ess, n_rows, self.n_clusters(place), uneven))


@dataclass(frozen=True, eq=False)
class ModelledGroups(ReadOnly):
    """What weighting and outcome models know of the effects in groups: an `EffectsOfGroups`."""

    rows: GroupRows
    means: GroupMeans

    def figures(self, contrast: Contrast) -> pd.DataFrame:
        """Tabulate them, as `EffectsOfGroups` says."""
        groups, (n_treated, n_control) = self.rows.groups, self.rows.counts()
        ess = self.rows.effective_sizes()
        (treated, control), differences = self.means.means, self.means.differences
        reasons = self._reasons(contrast)
        errors, df, in_intervals = self._errors(contrast, reasons)
        scale, lines = SCALES[contrast], []
        w = ess.T.tolist()
        for place, reason in enumerate(reasons):
            n = int(n_treated[place]), int(n_control[place])
            if reason:
                lines.append([*[math.nan] * 8, *n, reason, ()])
                continue
            means = float(treated[place]), float(control[place])
            gap = float(differences[place])
            if contrast != "difference":
                gap = scale.link(means[0]) - scale.link(means[1])
            gap, error = self._without_rounding(place, gap, float(errors[place]), w[place], contrast)
            certainty = (df[place], in_intervals[place]) if error > 0 else (math.inf, 0.0)
            told = self.rows.cautions(place, (w[place][0], w[place][1]), n)
            lines.append([scale.report(gap), error, *certainty, *means, *w[place], *n, "", told])
        return pd.DataFrame(lines, columns=COLUMNS, index=groups.index)

    def effect(self, place: int, contrast: Contrast) -> Effect:
        """Give the effect in one group."""
        rows = self.rows
        members = rows.groups.rows(place)
        weights = np.zeros(len(rows.treated))
        weights[members] = rows.w[members]
        ess, n = rows.effective_sizes()[:, place].tolist(), rows.counts()[:, place].tolist()
        found = Effect.of(
            self.means.of_group(place),
            rows.facts[place],
            estimand=rows.estimand,
            treated=rows.by_cell(rows.treated),
            weights=series_like(rows.weights, rows.by_cell(weights)),
            fingerprint=rows.fingerprint,
            ess=(ess[0], ess[1]),
            se_method=rows.se_method,
            clusters=rows.clusters,
            frequency=rows.groups.frequency,
            n_clusters=rows.n_clusters(place),
            contrast=contrast,
            cautions=rows.cautions(place, (ess[0], ess[1]), (n[0], n[1])),
            whom=rows.groups.name(place),
        )
        if rows.first is not None and found.leverage is not None:
            found = replace(found, leverage=replace(found.leverage, treated=rows.treated))
        return replace(found, measured=rows.measured, tidied=rows.tidied)

    @property
    def corrected(self) -> bool:
        """Whether the errors of intervals are corrected for the leverage of rows."""
        return self.means.leverage is not None

    def _errors(self, contrast: Contrast, reasons: list[str]) -> tuple[Floats, Floats, Floats]:
        """Give standard errors (G,), and the degrees of freedom and the errors of intervals."""
        influence = self._influence(contrast, reasons)
        errors = np.sqrt(influence.variances)
        if not self.corrected:
            return errors, influence.degrees_of_freedom, errors
        corrected = self._influence(contrast, reasons, USUAL)
        return errors, corrected.degrees_of_freedom, np.sqrt(corrected.variances)

    def covariance(self, contrast: Contrast) -> Floats:
        """Give the covariance (G, G) on the scale of the errors."""
        return self._influence(contrast, self._reasons(contrast)).covariance

    def _reasons(self, contrast: Contrast) -> list[str]:
        """Say why there is no effect, group by group; empty where there is one."""
        means = self.means.means.T.tolist()
        return [
            reason or _no_contrast(contrast, own[0], own[1], facts)
            for reason, own, facts in zip(self.rows.without_errors(), means, self.rows.facts, strict=True)
        ]

    def _influence(self, contrast: Contrast, reasons: list[str], kind: Correction = "HC0") -> GroupInfluence:
        """Give the influence on the estimates, on the scale of their errors; zero where there is none."""
        slope = SCALES[contrast].slope
        slopes = [
            [
                0.0 if reason else sign * slope(float(mean))
                for mean, reason in zip(means, reasons, strict=True)
            ]
            for means, sign in zip(self.means.means, (1.0, -1.0), strict=True)
        ]
        return self.means.influence(np.array(slopes[0]), np.array(slopes[1]), kind)

    def _without_rounding(
        self, place: int, gap: float, error: float, ess: list[float], contrast: Contrast
    ) -> tuple[float, float]:
        """Take an estimate and an error that are nothing but rounding for 0, as `without_rounding` does."""
        facts = self.rows.facts[place]
        size = ess if self.rows.clusters is None else [float(count(self.rows.clusters))] * 2
        limit = facts.rounding() * math.sqrt(1 / size[0] + 1 / size[1])
        unit = max(abs(SCALES[contrast].slope(float(mean))) for mean in self.means.means[:, place])
        if not (facts.constant or error <= limit * unit):
            return gap, error
        is_rounding = facts.constant or abs(gap) <= facts.rounding(sum(ess)) * unit
        return (0.0 if is_rounding else gap), 0.0


COLUMNS = [
    "estimate",
    "std_error",
    "df",
    "interval_error",
    "mean_treated",
    "mean_control",
    "ess_treated",
    "ess_control",
    "n_treated",
    "n_control",
    REASON,
    CAUTIONS,
]
"""Of the figures of effects by group."""


def facts_of_groups(
    groups: Grouping,
    values: Floats,
    *,
    sample_weight: Floats | None = None,
    ends: tuple[Floats, Floats] | None = None,
) -> tuple[OutcomeFacts, ...]:
    """Look at the values (n,) of an outcome in each group; `ends` are those of each row's users."""
    s = np.ones(len(values)) if sample_weight is None else sample_weight
    total = groups.sum(s)
    rest = values - (groups.sum(s * values) / total)[groups.codes]
    spread = np.sqrt(groups.sum(s * rest**2) / total)
    least, greatest = (values, values) if ends is None else ends
    low, high = groups.smallest(least), groups.largest(greatest)
    inside = (low >= 0) & (high <= 1)
    binary = groups.smallest(is_event(values).astype(np.float64)) > 0
    facts = (low, high, inside, spread, binary)
    return tuple(OutcomeFacts(*group) for group in zip(*(fact.tolist() for fact in facts), strict=True))


def too_few(n_treated: int, n_control: int) -> str:
    """Say which arm has too few rows for an effect; empty where both have enough."""
    few = [
        f"{n} {arm} row{'' if n == 1 else 's'}"
        for n, arm in ((n_treated, "treated"), (n_control, "control"))
        if n < _FEWEST_ROWS
    ]
    return f"no effect of {' and '.join(few)}; it takes {_FEWEST_ROWS} of each arm" if few else ""


def _no_contrast(contrast: Contrast, treated: float, control: float, facts: OutcomeFacts) -> str:
    """Say why two means have no such contrast; empty where they have."""
    if not (math.isfinite(treated) and math.isfinite(control)):
        return "no effect: an arm weighs nothing, or its mean to divide by is not above 0"
    try:
        require_means(contrast, treated, control, bounded=facts.bounded)
    except InvalidInputError as error:
        return str(error)
    return ""
