"""Each call lets other Python threads run, stops at Ctrl-C, and works in a forked process."""

import itertools
import os
import sys
import threading
import time

import pytest

from core_calls import CALLS, arrays
from core_process import run

ROWS_AND_COLUMNS = {
    "fit_propensity": (200_000, 20),
    "forest_scores": (5_000, 3),
    "fit_weights": (200_000, 20),
    "boosted_scores": (100_000, 5),
    "boosted_outcomes": (100_000, 5),
    "balanced_effect": (200_000, 10),
    "ipw": (2_000_000, 1),
    "ipw truncated": (2_000_000, 1),
    "weighted_effect": (2_000_000, 1),
    "match_nn": (500_000, 1),
    "match_optimal": (500_000, 1),
    "match_full": (500_000, 1),
    "matching_effect": (200_000, 5),
    "smd": (500_000, 20),
    "balance": (200_000, 5),
    "product_smds": (200_000, 20),
    "bootstrap balancing": (20_000, 3),
    "sensitivity_bounds": (20_000, 3),
    "bootstrap": (20_000, 3),
}


@pytest.fixture
def no_switching():
    """Threads change only where the running one lets go of the interpreter by itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("name", CALLS)
def test_other_python_threads_run_during_a_call(name, no_switching):
    data = arrays(*ROWS_AND_COLUMNS[name])
    ticks, finished = [], threading.Event()

    def count():
        while not finished.wait(0.001):
            ticks.append(time.perf_counter())

    counter = threading.Thread(target=count)
    counter.start()
    start = time.perf_counter()
    while time.perf_counter() - start < 0.3:
        CALLS[name](data)
    end = time.perf_counter()
    finished.set()
    counter.join()
    moments = [start, *(tick for tick in ticks if start < tick < end), end]
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    silent = sum(gap for gap in gaps if gap > 0.05)
    assert silent < (end - start) / 2, f"the counting thread stood still for {silent:.3f} s"


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize("name", ["fit_propensity", "forest_scores", "match_nn", "bootstrap"])
def test_ctrl_c_stops_a_large_call_and_the_next_one_is_right(name, record_property):
    found = run("interrupt", name)
    record_property("seconds", found["seconds"])
    assert found["caught"] == "KeyboardInterrupt"
    assert found["seconds"] < 1.0
    assert found["next_is_right"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_can_call_what_its_parent_called():
    assert run("fork") == {"child": "right"}
