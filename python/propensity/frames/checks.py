"""Validators of arguments and of columns: each says what is wrong, where, how often, and the remedy."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames.summed_columns import table_of_cells, without_sums

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.int64]


_GREATEST = sys.float_info.max

_RARE = 50  # rows of a level that tell something of it
MOST_LEVELS = 1_000  # a term for each: more is no description of anybody, and a matrix that no memory holds

_TELLING = 3  # names that are shorter are not looked for inside of the names of columns

_MEANT = {
    **dict.fromkeys(("lift", "relative", "relative_lift", "relative_change", "pct", "percentage"), "percent"),
    **dict.fromkeys(("rr", "risk_ratio", "relative_risk", "rate_ratio"), "ratio"),
    **dict.fromkeys(("or", "odds"), "odds_ratio"),
    **dict.fromkeys(("rd", "diff", "risk_difference", "absolute", "mean_difference"), "difference"),
}
"""Other words for what two means are made into."""

_SHOWN = 5  # rows or levels in a message: enough to find the cause, few enough to read


# Arguments


def choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Require `value` to be one of the words in `allowed`."""
    if not (isinstance(value, str) and value in allowed):
        meant = _MEANT.get(value.lower()) if isinstance(value, str) else None
        hint = f"; that is {meant!r}" if meant in allowed else ""
        raise InvalidInputError(f"{name} must be one of {listed(allowed)}, not {value!r}{hint}")


def word(name: str, value: object, allowed: Sequence[str]) -> Any:
    """Give one of the words in `allowed` as it is written there: capital letters make no difference."""
    plain = value.lower() if isinstance(value, str) else value
    choice(name, plain if plain in allowed else value, allowed)
    return plain


def estimand(value: object, allowed: Sequence[str]) -> Any:
    """Give an estimand as it is written here: in any case, and by its other names, it is the same."""
    name = value.upper() if isinstance(value, str) else value
    name = {"ATET": "ATT", "ATU": "ATC"}.get(name, name) if isinstance(name, str) else name
    if not isinstance(name, str) or name not in allowed:
        by_weights = isinstance(name, str) and name in _BY_WEIGHTS
        hint = f"; weighting by scores has it: ps.ipw(..., estimand={name!r})" if by_weights else ""
        raise InvalidInputError(f"estimand must be one of {listed(allowed)}, not {value!r}{hint}")
    return name


_BY_WEIGHTS = ("ATO", "ATM")


def count(name: str, value: object, minimum: int = 1) -> None:
    """Require a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        whole = isinstance(value, float | np.floating) and value.is_integer() and value >= minimum
        remedy = f", a float; take {name}={value:.0f}" if whole else ""
        raise InvalidInputError(
            f"{name} must be a whole number of at least {minimum}, not {_plain(value)!r}{remedy}"
        )


def number(name: str, value: object, *, above: float = -math.inf, minimum: float = -math.inf) -> None:
    """Require a finite number, greater than `above` and not less than `minimum`."""
    # A whole number beyond the largest float is not above it: compared, not converted.
    usable = is_real(value) and abs(value) <= _GREATEST and value > above and value >= minimum
    if not usable:
        bound = f" greater than {above:g}" if above > -math.inf else ""
        bound = f" of at least {minimum:g}" if minimum > -math.inf else bound
        raise InvalidInputError(f"{name} must be a finite number{bound}, not {_plain(value)!r}")


def flag(name: str, value: object) -> None:
    """Require True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidInputError(f"{name} must be True or False, not {value!r}")


def confidence_level(value: object) -> None:
    """Require a share strictly between 0 and 1."""
    if not (is_real(value) and 0 < value < 1):
        raise InvalidInputError(f"level must lie between 0 and 1, as 0.95 does, not {value!r}")


def degrees(value: object) -> float:
    """Require degrees of freedom: a number above 0, or infinity, which is the normal law."""
    if not (is_real(value) and value > 0):
        raise InvalidInputError(
            f"df: degrees of freedom are a number above 0, or math.inf for the normal law, not {value!r}"
        )
    return float(value)


def upper_quantile(name: str, value: object) -> None:
    """Require a quantile in the upper half, beyond which values are bounded, or None for no bound."""
    if value is None or (is_real(value) and 0.5 <= value < 1):
        return
    if is_real(value) and 0 < value < 0.5:
        raise InvalidInputError(
            f"{name} must be a quantile from 0.5 to below 1, not {value!r}; to bound the largest {value:.3g} "
            f"of the weights take {name}={1 - value:.6g}"
        )
    raise InvalidInputError(f"{name} must be a quantile from 0.5 to below 1, as 0.99, or None, not {value!r}")


def threads(value: object) -> None:
    """Require a number of threads, or None for one per core."""
    if value is not None:
        count("n_threads", value)


def is_real(value: object) -> TypeGuard[float]:
    """Tell a real number, which a bool is not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


# Columns


def column_name(role: str, value: object) -> None:
    """Require a column to be given by its name."""
    if isinstance(value, str):
        return
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        raise TypeError(f"{role}: one column is given by its name alone, {role}={value[0]!r}, not in a list")
    remedy = ""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        remedy = f"; where columns are called by numbers, {_BY_TEXT}"
    elif isinstance(value, tuple):
        remedy = f"; where columns have names of several parts, {_BY_ONE_NAME}"
    shown = repr(value) if isinstance(value, int | float | None) else type(value).__name__
    raise TypeError(f"{role}: a column is given by its name, as text, not by {shown}{remedy}")


_BY_TEXT = "make text of them first: df.columns = df.columns.map(str)"
_BY_ONE_NAME = "make one of them first: df.columns = ['_'.join(map(str, name)) for name in df.columns]"


def known(names: Iterable[str], columns: Sequence[object]) -> None:
    """Require each of `names` to be the name of exactly one column; all that are not are told at once."""
    absent = []
    for name in names:
        column_name("column", name)
        found = sum(isinstance(column, str) and column == name for column in columns)
        if found > 1:
            raise InvalidInputError(f"column '{name}': {found} columns have this name; rename them first")
        if found == 0:
            absent.append(name)
    if not absent:
        return
    hints = {name: _nearest(name, without_sums(columns)) for name in absent}
    others = f"the columns are {listed(columns)}" if columns else "it has no columns"
    if any(isinstance(column, tuple) for column in columns):
        others += f"; their names have several parts: {_BY_ONE_NAME}"
    if len(absent) == 1:
        nearest = hints[absent[0]]
        hint = f"did you mean '{nearest}'?" if nearest else others
        hint = _ratio_of(absent[0], columns) or hint
        hint = table_of_cells(absent[0], columns) or hint
        if any(not isinstance(column, str | tuple) and str(column) == absent[0] for column in columns):
            hint = f"a column is called by the number {absent[0]}, not by text; {_BY_TEXT}"
        raise InvalidInputError(f"column '{absent[0]}' is not in the frame; {hint}")
    each = [f"'{name}'" + (f" (did you mean '{hint}'?)" if hint else "") for name, hint in hints.items()]
    raise InvalidInputError(f"columns {', '.join(each)} are not in the frame; {others}")


def _nearest(name: str, columns: Sequence[object]) -> str | None:
    """Find the column whose name is most like this one, capital letters aside.

    One that begins with it, ends with it or has it inside is meant, of several the most like it; only then
    one that is spelled nearly the same.
    """
    by_folded = {column.casefold(): column for column in columns if isinstance(column, str)}
    folded = name.casefold()
    if len(folded) >= _TELLING:
        begins = [column for column in by_folded if column.startswith(folded)]
        inside = begins or [column for column in by_folded if folded in column]
        if inside:
            return by_folded[min(inside, key=len)]
    near = difflib.get_close_matches(folded, by_folded, n=1)
    return by_folded[near[0]] if near else None


def _ratio_of(name: str, columns: Sequence[object]) -> str:
    """Say how the ratio of two columns is asked for, where the name is one."""
    parts = [part.strip() for part in name.split("/")]
    if len(parts) == 2 and all(part in columns for part in parts):
        return f"a ratio of two columns is outcome={parts[0]!r}, per={parts[1]!r}"
    return ""


def roles(
    *,
    treatment: str | None,
    outcomes: Sequence[str],
    covariates: Collection[str],
    called: str = "the covariates",
) -> None:
    """Require treatment, outcomes and covariates, or what these are `called`, to be different columns."""
    columns = [("outcome", name) for name in outcomes]
    if treatment is not None:
        columns.insert(0, ("treatment", treatment))
    for role, column in columns:
        column_name(role, column)
    if treatment in outcomes:
        raise InvalidInputError(f"column '{treatment}' is both the treatment and the outcome")
    for role, column in columns:
        if column in covariates:
            raise InvalidInputError(f"column '{column}' is the {role}; remove it from {called}")


def beside_outcomes(beside: Mapping[str, object], outcomes: Sequence[str]) -> None:
    """Require what is given row by row to be no outcome; samples may be drawn within strata of one."""
    for role, values in beside.items():
        if role != "strata" and isinstance(values, str) and values in outcomes:
            raise InvalidInputError(f"column '{values}' is the outcome; it cannot be the {role} too")


def complete(
    columns: Mapping[str, pd.Series[Any]],
    subject: str = "column '{}'",
    means: Callable[[str], str] | None = None,
    drop: Callable[[Collection[str], Collection[str]], str] | None = None,
) -> None:
    """Require every value of every column to be there, and to be finite.

    Parameters
    ----------
    columns : mapping of str to Series
        By name; only text and categorical columns may be other than bool, int64 or float64.
    subject : str
        How a message calls a column, its name in place of the braces.
    means : callable, optional
        Of a column that has missing values, what may be meant by them; empty where nothing is known.
    drop : callable, optional
        Of columns, and of those that are infinite, the line that drops such rows; empty where there is none.
    """
    problems = []
    remedies = []
    incomplete: dict[str, None] = {}
    unbounded = []
    for name, column in columns.items():
        if _is_surely_complete(column):
            continue
        missing = column.isna().to_numpy()
        infinite = np.isinf(column.to_numpy()) if column.dtype.kind == "f" else np.zeros(0, dtype=bool)
        for what, where in {"missing": missing, "infinite": infinite}.items():
            if where.any():
                found = counted(where, f"{what} value", column.index)
                problems.append(f"{subject.format(name)}: {found}")
                incomplete[name] = None
                unbounded += [name] if what == "infinite" else []
                remedies.append(means(name) if means is not None and what == "missing" else "")
    if not problems:
        return
    line = drop(incomplete, unbounded) if drop is not None else ""
    line = f", {line}" if line else ""
    if len(problems) == 1 and remedies[0]:
        remedy = remedies[0].replace("drop these rows", f"drop these rows{line}")
        raise InvalidInputError(f"{problems[0]}; {remedy}")
    if len(problems) == 1:
        raise InvalidInputError(f"{problems[0]}; drop or impute them first{line}")
    both = [f"{p}; {r}" if r else p for p, r in zip(problems, remedies, strict=True)]
    raise InvalidInputError(f"drop or impute these first{line}:\n  " + "\n  ".join(both))


def _is_surely_complete(column: pd.Series[Any]) -> bool:
    """Tell quickly that nothing is missing or infinite: least and greatest are NaN where one value is."""
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind not in "bif":
        return False
    values = column.to_numpy()
    return (
        column.dtype.kind != "f" or not len(values) or bool(np.isfinite([values.min(), values.max()]).all())
    )


def levels(column: pd.Series[Any], *, penalty: float | None = None, n_users: int | None = None) -> None:
    """Require a categorical column to have levels few enough to be a term for each.

    With a `penalty` above 0 there may be many; None is where there can be none. `n_users` are told where rows
    stand for several.
    """
    n_levels, n_rows = len(column.cat.categories), len(column) if n_users is None else n_users
    is_identifier = n_levels > 20 and n_levels > n_rows / 2
    if is_identifier or (not penalty and n_levels > MOST_LEVELS):
        grouped = _grouping_of(column) if n_rows == len(column) else ", or group its levels"
        said = f"column '{column.name}': {n_levels:,} levels in {n_rows:,} rows, and a term for each"
        if is_identifier:
            raise InvalidInputError(f"{said}; it looks like an identifier: leave it out{grouped}")
        without, other = ("", "") if penalty is None else (" without a penalty", ", or take penalty=1.0")
        raise InvalidInputError(
            f"{said}; more than {MOST_LEVELS:,} are not fitted{without}: leave it out{grouped}{other}"
        )


def _grouping_of(column: pd.Series[Any]) -> str:
    """Say how rare levels are put together, where that leaves some, and not too many, beside them."""
    codes = column.cat.codes.to_numpy()
    n_rows = np.sort(np.bincount(codes[codes >= 0], minlength=1))[::-1]
    least = _RARE if len(n_rows) < MOST_LEVELS else max(_RARE, int(n_rows[MOST_LEVELS - 1]) + 1)
    return f", or group its rare levels, as min_level_count={least} does" if n_rows[0] >= least else ""


def unlike_terms(names: Sequence[str]) -> None:
    """Require no two terms of one name, such as a level's of one column and another column's own."""
    if len(set(names)) == len(names):
        return
    twice = next(name for name in names if names.count(name) > 1)
    raise InvalidInputError(
        f"covariates: {names.count(twice)} terms are called '{twice}'; rename the column, or the level"
    )


# Words


def counted(where: Bools, noun: str, index: pd.Index[Any]) -> str:
    """Count the rows where `where` holds and name the first by the labels of `index`: '1 value (row 5)'."""
    found = np.flatnonzero(where)
    plural = "s" if len(found) > 1 else ""
    labels = [str(label) for label in index.take(found[:_SHOWN])]
    more = ", ..." if len(found) > _SHOWN else ""
    return f"{len(found):,} {noun}{plural} (row{plural} {', '.join(labels)}{more})"


def listed(values: Iterable[object]) -> str:
    """Spell out values, text in quotes: the first few, and how many more there are."""
    shown = [repr(_plain(value)) for value in values]
    more = f" and {len(shown) - 2 * _SHOWN:,} more" if len(shown) > 2 * _SHOWN else ""
    return ", ".join(shown[: 2 * _SHOWN]) + more


def _plain(value: object) -> object:
    """Turn a NumPy scalar into Python's own, whose repr is shorter."""
    return value.item() if isinstance(value, np.generic) else value
