"""Matches held against every pair of rows looked at, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import reference_pairs
from oracle.reading import Call, NotReadError, Pair
from oracle.twins import EPS, Expected, UndecidedError

MOST_MATCHED = 130  # rows


def matched_weights(
    e: np.ndarray, t: np.ndarray, s: np.ndarray, options: Mapping[str, Any], got: np.ndarray
) -> list[Pair]:
    """Weights of matches on the score or logit; where draws settle ties, nothing is compared.

    A matched focal row has its own sample weight, and hands it on to its donors, by theirs.
    """
    if len(e) > MOST_MATCHED:
        raise NotReadError
    asked = reference_pairs.Options(**{"order": "largest", **options})
    if asked.order == "random":
        raise UndecidedError("a draw decides")
    rows = reference_pairs.Rows(t, e, np.zeros((len(e), 0)), np.zeros(len(e)), np.arange(len(e)))
    _require_clear(rows, asked)
    found = np.zeros(len(e))
    for row, donors in reference_pairs.match(rows, asked).items():
        own = sorted(donors)
        found[row] += s[row]
        found[own] += s[row] * s[own] / s[own].sum()
    return [("weights", got, Expected(found, 1e-9 * s.max()))]


def _require_clear(rows: reference_pairs.Rows, asked: reference_pairs.Options) -> None:
    """No two distances that nearly tie, or do where draws settle it, and none that is nearly the caliper."""
    d = reference_pairs.distances(rows, asked.on)[rows.treated][:, ~rows.treated]
    size = max(1.0, float(np.abs(d).max(initial=0)))
    for distances in (d, d.T):
        gaps = np.diff(np.sort(distances, axis=1), axis=1)
        if ((gaps > (1e-14 if asked.replace else -1)) & (gaps < 1e-10 * size)).any():
            raise UndecidedError("distances tie, or nearly")
    if asked.caliper is not None:
        q = rows.scores if asked.on == "score" else np.log(rows.scores / (1 - rows.scores))
        width = asked.caliper * q.std(ddof=1)
        if (np.abs(d - width) < 1e-9 * size).any():
            raise UndecidedError("a distance is nearly the caliper")


def matching_error(call: Call, options: Mapping[str, Any]) -> Expected:
    """Abadie and Imbens's standard error, the scores as known: spreads from pairs, and from neighbours."""
    t, e, y = call.treated, call.scores, call.outcome_at("y")
    rows = reference_pairs.Rows(t, e, np.zeros((len(e), 0)), np.zeros(len(e)), np.arange(len(e)))
    asked = reference_pairs.Options(**options)
    size = float(np.ptp(y)) or 1.0
    rest = ((y.astype(np.longdouble) - y[0]) / size).astype(float)
    distance = reference_pairs.distances(rows, asked.on)
    s2 = reference_pairs.outcome_variance(rest, t, distance)
    matched = reference_pairs.match(rows, asked)
    found = reference_pairs.neighbor_variance(rest, t, matched, s2, call.weight)
    error = size * float(np.sqrt(max(found, 0.0)))
    return Expected(error, 1e-8 * size + 64 * EPS * float(np.abs(y).max()))
