"""A sample weight is how much of the population a row stands for, in every function the same."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError, SampleWeightWarning
from propensity.scores.quantiles import quantiles_of

CALL = {"treatment": "t"}


def survey(n=500, seed=0):
    """Rows that were drawn with unequal chances, some not at all."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-0.8 * x))).astype(int)
    w = rng.lognormal(0, 1, n) * (rng.random(n) < 0.9)
    return pd.DataFrame({"x": x, "t": t, "w": w, "y": t + x + rng.normal(size=n), "g": rng.integers(0, 2, n)})


def strata():
    """Cells of rows with one weight each; the effect is 1 for all, and x moves the outcome by 5."""
    n = {(0, 0): (500, 50.0), (0, 1): (4000, 5.0), (1, 0): (600, 5.0), (1, 1): (1800, 5.0)}
    cells = [pd.DataFrame({"t": t, "x": x, "w": w}, index=range(k)) for (t, x), (k, w) in n.items()]
    df = pd.concat(cells, ignore_index=True)
    return df.assign(y=5.0 * df.x + df.t)


def weighted_mean_difference(df, column, total):
    t = df.t == 1
    return np.average(df[column][t], weights=total[t]) - np.average(df[column][~t], weights=total[~t])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_balancing_weights_times_sample_weights_balance_the_population():
    df = strata()
    model = ps.fit_propensity(df, covariates=["x"], sample_weight="w", **CALL)
    weights = ps.balancing_weights(df, scores=model, sample_weight="w", estimand="ATT", **CALL)
    effect = ps.ipw(df, outcome="y", scores=model, sample_weight="w", estimand="ATT", **CALL)
    assert weighted_mean_difference(df, "y", weights * df.w) == pytest.approx(1)
    np.testing.assert_allclose(weights * df.w, effect.weights, rtol=1e-14)
    for given in (weights, effect, ps.truncate(weights, upper=1e9, unit="raw")):
        found = ps.smd(df, covariates=["x"], weights=given, sample_weight="w", **CALL)
        assert abs(found["x"]) < 1e-9
        table = ps.balance(df, covariates=["x"], weights=given, sample_weight="w", **CALL)
        assert abs(table["adjusted", "smd"]["x"]) < 1e-9
    assert ps.smd(df, covariates=["x"], sample_weight="w", **CALL)["x"] > 0.5


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_smd_multiplies_weights_by_sample_weights():
    df = survey()
    s, b = df.w.to_numpy(), np.random.default_rng(1).uniform(0.5, 2, len(df))
    found = ps.smd(df, covariates=["x"], weights=b, sample_weight="w", **CALL)
    in_arm = [df.t == 1, df.t == 0]

    def variance(members):
        own = s[members] / s[members].sum()
        mean = own @ df.x[members]
        return own @ (df.x[members] - mean) ** 2 / (1 - (own**2).sum())

    expected = weighted_mean_difference(df, "x", s * b) / np.sqrt(sum(map(variance, in_arm)) / 2)
    assert found["x"] == pytest.approx(expected, rel=1e-12)
    x, t = df[["x"]].to_numpy(), df.t.to_numpy()
    assert core.smd(x, t, weights=b, sample_weight=s)[0] == pytest.approx(expected, rel=1e-12)
    assert core.balance(x, t, weights=[b], sample_weight=s).smd[0, 1] == pytest.approx(expected, rel=1e-12)
    ess = core.balance(x, t, weights=[b], sample_weight=s).ess_treated[1]
    own = (s * b)[in_arm[0]]
    assert ess == pytest.approx(own.sum() ** 2 / (own**2).sum())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("made", ["ipw", "match_full", "subclassify", "truncate"])
def test_results_know_the_sample_weights_that_are_in_them(made):
    df = survey()
    results = {
        "ipw": lambda **w: ps.ipw(df, outcome="y", scores="s", **CALL, **w),
        "match_full": lambda **w: ps.match_full(df, scores="s", **CALL, **w),
        "subclassify": lambda **w: ps.subclassify(df, scores="s", **CALL, **w),
        "truncate": lambda **w: ps.truncate(ps.ipw(df, outcome="y", scores="s", **CALL, **w), upper=1),
    }
    df["s"] = np.asarray(ps.fit_propensity(df, covariates=["x"], **CALL).scores)
    result = results[made](sample_weight="w")
    total = np.asarray(result.weights) * (df.w if made == "truncate" else 1)
    found = ps.balance(df, covariates=["x"], weights=result, sample_weight="w", **CALL)
    assert found["adjusted", "mean_treated"]["x"] == pytest.approx(
        np.average(df.x[df.t == 1], weights=total[df.t == 1]), rel=1e-12
    )
    with pytest.raises(InvalidInputError, match=r"sample_weight: .* with sample weights, and none are given"):
        ps.smd(df, covariates=["x"], weights=result, **CALL)
    with pytest.raises(InvalidInputError, match=r"sample_weight: .* with others, which differ in"):
        ps.smd(df, covariates=["x"], weights=result, sample_weight=df.w + 1, **CALL)
    with pytest.raises(InvalidInputError, match=r"sample_weight: .* without sample weights, and some are"):
        ps.smd(df, covariates=["x"], weights=results[made](), sample_weight="w", **CALL)


TAKING_MODELS = {
    "balancing_weights": lambda df, m, **w: ps.balancing_weights(df, scores=m, **CALL, **w),
    "ipw": lambda df, m, **w: ps.ipw(df, outcome="y", scores=m, **CALL, **w),
    "match_nn": lambda df, m, **w: ps.match_nn(df, scores=m, **CALL, **w),
    "match_full": lambda df, m, **w: ps.match_full(df, scores=m, **CALL, **w),
    "subclassify": lambda df, m, **w: ps.subclassify(df, scores=m, **CALL, **w),
    "trim": lambda df, m, **w: ps.trim(df, scores=m, **CALL, **w),
    "overlap": lambda df, m, **w: ps.overlap(df, scores=m, **CALL, **w),
    "balance": lambda df, m, **w: ps.balance(df, scores=m, covariates=["g"], **CALL, **w),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("function", TAKING_MODELS)
def test_a_weighted_model_wants_its_weights(function):
    df = survey()
    model = ps.fit_propensity(df, covariates=["x"], sample_weight="w", **CALL)
    TAKING_MODELS[function](df, model, sample_weight="w")
    with pytest.raises(InvalidInputError, match=r"none are given here: .*scores=model\.scores"):
        TAKING_MODELS[function](df, model)
    with pytest.raises(InvalidInputError, match="with others, which differ in"):
        TAKING_MODELS[function](df, model, sample_weight=df["w"] + 1)
    TAKING_MODELS[function](df, model.scores)


DESCRIBING = {
    "trim crump": lambda df, w: ps.trim(df, scores="s", bounds="crump", sample_weight=w, **CALL),
    "trim quantiles": lambda df, w: ps.trim(df, scores="s", bounds="quantiles", sample_weight=w, **CALL),
    "trim support": lambda df, w: ps.trim(df, scores="s", bounds="common_support", sample_weight=w, **CALL),
    "overlap": lambda df, w: ps.overlap(df, scores="s", sample_weight=w, **CALL),
    "overlap by": lambda df, w: ps.overlap(df, scores="s", by="g", sample_weight=w, **CALL),
    "truncate": lambda df, w: ps.truncate(
        1 / df.s, upper=0.9, sample_weight=None if w is None else df[w] if isinstance(w, str) else w
    ),
}


def figures(result):
    tables = [value for value in vars(result).values() if isinstance(value, pd.DataFrame)]
    # The largest weight is one: it has the scale of the sample weights.
    tables = [table.drop(columns="largest") if "estimand" in table.index.names else table for table in tables]
    ends = [result.low, result.high] if hasattr(result, "low") else []
    return np.concatenate([*(table.to_numpy(dtype=float).ravel() for table in tables), ends])


@pytest.mark.parametrize("function", DESCRIBING)
def test_sample_weights_have_no_scale_and_rows_of_weight_0_are_not_there(function):
    df = survey()
    df["s"] = 1 / (1 + np.exp(-1.2 * df.x))
    describe = DESCRIBING[function]
    found = figures(describe(df, "w"))
    np.testing.assert_allclose(figures(describe(df.assign(w=df.w * 3), "w")), found, rtol=1e-10)
    there = df[df.w > 0]
    np.testing.assert_allclose(figures(describe(there, "w")), found, rtol=1e-12)
    np.testing.assert_allclose(
        figures(describe(df, np.ones(len(df)))), figures(describe(df, None)), rtol=1e-12
    )
    if function != "trim support":  # whose ends are scores, whatever these weigh
        assert not np.allclose(found, figures(describe(there, None)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_overlap_counts_what_weighting_will_rest_on():
    df = survey()
    model = ps.fit_propensity(df, covariates=["x"], sample_weight="w", **CALL)
    found = ps.overlap(df, scores=model, sample_weight="w", **CALL).weights["ess"]["ATE"]
    effect = ps.ipw(df, outcome="y", scores=model, sample_weight="w", **CALL)
    assert found["treated"] == pytest.approx(effect.ess_treated)
    assert found["control"] == pytest.approx(effect.ess_control)


def test_overlap_coefficient_counts_sample_weights():
    df = survey()
    df["s"] = 1 / (1 + np.exp(-1.2 * df.x))
    found = ps.overlap(df, scores="s", sample_weight="w", **CALL).support["overlap_coefficient"].iloc[0]
    at = np.sort(df.s.to_numpy())
    arms = [(df.s[df.t == a].to_numpy(), df.w[df.t == a].to_numpy()) for a in (0, 1)]
    laws = [np.array([w[e <= place].sum() / w.sum() for place in at]) for e, w in arms]
    assert found == pytest.approx(1 - np.abs(laws[1] - laws[0]).max(), abs=1e-12)


def test_crumps_rule_counts_sample_weights_as_rows():
    df = survey().query("w > 0")
    df["s"] = 1 / (1 + np.exp(-3 * df.x))
    df["w"] = np.random.default_rng(3).integers(1, 4, len(df)).astype(float)
    found = ps.trim(df, scores="s", bounds="crump", sample_weight="w", **CALL).low
    repeated = df.loc[df.index.repeat(df.w.astype(int))]
    assert found == pytest.approx(ps.trim(repeated, scores="s", bounds="crump", **CALL).low, rel=1e-12)
    assert found != pytest.approx(ps.trim(df, scores="s", bounds="crump", **CALL).low, rel=1e-6)


def wtd_quantile(x, w, q):
    """Hmisc's wtd.quantile(x, w, q, normwt=TRUE), line by line."""
    order = np.argsort(x, kind="stable")
    x, w = x[order], w[order] * len(x) / w.sum()
    n = len(x)
    place = 1 + (n - 1) * q
    low = max(np.floor(place), 1)
    high = min(low + 1, n)
    total = np.cumsum(w)

    def at(k):
        return x[min(np.flatnonzero(total >= k - 1e-9)[0] if (total >= k - 1e-9).any() else n - 1, n - 1)]

    return (1 - place % 1) * at(low) + place % 1 * at(high)


def test_quantiles_with_weights():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=101), rng.lognormal(size=101)
    which = [0, 0.05, 0.25, 0.5, 0.75, 0.99, 1]
    np.testing.assert_allclose(quantiles_of(x, which, w), [wtd_quantile(x, w, q) for q in which], rtol=1e-12)
    np.testing.assert_array_equal(quantiles_of(x, which, np.full(101, 0.3)), np.quantile(x, which))
    np.testing.assert_allclose(quantiles_of(x, which, 7e9 * w), quantiles_of(x, which, w), rtol=1e-12)
    heavy = np.where(x == np.sort(x)[60], 1e6, 1.0)
    assert quantiles_of(x, [0.5], heavy)[0] == np.sort(x)[60]


def test_auc_counts_pairs_by_their_weights():
    df = survey()
    model = ps.fit_propensity(df.round(1), covariates=["x"], sample_weight="w", **CALL)
    e, w, t = np.asarray(model.scores), np.asarray(model.sample_weight), model.treated
    above = (e[t][:, None] > e[~t]) + 0.5 * (e[t][:, None] == e[~t])
    pairs = w[t][:, None] * w[~t]
    assert model.auc == pytest.approx((above * pairs).sum() / pairs.sum(), rel=1e-12)
    ones = ps.fit_propensity(df, covariates=["x"], sample_weight=np.ones(len(df)), **CALL)
    assert ones.auc == ps.fit_propensity(df, covariates=["x"], **CALL).auc


def test_summary_of_a_weighted_model_is_the_sandwich():
    df = survey(300)
    df["x"] = 1e6 + df.x  # far from zero
    model = ps.fit_propensity(df, covariates=["x", "g"], sample_weight="w", **CALL)
    design = sm.add_constant(df[["x", "g"]].to_numpy(dtype=float) - [1e6, 0])
    w, t = df.w.to_numpy(), df.t.to_numpy()
    fitted = sm.GLM(t, design, family=sm.families.Binomial(), freq_weights=w).fit(tol=1e-14)
    e = fitted.predict(design)
    bread = np.linalg.inv((design * (w * e * (1 - e))[:, None]).T @ design)
    rows = design * (w * (t - e))[:, None]
    expected = np.sqrt(np.diag(bread @ (rows.T @ rows) @ bread))
    found = model.summary()
    np.testing.assert_allclose(found["std_error"].to_numpy()[1:], expected[1:], rtol=1e-8)
    np.testing.assert_allclose(found["z"].to_numpy()[1:], fitted.params[1:] / expected[1:], rtol=1e-6)


def test_summary_of_a_weighted_model_has_no_scale():
    df = survey(300)

    def summary(scale):
        weighted = df.assign(w=df.w * scale)
        return ps.fit_propensity(weighted, covariates=["x"], sample_weight="w", **CALL).summary()

    for scale in (1e-3, 100, 1e12):
        pd.testing.assert_frame_equal(summary(scale), summary(1), rtol=1e-9)
    plain = ps.fit_propensity(df, covariates=["x"], **CALL)
    ones = ps.fit_propensity(df, covariates=["x"], sample_weight=np.ones(len(df)), **CALL)
    assert not np.allclose(plain.covariance, ones.covariance, rtol=1e-6)  # HC0, not the information
    np.testing.assert_allclose(np.diag(plain.covariance), np.diag(ones.covariance), rtol=0.2)


def test_summary_of_a_weighted_model_covers_the_truth():
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        n = 800
        x, w = rng.normal(size=n), np.where(rng.random(n) < 0.5, 5.0, 50.0)
        t = (rng.random(n) < 1 / (1 + np.exp(-0.3 * x))).astype(int)
        df = pd.DataFrame({"x": x, "w": w + 0.5, "t": t})
        low, high = (
            ps.fit_propensity(df, covariates=["x"], sample_weight="w", **CALL)
            .summary()
            .loc["x", ["conf_low", "conf_high"]]
        )
        covered += low <= 0.3 <= high
    assert 181 <= covered <= 198  # 95%, two standard errors of it and a half


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("scale", [0.01, 1000.0])
def test_a_penalty_is_per_unit_of_mean_weight(scale):
    df = survey()
    call = {"outcome": "y", "covariates": ["x"], "sample_weight": "w", "penalty": 20.0, **CALL}

    def found(w):
        weighted = df.assign(w=w)
        model = ps.fit_propensity(weighted, covariates=["x"], sample_weight="w", penalty=20.0, **CALL)
        estimators = [ps.IPW(), ps.AIPW()]
        replicates = ps.bootstrap(weighted, **call, estimators=estimators, n_reps=10, seed=1)
        ipw = ps.ipw(weighted, outcome="y", scores=model, sample_weight="w", **CALL)
        aipw, ipwra = ps.aipw(weighted, **call), ps.ipwra(weighted, **call)
        errors = [ipw.std_error, aipw.std_error, ipwra.std_error]
        return np.concatenate(
            [
                model.coefficients,
                [ipw.estimate, aipw.estimate, ipwra.estimate],
                errors,
                replicates.replicates.to_numpy().ravel(),
            ]
        )

    np.testing.assert_allclose(found(df.w * scale), found(df.w), rtol=1e-8)
    ones = ps.fit_propensity(df, covariates=["x"], sample_weight=np.full(len(df), 7.0), penalty=20.0, **CALL)
    plain = ps.fit_propensity(df, covariates=["x"], penalty=20.0, **CALL)
    np.testing.assert_allclose(ones.coefficients, plain.coefficients, rtol=1e-9)
    # A row of weight 0 is not there.
    model = ps.fit_propensity(df, covariates=["x"], sample_weight="w", penalty=20.0, **CALL)
    there = ps.fit_propensity(df[df.w > 0], covariates=["x"], sample_weight="w", penalty=20.0, **CALL)
    np.testing.assert_allclose(model.coefficients, there.coefficients, rtol=1e-9)


def test_weights_that_look_like_counts_get_a_word():
    rng = np.random.default_rng(0)
    n = 20_000
    segment = rng.integers(0, 30, n)
    t = (rng.random(n) < 0.3 + 0.01 * segment).astype(int)
    y = (rng.random(n) < 0.2 + 0.01 * segment + 0.05 * t).astype(int)
    users = pd.DataFrame({"x": segment / 10, "t": t, "y": y})
    table = users.groupby(["x", "t", "y"]).size().rename("n").reset_index()
    model = ps.fit_propensity(table, covariates=["x"], sample_weight="n", **CALL)
    with pytest.warns(SampleWeightWarning, match=r"20,000 in all for \d+ rows: if they count"):
        effect = ps.ipw(table, outcome="y", scores=model, sample_weight="n", **CALL)
    assert "if they count identical users" in str(effect)
    caution = str(next(c for c in effect.cautions if isinstance(c, SampleWeightWarning)))
    spelled_out = spelled_out_by(caution, table)
    by_row = ps.fit_propensity(spelled_out, covariates=["x"], **CALL)
    of_users = ps.ipw(spelled_out, outcome="y", scores=by_row, **CALL)
    assert of_users.estimate == pytest.approx(effect.estimate, rel=1e-9)
    assert effect.std_error > 5 * of_users.std_error
    half = ps.ipw(
        table.assign(n=table.n + 0.5), outcome="y", scores=by_row.predict(table), sample_weight="n", **CALL
    )
    assert not any(isinstance(caution, SampleWeightWarning) for caution in half.cautions)


def spelled_out_by(caution, df, **names):
    """Run the line of a caution."""
    scope = {"df": df, "np": np} | names
    exec(caution.split("spell the users out, ")[1].split(", and leave")[0], scope)
    return scope["df"]


@pytest.mark.parametrize("library", [lambda df: df, pl.from_pandas, pa.Table.from_pandas])
def test_line_that_spells_users_out_is_of_the_frame_and_names_its_column(library):
    table = pd.DataFrame({"t": [0, 1] * 6, "e": [0.5] * 12, "n": [9.0, 7.0] * 6, "row": range(12)})
    for weight, names in (("n", {}), (table["n"].to_numpy(), {"sample_weight": table["n"]})):
        with pytest.warns(SampleWeightWarning) as heard:
            ps.balancing_weights(library(table), scores="e", sample_weight=weight, **CALL)
        users = spelled_out_by(str(heard[0].message), library(table), **names)
        np.testing.assert_array_equal(np.bincount(np.asarray(users["row"])), table["n"])


def test_two_rows_of_each_arm_have_to_be_there():
    df = survey()
    treated = df.index[df.t == 1]
    df.loc[treated[1:], "w"] = 0.0
    df.loc[treated[0], "w"] = 1.0
    with pytest.raises(InvalidInputError, match=r"column 'w': 1 treated and .* a weight above 0; at least 2"):
        ps.fit_propensity(df, covariates=["x"], sample_weight="w", **CALL)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_truncation_bounds_the_balancing_part():
    df = survey()
    model = ps.fit_propensity(df, covariates=["x"], sample_weight="w", **CALL)
    effect = ps.ipw(df, outcome="y", scores=model, sample_weight="w", **CALL)
    weights = ps.balancing_weights(df, scores=model, sample_weight="w", **CALL)
    found = ps.truncate(effect, upper=0.8)
    there = df.w > 0
    for arm in (0, 1):
        own = there & (df.t == arm)
        limit = quantiles_of(weights[own].to_numpy(), [0.8], df.w[own].to_numpy())[0]
        np.testing.assert_allclose(found.weights[own], np.minimum(weights, limit)[own], rtol=1e-12)
    bare = ps.truncate(weights, upper=0.8, sample_weight=df.w, treatment=df.t)
    assert found.n_truncated == bare.n_truncated > 0
    with pytest.raises(InvalidInputError, match="they know them"):
        ps.truncate(effect, upper=0.8, sample_weight=df.w * 2)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("scores", ["known", "model"])
def test_rows_of_weight_0_make_no_cluster(scores):
    df = survey(n=120)
    df["team"] = np.arange(120) // 2
    df.loc[:19, "w"] = 0.0  # ten teams of nobody
    kept = df[df.w > 0]
    found = []
    for rows in (df, kept):
        model = ps.fit_propensity(rows, covariates=["x"], sample_weight="w", **CALL)
        given = model if scores == "model" else rows["x"] * 0.01 + 0.5
        effect = ps.ipw(rows, outcome="y", scores=given, sample_weight="w", cluster="team", **CALL)
        found.append((effect.std_error, effect.se_method))
        effect = ps.aipw(rows, outcome="y", covariates=["x"], sample_weight="w", cluster="team", **CALL)
        found.append((effect.std_error, effect.se_method))
    for all_rows, those_there in zip(found[:2], found[2:], strict=True):
        assert all_rows[0] == pytest.approx(those_there[0], rel=1e-9)
        assert all_rows[1] == those_there[1]
    lone = df.assign(team=(df.w > 0).astype(int))
    with pytest.raises(InvalidInputError, match="all rows are in one cluster"):
        ps.ipw(lone, outcome="y", scores=df["x"] * 0.01 + 0.5, sample_weight="w", cluster="team", **CALL)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_that_have_the_sample_weights_in_them_are_not_multiplied_again():
    df = survey()
    df["s"] = np.asarray(ps.fit_propensity(df, covariates=["x"], **CALL).scores)
    for result in (
        ps.ipw(df, outcome="y", scores="s", sample_weight="w", **CALL),
        ps.match_full(df, scores="s", sample_weight="w", **CALL),
    ):
        assert result.weights.name == "total_weights"
        call = {"covariates": ["x"], "sample_weight": "w", **CALL}
        with pytest.raises(InvalidInputError, match="give the result itself, or its balancing_weights"):
            ps.smd(df, weights=result.weights, **call)
        with pytest.raises(InvalidInputError, match="give the result itself, or its balancing_weights"):
            ps.truncate(result.weights, upper=0.9, sample_weight=df["w"])
        expected = ps.smd(df, weights=result, **call)
        pd.testing.assert_series_equal(ps.smd(df, weights=result.balancing_weights, **call), expected)


def test_what_rows_of_weight_0_alone_hold_is_no_value_of_a_covariate():
    rng = np.random.default_rng(8)
    n = 60
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 2, n), rng.integers(0, 4, n), np.ones(n)])
    treated, weights, s = np.arange(n) % 2 == 0, rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, n)
    there = np.arange(n) % 5 > 0
    s[~there] = 0.0
    x[~there] += 7.0  # neither zeros nor ones, nor constant
    expected = core.balance(x[there], treated[there], weights=[weights[there]], sample_weight=s[there])
    found = core.balance(x, treated, weights=[weights], sample_weight=s)
    for measure in ("mean_treated", "smd", "variance_ratio", "ks", "ecdf_difference", "ess_control"):
        np.testing.assert_array_equal(getattr(found, measure), getattr(expected, measure))
    alone = core.smd(x[there], treated[there], weights=weights[there], sample_weight=s[there])
    np.testing.assert_array_equal(core.smd(x, treated, weights=weights, sample_weight=s), alone)
    binary = x[there][:, 1]
    share = [np.average(binary[arm], weights=s[there][arm]) for arm in (treated[there], ~treated[there])]
    unit = np.sqrt(sum(p * (1 - p) for p in share) / 2)
    assert found.smd[1, 0] == pytest.approx((share[0] - share[1]) / unit, rel=1e-12)
