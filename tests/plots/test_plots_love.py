"""Love plots of what is infinite or missing, of many samples, and of whatever has balance to show."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity import plots
from propensity.errors import InvalidInputError

mpl.use("Agg")
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle


@pytest.fixture
def plans():
    """One plan that all treated have and no control: its difference has no standard deviation."""
    rows = {"t": [1] * 100 + [0] * 100, "plan": ["A"] * 100 + ["B"] * 49 + ["C"] * 51}
    return pd.DataFrame(rows)


def points(ax):
    """Every marker that is drawn: its place, and how it looks."""
    return [
        (x, y, (line.get_marker(), line.get_markerfacecolor()))
        for line in ax.lines
        if line.get_marker() not in ("None", "", None)
        for x, y in zip(*line.get_data(), strict=True)
        if np.isfinite(x)
    ]


def strips(ax):
    """The strip at each edge, by its word: its left and right end."""
    spans = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    found = {}
    for text in ax.texts:
        middle = text.xy[0]
        span = next(s for s in spans if s.get_x() <= middle <= s.get_x() + s.get_width())
        found[text.get_text()] = (span.get_x(), span.get_x() + span.get_width())
    return found


def in_strip(ax, word):
    left, right = strips(ax)[word]
    return {(round(y), style) for x, y, style in points(ax) if left <= x <= right}


def test_love_plot_shows_an_infinite_difference_at_the_edge_under_a_word(plans):
    table = ps.balance(plans, treatment="t", covariates=["plan"])
    assert np.isposinf(table["unadjusted", "smd"]["plan[A]"])
    ax = plots.love_plot(table)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert {labels[y] for y, _ in in_strip(ax, "infinite")} == {"plan[A]"}
    assert len(points(ax)) == 3
    assert "infinite: the standard deviation that the difference is divided by is 0" in ax.get_xlabel()
    assert max(ax.get_xticks()) <= strips(ax)["infinite"][0]


@pytest.mark.parametrize("denominator", ["treated", "control"])
def test_love_plot_shows_levels_of_one_arm_only(plans, denominator):
    mirrored = plans if denominator == "treated" else plans.assign(t=1 - plans["t"])
    table = ps.balance(mirrored, treatment="t", covariates=["plan"], denominator=denominator)
    assert len(points(plots.love_plot(table))) == 3


@pytest.mark.parametrize(
    ("measure", "below", "words"),
    [
        ("smd", -np.inf, {"minus infinite", "infinite", "no value"}),
        ("variance_ratio", 0.0, {"zero", "infinite", "no value"}),
        ("ks", -np.inf, {"minus infinite", "infinite", "no value"}),
        ("ecdf_difference", -np.inf, {"minus infinite", "infinite", "no value"}),
    ],
)
def test_love_plot_leaves_no_value_of_any_measure_out(measure, below, words):
    values = {"one": [0.5, np.inf, 0.7, 2.0], "other": [1.2, 0.8, below, np.nan]}
    terms = ["low", "up", "down", "missing"]
    table = pd.DataFrame({(name, measure): column for name, column in values.items()}, index=terms)
    table.columns.names = ["sample", "measure"]
    ax = plots.love_plot(table, measure=measure, absolute=False, order="table")
    assert set(strips(ax)) == words
    assert len(points(ax)) == 8
    rows = {"missing": 0, "down": 1, "up": 2}
    below_word = "zero" if measure == "variance_ratio" else "minus infinite"
    for word, term in {"infinite": "up", "no value": "missing", below_word: "down"}.items():
        assert [y for y, _ in in_strip(ax, word)] == [rows[term]]
    styles = {style: {y for _, y, own in points(ax) if own == style} for _, _, style in points(ax)}
    assert sorted(map(len, styles.values())) == [4, 4]
    ax.figure.canvas.draw()


def test_love_plot_of_nothing_finite_is_a_picture():
    ax = plots.love_plot(pd.Series([np.inf, np.nan], index=["up", "missing"]))
    assert len(points(ax)) == 2
    ax.figure.canvas.draw()
    ratios = plots.love_plot({"a": pd.Series([0.0, np.inf], index=["u", "v"])}, measure="variance_ratio")
    assert len(points(ratios)) == 2


@pytest.mark.parametrize("n_samples", [7, 10, 22])
def test_love_plot_tells_many_samples_apart_by_shape_and_filling_alone(n_samples):
    table = pd.DataFrame(np.full((3, n_samples), 0.05)).add_prefix("sample ")
    ax = plots.love_plot(table)
    looks = [
        (line.get_marker(), to_rgb(line.get_markerfacecolor()) == (1, 1, 1))
        for line in ax.lines
        if line.get_marker() not in ("None", "", None)
    ]
    assert len(set(looks)) == n_samples
    shapes = len({marker for marker, _ in looks})
    assert shapes >= min(n_samples - 1, 11)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(table)
    top = np.sort([y for _, y, _ in points(ax)])[-n_samples:]
    inches = np.diff(top) * ax.get_position().height * ax.figure.get_figheight() / np.ptp(ax.get_ylim())
    assert inches.min() > 0.04


def test_love_plot_refuses_more_samples_than_an_eye_tells_apart():
    with pytest.raises(InvalidInputError, match="23 samples, but an eye tells 22 markers apart"):
        plots.love_plot(pd.DataFrame(np.zeros((2, 23))))


def test_love_plot_takes_the_series_of_smd(plans):
    rng = np.random.default_rng(1)
    plans["visits"] = rng.normal(size=200)
    series = ps.smd(plans, treatment="t", covariates=["visits"], denominator="treated")
    ax = plots.love_plot(series)
    assert points(ax)[0][0] == abs(series["visits"])
    assert "in standard deviations of the treated" in ax.get_xlabel()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["smd (treated)"]


@pytest.fixture
def studied():
    rng = np.random.default_rng(5)
    x = rng.normal(size=300)
    frame = pd.DataFrame({"x": x, "tier": rng.choice(["a", "b"], 300), "t": rng.random(300) < 0.5 + x / 8})
    frame["y"] = x + rng.normal(size=300)
    model = ps.fit_propensity(frame, treatment="t", covariates=["x", "tier"])
    return frame, model


@pytest.mark.parametrize("kind", ["matches", "subclasses", "effect", "effects", "truncated", "mapping"])
def test_love_plot_tabulates_whatever_has_weights(studied, kind):
    frame, model = studied
    matches = ps.match_nn(frame, treatment="t", scores=model)
    effect = ps.ipw(frame, outcome="y", treatment="t", scores=model)
    given = {
        "matches": matches,
        "subclasses": ps.subclassify(frame, treatment="t", scores=model),
        "effect": effect,
        "effects": ps.ipw(frame, outcome=["y"], treatment="t", scores=model),
        "truncated": ps.truncate(effect, upper=0.95),
        "mapping": {"1-NN": matches, "IPW": effect},
    }[kind]
    options = {"treatment": "t"} if kind == "truncated" else {}
    ax = plots.love_plot(given, df=frame, covariates=["x", "tier"], order="table", **options)
    weights = given if kind == "mapping" else {"it": effect if kind == "effects" else given}
    table = ps.balance(frame, treatment="t", covariates=["x", "tier"], weights=weights)
    expected = table.xs("smd", axis=1, level="measure").abs().to_numpy()[::-1]
    drawn = [line.get_xdata() for line in ax.lines if line.get_marker() not in ("None", "", None)]
    np.testing.assert_allclose(np.column_stack(drawn), expected, rtol=1e-12)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_love_plot_compares_the_covariates_of_a_frame(studied, library):
    frame, _ = studied
    if library == "polars":
        import polars as pl

        frame = pl.DataFrame({name: frame[name].to_numpy() for name in frame})
    ax = plots.love_plot(frame, covariates=["x"], treatment="t")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x"]


def test_love_plot_asks_in_words_for_covariates_that_nobody_knows(studied):
    frame, model = studied
    matches = ps.match_nn(frame, treatment="t", scores=model)
    line = r"love_plot\(\w+, df=df, covariates=\['age', 'tier'\]\)"
    with pytest.raises(InvalidInputError, match=f"Matches has weights and knows no covariates.*{line}"):
        plots.love_plot(matches)
    with pytest.raises(InvalidInputError, match="Matches has weights and knows no covariates"):
        plots.love_plot({"1-NN": matches})
    with pytest.raises(InvalidInputError, match="covariates: which to compare is needed"):
        plots.love_plot(matches, df=frame)
    with pytest.raises(InvalidInputError, match="df: the frame that has the covariates is needed"):
        plots.love_plot(matches, covariates=["x"])
    with pytest.raises(InvalidInputError, match="treatment: the name of the column is needed"):
        plots.love_plot(ps.truncate(matches, upper=0.9), df=frame, covariates=["x"])
    with pytest.raises(InvalidInputError, match="df: 299 values for a frame of 300 rows"):
        plots.love_plot(matches, df=frame[1:], covariates=["x"])


def test_love_plot_takes_labels_of_terms_that_are_there_one_each(plans):
    table = ps.balance(plans, treatment="t", covariates=["plan"])
    with pytest.raises(
        InvalidInputError, match=r"labels: 'plan\[Z\]' not in the table, whose terms are 'plan\[A\]'"
    ):
        plots.love_plot(table, labels={"plan[Z]": "the last plan"})
    with pytest.raises(InvalidInputError, match=r"'plan\[A\]' and 'plan\[B\]' would both be called 'small'"):
        plots.love_plot(table, labels={"plan[A]": "small", "plan[B]": "small"})
    with pytest.raises(InvalidInputError, match=r"would both be called 'plan\[B\]'"):
        plots.love_plot(table, labels={"plan[A]": "plan[B]"})
    by_group = ps.balance(
        plans.assign(g=[0, 1] * (len(plans) // 2)), treatment="t", covariates=["plan"], by="g"
    )
    with pytest.raises(InvalidInputError, match=r"labels: 'plan\[Z\]' not in the table"):
        plots.love_plot(by_group, labels={"plan[Z]": "the last plan"})


def test_love_plot_says_what_it_cannot_draw(studied):
    frame, _ = studied
    with pytest.raises(TypeError, match=r"what ps.balance or ps.smd gave is needed.*not ndarray"):
        plots.love_plot(np.zeros(3))
    with pytest.raises(TypeError, match=r"balance\['a'\]: a Series by term is needed"):
        plots.love_plot({"a": [0.1, 0.2]})
    with pytest.raises(InvalidInputError, match="balance: column 'tier' holds no numbers"):
        plots.love_plot(frame)


def test_most_terms_are_left_out_and_counted():
    rng = np.random.default_rng(3)
    treated = rng.random(400) < 0.5
    columns = {f"x{k:02}": rng.normal(size=400) + 0.02 * k * treated for k in range(45)}
    table = ps.balance(pd.DataFrame({"t": treated} | columns), treatment="t", covariates=list(columns))
    ax = plots.love_plot(table)
    drawn = [label.get_text() for label in ax.get_yticklabels()]
    worst = table.smd["unadjusted"].abs().sort_values().index[-30:]
    assert drawn == list(worst)
    assert ax.get_xlabel().endswith("30 of 45 terms, the others differed less")
    assert ax.figure.get_size_inches()[1] < 12
    everything = plots.love_plot(table, top=None)
    assert len(everything.get_yticklabels()) == 45
    assert "the others" not in everything.get_xlabel()
    in_table = plots.love_plot(table, top=5, order="table")
    names = [label.get_text() for label in in_table.get_yticklabels()]
    assert names == [name for name in table.index if name in worst[-5:]][::-1]
    with pytest.raises(InvalidInputError, match="top"):
        plots.love_plot(table, top=0)
