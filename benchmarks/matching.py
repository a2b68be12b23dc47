"""Matching against scikit-learn's NearestNeighbors, and how matching without replacement grows, in one run.

Scores are given; what is timed is the search alone. The two sides alternate, so that a busy machine slows
both, and their distances are compared.

    python benchmarks/matching.py                # up to 1,000,000 rows
    python benchmarks/matching.py --large        # 5,000,000 too
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestNeighbors

from propensity import core

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def main() -> None:
    """Time each job, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="also 5,000,000 rows")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")

    scores, treated = _scored(1_000_000)
    line = scores[:, None]
    _print_ratio(
        "with replacement on the score, 1,000,000 rows (wanted: 5 times)",
        _medians(
            {
                "core.match_nn": lambda: core.match_nn(scores, treated),
                "NearestNeighbors": lambda: _neighbors(line, treated),
            },
            options.rounds,
        ),
    )
    x, treated_x = _covariates(100_000)
    places = core.match_nn(None, treated_x, covariates=x, on="mahalanobis").coordinates
    assert places is not None
    _compare(places, x, treated_x)
    _print_ratio(
        "Mahalanobis, 5 covariates, 100,000 rows (wanted: 3 times; whitened for NearestNeighbors)",
        _medians(
            {
                "core.match_nn": lambda: core.match_nn(None, treated_x, covariates=x, on="mahalanobis"),
                "NearestNeighbors": lambda: _neighbors(places, treated_x),
            },
            options.rounds,
        ),
    )
    sizes = [50_000, 200_000, 1_000_000, *([5_000_000] if options.large else [])]
    print("without replacement on the score, seconds (wanted at 1,000,000: under 2)")
    for n in sizes:
        _print_growth(n, options.rounds if n < 5_000_000 else 1)


def _scored(n: int) -> tuple[Floats, Bools]:
    rng = np.random.default_rng(n)
    scores = rng.beta(2, 5, n)
    return scores, rng.random(n) < scores


def _covariates(n: int) -> tuple[Floats, Bools]:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 5))
    return x, rng.random(n) < 1 / (1 + np.exp(0.5 - 0.5 * x[:, 0]))


def _neighbors(places: Floats, treated: Bools) -> Floats:
    distances, _ = NearestNeighbors(n_neighbors=1).fit(places[~treated]).kneighbors(places[treated])
    return np.asarray(distances)[:, 0]


def _compare(places: Floats, x: Floats, treated: Bools) -> None:
    found = core.match_nn(None, treated, covariates=x, on="mahalanobis")
    own = np.linalg.norm(places[found.focal] - places[found.donors[found.first]], axis=1)
    np.testing.assert_allclose(own, _neighbors(places, treated), rtol=1e-9)


def _medians(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _print_ratio(job: str, medians: Mapping[str, float]) -> None:
    own, other = medians.values()
    words = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in medians.items())
    print(f"{job}: {words}: {other / own:.1f} times")


def _print_growth(n: int, rounds: int) -> None:
    scores, treated = _scored(n)
    jobs: dict[str, Callable[[], object]] = {
        "largest": lambda: core.match_nn(scores, treated, replace=False, order="largest"),
        "closest": lambda: core.match_nn(scores, treated, replace=False, order="closest"),
        "random": lambda: core.match_nn(scores, treated, replace=False, order="random"),
    }
    medians = _medians(jobs, rounds)
    scaled = {name: 1e9 * seconds / (n * np.log2(n)) for name, seconds in medians.items()}
    words = ", ".join(f"{name} {medians[name]:.3f} ({scaled[name]:.1f} ns / n log2 n)" for name in jobs)
    print(f"  {n:>9,}: {words}")


if __name__ == "__main__":
    main()
