"""Overlap of the scores of a table that an engine holds, against that of the same rows in a frame."""

import numpy as np
import pytest
from engines import LAZY
from test_passes import COVARIATES, users

import propensity as ps
from propensity.errors import InvalidInputError, OverlapError


def scored():
    df = users()
    return df.assign(e=ps.fit_propensity(df, treatment="t", covariates=COVARIATES).scores)


@pytest.mark.parametrize("name", LAZY)
def test_overlap_is_that_of_the_rows(name):
    df = scored()
    found, expected = (ps.overlap(table, treatment="t", scores="e") for table in (LAZY[name](df), df))
    exact = ["n", "min", "max", "outside"]
    np.testing.assert_allclose(found.quantiles[exact], expected.quantiles[exact], rtol=1e-12)
    between = [name for name in expected.quantiles if name not in exact]
    np.testing.assert_allclose(found.quantiles[between], expected.quantiles[between], atol=5e-4)
    assert list(found.quantiles) == list(expected.quantiles)
    np.testing.assert_allclose(found.support, expected.support, atol=5e-3)
    sums = ["ess", "ess_share", "largest", "largest_share"]
    np.testing.assert_allclose(found.weights[sums], expected.weights[sums], rtol=1e-9)
    assert found.weights.index.equals(expected.weights.index)
    assert found.weights["top_percent_share"].isna().all()
    assert list(found.to_frame()) == list(expected.to_frame())


@pytest.mark.parametrize(
    ("scores", "given", "kind", "said"),
    [
        (
            [0.5],
            {},
            TypeError,
            "scores: of a table that an engine holds the name of a column is needed, not list",
        ),
        ("tier", {}, TypeError, "column 'tier': an outcome must be numeric or bool"),
        ("p", {}, InvalidInputError, "column 'p' is not in the frame"),
        ("e", {"by": "tier"}, InvalidInputError, "by: not of a table that an engine holds"),
        ("visits", {}, OverlapError, "column 'visits': .* scores at 0 or 1, or beyond"),
    ],
)
def test_scores_that_are_none_are_told(scores, given, kind, said):
    with pytest.raises(kind, match=said):
        ps.overlap(LAZY["polars-lazy"](scored()), treatment="t", scores=scores, **given)


def test_missing_scores_are_told():
    df = scored()
    df.loc[:1, "e"] = np.nan
    with pytest.raises(InvalidInputError, match="column 'e': 2 missing values"):
        ps.overlap(LAZY["polars-lazy"](df), treatment="t", scores="e")
