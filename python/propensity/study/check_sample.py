"""What a table says of its rows: units twice, clusters of one, an outcome out of range, dates too late."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import arms, kinds, native
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import read_column
from propensity.frames.counted_rows import CountedRows
from propensity.frames.labels import ranks
from propensity.frames.labels import read as label_reader
from propensity.frames.lines import drop_line
from propensity.frames.native import AnyFrame
from propensity.study.check_columns import LEAVE_OUT, incomplete
from propensity.study.check_result import Finding
from propensity.study.check_rows import CheckedRows, said_and_remedy

_IDENTIFIER = re.compile(r"(?i:(^|_|\W)(id|uuid|guid))$|[a-z]I[dD]$")
_NEARLY_ALL = 0.9  # of the rows differ in it: an identifier in which some are repeated

_FEW_CLUSTERS = 40  # fewer make standard errors too small

_FEW_EVENTS = 10  # of a rare outcome in an arm, for a normal law


def likely_identifiers(df: AnyFrame, names: Iterable[str]) -> list[str]:
    """Name the columns that are called like an identifier and differ in nearly every row."""
    found = []
    for name in names:
        if _IDENTIFIER.search(name):
            column = read_column(df, name, label_reader)
            if column.nunique() >= _NEARLY_ALL * len(column):
                found.append(name)
    return found


def identifiers(rows: CheckedRows, names: Sequence[str]) -> Iterator[Finding]:
    """Find units that are there more than once."""
    for name in names:
        column = read_column(rows.df, name, label_reader)
        gone = column.isna().to_numpy()
        if gone.any():
            said = f"missing in {rows.counted(gone)}"
            yield rows.finding("warning", name, gone, said, drop_line(rows.df, [name]))
        again = pd.Series(ranks(column[~gone])).duplicated().to_numpy()
        if again.any():
            where = np.zeros(len(gone), dtype=bool)
            where[~gone] = again
            said = f"{rows.counted(where)} of units that are there already"
            remedy = f"{rows.subject(name).first_of_each()}; or keep them, with cluster={name!r}"
            yield rows.finding("warning", name, where, said, remedy)
    twice = rows.index.duplicated()
    if twice.any():
        said = f"{rows.counted(twice)} with a label that another row has: matches name nobody"
        yield rows.finding("warning", "(index)", twice, said, "df = df.reset_index(drop=True)")


def clusters(rows: CheckedRows, cluster: str) -> Iterator[Finding]:
    """Say how many clusters there are, and how many of one row."""
    column = read_column(rows.df, cluster, label_reader)
    gone = column.isna().to_numpy()
    if gone.any():
        yield rows.finding(
            "error", cluster, gone, f"missing in {rows.counted(gone)}", drop_line(rows.df, [cluster])
        )
    sizes = np.bincount(ranks(column[~gone]), rows.of(~gone)) if not gone.all() else np.zeros(0)
    alone = int((sizes == 1).sum())
    if len(sizes) and alone == len(sizes):
        yield rows.finding("note", cluster, alone, "every cluster is one row", "leave cluster= out")
    elif alone:
        said = f"{alone:,} of {len(sizes):,} clusters are one row"
        yield rows.finding("note", cluster, alone, said, "nothing, if that is what they are")
    if len(sizes) < _FEW_CLUSTERS:
        said = f"{len(sizes):,} clusters: standard errors tend to come out too small with fewer than 40"
        yield rows.finding("warning", cluster, int(sizes.sum()), said, "a finer cluster, if rows share less")


def of_outcomes(rows: CheckedRows, names: Sequence[str]) -> Iterator[Finding]:
    """Look at what is to be measured: its type, its range, how many events there are."""
    for name in names:
        subject = rows.subject(name)
        try:
            column = read_column(rows.df, name)
            gone = column.isna().to_numpy()
            y = arms.outcome(column[~gone], subject)
        except (InvalidInputError, TypeError) as error:
            yield rows.finding("error", name, rows.n_users, *said_and_remedy(error, subject))
            continue
        yield from incomplete(rows, name, column, role="outcome")
        yield from _range(rows, name, y, gone)


def _range(rows: CheckedRows, name: str, y: Floats, gone: Bools) -> Iterator[Finding]:
    if not len(y):
        return
    if y.min() == y.max():
        same = "the same in every row: there is no effect to find"
        yield rows.finding("warning", name, ~gone, same, "")
        return
    flags = (y == 0) | (y == 1)
    where, users = np.zeros(len(gone), dtype=bool), rows.of(~gone)
    summed_up = isinstance(rows.df, CountedRows) and name in rows.df.ends  # two points in place of values
    if np.average(flags, weights=users) >= 0.95 and not flags.all() and not summed_up:
        where[~gone] = ~flags
        values = ", ".join(f"{value:g}" for value in np.unique(y[~flags])[:3])
        said = f"0 or 1 but in {rows.counted(where)}, as {values}: out of range?"
        yield rows.finding("warning", name, where, said, f"if so: {rows.subject(name).keep([0, 1])}")
    if flags.all() and rows.treated is not None and rows.control is not None:
        f = np.ones(len(y)) if users is None else users
        for arm, members in (("treated", rows.treated[~gone]), ("controls", rows.control[~gone])):
            rare = int(min((f * y)[members].sum(), (f * (1 - y))[members].sum()))
            if rare < _FEW_EVENTS:
                said = f"{rare} {'event' if rare == 1 else 'events'} of the rarer kind among the {arm}"
                yield rows.finding("warning", name, rare, said, "intervals of so few are rough; gather more")


def dates(rows: CheckedRows, treated_at: str, names: Sequence[str]) -> Iterator[Finding]:
    """Find dates of the treated that lie after their treatment, and dates of treatment of controls."""
    if rows.treated is None or rows.control is None:
        return
    if not arms.holds_dates(native.column_as_given(rows.df, treated_at)):
        yield rows.finding("error", treated_at, len(rows.index), "holds no dates", "name the column of dates")
        return
    began = read_column(rows.df, treated_at, kinds.read_distance).to_numpy()
    for said, where in (
        ("of controls with a date of treatment", rows.control & ~np.isnan(began)),
        ("of treated rows without a date of treatment", rows.treated & np.isnan(began)),
    ):
        if where.any():
            remedy = "say who was treated, and when, from one source"
            yield rows.finding("warning", treated_at, where, f"{rows.counted(where)} {said}", remedy)
    for name in names:
        if name == treated_at or not arms.holds_dates(native.column_as_given(rows.df, name)):
            continue
        seen = read_column(rows.df, name, kinds.read_distance).to_numpy()
        late = rows.treated & (seen > began)
        if late.any():
            said = (
                f"later than '{treated_at}' in {rows.counted(late)}: of these known after the treatment alone"
            )
            yield rows.finding("warning", name, late, said, LEAVE_OUT)
