"""Quantile effects: a slow twin, what an outcome turned round has, and intervals that hold."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

import propensity as ps
import reference
from propensity.errors import InvalidInputError, OverlapWarning, SmallSampleWarning

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

ROLES = {"outcome": "y", "treatment": "t", "covariates": ["a", "b"]}
QUICK = {"n_reps": 20, "progress": False}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(61)
    n = 600
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-1, 1, n)})
    df["t"] = rng.random(n) < reference.expit(0.5 * df["a"] - 0.5 * df["b"])
    df["y"] = np.exp(1 + 0.5 * df["a"] + 0.4 * df["t"] + rng.normal(size=n))
    df["w"] = rng.integers(1, 4, n).astype(float)
    df["team"] = np.arange(n) % 60
    return df


def check_function(values, weights, q):
    """The middle of all values at which the weighted check function is least, by trying every one."""
    losses = np.array([(weights * (values - c) * (q - (values < c))).sum() for c in values])
    best = values[losses <= losses.min() + 1e-9 * np.abs(losses).max()]
    return (best.min() + best.max()) / 2


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC", "ATO", "ATM"])
def test_quantiles_minimize_the_check_function(rows, estimand):
    found = ps.quantile_effect(rows, **ROLES, q=[0.1, 0.5, 0.9], estimand=estimand, **QUICK)
    scores = ps.fit_propensity(rows, treatment="t", covariates=["a", "b"])
    w = ps.balancing_weights(rows, treatment="t", scores=scores, estimand=estimand).to_numpy()
    t, y = rows["t"].to_numpy(), rows["y"].to_numpy()
    for q, line in found.table.iterrows():
        expected = [check_function(y[arm], w[arm], q) for arm in (t, ~t)]
        assert line[["quantile_treated", "quantile_control"]].tolist() == pytest.approx(expected, rel=1e-12)
        assert line["estimate"] == pytest.approx(expected[0] - expected[1], rel=1e-10)


def test_without_covariates_they_are_plain_quantiles(rows):
    with pytest.warns(ps.errors.DegenerateWarning, match="nothing is adjusted for"):
        found = ps.quantile_effect(
            rows, outcome="y", treatment="t", covariates="1", q=[0.25, 0.5, 0.9], **QUICK
        )
    for arm, own in (("treated", rows["t"]), ("control", ~rows["t"])):
        expected = np.quantile(rows["y"][own], [0.25, 0.5, 0.9], method="averaged_inverted_cdf")
        np.testing.assert_allclose(found.quantiles[arm], expected, rtol=1e-12)


def test_outcome_turned_round_has_its_quantiles_turned_round(rows):
    found = ps.quantile_effect(rows, **ROLES, q=[0.2, 0.8], **QUICK)
    other = ps.quantile_effect(rows.assign(y=-rows["y"]), **ROLES, q=[0.8, 0.2], **QUICK)
    np.testing.assert_allclose(other.table["estimate"], -found.table["estimate"], rtol=1e-10)
    np.testing.assert_allclose(
        other.table["analytic_std_error"], found.table["analytic_std_error"], rtol=0.05
    )


@pytest.mark.filterwarnings("ignore::propensity.errors.SampleWeightWarning")
def test_sample_weights_are_rows_in_the_estimate(rows):
    weighted = ps.quantile_effect(rows, **ROLES, q=[0.3, 0.7], sample_weight="w", **QUICK)
    spelled = rows.loc[rows.index.repeat(rows["w"].astype(int))].reset_index(drop=True)
    expected = ps.quantile_effect(spelled, **ROLES, q=[0.3, 0.7], **QUICK)
    np.testing.assert_allclose(weighted.quantiles, expected.quantiles, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::propensity.errors.SampleWeightWarning")
def test_rows_of_weight_0_are_not_there(rows):
    df = rows.assign(w=np.where(np.arange(600) < 100, 0.0, rows["w"]))
    weighted = ps.quantile_effect(df, **ROLES, q=0.5, sample_weight="w", **QUICK)
    alone = ps.quantile_effect(
        df[df["w"] > 0].reset_index(drop=True), **ROLES, q=0.5, sample_weight="w", **QUICK
    )
    pd.testing.assert_frame_equal(weighted.table, alone.table, rtol=1e-8)


def test_order_of_rows_and_threads_decide_nothing(rows):
    found = ps.quantile_effect(rows, **ROLES, **QUICK, q=[0.5, 0.9], n_threads=1)
    for df in (rows.sample(frac=1, random_state=2), pl.from_pandas(rows)):
        other = ps.quantile_effect(df, **ROLES, **QUICK, q=[0.5, 0.9], n_threads=2)
        np.testing.assert_allclose(other.replicates, found.replicates, rtol=1e-9)
        pd.testing.assert_frame_equal(other.table, found.table, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_replicates_are_what_a_slow_loop_gives(rows):
    df = rows.head(150).reset_index(drop=True)
    found = ps.quantile_effect(df, **ROLES, q=0.5, **QUICK)
    order = np.lexsort((df["b"], df["a"], df["t"], df["y"]))  # rows in the order of what they hold
    for replicate in range(5):
        rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(replicate,)))
        drawn = df.iloc[np.sort(order[rng.integers(np.full(150, 150))])].reset_index(drop=True)
        again = ps.quantile_effect(drawn, **ROLES, q=0.5, n_reps=2, progress=False)
        np.testing.assert_allclose(
            found.replicates.loc[replicate].to_numpy(), again.quantiles.to_numpy()[0], rtol=1e-9
        )


def test_ratios_are_those_of_the_quantiles(rows):
    plain = ps.quantile_effect(rows, **ROLES, q=[0.5, 0.9], **QUICK)
    percent = ps.quantile_effect(rows, **ROLES, q=[0.5, 0.9], contrast="percent", **QUICK)
    ratio = plain.quantiles["treated"] / plain.quantiles["control"]
    np.testing.assert_allclose(percent.table["estimate"], 100 * (ratio - 1), rtol=1e-10)
    drawn = 100 * (plain.replicates["treated"] / plain.replicates["control"] - 1)
    np.testing.assert_allclose(percent.table["conf_low"], drawn.quantile(0.025), rtol=0.02)
    np.testing.assert_allclose(percent.table["log_std_error"], np.log(1 + drawn / 100).std(ddof=1), rtol=1e-9)
    assert "changes in % of weighted quantiles" in repr(percent)


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
@pytest.mark.parametrize("contrast", ["ratio", "percent"])
def test_replicates_without_a_ratio_are_counted_and_told(rows, contrast):
    df = rows.head(150).assign(y=lambda df: df["y"].where(df["y"] > 2.0, 0.0))  # medians of some draws are 0
    plain = ps.quantile_effect(df, **ROLES, q=[0.35, 0.7], n_reps=60, progress=False)
    without = (plain.replicates <= 0).any(axis=1)
    assert 3 < without.sum() < 57
    with pytest.warns(OverlapWarning, match="replicates .* could not be estimated.*a quantile is 0; take"):
        found = ps.quantile_effect(df, **ROLES, q=[0.35, 0.7], contrast=contrast, n_reps=60, progress=False)
    assert found.n_failed == without.sum()
    assert f"{found.n_failed} of 60 replicates could not be estimated; the first: contrast" in repr(found)
    kept = plain.replicates[~without]
    logs = np.log(kept["treated"] / kept["control"])
    np.testing.assert_allclose(found.table["log_std_error"], logs.std(ddof=1), rtol=1e-9)
    ends = np.exp(logs.quantile(0.975))
    expected = ends if contrast == "ratio" else 100 * (ends - 1)
    np.testing.assert_allclose(found.table["conf_high"], expected, rtol=1e-9)


def test_no_replicate_with_a_ratio_is_refused(rows):
    # One positive value in the middle of each arm, which hardly any draw has in its middle again.
    df = pd.DataFrame({"t": np.repeat([1, 0], 25), "a": np.tile(np.arange(25) % 5, 2) / 5.0})
    df["y"] = np.sign(df.index % 25 - 12) + (df.index % 25 == 12) * 0.5
    with pytest.raises(InvalidInputError, match=r"none of the 3 replicates .*: a quantile"):
        ps.quantile_effect(
            df,
            outcome="y",
            treatment="t",
            covariates=["a"],
            contrast="ratio",
            n_reps=3,
            seed=1,
            progress=False,
        )


def test_error_by_influence_is_that_of_the_quantiles_of_a_trial():
    # Of a normal outcome the density at every quantile is known, and with it the error of a trial.
    rng = np.random.default_rng(5)
    n = 40_000
    df = pd.DataFrame({"t": np.arange(n) % 2, "x": rng.normal(size=n), "y": rng.normal(size=n)})
    found = ps.quantile_effect(
        df, outcome="y", treatment="t", covariates=["x"], q=[0.1, 0.5, 0.9], n_reps=2, progress=False
    )
    for q, line in found.table.iterrows():
        density = stats.norm.pdf(stats.norm.ppf(q))
        expected = np.sqrt(q * (1 - q) / density**2 * (2 / n + 2 / n))
        assert line["analytic_std_error"] == pytest.approx(expected, rel=0.04)


def test_both_errors_agree(rows):
    found = ps.quantile_effect(rows, **ROLES, q=[0.25, 0.5, 0.75], n_reps=400, progress=False)
    # The bootstrap's has 3.5% of its own; densities of 300 rows come with some 10%.
    np.testing.assert_allclose(found.table["std_error"] / found.table["analytic_std_error"], 1.0, atol=0.3)
    clustered = ps.quantile_effect(
        rows, **ROLES, q=[0.25, 0.5, 0.75], cluster="team", n_reps=400, progress=False
    )
    np.testing.assert_allclose(
        clustered.table["std_error"] / clustered.table["analytic_std_error"], 1.0, atol=0.3
    )


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_interval_of_a_median_holds_what_it_promises():
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=400)
        t = rng.random(400) < reference.expit(0.7 * x)
        df = pd.DataFrame({"x": x, "t": t, "y": x + t + rng.normal(size=400)})
        found = ps.quantile_effect(
            df, outcome="y", treatment="t", covariates=["x"], q=0.5, n_reps=100, progress=False
        )
        low, high = found.table[["conf_low", "conf_high"]].to_numpy()[0]
        held.append(low < 1 < high)
    # Of 200 intervals that hold in 95% of cases, fewer than 180 or more than 198 do in one case of 200.
    assert 180 <= sum(held) <= 198


def test_tails_with_few_rows_and_ties_are_told(rows):
    with pytest.warns(SmallSampleWarning, match="beyond its quantile 0.99; below 10"):
        ps.quantile_effect(rows, **ROLES, q=0.99, **QUICK)
    with pytest.warns(SmallSampleWarning, match="hold the very value of the quantile 0.5, which jumps"):
        ps.quantile_effect(rows.assign(y=rows["y"].round()), **ROLES, q=0.5, **QUICK)


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_replicates_that_cannot_be_estimated_are_told(rows):
    df = rows.assign(t=np.arange(600) % 300 == 0).iloc[np.r_[0:20, 300:320]]
    options = ROLES | {"covariates": ["a"]}
    with pytest.warns(OverlapWarning, match="replicates .* could not be estimated"):
        found = ps.quantile_effect(df, **options, q=0.5, n_reps=60, progress=False)
    assert 0 < found.n_failed < 60
    assert f"{found.n_failed} of 60 replicates could not be estimated" in repr(found)
    assert np.isfinite(found.table.to_numpy()).all()


def test_result_comes_out_of_a_pickle(rows):
    found = ps.quantile_effect(rows, **ROLES, q=0.5, **QUICK)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(found)).table, found.table)
    assert found.to_frame(level=0.5)["conf_low"].iloc[0] > found.table["conf_low"].iloc[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"q": 0.0}, "q: 0.0 is no quantile strictly between 0 and 1"),
        ({"q": [0.5, 1.5]}, "q: 1.5 is no quantile"),
        ({"q": []}, "q: different quantiles are needed"),
        ({"q": [0.5, 0.5]}, "q: different quantiles are needed"),
        ({"q": "median"}, "q must be"),
        ({"contrast": "odds_ratio"}, "contrast must be one of"),
        ({"contrast": "ratio", "outcome": "minus"}, "contrast 'ratio': a quantile is -.*take 'difference'"),
        ({"n_reps": 1}, "n_reps"),
    ],
)
def test_unusable_options_are_explained(rows, options, message):
    df = rows.assign(minus=-rows["y"])
    with pytest.raises(InvalidInputError, match=message):
        ps.quantile_effect(df, **(ROLES | QUICK | options))


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_levels_give_what_their_dummies_give(rows):
    cities = np.array(["Bern", "Lima", "Oslo", "Rome"])[np.random.default_rng(2).integers(0, 4, len(rows))]
    dummies = pd.get_dummies(pd.Series(cities)).astype(float).iloc[:, 1:]
    of_levels, of_dummies = (
        ps.quantile_effect(df, **{**ROLES, "covariates": ["a", *columns]}, sample_weight="w", **QUICK)
        for df, columns in (
            (rows.assign(city=cities), ["city"]),
            (pd.concat([rows, dummies], axis=1), dummies.columns),
        )
    )
    np.testing.assert_allclose(of_levels.table, of_dummies.table, rtol=1e-9)
    np.testing.assert_allclose(of_levels.replicates, of_dummies.replicates, rtol=1e-9)
