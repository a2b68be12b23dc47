"""What matching needs of a frame, read, and the core's matching of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from propensity import core
from propensity.balance.imbalance import Judged
from propensity.effects.arms import weights_name
from propensity.effects.cautions import count_cautions, shortage_cautions
from propensity.effects.estimators import NearestNeighbors
from propensity.effects.sample import read_sample_weight
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame, open_frame
from propensity.frames.content import identify
from propensity.frames.kinds import read_distance
from propensity.frames.native import AnyFrame, column_names, names_of
from propensity.frames.terms import Recipe, Terms, make_terms, parse_covariates
from propensity.matching.cautions import matching_cautions, neighbor_remedy, scored_cautions
from propensity.matching.estimated_scores import EstimatedScores
from propensity.matching.inputs import MatchingInputs, on_scores
from propensity.matching.matches import Matches
from propensity.resampling.rematching import Regroup, Remaking
from propensity.scores.logistic import given_scores, read_scores, read_terms
from propensity.scores.model import PropensityModel

_Found = TypeVar("_Found", core.Matches, core.FullMatch)

# What a caliper on the scores is called among those on columns.
_SCORES = ("scores", "logit")


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
    columns = column_names(df)
    _require_what_is_needed(spec, scores, columns)
    _require_one_meaning(spec, scores, columns)
    terms = None if spec.covariates is None else parse_covariates(spec.covariates, df, treatment=treatment)
    calipers = _columns_with_calipers(spec, scores)
    checks.roles(treatment=treatment, outcomes=(), covariates=calipers, called="caliper")
    named = dict.fromkeys([*(terms.columns if terms else ()), *calipers])
    also = given_scores(scores) | {"sample_weight": sample_weight, "ids": ids}
    frame = open_frame(
        df, treatment=treatment, covariates=list(named), reader=read_distance, labels=spec.exact, also=also
    )
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    e = None if scores is None else read_scores(frame, scores, treated, weight)
    estimated = None
    judged = None if e is None else Judged.of_scores(e)
    if isinstance(scores, PropensityModel):
        assert e is not None
        assert judged is not None
        of_model = read_terms(frame, scores)
        judged = Judged.of_terms(of_model, scores.recipe, judged.more)
        estimated = EstimatedScores(e, of_model, scores.penalty, weight)
    return Cast(
        frame=frame,
        treated=treated,
        scores=e,
        estimated=estimated,
        judged=judged,
        doubts=scored_cautions(scores, e, treated, weight, spec.estimand),
        known=(*(scores.recipe.columns if isinstance(scores, PropensityModel) else ()), *named),
        terms=terms if not spec.on_scores else None,
        exact=frame.agreement(spec.exact) if spec.exact else None,
        sample_weight=weight,
        treatment=treatment,
        ids=None if ids is None else frame.identities(ids),
        names=None if ids is None or frame.index.is_unique else names_of(df, ids),
    )


@dataclass(frozen=True, eq=False)
class Cast:
    """The rows that are to be matched, read: as `Matches` has them, and what they are called.

    `judged` is what balance is asked of, but for the covariates matched on; `doubts` what there is to say of
    the scores; `known` the columns that they and the matches are made of.
    `ids` are the numbers that draws belong to, where somebody gave them, and `names` their labels, where the
    index repeats its own.
    """

    frame: Frame
    treated: Bools
    scores: Floats | None
    estimated: EstimatedScores | None
    judged: Judged | None
    doubts: tuple[Warning, ...]
    known: tuple[str, ...]
    terms: Terms | None
    exact: Rows | None
    sample_weight: Floats | None
    treatment: str
    ids: Rows | None
    names: pd.Index[Any] | None

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
        spec = self._without_an_idle_cap(spec)
        inputs = self.inputs(spec)
        found, alike = self.drawn(partial(inputs.match, self.scores, n_threads=n_threads))
        # Every row counts the same here: the core's own error knows of no other weights.
        s = self.sample_weight
        counted = self.estimated if spec.is_plain and (s is None or s.min() == s.max()) else None
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
            calipers=_caliper_table(spec, _calipers(spec), found.caliper_widths),
            treated=self.treated,
            scores=self.scores,
            x=None if counted is None else counted.x,
            penalty=0.0 if counted is None else counted.penalty,
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
            ids=self.names,
            drawn=found.drawn,
            alike=alike,
            remaking=self.remaking(inputs, spec, everybody=found.n_unmatched == 0),
        )

    def _without_an_idle_cap(self, spec: NearestNeighbors) -> NearestNeighbors:
        """Leave out a cap on reuse that no unit can reach: what is left is matching with replacement."""
        treated = self.treated[self._there]
        n_served = {"ATT": treated.sum(), "ATC": (~treated).sum()}
        most = n_served.get(spec.estimand, max(n_served.values()))
        idle = spec.max_reuse is not None and spec.replace and spec.max_reuse >= most
        return replace(spec, max_reuse=None) if idle else spec

    def inputs(self, spec: NearestNeighbors) -> MatchingInputs:
        """Give what they are matched by."""
        calipers = {
            name: (None if name in _SCORES and self.scores is not None else self.frame.measured(name), width)
            for name, width in _calipers(spec).items()
        }
        return MatchingInputs(spec, self.treated, self.covariates, calipers, self.exact, self.sample_weight)

    def remaking(self, regroup: Regroup, spec: NearestNeighbors, *, everybody: bool) -> Remaking:
        """Give what errors and bootstraps need to know; `everybody` where nobody whom it is for is left out.

        What decides by the scores alone compares outcomes at equal scores.
        """
        at_scores = spec.on_scores and not spec.exact and spec.discard is None and everybody
        quantity = None
        if at_scores:
            assert self.scores is not None
            quantity = on_scores(spec.on, self.scores)
        scores = self.scores if self.estimated is None else self.estimated
        return Remaking(regroup, self.treated, scores, self.sample_weight, quantity)

    def drawn(self, run: Callable[..., _Found]) -> tuple[_Found, Rows | None]:
        """Match, with draws that belong to `ids`, or else to what rows hold and then to their labels.

        What rows hold is read only where a draw decides something. Gives also which rows hold the same and
        have no labels, so that their place decided.

        Raises
        ------
        InvalidInputError
            A draw decides, and labels repeat.
        """
        if self.ids is not None:
            return run(ids=self.ids), None
        found = run(ids=None)
        if not found.drawn:
            return found, None
        index = self.frame.index
        checks.unlike_labels(index, "df: draws settle ties here, and the index they fall back on")
        rows = np.zeros(len(index), dtype=bool)
        rows[self._there] = True
        told = identify(self.frame.native, self.treatment, self.treated, rows, index)
        labelled = isinstance(self.frame.native, pd.DataFrame) and not index.equals(pd.RangeIndex(len(index)))
        return run(ids=told.ids), None if labelled else told.alike

    @cached_property
    def _there(self) -> Bools | slice:
        """The rows that count for something: the others are not there."""
        return slice(None) if self.sample_weight is None else self.sample_weight > 0

    def _shortage(self, spec: NearestNeighbors) -> tuple[Warning, ...]:
        # Strata have their own shortages, and a caliper leaves out whom they would harm.
        if self.scores is None or spec.max_uses is None or spec.exact or spec.caliper is not None:
            return ()
        focal = self.treated == (spec.estimand == "ATT")
        if spec.estimand == "ATE":
            return ()
        there = self._there
        return shortage_cautions(
            self.scores[there], focal[there], spec.n_neighbors, spec.max_uses, treated=spec.estimand == "ATT"
        )


def _columns_with_calipers(spec: NearestNeighbors, scores: object) -> list[str]:
    """Name the columns that calipers are on: where there are scores, their own two words are none."""
    if not isinstance(spec.caliper, Mapping):
        return []
    return [name for name in spec.caliper if name not in _SCORES or scores is None]


def _require_one_meaning(spec: NearestNeighbors, scores: object, columns: Collection[object]) -> None:
    """Refuse a caliper on "scores" or "logit" where there are scores, and a column of that name too."""
    if scores is None or not isinstance(spec.caliper, Mapping):
        return
    for name in _SCORES:
        if name in spec.caliper and name in columns and not (isinstance(scores, str) and scores == name):
            raise InvalidInputError(
                f"caliper: {name!r} means that of `scores`, and a column is called so too; rename the "
                "column, and the caliper with it where that is meant"
            )


def _require_what_is_needed(spec: NearestNeighbors, scores: object, columns: Collection[object]) -> None:
    if not spec.on_scores and spec.covariates is None:
        raise InvalidInputError(
            f"covariates: on={spec.on!r} measures distances between covariates; name them, covariates=[...]"
        )
    if spec.on_scores and spec.covariates is not None:
        raise InvalidInputError(
            f"covariates: on={spec.on!r} looks at the scores alone; fit_propensity takes covariates, and "
            'on="mahalanobis" matches on them'
        )
    wanted = _wanting_scores(spec, columns)
    if scores is None and wanted:
        raise InvalidInputError(
            f"scores: {' and '.join(wanted)} cannot do without; give a fitted model, a column or numbers"
        )


def needs_scores(spec: NearestNeighbors) -> bool:
    """Whether matching cannot do without scores."""
    return bool(_wanting_scores(spec, ()))


def _wanting_scores(spec: NearestNeighbors, columns: Collection[object]) -> list[str]:
    """Say what needs scores; without them a caliper on one of their words is on a column of that name."""
    on_columns = set(columns) if isinstance(spec.caliper, Mapping) else set()
    needing = {
        f"on={spec.on!r}": spec.on_scores,
        "caliper": any(name in _SCORES and name not in on_columns for name in _calipers(spec)),
        f"discard={spec.discard!r}": spec.discard is not None,
        f"order={spec.order!r}": spec.order in ("largest", "smallest"),
    }
    return [name for name, needed in needing.items() if needed]


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
