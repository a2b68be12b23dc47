"""What equal bits in every instruction set would cost: at least the multiplication and addition in one step.

    PYTHONPATH=tests python tests/faults/fused.py [rounds]

Builds the core once more, from a copy of its source in which these are two steps, as they are where there is
no other way; needs cargo. Both cores then take turns, a process each, on one thread. The sums would have to
be added in one order too, which is not in this figure.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import panics
from instruction_sets import available

BUILD = panics.ROOT / "target" / "unfused"
FUSED = re.compile(r"simd\.mul_add_e_f64s\(")
UNFUSED = """
#[inline(always)]
pub fn unfused<S: pulp::Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
    simd.add_f64s(simd.mul_f64s(a, b), c)
}
"""
CASES = {
    "fit_propensity": (200_000, 10, {}),
    "fit_propensity, wide": (50_000, 50, {}),
    "bootstrap": (50_000, 10, {"n_reps": 20}),
}


def build():
    """The package of the core without fused steps."""
    source = BUILD / "source"
    shutil.rmtree(source, ignore_errors=True)
    for name in ("src", "benches", "tests"):
        shutil.copytree(panics.ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Cargo.toml", "Cargo.lock", "README.md"):
        shutil.copy(panics.ROOT / name, source / name)
    replaced = 0
    for path in [source / "src" / "kernels.rs", *(source / "src" / "kernels").glob("*.rs")]:
        text, count = FUSED.subn("crate::kernels::instructions::unfused(simd, ", path.read_text())
        path.write_text(text)
        replaced += count
    assert replaced > 0, "no fused step found: has it another name now?"
    with (source / "src" / "kernels" / "instructions.rs").open("a") as file:
        file.write(UNFUSED)
    command = ["cargo", "build", "--locked", "--release", "--lib", "--features", "python"]
    subprocess.run([*command, "--target-dir", BUILD], cwd=source, check=True, capture_output=True)
    return panics.lay_out(BUILD, next((BUILD / "release").glob("libpropensity.*o")))


def child(name):
    """Print the seconds that a call takes, at best."""
    from core_calls import CALLS, arrays

    n_rows, n_columns, options = CASES[name]
    data, seconds = arrays(n_rows, n_columns), []
    for _ in range(4):
        start = time.perf_counter()
        CALLS[name.split(",")[0]](data, n_threads=1, **options)
        seconds.append(time.perf_counter() - start)
    sys.stdout.write(json.dumps(min(seconds)))


def measured(name, instruction_set, *packages):
    """The same from a process of its own, with another core where a package is given."""
    path = os.pathsep.join(map(str, [*packages, panics.ROOT / "tests"]))
    environment = {**os.environ, "PROPENSITY_SIMD": instruction_set, "PYTHONPATH": path}
    command = [sys.executable, __file__, "--time", name]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def main(rounds=7):
    """Print the table: medians of the turns, and of the ratios within a turn."""
    package = build()
    sys.stdout.write("| call | set | one step | two steps | costs |\n|---|---|---|---|---|\n")
    for name in CASES:
        for instruction_set in [name for name in available() if name != "baseline"]:
            turns = [
                (measured(name, instruction_set), measured(name, instruction_set, package))
                for _ in range(rounds)
            ]
            one, two = (1e3 * statistics.median(seconds) for seconds in zip(*turns, strict=True))
            cost = statistics.median(after / before for before, after in turns) - 1
            cells = f"{one:.0f} ms | {two:.0f} ms | {cost:+.0%}"
            sys.stdout.write(f"| {name} | {instruction_set} | {cells} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--time"]:
        child(sys.argv[2])
    else:
        main(*map(int, sys.argv[1:]))
