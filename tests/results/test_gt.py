"""Tables of great_tables: what stands in them is what stands in the result, and is harmless."""

import sys
from html import escape

import pandas as pd
import pytest

import propensity as ps

ROLES = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}


@pytest.fixture(scope="module")
def users():
    return ps.datasets.opt_in_logs(n_users=2_000)


def test_a_table_has_headline_cells_and_notes(users):
    pytest.importorskip("great_tables")
    found = ps.estimate(users, **ROLES, covariates=["engagement_tier", "query_confidence"])
    found_html = found.to_gt().as_raw_html()
    assert "Estimates of the effect on task_completed" in found_html
    written = found._written()[0]
    for label, row in zip(written.index, written.to_numpy(dtype=object), strict=True):
        assert all(f">{escape(cell)}<" in found_html for cell in (label, *map(str, row)))


def test_groups_stand_under_their_names(users):
    pytest.importorskip("great_tables")
    by = ps.estimate(users, **ROLES, covariates=["query_confidence"], by="engagement_tier")
    html = by.to_gt().as_raw_html()
    for name in by.table.index.unique(0):
        assert f">{name}</th>" in html


def test_what_data_contain_is_escaped(users):
    pytest.importorskip("great_tables")
    df = users.assign(tier=users["engagement_tier"].replace("heavy", "<script>alert(1)</script>"))
    balance = ps.balance(df, treatment="opt_in_agent_mode", covariates=["tier"])
    html = balance.to_gt().as_raw_html()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_without_great_tables_it_is_said_what_to_install(users, monkeypatch):
    monkeypatch.setitem(sys.modules, "great_tables", None)
    balance = ps.balance(users, treatment="opt_in_agent_mode", covariates=["query_confidence"])
    assert isinstance(balance.table, pd.DataFrame)
    with pytest.raises(ImportError, match=r'pip install "propensity\[tables\]"'):
        balance.to_gt()
