"""What balances more than the terms of a score model: squares and products, where arms have rows for them."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from propensity.effects.balance_terms import BalanceTerms
from propensity.frames.checks import Bools, Floats

# Rows of the smaller arm for each term with all squares and products (ten events a variable: Peduzzi et al.
# 1996), and rows of it that hold a level, or two levels together. With fewer outcome models refuse the arm,
# no weights reach the means of products, and scores of 0 appear: as with 60 treated of 3,000 rows, 11 terms
# and a rare level (`tests/weighting/test_richer.py`).
_ROWS_PER_TERM = 10
_ROWS_OF_A_LEVEL = 5

_BATCH = 50_000  # rows at a time
_MOST_COLUMNS = 6  # more, and their formula is longer than the message

_BY_SMALLER_ARM = {True: ("ATT", "treated", "control"), False: ("ATC", "control", "treated")}


@dataclass(frozen=True, eq=False)
class Asked:
    """What weights by scores were asked for.

    Attributes
    ----------
    terms : BalanceTerms
        Of the score model, (n, d).
    arms : (ndarray (n,) of bool, ndarray (n,) of bool)
        The rows of the treated and of the controls that are there.
    columns : tuple of str
        What these are made of.
    treatment : str or None
        The column, where it is known.
    estimand : str
    sizes : (int, int)
        How many users either arm has.
    """

    terms: BalanceTerms
    arms: tuple[Bools, Bools]
    columns: Sequence[str]
    treatment: str | None
    estimand: str
    sizes: tuple[int, int]


def richer_remedy(asked: Asked) -> str:
    """Say what balances more: the formula of squares and products, or whose effect asks less of an arm."""
    n_terms = n_with_products(asked.terms)
    fewer, more = sorted(asked.sizes)
    treated_are_fewer = asked.sizes[0] <= asked.sizes[1]
    if fewer >= _ROWS_PER_TERM * n_terms and not _has_rare_levels(
        asked.terms, asked.arms[not treated_are_fewer]
    ):
        formula = formula_with_products(asked.terms, asked.columns)
        line = f": covariates={formula!r}" if formula else ""
        return f"; squares and products of terms in the score model balance more{line}"
    of_smaller, arm, other = _BY_SMALLER_ARM[treated_are_fewer]
    too_few = f"; the {fewer:,} {arm} rows are too few for squares and products as well ({n_terms:,} terms)"
    if more < _ROWS_PER_TERM * n_terms:
        return f"{too_few}: take fewer covariates"
    if asked.estimand != of_smaller:
        weighs = f"weighs the {more:,} {other} rows alone"
        return f'{too_few}: take estimand="{of_smaller}", which {weighs}, or fewer covariates'
    return f"{too_few} in a model: {_balancing(asked)} balances them, or take fewer covariates"


def _balancing(asked: Asked) -> str:
    """Write the line that balances squares and products with the rows of the larger arm."""
    named = len(asked.columns) <= _MOST_COLUMNS and asked.treatment is not None
    roles = f"treatment={asked.treatment!r}, covariates={list(asked.columns)!r}" if named else "..."
    return f"ps.fit_weights(df, {roles}, estimand={asked.estimand!r}, moments=2, interactions=True)"


def n_with_products(terms: BalanceTerms) -> int:
    """Count terms with all squares and products, as `balance` has them: none of levels of one column."""
    n = len(terms.names)
    of_one = np.unique(np.array(terms.origins), return_counts=True)[1]
    n_products = (n**2 - int((of_one**2).sum())) // 2
    return n + n_products + len(_amounts(terms))


def _has_rare_levels(terms: BalanceTerms, arm: Bools) -> bool:
    """Whether few rows of an arm hold a level or flag, or two of different columns together."""
    rows, amounts = np.flatnonzero(arm), _amounts(terms)
    held = np.zeros((len(terms.names), len(terms.names)))
    for start in range(0, len(rows), _BATCH):
        there = (terms.design.taken(rows[start : start + _BATCH]).x != 0).astype(np.float64)
        there[:, amounts] = 1.0
        held += there.T @ there
    origins = np.array(terms.origins)
    together = (origins[:, None] != origins) | np.eye(len(origins), dtype=bool)
    return bool((held[together] < _ROWS_OF_A_LEVEL).any())


def _amounts(terms: BalanceTerms) -> list[int]:
    """Give the places of terms that are more than zeros and ones, whose squares are others."""
    levels = {place for own in terms.design.levels for place in own}
    places = (place for place in range(len(terms.names)) if place not in levels)
    return [place for place in places if not _is_binary(terms.column(place))]


def _is_binary(column: Floats) -> bool:
    return bool(((column == 0) | (column == 1)).all())


def formula_with_products(terms: BalanceTerms, columns: Sequence[str]) -> str | None:
    """Write the formula of all squares and products; None where terms are no columns as they are, or many."""
    if len(columns) > _MOST_COLUMNS or not _are_columns(terms, columns):
        return None
    names = [_quoted(name) for name in columns]
    amounts = {terms.names[place] for place in _amounts(terms)}
    squares = [f"I({_quoted(name)} ** 2)" for name in columns if name in amounts]
    products = names[0] if len(names) == 1 else f"({' + '.join(names)}) ** 2"
    if len(names) == 1 and not squares:
        return None
    return " + ".join([products, *squares])


def _are_columns(terms: BalanceTerms, columns: Sequence[str]) -> bool:
    """Whether every term is a column or a level of one, and every column has terms."""
    owners = []
    for name in terms.names:
        own = [column for column in columns if name == column or name.startswith(f"{column}[")]
        if len(own) != 1:
            return False
        owners += own
    return set(owners) == set(columns) and len(set(terms.origins)) == len(columns)


def _quoted(name: str) -> str:
    plain = name.isidentifier() and not keyword.iskeyword(name)
    return name if plain else f"`{name}`"
