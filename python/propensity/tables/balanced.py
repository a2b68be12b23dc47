"""Balance of a table that an engine holds: what can be told of it from sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity.effects.estimators import IPW
from propensity.frames.checks import Bools, Floats
from propensity.tables import engine, facts, models
from propensity.tables.passes import Passes
from propensity.tables.terms import Terms

MEASURES = ("mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference")


@dataclass(frozen=True, eq=False)
class _Sums:
    """Of one weighting and either arm, controls first: weights, squares, and of d terms w x and w x^2."""

    weight: Floats
    squares: Floats
    first: Floats
    second: Floats


def balanced(
    table: Any,
    *,
    treatment: str,
    covariates: Sequence[str],
    weightings: Mapping[str, IPW],
    denominator: str,
) -> pd.DataFrame:
    """Tabulate balance as `balance` does: each term in the table as it is, then in each weighting.

    Distances of distribution functions are known of binary terms alone, and NaN of others.

    Raises
    ------
    InvalidInputError
        As `estimate` does of such a table.
    """
    source = engine.opened(table)
    found, terms = facts.read_facts(source, treatment=treatment, outcomes=(), covariates=covariates)
    passes = Passes(facts.picked(source, terms, found, treatment, (), None), terms, (), found, False)
    grams = passes.grams()
    samples = {"unadjusted": _as_it_is(grams, (found.n_control, found.n_treated))}
    if weightings:
        models.require_both_arms_in_levels(passes, grams, ())
        kept = ~models.aliased(grams[0] + grams[1])[1:]
        fewer = terms.kept(kept)
        own = Passes(facts.picked(source, fewer, found, treatment, (), None), fewer, (), found, False)
        beta = np.zeros(len(terms) + 1)
        beta[np.concatenate([[True], kept])] = models.fit_score(own, source, treatment, 0.0).beta
        estimands = list(dict.fromkeys(spec.estimand for spec in weightings.values()))
        sums = passes.weighted(beta, estimands, [], squares=True)
        samples |= {name: _weighted(sums, spec.estimand, len(terms)) for name, spec in weightings.items()}
    return _table(samples, terms, _are_binary(terms, found), denominator)


def _as_it_is(grams: tuple[Floats, Floats], arms: tuple[float, float]) -> _Sums:
    n = np.array(arms)
    first = np.array([gram[0, 1:] for gram in grams])
    second = np.array([np.diag(gram)[1:] for gram in grams])
    return _Sums(n, n, first, second)


def _weighted(sums: pd.DataFrame, estimand: str, n_terms: int) -> _Sums:
    first = np.column_stack([sums[f"{estimand}/w/z{k + 1}"] for k in range(n_terms)])
    second = np.column_stack([sums[f"{estimand}/w/zz{k + 1}"] for k in range(n_terms)])
    return _Sums(sums[f"{estimand}/w"].to_numpy(), sums[f"{estimand}/ww"].to_numpy(), first, second)


def _are_binary(terms: Terms, found: facts.Facts) -> Bools:
    return np.array(
        [
            level is not None or found.numbers[column]["neither"] == 0
            for column, level in zip(terms.columns, terms.levels, strict=True)
        ],
        dtype=bool,
    )


def _table(samples: Mapping[str, _Sums], terms: Terms, binary: Bools, denominator: str) -> pd.DataFrame:
    """Put measures beside each other, sample by sample, levels in their order with the first."""
    moments = {name: _with_first_levels(*_moments(sums, terms), terms) for name, sums in samples.items()}
    names, order = _names(terms)
    is_binary = np.concatenate([binary, np.ones(len(terms.first or {}), dtype=bool)])
    means, variances = moments["unadjusted"]
    unit = _deviation(means, variances, is_binary, samples["unadjusted"], denominator)
    columns = {}
    for name, (mean, variance) in moments.items():
        gap = mean[1] - mean[0]
        with np.errstate(all="ignore"):
            smd = np.where(gap == 0, 0.0, gap / unit)
            ratio = np.where(is_binary | (unit == 0), np.nan, variance[1] / variance[0])
        distance = np.where(is_binary, np.abs(gap), np.nan)
        for what, values in zip(MEASURES, (mean[1], mean[0], smd, ratio, distance, distance), strict=True):
            columns[name, what] = values[order]
    table = pd.DataFrame(columns, index=pd.Index(names, name="term"))
    table.columns = pd.MultiIndex.from_tuples(list(columns), names=["sample", "measure"])
    table.attrs = {"denominator": denominator, "distance": False}
    for place, arm in enumerate(("control", "treated")):
        sizes = {name: float(s.weight[place] ** 2 / s.squares[place]) for name, s in samples.items()}
        table.attrs[f"ess_{arm}"] = sizes
    table.attrs["products"] = {name: {} for name in samples}
    return table


def _moments(sums: _Sums, terms: Terms) -> tuple[Floats, Floats]:
    """Give means and variances (2, d) by arm: sum w (x - m)^2 / (1 - sum w^2), w summing to 1."""
    weight = sums.weight[:, None]
    mean = sums.first / weight
    spread = np.maximum(sums.second / weight - mean**2, 0.0)
    variance = spread / (1 - sums.squares / sums.weight**2)[:, None]
    return terms.center + terms.scale * mean, terms.scale**2 * variance


def _with_first_levels(mean: Floats, variance: Floats, terms: Terms) -> tuple[Floats, Floats]:
    """Add first levels, which are what the others leave of 1; variances of levels are of no use."""
    rest = [1 - mean[:, list(places)].sum(axis=1) for places in (terms.first or {}).values()]
    if not rest:
        return mean, variance
    more = np.column_stack(rest)
    return np.hstack([mean, more]), np.hstack([variance, more * (1 - more)])


def _deviation(mean: Floats, variance: Floats, binary: Bools, sums: _Sums, denominator: str) -> Floats:
    """Give the standard deviations (d,) that differences are measured in: those of the table as it is."""
    of_arms = np.where(binary, mean * (1 - mean), variance)
    if denominator == "pooled":
        return np.asarray(np.sqrt(of_arms.mean(axis=0)))
    if denominator in ("treated", "control"):
        return np.asarray(np.sqrt(of_arms[1 if denominator == "treated" else 0]))
    n = sums.weight[:, None]
    total = (n * mean).sum(axis=0) / n.sum()
    within = np.where(binary, n * mean * (1 - mean), (n - 1) * variance).sum(axis=0)
    between = (n * (mean - total) ** 2).sum(axis=0)
    size = n.sum()
    return np.asarray(np.sqrt((within + between) / np.where(binary, size, size - 1)))


def _names(terms: Terms) -> tuple[list[str], list[int]]:
    """Name all terms, ``tier[heavy]`` too, in the order of the columns, and give their places."""
    firsts = list(terms.first or {})
    names: list[tuple[str, int]] = []
    starts = {places[0]: k for k, places in enumerate((terms.first or {}).values()) if places}
    for place, name in enumerate(terms.names):
        if place in starts:
            k = starts[place]
            names.append((firsts[k], len(terms) + k))
        names.append((name.replace("[T.", "["), place))
    known = {name for name, _ in names}
    names += [(name, len(terms) + k) for k, name in enumerate(firsts) if name not in known]
    return [name for name, _ in names], [place for _, place in names]
