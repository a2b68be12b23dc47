"""Matching through the frame door: without replacement, among covariates, calipers, effects, warnings."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose

import propensity as ps
import reference_pairs as twin
from conftest import OUTCOME, TREATMENT
from propensity import core
from propensity.errors import BalanceWarning, InvalidInputError
from strategies import scored_samples

PUBLISHED = json.loads((Path(__file__).parents[1] / "reference" / "published_estimates.json").read_text())[
    "values"
]
pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")


@pytest.fixture
def scored(users):
    return users.assign(
        score=ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"]).scores
    )


def match(df, **options):
    return ps.match_nn(df, treatment="opted", scores="score", **options)


SHAPES = {
    "without replacement": {"replace": False},
    "two without replacement, closest first": {"replace": False, "n_neighbors": 2, "order": "closest"},
    "reused at most twice": {"max_reuse": 2, "order": "random"},
    "mahalanobis": {"on": "mahalanobis", "covariates": ["visits", "tier"]},
    "mahalanobis within a caliper": {
        "on": "mahalanobis",
        "covariates": ["visits", "tenure"],
        "caliper": {"logit": 0.5, "visits": 1.0},
        "caliper_sd": "pooled",
        "replace": False,
    },
    "exact": {"exact": ["tier"], "on": "logit"},
}


@pytest.mark.parametrize("name", SHAPES)
def test_match_nn_does_not_depend_on_the_order_of_labelled_rows(scored, name):
    matches = match(scored, **SHAPES[name])
    shuffled = scored.sample(frac=1, random_state=4)
    again = match(shuffled, **SHAPES[name])
    pd.testing.assert_series_equal(again.weights.reindex(scored.index), matches.weights, rtol=1e-12)
    sort = ["treated", "control"]
    pd.testing.assert_frame_equal(
        again.pairs.sort_values(sort, ignore_index=True), matches.pairs.sort_values(sort, ignore_index=True)
    )
    effect, other = (m.effect(df["done"]) for m, df in ((matches, scored), (again, shuffled)))
    assert other.estimate == pytest.approx(effect.estimate, rel=1e-10)
    assert other.std_error == pytest.approx(effect.std_error, rel=1e-10)


def test_ids_stand_in_for_an_index(scored):
    labelled = match(scored, replace=False, ids=scored.index)
    numbered = scored.reset_index(names="who")
    for frame in (numbered, pl.from_pandas(numbered)):
        found = match(frame, replace=False, ids="who")
        assert_allclose(np.asarray(found.weights), labelled.weights)
    by_array = match(numbered, replace=False, ids=numbered["who"].to_numpy())
    assert_allclose(by_array.weights, labelled.weights)


def test_ids_that_repeat_are_refused(scored):
    with pytest.raises(InvalidInputError, match=r"column 'visits': .* repeated values .* one for each row"):
        match(scored, replace=False, ids="visits")


def test_seed_decides_between_equals(scored):
    chosen = {tuple(match(scored, replace=False, seed=seed).weights) for seed in range(5)}
    assert len(chosen) > 1
    sums = {match(scored, replace=False, order="largest", seed=s).n_matched for s in range(5)}
    assert len(sums) == 1


@pytest.mark.parametrize("caliper_sd", ["all", "pooled"])
def test_repr_says_which_standard_deviation_a_caliper_counts(scored, caliper_sd):
    matches = match(scored, caliper={"logit": 0.2, "visits": 0.5}, caliper_sd=caliper_sd)
    logit = np.log(scored["score"] / (1 - scored["score"]))
    by_arm = logit.groupby(scored["opted"]).var()
    expected = logit.std() if caliper_sd == "all" else np.sqrt(by_arm.mean())
    assert matches.calipers.loc["logit", "std_dev"] == pytest.approx(expected, rel=1e-12)
    assert matches.calipers.loc["logit", "width"] == pytest.approx(0.2 * expected, rel=1e-12)
    words = {"all": "all units", "pooled": "pooled within the arms"}[caliper_sd]
    assert f"Caliper on logit: 0.2 standard deviations ({words}: {expected:.4g})" in repr(matches)
    for name, values in {"logit": logit, "visits": scored["visits"]}.items():
        gap = (
            values.loc[matches.pairs["treated"]].to_numpy() - values.loc[matches.pairs["control"]].to_numpy()
        )
        assert np.abs(gap).max() <= matches.calipers.loc[name, "width"]


def test_exact_pairs_agree_in_every_column(scored):
    matches = match(scored, exact=["tier", "premium"], n_neighbors=2)
    pairs = matches.pairs
    for column in ("tier", "premium"):
        one, other = (scored[column].loc[pairs[arm]].to_numpy() for arm in ("treated", "control"))
        assert (one == other).all()
    assert "exact tier, premium" in matches.spec.label


def test_discarded_units_have_no_weight(scored):
    matches = match(scored, discard="both", replace=False)
    e, t = scored["score"], scored["opted"]
    low, high = max(e[t].min(), e[~t].min()), min(e[t].max(), e[~t].max())
    outside = ~e.between(low, high)
    assert matches.n_discarded == outside.sum()
    assert (matches.weights[outside] == 0).all()


# Effects


def test_effect_without_replacement_is_that_of_a_regression_clustered_by_set(scored):
    sm = pytest.importorskip("statsmodels.api")
    matches = match(scored, replace=False, caliper=0.5, n_neighbors=2)
    data = matches.frame(scored)
    assert set(data["subclass"]) == set(range(1, matches.n_matched + 1))
    fit = sm.WLS(data["done"], sm.add_constant(data["opted"].astype(float)), weights=data["weights"]).fit(
        cov_type="cluster", cov_kwds={"groups": data["subclass"], "use_correction": False}
    )
    effect = matches.effect(scored["done"])
    sets = matches.n_matched
    assert effect.estimate == pytest.approx(fit.params["opted"], rel=1e-10)
    assert effect.std_error == pytest.approx(fit.bse["opted"] * np.sqrt(sets / (sets - 1)), rel=1e-10)
    assert "matched" not in effect.se_method or "Abadie and Spiess" in effect.se_method


def test_effect_of_sets_has_ratios(scored):
    effect = match(scored, replace=False).effect(scored["done"] > scored["done"].median())
    ratio = effect.contrast_as("ratio")
    assert ratio.estimate == pytest.approx(effect.mean_treated / effect.mean_control)


@pytest.mark.filterwarnings("ignore::propensity.errors.CalibrationWarning")  # rightly: the scores are made up
@settings(max_examples=100, deadline=None)
@given(scored_samples())
def test_variance_in_space_equals_that_on_a_line(sample):
    """An exact column that all rows share changes nothing, but takes the other path."""
    t = sample.treatment
    if min(t.sum(), (~t).sum()) < 2:
        return
    df = pd.DataFrame({"t": t, "e": sample.x[:, 0], "y": sample.outcome, "all": 1})
    for estimand in ("ATT", "ATC", "ATE"):
        line, space = (
            ps.match_nn(df, treatment="t", scores="e", estimand=estimand, exact=exact).effect(df["y"])
            for exact in ((), ["all"])
        )
        assert space.estimate == pytest.approx(line.estimate, rel=1e-10, abs=1e-12)
        assert space.std_error == pytest.approx(line.std_error, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize("weighted", [False, True])
def test_effect_in_space_equals_the_twin(scored, estimand, weighted):
    weight = np.linspace(0.5, 2, len(scored)) if weighted else None
    covariates = ["visits", "tenure"]
    matches = match(
        scored,
        on="mahalanobis",
        covariates=covariates,
        estimand=estimand,
        sample_weight=weight,
        n_neighbors=2,
    )
    y, t = scored["done"].to_numpy(dtype=float), scored["opted"].to_numpy()
    rows = twin.Rows(t, scored["score"].to_numpy(), matches.places, np.zeros(len(y)), np.arange(len(y)))
    distance = np.sqrt(((rows.x[:, None, :] - rows.x[None, :, :]) ** 2).sum(axis=2))
    ranges = zip(matches.focal.tolist(), matches.first, matches.last, strict=True)
    matched = {row: set(matches.donors[first:last].tolist()) for row, first, last in ranges}
    s2 = twin.outcome_variance(y, t, distance)
    expected = twin.neighbor_variance(y, t, matched, s2, np.ones(len(y)) if weight is None else weight)
    effect = matches.effect(scored["done"])
    w = matches.weights.to_numpy()
    assert effect.estimate == pytest.approx(np.average(y[t], weights=w[t]) - np.average(y[~t], weights=w[~t]))
    assert effect.std_error == pytest.approx(np.sqrt(expected), rel=1e-9)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_bias_adjustment_equals_the_twin(scored, estimand):
    matches = match(scored, estimand=estimand, n_neighbors=2)
    y, t = scored["done"].to_numpy(dtype=float), scored["opted"].to_numpy()
    x = scored[["visits", "tenure"]]
    design = np.column_stack([np.ones(len(y)), x.to_numpy(dtype=float)])
    ranges = list(zip(matches.focal.tolist(), matches.first, matches.last, strict=True))
    uses = matches.weights.to_numpy() - np.isin(np.arange(len(y)), matches.focal)
    mu = {}
    for arm in (True, False):
        rows = (t == arm) & (uses > 0)
        if rows.any():
            half = np.sqrt(uses[rows])[:, None]
            slopes = np.linalg.lstsq(design[rows] * half, y[rows] * half[:, 0], rcond=None)[0]
            mu[arm] = design @ slopes
    differences = []
    for row, first, last in ranges:
        donors = matches.donors[first:last]
        rest = y - mu[not t[row]]
        differences.append((rest[row] - rest[donors].mean()) * (1 if t[row] else -1))
    adjusted = matches.effect(scored["done"], bias_adjust=x)
    assert adjusted.estimate == pytest.approx(np.mean(differences), rel=1e-10)
    assert "Abadie and Imbens 2011" in adjusted.se_method


@pytest.mark.parametrize("estimand", ["ATT", "ATC"])
def test_error_of_adjusted_means_is_that_of_what_is_left_of_outcomes(scored, estimand):
    """One arm has donors, so that the estimate is that of outcomes less what donors' covariates foretell."""
    matches = match(scored, estimand=estimand, n_neighbors=2)
    x, t = scored[["visits", "tenure"]], scored["opted"].to_numpy()
    rest = scored["done"] - _foretold(matches, scored["done"].to_numpy(dtype=float), x.to_numpy(dtype=float))
    ranges = zip(matches.focal.tolist(), matches.first, matches.last, strict=True)
    matched = {row: set(matches.donors[first:last].tolist()) for row, first, last in ranges}
    score = scored["score"].to_numpy()
    s2 = twin.outcome_variance(rest.to_numpy(), t, np.abs(score[:, None] - score[None, :]))
    expected = twin.neighbor_variance(rest.to_numpy(), t, matched, s2, np.ones(len(t)))
    effect = matches.effect(scored["done"], bias_adjust=x)
    assert effect.std_error == pytest.approx(np.sqrt(expected), rel=1e-9)


def _foretold(matches, y, x):
    """Fit the outcomes of donors by their uses, and predict for all."""
    uses = matches.weights.to_numpy() * (matches.treated == (matches.estimand == "ATC"))
    design = np.column_stack([np.ones(len(y)), x])
    half = np.sqrt(uses)[:, None]
    return design @ np.linalg.lstsq(design * half, y * half[:, 0], rcond=None)[0]


def test_error_of_adjusted_means_is_their_spread():
    """Where covariates foretell outcomes at equal scores; as if they did not it would be a third too wide."""
    found = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(250, 3))
        t = rng.random(250) < 1 / (1 + np.exp(1 - 0.4 * x.sum(axis=1)))
        df = pd.DataFrame(x, columns=list("abc")).assign(t=t, y=x @ [1, -1, 0.5] + t + rng.normal(size=250))
        model = ps.fit_propensity(df, treatment="t", covariates=list("abc"))
        effect = ps.match_nn(df, treatment="t", scores=model).effect("y", bias_adjust=list("abc"))
        found.append((effect.estimate, effect.std_error))
    estimates, errors = np.array(found).T
    # The spread of so many is known to 6.5%.
    assert np.sqrt((errors**2).mean()) == pytest.approx(estimates.std(ddof=1), rel=0.16)


def test_bias_adjustment_removes_a_linear_outcome_altogether(scored):
    y = 3 * scored["visits"] - scored["tenure"] + 5 * scored["opted"]
    for options in ({}, {"replace": False}, {"estimand": "ATE"}, {"max_reuse": 2}):
        effect = match(scored, **options).effect(y, bias_adjust=scored[["visits", "tenure"]])
        assert effect.estimate == pytest.approx(5, abs=1e-9)


def test_frame_keeps_the_library_and_gives_weights(scored):
    matches = match(scored, replace=False)
    data = matches.frame(scored)
    assert list(data.columns[-2:]) == ["weights", "subclass"]
    assert (data["weights"] == matches.weights[data.index]).all()
    sizes = data.groupby("subclass")["opted"].agg(["sum", "size"])
    assert (sizes == [1, 2]).all(axis=None)
    frame = pl.from_pandas(scored.reset_index(drop=True))
    assert isinstance(match(frame, replace=False).frame(frame), pl.DataFrame)
    assert "subclass" not in match(scored).frame(scored)


# Warnings


def test_shortage_of_partners_is_reported_with_its_figures(logs, model):
    """Of the heavy users 4,805 are treated, and 2,624 are not: the stretch is nearly all of theirs."""
    with pytest.warns(BalanceWarning) as caught:
        matches = ps.match_nn(logs, treatment=TREATMENT, scores=model, replace=False)
    words = " ".join(str(warning.message) for warning in caught)
    assert "4,800 treated against 2,617 controls" in words
    assert "2,183 of 4,800 partners are missing" in words
    assert "differ by more than 0.1 standard deviations in engagement_tier" in words
    effect = matches.effect(logs[OUTCOME])
    assert len(effect.cautions) == 2
    assert effect.estimate == pytest.approx(0.103, abs=0.002)


# Refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on": "mahalanobis"}, r"covariates: on='mahalanobis' measures distances between covariates"),
        ({"covariates": ["visits"]}, "covariates: on='score' looks at the scores alone"),
        ({"scores": None}, "scores: on='score' looks at the scores, and there are none"),
        ({"estimand": "ATE", "replace": False}, "there is no ATE without replacement"),
        ({"replace": False, "max_reuse": 3}, "a unit serves once, not 3 times"),
        ({"replace": "no"}, "replace must be True or False, not 'no'"),
        ({"caliper": {"visit": 1.0}}, "column 'visit' is not in the frame; did you mean 'visits'"),
        ({"caliper": {"visits": -1.0}}, r"caliper\['visits'\] must be a finite number greater than 0"),
        ({"exact": ["opted"]}, "column 'opted' is the treatment"),
        ({"discard": "hull"}, "discard must be one of"),
        ({"order": "first"}, "order must be one of"),
    ],
)
def test_unusable_options_are_explained(scored, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.match_nn(scored, **{"treatment": "opted", "scores": "score"} | options)


def test_labels_of_sets_need_matching_without_replacement(scored):
    with pytest.raises(InvalidInputError, match="with replacement puts a unit into several sets"):
        _ = match(scored).labels


def test_bootstrap_refuses_what_it_cannot_repeat(scored):
    spec = ps.NearestNeighbors(replace=False)
    with pytest.raises(
        InvalidInputError, match=r"leave '1-NN ATT \(without replacement\)' out, and take match_nn"
    ):
        ps.bootstrap(
            scored,
            outcome="done",
            treatment="opted",
            covariates=["visits"],
            estimators=[spec],
            progress=False,
        )
    x, y = scored[["visits"]].to_numpy(dtype=float), scored["done"].to_numpy(dtype=float)
    with pytest.raises(InvalidInputError, match="with replacement on the score or logit"):
        core.bootstrap(x, scored["opted"].to_numpy(), y, estimators=[spec])


def test_estimate_takes_every_specification(scored):
    specs = [
        ps.NearestNeighbors(replace=False),
        ps.NearestNeighbors(on="mahalanobis"),
        ps.NearestNeighbors(exact=["tier"], caliper={"logit": 0.5}),
    ]
    table = ps.estimate(
        scored, outcome="done", treatment="opted", covariates=["visits", "tier"], estimators=specs
    )
    assert list(table.index[1:]) == [spec.label for spec in specs]
    assert (table["std_error"] > 0).all()
    weighted = ps.estimate(
        scored,
        outcome="done",
        treatment="opted",
        covariates=["visits", "tier"],
        estimators=specs,
        sample_weight=np.linspace(0.5, 2, len(scored)),
    )
    assert (weighted["estimate"] != table["estimate"]).all()


def test_matches_pickle(scored):
    matches = match(scored, on="euclidean", covariates=["visits"], caliper={"scores": 1.0}, replace=False)
    again = pickle.loads(pickle.dumps(matches))
    assert again.effect(scored["done"]).std_error == matches.effect(scored["done"]).std_error


# Against MatchIt, which breaks ties by the order of the rows


@pytest.mark.parametrize(("caliper_sd", "pairs"), [("all", 117), ("pooled", 115)])
def test_calipers_on_lalonde_leave_as_many_pairs_as_matchits_and_austins(caliper_sd, pairs):
    df = ps.datasets.lalonde()
    covariates = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
    model = ps.fit_propensity(df, treatment="treat", covariates=covariates)
    matches = ps.match_nn(
        df, treatment="treat", scores=model, on="logit", replace=False, caliper=0.2, caliper_sd=caliper_sd
    )
    assert matches.n_matched == pairs
    assert matches.calipers["std_dev"].item() == pytest.approx(
        {"all": 1.8045, "pooled": 1.3465}[caliper_sd], abs=1e-4
    )


@pytest.mark.parametrize(
    ("name", "options", "n_matched"),
    [
        ("largest", {}, 13_451),
        ("smallest", {"order": "smallest"}, 13_451),
        ("exact_tier_largest", {"exact": ["engagement_tier"]}, 11_270),
        ("largest_cal0.2logit", {"on": "logit", "caliper": 0.2}, 11_270),
    ],
)
def test_matching_without_replacement_is_matchits_but_for_ties(logs, model, name, options, n_matched):
    """Half the tutorial's users tie: draws move the estimate, MatchIt's is one of those they give."""
    found = [
        ps.match_nn(logs, treatment=TREATMENT, scores=model, replace=False, seed=seed, **options)
        for seed in range(10)
    ]
    assert {matches.n_matched for matches in found} == {n_matched}
    estimates = [matches.effect(logs[OUTCOME]).estimate for matches in found]
    published = PUBLISHED[f"A.matchit471.nn_norep_{name}"]
    assert abs(published["value"] - np.mean(estimates)) < 4 * np.std(estimates, ddof=1)
    error = found[0].effect(logs[OUTCOME]).std_error
    assert error == pytest.approx(published["se"], rel=0.02)


def test_match_nn_warns_of_the_terms_of_the_scores_model():
    users = ps.datasets.opt_in_logs()
    model = ps.fit_propensity(
        users, treatment="opt_in_agent_mode", covariates=["engagement_tier", "query_confidence"]
    )
    with pytest.warns(BalanceWarning, match=r"query_confidence -0\.18"):
        ps.match_nn(
            users, treatment="opt_in_agent_mode", scores=model, replace=False, exact=["engagement_tier"]
        )


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
@pytest.mark.parametrize("function", [ps.match_nn, ps.match_full])
def test_covariates_of_scores_are_told_to_be_fitted_first_in_lines_that_run(scored, function):
    with pytest.raises(InvalidInputError, match="which are fitted first: ") as caught:
        function(scored, treatment="opted", covariates=["visits", "tenure"])
    fit, call = str(caught.value).split("fitted first: model = ")[1].split("; ")[:2]
    scope = {"ps": ps, "df": scored}
    scope["model"] = eval(fit, scope)
    expected = function(scored, treatment="opted", scores=scope["model"])
    np.testing.assert_array_equal(eval(call, scope).weights, expected.weights)
