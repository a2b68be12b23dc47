"""Probit and complementary log-log scores: statsmodels, Stata, stacked twins, resamples, mistakes."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

import propensity as ps
import reference
import stacked
from propensity import core
from propensity.errors import InvalidInputError, SeparationError, SeparationWarning

# Neither is the question here.
pytestmark = pytest.mark.filterwarnings(
    "ignore::propensity.errors.BalanceWarning", "ignore::propensity.errors.OverlapWarning"
)

LINKS = {"probit": sm.families.links.Probit(), "cloglog": sm.families.links.CLogLog()}
ROLES = {"treatment": "t", "covariates": ["a", "b"]}
ADJUSTMENTS = {"aipw": ps.aipw, "ipwra": ps.ipwra}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(7)
    n = 500
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-1, 1, n)})
    df["t"] = rng.random(n) < reference.expit(-0.2 + 0.6 * df["a"] - 0.5 * df["b"])
    df["y"] = 1 + df["t"] * (1 + 0.5 * df["a"]) + df["a"] ** 2 + df["b"] + rng.normal(size=n)
    df["w"] = rng.uniform(0.5, 2.0, n)
    return df


def by_statsmodels(df, link, weight=None):
    family = sm.families.Binomial(LINKS[link])
    x = sm.add_constant(df[["a", "b"]].to_numpy())
    return sm.GLM(df["t"].to_numpy(dtype=float), x, family=family, freq_weights=weight).fit(tol=1e-14)


# Fits


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("link", LINKS)
def test_fit_is_statsmodels(rows, link, weighted):
    options = {"sample_weight": "w"} if weighted else {}
    model = ps.fit_propensity(rows, **ROLES, score_model=link, **options)
    expected = by_statsmodels(rows, link, rows["w"].to_numpy() if weighted else None)
    np.testing.assert_allclose(model.coefficients, expected.params, rtol=1e-8)
    np.testing.assert_allclose(model.scores, expected.fittedvalues, rtol=1e-8)
    np.testing.assert_allclose(model.predict(pl.from_pandas(rows)), expected.fittedvalues, rtol=1e-8)
    assert model.log_likelihood == pytest.approx(expected.llf, rel=1e-10)
    assert model.score_model == link
    assert link in str(model)


def test_covariance_of_a_probit_is_that_of_the_observed_information(rows):
    model = ps.fit_propensity(rows, **ROLES, score_model="probit")
    expected = sm.Probit(rows["t"].astype(float), sm.add_constant(rows[["a", "b"]])).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(model.covariance, expected.cov_params(), rtol=1e-7)


@pytest.mark.parametrize("link", LINKS)
def test_sandwich_is_that_of_the_equations_differentiated(rows, link):
    model = ps.fit_propensity(rows, **ROLES, score_model=link, sample_weight="w")
    x, t, w = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy(), rows["w"].to_numpy()
    design = stacked.Design(x, t, t.astype(float), "ipw", sample_weight=w, score_model=link)
    found = stacked.solve_scores(design)
    np.testing.assert_allclose(model.coefficients, found.theta, rtol=1e-7)
    np.testing.assert_allclose(model.covariance, found.covariance, rtol=1e-5)


@pytest.mark.parametrize("link", LINKS)
def test_penalty_maximizes_the_penalized_likelihood(rows, link):
    penalty = 20.0
    model = ps.fit_propensity(rows, **ROLES, score_model=link, penalty=penalty)
    x, t = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy()

    def objective(beta):
        e = LINKS[link].inverse(beta[0] + x @ beta[1:])
        return np.log(np.where(t, e, 1 - e)).sum() - penalty / 2 * (beta[1:] ** 2).sum()

    best = model.coefficients.to_numpy()
    for k in range(3):
        for step in (1e-3, -1e-3):
            assert objective(best + step * np.eye(3)[k]) < objective(best)
        slope = (objective(best + 1e-5 * np.eye(3)[k]) - objective(best - 1e-5 * np.eye(3)[k])) / 2e-5
        assert slope == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("link", LINKS)
def test_model_pickles(rows, link):
    model = ps.fit_propensity(rows, **ROLES, score_model=link)
    again = pickle.loads(pickle.dumps(model))
    assert again.score_model == link
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))


@pytest.mark.parametrize("link", LINKS)
def test_far_and_collinear_columns_cost_no_digits(rows, link):
    plain = ps.fit_propensity(rows, **ROLES, score_model=link)
    moved = rows.assign(a=rows["a"] * 1e3 + 1e7, c=rows["b"] * 2)
    with pytest.warns(ps.errors.CollinearityWarning, match="c"):
        found = ps.fit_propensity(moved, treatment="t", covariates=["a", "b", "c"], score_model=link)
    np.testing.assert_allclose(found.scores, plain.scores, rtol=1e-8)


# Separation


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("arm", [True, False])
def test_a_level_of_one_arm_is_named(rows, link, arm):
    tier = np.where(np.arange(len(rows)) % 10 == 0, "odd", "even")
    df = rows.assign(tier=tier, t=np.where(tier == "odd", arm, rows["t"]))
    with pytest.warns(SeparationWarning, match="tier == 'odd'"):
        model = ps.fit_propensity(df, treatment="t", covariates=["tier", "a"], score_model=link)
    assert abs(model.scores[tier == "odd"] - arm).max() < 1e-8


@pytest.mark.parametrize("link", LINKS)
def test_a_number_that_foretells_the_treatment_is_an_error(rows, link):
    df = rows.assign(a=rows["a"] + 10 * rows["t"])
    with pytest.raises(SeparationError, match="a"):
        ps.fit_propensity(df, **ROLES, score_model=link)


# Errors of effects


@pytest.mark.parametrize(("penalty", "weighted"), [(0.0, False), (7.0, True)])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC", "ATO", "ATM"])
@pytest.mark.parametrize("link", LINKS)
def test_ipw_is_the_stacked_twin(rows, link, estimand, penalty, weighted):
    weight = {"sample_weight": "w" if weighted else None}
    scores = ps.fit_propensity(rows, **ROLES, score_model=link, penalty=penalty, **weight)
    effect = ps.ipw(rows, outcome="y", treatment="t", scores=scores, estimand=estimand, **weight)
    assert_twin(rows, effect, "ipw", link, estimand, penalty, weighted)


@pytest.mark.parametrize(("penalty", "weighted"), [(0.0, False), (7.0, True)])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("method", ADJUSTMENTS)
@pytest.mark.parametrize("link", LINKS)
def test_doubly_robust_is_the_stacked_twin(rows, link, method, estimand, penalty, weighted):
    options = {"estimand": estimand, "penalty": penalty, "sample_weight": "w" if weighted else None}
    effect = ADJUSTMENTS[method](rows, outcome="y", **ROLES, score_model=link, **options)
    assert_twin(rows, effect, method, link, estimand, penalty, weighted)


def assert_twin(df, effect, method, link, estimand, penalty, weighted):
    arrays = [df[["a", "b"]].to_numpy(), df["t"].to_numpy(), df["y"].to_numpy()]
    weight = df["w"].to_numpy() if weighted else None
    options = {"estimand": estimand, "penalty": penalty, "sample_weight": weight, "score_model": link}
    twin = stacked.solve(stacked.Design(*arrays, method, **options))
    assert effect.estimate == pytest.approx(twin.estimate, rel=1e-8)
    assert effect.std_error == pytest.approx(twin.std_error, rel=1e-6)


@pytest.mark.parametrize("method", ["ipw", "aipw", "ipwra"])
@pytest.mark.parametrize("link", LINKS)
def test_groups_are_the_stacked_twins(rows, link, method):
    codes = (rows["b"] > 0).astype(int).to_numpy()
    df = rows.assign(side=np.where(codes == 1, "high", "low"))
    if method == "ipw":
        scores = ps.fit_propensity(df, **ROLES, score_model=link)
        effects = ps.ipw(df, outcome="y", treatment="t", scores=scores, by="side")
    else:
        effects = ADJUSTMENTS[method](df, outcome="y", **ROLES, score_model=link, by="side")
    arrays = [rows[["a", "b"]].to_numpy(), rows["t"].to_numpy(), rows["y"].to_numpy()]
    twin = stacked.solve_groups(stacked.Design(*arrays, method, score_model=link), codes)
    difference, covariance = twin.contrast()
    for place, side in enumerate(["low", "high"]):
        assert effects[side].estimate == pytest.approx(difference[place], rel=1e-7)
        assert effects[side].std_error == pytest.approx(np.sqrt(covariance[place, place]), rel=1e-5)


STATA = Path(__file__).parents[1] / "reference"
PUBLISHED = pd.read_json(STATA / "published_estimates.json")["values"]
BIRTHS = {"outcome": "bweight", "treatment": "mbsmoke_", "score_model": "probit"}


@pytest.mark.parametrize(
    ("command", "stata", "estimand"),
    [
        ("ipw", "ATE", "ATE"),
        ("ipw", "ATET", "ATT"),
        ("aipw", "ATE", "ATE"),
        ("ipwra", "ATE", "ATE"),
        ("ipwra", "ATET", "ATT"),
    ],
)
def test_commands_of_statas_manual(command, stata, estimand):
    """The first examples of [CAUSAL] teffects ipw, aipw and ipwra: a probit of four columns and a square."""
    births = pd.read_csv(STATA / "cattaneo2.csv.gz")
    of_score = "mmarried_ + mage + I(mage**2) + fbaby_ + medu"
    of_outcome = ["prenatal1_", "mmarried_", "mage", "fbaby_"]
    if command == "ipw":
        roles = {"treatment": "mbsmoke_", "covariates": of_score, "score_model": "probit"}
        scores = ps.fit_propensity(births, **roles)
        effect = ps.ipw(births, outcome="bweight", treatment="mbsmoke_", scores=scores, estimand=estimand)
    else:
        covariates = {"covariates": of_score, "outcome_covariates": of_outcome}
        effect = ADJUSTMENTS[command](births, **BIRTHS, **covariates, estimand=estimand)
    published = PUBLISHED[f"C.stata.teffects_{command}.{stata}"]
    assert effect.estimate == pytest.approx(published["value"], rel=1e-7)
    assert effect.std_error == pytest.approx(published["se"], rel=1e-6)


# Matching


@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize("link", LINKS)
def test_matching_counts_what_the_scores_estimation_does(rows, link, on):
    """By an influence that is differentiated: scores from coefficients moved along each row's influence."""
    df = rows.assign(a=rows["a"].round(1), b=rows["b"].round(1))
    model = ps.fit_propensity(df, **ROLES, score_model=link)
    for estimand in ("ATE", "ATT"):
        matches = ps.match_nn(df, treatment="t", scores=model, estimand=estimand, on=on)
        known = ps.match_nn(df, treatment="t", scores=model.scores, estimand=estimand, on=on)
        found = matches.effect("y").std_error ** 2 - known.effect("y").std_error ** 2
        expected = correction_by_hand(df, np.asarray(model.scores), link, estimand, on)
        assert found == pytest.approx(expected, rel=1e-6)


def correction_by_hand(df, e, link, estimand, on):
    """As `reference.estimated_score_correction`, with f the derivative of the score, differentiated."""
    x, t, y = df[["a", "b"]].to_numpy(), df["t"].to_numpy(), df["y"].to_numpy()
    eta = LINKS[link](e)
    h = 1e-6
    f = (LINKS[link].inverse(eta + h) - LINKS[link].inverse(eta - h)) / (2 * h)
    z = np.column_stack([np.ones(len(x)), x - x.mean(axis=0)])

    def score_equations(gamma):
        e = LINKS[link].inverse(eta + z @ gamma)
        slope = (LINKS[link].inverse(eta + z @ gamma + h) - LINKS[link].inverse(eta + z @ gamma - h)) / (
            2 * h
        )
        return ((t - e) * slope / (e * (1 - e))) @ z

    information = -np.column_stack(
        [(score_equations(1e-4 * unit) - score_equations(-1e-4 * unit)) / 2e-4 for unit in np.eye(z.shape[1])]
    )
    options = {"estimand": estimand, "n_neighbors": 1, "on": on}
    matches = reference.nearest_neighbors(e, t, **options)
    tau = reference.matching_effect(y, t, matches)
    quantity = reference.matched_quantity(e, on)
    c, d = np.zeros((2, z.shape[1]))
    for row, score in enumerate(e):
        m, cov = {}, {}
        for arm in (False, True):
            own = reference.same_score(quantity, np.flatnonzero(t == arm), row)
            m[arm] = y[own[own != row]].mean()
            cov[arm] = (z[own] - z[own].mean(axis=0)).T @ y[own] / (len(own) - 1)
        if estimand == "ATE":
            c += f[row] * (cov[True] / score + cov[False] / (1 - score))
        else:
            gap = f[row] * z[row] * (m[True] - m[False] - tau)
            c += gap + f[row] * (cov[True] + score / (1 - score) * cov[False])
            d += gap + f[row] * (cov[True] - cov[False])
    v = np.linalg.inv(information)
    return (d @ v @ d - c @ v @ c) / len(matches) ** 2


@pytest.mark.parametrize("link", LINKS)
def test_errors_of_matching_are_those_of_a_simulation(link):
    """Of 300 sets: a ratio of standard errors to what estimates vary by of .88 to 1.12."""
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, (400, 2))
        t = rng.random(400) < LINKS[link].inverse(0.7 * x[:, 0] - 0.4 * x[:, 1] - 0.2)
        y = 2 * x[:, 0] - 2 * x[:, 1] + t + rng.normal(0, 0.5, 400)
        scores = core.fit_propensity(x, t, score_model=link).scores
        effect = core.matching_effect(y, t, scores, estimand="ATE", x=x, score_model=link)
        found.append((effect.estimate - 1, effect.std_error))
    errors, std_errors = np.array(found).T
    assert std_errors.mean() / errors.std() == pytest.approx(1, abs=0.12)


# Side by side


@pytest.mark.parametrize("link", LINKS)
def test_estimate_fits_each_score_model_once(rows, link):
    estimators = [
        ps.IPW("ATE", score_model=link),
        ps.IPW("ATE"),
        ps.AIPW("ATT", score_model=link),
        ps.IPWRA("ATE", score_model=link),
        ps.NearestNeighbors("ATE", score_model=link),
    ]
    table = ps.estimate(rows, outcome="y", **ROLES, estimators=estimators)
    assert list(table.index[1:]) == [
        f"IPW ATE ({link})",
        "IPW ATE",
        f"AIPW ATT ({link})",
        f"IPWRA ATE ({link})",
        f"1-NN ATE ({link})",
    ]
    model = ps.fit_propensity(rows, **ROLES, score_model=link)
    of_link = {"outcome": "y", **ROLES, "score_model": link}
    matches = ps.match_nn(rows, treatment="t", scores=model, estimand="ATE")
    expected = {
        f"IPW ATE ({link})": ps.ipw(rows, outcome="y", treatment="t", scores=model),
        f"AIPW ATT ({link})": ps.aipw(rows, **of_link, estimand="ATT"),
        f"IPWRA ATE ({link})": ps.ipwra(rows, **of_link),
        f"1-NN ATE ({link})": matches.effect("y"),
    }
    for name, effect in expected.items():
        assert table.loc[name, "estimate"] == pytest.approx(effect.estimate, rel=1e-12)
        assert table.loc[name, "std_error"] == pytest.approx(effect.std_error, rel=1e-10)
    given = ps.aipw(rows, outcome="y", **ROLES, scores=model, estimand="ATT")
    assert given.std_error == pytest.approx(expected[f"AIPW ATT ({link})"].std_error, rel=1e-10)


@pytest.mark.parametrize("rounded", [True, False], ids=["cells", "rows"])
@pytest.mark.parametrize("link", LINKS)
def test_replicates_are_fits_to_rows_copied_as_often_as_they_were_drawn(rows, link, rounded):
    x, t, y = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy(), rows["y"].to_numpy()
    if rounded:
        x, y = np.round(x), np.round(y)
    specs = [ps.IPW("ATE"), ps.IPW("ATO"), ps.AIPW("ATT"), ps.IPWRA("ATE"), ps.NearestNeighbors(on="logit")]
    found = core.bootstrap(x, t, y, estimators=specs, score_model=link, n_reps=3, seed=5).replicates
    cells = reference.alike(x, t, y)
    for replicate in range(3):
        drawn = np.repeat(np.arange(len(x)), reference.replicate_counts(5, replicate, len(x), cells=cells))
        copied = x[drawn], t[drawn], y[drawn]
        scores = core.fit_propensity(*copied[:2], score_model=link).scores
        expected = [
            core.ipw(copied[2], copied[1], scores).estimate,
            core.ipw(copied[2], copied[1], scores, estimand="ATO").estimate,
            core.adjust(*copied, method="aipw", estimand="ATT", score_model=link).estimate,
            core.adjust(*copied, method="ipwra", score_model=link).estimate,
            core.matching_effect(copied[2], copied[1], scores, on="logit").estimate,
        ]
        np.testing.assert_allclose(found[replicate], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("link", LINKS)
def test_bootstrap_of_frames_is_near_the_stacked_error(rows, link):
    specs = [ps.IPW("ATE", score_model=link), ps.AIPW("ATE", score_model=link)]
    options = {"outcome": "y", **ROLES, "n_reps": 300, "seed": 2, "progress": False}
    found = ps.bootstrap(rows, estimators=specs, studentized=True, **options)
    model = ps.fit_propensity(rows, **ROLES, score_model=link)
    expected = ps.ipw(rows, outcome="y", treatment="t", scores=model)
    assert found.estimates.iloc[0] == pytest.approx(expected.estimate, rel=1e-10)
    assert found.replicates.iloc[:, 0].std() == pytest.approx(expected.std_error, rel=0.2)
    logistic = ps.bootstrap(rows, estimators=[ps.IPW("ATE")], **options)
    assert logistic.replicates.iloc[:, 0].corr(found.replicates.iloc[:, 0]) > 0.99


def test_bootstrap_of_two_score_models_is_refused(rows):
    specs = [ps.IPW("ATE"), ps.IPW("ATE", score_model="probit")]
    with pytest.raises(InvalidInputError, match=r"one score model, and these have 'logistic', 'probit'"):
        ps.bootstrap(rows, outcome="y", **ROLES, estimators=specs, n_reps=10)


@pytest.mark.parametrize("link", LINKS)
def test_cross_fitted_scores_are_those_of_models_of_other_folds(rows, link):
    scores = ps.fit_propensity(rows, **ROLES, score_model=link, n_folds=3)
    logistic = ps.fit_propensity(rows, **ROLES, n_folds=3)
    plain = ps.fit_propensity(rows, **ROLES, score_model=link)
    assert np.abs(scores.scores - plain.scores).max() < 0.05
    assert np.abs(scores.scores - logistic.scores).max() > 1e-4


@pytest.mark.parametrize("link", LINKS)
def test_bounds_refit_the_model(rows, link):
    options = {"outcome": "y", **ROLES, "gamma": [1.0], "n_reps": 50, "progress": False}
    found = ps.sensitivity_bounds(rows, **options, estimator=ps.IPW("ATE", score_model=link))
    scores = ps.fit_propensity(rows, **ROLES, score_model=link)
    expected = ps.ipw(rows, outcome="y", treatment="t", scores=scores).estimate
    assert found.table.loc[0, ["lower", "upper"]].to_numpy() == pytest.approx([expected, expected], rel=1e-9)


# Mistakes


@pytest.mark.parametrize(
    "call",
    [
        lambda df, word: ps.fit_propensity(df, **ROLES, score_model=word),
        lambda df, word: ps.aipw(df, outcome="y", **ROLES, score_model=word),
        lambda df, word: ps.ipwra(df, outcome="y", **ROLES, score_model=word),
        lambda _, word: ps.IPW(score_model=word),
        lambda _, word: ps.IPWRA(score_model=word),
        lambda _, word: ps.NearestNeighbors(score_model=word),
    ],
)
def test_other_words_are_answered_with_those_there_are(rows, call):
    with pytest.raises(InvalidInputError, match="score_model must be one of 'logistic', 'probit', 'cloglog'"):
        call(rows, "logit")


def test_core_answers_other_words(rows):
    x, t = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy()
    with pytest.raises(InvalidInputError, match='score_model must be "logistic", "probit" or "cloglog"'):
        core.fit_propensity(x, t, score_model="logit")
