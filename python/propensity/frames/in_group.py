"""Columns and terms of some rows alone, without what says nothing there: one value, levels nobody has."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from propensity.frames.checks import Rows
from propensity.frames.design import Design
from propensity.frames.laid_out import of_list
from propensity.frames.levels import is_categorical
from propensity.frames.native import Column
from propensity.frames.recipe import Recipe


def columns_in(columns: Mapping[str, Column], rows: Rows) -> dict[str, Column]:
    """Take rows of the columns that differ among them, with the levels that are there."""
    own = {name: column.iloc[rows] for name, column in columns.items()}
    return {
        name: column.cat.remove_unused_categories() if is_categorical(column) else column
        for name, column in own.items()
        if not _has_one_value(column)
    }


def _has_one_value(column: Column) -> bool:
    values = (column.cat.codes if is_categorical(column) else column).to_numpy()
    return len(values) > 0 and bool((values == values[0]).all() or column.isna().all())


def terms_of_list(columns: Mapping[str, Column], n_rows: int, recipe: Recipe) -> tuple[Design, Recipe]:
    """Make the terms that a list of these columns has by itself, named by the recipe of them and others."""
    return of_list(columns, n_rows, all_levels=recipe.all_levels), recipe.of_some(columns)


def terms_of_formula(design: Design, recipe: Recipe, differing: Collection[str]) -> tuple[Design, Recipe]:
    """Leave out the terms of a formula that say what an intercept does, or other terms.

    Parameters
    ----------
    design : Design
        All terms of these rows.
    recipe : Recipe
        How they are made.
    differing : collection of str
        The columns that differ among these rows. A term that is made of another may be one without it.
    """
    terms = [term for term, varies in enumerate(design.varies(range(design.n_terms))) if varies]
    terms = _without_repeated(design, terms, recipe, differing)
    terms = _without_first_levels(design, terms, recipe)
    return design.only(terms), recipe.only(terms)


def _without_repeated(
    design: Design, terms: list[int], recipe: Recipe, differing: Collection[str]
) -> list[int]:
    """Leave out what is made of a column of one value and holds what another term does."""
    sources = recipe.sources
    doubtful = {term: None for term in terms if not sources[term] <= set(differing)}
    if not doubtful:
        return terms
    known = {design.column(term).tobytes() for term in terms if term not in doubtful}
    repeated = set()
    for term in doubtful:
        content = design.column(term).tobytes()
        if content in known:
            repeated.add(term)
        known.add(content)
    return [term for term in terms if term not in repeated]


def _without_first_levels(design: Design, terms: list[int], recipe: Recipe) -> list[int]:
    """Leave out the first of the levels of a category where these rows are all of one that has a term."""
    if recipe.all_levels:
        return terms
    of_origin: dict[int, list[int]] = {}
    for term in terms:
        of_origin.setdefault(recipe.origins[term], []).append(term)
    first = {own[0] for own in of_origin.values() if own[1:] and not design.none_of(own).any()}
    return [term for term in terms if term not in first]
