"""What the arms still differ in after weighting or matching: levels of all terms, squares and products.

A term is past the threshold where its standardized mean difference is, as `smd` and `balance` give it.
Squares and products (of the terms' distances from their means over all rows), which no score model of the
terms alone balances but by luck, must also be further apart than chance takes so many of them: by
`_BEYOND_CHANCE` standard errors of the difference of weighted means.

An arm of many rows is looked at through some of them, drawn with a fixed seed, that are worth `_LOOK` (ESS).
What might be past the threshold there, but for `_SURELY` standard errors of such a look, is then worked out
on all rows (of products the means, and the standard deviations of those that are named), so that what is said
is said of all of them. Squares and products are looked at of up to
`_MOST_TERMS` terms: of more, of those that the arms differ most in as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from propensity import core
from propensity.effects.arms import balancing_part
from propensity.effects.balance_terms import BalanceTerms
from propensity.frames.checks import Bools, Floats
from propensity.frames.counted_rows import mass_of
from propensity.frames.products import center, product, sums_of_products

# An SMD above 0.1 in a covariate that matters is what is commonly called imbalance (Austin 2009; Stuart,
# Lee and Leacy 2013).
BALANCED = 0.1

_BEYOND_CHANCE = 4.0
_LOOK = 10_000
_MOST_OF_A_LOOK = 50_000
_MOST_NUMBERS = 5_000_000
_UNEVEN = 0.2  # the share of an arm's rows that it is worth, below which rows are drawn by their weight
_SURELY = 3.0
_NEARLY = 0.9  # of the threshold, by a standard deviation from a look
_MOST_TERMS = 30
_NAMED = 3
_BATCH = 10_000_000  # numbers at a time

_ROUNDING = 1e-9
_LARGEST = 1e70  # beyond, squares of products are out of a float64's range


@dataclass(frozen=True)
class Imbalance:
    """What is past the threshold: the worst by name, with the SMD after and before, and how many.

    `columns` are what the worst are made of, in their order, where that is known.
    """

    worst: tuple[tuple[str, float, float], ...]
    n_past: int
    n_terms: int
    n_past_products: int
    n_products: int
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        figures = ", ".join(
            f"{name} {after:+.2f} (before: {before:+.2f})" for name, after, before in self.worst
        )
        counts = [
            f"{past} of {among} {what}"
            for past, among, what in (
                (self.n_past, self.n_terms, "terms"),
                (self.n_past_products, self.n_products, "squares and products"),
            )
            if past
        ]
        return f"{figures} ({' and '.join(counts)})"


def find_imbalance(
    balance_terms: BalanceTerms,
    treated: Bools,
    weights: Floats,
    *,
    ess: tuple[float, float],
    sample_weight: Floats | None = None,
    frequency: Floats | None = None,
) -> Imbalance | None:
    """Look for what the arms still differ in; None where they are balanced.

    Parameters
    ----------
    balance_terms : BalanceTerms
    treated : ndarray (n,) of bool
    weights : ndarray (n,)
        Sample weights included.
    ess : (float, float)
        Kish's effective sample size of the treated and of the controls.
    sample_weight : ndarray (n,) or None, default None
        For the sample as it is, and the standard deviations.
    frequency : ndarray (n,) or None, default None
        How many users each row stands for, whose weights are those of one of them.
    """
    if not balance_terms.all_names:
        return None
    rows = _AllRows(balance_terms, treated, weights, sample_weight, frequency)
    with np.errstate(all="ignore"):  # of squares of very large values, which are passed over
        looks = [
            _look(rows, treated == arm, size) for arm, size in zip((False, True), ess[::-1], strict=True)
        ]
        among = _multiplied(balance_terms, looks)
        looks = [look.with_products(among, [rows.center(k) for k in among]) for look in looks]
    doubt = _SURELY * math.sqrt(sum(look.variance for look in looks))
    terms = _past(rows, looks, balance_terms.all_names, doubt, BALANCED)
    products = _products(balance_terms, looks, among)
    beyond = past_chance(ess)
    past = {
        name: (which, smd)
        for name, (which, smd) in _past(rows, looks, products, doubt, beyond).items()
        if abs(smd) > _BEYOND_CHANCE * rows.chance(which, smd)
    }
    if not (terms or past):
        return None
    worst = sorted({**terms, **past}.items(), key=lambda item: -abs(item[1][1]))[:_NAMED]
    named = [which for _, (which, _) in worst]
    after, before = rows.smd(named), rows.smd(named, weighted=False)
    return Imbalance(
        tuple(zip([name for name, _ in worst], after, before, strict=True)),
        len(terms),
        len(balance_terms.all_names),
        len(past),
        len(products),
        tuple(
            column for which in named for k in dict.fromkeys(which) for column in balance_terms.columns_of(k)
        ),
    )


def past_chance(ess: tuple[float, float]) -> float:
    """Give the SMD from which a product differs by more than the threshold, and by more than chance leaves.

    `ess` are Kish's effective sample sizes of the treated and of the controls.
    """
    return max(BALANCED, _BEYOND_CHANCE * math.sqrt(1 / ess[0] + 1 / ess[1]))


# A term or a product, by the numbers of one or two terms.
_Which = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _AllRows:
    balance_terms: BalanceTerms
    treated: Bools
    weights: Floats
    sample_weight: Floats | None
    frequency: Floats | None = None
    _centers: dict[int, float] = field(default_factory=dict)

    def values(self, which: _Which) -> Floats:
        """Give the values (n,) of a term or product."""
        first, *others = (self.balance_terms.column(k) for k in which)
        return product(first, others[0], *map(self.center, which)) if others else first

    def center(self, k: int) -> float:
        """Give what a term is measured from before it is multiplied."""
        if k not in self._centers:
            self._centers[k] = center(self.balance_terms.parts(k), len(self.treated), self.mass)
        return self._centers[k]

    @cached_property
    def mass(self) -> Floats | None:
        """What the users of each row count for together, (n,)."""
        return mass_of(self.sample_weight, self.frequency)

    @cached_property
    def total(self) -> Floats:
        """What the users of each row weigh together, (n,)."""
        return self.weights if self.frequency is None else self.weights * self.frequency

    def gap(self, which: _Which) -> float:
        """Give the difference of the weighted means, which is what weights move."""
        return float(self._shares @ self.values(which))

    def chance(self, which: _Which, smd: float) -> float:
        """Give the standard error of an SMD: of its two weighted means, on the same denominator."""
        values, means, variance = self.values(which), [], 0.0
        for arm in (~self.treated, self.treated):
            w = np.where(arm, self.total, 0.0)
            w /= w.sum()
            means.append(float(w @ values))
            squares = (w * (values - means[-1])) ** 2
            variance += float(squares.sum() if self.frequency is None else (squares / self.frequency).sum())
        gap = means[1] - means[0]
        return math.sqrt(variance) * abs(smd / gap) if gap else 0.0

    @cached_property
    def _shares(self) -> Floats:
        treated = np.where(self.treated, self.total, 0.0)
        total = treated.sum()
        return np.asarray(treated / total - (self.total - treated) / (self.total.sum() - total))

    def smd(self, which: Sequence[_Which], *, weighted: bool = True) -> list[float]:
        """Give what `smd` gives."""
        found: list[float] = []
        width = max(1, _BATCH // len(self.treated))
        for start in range(0, len(which), width):
            x = np.empty((len(self.treated), len(which[start : start + width])), order="F")
            for place, one in enumerate(which[start : start + width]):
                x[:, place] = self.values(one)
            weights = balancing_part(self.weights, self.sample_weight) if weighted else None
            known, f = self.sample_weight, self.frequency
            smds = core.smd(x, self.treated, weights=weights, sample_weight=known, frequency=f)
            found += smds.tolist()
        return found


@dataclass(frozen=True, eq=False)
class _Look:
    """Some rows of an arm, or all of few: weighted means of terms and of their products, and variances.

    Attributes
    ----------
    z : ndarray (d, m)
        The rows as they are, which weigh `s` (m,), summing to 1.
    weighed : ndarray (d, k)
        The rows by their weights, `w` (k,), summing to 1: the same, or others.
    variance : float
        That of a mean for want of the other rows, in units of the column's own.
    place : mapping of int to int
        Where the products of a term stand.
    """

    z: Floats
    s: Floats
    weighed: Floats
    w: Floats
    variance: float
    place: Mapping[int, int] = field(default_factory=dict)
    mean_of_products: Floats = field(default_factory=lambda: np.empty((0, 0)))
    spread_of_products: Floats = field(default_factory=lambda: np.empty((0, 0)))

    @cached_property
    def base(self) -> Floats:
        """The means (d,) of the rows as they are."""
        return np.asarray(self.z @ self.s)

    @cached_property
    def mean(self) -> Floats:
        """The means (d,) of the rows as they are weighed."""
        return np.asarray(self.weighed @ self.w)

    @cached_property
    def spread(self) -> Floats:
        """The variances (d,) of the rows as they are."""
        return np.asarray((self.z - self.base[:, None]) ** 2 @ self.s)

    def of(self, which: _Which) -> tuple[float, float]:
        """Give the weighted mean and the variance of a term or product."""
        if len(which) == 1:
            return float(self.mean[which]), float(self.spread[which])
        place = tuple(self.place[k] for k in which)
        return float(self.mean_of_products[place]), float(self.spread_of_products[place])

    def with_products(self, among: Sequence[int], centers: Sequence[float]) -> _Look:
        """Look at the squares and products of some terms too, measured from their centers."""
        if not among:
            return self
        z, weighed = (x[list(among)] - np.array(centers)[:, None] for x in (self.z, self.weighed))
        square = z**2
        spread = sums_of_products(square * self.s, square) - sums_of_products(z * self.s, z) ** 2
        return replace(
            self,
            place={k: place for place, k in enumerate(among)},
            mean_of_products=sums_of_products(weighed * self.w, weighed),
            spread_of_products=spread,
        )


def _look(rows: _AllRows, members: Bools, ess: float) -> _Look:
    arm = np.flatnonzero(members)
    rng = np.random.default_rng(0)
    wide = max(1_000, _MOST_NUMBERS // len(rows.balance_terms.all_names))
    # Rows that stand for several users are looked at all: they are few for what they say.
    even = ess / len(arm) if rows.frequency is None else 1.0
    size = min(int(_LOOK / even), _MOST_OF_A_LOOK, wide) if rows.frequency is None else len(arm)
    some = len(arm) > size
    base = np.sort(rng.choice(arm, size)) if some else arm
    s = np.ones(len(base)) if rows.mass is None else rows.mass[base]
    own, w, variance = base, rows.total[base], 1 / (size * even) if some else 0.0
    if some and even < _UNEVEN:
        size = min(_LOOK, wide)
        upto = np.cumsum(rows.total[arm])
        own = arm[np.searchsorted(upto, np.sort(rng.random(size)) * upto[-1])]
        w, variance = np.ones(size), 1 / size
    z = rows.balance_terms.some(base)
    weighed = z if own is base else rows.balance_terms.some(own)
    return _Look(z, s / s.sum(), weighed, w / w.sum(), variance)


def _multiplied(balance_terms: BalanceTerms, looks: Sequence[_Look]) -> Sequence[int]:
    """Give the terms whose squares and products are looked at."""
    n = len(balance_terms.names)
    if n <= _MOST_TERMS:
        return range(n)
    control, treated = looks
    size = np.abs(treated.base - control.base)[:n] / np.sqrt((treated.spread + control.spread)[:n] / 2)
    size[~np.isfinite(size)] = 0.0  # of terms that say nothing
    return sorted(np.argsort(-size, kind="stable")[:_MOST_TERMS].tolist())


def _past(
    rows: _AllRows, looks: Sequence[_Look], candidates: Mapping[str, _Which], doubt: float, limit: float
) -> dict[str, tuple[_Which, float]]:
    """Give those past the limit with their SMD: those that may be by a look, by all rows, then exactly."""
    doubtful = []
    for name, which in candidates.items():
        (mean_control, v0), (mean_treated, v1) = (look.of(which) for look in looks)
        gap, spread = abs(mean_treated - mean_control), math.sqrt(max(v0 + v1, 0.0) / 2)
        if len(which) > 1 and not 1 / _LARGEST < spread < _LARGEST:
            continue
        if gap > 0 and gap >= (limit * (1 - _ROUNDING) - doubt) * spread:
            doubtful.append((name, which, spread))
    found: dict[str, tuple[_Which, float]] = {}
    exact = []
    for name, which, spread in doubtful:
        smd = rows.gap(which) / spread if doubt and spread > 0 else math.inf
        if len(which) > 1 and doubt:  # of many products the standard deviation of the look will do
            found[name] = which, smd
        elif abs(smd) >= _NEARLY * limit:
            exact.append((name, which))
    smds = rows.smd([which for _, which in exact])
    found |= {name: (which, smd) for (name, which), smd in zip(exact, smds, strict=True)}
    return {name: (which, smd) for name, (which, smd) in found.items() if abs(smd) > limit}


def _products(balance_terms: BalanceTerms, looks: Sequence[_Look], among: Sequence[int]) -> dict[str, _Which]:
    """Give the squares and products of some terms by name, as `balance` names them."""
    binary = np.all([((look.z == 0) | (look.z == 1)).all(axis=1) for look in looks], axis=0)
    factors = balance_terms.factors | {name for name, k in balance_terms.all_names.items() if binary[k[0]]}
    found: dict[str, _Which] = {}
    for one, other in combinations_with_replacement(among, 2):
        names = balance_terms.names[one], balance_terms.names[other]
        if one == other and not binary[one]:
            found[f"{names[0]}^2"] = (one, one)
        elif one != other and not balance_terms.hold_one_factor(one, other, factors):
            found[":".join(names)] = (one, other)
    return {name: which for name, which in found.items() if name not in balance_terms.all_names}
