"""Matching: the nearest neighbours on the propensity score."""

from propensity import _check, core
from propensity._frame import AnyFrame, open_frame
from propensity.estimators import MatchingEstimand, NearestNeighbors, Quantity
from propensity.matches import Matches
from propensity.results import PropensityModel
from propensity.scores import given_scores, read_scores, read_terms


def match_nn(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    estimand: MatchingEstimand = "ATT",
    n_neighbors: int = 1,
    caliper: float | None = None,
    on: Quantity = "score",
    n_threads: int | None = None,
) -> Matches:
    """Match each unit with the units of the other group whose scores are nearest, with replacement.

    The answer does not depend on the order of the rows: neighbours at the same distance (within 1e-12) share
    the weight.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    scores : PropensityModel, str, Series or array (n,)
        A model fitted on these very rows, whose standard error then counts that the score was estimated; or a
        column or numbers strictly between 0 and 1, which are taken as known.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect: ATT matches each treated unit with controls, ATC each control with treated units, ATE
        both.
    n_neighbors : int, default 1
        Neighbours per unit. One has the least bias; more have less variance.
    caliper : float or None, default None
        Largest distance allowed, in standard deviations (over all rows, divisor n - 1) of the quantity
        matched on. None allows any, so that no unit is left out and the estimand stays what it says.
    on : {"score", "logit"}, default "score"
        The quantity matched on. The logit spreads out the scores near 0 and 1.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    Matches
        With `weights` for every row; `.effect(df["outcome"])` gives the estimate and its standard error.

    Raises
    ------
    NoMatchesError
        No unit has a neighbour within the caliper.
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, or `scores` is of other rows than `df`.
    """
    spec = NearestNeighbors(estimand, n_neighbors, caliper, on)
    _check.threads(n_threads)
    frame = open_frame(df, treatment=treatment, also=given_scores(scores))
    treated = frame.treated(treatment)
    e = read_scores(frame, scores, treated)
    x, penalty = None, 0.0
    # Every row counts once here: what other weights do to the scores' error is not known.
    if isinstance(scores, PropensityModel) and scores.sample_weight is None:
        x, penalty = read_terms(df, scores), scores.penalty
    found = core.match_nn(
        e,
        treated,
        estimand=spec.estimand,
        n_neighbors=spec.n_neighbors,
        caliper=spec.caliper,
        on=spec.on,
        n_threads=n_threads,
    )
    return Matches(
        estimand=spec.estimand,
        spec=spec,
        weights=frame.series(found.weights, "weights"),
        n_matched=found.n_matched,
        n_unmatched=found.n_unmatched,
        n_pairs=found.n_pairs,
        max_distance=found.max_distance,
        caliper_width=found.caliper_width,
        treated=treated,
        scores=e,
        x=x,
        penalty=penalty,
        focal=found.focal,
        donors=found.donors,
        first=found.first,
        last=found.last,
        index=frame.index,
    )
