"""What estimating the scores adds to the error of matched and subclassified rows, from its definition."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError
from propensity.matching.estimated_scores import EstimatedScores
from propensity.matching.local_outcomes import covariance_direction, mean_curve, tie_cells
from propensity.matching.score_influence import estimation_influence, score_influence
from reference import fit_logistic

ESTIMANDS = ["ATT", "ATC", "ATE"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),  # few rows, made up
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]


def prognostic(rng, n):
    """Covariates that decide most of the outcome, and little of who is treated; an effect of 1."""
    x = rng.normal(size=(n, 4))
    scores = 1 / (1 + np.exp(1.2 - x @ [0.35, -0.35, 0.35, 0.0]))
    treated = rng.random(n) < scores
    return x, treated, 2 * x.sum(axis=1) + treated + rng.normal(size=n), scores


def frame(rng, n):
    x, treated, outcome, scores = prognostic(rng, n)
    df = pd.DataFrame(x, columns=list("abcd"))
    return df.assign(opted=treated, done=outcome, score=scores)


def fitted_to(df, **options):
    return ps.fit_propensity(df, treatment="opted", covariates=list("abcd"), **options)


@pytest.fixture
def df():
    return frame(np.random.default_rng(3), 400)


@pytest.fixture
def model(df):
    return fitted_to(df)


# The coefficients


@pytest.mark.parametrize("penalty", [0.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_influence_on_the_coefficients_is_how_a_refit_moves(penalty, weighted):
    rng = np.random.default_rng(0)
    x, treated, *_ = prognostic(rng, 120)
    x = x * [1.0, 30.0, 0.1, 1.0] + [0.0, 500.0, 0.0, 0.0]
    s = rng.uniform(0.5, 2, len(x)) if weighted else np.ones(len(x))
    direction = rng.normal(size=len(x)) * 1e-3
    fit = fit_logistic(x, treated, penalty=penalty, sample_weight=s)
    found = EstimatedScores(fit.scores, x, penalty, s if weighted else None)
    influence = found.coefficient_influence(treated, direction)
    combination = direction @ np.column_stack([np.ones(len(x)), x])
    for row in (0, 7, 50):
        moved = []
        for step in (1e-5, -1e-5):
            others = s.copy()
            others[row] += step * s[row]
            strength = penalty * s.mean() / others.mean()  # of the same penalty, which is per unit of weight
            again = fit_logistic(x, treated, penalty=strength, sample_weight=others)
            moved.append(combination @ again.coefficients)
        expected = len(x) * (moved[0] - moved[1]) / 2e-5
        assert influence[row] == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_collinear_terms_have_the_influence_of_those_that_are_left():
    x, treated, *_ = prognostic(np.random.default_rng(1), 200)
    scores, direction = fit_logistic(x, treated).scores, np.linspace(-1, 1, 200)
    plain = EstimatedScores(scores, x, 0.0, None).coefficient_influence(treated, direction)
    redundant = np.column_stack([x, x[:, 0] - x[:, 1], np.ones(len(x))])
    again = EstimatedScores(scores, redundant, 0.0, None).coefficient_influence(treated, direction)
    np.testing.assert_allclose(again, plain, rtol=1e-7, atol=1e-9)


# Outcomes at a score


def covariance_near(y, x, members, quantity, at):
    """Covariances of the columns of x with y around the member nearest to a place: two more to each side."""
    ordered = members[np.argsort(quantity[members], kind="stable")]
    values = np.round(quantity[ordered], 9)
    nearest = values[np.argmin(np.round(np.abs(quantity[ordered] - at), 9))]  # the lower of two
    here = np.flatnonzero(values == nearest)
    low, high = values[max(here[0] - 2, 0)], values[min(here[-1] + 2, len(values) - 1)]
    own = ordered[(values >= low) & (values <= high)]
    return ((x[own] - x[own].mean(axis=0)) * (y[own] - y[own].mean())[:, None]).sum(axis=0) / (len(own) - 1)


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_covariances_are_those_among_the_nearest_rows_of_the_arm(decimals):
    rng = np.random.default_rng(2)
    n = 80
    quantity = np.round(rng.random(n), decimals)
    arm, y, x, multiples = rng.random(n) < 0.4, rng.normal(5, 1, n), rng.normal(size=(n, 3)), rng.random(n)
    there = rng.random(n) < 0.9
    direction = covariance_direction(y, arm & there, quantity, np.where(there, multiples, 0.0))
    members = np.flatnonzero(arm & there)
    expected = sum(
        multiples[row] * covariance_near(y, x, members, quantity, quantity[row])
        for row in np.flatnonzero(there)
    )
    np.testing.assert_allclose(x.T @ direction, expected, rtol=1e-9)
    assert direction.sum() == pytest.approx(0, abs=1e-12)  # an intercept goes with nothing
    assert not direction[~(arm & there)].any()


def test_covariances_keep_their_digits_far_from_zero():
    rng = np.random.default_rng(2)
    arm, y, places = rng.random(50) < 0.5, rng.normal(size=50), rng.random(50)
    near, far = (covariance_direction(y + shift, arm, places, places) for shift in (0.0, 1e7))
    np.testing.assert_allclose(far, near, rtol=1e-6, atol=1e-8)


def test_a_curve_is_least_squares_with_its_leverage():
    rng = np.random.default_rng(4)
    n = 300
    place, y, w = rng.random(n), rng.normal(size=n), rng.random(n) + 0.5
    w[::3] = 0.0
    curve = mean_curve(y, w, place)
    design, used = np.vander(place, 3), w > 0  # 200 rows: degree 2
    solve = np.linalg.inv((design[used] * w[used, None]).T @ design[used])
    slopes = solve @ (design[used] * w[used, None]).T @ y[used]
    np.testing.assert_allclose(curve.mean[used], design[used] @ slopes)
    expected = w * np.einsum("ij,jk,ik->i", design, solve, design)
    np.testing.assert_allclose(curve.leverage, expected, atol=1e-12)


def test_no_row_decides_its_own_fit_by_more_than_a_half():
    place, y = np.linspace(0, 1, 40), np.arange(40.0)
    w = np.ones(40)
    w[5] = 200.0
    curve = mean_curve(y, w, place)
    assert curve.mean == pytest.approx(np.average(y, weights=w))
    assert curve.leverage.max() < 0.9
    three = np.repeat([0.2, 0.5, 0.9], 20)  # as many places as the polynomial would have coefficients
    curve = mean_curve(y := np.random.default_rng(0).normal(size=60), np.ones(60), three)
    np.testing.assert_allclose(curve.mean, np.repeat(y.reshape(3, 20).mean(axis=1), 20))
    np.testing.assert_allclose(curve.leverage, 1 / 20)


# What it adds up to


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_it_is_the_slope_of_the_estimate_in_the_coefficients(estimand):
    # Subclasses so fine that they are matching on the score: moved coefficients move what they say.
    rng = np.random.default_rng(5)
    x, treated, y, scores = prognostic(rng, 400_000)
    fitted = EstimatedScores(scores, x, 0.0, None)
    cells = tie_cells(scores)
    moved = estimation_influence(fitted, y, treated, scores, estimand=estimand, cells=cells)
    influence = moved[0] - moved[1]
    design = np.column_stack([np.ones(len(x)), x])
    score = design * (treated - scores)[:, None]
    information = (design * (scores * (1 - scores))[:, None]).T @ design
    slope = np.linalg.lstsq(score @ np.linalg.inv(information) * len(x), influence, rcond=None)[0]
    base = np.array([-1.2, 0.35, -0.35, 0.35, 0.0])
    for at in (1, 4):
        ends = []
        for step in (0.1, -0.1):
            beta = base.copy()
            beta[at] += step
            e = 1 / (1 + np.exp(-(design @ beta)))
            data = pd.DataFrame({"opted": treated, "done": y})
            found = ps.subclassify(data, treatment="opted", scores=e, n_subclasses=300, estimand=estimand)
            ends.append(found.effect(y).estimate)
        assert slope[at] == pytest.approx((ends[0] - ends[1]) / 0.2, rel=0.05)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_variance_changes_as_that_of_nearest_neighbours_does(estimand):
    x, treated, y, _ = prognostic(np.random.default_rng(6), 20_000)
    x = np.asfortranarray(x)
    scores = core.fit_propensity(x, treated).scores
    focal = {"ATT": treated, "ATC": ~treated, "ATE": np.ones_like(treated)}[estimand]
    weights = core.match_nn(scores, treated, estimand=estimand).weights
    cells, fitted = tie_cells(scores), EstimatedScores(scores, x, 0.0, None)
    means = score_influence(y, treated, weights, scores, focal / focal.sum(), cells)
    moved = estimation_influence(fitted, y, treated, scores, estimand=estimand, cells=cells)
    known = means.influence_treated - means.influence_control
    counted = known + moved[0] - moved[1]
    expected = core.matching_effect(y, treated, scores, estimand=estimand, x=x)
    n = len(y)
    assert (known**2).sum() / n**2 == pytest.approx(expected.std_error**2 - expected.correction, rel=0.05)
    assert (counted**2).sum() / n**2 == pytest.approx(expected.std_error**2, rel=0.1)
    assert expected.correction < -0.4 * (known**2).sum() / n**2  # it is no small matter here


def errors(made, done, **options):
    return made.effect(done, **options).std_error


@pytest.mark.parametrize("estimand", ["ATT", "ATE"])
def test_errors_count_that_scores_were_estimated(df, model, estimand):
    for match in (ps.match_full, ps.subclassify):
        counted = match(df, treatment="opted", scores=model, estimand=estimand)
        known = match(df, treatment="opted", scores=np.asarray(model.scores), estimand=estimand)
        assert "counts that the scores were estimated" in counted.effect(df["done"]).se_method
        assert "as given" in known.effect(df["done"]).se_method
        assert counted.effect(df["done"]).estimate == known.effect(df["done"]).estimate
        assert errors(counted, df["done"]) < 0.8 * errors(known, df["done"])
        # The ratio is of the same influence values.
        effect = counted.effect(df["done"] + 30)
        ratio = effect.contrast_as("ratio")
        slope = effect.influence_treated / effect.mean_treated
        slope = slope - effect.influence_control / effect.mean_control
        assert ratio.std_error == pytest.approx(np.sqrt((slope**2).sum()) / len(df), rel=1e-9)


def test_errors_of_pairs_count_that_scores_were_estimated(df, model):
    counted = ps.match_nn(df, treatment="opted", scores=model, replace=False)
    known = ps.match_nn(df, treatment="opted", scores=np.asarray(model.scores), replace=False)
    assert "estimated" in counted.effect(df["done"]).se_method
    assert "by set" not in counted.effect(df["done"]).se_method
    assert errors(counted, df["done"]) < 0.8 * errors(known, df["done"])
    # Without the estimation both are of the same variance, but for sampling.
    assert errors(known, df["done"], inference="score") == pytest.approx(errors(known, df["done"]), rel=0.15)
    assert errors(counted, df["done"], inference="cluster") == errors(known, df["done"])


def test_errors_of_weighted_neighbours_count_that_scores_were_estimated(df):
    df = df.assign(size=np.random.default_rng(1).uniform(0.5, 2, len(df)))
    model = fitted_to(df, sample_weight="size")
    found = [
        ps.match_nn(df, treatment="opted", scores=scores, sample_weight="size").effect(df["done"])
        for scores in (model, np.asarray(model.scores))
    ]
    assert found[0].estimate == found[1].estimate
    assert found[0].std_error < 0.9 * found[1].std_error
    assert "counts that the scores" in found[0].se_method
    assert "as known" in found[1].se_method


def test_weights_of_two_are_rows_twice(df):
    # Of the estimates; errors are of the rows that there are, and do not depend on the weights' scale.
    twice = pd.concat([df, df.iloc[::2]], ignore_index=True)
    size = np.where(np.arange(len(df)) % 2 == 0, 2.0, 1.0)
    model = fitted_to(df.assign(size=size), sample_weight="size")
    scale = [
        ps.match_full(
            df.assign(size=k * size),
            treatment="opted",
            scores=fitted_to(df.assign(size=k * size), sample_weight="size"),
            sample_weight="size",
        ).effect(df["done"])
        for k in (0.75, 750.5)
    ]
    assert scale[0].std_error == pytest.approx(scale[1].std_error, rel=1e-7)
    np.testing.assert_allclose(fitted_to(twice).coefficients, model.coefficients, rtol=1e-7)


def test_rows_of_no_weight_add_nothing(df):
    there = df.assign(size=1.0)
    more = pd.concat([there, there.iloc[:50].assign(size=0.0, done=1e3)], ignore_index=True)
    results = []
    for rows in (there, more):
        model = fitted_to(rows, sample_weight="size")
        found = ps.match_full(rows, treatment="opted", scores=model, sample_weight="size", estimand="ATE")
        results.append(found.effect(rows["done"]))
    assert results[1].estimate == pytest.approx(results[0].estimate, rel=1e-9)
    assert results[1].std_error == pytest.approx(results[0].std_error, rel=1e-9)


def test_effects_that_differ_do_not_widen_the_error_of_everybody():
    # Summed by set, the effect's differences count as if sizes of sets were chance: half as wide again here.
    rng = np.random.default_rng(0)
    estimates, by_set, at_scores = [], [], []
    for _ in range(200):
        x = rng.uniform(-2, 2, 500)
        e = 1 / (1 + np.exp(0.5 - 0.8 * x))
        treated = rng.random(500) < e
        df = pd.DataFrame({"opted": treated, "score": e})
        y = x + (1 + 2 * x) * treated + rng.normal(size=500)
        found = ps.match_full(df, treatment="opted", scores="score", estimand="ATE")
        estimates.append(found.effect(y).estimate)
        by_set.append(errors(found, y, inference="cluster"))
        at_scores.append(errors(found, y))
    spread = np.std(estimates, ddof=1)
    assert np.mean(at_scores) == pytest.approx(spread, rel=0.15)
    assert np.mean(by_set) > 1.3 * spread


def test_inference_at_scores_needs_scores_that_decide_alone(df, model):
    df = df.assign(tier=np.where(df["a"] > 0, "high", "low"))
    by_tier = ps.match_full(df, treatment="opted", scores=model, exact=["tier"])
    assert "as given" in by_tier.effect(df["done"]).se_method
    with pytest.raises(InvalidInputError, match="inference: 'score' is for subclasses that the score alone"):
        by_tier.effect(df["done"], inference="score")
    cells = ps.match_cem(df, treatment="opted", covariates=["tier"])
    with pytest.raises(InvalidInputError, match="the score alone decided"):
        cells.effect(df["done"], inference="score")


def test_inference_of_pairs_says_what_it_is_for(df, model):
    replaced = ps.match_nn(df, treatment="opted", scores=model)
    with pytest.raises(InvalidInputError, match="is for matching without replacement"):
        replaced.effect(df["done"], inference="cluster")
    pairs = ps.match_nn(df, treatment="opted", scores=model, replace=False)
    with pytest.raises(InvalidInputError, match="without exact or bias_adjust"):
        pairs.effect(df["done"], inference="score", bias_adjust=df[["a"]])
    assert "as given" in pairs.effect(df["done"], bias_adjust=df[["a"]]).se_method
    with pytest.raises(InvalidInputError, match="inference must be one of 'score', 'cluster'"):
        pairs.effect(df["done"], inference="hc3")


def test_rows_without_a_partner_need_no_outcome(df, model):
    pairs = ps.match_nn(df, treatment="opted", scores=model, replace=False)
    every = pairs.effect(df["done"])
    some = pairs.effect(df["done"].where(np.asarray(pairs.weights) > 0))
    assert some.estimate == every.estimate
    assert some.se_method == every.se_method
    # Their outcomes say how covariates go together with it, and no more.
    assert some.std_error == pytest.approx(every.std_error, rel=0.1)
    with pytest.raises(InvalidInputError, match="looks at the rows beside the matched, too"):
        pairs.bootstrap(df["done"].where(np.asarray(pairs.weights) > 0), refit=True)
