"""The terms of rows: as a matrix, or where factors have many levels as numbers and codes beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.narrow import Narrow
from propensity.results.read_only import ReadOnly

if TYPE_CHECKING:
    from propensity.core import PropensityFit

_FLAG = 2  # levels of what is a column of zeros and ones


@dataclass(frozen=True, eq=False)
class Design(ReadOnly):
    """The d terms of n rows.

    Attributes
    ----------
    given : ndarray (n, p), or Narrow
        Terms as they are, as a matrix or column by column.
    factors : tuple of ndarray (n,) of int
        Levels counted from 0; each stands for a term of every level but the first.
    after : tuple of int
        How many of the numbers stand before each factor.
    n_levels : tuple of int
        How many levels each factor has, some of which no row may be of.
    all_levels : bool
        Whether the first level of a factor has a term too.
    slopes : tuple of ndarray (n,) or None
        Of each factor the numbers that its terms are multiplied by; None where they are zeros and ones.
        Empty where they all are.
    """

    given: Floats | Narrow
    factors: tuple[Rows, ...] = ()
    after: tuple[int, ...] = ()
    n_levels: tuple[int, ...] = ()
    all_levels: bool = False
    slopes: tuple[Floats | None, ...] = ()

    @property
    def n_terms(self) -> int:
        """How many terms there are."""
        return self.n_numbers + sum(map(len, self.levels))

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.given)

    @property
    def n_numbers(self) -> int:
        """How many of the terms are numbers."""
        return self.given.width if isinstance(self.given, Narrow) else int(self.given.shape[1])

    @cached_property
    def numbers(self) -> Floats:
        """The numbers as a matrix (n, p), column by column."""
        return _locked(self.given.matrix()) if isinstance(self.given, Narrow) else self.given

    @property
    def terms(self) -> Any:
        """The numbers as the core reads them in place: a matrix, or columns that take less room."""
        return self.given.terms if isinstance(self.given, Narrow) else self.given

    @property
    def side_by_side(self) -> tuple[Any, ...]:
        """All terms, levels too, one by one, as the core reads them in place."""
        dense = self.dense
        return dense if isinstance(dense, tuple) else tuple(dense.T)

    @property
    def dense(self) -> Any:
        """All terms, levels too, as the core reads them in place."""
        return self.x if self.factors else self.terms

    @property
    def coded(self) -> dict[str, Any]:
        """The factors as the core takes them, in its own words; nothing where there are none."""
        if not self.factors:
            return {}
        after, n_levels = np.array(self.after), np.array(self.n_levels)
        return {"factors": self.codes, "after": after, "n_levels": n_levels}

    @property
    def codes(self) -> list[Any]:
        """The factors one by one as the core takes them, those with slopes beside their numbers."""
        each = zip(self.factors, self._slopes, strict=True)
        return [codes if slopes is None else (codes, slopes) for codes, slopes in each]

    @property
    def plain(self) -> Iterator[tuple[Rows, range, int]]:
        """Of factors without slopes the levels of rows, the terms, and how many levels there are."""
        for codes, own, n_levels, slopes in self.each_factor:
            if slopes is None:
                yield codes, own, n_levels

    @property
    def with_slopes(self) -> Iterator[range]:
        """The terms of factors with slopes."""
        return (own for _, own, _, slopes in self.each_factor if slopes is not None)

    @property
    def _slopes(self) -> tuple[Floats | None, ...]:
        return self.slopes or (None,) * len(self.factors)

    @property
    def each_factor(self) -> Iterator[tuple[Rows, range, int, Floats | None]]:
        """Of factors the levels of rows, the terms, how many levels there are, and the numbers of slopes."""
        return zip(self.factors, self.levels, self.n_levels, self._slopes, strict=True)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Which of the terms the numbers are."""
        before = np.zeros(self.n_numbers, dtype=np.int64)
        for after, own in zip(self.after, self.levels, strict=True):
            before[after:] += len(own)
        return tuple(int(place) for place in np.arange(self.n_numbers) + before)

    @cached_property
    def levels(self) -> tuple[range, ...]:
        """Which of the terms are the levels of each factor."""
        found: list[range] = []
        for after, n_levels in zip(self.after, self.n_levels, strict=True):
            first = after + sum(map(len, found))
            found.append(range(first, first + n_levels - (not self.all_levels)))
        return tuple(found)

    @cached_property
    def x(self) -> Floats:
        """The terms as a matrix (n, d), column by column."""
        return _locked(self.columns(range(self.n_terms))) if self.factors else self.numbers

    def columns(self, terms: Sequence[int]) -> Floats:
        """Give some of the terms as a matrix, column by column."""
        if isinstance(self.given, Narrow) and not self.factors:
            return self.given.matrix(terms)
        x = np.empty((self.n_rows, len(terms)), order="F")
        numbers = {term: k for k, term in enumerate(self.places)}
        for place, term in enumerate(terms):
            if term in numbers:
                x[:, place] = self.numbers[:, numbers[term]]
            else:
                factor = next(k for k, own in enumerate(self.levels) if term in own)
                level = term - self.levels[factor].start + (not self.all_levels)
                np.equal(self.factors[factor], level, out=x[:, place])
                slopes = self._slopes[factor]
                if slopes is not None:
                    x[:, place] *= slopes
        return x

    def column(self, term: int) -> Floats:
        """Give a term, (n,)."""
        if self.factors:
            return self.columns([term])[:, 0]
        return self.given.column(term) if isinstance(self.given, Narrow) else self.given[:, term]

    def parts(self, term: int) -> Callable[[slice], Floats]:
        """Give what reads some rows of a term; a column by itself is only made where there is none."""
        if isinstance(self.given, Narrow) and not self.factors:
            return partial(self.given.part, term)
        return self.column(term).__getitem__

    def none_of(self, terms: Sequence[int]) -> Floats:
        """Give what these terms leave of 1: of all levels of a factor but its first, that one (n,)."""
        for codes, own, _ in self.plain:
            if list(terms) == list(own):
                return np.asarray(codes == 0, dtype=np.float64)
        rest = np.ones(self.n_rows)
        for term in terms:
            rest -= self.column(term)
        return rest

    @property
    def by_content(self) -> Iterator[Floats | Rows]:
        """What rows hold, column by column (n,): in such an order of values as the terms put rows in."""
        place = 0
        for (codes, own, n_levels, slopes), after in zip(self.each_factor, self.after, strict=True):
            yield from self.numbers[:, place:after].T
            place = after
            if slopes is not None:
                # Numbers below zero come before rows without one, the earlier levels first.
                term = codes - (n_levels - len(own))
                is_there = (term >= 0) & (slopes != 0)
                yield np.where(is_there, np.sign(slopes) * (len(own) - term), 0.0)
                yield np.where(is_there, slopes, 0.0)
                continue
            # Rows of the first level, without a term, come first; the others from the last level on.
            order = np.append(0, np.arange(n_levels - 1, 0, -1))
            yield (np.arange(n_levels - 1, -1, -1) if self.all_levels else order)[codes]
        yield from self.numbers[:, place:].T

    @property
    def empty_levels(self) -> list[int]:
        """The terms of levels that no row has."""
        found: list[int] = []
        for codes, own, n_levels, _ in self.each_factor:
            count = np.bincount(codes, minlength=n_levels)[n_levels - len(own) :]
            found += [own[k] for k in np.flatnonzero(count == 0).tolist()]
        return found

    def varies(self, terms: Sequence[int]) -> list[bool]:
        """Whether each of some terms has more than one value."""
        numbers = {term: k for k, term in enumerate(self.places)}
        found = {term: bool(np.ptp(self.numbers[:, numbers[term]]) > 0) for term in terms if term in numbers}
        for codes, own, n_levels, slopes in self.each_factor:
            if any(term in own for term in terms):
                first = n_levels - len(own)
                if slopes is None:
                    count = np.bincount(codes, minlength=n_levels)[first:]
                    varies = (count > 0) & (count < len(codes))
                else:
                    low, high = _ends(codes, n_levels, slopes)
                    varies = (low < high)[first:]
                found |= dict(zip(own, varies.tolist(), strict=True))
        return [found[term] for term in terms]

    @property
    def largest(self) -> Floats:
        """The largest value (d,) of each term, or its opposite."""
        found = np.ones(self.n_terms)
        found[list(self.places)] = np.abs(self.numbers).max(axis=0, initial=0.0)
        for codes, own, n_levels, slopes in self.each_factor:
            if slopes is not None:
                low, high = _ends(codes, n_levels, slopes)
                found[list(own)] = np.maximum(high, -low)[n_levels - len(own) :]
        return found

    def differs(self, other: Design, within: Floats) -> Bools:
        """Whether each term (d,) has values that are further than that from those of the same rows."""
        as_numbers = bool(self.slopes or other.slopes)
        if as_numbers or (self.n_levels, self.after) != (other.n_levels, other.after):
            return np.asarray((np.abs(self.x - other.x) > within).any(axis=0))
        found = np.zeros(self.n_terms, dtype=bool)
        gaps = np.abs(self.numbers - other.numbers)
        places = list(self.places)
        found[places] = (gaps > within[places]).any(axis=0)
        for mine, theirs, own in zip(self.factors, other.factors, self.levels, strict=True):
            found[list(own)] = bool((mine != theirs).any())
        return found

    def taken(self, rows: Rows) -> Design:
        """Take some of the rows."""
        if isinstance(self.given, Narrow):
            given: Floats | Narrow = self.given.taken(rows)
        else:
            given = np.asfortranarray(self.given[rows])
        return self.by_row(given, lambda values: values[rows])

    def by_row(self, given: Floats | Narrow, chosen: Callable[[NDArray[Any]], NDArray[Any]]) -> Design:
        """Give the terms of other rows: their numbers, and how values are chosen for them."""
        factors = tuple(chosen(codes) for codes in self.factors)
        slopes = tuple(None if own is None else chosen(own) for own in self.slopes)
        return replace(self, given=given, factors=factors, slopes=slopes)

    def only(self, terms: Sequence[int]) -> Design:
        """Leave out all other terms; a row of a level that has none is like those of the first."""
        kept = np.zeros(self.n_terms, dtype=bool)
        kept[list(terms)] = True
        is_number = np.zeros_like(kept)
        is_number[list(self.places)] = True
        n_before = np.append(0, np.cumsum(kept & is_number))
        factors, after, counts, with_slopes = [], [], [], []
        for codes, own, n_levels, slopes in self.each_factor:
            left = kept[list(own)]
            if not left.any():
                continue
            places = np.zeros(n_levels, dtype=codes.dtype)
            places[n_levels - len(own) :] = np.where(left, np.cumsum(left), 0)
            factors.append(places[codes])
            after.append(int(n_before[own[0]]))
            counts.append(int(left.sum()) + 1)
            with_slopes.append(slopes)
        numbers = self.numbers[:, [k for k, term in enumerate(self.places) if kept[term]]]
        given = tuple(with_slopes) if self.slopes else ()
        return Design(np.asfortranarray(numbers), tuple(factors), tuple(after), tuple(counts), slopes=given)

    def narrow(self, most: int) -> tuple[Design, list[int]]:
        """Leave out the factors of more levels than that; give the terms that are left, too."""
        kept = [k for k, n_levels in enumerate(self.n_levels) if n_levels <= most]
        terms = sorted([*self.places, *(term for k in kept for term in self.levels[k])])
        narrow = replace(
            self,
            factors=tuple(self.factors[k] for k in kept),
            after=tuple(self.after[k] for k in kept),
            n_levels=tuple(self.n_levels[k] for k in kept),
            slopes=tuple(self._slopes[k] for k in kept),
        )
        return narrow, terms

    def scores(self, fit: PropensityFit) -> Floats:
        """Give the scores (n,) by a model of these terms."""
        if len(fit.factors):
            return fit.predict(self.numbers, factors=self.codes)
        return fit.predict(self.dense)


def _ends(codes: Rows, n_levels: int, slopes: Floats) -> tuple[Floats, Floats]:
    """Give the lowest and the highest value (n_levels,) of a number times the dummy of each level."""
    low, high = np.full(n_levels, np.inf), np.full(n_levels, -np.inf)
    np.minimum.at(low, codes, slopes)
    np.maximum.at(high, codes, slopes)
    has_others = np.bincount(codes, minlength=n_levels) < len(codes)
    low[has_others], high[has_others] = np.minimum(low, 0.0)[has_others], np.maximum(high, 0.0)[has_others]
    return low, high


def _locked(values: Floats) -> Floats:
    """Forbid writing: what is made once is read by many."""
    values.setflags(write=False)
    return values
