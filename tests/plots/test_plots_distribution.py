"""Pictures of a covariate of any kind, of calibration, and Love plots of several measures: what they show."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

import propensity as ps
from propensity import plots
from propensity.errors import InvalidInputError

mpl.use("Agg")
from matplotlib import pyplot as plt

MEN = ps.datasets.lalonde()
DESIGN = {"treatment": "treat", "covariates": ["age", "educ", "race", "married", "re74"]}


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def bars(ax):
    """Give the bars of both arms by level, and what levels are called from the bottom to the top."""
    treated, control = (np.array([bar.get_width() for bar in arm]) for arm in ax.containers)
    return treated, control, [label.get_text() for label in ax.get_yticklabels()]


def test_bars_are_the_shares_of_levels():
    treated, control, names = bars(plots.distribution_plot(MEN, "race", "treat"))
    expected = pd.crosstab(MEN["race"], MEN["treat"], normalize="columns")
    assert names == list(expected.index)[::-1]
    np.testing.assert_allclose(treated, expected[1])
    np.testing.assert_allclose(control, expected[0])


def test_bars_count_weights():
    weights = ps.fit_weights(MEN, **DESIGN)
    before, after = plots.distribution_plot(MEN, "race", weights=weights)
    assert [panel.get_title(loc="left") for panel in (before, after)] == ["unadjusted", "weighted"]
    treated, control, _ = bars(after)
    np.testing.assert_allclose(treated, control, atol=1e-8)  # entropy balancing makes shares alike
    rows = MEN["treat"] == 0
    w = np.asarray(weights.weights)[rows]
    shares = pd.Series(w).groupby(MEN["race"][rows].to_numpy()).sum() / w.sum()
    np.testing.assert_allclose(control, shares)


@pytest.mark.parametrize("make", [lambda df: df, pl.from_pandas, pa.Table.from_pandas])
def test_every_library_and_kind_has_bars(make):
    df = MEN.assign(flag=MEN["married"] == 1, size=pd.Categorical(MEN["race"], ["white", "black", "hispan"]))
    _, _, names = bars(plots.distribution_plot(make(df), "flag", "treat"))
    assert names == ["True", "False"]
    _, _, names = bars(plots.distribution_plot(df, "size", "treat"))
    assert names == ["hispan", "black", "white"]  # a categorical's own order, from the top


def test_of_many_levels_the_rarest_stand_together():
    rng = np.random.default_rng(0)
    levels = np.array([f"c{k:02d}" for k in range(40)])
    share = np.linspace(3, 1, 40)
    df = pd.DataFrame(
        {"country": rng.choice(levels, 4_000, p=share / share.sum()), "t": np.arange(4_000) % 2}
    )
    treated, control, names = bars(plots.distribution_plot(df, "country", "t"))
    counts = df["country"].value_counts()
    assert names[0] == "21 others"
    assert set(names[1:]) == set(counts.index[:19])
    assert treated.sum() == pytest.approx(1)
    rest = df["country"].isin(counts.index[19:])
    assert control[-1] == pytest.approx(rest[df["t"] == 0].mean())


def outlines(ax):
    """Give the steps of the treated and of the controls: heights and edges."""
    found = [patch.get_data() for patch in ax.patches if not patch.get_fill()]
    return [(np.asarray(one.values), np.asarray(one.edges)) for one in found]


def test_densities_have_area_one_whatever_the_arms_sizes():
    rng = np.random.default_rng(1)
    t = np.arange(20_000) < 200
    x = rng.normal(t, 1.0)
    (treated, edges), (control, others) = outlines(plots.distribution_plot(x, t))
    np.testing.assert_array_equal(edges, others)
    for heights, rows in ((treated, t), (control, ~t)):
        expected, _ = np.histogram(x[rows], bins=30, range=(x.min(), x.max()), density=True)
        np.testing.assert_allclose(heights, expected)
    assert treated.max() > 0.25  # 1% of the rows, and seen


def test_steps_of_whole_numbers_hold_like_numbers_of_them():
    t = np.arange(4_000) % 2
    (heights, edges), _ = outlines(plots.distribution_plot(np.arange(4_000) % 40, t, bins=30))
    assert np.unique(np.diff(edges)).tolist() == [2.0]
    assert np.ptp(heights) == pytest.approx(0)


def test_missing_values_of_a_distribution_are_refused():
    with pytest.raises(InvalidInputError, match="missing value"):
        plots.distribution_plot(
            MEN.assign(race=MEN["race"].where(MEN.index != MEN.index[3])), "race", "treat"
        )


# Calibration


def scored(n=5_000, seed=0):
    rng = np.random.default_rng(seed)
    e = rng.uniform(0.02, 0.98, n)
    return e, rng.random(n) < e**2  # the scores are too high


def test_calibration_is_scikit_learns_and_intervals_are_statsmodels():
    e, t = scored()
    df = pd.DataFrame({"x": np.log(e / (1 - e)), "t": t})
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    found = model.calibration(n_bins=10)
    share, mean = calibration_curve(t, model.scores, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(found["share"], share, atol=0.003)  # a row more or less at the ends of bins
    np.testing.assert_allclose(found["score"], mean, atol=0.003)
    assert found["n"].sum() == len(e)
    low, high = proportion_confint(found["n_treated"], found["n"], method="wilson")
    np.testing.assert_allclose(found[["conf_low", "conf_high"]].to_numpy().T, [low, high], atol=1e-12)


def test_calibration_keeps_equal_scores_together_and_counts_weights():
    df = pd.DataFrame({"tier": ["a"] * 60 + ["b"] * 40, "t": [1] * 20 + [0] * 40 + [1] * 30 + [0] * 10})
    weight = np.where(df["t"] == 1, 2.0, 1.0)
    model = ps.fit_propensity(df, treatment="t", covariates=["tier"], sample_weight=weight)
    found = model.calibration()
    assert found["n"].tolist() == [60, 40]
    np.testing.assert_allclose(found["share"], [40 / 80, 60 / 70])
    np.testing.assert_allclose(found["score"], found["share"], atol=1e-8)  # a saturated model
    worth = [80**2 / (20 * 4 + 40), 70**2 / (30 * 4 + 10)]
    low, high = proportion_confint(found["share"] * worth, worth, method="wilson")
    np.testing.assert_allclose(found[["conf_low", "conf_high"]].to_numpy().T, [low, high])


def test_calibration_intervals_cover():
    """Of scores that are true, in 400 draws."""
    e, _ = scored(400)
    covered = []
    for seed in range(400):
        t = np.random.default_rng(seed).random(len(e)) < e
        found = ps.scores.calibration.calibration_table(e, t, None, 10, 0.95)
        covered += ((found["conf_low"] <= found["score"]) & (found["score"] <= found["conf_high"])).tolist()
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)


def test_calibration_plot_shows_the_table():
    e, t = scored()
    ax = plots.calibration_plot(e, t, bins=7)
    points = ax.containers[0].lines[0].get_xydata()
    expected = ps.scores.calibration.calibration_table(e, t, None, 7, 0.95)
    np.testing.assert_allclose(points, expected[["score", "share"]])
    assert (points[1:-1, 1] < points[1:-1, 0]).all()  # scores too high lie below the line


# Several measures


def test_several_measures_keep_terms_in_their_rows():
    table = ps.balance(MEN, **DESIGN, weights={"EB": ps.fit_weights(MEN, **DESIGN)})
    axes = plots.love_plot(
        table, measure=["smd", "variance_ratio", "ks"], labels={"re74": "earnings in 1974"}
    )
    assert len(axes) == 3
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert "earnings in 1974" in names
    assert "re74" not in names
    order = [{"earnings in 1974": "re74"}.get(name, name) for name in names]
    for panel, measure in zip(axes, ("smd", "variance_ratio", "ks"), strict=True):
        line = next(line for line in panel.get_lines() if line.get_label() == "EB")
        expected = table.table["EB", measure].loc[order]
        drawn = line.get_xdata()
        np.testing.assert_allclose(drawn, np.abs(expected) if measure == "smd" else expected)
        rows = np.round(line.get_ydata())
        np.testing.assert_array_equal(rows, np.arange(len(order)))
    assert "4 terms have no variance ratio" in axes[1].get_xlabel()


@pytest.mark.parametrize("measure", [[], ["smd", "smd"], ["smd", "auc"]])
def test_measures_that_are_none_are_refused(measure):
    with pytest.raises(InvalidInputError, match="measure"):
        plots.love_plot(ps.balance(MEN, **DESIGN), measure=measure)


def test_several_measures_by_group_are_refused():
    table = ps.balance(MEN, treatment="treat", covariates=["age", "re74"], by="race")
    with pytest.raises(InvalidInputError, match="one alone is drawn by groups"):
        plots.love_plot(table, measure=["smd", "ks"])
