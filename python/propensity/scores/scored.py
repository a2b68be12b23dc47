"""Scores as an analysis uses them: fitted here or given, with all that is known of their model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.warned import warn
from propensity.effects.balance_terms import BalanceTerms
from propensity.errors import CollinearityWarning, OverlapError, SeparationError, SeparationWarning
from propensity.frames import rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.design import Design
from propensity.frames.kinds import widened
from propensity.frames.present import spread
from propensity.frames.recipe import Recipe
from propensity.scores.choice import LOGISTIC
from propensity.scores.far_out import far_out
from propensity.scores.inputs import Inputs
from propensity.scores.own_models import ScoreWord
from propensity.scores.own_weights import own_weights_warning, refitted_estimand_of
from propensity.scores.separation import Separation, find_separation


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores (n,) of the rows, and what is known of them.

    Attributes
    ----------
    scores : ndarray (n,)
    design : Design or None
        The terms of their model; None where the scores are taken as known.
    penalty : float
        Of their model.
    balance_terms : BalanceTerms or None
        What balance is asked of.
    separation : Separation or None
        Where their model is separated.
    cautions : tuple of Warning
        What there is to say of the scores themselves.
    columns : tuple of str
        What their model is made of.
    known_as : str
        What they are called where they are taken as known.
    score_model : str
        The word for their model.
    tidied : str
        How covariates of their model were tidied; empty where nothing was done.
    """

    scores: Floats
    design: Design | None = None
    penalty: float = 0.0
    balance_terms: BalanceTerms | None = None
    separation: Separation | None = None
    cautions: tuple[Warning, ...] = ()
    columns: tuple[str, ...] = ()
    known_as: str = "scores"
    score_model: ScoreWord = LOGISTIC
    tidied: str = ""

    @property
    def x(self) -> Floats | None:
        """The terms as a matrix (n, d)."""
        return None if self.design is None else self.design.x


@dataclass(frozen=True, eq=False)
class ScoreRows:
    """The rows that a score model is fitted to: n, with d terms.

    Attributes
    ----------
    columns : mapping of str to Series
        Of the frame, of which the terms are made.
    design : Design
        The terms.
    recipe : Recipe
        How they are made.
    treated : ndarray (n,) of bool
    sample_weight : ndarray (n,) or None
    gaps : tuple of str
        The columns that have missing values, which learners alone take.
    frequency : ndarray (n,) or None
        How many users each row stands for; None where each is one.
    """

    columns: Mapping[str, pd.Series[Any]]
    design: Design
    recipe: Recipe
    treated: Bools
    sample_weight: Floats | None
    gaps: tuple[str, ...] = ()
    frequency: Floats | None = None

    @classmethod
    def of(cls, inputs: Inputs, treated: Bools, frequency: Floats | None = None) -> ScoreRows:
        """Put covariates beside the treatment."""
        weight, gaps = inputs.sample_weight, inputs.gaps
        return cls(inputs.columns, inputs.design, inputs.recipe, treated, weight, gaps, frequency)

    @property
    def x(self) -> Floats:
        """The terms as a matrix (n, d)."""
        return self.design.x

    @property
    def inputs(self) -> Inputs:
        """The covariates, as a model of any kind takes them."""
        return Inputs(self.columns, self.design, self.recipe, self.sample_weight, self.gaps)

    def taken(self, rows: Rows) -> ScoreRows:
        """Take some of the rows."""
        return replace(
            self,
            columns={name: column.iloc[rows] for name, column in self.columns.items()},
            design=self.design.taken(rows),
            treated=self.treated[rows],
            sample_weight=None if self.sample_weight is None else self.sample_weight[rows],
            frequency=None if self.frequency is None else self.frequency[rows],
        )

    def in_group(self, rows: Rows) -> ScoreRows:
        """Take some rows as if there were no others."""
        frequency = None if self.frequency is None else self.frequency[rows]
        return ScoreRows.of(self.inputs.in_group(rows), self.treated[rows], frequency)

    @property
    def there(self) -> Bools:
        """Which rows are there, (n,): those of sample weight 0 are not."""
        return np.ones_like(self.treated) if self.sample_weight is None else self.sample_weight > 0

    def fit(
        self, penalty: float, score_model: ScoreWord = LOGISTIC, n_threads: int | None = None
    ) -> FittedScores:
        """Fit a model to all rows.

        Raises
        ------
        SeparationError
            It tells which rows' treatment is foretold.
        """
        with self.naming_separation():
            fit = core.fit_propensity(
                self.design.terms,
                self.treated,
                penalty=penalty,
                score_model=score_model,
                sample_weight=self.sample_weight,
                frequency=self.frequency,
                n_threads=n_threads,
                **self.design.coded,
            )
        separation = None
        if len(fit.diverging):
            separation = self._separation(fit.diverging, fit.scores)
        return FittedScores(self, fit, separation)

    def dropped(self, aliased: Iterable[int]) -> tuple[str, ...]:
        """Name the terms without a column, and those that earlier ones repeat."""
        return (*self.recipe.empty, *(self.recipe.names[column] for column in aliased))

    def left_out(self, penalty: float) -> tuple[str, ...]:
        """Name the terms that such a model makes no use of: a penalty shares out among equal ones."""
        if penalty > 0:
            return self.dropped([])
        nobody, design = np.zeros_like(self.there), self.design
        return self.dropped(map(int, core.require_inside(design.terms, self.there, nobody, **design.coded)))

    @contextmanager
    def naming_separation(self) -> Iterator[None]:
        """Let a `SeparationError` of the core, which knows columns by number, name the rows."""
        try:
            yield
        except SeparationError as error:
            if not error.columns:
                raise
            raise SeparationError(str(self._separation(error.columns)), error.columns) from None

    @contextmanager
    def naming_foretold(
        self, index: pd.Index[Any], penalty: float | None, score_model: ScoreWord = LOGISTIC
    ) -> Iterator[None]:
        """Say of scores of 0 or 1 which rows are foretold; a `penalty` of None is of a model not our own."""
        try:
            yield
        except OverlapError as error:
            if error.columns or penalty is None:
                raise
            separation = self.fit(penalty, score_model).usable(index).separation
            if separation is None:
                raise
            raise OverlapError(f"scores: some are 0 or 1 exactly: {separation}") from None

    def _separation(self, diverging: Any, scores: Floats | None = None) -> Separation:
        return find_separation(
            {name: widened(column) for name, column in self.columns.items()},
            self.design,
            self.recipe.names,
            self.treated,
            diverging=diverging,
            scores=scores,
            sample_weight=self.sample_weight,
            frequency=self.frequency,
        )


def warn_of_left_out(names: Sequence[str], whose: str = "") -> None:
    """Warn of terms that are left out, if there are any; `whose` says of which models where that is open."""
    if names:
        left_out = f"{whose}left out, because earlier terms already say the same: {', '.join(names)}"
        warn(left_out, CollinearityWarning)


@dataclass(frozen=True, eq=False)
class FittedScores:
    """A score model, fitted; `separation` is None where there is none.

    `by_row` are its scores where the rows at hand are others than those of the fit, as of cells.
    """

    rows: ScoreRows
    fit: core.PropensityFit
    separation: Separation | None
    by_row: Floats | None = None

    @property
    def scores(self) -> Floats:
        """Of the rows, (n,)."""
        return self.fit.scores if self.by_row is None else self.by_row

    @property
    def dropped(self) -> tuple[str, ...]:
        """The terms without a coefficient: those without a column, and those that earlier ones repeat."""
        return self.rows.dropped(self.fit.aliased)

    def usable(self, index: pd.Index[Any]) -> Self:
        """Give itself, if its scores lie strictly between 0 and 1; rows are told by the labels of `index`.

        Raises
        ------
        OverlapError
            They do not. Where the model is separated, that is why, and is told.
        """
        scores, weight = self.scores, self.rows.sample_weight
        if weight is not None:  # whoever weighs nothing is not there, whatever the score
            scores = spread(scores[weight > 0], weight)
        told = "" if self.separation is None else str(self.separation)
        rowwise_checks.scores(scores, index, "scores", told, partial(self._far_out, index=index))
        return self

    def _far_out(self, certain: Bools, index: pd.Index[Any]) -> str:
        """Say what carries rows to the end."""
        rows = self.rows
        if len(certain) != rows.design.n_rows:  # those of the fit are cells, and these are users
            return ""
        return far_out(rows.design, rows.recipe, self.fit, rows.columns, certain, index, rows.frequency)

    def warn_of_terms(self) -> None:
        """Warn of terms that are left out."""
        warn_of_left_out(self.dropped)

    def warn_of_weights(self) -> None:
        """Warn of sample weights that are balancing weights by the same terms."""
        rows, fit = self.rows, self.fit
        counted = {"sample_weight": rows.sample_weight, "frequency": rows.frequency}
        whose = refitted_estimand_of(rows.design, rows.treated, fit.scores, fit.penalty, **counted)
        if whose is not None:
            warn(own_weights_warning(whose))

    def warn_of_separation(self) -> None:
        """Warn of rows whose treatment is foretold."""
        if self.separation is not None:
            warn(str(self.separation), SeparationWarning)

    @property
    def scored(self) -> Scored:
        """What an analysis of the same rows needs."""
        return Scored(
            self.scores,
            self.rows.design,
            self.fit.penalty,
            BalanceTerms.of_terms(self.rows.design, self.rows.recipe),
            self.separation,
            columns=self.rows.recipe.columns,
            score_model=self.fit.score_model,
            tidied=self.rows.recipe.tidied_words,
        )
