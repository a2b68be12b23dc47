"""The benchmarks: both sides do the same job, and the page says what was measured."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import by_hand
import clock
import estimate_jobs
import grid_jobs
import loops
import propensity as ps
import report
from bootstrap_jobs import ROLES
from clock import Row

DOCS = Path(__file__).parents[2] / "docs"
ROW = Row("estimates", "a job", "another", 6.0, 2.0, 2.5)


@pytest.fixture(scope="module")
def users():
    return ps.datasets.opt_in_logs(n_users=4_000, seed=3)


# Both sides do the same job


def test_the_loop_estimates_what_the_package_estimates(users):
    by_loop = by_hand._estimates(users, **ROLES)
    # scikit-learn's default is a penalty of 1, and its solver stops early.
    estimators = [ps.IPW("ATE"), ps.IPW("ATT"), ps.NearestNeighbors("ATT")]
    boot = ps.bootstrap(users, **ROLES, estimators=estimators, penalty=1.0, n_reps=2, seed=1, progress=False)
    assert_allclose(by_loop[:2], boot.estimates.iloc[:2], atol=1e-4)
    # Where several neighbours are as near, it takes one of them.
    assert by_loop[2] == pytest.approx(boot.estimates.iloc[2], abs=0.02)


@pytest.mark.parametrize("find", [by_hand.nearest_by_trees, by_hand.nearest_by_sorting])
def test_neighbours_by_hand_are_as_near_as_those_of_the_package(find, users):
    model = ps.fit_propensity(users, treatment=ROLES["treatment"], covariates=ROLES["covariates"])
    treated, scores = model.treated, model.scores.to_numpy()
    matches = ps.match_nn(users, treatment=ROLES["treatment"], scores=model)
    distance = np.abs(scores[find(scores, treated)] - scores[treated])
    assert distance.max() == pytest.approx(matches.max_distance, abs=1e-12)


def test_statsmodels_estimates_what_the_package_estimates():
    df = estimate_jobs.frame(3_000)
    own = estimate_jobs._weighted_effect(df)
    effect, std_error = by_hand.ipw_effect(df, outcome="y", treatment="t", covariates=estimate_jobs.NAMES)
    assert own.estimate == pytest.approx(effect, abs=1e-8)
    assert own.std_error == pytest.approx(std_error, rel=1e-3)


@pytest.mark.parametrize("name", list(loops.LOOPS))
def test_a_turn_of_the_loop_estimates_what_the_package_does_of_the_rows_drawn(name):
    (x, treated, y), codes = grid_jobs.distinct(3_000, 4), grid_jobs.factors(3_000)
    design = loops.design(x, codes, grid_jobs.LEVELS, dense=name == "statsmodels")
    drawn = np.random.default_rng(6).integers(0, 3_000, 3_000)
    kept = x[drawn], treated[drawn], y[drawn]
    own = grid_jobs._bootstrap(kept, codes[drawn], {})(2).estimates[0]
    assert loops.turn(design, treated, y, loops.LOOPS[name]) == pytest.approx(own, abs=1e-3)


# Clock


def test_medians_times_every_side_once_a_round_in_turn():
    calls = []
    sides = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    assert set(clock.medians(sides, rounds=3)) == {"a", "b"}
    assert calls == ["a", "b"] * 3


def test_machine_names_neither_host_nor_user(monkeypatch):
    monkeypatch.setattr("platform.node", lambda: pytest.fail("asked for the host's name"))
    assert "cores" in clock.machine(["numpy"])


# Report


def test_table_says_whether_the_bar_is_met():
    missed = Row("estimates", "a job", "another", 6.0, 3.0, 2.5)
    page = report.table([ROW, missed])
    assert "| 3 | 2.5 met |" in page
    assert "| 2 | 2.5 missed |" in page


def test_grid_has_a_line_a_size_and_a_column_a_kind():
    of_size = "50,000; 4; 4, 40"
    found = {f"{of_size}; IPW": 3.0, f"{of_size}; strata": 5.25, f"{of_size}; lbfgs": 1_234.0}
    page = grid_jobs.table([Row("grid", job, "", math.nan, value, unit="ns") for job, value in found.items()])
    cells = [cell.strip() for cell in page.splitlines()[-1].strip("|").split("|")]
    head = [cell.strip() for cell in page.splitlines()[0].strip("|").split("|")]
    line = dict(zip(head, cells, strict=True))
    assert (line["rows"], line["numbers"], line["levels of factors"]) == ("50,000", "4", "4, 40")
    assert (line["IPW"], line["clusters"], line["strata"], line["lbfgs"]) == ("3", "", "5.25", "1.23e+03")


def test_write_keeps_the_rows_and_fills_the_page(tmp_path):
    marks = "".join(f"<!-- begin: {name} -->\n<!-- end: {name} -->\n" for name in report.sections("m", []))
    (tmp_path / "performance.md").write_text(marks)
    alone = Row("rows", "alone", "", math.nan, 0.5)
    report.write(pd.DataFrame([vars(ROW), vars(alone)]), "a machine", tmp_path)
    machine, rows = report.read(tmp_path)
    assert machine == "a machine"
    assert rows[0] == ROW
    assert math.isnan(rows[1].bar)
    page = (tmp_path / "performance.md").read_text()
    assert "Measured on: a machine." in page
    assert "| alone | 500 ms |" in page
    assert (tmp_path / "performance.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_is_made_from_the_results_beside_it():
    if not (DOCS / "performance.csv").exists():
        pytest.skip("not measured yet: make bench")
    machine, rows = report.read(DOCS)
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert report.fill(page, report.sections(machine, rows)) == page
