"""A bounded piece of the junk-call fuzzer on every run; `make fuzz` makes a million calls."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import fuzz

CALLS, SEED = 10_000, 1_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of memory to be had there")
def test_junk_calls_are_answered_or_refused():
    tally = fuzz.run(CALLS, SEED, processes=2)
    assert tally.calls == CALLS
    assert tally.outcomes["answered"] > CALLS / 10
    assert not tally.findings, "\n".join(
        f"{finding['what']} (tests/faults/fuzz.py --one {finding['seed']} {finding['call']})"
        for finding in tally.findings.values()
    )
