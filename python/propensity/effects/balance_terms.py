"""What balance is asked of: the terms of a model, the levels that have none, the scores themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from propensity.frames.checks import MOST_LEVELS, Floats, Rows
from propensity.frames.design import Design
from propensity.frames.recipe import Recipe
from propensity.results.read_only import ReadOnly


@dataclass(frozen=True, eq=False)
class BalanceTerms(ReadOnly):
    """What balance is asked of.

    Attributes
    ----------
    names : tuple of str
        Of the d terms.
    design : Design
        The terms.
    origins : tuple of int
        Which column or term of a formula each is of: the levels of one categorical are not multiplied.
    first : mapping of str to tuple of int
        First levels, which have no term: what those of the other levels leave of 1.
    more : mapping of str to ndarray (n,)
        What is asked of beside the terms: the score.
    sources : tuple of frozenset of str
        The columns that each term is made of; empty where that is not known.
    factors : frozenset of str
        Those of them that are categories.
    """

    names: tuple[str, ...]
    design: Design
    origins: tuple[int, ...]
    first: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    more: Mapping[str, Floats] = field(default_factory=dict)
    sources: tuple[frozenset[str], ...] = ()
    factors: frozenset[str] = frozenset()

    @property
    def x(self) -> Floats:
        """The terms as a matrix (n, d)."""
        return self.design.x

    @property
    def all_names(self) -> dict[str, tuple[int, ...]]:
        """Give the number of everything that is asked of, by name."""
        return {name: (k,) for k, name in enumerate((*self.names, *self.first, *self.more))}

    def some(self, rows: Rows) -> Floats:
        """Give everything that is asked of, for some rows: (len(all_names), m)."""
        x = self.design.taken(rows).x.T
        first = [1 - x[list(others)].sum(axis=0) for others in self.first.values()]
        more = [column[rows] for column in self.more.values()]
        return np.vstack([x, *first, *more]) if first or more else x

    def column(self, k: int) -> Floats:
        """Give the values (n,) of one."""
        if k < len(self.names):
            return self.design.column(k)
        k -= len(self.names)
        if k < len(self.first):
            return self.design.none_of(list(self.first.values())[k])
        return list(self.more.values())[k - len(self.first)]

    def parts(self, k: int) -> Callable[[slice], Floats]:
        """Give what reads some rows of one."""
        return self.design.parts(k) if k < len(self.names) else self.column(k).__getitem__

    @classmethod
    def of_terms(
        cls, x: Floats | Design, recipe: Recipe, more: Mapping[str, Floats] | None = None
    ) -> BalanceTerms:
        """Ask balance of every term, named as `balance` names them, and of the levels that have none."""
        design = x if isinstance(x, Design) else Design(x)
        if max(design.n_levels, default=0) > MOST_LEVELS:  # of few rows each, which differ anyway
            design, kept = design.narrow(MOST_LEVELS)
            kept_names = tuple(recipe.names[k] for k in kept)
            recipe = replace(recipe, names=kept_names, origins=tuple(recipe.origins[k] for k in kept))
        first = {}
        for name, levels in recipe.levels.items():
            others = {f"{name}[T.{level}]" for level in levels[1:]}
            if others and others <= set(recipe.names):
                numbers = (k for k, term in enumerate(recipe.names) if term in others)
                first[f"{name}[{levels[0]}]"] = tuple(numbers)
        names = tuple(name.replace("[T.", "[") for name in recipe.names)
        return cls(names, design, recipe.origins, first, more or {}, recipe.sources, recipe.factors)

    def beside(self, other: BalanceTerms) -> BalanceTerms:
        """Ask it of what another has too, but once of what both have."""
        new = [k for k, name in enumerate(other.names) if name not in self.all_names]
        place = {k: len(self.names) + at for at, k in enumerate(new)}
        first = {
            name: tuple(place[k] for k in levels)
            for name, levels in other.first.items()
            if name not in self.all_names and all(k in place for k in levels)
        }
        shift = max(self.origins, default=-1) + 1
        return BalanceTerms(
            (*self.names, *(other.names[k] for k in new)),
            Design(np.asfortranarray(np.hstack([self.x, other.x[:, new]]))),
            (*self.origins, *(shift + other.origins[k] for k in new)),
            {**self.first, **first},
            {**self.more, **other.more},
            (*self.sources, *(other.sources[k] for k in new)),
            self.factors | other.factors,
        )

    def columns_of(self, k: int) -> list[str]:
        """Give the columns that one is made of; none of the scores, and where that is not known."""
        if k >= len(self.names):
            k -= len(self.names)
            k = list(self.first.values())[k][0] if k < len(self.first) else -1
        return sorted(self.sources[k]) if self.sources and k >= 0 else []

    def hold_one_factor(self, one: int, other: int, factors: frozenset[str]) -> bool:
        """Whether two terms are of one term of a formula, or hold levels of one of these columns."""
        if self.origins[one] == self.origins[other]:
            return True
        return bool(self.sources and self.sources[one] & self.sources[other] & factors)

    @classmethod
    def of_scores(cls, scores: Floats) -> BalanceTerms:
        """Ask balance of the scores, where nothing else is known."""
        return cls((), Design(np.empty((len(scores), 0), order="F")), (), more={"the score": scores})
