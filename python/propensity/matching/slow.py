"""Tell beforehand of optimal pairs that may take minutes."""

from __future__ import annotations

import numpy as np

from propensity.calls.warned import warn
from propensity.effects.matching_specification import NearestNeighbors
from propensity.errors import SlowWarning
from propensity.frames.checks import Bools, Rows
from propensity.matching.rows_to_match import RowsToMatch

# Seconds for two arms that lie two standard deviations apart and could make so many pairs: 20,000 rows of
# five covariates, one arm twice the other, on one processor. And the power of the pairs by which
# they grow.
_PAIRS = 1e8
_SECONDS = 6.0
_POWER = 1.2

# Where the smaller arm is less than this of the larger it finds its partners near by.
_LIKE_SIZE = 0.4

_LONG = 60.0


def warn_of_time(rows: RowsToMatch, spec: NearestNeighbors) -> None:
    """Warn where arms of about one size are so large that pairs take minutes if they lie apart."""
    if spec.method != "optimal" or spec.on_scores:
        return
    there = rows.there
    group = np.zeros(len(rows.treated), dtype=np.int64) if rows.exact is None else rows.exact
    seconds = _seconds(group[there], rows.treated[there], spec)
    if seconds < _LONG:
        return
    warn(
        f"method='optimal', on={spec.on!r}: where the arms lie apart, pairs of so many units take about "
        f"{seconds / 60:.0f} minutes; Ctrl-C stops them. method='nearest', pairs on the score, columns in "
        "exact=, or ps.match_full, whose subclasses need no partner far away, take less",
        SlowWarning,
    )


def _seconds(group: Rows, treated: Bools, spec: NearestNeighbors) -> float:
    """Give what the groups that agree in the exact columns take together at worst."""
    focal = treated != (spec.estimand == "ATC")
    n_groups = group.max() + 1
    seekers = np.bincount(group[focal], minlength=n_groups) * float(spec.n_neighbors)
    partners = np.bincount(group[~focal], minlength=n_groups)
    alike = np.minimum(seekers, partners) >= _LIKE_SIZE * np.maximum(seekers, partners)
    n_pairs = (seekers * partners)[alike]
    return float((_SECONDS * (n_pairs / _PAIRS) ** _POWER).sum())
