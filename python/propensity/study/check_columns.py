"""One column at a time: whether it can be read, is complete, says anything, and what its values look like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames import checks, untidy
from propensity.frames.checks import Bools, Rows
from propensity.frames.columns import read_column
from propensity.frames.levels import is_categorical, written
from propensity.frames.lines import Subject, drop_line
from propensity.frames.native import Column, is_category
from propensity.frames.terms import require_words
from propensity.frames.tidying import Missing
from propensity.study.check_result import Finding, Severity
from propensity.study.check_rows import BY_ARM, CheckedRows, said_and_remedy

LEAVE_OUT = "leave it out of the covariates"

_MOST_IN_A_LINE = 20

_ONE_ARM_ALONE = 0.5
"""By how much more often a value is missing in one arm, for it to be known of the other alone."""


def read_covariates(
    rows: CheckedRows, names: tuple[str, ...], missing: Missing | None = None
) -> Iterator[Finding]:
    """Read the covariates into `rows.columns`, and say of each what is amiss with it alone.

    `missing` is what becomes of missing values.
    """
    for name in names:
        subject = rows.subject(name)
        try:
            column = read_column(rows.df, name)
            if is_categorical(column):
                if not is_category(rows.df, name):
                    require_words(column, subject)
                checks.levels(column)
        except (InvalidInputError, TypeError) as error:
            yield rows.finding("error", name, rows.n_users, *said_and_remedy(error, subject))
            continue
        rows.columns[name] = column
        yield from _of_values(rows, name, column, subject, missing)


def _of_values(
    rows: CheckedRows, name: str, column: Column, subject: Subject, missing: Missing | None
) -> Iterator[Finding]:
    yield from incomplete(rows, name, column, missing=missing)
    if column.nunique() <= 1 if is_categorical(column) else _is_constant(column):
        yield rows.finding("note", name, rows.n_users, "the same in every row: it tells nothing", LEAVE_OUT)
    if not is_category(rows.df, name):
        for said in untidy.doubts(column, name, subject):
            finding, _, remedy = said.rpartition("; ")
            yield rows.finding("warning", name, rows.n_users, finding, remedy)


def incomplete(
    rows: CheckedRows, name: str, column: Column, *, role: str = "covariate", missing: Missing | None = None
) -> Iterator[Finding]:
    """Say where a column is missing or infinite, and in which arm."""
    gone = column.isna().to_numpy()
    if gone.any():
        yield _missing_by_arm(rows, name, gone, role, missing)
    if column.dtype.kind == "f":
        infinite = np.isinf(column.to_numpy())
        if infinite.any():
            remedy = drop_line(rows.df, [name], [name])
            yield rows.finding("error", name, infinite, f"infinite in {rows.counted(infinite)}", remedy)


def _missing_by_arm(rows: CheckedRows, name: str, gone: Bools, role: str, missing: Missing | None) -> Finding:
    said = f"missing in {rows.counted(gone)}"
    drop = drop_line(rows.df, [name])
    if gone.all():
        return rows.finding("error", name, gone, "missing in every row", LEAVE_OUT)
    severity: Severity = "error" if missing is None else "note"
    remedy = drop
    if role == "covariate":
        remedy = f'missing="indicator", or drop these rows: {drop}'
        if missing is not None:
            remedy = f'nothing: missing="{missing}" says what becomes of them'
    if rows.treated is not None:
        shares = rows.shares(gone)
        said = f"{said}, {BY_ARM.format(**shares)}"
        if role == "covariate" and abs(shares["treated"] - shares["control"]) > _ONE_ARM_ALONE:
            whom = "treated" if shares["control"] > shares["treated"] else "controls"
            said += f": known of the {whom} nearly alone, as is what happens after the treatment"
            severity, remedy = "error" if missing is None else "warning", LEAVE_OUT
    return rows.finding(severity, name, gone, said, remedy)


def _is_constant(column: Column) -> bool:
    values = column.to_numpy()
    return bool(np.nanmin(values) == np.nanmax(values)) if column.notna().any() else False


def of_levels(rows: CheckedRows, fewest: int) -> Iterator[Finding]:
    """Say of categories which levels have few rows, or rows of one arm alone."""
    for name, column in rows.columns.items():
        if not is_categorical(column) or rows.treated is None or rows.control is None:
            continue
        codes = column.cat.codes.to_numpy()
        n_levels = len(column.cat.categories)
        known = codes >= 0
        treated, control = (
            np.bincount(codes[arm & known], rows.of(arm & known), n_levels)
            for arm in (rows.treated, rows.control)
        )
        one_armed = np.flatnonzero(((treated == 0) | (control == 0)) & (treated + control > 0))
        if len(one_armed) and len(one_armed) < n_levels:
            said = f"{_levels(column, one_armed)} of one arm alone: nobody to compare these rows with"
            where = np.isin(codes, one_armed)
            remedy = f"{_together(rows, column, one_armed)}; or drop these rows"
            yield rows.finding("warning", name, where, said, remedy)
        few = np.flatnonzero((treated + control < fewest) & (treated > 0) & (control > 0))
        if len(few):
            said = f"{_levels(column, few)} of fewer than {fewest} rows"
            yield rows.finding("note", name, np.isin(codes, few), said, _together(rows, column, few))


def _together(rows: CheckedRows, column: Column, places: Rows) -> str:
    """Write the line that puts levels together."""
    names = [str(level) for level in column.cat.categories[places]]
    if len(names) > _MOST_IN_A_LINE:
        codes = column.cat.codes.to_numpy()
        n_rows = np.bincount(codes[codes >= 0], rows.of(codes >= 0))
        largest = int(n_rows[places].max())
        if n_rows.max() <= largest:  # all levels would be one
            return "leave it out, or make of it a column of fewer levels"
        return f"put rare levels together: min_level_count={largest + 1}"
    return f"put them together: {rows.subject(str(column.name)).merged(names, 'other')}"


def _levels(column: Column, places: Rows) -> str:
    found = list(column.cat.categories[places])
    return f"{len(found):,} level{'s' if len(found) > 1 else ''}, {checks.listed(found)},"


def of_codes(rows: CheckedRows) -> Iterator[Finding]:
    """Say where one negative number, alone among others that are not, may stand for a missing value."""
    for name, column in rows.columns.items():
        if is_categorical(column) or column.dtype.kind not in "if":
            continue
        values = column.to_numpy()
        below = values < 0
        n_below = rows.n_of(below)
        if not 2 <= n_below < rows.n_users / 2:
            continue
        first = values[below.argmax()]
        if (values[below] == first).all():
            said = f"{written(first)} in {rows.counted(below)}, and no other value below 0: a code?"
            remedy = "if it stands for no value, make it missing"
            yield rows.finding("note", name, below, said, remedy)
