"""The steps of balance in simulated worlds: the page's table is whole, and says what the page says of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import steps_of_balance
from worlds import ALL_WORLDS

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
LINEAR = ["IPW, logistic", "AIPW, logistic and linear", "EB, as they are"]
SQUARES, TREES, WITH_BOTH = "EB, squares and products", "AIPW, boosting for both", "EB, and boosted log-odds"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Bias, standard deviation and coverage in percent, by world and method, as the page has them."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("<!-- begin: flexible -->")[2].partition("<!-- end: flexible -->")[0]
    head, _, *rows = (line.strip("| ").split(" | ") for line in section.strip().split("\n"))
    found = {
        (row[0], method): [float(number.strip("%")) for number in cell.split(", ")]
        for row in rows
        for method, cell in zip(head[1:], row[1:], strict=True)
    }
    return pd.DataFrame(found, index=["bias", "sd", "coverage"])


def test_table_has_every_method_in_each_of_its_worlds(table):
    counted = dict.fromkeys(table.columns.get_level_values(0))
    assert list(counted) == [name for name in steps_of_balance.NAMES if name in counted]
    assert {"Setoguchi A", "G+", "S+"} <= set(counted)
    for world in counted:
        assert list(table[world].columns) == list(steps_of_balance.METHODS)


def test_steps_do_what_the_page_says_of_them(table):
    off, covered = table.loc["bias"].abs().unstack(), table.loc["coverage"].unstack()
    spread = table.loc["sd"].unstack()
    assert (off.loc["Setoguchi A"] < 0.02).all()
    assert spread.loc["Setoguchi A", TREES] / spread.loc["Setoguchi A", LINEAR[1]] == pytest.approx(
        1.2, abs=0.05
    )
    bent = off.loc[["S+", "G+"]]
    assert (bent["IPW, boosting"] / bent[TREES]).between(1.9, 2.3).all()
    assert (bent["IPW, forest"] / bent["IPW, logistic"]).between(0.5, 0.6).all()
    assert (covered.loc[["S+", "G+"], LINEAR] == 0).all(axis=None)
    assert (off.loc["G+", [SQUARES, WITH_BOTH]] < 0.02).all()
    assert spread.loc["Setoguchi A", SQUARES] <= spread.loc["Setoguchi A", LINEAR[1]]
    assert off.loc["S+", SQUARES] > 0.8 * off.loc["S+", "IPW, logistic"]
    assert off.loc["S+", WITH_BOTH] / off.loc["S+", SQUARES] == pytest.approx(2 / 3, abs=0.05)


def test_coverage_in_the_text_is_that_of_the_table(table):
    text = PAGE.read_text(encoding="utf-8").partition("<!-- end: flexible -->")[2].partition("\n## ")[0]
    covered = table.loc["coverage"].unstack().astype(int)
    said = {
        TREES: "covers {}% in S+ and {}% in G+",
        "IPW, boosting": "{}% and {}%.",
        "IPW, forest": "({}% and {}%)",
        "AIPW, forest and boosting": "outcomes {}% and {}%",
    }
    for method, words in said.items():
        assert words.format(covered.loc["S+", method], covered.loc["G+", method]) in " ".join(text.split())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_methods_are_off_by_what_the_table_says(table):
    # Other data sets, and few of them: within what so few can tell.
    world, numbers = ALL_WORLDS["G+"], range(1_000, 1_006)
    frames = [steps_of_balance.frame(world, 1000, number) for number in numbers]
    for name in ("IPW, logistic", SQUARES, "IPW, boosting"):
        bias, sd, _ = table["G+", name]
        errors = [steps_of_balance.METHODS[name](df).estimate - world.truth["ATE"] for df in frames]
        assert np.mean(errors) == pytest.approx(bias, abs=4 * sd / np.sqrt(len(numbers)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_method_answers():
    results = steps_of_balance.found(ALL_WORLDS["S+"], 300, 1)
    assert {name: len(one) for name, one in results.items()} == dict.fromkeys(steps_of_balance.METHODS, 1)


def test_cell_says_bias_spread_and_coverage():
    results = [(0.1, True), (0.3, False), (0.2, True)]
    assert steps_of_balance.cell(results, 4) == "+0.200, 0.100, 67% (1 without)"
