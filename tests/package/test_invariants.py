"""What must hold of any data: small random samples full of ties, through the frame functions."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import propensity as ps
from strategies import lattice_samples, scored_samples

# Samples of a dozen rows are warned of, and nothing here is about that.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
QUICK = settings(max_examples=12, deadline=None)
OTHER_SIDE = {"ATT": "ATC", "ATC": "ATT"}


def frame(sample, weights=None):
    """The sample as a frame: columns x0, x1, ..., treated, y, and w."""
    df = pd.DataFrame({f"x{k}": column for k, column in enumerate(sample.x.T)})
    w = np.ones(len(df)) if weights is None else weights
    return df.assign(treated=sample.treatment, y=sample.outcome, w=w)


def covariates(df):
    return [name for name in df.columns if name.startswith("x")]


def weighted(df, estimand):
    model = ps.fit_propensity(df, treatment="treated", covariates=covariates(df), sample_weight="w")
    return ps.ipw(df, outcome="y", treatment="treated", scores=model, estimand=estimand, sample_weight="w")


def adjusted(function):
    return lambda df, estimand: function(
        df, outcome="y", treatment="treated", covariates=covariates(df), estimand=estimand, sample_weight="w"
    )


def matched(df, estimand):
    model = ps.fit_propensity(df, treatment="treated", covariates=covariates(df))
    return ps.match_nn(df, treatment="treated", scores=model, estimand=estimand).effect(df["y"])


ESTIMATORS = {
    "ipw": (weighted, ("ATE", "ATT", "ATC", "ATO", "ATM")),
    "aipw": (adjusted(ps.aipw), ("ATE", "ATT", "ATC")),
    "ipwra": (adjusted(ps.ipwra), ("ATE", "ATT", "ATC")),
    "regression": (adjusted(ps.regression_adjustment), ("ATE", "ATT", "ATC")),
    "nearest neighbours": (matched, ("ATE", "ATT", "ATC")),
}
EACH = [(name, estimand) for name, (_, estimands) in ESTIMATORS.items() for estimand in estimands]
each_estimator = pytest.mark.parametrize(("name", "estimand"), EACH)


def numbers(effect):
    return np.array([effect.estimate, effect.std_error, effect.ess_treated, effect.ess_control])


@st.composite
def enough_rows(draw):
    """Samples with rows enough in either arm for a term each."""
    return draw(
        lattice_samples().filter(lambda s: min(s.treatment.sum(), (~s.treatment).sum()) > s.x.shape[1] + 1)
    )


@each_estimator
@given(sample=enough_rows(), random=st.randoms())
@QUICK
def test_estimate_does_not_depend_on_the_order_of_rows(name, estimand, sample, random):
    estimate, df = ESTIMATORS[name][0], frame(sample)
    order = list(range(len(df)))
    random.shuffle(order)
    shuffled = estimate(df.iloc[order], estimand)
    assert_allclose(numbers(shuffled), numbers(estimate(df, estimand)), rtol=1e-7, atol=1e-7)


@each_estimator
@given(
    sample=enough_rows(),
    scale=st.sampled_from([-1e9, -2.0, 1e-6, 0.5, 3.0, 1e9]),
    shift=st.sampled_from([0.0, 1.0, -1e9, 1e9]),
)
@QUICK
def test_estimate_does_not_depend_on_the_units_of_a_covariate(name, estimand, sample, scale, shift):
    estimate, df = ESTIMATORS[name][0], frame(sample)
    # A shift beyond a million spreads would leave too few digits of the column itself.
    moved = df.assign(x0=scale * df["x0"] + shift * min(1.0, abs(scale)))
    assert_allclose(numbers(estimate(moved, estimand)), numbers(estimate(df, estimand)), rtol=1e-6, atol=1e-6)


@each_estimator
@given(sample=enough_rows())
@QUICK
def test_estimate_of_swapped_arms_is_minus_that_of_the_other_estimand(name, estimand, sample):
    estimate, df = ESTIMATORS[name][0], frame(sample)
    swapped = estimate(df.assign(treated=~df["treated"]), OTHER_SIDE.get(estimand, estimand))
    plain = estimate(df, estimand)
    assert_allclose(swapped.estimate, -plain.estimate, rtol=1e-8, atol=1e-8)
    assert_allclose(swapped.std_error, plain.std_error, rtol=1e-7, atol=1e-7)
    assert_allclose(swapped.ess_treated, plain.ess_control, rtol=1e-7)


@pytest.mark.parametrize(("name", "estimand"), [pair for pair in EACH if pair[0] != "nearest neighbours"])
@given(sample=enough_rows(), data=st.data())
@QUICK
def test_estimate_with_a_weight_of_2_is_that_of_the_row_twice(name, estimand, sample, data):
    estimate, n = ESTIMATORS[name][0], len(sample.treatment)
    twice = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    weighted_rows = frame(sample, 1.0 + twice)
    copied = frame(sample).loc[np.repeat(np.arange(n), 1 + twice)].reset_index(drop=True)
    assert_allclose(
        estimate(weighted_rows, estimand).estimate, estimate(copied, estimand).estimate, rtol=1e-8, atol=1e-8
    )


@given(sample=lattice_samples(), penalty=st.sampled_from([0.0, 0.3, 10.0]))
@QUICK
def test_fitted_scores_solve_the_score_equations(sample, penalty):
    df = frame(sample)
    model = ps.fit_propensity(df, treatment="treated", covariates=covariates(df), penalty=penalty)
    residual = df["treated"] - model.scores
    assert abs(residual.sum()) < 1e-8 * len(df)
    slopes = model.coefficients.drop("Intercept")
    for term in slopes.index:
        assert abs((df[term] * residual).sum() - penalty * slopes[term]) < 1e-8 * len(df)


@given(
    sample=scored_samples(),
    estimand=st.sampled_from(["ATT", "ATC", "ATE"]),
    caliper=st.sampled_from([0.05, 0.2, 0.7, 3.0]),
    on=st.sampled_from(["score", "logit"]),
)
@QUICK
def test_pairs_keep_to_the_caliper_and_weigh_1_a_focal_unit(sample, estimand, caliper, on):
    df = pd.DataFrame({"treated": sample.treatment, "e": sample.x[:, 0]})
    try:
        matches = ps.match_nn(df, treatment="treated", scores="e", estimand=estimand, caliper=caliper, on=on)
    except ps.errors.NoMatchesError:
        return
    pairs = matches.pairs
    quantity = df["e"] if on == "score" else np.log(df["e"] / (1 - df["e"]))
    assert (pairs["distance"] <= caliper * quantity.std() + 1e-12).all()
    assert df["treated"].to_numpy()[pairs["treated"]].all()
    assert not df["treated"].to_numpy()[pairs["control"]].any()
    focal = {"ATT": ["treated"], "ATC": ["control"]}.get(estimand, ["treated", "control"])
    for arm in focal:
        own = pairs[pairs["focal"] == arm] if estimand == "ATE" else pairs
        assert_allclose(own.groupby(arm)["weight"].sum(), 1.0, rtol=1e-12)
    assert pairs["weight"].sum() == pytest.approx(matches.n_matched)


@given(sample=enough_rows())
@settings(max_examples=10, deadline=None)
def test_every_result_pickles(sample):
    df = frame(sample)
    roles = {"treatment": "treated", "covariates": covariates(df)}
    model = ps.fit_propensity(df, **roles)
    matches = ps.match_nn(df, treatment="treated", scores=model)
    results = [
        model,
        matches,
        matches.effect(df["y"]),
        weighted(df, "ATE"),
        ps.ipw(df, outcome=["y", "w"], treatment="treated", scores=model),
        ps.aipw(df, outcome="y", **roles),
        ps.subclassify(df, treatment="treated", scores=model, n_subclasses=2),
        ps.bootstrap(
            df, outcome="y", **roles, estimators=[ps.IPW()], resampling="bayesian", n_reps=3, seed=1
        ),
        ps.smd(df, **roles),
        ps.balance(df, **roles, weights={"matched": matches}),
    ]
    for result in results:
        again = pickle.loads(pickle.dumps(result))
        assert type(again) is type(result)
        assert repr(again) == repr(result)
