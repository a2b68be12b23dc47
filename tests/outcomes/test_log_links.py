"""Poisson and gamma outcome models: statsmodels' coefficients, stacked twins, resamples, mistakes."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import propensity as ps
import reference
import stacked
from propensity import core
from propensity.errors import InvalidInputError
from propensity.scores.own_models import own_learner

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

ADJUSTMENTS = {"aipw": ps.aipw, "ipwra": ps.ipwra, "regression": ps.regression_adjustment}
SPECIFICATIONS = {"aipw": ps.AIPW, "ipwra": ps.IPWRA, "regression": ps.RegressionAdjustment}
MODELS = {"poisson": "clicks", "gamma": "spent"}
ROLES = {"treatment": "t", "covariates": ["a", "b"]}


def world(seed, n=600):
    """Counts, and positive amounts, whose means are exponentials of the covariates; and the true effects."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-1, 1, n)})
    df["t"] = rng.random(n) < reference.expit(0.2 + 0.6 * df["a"] - 0.5 * df["b"])
    eta = 0.3 + 0.5 * df["a"] - 0.4 * df["b"]
    means = np.exp(eta + 0.3), np.exp(eta)
    mean = np.where(df["t"], *means)
    # Not Poisson: with twice the variance, so that the errors of a likelihood would be too small.
    df["clicks"] = rng.poisson(mean * rng.gamma(1 / mean.mean(), mean.mean(), n)).astype(float)
    df["spent"] = mean * rng.gamma(2.0, 0.5, n) + 1e-12
    df["w"] = rng.uniform(0.5, 2.0, n)
    return df, float((means[0] - means[1]).mean())


@pytest.fixture(scope="module")
def rows():
    return world(3)[0]


def fitted_by_statsmodels(model, x, y, weight=None):
    family = sm.families.Poisson() if model == "poisson" else sm.families.Gamma(sm.families.links.Log())
    return sm.GLM(y, sm.add_constant(x), family=family, var_weights=weight).fit(tol=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_coefficients_are_statsmodels(rows, model, weighted):
    x, y = rows[["a", "b"]].to_numpy(), rows[MODELS[model]].to_numpy()
    weight = rows["w"].to_numpy() if weighted else None
    found = core.fit_outcome(x, y, outcome_model=model, sample_weight=weight)
    expected = fitted_by_statsmodels(model, x, y, weight)
    np.testing.assert_allclose(found.coefficients, expected.params, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.predict(x), expected.fittedvalues, rtol=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_coefficients_do_not_hang_on_units_or_far_places(rows, model):
    x, y = rows[["a", "b"]].to_numpy(), rows[MODELS[model]].to_numpy()
    plain = core.fit_outcome(x, y, outcome_model=model)
    moved = core.fit_outcome(x * [1e6, 1e-6] + [1e8, 5.0], y * 1e9, outcome_model=model)
    expected = plain.coefficients[1:] * [1e-6, 1e6]
    np.testing.assert_allclose(moved.coefficients[1:], expected, rtol=1e-6)
    np.testing.assert_allclose(moved.predict(x * [1e6, 1e-6] + [1e8, 5.0]), plain.predict(x) * 1e9, rtol=1e-7)


@pytest.mark.parametrize(("penalty", "weighted"), [(0.0, False), (7.0, True)])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ADJUSTMENTS)
def test_error_is_the_stacked_twins(rows, method, model, estimand, penalty, weighted):
    penalty = {"penalty": penalty} if method != "regression" else {}
    effect = ADJUSTMENTS[method](
        rows,
        outcome=MODELS[model],
        **ROLES,
        estimand=estimand,
        outcome_model=model,
        sample_weight="w" if weighted else None,
        **penalty,
    )
    design = stacked.Design(
        rows[["a", "b"]].to_numpy(),
        rows["t"].to_numpy(),
        rows[MODELS[model]].to_numpy(),
        method,
        estimand=estimand,
        outcome_model=model,
        sample_weight=rows["w"].to_numpy() if weighted else None,
        **penalty,
    )
    twin = stacked.solve(design)
    assert effect.estimate == pytest.approx(twin.estimate, rel=1e-8)
    assert effect.std_error == pytest.approx(twin.std_error, rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ADJUSTMENTS)
def test_groups_are_the_stacked_twins(rows, method, model):
    codes = (rows["a"] > 0).astype(int).to_numpy()
    labelled = rows.assign(side=np.where(codes == 1, "high", "low"))
    effects = ADJUSTMENTS[method](
        labelled, outcome=MODELS[model], **ROLES, outcome_model=model, by="side", sample_weight="w"
    )
    arrays = [rows[["a", "b"]].to_numpy(), rows["t"].to_numpy(), rows[MODELS[model]].to_numpy()]
    design = stacked.Design(*arrays, method, outcome_model=model, sample_weight=rows["w"].to_numpy())
    difference, covariance = stacked.solve_groups(design, codes).contrast()
    for place, side in enumerate(["low", "high"]):
        assert effects[side].estimate == pytest.approx(difference[place], rel=1e-7)
        assert effects[side].std_error == pytest.approx(np.sqrt(covariance[place, place]), rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_known_scores_leave_the_outcome_models_equations(rows, model):
    """With scores taken as known the twin's score equations are shut: their influence is none."""
    scores = pd.Series(np.full(len(rows), 0.5), index=rows.index)
    effect = ps.aipw(rows, outcome=MODELS[model], **ROLES, outcome_model=model, scores=scores)
    x, t, y = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy(), rows[MODELS[model]].to_numpy()
    z = np.column_stack([np.ones(len(x)), x])

    def psi(theta):
        parts = []
        fitted = {True: np.exp(z @ theta[:3]), False: np.exp(z @ theta[3:6])}
        for arm in (True, False):
            rest = (t == arm) * (y - fitted[arm])
            scale = fitted[arm] if model == "gamma" else 1.0
            parts.append((rest / scale)[:, None] * z)
        for place, arm in enumerate((True, False)):
            rest = (t == arm) * (y - fitted[arm])
            parts.append((fitted[arm] + 2 * rest - theta[6 + place])[:, None])
        return np.column_stack(parts)

    twin = stacked.solve_equations(psi, 8)
    assert effect.estimate == pytest.approx(twin.estimate, rel=1e-8)
    assert effect.std_error == pytest.approx(twin.std_error, rel=1e-6)


@pytest.mark.parametrize("rounded", [True, False], ids=["cells", "rows"])
@pytest.mark.parametrize("model", MODELS)
def test_replicates_are_fits_to_rows_copied_as_often_as_they_were_drawn(rows, model, rounded):
    x, t = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy()
    y = rows[MODELS[model]].to_numpy()
    if rounded:
        x, y = np.round(x), np.round(y) + 1.0
    specs = [spec(estimand, model) for spec in SPECIFICATIONS.values() for estimand in ("ATE", "ATT", "ATC")]
    found = core.bootstrap(x, t, y, estimators=specs, n_reps=3, seed=5).replicates
    cells = reference.alike(x, t, y)
    for replicate in range(3):
        drawn = np.repeat(np.arange(len(x)), reference.replicate_counts(5, replicate, len(x), cells=cells))
        expected = [
            core.adjust(
                x[drawn],
                t[drawn],
                y[drawn],
                method=spec.method,
                estimand=spec.estimand,
                outcome_model=model,
            ).estimate
            for spec in specs
        ]
        np.testing.assert_allclose(found[replicate], expected, rtol=0, atol=1e-8)


@pytest.mark.filterwarnings("ignore:kind=:propensity.errors.IntervalWarning")  # so few replicates do here
@pytest.mark.parametrize("model", MODELS)
def test_studentized_and_bca_intervals_are_had(rows, model):
    spec = ps.AIPW("ATE", model)
    options = {"outcome": MODELS[model], **ROLES, "estimators": [spec], "n_reps": 200, "seed": 1}
    found = ps.bootstrap(rows, **options, studentized=True)
    effect = ps.aipw(rows, outcome=MODELS[model], **ROLES, outcome_model=model)
    assert found.estimates.iloc[0] == pytest.approx(effect.estimate, rel=1e-10)
    assert found.replicates.iloc[:, 0].std() == pytest.approx(effect.std_error, rel=0.25)
    for kind in ("studentized", "bca"):
        low, high = found.conf_int(kind=kind).iloc[0]
        assert low < effect.estimate < high


@pytest.mark.parametrize("model", MODELS)
def test_cross_fitted_predictions_are_statsmodels_out_of_fold(rows, model):
    learner = own_learner(model)
    x, y = rows[["a", "b"]].to_numpy(), rows[MODELS[model]].to_numpy()
    expected = fitted_by_statsmodels(model, x[:400], y[:400])
    found = learner.fit(x[:400], y[:400]).predict(x[400:])
    np.testing.assert_allclose(found, expected.predict(sm.add_constant(x[400:])), rtol=1e-8)
    effect = ps.aipw(rows, outcome=MODELS[model], **ROLES, outcome_model=model, n_folds=3)
    plain = ps.aipw(rows, outcome=MODELS[model], **ROLES, outcome_model=model)
    assert effect.estimate == pytest.approx(plain.estimate, abs=plain.std_error)
    assert effect.std_error == pytest.approx(plain.std_error, rel=0.1)


def test_errors_are_those_of_a_simulation():
    """One in 300 errors are wrong where the ratio leaves .88 to 1.12, of 300 sets each."""
    found = {(method, model): [] for method in ("aipw", "ipwra") for model in MODELS}
    for seed in range(300):
        df, truth = world(seed, 500)
        for (method, model), values in found.items():
            effect = ADJUSTMENTS[method](df, outcome=MODELS[model], **ROLES, outcome_model=model)
            values.append((effect.estimate - truth, effect.std_error))
    for errors, std_errors in (np.array(values).T for values in found.values()):
        assert std_errors.mean() / errors.std() == pytest.approx(1, abs=0.12)
        assert abs(errors.mean()) < 3.5 * errors.std() / np.sqrt(300)
        assert 0.91 < (abs(errors) < 1.96 * std_errors).mean() < 0.985


def test_aipw_of_a_gamma_model_is_right_with_the_score_alone_and_ipwra_is_not():
    rng = np.random.default_rng(8)
    n = 200_000
    a = rng.normal(size=n)
    t = rng.random(n) < reference.expit(a)
    y = np.where(a > 0, 5.0, 1.0) * rng.gamma(2.0, 0.5, n) + t  # no exponential of a, and an effect of 1
    df = pd.DataFrame({"a": a, "t": t, "y": y})
    roles = {"outcome": "y", "treatment": "t", "covariates": ["a"]}
    for method, model in (("aipw", "gamma"), ("aipw", "poisson"), ("ipwra", "poisson")):
        effect = ADJUSTMENTS[method](df, **roles, outcome_model=model)
        assert abs(effect.estimate - 1) < 4 * effect.std_error
    effect = ps.ipwra(df, **roles, outcome_model="gamma")
    assert abs(effect.estimate - 1) > 4 * effect.std_error


def test_a_level_without_events_is_predicted_next_to_none(rows):
    """As the limit of the likelihood says; the others' means are those of a fit without it."""
    level = np.arange(len(rows)) % 10 == 3
    df = rows.assign(level=np.where(level, "none", "some"), clicks=np.where(level, 0.0, rows["clicks"]))
    roles = {"outcome": "clicks", "treatment": "t", "covariates": ["level"]}
    effect = ps.regression_adjustment(df, **roles, outcome_model="poisson")
    linear = ps.regression_adjustment(df, **roles)  # both are the means of the cells
    assert effect.estimate == pytest.approx(linear.estimate, rel=1e-8)
    assert effect.std_error == pytest.approx(linear.std_error, rel=1e-6)


@pytest.mark.parametrize("function", ["aipw", "ipwra", "regression", "estimate", "bootstrap"])
@pytest.mark.parametrize(
    ("model", "change", "words"),
    [
        ("poisson", {"clicks": -1.0}, ["column 'clicks'", "2 negative values (rows 104, 107)", "'linear'"]),
        ("gamma", {"clicks": 0.0}, ["column 'clicks'", "not above 0", "'poisson'"]),
        ("gamma", {"clicks": -1.0}, ["column 'clicks'", "not above 0", "'linear'"]),
    ],
)
def test_outcomes_that_there_is_no_such_model_of_are_named(rows, function, model, change, words):
    df = rows.set_index(rows.index + 100)
    df["clicks"] = df["clicks"] + (1.0 if model == "gamma" else 0.0)
    df.loc[[104, 107], "clicks"] = change["clicks"]
    with pytest.raises(InvalidInputError) as caught:
        called(function, df, model)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("function", ["aipw", "ipwra", "regression", "estimate", "bootstrap"])
def test_an_arm_without_events_is_named(rows, function):
    df = rows.assign(clicks=np.where(rows["t"], rows["clicks"], 0.0))
    with pytest.raises(InvalidInputError, match=r"column 'clicks': 0 in all \d+ control rows.*'linear'"):
        called(function, df, "poisson")


def called(function, df, model):
    if function in ADJUSTMENTS:
        return ADJUSTMENTS[function](df, outcome="clicks", **ROLES, outcome_model=model)
    run = {"estimate": ps.estimate, "bootstrap": ps.bootstrap}[function]
    return run(df, outcome="clicks", **ROLES, estimators=[ps.AIPW("ATE", model)])


def test_core_names_the_rows(rows):
    x, t = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy()
    y = np.array(rows["clicks"])
    y[7] = -2.0
    with pytest.raises(InvalidInputError, match=r"outcome: 1 value outside the numbers >= 0.*7"):
        core.adjust(x, t, y, method="aipw", outcome_model="poisson")
    with pytest.raises(InvalidInputError, match=r"outcome: .* outside the numbers > 0"):
        core.adjust(x, t, np.zeros(len(y)), method="aipw", outcome_model="gamma")
    with pytest.raises(InvalidInputError, match="where a poisson outcome model has no maximum"):
        core.adjust(x, t, np.zeros(len(y)), method="aipw", outcome_model="poisson")
