"""Times of two ways to do a job, taken in turn, so that a busy machine slows both; and memory."""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import psutil

Sides: TypeAlias = dict[str, Callable[[], object]]
"""Ways to do a job, by name."""


@dataclass(frozen=True)
class Row:
    """A line of the table: a job, how long two ways to do it take, and the ratio that is wanted.

    Attributes
    ----------
    part : str
        The table it belongs to.
    job : str
    other : str
        What the package is compared with.
    other_value, own_value : float
        In `unit`, medians.
    bar : float
        The least other_value / own_value; `nan` where nothing is promised.
    unit : {"s", "MB", "ns"}
        Nanoseconds are those of a row in a replicate.
    note : str
    """

    part: str
    job: str
    other: str
    other_value: float
    own_value: float
    bar: float = float("nan")
    unit: str = "s"
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as much the other takes."""
        return self.other_value / self.own_value


def seconds(run: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def nanoseconds(run: Callable[[int], object], n: int, few: int, many: int) -> float:
    """Time a row in a replicate, and nothing else: what many replicates of n rows take beyond few."""
    at_first = seconds(partial(run, few))
    return 1e9 * (seconds(partial(run, many)) - at_first) / (many - few) / n


REST = 0.5
"""Seconds before a side's turn: threads that the other has called up look for more work for a while."""


def medians(sides: Sides, rounds: int) -> dict[str, float]:
    """Time each side once a round, in turn, and give their medians."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            time.sleep(REST)
            found[name].append(seconds(run))
    return {name: statistics.median(times) for name, times in found.items()}


def peak_megabytes(prepare: Callable[[], Callable[[], object]]) -> float:
    """Measure the memory that a call takes beyond what it is given.

    Parameters
    ----------
    prepare : callable
        Gives the call, its input made; picklable, for a process of its own, where no earlier work has left
        memory to reuse.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_peak, (prepare,))


def _measure_peak(prepare: Callable[[], Callable[[], object]]) -> float:
    return watched(prepare())


def watched(run: Callable[[], object]) -> float:
    """Give the megabytes that a call takes at most beyond what this process holds."""
    process, done = psutil.Process(), threading.Event()
    samples: list[int] = [process.memory_info().rss]

    def watch() -> None:
        while not done.wait(0.001):
            samples.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    return (max(samples) - samples[0]) / 1e6


def machine(packages: Iterable[str]) -> str:
    """Describe the machine and the versions, without a name of either host or user."""
    from importlib.metadata import version  # noqa: PLC0415

    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{_processor()} ({platform.machine()}), {os.cpu_count()} cores, {memory:.0f} GiB of memory; "
        f"{platform.system()}, Python {platform.python_version()}; {versions}"
    )


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    if not about.exists():
        return platform.processor() or "unknown processor"
    lines = [line.partition(":") for line in about.read_text().splitlines()]
    found = {name.strip(): value.strip() for name, _, value in reversed(lines)}
    flags = found.get("flags", "").split()
    widest = next((name for name in ("avx512f", "avx2", "sse2") if name in flags), "")
    return f"{found.get('model name', 'unknown processor')} with {widest.upper()}"
