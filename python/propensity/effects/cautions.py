"""When an interval is known to be too narrow, and how to tell.

The limits come from simulated worlds with a known effect (Lunceford and Davidian 2004; Li, Thomas and Li
2019; 500 data sets each), in which 95% intervals were counted that held it. At n = 1,000 and more the
caution about overlap came in 64% to 100% of the data sets of worlds with little overlap, and in none of the
others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from propensity.balance.imbalance import BALANCED, Imbalance
from propensity.errors import (
    BalanceWarning,
    CalibrationWarning,
    OverlapWarning,
    SampleWeightWarning,
    SeparationWarning,
    SmallSampleWarning,
)
from propensity.frames.checks import Bools, Floats
from propensity.scores.separation import LEFT_BY_NEWTON, Separation

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

_LITTLE_OVERLAP = "little overlap"

# Scores so near to 0 or 1 are 0 or 1: a row of the other arm there would weigh as much as a million others.
_AT_THE_END = 1e-6

# Whose effect a treated row is one of, and a control.
_FOCAL = {True: ("ATE", "ATT"), False: ("ATE", "ATC")}

# Coverage of the ATE by rows of the smaller arm for each term (benchmarks/rows_per_term.py: 10, 20 and 40
# terms, all models right): 2 rows, regression 87%, AIPW 86%, IPWRA 80%; 5 rows, 93%, 92%, 90%; 10 rows, 93%,
# 91%, 91%; 15 rows and more, 93% to 95%. For the ATT, where the smaller arm's model predicts its own rows
# only, 93% and more.
_ROWS_PER_TERM = 10

# Standard errors beyond which chance does not go; rows that no small sample is blamed for; and a factor of
# the odds of treatment that moves no estimate much.
_SURELY, _ROWS_ASTRAY, _ODDS_ASTRAY = 6.0, 10, 1.5

# Partners that are missing in a region, as a share of all that are wanted. In the tutorial's data 2,181 of
# 13,451 are, which moves the estimate from 0.080 to 0.103.
_PARTNERS_MISSING = 0.05


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
            f"{_LITTLE_OVERLAP}: {'; '.join(found)}; intervals for the {estimand} by weighting tend to be "
            f"too narrow here; {remedy}"
        ),
    )


def lone_cautions(
    scores: Floats, treated: Bools, estimand: str, separation: Separation | None
) -> tuple[Warning, ...]:
    """Say which rows that the effect is for have a score of 0 or 1, so that nobody stands for them.

    That are treated rows at 1 for the ATT, controls at 0 for the ATC, and both for the ATE. For the ATO and
    the ATM they weigh nothing.
    """
    focal = [arm for arm, estimands in _FOCAL.items() if estimand in estimands]
    if separation is not None:
        lone = not separation.cells or any(cell.treated in focal for cell in separation.cells)
        return (SeparationWarning(str(separation)),) if lone and focal else ()
    found = []
    for arm in focal:
        at_the_end = scores > 1 - _AT_THE_END if arm else scores < _AT_THE_END
        n = int((at_the_end & (treated == arm)).sum()) if at_the_end.any() else 0
        if n:
            rows = f"{n:,} {'treated' if arm else 'control'} row{'' if n == 1 else 's'}"
            other = "control" if arm else "treated row"
            found.append(f"{rows} with scores of {int(arm)}, for which no {other} stands")
    if not found:
        return ()
    return (
        OverlapWarning(
            f"{' and '.join(found)} (scores within {_AT_THE_END:g} of 0 or 1): drop them, and the effect is "
            "for the others"
        ),
    )


def weights_of_stood_for(weights: Floats, scores: Floats, treated: Bools) -> Floats | None:
    """Leave the weights (n,) of rows whose score is neither 0 nor 1; None if an arm has no such row."""
    stood_for = np.abs(scores - treated) >= _AT_THE_END + LEFT_BY_NEWTON * len(scores)
    left = np.where(stood_for, weights, 0.0)
    return left if left[treated].any() and left[~treated].any() else None


def size_cautions(
    ess: tuple[float, float],
    n_rows: tuple[int, int],
    n_clusters: int | None = None,
    told: Sequence[Warning] = (),
) -> tuple[Warning, ...]:
    """Say where there is too little of an arm, or too few clusters, for large-sample standard errors.

    `told` are cautions there are already: where weights are said to be uneven, an arm of enough rows is not
    too small on top of that.
    """
    uneven = any(str(caution).startswith(_LITTLE_OVERLAP) for caution in told)
    found: list[Warning] = [
        SmallSampleWarning(
            f"the {arm} arm is worth {size:.0f} rows; below {_ENOUGH_ROWS} the standard error tends to be "
            "too small: take the interval as too narrow"
        )
        for arm, size, n in zip(("treated", "control"), ess, n_rows, strict=True)
        if size < _ENOUGH_ROWS and not (uneven and n >= _ENOUGH_ROWS)
    ]
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


def terms_cautions(ess: tuple[float, float], n_terms: int, estimand: str) -> tuple[Warning, ...]:
    """Say where the outcome model of an arm has few rows for its terms, and predicts for other rows.

    `ess` is that of the rows fitted to, treated and controls; `n_terms` counts the intercept. The model of
    the treated is asked of the controls for the ATC, that of the controls of the treated for the ATT.
    """
    asked = {"ATE": (True, False), "ATT": (False,), "ATC": (True,)}[estimand]
    size, arm = min((ess[0] if treated else ess[1], treated) for treated in asked)
    # Of an arm that is small as a whole `size_cautions` tells.
    if size >= _ROWS_PER_TERM * n_terms or size < _ENOUGH_ROWS:
        return ()
    return (
        SmallSampleWarning(
            f"the outcome model has {n_terms:,} terms for {'treated' if arm else 'control'} rows worth "
            f"{size:,.0f}; below {_ROWS_PER_TERM} rows a term the standard error tends to be too small: take "
            "fewer terms (outcome_covariates=), or the interval as too narrow"
        ),
    )


def score_cautions(
    scores: Floats, treated: Bools, sample_weight: Floats | None = None
) -> tuple[Warning, ...]:
    """Say where given scores cannot be the probabilities of this treatment.

    Their mean is that of the treatment up to chance, the sum of e (1 - e) being the variance of the count;
    and the treated have the higher ones. Both are asked with more room than chance ever takes.
    """
    n, n_treated = len(scores), int(treated.sum())
    of_treated = float(scores @ treated)
    means = of_treated / n_treated, (float(scores.sum()) - of_treated) / (n - n_treated)
    spread = float(scores.std()) * math.sqrt(n / (n_treated * (n - n_treated)))
    found = []
    ways = [None] if sample_weight is None else [None, sample_weight]
    if not any(_calibrated(scores, treated, weights) for weights in ways):
        found.append(f"their mean is {scores.mean():.3g} where {n_treated / n:.3g} of the rows are treated")
    if means[0] - means[1] < -_SURELY * spread:
        among = f"the treated (mean {means[0]:.3g}) than among the controls ({means[1]:.3g})"
        found.append(f"they are lower among {among}")
    if not found:
        return ()
    remedy = (
        "fit them to this treatment and to these rows as they are, without class weights or resampled rows, "
        "or calibrate them"
    )
    if means[0] < means[1] and _calibrated(1 - scores, treated):
        remedy = "they look like the probability of being a control: take 1 - scores"
    return (
        CalibrationWarning(
            f"the scores cannot be the probabilities of this treatment: {', and '.join(found)}; {remedy}"
        ),
    )


def _calibrated(scores: Floats, treated: Bools, weights: Floats | None = None) -> bool:
    """Whether as many are treated as was to be expected, but for chance and for what would not matter."""
    w = np.ones(len(scores)) if weights is None else weights / weights.mean()
    count, expected = float(w @ treated), float(w @ scores)
    deviation = math.sqrt(float((w * scores) @ (w - w * scores)))
    if abs(count - expected) <= max(_SURELY * deviation, _ROWS_ASTRAY):
        return True
    n = len(scores)
    odds = count / (n - count) / (expected / (n - expected))
    return 1 / _ODDS_ASTRAY < odds < _ODDS_ASTRAY


def balance_cautions(imbalance: Imbalance | None, doing: str, advice: str) -> tuple[Warning, ...]:
    """Say in what the arms still differ after weighting or matching, the worst first, and what to do."""
    if imbalance is None:
        return ()
    return (
        BalanceWarning(
            f"after {doing} the arms still differ by more than {BALANCED} standard deviations in "
            f"{imbalance}: {advice}"
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
