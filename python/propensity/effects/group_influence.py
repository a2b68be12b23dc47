"""What each row adds to the estimates of many groups, without a matrix of rows by groups.

The influence of row i on the estimate of group g is its own part, which is there where i is in g, and what it
adds to the models that were fitted to all rows, by which it moves every group:

    phi_gi = 1{g(i) = g} o_i + sum over models m of  r_mi z_mi' l_mg.

Sums of its squares and products over rows, or over clusters of them, need the o, sums of o r z by group, and
the products of all r z: never the n G numbers themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from propensity.effects import inference
from propensity.effects.clusters import ways
from propensity.effects.coefficients import FittedTerms
from propensity.frames.checks import Floats, Rows
from propensity.frames.grouping import Grouping
from propensity.frames.products import sums_of_products
from propensity.results.read_only import ReadOnly

_CELLS_AT_ONCE = 20_000_000  # 160 MB
_CELLS_IN_CACHE = 240_000  # 2 MB


@dataclass(frozen=True, eq=False)
class GroupInfluence(ReadOnly):
    """The influence of n rows on the estimates of G groups: n times the derivative in a row's weight.

    Attributes
    ----------
    groups : Grouping
    own : ndarray (n,)
        The o: each row's part in its own group.
    models : tuple of FittedTerms
        Of M models, what rows add to them.
    loadings : tuple of ndarray (G, k)
        For each, how the groups' estimates move with its coefficients.
    clusters : ndarray (n,) of int, or (n, 2), or None
        Which rows vary together; -1 for rows that are left out. Of two columns in either way.
    scale : ndarray (n,) or None
        What the influence through models of the outcome is multiplied by, row by row: for leverage.
    """

    groups: Grouping
    own: Floats
    models: tuple[FittedTerms, ...]
    loadings: tuple[Floats, ...]
    clusters: Rows | None
    scale: Floats | None = None

    def of_group(self, place: int) -> Floats:
        """Give the influence (n,) on the estimate of one group."""
        found = np.where(self.groups.codes == place, self.own, 0.0)
        for model, loadings in zip(self.models, self.loadings, strict=True):
            moved = model.residual * (model.z @ loadings[place])
            self._center(moved)
            found += self.groups.n_users * moved
        return found

    @property
    def variances(self) -> Floats:
        """The variances (G,) of the estimates."""
        return inference.two_ways_each([way._variances for way in self._ways])

    @property
    def _variances(self) -> Floats:
        sums = self._sums
        counted = sums.counted(sums.own)
        total = self._by_group(sums.own * counted, sums.group)
        for column, loading in zip(sums.shared.T, self._loadings.T, strict=True):
            total += 2 * loading * self._by_group(counted * column[sums.unit], sums.group)
        total += np.einsum("gk,kl,gl->g", self._loadings, self._products, self._loadings)
        return np.asarray(np.maximum(total, 0.0) * self._factor)

    @property
    def degrees_of_freedom(self) -> Floats:
        """How many rows, or clusters less one, carry each variance, (G,): as `inference.degrees_of_freedom`.

        Of two columns of clusters the one with fewer decides.
        """
        return np.asarray(np.min([way._degrees_of_freedom for way in self._ways[:2]], axis=0))

    @property
    def _degrees_of_freedom(self) -> Floats:
        sums, spread = self._sums, np.sqrt(self.variances)
        unit = 1 / np.where(spread > 0, spread, 1.0)
        own, loadings = sums.own * unit[sums.group], self._loadings * unit[:, None]
        n_groups, n_terms = loadings.shape
        n_pairs = n_terms * (n_terms + 1) // 2
        # What a number of the one and of the other costs, in the time of a multiplication or so.
        through_pairs = n_groups > n_pairs / 2 + n_pairs**2 / 50
        powers = self._powers_by_pairs if through_pairs else self._powers
        squares, fourths = powers(own, loadings)
        carried = np.divide(squares**2, fourths, out=np.full(len(unit), np.inf), where=spread > 0)
        most = math.inf if self.clusters is None else len(sums.shared) - 1.0
        return np.asarray(np.minimum(carried, most), dtype=np.float64)

    def _powers(self, own: Floats, loadings: Floats) -> tuple[Floats, Floats]:
        """Give the sums of second and fourth powers (G,) of all n G numbers, made a block at a time."""
        sums, n_groups = self._sums, len(loadings)
        squares, fourths = np.zeros((2, n_groups))
        step = max(1, _CELLS_AT_ONCE // (8 * n_groups))
        for first in range(0, len(sums.shared), step):
            phi = sums.shared[first : first + step] @ loadings.T
            start, stop = sums.parts(first, first + len(phi))
            phi[sums.unit_of(start, stop) - first, sums.group[start:stop]] += own[start:stop]
            v = phi**2
            users = np.ones(len(v)) if sums.users is None else sums.users[first : first + len(v)]
            squares += users @ v
            fourths += users @ v**2
        return squares, fourths

    def _powers_by_pairs(self, own: Floats, loadings: Floats) -> tuple[Floats, Floats]:
        """Give the same of many groups and few terms: sums of (l's)^4 are forms in products of l by pairs.

        What a group's own rows add is put in the place of what they have without it.
        """
        sums, (first, second) = self._sums, np.triu_indices(loadings.shape[1])
        form, step = np.zeros((len(first), len(first))), max(1, _CELLS_IN_CACHE // max(len(first), 1))
        for start in range(0, len(sums.shared), step):
            some = sums.shared.T[:, start : start + step]
            pairs = some[first] * some[second]
            users = None if sums.users is None else sums.users[start : start + step]
            form += sums_of_products(pairs, pairs if users is None else pairs * users)
        of_groups = loadings[:, first] * loadings[:, second] * np.where(first == second, 1.0, 2.0)
        fourths = np.einsum("gp,pq,gq->g", of_groups, form, of_groups, optimize=True)
        squares = np.einsum("gk,kl,gl->g", loadings, self._products, loadings, optimize=True)
        through = np.einsum("ik,ik->i", sums.shared[sums.unit], loadings[sums.group])
        squares += self._by_group(sums.counted((through + own) ** 2 - through**2), sums.group)
        fourths += self._by_group(sums.counted((through + own) ** 4 - through**4), sums.group)
        return squares, fourths

    @property
    def covariance(self) -> Floats:
        """The covariance (G, G) of the estimates."""
        return inference.two_ways([way._covariance for way in self._ways])

    @property
    def _covariance(self) -> Floats:
        sums, size = self._sums, self.groups.n_groups
        own = sums.counted(sums.own)
        crossed = (
            np.array([self._by_group(own * column[sums.unit], sums.group) for column in sums.shared.T])
            .reshape(-1, size)
            .T
        )
        found = crossed @ self._loadings.T
        found = found + found.T + self._loadings @ self._products @ self._loadings.T
        found += sums.own_products(size, self.clusters is not None)
        return np.asarray(found * self._factor)

    @cached_property
    def _ways(self) -> list[GroupInfluence]:
        """The same with each of the ways in which rows may vary together alone."""
        if self.clusters is None or self.clusters.ndim == 1:
            return [self]
        return [replace(self, clusters=own) for own in ways(self.clusters)]

    @property
    def _factor(self) -> float:
        n = self.groups.n_users
        if self.clusters is None:
            return 1 / n**2
        n_clusters = int(self.clusters.max()) + 1
        return n_clusters / (n_clusters - 1) / n**2

    def _center(self, values: Floats) -> None:
        """Take the mean off (n,) values where users are: with a penalty they do not sum to zero."""
        there, users = self.groups.there, self.groups.frequency
        if there is None:
            values -= np.average(values, weights=users)
        else:
            values[there] -= np.average(values[there], weights=None if users is None else users[there])

    def _by_group(self, values: Floats, group: Rows) -> Floats:
        sums = np.bincount(group, weights=values, minlength=self.groups.n_groups)
        return np.asarray(sums, dtype=np.float64)

    @cached_property
    def _loadings(self) -> Floats:
        """All models' side by side, (G, K)."""
        return np.hstack([np.zeros((self.groups.n_groups, 0)), *self.loadings])

    @cached_property
    def _products(self) -> Floats:
        shared, users = self._sums.shared, self._sums.users
        return np.asarray(shared.T @ (shared if users is None else shared * users[:, None]))

    @cached_property
    def _sums(self) -> _Sums:
        """What varies together, added up: rows as they are, or the rows of a cluster in a group."""
        n = len(self.own)
        shared = np.empty((n, self._loadings.shape[1]), order="F")
        place = 0
        for model in self.models:
            for column in model.z.T:
                np.multiply(model.residual, column, out=shared[:, place])
                self._center(shared[:, place])
                if self.scale is not None and model.of_outcome:
                    shared[:, place] *= self.scale
                place += 1
        shared *= self.groups.n_users
        codes, users = self.groups.codes, self.groups.frequency
        if self.clusters is None:
            return _Sums(self.own, codes, slice(None), shared, users)
        there = self.clusters >= 0
        cluster, size = self.clusters[there], self.groups.n_groups
        pairs, place_of = np.unique(cluster * size + codes[there], return_inverse=True)
        of_rows = self.own if users is None else self.own * users
        own = np.asarray(np.bincount(place_of, weights=of_rows[there]), dtype=np.float64)
        by_cluster = np.empty((int(cluster.max()) + 1, shared.shape[1]))
        for place, column in enumerate(shared.T):
            moved = column if users is None else column * users
            by_cluster[:, place] = np.bincount(cluster, weights=moved[there])
        return _Sums(own, pairs % size, pairs // size, by_cluster)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Of p parts of independent units the own part, group and unit; of each unit what it adds to models.

    Rows that stand for several users are as many units, `users` of them, and a part each.
    """

    own: Floats
    group: Rows
    unit: Rows | slice
    shared: Floats
    users: Floats | None = None

    def counted(self, values: Floats) -> Floats:
        """Give values of (p,) parts once for each user."""
        return values if self.users is None else values * self.users

    def parts(self, first: int, last: int) -> tuple[int, int]:
        """Give the first part of the units from `first` to below `last`, and the first after these."""
        if isinstance(self.unit, slice):
            return first, last
        start, stop = np.searchsorted(self.unit, [first, last])  # ascending
        return int(start), int(stop)

    def unit_of(self, start: int, stop: int) -> Rows:
        """Give the units of some parts."""
        return np.arange(start, stop) if isinstance(self.unit, slice) else self.unit[start:stop]

    def own_products(self, n_groups: int, clustered: bool) -> Floats:
        """Sum products of own parts over units: (G, G)."""
        if not clustered:
            squares = self.counted(self.own**2)
            return np.diag(np.bincount(self.group, weights=squares, minlength=n_groups))
        assert not isinstance(self.unit, slice)
        found = np.zeros((n_groups, n_groups))
        step = max(1, _CELLS_AT_ONCE // n_groups)
        for first in range(0, int(self.unit.max()) + 1, step):
            start, stop = np.searchsorted(self.unit, [first, first + step])  # ascending
            block = np.zeros((step, n_groups))
            block[self.unit[start:stop] - first, self.group[start:stop]] = self.own[start:stop]
            found += block.T @ block
        return found
