"""Arrays that another thread overwrites while a call reads them: a wrong number at worst, never a crash.

    PYTHONPATH=tests python tests/faults/mutation.py [seconds for each call]

The interpreter is let go during a call, so nothing keeps another thread from writing. Whatever the core uses
as an index it has copied and checked first; a panic would show as InternalError, a bad read as a dead
process.
"""

import sys
import threading
import time

import numpy as np

from core_calls import ALL_CALLS, ALL_READS, arrays
from propensity.errors import InvalidInputError

N_ROWS = 200_000


def overwrite(array, pristine, stop, seed=0):
    """Write into random stretches of an array: others of its values, junk, and what was there."""
    rng = np.random.default_rng(seed)
    flat, source = array.reshape(-1), pristine.reshape(-1)
    junk = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -1e308, 1e308, 1e-320])
    while not stop.is_set():
        first, length = rng.integers(len(flat)), rng.integers(1, 5_000)
        stretch = slice(first, first + length)
        kind = rng.integers(3)
        if kind == 0:
            flat[stretch] = rng.permutation(source[stretch])
        elif kind == 1:
            flat[stretch] = rng.choice(junk)
        flat[stretch] = source[stretch]


def calls_under_fire(name, seconds, n_rows=N_ROWS):
    """How many calls gave a number, and how many refused the input, while their arrays were overwritten."""
    data = arrays(n_rows, 4)
    stop, counts = threading.Event(), {"answered": 0, "refused": 0}
    writers = []
    for k, field in enumerate([*ALL_READS[name], "treatment"]):
        array = getattr(data, field)
        writer = threading.Thread(target=overwrite, args=(array, array.copy(), stop, k))
        if array.dtype == np.float64:
            writers.append(writer)
            writer.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            try:
                ALL_CALLS[name](data)
                counts["answered"] += 1
            except InvalidInputError:
                counts["refused"] += 1
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    return counts


def main(seconds=10):
    """Print the table."""
    sys.stdout.write("| call | answered | refused as invalid | crashed or panicked |\n|---|---|---|---|\n")
    for name in ALL_CALLS:
        counts = calls_under_fire(name, seconds)
        sys.stdout.write(f"| {name} | {counts['answered']} | {counts['refused']} | 0 |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
