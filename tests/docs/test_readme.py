"""The README's examples run, in order and in one namespace, and print what the README says they print.

What a block of Python prints and the block of text that follows must agree to the letter, but for blanks
at the end of a line. The scikit-learn loop is there to be read: it makes two of its 500 turns.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

import propensity as ps

mpl.use("Agg")
import fenced

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = fenced.examples(README)


def run(example: fenced.Example, namespace: dict[str, Any]) -> str:
    return fenced.run(example._replace(code=example.code.replace("range(500)", "range(2)")), namespace)


@pytest.fixture(scope="module")
def outcome() -> tuple[dict[str, Any], list[str]]:
    """The namespace after all examples, and what each printed."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    return namespace, [run(example, namespace) for example in EXAMPLES]


@pytest.mark.parametrize("i", range(len(EXAMPLES)), ids=lambda i: f"line{EXAMPLES[i].line}")
def test_readme_example_prints_what_it_says(i: int, outcome: tuple[dict[str, Any], list[str]]) -> None:
    assert outcome[1][i] == EXAMPLES[i].printed


def test_readme_table_has_our_numbers(outcome: tuple[dict[str, Any], list[str]]) -> None:
    summary = outcome[0]["boot"].summary()
    rows = re.findall(r"^\| (.+?) \|.*\| (.+) \[(.+), (.+)\] \|$", README.read_text("utf-8"), re.MULTILINE)
    assert [label for label, *_ in rows] == list(summary.index)
    for label, *shown in rows:
        estimate, low, high = summary.loc[label, ["estimate", "conf_low", "conf_high"]]
        assert shown == [f"{estimate:+.4f}", f"{low:.4f}", f"{high:.4f}"]


def test_readme_commands_are_in_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", (README.parent / "Makefile").read_text("utf-8"), re.MULTILINE)
    commands = re.findall(r"^make (\S+)", README.read_text("utf-8"), re.MULTILINE)
    assert commands == ["demo", "test"]
    assert set(commands) <= set(targets)


def test_interval_of_the_matched_bootstrap_is_that_of_the_call():
    text = README.read_text(encoding="utf-8")
    said = re.search(r"`matches\.(bootstrap\(.*?\))` is[^[]*\[([\d.]+), ([\d.]+)\]", text)
    assert said is not None
    call, low, high = said.groups()
    users = ps.datasets.opt_in_logs()
    roles = {"treatment": "opt_in_agent_mode"}
    model = ps.fit_propensity(users, **roles, covariates=["engagement_tier", "query_confidence"])
    found = eval(f"matches.{call}", {"matches": ps.match_nn(users, **roles, scores=model)}).conf_int()
    assert [f"{end:.4f}" for end in found.iloc[0]] == [low, high]
