"""Covariates to a design: lists of columns and formulas become terms, and the recipe for more rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames import checks, digits, formulas, lists, text, untidy
from propensity.frames import design as designs
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import Frame, open_frame
from propensity.frames.design import Design
from propensity.frames.lines import THE_OUTCOME, THE_TREATMENT, Subject, all_but
from propensity.frames.native import AnyFrame, Column, column_names

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula

_MOST_COHORTS = 20

_Number = TypeVar("_Number", bound=np.generic)

Covariates: TypeAlias = Sequence[str] | str
"""A list of columns, or the right-hand side of a formula."""


@dataclass(frozen=True, eq=False)
class Terms:
    """Parsed covariates: the columns they need and what formulaic is to make of them.

    `formula` is None for a list of columns, which become terms as they are.
    """

    columns: tuple[str, ...]
    formula: SimpleFormula | None


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

    def made_of(self, columns: Collection[str]) -> list[int]:
        """Give the places of the terms that are made of some of these columns, and maybe of others."""
        sources: list[tuple[str, ...]] = [(name,) for name in self.columns]
        if self.spec is not None:
            sources = [formulas.columns_of_term(one.term, self.columns) for one in self.spec.structure]
        return [place for place, origin in enumerate(self.origins) if set(sources[origin]) & set(columns)]

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
        for name, levels in self.levels.items():
            if len(levels) > checks.MOST_LEVELS:
                raise InvalidInputError(
                    f"column '{name}': {len(levels):,} levels, and a term for each, of which no matrix is "
                    "made here; take the scores as known, scores=model.scores"
                )
        design, frame = self.design(data, read, sample_weight)
        return design.x, frame

    def design(
        self,
        data: AnyFrame,
        read: Mapping[str, Column] | None = None,
        sample_weight: Floats | None = None,
    ) -> tuple[Design, Frame]:
        """Make the same as a design, in which many levels are codes."""
        frame = open_frame(data, covariates=self.columns, read=read)
        there = those_there(frame, sample_weight)
        columns = {name: self._with_known_levels(name, column) for name, column in there.columns.items()}
        if self.spec is None:
            design = _of_list(columns, there, all_levels=self.all_levels)
        else:
            design = Design(formulas.materialize(self.spec, columns, there.index)[0])
        return _spread(design, sample_weight), frame

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


def parse_covariates(
    covariates: Covariates,
    data: AnyFrame,
    *,
    treatment: str | None = None,
    outcomes: Sequence[str] = (),
    may_be_none: bool = False,
    role: str = "covariates",
) -> Terms:
    """Read a list of columns or a formula; of the frame only the names of its columns matter.

    Parameters
    ----------
    covariates : list of str, or str
    data : DataFrame
    treatment, outcomes
        Columns that are no covariates, where they are known.
    may_be_none : bool, default False
        Whether the formula "1" may ask for none, which leaves a model its intercept. A list that is empty has
        rather lost them, and a table of them would be empty.
    role : str, default "covariates"
        What a message calls them.

    Raises
    ------
    InvalidInputError
        The formula cannot be read, has a left-hand side or no intercept, or nothing is named, or one twice.
    TypeError
        `covariates` is neither, or `data` is not a frame.
    """
    with _called(role):
        return _parsed(covariates, data, (treatment, outcomes), may_be_none=may_be_none)


@contextmanager
def _called(role: str) -> Iterator[None]:
    """Call covariates by another name in what is said of them."""
    usual = "covariates"
    try:
        yield
    except (InvalidInputError, TypeError) as error:
        said = str(error)
        if role != usual and said.startswith(f"{usual}: "):
            error.args = (role + said.removeprefix(usual).replace(f" {usual}=", f" {role}="),)
        raise


def _parsed(
    covariates: Covariates, data: AnyFrame, roles: tuple[str | None, Sequence[str]], *, may_be_none: bool
) -> Terms:
    if isinstance(covariates, str):
        treatment, outcomes = roles
        others = [THE_TREATMENT if treatment is None else treatment, *(outcomes or [THE_OUTCOME])]
        formula, columns = formulas.parse(covariates, column_names(data), all_but(others, data))
        terms = Terms(columns, formula)
    elif isinstance(covariates, Iterable):
        terms = _parse_list(covariates, column_names(data))
    else:
        raise TypeError(f"covariates: a list of columns or a formula is needed, not {covariates!r}")
    if not terms.columns and not (may_be_none and _asks_for_none(covariates)):
        otherwise = "; covariates='1' is a model of none" if may_be_none else ""
        raise InvalidInputError(f"covariates: no column is named; at least one is needed{otherwise}")
    if formulas.INTERCEPT in terms.columns:
        raise InvalidInputError(
            f"covariates: the model has its own '{formulas.INTERCEPT}'; leave the column out"
        )
    return terms


def without_columns(covariates: Covariates, data: AnyFrame, columns: Collection[str]) -> Covariates:
    """Give the covariates without some columns: of a formula, without the terms that are made of them."""
    terms = parse_covariates(covariates, data, may_be_none=True)
    if terms.formula is None:
        return [name for name in terms.columns if name not in columns] or "1"
    return " + ".join(
        formulas.written(term)
        for term in terms.formula
        if not set(formulas.columns_of_term(term, terms.columns)) & set(columns)
    )


def _asks_for_none(covariates: Covariates) -> bool:
    return isinstance(covariates, str) and covariates.strip() == "1"


def make_terms(
    frame: Frame,
    terms: Terms,
    *,
    all_levels: bool = False,
    sample_weight: Floats | None = None,
    settled: Collection[str] = (),
) -> tuple[Floats, Recipe]:
    """Make the (n, d) terms of a frame, in column order, and the recipe for more rows.

    With `all_levels` every categorical has a term for each of its levels, also the first. Rows of sample
    weight 0 are not there: no level, mean or knot is made of them, and their terms are those of the first
    row that is. Nothing is said of the spelling of columns that are `settled`.
    """
    there = those_there(frame, sample_weight)
    design, recipe = _terms_of(there, terms, all_levels=all_levels, settled=settled)
    return _spread(design, sample_weight).x, recipe


def make_design(
    frame: Frame, terms: Terms, *, sample_weight: Floats | None = None, penalty: float = 0.0
) -> tuple[Design, Recipe]:
    """Make the same as a design, in which many levels are codes, and with a penalty may be very many."""
    there = those_there(frame, sample_weight)
    design, recipe = _terms_of(there, terms, all_levels=False, settled=(), penalty=penalty)
    return _spread(design, sample_weight), recipe


def _of_list(columns: Mapping[str, Column], frame: Frame, *, all_levels: bool) -> Design:
    """Lay out columns as they are, and require numbers to be finite."""
    if all_levels:
        design = Design(lists.matrix(columns, len(frame.index), all_levels=True))
    else:
        design = designs.of_list(columns, len(frame.index))
    names = [term for own in lists.names(columns, all_levels=all_levels).values() for term in own]
    numbers = [names[place] for place in design.places]
    formulas.require_finite(design.numbers, numbers, frame.index, among=columns)
    return design


def _spread(design: Design, sample_weight: Floats | None) -> Design:
    """Give the terms of the rows that are there to all rows."""
    factors = tuple(spread(codes, sample_weight) for codes in design.factors)
    return replace(design, numbers=spread(design.numbers, sample_weight), factors=factors)


def those_there(frame: Frame, sample_weight: Floats | None) -> Frame:
    """Leave the rows of sample weight 0 out of a frame's columns."""
    if sample_weight is None or sample_weight.all():
        return frame
    rows = np.flatnonzero(sample_weight)
    columns = {name: column.iloc[rows] for name, column in frame.columns.items()}
    for name, column in columns.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            columns[name] = column.cat.remove_unused_categories()
    return replace(frame, index=frame.index.take(rows), columns=columns)


def spread(values: NDArray[_Number], sample_weight: Floats | None) -> NDArray[_Number]:
    """Give values of the rows that are there to all rows; those of weight 0 get what the first has."""
    if sample_weight is None or sample_weight.all():
        return values
    place = np.where(sample_weight > 0, np.cumsum(sample_weight > 0) - 1, 0)
    return np.asarray(values[place], order="F")


def _terms_of(
    frame: Frame, terms: Terms, *, all_levels: bool, settled: Collection[str], penalty: float | None = None
) -> tuple[Design, Recipe]:
    columns = {name: frame.columns[name] for name in terms.columns}
    levels = _checked_levels(frame, terms, columns, penalty)
    amounts = columns if terms.formula is None else formulas.used_as_amounts(terms.formula)
    for name in [name for name in amounts if name in columns]:
        digits.require(columns[name], Subject.column(name, frame.native))
    untidy.warn_of_columns(
        {name: column for name, column in columns.items() if name not in settled},
        frame.native,
        [name for name in levels if frame.is_category(name)],
    )
    if terms.formula is not None:
        x, recipe = _make_by_formula(frame, terms.formula, columns, levels, all_levels=all_levels)
        return Design(x), recipe
    names = lists.names(columns, all_levels=all_levels)
    flat = [(place, term) for place, own in enumerate(names.values()) for term in own]
    recipe = Recipe(
        names=tuple(term for _, term in flat),
        empty=tuple(name for name, own in names.items() if not own),
        levels=levels,
        columns=terms.columns,
        origins=tuple(place for place, _ in flat),
        spec=None,
        all_levels=all_levels,
    )
    checks.unlike_terms(recipe.names)
    return _of_list(columns, frame, all_levels=all_levels), recipe


def _checked_levels(
    frame: Frame, terms: Terms, columns: Mapping[str, Column], penalty: float | None
) -> dict[str, pd.Index[Any]]:
    """Give the levels of the text and categorical columns, none of which are too many, or numbers."""
    if terms.formula is None:
        plain = set(columns)
    else:
        plain = {
            factor.expr for term in terms.formula for factor in term.factors if formulas.is_lookup(factor)
        }
    by_level = {n: column for n, column in columns.items() if isinstance(column.dtype, pd.CategoricalDtype)}
    for name, column in by_level.items():
        if name in plain and not frame.is_category(name):
            require_words(column, Subject.column(name, frame.native))
        checks.levels(column, penalty=penalty if terms.formula is None else None, n_users=frame.n_users)
    return {name: column.cat.categories for name, column in by_level.items()}


def require_words(column: Column, subject: Subject) -> None:
    """Require text to be words, and neither numbers nor dates.

    Raises
    ------
    TypeError
        Its levels are numbers, or many dates.
    """
    _require_no_numbers(column, subject)
    _require_no_dates(column, subject)


def _require_no_numbers(column: Column, subject: Subject) -> None:
    """Require text not to be numbers that were read as text: a term for each of them is not what is meant."""
    found = column.cat.categories
    if text.are_numbers(found):
        raise TypeError(
            f"{subject}: {text.described(column)}; if they are numbers: {text.number_line(found, subject)}; "
            f"if they are codes: {subject.code()}"
        )


def _require_no_dates(column: Column, subject: Subject) -> None:
    """Require text not to be dates: a few may be cohorts, but many are a line of time."""
    found = column.cat.categories
    if len(found) > _MOST_COHORTS and text.are_dates(found):
        raise TypeError(
            f"{subject}: text of {len(found):,} dates, {checks.listed(found[:3])}, and a term for each; for "
            f"days since the first: {text.days_line(found, subject)}; if they are cohorts: {subject.code()}"
        )


def _make_by_formula(
    frame: Frame,
    formula: SimpleFormula,
    columns: Mapping[str, Column],
    levels: Mapping[str, pd.Index[Any]],
    *,
    all_levels: bool,
) -> tuple[Floats, Recipe]:
    from formulaic import ModelSpec  # noqa: PLC0415 - slow to import, and lists of columns do without it

    if frame.frequency is not None:
        formulas.require_no_counting(formula)
    spec = ModelSpec(formula, ensure_full_rank=not all_levels, na_action="ignore", output="pandas")
    x, spec = formulas.materialize(spec, columns, frame.index)
    checks.unlike_terms(spec.column_names)
    flat = [(place, name) for place, term in enumerate(spec.structure) for name in term.columns]
    names = tuple(name for name in spec.column_names if name != formulas.INTERCEPT)
    moves = len(x) > 1 and formulas.may_look_at_other_rows(formula)
    recipe = Recipe(
        names=names,
        empty=tuple(str(term.term) for term in spec.structure if not term.columns),
        levels=levels,
        columns=tuple(columns),
        origins=tuple(place for place, name in flat if name != formulas.INTERCEPT),
        spec=spec,
        all_levels=all_levels,
        codes={
            name: pd.Index(columns[name].unique()).sort_values()
            for name in formulas.made_categories(formula)
            if name in columns and name not in levels
        },
        moving=formulas.moved_terms(spec, columns, x, names) if moves else (),
    )
    return x, recipe


def _parse_list(covariates: Iterable[str], known: Collection[object]) -> Terms:
    columns = tuple(covariates)
    for name in columns:
        checks.column_name("covariates", name)
        if name not in known:
            _require_a_name(name, columns, known)
        if columns.count(name) > 1:
            raise InvalidInputError(f"covariates: column '{name}' is listed {columns.count(name)} times")
    return Terms(columns, None)


def _require_a_name(text: str, listed: Sequence[str], known: Collection[object]) -> None:
    """Require text in a list to be meant for one column: not for several, and not for a formula."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and all(part in known for part in parts):
        raise InvalidInputError(f"covariates: {text!r} is one text for {len(parts)} columns; take {parts!r}")
    names = re.findall(r"[^\W\d]\w*", text)
    if any(sign in text for sign in "+*:(") and any(name in known for name in names):
        raise InvalidInputError(
            f"covariates: {text!r} is a formula, which stands by itself, and not in a list: "
            f"covariates={' + '.join(listed)!r}"
        )
