"""Cells matched with nearest neighbours, as a result: what is counted are users."""

from __future__ import annotations

import dataclasses

import numpy as np

from propensity.effects.arms import weights_name
from propensity.effects.cautions import count_cautions
from propensity.effects.matching_specification import NearestNeighbors
from propensity.matching.calipers import caliper_table
from propensity.matching.counted_neighbors import CountedMatches, counted_neighbors
from propensity.matching.matches import Matches
from propensity.matching.neighbors_again import FEW_MOVED, NeighborsAgain
from propensity.matching.rows_to_match import RowsToMatch
from propensity.scores.choice import LOGISTIC


def matches_of_cells(rows: RowsToMatch, spec: NearestNeighbors, n_threads: int | None) -> Matches:
    """Match cells, each user's neighbours being those of all users of his cell."""
    counted = counted_neighbors(rows, spec, n_threads)
    found, pairing, frame = counted.found, counted.pairing, rows.frame
    focal = {"ATE": np.ones_like(rows.treated), "ATT": rows.treated, "ATC": ~rows.treated}[spec.estimand]
    there = np.zeros_like(rows.treated)
    there[rows.there] = True
    fingerprint = frame.fingerprint(rows.treated, rows.sample_weight, keep=True)
    n_matched = int(pairing.frequency[pairing.focal].sum())
    n_unmatched = fingerprint.n_users(focal & there) - n_matched
    everybody = n_unmatched == 0 and _moved_little(rows, spec, counted, n_threads)
    return Matches(
        estimand=spec.estimand,
        spec=spec,
        weights=frame.series(counted.weights, weights_name(rows.sample_weight)),
        n_matched=n_matched,
        n_unmatched=n_unmatched,
        n_discarded=0,
        n_pairs=pairing.n_pairs,
        max_distance=found.max_distance,
        caliper_width=found.caliper_width,
        coordinates=None,
        focal=pairing.focal,
        donors=pairing.donors,
        first=pairing.first,
        last=pairing.last,
        calipers=caliper_table(spec, found.caliper_widths),
        treated=rows.treated,
        scores=rows.scores,
        design=None if rows.estimated is None else rows.estimated.design,
        penalty=0.0 if rows.estimated is None else rows.estimated.penalty,
        score_model=LOGISTIC if rows.estimated is None else rows.estimated.score_model,
        exact=rows.exact,
        sample_weight=rows.sample_weight,
        index=frame.index,
        fingerprint=fingerprint,
        known=rows.known,
        cautions=(
            *rows.doubts,
            *rows.imbalance(counted.weights, rows.remedy(spec)),
            *count_cautions(rows.sample_weight, frame.code_of("sample_weight"), frame.frequency),
        ),
        rematching=rows.rematching(NeighborsAgain(rows.inputs(spec), spec), spec, everybody=everybody),
    )


def _moved_little(
    rows: RowsToMatch, spec: NearestNeighbors, counted: CountedMatches, n_threads: int | None
) -> bool:
    """Say whether calipers on columns did not decide who is matched with whom, as for rows."""
    on_columns = any(values is not None for values, _ in rows.inputs(spec).calipers.values())
    if not on_columns or rows.estimated is None:
        return True
    free = counted_neighbors(rows, dataclasses.replace(spec, caliper=None), n_threads)
    users = counted.pairing.frequency
    moved = users @ np.abs(free.weights - counted.weights) / 2
    return bool(moved <= FEW_MOVED * (users @ counted.weights) / 2)
