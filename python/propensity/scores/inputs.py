"""What models are given of rows: complete terms, and learners the columns under their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from propensity.effects.balance_terms import BalanceTerms
from propensity.errors import InvalidInputError
from propensity.frames import checks, lists
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame, open_frame
from propensity.frames.design import Design
from propensity.frames.in_group import columns_in, terms_of_formula, terms_of_list
from propensity.frames.kinds import widened
from propensity.frames.levels import is_categorical
from propensity.frames.native import AnyFrame, Column
from propensity.frames.recipe import Recipe
from propensity.frames.terms import Terms, make_design
from propensity.frames.tidying import indicator_of, with_missing_level
from propensity.scores.learners import Given, Learner, reads_levels
from propensity.scores.own_models import OwnLearner


@dataclass(frozen=True, eq=False)
class Inputs:
    """The covariates of n rows, as a model of any kind takes them.

    Attributes
    ----------
    columns : mapping of str to Series
        As they were read; they may have missing values where all models are learners.
    design : Design
        Their d terms, which are complete: a missing amount is the mean of the others, with a flag beside it,
        a missing level is a level of its own. Balance is asked of these.
    recipe : Recipe
        How the terms are made.
    sample_weight : ndarray (n,) or None
        A row of weight 0 is not there.
    gaps : tuple of str
        The columns that had missing values in the rows that models are fitted to.
    """

    columns: Mapping[str, Column]
    design: Design
    recipe: Recipe
    sample_weight: Floats | None = None
    gaps: tuple[str, ...] = ()

    @classmethod
    def read(cls, frame: Frame, terms: Terms, sample_weight: Floats | None) -> Inputs:
        """Make them of columns of a frame, some of which may have missing values.

        Raises
        ------
        InvalidInputError
            A column has missing values, and the covariates are a formula.
        """
        columns = {name: frame.columns[name] for name in terms.columns}
        gaps = incomplete(columns)
        if not gaps:
            return cls(columns, *make_design(frame, terms, sample_weight=sample_weight), sample_weight)
        if terms.formula is not None:
            where = checks.counted(columns[gaps[0]].isna().to_numpy(), "missing value", frame.index)
            raise InvalidInputError(
                f"column '{gaps[0]}': {where}, of which a formula makes no terms; give a list of columns, "
                "which learners get as they are, or drop or impute them first"
            )
        there = None if sample_weight is None else sample_weight > 0
        complete = completed(columns, there)
        terms = Terms(tuple(complete), None)
        filled = replace(frame, columns={**frame.columns, **complete})
        design, recipe = make_design(filled, terms, sample_weight=sample_weight)
        return cls(columns, design, recipe, sample_weight, tuple(gaps))

    def in_group(self, rows: Rows) -> Inputs:
        """Take some rows as if there were no others, without what says nothing among them.

        Of a formula the knots, means and other states of its terms stay those of all rows.
        """
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        there = None if weight is None or not weight.any() else weight > 0
        if there is not None:  # whoever weighs nothing gets the terms of the first who is there
            rows = np.where(there, rows, rows[there][0])
        columns = columns_in(self.columns, rows)
        if self.is_list:
            complete = completed(columns, there) if self.gaps else columns
            design, recipe = terms_of_list(complete, len(rows), self.recipe)
        else:
            design, recipe = terms_of_formula(self.design.taken(rows), self.recipe, columns)
        return replace(self, columns=columns, design=design, recipe=recipe, sample_weight=weight)

    @property
    def x(self) -> Floats:
        """The terms as a matrix (n, d)."""
        return self.design.x

    @property
    def balance_terms(self) -> BalanceTerms:
        """What balance is asked of."""
        return BalanceTerms.of_terms(self.design, self.recipe)

    @property
    def is_list(self) -> bool:
        """Whether the covariates are columns as they are, and no formula."""
        return self.recipe.spec is None

    def given_to(self, learner: Learner) -> Given:
        """Give what a learner takes: our own the terms, others a frame with names.

        Of a list of columns these are the columns themselves, text and categories as such for learners that
        read them, and a term for each level but the first for others; of a formula its terms.
        """
        if isinstance(learner, OwnLearner):
            return self.design if self.design.factors else self.x
        if not self.is_list:
            return pd.DataFrame(self.x, columns=list(self.recipe.names), copy=False)
        if reads_levels(learner) or not any(map(is_categorical, self.columns.values())):
            return self._table
        return self._terms

    @cached_property
    def _there(self) -> Mapping[str, Column]:
        """The columns of all rows; those of weight 0 get what the first has that is there."""
        weight = self.sample_weight
        if weight is None or weight.all():
            return {name: widened(column) for name, column in self.columns.items()}
        place = np.where(weight > 0, np.cumsum(weight > 0) - 1, 0)
        return {
            name: widened(_those_there(column, weight > 0).take(place).set_axis(column.index))
            for name, column in self.columns.items()
        }

    @cached_property
    def _table(self) -> pd.DataFrame:
        return _side_by_side(self._there)

    @cached_property
    def _terms(self) -> pd.DataFrame:
        """A term for each level but the first, missing amounts left as they are."""
        complete = {
            name: with_missing_level(column) if name in self.gaps and is_categorical(column) else column
            for name, column in self._there.items()
        }
        names = [term for own in lists.names(complete, all_levels=False).values() for term in own]
        x = lists.matrix(complete, len(next(iter(complete.values()))), all_levels=False)
        return pd.DataFrame(x, columns=names, copy=False)

    @property
    def codes(self) -> tuple[Floats, Rows]:
        """Give amounts (n, d) apart from codes of levels (n, k); a missing one is NaN, or -1."""
        n = len(next(iter(self._there.values()))) if self._there else len(self.x)
        levels = [c.cat.codes.to_numpy(np.int64) for c in self._there.values() if is_categorical(c)]
        amounts = [c.to_numpy(np.float64) for c in self._there.values() if not is_categorical(c)]
        return (
            np.asfortranarray(np.column_stack(amounts)) if amounts else np.empty((n, 0)),
            np.asfortranarray(np.column_stack(levels)) if levels else np.empty((n, 0), dtype=np.int64),
        )

    def missing_in(self, rows: Rows, index: pd.Index[Any], learner: Learner) -> str:
        """Say which columns a learner gets with missing values in these rows; empty where none has."""
        mask = np.zeros(len(index), dtype=bool)
        mask[rows] = True
        found = {
            name: column.isna().to_numpy() & mask
            for name, column in self.columns.items()
            if reads_levels(learner) or not is_categorical(column)
        }
        return "; ".join(
            f"column '{name}': {checks.counted(gaps, 'missing value', index)}"
            for name, gaps in found.items()
            if gaps.any()
        )


def incomplete(columns: Mapping[str, Column]) -> list[str]:
    """Name the columns with missing values."""
    return [name for name, column in columns.items() if column.isna().any()]


def completed(columns: Mapping[str, Column], there: Bools | None) -> dict[str, Column]:
    """Fill missing amounts by their mean, with a flag beside it, and missing levels by one of their own."""
    found: dict[str, Column] = {}
    for name, column in columns.items():
        gaps = column.isna()
        if not gaps.any():
            found[name] = column
        elif is_categorical(column):
            found[name] = with_missing_level(column)
        else:
            known = column if there is None else column[there]
            found[name] = column.fillna(0.0 if known.isna().all() else known.mean())
            found[indicator_of(name)] = gaps
    return found


def _those_there(column: Column, there: Bools) -> Column:
    kept = column[there]
    return kept.cat.remove_unused_categories() if is_categorical(kept) else kept


def _side_by_side(columns: Mapping[str, Column]) -> pd.DataFrame:
    return pd.DataFrame({name: column.reset_index(drop=True) for name, column in columns.items()})


@dataclass(frozen=True, eq=False)
class Intake:
    """How the columns of a new frame become what models were given at the fit; it pickles.

    Attributes
    ----------
    recipe : Recipe
        Of the terms.
    columns : tuple of str
    levels : mapping of str to Index
        The levels of each text or categorical column.
    gaps : tuple of str
        The columns that had missing values.
    """

    recipe: Recipe
    columns: tuple[str, ...]
    levels: Mapping[str, pd.Index[Any]]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, inputs: Inputs) -> Intake:
        """Remember how these were read."""
        levels = {
            name: _those_there(column, _there(inputs.sample_weight, len(column))).cat.categories
            for name, column in inputs.columns.items()
            if is_categorical(column)
        }
        recipe = inputs.recipe
        columns = tuple(inputs.columns) if recipe.tidied is None else recipe.columns
        return cls(recipe, columns, levels, inputs.gaps)

    def read(self, new: AnyFrame, learner: Learner) -> tuple[Inputs, Frame]:
        """Read what a learner takes of another frame.

        Columns that were tidied at the fit are tidied in the same way.

        Raises
        ------
        InvalidInputError
            A column is not there, is incomplete where the model takes no missing values, or has a level that
            the model has not seen.
        TypeError
            A column was text when fitted and is not now, or the reverse.
        """
        if self.recipe.spec is not None or isinstance(learner, OwnLearner):
            self.recipe.require_row_by_row()
            design, frame = self.recipe.design(new)
            return Inputs({}, design, self.recipe), frame
        tidied = self.recipe.tidied
        may_be = self.columns if tidied is None else tidied.may_be_missing
        frame = open_frame(new, covariates=self.columns, may_be_missing=may_be)
        found = frame.columns if tidied is None else tidied.apply(frame.columns, None)
        columns = {name: self._known(name, column) for name, column in found.items()}
        nothing = Design(np.empty((len(frame.index), 0)))
        return Inputs(columns, nothing, self.recipe, gaps=self.gaps), frame

    def terms(self, frame: Frame, sample_weight: Floats | None) -> tuple[Floats, Recipe]:
        """Make the terms (n, d) of the rows of the fit again, in a frame that has them."""
        if not self.gaps:
            return self.recipe.apply(frame.native, frame.plain, sample_weight)[0], self.recipe
        again = open_frame(frame.native, covariates=self.columns, may_be_missing=self.columns)
        inputs = Inputs.read(again, Terms(self.columns, None), sample_weight)
        return inputs.x, inputs.recipe

    def _known(self, name: str, column: Column) -> Column:
        levels = self.levels.get(name)
        if (levels is None) == is_categorical(column):
            then, now = ("numeric", "text") if levels is None else ("text", "numeric")
            raise TypeError(f"column '{name}': it was {then} when the model was fitted and is {now} here")
        if levels is None:
            return column
        known = column.cat.set_categories(levels)
        unseen = (known.isna() & column.notna()).to_numpy()
        if unseen.any():
            found = checks.counted(unseen, "value", column.index)
            raise InvalidInputError(
                f"column '{name}': {found} at levels that the model has not seen, "
                f"{checks.listed(sorted(set(column[unseen])))}; it knows {checks.listed(levels)}"
            )
        return known


def _there(sample_weight: Floats | None, n: int) -> Bools:
    return np.ones(n, dtype=bool) if sample_weight is None else sample_weight > 0
