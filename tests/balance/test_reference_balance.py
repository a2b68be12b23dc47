"""Balance tables against MatchIt's, on lalonde and the tutorial's users; overlap rules against PSweight's."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import designs
import propensity as ps
from conftest import COVARIATES as TUTORIAL_COVARIATES
from conftest import TREATMENT

FOLDER = Path(__file__).parents[1] / "reference"
PUBLISHED_LALONDE = json.loads((FOLDER / "lalonde_published.json").read_text())["values"]
LALONDE = json.loads((FOLDER / "lalonde_balance.json").read_text())["values"]
TUTORIAL = json.loads((FOLDER / "tutorial_match.json").read_text())["values"]
PUBLISHED = json.loads((FOLDER / "published_estimates.json").read_text())["values"]
COVARIATES = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
MEASURES = ["mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference"]
ESTIMAND = {"ipw.ATE": "ATE", "ipw.ATT": "ATT", "ipw.ATC": "ATC", "overlap": "ATO"}
DENOMINATOR_OF = {"ATT": "treated", "ATC": "control", "ATE": "pooled"}

# Weighting has too little overlap to go by on lalonde, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")


@pytest.fixture(scope="module")
def trained():
    return ps.datasets.lalonde()


@pytest.fixture(scope="module")
def lalonde_model(trained):
    return ps.fit_propensity(trained, treatment="treat", covariates=COVARIATES)


def ours(term):
    """MatchIt's name of a term, as ours."""
    term = re.sub("race(black|hispan|white)", r"race[\1]", term)
    term = re.sub("engagement_tier(heavy|light|medium)", r"engagement_tier[\1]", term)
    term = re.sub("^distance$", "propensity", term)
    return term.replace("²", "^2").replace(" * ", ":")


def assert_agrees(table, sample, expected):
    """Hold the measures to 1e-8: the scores are logistic fits of two programs."""
    terms = [ours(term) for term in expected["term"]]
    for measure in MEASURES:
        found = table.loc[terms, (sample, measure)].to_numpy()
        values = np.array(expected[measure], dtype=float)  # null is NaN
        np.testing.assert_allclose(found, values, rtol=1e-8, atol=1e-8, err_msg=measure)


@pytest.mark.parametrize("denominator", ["treated", "control", "pooled"])
def test_balance_of_lalonde_is_matchits(trained, lalonde_model, denominator):
    weights = {
        name: ps.balancing_weights(trained, treatment="treat", scores=lalonde_model, estimand=estimand)
        for name, estimand in ESTIMAND.items()
    }
    table = ps.balance(
        trained,
        treatment="treat",
        covariates=COVARIATES,
        weights=weights,
        scores=lalonde_model,
        denominator=denominator,
    )
    for sample in ("unadjusted", *weights):
        assert_agrees(table, sample, LALONDE[f"{sample}.{denominator}"])


@pytest.mark.parametrize("estimand", DENOMINATOR_OF)
def test_balance_of_rows_left_out_is_matchits(trained, lalonde_model, estimand):
    # Values that no matched row has count too, in MatchIt's mean of the eCDF differences as in ours.
    cem = ps.match_cem(trained, treatment="treat", covariates=COVARIATES, estimand=estimand)
    assert (np.asarray(cem.weights) == 0).any()
    denominator = DENOMINATOR_OF[estimand]
    table = ps.balance(
        trained,
        treatment="treat",
        covariates=COVARIATES,
        weights={"cem": cem},
        scores=lalonde_model,
        denominator=denominator,
    )
    assert_agrees(table, "cem", LALONDE[f"cem.{estimand}.{denominator}"])


def test_balance_of_squares_and_interactions_is_matchits(trained, lalonde_model):
    """MatchIt multiplies columns as they are, which is asked for by columns that are products.

    Ours are of what columns have beyond their means, and of the same names.
    """
    weights = ps.balancing_weights(trained, treatment="treat", scores=lalonde_model)
    options = {"treatment": "treat", "weights": weights}
    own = ps.balance(trained, covariates=COVARIATES, squares=True, interactions=True, **options)
    expected = LALONDE["interactions.ipw.ATE.pooled"]
    terms = [ours(term) for term in expected["term"]]
    assert list(own.index) == terms
    columns = {name: trained[name].astype(float) for name in COVARIATES if name != "race"}
    columns |= {f"race[{level}]": (trained["race"] == level) * 1.0 for level in trained["race"].unique()}
    made = trained[["treat"]].copy()
    for number, term in enumerate(terms):
        parts = [term[:-2]] * 2 if term.endswith("^2") else term.split(":")
        made[f"term {number}"] = np.prod([columns[part] for part in parts], axis=0)
    table = ps.balance(made, covariates=list(made)[1:], **options)
    for measure in MEASURES:
        values = np.array(expected[measure], dtype=float)
        np.testing.assert_allclose(table["adjusted", measure], values, rtol=1e-8, atol=1e-8, err_msg=measure)


def test_balance_of_the_tutorials_users_is_matchits(logs, model):
    weights = {
        "ipw.ATT": ps.balancing_weights(logs, treatment=TREATMENT, scores=model, estimand="ATT"),
    }
    table = ps.balance(
        logs,
        treatment=TREATMENT,
        covariates=TUTORIAL_COVARIATES,
        weights=weights,
        scores=model,
        denominator="treated",
    )
    for sample in ("unadjusted", "ipw.ATT"):
        assert_agrees(table, sample, TUTORIAL[f"balance.{sample}.treated"])


@pytest.mark.parametrize(
    ("data", "name", "n_kept"), [("opt_in_logs", "A", 50_000), ("cattaneo2", "C", 4_437)]
)
def test_crump_bounds_are_the_published(data, name, n_kept):
    x, treatment, _ = designs.arrays(data)
    scores = ps.core.fit_propensity(x, treatment).scores
    frame = designs.pd.DataFrame({"t": treatment, "e": scores})
    found = ps.trim(frame, treatment="t", scores="e", bounds="crump")
    assert found.low == pytest.approx(PUBLISHED[f"{name}.crump_alpha"]["value"], abs=1e-9)
    assert found.keep.sum() == n_kept


def test_crump_bounds_of_lalonde_are_psweights(trained, lalonde_model):
    found = ps.trim(trained, treatment="treat", scores=lalonde_model, bounds="crump")
    assert found.low == pytest.approx(0.0928103317, abs=1e-9)  # PSweight 2.1.2, PStrim(optimal=TRUE)
    assert found.keep.sum() == 354


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # the scores are of all rows
def test_effects_after_trimming_are_the_published(trained, lalonde_model):
    kept = ps.trim(trained, treatment="treat", scores=lalonde_model, bounds=(0.1, 0.9)).keep
    rest = trained[kept]
    expected = PUBLISHED_LALONDE["trim_0.1.ipw_ATE"]
    assert len(rest) == expected["n_kept"]
    data = {"outcome": "re78", "treatment": "treat"}
    before = ps.ipw(rest, **data, scores=lalonde_model.scores[kept])
    assert before.estimate == pytest.approx(expected["estimate"], abs=0.05)
    refitted = ps.fit_propensity(rest, treatment="treat", covariates=COVARIATES)
    assert ps.ipw(rest, **data, scores=refitted).estimate == pytest.approx(expected["refitted"], abs=0.05)
