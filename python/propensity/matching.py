"""Matching: the nearest neighbours on the propensity score, or among covariates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
import pandas as pd

from propensity import _check, core
from propensity._check import Bools, Floats, Rows
from propensity._sample import read_sample_weight, warn_once
from propensity.arms import weights_name
from propensity.cautions import count_cautions, shortage_cautions
from propensity.errors import InvalidInputError
from propensity.estimators import (
    CaliperSd,
    CaliperUnit,
    Discard,
    MatchingEstimand,
    NearestNeighbors,
    Order,
    Search,
    Space,
    Ties,
)
from propensity.frames import native
from propensity.frames.columns import Frame, open_frame
from propensity.frames.kinds import read_distance
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates, Recipe, Terms, make_terms, parse_covariates
from propensity.imbalance import Judged
from propensity.matches import Matches
from propensity.matching_cautions import matching_cautions, neighbor_remedy, scored_cautions
from propensity.results import PropensityModel
from propensity.scores import given_scores, read_scores, read_terms

# What a caliper on the scores is called among those on columns.
_SCORES = ("scores", "logit")


def match_nn(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    treatment: str,
    scores: object = None,
    covariates: Covariates | None = None,
    estimand: MatchingEstimand = "ATT",
    n_neighbors: int = 1,
    replace: bool = True,
    max_reuse: int | None = None,
    method: Search = "nearest",
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

    The answer does not depend on the order of the rows. With replacement, neighbours at the same distance
    (within 1e-12) share the weight. Where a unit may not be used freely, a draw decides between them that
    belongs to the unit's label.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    scores : PropensityModel, str, Series or array (n,), or None, default None
        A model fitted on these very rows, whose standard error then counts that the score was estimated; or a
        column or numbers strictly between 0 and 1, which are taken as known. Needed on the score and logit.
    covariates : list of str, str, or None, default None
        As for `fit_propensity`, every level of a categorical counting; for the distances between covariates.
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
        The most units that one may be a neighbour of; None for any number.
    method : {"nearest", "optimal"}, default "nearest"
        "nearest" gives units their neighbours one after the other, "optimal" (without replacement only) to
        all at once: as many pairs as there can be, and of these the least sum of distances. With several
        neighbours it is the number of pairs that is largest, and where donors do not suffice some units get
        fewer than others. On the score or logit it is as fast; among covariates every unit is compared
        with every other.
    order : {"largest", "smallest", "closest", "random", "data"} or None, default None
        Who chooses first, where neighbours are taken from each other: by the score, the closest pair of all,
        by a draw of the label, as the rows come (the one choice that depends on their order). None is
        "largest", and "random" where there are no scores.
    on : {"score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"}, default "score"
        What distances are measured on: the score; its logit, which spreads out the scores near 0 and 1; or
        covariates, by their covariance within the arms, by that of their ranks (Rosenbaum 2010), or each on
        its standard deviation within the arms.
    caliper : float, dict, or None, default None
        Largest difference allowed. A number is for the score or logit matched on, and for the score where
        distances are between covariates. A dict is for named numeric columns; "scores" and "logit" mean
        those of `scores`. None allows any, so that no unit is left out and the estimand stays what it says.
    caliper_unit : {"sd", "raw"}, default "sd"
        Whether calipers are in standard deviations, or in units of the column.
    caliper_sd : {"all", "pooled"}, default "all"
        Which standard deviation: over all rows (divisor n - 1), as in MatchIt, or sqrt((s1^2 + s0^2) / 2) of
        those within the arms, as in Austin (2011). The result shows it.
    exact : sequence of str, default ()
        Columns in which a unit and its neighbours must agree: text, numbers, dates, whatever can be equal.
    discard : {"treated", "control", "both"} or None, default None
        Leave out the units of this arm (or both) whose score lies outside the range of the other arm's. (The
        convex hull of one score is its range.)
    sample_weight : None, str, Series or array (n,), default None
        What each row counts for. As in MatchIt it does not decide who is matched with whom, and multiplies
        the weights that come of it.
    ids : None, str, Series or array (n,), default None
        What rows are called, where that is not the index: the draws belong to these.
    seed : int, default 0
        Of the draws.
    ties : {"average"}, default "average"
        What neighbours at the same distance (within 1e-12) do: share the weight. Where a unit may not be used
        freely there is nothing to share, and ties are settled by a draw.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    Matches
        With `weights` for every row; `.effect(df["outcome"])` gives the estimate and its standard error.

    Raises
    ------
    NoMatchesError
        No unit has a neighbour within the calipers.
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, `scores` is of other rows than `df`, or
        options contradict each other.

    Warns
    -----
    BalanceWarning
        After matching the arms differ by more than 0.1 standard deviations in the score, in a term of its
        model or in a covariate matched on, or in a square or product of up to 30 of these, if beyond what
        chance does to them; or one arm runs short of partners in some region of the score.
    CalibrationWarning, OverlapWarning
        As for `ipw`.

    References
    ----------
    Abadie and Imbens (2006), Econometrica 74:235. Austin (2011), Pharmaceutical Statistics 10:150.
    Rosenbaum (1989), Journal of the American Statistical Association 84:1024, for optimal pairs. Rosenbaum
    (2010), Design of Observational Studies, section 8.3. Stuart (2010), Statistical Science 25:1.
    """
    spec = NearestNeighbors(
        estimand=estimand,
        n_neighbors=n_neighbors,
        caliper=caliper,
        on=on,
        replace=replace,
        max_reuse=max_reuse,
        search=method,
        order=order,
        covariates=covariates,
        exact=exact,
        discard=discard,
        caliper_unit=caliper_unit,
        caliper_sd=caliper_sd,
        seed=seed,
    )
    _check.choice("ties", ties, get_args(Ties))
    _check.threads(n_threads)
    cast = read_cast(df, spec, treatment=treatment, scores=scores, sample_weight=sample_weight, ids=ids)
    matches = cast.match(spec, n_threads)
    warn_once(matches.cautions, stacklevel=2)
    return matches


def read_cast(
    df: AnyFrame,
    spec: NearestNeighbors,
    *,
    treatment: str,
    scores: object,
    sample_weight: object = None,
    ids: object = None,
) -> Cast:
    """Read what a specification needs of a frame.

    Raises
    ------
    InvalidInputError
        As for `match_nn`.
    """
    _require_what_is_needed(spec, scores)
    terms = None if spec.covariates is None else parse_covariates(spec.covariates, df)
    _require_plain_calipers(spec, scores, native.column_names(df))
    named = [name for name in _calipers(spec) if name not in _SCORES]
    columns = dict.fromkeys([*(terms.columns if terms else ()), *named])
    also = given_scores(scores) | {"sample_weight": sample_weight, "ids": ids}
    frame = open_frame(
        df, treatment=treatment, covariates=list(columns), reader=read_distance, labels=spec.exact, also=also
    )
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    e = None if scores is None else read_scores(frame, scores, treated, weight)
    x, penalty = None, 0.0
    judged = None if e is None else Judged.of_scores(e)
    if isinstance(scores, PropensityModel):
        assert judged is not None
        of_model = read_terms(frame, scores)
        judged = Judged.of_terms(of_model, scores.recipe, judged.more)
        # Every row counts once here: what other weights do to the scores' error is not known.
        if weight is None and scores.sample_weight is None and spec.is_plain:
            x, penalty = of_model, scores.penalty
    return Cast(
        frame=frame,
        treated=treated,
        scores=e,
        x=x,
        penalty=penalty,
        judged=judged,
        doubts=scored_cautions(scores, e, treated, weight, spec.estimand),
        known=(*(scores.recipe.columns if isinstance(scores, PropensityModel) else ()), *columns),
        terms=terms if not spec.on_scores else None,
        exact=frame.agreement(spec.exact) if spec.exact else None,
        sample_weight=weight,
        ids=frame.identities(ids),
    )


@dataclass(frozen=True, eq=False)
class Cast:
    """The rows that are to be matched, read: as `Matches` has them, and what they are called (`ids`).

    `judged` is what balance is asked of, but for the covariates matched on; `doubts` what there is to say of
    the scores; `known` the columns that they and the matches are made of.
    """

    frame: Frame
    treated: Bools
    scores: Floats | None
    x: Floats | None
    penalty: float
    judged: Judged | None
    doubts: tuple[Warning, ...]
    known: tuple[str, ...]
    terms: Terms | None
    exact: Rows | None
    sample_weight: Floats | None
    ids: Rows

    @cached_property
    def _covariates(self) -> tuple[Floats, Recipe] | None:
        return None if self.terms is None else make_terms(self.frame, self.terms, all_levels=True)

    @property
    def covariates(self) -> Floats | None:
        """The terms (n, d) matched on, every level of a categorical having one."""
        return None if self._covariates is None else self._covariates[0]

    @property
    def judged_by(self) -> Judged | None:
        """What balance is asked of: scores and their terms, and the covariates matched on."""
        if self._covariates is None:
            return self.judged
        own = Judged.of_terms(*self._covariates)
        return own if self.judged is None else own.beside(self.judged)

    def imbalance(self, weights: Floats, remedy: str) -> tuple[Warning, ...]:
        """Say what rows of these weights still differ in."""
        return matching_cautions(self.judged_by, self.treated, weights, self.sample_weight, remedy)

    def match(self, spec: NearestNeighbors, n_threads: int | None = None) -> Matches:
        """Match them."""
        calipers = _calipers(spec)
        named = isinstance(spec.caliper, Mapping)
        found = core.match_nn(
            self.scores,
            self.treated,
            covariates=self.covariates,
            estimand=spec.estimand,
            n_neighbors=spec.n_neighbors,
            replace=spec.replace,
            max_reuse=spec.max_reuse,
            method=spec.search,
            order=spec.order,
            on=spec.on,
            caliper=None if isinstance(spec.caliper, Mapping) else spec.caliper,
            calipers=[(self._values(name), width) for name, width in calipers.items()] if named else None,
            caliper_unit=spec.caliper_unit,
            caliper_sd=spec.caliper_sd,
            exact=self.exact,
            discard=spec.discard,
            sample_weight=self.sample_weight,
            ids=self.ids,
            seed=spec.seed,
            n_threads=n_threads,
        )
        return Matches(
            estimand=spec.estimand,
            spec=spec,
            weights=self.frame.series(found.weights, weights_name(self.sample_weight)),
            n_matched=found.n_matched,
            n_unmatched=found.n_unmatched,
            n_discarded=found.n_discarded,
            n_pairs=found.n_pairs,
            max_distance=found.max_distance,
            caliper_width=found.caliper_width,
            calipers=_caliper_table(spec, calipers, found.caliper_widths),
            treated=self.treated,
            scores=self.scores,
            x=self.x,
            penalty=self.penalty,
            coordinates=found.coordinates,
            exact=self.exact,
            sample_weight=self.sample_weight,
            focal=found.focal,
            donors=found.donors,
            first=found.first,
            last=found.last,
            index=self.frame.index,
            fingerprint=self.frame.fingerprint(self.treated, self.sample_weight, keep=True),
            known=self.known,
            cautions=(
                *self.doubts,
                *self._shortage(spec),
                *self.imbalance(found.weights, neighbor_remedy(spec)),
                *count_cautions(self.sample_weight),
            ),
        )

    def match_full(self, spec: NearestNeighbors, n_threads: int | None = None) -> core.FullMatch:
        """Put them into the stars of a full matching; only where they are and what is allowed matters."""
        calipers = _calipers(spec)
        named = isinstance(spec.caliper, Mapping)
        return core.match_full(
            self.scores,
            self.treated,
            covariates=self.covariates,
            on=spec.on,
            caliper=None if isinstance(spec.caliper, Mapping) else spec.caliper,
            calipers=[(self._values(name), width) for name, width in calipers.items()] if named else None,
            caliper_unit=spec.caliper_unit,
            caliper_sd=spec.caliper_sd,
            exact=self.exact,
            discard=spec.discard,
            ids=self.ids,
            seed=spec.seed,
            n_threads=n_threads,
        )

    def _values(self, name: str) -> Floats:
        """Read what a caliper is on."""
        if name not in _SCORES:
            return self.frame.measured(name)
        assert self.scores is not None
        e = self.scores
        return e if name == "scores" else np.asarray(np.log(e / (1 - e)))

    def _shortage(self, spec: NearestNeighbors) -> tuple[Warning, ...]:
        # Strata have their own shortages, and a caliper leaves out whom they would harm.
        if self.scores is None or spec.max_uses is None or spec.exact or spec.caliper is not None:
            return ()
        focal = self.treated == (spec.estimand == "ATT")
        if spec.estimand == "ATE":
            return ()
        return shortage_cautions(
            self.scores, focal, spec.n_neighbors, spec.max_uses, treated=spec.estimand == "ATT"
        )


def _require_what_is_needed(spec: NearestNeighbors, scores: object) -> None:
    if not spec.on_scores and spec.covariates is None:
        raise InvalidInputError(
            f"covariates: on={spec.on!r} measures distances between covariates; name them, covariates=[...]"
        )
    if spec.on_scores and spec.covariates is not None:
        raise InvalidInputError(
            f"covariates: on={spec.on!r} looks at the scores alone; fit_propensity takes covariates, and "
            'on="mahalanobis" matches on them'
        )
    wanted = _wanting_scores(spec)
    if scores is None and wanted:
        raise InvalidInputError(
            f"scores: {' and '.join(wanted)} cannot do without; give a fitted model, a column or numbers"
        )


def needs_scores(spec: NearestNeighbors) -> bool:
    """Whether matching cannot do without scores."""
    return bool(_wanting_scores(spec))


def _wanting_scores(spec: NearestNeighbors) -> list[str]:
    needing = {
        f"on={spec.on!r}": spec.on_scores,
        "caliper": any(name in _SCORES for name in _calipers(spec)),
        f"discard={spec.discard!r}": spec.discard is not None,
        f"order={spec.order!r}": spec.order in ("largest", "smallest"),
    }
    return [name for name, needed in needing.items() if needed]


def _require_plain_calipers(spec: NearestNeighbors, scores: object, columns: Collection[object]) -> None:
    """Require a caliper on the scores not to be one on a column of that name."""
    if not isinstance(spec.caliper, Mapping):
        return
    for name in _SCORES:
        if name in spec.caliper and name in columns and not (isinstance(scores, str) and scores == name):
            raise InvalidInputError(
                f"caliper: {name!r} means that of `scores`, and a column is called so too; rename the column"
            )


def _calipers(spec: NearestNeighbors) -> dict[str, float]:
    """Give every caliper by what it is on."""
    if spec.caliper is None:
        return {}
    if isinstance(spec.caliper, Mapping):
        return dict(spec.caliper)
    return {"logit" if spec.on == "logit" else "scores": spec.caliper}


def _caliper_table(
    spec: NearestNeighbors, calipers: Mapping[str, float], widths: Sequence[float]
) -> pd.DataFrame:
    asked = np.array(list(calipers.values()), dtype=np.float64)
    width = np.array(widths, dtype=np.float64)
    deviation = np.full(len(width), np.nan) if spec.caliper_unit == "raw" else width / asked
    index = pd.Index(calipers, name="on", dtype=object)
    return pd.DataFrame({"caliper": asked, "std_dev": deviation, "width": width}, index=index)
