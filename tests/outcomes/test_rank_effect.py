"""Rank-weighted effects: areas by numeric integration, slopes by numeric derivatives, size and power."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.integrate import quad
from scipy.stats import norm

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.outcomes.ranked import Ranked

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

ROLES = {"outcome": "y", "treatment": "t", "covariates": ["x"]}


def area(priority, effects, weights, *, qini):
    """The area under the curve, block by block of tied priorities, by numeric integration."""
    total = weights.sum()
    everyone = weights @ effects / total
    part = gained = found = 0.0
    for own in (priority == value for value in sorted(set(priority), reverse=True)):
        size, gain = weights[own].sum() / total, weights[own] @ effects[own] / total

        def curve(u, part=part, gained=gained, rate=gain / size):
            return ((gained + (u - part) * rate) / u - everyone) * (u if qini else 1)

        found += quad(curve, part, part + size, epsabs=1e-13, epsrel=1e-13)[0]
        part, gained = part + size, gained + gain
    return found


@pytest.mark.parametrize("qini", [False, True])
@pytest.mark.parametrize("n_values", [2, 7, 1000])
def test_area_and_what_a_row_adds_are_those_of_numeric_integration(qini, n_values):
    rng = np.random.default_rng(n_values)
    n = 30
    priority = rng.integers(0, n_values, n).astype(float)
    effects, weights = rng.normal(5, 1, n), rng.random(n) + 0.2
    ranked = Ranked.by(priority, effects, weights)
    found, slopes = ranked.weighted_area() if qini else ranked.area()
    assert found == pytest.approx(area(priority, effects, weights, qini=qini), abs=1e-10)
    assert weights @ slopes == pytest.approx(0, abs=1e-12)
    for row in range(n):
        step = np.zeros(n)
        step[row] = 1e-4
        up, down = (area(priority, effects, weights + s, qini=qini) for s in (step, -step))
        assert slopes[row] == pytest.approx((up - down) / 2e-4, abs=1e-8)


def test_area_of_many_rows_is_the_mean_of_the_curve():
    rng = np.random.default_rng(2)
    n = 20_000
    priority = rng.normal(size=n)
    effects = priority + rng.normal(size=n)
    ordered = effects[np.argsort(-priority)]
    curve = np.cumsum(ordered) / np.arange(1, n + 1) - effects.mean()
    ranked = Ranked.by(priority, effects, np.ones(n))
    assert ranked.area()[0] == pytest.approx(curve.mean(), abs=2e-3)
    assert ranked.weighted_area()[0] == pytest.approx(np.mean(np.arange(1, n + 1) / n * curve), abs=1e-4)
    assert_allclose(ranked.curve(np.array([0.25, 1.0])), [curve[n // 4 - 1], 0.0], atol=1e-12)
    # Of a normal priority that is the effect: the mean of a normal variate above a quantile, integrated.
    truth = quad(lambda u: norm.pdf(norm.isf(u)) / u, 0, 1)[0]
    assert ranked.area()[0] == pytest.approx(truth, abs=0.05)


def drawn(rng, n, slope):
    """Rows on whom the treatment does 1 + slope x, of whom those of large x are treated more often."""
    x = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x))).astype(int)
    y = x + t * (1 + slope * x) + rng.normal(size=n)
    return pd.DataFrame({"x": x, "t": t, "y": y, "lots": rng.random(n)})


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    return drawn(rng, 1200, 0.5).assign(s=rng.integers(0, 3, 1200), team=np.arange(1200) % 60)


def test_rule_is_held_against_lots(rows):
    worth = ps.rank_effect(rows, **ROLES, priority="x")
    assert worth.p_value < 1e-5
    law = stats.t(worth.df)
    assert worth.p_value == pytest.approx(2 * law.sf(worth.estimate / worth.std_error), rel=1e-8)
    low, high = worth.conf_int()
    assert high - low == pytest.approx(2 * law.ppf(0.975) * worth.std_error, rel=1e-8)
    assert worth.conf_int()[0] > 0
    assert ps.rank_effect(rows, **ROLES, priority="lots").p_value > 0.05
    assert worth.toc.iloc[0] > worth.toc.iloc[4] > worth.toc.iloc[-1] == pytest.approx(0, abs=1e-12)
    turned = ps.rank_effect(rows, **ROLES, priority=-rows["x"], target="qini")
    straight = ps.rank_effect(rows, **ROLES, priority=rows["x"].to_numpy(), target="qini")
    assert turned.estimate == pytest.approx(-straight.estimate, rel=1e-9)
    assert turned.std_error == pytest.approx(straight.std_error, rel=1e-9)
    assert "AUTOC" in repr(worth)
    assert "Qini" in repr(straight)


def test_only_the_order_of_a_rule_counts(rows):
    plain = ps.rank_effect(rows, **ROLES, priority="x").table
    pd.testing.assert_frame_equal(plain, ps.rank_effect(rows, **ROLES, priority=np.exp(rows["x"])).table)
    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = rows.iloc[order]
    # Folds hang on the order of rows only through their seed: pseudo-outcomes are of other folds.
    moved = ps.rank_effect(shuffled, **ROLES, priority="x").table
    assert_allclose(moved["estimate"], plain["estimate"], rtol=0.1)


@pytest.mark.parametrize("target", ["autoc", "qini"])
def test_weights_and_clusters_are_those_of_the_influence(rows, target):
    found = ps.rank_effect(rows, **ROLES, priority="x", target=target, sample_weight="s", cluster="team")
    there = rows["s"] > 0
    assert (found.pseudo_outcomes.notna() == there).all()
    parts = rows["x"][there], found.pseudo_outcomes[there], rows["s"][there].astype(float)
    priority, effects, weights = (part.to_numpy() for part in parts)
    ranked = Ranked.by(priority, effects, weights)
    estimate, slopes = ranked.area() if target == "autoc" else ranked.weighted_area()
    assert found.estimate == pytest.approx(estimate, rel=1e-12)
    sums = np.bincount(rows["team"][there], weights=slopes * weights)
    assert found.std_error == pytest.approx(math.sqrt(60 / 59 * (sums @ sums)), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"priority": "y"}, "priority: column 'y' is the outcome"),
        ({"priority": "t"}, "priority: column 't' is the treatment"),
        ({"priority": None}, "priority: a rule is needed"),
        ({"priority": "flat"}, "the same for all rows"),
        ({"priority": "gap"}, "gap"),
        ({"priority": [1.0, 2.0]}, "priority"),
        ({"priority": "x", "target": "auc"}, "target"),
    ],
)
def test_rules_that_cannot_be_are_answered(rows, options, said):
    gaps = rows.assign(flat=1.0, gap=rows["x"].where(rows["x"] > 0))
    with pytest.raises(InvalidInputError, match=said):
        ps.rank_effect(gaps, **ROLES, **options)


@pytest.mark.parametrize("target", ["autoc", "qini"])
def test_rule_that_knows_nothing_is_found_out_as_often_as_promised(target):
    """Of 300 samples of 300 rows at 5%: between 3 and 28, as 999 in 1,000 times."""
    rng = np.random.default_rng(9)
    found = 0
    for _ in range(300):
        found += ps.rank_effect(drawn(rng, 300, 0.0), **ROLES, priority="x", target=target).p_value < 0.05
    assert 3 <= found <= 28


@pytest.mark.parametrize("target", ["autoc", "qini"])
def test_interval_of_an_area_holds_what_it_promises(target):
    """The area that a large sample has, in 300 samples of 500 rows: between 272 and 297 of the intervals."""
    rng = np.random.default_rng(10)
    x = rng.normal(size=1_000_000)
    ranked = Ranked.by(x, 0.5 * x, np.ones(len(x)))
    truth = (ranked.area() if target == "autoc" else ranked.weighted_area())[0]
    held = 0
    for _ in range(300):
        low, high = ps.rank_effect(drawn(rng, 500, 0.5), **ROLES, priority="x", target=target).conf_int()
        held += low <= truth <= high
    assert 272 <= held <= 297
