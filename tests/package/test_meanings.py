"""One word, one meaning: each word's, on samples so small that the right number can be had in one's head."""

import inspect
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import propensity as ps

# Samples of a handful of rows are warned of, and nothing here is about that.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PUBLIC = [function for name in ps.__all__ if inspect.isfunction(function := getattr(ps, name))]


def table(**columns):
    return pd.DataFrame(columns)


# sample_weight: how much of the population a row stands for


@pytest.fixture
def surveyed():
    """Four treated and four controls who had even chances; the weights stand for 4 and for 8 people."""
    return table(
        t=[1, 1, 1, 1, 0, 0, 0, 0],
        y=[0.0, 4.0, 4.0, 8.0, 1.0, 1.0, 3.0, 3.0],
        w=[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0],
        e=0.5,
    )


def test_sample_weight_of_3_is_the_row_three_times_in_an_estimate(surveyed):
    effect = ps.ipw(surveyed, outcome="y", treatment="t", scores="e", sample_weight="w")
    assert effect.mean_treated == 4.0
    assert effect.mean_control == (1 + 1 + 3 * 3 + 3 * 3) / 8
    assert effect.estimate == 1.5


def test_sample_weights_scale_leaves_the_standard_error_which_is_of_the_rows_there_are(surveyed):
    # Var of sum w y / sum w: the sum of (w (y - mean))^2 over the square of the sum of w.
    treated = (16 + 0 + 0 + 16) / 4**2
    control = ((1.5) ** 2 * 2 + (3 * 0.5) ** 2 * 2) / 8**2
    for scale in (1.0, 1000.0):
        weights = scale * surveyed["w"]
        effect = ps.ipw(surveyed, outcome="y", treatment="t", scores="e", sample_weight=weights)
        assert_allclose(effect.std_error, math.sqrt(treated + control), rtol=1e-12)
        assert_allclose([effect.ess_treated, effect.ess_control], [4.0, 8**2 / 20], rtol=1e-12)


def test_row_of_sample_weight_0_is_nobodys_partner():
    rows = table(
        t=[1, 1, 0, 0, 0], e=[0.4, 0.6, 0.4, 0.5, 0.6], y=[5.0, 5.0, 100.0, 2.0, 3.0], w=[1, 1, 0, 1, 1]
    )
    roles = {"treatment": "t", "scores": "e", "sample_weight": "w"}
    # The first treated would have the third row; without it the nearest is the fourth.
    assert ps.match_nn(rows, **roles).effect(rows["y"]).mean_control == 2.5
    assert ps.match_nn(rows, **roles, replace=False).effect(rows["y"]).mean_control == 2.5
    assert ps.match_full(rows, **roles).effect(rows["y"]).mean_control == 2.5
    assert ps.match_nn(rows, **roles).weights.tolist()[2] == 0.0


def test_focal_units_sample_weight_goes_to_its_donors():
    # The treated of region A stand for 1, those of B for 3; the control of A has a weight of 10 of its own.
    rows = table(
        t=[1, 0, 1, 0], region=["A", "A", "B", "B"], e=0.5, w=[1.0, 10.0, 3.0, 1.0], y=[2.0, 0.0, 8.0, 4.0]
    )
    for options in ({"replace": True}, {"replace": False}):
        matches = ps.match_nn(rows, treatment="t", scores="e", exact=["region"], sample_weight="w", **options)
        effect = matches.effect(rows["y"])
        assert effect.mean_treated == (1 * 2 + 3 * 8) / 4
        assert effect.mean_control == (1 * 0 + 3 * 4) / 4


def test_donors_own_sample_weights_only_share_a_focal_units_out():
    rows = table(
        t=[1, 1, 0, 0, 0],
        e=[0.4, 0.6, 0.4, 0.4, 0.6],
        w=[2.0, 2.0, 1.0, 3.0, 50.0],
        y=[5.0, 5.0, 0.0, 8.0, 1.0],
    )
    effect = ps.match_nn(rows, treatment="t", scores="e", sample_weight="w").effect(rows["y"])
    # Two donors at the score of the first, of weights 1 and 3: (1 x 0 + 3 x 8) / 4 = 6; the other has 1.
    assert effect.mean_control == (6 + 1) / 2


def test_model_is_refused_where_its_sample_weights_are_not_given(surveyed):
    rows = surveyed.assign(x=[0, 1, 1, 0, 1, 0, 0, 1])
    model = ps.fit_propensity(rows, treatment="t", covariates=["x"], sample_weight="w")
    roles = {"treatment": "t", "scores": model}
    for call in (
        lambda: ps.ipw(rows, outcome="y", **roles),
        lambda: ps.balancing_weights(rows, **roles),
        lambda: ps.match_nn(rows, **roles),
        lambda: ps.match_full(rows, **roles),
        lambda: ps.subclassify(rows, n_subclasses=1, **roles),
        lambda: ps.overlap(rows, **roles),
        lambda: ps.trim(rows, **roles),
    ):
        with pytest.raises(ps.errors.InvalidInputError, match="sample weights"):
            call()


def test_penalty_is_per_unit_of_mean_sample_weight():
    # At the optimum sum w (t - e) x = penalty b, w of mean 1: that of any weights alike is that of none.
    rows = table(t=[1, 1, 0, 1, 0, 0], x=[1.0, 1, 1, -1, -1, -1])
    plain = ps.fit_propensity(rows, treatment="t", covariates=["x"], penalty=1.0)
    slope = plain.coefficients["x"]
    assert_allclose(((rows["t"] - plain.scores) * rows["x"]).sum(), slope, rtol=1e-8)
    alike = ps.fit_propensity(
        rows, treatment="t", covariates=["x"], penalty=1.0, sample_weight=np.full(6, 40.0)
    )
    assert_allclose(alike.coefficients["x"], slope, rtol=1e-8)


# frequency: a fact of a table of counted users, never an argument of an analysis


def test_no_analysis_takes_frequencies():
    for function in set(PUBLIC) - {ps.collapse}:  # which makes such a table
        names = inspect.signature(function).parameters
        assert not [name for name in names if "freq" in name or name == "counts"], function.__name__


# weights: balancing weights, without the sample weights, which multiply them


def test_weights_are_multiplied_by_sample_weights():
    rows = table(t=[1, 1, 1, 0, 0, 0], x=[0.0, 2, 4, 1, 3, 5], b=[1.0, 1, 2, 1, 2, 1], w=[2.0, 1, 1, 1, 1, 3])
    roles = {"treatment": "t", "covariates": ["x"]}
    # Of b times w: treated 2, 1, 2 and control 1, 2, 3.
    means = [(2 * 0 + 1 * 2 + 2 * 4) / 5, (1 * 1 + 2 * 3 + 3 * 5) / 6]
    balance = ps.balance(rows, weights="b", sample_weight="w", **roles)["adjusted"].loc["x"]
    assert_allclose(balance[["mean_treated", "mean_control"]].to_numpy(dtype=float), means, rtol=1e-12)
    # The denominator is of the sample: sum w (x - m)^2 / (sum w - sum w^2 / sum w), arm by arm.
    m1, m0 = (0 * 2 + 2 + 4) / 4, (1 + 3 + 15) / 5
    v1 = (2 * m1**2 + (2 - m1) ** 2 + (4 - m1) ** 2) / (4 - 6 / 4)
    v0 = ((1 - m0) ** 2 + (3 - m0) ** 2 + 3 * (5 - m0) ** 2) / (5 - 11 / 5)
    smd = ps.smd(rows, weights="b", sample_weight="w", **roles)["x"]
    assert_allclose(smd, (means[0] - means[1]) / math.sqrt((v1 + v0) / 2), rtol=1e-12)


def test_balancing_weights_do_not_contain_the_sample_weights():
    rows = table(t=[1, 0, 1, 0], x=[0, 0, 1, 1], w=[1.0, 3.0, 3.0, 1.0])
    model = ps.fit_propensity(rows, treatment="t", covariates=["x"], sample_weight="w")
    assert_allclose(model.scores, [0.25, 0.25, 0.75, 0.75], rtol=1e-9)
    weights = ps.balancing_weights(rows, treatment="t", scores=model, sample_weight="w", estimand="ATE")
    assert_allclose(weights, [4, 4 / 3, 4 / 3, 4], rtol=1e-9)
    balance = ps.balance(rows, treatment="t", covariates=["x"], weights=weights, sample_weight="w")
    assert_allclose(balance["adjusted"].loc["x", "smd"], 0.0, atol=1e-9)


def test_law_of_a_bootstrap_is_not_called_weights():
    assert "weights" not in inspect.signature(ps.bootstrap).parameters
    assert "weights" not in inspect.signature(ps.Matches.bootstrap).parameters
    assert "resampling" in inspect.signature(ps.bootstrap).parameters
    assert "resampling" in inspect.signature(ps.Matches.bootstrap).parameters


# scores: a model, a column, a Series or an array of propensity scores


@pytest.fixture
def scored():
    """Two cells of chances 1/3 and 2/3."""
    rows = table(t=[1, 0, 0, 1, 1, 0], x=[0, 0, 0, 1, 1, 1], y=[6.0, 1.0, 3.0, 8.0, 10.0, 5.0])
    return rows.assign(e=[1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3])


def test_scores_are_the_same_as_a_model_a_column_a_series_and_an_array(scored):
    model = ps.fit_propensity(scored, treatment="t", covariates=["x"])
    # Every cell counts for all its three rows: (6 + 9) / 2 against (2 + 5) / 2.
    for scores in (model, "e", scored["e"], scored["e"].to_numpy()):
        effect = ps.ipw(scored, outcome="y", treatment="t", scores=scores)
        assert_allclose([effect.mean_treated, effect.mean_control], [7.5, 3.5], rtol=1e-9)


def test_logits_are_no_scores(scored):
    logit = np.log(scored["e"] / (1 - scored["e"]))
    for call in (
        lambda: ps.ipw(scored, outcome="y", treatment="t", scores=logit),
        lambda: ps.match_nn(scored, treatment="t", scores=logit),
        lambda: ps.overlap(scored, treatment="t", scores=logit),
    ):
        with pytest.raises(ps.errors.InvalidInputError, match="below 0 or above 1"):
            call()


# score_model, outcome_model: what is to be fitted, never something fitted


def test_learner_is_fitted_anew_and_left_as_it_was(scored):
    from sklearn.linear_model import LinearRegression

    rows = pd.concat([scored] * 4, ignore_index=True)
    roles = {"outcome": "y", "treatment": "t", "covariates": ["x"], "n_folds": 2, "seed": 1}
    unfitted, fitted = LinearRegression(), LinearRegression().fit([[0.0], [1.0]], [1e6, -1e6])
    before = fitted.coef_.copy()
    effects = [ps.aipw(rows, outcome_model=learner, **roles).estimate for learner in (unfitted, fitted)]
    assert effects[0] == effects[1]
    assert not hasattr(unfitted, "coef_")
    assert fitted.coef_ == before


def test_fitted_model_is_no_score_model(scored):
    model = ps.fit_propensity(scored, treatment="t", covariates=["x"])
    with pytest.raises((TypeError, ps.errors.InvalidInputError), match="score_model"):
        ps.aipw(scored, outcome="y", treatment="t", covariates=["x"], score_model=model)


# method: which algorithm, the same word on function and specification


def test_method_of_a_matching_is_called_so_on_function_and_specification():
    # Greedy, the first (larger) takes .5 and leaves .9 to the other; the least sum is the other way around.
    rows = table(t=[1, 1, 0, 0], e=[0.6, 0.5, 0.55, 0.9], y=[1.0, 2.0, 3.0, 4.0])
    sums = {}
    for method in ("nearest", "optimal"):
        matches = ps.match_nn(rows, treatment="t", scores="e", replace=False, method=method)
        assert matches.spec == ps.NearestNeighbors(replace=False, method=method)
        sums[method] = matches.pairs["distance"].sum()
    assert_allclose([sums["nearest"], sums["optimal"]], [0.05 + 0.4, 0.3 + 0.05], rtol=1e-12)


# seed: int, Generator or None; 0 where a draw can matter; the result says which


def test_seed_is_0_wherever_a_draw_can_matter():
    for function in [*PUBLIC, ps.Matches.bootstrap, ps.NearestNeighbors]:
        parameter = inspect.signature(function).parameters.get("seed")
        assert parameter is None or parameter.default == 0, function.__name__


def test_bootstrap_says_which_seed_it_took(scored):
    rows = pd.concat([scored] * 5, ignore_index=True)
    roles = {"outcome": "y", "treatment": "t", "covariates": ["x"], "estimators": [ps.IPW()], "n_reps": 5}
    for seed in (7, np.random.default_rng(7), None):
        first = ps.bootstrap(rows, seed=seed, **roles)
        again = ps.bootstrap(rows, seed=first.seed, **roles)
        assert isinstance(first.seed, int)
        assert first.replicates.equals(again.replicates)


# rows: known by their label and by what they hold


def moved_within_arms():
    """Six rows in the order of their treatment, and the same with the rows of each arm turned around."""
    rows = table(t=[0, 0, 0, 1, 1, 1], x=[0.0, 0, 1, 0, 1, 1], y=[1.0, 3.0, 5.0, 6.0, 8.0, 10.0])
    return rows, rows.iloc[[2, 1, 0, 5, 4, 3]].reset_index(drop=True)


@pytest.mark.parametrize("native", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
def test_what_was_made_of_other_rows_is_refused(native):
    rows, moved = map(native, moved_within_arms())
    model = ps.fit_propensity(rows, treatment="t", covariates=["x"])
    effect = ps.ipw(rows, outcome="y", treatment="t", scores=model)
    matches = ps.match_nn(rows, treatment="t", scores=model)
    covariates = {"treatment": "t", "covariates": ["x"]}
    for call in (
        lambda: ps.ipw(moved, outcome="y", treatment="t", scores=model),
        lambda: ps.balancing_weights(moved, treatment="t", scores=model),
        lambda: ps.match_nn(moved, treatment="t", scores=model),
        lambda: ps.match_full(moved, treatment="t", scores=model),
        lambda: ps.subclassify(moved, treatment="t", scores=model, n_subclasses=1),
        lambda: ps.trim(moved, treatment="t", scores=model),
        lambda: ps.overlap(moved, treatment="t", scores=model),
        lambda: ps.balance(moved, scores=model, **covariates),
        lambda: ps.smd(moved, weights=effect, **covariates),
        lambda: ps.smd(moved, weights=matches, **covariates),
        lambda: ps.balance(moved, weights={"matched": matches}, **covariates),
    ):
        with pytest.raises(ps.errors.InvalidInputError):
            call()


def test_rows_with_their_labels_are_the_same_in_any_order():
    rows, _ = moved_within_arms()
    turned = rows.iloc[::-1]
    scores = ps.fit_propensity(rows, treatment="t", covariates=["x"]).scores
    assert_allclose(scores, [1 / 3, 1 / 3, 2 / 3, 1 / 3, 2 / 3, 2 / 3], rtol=1e-9)
    assert_allclose(
        ps.fit_propensity(turned, treatment="t", covariates=["x"]).scores.loc[rows.index], scores, rtol=1e-12
    )


def test_draw_hangs_on_labels_where_rows_are_alike_and_asks_for_ids_where_there_are_none():
    # One treated, three controls at its score: whose outcome stands beside it is a draw.
    rows = table(t=[1, 1, 0, 0, 0, 0], e=[0.3, 0.6, 0.3, 0.3, 0.3, 0.6], y=[9.0, 9.0, 1.0, 2.0, 3.0, 4.0])
    named = rows.set_axis(list("abcdef"))
    found = {
        ps.match_nn(f, treatment="t", scores="e", replace=False).effect(f["y"]).estimate
        for seed in range(6)
        if (f := named.sample(frac=1, random_state=seed)) is not None
    }
    assert len(found) == 1
    repeated = rows.set_axis(list("aabbcc"))
    with pytest.raises(ps.errors.InvalidInputError, match="ids"):
        ps.match_nn(repeated, treatment="t", scores="e", replace=False)


def test_draws_in_a_frame_without_labels_ask_for_ids_or_do_not_matter():
    rows = table(t=[1, 1, 0, 0, 0, 0], e=[0.3, 0.6, 0.3, 0.3, 0.3, 0.6], y=[9.0, 9.0, 1.0, 2.0, 3.0, 4.0])
    found = set()
    for seed in range(8):
        frame = pl.from_pandas(rows).sample(fraction=1, shuffle=True, seed=seed)
        try:
            matches = ps.match_nn(frame, treatment="t", scores="e", replace=False)
        except ps.errors.InvalidInputError as error:
            assert "ids" in str(error)  # noqa: PT017 - the other way out is below
        else:
            found.add(matches.effect(frame["y"]).estimate)
    assert len(found) <= 1
