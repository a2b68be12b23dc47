"""Full matching: everybody in a subclass of alike units, the sum of distances being the least there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from propensity.calls.by_name import columns_by_name
from propensity.effects.estimators import (
    CaliperSd,
    CaliperUnit,
    Discard,
    MatchingEstimand,
    NearestNeighbors,
    Space,
)
from propensity.effects.sample import warn_once
from propensity.frames import checks
from propensity.frames.checks import Floats, Rows
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates
from propensity.matching.cast import read_cast
from propensity.matching.cautions import MatchedBy, caliper_remedy
from propensity.matching.inputs import MatchingInputs
from propensity.matching.subclasses import Subclasses, make_subclasses, subclass_weights
from propensity.scores.logistic import told_by_fit


@columns_by_name
def match_full(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    treatment: str,
    scores: object = None,
    covariates: Covariates | None = None,
    estimand: MatchingEstimand = "ATT",
    on: Space = "score",
    caliper: float | Mapping[str, float] | None = None,
    caliper_unit: CaliperUnit = "sd",
    caliper_sd: CaliperSd = "all",
    exact: Sequence[str] = (),
    discard: Discard | None = None,
    sample_weight: object = None,
    ids: object = None,
    seed: int = 0,
    n_threads: int | None = None,
) -> Subclasses:
    """Put every unit into a subclass of one unit of an arm and one or more of the other, as near as can be.

    Nobody is left out (but for a caliper, `exact` or `discard`), and no unit stands for others that are far
    from it where nearer ones can be had: of all such subclasses these have the least sum of distances.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    scores : PropensityModel, str, Series or array (n,), or None, default None
        A model fitted on these very rows, a column, or numbers strictly between 0 and 1. Needed on the score
        and logit.
    covariates : list of str, str, or None, default None
        As for `fit_propensity`, every level of a categorical counting; for the distances between covariates.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect the weights are for; the subclasses are the same.
    on : {"score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"}, default "score"
        What distances are measured on, as for `match_nn`. On the score or logit a million rows take a second
        or two; among covariates every unit is compared with every other.
    caliper, caliper_unit, caliper_sd
        As for `match_nn`: the largest difference between the units of a pair. Units without a partner so
        near are left out. None, the default, allows any, so that the estimand stays what it says.
    exact : sequence of str, default ()
        Columns in which the units of a subclass must agree.
    discard : {"treated", "control", "both"} or None, default None
        Leave out the units of this arm (or both) whose score lies outside the range of the other arm's.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight). It does not decide who is matched
        with whom; rows of weight 0 are not there. A model must have been fitted with the same.
    ids : None, str, Series, Index or array (n,), default None
        What rows are called, different for each: the draws that settle ties then belong to these alone.
    seed : int, default 0
        Of the draws, as for `match_nn`.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    Subclasses
        With `weights` for every row; `.effect("outcome")` gives the estimate, and its standard error
        clustered by subclass.

    Raises
    ------
    NoMatchesError
        No unit has a partner within the calipers.
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        As for `match_nn`.

    Warns
    -----
    BalanceWarning, CalibrationWarning, OverlapWarning
        As for `match_nn`.

    Notes
    -----
    A subclass is a star: within it every pair of a treated unit and a control is one of those whose distances
    are summed. There is no limit on their number. Where equal sums leave a choice, there are as many
    subclasses on either side of a gap between units of the two arms as can be, and units in one place share
    partners evenly. Which of them is in whose subclass is settled by a draw, as in `match_nn`, so
    that the order of the rows decides nothing.

    References
    ----------
    Rosenbaum (1991), Journal of the Royal Statistical Society B 53:597. Hansen and Klopfer (2006), Journal of
    Computational and Graphical Statistics 15:609. Stuart and Green (2008), Developmental Psychology 44:395.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"opt_in": [0, 1, 0, 1, 0, 1], "score": [0.2, 0.25, 0.3, 0.6, 0.7, 0.75]})
    >>> ps.match_full(df, treatment="opt_in", scores="score").subclass.tolist()
    [1, 1, 1, 2, 2, 2]
    """
    spec = NearestNeighbors(
        estimand=estimand,
        caliper=caliper,
        on=on,
        covariates=covariates,
        exact=exact,
        discard=discard,
        caliper_unit=caliper_unit,
        caliper_sd=caliper_sd,
        seed=seed,
    )
    checks.threads(n_threads)
    cast = read_cast(df, spec, treatment=treatment, scores=scores, sample_weight=sample_weight, ids=ids)
    inputs = cast.inputs(spec)
    found, alike = cast.drawn(partial(inputs.match_full, cast.scores, n_threads=n_threads))
    there = cast.sample_weight is None or cast.sample_weight > 0
    everybody = not (there & (found.subclass == 0)).any()
    remedy = f"{caliper_remedy(spec)}, or take aipw, whose outcome models adjust for what is left"
    subclasses = make_subclasses(
        cast.frame,
        found.subclass - 1,
        cast.treated,
        pd.DataFrame(index=pd.RangeIndex(found.n_subclasses)),
        MatchedBy(
            cast.known,
            cast.judged_by,
            remedy,
            cast.doubts,
            alike,
            cast.remaking(StarsAgain(inputs), spec, everybody=everybody),
        ),
        method="full matching",
        estimand=spec.estimand,
        sample_weight=cast.sample_weight,
        total_distance=found.total_distance,
    )
    warn_once(subclasses.cautions, told_by_fit(scores))
    return subclasses


@dataclass(frozen=True, eq=False)
class StarsAgain:
    """Full matching, to be done again on some of the rows."""

    inputs: MatchingInputs

    @property
    def columns(self) -> list[Floats]:
        """What rows hold that matching looks at, but for the scores."""
        return self.inputs.columns

    def weights(self, rows: Rows, scores: Floats | None) -> Floats:
        """Match these rows, and give their weights (m,)."""
        labels = self.inputs.match_full(scores, np.arange(len(rows)), rows, n_threads=1).subclass
        s = self.inputs.sample_weight
        estimand, treated = self.inputs.spec.estimand, self.inputs.treated[rows]
        return subclass_weights(labels, treated, estimand, None if s is None else s[rows])
