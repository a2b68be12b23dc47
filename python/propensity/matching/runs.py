"""Who is matched with whom: the donors of each focal row are a run of places, which others may share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows


@dataclass(frozen=True, eq=False)
class Runs:
    """Who of n rows (of cells: the users of one) is matched with whom, as `Matches` has it.

    Attributes
    ----------
    treated : ndarray (n,) of bool
    sample_weight : ndarray (n,)
        The s of a row; 1 where there are none.
    focal, donors, first, last : ndarray of int
        The donors of `focal[i]` are `donors[first[i]:last[i]]`.
    """

    treated: Bools
    sample_weight: Floats
    focal: Rows
    donors: Rows
    first: Rows
    last: Rows

    @cached_property
    def focal_weights(self) -> Floats:
        """The p (n,) of every row: s where it is focal and matched, else 0."""
        p = np.zeros(len(self.treated))
        p[self.focal] = self.sample_weight[self.focal]
        return p


def distinct(first: Rows, last: Rows) -> tuple[Rows, Rows, Rows]:
    """Give the distinct runs, `first` and `last`, and which of them each was: ties share one."""
    size = int(last.max(initial=0)) + 1
    keys, number = np.unique(first * size + last, return_inverse=True)
    return keys // size, keys % size, number


def spelled_out(first: Rows, last: Rows) -> tuple[Rows, Rows]:
    """Give the places of runs `first` to `last`, the end left out, and of which run each is."""
    length = last - first
    which = np.repeat(np.arange(len(first)), length)
    start = np.cumsum(length) - length
    return which, np.arange(length.sum()) + np.repeat(first - start, length)
