"""What plots take: frames and names of columns, results, any 0/1 treatment, and names with odd letters."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity import plots
from propensity.errors import InvalidInputError

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import StepPatch
from matplotlib.text import Text


@pytest.fixture
def users():
    rng = np.random.default_rng(3)
    score = rng.uniform(0.1, 0.9, 300)
    columns = {
        "score": score,
        "opted": (rng.random(300) < score).astype(int),
        "tier": rng.choice(["light", "heavy"], 300),
        "visits": rng.poisson(4, 300),
        "w": rng.uniform(1, 2, 300),
        "done": rng.normal(size=300),
    }
    return pd.DataFrame(columns, index=[f"user {i}" for i in range(300)])


def as_polars(frame):
    return pl.DataFrame({name: frame[name].to_numpy() for name in frame})


def picture(axes):
    """All that is drawn: the data of bars, lines and dots, and every text."""
    found = []
    for ax in np.atleast_1d(axes).ravel():
        found += [
            np.concatenate(patch.get_data()[:2]) for patch in ax.patches if isinstance(patch, StepPatch)
        ]
        found += [line.get_xydata().ravel() for line in ax.lines]
        found.append(" | ".join([ax.get_xlabel(), ax.get_ylabel(), *(text.get_text() for text in ax.texts)]))
    return found


def same_picture(one, other):
    assert len(picture(one)) == len(picture(other))
    for here, there in zip(picture(one), picture(other), strict=True):
        np.testing.assert_array_equal(here, there)


# Frames and names


@pytest.mark.parametrize("library", [pd.DataFrame, as_polars])
@pytest.mark.parametrize("plot", [plots.ecdf_plot, plots.qq_plot])
def test_covariate_plots_take_a_frame_and_names(users, plot, library):
    old = plot(users["visits"], users["opted"], weights={"IPW": users["w"]})
    same_picture(plot(library(users), "visits", treatment="opted", weights={"IPW": "w"}), old)
    same_picture(plot(library(users), "visits", "opted", weights={"IPW": "w"}), old)
    assert old[0].get_xlabel().startswith("visits")


@pytest.mark.parametrize("plot", [plots.ecdf_plot, plots.qq_plot])
def test_covariate_plots_take_what_they_took(users, plot):
    x, t = users["visits"], users["opted"]
    old = plot(x, t)
    for again in (plot(x, treatment=t), plot(covariate=x, treatment=t), plot(users, x, treatment=t)):
        same_picture(again, old)
    matches = ps.match_nn(users, treatment="opted", scores="score")
    same_picture(plot(x, weights=matches), plot(x, t, weights=matches))


@pytest.mark.parametrize("library", [pd.DataFrame, as_polars])
def test_overlap_plot_takes_a_frame_and_names(users, library):
    old = plots.overlap_plot(users["score"], users["opted"], by=users["tier"], weights=users["w"])
    frame = library(users)
    same_picture(plots.overlap_plot(frame, "score", "opted", by="tier", weights="w"), old)
    named = {"treatment": "opted", "by": "tier", "weights": "w"}
    same_picture(plots.overlap_plot(frame, scores="score", **named), old)
    values = plots.overlap_plot(scores=users["score"], treatment=users["opted"], by=users["tier"])
    assert [ax.get_title(loc="left") for ax in values] == ["heavy", "light"]


def test_overlap_plot_takes_a_model_and_the_frame_that_has_the_groups(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["visits"])
    old = plots.overlap_plot(model, by=users["tier"])
    same_picture(plots.overlap_plot(users, model, by="tier"), old)
    same_picture(plots.overlap_plot(model, users, by="tier"), old)
    with pytest.raises(InvalidInputError, match="by: 'tier' is the name of a column, and there is no frame"):
        plots.overlap_plot(model, users["opted"], by="tier")
    with pytest.raises(InvalidInputError, match="the index is not the frame's"):
        plots.overlap_plot(users.iloc[::-1], model, by="tier")


def test_weight_plot_takes_a_frame_and_names(users):
    old = plots.weight_plot(users["w"], users["opted"])
    same_picture(plots.weight_plot(users, "w", "opted"), old)
    same_picture(plots.weight_plot(users, weights="w", treatment="opted"), old)
    same_picture(plots.weight_plot(as_polars(users), "w", treatment="opted"), old)


def test_plots_say_what_names_are_missing(users):
    with pytest.raises(InvalidInputError, match="column 'visit' is not in the frame; did you mean 'visits'"):
        plots.ecdf_plot(users, "visit", treatment="opted")
    with pytest.raises(InvalidInputError, match="covariate: the name of a column of the frame is needed"):
        plots.qq_plot(users, treatment="opted")
    with pytest.raises(InvalidInputError, match="treatment: who was treated is needed"):
        plots.ecdf_plot(users, "visits")
    with pytest.raises(InvalidInputError, match="treatment: 'opted' is the name of a column"):
        plots.ecdf_plot(users["visits"], "opted")
    with pytest.raises(InvalidInputError, match="scores: a model, the name of a column"):
        plots.overlap_plot(users, treatment="opted")
    with pytest.raises(InvalidInputError, match="weights: a result, the name of a column"):
        plots.weight_plot(users, treatment="opted")
    with pytest.raises(InvalidInputError, match="3 leading arguments are for a frame and what is in it"):
        plots.overlap_plot(users["score"], users["opted"], users["tier"])
    with pytest.raises(InvalidInputError, match="scores: matches keep no frame"):
        plots.match_plot(ps.match_nn(users, treatment="opted", scores="score"), "score")
    with pytest.raises(TypeError, match="collect it first"):
        plots.ecdf_plot(as_polars(users).lazy(), "visits", treatment="opted")
    with pytest.raises(InvalidInputError, match="another sample is called 'unadjusted'"):
        plots.ecdf_plot(users, "visits", "opted", weights={"unadjusted": "w"})


@pytest.mark.filterwarnings("ignore::UserWarning")  # few rows, made up
def test_plots_say_what_they_are_of(users):
    effect = ps.ipw(users, outcome="done", treatment="opted", scores="score")
    with pytest.raises(TypeError, match=r"boot: what ps.bootstrap gave is needed, not Effect"):
        plots.bootstrap_plot(effect)
    with pytest.raises(TypeError, match="matches: what a matching method gave is needed, not Effect"):
        plots.match_plot(effect)
    with pytest.raises(TypeError, match=r"not text; for the rows of one level, give df\['tier'\] == \.\.\."):
        plots.ecdf_plot(users, "tier", treatment="opted")


@pytest.mark.filterwarnings("ignore::UserWarning")  # few rows, made up
def test_plots_refuse_an_effect_of_other_rows(users):
    effect = ps.ipw(users, outcome="done", treatment="opted", scores="score")
    mirrored = users.assign(opted=1 - users["opted"])
    with pytest.raises(InvalidInputError, match=r"weights: the treatment differs in 300 rows.*this effect"):
        plots.overlap_plot(mirrored, "score", "opted", weights=effect)


# Treatments


@pytest.mark.parametrize(
    "kind",
    [
        pd.Categorical,
        lambda t: pd.Categorical(t.astype(bool)),
        lambda t: t.astype("Int64"),
        lambda t: t.astype("boolean"),
        lambda t: t.astype(float),
    ],
)
def test_plots_and_truncate_take_any_treatment_of_0_and_1(users, kind):
    treatment = pd.Series(kind(users["opted"]), index=users.index)
    same_picture(
        plots.overlap_plot(users["score"], treatment), plots.overlap_plot(users["score"], users["opted"])
    )
    same_picture(
        plots.ecdf_plot(users["visits"], treatment), plots.ecdf_plot(users["visits"], users["opted"])
    )
    same_picture(plots.weight_plot(users["w"], treatment), plots.weight_plot(users["w"], users["opted"]))
    bounded = ps.truncate(users["w"], upper=0.9, treatment=treatment)
    pd.testing.assert_frame_equal(
        bounded.counts, ps.truncate(users["w"], upper=0.9, treatment=users["opted"]).counts
    )
    for arm, rows in {"treated": users["opted"] == 1, "control": users["opted"] == 0}.items():
        assert bounded.counts.loc[arm, "upper"] == np.quantile(users["w"][rows], 0.9)


def test_truncate_and_plots_name_the_levels_of_a_treatment_that_is_text(users):
    treatment = users["opted"].map({1: "on", 0: "off"})
    for call in (
        lambda: ps.truncate(users["w"], upper=0.9, treatment=treatment),
        lambda: plots.overlap_plot(users["score"], treatment),
    ):
        with pytest.raises(InvalidInputError, match="levels are 'off', 'on'"):
            call()


# Sample weights


@pytest.fixture
def survey(users):
    users["s"] = np.where(np.arange(300) % 7 == 0, 0.0, users["w"])
    return users


@pytest.mark.parametrize("library", [lambda df: df, pl.from_pandas])
def test_dates_of_a_frame_get_the_line_that_makes_days_of_them(users, library):
    day = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.arange(len(users)) % 9, unit="D")
    df = library(users.assign(day=day))
    treatment = "opted" if "opted" in users else "t"
    with pytest.raises(TypeError, match=r"^column 'day': the type .*for days since the first: ") as told:
        plots.ecdf_plot(df, "day", treatment=treatment)
    names = {"df": df, "pl": pl}
    exec(str(told.value).split("since the first: ")[1], names)
    ax = plots.ecdf_plot(names["df"], "day", treatment=treatment)
    assert ax.get_xlabel() == "day"


def test_plots_multiply_weights_by_sample_weights(survey):
    options = {"covariates": ["visits"], "treatment": "opted", "sample_weight": "s"}
    model = ps.fit_propensity(survey, **options)
    total = ps.ipw(survey, outcome="done", treatment="opted", scores=model, sample_weight="s").weights
    effect = ps.ipw(survey, outcome="done", treatment="opted", scores=model, sample_weight="s")
    w = ps.balancing_weights(survey, treatment="opted", scores=model, sample_weight="s")
    np.testing.assert_allclose(w * survey["s"], total, rtol=1e-12)
    for plot in (plots.ecdf_plot, plots.qq_plot):
        told = plot(survey, "visits", "opted", weights=w, sample_weight="s")
        same_picture(plot(survey, "visits", "opted", weights=effect), told)
        alone = plot(survey, "visits", "opted", weights={"of the population": total})
        same_picture(told[1], alone[1])
        same_picture(told[0], plot(survey, "visits", "opted", sample_weight="s"))
    with pytest.raises(InvalidInputError, match="with the sample weights in them"):
        plots.ecdf_plot(survey, "visits", "opted", weights=total, sample_weight="s")
    told = plots.overlap_plot(survey, model.scores, "opted", weights=w, sample_weight="s")
    same_picture(plots.overlap_plot(model, weights=effect), told)
    up = next(patch for patch in told.patches if isinstance(patch, StepPatch)).get_data().values
    assert up.sum() == pytest.approx(total[survey["opted"] == 1].sum(), rel=1e-9)


def test_overlap_plot_of_a_weighted_model_counts_the_population(survey):
    model = ps.fit_propensity(survey, treatment="opted", covariates=["visits"], sample_weight="s")
    ax = plots.overlap_plot(model)
    up = next(patch for patch in ax.patches if isinstance(patch, StepPatch)).get_data().values
    assert up.sum() == pytest.approx(survey["s"][survey["opted"] == 1].sum(), rel=1e-12)
    assert ax.get_ylabel() == "sum of weights"
    with pytest.raises(InvalidInputError, match="sample_weight: the model was fitted with others"):
        plots.overlap_plot(survey, model, sample_weight="w")


def test_love_plot_takes_the_sample_weights_of_results(survey):
    model = ps.fit_propensity(survey, treatment="opted", covariates=["visits"], sample_weight="s")
    effect = ps.ipw(survey, outcome="done", treatment="opted", scores=model, sample_weight="s")
    ax = plots.love_plot(effect, df=survey, covariates=["visits"])
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_marker() in ("o", "D")]
    for x, w in zip(drawn, (survey["s"], effect.weights), strict=True):
        means = [
            np.average(survey["visits"][arm], weights=w[arm])
            for arm in (survey["opted"] == 1, survey["opted"] == 0)
        ]
        spreads = ps.balance(survey, treatment="opted", covariates=["visits"], sample_weight="s")
        unit = (spreads["unadjusted", "mean_treated"] - spreads["unadjusted", "mean_control"]) / spreads[
            "unadjusted", "smd"
        ]
        assert x == pytest.approx(abs(means[0] - means[1]) / unit["visits"], rel=1e-9)


# Arms of very different sizes


@pytest.mark.parametrize("plot", ["overlap", "weight"])
def test_plots_show_the_smaller_arm_unasked(plot):
    rng = np.random.default_rng(1)
    score = np.r_[rng.beta(2, 3, 185), rng.beta(0.3, 30, 15_992).clip(1e-6)]
    treated = np.arange(len(score)) < 185
    if plot == "overlap":
        ax = plots.overlap_plot(score, treated)
    else:
        ax = plots.weight_plot(np.where(treated, 1.0, 1 + score), treated)
    bars = next(patch for patch in ax.patches if isinstance(patch, StepPatch))
    tallest = bars.get_data().values.max()
    zero, top = ax.transData.transform([(0.5, 0), (0.5, tallest)])[:, 1]
    assert top - zero > 0.1 * ax.bbox.height
    assert ax.get_ylabel() == "number of rows, log scale"
    plain = plots.overlap_plot(score, treated, log=False)
    assert plain.get_ylabel() == "number of rows"


def test_overlap_plot_has_one_scale_for_all_groups():
    rng = np.random.default_rng(2)
    treated = np.r_[np.arange(2_000) < 5, np.arange(2_000) < 1_000]
    group = np.repeat(["few", "many"], 2_000)
    axes = plots.overlap_plot(rng.uniform(0.2, 0.8, 4_000), treated, by=group)
    assert {ax.get_yscale() for ax in axes} == {"symlog"}


# Effects


@pytest.fixture
def effects():
    rng = np.random.default_rng(4)
    score = rng.uniform(0.1, 0.9, 20_000)  # enough rows for effects without a caution
    opted = (rng.random(20_000) < score).astype(int)
    many = pd.DataFrame({"score": score, "opted": opted, "done": opted + rng.normal(size=20_000)})
    one = ps.ipw(many, outcome="done", treatment="opted", scores="score")
    other = ps.ipw(many, outcome="done", treatment="opted", scores="score", estimand="ATT")
    several = ps.ipw(
        many.assign(more=2.0 * many["done"]), outcome=["done", "more"], treatment="opted", scores="score"
    )
    return one, other, several


def drawn(ax):
    """Name, estimate and interval of each row, from the top."""
    names = [label.get_text().split("\n")[0] for label in ax.get_yticklabels()]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() in ("o", "D")]
    ends = [tuple(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2]
    return [(name, dot, *end) for name, dot, end in zip(names, dots, ends, strict=True)]


def row(name, effect, level=0.95):
    return name, effect.estimate, *effect.conf_int(level)


def test_effects_plot_takes_effects_however_they_are_held(effects):
    one, other, several = effects
    assert drawn(plots.effects_plot(one)) == [row("ATE", one)]
    assert drawn(plots.effects_plot([one, other])) == [row("ATE", one), row("ATT", other)]
    assert drawn(plots.effects_plot([one, one])) == [row("1. ATE", one), row("2. ATE", one)]
    assert drawn(plots.effects_plot({"IPW": one, "of them": other})) == [
        row("IPW", one),
        row("of them", other),
    ]
    of_each = [row(name, several[name]) for name in ("done", "more")]
    assert drawn(plots.effects_plot(several)) == of_each
    together = drawn(plots.effects_plot({"IPW": several, "ATT": other}))
    assert together == [(f"IPW: {name}", *numbers) for name, *numbers in of_each] + [row("ATT", other)]


def test_effects_plot_draws_intervals_at_the_level_asked_for(effects):
    one, *_ = effects
    ax = plots.effects_plot([one], level=0.8)
    assert drawn(ax) == [row("ATE", one, 0.8)]
    assert ax.get_xlabel() == "effect and its 80% interval"


def test_effects_plot_takes_a_bootstrap(users):
    boot = ps.bootstrap(
        users, outcome="done", treatment="opted", covariates=["visits"], n_reps=50, progress=False
    )
    names = [
        label.get_text().split("\n")[0].removesuffix(" †")
        for label in plots.effects_plot(boot).get_yticklabels()
    ]
    assert names == list(boot.estimates.index)


def test_effects_plot_marks_effects_with_a_caution(users):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = ps.ipw(users.iloc[:40], outcome="done", treatment="opted", scores="score")
    assert few.cautions
    ax = plots.effects_plot({"few": few})
    assert drawn(ax)[0][0] == "few †"
    assert ax.get_xlabel().endswith("† with a caution")


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_effects_plot_keeps_differences_and_ratios_apart(users):
    frame = users.assign(done=(users["done"] > 0).astype(int))
    one = ps.ipw(frame, outcome="done", treatment="opted", scores="score")
    with pytest.raises(
        InvalidInputError, match=r"differences and ratios have no axis in common.*contrast_as"
    ):
        plots.effects_plot([one, one.contrast_as("ratio")])
    assert plots.effects_plot(one.contrast_as("ratio")).get_xscale() == "log"


def test_effects_plot_shows_ends_and_estimates_that_are_infinite_at_the_edge():
    inf, nan = np.inf, np.nan
    rows = {"a": [1.0, 0.5, 1.5], "up": [1.2, 0.8, inf], "both": [0.0, -inf, inf], "far": [-inf, nan, nan]}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "conf_low", "conf_high"])
    table.loc["none"] = nan
    ax = plots.effects_plot(table)
    assert {text.get_text() for text in ax.texts} == {"minus infinite", "infinite"}
    found = {name: numbers for name, *numbers in drawn(ax)}
    low, high = ax.get_xlim()
    assert np.isfinite(found["both"]).all()
    assert 1.5 < found["up"][2] == found["both"][2] < high
    assert low < found["both"][1] == found["far"][0] < 0.5
    assert ax.get_yticklabels()[-1].get_text() == "none\nno estimate"
    assert ax.get_yticklabels()[1].get_text() == "up\n1.2  [0.8, infinite]"


def test_bootstrap_plot_says_that_every_replicate_failed(users):
    boot = ps.bootstrap(
        users, outcome="done", treatment="opted", covariates=["visits"], n_reps=20, progress=False
    )
    replicates = boot.replicates.copy()
    replicates.iloc[:, 0] = np.nan
    boot = dataclasses.replace(boot, replicates=replicates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = [label.get_text() for label in plots.bootstrap_plot(boot).get_yticklabels()]
    assert labels[-1].endswith(", no interval")


def test_effects_plot_says_what_it_cannot_draw():
    with pytest.raises(InvalidInputError, match="effects: nothing to draw"):
        plots.effects_plot({})
    with pytest.raises(TypeError, match="an effect, or several in a list or by name, not float"):
        plots.effects_plot([1.0])
    with pytest.raises(TypeError, match="not int"):
        plots.effects_plot(3)


# Names


ODD = ["$0-$10", "$0_$100", "$\\frac{", "_hidden", "50% & more"]


def texts(ax):
    return {text.get_text() for text in ax.figure.findobj(Text)}


@pytest.mark.parametrize("name", ODD)
def test_plots_print_names_as_they_are_written(users, name):
    users = users.rename(columns={"visits": name, "w": f"w {name}"})
    users["tier"] = users["tier"].replace("light", name)
    x, t = users[name], users["opted"]
    model = ps.fit_propensity(users, treatment="opted", covariates=[name])
    effect = ps.ipw(users, outcome="done", treatment="opted", scores=model)
    weights = {name: users[f"w {name}"]}
    table = ps.balance(users, treatment="opted", covariates=["tier", name], weights=weights)
    boot = ps.bootstrap(
        users, outcome="done", treatment="opted", covariates=[name], n_reps=20, progress=False
    )
    pictures = {
        "love": (plots.love_plot(table), {name, f"tier[{name}]"}),
        "overlap": (plots.overlap_plot(users, model, by="tier"), {name}),
        "ecdf": (plots.ecdf_plot(x, t, weights=weights), {name}),
        "qq": (plots.qq_plot(x, t, weights=weights), {name, f"{name}, controls", f"{name}, treated"}),
        "effects": (plots.effects_plot({name: effect}, reference={name: 0.1}), {f"{name}: 0.1"}),
        "bootstrap": (plots.bootstrap_plot(boot, reference={name: 0.1}), {f"{name}: 0.1"}),
    }
    for axes, names in pictures.values():
        ax = np.atleast_1d(axes)[0]
        ax.figure.canvas.draw()  # matplotlib's parser is asked here, and fails on half of a formula
        assert names <= texts(ax)
        formulas = [
            text for text in ax.figure.findobj(Text) if "$" in text.get_text() and text.get_parse_math()
        ]
        assert formulas == []


def test_love_plot_lists_samples_whose_names_begin_with_an_underscore(users):
    table = ps.balance(users, treatment="opted", covariates=["visits"], weights={"_ipw": users["w"]})
    legend = plots.love_plot(table).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["unadjusted", "_ipw"]
    _, ax = plt.subplots()
    given = plots.love_plot(table, ax=ax).get_legend()
    assert [text.get_text() for text in given.get_texts()] == ["unadjusted", "_ipw"]


def test_plots_leave_the_callers_own_formulas_alone(users):
    _, ax = plt.subplots()
    title = ax.set_title(r"$\tau$")
    plots.overlap_plot(users, "score", "opted", ax=ax)
    assert title.get_parse_math()
    assert ax.xaxis.label.get_parse_math()


# What is none of it, or in another's place


def test_results_that_a_picture_is_not_of_are_refused_in_words():
    rng = np.random.default_rng(3)
    df = pd.DataFrame({"x": rng.normal(size=80), "t": np.arange(80) % 2, "y": rng.normal(size=80)})
    df["z"] = df["y"] + df["t"]
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    effects = ps.ipw(df, outcome=["y", "z"], treatment="t", scores=model)
    line = re.escape("ps.balancing_weights(df, treatment='t', scores=model)")
    for call in (
        lambda: plots.weight_plot(model),
        lambda: plots.weight_plot(df, model),
        lambda: plots.ecdf_plot(df, "x", treatment="t", weights=model),
        lambda: plots.qq_plot(df, "x", treatment="t", weights={"IPW": model}),
    ):
        with pytest.raises(TypeError, match=f"numbers are needed, not PropensityModel; .* by {line}"):
            call()
    for plot in (plots.ecdf_plot, plots.qq_plot):
        for given in ((model,), (model, "x"), (effects["y"],)):
            with pytest.raises(TypeError, match="covariate: a column of the frame or numbers are needed"):
                plot(*given)
    with pytest.raises(TypeError, match=r"weights: .* not Effects; take one of them, effects\['y'\]"):
        plots.weight_plot(effects)
    with pytest.raises(TypeError, match="scores: a model, a column or numbers are needed, not Overlap"):
        plots.overlap_plot(ps.overlap(df, treatment="t", scores=model))


def test_scores_and_treatment_the_other_way_round_are_told():
    df = pd.DataFrame({"t": np.arange(60) % 2, "e": np.linspace(0.1, 0.9, 60)})
    for call in (
        lambda: plots.overlap_plot(df["t"], df["e"]),
        lambda: plots.overlap_plot(df, "t", "e"),
        lambda: plots.overlap_plot(df, "t", df["e"].to_numpy()),
    ):
        with pytest.raises(InvalidInputError, match=r"look the other way round: .* scores=..., treat"):
            call()
    with pytest.raises(InvalidInputError, match="weights come first"):
        plots.weight_plot(df["t"], df["e"])
    plots.overlap_plot(df["e"].round(), df["t"])  # scores of a certain model
    plots.weight_plot(df["t"] * 0 + 1, df["t"])


def test_long_names_of_groups_stay_over_their_panels():
    df = pd.DataFrame({"t": np.arange(60) % 2, "e": np.linspace(0.1, 0.9, 60)})
    names = ["ENTERPRISE USERS WITH AGENTS", "light users of the enterprise plan in Europe", "word" * 30]
    axes = plots.overlap_plot(df, "e", "t", by=np.array(names)[np.arange(60) % 3])
    figure = axes[0].figure
    figure.canvas.draw()
    panels = [panel.get_window_extent() for panel in axes]
    titles = [panel._left_title.get_window_extent() for panel in axes]
    for title, following in zip(titles, panels[1:], strict=False):
        assert title.x1 < following.x0
    assert titles[-1].x1 <= figure.bbox.width
    shown = [panel.get_title(loc="left").replace("\n", " ") for panel in axes]
    assert shown[:2] == sorted(names)[:2]  # in full, where three lines are enough


def test_more_groups_than_an_eye_looks_at_are_refused():
    df = pd.DataFrame({"t": np.arange(400) % 2, "e": np.linspace(0.1, 0.9, 400)})
    team = np.arange(400) // 10
    with pytest.raises(InvalidInputError, match="by: 40 groups, and a panel for each; more than 30"):
        plots.overlap_plot(df, "e", "t", by=team)
    assert len(plots.overlap_plot(df, "e", "t", by=np.minimum(team, 29))) == 30


# Docstrings


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(plots.__path__)])
def test_examples_of_plots_run(module):
    room = importlib.import_module(f"propensity.plots.{module}")
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    own = {n: m for n, m in vars(room).items() if getattr(m, "__module__", None) == room.__name__}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, member in own.items():  # doctest passes over what is decorated elsewhere
            for test in finder.find(inspect.unwrap(member), name, room):
                runner.run(test)
    assert runner.failures == 0
    assert runner.tries > 0 or module.startswith("_")
