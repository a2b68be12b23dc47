"""What a table is asked, pass by pass: sums of expressions, each pass one query, nothing kept between them.

Every pass also counts the rows, the treated and an outcome: a query that gives other rows each time it runs
(random numbers, a table that is being written) is refused, for its sums would be of no table at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity.effects.expected_weights import WEIGHED
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats
from propensity.tables import engine
from propensity.tables.engine import Source
from propensity.tables.facts import Facts
from propensity.tables.newton import Equations
from propensity.tables.terms import Terms

_CORNER = 1e-12
"""Scores this close to 1/2 are 1/2, where the ATM's weight has a corner."""

_DRIFT = 1e-7
"""The share by which a sum may differ between passes: engines add up in no fixed order."""


@dataclass(frozen=True, eq=False)
class Passes:
    """A table that can be asked for sums.

    Its `source` has the columns t (0/1), one, z0, z1 and so on (the terms), y0, y1 and so on (the outcomes,
    less their means), and g (clusters).
    """

    source: Source
    terms: Terms
    outcomes: tuple[str, ...]
    facts: Facts
    has_clusters: bool

    # Queries

    def grams(self) -> tuple[Floats, Floats]:
        """Sum the products of one, terms and outcomes by arm, controls first: ((1 + d + m)^2) each.

        Products of two outcomes are NaN.
        """
        names = ["one", *self._z, *self._y]
        products = {
            f"p{j}_{k}": (one, other)
            for j, one in enumerate(names)
            for k, other in enumerate(names[j:], start=j)
            if one == other or not (one in self._y and other in self._y)
        }
        query = self.source.query.with_columns(
            *((col(a) * col(b)).alias(name) for name, (a, b) in products.items())
        )
        found = self._by_arm(query, [col(name).sum().alias(name) for name in products])
        arms = []
        for arm in (0, 1):
            gram = np.full((len(names), len(names)), np.nan)
            for name in products:
                j, k = map(int, name[1:].split("_"))
                gram[j, k] = gram[k, j] = found[name].iloc[arm]
            arms.append(gram)
        return arms[0], arms[1]

    def equations(self, beta: Floats, ridge: Floats) -> tuple[Equations, float]:
        """Sum up the score equations of a logistic model at `beta`; and give the largest |log odds|."""
        query = self.source.query.with_columns(eta=self.linear(beta))
        query = query.with_columns(size=col("eta").abs()).with_columns(small=(0.0 - col("size")).exp())
        # Written so that nothing overflows, whatever the log odds.
        above = col("eta") >= 0.0
        query = query.with_columns(p=_when(above, 1.0, col("small")) / (1.0 + col("small")))
        query = query.with_columns(
            r=col("t") - col("p"),
            w=col("small") / ((1.0 + col("small")) * (1.0 + col("small"))),
            ll=col("t") * col("eta") - _when(above, col("eta"), 0.0) - (1.0 + col("small")).log(),
        )
        names = ["one", *self._z]
        pairs = {f"h{j}_{k}": (j, k) for j in range(len(names)) for k in range(j, len(names))}
        query = query.with_columns(
            *((col("r") * col(name)).alias(f"g{k}") for k, name in enumerate(names)),
            *((col("w") * col(names[j]) * col(names[k])).alias(pair) for pair, (j, k) in pairs.items()),
        )
        summed = [f"g{k}" for k in range(len(names))] + list(pairs) + ["ll"]
        most = col("size").max().alias("most")
        found = self._of_all(query, [*(col(name).sum().alias(name) for name in summed), most])
        information = np.zeros((len(names), len(names)))
        for pair, (j, k) in pairs.items():
            information[j, k] = information[k, j] = found[pair]
        gradient = np.array([found[f"g{k}"] for k in range(len(names))]) - ridge * beta
        penalized = found["ll"] - float(ridge @ beta**2) / 2
        return Equations(gradient, information + np.diag(ridge), penalized), found["most"]

    def largest_move(self, step: Floats) -> float:
        """Give the most that a step moves anybody's log odds."""
        query = self.source.query.with_columns(move=self.linear(step).abs())
        return self._of_all(query, [col("move").max().alias("most")])["most"]

    def weighted(
        self,
        beta: Floats,
        estimands: Sequence[str],
        models: Sequence[tuple[Floats, Floats]],
        *,
        squares: bool = False,
    ) -> pd.DataFrame:
        """Sum up what weights by scores make of terms and outcomes, by arm, controls first.

        Columns, for an estimand E, an outcome j and a term k (0 is the intercept): ``E/w``, ``E/ww``,
        ``E/most``, ``E/w/z{k}``, ``E/s/z{k}``, ``E/w/y{j}``, ``E/s/y{j}/z{k}``, ``E/w/e{j}``,
        ``E/s/e{j}/z{k}``; w are weights, s their slopes in the log odds, e what outcome models leave. With
        `squares` also ``E/w/zz{k}``. ``E/treated/ww``, ``E/treated/wwww`` and those of the controls are what
        the weights' powers in these arms come to in the mean, of estimands whose weights have no bound.
        """
        query = self._modelled(self._scored(beta, estimands), models)
        expected = _expected_powers(estimands)
        if expected:
            query = query.with_columns(*(power.alias(f"v{k}") for k, power in enumerate(expected.values())))
        terms = ["one", *self._z]
        products: dict[str, tuple[str, ...]] = {}
        for estimand in estimands:
            w, s = f"w{estimand}", f"s{estimand}"
            products |= {f"{estimand}/w": (w,), f"{estimand}/ww": (w, w)}
            for k, z in enumerate(terms):
                products |= {f"{estimand}/w/z{k}": (w, z), f"{estimand}/s/z{k}": (s, z)}
                products |= {f"{estimand}/w/zz{k}": (w, z, z)} if squares else {}
            for j in range(len(self.outcomes)):
                for y in (f"y{j}", f"e{j}") if models else (f"y{j}",):
                    products[f"{estimand}/w/{y}"] = (w, y)
                    products |= {f"{estimand}/s/{y}/z{k}": (s, y, z) for k, z in enumerate(terms)}
        products |= {name: (f"v{k}",) for k, name in enumerate(expected)}
        short = {f"p{place}": factors for place, factors in enumerate(products.values())}
        query = query.with_columns(*(_product(factors).alias(name) for name, factors in short.items()))
        sums = [col(name).sum().alias(name) for name in short]
        most = [col(f"w{estimand}").max().alias(f"most{k}") for k, estimand in enumerate(estimands)]
        found = self._by_arm(query, [*sums, *most])
        renamed = dict(zip(short, products, strict=True))
        return found.rename(columns=renamed | {f"most{k}": f"{e}/most" for k, e in enumerate(estimands)})

    def influence(
        self,
        beta: Floats | None,
        estimands: Sequence[str],
        models: Sequence[tuple[Floats, Floats]],
        influences: Sequence[tuple[Any, Any]],
    ) -> tuple[list[tuple[Floats, Floats]], int | None]:
        """Sum the products of two and of four influence values, for each pair of expressions (u, v).

        Returns
        -------
        list of (ndarray (3,), ndarray (5,))
            As `InfluenceMoments` takes them.
        int or None
            How many clusters there are, within which influence is summed first.
        """
        query = self.source.query if beta is None else self._scored(beta, estimands)
        query = self._modelled(query, models)
        named = [(f"u{k}", f"v{k}") for k in range(len(influences))]
        query = query.with_columns(
            *(
                one.alias(name)
                for pair, names in zip(influences, named, strict=True)
                for one, name in zip(pair, names, strict=True)
            )
        )
        if self.has_clusters:
            sums = [col(name).sum().alias(name) for names in named for name in names]
            counts = [col(name).sum().alias(name) for name in ("one", "t", *self._y[:1])]
            query = query.select("g", "one", "t", *self._y[:1], *(name for names in named for name in names))
            query = query.group_by("g").agg(*sums, *counts)
        products: dict[str, tuple[str, ...]] = {}
        for k, (u, v) in enumerate(named):
            powers = [(2, 0), (1, 1), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4)]
            products |= {f"m{k}_{a}{b}": (u,) * a + (v,) * b for a, b in powers}
        query = query.with_columns(*(_product(factors).alias(name) for name, factors in products.items()))
        query = query.with_columns(alone=col("one") * 0.0 + 1.0)
        sums = [col(name).sum().alias(name) for name in (*products, "alone")]
        found = self._of_all(query, sums)
        moments = []
        for k in range(len(named)):
            values = [found[name] for name in products if name.startswith(f"m{k}_")]
            moments.append((np.array(values[:3]), np.array(values[3:])))
        return moments, int(found["alone"]) if self.has_clusters else None

    # Expressions

    def linear(self, coefficients: Floats) -> Any:
        """Write a linear predictor of the terms, intercept first."""
        import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

        found = nw.col("one") * float(coefficients[0])
        for name, coefficient in zip(self._z, coefficients[1:], strict=True):
            found = found + nw.col(name) * float(coefficient)
        return found

    @property
    def _z(self) -> list[str]:
        return [f"z{k}" for k in range(len(self.terms))]

    @property
    def _y(self) -> list[str]:
        return [f"y{j}" for j in range(len(self.outcomes))]

    def _scored(self, beta: Floats, estimands: Sequence[str]) -> Any:
        """Add scores and weights: sign (1 of the treated), r = t - e, and of each estimand wE and sE.

        All are of the odds against a row's own arm, in which they keep their digits.
        """
        query = self.source.query.with_columns(sign=2.0 * col("t") - 1.0, eta=self.linear(beta))
        query = query.with_columns(odds=(0.0 - col("sign") * col("eta")).exp())
        query = query.with_columns(other=col("odds") / (1.0 + col("odds")))
        weights = {f"w{estimand}": _weight(estimand) for estimand in estimands}
        slopes = {f"s{estimand}": _slope(estimand) for estimand in estimands}
        return query.with_columns(
            (col("sign") * col("other")).alias("r"),
            *(value.alias(name) for name, value in {**weights, **slopes}.items()),
        )

    def _modelled(self, query: Any, models: Sequence[tuple[Floats, Floats]]) -> Any:
        """Add predictions of outcome models, controls' first: of each outcome c, d, and what is left, e."""
        predictions = {
            f"{letter}{j}": self.linear(own)
            for j, both in enumerate(models)
            for letter, own in zip("cd", both, strict=True)
        }
        if not predictions:
            return query
        query = query.with_columns(*(value.alias(name) for name, value in predictions.items()))
        return query.with_columns(
            *(
                (col(f"y{j}") - _when(col("t") > 0.5, col(f"d{j}"), col(f"c{j}"))).alias(f"e{j}")
                for j in range(len(models))
            )
        )

    # Asking

    def _by_arm(self, query: Any, aggregates: Sequence[Any]) -> pd.DataFrame:
        guards = [col(name).sum().alias(f"guard_{name}") for name in ("one", *self._y[:1])]
        found = engine.rows_by(self.source.where(query), "t", [*aggregates, *guards])
        treated = float(found["guard_one"].iloc[-1]) if len(found) == 2 else -1.0
        total = float(found["guard_one"].sum())
        self._require_the_same(total, treated, float(found["guard_y0"].sum()) if self._y else 0.0)
        return found

    def _of_all(self, query: Any, aggregates: Sequence[Any]) -> dict[str, float]:
        guards = [col(name).sum().alias(f"guard_{name}") for name in ("one", "t", *self._y[:1])]
        found = engine.row_of(self.source.where(query), [*aggregates, *guards])
        self._require_the_same(found["guard_one"], found["guard_t"], found.get("guard_y0", 0.0))
        return found

    def _require_the_same(self, n_rows: float, n_treated: float, outcome: float) -> None:
        """Require the rows to be those that were there before; outcomes less their mean sum to 0."""
        same = n_rows == self.facts.n_rows and n_treated == self.facts.n_treated
        if same and self.outcomes:
            first = self.facts.numbers[self.outcomes[0]]
            size = max(abs(first["low"]), abs(first["high"]))
            same = abs(outcome) <= _DRIFT * size * n_rows
        if not same:
            raise InvalidInputError(
                f"table: another one at a later query: {n_rows:,.0f} rows and {n_treated:,.0f} treated, and "
                f"{self.facts.n_rows:,.0f} and {self.facts.n_treated:,.0f} before; write it down first, for "
                "example by CREATE TABLE ... AS SELECT"
            )


def col(name: str) -> Any:
    """Write a column as an expression."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    return nw.col(name)


def _when(condition: Any, then: Any, otherwise: Any) -> Any:
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    def value(of: Any) -> Any:
        return nw.lit(of) if isinstance(of, float) else of

    return nw.when(condition).then(value(then)).otherwise(value(otherwise))


def _product(factors: Sequence[str]) -> Any:
    found = col(factors[0])
    for name in factors[1:]:
        found = found * col(name)
    return found


def _weight(estimand: str) -> Any:
    """Write a balancing weight, h / P(own arm), with what cancels cancelled; `src/weighting/estimand.rs`."""
    odds, t = col("odds"), col("t")
    if estimand == "ATE":
        return 1.0 + odds
    if estimand == "ATT":
        return _when(t > 0.5, 1.0, odds)
    if estimand == "ATC":
        return _when(t > 0.5, odds, 1.0)
    return col("other") if estimand == "ATO" else _when(odds < 1.0, odds, 1.0)


def _expected_powers(estimands: Sequence[str]) -> dict[str, Any]:
    """Write the probability of each arm times the square and the fourth power of a row's weight there."""
    of_own = 1.0 / (1.0 + col("odds"))
    arms = {"treated": col("t") > 0.5, "control": col("t") < 0.5}
    found: dict[str, Any] = {}
    for estimand in estimands:
        for arm in WEIGHED.get(estimand, ()):
            odds = _when(arms[arm], col("odds"), 1.0 / col("odds"))  # against the arm
            chance = _when(arms[arm], of_own, col("other"))
            w = 1.0 + odds if estimand == "ATE" else odds
            found |= {
                f"{estimand}/{arm}/ww": chance * w * w,
                f"{estimand}/{arm}/wwww": chance * w * w * w * w,
            }
    return found


def _slope(estimand: str) -> Any:
    """Write the derivative of the weight in the log odds of the score."""
    odds, t, sign = col("odds"), col("t"), col("sign")
    if estimand == "ATE":
        return 0.0 - sign * odds
    if estimand == "ATT":
        return _when(t > 0.5, 0.0, odds)
    if estimand == "ATC":
        return _when(t > 0.5, 0.0 - odds, 0.0)
    if estimand == "ATO":
        return 0.0 - sign * col("other") / (1.0 + odds)
    at_half = (col("other") - 0.5).abs() <= _CORNER
    return 0.0 - sign * _when(at_half, 0.5, _when(odds < 1.0, odds, 0.0))
