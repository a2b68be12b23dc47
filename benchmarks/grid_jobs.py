"""What a row costs in a replicate, by kind of bootstrap, rows, numbers and factors; and in people's loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import by_hand
import propensity as ps
from clock import Row, nanoseconds, seconds
from distinct_jobs import distinct
from loops import LOOPS, design, turn
from propensity import core

PART = "grid"
LEVELS = (4, 40)
SUBCLASSES = "subclasses"
KINDS: dict[str, dict[str, Any]] = {
    "IPW": {},
    "clusters": {"cluster": 50},
    "strata": {"strata": 20},
    "Bayesian": {"resampling": "bayesian"},
    "AIPW": {"estimators": [ps.AIPW("ATE")]},
    "IPWRA": {"estimators": [ps.IPWRA("ATE")]},
    "1-NN": {"estimators": [ps.NearestNeighbors("ATT")]},
    "studentized": {"studentized": True},
    SUBCLASSES: {},
}
"""Options of `core.bootstrap`; of clusters their rows, and of strata how many."""

SHARED = tuple(KINDS)[:4]
"""Replicates of these go through the rows up to sixteen at a time."""

Rows = tuple[by_hand.Floats, by_hand.Bools, by_hand.Floats]
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
    kinds, peers : sequence of str
        Names of `KINDS` and of `LOOPS`.
    shared, single : tuple of int
        Replicates of a shorter call, which are taken off, and of a longer one: of kinds that are `SHARED`, of
        the others.
    """

    n: int
    d: int
    factors: bool
    kinds: Sequence[str] = tuple(KINDS)
    peers: Sequence[str] = tuple(LOOPS)
    shared: tuple[int, int] = (32, 96)
    single: tuple[int, int] = (8, 56)

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
    of_million: dict[str, Any] = {"peers": ("lbfgs", "newton-cholesky"), "shared": (4, 20), "single": (2, 8)}
    middle = [
        Cell(1_000_000, d, factors, **of_million) for d, factors in ((4, False), (10, False), (10, True))
    ]
    middle.append(Cell(1_000_000, 30, False, **(of_million | {"peers": ("lbfgs",)})))
    of_ten: dict[str, Any] = {"peers": (), "shared": (2, 10), "single": (2, 8)}
    kinds = tuple(kind for kind in KINDS if kind not in {"studentized", SUBCLASSES})
    large = [Cell(10_000_000, 10, False, kinds, **of_ten)]
    large += [
        Cell(10_000_000, d, factors, ("IPW",), **of_ten)
        for d, factors in ((4, False), (10, True), (30, False))
    ]
    return [*small, *middle, *large]


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time them, cell by cell."""
    for cell in cells(quick=quick):
        rows, codes = distinct(cell.n, cell.d), factors(cell.n) if cell.factors else None
        for kind in cell.kinds:
            run = _subclasses(rows, codes) if kind == SUBCLASSES else _bootstrap(rows, codes, KINDS[kind])
            few, many = cell.shared if kind in SHARED else cell.single
            yield _row(cell, kind, nanoseconds(run, cell.n, few, many))
        x, treated, y = rows
        for name in cell.peers:
            loop = partial(
                turn, design(x, codes, LEVELS, dense=name == "statsmodels"), treated, y, LOOPS[name]
            )
            yield _row(cell, name, 1e9 * seconds(loop) / cell.n)


def _row(cell: Cell, name: str, value: float) -> Row:
    return Row(PART, f"{cell.name}; {name}", "", float("nan"), value, unit="ns")


def factors(n: int) -> Codes:
    """Draw the levels of two categories (n, 2)."""
    rng = np.random.default_rng(9)
    return np.column_stack([rng.integers(0, levels, n, dtype=np.uint8) for levels in LEVELS])


def _bootstrap(rows: Rows, codes: Codes | None, kind: dict[str, Any]) -> Callable[[int], object]:
    options: dict[str, Any] = {"estimators": [ps.IPW("ATE")], "seed": 7} | kind
    rng, n = np.random.default_rng(4), len(rows[1])
    if "cluster" in kind:
        options["cluster"] = rng.integers(0, n // kind["cluster"], n)
    if "strata" in kind:
        options["strata"] = rng.integers(0, kind["strata"], n)
    if codes is not None:
        options |= {"factors": codes, "n_levels": np.array(LEVELS)}
    return lambda n_reps: core.bootstrap(*rows, n_reps=n_reps, **options)


def _subclasses(rows: Rows, codes: Codes | None) -> Callable[[int], object]:
    """Make subclasses of a frame, whose bootstrap makes them again."""
    x, treated, y = rows
    columns: dict[str, Any] = {f"x{k}": column for k, column in enumerate(x.T)}
    for levels, own in zip(LEVELS, () if codes is None else codes.T, strict=False):
        columns[f"f{levels}"] = pd.Categorical.from_codes(own, pd.RangeIndex(levels).astype(str))
    users = pd.DataFrame({**columns, "t": treated, "y": y})
    model = ps.fit_propensity(users, treatment="t", covariates=list(columns))
    subclasses = ps.subclassify(users, treatment="t", scores=model, n_subclasses=20)
    return lambda n_reps: subclasses.bootstrap("y", n_reps=n_reps, progress=False)


def table(rows: Sequence[Row]) -> str:
    """Lay the grid out in Markdown: a line for each size."""
    columns = [*KINDS, *LOOPS]
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
