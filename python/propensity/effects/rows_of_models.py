"""What rows add to models whose terms are codes, in sums and in blocks of rows: never all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from propensity.effects.coded_terms import CodedTerms, gram, sums_within
from propensity.effects.coefficients import FittedTerms
from propensity.frames.checks import Bools, Floats
from propensity.frames.grouping import Grouping


@dataclass(frozen=True, eq=False)
class RowsOfModels:
    """The numbers n f (r z - m) of n rows, (n, K), of models side by side: m is the mean over those there.

    Attributes
    ----------
    models : sequence of FittedTerms
        With the r and the z.
    scale : ndarray (n,) or None
        The f of models of the outcome; 1 for others.
    there : ndarray (n,) of bool, or None
        Which rows are there; of others the numbers are 0, as r is.
    """

    models: Sequence[FittedTerms]
    scale: Floats | None
    there: Bools | None

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.models[0].residual)

    def times(self, loadings: Floats, first: int, last: int) -> Floats:
        """Multiply a block of rows by loadings (G, K): (b, G)."""
        rows, place = slice(first, last), 0
        found = np.zeros((min(last, len(self)) - first, len(loadings)))
        for model, mean, scale in zip(self.models, self._means, self._scales, strict=True):
            own = loadings[:, place : place + len(mean)].T
            place += len(mean)
            z = model.z.taken(rows) if isinstance(model.z, CodedTerms) else model.z[rows]
            moved = model.residual[rows, None] * (z @ own) - mean @ own
            found += scale[rows, None] * moved
        return found * len(self)

    def within(self, groups: Grouping, values: Floats) -> Floats:
        """Sum values (n,) times the numbers within groups: (G, K)."""
        blocks = []
        for model, mean, scale in zip(self.models, self._means, self._scales, strict=True):
            own = values * scale
            sums = sums_within(model.z, groups.codes, groups.n_groups, own * model.residual)
            blocks.append(sums - np.outer(groups.sum(own), mean))
        return np.hstack(blocks) * len(self)

    @property
    def products(self) -> Floats:
        """The sums of products over rows, (K, K)."""
        parts = list(zip(self.models, self._means, self._scales, strict=True))
        blocks = []
        for one, own_mean, own in parts:
            row = []
            for other, mean, scale in parts:
                both = own * scale
                found = gram(one.z, both * one.residual * other.residual, other.z)
                found -= np.outer(gram_of_ones(one, both * one.residual), mean)
                found -= np.outer(own_mean, gram_of_ones(other, both * other.residual))
                row.append(found + both.sum() * np.outer(own_mean, mean))
            blocks.append(row)
        return np.asarray(np.block(blocks)) * float(len(self)) ** 2

    @cached_property
    def _means(self) -> list[Floats]:
        n = len(self) if self.there is None else int(self.there.sum())
        return [gram_of_ones(model, model.residual) / n for model in self.models]

    @cached_property
    def _scales(self) -> list[Floats]:
        there = np.ones(len(self)) if self.there is None else self.there.astype(np.float64)
        scaled = there if self.scale is None else there * self.scale
        return [scaled if model.of_outcome else there for model in self.models]


def gram_of_ones(model: FittedTerms, values: Floats) -> Floats:
    """Sum values (n,) times each column of a model's terms: (k,)."""
    return np.asarray(sums_within(model.z, np.zeros(len(values), dtype=np.int64), 1, values)[0])
