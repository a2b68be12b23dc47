"""Covariates to a design: lists of columns and formulas become terms."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks, digits, formulas, kinds, lists, text, untidy
from propensity.frames.checks import Floats
from propensity.frames.columns import Frame
from propensity.frames.design import Design
from propensity.frames.lines import THE_OUTCOME, THE_TREATMENT, Subject, all_but
from propensity.frames.native import AnyFrame, Column, column_names
from propensity.frames.present import spread_design, those_there
from propensity.frames.recipe import Recipe, laid_out
from propensity.frames.rowwise import Reader
from propensity.frames.tidying import Tidied, Tidying

if TYPE_CHECKING:
    from formulaic import SimpleFormula

Covariates: TypeAlias = Sequence[str] | str
"""A list of columns, or the right-hand side of a formula."""


@dataclass(frozen=True, eq=False)
class Terms:
    """Parsed covariates: the columns they need and what formulaic is to make of them.

    `formula`, and its `text`, are None for a list of columns, which become terms as they are. `tidying` says
    what is asked of missing values and rare levels, `tidied` what was found, once a frame is there.
    """

    columns: tuple[str, ...]
    formula: SimpleFormula | None
    text: str | None = None
    tidying: Tidying | None = None
    tidied: Tidied | None = None

    @property
    def may_be_missing(self) -> tuple[str, ...]:
        """The columns that may be read with missing values."""
        return self.columns if self.tidying is not None and self.tidying.missing is not None else ()

    @property
    def reader(self) -> Reader:
        """What reads their columns: those of a list go on as they are, a formula computes with them."""
        is_plain = self.formula is None and self.tidying is None
        return kinds.read_narrow if is_plain else kinds.read

    @property
    def sources(self) -> tuple[str, ...]:
        """The caller's columns: indicators are made."""
        made = () if self.tidied is None else self.tidied.indicators
        return tuple(name for name in self.columns if name not in made)


def parse_covariates(
    covariates: Covariates,
    data: AnyFrame,
    *,
    treatment: str | None = None,
    outcomes: Sequence[str] = (),
    may_be_none: bool = False,
    role: str = "covariates",
    tidying: Tidying | None = None,
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
    tidying : Tidying or None, default None
        What is asked of missing values and rare levels.

    Raises
    ------
    InvalidInputError
        The formula cannot be read, has a left-hand side or no intercept, or nothing is named, or one twice.
    TypeError
        `covariates` is neither, or `data` is not a frame.
    """
    with _called(role):
        terms = _parsed(covariates, data, (treatment, outcomes), may_be_none=may_be_none)
    return replace(terms, tidying=tidying)


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
        terms = Terms(columns, formula, covariates)
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
    return spread_design(design, sample_weight).x, recipe


def make_design(
    frame: Frame,
    terms: Terms,
    *,
    all_levels: bool = False,
    sample_weight: Floats | None = None,
    penalty: float | None = None,
) -> tuple[Design, Recipe]:
    """Make the same as a design, in which many levels are codes, and with a penalty may be very many."""
    there = those_there(frame, sample_weight)
    design, recipe = _terms_of(there, terms, all_levels=all_levels, settled=(), penalty=penalty)
    return spread_design(design, sample_weight), recipe


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
        return Design(x), replace(recipe, columns=terms.sources, tidied=terms.tidied)
    names = lists.names(columns, all_levels=all_levels)
    flat = [(place, term) for place, own in enumerate(names.values()) for term in own]
    recipe = Recipe(
        names=tuple(term for _, term in flat),
        empty=tuple(name for name, own in names.items() if not own),
        levels=levels,
        columns=terms.sources,
        origins=tuple(place for place, _ in flat),
        spec=None,
        all_levels=all_levels,
        tidied=terms.tidied,
    )
    checks.unlike_terms(recipe.names)
    return laid_out(columns, frame, all_levels=all_levels), recipe


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
    text.require_no_numbers(column, subject)
    text.require_no_dates(column, subject)


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
