"""When an interval is known to be too narrow, and how to tell.

The limits come from simulated worlds with a known effect (Lunceford and Davidian 2004; Li, Thomas and Li
2019; 500 data sets each), in which 95% intervals were counted that held it. At n = 1,000 and more the
caution about overlap came in 64% to 100% of the data sets of worlds with little overlap, and in none of the
others.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from propensity import core
from propensity._check import Bools, Floats
from propensity.arms import balancing_part
from propensity.errors import BalanceWarning, OverlapWarning, SampleWeightWarning, SmallSampleWarning

# Coverage by the smaller arm's effective size, weighting for ATE: 10 to 20, 87%; 20 to 30, 91%; above, 92% to
# 95% where overlap is good. For ATO: 10 to 20, 92%; above 20, 94% and more.
_ENOUGH_ROWS = 30

# The sandwich over clusters is an average over them, too small where they are few: which may mean anything
# from below 20 to below 50 (Cameron and Miller 2015, section VI).
_ENOUGH_CLUSTERS = 40

# The effective share of an arm's rows, below which intervals covered less than 93% at n = 1,000. ATE: 91% at
# 0.52, 81% at 0.27, 64% at 0.16; but 95% at 0.85. ATT: 89% at 0.14; but 95% at 0.54, for one arm weighs
# nothing and the other is bound to be uneven. ATO and ATM bound every weight: 94% and more throughout.
_ENOUGH_OF_AN_ARM = {"ATE": 0.6, "ATT": 0.35, "ATC": 0.35}

# However uneven the weights, many rows make up for it: at n = 5,000 a heaviest row of 0.7% still goes with
# 93%. In the tutorial's data the heaviest holds 0.02%.
_HEAVY_ROW = 0.005

# An arm of which nine rows in ten count for nothing is worth a word with any estimand and any number of rows:
# the answer is about the tenth that is left.
_LEAST_OF_AN_ARM = 0.1


def overlap_cautions(estimand: str, weights: Floats, treated: Bools) -> tuple[Warning, ...]:
    """Say which arm's weighted mean leans on so few rows that its interval tends to be too narrow."""
    limit = _ENOUGH_OF_AN_ARM.get(estimand, 0.0)
    found = []
    for arm, members in {"treated": treated, "control": ~treated}.items():
        own = weights[members]
        ess, heaviest = own.sum() ** 2 / (own**2).sum(), own.max() / own.sum()
        uneven = ess < limit * len(own) and heaviest > _HEAVY_ROW
        if uneven or ess < _LEAST_OF_AN_ARM * len(own):
            found.append(
                f"{len(own):,} {arm} rows are worth {ess:,.0f} (ESS), and one of them has {heaviest:.1%} of "
                "the weight"
            )
    if not found:
        return ()
    remedy = "trim the rows of extreme scores"
    if estimand in _ENOUGH_OF_AN_ARM:
        remedy += ', use aipw, or estimand="ATO" for the effect where the arms overlap'
    return (
        OverlapWarning(
            f"little overlap: {'; '.join(found)}; intervals for the {estimand} by weighting tend to be too "
            f"narrow here; {remedy}"
        ),
    )


def size_cautions(
    ess_treated: float, ess_control: float, n_clusters: int | None = None
) -> tuple[Warning, ...]:
    """Say where there is too little of an arm, or too few clusters, for large-sample standard errors."""
    found: list[Warning] = []
    for arm, ess in {"treated": ess_treated, "control": ess_control}.items():
        if ess < _ENOUGH_ROWS:
            found.append(
                SmallSampleWarning(
                    f"the {arm} arm is worth {ess:.0f} rows; below {_ENOUGH_ROWS} the standard error tends "
                    "to be too small: take the interval as too narrow, or bootstrap it"
                )
            )
    if n_clusters is not None and n_clusters < _ENOUGH_CLUSTERS:
        found.append(
            SmallSampleWarning(
                f"{n_clusters} clusters; below {_ENOUGH_CLUSTERS} the clustered standard error tends to be "
                "too small: take the interval as too narrow"
            )
        )
    return tuple(found)


# Whole numbers that say of each row that it stands for several: a table of counts has them; rounded survey
# weights have them too, for which the standard errors are right.
_COUNTS = 3.0


def count_cautions(sample_weight: Floats | None) -> tuple[Warning, ...]:
    """Say that sample weights look like counts of identical users, which they are not to be."""
    if sample_weight is None:
        return ()
    n, total = int((sample_weight > 0).sum()), float(sample_weight.sum())
    if total < _COUNTS * n or not (sample_weight == np.floor(sample_weight)).all():
        return ()
    return (
        SampleWeightWarning(
            f"the sample weights are whole numbers, and {total:,.0f} in all for {n:,} rows: if they count "
            "identical users, the standard errors are too large, for they are those of the rows; spell the "
            "users out, df.loc[df.index.repeat(df['count'])], and leave the weights out"
        ),
    )


# An SMD above 0.1 in a covariate that matters is what is commonly called imbalance (Austin 2009; Stuart,
# Lee and Leacy 2013).
_BALANCED = 0.1

# Partners that are missing in a region, as a share of all that are wanted. In the tutorial's data 2,181 of
# 13,451 are, which moves the estimate from 0.080 to 0.103.
_PARTNERS_MISSING = 0.05


def balance_cautions(
    columns: Mapping[str, Floats], treated: Bools, weights: Floats, sample_weight: Floats | None
) -> tuple[Warning, ...]:
    """Say in what the arms still differ after matching, the worst first."""
    if not columns:
        return ()
    x = np.column_stack(list(columns.values()))
    balancing = balancing_part(weights, sample_weight)
    after = core.smd(x, treated, weights=balancing, sample_weight=sample_weight)
    found = dict(zip(columns, after.tolist(), strict=True))
    past = {name: smd for name, smd in found.items() if abs(smd) > _BALANCED}
    if not past:
        return ()
    before = dict(zip(columns, core.smd(x, treated, sample_weight=sample_weight).tolist(), strict=True))
    worst = sorted(past, key=lambda name: -abs(past[name]))[:3]
    figures = ", ".join(f"{name} {past[name]:+.2f} (before: {before[name]:+.2f})" for name in worst)
    more = f" and {len(past) - len(worst)} more" if len(past) > len(worst) else ""
    return (
        BalanceWarning(
            f"after matching the arms still differ by more than {_BALANCED} standard deviations in {figures}"
            f"{more}, so that an estimate is biased: set a caliper, match within columns (exact=), or "
            "adjust for what is left (bias_adjust= of effect)"
        ),
    )


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
    return (
        BalanceWarning(
            f"partners run short: {n_focal:,} {arms[0]} against {n_donors:,} {arms[1]} with scores from "
            f"{value[start]:.3f} to {value[end]:.3f}, where {missing:,.0f} of {wanted * n_focal:,} partners "
            "are missing; they come from elsewhere, and the estimate is biased: allow replace=True, or set a "
            "caliper, which leaves these units out"
        ),
    )
