"""Tables of great_tables, for whoever styles them further; an extra, imported when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from propensity.results.written_tables import header_and_rows

if TYPE_CHECKING:
    from great_tables import GT


def as_gt(headline: str, table: pd.DataFrame, notes: Sequence[str]) -> GT:
    """Write a table of written cells: the headline above, notes below, rows of a group under its name."""
    try:
        from great_tables import GT  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ImportError('to_gt needs great_tables: pip install "propensity[tables]"') from error
    header, n_names, rows = header_and_rows(table)
    names = [
        header[place] or " " * (place + 1) for place in range(n_names)
    ]  # columns need names of their own
    frame = pd.DataFrame(rows, columns=[*names, *header[n_names:]])
    group = names[0] if n_names == 2 else None
    title, _, more = headline.partition("\n")
    made = GT(frame, rowname_col=names[-1], groupname_col=group)
    made = made.tab_header(title=title, subtitle=more or None).cols_align("right", header[n_names:])
    for note in notes:
        made = made.tab_source_note(f"Note: {note}")
    return made
