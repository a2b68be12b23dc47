"""The rows that are to be matched, read from a frame: what they hold, count for and are called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects.balance_terms import BalanceTerms
from propensity.effects.imbalance import Imbalance
from propensity.effects.matching_specification import SCORES, Matching, NearestNeighbors
from propensity.effects.sample import read_sample_weight
from propensity.errors import InvalidInputError, NoMatchesError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame, open_frame
from propensity.frames.content import identify
from propensity.frames.kinds import first_amount, read_distance
from propensity.frames.native import AnyFrame, column_names, names_of
from propensity.frames.recipe import Recipe
from propensity.frames.terms import Terms, make_terms, parse_covariates
from propensity.frames.tidied_frame import tidied
from propensity.frames.tidying import Tidying
from propensity.matching.calipers import columns_with_calipers, require_one_meaning
from propensity.matching.cautions import (
    matching_cautions,
    scored_cautions,
)
from propensity.matching.estimated_scores import EstimatedScores, read_score_terms
from propensity.matching.inputs import MatchingInputs, on_scores
from propensity.matching.rematching import MatchAgain, Rematching
from propensity.matching.remedies import Remedy, Worst, neighbor_remedy
from propensity.scores.logistic import given_scores, read_chances, read_scores
from propensity.scores.model import ModelScores

_Found = TypeVar("_Found", core.Matches, core.FullMatch)


def read_rows_to_match(
    df: AnyFrame,
    spec: Matching,
    *,
    treatment: str,
    scores: object,
    sample_weight: object = None,
    ids: object = None,
    tidying: Tidying | None = None,
) -> RowsToMatch:
    """Read what a specification needs of a frame.

    Raises
    ------
    InvalidInputError
        As for `match_nn`.
    """
    columns = column_names(df)
    _require_what_is_needed(df, spec, scores, treatment)
    require_one_meaning(spec, scores, columns)
    terms = None
    if spec.covariates is not None:
        terms = parse_covariates(spec.covariates, df, treatment=treatment, tidying=tidying)
    calipers = columns_with_calipers(spec, scores)
    checks.roles(treatment=treatment, outcomes=(), covariates=calipers, called="caliper")
    named = dict.fromkeys([*(terms.columns if terms else ()), *calipers])
    also = given_scores(scores) | {"sample_weight": sample_weight, "ids": ids}
    may_be = () if terms is None else [name for name in terms.may_be_missing if name not in calipers]
    frame = open_frame(
        df,
        treatment=treatment,
        covariates=list(named),
        reader=read_distance,
        labels=spec.exact,
        also=also,
        may_be_missing=may_be,
    )
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    if terms is not None:
        frame, terms = tidied(frame, terms, weight)
    e = None if scores is None else _scores_to_match(frame, spec, scores, treated, weight)
    balance_terms, estimated = (None, None) if e is None else read_score_terms(frame, scores, e, weight)
    left_out = None if e is None or spec.discard is None else _discarded(spec, e, treated)
    return RowsToMatch(
        frame=frame,
        treated=treated,
        scores=e,
        estimated=estimated,
        balance_terms=balance_terms,
        doubts=scored_cautions(scores, e, treated, weight, spec.estimand, frame.frequency, left_out),
        known=(*(scores.covariates if isinstance(scores, ModelScores) else ()), *named),
        terms=terms if not spec.on_scores else None,
        exact=frame.agreement(spec.exact) if spec.exact else None,
        sample_weight=weight,
        treatment=treatment,
        ids=None if ids is None else frame.identities(ids),
        names=None if ids is None or frame.index.is_unique else names_of(df, ids),
    )


def _scores_to_match(
    frame: Frame, spec: Matching, scores: object, treated: Bools, sample_weight: Floats | None
) -> Floats:
    """Read scores: none is 0 or 1, but of rows that are to be discarded, where any outside will do."""
    if spec.discard is not None:
        e, certain, _ = read_chances(frame, scores, treated, sample_weight)
        if not certain.any():
            return e
        if not (certain & ~_discarded(spec, e, treated)).any():
            return np.clip(e, rowwise_checks.SMALLEST, rowwise_checks.HIGHEST)
    return read_scores(frame, scores, treated, sample_weight)


def _discarded(spec: Matching, e: Floats, treated: Bools) -> Bools:
    """Whether rows (n,) are left out for a score beyond those of the other arm."""
    found = np.zeros(len(e), dtype=bool)
    for arm in (True, False):
        others = e[treated != arm]
        if len(others) and spec.discard in ("both", "treated" if arm else "control"):
            found |= (treated == arm) & ((e < others.min()) | (e > others.max()))
    return found


@dataclass(frozen=True, eq=False)
class RowsToMatch:
    """The rows that are to be matched, read: as `Matches` has them, and what they are called.

    `balance_terms` is what balance is asked of, but for the covariates matched on; `doubts` what there is to
    say of the scores; `known` the columns that they and the matches are made of.
    `ids` are the numbers that draws belong to, where somebody gave them, and `names` their labels, where the
    index repeats its own.
    """

    frame: Frame
    treated: Bools
    scores: Floats | None
    estimated: EstimatedScores | None
    balance_terms: BalanceTerms | None
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
    def all_balance_terms(self) -> BalanceTerms | None:
        """What balance is asked of: scores and their terms, and the covariates matched on."""
        if self._covariates is None:
            return self.balance_terms
        own = BalanceTerms.of_terms(*self._covariates)
        return own if self.balance_terms is None else own.beside(self.balance_terms)

    def imbalance(self, weights: Floats, remedy: Remedy) -> tuple[Warning, ...]:
        """Say what rows of these weights still differ in."""
        return matching_cautions(
            self.all_balance_terms,
            self.treated,
            weights,
            self.sample_weight,
            remedy,
            self.frame.frequency,
        )

    def worst_of(self, found: Imbalance) -> Worst:
        """Give the columns behind what the arms differ most in, as calipers and exact matching take them."""
        there = set(column_names(self.frame.native))
        names = [name for name in dict.fromkeys(found.columns) if name in there]
        columns = open_frame(
            self.frame.native, covariates=names, reader=read_distance, may_be_missing=names
        ).columns
        whole = {name: columns[name] for name in names if not columns[name].isna().any()}
        amount = first_amount(whole)
        label = next((name for name in whole if first_amount({name: whole[name]}) is None), None)
        order = list(whole)
        return Worst(
            amount, label, label is not None and (amount is None or order.index(label) < order.index(amount))
        )

    def remedy(self, spec: NearestNeighbors) -> Remedy:
        """Give what says what can be tried about imbalance after matching with neighbours."""
        return lambda found: neighbor_remedy(spec, self.worst_of(found), scored=self.scores is not None)

    def inputs(self, spec: Matching) -> MatchingInputs:
        """Give what they are matched by."""
        calipers = {
            name: (None if name in SCORES and self.scores is not None else self.frame.measured(name), width)
            for name, width in spec.calipers.items()
        }
        return MatchingInputs(spec, self.treated, self.covariates, calipers, self.exact, self.sample_weight)

    def rematching(self, match_again: MatchAgain, spec: Matching, *, everybody: bool) -> Rematching:
        """Give what errors and bootstraps need to know; `everybody` where nobody whom it is for is left out.

        What decides by the scores alone compares outcomes at equal scores.
        """
        at_scores = spec.on_scores and everybody and not self._divided
        quantity = None
        if at_scores:
            assert self.scores is not None
            quantity = on_scores(spec.on, self.scores)
        scores = self.scores if self.estimated is None else self.estimated
        return Rematching(match_again, self.treated, scores, self.sample_weight, quantity)

    @property
    def _divided(self) -> bool:
        """Whether the columns to be matched exactly tell any two rows apart."""
        return self.exact is not None and len(np.unique(self.exact[self.there])) > 1

    def drawn(self, spec: Matching, run: Callable[..., _Found]) -> tuple[_Found, Rows | None]:
        """Match, with draws that belong to `ids`, or else to what rows hold and then to their labels.

        What rows hold is read only where a draw decides something. Gives also which rows hold the same and
        have no labels, so that their place decided.

        Raises
        ------
        NoMatchesError
            No unit has a partner; why, where it is the exact columns.
        InvalidInputError
            A draw decides, and labels repeat.
        """
        self.require_partners(spec)
        if self.ids is not None:
            return run(ids=self.ids), None
        found = run(ids=None)
        if not found.drawn:
            return found, None
        index = self.frame.index
        rowwise_checks.unlike_labels(index, "df: draws settle ties here, and the index they fall back on")
        rows = np.zeros(len(index), dtype=bool)
        rows[self.there] = True
        told = identify(self.frame.native, self.treatment, self.treated, rows, index)
        labelled = isinstance(self.frame.native, pd.DataFrame) and not index.equals(pd.RangeIndex(len(index)))
        return run(ids=told.ids), None if labelled else told.alike

    def require_partners(self, spec: Matching) -> None:
        """Require a group of rows that agree in the exact columns to have rows of both arms."""
        if self.exact is None:
            return
        groups, treated = self.exact[self.there], self.treated[self.there]
        arms = [np.bincount(groups[arm], minlength=groups.max() + 1) > 0 for arm in (treated, ~treated)]
        if (arms[0] & arms[1]).any():
            return
        n_groups = int((arms[0] | arms[1]).sum())
        amounts = [name for name in spec.exact if self.frame.labels[name].dtype.kind in "iuf"]
        near = f", and keep amounts near, as by caliper={{{amounts[0]!r}: 0.2}}" if amounts else ""
        raise NoMatchesError(
            f"exact: no unit has a partner that agrees with it in {checks.listed(spec.exact)}, for each of "
            f"the {n_groups:,} groups of rows that agree is of one arm; match exactly in columns of few "
            f"levels{near}"
        )

    @cached_property
    def there(self) -> Bools | slice:
        """The rows that count for something: the others are not there."""
        return slice(None) if self.sample_weight is None else self.sample_weight > 0


def _two_lines(spec: Matching, treatment: str) -> str:
    """Write the lines that fit scores to the covariates and match on them."""
    covariates = spec.covariates if isinstance(spec.covariates, str) else list(spec.covariates or ())
    function = "match_full" if spec.kind == "full" else "match_nn"
    return (
        f"model = ps.fit_propensity(df, treatment={treatment!r}, covariates={covariates!r}); "
        f"ps.{function}(df, treatment={treatment!r}, scores=model)"
    )


def _require_what_is_needed(df: AnyFrame, spec: Matching, scores: object, treatment: str) -> None:
    if not spec.on_scores and spec.covariates is None:
        raise InvalidInputError(
            f"covariates: on={spec.on!r} measures distances between covariates; name them, covariates=[...]"
        )
    if spec.on_scores and spec.covariates is not None:
        raise InvalidInputError(
            f"covariates: on={spec.on!r} looks at the scores alone, which are fitted first: "
            f'{_two_lines(spec, treatment)}; on="mahalanobis" matches on covariates themselves'
        )
    wanted = spec.wanting_scores(column_names(df))
    if scores is None and wanted:
        raise InvalidInputError(_without_scores(df, spec, wanted, treatment))


def _without_scores(df: AnyFrame, spec: Matching, wanted: Collection[str], treatment: str) -> str:
    """Say what looks at scores that are not there, and give the arguments that mend it."""
    covariates = spec.covariates if isinstance(spec.covariates, str) else list(spec.covariates or ())
    known = repr(covariates) if covariates else "[...]"
    scores = f"scores=ps.fit_propensity(df, treatment={treatment!r}, covariates={known})"
    look = "looks" if len(wanted) == 1 else "look"
    message = f"scores: {' and '.join(wanted)} {look} at the scores, and there are none; give {scores}"
    if list(wanted) != ["caliper"] or isinstance(spec.caliper, Mapping) or spec.caliper_unit == "raw":
        return message
    assert spec.covariates is not None
    names = parse_covariates(spec.covariates, df, treatment=treatment).columns
    amount = first_amount(open_frame(df, covariates=list(names), reader=read_distance).columns)
    if amount is None:
        return message
    return f"{message}, or set it on a column, caliper={{{amount!r}: {spec.caliper}}}"
