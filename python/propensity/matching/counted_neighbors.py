"""Nearest neighbours among cells: each user's, found once for all users of a cell.

The users of a cell are in one place, and so are equally far from anybody. Who is near whom is therefore found
among cells that stand for as many users as are looked for at the most, for a cell that has them ends the
search; who shares a match, and what that makes users weigh, counts all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from propensity import core
from propensity.effects.matching_specification import NearestNeighbors
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import require_users
from propensity.matching.inputs import MatchingInputs, on_scores
from propensity.matching.rows_to_match import RowsToMatch
from propensity.matching.runs import Runs, distinct, spelled_out


def require_countable(data: object, spec: NearestNeighbors, subject: str = "df") -> None:
    """Require of cells a matching in which nobody has to be told from others of his cell.

    Raises
    ------
    InvalidInputError
        A unit may serve a limited number of times, or more than the scores says how far users are apart.
    """
    if spec.max_uses is not None:
        require_users(data, subject, f"matching in which users serve so many times at most ({spec.label})")
    if not spec.on_scores:
        require_users(data, subject, f"a distance between covariates ({spec.label})")
    if spec.discard is not None:
        require_users(data, subject, f"discarding beyond the range of an arm ({spec.label})")


@dataclass(frozen=True, eq=False)
class CountedPairing(Runs):
    """Which cells (n,) are matched with which, each donor once in a run, and how often users serve.

    `frequency` (n,) says how many users a cell stands for.
    """

    frequency: Floats

    @cached_property
    def _pairs(self) -> tuple[Rows, Rows, Rows]:
        """Give the distinct runs of donors, spelled out: which run, which cell; and the run of each focal."""
        first, last, number = distinct(self.first, self.last)
        run, place = spelled_out(first, last)
        return run, self.donors[place], number

    @cached_property
    def _of_run(self) -> Floats:
        """What the donors of a run count for, all users together."""
        run, cell, number = self._pairs
        mass = (self.frequency * self.sample_weight)[cell]
        return np.bincount(run, mass, int(number.max()) + 1).astype(np.float64)

    def donor_means(self, values: Floats) -> Floats:
        """Average (n,) values over the donors, by what their users count for: (m,), by focal cell."""
        run, cell, number = self._pairs
        mass = (self.frequency * self.sample_weight)[cell]
        center = values[cell].mean()  # sums keep their digits near zero
        sums = np.bincount(run, mass * (values[cell] - center), len(self._of_run))
        return np.asarray(center + (sums / self._of_run)[number])

    @cached_property
    def uses(self) -> Floats:
        """The K (n,) of a user: the shares s p / (sum of s over a focal user's donors), over focal users."""
        return self._over_focal(1)

    @cached_property
    def squared_shares(self) -> Floats:
        """The Q (n,) of a user: the sum of the squares of these shares."""
        return self._over_focal(2)

    def _over_focal(self, power: int) -> Floats:
        run, cell, number = self._pairs
        p = self.focal_weights[self.focal] ** power * self.frequency[self.focal]
        per_run = np.bincount(number, p, len(self._of_run)) / self._of_run**power
        sums = np.bincount(cell, per_run[run], len(self.treated))
        return np.asarray(sums * self.sample_weight**power)

    @property
    def n_pairs(self) -> int:
        """How many users are matched with how many, in pairs."""
        run, cell, number = self._pairs
        served = np.bincount(run, self.frequency[cell], len(self._of_run))
        return int(self.frequency[self.focal] @ served[number])


@dataclass(frozen=True, eq=False)
class CountedMatches:
    """What the core found among cells, with the pairing of their users."""

    found: core.Matches
    pairing: CountedPairing
    weights: Floats


def counted_neighbors(rows: RowsToMatch, spec: NearestNeighbors, n_threads: int | None) -> CountedMatches:
    """Match cells that have been read, on the scores or their logits, with replacement."""
    frequency = rows.frame.frequency
    assert frequency is not None
    assert rows.scores is not None
    rows.require_partners(spec)
    inputs = rows.inputs(_with_widths(rows, spec, frequency))
    at_most = np.minimum(frequency, spec.n_neighbors).astype(np.int64)
    copies = np.repeat(np.arange(len(frequency)), at_most)
    given = inputs.core_arguments(rows.scores[copies], copies)
    found = core.match_nn(**given, n_threads=n_threads)
    s = rows.sample_weight
    first_copy = np.append(0, np.cumsum(at_most)[:-1])
    here = found.focal == first_copy[copies[found.focal]]
    donors, first, last = _each_cell_once(copies[found.donors], found.first[here], found.last[here])
    pairing = CountedPairing(
        treated=rows.treated,
        sample_weight=np.ones(len(frequency)) if s is None else s,
        focal=copies[found.focal[here]],
        donors=donors,
        first=first,
        last=last,
        frequency=frequency,
    )
    return CountedMatches(found, pairing, pairing.focal_weights + pairing.uses)


def _each_cell_once(cells: Rows, first: Rows, last: Rows) -> tuple[Rows, Rows, Rows]:
    """Leave one of the copies of a cell in each run of neighbours, who are in no certain order."""
    first, last, number = distinct(first, last)
    run, place = spelled_out(first, last)
    n_cells = int(cells.max(initial=0)) + 1
    pairs = np.unique(run * n_cells + cells[place])
    start = np.searchsorted(pairs // n_cells, np.arange(len(first) + 1))
    return pairs % n_cells, start[number], start[number + 1]


def _with_widths(rows: RowsToMatch, spec: NearestNeighbors, frequency: Floats) -> NearestNeighbors:
    """Give calipers in the units of what they are on: standard deviations are those of the users."""
    if spec.caliper is None or spec.caliper_unit == "raw":
        return spec
    there = np.zeros(len(frequency), dtype=bool)
    there[rows.there] = True
    widths = {
        name: width * _deviation(_on(rows, name, values)[there], frequency[there], rows.treated[there], spec)
        for name, (values, width) in _calipers(rows.inputs(spec), spec).items()
    }
    width = widths if isinstance(spec.caliper, Mapping) else next(iter(widths.values()))
    return dataclasses.replace(spec, caliper=width, caliper_unit="raw")


def _calipers(inputs: MatchingInputs, spec: NearestNeighbors) -> Mapping[str, tuple[Floats | None, float]]:
    if isinstance(spec.caliper, Mapping):
        return inputs.calipers
    return {name: (None, width) for name, width in spec.calipers.items()}


def _on(rows: RowsToMatch, name: str, values: Floats | None) -> Floats:
    if values is not None:
        return values
    assert rows.scores is not None
    return on_scores(name, rows.scores)


def _deviation(values: Floats, users: Floats, treated: Bools, spec: NearestNeighbors) -> float:
    def variance(values: Floats, users: Floats) -> float:
        center = np.average(values, weights=users)
        return float(users @ (values - center) ** 2 / (users.sum() - 1))

    if spec.caliper_sd == "all":
        return float(np.sqrt(variance(values, users)))
    of_arms = [variance(values[arm], users[arm]) for arm in (treated, ~treated)]
    return float(np.sqrt(sum(of_arms) / 2))
