"""The models of a table that an engine holds, from sums: scores by Newton's method, outcomes by squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from propensity import core
from propensity.errors import InvalidInputError, OverlapError, SeparationError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.levels import written
from propensity.scores.separation import Cell, Separation
from propensity.tables import engine
from propensity.tables.engine import Source
from propensity.tables.newton import Equations, Optimum, maximize
from propensity.tables.passes import Passes
from propensity.tables.terms import Terms

_EXPLAINED = 1e-11
"""A term is collinear with earlier ones that explain all but this share of it, as in `src/linalg.rs`."""

_SEPARATED, _RUNAWAY = 1e-6, 0.1  # as in src/score/newton.rs

_CERTAIN = 36.7
"""Log odds beyond which a score is 1, or 0, to the digits that a float64 has."""

_SAMPLE = 100_000
"""Rows whose fit Newton's method starts from: it then takes three or four passes in place of six or seven."""


def aliased(gram: Floats) -> Bools:
    """Tell which columns earlier ones explain, by their products (d + 1, d + 1); R's `lm` drops them."""
    size = len(gram)
    lower = np.zeros((size, size))
    explained = np.zeros(size, dtype=bool)
    for k in range(size):
        pivot = gram[k, k] - lower[k, :k] @ lower[k, :k]
        if not pivot > _EXPLAINED * max(gram[k, k], 0.0):
            explained[k] = True
            continue
        lower[k, k] = np.sqrt(pivot)
        below = gram[k + 1 :, k] - lower[k + 1 :, :k] @ lower[k, :k]
        lower[k + 1 :, k] = below / lower[k, k]
    return explained


def least_squares(gram: Floats, n_terms: int, arm: str, terms: Terms) -> tuple[Floats, list[Floats]]:
    """Give the inverse of the products of an arm's terms, and the coefficients of each outcome.

    Raises
    ------
    OverlapError
        The arm's rows do not tell what a term does.
    """
    size = n_terms + 1
    products = gram[:size, :size]
    lost = np.flatnonzero(aliased(products)) - 1
    if len(lost):
        named = checks.listed(terms.names[k] for k in lost)
        other = "control" if arm == "treated" else "treated"
        raise OverlapError(
            f"outcome model of the {arm} rows, term {named}: they do not tell what it does, so that nothing "
            f"in the data tells the outcome of {other} rows had they been in that arm; leave the column out, "
            "merge the level with another, or take IPW"
        )
    scale = np.sqrt(np.diag(products))
    inverse = np.linalg.inv(products / np.outer(scale, scale)) / np.outer(scale, scale)
    return inverse, [inverse @ gram[:size, size + j] for j in range(len(gram) - size)]


@dataclass(frozen=True, eq=False)
class FittedScore:
    """A logistic model of the treatment, on the terms of mean 0 and deviation 1.

    Attributes
    ----------
    beta : ndarray (d + 1,)
    inverse : ndarray (d + 1, d + 1)
        Of the information.
    pull : ndarray (d + 1,)
        What a penalty leaves of the gradient of the likelihood, the sum of (t - e) z: zeros without one.
    n_queries : int
    """

    beta: Floats
    inverse: Floats
    pull: Floats
    n_queries: int


def fit_score(passes: Passes, table: Source, treatment: str, penalty: float) -> FittedScore:
    """Fit the score.

    Raises
    ------
    SeparationError
        Covariates foretell the treatment of some rows.
    ConvergenceError, OverlapError
    """
    terms, facts = passes.terms, passes.facts
    ridge = np.concatenate([[0.0], penalty / np.where(terms.scale > 0, terms.scale, 1.0) ** 2])
    largest = [0.0]

    def equations(beta: Floats) -> Equations:
        found, largest[0] = passes.equations(beta, ridge)
        return found

    alone = np.zeros(len(terms) + 1)
    alone[0] = np.log(facts.n_treated / facts.n_control)
    start = _start(passes, table, treatment, penalty)
    found = maximize(equations, alone if start is None else start, facts.n_rows)
    _require_no_separation(passes, found, penalty)
    if largest[0] > _CERTAIN:
        raise OverlapError(
            f"scores: some are 0 or 1 to rounding (log odds up to {largest[0]:.0f}), so that nobody in the "
            "other arm stands for those rows; leave out what foretells the treatment, drop such rows in the "
            "query, or use penalty=1.0"
        )
    information = found.equations.information
    scale = np.sqrt(np.diag(information))
    inverse = np.linalg.inv(information / np.outer(scale, scale)) / np.outer(scale, scale)
    return FittedScore(found.beta, inverse, ridge * found.beta, found.n_queries)


def _start(passes: Passes, table: Source, treatment: str, penalty: float) -> Floats | None:
    """Fit the score to some rows, to start from; None where these are few, or are of one arm."""
    terms, n_rows = passes.terms, passes.facts.n_rows
    if n_rows <= 2 * _SAMPLE or not len(terms):
        return None
    rows = engine.first_rows(table, list(dict.fromkeys([*terms.columns, treatment])), _SAMPLE)
    treated = rows[treatment].to_numpy() == 1
    try:
        fit = core.fit_propensity(terms.matrix(rows), treated, penalty=penalty * len(rows) / n_rows)
    except InvalidInputError:
        return None
    beta = np.asarray(fit.coefficients)
    # Rows that stand first in a table may be of the last days, and no start for the others.
    found, _ = passes.equations(beta, np.zeros(len(beta)))
    share = passes.facts.n_treated / n_rows
    entropy = share * np.log(share) + (1 - share) * np.log(1 - share)
    return beta if found.log_likelihood > n_rows * entropy else None


def _require_no_separation(passes: Passes, found: Optimum, penalty: float) -> None:
    facts = passes.facts
    variance = facts.n_treated * facts.n_control / facts.n_rows
    vanished = penalty == 0 and found.equations.information[0, 0] < _SEPARATED * variance
    running = found.running
    if not vanished and (not len(running) or passes.largest_move(found.step) <= _RUNAWAY):
        return
    named = running if len(running) else np.arange(len(passes.terms))
    terms = tuple(passes.terms.names[k] for k in named)
    arms = int(facts.n_treated), int(facts.n_control)
    raise SeparationError(str(Separation((), 0, terms, arms)), [int(k) for k in named])


def require_both_arms_in_levels(
    passes: Passes, grams: tuple[Floats, Floats], flags: Sequence[tuple[int, object]]
) -> None:
    """Require rows of both arms at every level of text and of flags; `flags` are the places of these.

    Raises
    ------
    SeparationError
        All rows of a level are in one arm: no score model is needed to foretell that.
    """
    terms, arms = passes.terms, (passes.facts.n_control, passes.facts.n_treated)
    cells = []
    for column, level, counts in _levels(terms, grams, arms, flags):
        n_control, n_treated = counts
        if n_control + n_treated > 0 and min(counts) == 0:
            of_text = isinstance(level, str)
            words = f"{column} == {written(level)}"
            cells.append(Cell(words, (column,), n_control + n_treated, n_treated > 0, of_text))
    if cells:
        cells.sort(key=lambda cell: -cell.n)
        raise SeparationError(str(Separation(tuple(cells), 0, (), (int(arms[1]), int(arms[0])))))


def _levels(
    terms: Terms,
    grams: tuple[Floats, Floats],
    arms: tuple[float, float],
    flags: Sequence[tuple[int, object]],
) -> list[tuple[str, object, tuple[int, int]]]:
    """Count the rows of every level by arm, controls first, from the sums of terms."""

    def count(place: int) -> tuple[int, int]:
        sums = [
            terms.center[place] * n + terms.scale[place] * gram[0, place + 1]
            for gram, n in zip(grams, arms, strict=True)
        ]
        return round(sums[0]), round(sums[1])

    found: list[tuple[str, object, tuple[int, int]]] = [
        (terms.columns[k], level, count(k)) for k, level in enumerate(terms.levels) if level is not None
    ]
    for name, places in (terms.first or {}).items():
        column = terms.columns[places[0]] if places else ""
        others = np.array([count(k) for k in places]).reshape(-1, 2).sum(axis=0)
        rest = round(arms[0]) - int(others[0]), round(arms[1]) - int(others[1])
        found.append((column, name[len(column) + 1 : -1], rest))
    for place, one in flags:
        of_one = count(place)
        zero: object = False if isinstance(one, bool) else 0
        rest = round(arms[0]) - of_one[0], round(arms[1]) - of_one[1]
        found += [(terms.columns[place], one, of_one), (terms.columns[place], zero, rest)]
    return found
