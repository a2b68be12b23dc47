"""Pictures of what weighting and matching did: they hold the rows, weights and numbers they are given."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity import plots
from propensity.errors import InvalidInputError

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import StepPatch


@pytest.fixture
def frame():
    rng = np.random.default_rng(11)
    visits = rng.poisson(4, 400)
    score = 1 / (1 + np.exp(2 - 0.4 * visits - rng.normal(0, 0.3, 400)))
    opted = rng.random(400) < score
    columns = {
        "visits": visits,
        "score": score,
        "opted": opted,
        "done": opted + visits + rng.normal(size=400),
    }
    return pd.DataFrame(columns, index=[f"u{row}" for row in range(400)])


@pytest.fixture
def matches(frame):
    return ps.match_nn(frame, treatment="opted", scores="score", caliper=0.02)


@pytest.fixture
def effect(frame):
    return ps.ipw(frame, outcome="done", treatment="opted", scores="score")


def bars(ax):
    return [patch.get_data() for patch in ax.patches if isinstance(patch, StepPatch)]


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


# Weights


def test_weight_plot_counts_the_rows_of_each_arm(frame, effect):
    up, down = bars(plots.weight_plot(effect.weights, frame["opted"]))
    treated = effect.weights[frame["opted"]]
    np.testing.assert_array_equal(up.values, np.histogram(treated, up.edges)[0])
    np.testing.assert_array_equal(-down.values, np.histogram(effect.weights[~frame["opted"]], down.edges)[0])


def test_weight_plot_writes_the_effective_sample_of_an_effect_and_the_largest_share(frame, effect):
    w = effect.weights[frame["opted"]]
    text = plots.weight_plot(effect, frame["opted"]).texts[0].get_text()
    assert text == (
        f"treated: {len(w)}, effective sample {effect.ess_treated:.0f}\n"
        f"largest weight {w.max():.3g}, {100 * w.max() / w.sum():.2g}% of the arm's"
    )


def test_weight_plot_says_nothing_of_an_effective_sample_that_was_not_given(frame, effect):
    assert "effective" not in plots.weight_plot(effect.weights, frame["opted"]).texts[0].get_text()


def test_weight_plot_points_at_the_largest_weight_of_each_arm(frame, effect):
    ax = plots.weight_plot(effect, frame["opted"])
    pointers = {text.get_text(): text.xy[0] for text in ax.texts if text.get_text() in "▼▲"}
    assert pointers == {
        "▼": effect.weights[frame["opted"]].max(),
        "▲": effect.weights[~frame["opted"]].max(),
    }


def test_weight_plot_counts_unmatched_rows_in_words(frame, matches):
    ax = plots.weight_plot(matches)
    up, down = bars(ax)
    used = matches.weights > 0
    assert up.values.sum() == (used & frame["opted"]).sum()
    assert -down.values.sum() == (used & ~frame["opted"]).sum()
    assert f"({(~used & ~frame['opted']).sum()} more of weight 0)" in ax.texts[1].get_text()


def test_weight_plot_refuses_weights_without_a_treatment(effect):
    with pytest.raises(InvalidInputError, match="treatment: who was treated is needed"):
        plots.weight_plot(effect.weights)


@pytest.mark.parametrize("method", ["ipw", "aipw", "matches", "subclasses"])
def test_weight_plot_takes_who_was_treated_from_the_effect(frame, effect, matches, method):
    made = {
        "ipw": lambda: effect,
        "aipw": lambda: ps.aipw(frame, outcome="done", treatment="opted", covariates=["visits"]),
        "matches": lambda: matches.effect(frame["done"]),
        "subclasses": lambda: ps.subclassify(frame, treatment="opted", scores="score").effect(frame["done"]),
    }[method]()
    for alone, told in zip(
        bars(plots.weight_plot(made)), bars(plots.weight_plot(made, frame["opted"])), strict=True
    ):
        np.testing.assert_array_equal(alone.values, told.values)


def test_weight_plot_refuses_negative_weights_and_other_rows(frame, effect):
    with pytest.raises(InvalidInputError, match="weights: 1 negative value"):
        plots.weight_plot(effect.weights.where(effect.weights != effect.weights.max(), -1), frame["opted"])
    with pytest.raises(InvalidInputError, match="treatment: 399 values for a frame of 400 rows"):
        plots.weight_plot(effect, frame["opted"][1:])


# Distribution functions


def share_at_or_below(x, values, weights):
    """The distribution function by its definition."""
    return np.array([weights[values <= point].sum() for point in x]) / weights.sum()


def test_ecdf_plot_draws_the_distribution_function_of_each_arm(frame):
    ax = plots.ecdf_plot(frame["visits"], frame["opted"])
    for name, arm in {"treated": frame["opted"], "control": ~frame["opted"]}.items():
        drawn = line(ax, name)
        assert drawn.get_drawstyle() == "steps-post"
        x, y = drawn.get_data()
        assert list(x[1:-1]) == sorted(set(frame["visits"][arm]))
        np.testing.assert_allclose(
            y, share_at_or_below(x, frame["visits"][arm], np.ones(arm.sum())), atol=1e-12
        )
    assert ax.get_xlabel() == "visits"


def test_ecdf_plot_weighs_each_sample_on_a_panel_of_its_own(frame, effect, matches):
    axes = plots.ecdf_plot(frame["visits"], frame["opted"], weights={"IPW": effect, "matched": matches})
    assert [ax.get_title(loc="left") for ax in axes] == ["unadjusted", "IPW", "matched"]
    control = ~frame["opted"]
    for ax, w in zip(axes[1:], (effect.weights, matches.weights), strict=True):
        x, y = line(ax, "control").get_data()
        expected = share_at_or_below(x, frame["visits"][control], w[control].to_numpy())
        np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize("shape", ["spread", "lumps"])
def test_ecdf_plot_thins_many_steps_by_less_than_a_2000th_and_moves_none(shape):
    rng = np.random.default_rng(4)
    values = rng.normal(size=60_000)
    if shape == "lumps":
        values = np.where(rng.random(60_000) < 0.6, values.round(1), values**3)
    weights = rng.exponential(size=60_000)
    treated = np.arange(60_000) % 2 == 0
    axes = plots.ecdf_plot(values, treated, weights=weights)
    x, y = line(axes[1], "treated").get_data()
    assert len(x) < 4_100
    order = np.argsort(values[treated])
    everywhere, total = values[treated][order], np.cumsum(weights[treated][order])
    exact = total[np.searchsorted(everywhere, everywhere, side="right") - 1] / total[-1]
    at_points = total[np.searchsorted(everywhere, x[1:-1], side="right") - 1] / total[-1]
    np.testing.assert_allclose(y[1:-1], at_points, atol=1e-12)
    drawn = y[np.searchsorted(x, everywhere, side="right") - 1]
    assert np.abs(drawn - exact).max() <= 1 / 2000


def test_ecdf_plot_tells_arms_apart_by_line(frame):
    ax = plots.ecdf_plot(frame["visits"], frame["opted"])
    assert line(ax, "treated").get_linestyle() != line(ax, "control").get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["treated", "control"]


def test_ecdf_plot_names_the_argument_it_refuses(frame, effect):
    with pytest.raises(TypeError, match="covariate: numbers are needed, not text"):
        plots.ecdf_plot(frame["visits"].astype(str), frame["opted"])
    with pytest.raises(InvalidInputError, match=r"weights\['IPW'\]: the index is not the frame's"):
        plots.ecdf_plot(frame["visits"], frame["opted"], weights={"IPW": effect.weights.iloc[::-1]})
    _, ax = plt.subplots()
    with pytest.raises(InvalidInputError, match="there are 2 samples but 'ax' has 1 axes"):
        plots.ecdf_plot(frame["visits"], frame["opted"], weights=effect.weights, ax=ax)


def test_ecdf_plot_draws_a_covariate_of_one_value():
    ax = plots.ecdf_plot([3.0] * 6, [1, 0] * 3)
    np.testing.assert_array_equal(line(ax, "treated").get_ydata(), [0, 1, 1])


# Quantiles


def test_qq_plot_pairs_the_quantiles_of_the_arms(frame):
    ax = plots.qq_plot(frame["score"], frame["opted"])
    p = (np.arange(200) + 0.5) / 200
    pairs = [
        np.quantile(frame["score"][arm], p, method="inverted_cdf")
        for arm in (~frame["opted"], frame["opted"])
    ]
    drawn = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(drawn.get_xydata(), np.unique(np.column_stack(pairs), axis=0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("score, controls", "score, treated")


def test_qq_plot_weighs_quantiles(frame, effect):
    _, ax = plots.qq_plot(frame["score"], frame["opted"], weights=effect.weights)
    p = (np.arange(200) + 0.5) / 200
    pairs = [
        np.quantile(frame["score"][arm], p, method="inverted_cdf", weights=effect.weights[arm])
        for arm in (~frame["opted"], frame["opted"])
    ]
    drawn = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(drawn.get_xydata(), np.unique(np.column_stack(pairs), axis=0))


def test_qq_plot_of_equal_arms_lies_on_the_line():
    values = np.repeat(np.random.default_rng(1).normal(size=150), 2)
    ax = plots.qq_plot(values, np.arange(300) % 2)
    x, y = next(line for line in ax.lines if line.get_marker() == "o").get_data()
    np.testing.assert_array_equal(x, y)
    assert ax.get_xlim() == ax.get_ylim()


# Matches


def dots(ax):
    return dict(enumerate(ax.collections))


def test_match_plot_puts_every_row_where_it_belongs(frame, matches):
    ax = plots.match_plot(matches)
    kept = matches.weights > 0
    expected = [
        ~frame["opted"] & ~kept,
        ~frame["opted"] & kept,
        frame["opted"] & kept,
        frame["opted"] & ~kept,
    ]
    for height, collection in dots(ax).items():
        among = expected[height]
        np.testing.assert_array_equal(collection.get_offsets()[:, 0], np.sort(frame["score"][among]))
        assert (np.abs(collection.get_offsets()[:, 1] - height) <= 0.36).all()
    names = ["control, unmatched", "control, matched", "treated, matched", "treated, unmatched"]
    labels = [f"{name}\n{among.sum()}" for name, among in zip(names, expected, strict=True)]
    assert [label.get_text() for label in ax.get_yticklabels()] == labels


def test_match_plot_gives_dots_the_area_of_their_weight(frame, matches):
    collection = dots(plots.match_plot(matches))[1]
    used = frame[(matches.weights > 0) & ~frame["opted"]].sort_values("score").index
    ratio = collection.get_sizes() / matches.weights[used].to_numpy()
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_match_plot_tells_arms_by_marker_and_matched_by_filling(matches):
    collections = dots(plots.match_plot(matches))
    outlines = [collection.get_paths()[0].vertices.shape for collection in collections.values()]
    assert outlines[0] == outlines[1] != outlines[2] == outlines[3]
    filled = [len(collection.get_facecolor()) > 0 for collection in collections.values()]
    assert filled == [False, True, True, False]


def test_match_plot_is_the_same_for_shuffled_rows(frame, matches):
    shuffled = frame.sample(frac=1, random_state=2)
    again = ps.match_nn(shuffled, treatment="opted", scores="score", caliper=0.02)
    for one, other in zip(
        plots.match_plot(matches).collections, plots.match_plot(again).collections, strict=True
    ):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())


@pytest.mark.filterwarnings("ignore::propensity.errors.CalibrationWarning")  # a quarter of them opted in
def test_match_plot_bins_what_is_too_many_for_dots():
    rng = np.random.default_rng(8)
    score = rng.uniform(0.05, 0.6, 20_000)
    frame = pd.DataFrame({"score": score, "opted": rng.random(20_000) < score / 4})
    ax = plots.match_plot(ps.match_nn(frame, treatment="opted", scores="score"), bins=30)
    assert sum(len(collection.get_offsets()) for collection in ax.collections) <= 4_000
    unmatched = bars(ax)[0]
    heights = (unmatched.values - unmatched.baseline) / 2
    weights = ps.match_nn(frame, treatment="opted", scores="score").weights
    counts = np.histogram(score[(weights == 0) & ~frame["opted"]], unmatched.edges)[0]
    np.testing.assert_allclose(heights / heights.max(), counts / counts.max(), rtol=1e-12)


def test_match_plot_needs_scores_of_the_same_rows(frame):
    subclasses = ps.subclassify(frame, treatment="opted", scores="score")
    with pytest.raises(InvalidInputError, match="scores: these matches carry none"):
        plots.match_plot(subclasses)
    with pytest.raises(InvalidInputError, match="scores: the index is not the frame's"):
        plots.match_plot(subclasses, frame["score"].iloc[::-1])
    assert len(plots.match_plot(subclasses, frame["score"]).get_yticklabels()) == 4


# Effects


@pytest.fixture
def table(frame):
    estimators = [ps.IPW("ATE"), ps.AIPW("ATT")]
    return ps.estimate(
        frame, outcome="done", treatment="opted", covariates=["visits"], estimators=estimators, level=0.9
    ).table


def test_effects_plot_draws_estimates_and_intervals_from_the_top(table):
    ax = plots.effects_plot(table)
    labels = [label.get_text().split("\n")[0].removesuffix(" †") for label in ax.get_yticklabels()]
    assert labels == ["naive gap", "IPW ATE", "AIPW ATT"]
    assert list(ax.get_yticks()) == [2, 1, 0]
    points = [line.get_xydata()[0] for line in ax.lines if line.get_marker() in ("o", "D")]
    np.testing.assert_array_equal(points, np.column_stack([table["estimate"], [2, 1, 0]]))
    ends = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 2]
    np.testing.assert_array_equal(ends, table[["conf_low", "conf_high"]])
    assert ax.get_xlabel().startswith("effect and its 90% interval")


def test_effects_plot_of_many_rows_stands_close():
    names = [f"group {k}" for k in range(150)]
    table = pd.DataFrame({"estimate": 1.0, "conf_low": 0.5, "conf_high": 1.5}, index=names)
    ax = plots.effects_plot(table)
    assert ax.figure.get_size_inches()[1] < 35
    assert all("\n" not in label.get_text() for label in ax.get_yticklabels())
    few = plots.effects_plot(table.iloc[:3])
    assert all("\n" in label.get_text() for label in few.get_yticklabels())


def test_effects_plot_sets_the_naive_gap_apart(table):
    naive, *others = [line for line in plots.effects_plot(table).lines if line.get_marker() in ("o", "D")]
    assert naive.get_markerfacecolor() == "white"
    assert {other.get_markerfacecolor() for other in others}.isdisjoint({"white"})


def test_effects_plot_marks_no_effect_and_the_truth(table):
    ax = plots.effects_plot(table, truth=1.0)
    upright = [
        line.get_xdata()[0]
        for line in ax.lines
        if len(line.get_xdata()) == 2 and line.get_ydata()[0] == 0 and line.get_ydata()[1] == 1
    ]
    assert upright == [0, 1.0]
    assert [text.get_text() for text in ax.texts] == ["truth: 1"]


def test_effects_plot_marks_references_by_their_label(table):
    ax = plots.effects_plot(table, reference={"trial": 1.5, "survey": 12345.6})
    assert [text.get_text() for text in ax.texts] == ["trial: 1.5", "survey: 12,346"]


def test_effects_plot_draws_ratios_on_a_log_scale_around_1(logs):
    table = ps.estimate(
        logs,
        outcome="task_completed",
        treatment="opt_in_agent_mode",
        covariates=["engagement_tier"],
        estimators=[ps.IPW("ATE")],
        contrast="odds_ratio",
    )
    ax = plots.effects_plot(table)
    assert ax.get_xscale() == "log"
    assert ax.lines[0].get_xdata()[0] == 1
    assert ax.get_xlabel() == "odds ratio and its 95% interval"
    assert all(
        float(label.get_text()) == tick
        for label, tick in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True)
    )


def test_effects_plot_marks_rows_with_a_note(table):
    table["note"] = ["", "contradicts AIPW", ""]
    ax = plots.effects_plot(table)
    assert [("†" in label.get_text()) for label in ax.get_yticklabels()] == [False, True, False]
    assert ax.get_xlabel().endswith("† with a note in the table")


def test_effects_plot_spells_out_what_has_an_interval_and_what_has_none():
    rows = {"a": [1234.5, -99.4, 2568.4], "b": [0.5, np.nan, np.nan]}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "conf_low", "conf_high"])
    labels = [label.get_text() for label in plots.effects_plot(table).get_yticklabels()]
    assert labels == ["a\n1,234  [-99, 2,568]", "b\n0.5, no interval"]


def test_effects_plot_takes_the_tables_of_effects_put_together(effect, matches, frame):
    tables = {"IPW": effect.to_frame(level=0.8), "1-NN": matches.effect(frame["done"]).to_frame(level=0.8)}
    ax = plots.effects_plot(pd.concat(tables).droplevel(1))
    assert [label.get_text().split("\n")[0] for label in ax.get_yticklabels()] == ["IPW", "1-NN"]
    assert ax.get_xlabel() == "effect and its 80% interval"


def test_effects_plot_names_what_is_missing(table):
    with pytest.raises(InvalidInputError, match="table: no column 'conf_low', 'conf_high'"):
        plots.effects_plot(table[["estimate"]])
    with pytest.raises(InvalidInputError, match="table: nothing to draw"):
        plots.effects_plot(table.iloc[:0])
    with pytest.raises(TypeError, match="table: a data frame"):
        plots.effects_plot(table["estimate"])


# All


@pytest.mark.parametrize("name", ["weight_plot", "ecdf_plot", "qq_plot", "match_plot", "effects_plot"])
def test_plots_draw_on_given_axes(frame, matches, table, name):
    _, ax = plt.subplots()
    arguments = {
        "weight_plot": (matches,),
        "match_plot": (matches,),
        "effects_plot": (table,),
    }.get(name, (frame["visits"], frame["opted"]))
    assert getattr(plots, name)(*arguments, ax=ax) is ax


def test_plots_of_many_rows_have_few_artists():
    rng = np.random.default_rng(6)
    n = 200_000
    score = rng.uniform(0.01, 0.99, n)
    frame = pd.DataFrame({"score": score, "opted": rng.random(n) < score})
    matches = ps.match_nn(frame, treatment="opted", scores="score")
    drawn = [
        plots.overlap_plot(score, frame["opted"]),
        plots.weight_plot(matches),
        plots.match_plot(matches),
        *plots.ecdf_plot(score, frame["opted"], weights=matches),
        *plots.qq_plot(score, frame["opted"], weights=matches),
    ]
    for ax in drawn:
        n_points = sum(len(line.get_xdata()) for line in ax.lines)
        n_points += sum(len(collection.get_offsets()) for collection in ax.collections)
        n_points += sum(len(bar.values) for bar in bars(ax))
        assert n_points < 10_000


def test_plots_import_matplotlib_only_to_draw():
    import subprocess
    import sys

    code = "import sys, propensity.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
