"""How numbers and tables are written for the eye."""

import math
import re

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.results.numbers import for_the_eye, written, written_p
from propensity.results.written_tables import as_html, as_latex, as_markdown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (50_000, "50,000"),
        (33_050.823341, "33,051"),
        (9_819.4, "9,819"),
        (-8_497.516148, "-8,498"),
        (239.639, "239.6"),
        (1.5559, "1.556"),
        (0.084799, "0.08480"),
        (-0.000022, "-2.200e-05"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.nan, "–"),
        (math.inf, "infinite"),
        (True, "yes"),
        (np.bool_(False), "no"),
        ("text", "text"),
        (None, "–"),
        (1e300, "1.000e+300"),
    ],
)
def test_number_is_written_in_four_digits(value, expected):
    assert written(value) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [(4.3e-53, "<0.0001"), (0.0, "<0.0001"), (0.0001, "0.0001"), (0.0432, "0.0432"), (1.0, "1.0000")],
)
def test_p_value_is_no_power_of_ten(p, expected):
    assert written_p(p) == expected


def test_column_shares_its_decimals_where_its_numbers_are_of_one_size():
    table = pd.DataFrame({"a": [0.2106, 0.0848], "b": [1234.5, 0.001], "p_value": [0.5, 1e-9]})
    shown = for_the_eye(table)
    assert list(shown["a"]) == ["0.2106", "0.0848"]
    assert list(shown["b"]) == ["1,234", "0.001000"]
    assert list(shown["p_value"]) == ["0.5000", "<0.0001"]


@pytest.mark.parametrize("seed", range(20))
def test_written_numbers_are_the_numbers_to_three_digits(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=30) * 10.0 ** rng.integers(-6, 12, 30)
    for value in values:
        assert float(written(value).replace(",", "")) == pytest.approx(value, rel=5.1e-4)


def test_tables_are_escaped_and_headed():
    table = pd.DataFrame({"a|b": ["<i>", "x_y & 5%"]}, index=pd.Index(["[r1]", "*r2*"], name="term"))
    assert "<i>" not in as_html(table)
    assert as_html(table).count('scope="row"') == 2
    lines = as_markdown(table).split("\n")
    assert len(lines) == 4
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)
    assert r"x\_y \& 5\%" in as_latex(table)
    assert as_latex(table).count(r"\\") == 3


@pytest.mark.parametrize("shape", ["to_html", "to_markdown", "to_latex"])
def test_every_result_is_written(logs, model, shape):
    roles = {"treatment": "opt_in_agent_mode"}
    effect = ps.ipw(logs, outcome="task_completed", scores=model, **roles)
    grouped = ps.ipw(logs, outcome="task_completed", scores=model, by=["engagement_tier", "wave"], **roles)
    weights = effect.weights
    table = ps.balance(logs, covariates=["engagement_tier"], weights=weights, by="engagement_tier", **roles)
    for result in (effect, grouped, model, ps.overlap(logs, scores=model, **roles), effect.e_value(), table):
        said = getattr(result, shape)()
        assert len(said) > 100
