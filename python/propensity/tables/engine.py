"""The only module that asks an engine: a table wherever it lies, its columns, and queries of it by narwhals.

What an engine is asked is SQL that every one of them has: sums, means, variances and counts, of expressions
that are made before they are summed. Nothing of ours runs there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks, native
from propensity.frames.columns import read_column

_ONE = "__one"

_ELSEWHERE = {
    "DuckDBPyConnection": "connection.table('users'), or connection.sql('SELECT ...'), is one",
    "SparkSession": "spark.table('users'), or spark.sql('SELECT ...'), is one",
    "FileSystemDataset": "duckdb.from_arrow(dataset), or pl.scan_pyarrow_dataset(dataset), is one",
    "str": "pl.scan_parquet('users/*.parquet'), or duckdb.read_parquet(...), is one",
    "PosixPath": "pl.scan_parquet(path), or duckdb.read_parquet(str(path)), is one",
    "Backend": "connection.table('users'), or connection.sql('SELECT ...'), is one",
}
"""What people have in hand in place of a table, and how they come by one."""


@dataclass(frozen=True, eq=False)
class Source:
    """A table that an engine holds.

    Attributes
    ----------
    query : narwhals.LazyFrame
        What gives its rows when it is asked.
    dtypes : mapping of str to narwhals.dtypes.DType
        By the names of its columns.
    engine : str
        Whose it is, in narwhals' words: "duckdb", "polars", "ibis", "pyspark", "pyspark[connect]",
        "sqlframe"; of a frame in memory its library.
    """

    query: Any
    dtypes: Mapping[str, Any]
    engine: str

    @property
    def like_spark(self) -> bool:
        """Whether names are read as Spark reads them, in any case."""
        return self.engine in ("pyspark", "pyspark[connect]", "sqlframe")

    @property
    def reads_dots(self) -> bool:
        """Whether a dot in a name is read as leading into a struct, or out of a table."""
        return self.like_spark or self.engine == "duckdb"

    def where(self, query: Any) -> Source:
        """Give the same table as another query of it."""
        return replace(self, query=query)


def is_lazy(table: object) -> bool:
    """Whether this is a table that an engine holds, and no frame in memory."""
    if table is None or isinstance(table, pd.DataFrame) or not native.is_frame(table):
        return False
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    return isinstance(nw.from_native(native.eager(table), pass_through=True), nw.LazyFrame)


def opened(table: object) -> Source:
    """Open a table that an engine holds, and ask for its columns; a frame in memory opens as one.

    Raises
    ------
    TypeError
        It is Dask's, whose grouped variances lose the digits: at a mean of 1e6 four are left, at 1e9 none.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    query: Any = nw.from_native(table)
    engine = str(query.implementation)
    if engine == "dask":
        raise TypeError(
            "Dask's variances within groups lose the digits of outcomes far from 0; read the same files by "
            "pl.scan_parquet, or by duckdb.read_parquet"
        )
    # sqlframe writes names with spaces in backticks.
    dtypes = {name.strip("`"): dtype for name, dtype in query.collect_schema().items()}
    return Source(query, dtypes, engine)


def column_names(table: object) -> list[object]:
    """Name the columns of a frame in memory.

    Raises
    ------
    TypeError
        It is none: a name, a connection, a folder of files.
    """
    if not native.is_frame(table):
        raise TypeError(_not_a_table(table))
    return native.column_names(table)


def _not_a_table(given: object) -> str:
    """Say that a table is needed, and how to come by one."""
    names = [kind.__name__ for kind in type(given).__mro__]
    hint = next((f"; {_ELSEWHERE[name]}" for name in names if name in _ELSEWHERE), "")
    kind = type(given).__name__
    return f"a data frame, a table or a query is needed (of DuckDB, polars, ibis or Spark), not {kind}{hint}"


def require_columns(source: Source, names: Sequence[str]) -> None:
    """Require columns of these very names: Spark and DuckDB would take them in any case.

    Raises
    ------
    InvalidInputError
        One is not there, or the engine cannot be asked for it by its name.
    """
    checks.known(names, list(source.dtypes))
    for name in names:
        if source.reads_dots and ("." in name or "`" in name):
            plain = name.replace(".", "_").replace("`", "")
            how = f"table.withColumnRenamed({name!r}, {plain!r})"
            if not source.like_spark:
                how = f'SELECT "{name}" AS {plain}, ...'
            raise InvalidInputError(
                f"column '{name}': a dot or a backtick is a part of the engine's own language; rename it "
                f"first: {how}"
            )
        if not source.like_spark:
            continue
        alike = [other for other in source.dtypes if other != name and other.casefold() == name.casefold()]
        if alike:
            raise InvalidInputError(
                f"columns {checks.listed([name, *alike])}: Spark does not tell them apart, for their letters "
                "are the same but for capitals; rename or drop one first"
            )


def require_kinds(source: Source, keys: Sequence[str], outcomes: Sequence[str]) -> None:
    """Require keys that are numbers, bools, text or categories, and outcomes that are numbers or bools.

    Raises
    ------
    TypeError
        They are not.
    """
    for name in keys:
        if _kind(source.dtypes[name]) is None:
            raise TypeError(
                f"column '{name}': the type {source.dtypes[name]} is none of numeric, bool, text and "
                "categorical; convert it in the query first"
            )
    for name in outcomes:
        if _kind(source.dtypes[name]) not in ("number", "bool"):
            raise TypeError(
                f"column '{name}': an outcome must be numeric or bool, not {source.dtypes[name]}; convert it "
                "in the query first"
            )


def is_text(source: Source, name: str) -> bool:
    """Whether a column holds text or categories."""
    return _kind(source.dtypes[name]) == "text"


def _kind(dtype: Any) -> str | None:
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    if dtype.is_numeric():
        return "number"
    if dtype == nw.Boolean:
        return "bool"
    return "text" if dtype in (nw.String, nw.Categorical, nw.Enum) else None


def grouped(source: Source, keys: Sequence[str], outcomes: Sequence[str], most: int) -> pd.DataFrame:
    """Count users by their keys, and sum up their outcomes: one GROUP BY, and at most `most` rows of it.

    Returns
    -------
    DataFrame
        The keys; `frequency`; and of each outcome, by its place k, `k_known` (how many are not null), `k_nan`
        and `k_infinite` (how many are such), `k_mean`, `k_variance` (divided by the count), `k_low`,
        `k_high`.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    flags: list[Any] = []
    sums: list[Any] = [nw.col(_ONE).sum().alias("frequency")]
    for place, name in enumerate(outcomes):
        y, own = amount(source, name), f"__{place}"
        flags += [y.alias(own), *_not_finite(source, name, place)]
        value = nw.col(own)
        sums += [
            value.count().alias(f"{place}_known"),
            nw.col(f"{own}_nan").sum().alias(f"{place}_nan"),
            nw.col(f"{own}_infinite").sum().alias(f"{place}_infinite"),
            value.mean().alias(f"{place}_mean"),
            variance(value, source.dtypes[name]).alias(f"{place}_variance"),
            value.min().alias(f"{place}_low"),
            value.max().alias(f"{place}_high"),
        ]
    # Engines count in fields of 32 bits, or wrap; ones of 64 bits are summed.
    picked = source.query.select(*_keys(source, keys), *flags, nw.lit(1, dtype=nw.Int64).alias(_ONE))
    return collected(source.where(picked.group_by(*keys).agg(*sums).head(most)))


def variance(value: Any, dtype: Any) -> Any:
    """Give the variance, divided by the count, of what is finite: DuckDB 1 breaks off at what is not."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    finite = nw.when(value.is_finite()).then(value) if dtype.is_float() else value
    return finite.var(ddof=0)


def _not_finite(source: Source, name: str, place: int) -> list[Any]:
    """Flag what is NaN and what is infinite; whole numbers and decimals are neither."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    named = f"__{place}_nan", f"__{place}_infinite"
    if not source.dtypes[name].is_float():
        return [nw.lit(0, dtype=nw.Int64).alias(one) for one in named]
    y = amount(source, name)
    nan, finite = y.is_nan(), y.is_finite()
    return [nan.cast(nw.Int64).alias(named[0]), (~nan & ~finite).cast(nw.Int64).alias(named[1])]


def counted(source: Source, keys: Sequence[str], frequency: str, most: int) -> pd.DataFrame:
    """Add up counts by keys: `frequency`, and `wrong`, how many of them are no whole number above 0."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    count = amount(source, frequency)
    known = count.fill_null(0.0)
    is_count = (known > 0.0) & (known < 2.0**53) & (known == known.cast(nw.Int64).cast(nw.Float64))
    picked = source.query.select(
        *_keys(source, keys), known.alias("__count"), (~is_count).cast(nw.Int64).alias("__wrong")
    )
    sums = nw.col("__count").sum().alias("frequency"), nw.col("__wrong").sum().alias("wrong")
    return collected(source.where(picked.group_by(*keys).agg(*sums).head(most)))


def _keys(source: Source, keys: Sequence[str]) -> list[Any]:
    """Give keys as they are grouped by: decimals as float64."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    return [
        nw.col(name).cast(nw.Float64) if source.dtypes[name].is_decimal() else nw.col(name) for name in keys
    ]


def amount(source: Source, name: str) -> Any:
    """Give a column as float64: Spark has no mean of bools, and decimals would keep few digits."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    column = nw.col(name)
    return column if source.dtypes[name] == nw.Float64 else column.cast(nw.Float64)


def collected(source: Source) -> pd.DataFrame:
    """Ask for the rows of a query, each column as bool, int64, float64 or categorical."""
    options = {"engine": "streaming"} if source.engine == "polars" and _streams() else {}
    frame: Any = source.query
    if hasattr(frame, "collect"):
        frame = frame.collect(**options)
    rows = frame.to_native()
    names = [str(name) for name in native.column_names(rows)]
    if not len(rows):
        return pd.DataFrame(columns=[name.strip("`") for name in names])
    return pd.DataFrame({name.strip("`"): read_column(rows, name) for name in names})


def _streams() -> bool:
    """Whether this polars goes through a table in parts where it is asked to."""
    import inspect  # noqa: PLC0415 - of polars alone

    import polars as pl  # noqa: PLC0415 - whoever has a table of it has it

    return "engine" in inspect.signature(pl.LazyFrame.collect).parameters


def level_counts(source: Source, name: str, most: int) -> dict[str, int]:
    """Count the rows of each level of a column of text, in the order of the levels, and at most `most`.

    Raises
    ------
    InvalidInputError
        Some have none.
    """
    found = values_of(source, name, most)
    missing = found[name].isna().to_numpy()
    if missing.any():
        n = int(found["frequency"].to_numpy()[missing].sum())
        raise InvalidInputError(
            f"column '{name}': {n:,} missing value{'s' if n > 1 else ''}; drop or impute them first"
        )
    found = found.sort_values(name)
    return {str(level): int(n) for level, n in zip(found[name], found["frequency"], strict=True)}


def row_of(source: Source, aggregates: Sequence[Any]) -> dict[str, float]:
    """Ask for aggregates of all rows: each by its name; what has no value, as of no rows, is NaN."""
    found = collected(source.where(source.query.select(*aggregates)))
    return {str(name): float(found[name].iloc[0]) for name in found}


def rows_by(source: Source, name: str, aggregates: Sequence[Any]) -> pd.DataFrame:
    """Ask for aggregates of the rows by the values of a column, sorted by these."""
    found = collected(source.where(source.query.group_by(name).agg(*aggregates)))
    return found.sort_values(name, ignore_index=True)


def first_rows(source: Source, names: Sequence[str], most: int) -> pd.DataFrame:
    """Fetch some rows of some columns."""
    return collected(source.where(source.query.select(*names).head(most)))


def values_of(source: Source, name: str, most: int) -> pd.DataFrame:
    """Count the rows by the values of a column, of which there are to be few: at most `most` are given."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    picked = source.query.select(nw.col(name), nw.lit(1, dtype=nw.Int64).alias(_ONE))
    sums = picked.group_by(name).agg(nw.col(_ONE).sum().alias("frequency"))
    return collected(source.where(sums.head(most)))


def is_bool(source: Source, name: str) -> bool:
    """Whether a column holds bools."""
    return _kind(source.dtypes[name]) == "bool"
