"""The guard on the kernels' instruction counts: what it lets pass, and what it stops."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import instructions

BUDGET = json.loads(instructions.BUDGET.read_text())["instructions"]


def slowed(kernel, factor):
    return {**BUDGET, kernel: round(BUDGET[kernel] * factor)}


@pytest.mark.parametrize("kernel", BUDGET)
def test_problems_names_a_kernel_that_takes_a_tenth_more(kernel):
    (problem,) = instructions.problems(slowed(kernel, 1.10), BUDGET)
    assert kernel in problem
    assert "+10.0%" in problem


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.04])
def test_problems_lets_small_changes_and_gains_pass(factor):
    assert instructions.problems(slowed("smd", factor), BUDGET) == []


def test_problems_names_kernels_without_budget_and_budgets_without_kernel():
    counts = {**BUDGET, "new": 1}
    del counts["smd"]
    assert instructions.problems(counts, BUDGET) == [
        "  new: has no budget",
        "  smd: has a budget, but is no kernel",
    ]


def test_budget_has_every_kernel_of_the_bench():
    bench = Path(instructions.__file__).with_suffix(".rs").read_text()
    assert list(BUDGET) == re.findall(r'^    \("(\w+)", \w+\),$', bench, flags=re.MULTILINE)
