"""The wheel on a processor without AVX, under qemu-user: the same numbers, to 1e-12.

    PYTHONPATH=tests python tests/faults/old_processor.py [model of qemu-x86_64 -cpu]

NumPy's own wheels ask for SSE4.2 (x86-64-v2), so Nehalem of 2008 is the oldest that can be asked here; the
core alone needs no more than the first x86-64.
"""

import shutil
import sys

import instruction_sets

MODEL = "Nehalem"
N_ROWS = 3_000


def found_on(model):
    """What an emulated processor of this model finds."""
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if emulator is None:
        raise FileNotFoundError("qemu-x86_64: install qemu-user")
    command = [emulator, "-cpu", model, sys.executable, instruction_sets.__file__, "--print", str(N_ROWS)]
    return instruction_sets.found_by(command, RAYON_NUM_THREADS="1")


def main(model=MODEL):
    """Print the table."""
    here, there = instruction_sets.found_here(N_ROWS), found_on(model)
    sys.stdout.write("| call | numbers | equal bits | largest difference |\n|---|---|---|---|\n")
    sys.stdout.writelines(instruction_sets.table(here, there))


if __name__ == "__main__":
    main(*sys.argv[1:])
