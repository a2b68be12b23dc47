"""Full matching: everybody in a subclass of alike units, the sum of distances being the least there is."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity import _check, core
from propensity._check import Bools, Floats
from propensity._frame import AnyFrame
from propensity._sample import read_sample
from propensity.estimators import MatchingEstimand, Quantity
from propensity.scores import read_scores
from propensity.subclasses import Subclasses, make_subclasses

CaliperUnit: TypeAlias = Literal["sd", "raw"]
CaliperSd: TypeAlias = Literal["all", "pooled"]


def match_full(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    estimand: MatchingEstimand = "ATT",
    on: Quantity = "score",
    caliper: float | None = None,
    caliper_unit: CaliperUnit = "sd",
    caliper_sd: CaliperSd = "all",
    exact: Sequence[str] = (),
    sample_weight: object = None,
) -> Subclasses:
    """Put every unit into a subclass of one unit of an arm and one or more of the other, as near as can be.

    Nobody is left out (but for a caliper or `exact`), and no unit stands for others that are far from it
    where nearer ones can be had: of all such subclasses these have the least sum of distances.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    scores : PropensityModel, str, Series or array (n,)
        A model fitted on these very rows, a column, or numbers strictly between 0 and 1.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect the weights are for; the subclasses are the same.
    on : {"score", "logit"}, default "score"
        What distances are measured on. The logit spreads out the scores near 0 and 1.
    caliper : float or None, default None
        The longest distance allowed. Units without a partner so near are left out. None allows any, so that
        the estimand stays what it says.
    caliper_unit : {"sd", "raw"}, default "sd"
        Whether the caliper is in standard deviations of the quantity matched on, or in its units.
    caliper_sd : {"all", "pooled"}, default "all"
        Which standard deviation: over all rows (divisor n - 1), as in MatchIt, or sqrt((s1^2 + s0^2) / 2) of
        those within the arms, as in Austin (2011).
    exact : sequence of str, default ()
        Columns in which the units of a subclass must agree.
    sample_weight : None, str, Series or array (n,), default None
        What each row counts for, as a survey weight does. It does not decide who is matched with whom.

    Returns
    -------
    Subclasses
        With `weights` for every row; `.effect(df["outcome"])` gives the estimate, and its standard error
        clustered by subclass.

    Raises
    ------
    NoMatchesError
        No unit has a partner within the caliper.
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, or `scores` is of other rows than `df`.

    Notes
    -----
    There is no limit on how many units share a subclass; a unit near many of the other arm has a subclass to
    itself. Of equally good solutions it is the one with most subclasses, across the gaps between runs of
    one arm. Where units of an arm have equal scores, who of them is in whose subclass is settled by a hash of
    their labels: shuffling the rows of a frame changes nothing.

    References
    ----------
    Rosenbaum (1991), Journal of the Royal Statistical Society B 53:597. Hansen and Klopfer (2006), Journal of
    Computational and Graphical Statistics 15:609. Stuart and Green (2008), Developmental Psychology 44:395.
    """
    _check.choice("estimand", estimand, get_args(MatchingEstimand))
    _check.choice("on", on, get_args(Quantity))
    _check.choice("caliper_unit", caliper_unit, get_args(CaliperUnit))
    _check.choice("caliper_sd", caliper_sd, get_args(CaliperSd))
    if caliper is not None:
        _check.number("caliper", caliper, above=0.0)
    columns = list(dict.fromkeys(exact))
    sample = read_sample(df, treatment=treatment, covariates=columns, sample_weight=sample_weight)
    frame, treated = sample.frame, sample.treated
    e = read_scores(frame, scores, treated)
    quantity = e if on == "score" else np.log(e / (1 - e))
    width = caliper
    if caliper is not None and caliper_unit == "sd":
        width = caliper * _deviation(quantity, treated, caliper_sd)
    found = core.match_full(
        quantity,
        treated,
        caliper=width,
        exact=frame.agreement(columns) if columns else None,
        rank=pd.util.hash_pandas_object(frame.index, index=False).to_numpy().view(np.int64),
    )
    return make_subclasses(
        frame,
        found.subclass - 1,
        treated,
        pd.DataFrame(index=pd.RangeIndex(found.n_subclasses)),
        method="full matching",
        estimand=estimand,
        sample_weight=sample.sample_weight,
        total_distance=found.total_distance,
    )


def _deviation(quantity: Floats, treated: Bools, over: CaliperSd) -> float:
    if over == "all":
        return float(quantity.std(ddof=1))
    within = [quantity[arm].var(ddof=1) for arm in (treated, ~treated)]
    return float(np.sqrt((within[0] + within[1]) / 2))
