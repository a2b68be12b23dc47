"""Some rows of a sample, as a sample of their own: for models that are fitted in each group."""

from __future__ import annotations

from dataclasses import replace

from propensity.effects.clusters import renumbered, require_both_arms
from propensity.effects.sample import Sample
from propensity.frames import native
from propensity.frames.checks import Rows
from propensity.frames.columns import Frame
from propensity.frames.counted_rows import as_cells


def taken(sample: Sample, rows: Rows) -> Sample:
    """Take some of the rows that are there.

    Raises
    ------
    InvalidInputError
        All of them are in one cluster.
    """
    weight = None if sample.sample_weight is None else sample.sample_weight[rows]
    treated, clusters = sample.treated[rows], None
    if sample.clusters is not None:
        clusters = renumbered(sample.clusters[rows])
        require_both_arms(clusters, treated)
    return Sample(_frame_of(sample.frame, rows), treated, weight, clusters)


def cells_of(sample: Sample) -> Sample:
    """Take a row a cell of a sample of counted users, in the place of those of its outcome."""
    frame = sample.frame
    first = frame.first_of_cells
    assert first is not None
    found = taken(replace(sample, clusters=None), first)
    cells = replace(found.frame, native=as_cells(frame.native))
    return replace(found, frame=cells)


def _frame_of(frame: Frame, rows: Rows) -> Frame:
    return replace(
        frame,
        native=native.taken(frame.native, rows),
        index=frame.index[rows],
        columns={name: column.iloc[rows] for name, column in frame.columns.items()},
        labels={name: column.iloc[rows] for name, column in frame.labels.items()},
        given={role: (subject, column.iloc[rows]) for role, (subject, column) in frame.given.items()},
        plain={name: column.iloc[rows] for name, column in frame.plain.items()},
        _prints={},
    )
