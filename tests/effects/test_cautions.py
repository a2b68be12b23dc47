"""Cautions: of scores that cannot be right, of few rows for many terms, and one advice at a time."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest

import propensity as ps
import worlds
from propensity.effects.cautions import carried_cautions, size_cautions, terms_cautions
from propensity.effects.expected_weights import rows_behind_weights
from propensity.errors import (
    BalanceWarning,
    CalibrationWarning,
    InvalidInputError,
    OverlapWarning,
)
from propensity.scores.cautions import score_cautions

# Scores


@pytest.fixture(scope="module")
def rare():
    """20,000 users of whom 4.6% opted in, with the true chances."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000)
    e = 1 / (1 + np.exp(3.5 - x))
    t = rng.random(20_000) < e
    return pd.DataFrame({"e": e, "t": t, "y": x + (1 + x) * t + rng.normal(size=20_000)})


def test_scores_of_the_other_arm_are_found_out(rare):
    with pytest.warns(CalibrationWarning, match="take 1 - scores") as caught:
        effect = ps.ipw(rare, outcome="y", treatment="t", scores=1 - rare["e"])
    assert caught[0].filename == __file__
    assert len(caught) == 1
    words = str(effect.cautions[0])
    assert f"their mean is {1 - rare['e'].mean():.3g} where {rare['t'].mean():.3g} of the rows" in words
    assert "lower among the treated" in words
    for match in (ps.match_nn, ps.subclassify, ps.balancing_weights):
        with pytest.warns((CalibrationWarning, BalanceWarning), match="take 1 - scores"):
            match(rare, treatment="t", scores=1 - rare["e"])


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_scores_of_a_balanced_sample_are_found_out(rare):
    odds = rare["e"] / (1 - rare["e"]) * (1 - rare["t"].mean()) / rare["t"].mean()
    with pytest.warns(CalibrationWarning, match="without class weights or resampled rows") as caught:
        ps.ipw(rare, outcome="y", treatment="t", scores=odds / (1 + odds))
    assert "1 - scores" not in str(caught[0].message)


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_honest_scores_are_believed(rare):
    effect = ps.ipw(rare, outcome="y", treatment="t", scores="e")
    assert not any(isinstance(caution, CalibrationWarning) for caution in effect.cautions)


def test_scores_that_are_all_the_same_are_lower_in_no_arm():
    assert score_cautions(np.full(5, 0.7), np.array([True, False, True, False, False])) == ()


@pytest.mark.parametrize("n", [6, 30, 300])
@pytest.mark.parametrize("law", [(1, 1), (0.5, 20), (200, 200), (20, 0.5)])
def test_honest_scores_of_small_samples_are_believed(n, law):
    rng = np.random.default_rng(n)
    for _ in range(500):
        e = np.clip(rng.beta(*law, size=n), 1e-6, 1 - 1e-6)
        t = rng.random(n) < e
        if 0 < t.sum() < n:
            assert score_cautions(e, t) == ()


def test_scores_of_the_population_are_believed_where_weights_say_so():
    rng = np.random.default_rng(2)
    e = rng.uniform(0.05, 0.3, size=40_000)
    t = rng.random(40_000) < e
    kept = t | (rng.random(40_000) < 0.1)  # controls are sampled, and stand for ten
    w = np.where(t, 1.0, 10.0)[kept]
    assert score_cautions(e[kept], t[kept], w) == ()
    assert len(score_cautions(e[kept], t[kept])) == 1


# Rows for terms


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 40))
    t = rng.random(600) < 1 / (1 + np.exp(1.25 - x.sum(axis=1) / 13))
    df = pd.DataFrame(x, columns=[f"x{k}" for k in range(40)])
    return df.assign(t=t, y=x.sum(axis=1) / 6 + t + rng.normal(size=600))


@pytest.mark.parametrize("estimate", [ps.aipw, ps.ipwra, ps.regression_adjustment])
def test_few_rows_for_many_terms_are_told(wide, estimate):
    wide = wide.iloc[:400]
    covariates = [name for name in wide if name.startswith("x")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        effect = estimate(wide, outcome="y", treatment="t", covariates=covariates)
        few = estimate(wide, outcome="y", treatment="t", covariates=covariates[:3])
    (words,) = [str(warning.message) for warning in caught if "terms for" in str(warning.message)]
    assert words.startswith("the outcome model has 41 terms for treated rows worth")
    assert words in [str(caution) for caution in effect.cautions]
    assert not any("terms for" in str(caution) for caution in few.cautions)


def test_few_rows_that_carry_the_variance_are_told():
    rows = (100, 5_000)

    carried = functools.partial(carried_cautions, outcome="spend")

    def on(n_rows):
        return lambda: n_rows

    (caution,) = carried("ATE", rows, 9.4, on(20.0))
    assert (
        "few rows carry the variance of 'spend' (df 9): where weights are as uneven as these scores"
        in str(caution)
    )
    assert "about 20 do, and the smaller arm has 100" in str(caution)
    assert carried("ATE", rows, 60.0, on(20.0)) == ()  # enough carry it
    assert carried("ATE", rows, 9.4, on(22.6)) == ()  # weights are even, for so small an arm
    assert carried("ATT", rows, 9.4, on(8.1)) == ()
    for estimand in ("ATT", "ATC"):
        assert len(carried(estimand, rows, 9.4, on(7.9))) == 1
    assert carried("ATO", rows, 9.4, on(1.0)) == ()  # its weights have a bound
    told = [ps.errors.OverlapWarning("little overlap: of few")]
    assert carried("ATE", rows, 9.4, on(20.0), told) == ()
    assert "jackknife" in str(caution)
    assert "jackknife" not in str(carried("ATE", rows, 9.4, on(20.0), jackknife=False)[0])


def test_values_far_out_are_told_apart_from_heavy_weights():
    rng = np.random.default_rng(2)
    n = 4_000
    x = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(-1.1 * x))
    spend = np.exp(2 * rng.normal(size=n))
    spend[:6] *= 300
    rare = (rng.random(n) < 0.002).astype(int)
    df = pd.DataFrame(
        {"x": x, "t": t, "visits": rng.normal(size=n), "spend": spend, "rare": rare, "sessions": 1}
    )
    roles = {"treatment": "t", "outcome": ["visits", "spend", "rare"]}
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        effects = ps.ipw(df, **roles, scores=model)
        study = ps.Study(df, **roles, covariates=["x"]).on("spend")
        ratio = ps.ipw(df, outcome="spend", per="sessions", treatment="t", scores=model)
    (caution,) = effects["spend"].cautions
    assert isinstance(caution, ps.errors.SmallSampleWarning)
    assert str(caution).startswith("heavy tails of 'spend': few rows carry the variance (df")
    assert "winsorize=0.99" in str(caution)
    assert study.verdicts().loc["overlap", "verdict"] == "holds"
    assert "heavy tails of 'spend'" in study.verdicts().loc["overlap", "reason"]
    (of_events,) = effects["rare"].cautions  # of which bounds would leave nothing
    assert isinstance(of_events, OverlapWarning)
    assert str(of_events).startswith("few rows carry the variance of 'rare' (df")
    assert "winsorize" not in str(of_events)
    assert "bound the column before, for with per=" in str(ratio.cautions[0])


def test_rows_that_weights_rest_on_are_those_of_many_samples():
    """The sums of powers of the weights of an arm, over draws of who is treated with these scores."""
    rng = np.random.default_rng(5)
    e = rng.beta(2, 3, size=300)
    treated = rng.random((20_000, 300)) < e
    powers = {}
    for arm, chance, own in (("treated", e, treated), ("control", 1 - e, ~treated)):
        for estimand, w in (("ATE", 1 / chance), ("other", (1 - chance) / chance)):
            squares, fourths = ((own * w**power).sum(axis=1).mean() for power in (2, 4))
            powers[estimand, arm] = squares**2 / fourths
    found = {estimand: rows_behind_weights(e, estimand) for estimand in ("ATE", "ATT", "ATC")}
    assert found["ATE"] == pytest.approx(min(powers["ATE", arm] for arm in ("treated", "control")), rel=0.05)
    assert found["ATT"] == pytest.approx(powers["other", "control"], rel=0.05)
    assert found["ATC"] == pytest.approx(powers["other", "treated"], rel=0.05)


def test_rows_that_weights_rest_on_count_users_and_know_bounds():
    e = np.array([0.1, 0.3, 0.5, 0.02])
    users = np.array([3.0, 1.0, 4.0, 2.0])
    for estimand in ("ATE", "ATT", "ATC"):
        counted = rows_behind_weights(e, estimand, users)
        assert counted == pytest.approx(rows_behind_weights(np.repeat(e, users.astype(int)), estimand))
    assert rows_behind_weights(np.full(80, 0.3), "ATT") == pytest.approx(80 * 0.7)  # as many as controls
    bounded = rows_behind_weights(e, "ATE", largest=(1.0, 1.0))
    assert bounded == pytest.approx(e.sum())  # all weigh the same
    assert rows_behind_weights(np.append(e, 1.0), "ATT") == rows_behind_weights(e, "ATT")
    assert np.isfinite(rows_behind_weights(np.append(e, 1e-90), "ATE"))


@pytest.mark.parametrize("n_terms", [3, 10])
def test_experiments_with_a_small_arm_are_not_warned_of(n_terms):
    """Fifty treated by lot of five thousand, whose intervals hold: of at most one in twenty."""
    covariates, warned = [f"x{k}" for k in range(n_terms)], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(5_000, n_terms))
        t = np.zeros(5_000, dtype=bool)
        t[rng.choice(5_000, 50, replace=False)] = True
        df = pd.DataFrame(x, columns=covariates).assign(t=t, y=x.sum(axis=1) + rng.normal(size=5_000))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ps.fit_propensity(df, treatment="t", covariates=covariates)
            effect = ps.ipw(df, outcome="y", treatment="t", scores=model)
        warned += any(isinstance(caution, OverlapWarning) for caution in effect.cautions)
    assert warned <= 2


def test_worlds_where_covariates_decide_the_outcome_are_warned_of():
    """Of Kang and Schafer's, which weights alone do not tell from others, most; of others few."""
    shares = {}
    for world in ("KS right", "LD moderate"):
        warned = 0
        for seed in range(60):
            sample = worlds.WORLDS[world].draw(np.random.default_rng(seed), 1_000)
            df = pd.DataFrame(sample.x, columns=list("abcdefg")[: sample.x.shape[1]])
            model = ps.fit_propensity(df.assign(t=sample.treatment), treatment="t", covariates=list(df))
            df = df.assign(t=sample.treatment, y=sample.outcome)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                ps.ipw(df, outcome="y", treatment="t", scores=model)
            warned += any(issubclass(warning.category, ps.errors.OverlapWarning) for warning in caught)
        shares[world] = warned / 60
    assert shares["KS right"] > 0.75
    assert shares["LD moderate"] < 0.25


def test_only_models_that_predict_for_others_need_the_rows():
    assert len(terms_cautions((70.0, 230.0), 25, "ATE")) == 1
    assert terms_cautions((70.0, 230.0), 25, "ATT") == ()
    assert "treated rows worth 70" in str(terms_cautions((70.0, 230.0), 25, "ATC")[0])
    assert "control rows worth 70" in str(terms_cautions((900.0, 70.0), 25, "ATT")[0])
    assert terms_cautions((80.0, 230.0), 25, "ATE") == ()
    (weighted,) = terms_cautions((80.0, 230.0), 25, "ATE", weighted=True)
    assert "below 5 rows a term the interval is rough, and may be too narrow" in str(weighted)
    assert terms_cautions((126.0, 230.0), 25, "ATE", weighted=True) == ()


# One advice


def test_an_arm_whose_weights_are_uneven_is_not_too_small_as_well():
    told = (OverlapWarning("little overlap"),)
    assert size_cautions((11.0, 500.0), (2_000, 9_000), told=told) == ()
    assert len(size_cautions((11.0, 500.0), (15, 9_000), told=told)) == 1
    assert len(size_cautions((11.0, 500.0), (2_000, 9_000))) == 1
    assert "bootstrap" not in str(size_cautions((11.0, 500.0), (20, 9_000))[0])


# Outcomes among what was known


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
@pytest.mark.parametrize("covariates", [["visits", "done"], "visits + done", "visits + np.exp(-done)"])
def test_a_score_made_of_the_outcome_is_refused(users, covariates):
    model = ps.fit_propensity(users, treatment="opted", covariates=covariates)
    with pytest.raises(InvalidInputError, match="column 'done' is the outcome, and a covariate of the model"):
        ps.ipw(users, outcome="done", treatment="opted", scores=model)
    with pytest.raises(InvalidInputError, match="column 'done' is the outcome"):
        ps.ipw(users, outcome=["tenure", "done"], treatment="opted", scores=model)
    for match in (ps.match_nn, ps.match_full, ps.subclassify):
        matched = match(users, treatment="opted", scores=model)
        with pytest.raises(InvalidInputError, match="'done' is the outcome, and rows were matched by it"):
            matched.effect(users["done"])
        matched.effect(users["tenure"])


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
def test_rows_matched_by_the_outcome_are_refused(users):
    for matched in (
        ps.match_cem(users, treatment="opted", covariates=["tenure"]),
        ps.match_nn(users, treatment="opted", covariates=["tenure"], on="mahalanobis"),
    ):
        with pytest.raises(InvalidInputError, match="'tenure' is the outcome, and rows were matched by it"):
            matched.effect(users["tenure"])
