"""What is advised of columns of very many levels: rare ones together only where that leaves others."""

import re

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import InvalidInputError


def fitted(levels, **options):
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"id": levels, "x": rng.normal(size=len(levels)), "t": rng.random(len(levels)) < 0.5})
    return ps.fit_propensity(df, treatment="t", covariates=["id", "x"], **options)


def refusal(levels, **options):
    with pytest.raises(InvalidInputError) as caught:
        fitted(levels, **options)
    return str(caught.value)


@pytest.mark.parametrize("n", [300, 3_000])
def test_identifier_is_left_out_and_nothing_else(n):
    said = refusal([f"u{k}" for k in range(n)])
    assert said.endswith(
        f"{n:,} levels in {n:,} rows, and a term for each; it looks like an identifier: leave it out"
    )
    assert refusal([f"u{k}" for k in range(n)], penalty=1.0) == said  # which helps nothing either


def test_many_rare_levels_without_a_common_one_are_not_put_together():
    said = refusal([f"u{k // 3}" for k in range(4_500)])
    assert said.endswith(
        "more than 1,000 are not fitted without a penalty: leave it out, or take penalty=1.0"
    )


@pytest.mark.parametrize(
    "levels",
    [
        [f"u{k}" for k in range(2_000)] + ["us"] * 300 + ["de"] * 700,
        [f"u{k // 60}" for k in range(90_000)] + [f"v{k // 90}" for k in range(9_000)],
    ],
)
def test_count_that_is_offered_leaves_levels_that_fit(levels):
    said = refusal(levels)
    (count,) = re.findall(r"or group its rare levels, as min_level_count=(\d+) does", said)
    model = fitted(levels, min_level_count=int(count))
    own = [name for name in model.coefficients.index if name.startswith("id[")]
    assert 2 <= len(own) + 1 <= 1_000


def test_check_puts_no_levels_together_that_are_all_of_them():
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"t": np.arange(600) % 2, "city": rng.permutation([f"c{k // 12}" for k in range(600)])})
    (one,) = [one for one in ps.check(df, treatment="t") if one.column == "city"]
    assert one.remedy == "leave it out, or make of it a column of fewer levels"
    df.loc[:99, "city"] = "c0"
    (one,) = [
        one for one in ps.check(df, treatment="t") if one.column == "city" and "fewer than" in one.finding
    ]
    assert re.search(r"min_level_count=\d+", one.remedy)


def test_separated_levels_are_put_together_with_others_alone():
    rng = np.random.default_rng(3)
    n = 6_000
    common = rng.choice(["us", "de"], n)
    df = pd.DataFrame({"country": common, "x": rng.normal(size=n), "t": rng.random(n) < 0.5})
    df.loc[:2, ["country", "t"]] = ["is", True]
    df = df.astype({"t": bool})
    with pytest.warns(ps.errors.SeparationWarning, match=r"min_level_count=4 does so with rare ones"):
        ps.fit_propensity(df, treatment="t", covariates=["country", "x"])
    df["country"] = [f"c{k // 4:04d}" for k in range(n)]
    df.loc[:3, "t"] = True
    with pytest.warns(ps.errors.SeparationWarning) as caught:
        ps.fit_propensity(df.iloc[:3_000], treatment="t", covariates=["country", "x"])
    assert "min_level_count" not in str(caught[0].message)
