"""An outcome read after weights were made: of users as it stands, of cells as rows of one value each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from propensity.effects.arms import OutcomeFacts
from propensity.frames import arms, checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import read_column
from propensity.frames.counted_rows import CountedRows, OfCountedRows, mass_of
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.grouping import Grouping
from propensity.frames.kept import outcome_rows, read_later
from propensity.frames.lines import Subject


@dataclass(frozen=True, eq=False)
class LaterOutcome(OfCountedRows):
    """An outcome of n rows.

    Attributes
    ----------
    values : ndarray (n,)
    ends : (ndarray (n,), ndarray (n,)) or None
        The least and the greatest of each row's users, where values stand for several.
    counted : CountedRows or None
        Where results hold cells the rows of one value each that these n are; None where each is a user.
    """

    values: Floats
    ends: tuple[Floats, Floats] | None = None
    counted: CountedRows | None = None

    @property
    def first(self) -> Rows | None:
        """The first row of each cell; None where each row is a user."""
        return None if self.counted is None else self.counted.by_cell(np.arange(len(self.values)))

    def grouped(self, groups: Grouping) -> Grouping:
        """Give groups of what a result holds as groups of the rows."""
        if self.counted is None:
            return groups
        there = None if groups.there is None else self.by_row(groups.there)
        return replace(groups, codes=self.by_row(groups.codes), there=there, frequency=self.frequency)

    def there(self, sample_weight: Floats | None) -> Bools | slice:
        """Say which rows are there, by the weights that a result holds."""
        return slice(None) if sample_weight is None else self.by_row(sample_weight) > 0

    def mass(self, sample_weight: Floats | None) -> Floats | None:
        """Give what the users of each row count for together, (n,); None where every row counts one."""
        return mass_of(None if sample_weight is None else self.by_row(sample_weight), self.frequency)

    def facts(self, sample_weight: Floats | None) -> OutcomeFacts:
        """Look at the rows that are there."""
        there, mass = self.there(sample_weight), self.mass(sample_weight)
        return OutcomeFacts.among(there, self.values, mass, self.ends)


def read_outcome_later(outcome: object, fingerprint: Fingerprint, made: Made) -> LaterOutcome:
    """Read an outcome, by its name in the frame that something was made from, or as values.

    Rows of sample weight 0 are not there, and need none.

    Raises
    ------
    InvalidInputError, TypeError
        As for `read_later`; an outcome is missing.
    """
    if fingerprint.frequency is not None:
        rows, name = outcome_rows(outcome, fingerprint, made)
        y = arms.outcome(read_column(rows, name), Subject.column(name, rows))
        return LaterOutcome(y, rows.ends.get(name), rows)
    column, subject = read_later(outcome, fingerprint, made)
    s = fingerprint.sample_weight
    there = np.ones(len(column), dtype=bool) if s is None else s > 0
    checks.complete({str(subject): column[there]}, subject="{}")
    arms.outcome(column[there], subject)
    values = arms.numbers(column)
    assert values is not None
    y = values.astype(np.float64)
    return LaterOutcome(np.asarray(np.where(there, y, y[there][0])))
