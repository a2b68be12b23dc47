"""Every library of tables that a pandas frame is tried in, and a copy of itself."""

import polars as pl
import pyarrow as pa

LIBRARIES = {
    "pandas": lambda df: df.copy(),
    "polars": pl.from_pandas,
    "pyarrow": lambda df: pa.Table.from_pandas(df, preserve_index=False),
}
