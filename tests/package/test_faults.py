"""A short form of each script in tests/faults: what is tried there at length holds here, on every run."""

import sys
from pathlib import Path

import pytest

from core_calls import ALL_CALLS

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import forks
import memory
import mutation
import threads

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and forks as on Linux")


@linux
@pytest.mark.parametrize("way", forks.WAYS)
def test_every_way_of_starting_a_process_gives_the_same_bits(way):
    assert forks.outcome(way, ("fit_propensity", "bootstrap"))[0] == "right"


@pytest.mark.parametrize("name", ALL_CALLS)
def test_bits_do_not_depend_on_the_number_of_threads(name):
    assert threads.different(name, times=2, n_rows=40_000) == []


@pytest.mark.parametrize("name", ALL_CALLS)
def test_arrays_overwritten_during_a_call_never_crash_it(name):
    counts = mutation.calls_under_fire(name, seconds=1, n_rows=50_000)
    assert sum(counts.values()) > 0


@linux
@pytest.mark.parametrize("name", ALL_CALLS)
@pytest.mark.parametrize("megabytes", [1, 15, 50])
def test_a_call_without_memory_ends_in_an_error(name, megabytes):
    word = memory.outcome(name, megabytes)
    assert word == "answered" or word.startswith("MemoryError")
