"""The same numbers from every instruction set that this processor has, to 1e-12.

    PYTHONPATH=tests python tests/faults/instruction_sets.py [rows]

A process runs in one instruction set, named by PROPENSITY_SIMD, so each set is asked in a process of its own.
The difference of a quantity is the largest difference of its values, relative to the largest of its values:
influences pass through 0, where a relative difference means nothing. (The functions of NumPy and of the C
library choose by the processor, whatever the variable says; old_processor.py has those too.)
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from core_calls import ALL_CALLS, arrays, quantities
from propensity import core

TESTS = Path(__file__).parents[1]
SETS = ("baseline", "avx2", "avx512")

# Enough for several chunks, the last of them with a block that is not full.
N_ROWS = 60_000


def found_here(n_rows):
    """Every quantity of every call as this process finds it."""
    data = arrays(n_rows, 4)
    calls = {name: quantities(name, call(data)) for name, call in ALL_CALLS.items()}
    return {name: {field: v.tolist() for field, v in found.items()} for name, found in calls.items()}


def found_by(command, **environment):
    """The same from another process, which `command` starts."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), **environment}
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def has(name):
    """Whether this processor has a set; the core refuses one that it has not."""
    words = [sys.executable, "-c", "from propensity import core; core.instruction_set()"]
    environment = {**os.environ, "PROPENSITY_SIMD": name}
    return subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0


def available():
    """The sets that this processor has, the widest last."""
    return list(filter(has, SETS))


def found_in(name, n_rows=N_ROWS):
    """The same in the instruction set of this name."""
    return found_by([sys.executable, __file__, "--print", str(n_rows)], PROPENSITY_SIMD=name)


def difference(here, there):
    """Largest difference relative to the largest value; infinite where only one has a number."""
    a, b = np.array(here, dtype=float), np.array(there, dtype=float)
    if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
        return np.inf
    alike = (a == b) & np.isinf(a)  # no critical value, here and there
    a, b = np.where(alike, 0.0, a), np.where(alike, 0.0, b)
    gap, size = (np.nanmax(np.abs(v), initial=0.0) for v in (a - b, a))
    return gap / size if gap else 0.0


def table(here, there):
    """A line for each call: how many numbers, how many with equal bits, the largest difference."""
    lines = []
    for name, fields in here.items():
        ours, theirs = ([np.array(v[f], dtype=float) for f in fields] for v in (fields, there[name]))
        n_equal = sum(
            np.array_equal(x, y, equal_nan=True)
            for a, b in zip(ours, theirs, strict=True)
            for x, y in zip(a, b, strict=True)
        )
        worst = max(difference(fields[f], there[name][f]) for f in fields)
        lines.append(f"| {name} | {sum(map(len, ours))} | {n_equal} | {worst:.1e} |\n")
    return lines


def main(n_rows=N_ROWS):
    """Print the table."""
    *others, widest = available()
    ours = found_in(widest, n_rows)
    sys.stdout.write("| sets | call | numbers | equal bits | largest difference |\n|---|---|---|---|---|\n")
    for other in others:
        sys.stdout.writelines(f"| {widest}, {other} {line}" for line in table(ours, found_in(other, n_rows)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--print"]:
        assert os.environ.get("PROPENSITY_SIMD", "") in ("", core.instruction_set())
        sys.stdout.write(json.dumps(found_here(int(sys.argv[2]))))
    else:
        main(*map(int, sys.argv[1:]))
