"""The jackknife of weighting: each row left out, scores fitted again."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.frames import laid_out
from propensity.weighting.left_out import WeightedRows, derivatives_of_weights, weights_at

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ESTIMANDS = ["ATE", "ATT", "ATC", "ATO", "ATM"]
ROLES = {"treatment": "t", "covariates": ["a", "b"]}


def drawn(n, seed=4):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.uniform(-1, 1, size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(0.4 - 0.6 * a + 0.2 * b))).astype(int)
    y = a + 2 * b + t + rng.normal(size=n)
    return pd.DataFrame({"t": t, "a": a, "b": b, "y": y, "s": rng.integers(1, 4, n).astype(float)})


def refitted(df, estimand, sample_weight=None):
    """Give both means without each row, everything estimated again: (2, n)."""
    options = {"outcome": "y", "treatment": "t", "estimand": estimand, "sample_weight": sample_weight}
    found = []
    for i in df.index:
        rest = df.drop(index=i)
        model = ps.fit_propensity(rest, **ROLES, sample_weight=sample_weight)
        effect = ps.ipw(rest, scores=model, **options)
        found.append([effect.mean_treated, effect.mean_control])
    return np.array(found).T


def of_model(df, model, estimand, sample_weight=None):
    rows = WeightedRows(
        df[["a", "b"]].to_numpy(),
        0.0,
        (df["t"] == 1).to_numpy(),
        df["y"].to_numpy(),
        model.scores.to_numpy(),
        np.ones(len(df)) if sample_weight is None else df[sample_weight].to_numpy(),
        estimand,
    )
    return rows.influence()


def jackknife(means):
    """Scale what is left without each row as the error's definition has it, sqrt((n - 1) / n sum d^2)."""
    n = means.shape[1]
    return -(means - means.mean(axis=1, keepdims=True)) * np.sqrt((n - 1) / n) * n


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_one_step_without_a_row_is_nearly_the_fit_without_it(estimand):
    df = drawn(150)
    found = of_model(df, ps.fit_propensity(df, **ROLES), estimand)
    expected = jackknife(refitted(df, estimand))
    # The ATM has a corner, which a step may pass.
    near, of_sums = (0.03, 0.02) if estimand == "ATM" else (0.02, 0.01)
    assert np.abs(found - expected).max() < near * np.abs(expected).max()
    for of_found, of_expected in zip(found, expected, strict=True):
        assert (of_found**2).sum() == pytest.approx((of_expected**2).sum(), rel=of_sums)


def test_sample_weights_weigh_rows_and_those_of_weight_0_are_not_there():
    df = drawn(120)
    model = ps.fit_propensity(df, **ROLES, sample_weight="s")
    found = of_model(df, model, "ATT", "s")
    expected = jackknife(refitted(df, "ATT", "s"))
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    more = pd.concat([df, df.head(7).assign(s=0.0, y=1e6)], ignore_index=True)
    with_absent = of_model(more, ps.fit_propensity(more, **ROLES, sample_weight="s"), "ATT", "s")
    assert (with_absent[:, len(df) :] == 0).all()
    np.testing.assert_allclose(with_absent[:, : len(df)] / len(more), found / len(df), rtol=1e-7, atol=1e-9)


def test_scores_that_are_known_are_not_fitted_again():
    df = drawn(60)
    e = 1 / (1 + np.exp(0.4 - 0.6 * df["a"].to_numpy()))
    t, y = (df["t"] == 1).to_numpy(), df["y"].to_numpy()
    found = WeightedRows(None, 0.0, t, y, e, np.ones(len(t)), "ATE").influence()
    w = np.where(t, 1 / e, 1 / (1 - e))
    means = np.empty((2, len(df)))
    for i in range(len(df)):
        rest = np.arange(len(df)) != i
        for place, arm in enumerate((t, ~t)):
            means[place, i] = np.average(y[arm & rest], weights=w[arm & rest])
    np.testing.assert_allclose(found, jackknife(means), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_derivatives_of_weights_are_their_slopes(estimand):
    eta, step = np.linspace(-2, 2.01, 30), 1e-4
    treated = np.arange(30) % 2 == 0
    w, slope, bend = derivatives_of_weights(eta, treated, estimand)
    up, down = (weights_at(eta + side * step, treated, estimand) for side in (1, -1))
    np.testing.assert_allclose((up - down) / (2 * step), slope, atol=1e-6)
    np.testing.assert_allclose((up - 2 * w + down) / step**2, bend, atol=1e-5)
    e = 1 / (1 + np.exp(-eta))
    known = np.asarray(ps.core.balancing_weights(treated, e, estimand=estimand).weights)
    for arm in (treated, ~treated):
        np.testing.assert_allclose(w[arm] / w[arm].sum(), known[arm] / known[arm].sum(), rtol=1e-12)


def test_intervals_by_the_jackknife_are_wider_where_few_rows_decide():
    df = drawn(120)
    effect = ps.ipw(df, outcome="y", treatment="t", scores=ps.fit_propensity(df, **ROLES))
    means = refitted(df, "ATE")
    d = means[0] - means[1]
    error = np.sqrt((len(d) - 1) / len(d) * ((d - d.mean()) ** 2).sum())
    low, high = effect.conf_int(se="jackknife")
    reach = stats.t.ppf(0.975, effect.df) * error
    assert (high - low) / 2 == pytest.approx(reach, rel=0.005)
    assert high - low > np.ptp(effect.conf_int(se="HC3")) > np.ptp(effect.conf_int(se="HC0"))
    ratio = effect.contrast_as("percent").conf_int(se="jackknife")
    assert ratio.conf_low < effect.contrast_as("percent").estimate < ratio.conf_high


def test_ratio_metrics_leave_each_row_out_of_both_columns():
    df = drawn(120)
    df = df.assign(v=1 + df["s"] + 0.3 * df["b"], y=df["y"] + 20)
    options = {"outcome": "y", "treatment": "t", "per": "v", "contrast": "ratio"}
    effect = ps.ipw(df, **options, scores=ps.fit_propensity(df, **ROLES))
    found = []
    for i in df.index:
        rest = df.drop(index=i)
        found.append(np.log(ps.ipw(rest, **options, scores=ps.fit_propensity(rest, **ROLES)).estimate))
    d = np.array(found)
    error = np.sqrt((len(d) - 1) / len(d) * ((d - d.mean()) ** 2).sum())
    low, high = effect.conf_int(se="jackknife")
    reach = stats.t.ppf(0.975, effect.df) * error
    assert np.log(high / low) / 2 == pytest.approx(reach, rel=0.01)


def levels(df):
    return df.assign(level=pd.Categorical([f"v{i}" for i in np.arange(len(df)) % 40]))


REFUSED = {
    "truncated": (lambda df, y, e: ps.ipw(df, **y, scores=e, truncate=0.95), "truncate="),
    "clustered": (lambda df, y, e: ps.ipw(df, **y, scores=e, cluster="c"), "rows of a cluster go together"),
    "probit": (
        lambda df, y, _: ps.ipw(df, **y, scores=ps.fit_propensity(df, **ROLES, score_model="probit")),
        "logistic scores and for known ones; these are probit",
    ),
    "group": (
        lambda df, y, e: ps.ipw(df, **y, scores=e, by="g")["one"],
        "for all rows or with by=, within=True",
    ),
    "aipw": (lambda df, y, _: ps.aipw(df, **y, covariates=["a", "b"]), "worked out after ps.ipw"),
}


@pytest.mark.parametrize("covariates", [["a", "level"], "a * level", "level:a + b"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATO"])
def test_levels_that_stay_codes_leave_rows_out_as_their_columns_do(monkeypatch, covariates, estimand):
    df = levels(drawn(600))
    options = {"outcome": "y", "treatment": "t", "estimand": estimand}

    def interval():
        scores = ps.fit_propensity(df, treatment="t", covariates=covariates, penalty=1.0)
        return len(scores.fit.factors), ps.ipw(df, **options, scores=scores).conf_int(se="jackknife")

    n_coded, coded = interval()
    monkeypatch.setattr(laid_out, "_MANY_TERMS", 10**9)
    n_dense, dense = interval()
    assert n_coded
    assert not n_dense
    assert coded == pytest.approx(dense, rel=1e-10)


@pytest.mark.parametrize("name", REFUSED)
def test_jackknife_is_refused_in_the_words_of_its_reason(name):
    df = levels(drawn(400)).assign(c=np.arange(400) // 3, g=np.where(np.arange(400) % 2, "one", "other"))
    estimate, reason = REFUSED[name]
    effect = estimate(df, {"outcome": "y", "treatment": "t"}, ps.fit_propensity(df, **ROLES))
    pattern = rf"se: there is no 'jackknife' here: .*{reason}.*take se='HC3', which is near to it"
    with pytest.raises(InvalidInputError, match=pattern):
        effect.conf_int(se="jackknife")


def test_jackknife_within_groups_is_that_of_their_rows():
    df = drawn(300).assign(g=np.where(np.arange(300) % 2, "one", "other"))
    options = {"outcome": "y", "treatment": "t"}
    grouped = ps.ipw(df, **options, scores=ps.fit_propensity(df, **ROLES), by="g", within=True)
    own = df[df["g"] == "one"]
    alone = ps.ipw(own, **options, scores=ps.fit_propensity(own, **ROLES))
    assert grouped["one"].conf_int(se="jackknife") == pytest.approx(alone.conf_int(se="jackknife"), rel=1e-9)
