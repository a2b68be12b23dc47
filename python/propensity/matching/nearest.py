"""Matching: the nearest neighbours on the propensity score, or among covariates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import get_args

import numpy as np

from propensity import core
from propensity.effects.arms import weights_name
from propensity.effects.cautions import count_cautions
from propensity.effects.matching_specification import (
    CaliperSd,
    CaliperUnit,
    Discard,
    MatchingEstimand,
    MatchingMethod,
    NearestNeighbors,
    Order,
    Space,
    Ties,
)
from propensity.effects.sample import warn_once
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.matching.calipers import caliper_table
from propensity.matching.cautions import neighbor_remedy, shortage_cautions
from propensity.matching.counted_matches import matches_of_cells
from propensity.matching.counted_neighbors import require_countable
from propensity.matching.matches import Matches
from propensity.matching.neighbors_again import FEW_MOVED, NeighborsAgain
from propensity.matching.rows_to_match import RowsToMatch, read_rows_to_match
from propensity.matching.slow import warn_of_time
from propensity.scores.choice import LOGISTIC
from propensity.scores.logistic import told_by_fit

_COUNTS = ("n_matched", "n_unmatched", "n_discarded", "n_pairs", "max_distance", "caliper_width", "drawn")
_FOUND = (*_COUNTS, "coordinates", "focal", "donors", "first", "last")
"""What `Matches` holds as the core gives it."""


@columns_by_name
@takes_cells()
def match_nn(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    treatment: str,
    scores: object = None,
    covariates: Covariates | None = None,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    estimand: MatchingEstimand = "ATT",
    n_neighbors: int = 1,
    replace: bool = True,
    max_reuse: int | None = None,
    method: MatchingMethod = "nearest",
    order: Order | None = None,
    on: Space = "score",
    caliper: float | Mapping[str, float] | None = None,
    caliper_unit: CaliperUnit = "sd",
    caliper_sd: CaliperSd = "all",
    exact: Sequence[str] = (),
    discard: Discard | None = None,
    sample_weight: object = None,
    ids: object = None,
    seed: int = 0,
    ties: Ties = "average",
    n_threads: int | None = None,
) -> Matches:
    """Match each unit with the nearest units of the other arm.

    Parameters
    ----------
    df, treatment : DataFrame, and str
        One row a unit, and a column of it, bool or 0/1, as for `fit_propensity`.
    scores : PropensityModel, CrossFittedScores, str, Series or array, or None, default None
        A model fitted on these very rows, whose standard error then counts that the score was estimated; or a
        column or numbers strictly between 0 and 1, which are taken as known. Needed on the score and logit.
    covariates : list of str, str, or None, default None
        As for `fit_propensity`, every level of a categorical counting; for the distances between covariates.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect: ATT matches each treated unit with controls, ATC each control with treated units, ATE
        both.
    n_neighbors : int, default 1
        Neighbours per unit. One has the least bias; more have less variance. Everybody gets a first before
        anybody gets a second.
    replace : bool, default True
        Whether a unit may be a neighbour more than once. Without, some get partners that are far from them
        wherever the other arm runs short: a warning says where.
    max_reuse : int or None, default None
        The most units that one may be a neighbour of. None means no limit.
    method : {"nearest", "optimal"}, default "nearest"
        "nearest" gives units their neighbours one after the other, "optimal" (without replacement only) to
        all at once: as many units with a neighbour as there can be, as many pairs (the one costs nothing of
        the other), and of these the least sum of distances. On the score or logit it is as fast; among
        covariates 200,000 units take some seconds; arms that lie apart and are of about one size take minutes
        from 60,000 on, which a warning tells.
    order : {"largest", "smallest", "closest", "random", "data"} or None, default None
        Who chooses first, where neighbours are taken from each other: by the score, the closest pair of all,
        by a draw, as the rows come (the one choice that depends on their order). None lets those with the
        fewest neighbours choose first: "largest" for treated units, "smallest" for controls, and "random"
        where there are no scores.
    on : {"score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"}, default "score"
        What distances are measured on: the score; its logit, which spreads out the scores near 0 and 1; or
        covariates, by their covariance within the arms, by that of their ranks (Rosenbaum 2010), or each on
        its standard deviation within the arms.
    caliper : float, dict, or None, default None
        Largest difference allowed. A number is for the score or logit matched on, and for the score where
        distances are between covariates. A dict is for named numeric columns; "scores" and "logit" mean
        those of `scores` (and are refused where a column has that name, too). A difference that only
        rounding puts beyond a caliper is within it. None allows any, so that no unit is left out and the
        estimand stays what it says.
    caliper_unit : {"sd", "raw"}, default "sd"
        Whether calipers are in standard deviations, or in units of the column.
    caliper_sd : {"all", "pooled"}, default "all"
        Which standard deviation of the rows not discarded: over all (divisor n - 1), as in MatchIt, or
        sqrt((s1^2 + s0^2) / 2) of those within the arms, as in Austin (2011). The result shows it.
    exact : sequence of str, default ()
        Columns in which a unit and its neighbours must agree: text, numbers, dates, whatever can be equal.
    discard : {"treated", "control", "both"} or None, default None
        Leave out the units of this arm (or both) whose score lies outside the range of the other arm's. (The
        convex hull of one score is its range.)
    sample_weight : None, str, Series or array (n,), default None
        What each row counts for, as a survey weight does. It does not decide who is matched with whom: a
        unit's weight goes to its donors, whose own weights only share it out among themselves. Rows of weight
        0 are not there. A model must have been fitted with the same.
    ids : None, str, Series, Index or array (n,), default None
        What rows are called, different for each: draws then belong to these alone, and `pairs` names rows by
        them where the index repeats labels.
    seed : int, default 0
        Of the draws, which belong to what rows hold in all columns of `df`, for any may be the outcome, and
        then to their labels. So another column may change them, as another seed does; a column's name and
        the order of rows, columns and levels do not.
    ties : {"average"}, default "average"
        What neighbours at the same distance (within 1e-12) do: share the weight. Where a unit may not be used
        freely there is nothing to share, and ties are settled by a draw.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    Matches
        With `weights` for every row; `.effect("outcome")` gives the estimate and its standard error.

    Raises
    ------
    NoMatchesError
        No unit has a neighbour within the calipers.
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, `scores` is of other rows than `df`,
        options contradict each other, or a draw decides and the index repeats labels.

    Warns
    -----
    BalanceWarning
        After matching the arms differ by more than 0.1 standard deviations in the score, in a term of its
        model or in a covariate matched on, or in a square or product of up to 30 of these, if beyond what
        chance does to them; or one arm runs short of partners in some region of the score.
    CalibrationWarning, OverlapWarning
        As for `ipw`.
    SlowWarning
        Optimal pairs of arms of about one size may take minutes, if these lie apart.

    Notes
    -----
    `Cells` are matched with replacement on the score or logit: all users of a cell are in one place and have
    the same neighbours, who share the weight as any others at the same distance do, and the standard error is
    that of the users. Where somebody may serve a limited number of times, or distances are between
    covariates, users have to be told apart: `cells.expand()`.

    The answer does not depend on the order of the rows. With replacement, neighbours at the same distance
    (within 1e-12) share the weight. Where a unit may not be used freely, a draw decides between them that
    depends on what the unit holds, in all columns of the frame, and between units that hold the same on their
    labels: on those of a pandas index that is not 0, 1, 2, ..., or on `ids`. Without labels it is their place
    that decides then, which is of no consequence for an outcome in the frame, and refused for others.

    References
    ----------
    Abadie and Imbens (2006), Econometrica 74:235. Austin (2011), Pharmaceutical Statistics 10:150.
    Rosenbaum (1989), Journal of the American Statistical Association 84:1024, for optimal pairs. Rosenbaum
    (2010), Design of Observational Studies, section 8.3. Stuart (2010), Statistical Science 25:1.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> matches = ps.match_nn(users, treatment=treatment, scores=model)
    >>> matches.n_matched
    538
    >>> print(f"{matches.effect('task_completed').estimate:.3f}")
    0.099

    Pairs in which nobody serves twice, within a caliper and within a tier:

    >>> options = {"replace": False, "caliper": 0.2, "exact": ["engagement_tier"]}
    >>> pairs = ps.match_nn(users, treatment=treatment, scores=model, **options)
    >>> pairs.n_matched, pairs.n_unmatched
    (445, 93)
    """
    spec = NearestNeighbors(
        estimand=estimand,
        n_neighbors=n_neighbors,
        caliper=caliper,
        on=on,
        replace=replace,
        max_reuse=max_reuse,
        method=method,
        order=order,
        covariates=covariates,
        exact=exact,
        discard=discard,
        caliper_unit=caliper_unit,
        caliper_sd=caliper_sd,
        seed=seed,
    )
    checks.choice("ties", ties, get_args(Ties))
    checks.threads(n_threads)
    require_countable(df, spec)
    rows = read_rows_to_match(
        df,
        spec,
        treatment=treatment,
        scores=scores,
        sample_weight=sample_weight,
        ids=ids,
        tidying=Tidying.of(missing, min_level_count),
    )
    matches = find_neighbors(rows, spec, n_threads)
    warn_once(matches.cautions, told_by_fit(scores))
    return matches


def find_neighbors(rows: RowsToMatch, spec: NearestNeighbors, n_threads: int | None = None) -> Matches:
    """Match rows that have been read."""
    spec = _without_an_idle_cap(rows, spec)
    if rows.frame.frequency is not None:
        return matches_of_cells(rows, spec, n_threads)
    warn_of_time(rows, spec)
    inputs = rows.inputs(spec)
    found, alike = rows.drawn(
        spec, partial(core.match_nn, **inputs.core_arguments(rows.scores), n_threads=n_threads)
    )
    everybody = _by_scores(rows, spec, found, n_threads)
    # Every row counts the same here: the core's own error knows of no other weights.
    s = rows.sample_weight
    counted = rows.estimated if spec.is_plain and (s is None or s.min() == s.max()) else None
    return Matches(
        estimand=spec.estimand,
        spec=spec,
        weights=rows.frame.series(found.weights, weights_name(rows.sample_weight)),
        **{name: getattr(found, name) for name in _FOUND},
        calipers=caliper_table(spec, found.caliper_widths),
        treated=rows.treated,
        scores=rows.scores,
        design=None if counted is None else counted.design,
        penalty=0.0 if counted is None else counted.penalty,
        score_model=LOGISTIC if counted is None else counted.score_model,
        exact=rows.exact,
        sample_weight=rows.sample_weight,
        index=rows.frame.index,
        fingerprint=rows.frame.fingerprint(rows.treated, rows.sample_weight, keep=True),
        known=rows.known,
        cautions=(
            *rows.doubts,
            *_shortage(rows, spec),
            *rows.imbalance(found.weights, neighbor_remedy(spec)),
            *count_cautions(rows.sample_weight, rows.frame.code_of("sample_weight")),
        ),
        ids=rows.names,
        alike=alike,
        rematching=rows.rematching(NeighborsAgain(inputs, spec), spec, everybody=everybody),
    )


def _without_an_idle_cap(rows: RowsToMatch, spec: NearestNeighbors) -> NearestNeighbors:
    """Leave out a cap on reuse that no unit can reach: what is left is matching with replacement."""
    treated = rows.treated[rows.there]
    n_served = {"ATT": treated.sum(), "ATC": (~treated).sum()}
    most = n_served.get(spec.estimand, max(n_served.values()))
    idle = spec.max_reuse is not None and spec.replace and spec.max_reuse >= most
    return dataclasses.replace(spec, max_reuse=None) if idle else spec


def _by_scores(rows: RowsToMatch, spec: NearestNeighbors, found: core.Matches, n_threads: int | None) -> bool:
    """Say whether nobody is left out, and calipers on columns did not decide who is matched with whom.

    Without replacement such calipers may: the error then comes out too wide, not too narrow.
    """
    if found.n_unmatched + found.n_discarded > 0:
        return False
    on_columns = any(values is not None for values, _ in rows.inputs(spec).calipers.values())
    if not on_columns or rows.estimated is None or not spec.on_scores or spec.max_uses is not None:
        return True
    free = rows.inputs(dataclasses.replace(spec, caliper=None))
    plain = core.match_nn(**free.core_arguments(rows.scores), n_threads=n_threads)
    moved = np.abs(plain.weights - found.weights).sum() / 2
    return bool(moved <= FEW_MOVED * found.weights.sum() / 2)


def _shortage(rows: RowsToMatch, spec: NearestNeighbors) -> tuple[Warning, ...]:
    # Strata have their own shortages, and a caliper leaves out whom they would harm.
    if rows.scores is None or spec.max_uses is None or spec.exact or spec.caliper is not None:
        return ()
    focal = rows.treated == (spec.estimand == "ATT")
    if spec.estimand == "ATE":
        return ()
    there = rows.there
    return shortage_cautions(
        rows.scores[there], focal[there], spec.n_neighbors, spec.max_uses, treated=spec.estimand == "ATT"
    )
