"""Count the kernels' instructions under callgrind, and compare with the budget in `instructions.json`.

A time depends on the machine and on what else runs there; the number of instructions does not. valgrind shows
a program the same processor wherever the real one has AVX2, so that the kernels and the C library take the
same paths, and the counts agree to the last digit from run to run. They do depend on the compiler: the budget
says which one it was counted with.

    python benches/instructions.py             # fails where a kernel takes 5% more than its budget
    python benches/instructions.py --update    # writes new budgets, for a change that is worth its price
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUDGET = Path(__file__).with_suffix(".json")

TOLERATED = 0.05  # a slowdown of 10% must fail; rounding of inlining decisions moves counts by 1% or 2%


def main() -> None:
    """Count, compare, and exit with 1 where a kernel is over its budget."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the counts as the new budget")
    update = parser.parse_args().update
    if not _can_count():
        print("instructions: not counted; that takes Linux on an x86-64 processor with AVX2")
        return
    if shutil.which("valgrind") is None:
        sys.exit("please install valgrind, under which the kernels' instructions are counted")
    counts, compiler = count(_build()), _output("rustc", "--version").strip()
    if update:
        BUDGET.write_text(json.dumps({"compiler": compiler, "instructions": counts}, indent=2) + "\n")
        return
    budget = json.loads(BUDGET.read_text())
    print(table(counts, budget["instructions"]))
    found = problems(counts, budget["instructions"])
    if found and compiler != budget["compiler"]:
        found.append(f"the budget was counted with {budget['compiler']}, these with {compiler}")
    if found:
        sys.exit("\n".join(["instructions:", *found, "is it worth it? then: make budget"]))


def problems(counts: Mapping[str, int], budget: Mapping[str, int]) -> list[str]:
    """Say which kernels are over their budget, and which have none or are gone."""
    missing = [f"  {name}: has no budget" for name in counts.keys() - budget.keys()]
    gone = [f"  {name}: has a budget, but is no kernel" for name in budget.keys() - counts.keys()]
    slower = [
        f"  {name}: {counts[name]:,} instructions, {counts[name] / allowed - 1:+.1%} of its budget"
        for name, allowed in budget.items()
        if counts.get(name, 0) > (1 + TOLERATED) * allowed
    ]
    return sorted(missing) + sorted(gone) + slower


def table(counts: Mapping[str, int], budget: Mapping[str, int]) -> str:
    """List each kernel's count and how far it is from its budget."""
    lines = []
    for name, counted in counts.items():
        change = f"{counted / budget[name] - 1:+8.1%}" if name in budget else "     new"
        lines.append(f"{name:<22}{counted:>14,}{change}")
    return "\n".join(lines)


def count(program: str) -> dict[str, int]:
    """Count the instructions of every kernel that the program knows, on all processors at once."""
    kernels = _output(program).split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(kernels, pool.map(lambda kernel: _count(program, kernel), kernels), strict=True))


def _count(program: str, kernel: str) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]
    # Only what happens within the function of this name.
    command += ["--toggle-collect=instructions::counted*", program, kernel]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    collected = re.search(r"Collected : (\d+)", told)
    if collected is None or collected[1] == "0":
        sys.exit(f"instructions: callgrind counted nothing for {kernel}:\n{told}")
    return int(collected[1])


def _build() -> str:
    """Build the bench with optimizations, and give its path."""
    command = ["cargo", "bench", "--locked", "--bench", "instructions", "--no-run", "--message-format=json"]
    messages = [json.loads(line) for line in _output(*command).splitlines()]
    built = [message["executable"] for message in messages if message.get("executable")]
    return str(built[-1])


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _can_count() -> bool:
    processor = Path("/proc/cpuinfo")
    on_x86 = platform.machine() in {"x86_64", "AMD64"}
    return on_x86 and processor.exists() and re.search(r"\bavx2\b", processor.read_text()) is not None


if __name__ == "__main__":
    main()
