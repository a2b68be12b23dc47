"""Tables in files: CSV and Parquet, by the ending of their name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from propensity.errors import InvalidInputError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_file(path: str | Path) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : str or Path
        Ending in .csv, .tsv (also with .gz after it) or .parquet.

    Returns
    -------
    DataFrame

    Raises
    ------
    InvalidInputError
        The ending is none of these, or the file holds no such table.
    ImportError
        Parquet is read by pyarrow, which is not there.
    OSError
        There is no such file, or it cannot be read.
    """
    place = Path(path)
    endings = [ending.lower() for ending in place.suffixes if ending.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    if not place.exists():
        raise FileNotFoundError(f"{place}: there is no such file")
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
    raise InvalidInputError(f"{place}: a file is read by its ending, one of .csv, .tsv and .parquet")
