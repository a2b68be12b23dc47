"""How long Ctrl-C takes at 1,000,000 rows, in a bare interpreter and in a Jupyter kernel.

    PYTHONPATH=tests python tests/faults/interrupts.py [tries]

Each try starts a long call, presses Ctrl-C at a random moment in it, and measures until the exception is
there; then it checks that the next call gives the bits it gave before.
"""

import functools
import os
import random
import signal
import sys
import textwrap
import threading
import time

import numpy as np
from jupyter_client.manager import start_new_kernel

from core_calls import ALL_CALLS, arrays, numbers

N_ROWS = 1_000_000
CASES = {
    "fit_propensity": (30, {"n_threads": 1}),
    "match_nn": (1, {"n_threads": 1, "n_neighbors": 2_000}),
    "match_nn, without replacement": (1, {"n_threads": 1, "order": "closest"}),
    "match_nn, mahalanobis": (4, {"n_threads": 1, "n_neighbors": 5}),
    "bootstrap": (3, {"n_reps": 1_000_000}),
    "boosted_scores": (10, {"max_trees": 1_000}),
    "boosted_outcomes": (10, {"max_trees": 1_000}),
}
# Seconds after the start of a call at the latest: each takes longer than that.
LATEST = dict.fromkeys(CASES, 0.6) | {"fit_propensity": 0.2, "match_nn, without replacement": 0.2}


def _press(wait, sent):
    time.sleep(wait)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)


def bare(name, tries, seed=0):
    """Seconds from the signal to the exception, one a try."""
    draw = random.Random(seed)
    n_columns, options = CASES[name]
    data, small = arrays(N_ROWS, n_columns), arrays(1_000)
    expected = numbers(name, ALL_CALLS[name](small))
    seconds = []
    for _ in range(tries):
        sent, wait = [], draw.uniform(0.02, LATEST[name])
        press = functools.partial(_press, wait, sent)
        thread = threading.Thread(target=press)
        thread.start()
        try:
            ALL_CALLS[name](data, **options)
        except KeyboardInterrupt:
            seconds.append(time.perf_counter() - sent[0])
        thread.join()
        assert (numbers(name, ALL_CALLS[name](small)) == expected).all()
    assert len(seconds) == tries, f"{name}: {tries - len(seconds)} calls ended before Ctrl-C"
    return seconds


def jupyter(name, tries, seed=0):
    """The same from outside a kernel, as the stop button does: until the kernel is free again."""
    draw = random.Random(seed)
    n_columns, options = CASES[name]
    manager, client = start_new_kernel(kernel_name="python3", env=dict(os.environ))
    seconds = []
    try:
        setup = f"""
            from core_calls import ALL_CALLS, arrays, numbers
            data, small = arrays({N_ROWS}, {n_columns}), arrays(1_000)
            expected = numbers({name!r}, ALL_CALLS[{name!r}](small))
        """
        assert client.execute_interactive(textwrap.dedent(setup), timeout=60)["content"]["status"] == "ok"
        for _ in range(tries):
            message = client.execute(f"ALL_CALLS[{name!r}](data, **{options!r})", stop_on_error=False)
            time.sleep(draw.uniform(0.02, LATEST[name]))
            sent = time.perf_counter()
            manager.interrupt_kernel()
            reply = client.get_shell_msg(timeout=60)
            while reply["parent_header"].get("msg_id") != message:
                reply = client.get_shell_msg(timeout=60)
            seconds.append(time.perf_counter() - sent)
            assert reply["content"].get("ename") == "KeyboardInterrupt", reply["content"]
            check = f"assert (numbers({name!r}, ALL_CALLS[{name!r}](small)) == expected).all()"
            assert client.execute_interactive(check, timeout=60)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return seconds


def main(tries=20):
    """Print the table."""
    sys.stdout.write("| call | where | tries | median | p95 | longest |\n|---|---|---|---|---|---|\n")
    for name in CASES:
        for where, measure in {"bare": bare, "Jupyter": jupyter}.items():
            found = np.array(measure(name, tries))
            cells = [f"{q:.3f} s" for q in (np.median(found), np.quantile(found, 0.95), found.max())]
            sys.stdout.write(f"| {name} | {where} | {tries} | {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
