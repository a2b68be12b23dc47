"""Full matching: everybody in a subclass of alike units, the sum of distances being the least there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects.imbalance import Imbalance
from propensity.effects.matching_specification import (
    CaliperSd,
    CaliperUnit,
    Discard,
    FullMatching,
    MatchingEstimand,
    Space,
)
from propensity.effects.sample import warn_once
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats, Rows
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.matching.cautions import MatchedBy
from propensity.matching.grouping import make_subclasses, subclass_weights
from propensity.matching.inputs import MatchingInputs
from propensity.matching.remedies import AGAIN, caliper_remedy
from propensity.matching.rows_to_match import RowsToMatch, read_rows_to_match
from propensity.matching.subclasses import Subclasses
from propensity.scores.logistic import told_by_fit


@columns_by_name
def match_full(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    treatment: str,
    scores: object = None,
    covariates: Covariates | None = None,
    missing: Missing | None = None,
    min_level_count: int | None = None,
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
    df, treatment, scores, covariates, missing, min_level_count
        As for `match_nn`.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect the weights are for; the subclasses are the same.
    on : {"score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"}, default "score"
        What distances are measured on, as for `match_nn`. On the score or logit a million rows take a second
        or two; among covariates 200,000 take some seconds, more where the arms are far apart.
    caliper, caliper_unit, caliper_sd
        As for `match_nn`: the largest difference between the units of a pair. Units without a partner so
        near are left out. None, the default, allows any, so that the estimand stays what it says.
    exact : sequence of str, default ()
        Columns in which the units of a subclass must agree.
    discard : {"treated", "control", "both"} or None, default None
        Whose units to leave out beyond the other arm's range of scores.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight), shared out within subclasses.
    ids, seed, n_threads
        As for `match_nn`.

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
    spec = FullMatching(
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
    rows = read_rows_to_match(
        df,
        spec,
        treatment=treatment,
        scores=scores,
        sample_weight=sample_weight,
        ids=ids,
        tidying=Tidying.of(missing, min_level_count),
    )
    subclasses = find_subclasses(rows, spec, n_threads)
    warn_once(subclasses.cautions, told_by_fit(scores))
    return subclasses


def find_subclasses(rows: RowsToMatch, spec: FullMatching, n_threads: int | None = None) -> Subclasses:
    """Match rows that have been read."""
    inputs = rows.inputs(spec)
    found, alike = rows.drawn(
        spec, partial(core.match_full, **inputs.core_arguments(rows.scores), n_threads=n_threads)
    )
    everybody = not (found.subclass[rows.there] == 0).any()
    return make_subclasses(
        rows.frame,
        found.subclass - 1,
        rows.treated,
        pd.DataFrame(index=pd.RangeIndex(found.n_subclasses)),
        MatchedBy(
            rows.known,
            rows.all_balance_terms,
            partial(_remedy, rows, spec),
            rows.doubts,
            alike,
            rows.rematching(StarsAgain(inputs), spec, everybody=everybody),
        ),
        method="full matching",
        estimand=spec.estimand,
        sample_weight=rows.sample_weight,
        total_distance=found.total_distance,
    )


def _remedy(rows: RowsToMatch, spec: FullMatching, found: Imbalance) -> str:
    caliper = caliper_remedy(spec, rows.worst_of(found).amount, scored=rows.scores is not None)
    return f"try {caliper}, and {AGAIN}; or take aipw, whose outcome models adjust for what is left"


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
        found = core.match_full(
            **self.inputs.core_arguments(scores, rows), ids=np.arange(len(rows)), n_threads=1
        )
        s = self.inputs.sample_weight
        estimand, treated = self.inputs.spec.estimand, self.inputs.treated[rows]
        return subclass_weights(found.subclass, treated, estimand, None if s is None else s[rows])
