"""From users to cells: one GROUP BY where the table lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.columns import open_frame
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.terms import Covariates, parse_covariates
from propensity.tables import counted, engine
from propensity.tables.cells import Cells
from propensity.tables.counted import FREQUENCY
from propensity.tables.engine import Source

_LARGEST_WHOLE = 2.0**53
"""Whole numbers beyond it are not told apart by a float64."""


@columns_by_name
def collapse(
    table: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates,
    outcome: str | Sequence[str] = (),
    also: str | Sequence[str] = (),
    frequency: str | None = None,
    max_cells: int = 2_000_000,
) -> Cells:
    """Count users where their table lies: one GROUP BY, of which every function takes the few rows.

    Parameters
    ----------
    table : DataFrame, or a table of DuckDB, polars, ibis, Spark or sqlframe
        A row a user. Whatever narwhals knows: a DuckDB relation, a polars LazyFrame, an ibis table (BigQuery,
        Snowflake, Databricks, Postgres, Trino), a table of Spark or Spark Connect, or any frame in memory.
    treatment : str
        The column of who was treated.
    covariates : list of str, or str
        Columns that users of a cell have in common, or a formula, whose columns are.
    outcome : str or list of str, default ()
        The columns to sum up: numbers or bools.
    also : str or list of str, default ()
        Further columns that users of a cell have in common: clusters, strata, groups (`by=`), `exact=`,
        sample weights.
    frequency : str or None, default None
        A column of how many users a row stands for, where the table is counted already: by covariates, arm
        and the values of the outcomes.
    max_cells : int, default 2,000,000
        How many cells there may be: these take a GB or two, and a second in every fit. More is mostly a
        covariate that hardly repeats.

    Returns
    -------
    Cells
        Sorted by keys, so that the order in which an engine answers means nothing.

    Raises
    ------
    InvalidInputError
        A column is not there, holds missing or infinite values, or has two roles; the table has no rows, or
        more cells than `max_cells`.
    TypeError
        It is no table but a name, a connection or a folder; a key is a date, or an outcome text.

    Notes
    -----
    An engine is asked for counts, means, variances (divisor n), least and greatest, never for sums of
    squares, of which digits cancel. Means and variances of fractions differ in their last digits from run to
    run, for engines add up in no fixed order; counts do not.

    Text that an engine takes for equal (a case-insensitive collation) is one key.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> cells = ps.collapse(users, **roles, covariates=["engagement_tier"])
    >>> cells.frame.columns.tolist()[:4]
    ['engagement_tier', 'opt_in_agent_mode', 'frequency', 'task_completed_mean']
    """
    checks.count("max_cells", max_cells)
    outcomes = [] if isinstance(outcome, list | tuple) and not outcome else outcome_names(outcome)
    named = [] if frequency is None else [frequency]
    lazy = engine.opened(table) if engine.is_lazy(table) else None
    columns = engine.column_names(table) if lazy is None else list(lazy.dtypes)
    keys = _keys(columns, treatment, covariates, outcomes, also, named)
    source = _read(table, keys, [*outcomes, *named]) if lazy is None else lazy
    engine.require_columns(source, [*keys, *outcomes, *named])
    engine.require_kinds(source, keys, [*outcomes, *named])
    if frequency is None:
        found = engine.grouped(source, keys, outcomes, max_cells + 1)
        _require_some(found, keys, max_cells)
        _require_complete(found, outcomes, source)
        frame = _named(found, outcomes)
    else:
        found = engine.counted(source, [*keys, *outcomes], frequency, max_cells + 1)
        _require_some(found, [*keys, *outcomes], max_cells)
        frame = _summed_up(found, keys, outcomes, frequency)
    return Cells(counted.read(frame, keys, outcomes, FREQUENCY), keys, tuple(outcomes), treatment)


def _keys(
    columns: Sequence[object],
    treatment: str,
    covariates: Covariates,
    outcomes: Sequence[str],
    also: str | Sequence[str],
    named: Sequence[str],
) -> tuple[str, ...]:
    """Read the roles against the columns that there are: an engine might take a name in any case."""
    checks.column_name("treatment", treatment)
    header = pd.DataFrame([], columns=list(columns))
    terms = parse_covariates(covariates, header, treatment=treatment, outcomes=outcomes, may_be_none=True)
    checks.roles(treatment=treatment, outcomes=outcomes, covariates=terms.columns)
    beside = counted.named("also", also)
    checks.roles(treatment=None, outcomes=outcomes, covariates=beside, called="also")
    keys = counted.keys_of(terms.columns, beside, treatment)
    for name in named:
        checks.column_name("frequency", name)
        checks.roles(treatment=None, outcomes=outcomes, covariates=keys)
        if name in (*keys, *outcomes):
            raise InvalidInputError(f"column '{name}' is the frequency; it cannot be a key or an outcome too")
    checks.known([*keys, *outcomes, *named], columns)
    counted.own_names(keys, outcomes)
    return keys


def _read(table: AnyFrame, keys: Sequence[str], amounts: Sequence[str]) -> Source:
    """Read the columns of a frame in memory, with all that other functions say of them."""
    frame = open_frame(table, treatment=keys[-1], outcome=list(amounts) or None, covariates=keys[:-1])
    return engine.opened(pd.DataFrame(dict(frame.columns)))


def _require_some(found: pd.DataFrame, keys: Sequence[str], max_cells: int) -> None:
    if not len(found):
        raise InvalidInputError("the table has no rows")
    if len(found) <= max_cells:
        return
    values = {name: found[name].nunique(dropna=False) for name in keys}
    many = sorted(values, key=lambda name: -values[name])
    each = ", ".join(f"'{name}' {values[name]:,}" for name in many[:5])
    raise InvalidInputError(
        f"covariates: more than {max_cells:,} cells; in the first of them the columns have so many values: "
        f"{each}. Leave out what tells single users, or round or group it in the query; where covariates "
        "hardly repeat, ps.estimate(table, ...) goes without cells, and a sample of 10,000,000 users has all "
        "the digits that most questions need"
    )


def _require_complete(found: pd.DataFrame, outcomes: Sequence[str], source: Source) -> None:
    """Require outcomes without missing and infinite values; all such columns are told at once."""
    problems = []
    for place, name in enumerate(outcomes):
        n_null = int((found[FREQUENCY] - found[f"{place}_known"]).sum())
        n_missing = n_null + int(found[f"{place}_nan"].fillna(0).sum())
        n_infinite = int(found[f"{place}_infinite"].fillna(0).sum())
        for count, what in ((n_missing, "missing"), (n_infinite, "infinite")):
            if count:
                problems.append(f"column '{name}': {count:,} {what} value{'s' if count > 1 else ''}")
    if len(problems) == 1:
        raise InvalidInputError(f"{problems[0]}; drop or impute them first")
    if problems:
        raise InvalidInputError("drop or impute these first:\n  " + "\n  ".join(problems))
    for place, name in enumerate(outcomes):
        largest = max(abs(found[f"{place}_low"].min()), abs(found[f"{place}_high"].max()))
        if source.dtypes[name].is_integer() and largest > _LARGEST_WHOLE:
            raise InvalidInputError(
                f"column '{name}': values up to {largest:g}, of which a float64 tells no two neighbours "
                "apart; subtract what all have in common, or take other units"
            )


def _named(found: pd.DataFrame, outcomes: Sequence[str]) -> pd.DataFrame:
    """Call the sums by their outcomes; a variance of one user is 0, whatever an engine says of it."""
    names = {
        f"{place}_{what}": name
        for place, outcome in enumerate(outcomes)
        for what, name in counted.columns_of(outcome).items()
    }
    frame = found.rename(columns=names)
    for outcome in outcomes:
        name = counted.columns_of(outcome)["variance"]
        frame[name] = np.where(frame[FREQUENCY] == 1, 0.0, frame[name])
    return frame


def _summed_up(
    found: pd.DataFrame, keys: Sequence[str], outcomes: Sequence[str], frequency: str
) -> pd.DataFrame:
    """Sum up values and their counts: means first, and then the squares around them."""
    wrong = int(found["wrong"].sum())
    if wrong:
        raise InvalidInputError(
            f"column '{frequency}': {wrong:,} value{'s' if wrong > 1 else ''} that are no whole number of "
            "users above 0; drop rows that stand for nobody, and name weights that are no counts in also="
        )
    counted.require_complete(found, [*keys, *outcomes])
    groups = found.groupby(list(keys), observed=True, sort=True, dropna=False)
    code = groups.ngroup().to_numpy()
    count = found[FREQUENCY].to_numpy()
    total = np.bincount(code, weights=count)
    first = np.unique(code, return_index=True)[1]
    frame = found[list(keys)].iloc[first].reset_index(drop=True)
    frame[FREQUENCY] = total
    for outcome in outcomes:
        y = found[outcome].to_numpy(dtype=np.float64)
        columns = _sums_of(code, count, total, y)
        frame = frame.assign(**{counted.columns_of(outcome)[what]: v for what, v in columns.items()})
    return frame


def _sums_of(code: Any, count: Any, total: Any, y: Any) -> Mapping[str, Any]:
    by_code = pd.Series(y).groupby(code, sort=True)
    mean = np.bincount(code, weights=count * y) / total
    variance = np.bincount(code, weights=count * (y - mean[code]) ** 2) / total
    return {
        "mean": mean,
        "variance": variance,
        "low": by_code.min().to_numpy(),
        "high": by_code.max().to_numpy(),
    }
