"""The coverage study: its worlds are what they say, its machinery counts right, its page is up to date."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import coverage_report
import coverage_study
import worlds
from coverage_study import FAILED, Interval, Method, Study, run, summarise
from propensity import core, datasets

EVERY_WORLD = worlds.ALL_WORLDS
DOCS = Path(__file__).parents[2] / "docs"
IPW_ATE = Method("IPW", "ATE", "sandwich")


# Worlds


@pytest.mark.parametrize("world", EVERY_WORLD.values(), ids=EVERY_WORLD)
def test_truth_is_what_a_large_sample_says(world):
    for estimand, (effect, error) in worlds.true_effects(world, n_blocks=4, block=50_000).items():
        assert world.truth[estimand] == pytest.approx(effect, abs=4 * error + world.precision + 1e-9)


def test_uneven_effects_are_those_of_quadrature():
    x1, w1 = np.polynomial.legendre.leggauss(200)
    x2, w2 = np.polynomial.hermite_e.hermegauss(100)
    x1, weights = 2 * x1[:, None], w1[:, None] * w2
    e = 1 / (1 + np.exp(0.5 - 0.8 * x1 - 0.3 * x2))
    for estimand, h in {"ATE": np.ones_like(e), "ATT": e, "ATO": e * (1 - e)}.items():
        effect = (weights * h * (1 + x1)).sum() / (weights * h).sum()
        assert worlds.UNEVEN_EFFECTS[estimand] == pytest.approx(effect, abs=1e-9)


def test_opt_in_effect_is_that_of_both_outcomes():
    # Both potential completion probabilities of the same users, their bound included.
    n, world = 400_000, worlds.WORLDS["Opt-in"]
    rng = np.random.default_rng(3)
    users = datasets._opt_in_users(rng, n)
    treated = users["opt_in_agent_mode"] == 1
    by_arm = [
        datasets._completion_probability(
            np.random.default_rng(4), users | {"opt_in_agent_mode": np.full(n, arm)}
        )
        for arm in (0, 1)
    ]
    effects = by_arm[1] - by_arm[0]
    assert world.truth["ATE"] == pytest.approx(effects.mean(), abs=world.precision)
    assert world.truth["ATT"] == pytest.approx(effects[treated].mean(), abs=world.precision)


@pytest.mark.parametrize("world", EVERY_WORLD.values(), ids=EVERY_WORLD)
def test_treatment_follows_the_true_scores(world):
    sample = world.draw(np.random.default_rng(0), 50_000)
    surprise = sample.treatment - sample.scores
    if sample.sample_weight is not None:  # the scores are those of the population that the weights stand for
        surprise = surprise * sample.sample_weight
    lots = np.arange(len(surprise)) if sample.cluster is None else sample.cluster
    spread = np.sqrt((np.bincount(lots, weights=surprise) ** 2).sum())
    assert abs(surprise.sum()) < 4 * spread
    # Nor does it go with any covariate beyond the score.
    for column in sample.x.T:
        own = column - column.mean()
        assert abs(own @ surprise) < 4.5 * np.sqrt((np.bincount(lots, weights=own * surprise) ** 2).sum())


@pytest.mark.parametrize(
    ("world", "share"),
    [("LTL 1", 0.4), ("LTL 4", 0.4), *((name, 0.13) for name in worlds.SMALL_WORLDS)],
)
def test_share_treated_is_the_one_stated(world, share):
    scores = EVERY_WORLD[world].draw(np.random.default_rng(1), 200_000).scores
    assert scores.mean() == pytest.approx(share, abs=0.003)


@pytest.mark.parametrize(
    ("world", "method", "bias", "rmse"),
    [
        ("KS wrong", "regression", -0.70, 1.61),
        ("KS wrong", "ipwra", -2.88, 3.23),
    ],
)
def test_kang_and_schafer_is_the_published(world, method, bias, rmse):
    # Their mean of 210 from those observed: our treated arm. 1,000 rows; the bias is a mean of 1,000 samples
    # there, over 300 here.
    draw, n_data_sets = worlds.WORLDS[world].draw, 300
    errors = []
    for data_set in range(n_data_sets):
        sample = draw(np.random.default_rng(data_set), 1000)
        found = core.adjust(sample.x, sample.treatment, sample.outcome, method=method, n_threads=1)
        errors.append(found.mean_treated - 210)
    spread = np.sqrt(rmse**2 - bias**2)
    assert np.mean(errors) == pytest.approx(bias, abs=4 * spread * np.sqrt(1 / n_data_sets + 1 / 1000))
    assert np.std(errors) == pytest.approx(spread, rel=0.25)


# Machinery


def test_summary_counts_what_it_should():
    study = Study("main", "KS right", 100, 4)
    said = [
        Interval(1.0, 0.5, -0.1, 2.1),
        Interval(3.0, 1.5, 0.1, 5.9),
        Interval(-1.0, 1.0, -3.0, 0.0),
        FAILED,
    ]
    summary = summarise(study, [{IPW_ATE: interval} for interval in said]).iloc[0]
    assert (summary["estimator"], summary["estimand"], summary["interval"]) == IPW_ATE
    assert summary["truth"] == 0.0
    assert summary["bias"] == pytest.approx(1.0)
    assert summary["sd"] == pytest.approx(2.0)
    assert summary["mean_se"] == pytest.approx(1.0)
    assert summary["se_ratio"] == pytest.approx(0.5)
    assert summary["coverage"] == pytest.approx(2 / 3)
    assert summary["coverage_error"] == pytest.approx(np.sqrt(2 / 27))
    assert summary["failed"] == pytest.approx(1 / 4)


def test_failures_are_counted_not_raised():
    # Three rows for two covariates: every data set is separated.
    world = next(iter(worlds.SMALL_WORLDS))
    tables = list(run([Study("small", world, 3, 4, 5)], seed=1, n_processes=1))
    assert (tables[0]["failed"] == 1.0).all()


def test_results_do_not_depend_on_the_number_of_processes():
    studies = [
        Study("main", "Setoguchi G", 250, 2 * coverage_study.BLOCK + 1),
        Study("bootstrap", "LD moderate", 250, 3, 10),
    ]
    one = pd.concat(run(studies, seed=5, n_processes=1))
    two = pd.concat(run(studies, seed=5, n_processes=2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("part", "world", "n_methods"),
    [
        ("matching", "Prognostic", 27),
        ("matching", "Cells", 27),
        ("matching", "Rounded", 27),
        ("again", "Clusters", 14),
        ("weights", "Weights by arm", 22),
        ("weights", "Weighted tiers", 22),
        ("clusters", "Clusters", 8),
        ("cross-fitting", "HET", 4),
    ],
)
def test_every_method_of_the_frames_answers(part, world, n_methods):
    (table,) = run([Study(part, world, 250, 2, 10)], seed=5, n_processes=1)
    assert len(table) == n_methods
    assert (table["failed"] == 0).all()
    assert table[["sd", "mean_se", "coverage"]].notna().to_numpy().all()


def test_bootstrap_part_has_the_data_sets_of_the_main_part():
    main, bootstrap = run(
        [Study("main", "HET", 250, 10), Study("bootstrap", "HET", 250, 10, 20)], seed=5, n_processes=1
    )
    own = bootstrap["interval"] == "sandwich"
    same = main.merge(bootstrap[own], on=["estimator", "estimand", "interval"])
    assert len(same) == own.sum()
    np.testing.assert_array_equal(same["bias_x"], same["bias_y"])


def test_intervals_hold_the_truth_as_often_as_they_say():
    # Right models, good overlap: the count is binomial. Asymptotics may cost a point at this size.
    n_data_sets = 300
    (table,) = run([Study("main", "LD moderate", 1000, n_data_sets)], seed=9, n_processes=1)
    recommended = table[(table["interval"] == "sandwich") & (table["estimator"] != "IPW")]
    low = binom.ppf(1e-4, n_data_sets, 0.94) / n_data_sets
    high = binom.ppf(1 - 1e-4, n_data_sets, 0.96) / n_data_sets
    assert recommended["coverage"].between(low, high).all()
    assert (table["failed"] == 0).all()


# The page


def test_page_has_the_numbers_kept():
    page = (DOCS / "validation.md").read_text(encoding="utf-8")
    results = pd.read_csv(DOCS / "coverage.csv")
    assert coverage_report.fill(page, coverage_report.tables(results)) == page


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="marks of 'worlds'"):
        coverage_report.fill("no marks", {"worlds": "text"})


def test_dot_plot_is_drawn(tmp_path):
    results = pd.read_csv(DOCS / "coverage.csv")
    coverage_report.dot_plot(results, tmp_path / "coverage.png")
    assert (tmp_path / "coverage.png").stat().st_size > 10_000
