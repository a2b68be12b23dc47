"""A table looked over before anything is estimated from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from propensity.frames import checks, native
from propensity.frames.by_name import columns_by_name
from propensity.frames.counted_rows import CountedRows
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates, parse_covariates
from propensity.frames.tidying import Missing
from propensity.study.check_collinear import collinear
from propensity.study.check_columns import of_codes, of_levels, read_covariates
from propensity.study.check_foretelling import foretelling
from propensity.study.check_result import Check, Finding
from propensity.study.check_rows import CheckedRows, read_rows
from propensity.study.check_sample import clusters, dates, identifiers, likely_identifiers, of_outcomes
from propensity.study.check_tails import tails


def _of_all_outcomes(found: Mapping[str, Check]) -> Check:
    """Put the findings of cells together, which are looked at with one outcome at a time."""
    first = next(iter(found.values()))
    findings = dict.fromkeys(one for check in found.values() for one in check)
    return replace(first, table=Check.of(findings, 0, -1, ()).table)


@columns_by_name
@takes_cells(without=("ids", "treated_at"), several=_of_all_outcomes)
def check(
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates | None = None,
    outcome: str | Sequence[str] | None = None,
    cluster: str | None = None,
    ids: str | None = None,
    treated_at: str | None = None,
    missing: Missing | None = None,
    min_level_count: int = 20,
) -> Check:
    """Look a table over before anything is estimated from it: what is amiss, worst first, and what mends it.

    Parameters
    ----------
    df : DataFrame or Cells
        pandas, polars or pyarrow; one row a unit. Of `Cells` users are counted, and columns are looked at
        that are keys.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, str, or None, default None
        Columns, or a formula, whose columns are looked at; None looks at all that have no other role.
    outcome : str, list of str, or None, default None
        What is to be measured, if that is to be looked at too.
    cluster : str or None, default None
        The column of groups whose rows vary together.
    ids : str or None, default None
        The column that says which unit a row is of. None looks at columns that are called like one, are no
        covariates, and differ in nearly every row.
    treated_at : str or None, default None
        The column of dates at which units were treated. Other dates are then compared with it: what lies
        after it is no covariate.
    missing : "indicator" or None, default None
        What the fit will do with missing values of covariates, as for `fit_propensity`: None refuses them, so
        that they are errors here, and with "indicator" they are notes.
    min_level_count : int, default 20
        Levels with fewer rows are told of: shares of so few say little.

    Returns
    -------
    Check
        A line a finding: with its `severity`, column, how many rows (the first of them named), and the line
        that mends it. `table` is a DataFrame; `ok` says whether no function refuses the table.

    Raises
    ------
    InvalidInputError
        A column is unknown.

    Notes
    -----
    Nothing of the table is changed, and no finding is proof: a column that alone tells the arms apart (an
    AUC of 0.95 or more, as the probability that a treated row's value is above a control's) may have been
    known before; most that do so were not. A row far out is one that is 15 standard deviations from the mean,
    or owes three tenths of the variance; what it would weigh is that by a logistic score of its column alone.
    Columns are looked at one by one, but for numbers that are sums of others.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> users.loc[7, "query_confidence"] = None
    >>> found = ps.check(users, treatment="opt_in_agent_mode", outcome="task_completed")
    >>> found.ok
    False
    >>> found.findings[0].column
    'query_confidence'
    """
    checks.count("min_level_count", min_level_count)
    if missing is not None:
        checks.choice("missing", missing, get_args(Missing))
    named = {"treatment": treatment, "cluster": cluster, "ids": ids, "treated_at": treated_at}
    for role, name in named.items():
        if name is not None:
            checks.column_name(role, name)
    outcomes = [] if outcome is None else outcome_names(outcome)
    roles = [*outcomes, *(name for name in named.values() if name is not None)]
    checks.known(roles, native.column_names(df))
    others = [name for name in native.column_names(df) if isinstance(name, str) and name not in roles]
    columns = None if covariates is None else _named_columns(df, covariates, treatment, outcomes)
    free = [name for name in others if name not in (columns or ())]
    units = [] if isinstance(df, CountedRows) else likely_identifiers(df, free) if ids is None else [ids]
    columns = tuple(name for name in others if name not in units) if columns is None else columns
    rows, found = read_rows(df, treatment)
    found += _of_covariates(rows, columns, min_level_count, missing)
    if rows.users is None:  # cells are told by their keys, each once
        found += identifiers(rows, units)
    found += of_outcomes(rows, outcomes)
    if cluster is not None:
        found += clusters(rows, cluster)
    if treated_at is not None:
        found += dates(rows, treated_at, others)
    n_treated = -1 if rows.treated is None else rows.n_of(rows.treated)
    return Check.of(found, rows.n_users, n_treated, columns)


def _named_columns(
    df: AnyFrame, covariates: Covariates, treatment: str, outcomes: Sequence[str]
) -> tuple[str, ...]:
    """Name the columns of covariates."""
    columns = parse_covariates(covariates, df, treatment=treatment, outcomes=outcomes).columns
    checks.known(columns, native.column_names(df))
    checks.roles(treatment=treatment, outcomes=outcomes, covariates=columns)
    return columns


def _of_covariates(
    rows: CheckedRows, columns: tuple[str, ...], fewest: int, missing: Missing | None
) -> Iterator[Finding]:
    yield from read_covariates(rows, columns, missing)
    yield from foretelling(rows)
    yield from of_levels(rows, fewest)
    yield from tails(rows)
    yield from of_codes(rows)
    yield from collinear(rows)
