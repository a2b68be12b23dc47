"""The table of pairs: every focal unit beside each of its donors, spelled out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.frames import rowwise_checks
from propensity.frames.checks import Rows

if TYPE_CHECKING:
    from propensity.matching.matches import Matches

_PAIRS_LIMIT = 50_000_000  # about 1.6 GB as a DataFrame


def pairs_of(matches: Matches) -> pd.DataFrame:
    """Spell out the pairs of matches, as `Matches.pairs` says."""
    if matches.n_pairs > _PAIRS_LIMIT:
        raise MemoryError(
            f"{matches.n_pairs:,} pairs would take {matches.n_pairs * 32 / 1e9:,.0f} GB, for many scores are "
            "equal; use .weights, which says what each row counts for"
        )
    n_donors = matches.last - matches.first
    focal = np.repeat(matches.focal, n_donors)
    start = np.cumsum(n_donors) - n_donors
    donors = matches.donors[np.arange(matches.n_pairs) + np.repeat(matches.first - start, n_donors)]
    of_treated, places = matches.treated[focal], matches.places
    pairs = pd.DataFrame(
        {
            "treated": _labels(matches, np.where(of_treated, focal, donors)),
            "control": _labels(matches, np.where(of_treated, donors, focal)),
            "distance": np.sqrt(((places[focal] - places[donors]) ** 2).sum(axis=1)),
            "weight": matches.pairing.shares(focal, donors, np.repeat(np.arange(len(n_donors)), n_donors)),
        }
    )
    if matches.estimand == "ATE":
        pairs["focal"] = np.where(of_treated, "treated", "control")
    return pairs


def _labels(matches: Matches, rows: Rows) -> pd.Series[Any]:
    """Name rows by the index, or by `ids` where it names nobody."""
    if matches.ids is not None:
        return pd.Series(matches.ids.take(rows))
    rowwise_checks.unlike_labels(matches.index, "pairs: the index")
    return pd.Series(matches.index.take(rows).to_flat_index())  # labels of several levels become tuples
