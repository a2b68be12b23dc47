"""What a test can only see in a process of its own: peak memory, Ctrl-C, fork.

`run("memory", "smd", "C")` starts this file with these words and gives back what it found.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil

from core_calls import ALL_CALLS, CALLS, arrays, numbers

TESTS = Path(__file__).parent
SECONDS = 120


def run(*words):
    """Run one of the functions below in a new process: the dict it found."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, __file__, *words]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _peak_bytes():
    """The most memory this process has held; Linux's `ru_maxrss` will not do, it starts from the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


ROWS_AND_COLUMNS = {
    "fit_propensity": (800_000, 32),
    "bootstrap": (800_000, 48),  # scratch is some 130 bytes a row here, a copy of x would be 384
    "smd": (800_000, 32),
    "ipw": (4_000_000, 1),
    "match_nn": (1_000_000, 1),
}


def memory(name, order):
    """What one call on large arrays needs beyond them: at most this far did the peak of the process rise."""
    CALLS[name](arrays(100))
    data = arrays(*ROWS_AND_COLUMNS[name])
    if order == "F":
        data = replace(data, x=_fortran_order(data.x))
    before = psutil.Process().memory_info().rss
    options = {"n_reps": 2, "n_threads": 1} if name == "bootstrap" else {}
    result = CALLS[name](data, **options)
    return {
        "extra_bytes": _peak_bytes() - before,
        "bytes_of_x": data.x.nbytes,
        "bytes_of_a_column": data.scores.nbytes,
        "bytes_of_result": numbers(name, result).nbytes,
    }


def _fortran_order(x):
    """The same values in Fortran order, made in the memory of x itself."""
    # Any values do, so the memory is only read in the other order.
    return x.reshape(-1).reshape(x.shape, order="F")


LARGE = {
    "fit_propensity": (1_500_000, 30, {"n_threads": 1}),
    "match_nn": (2_000_000, 1, {"n_threads": 1, "n_neighbors": 1_000}),
    "forest_scores": (200_000, 10, {}),
    "bootstrap": (50_000, 5, {"n_reps": 1_000_000}),
    "boosted_scores": (1_000_000, 10, {"n_threads": 1, "max_trees": 1_000}),
}


def interrupt(name):
    """Ctrl-C in the midst of a large call: the exception, how long it took, and the next call's bits."""
    small = arrays(1_000)
    expected = numbers(name, CALLS[name](small))
    n_rows, n_columns, options = LARGE[name]
    data = arrays(n_rows, n_columns)
    sent = []

    def press():
        time.sleep(0.3)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    try:
        CALLS[name](data, **options)
        caught = "nothing"
    except KeyboardInterrupt:
        caught = "KeyboardInterrupt"
    seconds = time.perf_counter() - sent[0] if sent else None
    again = numbers(name, CALLS[name](small))
    return {"caught": caught, "seconds": seconds, "next_is_right": bool((again == expected).all())}


def fork():
    """After use, fork: does each function work in the child, and give the same bits?"""
    data = arrays(20_000)
    expected = {name: numbers(name, call(data)) for name, call in ALL_CALLS.items()}
    child = os.fork()
    if child == 0:
        same = all((numbers(name, call(data)) == expected[name]).all() for name, call in ALL_CALLS.items())
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return {"child": "right" if os.waitstatus_to_exitcode(status) == 0 else "wrong"}
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    return {"child": "hung"}


if __name__ == "__main__":
    found = {"memory": memory, "interrupt": interrupt, "fork": fork}[sys.argv[1]](*sys.argv[2:])
    sys.stdout.write(json.dumps(found))
