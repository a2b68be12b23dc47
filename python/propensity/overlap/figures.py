"""The figures of either arm: where its scores lie, and what they would weigh."""

from __future__ import annotations

import math
from typing import Any, TypeAlias, get_args

import numpy as np

from propensity import core
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import Sample
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import mass_of
from propensity.frames.rowwise_checks import HIGHEST, SMALLEST
from propensity.overlap.trimming import common_support
from propensity.scores.quantiles import quantiles_of

_QUANTILES = {"1%": 0.01, "5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99}

Members: TypeAlias = Bools | Rows
"""Rows, as flags or by their places."""


def of_rows(values: Floats | None, rows: Members | slice) -> Floats | None:
    """Take rows of values that may not be there."""
    return None if values is None else values[rows]


def described(
    found: core.Overlap, name: object, group: dict[str, Any], *, has_certain: bool
) -> dict[str, list[dict[str, Any]]]:
    """Give the lines of each table for rows that count one each, of which either arm may have none."""
    arms = {arm: own for arm, own in (("treated", found.treated), ("control", found.control)) if len(own)}
    if has_certain:
        arms = {arm: _with_ends(own) for arm, own in arms.items()}
    low, high, coefficient = np.nan, np.nan, 0.0
    if len(arms) == 2:
        (low, high), coefficient = common_support(*(own[[0, -1]] for own in arms.values())), 1 - found.ks
        low, high = (low, high) if low <= high else (np.nan, np.nan)
    sums = dict(zip(get_args(WeightingEstimand), found.weights.tolist(), strict=True))
    return {
        "support": [{"group": name, "low": low, "high": high, "overlap_coefficient": coefficient}],
        "quantiles": [
            {**group, "arm": arm, **_quantiles_in_order(own, (low, high))} for arm, own in arms.items()
        ],
        "weights": [
            {
                **group,
                "estimand": estimand,
                "arm": arm,
                **_shares(len(own), *of_arms[arm == "treated"], has_bounds=_has_bounds(estimand, arm, own)),
            }
            for estimand, of_arms in sums.items()
            for arm, own in arms.items()
        ],
    }


def _quantiles_in_order(e: Floats, support: tuple[float, float]) -> dict[str, float]:
    """Give the line of an arm whose scores (n,) ascend."""
    low, high = support
    inside = 0 if np.isnan(low) else np.searchsorted(e, high, "right") - np.searchsorted(e, low)
    return {
        "n": len(e),
        "min": e[0],
        **dict(zip(_QUANTILES, quantiles_of(e, list(_QUANTILES.values())), strict=True)),
        "max": e[-1],
        "outside": 1 - float(inside / len(e)),
    }


def _with_ends(e: Floats) -> Floats:
    """Give back the scores of 0 and 1 that were moved inside by as little as can be."""
    return np.where(e >= HIGHEST, 1.0, np.where(e <= SMALLEST, 0.0, e))


def _has_bounds(estimand: str, arm: str, e: Floats) -> bool:
    """Whether no row of an arm stands for others without bound."""
    if arm == "treated":
        return estimand not in ("ATE", "ATC") or bool(e.min() >= SMALLEST)
    return estimand not in ("ATE", "ATT") or bool(e.max() < 1)


def _shares(
    n: int, total: float, squares: float, largest: float, heaviest: float, *, has_bounds: bool
) -> dict[str, float]:
    """Give the line of the weights of an arm of n users; of weights without bounds what they come to."""
    ess = total**2 / squares
    return {
        "ess": ess,
        "ess_share": ess / n,
        "largest": largest if has_bounds else math.inf,
        "largest_share": largest / total,
        "top_percent_share": heaviest / total,
    }


def tallies(
    sample: Sample, e: Floats, inside: Floats, members: list[tuple[dict[str, Any], dict[str, Members]]]
) -> list[dict[str, Any]]:
    """Sum up the weights by each estimand, one after the other, in each arm of each group."""
    of_estimand: dict[str, list[list[dict[str, Any]]]] = {}
    for estimand in get_args(WeightingEstimand):
        w = sample.weighting(inside, estimand).weights
        of_estimand[estimand] = [
            [
                {
                    **group,
                    "estimand": estimand,
                    "arm": arm,
                    **_tally(
                        w[own], of_rows(sample.frequency, own), has_bounds=_has_bounds(estimand, arm, e[own])
                    ),
                }
                for arm, own in present.items()
            ]
            for group, present in members
        ]
    return [line for place in range(len(members)) for found in of_estimand.values() for line in found[place]]


def support_of(e: Floats, treated: Bools, sample_weight: Floats | None) -> tuple[float, float, float]:
    """Give the ends of the common support, and the overlap coefficient."""
    if treated.all() or not treated.any():
        return np.nan, np.nan, 0.0
    distance = core.balance(e[:, np.newaxis], treated, sample_weight=sample_weight).ks[0, 0]
    low, high = common_support(e[treated], e[~treated])
    return (low, high, 1 - distance) if low <= high else (np.nan, np.nan, 1 - distance)


def quantiles_in(
    e: Floats, sample_weight: Floats | None, users: Floats | None, support: tuple[float, float]
) -> dict[str, float]:
    """Give the line of the scores of an arm."""
    inner = quantiles_of(e, list(_QUANTILES.values()), sample_weight, users)
    inside = (e >= support[0]) & (e <= support[1])
    return {
        "n": int(len(e) if users is None else users.sum()),
        "min": e.min(),
        **dict(zip(_QUANTILES, inner, strict=True)),
        "max": e.max(),
        "outside": 1 - float(np.average(inside, weights=mass_of(sample_weight, users))),
    }


def _tally(w: Floats, users: Floats | None, *, has_bounds: bool) -> dict[str, float]:
    """Sum up the weights of an arm, each that of so many users."""
    total, n = (w.sum(), len(w)) if users is None else (w @ users, int(users.sum()))
    squares = w @ w if users is None else w**2 @ users
    heaviest = _heaviest(w, users, -(-n // 100))
    return _shares(n, float(total), float(squares), w.max(), heaviest, has_bounds=has_bounds)


def _heaviest(w: Floats, users: Floats | None, count: int) -> float:
    """Give what so many users weigh together, of the rows that weigh the most."""
    if users is None:
        return float(np.partition(w, len(w) - count)[len(w) - count :].sum())
    heaviest_first = np.argsort(-w, kind="stable")
    upto = np.cumsum(users[heaviest_first])
    of_row = np.diff(np.minimum(upto, count), prepend=0.0)  # how many of each row's are among them
    return float(w[heaviest_first] @ of_row)
