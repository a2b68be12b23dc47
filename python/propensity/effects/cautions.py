"""When an interval is known to be too narrow, and how to tell.

The limits come from simulated worlds with a known effect, in which 95% intervals by Student's t were counted
that held it (`benchmarks/cautions.py`): chosen in one half of the worlds, tried in the other. No sign tells
all that fail from all that hold, and a user is worse served by silence than by a caution too many: they warn
of nearly all that fail, and of some that hold. How often is in `docs/validation.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from propensity.effects.arms import effective_sizes
from propensity.effects.imbalance import BALANCED, Imbalance
from propensity.errors import (
    BalanceWarning,
    DegenerateWarning,
    OverlapWarning,
    SampleWeightWarning,
    SmallSampleWarning,
)
from propensity.frames.checks import MOST_LEVELS, Bools, Floats
from propensity.frames.levels import is_categorical
from propensity.frames.lines import Subject
from propensity.frames.native import Column

# Coverage by the smaller arm's effective size, weighting for the ATE: 5 to 10, 85%; 10 to 20, 91%; 20 and
# more, 94% to 96%. For the ATT and the ATO, and by outcome models: 10 and more, 93% to 97%.
_ENOUGH_ROWS = 20

# The sandwich over clusters is an average over them, too small where they are few: which may mean anything
# from below 20 to below 50 (Cameron and Miller 2015, section VI).
_ENOUGH_CLUSTERS = 40

# The effective share of an arm's rows, below which intervals covered less than 92% at n = 250 and 1,000. ATE:
# 83% to 91% at 0.45, 64% to 77% at 0.2; but 93% to 96% from 0.63 on. ATT: 73% to 88% at 0.08 to 0.16; but
# 93% to 97% from 0.36 on, for one arm weighs nothing and the other is bound to be uneven. ATO and ATM bound
# every weight: 94% and more throughout.
_ENOUGH_OF_AN_ARM = {"ATE": 0.55, "ATT": 0.25, "ATC": 0.25}

# Where fewer rows than this carry the variance of an effect by weighting it may be too narrow, if an arm's
# weights by themselves rest on so few rows (`expected_weights.py`) as this share of the smaller arm's. Where
# they rest on more, few rows are a small arm, which Student's law makes up for, as in an experiment. With 250
# rows and more that warns of 90% of the data sets in every world counted where intervals cover less than 92%;
# docs/validation.md has what else it warns of.
_FEW_CARRY = 60
_RESTS_ON = {"ATE": 0.225, "ATT": 0.08, "ATC": 0.08}

# However uneven the weights, many rows make up for it: at n = 5,000 a heaviest row of 0.7% still goes with
# 93%. In the tutorial's data the heaviest holds 0.02%.
_HEAVY_ROW = 0.005

# An arm of which nine rows in ten count for nothing is worth a word with any estimand and any number of rows:
# the answer is about the tenth that is left.
_LEAST_OF_AN_ARM = 0.1

# Balanced terms for each row that an arm is worth. In simulated worlds (n = 1,000 to 5,000, 10 and 59 terms,
# ATE and ATT) intervals by HC3 covered 93% to 97% below a fifth of a term; above they covered more, being up
# to 70% too wide, and without the correction 72% to 91%.
_TERMS_PER_ROW = 0.2

_LITTLE_OVERLAP = "little overlap"

HEAVY_TAILS = "heavy tails"
"""How a caution begins that is of the outcome's values, and no doubt about overlap."""

_WITHOUT = {
    "treated": 'estimand="ATT", which weighs the controls alone, or ',
    "control": 'estimand="ATC", which weighs the treated alone, or ',
}
"""Whose effect does not weigh an arm."""


# Rows of the smaller arm for each term of its model (10 to 40 terms, all models right): with errors corrected
# for leverage intervals for the ATE covered 94% to 95% from 5 rows on; with 1.75 they covered 96% to 99%, up
# to a quarter too wide. Fitted with weights, by what these are worth: IPWRA covered 85% to 92% at 1 to 4.5
# rows a term where overlap is poor, 93% and more above.
_ROWS_PER_TERM, _WEIGHTED_ROWS_PER_TERM = 3, 5


def level_cautions(columns: Mapping[str, Column], n_users: int) -> tuple[Warning, ...]:
    """Say of which columns there are so many levels that their coefficients are the penalty's work too."""
    found = []
    for name, column in columns.items():
        n_levels = len(column.cat.categories) if is_categorical(column) else 0
        if n_levels > MOST_LEVELS:
            found.append(
                SmallSampleWarning(
                    f"column '{name}': {n_levels:,} levels, of {n_users / n_levels:,.1f} rows on "
                    "average; the penalty draws the coefficients of small ones towards that of the first "
                    "level, and leaves their imbalance behind"
                )
            )
    return tuple(found)


def may_be_uneven(estimand: str, ess: float, n_rows: float) -> bool:
    """Whether an arm is worth so few of its rows that its interval may tend to be too narrow."""
    return ess < max(_ENOUGH_OF_AN_ARM.get(estimand, 0.0), _LEAST_OF_AN_ARM) * n_rows


def overlap_cautions(
    estimand: str,
    weights: Floats,
    treated: Bools,
    frequency: Floats | None = None,
    ess: tuple[float, float] | None = None,
) -> tuple[Warning, ...]:
    """Say which arm's weighted mean leans on so few rows that its interval tends to be too narrow.

    `weights` (n,) are of one user where rows stand for several, `frequency` (n,) of them; `ess` is what they
    are worth of the treated and of the controls, where that is known.
    """
    arms = {}
    ess = effective_sizes(weights, treated, frequency) if ess is None else ess
    n_treated = int(np.count_nonzero(treated)) if frequency is None else int(frequency @ treated)
    n_all = len(treated) if frequency is None else int(frequency.sum())
    for arm, n_users, ess_of_arm in zip(
        ("treated", "control"), (n_treated, n_all - n_treated), ess, strict=True
    ):
        if not may_be_uneven(estimand, ess_of_arm, n_users):
            continue  # which spares a look at its rows
        rows = treated if arm == "treated" else ~treated
        own = weights[rows]
        total = own.sum() if frequency is None else own @ frequency[rows]
        arms[arm] = Weighed(n_users, ess_of_arm, float(own.max() / total) if len(own) else 0.0)
    return uneven_cautions(estimand, arms)


class Weighed(NamedTuple):
    """How many rows an arm has, what they are worth (ESS), and the share of the heaviest in their weight."""

    n_rows: float
    ess: float
    heaviest: float


def uneven_cautions(estimand: str, arms: Mapping[str, Weighed]) -> tuple[Warning, ...]:
    """Say the same of arms, treated and control, of which no more than this is known."""
    found = []
    for arm, (n, ess, heaviest) in arms.items():
        if not may_be_uneven(estimand, ess, n):
            continue
        if heaviest > _HEAVY_ROW or ess < _LEAST_OF_AN_ARM * n:
            found.append(
                f"{n:,.0f} {arm} rows are worth {ess:,.0f} (ESS), and one of them has {heaviest:.1%} of "
                "the weight"
            )
    if not found:
        return ()
    remedy = "trim the rows of extreme scores"
    if estimand in _ENOUGH_OF_AN_ARM:
        remedy = f'take estimand="ATO" for the effect where the arms overlap, use aipw, or {remedy}'
    return (
        OverlapWarning(
            f"{_LITTLE_OVERLAP}: {'; '.join(found)}; intervals for the {estimand} by weighting tend to be "
            f"too narrow here; {remedy}"
        ),
    )


def carried_cautions(
    estimand: str,
    n_rows: tuple[int, int],
    df: float,
    behind: Callable[[], float],
    told: Sequence[Warning] = (),
    *,
    outcome: str,
    tails: Callable[[], tuple[float, str] | None] = lambda: None,
    jackknife: bool = True,
) -> tuple[Warning, ...]:
    """Say of an effect by weighting whose variance few rows carry, if `told` has not said why already.

    `behind` gives how many rows the weights by themselves rest on, `tails` how many the outcomes by
    themselves, with what bounds them, or None; both are asked only where few rows carry the variance. The ATO
    and the ATM, which bound every weight, hold.
    """
    if estimand not in _RESTS_ON or df >= _FEW_CARRY:
        return ()
    if any(isinstance(caution, OverlapWarning) for caution in told):
        return ()
    n_behind = behind()
    if n_behind >= _RESTS_ON[estimand] * min(n_rows):
        return ()
    wider = ', or take the wider conf_int(se="jackknife")' if jackknife else ""
    n_far, bounds = tails() or (math.inf, "")
    if n_far >= n_behind:
        bounds = ""
    carry = "few rows carry the variance"
    narrow = f"intervals for the {estimand} by weighting may be too narrow here"
    if bounds and n_behind >= _FEW_CARRY:
        return (
            SmallSampleWarning(
                f"{HEAVY_TAILS} of '{outcome}': {carry} (df {df:,.0f}), for values that are far out rather "
                f"than for their weights, which rest on about {n_behind:,.0f}; {narrow}; look at these rows, "
                f"and {bounds}{wider}"
            ),
        )
    beside = f"; values are far out too: {bounds}" if bounds else ""
    return (
        OverlapWarning(
            f"{carry} of '{outcome}' (df {df:,.0f}): where weights are as uneven as these scores make them, "
            f"about {n_behind:,.0f} do, and the smaller arm has {min(n_rows):,}; {narrow}; take aipw, "
            'weights that balance (fit_weights), or estimand="ATO" for the effect where the arms '
            f"overlap{wider}{beside}"
        ),
    )


def balanced_cautions(
    ess: Mapping[str, float], n_rows: Mapping[str, int], n_terms: int, *, estimand: str, penalty: float
) -> tuple[Warning, ...]:
    """Say of balancing weights where an arm is worth few rows, for the terms that are balanced or of its own.

    `ess` and `n_rows` are of the arms, "treated" and "control", that are weighed; `n_terms` counts the
    intercept.
    """
    larger = "a larger penalty" if penalty else "penalty=1.0"
    found: list[Warning] = []
    for arm, size in ess.items():
        n = n_rows[arm]
        other = _WITHOUT[arm] if estimand == "ATE" else ""
        if n_terms > _TERMS_PER_ROW * size:
            found.append(
                SmallSampleWarning(
                    f"{n_terms:,} terms are balanced on the worth of {size:,.0f} {arm} rows (ESS): the "
                    f"interval is wide and rough; balance fewer terms, or take {other}{larger}"
                )
            )
        elif size < _LEAST_OF_AN_ARM * n:
            found.append(
                OverlapWarning(
                    f"{_LITTLE_OVERLAP}: {n:,} {arm} rows are worth {size:,.0f} (ESS) once balanced; look at "
                    'who they are, or take ipw with estimand="ATO" for the effect where the arms '
                    "overlap"
                )
            )
    return tuple(found)


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
            f"the {arm} arm is worth {_short_of(_ENOUGH_ROWS, size)} rows; below {_ENOUGH_ROWS} the standard "
            "error tends to be too small, and may make the interval too narrow"
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


def _short_of(enough: float, size: float) -> str:
    """Write a size that is short of another so that it reads so: 29.98 of 30 as 29.9, and not as 30."""
    if round(size) < enough:
        return f"{size:,.0f}"
    return f"{math.floor(10 * size) / 10:,.1f}"


# Whole numbers that say of each row that it stands for several: a table of counts has them; rounded survey
# weights have them too, for which the standard errors are right.
_COUNTS = 3.0


def _named(given: Subject) -> str:
    return "'the count'" if given.name is None else repr(given.name)


def count_cautions(
    sample_weight: Floats | None, given: Subject, frequency: Floats | None = None
) -> tuple[Warning, ...]:
    """Say that sample weights look like counts of identical users, which they are not to be.

    `given` is how code writes them; `frequency` (n,) says how many users rows stand for as it is.
    """
    if sample_weight is None:
        return ()
    users = np.ones(len(sample_weight)) if frequency is None else frequency
    n, total = int(users[sample_weight > 0].sum()), float(sample_weight @ users)
    if total < _COUNTS * n or not (sample_weight == np.floor(sample_weight)).all():
        return ()
    return (
        SampleWeightWarning(
            f"the sample weights are whole numbers, and {total:,.0f} in all for {n:,} rows: if they count "
            "identical users, the standard errors are too large, for they are those of the rows; spell the "
            f"users out, {given.spelled_out()}, and leave the weights out; or make ps.Cells of the table, "
            f"ps.collapse(df, ..., frequency={_named(given)}), which count them"
        ),
    )


def adjustment_cautions(*n_terms: int) -> tuple[Warning, ...]:
    """Say that no model has a term, so that nothing is adjusted for."""
    if any(n_terms):
        return ()
    return (
        DegenerateWarning(
            "nothing is adjusted for: no covariate has a term, and the arms are compared as they are"
        ),
    )


def terms_cautions(
    ess: tuple[float, float], n_terms: int, estimand: str, *, weighted: bool = False
) -> tuple[Warning, ...]:
    """Say where the outcome model of an arm has few rows for its terms, and predicts for other rows.

    `ess` is that of the rows fitted to, treated and controls, `weighted` by their scores or not; `n_terms`
    counts the intercept. The model of the treated is asked of the controls for the ATC, that of the controls
    of the treated for the ATT.
    """
    enough = _WEIGHTED_ROWS_PER_TERM if weighted else _ROWS_PER_TERM
    leaning = "mostly too wide" if not weighted else "may be too narrow"
    asked = {"ATE": (True, False), "ATT": (False,), "ATC": (True,)}[estimand]
    size, arm = min((ess[0] if treated else ess[1], treated) for treated in asked)
    # Of an arm that is small as a whole `size_cautions` tells.
    if size >= enough * n_terms or size < _ENOUGH_ROWS:
        return ()
    return (
        SmallSampleWarning(
            f"the outcome model has {n_terms:,} terms for {'treated' if arm else 'control'} rows worth "
            f"{_short_of(enough * n_terms, size)}; below {enough} rows a term the interval is rough, and "
            f"{leaning}: take fewer terms (outcome_covariates=)"
        ),
    )


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
