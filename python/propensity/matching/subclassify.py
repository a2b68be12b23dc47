"""Subclassification: units between the same two quantiles of the score are compared with each other."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from propensity.effects.imbalance import Imbalance
from propensity.effects.matching_specification import MatchingEstimand
from propensity.effects.sample import read_sample, warn_once
from propensity.effects.subclass_specification import Subclassification
from propensity.errors import InvalidInputError
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.matching.cautions import MatchedBy, scored_cautions
from propensity.matching.estimated_scores import read_score_terms
from propensity.matching.grouping import make_subclasses, subclass_weights
from propensity.matching.rematching import Rematching
from propensity.matching.subclasses import Subclasses
from propensity.results.read_only import ReadOnly
from propensity.scores.logistic import read_scores, told_by_fit
from propensity.scores.model import ModelScores
from propensity.scores.quantiles import quantiles_of

# As for the distances of matching: scores that differ by rounding alone are the same score.
_TIE = 1e-12


@columns_by_name
@takes_cells()
def subclassify(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    n_subclasses: int = 10,
    estimand: MatchingEstimand = "ATT",
    min_per_arm: int = 1,
    sample_weight: object = None,
) -> Subclasses:
    """Put units into subclasses between quantiles of the score.

    Parameters
    ----------
    df, treatment, scores : DataFrame or Cells, str, and PropensityModel, CrossFittedScores, str or values
        As for `ipw`; subclasses are between quantiles of the scores.
    n_subclasses : int, default 10
        How many. Five, the custom since Cochran (1968), leave a tenth of the bias in; on the tutorial's data
        they say .093, ten say .084, and the truth is .080.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect, and so whose quantiles: the treated units', the control units', everyone's.
    min_per_arm : int, default 1
        How many rows of each arm a subclass must have. One with fewer is merged with the one below or
        above it, whichever has fewer rows.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight), also for the quantiles. Rows of weight
        0 are not there, and in no subclass. A model must have been fitted with the same.

    Returns
    -------
    Subclasses
        Of every row: none is left out.

    Raises
    ------
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, `scores` is of other rows than `df`, or
        an arm has fewer than `min_per_arm` rows.

    Warns
    -----
    BalanceWarning
        Within subclasses the arms differ by more than 0.1 standard deviations, as for `match_nn`.
    CalibrationWarning, OverlapWarning
        As for `ipw`.

    Notes
    -----
    A score on a cut point belongs to the subclass above it, and equal scores (within 1e-12) are never split,
    as in MatchIt; where many scores are equal there may be fewer subclasses than asked for, and the result
    says so. MatchIt fills subclasses that lack an arm with single units of the neighbouring ones;
    merging keeps subclasses what they are called, intervals of the score.

    References
    ----------
    Rosenbaum and Rubin (1984), Journal of the American Statistical Association 79:516. Hyndman and Fan
    (1996), The American Statistician 50:361, definition 7 of the quantile.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"opt_in": [0, 1, 0, 1, 0, 1], "score": [0.2, 0.3, 0.3, 0.6, 0.7, 0.7]})
    >>> ps.subclassify(df, treatment="opt_in", scores="score", n_subclasses=2).subclass.tolist()
    [1, 1, 1, 2, 2, 2]
    """
    spec = Subclassification(estimand, n_subclasses=n_subclasses, min_per_arm=min_per_arm)
    subclasses = subclassified(df, spec, treatment=treatment, scores=scores, sample_weight=sample_weight)
    warn_once(subclasses.cautions, told_by_fit(scores))
    return subclasses


def subclassified(
    df: AnyFrame, spec: Subclassification, *, treatment: str, scores: object, sample_weight: object = None
) -> Subclasses:
    """Make subclasses by a specification, without a word of warning."""
    estimand, n_subclasses, min_per_arm = spec.estimand, spec.n_subclasses, spec.min_per_arm
    sample = read_sample(df, treatment=treatment, sample_weight=sample_weight)
    e = read_scores(sample.frame, scores, sample.treated, sample.sample_weight)
    treated = sample.treated
    there = np.ones(len(e), dtype=bool) if sample.sample_weight is None else sample.sample_weight > 0
    again = _QuantilesAgain(
        treated, estimand, n_subclasses, min_per_arm, sample.sample_weight, sample.frequency
    )
    groups = np.full(len(e), -1)
    groups[there] = again.groups(np.flatnonzero(there), e[there])
    model = scores if isinstance(scores, ModelScores) else None
    balance_terms, estimated = read_score_terms(sample.frame, scores, e, sample.sample_weight)
    by = MatchedBy(
        () if model is None else model.covariates,
        balance_terms,
        partial(_remedy, n_subclasses, int(groups.max()) + 1),
        scored_cautions(scores, e, treated, sample.sample_weight, estimand, sample.frequency),
        rematching=Rematching(again, treated, e if estimated is None else estimated, sample.sample_weight, e),
    )
    return make_subclasses(
        sample.frame,
        groups,
        treated,
        _ranges(groups[there], e[there]),
        by,
        method="subclassification",
        estimand=estimand,
        sample_weight=sample.sample_weight,
        n_asked=n_subclasses,
    )


def _remedy(n_asked: int, n_found: int, _: Imbalance) -> str:
    """Say what can be done about imbalance: more subclasses do little where rows are too few for these."""
    if n_found == n_asked:
        return "take more subclasses (n_subclasses=), or aipw, whose outcome models adjust for what is left"
    return (
        f"rows were enough for {n_found} of the {n_asked} subclasses asked for, and more of them do little: "
        "take aipw, whose outcome models adjust for what is left, or match_full"
    )


@dataclass(frozen=True, eq=False)
class _QuantilesAgain(ReadOnly):
    """Subclassification, to be done on all rows or some of them."""

    treated: Bools
    estimand: MatchingEstimand
    n_subclasses: int
    min_per_arm: int
    sample_weight: Floats | None
    frequency: Floats | None = None

    @property
    def columns(self) -> list[Floats]:
        """Nothing but the scores decides."""
        return []

    def groups(self, rows: Rows, scores: Floats) -> Rows:
        """Give the group (m,) of each of these rows, from 0 upwards."""
        treated = self.treated[rows]
        focal = {"ATT": treated, "ATC": ~treated, "ATE": np.ones(len(rows), dtype=bool)}[self.estimand]
        if not focal.any():
            raise InvalidInputError("treatment: none of these rows is in the arm that the effect is for")
        weights = None if self.sample_weight is None else self.sample_weight[rows][focal]
        users = None if self.frequency is None else self.frequency[rows]
        which = np.linspace(0, 1, self.n_subclasses + 1).tolist()
        cuts = quantiles_of(scores[focal], which, weights, None if users is None else users[focal])[1:-1]
        between = np.searchsorted(cuts - _TIE, scores, side="right")
        return _merged(between, treated, self.n_subclasses, self.min_per_arm, users)

    def weights(self, rows: Rows, scores: Floats | None) -> Floats:
        """Group these rows, and give their weights (m,)."""
        assert scores is not None
        s = None if self.sample_weight is None else self.sample_weight[rows]
        return subclass_weights(self.groups(rows, scores) + 1, self.treated[rows], self.estimand, s)


def _merged(
    groups: Rows, treated: Bools, n_groups: int, min_per_arm: int, users: Floats | None = None
) -> Rows:
    """Merge neighbours until each group has its rows of both arms; number them from 0 upwards."""
    sizes = np.bincount(groups + n_groups * treated, users, 2 * n_groups).reshape(2, n_groups)
    found = [(int(control), int(treated)) for control, treated in zip(*sizes, strict=True)]
    members = [[group] for group in range(n_groups)]
    while (place := _first_small(found, min_per_arm)) is not None:
        if len(found) == 1:
            raise InvalidInputError(
                f"min_per_arm: {found[0][1]:,} treated and {found[0][0]:,} control rows in all; at least "
                f"{min_per_arm:,} of each are needed in a subclass"
            )
        beside = [near for near in (place - 1, place + 1) if 0 <= near < len(found)]
        other = min(beside, key=lambda near: (sum(found[near]), near))
        low, high = sorted((place, other))
        found[low : high + 1] = [(found[low][0] + found[high][0], found[low][1] + found[high][1])]
        members[low : high + 1] = [members[low] + members[high]]
    number = np.empty(n_groups, dtype=np.int64)
    for merged, old in enumerate(members):
        number[old] = merged
    return number[groups]


def _first_small(found: list[tuple[int, int]], min_per_arm: int) -> int | None:
    return next((place for place, arms in enumerate(found) if min(arms) < min_per_arm), None)


def _ranges(groups: Rows, scores: Floats) -> pd.DataFrame:
    """Give the lowest and the highest score of each group."""
    by_group = pd.Series(scores).groupby(groups)
    return pd.DataFrame({"score_low": by_group.min(), "score_high": by_group.max()})
