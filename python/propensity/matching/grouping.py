"""Groups made into subclasses: which of them hold both arms, and what their rows weigh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from propensity.effects.arms import weights_name
from propensity.effects.cautions import count_cautions
from propensity.effects.matching_specification import MatchingEstimand
from propensity.errors import NoMatchesError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame
from propensity.frames.counted_rows import mass_of
from propensity.matching.cautions import MatchedBy, matching_cautions
from propensity.matching.subclasses import Grouping, Subclasses
from propensity.results.read_only import ReadOnly


def make_subclasses(
    frame: Frame,
    groups: Rows,
    treated: Bools,
    cells: pd.DataFrame,
    by: MatchedBy,
    *,
    method: Grouping,
    estimand: MatchingEstimand,
    sample_weight: Floats | None,
    n_asked: int | None = None,
    total_distance: float = float("nan"),
) -> Subclasses:
    """Leave out the groups that lack an arm, number the others, and weigh their rows.

    Parameters
    ----------
    groups : ndarray (n,) of int
        Which of the groups 0 to G - 1 a row is in; -1 for none, as of rows of sample weight 0.
    cells : DataFrame (G, k)
        What tells the groups apart.
    by : MatchedBy

    Raises
    ------
    NoMatchesError
        No group has rows of both arms.
    """
    whole = whole_groups(groups, treated, len(cells))
    labels: Rows = np.where(whole, np.cumsum(whole), 0)[groups + 1]
    kept = cells[whole[1:]].set_axis(pd.RangeIndex(1, int(whole.sum()) + 1, name="subclass"))
    weights = subclass_weights(labels, treated, estimand, mass_of(sample_weight, frame.frequency))
    weights = weights if frame.frequency is None else weights / frame.frequency
    return Subclasses(
        method=method,
        estimand=estimand,
        weights=frame.series(weights, weights_name(sample_weight)),
        treated=treated,
        index=frame.index,
        fingerprint=frame.fingerprint(treated, sample_weight, keep=True),
        subclass=frame.numbers(labels, "subclass", missing=0),
        labels=labels,
        cells=kept,
        sample_weight=sample_weight,
        n_asked=n_asked,
        total_distance=total_distance,
        alike=by.alike,
        rematching=by.rematching,
        known=by.known,
        cautions=(
            *by.doubts,
            *matching_cautions(by.balance_terms, treated, weights, sample_weight, by.remedy, frame.frequency),
            *count_cautions(sample_weight, frame.code_of("sample_weight"), frame.frequency),
        ),
    )


def whole_groups(groups: Rows, treated: Bools, n_groups: int) -> Bools:
    """Say which of "none" and the groups 0 to G - 1 have rows of both arms, (G + 1,); "none" has not.

    Raises
    ------
    NoMatchesError
        None has.
    """
    whole = _arm_sums(groups + 1, treated, np.ones(len(treated)), n_groups + 1).min(axis=0) > 0
    whole[0] = False
    if not whole.any():
        raise NoMatchesError(
            f"none of the {n_groups:,} groups has rows of both arms, so nobody can be compared; make them "
            "coarser"
        )
    return np.asarray(whole)


@dataclass(frozen=True, eq=False)
class CellsAgain(ReadOnly):
    """Groups that stay what they are whichever rows there are: their rows, to be weighed again."""

    groups: Rows
    treated: Bools
    estimand: MatchingEstimand
    sample_weight: Floats | None

    @property
    def columns(self) -> list[Floats]:
        """The groups (n,)."""
        return [self.groups.astype(np.float64)]

    def weights(self, rows: Rows, scores: Floats | None) -> Floats:  # noqa: ARG002 - a `MatchAgain`
        """Leave out the groups that lack an arm among these rows, and weigh the others (m,)."""
        groups, treated = self.groups[rows], self.treated[rows]
        whole = whole_groups(groups, treated, int(self.groups.max()) + 1)
        labels: Rows = np.where(whole[groups + 1], groups + 1, 0)
        s = None if self.sample_weight is None else self.sample_weight[rows]
        return subclass_weights(labels, treated, self.estimand, s)


def subclass_weights(
    labels: Rows, treated: Bools, estimand: MatchingEstimand, sample_weight: Floats | None = None
) -> Floats:
    """Weigh rows so that in each subclass both arms weigh what those the effect is for do.

    With n the sum of the sample weights of a subclass's rows that the effect is for, and n_a that of an
    arm's, a row of the arm weighs n / n_a times its own sample weight: for the ATT treated rows 1, controls
    n_1 / n_0 (Iacus, King and Porro 2012, but for a constant factor that no weighted mean sees).

    Parameters
    ----------
    labels : ndarray (n,) of int
        Subclasses 1 to S, each with rows of both arms; 0 for rows left out, which weigh nothing.

    Returns
    -------
    ndarray (n,)
    """
    s = np.ones(len(labels)) if sample_weight is None else sample_weight
    sums = _arm_sums(labels, treated, s, int(labels.max()) + 1)
    target = {"ATT": sums[1], "ATC": sums[0], "ATE": sums[0] + sums[1]}[estimand]
    per_arm = np.divide(target, sums, out=np.zeros_like(sums), where=sums > 0)
    per_arm[:, 0] = 0.0
    return np.asarray(s * per_arm[treated.astype(np.int64), labels])


def _arm_sums(groups: Rows, treated: Bools, values: Floats, size: int) -> Floats:
    """Sum values by arm (control first) and group, (2, size)."""
    cells = groups + size * treated  # one pass, where picking out each arm would copy it
    return np.asarray(
        np.bincount(cells, weights=values, minlength=2 * size).reshape(2, size), dtype=np.float64
    )
