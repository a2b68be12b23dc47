"""Specifications of matching in pairs and in groups: each as its function, beside the others."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}
LABELS = {
    "full matching ATT": ps.FullMatching("ATT"),
    "full matching ATC (logit, caliper 0.2)": ps.FullMatching("ATC", on="logit", caliper=0.2),
    "coarsened exact matching ATE": ps.CoarsenedMatching("ATE"),
    "coarsened exact matching ATT (on engagement_tier)": ps.CoarsenedMatching(
        "ATT", covariates=["engagement_tier"]
    ),
    "subclassification ATE": ps.Subclassification("ATE"),
    "subclassification ATT (5 subclasses)": ps.Subclassification("ATT", n_subclasses=5),
    "pairs ATT": ps.PairMatching("ATT"),
    "pairs ATC (caliper 0.1, nearest)": ps.PairMatching("ATC", caliper=0.1, method="nearest"),
}


@pytest.fixture(scope="module")
def few(logs):
    return logs[:3_000]


@pytest.fixture(scope="module")
def found(few):
    return ps.estimate(few, outcome=[OUTCOME, "cost_usd"], **ROLES, estimators=list(LABELS.values()))


@pytest.fixture(scope="module")
def matched(few):
    model = ps.fit_propensity(few, **ROLES)
    own = {"treatment": TREATMENT, "scores": model}
    cem = {"treatment": TREATMENT}
    return {
        "full matching ATT": ps.match_full(few, **own),
        "full matching ATC (logit, caliper 0.2)": ps.match_full(
            few, **own, estimand="ATC", on="logit", caliper=0.2
        ),
        "coarsened exact matching ATE": ps.match_cem(few, **cem, covariates=COVARIATES, estimand="ATE"),
        "coarsened exact matching ATT (on engagement_tier)": ps.match_cem(
            few, **cem, covariates=["engagement_tier"]
        ),
        "subclassification ATE": ps.subclassify(few, **own, estimand="ATE"),
        "subclassification ATT (5 subclasses)": ps.subclassify(few, **own, n_subclasses=5),
        "pairs ATT": ps.match_nn(few, **own, replace=False, method="optimal"),
        "pairs ATC (caliper 0.1, nearest)": ps.match_nn(
            few, **own, estimand="ATC", replace=False, caliper=0.1
        ),
    }


@pytest.mark.parametrize("label", LABELS)
def test_specification_gives_what_its_function_gives(found, matched, label):
    assert LABELS[label].label == label
    for outcome in (OUTCOME, "cost_usd"):
        alone = matched[label].effect(outcome)
        effect = found[outcome][label]
        assert (effect.estimate, effect.std_error) == (alone.estimate, alone.std_error)
        np.testing.assert_array_equal(effect.weights, alone.weights)
        assert list(map(str, effect.cautions)) == list(map(str, alone.cautions))


def test_groups_are_those_of_the_matching(few):
    specs = [ps.FullMatching(exact=["engagement_tier"]), ps.CoarsenedMatching()]
    grouped = ps.estimate(few, outcome=OUTCOME, **ROLES, estimators=specs, by="engagement_tier")
    cem = ps.match_cem(few, **ROLES).effect(OUTCOME, by="engagement_tier")
    pd.testing.assert_frame_equal(grouped["coarsened exact matching ATT"].table, cem.table)


def test_columns_of_a_formula_are_coarsened(few):
    formula = "C(engagement_tier) + bs(query_confidence, df=4)"
    roles = {"outcome": OUTCOME, "treatment": TREATMENT}
    found = ps.estimate(few, **roles, covariates=formula, estimators=[ps.CoarsenedMatching()])
    assert (
        found["coarsened exact matching ATT"].estimate == ps.match_cem(few, **ROLES).effect(OUTCOME).estimate
    )


def test_contrasts_and_sample_weights_are_taken(few):
    weighted = few.assign(w=np.linspace(0.5, 2, len(few)))
    specs = [ps.FullMatching(), ps.CoarsenedMatching(), ps.Subclassification()]
    options = {"contrast": "percent", "sample_weight": "w"}
    found = ps.estimate(weighted, outcome=OUTCOME, **ROLES, estimators=specs, **options)
    alone = ps.match_cem(weighted, **ROLES, sample_weight="w").effect(OUTCOME).contrast_as("percent")
    assert found["coarsened exact matching ATT"].estimate == alone.estimate


@pytest.mark.parametrize("spec", [ps.FullMatching(), ps.CoarsenedMatching(), ps.Subclassification()])
def test_bootstrap_names_the_function_that_has_its_own(few, spec):
    with pytest.raises(
        InvalidInputError, match=r"bootstrapped by what its own function gives: ps.\w+\(\.\.\.\)"
    ):
        ps.bootstrap(few, outcome=OUTCOME, **ROLES, estimators=[spec], n_reps=2)


@pytest.mark.parametrize("spec", LABELS.values())
def test_clusters_are_those_of_matches(few, spec):
    table = ps.estimate(few, outcome=OUTCOME, **ROLES, estimators=[spec], cluster="workspace_id")
    effect = table[spec.label]
    n_clusters = few["workspace_id"].nunique()
    by_sets = "summed within sets alone" in effect.se_method  # whose error is the larger
    numbered = effect.clusters if effect.clusters.ndim == 1 else effect.clusters[:, 1]
    assert by_sets or 1 < numbered.max() + 1 <= n_clusters
    assert "clusters" in effect.se_method
    assert effect.std_error > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ps.FullMatching("ATX"), "estimand"),
        (lambda: ps.FullMatching(caliper=-1), "caliper"),
        (lambda: ps.CoarsenedMatching("ATO"), "estimand"),
        (lambda: ps.Subclassification(n_subclasses=0), "n_subclasses"),
        (lambda: ps.Subclassification(min_per_arm=0), "min_per_arm"),
        (lambda: ps.PairMatching("ATE"), "no ATE without replacement"),
        (lambda: ps.PairMatching(order="largest"), "nobody chooses first"),
    ],
)
def test_unusable_specifications_are_explained(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()


def test_covariates_of_cells_are_a_list():
    with pytest.raises(TypeError, match=r"a list of columns is needed, as \['tier'\]"):
        ps.CoarsenedMatching(covariates="tier")
    with pytest.raises(TypeError):
        ps.PairMatching(replace=True)
