"""Separation: rows whose treatment the covariates foretell without error, and what they have in common.

A coefficient then grows without bound, and that of a reference level, which has no term of its own, drags
those of all the others along: terms are the wrong thing to look at. So the rows are looked at whose scores
run to their treatment, and are told by what the frame says of them: a level, a combination of levels, the
side of a number. Levels are told by their counts in either arm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from propensity import core
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.design import Design
from propensity.frames.levels import coded, has_levels, is_categorical, written, written_number
from propensity.scores.penalties import penalty_advice

# Where Newton's method stops, a separated row's score is this far from 0 or 1, times the number of rows.
LEFT_BY_NEWTON = 1e-9
_CERTAIN = 1e-6

# A penalty so small that only what grows without bound feels it; the scores of separated rows come this near.
_WHISPER, _NEAR = 1e-6, 1e-3

# More columns, and their combinations are too many to go through, or to say anything.
_MOST_COLUMNS = 12
_MOST_LEVELS = 1000
_FLAG = 2
_MOSTLY = 0.9  # of the rows on one side of a number; the last ones before the other arm's run less far
_MOST_CELLS = 3  # named; the rest is counted
_RARE = 0.01  # of the rows: what a level has at most that others like it may be put together with


@dataclass(frozen=True)
class Cell:
    """Rows that have something in common, and their treatment too.

    Attributes
    ----------
    words : str
        What they have in common, as code: ``plan == 'team'``.
    columns : tuple of str
        What that is said of.
    n : int
        How many there are.
    treated : bool
        Whether all of them are treated, or none.
    of_levels : bool
        Whether a level of a text or categorical column is among it, which may be merged with another.
    level : str
        Where it is a single level of a column, that, as code.
    """

    words: str
    columns: tuple[str, ...]
    n: int
    treated: bool
    of_levels: bool
    level: str = ""

    def __str__(self) -> str:
        rows = f"{self.n:,} row{'' if self.n == 1 else 's'} with {self.words}"
        if self.n == 1:
            return f"{rows} is {'treated' if self.treated else 'a control'}"
        return f"{rows} are all {'treated' if self.treated else 'controls'}"


@dataclass(frozen=True)
class Separation:
    """Where a score model is separated.

    Attributes
    ----------
    cells : tuple of Cell
        The largest first.
    n_other : int
        Rows whose treatment is foretold too, but by nothing that is simply said.
    terms : tuple of str
        The terms whose coefficients grow without bound.
    n_arms : (int, int)
        Rows of either arm, treated and controls.
    penalty : str
        Which penalty gives the coefficients bounds.
    rare : int or None
        How many rows levels may have that are put together, where that takes care of all that are named.
    """

    cells: tuple[Cell, ...]
    n_other: int
    terms: tuple[str, ...]
    n_arms: tuple[int, int]
    penalty: str = "use penalty=1.0"
    rare: int | None = None

    def __str__(self) -> str:
        return (
            f"{self.rows}: the score model foretells their treatment without error (separation), so that "
            f"nobody in the other arm stands for them; {self.remedy}"
        )

    @property
    def rows(self) -> str:
        """Say which rows."""
        told = _told(self.cells)
        found = [words for words, _ in told[:_MOST_CELLS]]
        others = sum(n for _, n in told[_MOST_CELLS:]) + self.n_other
        if others or not found:
            named = f"term{'' if len(self.terms) == 1 else 's'} {checks.listed(self.terms)}"
            together = (
                f"by {named}{' together' if self.terms[1:] else ''}" if self.terms else "by several terms"
            )
            n_rows = f"{others:,}" if others else "some"  # or those of a fold, which are not known here
            found.append(f"{n_rows} {'more ' if found else ''}rows, told apart {together}")
        return ", ".join(found[:-1]) + (" and " if found[1:] else "") + found[-1]

    @property
    def _line(self) -> str:
        """Write the line that drops the rows, where words tell them all: those of numbers are rounded."""
        told = [cell for cell in self.cells if all(name.isidentifier() for name in cell.columns)]
        if self.n_other or len(told) != len(self.cells) or not 0 < len(told) <= _MOST_CELLS:
            return ""
        if any(sign in cell.words for cell in told for sign in "<>"):
            return ""
        condition = " or ".join(f"({cell.words})" if told[1:] else cell.words for cell in told)
        return f", in pandas df = df.query({f'not ({condition})'!r}),"

    @property
    def remedy(self) -> str:
        """Say what can be done about it."""
        alone: dict[str, int] = {}
        for cell in self.cells:
            if len(cell.columns) == 1:
                alone[cell.columns[0]] = alone.get(cell.columns[0], 0) + cell.n
        foretelling = [name for name, n in alone.items() if 2 * n > min(self.n_arms)]
        found = []
        if foretelling:
            name = foretelling[0]
            found.append(f"leave '{name}' out (if it is known only after the treatment)")
        if sum(cell.n for cell in self.cells) + self.n_other < _MOSTLY * sum(self.n_arms):
            found.append(f"drop these rows{self._line} (the effect is then for the others)")
        if any(cell.of_levels for cell in self.cells):
            rare = "" if self.rare is None else f" (min_level_count={self.rare + 1} does so with rare ones)"
            found.append(f"merge the level with another{rare}")
        found.append(self.penalty)
        return ", ".join(found[:-1]) + (", or " if found[1:] else "") + found[-1]


def _told(cells: Sequence[Cell]) -> list[tuple[str, int]]:
    """Tell of cells, and how many rows each is of; of many the levels of a column in one go."""
    if len(cells) <= _MOST_CELLS:
        return [(str(cell), cell.n) for cell in cells]
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.columns, cell.treated) if cell.level else cell, []).append(cell)
    found = [(_told_together(own), sum(cell.n for cell in own)) for own in groups.values()]
    return sorted(found, key=lambda pair: -pair[1])


def _told_together(cells: Sequence[Cell]) -> str:
    """Tell of levels of one column whose rows are all of one arm."""
    if len(cells) == 1:
        return str(cells[0])
    named = ", ".join(cell.level for cell in cells[:_MOST_CELLS])
    more = f" and {len(cells) - _MOST_CELLS:,} more" if len(cells) > _MOST_CELLS else ""
    arm = "treated" if cells[0].treated else "controls"
    n = sum(cell.n for cell in cells)
    return f"{n:,} rows of {len(cells):,} levels of {cells[0].columns[0]} ({named}{more}) are all {arm}"


def find_separation(
    columns: Mapping[str, pd.Series[Any]],
    design: Design,
    names: Sequence[str],
    treated: Bools,
    *,
    diverging: Sequence[int] | Rows,
    scores: Floats | None = None,
    sample_weight: Floats | None = None,
    frequency: Floats | None = None,
) -> Separation:
    """Say which rows' treatment is foretold without error.

    Parameters
    ----------
    columns : mapping of str to Series
        The columns of the frame that the model's terms are made of: bool, numeric or categorical.
    design : Design
        The d terms of n rows.
    names : sequence of str
        What they are called.
    treated : ndarray (n,) of bool
    diverging : sequence of int
        The terms whose coefficients grow without bound.
    scores : ndarray (n,) or None, default None
        Of the fit that found it; None where there is none, and one with next to no penalty is made.
    sample_weight : ndarray (n,) or None, default None
        Rows of weight 0 are not there.
    frequency : ndarray (n,) or None, default None
        How many users each row stands for; these are counted.
    """
    users = np.ones(len(treated)) if frequency is None else frequency
    there = np.ones(len(treated), dtype=bool) if sample_weight is None else sample_weight > 0
    known = {"sample_weight": sample_weight, "frequency": frequency}
    running = there & _running_away(design, treated, scores, float(users.sum()), known)
    cells, left = [], running.copy()
    for cell, rows in _cells(columns, treated, there, running, users):
        if (rows & left).any():
            cells.append(cell)
            left &= ~rows
        if not left.any():
            break
    cells.sort(key=lambda cell: -cell.n)
    arms = (int(users[there & treated].sum()), int(users[there & ~treated].sum()))
    numbers = [names[place] for place in design.places]
    run = {int(term) for term in diverging}
    moved = [place for place, term in enumerate(design.places) if term in run]
    penalty = penalty_advice(design.numbers, numbers, moved, None if there.all() else there)
    terms = tuple(names[k] for k in diverging)
    rare = max((cell.n for cell in cells), default=0)
    are_rare = all(cell.level and cell.of_levels for cell in cells) and rare <= _RARE * sum(arms)
    are_rare = are_rare and all(
        _largest_level(columns[cell.columns[0]], there, users) > rare for cell in cells
    )
    return Separation(
        tuple(cells), int(users[left].sum()), terms, arms, penalty, rare if are_rare and cells else None
    )


def _largest_level(column: pd.Series[Any], there: Bools, users: Floats) -> float:
    """Count the rows of the largest level of a column: where it is rare too, all would become one."""
    return float(np.bincount(column.cat.codes.to_numpy()[there], users[there]).max())


def _running_away(
    design: Design,
    treated: Bools,
    scores: Floats | None,
    n_users: float,
    row_weights: Mapping[str, Floats | None],
) -> Bools:
    limit = _CERTAIN + LEFT_BY_NEWTON * n_users
    if scores is None and _is_told_by_a_factor(design, treated, row_weights["sample_weight"]):
        return np.ones(len(treated), dtype=bool)
    if scores is None:
        try:
            x = design.numbers
            spread = x.std(axis=0)
            scaled = np.asfortranarray((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
            options: dict[str, Any] = {"penalty": _WHISPER, **row_weights}
            fit = core.fit_propensity(scaled, treated, **options, **design.coded)
        except InvalidInputError:
            return np.zeros(len(treated), dtype=bool)
        scores, limit = fit.scores, _NEAR
    return np.asarray(np.abs(scores - treated) < limit)


def _is_told_by_a_factor(design: Design, treated: Bools, sample_weight: Floats | None) -> bool:
    """Whether the levels of one factor have rows of one arm alone, all of them."""
    there = slice(None) if sample_weight is None else sample_weight > 0
    for codes, _, n_levels in design.plain:
        n = np.bincount(codes[there], minlength=n_levels)
        n_treated = np.bincount(codes[there], weights=treated[there], minlength=n_levels)
        if ((n_treated == 0) | (n_treated == n)).all():
            return True
    return False


def _cells(
    columns: Mapping[str, pd.Series[Any]], treated: Bools, there: Bools, running: Bools, users: Floats
) -> Iterator[tuple[Cell, Bools]]:
    """Go through what rows may have in common, the simplest first, with the rows (n,) that do."""
    levels = {name: coded(column) for name, column in columns.items() if has_levels(column)}
    numbers = {
        name: column.to_numpy(dtype=np.float64)
        for name, column in columns.items()
        if name not in levels or (len(levels[name][1]) > _FLAG and not is_categorical(column))
    }
    flags = [name for name in levels if name not in numbers]
    explained = np.zeros(len(treated), dtype=bool)
    # The simplest first: a level, the side of a number, one number, several together.
    for chosen in _combinations(flags, list(levels)):
        found = (
            _sides(numbers, treated, there, running, users)
            if not chosen
            else _pure_cells(chosen, levels, treated, there, running, users)
        )
        for cell, rows in list(found):
            if (rows & ~explained).any():
                explained |= rows
                yield cell, rows


def _combinations(flags: Sequence[str], levels: Sequence[str]) -> Iterator[Sequence[str]]:
    """Give the columns to look at together; none where numbers are to be looked at."""
    yield from ([name] for name in flags)
    yield []
    yield from ([name] for name in levels if name not in flags)
    if len(levels) <= _MOST_COLUMNS:
        for n_together in (2, 3):
            yield from combinations(levels, n_together)


def _pure_cells(
    chosen: Sequence[str],
    levels: Mapping[str, tuple[Rows, list[Any] | pd.Index[Any]]],
    treated: Bools,
    there: Bools,
    running: Bools,
    users: Floats,
) -> Iterator[tuple[Cell, Bools]]:
    """Give the combinations of levels whose rows are all of one arm, and all run away."""
    shape = [len(levels[name][1]) for name in chosen]
    if max(shape) > _MOST_LEVELS or np.prod(shape, dtype=float) > _MOST_LEVELS**2:
        return
    codes = np.ravel_multi_index([levels[name][0] for name in chosen], shape)
    size = int(np.prod(shape))
    n, n_treated, n_running = (
        np.bincount(codes[rows], weights=users[rows], minlength=size)
        for rows in (there, there & treated, there & running)
    )
    pure = (n > 0) & (n == n_running) & ((n_treated == 0) | (n_treated == n))
    of_levels = any(isinstance(levels[name][1], pd.Index) for name in chosen)
    for place in np.flatnonzero(pure):
        at = np.unravel_index(int(place), shape)
        values = [levels[name][1][int(k)] for name, k in zip(chosen, at, strict=True)]
        words = " and ".join(
            f"{name} == {written(value)}" for name, value in zip(chosen, values, strict=True)
        )
        rows = there & (codes == place)
        level = "" if chosen[1:] else written(values[0])
        treated_all = bool(n_treated[place] > 0)
        yield Cell(words, tuple(chosen), int(n[place]), treated_all, of_levels, level), rows


def _sides(
    numbers: Mapping[str, Floats], treated: Bools, there: Bools, running: Bools, users: Floats
) -> Iterator[tuple[Cell, Bools]]:
    """Give the sides of numbers on which all rows are of one arm, if they say why most of it runs away."""
    found: list[tuple[Cell, Bools]] = []
    for name, values in numbers.items():
        for arm in (True, False):
            own, others = there & (treated == arm), values[there & (treated != arm)]
            if not len(others):
                continue
            for sign, end in ((">", others.max()), ("<", others.min())):
                rows = own & (values > end if sign == ">" else values < end)
                n, n_running = int(users[rows].sum()), int(users[rows & running].sum())
                if n_running > _MOSTLY * n and 2 * n_running > users[own & running].sum():
                    words = f"{name} {sign} {written_number(end)}"
                    found.append((Cell(words, (name,), n, arm, of_levels=False), rows))
    yield from sorted(found, key=lambda pair: -pair[0].n)
