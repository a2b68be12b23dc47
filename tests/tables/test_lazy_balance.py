"""Balance of a table that an engine holds, against that of the same rows in a frame."""

import numpy as np
import pytest
from engines import LAZY
from test_passes import COVARIATES, users

import propensity as ps
from propensity.errors import InvalidInputError, SeparationError


@pytest.mark.parametrize("name", ["duckdb", "polars-lazy"])
@pytest.mark.parametrize("denominator", ["pooled", "treated", "control", "all"])
def test_balance_is_that_of_the_rows(name, denominator):
    df = users().assign(one=1.0)
    covariates = [*COVARIATES, "one"]
    model = ps.fit_propensity(df, treatment="t", covariates=COVARIATES)
    weights = {e: ps.balancing_weights(df, treatment="t", scores=model, estimand=e) for e in ("ATE", "ATT")}
    asked = {"treatment": "t", "covariates": covariates, "denominator": denominator}
    expected = ps.balance(df, **asked, weights=weights)
    found = ps.balance(LAZY[name](df), **asked, weights={e: ps.IPW(e) for e in weights})
    assert list(found.index) == list(expected.index)
    for sample in ("unadjusted", "ATE", "ATT"):
        for measure in ("mean_treated", "mean_control", "smd", "variance_ratio"):
            np.testing.assert_allclose(
                found[sample, measure], expected[sample, measure], rtol=1e-9, atol=1e-9
            )
        known = ~np.isnan(found[sample, "ks"])
        assert known.sum() == 5  # the levels, the flag and the constant
        np.testing.assert_allclose(found[sample, "ks"][known], expected[sample, "ks"][known], atol=1e-9)
        for arm in ("ess_treated", "ess_control"):
            assert found.attrs[arm][sample] == pytest.approx(expected.attrs[arm][sample], rel=1e-9)
    assert repr(found).splitlines()[:2] == repr(expected).splitlines()[:2]


def test_one_weighting_needs_no_name():
    table = LAZY["polars-lazy"](users())
    found = ps.balance(table, treatment="t", covariates=COVARIATES, weights=ps.IPW("ATO"))
    assert found.samples == ("unadjusted", "adjusted")
    assert found.smd["adjusted"].abs().max() < 1e-9  # which the logistic model's own weights balance exactly
    assert ps.balance(table, treatment="t", covariates=COVARIATES).samples == ("unadjusted",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"weights": "w"}, r"weights: .* has to be a specification with logistic scores, .*, not str"),
        ({"weights": {"a": ps.AIPW()}}, "weights: .* 'a' has to be a specification .*, not AIPW"),
        ({"weights": ps.IPW(truncate=0.9)}, "weights: .* has to be a specification"),
        ({"squares": True}, "squares: not of a table that an engine holds.*make columns of squares"),
        ({"interactions": True}, "interactions: not of a table that an engine holds"),
        ({"by": "tier"}, "by: not of a table that an engine holds"),
        ({"scores": "score"}, "scores: not of a table that an engine holds"),
        ({"covariates": "score + visits"}, "covariates: of a table that an engine holds a list of columns"),
    ],
)
def test_what_sums_do_not_tell_of_balance_is_told(given, said):
    asked = {"treatment": "t", "covariates": COVARIATES} | given
    with pytest.raises((InvalidInputError, TypeError), match=said):
        ps.balance(LAZY["polars-lazy"](users()), **asked)


def test_separated_levels_have_no_weights():
    df = users().assign(tier=lambda d: np.where((d["tier"] == "new") & (d["t"] == 1), "light", d["tier"]))
    asked = {"treatment": "t", "covariates": COVARIATES}
    assert ps.balance(LAZY["polars-lazy"](df), **asked).smd.notna().all(axis=None)
    with pytest.raises(SeparationError, match="tier == 'new' are all controls"):
        ps.balance(LAZY["polars-lazy"](df), **asked, weights=ps.IPW())
