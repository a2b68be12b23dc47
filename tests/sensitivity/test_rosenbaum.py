"""Rosenbaum's bounds: published numbers, SciPy's and statsmodels' tests, and enumeration of small sets."""

import itertools
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.discrete.conditional_models import ConditionalLogit
from statsmodels.stats.contingency_tables import StratifiedTable

import propensity as ps
from conftest import OUTCOME, TREATMENT
from propensity.errors import InvalidInputError
from propensity.sensitivity.m_scores import MTest, extreme_moments
from propensity.sensitivity.mantel_haenszel import Events, binomial_tail
from propensity.sensitivity.rosenbaum import rosenbaum_bounds
from propensity.sensitivity.sets import MatchedSets
from propensity.sensitivity.signed_rank import SignedRank

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # matches of few rows


def sets_of(sets, estimand="ATT"):
    """Make sets of pairs of lists: the outcomes of the treated, and those of the controls."""
    y = np.concatenate([np.concatenate(arms) for arms in sets]).astype(float)
    treated = np.concatenate([np.repeat([True, False], [len(t), len(c)]) for t, c in sets])
    labels = np.repeat(np.arange(1, len(sets) + 1), [len(t) + len(c) for t, c in sets])
    return MatchedSets.of(y, treated, labels, estimand)


def pairs_of(differences):
    return sets_of([([d], [0.0]) for d in differences])


def mcnemar(only_treated, only_control, both=5):
    return sets_of([([1], [0])] * only_treated + [([0], [1])] * only_control + [([1], [1])] * both)


# Published


def test_mcnemar_of_60_to_20():
    """R's rbounds has .0418 at 2, for it leaves the observed number out of the tail."""
    found = rosenbaum_bounds(mcnemar(60, 20), gammas=[1, 2])
    assert found.table["p_upper"].iloc[1] == pytest.approx(0.069343, abs=5e-7)
    assert found.table["p_upper"].iloc[0] == pytest.approx(stats.binom.sf(59, 80, 0.5), rel=1e-12)
    assert found.critical_gamma == pytest.approx(1.92240, abs=5e-6)


def test_mcnemar_of_288_to_175():
    found = rosenbaum_bounds(mcnemar(288, 175), gammas=[1.4])
    assert found.table["p_upper"].iloc[0] == pytest.approx(0.049797, abs=5e-7)
    assert found.critical_gamma == pytest.approx(1.40026, abs=5e-6)


def test_signed_rank_of_131_pairs():
    """124 pairs that differ, with a sum of positive ranks of 4410: R's rbounds 2.2."""
    signs, left = -np.ones(124), 4410
    for rank in range(124, 0, -1):
        if rank <= left:
            signs[rank - 1], left = 1.0, left - rank
    assert left == 0
    test = SignedRank(np.concatenate([signs * np.arange(1, 125), np.zeros(7)]))
    found = [test.p_value(gamma) for gamma in (1, 1.25, 1.5, 2)]
    assert_allclose(found, [0.091083, 0.396632, 0.729342, 0.977322], atol=5e-7)


# Against SciPy and statsmodels


@pytest.mark.parametrize("n", [1, 2, 7, 20, 49])
def test_signed_rank_without_bias_is_scipys(n):
    d = np.random.default_rng(n).normal(0.3, 1, n)
    assert SignedRank(d).p_value(1.0) == pytest.approx(
        stats.wilcoxon(d, alternative="greater", method="exact").pvalue, rel=1e-12
    )


def test_signed_rank_of_ties_is_scipys():
    d = np.random.default_rng(3).integers(-5, 8, 90).astype(float)
    expected = stats.wilcoxon(d, alternative="greater", method="asymptotic", correction=False)
    assert SignedRank(d).p_value(1.0) == pytest.approx(expected.pvalue, rel=1e-10)


@pytest.mark.parametrize("gamma", [1.0, 1.7, 4.0])
def test_few_pairs_are_enumerated(gamma):
    d = np.array([2.0, -1.0, 3.5, 3.5, -0.5, 6.0, 1.0])
    ranks, p = stats.rankdata(np.abs(d)), gamma / (1 + gamma)
    observed = ranks[d > 0].sum()
    expected = sum(
        math.prod(p if one else 1 - p for one in signs)
        for signs in itertools.product([0, 1], repeat=len(d))
        if ranks @ np.array(signs) >= observed
    )
    assert SignedRank(d).p_value(gamma) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.4, 1.0, 1.3, 2.5])
@pytest.mark.parametrize("ties", [False, True])
def test_shift_is_a_quantile_of_the_means_of_two_differences(gamma, ties):
    rng = np.random.default_rng(8)
    d = rng.integers(-6, 9, 41).astype(float) if ties else rng.normal(size=41)
    means = sorted((d[i] + d[j]) / 2 for i in range(41) for j in range(i, 41))
    share = gamma / (1 + gamma)
    expected = share * len(means)
    above = [sum(mean > value for mean in means) for value in means]
    least = min(v for v, n in zip(means, above, strict=True) if n < expected - 1e-6)
    later = [v for v, n in zip(means, above, strict=True) if n <= expected + 1e-6]
    assert SignedRank(d).shift(gamma) == pytest.approx((least + min(later)) / 2, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "p", "least"), [(80, 2 / 3, 60), (5_000, 0.52, 2_700), (3, 0.1, 0), (9, 0.9, 9)]
)
def test_binomial_tail_is_scipys(n, p, least):
    assert binomial_tail(n, p, least) == pytest.approx(stats.binom.sf(least - 1, n, p), rel=1e-10)


def events(seed=4, n_sets=120, largest=5):
    rng = np.random.default_rng(seed)
    return [
        ((rng.random(rng.integers(1, largest)) < 0.55) * 1, (rng.random(rng.integers(1, largest)) < 0.4) * 1)
        for _ in range(n_sets)
    ]


def test_odds_ratio_is_that_of_a_conditional_logit():
    found = sets_of(events())
    model = ConditionalLogit(found.outcome, found.treated[:, None].astype(float), groups=found.set_of)
    expected = math.exp(model.fit(disp=0, method="newton", tol=1e-12).params[0])
    assert Events(found).odds_ratio() == pytest.approx(expected, rel=1e-6)


def test_many_sets_without_bias_are_mantel_and_haenszels():
    """Its statistic is z squared, with the correction by a half."""
    made = events(n_sets=900)
    tables = [
        [[sum(t), len(t) - sum(t)], [sum(c), len(c) - sum(c)]]
        for t, c in made
        if 0 < sum(t) + sum(c) < len(t) + len(c)
    ]
    expected = StratifiedTable([np.array(table) for table in tables]).test_null_odds(correction=True)
    found = Events(sets_of(made)).p_value(1.0)
    assert found == pytest.approx(expected.pvalue / 2, rel=1e-9)


# Against enumeration of who may have been treated


def enumerated(scores, n_treated, u, gamma):
    """Mean and variance of the sum of scores of the treated, over all that may have been they."""
    sums, weights = [], []
    for treated in itertools.combinations(range(len(scores)), n_treated):
        sums.append(sum(scores[i] for i in treated))
        weights.append(gamma ** sum(u[i] for i in treated))
    mean = np.average(sums, weights=weights)
    return mean, np.average((np.array(sums) - mean) ** 2, weights=weights)


@pytest.mark.parametrize("gamma", [1.0, 1.4, 3.0])
@pytest.mark.parametrize("direction", [1, -1])
def test_extreme_moments_are_those_of_the_worst_confounder(gamma, direction):
    rng = np.random.default_rng(5)
    shapes = [(1, 1), (1, 4), (3, 1), (2, 3), (3, 3), (2, 2), (4, 2)]
    made = sets_of([(rng.normal(size=t), rng.normal(size=c)) for t, c in shapes])
    scores = np.concatenate([np.sort(rng.normal(size=n)) for n in made.size])
    mean = variance = 0.0
    for own, m in zip(np.split(scores, made.start[1:]), made.n_treated, strict=True):
        every = [enumerated(own, m, u, gamma) for u in itertools.product([0, 1], repeat=len(own))]
        best = max(every, key=lambda found: direction * found[0])
        mean, variance = mean + best[0], variance + best[1]
    found = extreme_moments(made, scores, gamma**direction)
    assert found[0] == pytest.approx(mean, rel=1e-9)
    assert gamma == 1.0 or found[1] == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("gamma", [1.0, 1.6])
def test_few_sets_with_events_are_enumerated(gamma):
    made = events(n_sets=9, largest=4)
    law = {0: 1.0}
    for t, c in made:
        y = [*t, *c]
        own = {}
        for treated in itertools.combinations(range(len(y)), len(t)):
            count = sum(y[i] for i in treated)
            own[count] = own.get(count, 0.0) + gamma**count
        total = sum(own.values())
        law = {
            k: sum(law.get(k - j, 0.0) * w / total for j, w in own.items())
            for k in range(max(law) + max(own) + 1)
        }
    observed = sum(sum(t) for t, _ in made)
    expected = sum(chance for k, chance in law.items() if k >= observed)
    assert Events(sets_of(made)).p_value(gamma) == pytest.approx(expected, rel=1e-10)


def slow_scores(sets, estimand):
    """The definition, difference by difference."""
    away = []
    for t, c in sets:
        y = np.concatenate([t, c])
        away += list(np.abs(y - np.median(y)))
    h = 2 * np.median(away)
    scores, treated = [], []
    for t, c in sets:
        y = np.concatenate([t, c])
        count = {"ATT": len(t), "ATC": len(c), "ATE": len(y)}[estimand]
        psi = np.clip((y[:, None] - y[None, :]) / (3 * h), -1, 1)
        scores += list(psi.sum(axis=1) * count / (len(t) * len(c)))
        treated += [True] * len(t) + [False] * len(c)
    return np.array(scores), np.array(treated)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_m_test_is_as_it_is_defined(estimand):
    rng = np.random.default_rng(6)
    made = [
        (rng.standard_t(2, rng.integers(1, 4)) + 0.5, rng.standard_t(2, rng.integers(1, 9)))
        for _ in range(60)
    ]
    sets = sets_of(made, estimand)
    scores, treated = slow_scores(made, estimand)
    mean = variance = 0.0
    for own, m in zip(np.split(scores, sets.start[1:]), sets.n_treated, strict=True):
        n = len(own)
        mean += m * own.mean()
        variance += m * (n - m) / (n * (n - 1)) * ((own - own.mean()) ** 2).sum()
    expected = stats.norm.sf((scores[treated].sum() - mean) / math.sqrt(variance))
    assert MTest(sets).p_value(1.0) == pytest.approx(expected, rel=1e-9)
    shift = MTest(sets).shift(1.4)
    taken_off = [(t - shift, c) for t, c in made]
    assert MTest(sets_of(taken_off, estimand)).deviate(1.4) == pytest.approx(0, abs=1e-8)


def test_m_test_of_few_values_has_a_width():
    """Where more than half of the rows are at the median of their set, the mean distance sets it."""
    made = [([5.0], [0.0, 0.0, 0.0]), ([0.0], [0.0, 0.0, 0.0, 2.0]), ([1.0], [0.0, 0.0])] * 8
    found = rosenbaum_bounds(sets_of(made), gammas=[1, 2])
    assert found.table.notna().all(axis=None)
    assert found.table["p_upper"].is_monotonic_increasing


# What it promises: no more false findings than it says, where a confounder does its worst


@pytest.mark.parametrize("kind", ["wilcoxon", "m", "mantel_haenszel"])
def test_worst_confounder_is_found_out_at_its_own_strength(kind):
    """No effect, and a bias of 2 towards the larger outcome: p at gamma 2 is below .05 in 1 of 20 samples."""
    rng, reps, n_sets, gamma = np.random.default_rng(11), 400, 60, 2.0
    size = 2 if kind == "wilcoxon" else 4
    rejected = 0
    for _ in range(reps):
        y = rng.normal(size=(n_sets, size))
        if kind == "mantel_haenszel":
            y = (y > 0.3) * 1.0
        # The worst confounder is that of the rows above some cut of the set; of four normal ones, the middle.
        u = y > (0.5 if kind == "mantel_haenszel" else np.median(y, axis=1, keepdims=True))
        chance = np.where(u, gamma, 1.0)
        chance /= chance.sum(axis=1, keepdims=True)
        chosen = (rng.random((n_sets, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
        treated = np.arange(size) == chosen[:, None]
        labels = np.repeat(np.arange(1, n_sets + 1), size)
        sets = MatchedSets.of(y.ravel(), treated.ravel(), labels, "ATT")
        test = {"wilcoxon": lambda s: SignedRank(s.differences), "m": MTest, "mantel_haenszel": Events}[kind]
        rejected += test(sets).p_value(gamma) <= 0.05
    assert (
        0.02 <= rejected / reps <= 0.085
    )  # 3 standard errors beside 5%; discreteness and cuts take some off


# Through the front door


@pytest.fixture(scope="module")
def lalonde():
    return ps.datasets.lalonde()


@pytest.fixture(scope="module")
def scores(lalonde):
    covariates = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
    return ps.fit_propensity(lalonde, treatment="treat", covariates=covariates)


def test_pairs_take_wilcoxons_test_of_their_differences(lalonde, scores):
    matches = ps.match_nn(lalonde, treatment="treat", scores=scores, replace=False, caliper=0.2)
    pairs = matches.pairs
    y = lalonde["re78"]
    d = y.loc[pairs["treated"]].to_numpy() - y.loc[pairs["control"]].to_numpy()
    found = matches.rosenbaum("re78", gammas=[1, 1.25])
    expected = stats.wilcoxon(d, alternative="greater", method="asymptotic", correction=False).pvalue
    assert found.table["p_upper"].iloc[0] == pytest.approx(expected, rel=1e-9)
    means = [(d[i] + d[j]) / 2 for i in range(len(d)) for j in range(i, len(d))]
    assert found.table["estimate_low"].iloc[0] == pytest.approx(np.median(means), rel=1e-9)
    assert found.measure == "shift"
    assert math.isnan(found.critical_gamma)
    assert "even without hidden bias" in str(found)


def test_tutorial_pairs_within_tiers(logs, model):
    """288 to 175 and the like come of pairs; here of those whom a caliper leaves."""
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model, replace=False, caliper=0.2)
    pairs = matches.pairs
    y = logs[OUTCOME]
    one, other = y.loc[pairs["treated"]].to_numpy(), y.loc[pairs["control"]].to_numpy()
    more, less = int(((one == 1) & (other == 0)).sum()), int(((one == 0) & (other == 1)).sum())
    found = matches.rosenbaum(OUTCOME)
    assert_allclose(
        found.table["p_upper"],
        [stats.binom.sf(more - 1, more + less, g / (1 + g)) for g in found.table["gamma"]],
        rtol=1e-8,
    )
    assert_allclose(found.table["estimate_low"], more / less / found.table["gamma"])
    assert stats.binom.sf(
        more - 1, more + less, found.critical_gamma / (1 + found.critical_gamma)
    ) == pytest.approx(0.05, rel=1e-7)
    assert f"by less than {found.critical_gamma:.4g}" in str(found)


@pytest.mark.parametrize("outcome", ["re78", "employed"])
@pytest.mark.parametrize(
    "match",
    [
        lambda df, s: ps.match_nn(df, treatment="treat", scores=s, replace=False, n_neighbors=2),
        lambda df, s: ps.match_full(df, treatment="treat", scores=s),
        lambda df, s: ps.match_full(df, treatment="treat", scores=s, estimand="ATE"),
        lambda df, s: ps.subclassify(df, treatment="treat", scores=s, n_subclasses=4),
        lambda df, s: ps.match_cem(df, treatment="treat", covariates=["age", "race", "married"]),
    ],
)
def test_sets_of_any_kind_have_bounds(lalonde, scores, match, outcome):
    df = lalonde.assign(employed=lalonde["re78"] > 0)
    fresh = ps.fit_propensity(df, treatment="treat", covariates=list(scores.recipe.columns))
    found = match(df, fresh).rosenbaum(outcome, gammas=[1, 1.2, 2, 4])
    table = found.table
    assert table["p_lower"].iloc[0] == pytest.approx(table["p_upper"].iloc[0], rel=1e-9)
    assert table["estimate_low"].iloc[0] == pytest.approx(table["estimate_high"].iloc[0], rel=1e-9)
    for name, ascends in (("p_upper", 1), ("p_lower", -1), ("estimate_high", 1), ("estimate_low", -1)):
        assert (ascends * table[name].diff().dropna() >= 0).all()


def test_negative_effects_are_tested_on_their_side(lalonde, scores):
    matches = ps.match_full(lalonde, treatment="treat", scores=scores)
    found = matches.rosenbaum("re78", gammas=[1, 1.5], alternative="greater")
    again = matches.rosenbaum(-lalonde["re78"].rename("loss"), gammas=[1, 1.5])
    assert (found.alternative, again.alternative) == ("greater", "less")
    assert_allclose(again.table[["p_lower", "p_upper"]], found.table[["p_lower", "p_upper"]], rtol=1e-8)
    assert_allclose(again.table["estimate_low"], -found.table["estimate_high"], rtol=1e-8)


def test_bounds_are_a_result(lalonde, scores):
    found = ps.match_full(lalonde, treatment="treat", scores=scores).rosenbaum("re78", gammas=[1, 2])
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again.table, found.table)
    table = found.table
    table.iloc[:, :] = 0
    pd.testing.assert_frame_equal(again.table, found.table)
    assert "M-test" in repr(found)


# Refusals


def test_where_there_are_no_sets_they_are_not_made_up(lalonde, scores):
    matches = ps.match_nn(lalonde, treatment="treat", scores=scores)
    with pytest.raises(InvalidInputError, match="there are no sets, for rows may be donors more than once"):
        matches.rosenbaum("re78")
    weighted = lalonde.assign(w=np.arange(len(lalonde)) % 2 + 1.0)
    e = np.asarray(scores.scores)
    pairs = ps.match_nn(weighted, treatment="treat", scores=e, replace=False, sample_weight="w")
    with pytest.raises(InvalidInputError, match="no test that counts sample weights"):
        pairs.rosenbaum("re78")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"gammas": [0.9]}, InvalidInputError, "gammas must be a finite number of at least 1"),
        ({"gammas": [2, 1]}, InvalidInputError, "are not ascending, each once"),
        ({"gammas": [1, 1]}, InvalidInputError, "are not ascending, each once"),
        ({"gammas": []}, InvalidInputError, "the list is empty"),
        ({"gammas": "2"}, TypeError, "a list of numbers is needed"),
        ({"gammas": [1, None]}, InvalidInputError, "gammas must be a finite number"),
        ({"test": "sign"}, InvalidInputError, "test must be one of"),
        ({"test": "wilcoxon"}, InvalidInputError, "'wilcoxon' is of pairs"),
        ({"test": "mantel_haenszel"}, InvalidInputError, "counts events, and the outcome is not 0/1"),
        ({"alternative": "two-sided"}, InvalidInputError, "alternative must be one of"),
        ({"level": 1.0}, InvalidInputError, "level must lie between 0 and 1"),
    ],
)
def test_what_no_test_can_take_is_refused(lalonde, scores, options, error, says):
    matches = ps.match_full(lalonde, treatment="treat", scores=scores)
    with pytest.raises(error, match=says):
        matches.rosenbaum("re78", **options)


def test_outcome_that_is_a_covariate_is_refused(lalonde, scores):
    with pytest.raises(InvalidInputError, match="rows were matched by it"):
        ps.match_full(lalonde, treatment="treat", scores=scores).rosenbaum("re74")


def test_outcome_that_is_the_same_for_all_tells_nothing():
    found = rosenbaum_bounds(pairs_of([0.0, 0.0, 0.0]), gammas=[1, 2], test="wilcoxon")
    assert (found.table["p_upper"] == 1).all()
    assert (found.table[["estimate_low", "estimate_high"]] == 0).all(axis=None)
    assert math.isnan(rosenbaum_bounds(mcnemar(0, 0)).critical_gamma)


def test_events_in_one_arm_alone_have_an_infinite_odds_ratio():
    found = rosenbaum_bounds(mcnemar(12, 0), gammas=[1, 2])
    assert (found.table["estimate_low"] == math.inf).all()
    assert (0.5 ** (1 / 12)) < found.critical_gamma < math.inf
    assert rosenbaum_bounds(mcnemar(0, 12)).table["estimate_high"].eq(0).all()
