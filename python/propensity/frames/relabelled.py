"""Values row by row whose labels are not the frame's: the way out that is right for how the two differ."""

from __future__ import annotations

from typing import Any

import pandas as pd

from propensity.frames import checks

_OF_RESULTS = ("propensity", "weights", "total_weights")
"""What the series of results are called, which have the labels of the rows that they are of."""


def remedy(role: str, found: pd.Index[Any], index: pd.Index[Any], name: object = None, df: str = "df") -> str:
    """Say what to do about values with other labels than a frame's.

    Parameters
    ----------
    role : str
        What they are called, in words and in code.
    found, index : Index
        The labels of the values, and those of the frame; they differ.
    name : object, optional
        The series' own name.
    df : str, default "df"
        What the rows are called in code.
    """
    by_position = _by_position(role, found, index, name)
    column = "make the values a column of the frame before its rows are moved or left out, and give its name"
    if found.has_duplicates or index.has_duplicates:
        return f"labels repeat, and do not tell which value is of which row: {by_position or column}"
    unknown = ~index.isin(found)
    if not unknown.any():
        if _only_counts(found) and _only_counts(index):
            return f"labels that only count rows do not tell which of them were left out: {column}"
        if len(found) == len(index):
            return f"the labels are the same in another order: take {role}.reindex({df}.index)"
        return f"the labels of these rows are among them: take {role}.reindex({df}.index)"
    if by_position and _only_counts(found) and index.dtype.kind not in "iu":
        return f"its own labels only count: {by_position}"
    none = f"they have none for {checks.counted(unknown, 'row', index)}"
    if role == "scores":
        own = "for scores of these rows take scores=model.predict(df), of the model that gave them"
    else:
        own = "give values of these very rows"
    return f"these are {role} of other rows, {none}: {own}{by_position and f'; or {by_position}'}"


def _by_position(role: str, found: pd.Index[Any], index: pd.Index[Any], name: object) -> str:
    """Say when values can go by position; empty where they cannot."""
    if len(found) != len(index) or name in _OF_RESULTS:
        return ""
    return f"where they are of these very rows, in their order, take {role}.to_numpy()"


def _only_counts(labels: pd.Index[Any]) -> bool:
    """Whether labels are what a reset index has: 0, 1, 2 and so on."""
    return labels.equals(pd.RangeIndex(len(labels)))
