"""Rosenbaum's M-test where it is hard: few values, whose cuts tie, and rows far out, which are trimmed."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.sensitivity.m_scores import MTest, extreme_moments
from propensity.sensitivity.rosenbaum import rosenbaum_bounds
from propensity.sensitivity.sets import MatchedSets
from propensity.sensitivity.signed_rank import SignedRank

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # matches of few rows

GAMMAS = [Fraction(1), Fraction(3, 2), Fraction(2), Fraction(3)]


def sets_of(sets):
    """Make sets of pairs of lists: the outcomes of the treated, and those of the controls."""
    y = np.concatenate([np.concatenate(arms) for arms in sets]).astype(float)
    treated = np.concatenate([np.repeat([True, False], [len(t), len(c)]) for t, c in sets])
    labels = np.repeat(np.arange(1, len(sets) + 1), [len(t) + len(c) for t, c in sets])
    return MatchedSets.of(y, treated, labels, "ATT")


def moments(scores, n_treated, u, gamma):
    """Mean and variance of the sum of scores over all that may have been treated, as fractions."""
    law = [
        (gamma ** sum(u[i] for i in chosen), sum(scores[i] for i in chosen))
        for chosen in itertools.combinations(range(len(scores)), n_treated)
    ]
    total = sum(weight for weight, _ in law)
    mean = sum(weight * value for weight, value in law) / total
    return mean, sum(weight * (value - mean) ** 2 for weight, value in law) / total


def worst(scores, n_treated, gamma, direction):
    """The extreme mean over all confounders of 0 and 1, and the least and largest variance with it."""
    every = [moments(scores, n_treated, u, gamma) for u in itertools.product([0, 1], repeat=len(scores))]
    mean = max(found[0] * direction for found in every) * direction
    variances = [found[1] for found in every if found[0] == mean]
    return mean, min(variances), max(variances)


@pytest.mark.parametrize("gamma", GAMMAS[1:])
@pytest.mark.parametrize("direction", [1, -1])
def test_moments_of_cuts_that_tie_are_those_of_all_confounders_that_do(gamma, direction):
    shapes = [
        ([-2, 0, 0, 0, 2], 1), ([-1, -1, 0, 2], 1), ([-3, 0, 1, 1, 1], 2), ([-1, 0, 1], 1), ([-1, 1], 1),
        ([-2, 0, 1], 1), ([-1, 0, 2], 1), ([-3, 0, 1], 1), ([-1, 0, 3], 1), ([-3, 0, 2], 1), ([-2, 0, 3], 1),
        ([-4, 1, 1, 1, 1], 1), ([-2, -2, 1, 1, 2], 1), ([-1, -1, 1, 1], 2), ([0, 0, 0], 1),
    ]  # fmt: skip
    made = sets_of([(np.zeros(m), np.zeros(len(scores) - m)) for scores, m in shapes])
    found = extreme_moments(made, np.concatenate([s for s, _ in shapes]) / 7, float(gamma) ** direction)
    every = [worst([Fraction(score, 7) for score in s], m, gamma, direction) for s, m in shapes]
    expected = [float(sum(part)) for part in zip(*every, strict=True)]
    assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert expected[2] > expected[1] * (1 + 1e-3)  # ties there are


def discrete(seed, n_sets):
    """Sets of up to five rows with outcomes of few values."""
    rng = np.random.default_rng(seed)
    shapes = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (1, 4), (2, 3)]
    return [
        (rng.integers(0, 4, t) + rng.integers(0, 2, t), rng.integers(0, 4, c))
        for t, c in (shapes[i] for i in rng.integers(0, len(shapes), n_sets))
    ]


def slow_bounds(sets, gamma):
    """The least and the largest p-value by the definition, in fractions, over all confounders of each set."""
    whole = [[[Fraction(int(value)) for value in arm] for arm in arms] for arms in sets]
    away = [abs(y - Fraction(np.median([*t, *c]))) for t, c in whole for y in (*t, *c)]
    width = 6 * Fraction(np.median(away))
    observed, ends = Fraction(0), {1: [Fraction(0)] * 3, -1: [Fraction(0)] * 3}
    for t, c in whole:
        y = [*t, *c]
        psi = [sum(max(-1, min(1, (one - other) / width)) for other in y) for one in y]
        scores = [score * len(t) / (len(t) * len(c)) for score in psi]
        observed += sum(scores[: len(t)])
        for direction, found in ends.items():
            ends[direction] = [
                a + b for a, b in zip(found, worst(scores, len(t), gamma, direction), strict=True)
            ]
    p = []
    for direction, best in ((-1, min), (1, max)):
        mean, least, most = map(float, ends[direction])
        p.append(best(stats.norm.sf((float(observed) - mean) / math.sqrt(v)) for v in (least, most)))
    return p


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("seed", [1, 2])
def test_p_values_of_few_values_are_those_of_the_definition(seed, gamma):
    sets = discrete(seed, n_sets=14)
    row = rosenbaum_bounds(sets_of(sets), gammas=[float(gamma)], test="m", alternative="greater").table.iloc[
        0
    ]
    assert_allclose(row[["p_lower", "p_upper"]].to_numpy(dtype=float), slow_bounds(sets, gamma), rtol=1e-8)


@pytest.mark.parametrize("unit", [1.0, 1 / 3, 7e-5, 1e9])
def test_few_values_in_any_unit_and_order_have_the_same_bounds(unit):
    sets = discrete(3, n_sets=80)
    expected = rosenbaum_bounds(sets_of(sets), gammas=[1, 1.5, 2, 3], test="m", alternative="greater").table
    rng = np.random.default_rng(4)
    moved = [tuple(rng.permutation(unit * arm) for arm in sets[i]) for i in rng.permutation(len(sets))]
    found = rosenbaum_bounds(sets_of(moved), gammas=[1, 1.5, 2, 3], test="m", alternative="greater").table
    assert_allclose(found[["p_lower", "p_upper"]], expected[["p_lower", "p_upper"]], rtol=1e-9)
    ends = ["estimate_low", "estimate_high"]
    assert_allclose(found[ends] / unit, expected[ends], rtol=1e-6, atol=1e-9)


# Rows far out


def continuous():
    rng = np.random.default_rng(5)
    return [(rng.normal(size=n % 3 + 1) + 0.4, rng.normal(size=n % 4 + 1)) for n in range(150)]


@pytest.mark.parametrize("far", [1e6, 1e14, 1e200])
def test_row_far_out_counts_as_one_that_is_trimmed(far):
    near, away = continuous(), continuous()
    for sets, value in ((near, 100.0), (away, far)):
        for place, sign in ((5, 1), (6, -1)):  # of three treated and two or three controls
            sets[place][0][0] = sign * value
        sets[29][0][0], sets[29][1][0] = value, 2 * value  # two in one set
    gammas = [1, 1.3, 2]
    expected, found = (
        rosenbaum_bounds(sets_of(s), gammas=gammas, test="m", alternative="greater") for s in (near, away)
    )
    assert_allclose(found.table, expected.table, rtol=1e-9, atol=1e-10)
    assert found.critical_gamma == pytest.approx(expected.critical_gamma, rel=1e-9)
    for gamma, shift in zip(gammas, found.table["estimate_low"], strict=True):
        taken_off = [(t - shift, c) for t, c in near]
        assert MTest(sets_of(taken_off)).deviate(gamma) == pytest.approx(0, abs=1e-8)


def test_row_far_out_among_many_that_are_the_same_is_trimmed_too():
    sets = [([5.0], [0.0, 0.0, 0.0]), ([0.0], [0.0, 0.0, 0.0, 2.0]), ([1.0], [0.0, 0.0])] * 8
    found = [
        rosenbaum_bounds(sets_of([*sets, ([far], [0.0, 0.0])]), test="m").table["p_upper"]
        for far in (1e3, 1e14)
    ]
    assert_allclose(found[1], found[0], rtol=1e-9)


@pytest.mark.parametrize("size", [1e6, 1e13])
def test_pair_far_out_leaves_the_others_their_ranks(size):
    rng = np.random.default_rng(6)
    n = 60
    df = pd.DataFrame(
        {"t": np.tile([1, 0], n), "pair": np.repeat(np.arange(n), 2), "y": rng.normal(size=2 * n)}
    )
    df["y"] += 0.4 * df["t"]
    df["y"] = df["y"].mask(df.index == 7, size)
    matches = ps.match_nn(df, treatment="t", scores=np.full(2 * n, 0.5), exact=["pair"], replace=False)
    d = df["y"].to_numpy().reshape(n, 2) @ [1, -1]
    found = matches.rosenbaum("y", gammas=[1], alternative="greater").table.iloc[0]
    expected = stats.wilcoxon(d, alternative="greater", method="asymptotic", correction=False).pvalue
    assert found["p_upper"] == pytest.approx(expected, rel=1e-9)
    means = [(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)]
    assert found["estimate_low"] == pytest.approx(np.median(means), rel=1e-12)


def test_differences_that_are_the_same_but_for_rounding_tie():
    y = np.array([[0.3, 0.1], [0.7, 0.5], [1.4, 1.6], [0.9, 0.9]])
    test = SignedRank(y @ [1, -1], 64 * np.finfo(float).eps * np.abs(y).max(axis=1))
    assert test.n_informative == 3
    assert test.p_value(1.0) == pytest.approx(0.5, rel=1e-12)  # two or three of three coins


# Where nothing tells


@pytest.mark.parametrize("alternative", [None, "greater", "less"])
@pytest.mark.parametrize("value", [0.0, 1.0, 7.0])
def test_outcome_that_is_the_same_for_all_is_no_event(value, alternative):
    df = pd.DataFrame({"t": np.tile([1, 0], 8), "pair": np.repeat(np.arange(8), 2), "y": value})
    matches = ps.match_nn(df, treatment="t", scores=np.full(16, 0.5), exact=["pair"], replace=False)
    found = matches.rosenbaum("y", alternative=alternative)
    assert found.measure == "shift"
    assert (found.table[["p_lower", "p_upper"]] == 1).all(axis=None)
    assert (found.table[["estimate_low", "estimate_high"]] == 0).all(axis=None)
    if value == 7:
        with pytest.raises(InvalidInputError, match="the outcome is not 0/1"):
            matches.rosenbaum("y", test="mantel_haenszel")
        return
    found = matches.rosenbaum("y", test="mantel_haenszel", alternative=alternative)
    assert found.table[["estimate_low", "estimate_high"]].isna().all(axis=None)
    assert found.n_informative == 0
    assert math.isnan(found.critical_gamma)


def test_odds_of_events_in_one_arm_alone_are_turned_around():
    made = sets_of([([1], [0])] * 9)
    less = rosenbaum_bounds(made, gammas=[2], alternative="less").table.iloc[0]
    assert (less["estimate_low"], less["estimate_high"]) == (math.inf, math.inf)
    other = rosenbaum_bounds(sets_of([([0], [1])] * 9), gammas=[2], alternative="less").table.iloc[0]
    assert (other["estimate_low"], other["estimate_high"]) == (0.0, 0.0)
