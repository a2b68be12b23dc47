"""What a row costs in a replicate, by rows, numbers and factors; and in the loops that people write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

import by_hand
import propensity as ps
from clock import Row, nanoseconds, seconds
from distinct_jobs import distinct
from propensity import core

PART = "grid"
LEVELS = (4, 40)
OWN: dict[str, Any] = {
    "IPW": ps.IPW("ATE"),
    "AIPW": ps.AIPW("ATE"),
    "1-NN": ps.NearestNeighbors("ATT"),
}
PEERS = ("lbfgs", "newton-cholesky", "statsmodels")

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """A size, and who is timed at it.

    Attributes
    ----------
    n, d : int
        Rows, and numbers in each.
    factors : bool
        Whether there are two categories beside them, of `LEVELS`.
    own, peers : sequence of str
        Names of `OWN` and of `PEERS`.
    replicates : tuple of int
        The longer call's, less the shorter's, tell what one takes.
    """

    n: int
    d: int
    factors: bool
    own: Sequence[str] = tuple(OWN)
    peers: Sequence[str] = PEERS
    replicates: tuple[int, int] = (8, 72)

    @property
    def name(self) -> str:
        """Say which size it is."""
        return f"{self.n:,}; {self.d}; {', '.join(map(str, LEVELS)) if self.factors else 'none'}"


def cells(*, quick: bool) -> list[Cell]:
    """List what is timed: all of it at 50,000 rows, what takes seconds and not minutes beyond."""
    both = (False, True)
    if quick:
        return [Cell(5_000, 4, factors) for factors in both]
    small = [Cell(50_000, d, factors) for d in (4, 10, 30) for factors in both]
    few, million = (8, 24), 1_000_000
    middle = [Cell(million, 10, factors, tuple(OWN), PEERS[:2], few) for factors in both]
    narrow, wide = (Cell(million, d, False, ("IPW", "AIPW"), PEERS[:1], few) for d in (4, 30))
    large = [Cell(10_000_000, d, False, ("IPW",), (), (4, 16)) for d in (4, 10)]
    return [*small, narrow, *middle, wide, *large]


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time them, cell by cell."""
    for cell in cells(quick=quick):
        (x, treated, y), codes = distinct(cell.n, cell.d), None
        if cell.factors:
            codes = factors(cell.n)
        for name in cell.own:
            own = partial(_replicates, (x, treated, y), codes, OWN[name])
            yield _row(cell, name, nanoseconds(own, cell.n, *cell.replicates))
        for name in cell.peers:
            loop = partial(turn, design(x, codes, dense=name == "statsmodels"), treated, y, SCORES[name])
            yield _row(cell, name, 1e9 * seconds(loop) / cell.n)


def _row(cell: Cell, name: str, value: float) -> Row:
    return Row(PART, f"{cell.name}; {name}", "", float("nan"), value, unit="ns")


def factors(n: int) -> Codes:
    """Draw the levels of two categories (n, 2)."""
    rng = np.random.default_rng(9)
    return np.column_stack([rng.integers(0, levels, n, dtype=np.uint8) for levels in LEVELS])


def _replicates(
    rows: tuple[by_hand.Floats, by_hand.Bools, by_hand.Floats],
    codes: Codes | None,
    estimator: Any,
    n_reps: int,
) -> object:
    beside: dict[str, Any] = {}
    if codes is not None:
        beside = {"factors": codes, "n_levels": np.array(LEVELS)}
    return core.bootstrap(*rows, estimators=[estimator], n_reps=n_reps, seed=7, **beside)


def design(x: by_hand.Floats, codes: Codes | None, *, dense: bool) -> Any:
    """Lay out numbers and dummies (n, d), sparse where there are dummies and the peer takes that."""
    if codes is None:
        return x
    dummies = [own[:, None] == np.arange(1, levels) for own, levels in zip(codes.T, LEVELS, strict=True)]
    if dense:
        return np.column_stack([x, *dummies]).astype(float)
    return sparse.hstack([sparse.csr_matrix(x), *map(sparse.csr_matrix, dummies)], format="csr")


def turn(
    x: Any, treated: by_hand.Bools, y: by_hand.Floats, scores_of: Callable[..., by_hand.Floats]
) -> float:
    """Make one replicate of IPW as people write it: draw rows, fit, weigh."""
    rows = np.random.default_rng(6).integers(0, len(y), len(y))
    x, treated, y = x[rows], treated[rows], y[rows]
    scores = scores_of(x, treated)
    mean = np.average(y[treated], weights=1 / scores[treated])
    return float(mean - np.average(y[~treated], weights=1 / (1 - scores[~treated])))


def _by_scikit_learn(solver: str, x: Any, treated: by_hand.Bools) -> by_hand.Floats:
    model = LogisticRegression(C=np.inf, solver=solver, max_iter=1_000).fit(x, treated)
    return np.asarray(model.predict_proba(x)[:, 1])


def _by_statsmodels(x: by_hand.Floats, treated: by_hand.Bools) -> by_hand.Floats:
    import statsmodels.api as sm  # noqa: PLC0415 - a second of imports that other jobs do without

    x = sm.add_constant(x)
    return np.asarray(sm.Logit(treated, x).fit(disp=0).predict(x))


SCORES: dict[str, Callable[..., by_hand.Floats]] = {
    "lbfgs": partial(_by_scikit_learn, "lbfgs"),
    "newton-cholesky": partial(_by_scikit_learn, "newton-cholesky"),
    "statsmodels": _by_statsmodels,
}


def table(rows: Sequence[Row]) -> str:
    """Lay the grid out in Markdown: a line for each size."""
    columns = [*OWN, *PEERS]
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        size, _, name = row.job.rpartition("; ")
        found.setdefault(size, {})[name] = row.own_value
    head = ["rows", "numbers", "levels of factors", *columns]
    lines = [head, ["---"] * len(head)]
    for size, values in found.items():
        shown = [f"{values[name]:,.3g}" if name in values else "" for name in columns]
        lines.append([*size.split("; "), *shown])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
