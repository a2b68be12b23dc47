"""The wheel on a processor without AVX, under qemu-user: the same numbers, to 1e-12.

    PYTHONPATH=tests python tests/faults/old_processor.py [model of qemu-x86_64 -cpu]

NumPy's own wheels ask for SSE4.2 (x86-64-v2), so Nehalem of 2008 is the oldest that can be asked here; the
core alone needs no more than the first x86-64.
"""

import json
import shutil
import subprocess
import sys

import numpy as np

from core_calls import ALL_CALLS, arrays, numbers

MODEL = "Nehalem"
N_ROWS = 3_000


def found_here():
    """All numbers of all calls, on one thread."""
    data = arrays(N_ROWS, 4)
    return {name: numbers(name, call(data, n_threads=1)).tolist() for name, call in ALL_CALLS.items()}


def found_on(model):
    """The same under emulation."""
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if emulator is None:
        raise FileNotFoundError("qemu-x86_64: install qemu-user")
    command = [emulator, "-cpu", model, sys.executable, __file__, "--print"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def main(model=MODEL):
    """Print the table."""
    here, there = found_here(), found_on(model)
    sys.stdout.write("| call | numbers | equal bits | largest relative difference |\n|---|---|---|---|\n")
    for name, values in here.items():
        a, b = np.array(values, dtype=float), np.array(there[name], dtype=float)
        gap = np.nanmax(np.abs(a - b) / np.maximum(np.abs(a), 1e-300), initial=0.0)
        equal = int(((a == b) | (np.isnan(a) & np.isnan(b))).sum())
        sys.stdout.write(f"| {name} | {len(a)} | {equal} | {gap:.1e} |\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(json.dumps(found_here()))
    else:
        main(*sys.argv[1:])
