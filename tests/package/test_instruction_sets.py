"""The dispatch between instruction sets: each one that this processor has gives the same numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core_calls import ALL_CALLS
from propensity import core

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import instruction_sets

N_ROWS = 20_000
SETS = instruction_sets.available()


@pytest.fixture(scope="module")
def widest():
    return instruction_sets.found_in(SETS[-1], N_ROWS)


@pytest.mark.skipif(len(SETS) == 1, reason="this processor has one instruction set")
@pytest.mark.parametrize("name", SETS[:-1])
def test_instruction_sets_agree(name, widest):
    found = instruction_sets.found_in(name, N_ROWS)
    for call in ALL_CALLS:
        for quantity, values in widest[call].items():
            gap = instruction_sets.difference(values, found[call][quantity])
            assert gap <= 1e-12, f"{call}, {quantity}: {gap:.1e}"


@pytest.mark.skipif("PROPENSITY_SIMD" in os.environ, reason="it was told which to take")
@pytest.mark.skipif("avx2" not in SETS, reason="the names are those of x86-64")
def test_widest_instruction_set_is_the_default():
    assert core.instruction_set() == SETS[-1]


@pytest.mark.parametrize("name", SETS)
def test_instruction_set_is_the_one_asked_for(name):
    assert asked(name, "print(core.instruction_set())") == name


def test_unknown_instruction_set_is_refused_at_the_first_call():
    message = asked("sse9", "core.smd(np.eye(4), np.arange(4) > 1)")
    assert message.startswith("PROPENSITY_SIMD must be baseline")
    assert message.endswith('not "sse9"')


def asked(name, code):
    """What a process that is told to run in an instruction set prints, its error included."""
    lines = [
        "import numpy as np",
        "from propensity import core, errors",
        "try:",
        f"    {code}",
        "except errors.InvalidInputError as error:",
        "    print(error)",
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PROPENSITY_SIMD": name},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
