"""What cells are refused with: lines that give what was asked for, run here."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest
from counted_users import COVARIATES, TREATMENT, cells_of, world

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def cells():
    return cells_of(world(2_500, 7), outcomes=("done",), also=("workspace",))


def refused(call):
    with pytest.raises(InvalidInputError) as caught:
        call()
    return str(caught.value)


def fitted(table):
    return ps.fit_propensity(table, treatment=TREATMENT, covariates=COVARIATES)


def test_users_that_are_spelled_out_take_the_scores_of_their_cells(cells):
    model = fitted(cells)
    matches = ps.match_nn(cells, treatment=TREATMENT, scores=model)
    for said in (
        refused(lambda: ps.match_full(cells, treatment=TREATMENT, scores=model)),
        refused(lambda: ps.match_nn(cells, treatment=TREATMENT, scores=model, replace=False)),
        refused(lambda: matches.pairs),
        refused(lambda: matches.bootstrap("done")),
        refused(lambda: matches.effect("done", bias_adjust=["tenure"])),
    ):
        lines = re.search(
            r"take (users = cells\.expand\(\)), a row for each .* (scores=model.*)$", said
        ).groups()
        assert f"each of the {cells.n_users:,} users" in said
        scope = {"cells": cells, "model": model}
        exec(lines[0], scope)
        scores = eval(f"dict({lines[1]})", scope)["scores"]
        np.testing.assert_allclose(scores, fitted(scope["users"]).scores, atol=1e-10)
        ps.match_nn(scope["users"], treatment=TREATMENT, scores=scores, replace=False)


@pytest.mark.parametrize("kind", ["cells", "pandas", "polars", "pyarrow"])
def test_subclasses_of_groups_are_made_group_by_group(cells, kind):

    users = world(2_500, 7)
    made = {"pandas": lambda: users, "polars": lambda: pl.from_pandas(users), "cells": lambda: cells}
    made["pyarrow"] = lambda: pl.from_pandas(users).to_arrow()
    table = made[kind]()
    subclasses = ps.subclassify(table, treatment=TREATMENT, scores=fitted(table))
    said = refused(lambda: subclasses.effect("done", by="tier"))
    lines = re.search(r"by themselves, (some = .*); (ps\.subclassify.*\)), or take ipw", said).groups()
    assert lines[0].startswith("some = cells[cells.frame['tier'] == " if kind == "cells" else "some = df")
    scope = {"ps": ps, "cells": cells, "df": table, "pl": pl, "pc": pc}
    exec(lines[0], scope)
    found = eval(lines[1], scope).effect("done")
    heavy = users[users["tier"] == "heavy"]
    others = [name for name in COVARIATES if name != "tier"]
    model = ps.fit_propensity(heavy, treatment=TREATMENT, covariates=others)
    expected = ps.subclassify(heavy, treatment=TREATMENT, scores=model).effect("done")
    assert found.estimate == pytest.approx(expected.estimate, abs=1e-9)


def test_the_table_of_cells_is_not_taken_for_users(cells):
    table = cells.frame[cells.frame["tier"] == "heavy"]
    said = refused(lambda: ps.aipw(table, outcome="done", treatment=TREATMENT, covariates=["tenure"]))
    assert "this is the table of cells, which sums 'done' up" in said
    assert "cells[cells.frame['tier'] == ...]" in said
    assert "did you mean" not in said
    some = eval("cells[cells.frame['tier'] == 'heavy']")
    found = ps.aipw(some, outcome="done", treatment=TREATMENT, covariates=["tenure"])
    users = world(2_500, 7).query("tier == 'heavy'")
    expected = ps.aipw(users, outcome="done", treatment=TREATMENT, covariates=["tenure"])
    assert found.estimate == pytest.approx(expected.estimate, abs=1e-9)


def test_columns_that_sum_up_are_not_what_is_meant(cells):
    said = refused(lambda: ps.fit_propensity(cells.frame, treatment=TREATMENT, covariates=["done_mea"]))
    assert "did you mean" not in said
    own = world(50, 1).rename(columns={"done": "done_mean"})  # a column of users all the same
    said = refused(lambda: ps.fit_propensity(own, treatment=TREATMENT, covariates=["done_mea"]))
    assert "did you mean 'done_mean'?" in said
