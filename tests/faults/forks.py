"""Every way of starting a process or a thread, after this process has called the core: does it work there?

    PYTHONPATH=tests python tests/faults/forks.py

A pool of threads that outlives its call is dead in a forked child, and whoever waits for it waits for ever.
"""

import multiprocessing
import os
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib

from core_calls import ALL_CALLS, arrays, numbers

N_ROWS = 20_000
N_WORKERS = 4
SECONDS = 60


def digest(name):
    """The bits of one call on the same arrays, whoever makes it."""
    return numbers(name, ALL_CALLS[name](arrays(N_ROWS))).tobytes()


def by_os_fork(names, expected):
    """Fork without exec, as gunicorn and old job queues do."""
    child = os.fork()
    if child == 0:
        os._exit(0 if [digest(name) for name in names] == expected else 1)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    raise TimeoutError


def by_multiprocessing(method):
    """A pool of processes started by `method`."""

    def run(names, expected):
        with multiprocessing.get_context(method).Pool(2) as pool:
            return pool.map_async(digest, names).get(timeout=SECONDS) == expected

    return run


def by_joblib(backend):
    """More workers than there are cores, on one of joblib's backends."""

    def run(names, expected):
        parallel = joblib.Parallel(n_jobs=N_WORKERS, backend=backend, timeout=SECONDS)
        return parallel(joblib.delayed(digest)(name) for name in names) == expected

    return run


def by_threads(names, expected):
    """Python threads that call at the same time."""
    with ThreadPoolExecutor(N_WORKERS) as pool:
        return list(pool.map(digest, names, timeout=SECONDS)) == expected


WAYS = {
    "os.fork": by_os_fork,
    "multiprocessing, fork": by_multiprocessing("fork"),
    "multiprocessing, spawn": by_multiprocessing("spawn"),
    "multiprocessing, forkserver": by_multiprocessing("forkserver"),
    "joblib, loky": by_joblib("loky"),
    "joblib, multiprocessing": by_joblib("multiprocessing"),
    "joblib, threading": by_joblib("threading"),
    "concurrent.futures, threads": by_threads,
}


def outcome(way, names=tuple(ALL_CALLS)):
    """Tell how it went, "right", "wrong" or "hung", and the seconds it took."""
    names = list(names)
    expected = [digest(name) for name in names]
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of any fork beside threads
            word = "right" if WAYS[way](names, expected) else "wrong"
    except (TimeoutError, multiprocessing.TimeoutError):
        word = "hung"
    return word, time.perf_counter() - start


def main():
    """Print the table."""
    sys.stdout.write("| way | outcome | seconds |\n|---|---|---|\n")
    for way in WAYS:
        word, seconds = outcome(way)
        sys.stdout.write(f"| {way} | {word} | {seconds:.1f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
