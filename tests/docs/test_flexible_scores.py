"""The benchmark of flexible scores: its worlds are hard for plain columns, and its table counts right."""

import numpy as np
import pandas as pd
import pytest

import flexible_scores
import propensity as ps
from propensity import core
from worlds import FLEXIBLE_WORLDS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize(("world", "left"), [("E+", 0.13), ("G+", 0.77), ("S+", 0.42)])
def test_logistic_scores_of_plain_columns_leave_a_bias(world, left):
    sample = FLEXIBLE_WORLDS[world].draw(np.random.default_rng(5), 200_000)
    fit = core.fit_propensity(sample.x, sample.treatment)
    by_logit = core.ipw(sample.outcome, sample.treatment, fit.scores, estimand="ATE")
    assert by_logit.estimate + 0.4 == pytest.approx(left, abs=0.03)
    known = core.ipw(sample.outcome, sample.treatment, sample.scores, estimand="ATE")
    assert known.estimate + 0.4 == pytest.approx(0, abs=4 * known.std_error)


def test_table_counts_what_the_functions_give():
    study = flexible_scores.Study(300, "ATT", ("logistic", "boosting"), 1)
    table = flexible_scores.run(study, "G+", 2, 1).set_index(["model", "estimator"])
    errors = []
    for number in range(2):
        rng = np.random.default_rng([20, [*flexible_scores.ALL_WORLDS].index("G+"), 300, number])
        sample = FLEXIBLE_WORLDS["G+"].draw(rng, 300)
        df = pd.DataFrame(sample.x).rename(columns=str).assign(t=sample.treatment, y=sample.outcome)
        columns = [str(k) for k in range(10)]
        boosting = ps.Boosting()
        roles = {"treatment": "t", "covariates": columns, "estimand": "ATT"}
        effect = ps.aipw(df, outcome="y", **roles, score_model=boosting, outcome_model=boosting)
        errors.append((effect.estimate + 0.4, effect.std_error))
    row = table.loc["boosting", "AIPW"]
    gaps, own = np.array(errors).T
    expected = [gaps.mean(), gaps.std(ddof=1), own.mean(), (abs(gaps) < 1.959964 * own).mean()]
    found = row[["bias", "sd", "mean_std_error", "coverage"]].to_numpy(float)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    cells = flexible_scores.in_cells(table.reset_index())
    assert cells.loc[("AIPW", "boosting"), "G+"].startswith(f"{gaps.mean():+.3f}")
