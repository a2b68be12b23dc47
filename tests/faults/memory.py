"""Calls in a process that may not have the memory they need: MemoryError or the right answer, never an abort.

    PYTHONPATH=tests python tests/faults/memory.py

Each call runs in a child whose address space is limited, as `ulimit -v` does, to what it has before the
call and some more: from next to nothing, up to more than enough.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import psutil

from core_calls import ALL_CALLS, arrays, numbers

TESTS = Path(__file__).parents[1]
N_ROWS = 400_000
MEGABYTES = (1, 2, 5, 10, 15, 20, 30, 40, 50, 65, 80, 100, 150, 200, 400)
SECONDS = 120


def child(name, megabytes, n_rows):
    """Make the call under the limit, and say how it went."""
    data = arrays(n_rows, 4)
    options = {"n_threads": 1}
    numbers(name, ALL_CALLS[name](arrays(1_000, 4), **options))
    room = psutil.Process().memory_info().vms + megabytes * 2**20
    unlimited = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (room, unlimited))
    try:
        ALL_CALLS[name](data, **options)
        word = "answered"
    except MemoryError as error:
        word = f"MemoryError: {error}"
    resource.setrlimit(resource.RLIMIT_AS, (unlimited, unlimited))
    sys.stdout.write(json.dumps(word))


def outcome(name, megabytes, n_rows=N_ROWS):
    """Tell how it went: "answered", "MemoryError: ...", or "died: ..." with its last words."""
    words = [sys.executable, __file__, name, str(megabytes), str(n_rows)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        return f"died: {done.returncode} {done.stderr[-300:]}"
    return json.loads(done.stdout)


def main():
    """Print the table."""
    sys.stdout.write("| call | MemoryError up to | answered from | died |\n|---|---|---|---|\n")
    for name in ALL_CALLS:
        found = {megabytes: outcome(name, megabytes) for megabytes in MEGABYTES}
        refused = [size for size, word in found.items() if word.startswith("MemoryError")]
        answered = [size for size, word in found.items() if word == "answered"]
        died = {size: word for size, word in found.items() if word.startswith("died")}
        cells = [f"{max(refused, default=0)} MB", f"{min(answered, default=0)} MB", str(len(died))]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
        for size, word in died.items():
            sys.stderr.write(f"{name}, {size} MB: {word}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
