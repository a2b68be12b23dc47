"""Cells trimmed, their weights bounded, and pictures of them: as of the users one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from counted_users import COVARIATES, TREATMENT, cells_of, world
from test_cells_weighting import same_effect

import propensity as ps
from propensity.errors import InvalidInputError

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}


pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def users():
    return world(2_000, 5)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("bounds", [(0.25, 0.7), "crump", "common_support", "quantiles"])
def test_cells_are_trimmed_as_their_users_are(users, bounds, weight):
    options = {"sample_weight": weight} if weight else {}
    tables = cells_of(users, ("w",)), users
    found, expected = (
        ps.trim(
            table,
            treatment=TREATMENT,
            scores=ps.fit_propensity(table, **ROLES, **options),
            bounds=bounds,
            **options,
        )
        for table in tables
    )
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-10)
    pd.testing.assert_frame_equal(found.lost, expected.lost, rtol=1e-12)


def test_cells_that_are_kept_go_on(users):
    cells = cells_of(users)
    model = ps.fit_propensity(cells, **ROLES)
    trimmed = ps.trim(cells, treatment=TREATMENT, scores=model, bounds=(0.3, 0.6))
    own = ps.fit_propensity(users, **ROLES)
    kept_users = users[ps.trim(users, treatment=TREATMENT, scores=own, bounds=(0.3, 0.6)).keep]
    for kept in (cells[trimmed.keep], cells[trimmed], trimmed.frame(cells)):
        assert kept.n_users == len(kept_users)
        found, expected = (
            ps.ipw(table, outcome="minutes", treatment=TREATMENT, scores=ps.fit_propensity(table, **ROLES))
            for table in (kept, kept_users)
        )
        same_effect(found, expected)
    with pytest.raises(InvalidInputError, match="df: "):
        trimmed.frame(cells_of(world(2_000, 6)))


def test_weights_are_bounded_as_those_of_users(users):
    cells = cells_of(users)
    found, expected = (
        ps.truncate(scores=ps.fit_propensity(table, **ROLES), upper=0.9, lower=0.05)
        for table in (cells, users)
    )
    pd.testing.assert_frame_equal(found.counts, expected.counts, rtol=1e-10, check_dtype=False)
    one, other = (
        ps.weighted_effect(table, outcome="clicks", treatment=TREATMENT, weights=weights)
        for table, weights in ((cells, found), (users, expected))
    )
    same_effect(one, other)


def test_pictures_of_cells_are_those_of_their_users(users):
    cells = cells_of(users)
    models = [ps.fit_propensity(table, **ROLES) for table in (cells, users)]
    one, other = (ps.plots.overlap_plot(model) for model in models)
    for bars, expected in zip(one.patches, other.patches, strict=True):
        np.testing.assert_allclose(bars.get_data().values, expected.get_data().values, rtol=1e-12)
    assert [text.get_text() for text in one.texts] == [text.get_text() for text in other.texts]
    effects = [
        ps.ipw(table, outcome="done", treatment=TREATMENT, scores=model)
        for table, model in zip((cells, users), models, strict=True)
    ]
    axes = [
        ps.plots.ecdf_plot(table, "tenure", TREATMENT, weights=effect)
        for table, effect in zip((cells, users), effects, strict=True)
    ]
    for panel, expected in zip(*map(np.ravel, axes), strict=True):
        for line, own in zip(panel.lines, expected.lines, strict=True):
            np.testing.assert_allclose(line.get_xydata(), own.get_xydata(), atol=1e-12)
    with pytest.raises(InvalidInputError, match="single users"):
        ps.plots.weight_plot(effects[0])
