"""What there is to say of matched rows and of the scores they were matched on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.effects.arms import effective_sizes
from propensity.effects.balance_terms import BalanceTerms
from propensity.effects.cautions import adjustment_cautions, balance_cautions
from propensity.effects.imbalance import find_imbalance
from propensity.errors import BalanceWarning
from propensity.frames.checks import Bools, Floats, Rows
from propensity.matching.rematching import Rematching
from propensity.matching.remedies import BIASED, Remedy
from propensity.scores.cautions import lone_cautions, score_cautions
from propensity.scores.model import PropensityModel

# Partners that are missing in a region, as a share of all that are wanted. In the tutorial's data 2,181 of
# 13,451 are, which moves the estimate from 0.080 to 0.103.
_PARTNERS_MISSING = 0.05


@dataclass(frozen=True, eq=False)
class MatchedBy:
    """What rows were matched by.

    Attributes
    ----------
    known : tuple of str
        The columns, those of the scores' model among them.
    balance_terms : BalanceTerms or None
        What balance is asked of.
    remedy : callable
        What can be done about imbalance.
    doubts : tuple of Warning
        What there is to say of the scores.
    alike : ndarray (n,) of int, or None
        As for `Matched`.
    rematching : Rematching or None
        How to do it again.
    """

    known: tuple[str, ...]
    balance_terms: BalanceTerms | None
    remedy: Remedy
    doubts: tuple[Warning, ...] = ()
    alike: Rows | None = None
    rematching: Rematching | None = None


def matching_cautions(
    balance_terms: BalanceTerms | None,
    treated: Bools,
    weights: Floats,
    sample_weight: Floats | None,
    remedy: Remedy,
    frequency: Floats | None = None,
) -> tuple[Warning, ...]:
    """Say what matched rows still differ in, and what can be done about it."""
    if balance_terms is None:
        return ()
    ess = effective_sizes(weights, treated, frequency)
    found = find_imbalance(
        balance_terms, treated, weights, ess=ess, sample_weight=sample_weight, frequency=frequency
    )
    return () if found is None else balance_cautions(found, "matching", f"{BIASED}; {remedy(found)}")


def scored_cautions(
    scores: object,
    values: Floats | None,
    treated: Bools,
    sample_weight: Floats | None,
    estimand: str,
    frequency: Floats | None = None,
    left_out: Bools | None = None,
) -> tuple[Warning, ...]:
    """Say of the scores (n,) of rows to be matched whether they can be right, and for whom nobody stands.

    Of rows that are `left_out` (n,) nobody is missed.
    """
    if values is None:
        return ()
    there = np.ones(len(values), dtype=bool) if sample_weight is None else sample_weight > 0
    kept = there if left_out is None else there & ~left_out
    separation = scores.separation if isinstance(scores, PropensityModel) else None
    users = None if frequency is None else frequency[kept]
    lone = lone_cautions(values[kept], treated[kept], estimand, separation, users)
    if isinstance(scores, PropensityModel):
        return (*adjustment_cautions(len(scores.terms) - 1), *lone)
    own = (None if given is None else given[there] for given in (sample_weight, frequency))
    return (*score_cautions(values[there], treated[there], *own), *lone)


def shortage_cautions(
    scores: Floats, focal: Bools, wanted: int, uses: int, *, treated: bool
) -> tuple[Warning, ...]:
    """Say where focal units want more partners than there are: the stretch of scores that lacks most.

    With `wanted` for each focal unit and minus `uses` for each donor, summed along the scores, it is the
    stretch with the largest sum (Kadane's algorithm), between places of equal scores.
    """
    value, place = np.unique(scores, return_inverse=True)
    need = np.bincount(place, weights=np.where(focal, float(wanted), -float(uses)))
    total = np.concatenate([[0.0], np.cumsum(need)])
    lowest = np.minimum.accumulate(total[:-1])
    end = int(np.argmax(total[1:] - lowest))
    missing = total[end + 1] - lowest[end]
    if missing <= _PARTNERS_MISSING * wanted * focal.sum():
        return ()
    start = int(np.flatnonzero(total[: end + 1] == lowest[end])[-1])
    inside = (scores >= value[start]) & (scores <= value[end])
    n_focal, n_donors = int((inside & focal).sum()), int((inside & ~focal).sum())
    arms = ("treated", "controls") if treated else ("controls", "treated")
    whence = "they come from elsewhere, and the estimate is biased"
    if uses * (~focal).sum() < wanted * focal.sum():
        whence = "there are not as many anywhere: the others come from elsewhere, and the estimate is biased"
    return (
        BalanceWarning(
            f"partners run short: {n_focal:,} {arms[0]} against {n_donors:,} {arms[1]} with scores from "
            f"{value[start]:.3f} to {value[end]:.3f}, where {missing:,.0f} of {wanted * n_focal:,} partners "
            f"are missing; {whence}: allow replace=True, or set a caliper, which leaves these units out"
        ),
    )
