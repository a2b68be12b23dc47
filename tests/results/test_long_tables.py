"""Tables longer than a screen: their first rows, and where the others are."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps

pytestmark = pytest.mark.filterwarnings("ignore")  # levels of few rows


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(1)
    n = 8_000
    df = pd.DataFrame({"country": [f"c{k:03d}" for k in rng.integers(0, 200, n)], "t": rng.random(n) < 0.4})
    return ps.fit_propensity(df, treatment="t", covariates=["country"])


def test_a_model_of_many_levels_shows_its_first_terms(model):
    text = repr(model)
    assert len(model.table) == 200
    assert len(text.splitlines()) == 1 + 1 + 20 + 1  # headline, header, rows, note
    assert text.endswith("Note: 180 more rows are in `table`")
    assert "country[T.c019]" in text
    assert "country[T.c020]" not in text
    assert model._repr_html_().count("<tr>") == 21
    assert "180 more rows are in `table`" in model._repr_html_()


def test_what_is_written_on_purpose_has_all_rows(model):
    assert model.to_html().count("<tr>") == 201
    assert "c199" in model.to_markdown()
    assert "c199" in model.to_latex()
    assert "more rows" not in model.to_html() + model.to_markdown() + model.to_latex()


def test_tables_of_a_screen_are_whole():
    users = ps.datasets.opt_in_logs(n_users=500)
    short = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=["engagement_tier"])
    assert "more rows" not in repr(short)
