"""The steps of balance in simulated worlds: the page's table is whole, and says what the page says of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import steps_of_balance
from worlds import ALL_WORLDS

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
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


def test_table_has_every_world_and_method(table):
    assert list(table.columns) == [
        (world, method) for world in steps_of_balance.NAMES for method in steps_of_balance.METHODS
    ]


def test_steps_do_what_the_page_says_of_them(table):
    off = table.loc["bias"].abs().unstack()
    assert (off.loc["Setoguchi A"] < 0.02).all()
    bent = off.loc[["E+", "G+", "S+"]]
    assert (bent[TREES] < bent["IPW, boosting"]).all()
    assert (bent["IPW, boosting"] < bent["IPW, forest"]).all()
    assert (bent[["IPW, logistic", "AIPW, logistic and linear", "EB, as they are"]] > 0.1).all(axis=None)
    assert (off.loc[["E+", "G+"], [SQUARES, WITH_BOTH]] < 0.02).all(axis=None)
    assert off.loc["S+"].idxmin() == TREES
    assert off.loc["S+", WITH_BOTH] < off.loc["S+", SQUARES]


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
