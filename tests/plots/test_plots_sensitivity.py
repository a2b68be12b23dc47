"""Pictures of hidden confounding: they draw the numbers of their results, and nothing else's."""

import dataclasses

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from propensity import plots
from propensity.effects.effect import Interval
from propensity.errors import InvalidInputError
from propensity.sensitivity.bias import LinearBias
from propensity.sensitivity.bounds_result import SensitivityBounds
from propensity.sensitivity.robustness_result import RobustnessValue
from propensity.sensitivity.rosenbaum import RosenbaumBounds

mpl.use("Agg")


def robustness(estimate=0.5, strengths=(("tier", 1.0, 0.2, 0.1), ("tier", 2.0, 0.4, 0.2)), share=1.0):
    names = {"method": "least squares", "treatment": "$t$", "outcome": "y_"}
    return RobustnessValue.of(LinearBias(estimate, 0.1, 400.0), strengths, share=share, level=0.95, **names)


def bounds(critical=(1.2, 1.4)):
    gamma = np.array([1.1, 1.5, 2.0])
    table = pd.DataFrame({"gamma": gamma, "lower": [0.3, 0.0, -0.2], "upper": [0.5, 0.8, 1.0]})
    return SensitivityBounds(
        table=table.assign(conf_low=table["lower"] - 0.1, conf_high=table["upper"] + 0.1),
        estimate=0.4,
        interval=Interval(0.3, 0.5),
        critical_gamma=critical[0],
        critical_gamma_of_estimate=critical[1],
        estimator="IPW ATE",
        sharp=False,
        level=0.9,
        n_reps=100,
        n_failed=0,
        seed=0,
    )


def rosenbaum(gammas=(1.0, 1.5, 2.0), critical=1.3):
    table = pd.DataFrame(
        {"gamma": gammas, "p_lower": 1e-9, "p_upper": 0.2, "estimate_low": 0.1, "estimate_high": 0.3}
    )
    return RosenbaumBounds(
        table=table,
        critical_gamma=critical,
        measure="shift",
        alternative="greater",
        test="Wilcoxon's",
        sets="30 pairs",
        n_informative=30,
        level=0.95,
    )


def texts(ax):
    return [text.get_text() for text in ax.texts]


def markers(ax, kind):
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in ax.lines
        if line.get_marker() == kind
    ]


def test_robustness_plot_marks_the_value_and_the_weakest_of_each_benchmark():
    found = robustness()
    ax = plots.robustness_plot(found)
    assert markers(ax, "X") == [(found.value, found.value)]
    assert markers(ax, "D") == [(0.2, 0.1)]
    assert "tier" in texts(ax)
    assert ax.get_xlim()[1] == pytest.approx(1.25 * max(found.value, 0.2))


def test_robustness_plot_reaches_as_far_as_is_asked():
    ax = plots.robustness_plot(robustness(), limit=0.5)
    assert markers(ax, "D") == [(0.2, 0.1), (0.4, 0.2)]
    assert "2 × tier" in texts(ax)
    assert ax.get_ylim() == (0, 0.5)


@pytest.mark.parametrize("estimate", [0.5, -0.5])
def test_heavy_contour_is_where_nothing_is_left(estimate):
    found = robustness(estimate)
    ax = plots.robustness_plot(found)
    heavy = next(c for c in ax.collections if c.get_linewidth().max() > 2)
    path = np.concatenate([p.vertices for p in heavy.get_paths() if len(p.vertices)])
    inside = path[(path[:, 0] > 0.01) & (path[:, 1] > 0.01)]
    assert_allclose(found.adjusted(inside[:, 0], inside[:, 1]), 0, atol=0.02 * abs(estimate))


@pytest.mark.parametrize("share", [0.25, 0.5, 2.0])
@pytest.mark.parametrize("estimate", [0.5, -0.5])
def test_heavy_contour_goes_through_the_value_whatever_the_share(estimate, share):
    found = robustness(estimate, share=share)
    ax = plots.robustness_plot(found)
    heavy = next(c for c in ax.collections if c.get_linewidth().max() > 2)
    path = np.concatenate([p.vertices for p in heavy.get_paths() if len(p.vertices)])
    left = found.adjusted(found.value, found.value)
    assert left == pytest.approx((1 - share) * estimate, rel=1e-9)
    inside = path[(path[:, 0] > 0.01) & (path[:, 1] > 0.01)]
    assert_allclose(found.adjusted(inside[:, 0], inside[:, 1]), left, atol=0.02 * abs(estimate))
    assert np.hypot(*(path - found.value).T).min() < 0.02 * ax.get_xlim()[1]  # where the cross is
    assert f"{left:.3g}" in {text.get_text() for text in ax.texts}


def test_robustness_plot_prints_names_as_they_are_written():
    ax = plots.robustness_plot(robustness())
    assert not ax.xaxis.label.get_parse_math()
    assert "$t$" in ax.get_xlabel()
    assert "y_" in ax.get_ylabel()


def test_bounds_plot_draws_the_table_from_no_confounding():
    found = bounds()
    ax = plots.bounds_plot(found)
    lines = [line for line in ax.lines if len(line.get_xdata()) == 4]
    expected = found.table
    for line, name, first in zip(
        lines, ("lower", "upper", "conf_low", "conf_high"), (0.4, 0.4, 0.3, 0.5), strict=True
    ):
        assert_allclose(line.get_xdata(), [1, 1.1, 1.5, 2])
        assert_allclose(line.get_ydata(), [first, *expected[name]])
    assert {"interval 1.2", "bounds 1.4"} <= set(texts(ax))
    assert "90% interval" in ax.get_ylabel()


def test_bounds_plot_marks_no_gamma_that_it_does_not_reach():
    for critical in ((np.nan, np.inf), (5.0, 9.0)):
        assert not texts(plots.bounds_plot(bounds(critical)))


def test_rosenbaum_plot_draws_p_values_down_to_a_millionth():
    ax = plots.rosenbaum_plot(rosenbaum())
    upper, lower = (line for line in ax.lines if line.get_marker() in ("o", "s"))
    assert_allclose(upper.get_ydata(), 0.2)
    assert_allclose(lower.get_ydata(), 1e-6)
    assert ax.get_yscale() == "log"
    assert {"p = 0.05", "Γ 1.3"} <= set(texts(ax))


def test_one_gamma_alone_is_drawn():
    ax = plots.rosenbaum_plot(rosenbaum(gammas=(1.0,), critical=np.nan))
    assert len(ax.lines) == 3


@pytest.mark.parametrize("plot", [plots.robustness_plot, plots.bounds_plot, plots.rosenbaum_plot])
def test_pictures_of_hidden_confounding_take_axes_and_their_own_results(plot):
    from matplotlib import pyplot as plt

    own = {"robustness_plot": robustness, "bounds_plot": bounds, "rosenbaum_plot": rosenbaum}[plot.__name__]
    ax = plt.subplots()[1]
    assert plot(own(), ax=ax) is ax
    with pytest.raises(TypeError, match=r"found: what .* gave is needed, not DataFrame"):
        plot(pd.DataFrame())


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InvalidInputError, match="there is no effect to explain away"):
        plots.robustness_plot(robustness(estimate=0.0))
    for limit in (0, 1.5, "all"):
        with pytest.raises(InvalidInputError, match="limit must be"):
            plots.robustness_plot(robustness(), limit=limit)
    assert dataclasses.is_dataclass(robustness())
