"""The order of rows and of groups of rows by what they hold: draws by it hang on no place and no name."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.content import mix


def places_by_content(columns: Iterable[Floats | Rows | Bools]) -> Rows:
    """Give each row its place (n,) by what it holds; rows that are alike in all columns share one.

    Parameters
    ----------
    columns : iterable of ndarray (n,)
        The first counts most.
    """
    place = np.zeros(0, dtype=np.int64)
    for column in columns:
        rank = pd.factorize(column, sort=True)[0]
        both = rank if not len(place) else place * (rank.max() + 1) + rank
        place = pd.factorize(both, sort=True)[0]
        if place.max() + 1 == len(place):  # no two rows are alike any more
            break
    return np.asarray(place, dtype=np.int64)


def rows_by_content(columns: Iterable[Floats | Rows | Bools], sample_weight: Floats | None) -> Rows:
    """Put the rows in the order of what they hold, so that no draw hangs on the order in which they come.

    Parameters
    ----------
    columns : iterable of ndarray (n,)
        The first counts most. Rows that are alike in all of them can change places without a trace.
    sample_weight : ndarray (n,) or None
        Rows of weight 0 are not there.

    Returns
    -------
    ndarray (m,) of int
        The rows that weigh something.
    """
    order = np.argsort(places_by_content(columns), kind="stable")
    return order if sample_weight is None else order[sample_weight[order] > 0]


def groups_by_content(groups: Rows, places: Rows) -> Rows:
    """Give groups other numbers, by what their rows hold, whatever they are called.

    Parameters
    ----------
    groups : ndarray (n,) of int
        0 to G - 1; below 0 for rows in none, which stay so.
    places : ndarray (n,) of int
        Of each row, by what it holds. Groups whose rows hold the same keep their order.
    """
    inside = groups >= 0
    held = np.zeros(int(groups.max(initial=-1)) + 1, dtype=np.uint64)
    np.add.at(held, groups[inside], mix(places[inside].astype(np.uint64)))  # in any order of the rows
    number = np.empty(len(held), dtype=np.int64)
    number[np.argsort(held, kind="stable")] = np.arange(len(held))
    found = groups.copy()
    found[inside] = number[groups[inside]]
    return found
