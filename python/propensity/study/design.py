"""How large an effect has to be to be found, and how many users that takes: with no outcome, or a pilot's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np

from propensity.effects.cautions import overlap_cautions, size_cautions
from propensity.effects.effect import Effect
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.inference import kish
from propensity.effects.sample import Sample, read_sample, warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.counted_rows import source_of
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.scores.logistic import given_scores
from propensity.study.design_result import Design, Precision
from propensity.weighting.by_score import read_scored
from propensity.weighting.ipw import ipw


@columns_by_name
@takes_cells()
def design(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    outcome: str | None = None,
    std_dev: float | None = None,
    estimands: Sequence[WeightingEstimand] = ("ATE", "ATT", "ATO"),
    effect: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
    sample_weight: object = None,
) -> Design:
    """Say how small an effect can be found among users who choose for themselves, by each estimand.

    Parameters
    ----------
    df, treatment, scores : DataFrame or Cells, str, and PropensityModel, CrossFittedScores, str or values
        One row a user, or users counted, who opted in, and the propensity scores, as for `ipw`.
    outcome : str or None, default None
        Of a pilot, a column that is in already: what covariates explain of it, and how users differ, is in
        its standard errors.
    std_dev : float or None, default None
        Without an outcome, its standard deviation within the arms, in its units: 0.5 at most where it is 0/1.
        Of an outcome that covariates explain in part take what they leave, sd sqrt(1 - R^2).
    estimands : list of {"ATE", "ATT", "ATC", "ATO", "ATM"}, default ("ATE", "ATT", "ATO")
        Whose effects.
    effect : float or None, default None
        A difference that matters, in units of the outcome: with it the table says how likely it is to be
        found among these users, and how many it takes.
    power : float, default 0.8
        How likely the smallest effect is to be found, from 0.5 to below 1.
    level : float, default 0.95
        Coverage of the interval which then leaves out 0.
    sample_weight : None, str, Series or array (n,), default None
        As for `ipw`.

    Returns
    -------
    Design
        With `table`; `str()` is a sentence an estimand.

    Warns
    -----
    OverlapWarning, SmallSampleWarning
        As for `ipw`: an arm's weight lies on few rows, or it is worth few.

    Raises
    ------
    InvalidInputError
        Neither an outcome nor a standard deviation is given, or both; numbers that cannot be any of these.

    Notes
    -----
    An effect d is found where its interval leaves out 0: with a chance of 1 - T(t - d / s), s the standard
    error and t the quantile of Student's law T with the degrees of freedom of the effect. Without an outcome
    s is std_dev sqrt(1 / ess_treated + 1 / ess_control), effective sample sizes of the arms once weighted
    (Kish): uneven weights cost users. More users are taken for users like these.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier", "query_confidence"]}
    >>> model = ps.fit_propensity(users, **roles)
    >>> found = ps.design(users, treatment="opt_in_agent_mode", scores=model, std_dev=0.5, effect=0.05)
    >>> found.table[["smallest_effect", "power", "users_needed"]].round(2)
              smallest_effect  power  users_needed
    estimand
    ATE                  0.08   0.39        5536.0
    ATT                  0.08   0.38        5643.0
    ATO                  0.08   0.43        4879.0
    """
    _check(outcome, std_dev, effect, power)
    checks.confidence_level(level)
    own = [checks.estimand(name, get_args(WeightingEstimand)) for name in _listed(estimands)]
    sample = read_sample(df, treatment=treatment, sample_weight=sample_weight, also=given_scores(scores))
    scored = read_scored(sample, scores)
    found = {}
    for estimand in own:
        if outcome is None:
            assert std_dev is not None
            found[estimand] = _planned(sample, scored.scores, estimand, std_dev)
        else:
            pilot = ipw(
                source_of(df),
                outcome=outcome,
                treatment=treatment,
                scores=scores,
                estimand=estimand,
                sample_weight=sample_weight,
            )
            found[estimand] = _of_pilot(pilot, sample.n_users(sample.present_rows))
    return Design.of(found, effect=effect, power=power, level=level)


def _check(outcome: object, std_dev: object, effect: object, power: object) -> None:
    if (outcome is None) == (std_dev is None):
        given = "neither is given" if outcome is None else "both are given"
        raise InvalidInputError(
            f"outcome, std_dev: {given}; name the outcome of a pilot, or the standard deviation to expect"
        )
    if std_dev is not None:
        checks.number("std_dev", std_dev, above=0.0)
    if effect is not None:
        checks.number("effect", effect)
        if effect == 0:
            raise InvalidInputError("effect: no number of users finds an effect of 0; name one that matters")
    if not (checks.is_real(power) and 0.5 <= power < 1):
        raise InvalidInputError(f"power must be from 0.5 to below 1, as 0.8 is, not {power!r}")


def _listed(estimands: object) -> Sequence[object]:
    if isinstance(estimands, str):
        return [estimands]
    if not isinstance(estimands, Sequence) or not estimands:
        raise InvalidInputError(f"estimands: one or several are needed, as ['ATE', 'ATO'], not {estimands!r}")
    return list(dict.fromkeys(estimands))


def _planned(sample: Sample, e: Floats, estimand: WeightingEstimand, std_dev: float) -> Precision:
    """Reckon with an outcome of this spread in either arm."""
    weighting = sample.weighting(e, estimand)
    w, t = weighting.weights, sample.treated
    f = np.ones(len(w)) if sample.frequency is None else sample.frequency
    shares = np.where(t, w / (w @ (f * t)), w / (w @ (f * ~t)))
    error = std_dev * math.sqrt(1 / weighting.ess_treated + 1 / weighting.ess_control)
    ess, rows = (weighting.ess_treated, weighting.ess_control), (sample.n_users(t), sample.n_users(~t))
    uneven = overlap_cautions(estimand, w, t, sample.frequency, ess)
    warn_once((*uneven, *size_cautions(ess, rows, told=uneven)))
    n_users = sample.n_users(sample.present_rows)
    df = kish(shares**2, sample.frequency)
    return Precision(n_users, weighting.ess_treated, weighting.ess_control, error, df)


def _of_pilot(effect: Effect, n_users: int) -> Precision:
    return Precision(n_users, effect.ess_treated, effect.ess_control, effect.std_error, effect.df)
