"""Every picture looks as it did when somebody last looked at it.

The pictures of `tests/plots/baseline` are compared pixel by pixel, at a tolerance in root mean square of grey
levels (0 to 255); `--mpl` in pyproject.toml makes every run compare. What is drawn is made by hand here, so
that only drawing can change it. When a picture changes on purpose, or a new release of matplotlib sets text
elsewhere, draw the baselines again and look at each one, in grey too:

    .venv/bin/python -m pytest tests/plots/test_plots_baseline.py --mpl-generate-path=tests/plots/baseline
"""

from __future__ import annotations

import functools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from propensity import plots
from propensity.effects.effect import Effect, Interval
from propensity.effects.estimators import IPW
from propensity.effects.matching_specification import NearestNeighbors
from propensity.frames.fingerprint import Fingerprint
from propensity.matching.result import Matched
from propensity.resampling.analytic import Analytic
from propensity.resampling.result import BootstrapResult
from propensity.sensitivity.bias import LinearBias
from propensity.sensitivity.bounds_result import SensitivityBounds
from propensity.sensitivity.robustness_result import RobustnessValue
from propensity.sensitivity.rosenbaum import RosenbaumBounds

mpl.use("Agg")

# The same release of matplotlib draws the same pixels. One dot of 600 that moves by a tenth of its row makes
# 0.8, one marker of 120 in a Love plot 1.7, another letter 6.
TOLERANCE = 0.5

N = 600
GOLDEN = (5**0.5 - 1) / 2


def looks_the_same(draw, dpi=70):
    """Compare what a function draws with its baseline, in a font and style that come with matplotlib."""
    compare = pytest.mark.mpl_image_compare(
        baseline_dir="baseline",
        backend="agg",
        style=["default", {"font.family": "DejaVu Sans"}],
        tolerance=TOLERANCE,
        savefig_kwargs={"dpi": dpi, "metadata": {"Software": None}},
    )

    @functools.wraps(draw)
    def test():
        return np.atleast_1d(draw()).ravel()[0].figure

    return compare(test)


def spread(n, step=GOLDEN):
    """Numbers spread evenly over (0, 1), in an order that looks like chance and is none."""
    return (np.arange(1, n + 1) * step) % 1.0


# Scores that are small for most, and treated rows that are few where they are small.
SCORE = spread(N) ** 2 * 0.96 + 0.02
TREATED = spread(N, 2**0.5) < SCORE
WEIGHTS = 1 / np.where(TREATED, SCORE, 1 - SCORE)
TIER = pd.Categorical.from_codes((SCORE > 0.3).astype(int), ["light", "heavy"])
INCOME = pd.Series(np.round(1e4 * SCORE + 3e4 * spread(N, 3**0.5) ** 4, -1), name="income")


def matched(score, treated):
    """Rows of two in three left out among controls, a tenth among the treated."""
    rows = np.arange(len(score))
    kept = np.where(treated, rows % 10 > 0, rows % 3 == 0)
    weights = np.where(treated, 1.0, 0.5 + 4 * score) * kept
    index = pd.RangeIndex(len(score))
    return Matched(
        estimand="ATT",
        weights=pd.Series(weights, index=index),
        treated=treated,
        index=index,
        fingerprint=Fingerprint(index, treated, None, {}),
    )


def balance(n_terms, samples):
    terms = pd.Index(
        [f"{'days since sign-up' if i % 3 else 'tier'} {i}" for i in range(n_terms)], name="term"
    )
    columns = {}
    for j, sample in enumerate(samples):
        smd = (spread(n_terms, GOLDEN + j / 7) - 0.4) * (0.9 if j == 0 else 0.25)
        columns[sample, "smd"] = smd
        columns[sample, "variance_ratio"] = np.where(np.arange(n_terms) % 3, np.exp(smd), np.nan)
        columns[sample, "ks"] = np.abs(smd) / 2
    table = pd.DataFrame(columns, index=terms)
    table.columns.names = ["sample", "measure"]
    table.attrs = {"denominator": "pooled"}
    return table


def estimates(contrast):
    ratio = contrast != "difference"
    estimate = np.array([0.21, 0.085, 0.077, 0.08])
    half = np.array([0.009, 0.011, 0.01, 0.012])
    columns = {
        "estimate": estimate,
        "log_std_error" if ratio else "std_error": half / 2,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }
    index = pd.Index(["naive gap", "IPW ATE", "IPW ATT", "1-NN ATT"], name="estimator")
    table = pd.DataFrame(columns, index=index)
    if ratio:
        table[["estimate", "conf_low", "conf_high"]] = np.exp(
            5 * table[["estimate", "conf_low", "conf_high"]]
        )
    table["note"] = ["", "", "contradicts AIPW ATT", ""]
    table.attrs = {"level": 0.95, "contrast": contrast}
    return table


@looks_the_same
def test_overlap_plot_looks_the_same():
    return plots.overlap_plot(SCORE, TREATED)


@looks_the_same
def test_overlap_plot_by_group_looks_the_same():
    return plots.overlap_plot(SCORE, TREATED, by=TIER, bins=25)


@looks_the_same
def test_overlap_plot_weighted_density_looks_the_same():
    return plots.overlap_plot(SCORE, TREATED, weights=WEIGHTS, kind="density")


@looks_the_same
def test_overlap_plot_log_looks_the_same():
    return plots.overlap_plot(SCORE, TREATED, log=True)


@looks_the_same
def test_weight_plot_looks_the_same():
    effect = Effect(
        estimand="ATE",
        estimate=0.1,
        mean_treated=0.5,
        mean_control=0.4,
        ess_treated=97.3,
        ess_control=301.2,
        weights=pd.Series(WEIGHTS),
    )
    return plots.weight_plot(effect, TREATED, log=True)


@looks_the_same
def test_love_plot_of_3_terms_looks_the_same():
    return plots.love_plot(balance(3, ["unadjusted", "IPW ATE", "matched"]), absolute=False)


@functools.partial(looks_the_same, dpi=45)
def test_love_plot_of_60_terms_looks_the_same():
    return plots.love_plot(balance(60, ["unadjusted", "IPW ATE", "1-NN ATT", "full matching"]), top=None)


@looks_the_same
def test_love_plot_of_variance_ratios_looks_the_same():
    return plots.love_plot(balance(12, ["unadjusted", "IPW ATE"]), measure="variance_ratio")


@looks_the_same
def test_love_plot_by_group_looks_the_same():
    groups = ["heavy", "light", "medium", "new"]
    table = pd.concat([balance(4, ["unadjusted", "IPW ATE"]) * (1 + k) for k in range(4)], keys=groups)
    table.index.names = ["tier", "term"]
    ess = {sample: dict.fromkeys(groups, 100.0) for sample in ("unadjusted", "IPW ATE")}
    table.attrs = {"by": ("tier",), "denominator": "pooled", "propensity": False}
    table.attrs |= {"ess_treated": ess, "ess_control": ess}
    return plots.love_plot(table)


def with_edges(measure, below):
    """Terms of which some samples have values that no axis has a place for."""
    nan, inf = np.nan, np.inf
    values = {
        "unadjusted": [0.4, inf, 1.3, below, 1.1],
        "$IPW$": [1.2, inf, below, 0.9, 1.0],
        "_own": [1.1, 0.8, inf, 0.6, nan],
    }
    terms = pd.Index(["age", "plan[$0-$10]", "plan[$10_$50]", "tier[heavy]", "visits"], name="term")
    table = pd.DataFrame({(sample, measure): column for sample, column in values.items()}, index=terms)
    table.columns.names = ["sample", "measure"]
    return table


@looks_the_same
def test_love_plot_of_infinite_differences_looks_the_same():
    return plots.love_plot(with_edges("smd", -np.inf), absolute=False)


@looks_the_same
def test_love_plot_of_ratios_without_a_place_looks_the_same():
    return plots.love_plot(with_edges("variance_ratio", 0.0), measure="variance_ratio")


@looks_the_same
def test_love_plot_of_10_samples_looks_the_same():
    return plots.love_plot(balance(5, [f"sample {place}" for place in range(10)]))


@looks_the_same
def test_overlap_plot_of_few_treated_looks_the_same():
    few = spread(4_000, 3**0.5) < SCORE[0] * (spread(4_000) ** 2 * 0.1)
    return plots.overlap_plot(spread(4_000) ** 2 * 0.9 + 0.02, few)


@looks_the_same
def test_ecdf_plot_looks_the_same():
    return plots.ecdf_plot(INCOME, TREATED, weights={"IPW ATE": WEIGHTS, "matched": matched(SCORE, TREATED)})


@looks_the_same
def test_qq_plot_looks_the_same():
    return plots.qq_plot(INCOME, TREATED, weights=matched(SCORE, TREATED))


@looks_the_same
def test_match_plot_looks_the_same():
    score, treated = SCORE[:250], TREATED[:250]
    return plots.match_plot(matched(score, treated), score)


@looks_the_same
def test_match_plot_of_many_rows_looks_the_same():
    score = spread(8_000) ** 2 * 0.96 + 0.02
    treated = spread(8_000, 2**0.5) < score / 2
    return plots.match_plot(matched(score, treated), score)


@looks_the_same
def test_bootstrap_plot_looks_the_same():
    labels = pd.Index(["IPW ATE", "1-NN ATT"], name="estimator")
    bell = np.cumsum(spread(500, 3**0.5) - 0.5) / 400
    boot = BootstrapResult(
        estimators=(IPW("ATE"), NearestNeighbors("ATT")),
        estimates=pd.Series([0.085, 0.08], index=labels),
        replicates=pd.DataFrame({"IPW ATE": 0.085 + bell, "1-NN ATT": 0.08 + bell[::-1] * 1.2}),
        analytic=Analytic.known(pd.Series(np.nan, index=labels), pd.Series(0.005, index=labels)),
        seed=1,
        penalty=0.0,
    )
    return plots.bootstrap_plot(boot, reference={"naive gap": 0.1}, truth=0.082)


@looks_the_same
def test_effects_plot_looks_the_same():
    return plots.effects_plot(estimates("difference"), truth=0.08)


@looks_the_same
def test_effects_plot_of_ratios_looks_the_same():
    return plots.effects_plot(estimates("ratio"))


@looks_the_same
def test_robustness_plot_looks_the_same():
    strengths = [("tier", k, 0.12 * k, 0.07 * k) for k in (1.0, 2.0)] + [("visits", 1.0, 0.01, 0.02)]
    found = RobustnessValue.of(
        LinearBias(0.085, 0.0057, 5_000.0),
        strengths,
        share=1.0,
        method="least squares",
        treatment="opt_in",
        outcome="$completed$",
        level=0.95,
    )
    return plots.robustness_plot(found)


@looks_the_same
def test_bounds_plot_looks_the_same():
    gamma = np.array([1.05, 1.1, 1.25, 1.5, 2.0])
    reach = 0.45 * np.log(gamma)
    table = pd.DataFrame(
        {
            "gamma": gamma,
            "lower": 0.085 - reach,
            "upper": 0.085 + reach,
            "conf_low": 0.073 - 1.02 * reach,
            "conf_high": 0.097 + 1.02 * reach,
        }
    )
    found = SensitivityBounds(
        table=table,
        estimate=0.085,
        interval=Interval(0.073, 0.097),
        critical_gamma=float(np.exp(0.073 / (1.02 * 0.45))),
        critical_gamma_of_estimate=float(np.exp(0.085 / 0.45)),
        estimator="IPW ATE",
        sharp=False,
        level=0.95,
        n_reps=500,
        n_failed=0,
        seed=0,
    )
    return plots.bounds_plot(found)


@looks_the_same
def test_rosenbaum_plot_looks_the_same():
    gamma = np.array([1.0, 1.1, 1.25, 1.5, 2.0])
    table = pd.DataFrame(
        {
            "gamma": gamma,
            "p_lower": 1e-4 * gamma**-24,
            "p_upper": 1 / (1 + 1e4 * np.exp(-22 * np.log(gamma))),
            "estimate_low": 2 / gamma,
            "estimate_high": 2 * gamma,
        }
    )
    found = RosenbaumBounds(
        table=table,
        critical_gamma=1.33,
        measure="odds_ratio",
        alternative="greater",
        test="McNemar's exact test",
        sets="900 pairs",
        n_informative=400,
        level=0.95,
    )
    return plots.rosenbaum_plot(found)


@looks_the_same
def test_distribution_plot_of_levels_looks_the_same():
    return plots.distribution_plot(pd.Series(TIER, name="tier"), TREATED, weights={"IPW ATE": WEIGHTS})


@looks_the_same
def test_distribution_plot_of_numbers_looks_the_same():
    return plots.distribution_plot(INCOME, TREATED, weights={"IPW ATE": WEIGHTS})


@looks_the_same
def test_calibration_plot_looks_the_same():
    return plots.calibration_plot(SCORE**0.5 * 0.9, TREATED)


@looks_the_same
def test_love_plot_of_three_measures_looks_the_same():
    table = balance(8, ["unadjusted", "IPW ATE"])
    return plots.love_plot(table, measure=["smd", "variance_ratio", "ks"], labels={"tier 0": "heavy users"})
