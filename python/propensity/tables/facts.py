"""What is known of the rows of a table before anything is fitted: two arms, complete columns, terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.arms import in_order
from propensity.tables import engine
from propensity.tables.engine import Source
from propensity.tables.terms import Terms, read_terms


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of the rows before anything is fitted.

    Attributes
    ----------
    n_treated, n_control : float
    numbers : mapping of str to mapping of str to float
        Of each column of numbers, covariates and outcomes, its mean, variance (divisor n), `low`, `high`, and
        how many values are `neither` 0 nor 1.
    """

    n_treated: float
    n_control: float
    numbers: Mapping[str, Mapping[str, float]]

    @property
    def n_rows(self) -> float:
        """All of them."""
        return self.n_treated + self.n_control


def read_facts(
    table: Source,
    *,
    treatment: str,
    outcomes: Sequence[str],
    covariates: Sequence[str],
    cluster: str | None = None,
) -> tuple[Facts, Terms]:
    """Read the columns with a role: two arms, complete columns, terms.

    Raises
    ------
    InvalidInputError
        A column is unknown or incomplete, or the treatment is none.
    TypeError
        A column is of a type that its role has no use for.
    """
    beside = [] if cluster is None else [cluster]
    for name in (treatment, *covariates, *beside, *outcomes):
        checks.column_name("column", name)
    engine.require_columns(table, [treatment, *covariates, *beside, *outcomes])
    engine.require_kinds(table, [treatment, *covariates, *beside], outcomes)
    n_control, n_treated = count_arms(table, treatment)
    numbers = [name for name in covariates if not engine.is_text(table, name)]
    found = _moments(table, [*numbers, *outcomes], beside)
    of_each = ("mean", "variance", "low", "high", "neither")
    of_numbers = {name: {what: found[f"{name}/{what}"] for what in of_each} for name in (*numbers, *outcomes)}
    facts = Facts(n_treated, n_control, of_numbers)
    terms = read_terms(table, covariates, found, facts.n_rows)
    return facts, terms


def picked(
    table: Source,
    terms: Terms,
    facts: Facts,
    treatment: str,
    outcomes: Sequence[str],
    cluster: str | None,
) -> Source:
    """Take what sums are made of, and nothing else."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    query = table.query.select(
        engine.amount(table, treatment).alias("t"),
        nw.lit(1.0, dtype=nw.Float64).alias("one"),
        *terms.expressions(),
        *(
            (engine.amount(table, name) - facts.numbers[name]["mean"]).alias(f"y{j}")
            for j, name in enumerate(outcomes)
        ),
        *([] if cluster is None else [nw.col(cluster).alias("g")]),
    )
    return table.where(query)


def count_arms(table: Source, treatment: str) -> tuple[float, float]:
    """Count the controls and the treated."""
    levels = engine.values_of(table, treatment, 20)
    known = levels.dropna(subset=[treatment])
    n_missing = int(levels["frequency"].sum() - known["frequency"].sum())
    if not len(levels):
        raise InvalidInputError("the table has no rows")
    if n_missing:
        raise InvalidInputError(
            f"column '{treatment}': {n_missing:,} missing value{'s' if n_missing > 1 else ''}; drop these "
            "rows, or where missing means not treated say so in the query, COALESCE(..., 0)"
        )
    counts = dict(zip(known[treatment].tolist(), known["frequency"].tolist(), strict=True))
    if not set(counts) <= {0, 1}:
        raise InvalidInputError(
            f"column '{treatment}': the treatment must be bool or 0/1, but its levels are "
            f"{checks.listed(in_order(counts))}; say in the query which one is treated: "
            "(... = <the treated level>)"
        )
    n_control, n_treated = float(counts.get(0, 0)), float(counts.get(1, 0))
    if min(n_control, n_treated) < 2:
        raise InvalidInputError(
            f"column '{treatment}': {n_treated:,.0f} treated and {n_control:,.0f} control rows; at least 2 "
            "of each are needed"
        )
    return n_control, n_treated


def _moments(table: Source, numbers: Sequence[str], beside: Sequence[str]) -> dict[str, float]:
    """Ask for mean, variance, least and greatest of numbers, and require all to be there and finite."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    aggregates: dict[str, Any] = {}
    for name in dict.fromkeys([*numbers, *beside]):
        aggregates[f"{name}/null"] = nw.col(name).is_null().cast(nw.Int64).sum()
    for name in numbers:
        value = engine.amount(table, name)
        if table.dtypes[name].is_float():
            aggregates[f"{name}/nan"] = value.is_nan().cast(nw.Int64).sum()
        aggregates |= {
            f"{name}/mean": value.mean(),
            f"{name}/variance": engine.variance(value, table.dtypes[name]),
            f"{name}/low": value.min(),
            f"{name}/high": value.max(),
            f"{name}/neither": ((value != 0.0) & (value != 1.0)).cast(nw.Int64).sum(),
        }
    short = {f"a{place}": one.alias(f"a{place}") for place, one in enumerate(aggregates.values())}
    if not short:
        return {}
    answered = engine.row_of(table, list(short.values()))
    found = {name: answered[alias] for name, alias in zip(aggregates, short, strict=True)}
    _require_complete(found, [*numbers, *beside])
    return found


def _require_complete(found: Mapping[str, float], names: Sequence[str]) -> None:
    problems = []
    for name in dict.fromkeys(names):
        n_missing = int(found[f"{name}/null"] + found.get(f"{name}/nan", 0))
        if n_missing:
            problems.append(f"column '{name}': {n_missing:,} missing value{'s' if n_missing > 1 else ''}")
        elif not np.isfinite([found.get(f"{name}/low", 0.0), found.get(f"{name}/high", 0.0)]).all():
            problems.append(f"column '{name}': infinite values")
    if len(problems) == 1:
        raise InvalidInputError(f"{problems[0]}; drop or impute them first")
    if problems:
        raise InvalidInputError("drop or impute these first:\n  " + "\n  ".join(problems))
