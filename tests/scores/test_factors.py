"""Factors as codes: every number is that of the matrix of dummies they stand for, by both doors."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import propensity as ps
from coded_worlds import dummies, sample_of, treated_by
from propensity import core
from propensity.errors import (
    CollinearityWarning,
    InvalidInputError,
    OverlapError,
    SeparationError,
    SeparationWarning,
    SmallSampleWarning,
)
from propensity.frames import laid_out

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
QUICK = settings(max_examples=40, deadline=None)


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_levels=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    n_numbers=st.integers(0, 3),
    repeated=st.booleans(),
    weighted=st.booleans(),
    penalty=st.sampled_from([0.0, 0.7]),
)
@QUICK
def test_codes_give_the_numbers_of_dummies(seed, n_levels, n_numbers, repeated, weighted, penalty):
    x, factors, after, treatment, weight = sample_of(
        seed, n_levels, n_numbers, repeated=repeated, weighted=weighted
    )
    options = {"penalty": penalty, "sample_weight": weight, "n_threads": 1}
    columns = dummies(x, factors, after)
    try:
        dense = core.fit_propensity(columns, treatment, **options)
    except InvalidInputError as error:
        with pytest.raises(type(error)):
            core.fit_propensity(x, treatment, factors=factors, after=after, **options)
        return
    coded = core.fit_propensity(x, treatment, factors=factors, after=after, **options)
    assert_array_equal(coded.aliased, dense.aliased)
    assert_array_equal(coded.diverging, dense.diverging)
    if len(dense.diverging):
        return  # such coefficients are where the gradient became small enough
    for name in ("coefficients", "scores", "log_likelihood", "intercept_at_center", "center"):
        assert_allclose(getattr(coded, name), getattr(dense, name), **CLOSE, err_msg=name)
    spread = np.sqrt(dense.variances)
    scale = np.outer(spread, spread) + (np.outer(spread, spread) == 0)
    for name in ("covariance", "sandwich"):
        if getattr(dense, name) is not None:
            # Products of sums over rows: of weights that are uneven 1e-11 is what dummies are good to.
            found, expected = getattr(coded, name) / scale, getattr(dense, name) / scale
            assert_allclose(found, expected, rtol=1e-11, atol=1e-11, err_msg=name)
    assert_allclose(coded.variances, dense.variances, **CLOSE)
    assert coded.iterations == dense.iterations
    assert_allclose(coded.predict(x, factors=factors), dense.scores, **CLOSE)


def test_predict_knows_the_levels_of_the_fit(rng):
    x, codes = rng.normal(size=(500, 2)), rng.integers(0, 9, 500)
    fit = core.fit_propensity(x, treated_by(rng, x, [codes]), factors=codes[:, None])
    few = np.flatnonzero(codes < 3)
    assert_allclose(fit.predict(x[few], factors=[codes[few]]), fit.scores[few], **CLOSE)
    with pytest.raises(InvalidInputError, match="a level of 9"):
        fit.predict(x, factors=[codes + 1])
    with pytest.raises(InvalidInputError, match="as many as the model was fitted on"):
        fit.predict(x, factors=[codes, codes])
    assert_array_equal(fit.factors, [9])


def test_codes_that_are_none_are_refused(rng):
    x, codes = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    treatment = np.arange(60) % 2 == 0
    with pytest.raises(InvalidInputError, match="a level of -1"):
        core.fit_propensity(x, treatment, factors=[codes - 1])
    with pytest.raises(InvalidInputError, match="factors has 59 rows where 60 are expected"):
        core.fit_propensity(x, treatment, factors=[codes[1:]])
    with pytest.raises(TypeError, match="factors must hold integers"):
        core.fit_propensity(x, treatment, factors=[codes.astype(float)])
    with pytest.raises(InvalidInputError, match="after must be"):
        core.fit_propensity(x, treatment, factors=[codes], after=np.array([3]))


def test_levels_without_rows_have_a_place_of_their_own(rng):
    x, codes = rng.normal(size=(400, 2)), rng.integers(0, 5, 400)
    treatment, outcome = treated_by(rng, x, [codes]), rng.normal(size=400)
    given = {"factors": [codes], "n_levels": np.array([8])}
    padded = np.hstack([x, dummies(x[:, :0], [codes], [0]), np.zeros((400, 3))])
    fit, dense = core.fit_propensity(x, treatment, **given), core.fit_propensity(padded, treatment)
    assert_array_equal(fit.factors, [8])
    assert_array_equal(fit.aliased, [6, 7, 8])
    assert_array_equal(dense.aliased, [6, 7, 8])
    assert_allclose(fit.coefficients, dense.coefficients, **CLOSE)
    assert_allclose(fit.predict(x, factors=[codes]), fit.scores, **CLOSE)
    held = core.fit_propensity(x, treatment, penalty=1.0, **given)
    assert_array_equal(held.aliased, [])
    assert_array_equal(held.coefficients[-3:], 0.0)
    one = core.ipw(outcome, treatment, fit.scores, x=x, **given)
    other = core.ipw(outcome, treatment, dense.scores, x=padded)
    assert_allclose([one.estimate, one.std_error], [other.estimate, other.std_error], **CLOSE)
    one = core.adjust(x, treatment, outcome, method="aipw", scores=fit.scores, **given)
    other = core.adjust(padded, treatment, outcome, method="aipw", scores=dense.scores)
    assert_allclose([one.estimate, one.std_error], [other.estimate, other.std_error], **CLOSE)
    assert_array_equal(one.outcome_aliased, [6, 7, 8])
    with pytest.raises(InvalidInputError, match="n_levels has 2 rows where 1 are expected"):
        core.fit_propensity(x, treatment, factors=[codes], n_levels=np.array([8, 8]))
    with pytest.raises(InvalidInputError, match="a level of 4"):
        core.fit_propensity(x, treatment, factors=[codes], n_levels=np.array([4]))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_codes_of_every_type_are_read(rng, kind):
    x, codes = rng.normal(size=(300, 1)), rng.integers(0, 7, 300)
    treatment = treated_by(rng, x, [codes])
    expected = core.fit_propensity(x, treatment, factors=[codes]).coefficients
    wide = np.zeros((300, 2), dtype=kind)
    wide[:, 0] = codes
    for factors in ([codes.astype(kind)], [wide[:, 0]], wide[:, :1]):
        assert_array_equal(core.fit_propensity(x, treatment, factors=factors).coefficients, expected)
    masked = np.ma.array(codes.astype(kind), mask=codes == 3)
    with pytest.raises(InvalidInputError, match="masked"):
        core.fit_propensity(x, treatment, factors=[masked])


@pytest.mark.parametrize("model", ["linear", "logistic", "poisson", "gamma"])
@pytest.mark.parametrize("weighted", [False, True])
def test_outcome_models_by_codes_are_those_of_dummies(rng, model, weighted):
    x, codes = rng.normal(size=(800, 2)), rng.integers(0, 12, 800)
    codes[codes == 4] = 0
    columns = dummies(x, [codes], [1])
    y = rng.random(800) if model == "logistic" else rng.exponential(2.0, 800) + 0.1
    options = {"outcome_model": model, "sample_weight": rng.integers(0, 3, 800) * 0.7 if weighted else None}
    coded = core.fit_outcome(x, y, factors=[codes], after=np.array([1]), **options)
    dense = core.fit_outcome(columns, y, **options)
    assert_allclose(coded.coefficients, dense.coefficients, rtol=1e-10, atol=1e-12)
    assert_array_equal(coded.aliased, dense.aliased)
    assert_allclose(coded.predict(x[:9], factors=[codes[:9]]), dense.predict(columns[:9]), rtol=1e-11)
    with pytest.raises(InvalidInputError, match="a level of 12"):
        coded.predict(x, factors=[codes + 1])
    with pytest.raises(InvalidInputError):
        coded.predict(x[:, :1], factors=[codes])
    with pytest.raises(InvalidInputError):
        coded.predict(x)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_levels=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    repeated=st.booleans(),
)
@QUICK
def test_rows_inside_others_are_told_by_codes_as_by_dummies(seed, n_levels, repeated):
    x, factors, after, fitted_to, _ = sample_of(seed, n_levels, 1, repeated=repeated, weighted=False, n=60)
    rng = np.random.default_rng([seed, 1])
    wanted = rng.random(60) < 0.3

    def asked(*given, **coded):
        try:
            return list(core.require_inside(*given, fitted_to, wanted, **coded))
        except OverlapError as error:
            return error.rows, error.columns

    assert asked(x, factors=factors, after=after) == asked(dummies(x, factors, after))


def test_pickles_are_whole_and_hold_no_matrix(rng):
    x, codes = rng.normal(size=(4_000, 1)), rng.integers(0, 800, 4_000)
    weight = rng.uniform(0.5, 2.0, 4_000)
    treatment = treated_by(rng, x, [codes])
    fit = core.fit_propensity(x, treatment, factors=[codes], penalty=1.0, sample_weight=weight)
    state = pickle.dumps(fit)
    again = pickle.loads(state)
    for name in ("coefficients", "covariance", "sandwich", "variances", "scores"):
        assert_array_equal(getattr(again, name), getattr(fit, name))
    assert_array_equal(again.predict(x, factors=[codes]), fit.predict(x, factors=[codes]))
    assert len(state) < 8 * 801**2 / 4


def test_one_factor_of_many_levels_agrees_with_scikit_learn(rng):
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    n, n_levels = 20_000, 3_000
    x, codes = rng.normal(size=(n, 2)), rng.integers(0, n_levels, n)
    treatment = treated_by(rng, x, [codes])
    rows = np.flatnonzero(codes)
    levels = sparse.csr_matrix((np.ones(len(rows)), (rows, codes[rows] - 1)), shape=(n, n_levels - 1))
    peer = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-11, max_iter=1_000).fit(
        sparse.hstack([x, levels]), treatment
    )
    fit = core.fit_propensity(x, treatment, factors=[codes], penalty=1.0)
    assert_allclose(fit.coefficients[1:], peer.coef_[0], atol=1e-6)
    assert_allclose(fit.coefficients[0], peer.intercept_[0], atol=1e-6)


# The frame door


@pytest.fixture
def users(rng):
    """Users of 40 countries and 5 plans; the country stands between numbers."""
    n = 3_000
    df = pd.DataFrame(
        {
            "visits": rng.poisson(3, n),
            "country": [f"c{k:02d}" for k in rng.integers(0, 40, n)],
            "spend": rng.exponential(20, n),
            "beta": rng.random(n) < 0.3,
            "plan": pd.Categorical.from_codes(rng.integers(0, 5, n), list("abcde")),
            "pair": np.where(rng.random(n) < 0.5, "left", "right"),
            "y": rng.normal(size=n),
            "w": rng.uniform(0.5, 2.0, n) * (rng.random(n) > 0.05),
        }
    )
    codes = df["country"].astype("category").cat.codes.to_numpy()
    df["t"] = treated_by(rng, df[["spend"]].to_numpy() / 20, [codes, df["plan"].cat.codes.to_numpy()])
    return df


ROLES = {"treatment": "t", "covariates": ["visits", "country", "spend", "beta", "plan", "pair"]}


def both(monkeypatch, df, **options):
    """The model by codes, and by the matrix."""
    coded = ps.fit_propensity(df, **ROLES, **options)
    with monkeypatch.context() as patch:
        patch.setattr(laid_out, "_MANY_TERMS", 10**9)
        dense = ps.fit_propensity(df, **ROLES, **options)
    assert len(coded.fit.factors) == 2
    assert len(dense.fit.factors) == 0
    return coded, dense


@pytest.mark.parametrize("options", [{}, {"penalty": 2.0}, {"sample_weight": "w"}])
def test_models_by_codes_are_those_by_the_matrix(monkeypatch, users, options):
    coded, dense = both(monkeypatch, users, **options)
    assert coded.terms == dense.terms
    assert_allclose(coded.coefficients, dense.coefficients, **CLOSE)
    assert_allclose(coded.covariance, dense.covariance, **CLOSE)
    assert_allclose(coded.scores, dense.scores, **CLOSE)
    assert_allclose(coded.summary(), dense.summary(), rtol=1e-10, atol=1e-12)
    new = users.iloc[50:90].reset_index(drop=True)
    assert_allclose(coded.predict(new), dense.predict(new), **CLOSE)
    assert_allclose(coded.predict(new), coded.scores.iloc[50:90], **CLOSE)
    again = pickle.loads(pickle.dumps(coded))
    assert_array_equal(again.predict(new), coded.predict(new))
    options.pop("penalty", None)
    one, other = (ps.ipw(users, treatment="t", outcome="y", scores=m, **options) for m in (coded, dense))
    assert_allclose([one.estimate, one.std_error], [other.estimate, other.std_error], rtol=1e-10)


def test_levels_that_the_model_has_not_seen_are_named(users):
    model = ps.fit_propensity(users, **ROLES)
    new = users.assign(country="elsewhere")
    with pytest.raises(InvalidInputError, match=r"column 'country': .*'elsewhere'"):
        model.predict(new)


def test_terms_that_repeat_others_are_left_out_by_name(users):
    users["region"] = users["country"].str[:2]  # ten countries each
    roles = ROLES | {"covariates": ["region", *ROLES["covariates"]]}
    with pytest.warns(
        CollinearityWarning, match=r"same: country\[T\.c19\], country\[T\.c29\], country\[T\.c39\]"
    ):
        model = ps.fit_propensity(users, **roles)
    assert "country[T.c39]" in model.dropped
    assert "country[T.c38]" in model.terms


def test_levels_that_separate_are_named(users):
    users.loc[users["country"] == "c07", "t"] = True
    with pytest.warns(SeparationWarning, match="country == 'c07' are all treated"):
        ps.fit_propensity(users, **ROLES)
    users["t"] = users["country"] > "c20"
    with pytest.raises(SeparationError, match="country"):
        ps.fit_propensity(users, **ROLES)


def test_thousands_of_levels_are_fitted_with_a_penalty_alone(rng):
    n = 6_000
    df = pd.DataFrame({"x": rng.normal(size=n), "zip": [f"z{k:04d}" for k in rng.integers(0, 1_500, n)]})
    df["t"] = treated_by(rng, df[["x"]].to_numpy(), [])
    roles = {"treatment": "t", "covariates": ["x", "zip"]}
    with pytest.raises(InvalidInputError, match="more than 1,000 are not fitted without a penalty"):
        ps.fit_propensity(df, **roles)
    with pytest.warns(SmallSampleWarning, match=r"levels, of 4\.\d rows on average"):
        model = ps.fit_propensity(df, **roles, penalty=1.0)
    assert len(model.summary()) == len(model.terms) > 1_400
    assert_allclose(model.predict(df), model.scores, **CLOSE)
