"""The oracle of the junk calls sees what is wrong, and reads nearly everything that the studies ask."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from fuzz_values import Draw

import oracle
from oracle.reading import NotReadError
from oracle.shrink import smallest, written
from oracle.studies import array_study_call, study_call
from oracle.twins import UndecidedError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PREPARE = {"ps": study_call, "core": array_study_call}
CALLS = {
    door: {name: getattr(module, name) for name in oracle.DOORS[door]}
    for door, module in (("ps", ps), ("core", core))
}


def studies(door, n):
    """Right and hard calls, as the fuzzer makes them, and what comes of them."""
    for number in range(n):
        draw = Draw(np.random.default_rng([20_261_130, number]))
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                name, given = PREPARE[door](draw)
                yield name, given, CALLS[door][name](**given)
        except InvalidInputError:
            yield name, given, None


@pytest.mark.parametrize("door", ["ps", "core"])
def test_oracle_compares_every_function_it_has_a_twin_for(door):
    compared, refused = Counter(), 0
    for name, given, result in studies(door, 160):
        refused += result is None
        try:
            compared[name] += result is not None and len(oracle.DOORS[door][name](given, result)) > 0
        except (NotReadError, UndecidedError, np.linalg.LinAlgError):
            continue
    assert min(compared[name] for name in oracle.DOORS[door]) >= 2
    assert refused < 40
    assert sum(compared.values()) > 90


def test_oracle_asks_for_many_digits():
    """A tolerance is a small share of the spread of what is compared, but where conditioning forbids."""
    shares = []
    for name, given, result in studies("ps", 200):
        if name not in {"ipw", "aipw", "ipwra", "regression_adjustment"} or result is None:
            continue
        try:
            pairs = oracle.DOORS["ps"][name](given, result)
        except (NotReadError, UndecidedError, np.linalg.LinAlgError):
            continue
        y = np.asarray(given["df"]["y"], dtype=float)
        spread = np.ptp(y) + 1e8 * np.finfo(float).eps * np.abs(y).max()  # far-off outcomes have fewer digits
        shares += [pair[2].tolerance / spread for pair in pairs if pair[0] == "estimate" and np.ptp(y) > 0]
    assert len(shares) > 30
    assert np.median(shares) < 1e-7
    assert max(shares) <= 0.02


@pytest.fixture
def study():
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    t = (rng.random(80) < 1 / (1 + np.exp(-x))).astype(int)
    return pd.DataFrame({"x": x, "t": t, "y": x + t + rng.normal(size=80), "e": rng.uniform(0.2, 0.8, 80)})


@pytest.mark.parametrize("field", ["estimate", "mean_control", "std_error", "ess_treated"])
def test_oracle_sees_a_number_that_is_off(study, field):
    given = {"df": study, "outcome": "y", "treatment": "t", "scores": "e"}
    effect = ps.ipw(**given)
    assert oracle.disagreement("ps", "ipw", given, effect) is None
    moved = replace(effect, **{field: getattr(effect, field) * (1 + 1e-6)})
    assert oracle.disagreement("ps", "ipw", given, moved).startswith(f"{field} is ")


def test_oracle_sees_a_row_that_was_lost(study):
    given = {"df": study, "outcome": "y", "treatment": "t", "covariates": ["x"]}
    for name in ("aipw", "ipwra", "regression_adjustment"):
        other = CALLS["ps"][name](**{**given, "df": study.iloc[1:]})
        assert "by definition" in oracle.disagreement("ps", name, given, other)
    given = {"df": study, "treatment": "t", "scores": "e"}
    turned = ps.match_nn(study.assign(e=1 - study["e"]), treatment="t", scores="e", estimand="ATC")
    assert "weights" in oracle.disagreement("ps", "match_nn", given, turned)


def test_oracle_leaves_out_rows_of_weight_0(study):
    study["w"] = np.where(study["x"] > 1, 0.0, 2.0)
    given = {"df": study, "outcome": "y", "treatment": "t", "scores": "e", "sample_weight": "w"}
    assert oracle.disagreement("ps", "ipw", given, ps.ipw(**given)) is None
    assert oracle.disagreement("ps", "ipw", given, ps.ipw(**{**given, "sample_weight": None}))


def test_a_finding_is_made_small_and_can_be_pasted(study):
    """A function that forgets a treated row of a large outcome: two rows of each arm show it."""
    study.loc[study.index[study["t"] == 1][0], "y"] = 100.0

    def forgetful(df, **options):
        return ps.ipw(df[df["y"] < 50], **options)

    def still_wrong(given):
        try:
            return oracle.disagreement("ps", "ipw", given, forgetful(**given)) is not None
        except (InvalidInputError, TypeError):
            return False

    given = {"df": study, "outcome": "y", "treatment": "t", "scores": "e", "contrast": "difference"}
    assert still_wrong(given)
    small = smallest(given, still_wrong)
    assert len(small["df"]) == 5  # two of each arm have to be left without it
    assert "contrast" not in small
    line = written("ps", "ipw", small)
    again = eval(line, {"ps": ps, "pd": pd, "np": np})
    assert again.estimate == ps.ipw(**small).estimate
    assert "x" not in line.partition("}")[0]
