"""The same bits on any number of threads, again and again.

PYTHONPATH=tests python tests/faults/threads.py [times]
"""

import sys
import time

from core_calls import ALL_CALLS, arrays, numbers

THREADS = (1, 2, 3, 4, 7, 8, 16, 32, 64)

# Enough rows for several chunks, so that there is something to share out.
N_ROWS = 100_000


def different(name, times, n_rows=N_ROWS):
    """The numbers of threads whose bits are not those of one thread, in any of `times` calls."""
    data = arrays(n_rows, 4)
    expected = numbers(name, ALL_CALLS[name](data, n_threads=1)).tobytes()
    return [
        n_threads
        for _ in range(times)
        for n_threads in THREADS
        if numbers(name, ALL_CALLS[name](data, n_threads=n_threads)).tobytes() != expected
    ]


def main(times=20):
    """Print the table."""
    sys.stdout.write("| call | calls | different bits | seconds |\n|---|---|---|---|\n")
    for name in ALL_CALLS:
        start = time.perf_counter()
        found = different(name, times)
        seconds = time.perf_counter() - start
        sys.stdout.write(f"| {name} | {times * len(THREADS)} | {len(found)} | {seconds:.1f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
