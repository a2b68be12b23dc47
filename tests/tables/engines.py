"""Every engine that a pandas frame is tried in: tables in memory, and tables that an engine holds."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

_NAMES = itertools.count()


def arrow(df: pd.DataFrame) -> pa.Table:
    """Make a table of Arrow, in which NaN of a frame is null; one that carries its own is taken as it is."""
    if hasattr(df, "arrow"):
        return df.arrow
    return pa.Table.from_pandas(df, preserve_index=False)


def of_duckdb(df: pd.DataFrame) -> Any:
    duckdb = pytest.importorskip("duckdb")
    return duckdb.from_arrow(arrow(df))


def of_polars(df: pd.DataFrame) -> pl.LazyFrame:
    return pl.from_arrow(arrow(df)).lazy()


def of_ibis(df: pd.DataFrame) -> Any:
    ibis = pytest.importorskip("ibis")
    pytest.importorskip("duckdb")
    return ibis.memtable(arrow(df))


@cache
def _sqlframe() -> Any:
    return pytest.importorskip("sqlframe.duckdb").DuckDBSession()


def of_sqlframe(df: pd.DataFrame) -> Any:
    session = _sqlframe()
    name = f"t{next(_NAMES)}"
    session._conn.register(f"{name}_arrow", arrow(df))
    session._conn.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_arrow")
    return session.table(name)


@cache
def spark(connect: bool) -> Any:
    """Start a session, where the environment asks for one: it takes ten seconds, and Java."""
    if not os.environ.get("PROPENSITY_TEST_SPARK"):
        pytest.skip("PROPENSITY_TEST_SPARK=1 asks for Spark, which needs Java")
    builder = pytest.importorskip("pyspark.sql").SparkSession.builder
    builder = builder.config("spark.sql.shuffle.partitions", "2")
    if connect:  # whose sessions do not say whether the server has pages of its own
        return builder.remote("local[2]").getOrCreate()
    return builder.config("spark.ui.enabled", "false").master("local[2]").getOrCreate()


def of_spark(df: pd.DataFrame) -> Any:
    return spark(False).createDataFrame(arrow(df))


def of_spark_connect(df: pd.DataFrame) -> Any:
    session, table = spark(True), arrow(df)
    if table.num_rows:
        return session.createDataFrame(table)
    from pyspark.sql.pandas.types import from_arrow_schema  # Connect knows no types of no rows

    return session.createDataFrame([], from_arrow_schema(table.schema))


Engine = Callable[[pd.DataFrame], Any]

SPARK: dict[str, Engine] = {
    "spark-connect" if os.environ.get("PROPENSITY_TEST_SPARK") == "connect" else "spark": (
        of_spark_connect if os.environ.get("PROPENSITY_TEST_SPARK") == "connect" else of_spark
    )
}
"""One of the two: a process holds a classic session or a Connect one."""

LAZY: dict[str, Engine] = {
    "duckdb": of_duckdb,
    "polars-lazy": of_polars,
    "ibis": of_ibis,
    "sqlframe": of_sqlframe,
    **SPARK,
}

IN_MEMORY: dict[str, Engine] = {
    "pandas": pd.DataFrame.copy,
    "polars": lambda df: pl.from_arrow(arrow(df)),
    "pyarrow": arrow,
}

ENGINES = {**LAZY, **IN_MEMORY}
