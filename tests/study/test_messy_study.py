"""A messy log, from the check of it to its report: options that mend are named, taken, and told."""

import json

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.command_line import main
from propensity.errors import InvalidInputError

ROLES = {"outcome": "tasks", "treatment": "opted", "covariates": ["tenure", "country"]}
TIDY = {"missing": "indicator", "min_level_count": 60}


@pytest.fixture(scope="module")
def log():
    """6,000 users; of 26 countries 20 have some 30 users each; some tenures are missing. The effect is 1."""
    rng = np.random.default_rng(4)
    n = 6_000
    share = np.r_[np.full(6, 0.15), np.full(20, 0.005)]
    country = rng.choice([f"c{k:02d}" for k in range(26)], n, p=share / share.sum())
    tenure = rng.normal(size=n)
    opted = rng.random(n) < 1 / (1 + np.exp(-0.7 * tenure))
    tasks = opted + tenure + rng.normal(size=n)
    tenure[rng.random(n) < 0.1] = np.nan
    columns = {"opted": opted.astype(int), "tasks": tasks, "tenure": tenure, "country": country}
    return pd.DataFrame(columns)


def test_what_is_refused_says_how_it_is_taken(log):
    with pytest.raises(InvalidInputError, match=r'column \'tenure\': .*, or take missing="indicator"$'):
        ps.aipw(log, **ROLES)
    with pytest.raises(InvalidInputError) as told:
        ps.aipw(log.assign(tasks=log["tasks"].where(log.index > 5)), **ROLES, missing="indicator")
    assert "indicator" not in str(told.value)  # an outcome has none


def test_a_check_writes_the_options_and_the_study_takes_them(log):
    found = ps.check(log, **ROLES)
    remedies = " ".join(found.table["remedy"])
    assert 'missing="indicator"' in remedies
    study = ps.Study(log, **ROLES, **TIDY)
    facts = study.to_dict()
    assert "missing=" not in str(facts["check"])
    assert facts["left_out"][0].startswith("'tenure'")
    assert "20 levels of fewer than 60 rows together as 'other'" in facts["left_out"][0]
    assert facts["call"].endswith("missing='indicator', min_level_count=60)")
    assert {"tenure[missing]", "country[other]"} <= {row["term"] for row in facts["balance"]["terms"]}
    untidy = ps.Study(log.dropna(), **ROLES).to_dict()
    assert untidy["left_out"] == []


def test_a_study_is_what_its_functions_give(log):
    study = ps.Study(log, **ROLES, **TIDY)
    assert study.effect.estimate == ps.aipw(log, **ROLES, **TIDY).estimate
    np.testing.assert_array_equal(
        study.model.scores,
        ps.fit_propensity(log, treatment="opted", covariates=["tenure", "country"], **TIDY).scores,
    )
    assert study.robustness().value == ps.robustness_value(log, **ROLES, **TIDY).value


def test_the_command_takes_both(log, tmp_path, capsys):
    file = tmp_path / "log.csv"
    log.to_csv(file, index=False)
    options = ["--treatment", "opted", "--outcome", "tasks", "--covariates", "tenure,country", "--json"]
    output = ["-o", str(tmp_path / "page.html")]
    assert main(["report", str(file), *options, *output]) == 2
    assert 'missing="indicator"' in capsys.readouterr().err
    tidy = ["--missing", "indicator", "--min-level-count", "60"]
    assert main(["report", str(file), *options, *output, *tidy]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["call"].endswith("missing='indicator', min_level_count=60)")
    assert "tenure[missing]" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_verdict_says_what_it_fails_by():
    men = ps.datasets.lalonde()
    covariates = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
    study = ps.Study(men, outcome="re78", treatment="treat", covariates=covariates, estimand="ATT")
    verdict = study.verdicts().loc["balance"]
    assert verdict["verdict"] == "fails"
    assert "9 of 9 terms" in verdict["reason"]
    assert "13 of 37 squares and products are not, the worst age^2 at -0.506" in verdict["reason"]


def test_chance_among_few_rows_is_no_doubt():
    rng = np.random.default_rng(1)
    n = 300
    df = pd.DataFrame({"x": rng.normal(size=n), "a": rng.integers(0, 4, n), "t": rng.random(n) < 0.5})
    df["y"] = df["x"] + df["t"] + rng.normal(size=n)
    verdict = ps.Study(df, outcome="y", treatment="t", covariates=["x", "a"]).verdicts().loc["balance"]
    assert verdict["verdict"] == "holds"
    assert verdict["reason"].endswith("which among so few rows is no more than chance")
