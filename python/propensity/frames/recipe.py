"""How columns became terms, for more rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks, formulas, kinds, lists
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import Frame, open_frame
from propensity.frames.design import Design
from propensity.frames.laid_out import of_list
from propensity.frames.native import AnyFrame, Column
from propensity.frames.present import spread_design, those_there
from propensity.frames.tidying import Tidied

if TYPE_CHECKING:
    from formulaic import ModelSpec


@dataclass(frozen=True, eq=False)
class Recipe:
    """How columns become terms, remembered, so that new rows get the very same ones. It pickles.

    Attributes
    ----------
    names : tuple of str
        The d terms, without the intercept (the core fits one itself).
    empty : tuple of str
        Terms without a column: text with a single level, which the intercept already stands for.
    levels : dict of str to Index
        The levels seen in each text or categorical column.
    columns : tuple of str
        The columns needed.
    origins : tuple of int
        Which term of the formula each of the d columns is of: the levels of a categorical share one.
    spec : formulaic.ModelSpec, or None
        With the state of its transforms: knots, means, levels. None for columns as they are.
    all_levels : bool
        Whether every categorical has a term for each of its levels, also the first.
    codes : dict of str to Index
        The values seen in each numeric column that the formula makes categories of.
    moving : tuple of str
        Terms whose values hang on which other rows there are, so that new rows cannot get them.
    tidied : Tidied or None
        What stands for missing values and rare levels, where that was asked for.
    """

    names: tuple[str, ...]
    empty: tuple[str, ...]
    levels: Mapping[str, pd.Index[Any]]
    columns: tuple[str, ...]
    origins: tuple[int, ...]
    spec: ModelSpec | None
    all_levels: bool
    codes: Mapping[str, pd.Index[Any]] = field(default_factory=dict)
    moving: tuple[str, ...] = ()
    tidied: Tidied | None = None

    @property
    def tidied_words(self) -> str:
        """How columns were tidied; empty where nothing was done."""
        return "" if self.tidied is None else self.tidied.words

    def made_of(self, columns: Collection[str]) -> list[int]:
        """Give the places of the terms that are made of some of these columns, and maybe of others."""
        sources = self.columns_of_terms
        if self.tidied is not None:
            sources = [tuple(map(self.tidied.source, names)) for names in sources]
        return [place for place, origin in enumerate(self.origins) if set(sources[origin]) & set(columns)]

    @property
    def sources(self) -> tuple[frozenset[str], ...]:
        """The columns that each of the d terms is made of."""
        sources = [frozenset(names) for names in self.columns_of_terms]
        return tuple(sources[origin] for origin in self.origins)

    @property
    def factors(self) -> frozenset[str]:
        """The columns that are categories, as they are or by the formula."""
        return frozenset([*self.levels, *self.codes])

    @property
    def columns_of_terms(self) -> list[tuple[str, ...]]:
        """Give the columns that each term of the formula is made of, or each column by itself."""
        known = self.columns if self.tidied is None else self.tidied.expanded(self.columns)
        if self.spec is None:
            return [(name,) for name in known]
        return [formulas.columns_of_term(one.term, known) for one in self.spec.structure]

    def of_some(self, columns: Mapping[str, Column]) -> Recipe:
        """Name the terms of some of the columns of a list, which may have fewer levels than all."""
        place = {name: k for k, (name,) in enumerate(self.columns_of_terms)}
        names = lists.names(columns, all_levels=self.all_levels)
        return replace(
            self,
            names=tuple(term for own in names.values() for term in own),
            origins=tuple(place[name] for name, own in names.items() for _ in own),
            levels={name: columns[name].cat.categories for name in self.levels if name in columns},
        )

    def only(self, terms: Sequence[int]) -> Recipe:
        """Name some of the terms; what makes them makes the others too."""
        names = tuple(self.names[term] for term in terms)
        return replace(self, names=names, origins=tuple(self.origins[term] for term in terms))

    def makes_the_same(self, other: Recipe) -> bool:
        """Whether both make the same terms of the same columns; of formulas that is not asked."""
        if self.spec is not None or other.spec is not None or self.tidied or other.tidied:
            return False
        is_same = self.names == other.names and self.columns == other.columns
        levels = zip(self.levels.values(), other.levels.values(), strict=False)
        return is_same and all(own.equals(others) for own, others in levels)

    def require_row_by_row(self) -> None:
        """Require every term to be a function of its own row.

        Raises
        ------
        InvalidInputError
            One is made with a mean, a rank or the like of the rows that are there.
        """
        if self.moving:
            raise InvalidInputError(
                f"term {checks.listed(self.moving)}: its values hang on the other rows of the frame, as "
                "those of a mean, a rank or a shift do, so that new rows would not get what the model was "
                "fitted to; center(x), scale(x), poly(x, 2) and bs(x, df=4) remember what they have seen, or "
                "make a column of it before the fit"
            )

    def apply(
        self,
        data: AnyFrame,
        read: Mapping[str, Column] | None = None,
        sample_weight: Floats | None = None,
    ) -> tuple[Floats, Frame]:
        """Make the (m, d) terms of m rows of a new frame, of which some columns may have been read already.

        Rows of sample weight 0 are not there, as for `make_terms`.

        Raises
        ------
        InvalidInputError
            A column is missing, a value is missing or infinite, or a level was not there when fitted.
        TypeError
            A column was text when fitted and is not now, or the reverse.
        """
        self.require_few_levels()
        design, frame = self.design(data, read, sample_weight)
        return design.x, frame

    def require_few_levels(self) -> None:
        """Require so few levels that a matrix has room for a term for each.

        Raises
        ------
        InvalidInputError
            A column has more.
        """
        for name, levels in self.levels.items():
            if len(levels) > checks.MOST_LEVELS:
                raise InvalidInputError(
                    f"column '{name}': {len(levels):,} levels, and a term for each, of which no matrix is "
                    "made here; take the scores as known, scores=model.scores"
                )

    def design(
        self,
        data: AnyFrame,
        read: Mapping[str, Column] | None = None,
        sample_weight: Floats | None = None,
    ) -> tuple[Design, Frame]:
        """Make the same as a design, in which many levels are codes."""
        may_be = () if self.tidied is None else self.tidied.may_be_missing
        reader = kinds.read_narrow if self.spec is None and self.tidied is None else kinds.read
        frame = open_frame(data, covariates=self.columns, read=read, may_be_missing=may_be, reader=reader)
        if self.tidied is not None:
            columns = self.tidied.apply(frame.columns, sample_weight)
            frame = replace(frame, columns=columns, tidied=self.tidied)
        there = those_there(frame, sample_weight)
        columns = {name: self._with_known_levels(name, column) for name, column in there.columns.items()}
        if self.spec is None:
            design = laid_out(columns, there, all_levels=self.all_levels)
        else:
            found = formulas.materialize(self.spec, columns, there.index, all_levels=self.all_levels)
            design = found[0]
        return spread_design(design, sample_weight), frame

    def _with_known_levels(self, name: str, column: Column) -> Column:
        levels = self.levels.get(name)
        if (levels is None) == isinstance(column.dtype, pd.CategoricalDtype):
            then, now = ("numeric", "text") if levels is None else ("text", "numeric")
            raise TypeError(f"column '{name}': it was {then} when the model was fitted and is {now} here")
        if levels is None:
            codes = self.codes.get(name)
            if codes is not None:
                self._require_seen(name, column, ~column.isin(codes).to_numpy(), codes)
            return column
        known = column.cat.set_categories(levels)
        self._require_seen(name, column, known.isna().to_numpy(), levels)
        return known

    def _require_seen(self, name: str, column: Column, unseen: Bools, levels: pd.Index[Any]) -> None:
        if unseen.any():
            found = checks.counted(unseen, "value", column.index)
            raise InvalidInputError(
                f"column '{name}': {found} at levels that the model has not seen, "
                f"{checks.listed(sorted(set(column[unseen])))}; it knows {checks.listed(levels)}"
            )


def laid_out(columns: Mapping[str, Column], frame: Frame, *, all_levels: bool) -> Design:
    """Lay out columns as they are, and require numbers to be finite."""
    formulas.require_finite_columns(columns, frame.index)
    own = isinstance(frame.native, pd.DataFrame)  # others' columns are not written to
    return of_list(columns, len(frame.index), all_levels=all_levels, own=own)
