"""The pictures say what the tables say: artists hold the given numbers, labels name them, axes come back."""

from __future__ import annotations

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import TREATMENT
from propensity import plots
from propensity.effects.estimators import IPW
from propensity.effects.matching_specification import NearestNeighbors
from propensity.errors import InvalidInputError
from propensity.resampling.analytic import Analytic
from propensity.resampling.result import BootstrapResult

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import StepPatch


@pytest.fixture
def users():
    rng = np.random.default_rng(3)
    score = rng.uniform(0.1, 0.9, 300)
    return pd.DataFrame(
        {
            "score": score,
            "opt_in": rng.random(300) < score,
            "tier": pd.Categorical(rng.choice(["light", "heavy"], 300), categories=["light", "heavy"]),
        },
        index=[f"user {i}" for i in range(300)],
    )


@pytest.fixture
def balance():
    samples = {"unadjusted": [0.05, 0.7, -0.3], "IPW ATE": [0.01, -0.02, 0.0], "matched": [0.0, 0.03, 0.04]}
    return pd.DataFrame(samples, index=["small", "large", "negative"])


@pytest.fixture
def boot():
    rng = np.random.default_rng(5)
    estimates = pd.Series({"IPW ATE": 0.08, "1-NN ATT": 0.075}, name="estimate")
    replicates = pd.DataFrame({label: rng.normal(value, 0.005, 200) for label, value in estimates.items()})
    replicates.iloc[7] = np.nan
    return BootstrapResult(
        estimators=(IPW("ATE"), NearestNeighbors("ATT")),
        estimates=estimates,
        replicates=replicates,
        analytic=Analytic.known(
            pd.Series(np.nan, index=estimates.index), pd.Series(0.1, index=estimates.index)
        ),
        seed=5,
        penalty=0.0,
    )


def bars(ax):
    return [patch.get_data() for patch in ax.patches if isinstance(patch, StepPatch)]


def markers(ax):
    """The points of each sample, by its label in the legend."""
    return {line.get_label(): line for line in ax.lines if line.get_marker() not in ("None", "", None)}


def texts(ax):
    return [text.get_text() for text in ax.texts]


# Overlap


def test_overlap_plot_counts_treated_above_and_controls_below(users):
    ax = plots.overlap_plot(users["score"], users["opt_in"])
    up, down = bars(ax)
    assert up.values.sum() == users["opt_in"].sum()
    assert -down.values.sum() == (~users["opt_in"]).sum()
    assert (up.values >= 0).all()
    assert (down.values <= 0).all()
    np.testing.assert_array_equal(up.edges, down.edges)


def test_overlap_plot_names_arms_and_axes(users):
    ax = plots.overlap_plot(users["score"], users["opt_in"])
    n_treated = users["opt_in"].sum()
    assert texts(ax) == [f"treated: {n_treated}", f"control: {300 - n_treated}"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("propensity score", "number of rows")


def test_overlap_plot_has_no_negative_counts_on_its_axis(users):
    ax = plots.overlap_plot(users["score"], users["opt_in"])
    ax.figure.canvas.draw()
    assert not any(label.get_text().startswith(("-", "−")) for label in ax.get_yticklabels())


def test_overlap_plot_by_gives_a_panel_for_each_group_in_the_categorys_order(users):
    axes = plots.overlap_plot(users["score"], users["opt_in"], by=users["tier"])
    assert [ax.get_title(loc="left") for ax in axes] == ["light", "heavy"]
    for ax, tier in zip(axes, ["light", "heavy"], strict=True):
        group = users[users["tier"] == tier]
        assert bars(ax)[0].values.sum() == group["opt_in"].sum()


def test_overlap_plot_by_refuses_rows_without_a_group(users):
    group = users["tier"].where(users["tier"] == "light")
    with pytest.raises(InvalidInputError, match=f"by: {group.isna().sum()} missing values"):
        plots.overlap_plot(users["score"], users["opt_in"], by=group)


def test_overlap_plot_draws_seven_groups_on_seven_panels(users):
    axes = plots.overlap_plot(users["score"], users["opt_in"], by=np.arange(300) % 7)
    assert len(axes) == 7
    assert len(axes[0].figure.axes) == 7


def test_overlap_plot_draws_on_given_axes(users):
    _, (left, right) = plt.subplots(1, 2)
    assert plots.overlap_plot(users["score"], users["opt_in"], ax=left) is left
    drawn = plots.overlap_plot(users["score"], users["opt_in"], by=users["tier"], ax=[left, right])
    assert list(drawn) == [left, right]


def test_overlap_plot_refuses_too_few_axes(users):
    _, ax = plt.subplots()
    with pytest.raises(InvalidInputError, match="2 groups but 'ax' has 1 axes"):
        plots.overlap_plot(users["score"], users["opt_in"], by=users["tier"], ax=ax)


@pytest.mark.parametrize("column", ["opt_in", "tier"])
def test_overlap_plot_refuses_another_index(users, column):
    columns = {"opt_in": users["opt_in"], "tier": users["tier"]}
    columns[column] = columns[column].iloc[::-1]
    with pytest.raises(InvalidInputError, match="index"):
        plots.overlap_plot(users["score"], columns["opt_in"], by=columns["tier"])


def test_overlap_plot_refuses_a_treatment_that_is_not_binary(users):
    with pytest.raises(InvalidInputError, match="must be bool or 0/1"):
        plots.overlap_plot(users["score"], users["opt_in"] + 1)


def test_overlap_plot_takes_plain_arrays_and_equal_scores():
    ax = plots.overlap_plot(np.full(6, 0.5), [1, 0, 1, 0, 1, 0])
    assert bars(ax)[0].values.sum() == 3


def test_overlap_plot_takes_who_was_treated_from_the_model(model, logs):
    up, down = bars(plots.overlap_plot(model))
    assert (up.values.sum(), -down.values.sum()) == (
        logs[TREATMENT].sum(),
        (~logs[TREATMENT].astype(bool)).sum(),
    )


def test_overlap_plot_refuses_scores_alone(users):
    with pytest.raises(InvalidInputError, match="treatment: who was treated is needed"):
        plots.overlap_plot(users["score"])


def test_overlap_plot_draws_sums_of_weights(users):
    w = 1 / np.where(users["opt_in"], users["score"], 1 - users["score"])
    ax = plots.overlap_plot(users["score"], users["opt_in"], weights=w)
    up, down = bars(ax)
    assert up.values.sum() == pytest.approx(w[users["opt_in"]].sum(), rel=1e-12)
    assert -down.values.sum() == pytest.approx(w[~users["opt_in"]].sum(), rel=1e-12)
    assert ax.get_ylabel() == "sum of weights"
    assert texts(ax)[0] == f"treated: {users['opt_in'].sum()}, weighing {w[users['opt_in']].sum():.0f}"


def test_overlap_plot_leaves_out_rows_of_weight_0(users):
    w = (users["score"] > 0.5).astype(float)
    ax = plots.overlap_plot(users["score"], users["opt_in"], weights=w)
    assert bars(ax)[0].edges[0] == users["score"][w > 0].min()
    assert texts(ax)[1] == f"control: {(w[~users['opt_in']] > 0).sum()}"


def test_overlap_plot_takes_matches_as_weights_and_refuses_those_of_other_rows(users):
    frame = users.assign(opt_in=users["opt_in"].astype(int))
    matches = ps.match_nn(frame, treatment="opt_in", scores="score")
    up, down = bars(plots.overlap_plot(users["score"], users["opt_in"], weights=matches))
    assert up.values.sum() == pytest.approx(-down.values.sum(), rel=1e-12)
    with pytest.raises(InvalidInputError, match=r"weights: .* these matches are of other rows"):
        plots.overlap_plot(users["score"][1:], users["opt_in"][1:], weights=matches)


def test_overlap_plot_density_gives_each_arm_area_1(users):
    ax = plots.overlap_plot(users["score"], users["opt_in"], kind="density")
    for bar in bars(ax):
        assert abs(bar.values @ np.diff(bar.edges)) == pytest.approx(1, rel=1e-12)
    assert ax.get_ylabel() == "density"


def test_overlap_plot_log_keeps_the_bars_and_makes_one_row_visible(users):
    plain = plots.overlap_plot(users["score"], users["opt_in"])
    log = plots.overlap_plot(users["score"], users["opt_in"], log=True)
    for one, other in zip(bars(plain), bars(log), strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    bottom, zero, one_row, top = log.transData.transform(
        [(0, y) for y in (log.get_ylim()[0], 0, 1, log.get_ylim()[1])]
    )[:, 1]
    assert one_row - zero > 0.02 * (top - bottom)
    assert set(log.get_yticks()) == {-10, -1, 0, 1, 10}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"kind": "violin"}, "kind must be one of"), ({"bins": 0}, "bins must be a whole number")],
)
def test_overlap_plot_names_the_argument_it_refuses(users, options, message):
    with pytest.raises(InvalidInputError, match=message):
        plots.overlap_plot(users["score"], users["opt_in"], **options)


# Love plot


def test_love_plot_draws_the_sizes_in_the_table(balance):
    ax = plots.love_plot(balance)
    order = ["small", "negative", "large"]  # from the bottom
    assert [label.get_text() for label in ax.get_yticklabels()] == order
    for sample, line in markers(ax).items():
        np.testing.assert_array_equal(line.get_xdata(), balance.loc[order, sample].abs())


def test_love_plot_keeps_signs_when_asked(balance):
    ax = plots.love_plot(balance, absolute=False)
    np.testing.assert_array_equal(markers(ax)["unadjusted"].get_xdata(), [0.05, -0.3, 0.7])
    assert ax.get_xlim()[0] < -0.3


def test_love_plot_tells_samples_apart_by_marker(balance):
    lines = markers(plots.love_plot(balance)).values()
    assert len({(line.get_marker(), line.get_markerfacecolor()) for line in lines}) == 3


def test_love_plot_names_samples_threshold_and_unit(balance):
    ax = plots.love_plot(balance, threshold=0.05)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["unadjusted", "IPW ATE", "matched"]
    assert ax.get_xlabel() == "size of the difference, in standard deviations (dashed: 0.05)"


@pytest.mark.parametrize(
    ("threshold", "absolute", "expected"),
    [(0.1, True, {0.1}), (0.1, False, {-0.1, 0.1}), (None, True, set())],
)
def test_love_plot_marks_the_threshold(balance, threshold, absolute, expected):
    ax = plots.love_plot(balance, threshold=threshold, absolute=absolute)
    dashed = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"}
    assert dashed == expected


def test_love_plot_takes_a_mapping_whose_samples_lack_terms(balance):
    ax = plots.love_plot({"before": balance["unadjusted"], "after": balance["matched"].drop("large")})
    line = markers(ax)["after"]
    assert np.isnan(line.get_xdata()[-1])
    assert len(ax.get_yticklabels()) == 3


def test_love_plot_grows_with_the_number_of_terms():
    few, many = (plots.love_plot({"before": pd.Series(np.linspace(0, 1, n))}).figure for n in (3, 60))
    assert few.get_figheight() < 4
    assert many.get_figheight() > 6


def test_love_plot_draws_on_given_axes(balance):
    _, ax = plt.subplots()
    assert plots.love_plot(balance, ax=ax) is ax


def test_love_plot_refuses_an_empty_table():
    with pytest.raises(InvalidInputError, match="nothing to draw"):
        plots.love_plot(pd.DataFrame())


@pytest.fixture
def full_balance():
    """A table as `ps.balance` makes it; the level of a category has no variance ratio."""
    terms = pd.Index(["propensity", "tenure", "tier[heavy]"], name="term")
    columns = {
        ("unadjusted", "smd"): [0.9, -0.1, 0.4],
        ("unadjusted", "variance_ratio"): [1.2, 0.25, np.nan],
        ("unadjusted", "ks"): [0.3, 0.35, 0.2],
        ("IPW ATE", "smd"): [0.02, 0.01, -0.03],
        ("IPW ATE", "variance_ratio"): [1.05, 0.9, np.nan],
        ("IPW ATE", "ks"): [0.02, 0.04, 0.01],
    }
    table = pd.DataFrame(columns, index=terms)
    table.columns.names = ["sample", "measure"]
    table.attrs = {"denominator": "treated"}
    return table


@pytest.mark.parametrize(
    ("measure", "order"),
    [
        ("smd", ["tenure", "tier[heavy]", "propensity"]),
        ("variance_ratio", ["propensity", "tenure"]),
        ("ks", ["tier[heavy]", "propensity", "tenure"]),
    ],
)
def test_love_plot_draws_the_measure_of_a_balance_table(full_balance, measure, order):
    ax = plots.love_plot(full_balance, measure=measure)
    assert [label.get_text() for label in ax.get_yticklabels()] == order
    drawn = markers(ax)
    assert list(drawn) == ["unadjusted", "IPW ATE"]
    for sample, line in drawn.items():
        expected = full_balance.loc[order, (sample, measure)]
        np.testing.assert_array_equal(line.get_xdata(), expected.abs())


def test_love_plot_says_what_the_differences_are_divided_by(full_balance):
    label = plots.love_plot(full_balance).get_xlabel()
    assert label == "size of the difference, in standard deviations of the treated (dashed: 0.1)"


def test_love_plot_says_how_many_terms_have_no_variance_ratio(full_balance):
    ax = plots.love_plot(full_balance, measure="variance_ratio")
    first, second = ax.get_xlabel().split("\n")
    assert first == "variance ratio, treated over control (dashed: 0.5 and 2)"
    assert second == "1 term has no variance ratio, and no row here"
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize(
    ("measure", "threshold", "expected"),
    [
        ("smd", "usual", {0.1}),
        ("variance_ratio", "usual", {0.5, 2.0}),
        ("variance_ratio", 4.0, {0.25, 4.0}),
        ("variance_ratio", (0.8, 1.5), {0.8, 1.5}),
        ("ks", "usual", set()),
        ("ks", 0.05, {0.05}),
    ],
)
def test_love_plot_marks_the_thresholds_of_the_measure(full_balance, measure, threshold, expected):
    ax = plots.love_plot(full_balance, measure=measure, threshold=threshold)
    dashed = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"}
    assert dashed == expected


def test_love_plot_keeps_the_order_of_the_table_when_asked(full_balance):
    labels = [label.get_text() for label in plots.love_plot(full_balance, order="table").get_yticklabels()]
    assert labels == ["tier[heavy]", "tenure", "propensity"]


def test_love_plot_refuses_what_it_cannot_draw(full_balance):
    with pytest.raises(InvalidInputError, match="measure must be one of"):
        plots.love_plot(full_balance, measure="SMD")
    with pytest.raises(InvalidInputError, match="measure: the table has no 'ecdf_difference', only 'smd'"):
        plots.love_plot(full_balance, measure="ecdf_difference")
    with pytest.raises(InvalidInputError, match="threshold must be a finite number greater than 0"):
        plots.love_plot(full_balance, measure="variance_ratio", threshold=-1.0)
    with pytest.raises(InvalidInputError, match="balance: the levels of the columns are"):
        plots.love_plot(full_balance.rename_axis(columns=["a", "b"]))


def test_love_plot_refuses_a_table_without_variance_ratios(full_balance):
    with pytest.raises(InvalidInputError, match="no term has one; binary terms do not"):
        plots.love_plot(full_balance.loc[["tier[heavy]"]], measure="variance_ratio")


# Bootstrap


def test_bootstrap_plot_stacks_every_replicate_that_did_not_fail(boot):
    first, second = bars(plots.bootstrap_plot(boot))
    assert (first.baseline, second.baseline) == (1, 0)
    for bar, label in zip((first, second), boot.replicates, strict=True):
        assert bar.edges[0] == boot.replicates[label].min()
        assert bar.edges[-1] == boot.replicates[label].max()


def test_bootstrap_plot_draws_the_estimates_and_the_intervals_of_the_result(boot):
    ax = plots.bootstrap_plot(boot, level=0.9)
    intervals = [tuple(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2]
    assert intervals == [tuple(ends) for ends in boot.conf_int(level=0.9).to_numpy()]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == list(boot.estimates)
    assert "90% interval" in ax.get_xlabel()


def test_bootstrap_plot_spells_out_each_estimator(boot):
    labels = [label.get_text().split("\n") for label in plots.bootstrap_plot(boot).get_yticklabels()]
    assert [name for name, _ in labels] == ["1-NN ATT", "IPW ATE"]
    assert labels[1][1].startswith("0.080  [0.0")


def test_bootstrap_plot_marks_reference_and_truth(boot):
    ax = plots.bootstrap_plot(boot, reference={"naive gap": 0.21}, truth=0.08)
    assert set(texts(ax)) == {"naive gap: 0.21", "truth: 0.08"}
    upright = {line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1}
    assert {0.21, 0.08} <= upright


def test_bootstrap_plot_raises_the_label_of_a_close_neighbour(boot):
    ax = plots.bootstrap_plot(boot, reference={"one": 0.2, "other": 0.201}, truth=0.0)
    heights = {text.get_text().split(":")[0]: text.get_position()[1] for text in ax.texts}
    assert heights["truth"] == heights["one"] < heights["other"]


def test_bootstrap_plot_draws_on_given_axes(boot):
    _, ax = plt.subplots()
    assert plots.bootstrap_plot(boot, ax=ax) is ax


def test_plots_without_matplotlib_say_how_to_get_it(balance, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "propensity\[plots\]"'):
        plots.love_plot(balance)
