"""Balance and overlap by group: each group's numbers are those of its rows alone."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
import reference
from propensity import plots
from propensity.errors import InvalidInputError


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(41)
    n = 500
    df = pd.DataFrame({"a": rng.normal(size=n), "plan": rng.choice(["free", "paid"], n)})
    df["g"] = rng.choice(["north", "south", "west"], n)
    df["h"] = df["a"] > 0
    df["t"] = rng.random(n) < reference.expit(0.8 * df["a"])
    df["e"] = reference.expit(0.8 * df["a"])
    df["w"] = rng.uniform(0.5, 2.0, n)
    return df


ROLES = {"treatment": "t", "covariates": ["a", "plan"]}


@pytest.mark.parametrize("weighted", [False, True])
def test_balance_of_a_group_is_that_of_its_rows(rows, weighted):
    options = ROLES | {"squares": True, "scores": "e"} | ({"sample_weight": "w"} if weighted else {})
    w = rows["t"] / rows["e"] + (1 - rows["t"]) / (1 - rows["e"])
    table = ps.balance(rows, **options, weights={"IPW": w}, by="g").table
    summary = ps.balance_summary(table)
    assert table.index.names == ["g", "term"]
    for group in ("north", "south", "west"):
        part = rows["g"] == group
        alone = ps.balance(rows[part], **options, weights={"IPW": w[part]}).table
        pd.testing.assert_frame_equal(table.loc[group], alone, rtol=1e-12)
        assert table.attrs["ess_treated"]["IPW"][group] == pytest.approx(alone.attrs["ess_treated"]["IPW"])
        pd.testing.assert_frame_equal(summary.loc[group], ps.balance_summary(alone), rtol=1e-12)
    assert table.attrs["by"] == ("g",)


def test_several_columns_and_rows_of_weight_0(rows):
    df = rows.assign(w=np.where(rows["g"] == "west", 0.0, rows["w"]))
    table = ps.balance(df, **ROLES, sample_weight="w", by=["g", "h"]).table
    assert table.index.names == ["g", "h", "term"]
    assert set(table.index.get_level_values("g")) == {"north", "south"}
    part = df[(df["g"] == "north") & df["h"]]
    alone = ps.balance(part, **ROLES, sample_weight="w").table
    pd.testing.assert_frame_equal(table.loc[("north", True)], alone, rtol=1e-12)
    assert ps.balance_summary(table).index.names == ["g", "h", "sample"]


def test_level_that_a_group_lacks_keeps_its_line(rows):
    df = rows.assign(plan=rows["plan"].where(rows["g"] != "west", "free"))
    table = ps.balance(df, **ROLES, by="g").table
    assert table.loc[("west", "plan[paid]"), ("unadjusted", "smd")] == 0


def test_group_without_an_arm_has_no_numbers(rows):
    df = rows.assign(t=rows["t"] & (rows["g"] != "west"))
    table = ps.balance(df, **ROLES, by="g").table
    assert table.loc["west"].isna().all().all()
    assert table.attrs["ess_treated"]["unadjusted"]["west"] == 0
    summary = ps.balance_summary(table)
    assert summary.loc[("west", "unadjusted"), "worst_term"] is None


@pytest.mark.parametrize(
    ("by", "message"),
    [("t", "by: column 't' is the treatment"), ("term", "a level called 'term' of its own"), ("no", "'no'")],
)
def test_unusable_groups_are_explained(rows, by, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.balance(rows.assign(term=1), **ROLES, by=by)


def test_overlap_by_several_columns_is_that_of_their_rows(rows):
    found = ps.overlap(rows, treatment="t", scores="e", by=["g", "h"])
    assert found.by == ("g", "h")
    assert found.support.index.names == ["g", "h"]
    assert found.quantiles.index.names == ["g", "h", "arm"]
    assert found.weights.index.names == ["g", "h", "estimand", "arm"]
    part = rows[(rows["g"] == "south") & ~rows["h"]]
    alone = ps.overlap(part, treatment="t", scores="e")
    pd.testing.assert_frame_equal(found.to_frame().loc[("south", False)], alone.to_frame(), rtol=1e-12)
    assert "by g, h" in repr(found)


def test_frames_of_other_libraries_give_the_same(rows):
    for function, options in ((ps.balance, ROLES), (ps.overlap, {"treatment": "t", "scores": "e"})):
        found = [function(df, **options, by="g") for df in (rows, pl.from_pandas(rows))]
        tables = [one.quantiles if isinstance(one, ps.Overlap) else one.table for one in found]
        pd.testing.assert_frame_equal(*tables, rtol=1e-12)


# Pictures


def test_love_plot_of_groups_has_a_panel_for_each(rows):
    table = ps.balance(rows, **ROLES, by="g").table
    axes = plots.love_plot(table)
    assert [ax.get_title(loc="left") for ax in axes] == ["north", "south", "west"]
    for ax, group in zip(axes, ("north", "south", "west"), strict=True):
        drawn = sorted(abs(table.loc[group]["unadjusted", "smd"]))
        markers = next(line for line in ax.lines if len(line.get_xdata()) == len(drawn))
        assert sorted(markers.get_xdata()) == pytest.approx(drawn)
        assert ax.get_xlim() == axes[0].get_xlim()
    assert "pooled standard deviations" in axes[0].figure.get_supxlabel()
    assert axes[0].get_legend() is not None
    assert axes[1].get_legend() is None


def test_love_plot_of_results_by_group_is_that_of_the_table(rows):
    effect = ps.ipw(rows.assign(y=1.0 * rows["a"]), outcome="y", treatment="t", scores="e")
    axes = plots.love_plot(effect, df=rows, covariates=["a", "plan"], treatment="t", by=["g", "h"])
    assert [ax.get_title(loc="left") for ax in axes][:2] == ["north, False", "north, True"]
    with pytest.raises(InvalidInputError, match="'by' has 6 groups but 'ax' has 1 axes"):
        plots.love_plot(
            effect,
            df=rows,
            covariates=["a"],
            treatment="t",
            by=["g", "h"],
            ax=plots.love_plot(ps.balance(rows, **ROLES).table),
        )
    with pytest.raises(InvalidInputError, match="by: groups are tabulated first"):
        plots.love_plot(ps.balance(rows, **ROLES).table, by="g")


def test_love_plot_of_many_groups_is_refused(rows):
    table = ps.balance(rows.assign(g=np.arange(500) % 31), **ROLES, by="g").table
    with pytest.raises(InvalidInputError, match="by: 31 groups, and a panel for each"):
        plots.love_plot(table)


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_forest_plot_of_groups_has_a_row_for_each(rows):
    df = rows.assign(y=rows["a"] + rows["t"] + 5.0)
    grouped = ps.ipw(df, outcome="y", treatment="t", scores="e", by=["g", "h"], contrast="percent")
    ax = plots.effects_plot(grouped)
    labels = [label.get_text().split("\n")[0] for label in ax.get_yticklabels()]
    assert labels[0].startswith("north, False")
    assert len(labels) == 6
    assert ax.get_xscale() == "linear"
    assert ax.get_xlabel().startswith("change in percent and its 95% interval")
