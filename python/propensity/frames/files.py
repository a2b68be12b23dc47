"""Tables in files: CSV, Parquet and DuckDB, by the ending of their name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks

_DUCKDB = ".duckdb"

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_file(path: str | Path, table: str | None = None) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : str or Path
        Ending in .csv, .tsv (also with .gz after it), .parquet or .duckdb.
    table : str or None, default None
        Which table of a DuckDB file; None takes the one that there is.

    Returns
    -------
    DataFrame

    Raises
    ------
    InvalidInputError
        The ending is none of these, or the file holds no such table.
    ImportError
        Parquet is read by pyarrow, and DuckDB's files by duckdb, which is not there.
    OSError
        There is no such file, or it cannot be read.
    """
    place = Path(path)
    endings = [ending.lower() for ending in place.suffixes if ending.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    if not place.exists():
        raise FileNotFoundError(f"{place}: there is no such file")
    if ending == _DUCKDB:
        return _of_duckdb(place, table)
    if table is not None:
        raise InvalidInputError(
            f"{place}: a table is named, {table!r}, and this file is but one; leave it out"
        )
    return _of_one_table(place, ending)


def _of_one_table(place: Path, ending: str) -> pd.DataFrame:
    """Read a file that is a table."""
    try:
        if ending == ".parquet":
            return pd.read_parquet(place)
        if ending in _SEPARATORS:
            return pd.read_csv(place, sep=_SEPARATORS[ending], low_memory=False)
    except ImportError as error:
        raise ImportError(f"{place}: Parquet is read by pyarrow: pip install pyarrow") from error
    except OSError:
        raise
    except (ValueError, pd.errors.ParserError) as error:  # also what is no UTF-8, and what is no Parquet
        raise InvalidInputError(f"{place}: this is no table that can be read: {error}") from error
    raise InvalidInputError(f"{place}: a file is read by its ending, one of .csv, .tsv, .parquet and .duckdb")


def _of_duckdb(place: Path, table: str | None) -> pd.DataFrame:
    """Read a table, or a view, of a DuckDB file."""
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError(
            f"{place}: a DuckDB file is read by duckdb: pip install propensity[duckdb]"
        ) from error
    try:
        connection = duckdb.connect(str(place), read_only=True)
    except duckdb.Error as error:
        raise InvalidInputError(f"{place}: this is no DuckDB file that can be read: {error}") from error
    with connection:
        names = [str(row[0]) for row in connection.sql("SHOW TABLES").fetchall()]
        if table is None and len(names) == 1:
            table = names[0]
        if table not in names:
            what = "which table is meant" if table is None else f"there is no table {table!r}"
            have = f"it has {checks.listed(names)}" if names else "it has none"
            raise InvalidInputError(f"{place}: {what}; {have}")
        # Decimals are the user's; the frame functions read them as float64.
        frame: pd.DataFrame = connection.table(table).df()
        return frame
