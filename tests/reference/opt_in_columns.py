"""Reduce the tutorial's file to a checksum and a small sample per column.

    python opt_in_columns.py opt_in_logs.csv.gz

The file is the output of the tutorial's own generator (50,000 users, seed 42), not of this package.
"""

import hashlib
import json
import sys
from pathlib import Path

import pandas as pd

SAMPLE_ROWS = [0, 1, 2, 3, 4, 777, 12_345, 24_999, 25_000, 40_404, 49_998, 49_999]


def checksum(column):
    """SHA-256 of the values: numbers as little-endian 8 bytes, text one a line."""
    if column.dtype.kind in "iuf":
        content = column.to_numpy().astype("<" + column.dtype.kind + "8").tobytes()
    else:
        content = "\n".join(column).encode()
    return hashlib.sha256(content).hexdigest()


def main(csv):
    logs = pd.read_csv(csv)
    columns = {
        name: {
            "kind": {"i": "int64", "f": "float64"}.get(logs[name].dtype.kind, "text"),
            "sha256": checksum(logs[name]),
            "sample": logs[name].iloc[SAMPLE_ROWS].tolist(),
        }
        for name in logs
    }
    content = {"n_users": len(logs), "seed": 42, "sample_rows": SAMPLE_ROWS, "columns": columns}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
