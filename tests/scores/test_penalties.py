"""A penalty is per unit of the column, so that what is advised has to fit the column's scale."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import SeparationError
from propensity.scores.penalties import penalty_advice


def separated(unit, n=400):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pd.DataFrame({"spend": x * unit, "t": (x > 0).astype(int), "y": x + rng.normal(size=n)})


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3, 1e6])
def test_penalty_that_a_separation_error_advises_gives_the_same_scores_in_any_unit(unit):
    df = separated(unit)
    with pytest.raises(SeparationError) as error:
        ps.fit_propensity(df, treatment="t", covariates=["spend"])
    said = str(error.value)
    assert "penalty=1.0" in said
    assert ("penalty=1.0 with scale(spend) in a formula" in said) == (unit != 1.0)
    covariates = ["spend"] if unit == 1.0 else "scale(spend)"
    scores = ps.fit_propensity(df, treatment="t", covariates=covariates, penalty=1.0).scores
    expected = ps.fit_propensity(separated(1.0), treatment="t", covariates="scale(spend)", penalty=1.0).scores
    np.testing.assert_allclose(scores, expected, atol=0.02 if unit == 1.0 else 1e-9)
    assert 0.2 < scores.std() < 0.5
    ps.ipw(df, outcome="y", treatment="t", scores=scores)  # none is 0 or 1


def test_penalty_advice_looks_at_what_a_penalty_has_to_hold_and_to_leave():
    rng = np.random.default_rng(0)
    x = np.column_stack(
        [
            rng.normal(size=500),
            1e4 * rng.normal(size=500),
            rng.random(500) < 0.002,
            1e-4 * rng.normal(size=500),
        ]
    )
    names = ["age", "monthly spend", "plan[T.rare]", "rate"]
    assert penalty_advice(x[:, :3], names[:3], {0, 2}) == "use penalty=1.0"
    assert "scale(`monthly spend`) in a formula" in penalty_advice(x[:, :3], names[:3], {1})
    assert "scale(`monthly spend`) and scale(rate) in" in penalty_advice(x, names, {1})
